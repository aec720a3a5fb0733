#include "sim/nemesis.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/list.h"
#include "sim/network.h"

/* What is done; most have an opposite that ends them after a while. */
enum deed {
	DEED_CRASH, DEED_STOP, DEED_PAUSE, DEED_PARTITION, DEED_CLOG, DEED_SWIZZLE, DEED_CLOCK, DEED_DISK, DEED_SLOW_DISK,
	DEEDS,
	/* Ends, and parts of others. */
	DEED_START, DEED_RESUME, DEED_MEND, DEED_UNCLOG, DEED_CLOG_ALL, DEED_UNCLOG_ALL, DEED_FAST_DISK,
};

/* Something that will be done to a process (or a pair). */
struct plan {
	struct list link;
	struct timer timer;
	struct sim_nemesis *nemesis;
	enum deed deed;
	struct sim_process *process;
	struct sim_process *other;
	bool *side; /* MEND: which processes stood on the one side */
};

struct source {
	struct timer timer;
	struct sim_nemesis *nemesis;
	enum deed deed;
};

struct group {
	struct sim_process *members[REPLICAS_MAX];
	uint32_t count;
};

struct sim_nemesis {
	struct sim_world *world;
	struct rng *rng;
	struct source sources[DEEDS];
	struct timer caretaker; /* brings halted processes back */
	struct list plans;
	struct group *groups;
	uint32_t ngroups;
	struct sim_process **victims; /* replicas, then clients */
	uint32_t nreplicas;
	uint32_t nvictims;
	bool *core; /* by process index */
	bool (*prefers)(void *context, const struct sim_process *process);
	void *prefers_context;
};

#define CARETAKER_US (500 * SIM_MILLISECOND)

/* ---- plans ---- */

static void plan_free(struct plan *plan)
{
	sim_world_timer_cancel(plan->nemesis->world, &plan->timer);
	list_remove(&plan->link);
	free(plan->side);
	free(plan);
}

static void perform(struct sim_nemesis *nemesis, enum deed deed, struct plan *plan);

static void plan_due(void *data)
{
	struct plan *plan = data;
	perform(plan->nemesis, plan->deed, plan);
	plan_free(plan);
}

static struct plan *plan_at(struct sim_nemesis *nemesis, uint64_t after_us, enum deed deed, struct sim_process *process,
			    struct sim_process *other)
{
	struct plan *plan = ALLOC(struct plan);
	plan->nemesis = nemesis;
	plan->deed = deed;
	plan->process = process;
	plan->other = other;
	timer_init(&plan->timer, plan_due, plan);
	list_push_back(&nemesis->plans, &plan->link);
	sim_world_timer_set(nemesis->world, &plan->timer, nemesis->world->now_us + after_us);
	return plan;
}

/* Around a mean: between a tenth of it and twice as much. */
static uint64_t draw_length(struct sim_nemesis *nemesis, uint64_t mean_us)
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
	uint64_t down_us = draw_length(nemesis, o->down_mean_us);
	if (!sim_process_alive(process))
		return;
	if (power)
		sim_process_power_loss(process);
	else
		sim_process_crash(process);
	plan_at(nemesis, down_us, DEED_START, process, NULL);
}

static void crash(struct sim_nemesis *nemesis)
{
	if (!rng_chance(nemesis->rng, nemesis->world->options.nemesis.crash_all_ppm)) {
		crash_one(nemesis, draw_replica(nemesis));
		return;
	}
	const struct group *group = &nemesis->groups[rng_below(nemesis->rng, nemesis->ngroups)];
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
	plan_at(nemesis, draw_length(nemesis, o->partition_length_us), DEED_MEND, NULL, NULL)->side = side;
}

static void clog_pair(struct sim_nemesis *nemesis)
{
	struct sim_process *from = draw_victim(nemesis), *to = draw_victim(nemesis);
	uint64_t length_us = draw_length(nemesis, nemesis->world->options.nemesis.clog_length_us);
	sim_network_clog(nemesis->world, from, to);
	plan_at(nemesis, length_us, DEED_UNCLOG, from, to);
}

static void swizzle(struct sim_nemesis *nemesis)
{
	uint64_t length_us = nemesis->world->options.nemesis.clog_length_us;
	for (uint32_t i = 0; i < nemesis->nvictims; i++) {
		bool chosen = rng_chance(nemesis->rng, 500000);
		uint64_t begin_us = rng_below(nemesis->rng, length_us + 1), end_us = rng_below(nemesis->rng, length_us + 1);
		if (!chosen)
			continue;
		plan_at(nemesis, begin_us, DEED_CLOG_ALL, nemesis->victims[i], NULL);
		plan_at(nemesis, length_us + end_us, DEED_UNCLOG_ALL, nemesis->victims[i], NULL);
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
		plan_at(nemesis, rng_range(nemesis->rng, 100 * SIM_MILLISECOND, 3 * SIM_SECOND), DEED_FAST_DISK, process, NULL);
	}
	disk_sim_set_faults(process->disk, &faults);
}

