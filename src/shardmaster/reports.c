/* What groups say of their members (MEMBERS in app.h), and which report was the newest. */
#include <inttypes.h>

#include "shardmaster/app.h"
#include "shardmaster/hash.h"
#include "shardmaster/internal.h"

/* The first report whose gid is not below that. */
static uint32_t find(const struct shardmaster_app *master, uint64_t gid)
{
	uint32_t i = 0;

	while (i < master->nreports && master->reports[i].gid < gid)
		i++;
	return i;
}

static const struct group_report *report_of(const struct shardmaster_app *master, uint64_t gid)
{
	uint32_t i = find(master, gid);

	return i < master->nreports && master->reports[i].gid == gid ? &master->reports[i] : NULL;
}

bool shardmaster_app_knows(const struct app *app, uint64_t gid)
{
	return report_of(shardmaster_of(app), gid) != NULL;
}

static bool has_common_address(const struct shard_group *known, const struct wire_group *group)
{
	for (uint32_t i = 0; i < group->nmembers; i++)
		if (shard_group_has(known, group->members[i]))
			return true;
	return false;
}

/* The group is the one that has joined. */
static int check_group(const struct shardmaster_app *master, const struct wire_master_command *command,
		       struct buffer *error)
{
	const struct wire_group *group = &command->groups[0];
	const struct shard_group *known = shard_config_group(shardmaster_newest(master), group->gid);
	const struct group_report *report = report_of(master, group->gid);

	if (known == NULL) {
		wire_error_format(error, "there is no group %" PRIu64, group->gid);
		return STATUS_NO_SUCH_GROUP;
	}
	if (report != NULL && report->group_id != command->group_id) {
		wire_error_format(error, "group %" PRIu64 " with id %016" PRIx64 " is not the one that has joined, whose id is %016" PRIx64,
				  group->gid, command->group_id, report->group_id);
		return STATUS_DENIED;
	}
	if (report == NULL && !has_common_address(known, group)) {
		wire_error_format(error, "group %" PRIu64 " has joined with other addresses, and none of its members has one of them",
				  group->gid);
		return STATUS_DENIED;
	}
	return 0;
}

int reports_judge(struct shardmaster_app *master, const struct wire_master_command *command, struct shard_config **out,
		  struct buffer *error)
{
	if (command->ngroups != 1 || command->group_id == 0 || command->slot == 0) {
		wire_error_format(error, "members are those of one group, with its id and the slot of its list");
		return STATUS_BAD_REQUEST;
	}
	int status = check_group(master, command, error);
	if (status != 0)
		return status;
	const struct group_report *report = report_of(master, command->groups[0].gid);
	if (report != NULL && command->slot < report->slot) {
		*out = shard_config_ref(shardmaster_newest(master));
		return 0;
	}
	return config_members(shardmaster_newest(master), &command->groups[0], out, error);
}

void reports_note(struct shardmaster_app *master, const struct wire_master_command *command)
{
	uint64_t gid = command->groups[0].gid;
	uint32_t i = find(master, gid);

	if (i == master->nreports || master->reports[i].gid != gid) {
		ASSERT(master->nreports < GROUPS_MAX);
		memmove(&master->reports[i + 1], &master->reports[i], (master->nreports - i) * sizeof master->reports[0]);
		master->nreports++;
		master->reports[i] = (struct group_report){.gid = gid, .group_id = command->group_id};
	}
	if (command->slot > master->reports[i].slot)
		master->reports[i].slot = command->slot;
}

void reports_prune(struct shardmaster_app *master)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < master->nreports; i++)
		if (shard_config_group(shardmaster_newest(master), master->reports[i].gid) != NULL)
			master->reports[kept++] = master->reports[i];
	master->nreports = kept;
}

void reports_encode(const struct group_report *reports, uint32_t count, struct buffer *out)
{
	buffer_add_u32(out, count);
	for (uint32_t i = 0; i < count; i++) {
		buffer_add_u64(out, reports[i].gid);
		buffer_add_u64(out, reports[i].group_id);
		buffer_add_u64(out, reports[i].slot);
	}
}

int reports_decode(struct shardmaster_app *master, struct slice *in)
{
	uint32_t count;

	if (!slice_take_u32(in, &count) || count > GROUPS_MAX)
		return STATUS_CORRUPT;
	for (uint32_t i = 0; i < count; i++) {
		struct group_report *report = &master->reports[i];
		if (!slice_take_u64(in, &report->gid) || !slice_take_u64(in, &report->group_id) || !slice_take_u64(in, &report->slot) ||
		    report->gid <= (i == 0 ? 0 : report[-1].gid) || report->group_id == 0 || report->slot == 0 ||
		    report->slot > NUMBER_MAX)
			return STATUS_CORRUPT;
	}
	master->nreports = count;
	return 0;
}

uint64_t reports_hash(const struct shardmaster_app *master)
{
	uint64_t h = hash_u64(HASH_START, master->nreports);

	for (uint32_t i = 0; i < master->nreports; i++) {
		h = hash_u64(h, master->reports[i].gid);
		h = hash_u64(h, master->reports[i].group_id);
		h = hash_u64(h, master->reports[i].slot);
	}
	return h;
}
