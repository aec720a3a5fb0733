/*
 * The state, hashed from its contents (rsm/app.h): one part for all configurations that are kept,
 * one for the claims, and one for the groups' reports.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "shardmaster/hash.h"
#include "shardmaster/internal.h"

enum { CONFIGURATIONS, CLAIMS, REPORTS, PARTS };

struct app_audit {
	uint64_t hashes[PARTS];
	bool sound;
	uint32_t kept, done;
	struct shard_config *configs[]; /* references, oldest first */
};

struct app_audit *shardmaster_audit_begin(struct app *app)
{
	const struct shardmaster_app *master = shardmaster_of(app);
	struct app_audit *audit = alloc_zeroed(1, sizeof *audit +
							  master->kept * sizeof audit->configs[0]);
	uint64_t claims = hash_u64(HASH_START, master->nshards);

	audit->kept = master->kept;
	audit->sound = true;
	for (uint32_t i = 0; i < master->kept; i++)
		audit->configs[i] = shard_config_ref(shardmaster_kept(master, master->oldest + i));
	audit->hashes[CONFIGURATIONS] = hash_u64(HASH_START, master->oldest);
	for (uint32_t w = 0; w < SHARDS_MAX / 64; w++)
		claims = hash_u64(claims, master->claimed.words[w]);
	audit->hashes[CLAIMS] = claims;
	audit->hashes[REPORTS] = reports_hash(master);
	return audit;
}

int shardmaster_audit_next(struct app_audit *audit, uint64_t work)
{
	for (uint64_t done = 0; audit->done < audit->kept && done < work; audit->done++) {
		const struct shard_config *config = audit->configs[audit->done];
		uint64_t hash = shard_config_rehash(config);
		uint64_t *all = &audit->hashes[CONFIGURATIONS];
		audit->sound &= hash == config->hash;
		*all = hash_u64(hash_u64(*all, hash), config->hash);
		done += 16ull * config->nshards + 1024ull * config->ngroups;
	}
	return audit->done < audit->kept;
}

struct app_parts shardmaster_audit_parts(const struct app_audit *audit)
{
	return (struct app_parts){.count = PARTS, .hashes = audit->hashes, .sound = audit->sound};
}

void shardmaster_audit_end(struct app_audit *audit)
{
	for (uint32_t i = 0; i < audit->kept; i++)
		shard_config_unref(audit->configs[i]);
	free(audit);
}

void shardmaster_part_name(struct app *app, uint32_t part, struct buffer *out)
{
	static const char *const names[PARTS] = {"configurations", "claims", "reports of members"};

	(void)app;
	buffer_format(out, "%s", part < PARTS ? names[part] : "?");
}
