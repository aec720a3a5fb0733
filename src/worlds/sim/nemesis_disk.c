/*
 * What the nemesis does to disks, and the atlas that says how much of it.
 */
#include "sim/nemesis_internal.h"

#include <inttypes.h>

#include "sim/damage.h"
#include "sim/exchange.h"

/* ---- while they work ---- */

/* faults: 13, 19, 20, 23 */
void nemesis_disk_fault(struct sim_nemesis *nemesis, struct sim_process *process)
{
	static const enum disk_sim_fault faults[] = {DISK_SIM_STOP, DISK_SIM_IO_ERROR,
						     DISK_SIM_TORN_WRITE};
	static const char *const names[] = {"the machine stops", "it fails",
					    "the machine stops in the middle of it"};
	uint64_t chosen = rng_below(&nemesis->rng, sizeof faults / sizeof faults[0]),
		 after = rng_below(&nemesis->rng, 20);
	if (process->disk == NULL || !sim_process_alive(process))
		return;
	nemesis_tell(nemesis, "the disk of %s, %" PRIu64 " operations from now: %s", process->name,
		     after, names[chosen]);
	disk_sim_fault_at(process->disk, disk_sim_operations(process->disk) + after,
			  faults[chosen]);
}

static uint64_t phase_begin(struct sim_nemesis *nemesis, struct sim_process *process)
{
	uint64_t length_us = rng_range(&nemesis->rng, 100 * SIM_MILLISECOND, 3 * SIM_SECOND);
	nemesis_plan_at(nemesis, length_us, DEED_GOOD_DISK, process, NULL);
	return length_us;
}

/* faults: 75, 76 */
void nemesis_disk_slow(struct sim_nemesis *nemesis, struct sim_process *process)
{
	struct disk_sim_faults faults = nemesis->world->options.disk.faults;
	faults.slow_ppm = 1000000;
	faults.slow_us = rng_range(&nemesis->rng, SIM_MILLISECOND, SIM_SECOND);
	if (process->disk == NULL)
		return;
	nemesis_tell(nemesis,
		     "the disk of %s takes %" PRIu64 " ms longer for everything, for %" PRIu64
		     " ms",
		     process->name, faults.slow_us / 1000, phase_begin(nemesis, process) / 1000);
	disk_sim_set_faults(process->disk, &faults);
}

void nemesis_disk_errors(struct sim_nemesis *nemesis, struct sim_process *process)
{
	struct disk_sim_faults faults = nemesis->world->options.disk.faults;
	bool names = rng_chance(&nemesis->rng, 500000);
	uint32_t ppm = (uint32_t)rng_range(&nemesis->rng, 10000, 500000);
	if (process->disk == NULL)
		return;
	if (names)
		faults.name_error_ppm = ppm;
	else
		faults.read_error_ppm = ppm;
	nemesis_tell(nemesis, "the disk of %s fails %" PRIu32 " of 1000 %s, for %" PRIu64 " ms",
		     process->name, ppm / 1000, names ? "creations, renames and removals" : "reads",
		     phase_begin(nemesis, process) / 1000);
	disk_sim_set_faults(process->disk, &faults);
}

/* faults: 21 */
void nemesis_disk_full(struct sim_nemesis *nemesis, struct sim_process *process)
{
	struct disk_sim_faults faults = nemesis->world->options.disk.faults;
	uint64_t left = rng_below(&nemesis->rng, 1u << rng_range(&nemesis->rng, 1, 20));
	if (process->disk == NULL)
		return;
	faults.space_bytes = disk_sim_space_used(process->disk) + left + 1;
	nemesis_tell(nemesis, "the disk of %s has only %" PRIu64 " bytes left, for %" PRIu64 " ms",
		     process->name, left, phase_begin(nemesis, process) / 1000);
	disk_sim_set_faults(process->disk, &faults);
}

