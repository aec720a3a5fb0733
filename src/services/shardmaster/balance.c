/* Which group holds which shard, moving as few as possible. */
#include <inttypes.h>

#include "shardmaster/config.h"

/*
 * n shards over g groups: n mod g groups get ⌈n/g⌉, the others ⌊n/g⌋. A group moves away what it
 * has above its target, so the fewest shards move when the larger targets go to groups that already
 * have more than ⌊n/g⌋. Groups with more than ⌊n/g⌋ claimed shards must have the larger target;
 * with more than ⌈n/g⌉, or if there are more such groups than larger targets, there is no balance.
 */
struct balance {
	uint32_t share;  /* ⌊n/g⌋ */
	uint32_t larger; /* how many groups have one more */
	uint32_t owned[GROUPS_MAX];
	uint32_t pinned[GROUPS_MAX]; /* of these, claimed */
	uint32_t target[GROUPS_MAX];
};

static void count_shards(const struct shard_config *config, const struct shard_set *claimed,
			 struct balance *b)
{
	for (uint32_t s = 0; s < config->nshards; s++) {
		uint16_t owner = config->owners[s];
		if (owner == SHARD_UNASSIGNED) {
			ASSERT(!shard_set_has(claimed, s));
			continue;
		}
		b->owned[owner]++;
		b->pinned[owner] += shard_set_has(claimed, s);
	}
}

static int refuse(const struct shard_config *config, const struct balance *b, uint32_t group,
		  struct buffer *error)
{
	wire_error_format(
		error,
		"group %" PRIu64 " has %" PRIu32
		" shards that may hold data and cannot be moved, more than its even share of "
		"%" PRIu32 " of %" PRIu32 " shards over %" PRIu32
		" groups; the configuration is unchanged",
		config->groups[group]->gid, b->pinned[group],
		b->share + (b->pinned[group] > b->share + 1 && b->larger > 0), config->nshards,
		config->ngroups);
	return STATUS_HOLDS_DATA;
}

/*
 * Gives a larger target to every group for which `wants` holds and that has none yet, as long as
 * there are any left.
 */
static void hand_out(const struct shard_config *config, struct balance *b,
		     bool (*wants)(const struct balance *, uint32_t), uint32_t *left)
{
	for (uint32_t g = 0; *left > 0 && g < config->ngroups; g++) {
		if (b->target[g] > b->share || !wants(b, g))
			continue;
		b->target[g]++;
		--*left;
	}
}

static bool is_pinned_above(const struct balance *b, uint32_t g)
{
	return b->pinned[g] > b->share;
}

static bool owns_more(const struct balance *b, uint32_t g)
{
	return b->owned[g] > b->share;
}

static bool anyone(const struct balance *b, uint32_t g)
{
	(void)b;
	(void)g;
	return true;
}

static int set_targets(const struct shard_config *config, struct balance *b, struct buffer *error)
{
	uint32_t left;

	b->share = config->nshards / config->ngroups;
	b->larger = left = config->nshards % config->ngroups;
	for (uint32_t g = 0; g < config->ngroups; g++)
		b->target[g] = b->share;
	hand_out(config, b, is_pinned_above, &left);
	hand_out(config, b, owns_more, &left);
	hand_out(config, b, anyone, &left);
	for (uint32_t g = 0; g < config->ngroups; g++)
		if (b->pinned[g] > b->target[g])
			return refuse(config, b, g, error);
	return 0;
}

/* Takes what is above the target, from the highest unclaimed shard down. */
static void release(struct shard_config *config, const struct shard_set *claimed, struct balance *b)
{
	for (uint32_t s = config->nshards; s-- > 0;) {
		uint16_t owner = config->owners[s];
		if (owner == SHARD_UNASSIGNED || b->owned[owner] <= b->target[owner] ||
		    shard_set_has(claimed, s))
			continue;
		b->owned[owner]--;
		config->owners[s] = SHARD_UNASSIGNED;
	}
}

/* Fills the groups up in the order of their gids, with ascending shards. */
static void assign(struct shard_config *config, struct balance *b)
{
	uint16_t g = 0;

	for (uint32_t s = 0; s < config->nshards; s++) {
		if (config->owners[s] != SHARD_UNASSIGNED)
			continue;
		while (b->owned[g] == b->target[g])
			g++;
		ASSERT(g < config->ngroups);
		b->owned[g]++;
		config->owners[s] = g;
	}
}

int config_balance(struct shard_config *config, const struct shard_set *claimed,
		   struct buffer *error)
{
	struct balance b = {0};

	if (config->ngroups == 0)
		return 0;
	count_shards(config, claimed, &b);
	int status = set_targets(config, &b, error);
	if (status != 0)
		return status;
	release(config, claimed, &b);
	assign(config, &b);
	for (uint32_t g = 0; g < config->ngroups; g++)
		ASSERT(b.owned[g] == b.target[g]);
	return 0;
}
