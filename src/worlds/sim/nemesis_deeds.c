/* What it does. */
#include "sim/nemesis_internal.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "sim/network.h"

/* ---- plans ---- */

void nemesis_plan_free(struct nemesis_plan *plan)
{
	sim_world_timer_cancel(plan->nemesis->world, &plan->timer);
	list_remove(&plan->link);
	free(plan->side);
	free(plan);
}

static void plan_due(void *data)
{
	struct nemesis_plan *plan = data;
	nemesis_perform(plan->nemesis, plan->deed, plan);
	nemesis_plan_free(plan);
}

struct nemesis_plan *nemesis_plan_at(struct sim_nemesis *nemesis, uint64_t after_us, enum deed deed,
				     struct sim_process *process, struct sim_process *other)
{
	struct nemesis_plan *plan = ALLOC(struct nemesis_plan);
	plan->nemesis = nemesis;
	plan->deed = deed;
	plan->process = process;
	plan->other = other;
	timer_init(&plan->timer, plan_due, plan);
	list_push_back(&nemesis->plans, &plan->link);
	sim_world_timer_set(nemesis->world, &plan->timer, nemesis->world->now_us + after_us);
	return plan;
}

uint64_t nemesis_draw_length(struct rng *rng, uint64_t mean_us)
{
	return rng_range(rng, mean_us / 10, mean_us * 19 / 10 + 1);
}

/* One of the first `count` victims: half of the time a preferred one, if there is any. */
static uint32_t draw_index(struct sim_nemesis *nemesis, uint32_t count)
{
	uint32_t drawn = (uint32_t)rng_below(&nemesis->rng, count);
	bool prefer = rng_chance(&nemesis->rng, 500000);
	if (!prefer || nemesis->prefers == NULL)
		return drawn;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = (drawn + i) % count;
		if (nemesis->prefers(nemesis->prefers_context, nemesis->victims[index]))
			return index;
	}
	return drawn;
}

static struct sim_process *draw_replica(struct sim_nemesis *nemesis)
{
	return nemesis->victims[draw_index(nemesis, nemesis->nreplicas)];
}

static struct sim_process *draw_victim(struct sim_nemesis *nemesis)
{
	return nemesis->victims[draw_index(nemesis, nemesis->nvictims)];
}

/* ---- deeds ---- */

/* faults: 11, 27 */
static void crash_one(struct sim_nemesis *nemesis, struct sim_process *process)
{
	const struct sim_nemesis_options *o = &nemesis->world->options.nemesis;
	bool power = rng_chance(&nemesis->rng, o->power_ppm);
	uint64_t down_us = nemesis_draw_length(&nemesis->rng, o->down_mean_us);
	if (!sim_process_alive(process))
		return;
	nemesis_count(nemesis, power ? SIM_FAULT_POWER_LOSS : SIM_FAULT_KILL);
	nemesis_tell(nemesis, "%s %s for %llu ms", process->name,
		     power ? "loses power" : "is killed", (unsigned long long)down_us / 1000);
	if (power)
		sim_process_power_loss(process);
	else
		sim_process_crash(process);
	nemesis_plan_at(nemesis, down_us, DEED_START, process, NULL);
}

/* faults: 2, 61. One of several groups may be gone as a whole, while the others serve. */
static void crash(struct sim_nemesis *nemesis)
{
	if (!rng_chance(&nemesis->rng, nemesis->world->options.nemesis.crash_all_ppm)) {
		crash_one(nemesis, draw_replica(nemesis));
		return;
	}
	const struct nemesis_group *group =
		&nemesis->groups[rng_below(&nemesis->rng, nemesis->ngroups)];
	nemesis_count(nemesis, SIM_FAULT_GROUP_CRASH);
	for (uint32_t i = 0; i < group->count; i++)
		crash_one(nemesis, group->members[i]);
}