/* faults: 99. A crash ends it: to a process that starts the disk answers. */
void nemesis_disk_hang(struct sim_nemesis *nemesis, struct sim_process *process)
{
	uint64_t length_us = nemesis_draw_length(
		&nemesis->rng, nemesis->world->options.nemesis.hung_disk_length_us);
	if (process->disk == NULL || !sim_process_alive(process))
		return;
	nemesis_count(nemesis, SIM_FAULT_HUNG_DISK);
	nemesis_tell(nemesis, "the disk of %s hangs for %" PRIu64 " ms", process->name,
		     length_us / 1000);
	disk_sim_hang(process->disk, true);
	nemesis_plan_at(nemesis, length_us, DEED_GOOD_DISK, process, NULL);
}

/*
 * faults: 97. Of the process: the next one has its own; or of the machine, so that whoever starts
 * meets it as well.
 */
void nemesis_no_descriptor(struct sim_nemesis *nemesis, struct sim_process *process)
{
	uint64_t length_us = nemesis_draw_length(
		&nemesis->rng, nemesis->world->options.nemesis.no_descriptor_length_us);
	bool machine = rng_chance(&nemesis->rng, 400000), all = rng_chance(&nemesis->rng, 600000);
	uint32_t ppm = (uint32_t)rng_range(&nemesis->rng, 100000, 900000);
	if (process->disk == NULL || (!machine && !sim_process_alive(process)))
		return;
	if (all)
		ppm = 1000000;
	nemesis_tell(nemesis,
		     "%s lacks a descriptor for %" PRIu32 " of 1000 files%s, for %" PRIu64 " ms",
		     process->name, ppm / 1000, machine ? ", as its whole machine does" : "",
		     length_us / 1000);
	disk_sim_short_of_descriptors(process->disk, ppm, machine);
	nemesis_plan_at(nemesis, length_us, DEED_DESCRIPTORS, process, NULL);
}

/*
 * faults: 21, 75, 76. What one disk does to a group its others can make up for; not so when most of
 * them do it.
 */
void nemesis_group_disks(struct sim_nemesis *nemesis, struct sim_process *process)
{
	static const char *const whats[] = {"slow", "full", "slow and full"};
	struct rng *rng = &nemesis->rng;
	uint64_t length_us = nemesis_draw_length(
		rng, nemesis->world->options.nemesis.group_disks_length_us);
	uint64_t all = rng_below(rng, 3), spared = rng_next(rng), alike = rng_below(rng, 4);
	uint64_t slow_us = rng_range(rng, 100 * SIM_MILLISECOND, SIM_SECOND);
	uint32_t member;
	const struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	if (process->disk == NULL || group == NULL)
		return;
	for (uint32_t i = 0; i < group->count; i++) {
		struct sim_process *each = group->members[i];
		uint64_t drawn = rng_below(rng, 3),
			 left = rng_below(rng, 1u << rng_range(rng, 1, 20));
		struct disk_sim_faults faults = nemesis->world->options.disk.faults;
		uint64_t what = alike < 3 ? alike : drawn;
		/* Of a group of three, two disks are left: that is most. */
		if (all == 0 && group->count > 1 && i == spared % group->count)
			continue;
		if (what != 1) {
			faults.slow_ppm = 1000000;
			faults.slow_us = slow_us;
		}
		if (what != 0)
			faults.space_bytes = disk_sim_space_used(each->disk) + left + 1;
		nemesis_tell(nemesis, "the disk of %s is %s for %" PRIu64 " ms", each->name,
			     whats[what], length_us / 1000);
		disk_sim_set_faults(each->disk, &faults);
		nemesis_plan_at(nemesis, length_us, DEED_GOOD_DISK, each, NULL);
	}
}

void nemesis_disk_good(struct sim_nemesis *nemesis, struct sim_process *process)
{
	disk_sim_set_faults(process->disk, &nemesis->world->options.disk.faults);
	disk_sim_hold_syncs(process->disk, DISK_LANE_LOG, false);
	disk_sim_hang(process->disk, false);
}

/* ---- at rest: the atlas ---- */

