/* A numbered configuration. */
#include "shardmaster/config.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clusterconf.h"

static bool member_valid(struct slice member)
{
	char address[ADDRESS_BYTES_MAX + 1];

	if (member.len > ADDRESS_BYTES_MAX || memchr(member.data, 0, member.len) != NULL)
		return false;
	memcpy(address, member.data, member.len);
	address[member.len] = '\0';
	return address_valid(address);
}

static int check_members(const struct wire_group *group, struct buffer *error)
{
	if (group->nmembers == 0 || group->nmembers > REPLICAS_MAX) {
		wire_error_format(error,
				  "group %" PRIu64 " has %" PRIu32 " members: expected 1 to %u",
				  group->gid, group->nmembers, REPLICAS_MAX);
		return STATUS_BAD_REQUEST;
	}
	for (uint32_t m = 0; m < group->nmembers; m++) {
		struct slice member = group->members[m];
		if (member.len == 0 || !member_valid(member)) {
			wire_error_format(error, "%.*s: not an address: expected HOST:PORT",
					  (int)member.len, (const char *)member.data);
			return STATUS_BAD_REQUEST;
		}
		for (uint32_t other = 0; other < m; other++) {
			if (!slice_equal(member, group->members[other]))
				continue;
			wire_error_format(error, "%.*s stands twice in group %" PRIu64,
					  (int)member.len, (const char *)member.data, group->gid);
			return STATUS_BAD_REQUEST;
		}
	}
	return 0;
}

static int check_join(const struct shard_config *old, const struct wire_group *groups,
		      uint32_t ngroups, struct buffer *error)
{
	if (ngroups == 0) {
		wire_error_format(error, "no group to join");
		return STATUS_BAD_REQUEST;
	}
	for (uint32_t i = 0; i < ngroups; i++) {
		if (groups[i].gid == 0) {
			wire_error_format(error, "0 is not a group: it stands for no group");
			return STATUS_BAD_REQUEST;
		}
		if (shard_config_group(old, groups[i].gid) != NULL) {
			wire_error_format(error,
					  "group %" PRIu64 " is in the configuration already",
					  groups[i].gid);
			return STATUS_EXISTS;
		}
		int status = check_members(&groups[i], error);
		if (status != 0)
			return status;
	}
	if (ngroups > GROUPS_MAX - old->ngroups) {
		wire_error_format(error, "more than %u groups", GROUPS_MAX);
		return STATUS_TOO_LARGE;
	}
	return 0;
}

static int compare_gids(const void *a, const void *b)
{
	const struct wire_group *const *left = a;
	const struct wire_group *const *right = b;

	return ((*left)->gid > (*right)->gid) - ((*left)->gid < (*right)->gid);
}

/* The joining groups by gid. False if a gid stands twice. */
static bool sort_joining(const struct wire_group *groups, uint32_t ngroups,
			 const struct wire_group **sorted)
{
	for (uint32_t i = 0; i < ngroups; i++)
		sorted[i] = &groups[i];
	qsort(sorted, ngroups, sizeof *sorted, compare_gids);
	for (uint32_t i = 1; i < ngroups; i++)
		if (sorted[i - 1]->gid == sorted[i]->gid)
			return false;
	return true;
}

/*
 * Merges the old groups and the joining ones by gid; a shard keeps its owner, whose index may have
 * moved.
 */
static struct shard_config *merge_groups(const struct shard_config *old,
					 const struct wire_group *const *joining, uint32_t njoining)
{
	struct shard_config *config = shard_config_new(old->number + 1, old->nshards,
						       old->ngroups + njoining);
	uint16_t index_now[GROUPS_MAX];
	uint32_t i = 0, j = 0;

	for (uint32_t g = 0; g < config->ngroups; g++) {
		if (j == njoining || (i < old->ngroups && old->groups[i]->gid < joining[j]->gid)) {
			index_now[i] = (uint16_t)g;
			config->groups[g] = shard_group_ref(old->groups[i++]);
		} else {
			config->groups[g] = shard_group_new(joining[j]->gid, joining[j]->members,
							    joining[j]->nmembers);
			j++;
		}
	}
	for (uint32_t s = 0; s < old->nshards; s++) {
		uint16_t owner = old->owners[s];
		config->owners[s] = owner == SHARD_UNASSIGNED ? SHARD_UNASSIGNED : index_now[owner];
	}
	return config;
}

/* Balances and seals `config`, whose reference it takes. */
static int finish_take(struct shard_config *config, const struct shard_set *claimed,
		       struct shard_config **out, struct buffer *error)
{
	int status = config_balance(config, claimed, error);

	if (status != 0) {
		shard_config_unref(config);
		return status;
	}
	shard_config_seal(config);
	*out = config;
	return 0;
}

int config_join(struct shard_config *old, const struct shard_set *claimed,
		const struct wire_group *groups, uint32_t ngroups, struct shard_config **out,
		struct buffer *error)
{
	const struct wire_group *sorted[GROUPS_MAX];

	int status = check_join(old, groups, ngroups, error);
	if (status != 0)
		return status;
	if (!sort_joining(groups, ngroups, sorted)) {
		wire_error_format(error, "a group stands twice in the request");
		return STATUS_BAD_REQUEST;
	}
	return finish_take(merge_groups(old, sorted, ngroups), claimed, out, error);
}

static uint32_t count_claimed(const struct shard_config *config, const struct shard_set *claimed,
			      uint32_t group)
{
	uint32_t count = 0;

	for (uint32_t s = 0; s < config->nshards; s++)
		count += config->owners[s] == group && shard_set_has(claimed, s);
	return count;
}

