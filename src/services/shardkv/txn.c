/*
 * Execution of a command: compares, then the operations of one branch against staged writes, then
 * the reply, then the writes go into the store. Nothing can fail after the first of them, and the
 * reply is encoded before it, because results point into the store.
 */
#include "shardkv/internal.h"

#include "kv/digest.h"

static void forget_writes(struct shardkv_app *a)
{
	for (uint32_t i = 0; i < a->txn.nwrites; i++) {
		struct shard *shard = &a->shards[a->txn.writes[i].shard];
		ASSERT(shard->counter >= a->txn.writes[i].counted);
		shard->counter -= a->txn.writes[i].counted;
	}
}

static void commit_write(struct shardkv_app *a, const struct staged_write *write)
{
	struct store *store = a->store;
	struct shard *shard = &a->shards[write->shard];
	/* Nothing is written in a shard that another group may hold. */
	ASSERT(shard_usable(shard) && write->counted > 0);
	ASSERT(write->record.modification <= shard->counter);
	shard->digest -= write->old_digest;
	if (write->present) {
		shard->digest += digest_record(&write->record);
		store->ops->put(store, write->shard, &write->record);
		a->keys += !write->existed;
	} else if (write->existed) {
		bool existed = store->ops->remove(store, write->shard, write->record.key);
		ASSERT(existed && a->keys > 0);
		a->keys--;
	}
}

static bool relation_holds(enum wire_kv_relation relation, int order)
{
	switch (relation) {
	case WIRE_KV_EQUAL: return order == 0;
	case WIRE_KV_NOT_EQUAL: return order != 0;
	case WIRE_KV_LESS: return order < 0;
	case WIRE_KV_GREATER: return order > 0;
	}
	return false;
}

static bool compare_holds(struct shardkv_app *a, const struct wire_kv_compare *compare,
			  uint32_t shard)
{
	struct store_record record = {0};
	bool exists = a->store->ops->get(a->store, shard, compare->key, &record);
	uint64_t number = 0;
	switch (compare->target) {
	case WIRE_KV_VALUE:
		/* A value that does not exist stands in no relation to any other, as in etcd. */
		return exists && relation_holds(compare->relation,
						slice_compare(record.value, compare->value));
	case WIRE_KV_VERSION: number = exists ? record.version : 0; break;
	case WIRE_KV_MODIFICATION: number = exists ? record.modification : 0; break;
	case WIRE_KV_EXISTS: number = exists; break;
	}
	return relation_holds(compare->relation,
			      number < compare->number ? -1 : number > compare->number);
}

static bool compares_hold(struct shardkv_app *a, const struct wire_kv_command *command)
{
	for (uint32_t i = 0; i < command->nwhen; i++) {
		if (!compare_holds(a, &command->when[i], a->txn.when_shards[i]))
			return false;
	}
	return true;
}

void txn_execute(struct shardkv_app *a, const struct wire_kv_command *command,
		 const struct apply_context *context, struct reply *reply)
{
	struct txn *txn = &a->txn;
	txn->arena = context->arena;
	txn->value_bytes_max = (uint32_t)context->settings->value_bytes_max;
	txn->nwrites = 0;
	txn->result_bytes = 0;
	bool holds = compares_hold(a, command);
	const struct wire_kv_op *ops = holds ? command->then : command->otherwise;
	const uint32_t *shards = holds ? txn->then_shards : txn->otherwise_shards;
	uint32_t count = holds ? command->nthen : command->notherwise;
	ASSERT(count <= TXN_OPS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		if (op_execute(a, &ops[i], shards[i], &txn->results[i], reply) != 0) {
			forget_writes(a);
			return;
		}
	}
	struct wire_kv_reply out = {.succeeded = holds, .nresults = count, .results = txn->results};
	wire_kv_reply_encode(&out, reply->body);
	for (uint32_t i = 0; i < txn->nwrites; i++)
		commit_write(a, &txn->writes[i]);
	for (uint32_t i = 0; i < count; i++)
		a->counters.operations[ops[i].kind]++;
	if (command->transaction || command->nwhen > 0 || command->nthen != 1) {
		a->counters.transactions++;
		a->counters.transactions_otherwise += !holds;
	}
}