static void crash_client(struct sim_nemesis *nemesis)
{
	uint32_t clients = nemesis->nvictims - nemesis->nreplicas;
	uint64_t down_us = nemesis_draw_length(&nemesis->rng,
					       nemesis->world->options.nemesis.down_mean_us);
	if (clients == 0)
		return;
	struct sim_process *process =
		nemesis->victims[nemesis->nreplicas + rng_below(&nemesis->rng, clients)];
	if (!sim_process_alive(process))
		return;
	nemesis_count(nemesis, SIM_FAULT_CLIENT_CRASH);
	nemesis_tell(nemesis, "%s is killed for %llu ms", process->name,
		     (unsigned long long)down_us / 1000);
	sim_process_crash(process);
	nemesis_plan_at(nemesis, down_us, DEED_START, process, NULL);
}

static void cut_sides(struct sim_nemesis *nemesis, const bool *side, bool outwards, bool inwards)
{
	for (uint32_t a = 0; a < nemesis->nvictims; a++) {
		for (uint32_t b = 0; b < nemesis->nvictims; b++) {
			struct sim_process *in = nemesis->victims[a], *out = nemesis->victims[b];
			if (!side[a] || side[b])
				continue;
			if (outwards)
				sim_network_cut(nemesis->world, in, out);
			if (inwards)
				sim_network_cut(nemesis->world, out, in);
		}
	}
}

static void mend_sides(struct sim_nemesis *nemesis, const bool *side)
{
	for (uint32_t a = 0; a < nemesis->nvictims; a++) {
		for (uint32_t b = 0; b < nemesis->nvictims; b++) {
			if (!side[a] || side[b])
				continue;
			sim_network_mend(nemesis->world, nemesis->victims[a], nemesis->victims[b]);
			sim_network_mend(nemesis->world, nemesis->victims[b], nemesis->victims[a]);
		}
	}
}

static void tell_partition(struct sim_nemesis *nemesis, const bool *side, const char *direction,
			   uint64_t length_us)
{
	struct buffer names = {0};
	for (uint32_t i = 0; i < nemesis->nvictims; i++)
		if (side[i])
			buffer_format(&names, " %s", nemesis->victims[i]->name);
	buffer_add_u8(&names, 0);
	nemesis_tell(nemesis, "messages %s the others are cut for %llu ms:%s", direction,
		     (unsigned long long)length_us / 1000, (const char *)names.data);
	buffer_free(&names);
}

/*
 * faults: 7, 43, 77. Some last for as long as a group needs to release the log that those cut off
 * would need.
 */
static void partition(struct sim_nemesis *nemesis)
{
	const struct sim_nemesis_options *o = &nemesis->world->options.nemesis;
	bool *side = alloc_zeroed(nemesis->nvictims, sizeof *side);
	bool one_way = rng_chance(&nemesis->rng, o->one_way_ppm);
	bool outwards = rng_chance(&nemesis->rng, 500000);
	uint32_t one = draw_index(nemesis, nemesis->nvictims);
	switch (rng_below(&nemesis->rng, 3)) {
	case 0: /* a process alone */ break;
	case 1: /* a replica with some clients */
		for (uint32_t i = nemesis->nreplicas; i < nemesis->nvictims; i++)
			side[i] = rng_chance(&nemesis->rng, 500000);
		break;
	default:
		for (uint32_t i = 0; i < nemesis->nvictims; i++)
			side[i] = rng_chance(&nemesis->rng, 500000);
		break;
	}
	side[one] = true;
	uint64_t length_us = nemesis_draw_length(&nemesis->rng, o->partition_length_us);
	tell_partition(nemesis, side, one_way ? (outwards ? "from" : "to") : "from and to",
		       length_us);
	nemesis_count(nemesis, one_way ? SIM_FAULT_ONE_WAY : SIM_FAULT_PARTITION);
	cut_sides(nemesis, side, !one_way || outwards, !one_way || !outwards);
	nemesis_plan_at(nemesis, length_us, DEED_MEND, NULL, NULL)->side = side;
}