static void pause_one(struct sim_nemesis *nemesis)
{
	struct sim_process *process = draw_victim(nemesis);
	uint64_t length_us = draw_length(nemesis, nemesis->world->options.nemesis.pause_length_us);
	if (process->state != SIM_RUNNING)
		return;
	sim_process_pause(process);
	plan_at(nemesis, length_us, DEED_RESUME, process, NULL);
}

static void stop_one(struct sim_nemesis *nemesis)
{
	struct sim_process *process = draw_replica(nemesis);
	uint64_t down_us = draw_length(nemesis, nemesis->world->options.nemesis.down_mean_us);
	if (process->state != SIM_RUNNING)
		return;
	sim_process_stop(process);
	/* An orderly stop takes as long as it takes: the caretaker starts whoever is not up by then. */
	plan_at(nemesis, 2 * SIM_SECOND + down_us, DEED_START, process, NULL);
}

static void perform(struct sim_nemesis *nemesis, enum deed deed, struct plan *plan)
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

/* ---- when ---- */

static uint64_t mean_of(const struct sim_nemesis *nemesis, enum deed deed)
{
	const struct sim_nemesis_options *o = &nemesis->world->options.nemesis;
	const uint64_t means[DEEDS] = {
		[DEED_CRASH] = o->crash_mean_us, [DEED_STOP] = o->stop_mean_us, [DEED_PAUSE] = o->pause_mean_us,
		[DEED_PARTITION] = o->partition_mean_us, [DEED_CLOG] = o->clog_mean_us, [DEED_SWIZZLE] = o->swizzle_mean_us,
		[DEED_CLOCK] = o->clock_mean_us, [DEED_DISK] = o->disk_mean_us, [DEED_SLOW_DISK] = o->slow_disk_mean_us,
	};
	return means[deed];
}

static void source_arm(struct source *source)
{
	struct sim_nemesis *nemesis = source->nemesis;
	uint64_t mean_us = mean_of(nemesis, source->deed);
	if (mean_us > 0)
		sim_world_timer_set(nemesis->world, &source->timer, nemesis->world->now_us + draw_length(nemesis, mean_us));
}

static void source_due(void *data)
{
	struct source *source = data;
	perform(source->nemesis, source->deed, NULL);
	source_arm(source);
}

static bool start_is_planned(struct sim_nemesis *nemesis, const struct sim_process *process)
{
	LIST_FOR(link, &nemesis->plans) {
		const struct plan *plan = LIST_ENTRY(link, struct plan, link);
		if (plan->deed == DEED_START && plan->process == process)
			return true;
	}
	return false;
}

/* Whoever went down by himself (a failed disk, an orderly stop) is started again by his operator. */
static void caretaker_due(void *data)
{
	struct sim_nemesis *nemesis = data;
	uint64_t down_us = nemesis->world->options.nemesis.down_mean_us;
	for (uint32_t i = 0; i < nemesis->nreplicas; i++) {
		struct sim_process *process = nemesis->victims[i];
		bool hopeless = process->state == SIM_HALTED && process->halt_status == STATUS_CORRUPT;
		if (!sim_process_alive(process) && !hopeless && !start_is_planned(nemesis, process))
			plan_at(nemesis, draw_length(nemesis, down_us), DEED_START, process, NULL);
	}
	sim_world_timer_set(nemesis->world, &nemesis->caretaker, nemesis->world->now_us + CARETAKER_US);
}

/* ---- life ---- */

struct sim_nemesis *sim_nemesis_create(struct sim_world *world)
{
	struct sim_nemesis *nemesis = ALLOC(struct sim_nemesis);
	nemesis->world = world;
	nemesis->rng = &world->rng_nemesis;
	list_init(&nemesis->plans);
	for (unsigned deed = 0; deed < DEEDS; deed++) {
		struct source *source = &nemesis->sources[deed];
		*source = (struct source){.nemesis = nemesis, .deed = (enum deed)deed};
		timer_init(&source->timer, source_due, source);
	}
	timer_init(&nemesis->caretaker, caretaker_due, nemesis);
	return nemesis;
}

static void add_victim(struct sim_nemesis *nemesis, struct sim_process *process)
{
	nemesis->victims = alloc_resize(nemesis->victims, nemesis->nvictims + 1, sizeof(struct sim_process *));
	nemesis->victims[nemesis->nvictims++] = process;
}

