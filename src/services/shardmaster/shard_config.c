/* A configuration as those who only follow it keep it. */
#include "shardmaster/shard_config.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hashslot.h"
#include "shardmaster/hash.h"
#include "wire/wire.h"

_Static_assert(GROUPS_MAX < SHARD_UNASSIGNED, "every group has an index of its own");
_Static_assert(SHARDS_MAX <= UINT16_MAX, "shard numbers fit 16 bits");

static uint64_t hash_group(const struct shard_group *group)
{
	uint64_t hash = hash_u64(HASH_START, group->gid);

	hash = hash_u64(hash, group->nmembers);
	for (uint32_t i = 0; i < group->nmembers; i++)
		hash = hash_slice(hash, slice_string(group->members[i]));
	return hash;
}

struct shard_group *shard_group_new(uint64_t gid, const struct slice *members, uint32_t nmembers)
{
	struct shard_group *group = ALLOC(struct shard_group);

	ASSERT(gid != 0 && nmembers <= REPLICAS_MAX);
	group->refs = 1;
	group->gid = gid;
	group->nmembers = nmembers;
	for (uint32_t i = 0; i < nmembers; i++) {
		group->members[i] = alloc_bytes(members[i].len + 1);
		memcpy(group->members[i], members[i].data, members[i].len);
		group->members[i][members[i].len] = '\0';
	}
	group->hash = hash_group(group);
	return group;
}

struct shard_group *shard_group_ref(struct shard_group *group)
{
	ASSERT(group->refs > 0 && group->refs < UINT32_MAX);
	group->refs++;
	return group;
}

void shard_group_unref(struct shard_group *group)
{
	if (group == NULL)
		return;
	ASSERT(group->refs > 0);
	if (--group->refs > 0)
		return;
	for (uint32_t i = 0; i < group->nmembers; i++)
		free(group->members[i]);
	free(group);
}

struct shard_config *shard_config_new(uint64_t number, uint32_t nshards, uint32_t ngroups)
{
	struct shard_config *config = ALLOC(struct shard_config);

	ASSERT(nshards >= 1 && nshards <= SHARDS_MAX && ngroups <= GROUPS_MAX);
	config->refs = 1;
	config->number = number;
	config->nshards = nshards;
	config->ngroups = ngroups;
	if (ngroups > 0)
		config->groups = alloc_zeroed(ngroups, sizeof(struct shard_group *));
	config->owners = alloc_zeroed(nshards, sizeof *config->owners);
	return config;
}

struct shard_config *shard_config_initial(uint32_t nshards)
{
	struct shard_config *config = shard_config_new(0, nshards, 0);

	for (uint32_t s = 0; s < nshards; s++)
		config->owners[s] = SHARD_UNASSIGNED;
	shard_config_seal(config);
	return config;
}

/* `fresh`: also of what the groups keep about themselves. */
static uint64_t hash_config(const struct shard_config *config, bool fresh)
{
	uint64_t hash = hash_u64(HASH_START, config->number);

	hash = hash_u64(hash, config->nshards);
	hash = hash_u64(hash, config->ngroups);
	for (uint32_t g = 0; g < config->ngroups; g++)
		hash = hash_u64(hash,
				fresh ? hash_group(config->groups[g]) : config->groups[g]->hash);
	for (uint32_t s = 0; s < config->nshards; s++)
		hash = hash_u64(hash, config->owners[s]);
	return hash;
}

void shard_config_seal(struct shard_config *config)
{
	ASSERT(config->number > 0 || config->ngroups == 0);
	for (uint32_t g = 0; g < config->ngroups; g++) {
		ASSERT(config->groups[g] != NULL);
		ASSERT(g == 0 || config->groups[g - 1]->gid < config->groups[g]->gid);
	}
	for (uint32_t s = 0; s < config->nshards; s++) {
		uint16_t owner = config->owners[s];
		ASSERT(config->ngroups == 0 ? owner == SHARD_UNASSIGNED : owner < config->ngroups);
	}
	config->hash = hash_config(config, false);
}

uint64_t shard_config_rehash(const struct shard_config *config)
{
	return hash_config(config, true);
}

struct shard_config *shard_config_ref(struct shard_config *config)
{
	ASSERT(config->refs > 0 && config->refs < UINT32_MAX);
	config->refs++;
	return config;
}

void shard_config_unref(struct shard_config *config)
{
	if (config == NULL)
		return;
	ASSERT(config->refs > 0);
	if (--config->refs > 0)
		return;
	for (uint32_t g = 0; g < config->ngroups; g++)
		shard_group_unref(config->groups[g]);
	free(config->groups);
	free(config->owners);
	free(config);
}