static void clog_pair(struct sim_nemesis *nemesis)
{
	struct sim_process *from = draw_victim(nemesis), *to = draw_victim(nemesis);
	uint64_t length_us = nemesis_draw_length(&nemesis->rng,
						 nemesis->world->options.nemesis.clog_length_us);
	if (from == to)
		return;
	nemesis_count(nemesis, SIM_FAULT_CLOG);
	nemesis_tell(nemesis, "messages from %s to %s are held for %llu ms", from->name, to->name,
		     (unsigned long long)length_us / 1000);
	sim_network_clog(nemesis->world, from, to);
	nemesis_plan_at(nemesis, length_us, DEED_UNCLOG, from, to);
}

static void swizzle(struct sim_nemesis *nemesis)
{
	uint64_t length_us = nemesis->world->options.nemesis.clog_length_us;
	nemesis_count(nemesis, SIM_FAULT_SWIZZLE);
	nemesis_tell(
		nemesis,
		"some are held one after another, and released in another order, within %llu ms",
		(unsigned long long)length_us / 500);
	for (uint32_t i = 0; i < nemesis->nvictims; i++) {
		bool chosen = rng_chance(&nemesis->rng, 500000);
		uint64_t begin_us = rng_below(&nemesis->rng, length_us + 1),
			 end_us = rng_below(&nemesis->rng, length_us + 1);
		if (!chosen)
			continue;
		nemesis_plan_at(nemesis, begin_us, DEED_CLOG_ALL, nemesis->victims[i], NULL);
		nemesis_plan_at(nemesis, length_us + end_us, DEED_UNCLOG_ALL, nemesis->victims[i],
				NULL);
	}
}

/* faults: 45, 47, 52 */
static void clock_jump(struct sim_nemesis *nemesis)
{
	uint64_t max_us = nemesis->world->options.nemesis.clock_jump_max_us;
	struct sim_process *process = draw_victim(nemesis);
	int64_t jump_us = (int64_t)rng_below(&nemesis->rng, 2 * max_us + 1) - (int64_t)max_us;
	nemesis_count(nemesis, SIM_FAULT_CLOCK_JUMP);
	nemesis_tell(nemesis, "the wall clock of %s jumps by %lld ms", process->name,
		     (long long)jump_us / 1000);
	sim_process_wall_jump(process, jump_us);
}

static void clock_drift(struct sim_nemesis *nemesis)
{
	uint64_t max_ppm = nemesis->world->options.process.drift_max_ppm;
	struct sim_process *process = draw_victim(nemesis);
	int32_t drift_ppm = (int32_t)rng_below(&nemesis->rng, 2 * max_ppm + 1) - (int32_t)max_ppm;
	if (max_ppm == 0)
		return;
	nemesis_count(nemesis, SIM_FAULT_CLOCK_DRIFT);
	nemesis_tell(nemesis, "the clocks of %s run off by %d ppm", process->name, drift_ppm);
	sim_process_set_drift(process, drift_ppm);
}

/* faults: 44 */
static void pause_one(struct sim_nemesis *nemesis)
{
	struct sim_process *process = draw_victim(nemesis);
	uint64_t length_us = nemesis_draw_length(&nemesis->rng,
						 nemesis->world->options.nemesis.pause_length_us);
	if (process->state != SIM_RUNNING)
		return;
	nemesis_count(nemesis, SIM_FAULT_PAUSE);
	nemesis_tell(nemesis, "%s is paused for %llu ms", process->name,
		     (unsigned long long)length_us / 1000);
	sim_process_pause(process);
	nemesis_plan_at(nemesis, length_us, DEED_RESUME, process, NULL);
}

static void stop_one(struct sim_nemesis *nemesis)
{
	struct sim_process *process = draw_replica(nemesis);
	uint64_t down_us = nemesis_draw_length(&nemesis->rng,
					       nemesis->world->options.nemesis.down_mean_us);
	if (process->state != SIM_RUNNING)
		return;
	nemesis_count(nemesis, SIM_FAULT_STOP);
	nemesis_tell(nemesis, "%s is stopped in order", process->name);
	sim_process_stop(process);
	/*
	 * An orderly stop takes as long as it takes: the caretaker starts whoever is not up by
	 * then.
	 */
	nemesis_plan_at(nemesis, 2 * SIM_SECOND + down_us, DEED_START, process, NULL);
}