void sim_nemesis_add_group(struct sim_nemesis *nemesis, struct sim_process *const *members, uint32_t count)
{
	ASSERT(count <= REPLICAS_MAX);
	ASSERT(nemesis->nvictims == nemesis->nreplicas); /* clients come last */
	nemesis->groups = alloc_resize(nemesis->groups, nemesis->ngroups + 1, sizeof *nemesis->groups);
	struct group *group = &nemesis->groups[nemesis->ngroups++];
	*group = (struct group){.count = count};
	for (uint32_t i = 0; i < count; i++) {
		group->members[i] = members[i];
		add_victim(nemesis, members[i]);
		nemesis->nreplicas++;
	}
}

void sim_nemesis_add_client(struct sim_nemesis *nemesis, struct sim_process *process)
{
	add_victim(nemesis, process);
}

void sim_nemesis_prefer(struct sim_nemesis *nemesis, bool (*prefers)(void *context, const struct sim_process *process),
			void *context)
{
	nemesis->prefers = prefers;
	nemesis->prefers_context = context;
}

void sim_nemesis_start(struct sim_nemesis *nemesis)
{
	ASSERT(nemesis->nreplicas > 0);
	for (unsigned deed = 0; deed < DEEDS; deed++)
		source_arm(&nemesis->sources[deed]);
	sim_world_timer_set(nemesis->world, &nemesis->caretaker, nemesis->world->now_us + CARETAKER_US);
}

void sim_nemesis_stop(struct sim_nemesis *nemesis)
{
	for (unsigned deed = 0; deed < DEEDS; deed++)
		sim_world_timer_cancel(nemesis->world, &nemesis->sources[deed].timer);
}

static void forget_plans(struct sim_nemesis *nemesis)
{
	sim_nemesis_stop(nemesis);
	sim_world_timer_cancel(nemesis->world, &nemesis->caretaker);
	LIST_FOR_SAFE(link, after, &nemesis->plans)
		plan_free(LIST_ENTRY(link, struct plan, link));
}

/* Peace for one process. A stop that is under way has no planned start any more, so it is cut short. */
static void revive(struct sim_process *process)
{
	if (process->disk != NULL)
		disk_sim_fault_at(process->disk, UINT64_MAX, DISK_SIM_NO_FAULT);
	sim_process_resume(process);
	if (process->stopping)
		sim_process_crash(process);
	bool hopeless = process->state == SIM_HALTED && process->halt_status == STATUS_CORRUPT;
	if (!sim_process_alive(process) && !hopeless)
		sim_process_start(process);
}

void sim_nemesis_heal_all(struct sim_nemesis *nemesis)
{
	struct sim_world *world = nemesis->world;
	struct sim_options calm;
	forget_plans(nemesis);
	sim_options_calm(&calm);
	world->options.network = calm.network;
	world->options.process.turn_single_ppm = calm.process.turn_single_ppm;
	sim_network_heal(world);
	for (uint32_t i = 0; i < nemesis->nvictims; i++) {
		if (nemesis->victims[i]->disk != NULL)
			disk_sim_set_faults(nemesis->victims[i]->disk, NULL);
		revive(nemesis->victims[i]);
	}
}

/* What becomes of those who are not healed. */
static void condemn(struct sim_nemesis *nemesis, struct sim_process *process)
{
	switch (rng_below(nemesis->rng, 6)) {
	case 0: sim_process_crash(process); break;
	case 1: sim_process_power_loss(process); break;
	case 2: sim_process_pause(process); break;
	case 3: sim_network_isolate(nemesis->world, process); break;
	case 4: sim_network_cut(nemesis->world, process, NULL); break;
	case 5: sim_network_cut(nemesis->world, NULL, process); break;
	}
}

void sim_nemesis_heal_core(struct sim_nemesis *nemesis)
{
	sim_nemesis_heal_all(nemesis);
	free(nemesis->core);
	nemesis->core = alloc_zeroed(nemesis->world->nprocesses, sizeof *nemesis->core);
	for (uint32_t i = 0; i < nemesis->nvictims; i++)
		nemesis->core[nemesis->victims[i]->index] = true;
	for (uint32_t g = 0; g < nemesis->ngroups; g++) {
		struct group *group = &nemesis->groups[g];
		uint32_t outcasts = (uint32_t)rng_below(nemesis->rng, (group->count - 1) / 2 + 1u);
		while (outcasts-- > 0) {
			/* Drawing one twice leaves the core larger than it had to be. */
			struct sim_process *process = group->members[rng_below(nemesis->rng, group->count)];
			if (!nemesis->core[process->index])
				continue;
			nemesis->core[process->index] = false;
			condemn(nemesis, process);
		}
	}
}

bool sim_nemesis_in_core(const struct sim_nemesis *nemesis, const struct sim_process *process)
{
	return nemesis->core != NULL && nemesis->core[process->index];
}

void sim_nemesis_destroy(struct sim_nemesis *nemesis)
{
	forget_plans(nemesis);
	free(nemesis->groups);
	free(nemesis->victims);
	free(nemesis->core);
	free(nemesis);
}