struct nemesis_group *nemesis_group_of(const struct sim_nemesis *nemesis,
				       const struct sim_process *process, uint32_t *member)
{
	for (uint32_t g = 0; g < nemesis->ngroups; g++)
		for (uint32_t i = 0; i < nemesis->groups[g].count; i++)
			if (nemesis->groups[g].members[i] == process) {
				*member = i;
				return &nemesis->groups[g];
			}
	return NULL;
}

struct nemesis_damage *nemesis_damage_of(const struct sim_nemesis *nemesis,
					 const struct sim_process *process)
{
	uint32_t member;
	struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	return group == NULL ? NULL : &group->damage[member];
}

bool nemesis_votes(const struct sim_nemesis *nemesis, const struct sim_process *process)
{
	return sim_process_alive(process) &&
	       (nemesis->votes == NULL || nemesis->votes(nemesis->votes_context, process));
}

bool nemesis_is_damaged(const struct nemesis_damage *damage)
{
	return damage->log || damage->beside || damage->snapshot || damage->wiped || damage->memory;
}

uint32_t nemesis_damaged(const struct sim_nemesis *nemesis, struct nemesis_group *group)
{
	uint32_t damaged = 0, minority = nemesis_tolerance(nemesis, group);
	for (uint32_t i = 0; i < group->count; i++) {
		struct nemesis_damage *damage = &group->damage[i];
		if (damage->snapshot &&
		    sim_damage_snapshot_is_whole(group->members[i]->disk, damage->snapshot_slot))
			damage->snapshot = false;
		if (damage->wiped && nemesis->bound(nemesis->bound_context, group->members[i]))
			damage->wiped = false;
		if (damage->log && !damage->refused && nemesis_votes(nemesis, group->members[i]) &&
		    damage->hidden != group->members[i]->incarnation &&
		    sim_damage_log_is_whole(group->members[i]->disk, SIM_LOG_OF_GROUP))
			damage->log = false;
		if (damage->beside && nemesis->bound(nemesis->bound_context, group->members[i]) &&
		    damage->hidden != group->members[i]->incarnation &&
		    sim_damage_log_is_whole(group->members[i]->disk, SIM_LOG_OF_AGREEMENT))
			damage->beside = false;
		/* It has been recognised, and is what replaces a lost one. */
		if (damage->stale_life != 0 && damage->stale_life != group->members[i]->env.life) {
			damage->stale_life = 0;
			damage->wiped = true;
		}
		damaged += nemesis_is_damaged(damage);
	}
	/* Those that can tell must stay what they are. */
	bool still = nemesis_has_copy(group) || nemesis_is_forced(nemesis, group);
	return still && damaged < minority ? minority : damaged;
}

/* Is one more damaged disk allowed, namely this one? */
static bool atlas_allows(const struct sim_nemesis *nemesis, struct nemesis_group *group,
			 uint32_t member)
{
	uint32_t damaged = nemesis_damaged(nemesis, group);
	const struct nemesis_damage *own = &group->damage[member];
	bool already = nemesis_is_damaged(own);
	if (nemesis_has_copy(group) || nemesis_is_forced(nemesis, group))
		return false;
	return nemesis->world->options.nemesis.beyond || already ||
	       damaged < nemesis_tolerance(nemesis, group);
}

/* A log that has lost its beginning, or has no peers to ask, cannot be repaired. */
static void note_log(struct sim_process *process, struct nemesis_damage *damage, bool alone)
{
	damage->log = true;
	if (!alone && !sim_damage_log_lost_its_beginning(process->disk))
		return;
	damage->refused = true;
	if (!sim_process_alive(process))
		damage->log_before = process->incarnation + 1;
}

/* One that is gone, and whose record a loss of power has prevented, need not be there. */
static void note_snapshot(struct sim_process *process, struct nemesis_damage *damage, uint64_t slot,
			  bool gone)
{
	uint64_t known = sim_damage_snapshot_known(process->disk);
	if (gone && !sim_process_alive(process) && known < slot)
		slot = known;
	damage->snapshot |= slot > 0;
	if (slot > damage->snapshot_slot)
		damage->snapshot_slot = slot;
}