const struct shard_group *shard_config_owner(const struct shard_config *config, uint32_t shard)
{
	ASSERT(shard < config->nshards);
	uint16_t owner = config->owners[shard];
	return owner == SHARD_UNASSIGNED ? NULL : config->groups[owner];
}

const struct shard_group *shard_config_owner_of_key(const struct shard_config *config,
						    struct slice key)
{
	return shard_config_owner(config, shard_of_key(key, config->nshards));
}

uint64_t shard_config_gid(const struct shard_config *config, uint32_t shard)
{
	const struct shard_group *group = shard_config_owner(config, shard);

	return group == NULL ? 0 : group->gid;
}

uint32_t shard_config_find(const struct shard_config *config, uint64_t gid)
{
	uint32_t low = 0;
	uint32_t high = config->ngroups;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (config->groups[middle]->gid < gid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < config->ngroups && config->groups[low]->gid == gid ? low : SHARD_UNASSIGNED;
}

const struct shard_group *shard_config_group(const struct shard_config *config, uint64_t gid)
{
	uint32_t index = shard_config_find(config, gid);

	return index == SHARD_UNASSIGNED ? NULL : config->groups[index];
}

bool shard_group_has(const struct shard_group *group, struct slice address)
{
	for (uint32_t i = 0; i < group->nmembers; i++)
		if (slice_equal(slice_string(group->members[i]), address))
			return true;
	return false;
}

uint32_t shard_config_count(const struct shard_config *config, uint64_t gid)
{
	uint32_t index = shard_config_find(config, gid);
	uint32_t count = 0;

	if (index == SHARD_UNASSIGNED)
		return 0;
	for (uint32_t s = 0; s < config->nshards; s++)
		count += config->owners[s] == index;
	return count;
}

static bool groups_ascend(const struct wire_config *in)
{
	for (uint32_t g = 0; g < in->ngroups; g++)
		if (in->groups[g].gid <= (g == 0 ? 0 : in->groups[g - 1].gid))
			return false;
	return true;
}

/*
 * Fills the owners; false if a shard belongs to a group that is not listed, or to none although
 * there are groups.
 */
static bool convert_owners(const struct wire_config *in, struct shard_config *config)
{
	for (uint32_t s = 0; s < in->nshards; s++) {
		uint32_t index = shard_config_find(config, in->shards[s]);
		if (index == SHARD_UNASSIGNED && (in->shards[s] != 0 || in->ngroups > 0))
			return false;
		config->owners[s] = (uint16_t)index;
	}
	return true;
}

int shard_config_decode(struct slice in, struct arena *arena, struct shard_config **out)
{
	struct wire_config wire;

	int status = wire_config_decode(in, arena, &wire);
	if (status != 0)
		return status;
	if (wire.nshards == 0 || !groups_ascend(&wire) || (wire.number == 0 && wire.ngroups > 0))
		return STATUS_BAD_REQUEST;
	struct shard_config *config = shard_config_new(wire.number, wire.nshards, wire.ngroups);
	for (uint32_t g = 0; g < wire.ngroups; g++)
		config->groups[g] = shard_group_new(wire.groups[g].gid, wire.groups[g].members,
						    wire.groups[g].nmembers);
	if (!convert_owners(&wire, config)) {
		shard_config_unref(config);
		return STATUS_BAD_REQUEST;
	}
	shard_config_seal(config);
	*out = config;
	return 0;
}

void shard_config_encode(const struct shard_config *config, struct buffer *out)
{
	uint64_t *shards = alloc_zeroed(config->nshards, sizeof *shards);
	struct wire_group *groups = alloc_zeroed(config->ngroups + 1, sizeof *groups);

	for (uint32_t s = 0; s < config->nshards; s++)
		shards[s] = shard_config_gid(config, s);
	for (uint32_t g = 0; g < config->ngroups; g++) {
		const struct shard_group *group = config->groups[g];
		groups[g] = (struct wire_group){.gid = group->gid, .nmembers = group->nmembers};
		for (uint32_t m = 0; m < group->nmembers; m++)
			groups[g].members[m] = slice_string(group->members[m]);
	}
	wire_config_encode(
		&(struct wire_config){
			.number = config->number,
			.nshards = config->nshards,
			.shards = shards,
			.ngroups = config->ngroups,
			.groups = groups,
		},
		out);
	free(shards);
	free(groups);
}