void nemesis_perform(struct sim_nemesis *nemesis, enum deed deed, struct nemesis_plan *plan)
{
	struct sim_world *world = nemesis->world;
	switch (deed) {
	case DEED_CRASH: crash(nemesis); break;
	case DEED_STOP: stop_one(nemesis); break;
	case DEED_PAUSE: pause_one(nemesis); break;
	case DEED_PARTITION: partition(nemesis); break;
	case DEED_CLOG: clog_pair(nemesis); break;
	case DEED_SWIZZLE: swizzle(nemesis); break;
	case DEED_CLOCK: clock_jump(nemesis); break;
	case DEED_DRIFT: clock_drift(nemesis); break;
	case DEED_CLIENT_CRASH: crash_client(nemesis); break;
	case DEED_DISK: nemesis_disk_fault(nemesis, draw_replica(nemesis)); break;
	case DEED_SLOW_DISK: nemesis_disk_slow(nemesis, draw_replica(nemesis)); break;
	case DEED_DISK_ERRORS: nemesis_disk_errors(nemesis, draw_replica(nemesis)); break;
	case DEED_FULL_DISK: nemesis_disk_full(nemesis, draw_replica(nemesis)); break;
	case DEED_DAMAGE: nemesis_disk_damage(nemesis, draw_replica(nemesis)); break;
	case DEED_CRASH_AT_SEND: nemesis_crash_at_send(nemesis, draw_replica(nemesis)); break;
	case DEED_DEAF: nemesis_deafen(nemesis, draw_replica(nemesis)); break;
	case DEED_HAND_OVER: nemesis_hand_over(nemesis, draw_replica(nemesis)); break;
	case DEED_HUNG_DISK: nemesis_disk_hang(nemesis, draw_replica(nemesis)); break;
	case DEED_EXCHANGE: nemesis_exchange(nemesis, draw_replica(nemesis)); break;
	case DEED_REELECT: nemesis_reelect(nemesis, draw_replica(nemesis)); break;
	case DEED_NO_DESCRIPTOR: nemesis_no_descriptor(nemesis, draw_replica(nemesis)); break;
	case DEED_DESCRIPTORS: disk_sim_short_of_descriptors(plan->process->disk, 0, false); break;
	case DEED_GROUP_DISKS: nemesis_group_disks(nemesis, draw_replica(nemesis)); break;
	case DEED_PUT_BACK: nemesis_stale_put_back(nemesis, plan->process); break;
	case DEED_START_AGAIN: nemesis_stale_again(nemesis, plan->process); break;
	case DEED_HAND_BACK: nemesis_hand_back(nemesis, plan->process); break;
	case DEED_MEND_PAIR:
		sim_network_mend(world, plan->process, plan->other);
		sim_network_mend(world, plan->other, plan->process);
		break;
	case DEED_HEAR:
		sim_network_mend(world, plan->process, plan->other);
		sim_network_unclog(world, plan->other, plan->process);
		break;
	case DEED_FORCE: nemesis_force(nemesis, plan->process); break;
	case DEED_COME_BACK: nemesis_come_back(nemesis, plan->process); break;
	case DEED_START:
		if (!sim_process_alive(plan->process) && !nemesis_is_lost(nemesis, plan->process)) {
			nemesis_members_correct(plan->process);
			nemesis_renew(nemesis, plan->process);
			sim_process_start(plan->process);
		}
		break;
	case DEED_RESUME: sim_process_resume(plan->process); break;
	case DEED_MEND: mend_sides(nemesis, plan->side); break;
	case DEED_UNCLOG: sim_network_unclog(world, plan->process, plan->other); break;
	case DEED_CLOG_ALL:
		sim_network_clog(world, plan->process, NULL);
		sim_network_clog(world, NULL, plan->process);
		break;
	case DEED_UNCLOG_ALL:
		sim_network_unclog(world, plan->process, NULL);
		sim_network_unclog(world, NULL, plan->process);
		break;
	case DEED_GOOD_DISK: nemesis_disk_good(nemesis, plan->process); break;
	case DEEDS: ASSERT(false);
	}
}
