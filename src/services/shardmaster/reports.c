/*
 * What groups say of their members and generations (MEMBERS and FORCE in app.h), and which report
 * was the newest.
 */
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

const struct group_report *reports_of(const struct shardmaster_app *master, uint64_t gid)
{
	uint32_t i = find(master, gid);

	return i < master->nreports && master->reports[i].gid == gid ? &master->reports[i] : NULL;
}

bool shardmaster_app_knows(const struct app *app, uint64_t gid)
{
	const struct group_report *report = reports_of(shardmaster_of(app), gid);

	return report != NULL && !report->left;
}

uint32_t shardmaster_app_generation(const struct app *app, uint64_t gid)
{
	const struct group_report *report = reports_of(shardmaster_of(app), gid);

	return report == NULL ? 0 : report->generation;
}

static bool has_common_address(const struct shard_group *known, const struct wire_group *group)
{
	for (uint32_t i = 0; i < group->nmembers; i++)
		if (shard_group_has(known, group->members[i]))
			return true;
	return false;
}

/* The group is the one that has joined. */
static int check_group(const struct shardmaster_app *master,
		       const struct wire_master_command *command, struct buffer *error)
{
	const struct wire_group *group = &command->groups[0];
	const struct shard_group *known = shard_config_group(shardmaster_newest(master),
							     group->gid);
	const struct group_report *report = reports_of(master, group->gid);

	if (report != NULL && report->left && report->group_id != command->group_id)
		report = NULL;
	if (known == NULL) {
		wire_error_format(error, "there is no group %" PRIu64, group->gid);
		return STATUS_NO_SUCH_GROUP;
	}
	if (report != NULL && report->group_id != command->group_id) {
		wire_error_format(error,
				  "group %" PRIu64 " with id %016" PRIx64
				  " is not the one that has joined, whose id is %016" PRIx64,
				  group->gid, command->group_id, report->group_id);
		return STATUS_DENIED;
	}
	if (report == NULL && !has_common_address(known, group)) {
		wire_error_format(
			error,
			"group %" PRIu64
			" has joined with other addresses, and none of its members has one of them",
			group->gid);
		return STATUS_DENIED;
	}
	return 0;
}

int reports_judge(struct shardmaster_app *master, const struct wire_master_command *command,
		  struct shard_config **out, struct buffer *error)
{
	if (command->ngroups != 1 || command->group_id == 0 || command->slot == 0) {
		wire_error_format(
			error,
			"members are those of one group, with its id and the slot of its list");
		return STATUS_BAD_REQUEST;
	}
	int status = check_group(master, command, error);
	if (status != 0)
		return status;
	const struct group_report *report = reports_of(master, command->groups[0].gid);
	if (report != NULL && report->group_id != command->group_id)
		report = NULL; /* of one that has left */
	uint32_t generation = report == NULL ? 0 : report->generation;
	if (command->generation != generation) {
		wire_error_format(error,
				  "group %" PRIu64 " is of generation %" PRIu32 ", not of %" PRIu32,
				  command->groups[0].gid, generation, command->generation);
		return command->generation < generation ? STATUS_REMOVED : STATUS_DENIED;
	}
	if (report != NULL && command->slot < report->slot) {
		*out = shard_config_ref(shardmaster_newest(master));
		return 0;
	}
	return config_members(shardmaster_newest(master), &command->groups[0], out, error);
}

/* The report of that group, which is new if there was none. */
static struct group_report *get(struct shardmaster_app *master, uint64_t gid, uint64_t group_id)
{
	uint32_t i = find(master, gid);

	if (i == master->nreports || master->reports[i].gid != gid) {
		ASSERT(master->nreports < 2 * GROUPS_MAX);
		memmove(&master->reports[i + 1], &master->reports[i],
			(master->nreports - i) * sizeof master->reports[0]);
		master->nreports++;
		master->reports[i] = (struct group_report){.gid = gid, .group_id = group_id};
	}
	if (master->reports[i].group_id != group_id)
		master->reports[i] = (struct group_report){.gid = gid, .group_id = group_id};
	master->reports[i].left = false;
	return &master->reports[i];
}

