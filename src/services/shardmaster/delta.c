/* What has changed from one configuration to the next. */
#include "base/alloc.h"
#include "shardmaster/internal.h"

/*
 * A group is "the same" if it is the same object: groups are immutable and shared from a
 * configuration to the next. A group that left and joined again within the history is another
 * object, and is stored again.
 */
static bool is_kept(const struct shard_config *config, const struct shard_group *group)
{
	return shard_config_group(config, group->gid) == group;
}

static void put_group(struct buffer *out, const struct shard_group *group)
{
	buffer_add_u64(out, group->gid);
	buffer_add_u8(out, (uint8_t)group->nmembers);
	for (uint32_t m = 0; m < group->nmembers; m++) {
		struct slice member = slice_string(group->members[m]);
		ASSERT(member.len <= UINT8_MAX);
		buffer_add_u8(out, (uint8_t)member.len);
		buffer_add_slice(out, member);
	}
}

/* A count that is known only after what it counts: begin reserves it, set fills it in. */
static size_t begin_count(struct buffer *out)
{
	buffer_add_u32(out, 0);
	return out->len - sizeof(uint32_t);
}

static void set_count(struct buffer *out, size_t at, uint32_t count)
{
	store_u32(out->data + at, count);
}

static void put_groups(const struct shard_config *from, const struct shard_config *to,
		       struct buffer *out)
{
	uint32_t count = 0;
	size_t at = begin_count(out);

	for (uint32_t g = 0; g < from->ngroups; g++) {
		if (is_kept(to, from->groups[g]))
			continue;
		buffer_add_u64(out, from->groups[g]->gid);
		count++;
	}
	set_count(out, at, count);

	count = 0;
	at = begin_count(out);
	for (uint32_t g = 0; g < to->ngroups; g++) {
		if (is_kept(from, to->groups[g]))
			continue;
		put_group(out, to->groups[g]);
		count++;
	}
	set_count(out, at, count);
}

static void put_owners(const struct shard_config *from, const struct shard_config *to,
		       struct buffer *out)
{
	uint32_t count = 0;
	size_t at = begin_count(out);

	for (uint32_t s = 0; s < to->nshards;) {
		if (shard_config_gid(from, s) == shard_config_gid(to, s)) {
			s++;
			continue;
		}
		uint32_t first = s;
		while (s < to->nshards && to->owners[s] == to->owners[first] &&
		       shard_config_gid(from, s) != shard_config_gid(to, s))
			s++;
		buffer_add_u16(out, (uint16_t)first);
		buffer_add_u16(out, (uint16_t)(s - first));
		buffer_add_u16(out, to->owners[first]);
		count++;
	}
	set_count(out, at, count);
}

void delta_encode(const struct shard_config *from, const struct shard_config *to,
		  struct buffer *out)
{
	ASSERT(from->nshards == to->nshards);
	put_groups(from, to, out);
	put_owners(from, to, out);
}

static struct shard_group *take_group(struct slice *in)
{
	struct slice members[REPLICAS_MAX];
	uint64_t gid;
	uint8_t nmembers, len;

	if (!slice_take_u64(in, &gid) || gid == 0 || !slice_take_u8(in, &nmembers) ||
	    nmembers > REPLICAS_MAX)
		return NULL;
	for (uint8_t m = 0; m < nmembers; m++) {
		if (!slice_take_u8(in, &len) || !slice_take(in, len, &members[m]))
			return NULL;
		if (len == 0 || memchr(members[m].data, 0, len) != NULL)
			return NULL;
	}
	return shard_group_new(gid, members, nmembers);
}

struct group_list {
	struct shard_group *groups[GROUPS_MAX];
	uint32_t count;
};

/*
 * The groups of `from` without those that left, with those that joined, by gid. Holds references.
 */
static int take_groups(struct slice *in, const struct shard_config *from, struct group_list *joined,
		       struct group_list *stayed)
{
	bool leaves[GROUPS_MAX] = {false};
	uint32_t count;
	uint64_t gid;

	if (!slice_take_u32(in, &count) || count > from->ngroups)
		return STATUS_CORRUPT;
	for (uint32_t i = 0; i < count; i++) {
		if (!slice_take_u64(in, &gid))
			return STATUS_CORRUPT;
		uint32_t index = shard_config_find(from, gid);
		if (index == SHARD_UNASSIGNED || leaves[index])
			return STATUS_CORRUPT;
		leaves[index] = true;
	}
	for (uint32_t g = 0; g < from->ngroups; g++)
		if (!leaves[g])
			stayed->groups[stayed->count++] = shard_group_ref(from->groups[g]);
	if (!slice_take_u32(in, &count) || count > GROUPS_MAX - stayed->count)
		return STATUS_CORRUPT;
	for (uint32_t i = 0; i < count; i++) {
		struct shard_group *group = take_group(in);
		if (group == NULL)
			return STATUS_CORRUPT;
		joined->groups[joined->count++] = group;
	}
	return 0;
}

/*
 * Moves the references of both lists into the configuration; false if the gids do not ascend
 * strictly.
 */
static bool merge_groups(struct shard_config *config, struct group_list *joined,
			 struct group_list *stayed)
{
	uint32_t i = 0, j = 0;

	for (uint32_t g = 0; g < config->ngroups; g++) {
		if (i == joined->count ||
		    (j < stayed->count && stayed->groups[j]->gid < joined->groups[i]->gid))
			config->groups[g] = stayed->groups[j++];
		else
			config->groups[g] = joined->groups[i++];
	}
	joined->count = stayed->count = 0;
	for (uint32_t g = 1; g < config->ngroups; g++)
		if (config->groups[g - 1]->gid >= config->groups[g]->gid)
			return false;
	return true;
}

static bool take_owners(struct slice *in, const struct shard_config *from,
			struct shard_config *config)
{
	uint32_t count;
	uint16_t first, len, owner;

	for (uint32_t s = 0; s < config->nshards; s++)
		config->owners[s] = (uint16_t)shard_config_find(config, shard_config_gid(from, s));
	if (!slice_take_u32(in, &count) || count > config->nshards)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (!slice_take_u16(in, &first) || !slice_take_u16(in, &len) ||
		    !slice_take_u16(in, &owner))
			return false;
		if (len > config->nshards || first > config->nshards - len ||
		    (owner != SHARD_UNASSIGNED && owner >= config->ngroups))
			return false;
		for (uint32_t s = first; s < (uint32_t)first + len; s++)
			config->owners[s] = owner;
	}
	for (uint32_t s = 0; s < config->nshards; s++)
		if ((config->owners[s] == SHARD_UNASSIGNED) != (config->ngroups == 0))
			return false;
	return true;
}

static void unref_all(struct group_list *list)
{
	for (uint32_t g = 0; g < list->count; g++)
		shard_group_unref(list->groups[g]);
}

int delta_decode(struct slice *in, const struct shard_config *from, uint64_t number,
		 struct shard_config **out)
{
	struct group_list joined = {.count = 0}, stayed = {.count = 0};

	int status = take_groups(in, from, &joined, &stayed);
	if (status != 0 || (number == 0 && joined.count > 0)) {
		unref_all(&joined);
		unref_all(&stayed);
		return STATUS_CORRUPT;
	}
	struct shard_config *config = shard_config_new(number, from->nshards,
						       joined.count + stayed.count);
	if (!merge_groups(config, &joined, &stayed) || !take_owners(in, from, config)) {
		shard_config_unref(config);
		return STATUS_CORRUPT;
	}
	shard_config_seal(config);
	*out = config;
	return 0;
}
