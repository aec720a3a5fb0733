/* What a command has decided and not yet put into the store: its own writes come before it. */
#include "kv/digest.h"
#include "shardkv/internal.h"

static struct staged_write *find_write(struct txn *txn, uint32_t shard, struct slice key)
{
	for (uint32_t i = 0; i < txn->nwrites; i++) {
		if (txn->writes[i].shard == shard && slice_equal(txn->writes[i].record.key, key))
			return &txn->writes[i];
	}
	return NULL;
}

bool txn_get(struct shardkv_app *a, uint32_t shard, struct slice key, struct store_record *out)
{
	const struct staged_write *write = find_write(&a->txn, shard, key);
	if (write == NULL)
		return a->store->ops->get(a->store, shard, key, out);
	*out = write->record;
	return write->present;
}

void txn_put(struct shardkv_app *a, uint32_t shard, struct slice key,
	     const struct store_record *before, const struct slice *value,
	     struct wire_kv_result *result)
{
	struct staged_write *write = find_write(&a->txn, shard, key);
	uint64_t version = value == NULL ? 0 : before == NULL ? 1 : before->version + 1;
	if (write == NULL) {
		/* The first write of this key, so `before` is what the store holds. */
		ASSERT(a->txn.nwrites < TXN_OPS_MAX);
		write = &a->txn.writes[a->txn.nwrites++];
		write->shard = shard;
		write->counted = 0;
		write->existed = before != NULL;
		write->old_digest = before == NULL ? 0 : digest_record(before);
	}
	write->counted++;
	write->present = value != NULL;
	write->record = (struct store_record){
		.key = key,
		.value = value == NULL ? slice(NULL, 0) : *value,
		.version = version,
		.modification = ++a->shards[shard].counter,
	};
	/* Modifications of a shard are numbered once: whoever has seen one sees that this is later. */
	ASSERT(before == NULL || before->modification < write->record.modification);
	result->version = version;
	result->modification = write->record.modification;
}
