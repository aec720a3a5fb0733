/* Single operations (kv/operation.h), against the state as the command at hand sees it. */
#include "shardkv/internal.h"

#include "kv/operation.h"

int op_execute(struct shardkv_app *a, const struct wire_kv_op *op, uint32_t shard,
	       struct wire_kv_result *result, struct reply *reply)
{
	struct store_record record;
	const struct store_record *before = txn_get(a, shard, op->key, &record) ? &record : NULL;
	struct kv_evaluation evaluation;
	struct kv_outcome outcome;
	evaluation.arena = a->txn.arena;
	evaluation.value_bytes_max = a->txn.value_bytes_max;
	evaluation.result_bytes = a->txn.result_bytes;
	int status = kv_operation(&evaluation, op, before, &outcome);
	a->txn.result_bytes = evaluation.result_bytes;
	if (status != 0) {
		shardkv_refuse(reply, status, 0, "%s", evaluation.why);
		return status;
	}
	*result = outcome.result;
	if (op->kind == WIRE_KV_APPEND)
		reply->work += outcome.value.len * (APPEND_COPIES - 1);
	if (outcome.effect != KV_EFFECT_NONE)
		txn_put(a, shard, op->key, before,
			outcome.effect == KV_EFFECT_PUT ? &outcome.value : NULL, result);
	return 0;
}
