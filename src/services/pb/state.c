/* The state as a stream, and its receiver. */
#include "pb/state.h"

#include <inttypes.h>

#include "kv/digest.h"
#include "kv/operation.h"
#include "kv/reply.h"

void pb_state_init(struct pb_state *s, uint32_t sessions_max, uint64_t session_idle_us)
{
	*s = (struct pb_state){.store = store_memory_create(1)};
	sessions_init(&s->sessions, sessions_max, session_idle_us);
}

void pb_state_free(struct pb_state *s)
{
	sessions_free(&s->sessions);
	s->store->ops->destroy(s->store);
}

void pb_state_clear(struct pb_state *s)
{
	uint32_t sessions_max = s->sessions.count_max;
	uint64_t session_idle_us = s->sessions.idle_us;
	sessions_free(&s->sessions);
	sessions_init(&s->sessions, sessions_max, session_idle_us);
	s->store->ops->drop_space(s->store, PB_STATE_SPACE);
	s->counter = s->time_us = s->digest = s->commands = 0;
}

uint64_t pb_state_keys(const struct pb_state *s)
{
	return s->store->ops->space_count(s->store, PB_STATE_SPACE);
}

uint64_t pb_state_bytes(const struct pb_state *s)
{
	return s->store->ops->bytes(s->store);
}

/* ---- commands ---- */

static int check_op(const struct wire_kv_op *op, uint32_t key_bytes_max, uint32_t value_bytes_max,
		    struct buffer *error)
{
	char text[KV_KEY_TEXT_BYTES];
	if (op->key.len == 0) {
		wire_error_format(error, "key must not be empty");
		return STATUS_BAD_REQUEST;
	}
	if (op->key.len > key_bytes_max) {
		wire_error_format(error, "key has %zu bytes, at most %u are allowed", op->key.len,
				  key_bytes_max);
		return STATUS_TOO_LARGE;
	}
	if (op->value.len > value_bytes_max) {
		wire_error_format(error, "key %s: value has %zu bytes, at most %u are allowed",
				  kv_key_text(text, op->key), op->value.len, value_bytes_max);
		return STATUS_TOO_LARGE;
	}
	if (op->absent && op->expect.len > 0) {
		wire_error_format(error, "absent and expect exclude each other");
		return STATUS_BAD_REQUEST;
	}
	return 0;
}

int pb_command_decode(struct slice body, uint32_t key_bytes_max, uint32_t value_bytes_max,
		      struct arena *arena, struct wire_kv_op *op, struct buffer *error)
{
	struct wire_kv_command command;
	int status = wire_kv_command_decode(body, arena, &command);
	if (status != 0) {
		wire_error_format(error, "the command cannot be decoded: %s", status_text(status));
		return status;
	}
	if (command.nthen != 1 || command.nwhen > 0 || command.notherwise > 0 ||
	    command.transaction || command.has_internal) {
		wire_error_format(error, "a command to a primary is one operation on one key");
		return STATUS_BAD_REQUEST;
	}
	*op = command.then[0];
	return check_op(op, key_bytes_max, value_bytes_max, error);
}

void pb_state_batch(struct pb_state *s, uint64_t time_us)
{
	ASSERT(time_us >= s->time_us);
	s->time_us = time_us;
	sessions_expire(&s->sessions, time_us, ENTRY_FORMAT);
}

/* `before` points into the store, and is gone afterwards. */
static void store_effect(struct pb_state *s, struct slice key, const struct store_record *before,
			 const struct kv_outcome *outcome, struct wire_kv_result *result)
{
	if (before != NULL)
		s->digest -= digest_record(before);
	struct store_record record = {
		.key = key,
		.value = outcome->value,
		.version = kv_next_version(before, outcome->effect),
		.modification = ++s->counter,
	};
	result->version = record.version;
	result->modification = record.modification;
	if (outcome->effect == KV_EFFECT_PUT) {
		s->digest += digest_record(&record);
		s->store->ops->put(s->store, PB_STATE_SPACE, &record);
	} else {
		bool existed = s->store->ops->remove(s->store, PB_STATE_SPACE, key);
		ASSERT(existed);
	}
}

