/*
 * How one configuration follows from another: Join, Leave, Move, Rebalance, Members. Pure
 * functions: equal arguments, equal result.
 *
 * Balance. After Join, Leave and Rebalance the numbers of shards of any two groups differ by one at
 * most, and no procedure that reaches that moves fewer shards. What Move has put somewhere stays
 * there until then.
 *
 * Claims. A group claims a shard before it first uses it. A claimed shard may hold data and stays
 * with its owner: a change that is impossible with the unclaimed shards alone is refused with
 * STATUS_HOLDS_DATA.
 *
 * Members. A group has other members than before; its shards stay.
 *
 * Each function returns 0 and a new reference to the next configuration in *out (Rebalance: to the
 * old one, if it is balanced already; Members: if these are its members); or a refusal, with an
 * encoded Error in `error`, and *out untouched:
 *
 *   STATUS_BAD_REQUEST     nothing to join or leave; gid 0; a bad or repeated address; no such
 *                          shard; a shard that is there already
 *   STATUS_EXISTS          Join of a group that is there already
 *   STATUS_NO_SUCH_GROUP   Leave of, Move to, or Members of an unknown group
 *   STATUS_TOO_LARGE       more than GROUPS_MAX groups
 *   STATUS_HOLDS_DATA      see above; the message names the group and how many shards
 */
#ifndef SYNOD_SHARDMASTER_CONFIG_H
#define SYNOD_SHARDMASTER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "shardmaster/shard_config.h"
#include "wire/wire.h"

/* A set of shards: those that have been claimed by their owners. A zeroed one is empty. */
struct shard_set {
	uint64_t words[SHARDS_MAX / 64];
};

static inline bool shard_set_has(const struct shard_set *set, uint32_t shard)
{
	return (set->words[shard / 64] >> shard % 64 & 1) != 0;
}
static inline void shard_set_add(struct shard_set *set, uint32_t shard)
{
	set->words[shard / 64] |= 1ull << shard % 64;
}

int config_join(struct shard_config *old, const struct shard_set *claimed,
		const struct wire_group *groups, uint32_t ngroups, struct shard_config **out,
		struct buffer *error) MUST_CHECK;
int config_leave(struct shard_config *old, const struct shard_set *claimed, const uint64_t *gids,
		 uint32_t ngids, struct shard_config **out, struct buffer *error) MUST_CHECK;
int config_move(struct shard_config *old, const struct shard_set *claimed, uint32_t shard,
		uint64_t gid, struct shard_config **out, struct buffer *error) MUST_CHECK;
int config_rebalance(struct shard_config *old, const struct shard_set *claimed,
		     struct shard_config **out, struct buffer *error) MUST_CHECK;
int config_members(struct shard_config *old, const struct wire_group *group,
		   struct shard_config **out, struct buffer *error) MUST_CHECK;

/*
 * Gives every unassigned shard an owner and moves the fewest unclaimed ones, until the groups
 * differ by one shard at most. For a configuration that is not sealed yet (config.c). 0 or
 * STATUS_HOLDS_DATA.
 */
int config_balance(struct shard_config *config, const struct shard_set *claimed,
		   struct buffer *error) MUST_CHECK;

#endif