enum damaged { DAMAGED_LOG, DAMAGED_BESIDE, DAMAGED_SNAPSHOT };

static void damage(struct sim_nemesis *nemesis, struct sim_process *process,
		   struct nemesis_damage *damage, enum damaged kind, bool alone)
{
	struct buffer what = {0};
	enum sim_fault fault;
	uint64_t slot = 0;
	bool log = kind == DAMAGED_LOG, beside = kind == DAMAGED_BESIDE;
	bool done = kind == DAMAGED_SNAPSHOT
			    ? sim_damage_snapshot(process->disk, &nemesis->rng, &fault, &slot,
						  &what)
			    : sim_damage_log(process->disk,
					     beside ? SIM_LOG_OF_AGREEMENT : SIM_LOG_OF_GROUP,
					     &nemesis->rng, &fault, &what);
	if (done) {
		nemesis_count(nemesis, fault);
		nemesis_tell(nemesis, "%s: %.*s", process->name, (int)what.len,
			     (const char *)what.data);
	}
	if (done && sim_process_alive(process) &&
	    (fault == SIM_FAULT_LOG_UNLINK || fault == SIM_FAULT_SNAPSHOT_UNLINK))
		damage->hidden = process->incarnation;
	if (done && log) {
		note_log(process, damage, alone);
	} else if (done && beside) {
		damage->beside = true;
	} else if (done) {
		note_snapshot(process, damage, slot, fault == SIM_FAULT_SNAPSHOT_UNLINK);
	}
	/*
	 * With the record of it the log has lost that there was such a snapshot: an older one may
	 * take its place.
	 */
	if (damage->log && damage->snapshot)
		damage->snapshot_slot = 0;
	buffer_free(&what);
}

bool sim_nemesis_memory_changes(struct sim_nemesis *nemesis, const struct sim_process *process)
{
	uint32_t member;
	struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	if (nemesis->core != NULL || group == NULL ||
	    nemesis_damaged(nemesis, group) >= nemesis_tolerance(nemesis, group))
		return false;
	group->damage[member].memory = true;
	return true;
}

void sim_nemesis_memory_is_right(struct sim_nemesis *nemesis, const struct sim_process *process)
{
	struct nemesis_damage *damage = nemesis_damage_of(nemesis, process);
	damage->memory = false;
}

void nemesis_disk_damage(struct sim_nemesis *nemesis, struct sim_process *process)
{
	uint32_t member;
	struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	uint64_t down_us = nemesis_draw_length(&nemesis->rng,
					       nemesis->world->options.nemesis.down_mean_us);
	bool log = rng_chance(&nemesis->rng, 500000), live = rng_chance(&nemesis->rng, 500000);
	if (process->disk == NULL || group == NULL || !atlas_allows(nemesis, group, member))
		return;
	/*
	 * Only its header shows that a file is another replica's: the two together cannot be told
	 * from damage.
	 */
	if (log && group->damage[member].refused)
		return;
	/*
	 * A log beside begins anew by what the other peers know, when the group has bound another
	 * life: so it must know lives.
	 */
	bool beside = log && group->count > 1 && nemesis->bound != NULL &&
		      sim_damage_log_exists(process->disk, SIM_LOG_OF_AGREEMENT) &&
		      nemesis->bound(nemesis->bound_context, process) &&
		      rng_chance(&nemesis->rng, 500000);
	if (!live && sim_process_alive(process)) {
		nemesis_tell(nemesis, "%s loses power for %" PRIu64 " ms", process->name,
			     down_us / 1000);
		nemesis_count(nemesis, SIM_FAULT_POWER_LOSS);
		sim_process_power_loss(process);
		nemesis_plan_at(nemesis, down_us, DEED_START, process, NULL);
	}
	damage(nemesis, process, &group->damage[member],
	       beside ? DAMAGED_BESIDE
	       : log  ? DAMAGED_LOG
		      : DAMAGED_SNAPSHOT,
	       group->count == 1);
}

