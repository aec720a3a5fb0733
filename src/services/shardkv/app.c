/* Life of the key-value app, limits of single operations, and the door: admit, apply, query. */
#include "shardkv/internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hashslot.h"
#include "base/log.h"
#include "kv/reply.h"
#include "store/memory.h"

/* Freed at each call of shardkv_app_idle_work(): some hundred microseconds. */
#define IDLE_NODES 32u

const char *key_text(char out[KEY_TEXT_BYTES], struct slice key)
{
	return log_quote(out, KEY_TEXT_BYTES, key);
}

/*
 * Who looks at a command or query: the settings of this process are for who admits it, not for who
 * applies it.
 */
struct limits {
	uint32_t key_bytes_max, value_bytes_max;
};

static struct limits of_settings(const struct shardkv_app *a)
{
	return (struct limits){.key_bytes_max = a->key_bytes_max,
			       .value_bytes_max = a->value_bytes_max};
}

static const struct limits none = {UINT32_MAX, UINT32_MAX};

/* Stored when longer keys were allowed: it is still to be had, and to be got rid of. */
static bool is_stored(const struct shardkv_app *a, struct slice key)
{
	struct store_record record;
	return a->store->ops->get(a->store, shard_of_key(key, a->nshards), key, &record);
}

static int check_key(const struct shardkv_app *a, struct limits limits, struct slice key,
		     struct reply *reply)
{
	if (key.len == 0) {
		shardkv_refuse(reply, STATUS_BAD_REQUEST, 0, "key must not be empty");
	} else if (key.len > limits.key_bytes_max && !is_stored(a, key)) {
		shardkv_refuse(reply, STATUS_TOO_LARGE, 0,
			       "key has %zu bytes, at most %u are allowed", key.len,
			       limits.key_bytes_max);
	}
	return reply->status;
}

static int check_value(struct limits limits, struct slice key, struct slice value,
		       struct reply *reply)
{
	char text[KEY_TEXT_BYTES];
	if (value.len > limits.value_bytes_max) {
		shardkv_refuse(reply, STATUS_TOO_LARGE, 0,
			       "key %s: value has %zu bytes, at most %u are allowed",
			       key_text(text, key), value.len, limits.value_bytes_max);
	}
	return reply->status;
}

static int check_ops(const struct shardkv_app *a, struct limits limits,
		     const struct wire_kv_op *ops, uint32_t count, struct reply *reply)
{
	if (count > TXN_OPS_MAX) {
		shardkv_refuse(reply, STATUS_TOO_LARGE, 0,
			       "transaction has %u operations, at most %u are allowed", count,
			       TXN_OPS_MAX);
	}
	for (uint32_t i = 0; i < count && reply->status == 0; i++) {
		if (check_key(a, limits, ops[i].key, reply) == 0 &&
		    check_value(limits, ops[i].key, ops[i].value, reply) == 0 && ops[i].absent &&
		    ops[i].expect.len > 0)
			shardkv_refuse(reply, STATUS_BAD_REQUEST, 0,
				       "absent and expect exclude each other");
	}
	return reply->status;
}

/* Everything that can be said of a command without looking at whose its keys are. */
static int check_limits(const struct shardkv_app *a, struct limits limits,
			const struct wire_kv_command *command, struct reply *reply)
{
	if (command->nwhen > TXN_OPS_MAX) {
		shardkv_refuse(reply, STATUS_TOO_LARGE, 0,
			       "transaction has %u compares, at most %u are allowed",
			       command->nwhen, TXN_OPS_MAX);
		return reply->status;
	}
	for (uint32_t i = 0; i < command->nwhen; i++) {
		if (check_key(a, limits, command->when[i].key, reply) != 0)
			return reply->status;
	}
	if (check_ops(a, limits, command->then, command->nthen, reply) != 0 ||
	    check_ops(a, limits, command->otherwise, command->notherwise, reply) != 0)
		return reply->status;
	if (command->nthen + command->nwhen + command->notherwise == 0 && !command->transaction)
		shardkv_refuse(reply, STATUS_BAD_REQUEST, 0, "the command has no operation");
	return reply->status;
}

