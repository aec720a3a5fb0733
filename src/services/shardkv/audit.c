/*
 * The state, hashed from its contents (rsm/app.h): one part for each shard, and one for the
 * configuration. The sums that every write keeps up to date would not show a record that has
 * changed in memory by itself; here each record is read again. Both count in the hash of a shard: a
 * sum that is wrong would make the next snapshot unusable.
 */
#include "shardkv/internal.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "kv/digest.h"

struct app_audit {
	struct store *store;
	struct store_snapshot *image;
	struct store_iterator *iterator; /* of `shard`, while its records are read */
	uint32_t nshards;
	uint32_t shard;       /* the one that is being read */
	uint64_t digest;      /* of its records that have been read */
	uint64_t count, keys; /* of all records that have been read; as it was kept */
	bool sound;
	struct shard *shards; /* as they were at the beginning */
	uint64_t hashes[];    /* of the shards, and of the rest */
};

struct app_audit *audit_begin(struct app *app)
{
	struct shardkv_app *a = app_of(app);
	struct app_audit *audit = alloc_zeroed(1, sizeof *audit + (a->nshards + 1) *
									  sizeof audit->hashes[0]);
	audit->store = a->store;
	audit->image = a->store->ops->snapshot(a->store);
	audit->nshards = a->nshards;
	audit->keys = a->keys;
	audit->sound = true;
	audit->shards = alloc_zeroed(a->nshards, sizeof *audit->shards);
	memcpy(audit->shards, a->shards, a->nshards * sizeof *audit->shards);
	uint64_t rest = digest_mix(a->gid, a->nshards);
	rest = digest_mix(rest, a->config == NULL ? 0 : a->config->number);
	rest = digest_mix(rest, a->config == NULL ? 0 : a->config->hash);
	audit->hashes[a->nshards] = digest_mix(rest, a->keys);
	return audit;
}

static void finish_shard(struct app_audit *audit)
{
	const struct shard *kept = &audit->shards[audit->shard];
	uint64_t hash = digest_mix(kept->counter, kept->state);
	audit->hashes[audit->shard] = digest_mix(digest_mix(hash, kept->digest), audit->digest);
	audit->sound &= kept->digest == audit->digest;
	audit->store->ops->iterate_end(audit->iterator);
	audit->iterator = NULL;
	audit->digest = 0;
	audit->shard++;
}

int audit_next(struct app_audit *audit, uint64_t work)
{
	struct store_record record;
	uint64_t done = 0;
	while (audit->shard < audit->nshards && done < work) {
		if (audit->iterator == NULL)
			audit->iterator = audit->store->ops->iterate(audit->store, audit->image,
								     audit->shard, slice(NULL, 0));
		bool more = true;
		while (done < work && (more = audit->store->ops->next(audit->iterator, &record))) {
			audit->digest += digest_record(&record);
			audit->count++;
			done += KEY_WORK + record.key.len + record.value.len;
		}
		if (!more)
			finish_shard(audit);
		done += KEY_WORK;
	}
	if (audit->shard < audit->nshards)
		return 1;
	audit->sound &= audit->count == audit->keys;
	return 0;
}

struct app_parts audit_parts(const struct app_audit *audit)
{
	return (struct app_parts){
		.count = audit->nshards + 1, .hashes = audit->hashes, .sound = audit->sound};
}

void audit_end(struct app_audit *audit)
{
	if (audit->iterator != NULL)
		audit->store->ops->iterate_end(audit->iterator);
	audit->store->ops->snapshot_release(audit->image);
	free(audit->shards);
	free(audit);
}

void part_name(struct app *app, uint32_t part, struct buffer *out)
{
	if (part < app_of(app)->nshards)
		buffer_format(out, "shard %u", part);
	else
		buffer_format(out, "configuration");
}