void sim_nemesis_spoil_snapshot(struct sim_nemesis *nemesis, struct sim_process *process)
{
	uint32_t member;
	struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	if (nemesis->core != NULL || group == NULL || process->disk == NULL ||
	    !sim_process_alive(process) || !atlas_allows(nemesis, group, member))
		return;
	rng_seed(&nemesis->rng, rng_next(&nemesis->rng_hung));
	nemesis->current = nemesis->deeds++;
	if (nemesis->current < nemesis->nleft_out && nemesis->left_out[nemesis->current])
		return;
	uint64_t down_us = nemesis_draw_length(&nemesis->rng, 100 * SIM_MILLISECOND);
	nemesis_tell(nemesis, "%s loses power for %" PRIu64 " ms", process->name, down_us / 1000);
	nemesis_count(nemesis, SIM_FAULT_POWER_LOSS);
	sim_process_power_loss(process);
	nemesis_plan_at(nemesis, down_us, DEED_START, process, NULL);
	damage(nemesis, process, &group->damage[member], DAMAGED_SNAPSHOT, group->count == 1);
}

void nemesis_exchange(struct sim_nemesis *nemesis, struct sim_process *process)
{
	uint32_t member;
	struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	uint64_t down_us = nemesis_draw_length(&nemesis->rng,
					       nemesis->world->options.nemesis.down_mean_us);
	uint64_t other = rng_next(&nemesis->rng);
	if (process->disk == NULL || group == NULL || group->count < 2 || group->foreign[member] ||
	    !atlas_allows(nemesis, group, member))
		return;
	if (sim_process_alive(process)) {
		nemesis_tell(nemesis, "%s is killed for %" PRIu64 " ms", process->name,
			     down_us / 1000);
		nemesis_count(nemesis, SIM_FAULT_KILL);
		sim_process_crash(process);
		nemesis_plan_at(nemesis, down_us, DEED_START, process, NULL);
	}
	uint32_t from = (uint32_t)((member + 1 + other % (group->count - 1)) % group->count);
	if (group->foreign[from])
		return;
	struct buffer what = {0};
	enum sim_fault fault = SIM_FAULT_LOG_MISSING;
	if (sim_exchange_log(process->disk, member + 1, group->members[from]->disk, &nemesis->rng,
			     &fault, &what)) {
		struct nemesis_damage *damage = &group->damage[member];
		buffer_add_u8(&what, 0);
		nemesis_count(nemesis, fault);
		nemesis_tell(nemesis, "%s: %s", process->name, (const char *)what.data);
		damage->log = damage->refused = true;
		damage->log_before = process->incarnation + 1;
	}
	buffer_free(&what);
}

bool nemesis_hopeless(const struct sim_nemesis *nemesis, const struct sim_process *process)
{
	const struct nemesis_damage *damage = nemesis_damage_of(nemesis, process);
	return process->state == SIM_HALTED && process->halt_status == STATUS_CORRUPT &&
	       damage != NULL && damage->refused;
}

bool sim_nemesis_may_be_corrupt(const struct sim_nemesis *nemesis,
				const struct sim_process *process)
{
	const struct nemesis_damage *damage = nemesis_damage_of(nemesis, process);
	/*
	 * A snapshot may be damaged while it is being used; but one that is found damaged at the
	 * start is no reason not to start.
	 */
	return damage != NULL &&
	       (damage->log || damage->beside || (damage->snapshot && !process->halted_at_start));
}

bool sim_nemesis_is_damaged(const struct sim_nemesis *nemesis, const struct sim_process *process)
{
	uint32_t member;
	struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	if (group == NULL || group->damage[member].hidden == process->incarnation)
		return false;
	nemesis_damaged(nemesis, group);
	return group->damage[member].log || group->damage[member].snapshot;
}

bool sim_nemesis_must_not_run(const struct sim_nemesis *nemesis, const struct sim_process *process)
{
	const struct nemesis_damage *damage = nemesis_damage_of(nemesis, process);
	return process->misconfigured != NULL || (damage != NULL && damage->log_before != 0 &&
						  process->incarnation >= damage->log_before);
}