/* Marks who leaves. */
static int check_leave(const struct shard_config *old, const struct shard_set *claimed,
		       const uint64_t *gids, uint32_t ngids, bool *leaves, struct buffer *error)
{
	if (ngids == 0) {
		wire_error_format(error, "no group to leave");
		return STATUS_BAD_REQUEST;
	}
	for (uint32_t i = 0; i < ngids; i++) {
		uint32_t index = shard_config_find(old, gids[i]);
		if (index == SHARD_UNASSIGNED || leaves[index]) {
			/*
			 * A gid that stands twice in the request has left when its second turn
			 * comes.
			 */
			wire_error_format(error, "there is no group %" PRIu64, gids[i]);
			return STATUS_NO_SUCH_GROUP;
		}
		uint32_t holding = count_claimed(old, claimed, index);
		if (holding > 0) {
			wire_error_format(error,
					  "group %" PRIu64 " has %" PRIu32
					  " shards that may hold data and cannot be moved; "
					  "the configuration is unchanged",
					  gids[i], holding);
			return STATUS_HOLDS_DATA;
		}
		leaves[index] = true;
	}
	return 0;
}

int config_leave(struct shard_config *old, const struct shard_set *claimed, const uint64_t *gids,
		 uint32_t ngids, struct shard_config **out, struct buffer *error)
{
	bool leaves[GROUPS_MAX] = {false};
	uint16_t index_now[GROUPS_MAX];
	uint32_t kept = 0;

	int status = check_leave(old, claimed, gids, ngids, leaves, error);
	if (status != 0)
		return status;
	ASSERT(ngids <= old->ngroups);
	struct shard_config *config = shard_config_new(old->number + 1, old->nshards,
						       old->ngroups - ngids);
	for (uint32_t g = 0; g < old->ngroups; g++) {
		index_now[g] = leaves[g] ? SHARD_UNASSIGNED : (uint16_t)kept;
		if (!leaves[g])
			config->groups[kept++] = shard_group_ref(old->groups[g]);
	}
	for (uint32_t s = 0; s < old->nshards; s++)
		config->owners[s] = index_now[old->owners[s]];
	return finish_take(config, claimed, out, error);
}

/* The same groups and owners under the next number. */
static struct shard_config *copy_next(const struct shard_config *old)
{
	struct shard_config *config = shard_config_new(old->number + 1, old->nshards, old->ngroups);

	for (uint32_t g = 0; g < old->ngroups; g++)
		config->groups[g] = shard_group_ref(old->groups[g]);
	memcpy(config->owners, old->owners, old->nshards * sizeof *old->owners);
	return config;
}

int config_move(struct shard_config *old, const struct shard_set *claimed, uint32_t shard,
		uint64_t gid, struct shard_config **out, struct buffer *error)
{
	uint32_t index = shard_config_find(old, gid);

	if (shard >= old->nshards) {
		wire_error_format(error,
				  "there is no shard %" PRIu32
				  ": shards are numbered from 0 to %" PRIu32,
				  shard, old->nshards - 1);
		return STATUS_BAD_REQUEST;
	}
	if (index == SHARD_UNASSIGNED) {
		wire_error_format(error, "there is no group %" PRIu64, gid);
		return STATUS_NO_SUCH_GROUP;
	}
	if (old->owners[shard] == index) {
		wire_error_format(error, "shard %" PRIu32 " is at group %" PRIu64 " already", shard,
				  gid);
		return STATUS_BAD_REQUEST;
	}
	if (shard_set_has(claimed, shard)) {
		wire_error_format(error,
				  "shard %" PRIu32
				  " may hold data and cannot be moved away from group %" PRIu64
				  " (1 shard); the configuration is unchanged",
				  shard, shard_config_gid(old, shard));
		return STATUS_HOLDS_DATA;
	}
	struct shard_config *config = copy_next(old);
	config->owners[shard] = (uint16_t)index;
	shard_config_seal(config);
	*out = config;
	return 0;
}

int config_rebalance(struct shard_config *old, const struct shard_set *claimed,
		     struct shard_config **out, struct buffer *error)
{
	struct shard_config *config = copy_next(old);

	int status = config_balance(config, claimed, error);
	if (status != 0 ||
	    memcmp(config->owners, old->owners, old->nshards * sizeof *old->owners) == 0) {
		shard_config_unref(config);
		*out = status != 0 ? *out : shard_config_ref(old);
		return status;
	}
	shard_config_seal(config);
	*out = config;
	return 0;
}

/* In whatever order. */
static bool same_members(const struct shard_group *a, const struct wire_group *b)
{
	uint32_t common = 0;

	for (uint32_t i = 0; i < b->nmembers; i++)
		common += shard_group_has(a, b->members[i]);
	return common == a->nmembers && a->nmembers == b->nmembers;
}

int config_members(struct shard_config *old, const struct wire_group *group,
		   struct shard_config **out, struct buffer *error)
{
	uint32_t index = shard_config_find(old, group->gid);

	if (index == SHARD_UNASSIGNED) {
		wire_error_format(error, "there is no group %" PRIu64, group->gid);
		return STATUS_NO_SUCH_GROUP;
	}
	int status = check_members(group, error);
	if (status != 0)
		return status;
	if (same_members(old->groups[index], group)) {
		*out = shard_config_ref(old);
		return 0;
	}
	struct shard_config *config = copy_next(old);
	shard_group_unref(config->groups[index]);
	config->groups[index] = shard_group_new(group->gid, group->members, group->nmembers);
	shard_config_seal(config);
	*out = config;
	return 0;
}