static int check_command(struct shardkv_app *a, struct limits limits, struct slice bytes,
			 struct arena *arena, bool any_shard, struct wire_kv_command *command,
			 struct reply *reply)
{
	int status = wire_kv_command_decode(bytes, arena, command);
	if (status != 0) {
		shardkv_refuse(reply, status, 0, "the command cannot be decoded: %s",
			       status_text(status));
		return status;
	}
	if (!command->has_internal) {
		if (check_limits(a, limits, command, reply) != 0 || any_shard)
			return reply->status;
		return ownership_check_command(a, command, reply);
	}
	if (command->nthen + command->nwhen + command->notherwise > 0)
		shardkv_refuse(reply, STATUS_BAD_REQUEST, 0,
			       "an internal command carries no operations");
	return reply->status;
}

static int count_refusal(struct shardkv_app *a, const struct reply *reply)
{
	if (reply->status != 0) {
		unsigned code = status_to_wire(reply->status);
		a->counters.refusals[code < SHARDKV_STATUS_CODES ? code : 0]++;
	}
	return reply->status;
}

/*
 * Values that operations will copy, by their size now, or the longest that the command itself makes
 * before. Most operations copy none, and are not looked up for this.
 */
static uint64_t expected_work(struct shardkv_app *a, const struct wire_kv_op *ops, uint32_t count)
{
	uint64_t work = 0, made = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct store_record record;
		uint64_t len = made;
		if (ops[i].kind == WIRE_KV_PUT && ops[i].value.len > made)
			made = ops[i].value.len;
		if (ops[i].kind != WIRE_KV_APPEND && ops[i].kind != WIRE_KV_GET &&
		    ops[i].kind != WIRE_KV_CAS)
			continue;
		if (a->store->ops->get(a->store, shard_of_key(ops[i].key, a->nshards), ops[i].key,
				       &record) &&
		    record.value.len > len)
			len = record.value.len;
		work += len * (ops[i].kind == WIRE_KV_APPEND ? APPEND_COPIES : 1);
		if (ops[i].kind == WIRE_KV_APPEND)
			len += ops[i].value.len;
		else if (ops[i].kind == WIRE_KV_CAS && ops[i].value.len > len)
			len = ops[i].value.len;
		if (ops[i].kind != WIRE_KV_GET && len > made)
			made = len;
	}
	return work;
}

static int admit(struct app *app, struct slice bytes, struct arena *arena, struct reply *reply)
{
	struct shardkv_app *a = app_of(app);
	struct wire_kv_command command;
	reply->status = 0;
	if (check_command(a, of_settings(a), bytes, arena, a->admit_any_shard, &command, reply) ==
		    0 &&
	    command.has_internal)
		shardkv_refuse(reply, STATUS_DENIED, 0,
			       "only a group itself may change what it owns");
	if (reply->status == 0)
		reply->work = bytes.len + expected_work(a, command.then, command.nthen) +
			      expected_work(a, command.otherwise, command.notherwise);
	return count_refusal(a, reply);
}

static void apply(struct app *app, const struct apply_context *context, struct slice bytes,
		  struct reply *reply)
{
	struct shardkv_app *a = app_of(app);
	struct wire_kv_command command;
	reply->status = 0;
	if (check_command(a, none, bytes, context->arena, false, &command, reply) == 0) {
		if (!command.has_internal)
			txn_execute(a, &command, context, reply);
		else if (context->client == 0)
			ownership_apply(a, &command.internal, context->arena, reply);
		else
			shardkv_refuse(reply, STATUS_DENIED, 0,
				       "only a group itself may change what it owns");
	}
	count_refusal(a, reply);
	a->store->ops->set_applied(a->store, context->slot);
}

static bool shorten(struct app *app, struct slice reply, struct arena *arena, struct buffer *out)
{
	(void)app;
	return kv_reply_shorten(reply, arena, out);
}

static bool get_now(void *context, struct slice key, struct store_record *record)
{
	struct shardkv_app *a = context;
	return a->store->ops->get(a->store, shard_of_key(key, a->nshards), key, record);
}

static bool complete(struct app *app, struct slice kept, struct slice command, struct arena *arena,
		     struct buffer *out)
{
	return kv_reply_complete(kept, command, arena, get_now, app_of(app), out);
}

