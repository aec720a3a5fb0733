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

uint64_t nemesis_draw_length(struct sim_nemesis *nemesis, uint64_t mean_us)
{
	return rng_range(nemesis->rng, mean_us / 10, mean_us * 19 / 10 + 1);
}

/* One of the first `count` victims: half of the time a preferred one, if there is any. */
static uint32_t draw_index(struct sim_nemesis *nemesis, uint32_t count)
{
	uint32_t drawn = (uint32_t)rng_below(nemesis->rng, count);
	bool prefer = rng_chance(nemesis->rng, 500000);
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

static void crash_one(struct sim_nemesis *nemesis, struct sim_process *process)
{
	const struct sim_nemesis_options *o = &nemesis->world->options.nemesis;
	bool power = rng_chance(nemesis->rng, o->power_ppm);
	uint64_t down_us = nemesis_draw_length(nemesis, o->down_mean_us);
	if (!sim_process_alive(process))
		return;
	if (power)
		sim_process_power_loss(process);
	else
		sim_process_crash(process);
	nemesis_plan_at(nemesis, down_us, DEED_START, process, NULL);
}

static void crash(struct sim_nemesis *nemesis)
{
	if (!rng_chance(nemesis->rng, nemesis->world->options.nemesis.crash_all_ppm)) {
		crash_one(nemesis, draw_replica(nemesis));
		return;
	}
	const struct nemesis_group *group = &nemesis->groups[rng_below(nemesis->rng, nemesis->ngroups)];
	for (uint32_t i = 0; i < group->count; i++)
		crash_one(nemesis, group->members[i]);
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

static void partition(struct sim_nemesis *nemesis)
{
	const struct sim_nemesis_options *o = &nemesis->world->options.nemesis;
	bool *side = alloc_zeroed(nemesis->nvictims, sizeof *side);
	bool one_way = rng_chance(nemesis->rng, o->one_way_ppm);
	bool outwards = rng_chance(nemesis->rng, 500000);
	uint32_t one = draw_index(nemesis, nemesis->nvictims);
	switch (rng_below(nemesis->rng, 3)) {
	case 0: /* a process alone */
		break;
	case 1: /* a replica with some clients */
		for (uint32_t i = nemesis->nreplicas; i < nemesis->nvictims; i++)
			side[i] = rng_chance(nemesis->rng, 500000);
		break;
	default:
		for (uint32_t i = 0; i < nemesis->nvictims; i++)
			side[i] = rng_chance(nemesis->rng, 500000);
		break;
	}
	side[one] = true;
	cut_sides(nemesis, side, !one_way || outwards, !one_way || !outwards);
	nemesis_plan_at(nemesis, nemesis_draw_length(nemesis, o->partition_length_us), DEED_MEND, NULL, NULL)->side = side;
}

static void clog_pair(struct sim_nemesis *nemesis)
{
	struct sim_process *from = draw_victim(nemesis), *to = draw_victim(nemesis);
	uint64_t length_us = nemesis_draw_length(nemesis, nemesis->world->options.nemesis.clog_length_us);
	sim_network_clog(nemesis->world, from, to);
	nemesis_plan_at(nemesis, length_us, DEED_UNCLOG, from, to);
}

static void swizzle(struct sim_nemesis *nemesis)
{
	uint64_t length_us = nemesis->world->options.nemesis.clog_length_us;
	for (uint32_t i = 0; i < nemesis->nvictims; i++) {
		bool chosen = rng_chance(nemesis->rng, 500000);
		uint64_t begin_us = rng_below(nemesis->rng, length_us + 1), end_us = rng_below(nemesis->rng, length_us + 1);
		if (!chosen)
			continue;
		nemesis_plan_at(nemesis, begin_us, DEED_CLOG_ALL, nemesis->victims[i], NULL);
		nemesis_plan_at(nemesis, length_us + end_us, DEED_UNCLOG_ALL, nemesis->victims[i], NULL);
	}
}

static void clock_jump(struct sim_nemesis *nemesis)
{
	uint64_t max_us = nemesis->world->options.nemesis.clock_jump_max_us;
	struct sim_process *process = draw_victim(nemesis);
	sim_process_wall_jump(process, (int64_t)rng_below(nemesis->rng, 2 * max_us + 1) - (int64_t)max_us);
}

static void disk_fault(struct sim_nemesis *nemesis)
{
	static const enum disk_sim_fault faults[] = {DISK_SIM_STOP, DISK_SIM_IO_ERROR, DISK_SIM_TORN_WRITE};
	struct sim_process *process = draw_replica(nemesis);
	enum disk_sim_fault fault = faults[rng_below(nemesis->rng, sizeof faults / sizeof faults[0])];
	uint64_t after = rng_below(nemesis->rng, 20);
	if (process->disk != NULL && sim_process_alive(process))
		disk_sim_fault_at(process->disk, disk_sim_operations(process->disk) + after, fault);
}

static void disk_speed(struct sim_nemesis *nemesis, struct sim_process *process, bool slow)
{
	struct disk_sim_faults faults = nemesis->world->options.disk.faults;
	if (process->disk == NULL)
		return;
	if (slow) {
		faults.slow_ppm = 1000000;
		faults.slow_us = rng_range(nemesis->rng, SIM_MILLISECOND, SIM_SECOND);
		nemesis_plan_at(nemesis, rng_range(nemesis->rng, 100 * SIM_MILLISECOND, 3 * SIM_SECOND), DEED_FAST_DISK, process, NULL);
	}
	disk_sim_set_faults(process->disk, &faults);
}

static void pause_one(struct sim_nemesis *nemesis)
{
	struct sim_process *process = draw_victim(nemesis);
	uint64_t length_us = nemesis_draw_length(nemesis, nemesis->world->options.nemesis.pause_length_us);
	if (process->state != SIM_RUNNING)
		return;
	sim_process_pause(process);
	nemesis_plan_at(nemesis, length_us, DEED_RESUME, process, NULL);
}

static void stop_one(struct sim_nemesis *nemesis)
{
	struct sim_process *process = draw_replica(nemesis);
	uint64_t down_us = nemesis_draw_length(nemesis, nemesis->world->options.nemesis.down_mean_us);
	if (process->state != SIM_RUNNING)
		return;
	sim_process_stop(process);
	/* An orderly stop takes as long as it takes: the caretaker starts whoever is not up by then. */
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
	case DEED_DISK: disk_fault(nemesis); break;
	case DEED_SLOW_DISK: disk_speed(nemesis, draw_replica(nemesis), true); break;
	case DEED_START:
		if (!sim_process_alive(plan->process))
			sim_process_start(plan->process);
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
	case DEED_FAST_DISK: disk_speed(nemesis, plan->process, false); break;
	case DEEDS: ASSERT(false);
	}
}