static int execute(struct pb_state *s, const struct wire_kv_op *op, uint32_t value_bytes_max,
		   struct arena *arena, struct buffer *reply, bool *wrote)
{
	struct kv_evaluation evaluation;
	struct kv_outcome outcome;
	struct store_record record;
	const struct store_record *before = pb_state_get(s, op->key, &record) ? &record : NULL;
	evaluation.arena = arena;
	evaluation.value_bytes_max = value_bytes_max;
	evaluation.result_bytes = 0;
	int status = kv_operation(&evaluation, op, before, &outcome);
	if (status != 0) {
		wire_error_format(reply, "%s", evaluation.why);
		return status;
	}
	struct wire_kv_reply out = {.succeeded = true, .nresults = 1, .results = &outcome.result};
	if (outcome.effect == KV_EFFECT_NONE) {
		/* The result may point into the store: nothing is changed here. */
		wire_kv_reply_encode(&out, reply);
		return 0;
	}
	store_effect(s, op->key, before, &outcome, &outcome.result);
	wire_kv_reply_encode(&out, reply);
	*wrote = true;
	return 0;
}

static bool get_now(void *context, struct slice key, struct store_record *record)
{
	return pb_state_get(context, key, record);
}

/* Without long values, as in rsm/apply.c. */
static void record(struct pb_state *s, struct session *session, const struct entry_command *command,
		   int status, struct slice reply, struct arena *arena)
{
	struct buffer kept = {0};
	bool whole = reply.len <= SESSION_REPLY_WHOLE_MAX &&
		     s->sessions.reply_bytes + reply.len <= SESSIONS_WHOLE_BYTES_MAX;
	if (status == 0 && !whole && kv_reply_shorten(reply, arena, &kept))
		reply = buffer_slice(&kept);
	sessions_record(session, command->sequence, command->body, status, reply);
	buffer_free(&kept);
}

struct pb_applied pb_state_apply(struct pb_state *s, const struct entry_command *command,
				 const struct wire_kv_op *op, uint32_t value_bytes_max,
				 struct arena *arena, struct buffer *reply)
{
	struct pb_applied out = {0};
	struct session *session = NULL;
	s->commands++;
	if (command->client != 0) {
		const struct session_reply *repeat = NULL;
		enum session_verdict verdict = sessions_begin(&s->sessions, s->time_us,
							      ENTRY_FORMAT, command, &session,
							      &repeat, &out.status);
		if (verdict == SESSION_REPEAT) {
			struct slice kept = session_reply_body(repeat);
			if (repeat->status != 0 ||
			    !kv_reply_complete(kept, command->body, arena, get_now, s, reply))
				buffer_add_slice(reply, kept);
			out.status = repeat->status;
			out.repeated = 1;
			return out;
		}
		if (verdict == SESSION_REFUSED) {
			wire_error_format(reply, "client %" PRIu64 " sequence %" PRIu64 ": %s",
					  command->client, command->sequence,
					  status_text(out.status));
			return out;
		}
	}
	size_t start = reply->len;
	out.status = execute(s, op, value_bytes_max, arena, reply, &out.wrote);
	if (session != NULL)
		record(s, session, command, out.status,
		       slice(reply->data + start, reply->len - start), arena);
	return out;
}

int pb_state_query(struct pb_state *s, struct slice query, struct arena *arena,
		   struct buffer *reply)
{
	struct wire_kv_query q;
	int status = wire_kv_query_decode(query, arena, &q);
	if (status != 0) {
		wire_error_format(reply, "the query cannot be decoded: %s", status_text(status));
		return status;
	}
	if (q.has_scan || q.nkeys == 0) {
		wire_error_format(reply, "a query to a primary is for keys");
		return STATUS_BAD_REQUEST;
	}
	struct wire_kv_query_reply out = {.nresults = q.nkeys};
	out.results = arena_get(arena, q.nkeys * sizeof *out.results);
	size_t bytes = 0;
	for (uint32_t i = 0; i < q.nkeys; i++) {
		struct store_record record;
		out.results[i] = (struct wire_kv_result){.status = STATUS_NOT_FOUND};
		if (!pb_state_get(s, q.keys[i], &record))
			continue;
		out.results[i] = (struct wire_kv_result){.value = record.value,
							 .version = record.version,
							 .modification = record.modification};
		bytes += record.value.len;
	}
	if (bytes > KV_RESULT_BYTES_MAX) {
		wire_error_format(
			reply, "the results together would exceed %u bytes, ask for less at a time",
			KV_RESULT_BYTES_MAX);
		return STATUS_TOO_LARGE;
	}
	wire_kv_query_reply_encode(&out, reply);
	return 0;
}

uint64_t pb_state_hash(const struct pb_state *s)
{
	uint64_t h = digest_mix(s->digest, s->counter);
	h = digest_mix(h, s->time_us);
	return digest_mix(h, sessions_hash(&s->sessions));
}
