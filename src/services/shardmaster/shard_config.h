/*
 * struct shard_config: one numbered configuration, shard → group. What the shard master keeps, and
 * what everybody else learns from it.
 *
 * A configuration is immutable and reference-counted (on the node's thread; the count is not
 * atomic). Configuration 0 has no groups and every shard unassigned. Groups are shared between
 * configurations, so that a history costs little more than two bytes a shard for each
 * configuration.
 *
 * Invariants: groups ascend strictly by gid; gid 0 is no group; each owner is SHARD_UNASSIGNED or
 * an index into groups; with at least one group no shard is unassigned.
 */
#ifndef SYNOD_SHARDMASTER_SHARD_CONFIG_H
#define SYNOD_SHARDMASTER_SHARD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"

#define SHARD_UNASSIGNED UINT16_MAX

struct shard_group {
	uint32_t refs;
	uint32_t nmembers;
	uint64_t gid;
	char *members[REPLICAS_MAX]; /* HOST:PORT, terminated strings */
	uint64_t hash;               /* of gid and members */
};

struct shard_config {
	uint32_t refs;
	uint32_t nshards;
	uint64_t number;
	uint32_t ngroups;
	struct shard_group **groups; /* ascending gid */
	uint16_t *owners;            /* of each shard: index into groups, or SHARD_UNASSIGNED */
	/* of everything above: equal configurations have equal hashes */
	uint64_t hash;
};

struct shard_config *shard_config_ref(struct shard_config *config);
/* Drops a reference; NULL is fine. */
void shard_config_unref(struct shard_config *config);

/*
 * The group that owns the shard, or the shard of the key; NULL if it is unassigned (then there are
 * no groups).
 */
const struct shard_group *shard_config_owner(const struct shard_config *config, uint32_t shard);
const struct shard_group *shard_config_owner_of_key(const struct shard_config *config,
						    struct slice key);
/* The same as a gid: 0 if unassigned. */
uint64_t shard_config_gid(const struct shard_config *config, uint32_t shard);
/* NULL if there is no such group. */
const struct shard_group *shard_config_group(const struct shard_config *config, uint64_t gid);
/* The group's index in config->groups; SHARD_UNASSIGNED if there is no such group. */
uint32_t shard_config_find(const struct shard_config *config, uint64_t gid);
/* One of the group's members has that address. */
bool shard_group_has(const struct shard_group *group, struct slice address);
/* How many shards the group owns. */
uint32_t shard_config_count(const struct shard_config *config, uint64_t gid);

/*
 * From and to the wire (an encoded Config). Decoding checks the invariants: 0 and a new reference
 * in *out; STATUS_BAD_REQUEST or STATUS_TOO_LARGE. The arena is used on the way only.
 */
int shard_config_decode(struct slice in, struct arena *arena, struct shard_config **out) MUST_CHECK;
void shard_config_encode(const struct shard_config *config, struct buffer *out);

/* ---- for those who make configurations (src/services/shardmaster/) ---- */

/* Configuration 0. */
struct shard_config *shard_config_initial(uint32_t nshards);
/*
 * A configuration with room for ngroups groups and everything else zero, to be filled and then
 * sealed.
 */
struct shard_config *shard_config_new(uint64_t number, uint32_t nshards, uint32_t ngroups);
/* Asserts the invariants and computes the hash. Nothing changes after this. */
void shard_config_seal(struct shard_config *config);
/* The hash once more, from the contents: equal to config->hash, or memory has changed by itself. */
uint64_t shard_config_rehash(const struct shard_config *config);

struct shard_group *shard_group_new(uint64_t gid, const struct slice *members, uint32_t nmembers);
struct shard_group *shard_group_ref(struct shard_group *group);
void shard_group_unref(struct shard_group *group);

#endif