void reports_note(struct shardmaster_app *master, const struct wire_master_command *command)
{
	struct group_report *report = get(master, command->groups[0].gid, command->group_id);

	if (command->slot > report->slot)
		report->slot = command->slot;
}

int reports_force(struct shardmaster_app *master, const struct wire_master_command *command,
		  struct buffer *error)
{
	if (command->ngroups != 1 || command->groups[0].nmembers != 1 || command->group_id == 0 ||
	    command->life == 0 || command->generation == 0) {
		wire_error_format(error, "a generation is that of one group, with its id, and "
					 "begins from one disk at one address");
		return STATUS_BAD_REQUEST;
	}
	int status = check_group(master, command, error);
	if (status != 0)
		return status;
	uint64_t gid = command->groups[0].gid;
	const struct group_report *known = reports_of(master, gid);
	if (known != NULL && known->group_id != command->group_id)
		known = NULL; /* of one that has left */
	uint32_t generation = known == NULL ? 0 : known->generation;
	/* Asked again by whom it was recorded for. */
	if (known != NULL && command->generation == generation && command->life == known->life)
		return 0;
	if (command->generation != generation + 1) {
		wire_error_format(error, "group %" PRIu64 " is of generation %" PRIu32 " already%s",
				  gid, generation,
				  command->generation == generation ? ", begun from another replica"
								    : "");
		return STATUS_DENIED;
	}
	struct group_report *report = get(master, gid, command->group_id);
	report->generation = command->generation;
	report->life = command->life;
	report->slot = 0;
	return 0;
}

void reports_prune(struct shardmaster_app *master)
{
	uint32_t kept = 0, left = 0;

	for (uint32_t i = 0; i < master->nreports; i++) {
		bool joined = shard_config_group(shardmaster_newest(master),
						 master->reports[i].gid) != NULL;
		bool keeps = !joined && master->reports[i].generation != 0 && left < GROUPS_MAX;
		left += keeps;
		if (joined || keeps) {
			master->reports[kept] = master->reports[i];
			master->reports[kept++].left |= keeps;
		}
	}
	master->nreports = kept;
}

bool reports_have_generations(const struct group_report *reports, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (reports[i].generation != 0)
			return true;
	return false;
}

void reports_encode(const struct group_report *reports, uint32_t count, bool generations,
		    struct buffer *out)
{
	buffer_add_u32(out, count);
	for (uint32_t i = 0; i < count; i++) {
		buffer_add_u64(out, reports[i].gid);
		buffer_add_u64(out, reports[i].group_id);
		buffer_add_u64(out, reports[i].slot);
		if (!generations)
			continue;
		buffer_add_u32(out, reports[i].generation);
		buffer_add_u64(out, reports[i].life);
		buffer_add_u8(out, reports[i].left);
	}
}

int reports_decode(struct shardmaster_app *master, bool generations, struct slice *in)
{
	uint32_t count;

	if (!slice_take_u32(in, &count) || count > (generations ? 2 : 1) * GROUPS_MAX)
		return STATUS_CORRUPT;
	for (uint32_t i = 0; i < count; i++) {
		struct group_report *report = &master->reports[i];
		*report = (struct group_report){0};
		if (!slice_take_u64(in, &report->gid) || !slice_take_u64(in, &report->group_id) ||
		    !slice_take_u64(in, &report->slot) ||
		    report->gid <= (i == 0 ? 0 : report[-1].gid) || report->group_id == 0 ||
		    report->slot > NUMBER_MAX)
			return STATUS_CORRUPT;
		uint8_t left = 0;
		if (generations &&
		    (!slice_take_u32(in, &report->generation) ||
		     !slice_take_u64(in, &report->life) || !slice_take_u8(in, &left)))
			return STATUS_CORRUPT;
		report->left = left != 0;
		if (report->generation > GENERATION_MAX || left > 1 ||
		    (left != 0 && report->generation == 0) ||
		    (report->generation == 0) != (report->life == 0) ||
		    (report->generation == 0 && report->slot == 0))
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
		if (master->reports[i].generation == 0)
			continue;
		h = hash_u64(h, master->reports[i].generation);
		h = hash_u64(h, master->reports[i].life);
		h = hash_u64(h, master->reports[i].left);
	}
	return h;
}