static void query(struct app *app, struct slice bytes, struct arena *arena, struct reply *reply)
{
	struct shardkv_app *a = app_of(app);
	struct wire_kv_query q;
	reply->status = 0;
	int status = wire_kv_query_decode(bytes, arena, &q);
	if (status != 0)
		shardkv_refuse(reply, status, 0, "the query cannot be decoded: %s",
			       status_text(status));
	for (uint32_t i = 0; i < q.nkeys && reply->status == 0; i++)
		check_key(a, of_settings(a), q.keys[i], reply);
	if (reply->status == 0)
		query_execute(a, &q, arena, reply);
	count_refusal(a, reply);
}

/*
 * Brings what the keys of the messages lead to into the cache; of transactions with many keys, the
 * first.
 */
static void expect(struct shardkv_app *a, const struct slice messages[], uint32_t count,
		   uint32_t (*keys_of)(struct slice message, struct slice keys[], uint32_t max))
{
	struct slice keys[STORE_PREFETCH_MAX];
	struct store_lookup lookups[STORE_PREFETCH_MAX];
	uint32_t nkeys = 0;
	for (uint32_t i = 0; i < count; i++)
		nkeys += keys_of(messages[i], &keys[nkeys], STORE_PREFETCH_MAX - nkeys);
	for (uint32_t i = 0; i < nkeys; i++)
		lookups[i] = (struct store_lookup){.space = shard_of_key(keys[i], a->nshards),
						   .key = keys[i]};
	a->store->ops->prefetch(a->store, lookups, nkeys);
}

static void expect_commands(struct app *app, const struct slice commands[], uint32_t count)
{
	expect(app_of(app), commands, count, wire_kv_command_keys);
}

static void expect_queries(struct app *app, const struct slice queries[], uint32_t count)
{
	expect(app_of(app), queries, count, wire_kv_query_keys);
}

static uint64_t hash(struct app *app)
{
	return snapshot_hash(app_of(app));
}

static void destroy(struct app *app)
{
	struct shardkv_app *a = app_of(app);
	shard_config_unref(a->config);
	a->store->ops->destroy(a->store);
	free(a->sources);
	free(a);
}

static const struct app_ops shardkv_app_ops = {
	.admit = admit,
	.apply = apply,
	.query = query,
	.shorten = shorten,
	.complete = complete,
	.expect_commands = expect_commands,
	.expect_queries = expect_queries,
	.image_is_apart = true,
	.bytes = shardkv_app_bytes,
	.snapshot_begin = snapshot_begin,
	.snapshot_next = snapshot_next,
	.snapshot_end = snapshot_end,
	.restore_begin = restore_begin,
	.restore_chunk = restore_chunk,
	.restore_end = restore_end,
	.hash = hash,
	.audit_begin = audit_begin,
	.audit_next = audit_next,
	.audit_parts = audit_parts,
	.audit_end = audit_end,
	.part_name = part_name,
	.destroy = destroy,
};

struct app *shardkv_app_create(const struct shardkv_app_options *options)
{
	ASSERT(options->nshards > 0 && options->nshards <= SHARDS_MAX);
	ASSERT(options->gid != 0 && options->value_bytes_max <= KV_RESULT_BYTES_MAX);
	struct shardkv_app *a = alloc_zeroed(1, sizeof *a + options->nshards * sizeof a->shards[0]);
	a->app.ops = &shardkv_app_ops;
	a->store = options->store;
	a->gid = options->gid;
	a->nshards = options->nshards;
	a->key_bytes_max = options->key_bytes_max;
	a->value_bytes_max = options->value_bytes_max;
	return &a->app;
}

struct shardkv_counters *shardkv_app_counters(struct app *app)
{
	return &app_of(app)->counters;
}

uint64_t shardkv_app_keys(struct app *app)
{
	return app_of(app)->keys;
}

uint64_t shardkv_app_bytes(struct app *app)
{
	struct store *store = app_of(app)->store;
	return store->ops->bytes(store);
}

void shardkv_app_judge_ownership(struct app *app, bool judge)
{
	app_of(app)->admit_any_shard = !judge;
}

bool shardkv_app_idle_work(struct app *app)
{
	return store_memory_idle_work(app_of(app)->store, IDLE_NODES);
}
