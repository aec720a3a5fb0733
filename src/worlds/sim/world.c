/* The simulated world: time, and whose turn it is. */
#include "sim/world.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "sim/link.h"

/* One sim_world_call_at. */
struct sim_call {
	struct timer timer;
	void (*callback)(void *data);
	void *data;
};

static void call_event(void *data)
{
	struct sim_call *call = data;
	void (*callback)(void *) = call->callback;
	void *callback_data = call->data;
	free(call);
	callback(callback_data);
}

struct sim_world *sim_world_create(uint64_t seed, const struct sim_options *options)
{
	struct sim_world *world = ALLOC(struct sim_world);
	struct rng seeds;
	world->seed = seed;
	world->options = *options;
	rng_seed(&seeds, seed);
	rng_seed(&world->rng_network, rng_next(&seeds));
	rng_seed(&world->rng_disk, rng_next(&seeds));
	rng_seed(&world->rng_process, rng_next(&seeds));
	rng_seed(&world->rng_nemesis, rng_next(&seeds));
	rng_seed(&world->rng_workload, rng_next(&seeds));
	world->trace.now_us = &world->now_us;
	world->network = sim_network_create(world);
	return world;
}

void sim_world_destroy(struct sim_world *world)
{
	ASSERT(world->current == NULL);
	for (uint32_t i = 0; i < world->nprocesses; i++)
		if (sim_process_alive(world->processes[i]))
			sim_process_power_loss(world->processes[i]);
	/* What the queue still holds are packets, calls, and timers that belong to others. */
	struct timer *timer;
	while ((timer = timers_take_due(&world->queue, UINT64_MAX)) != NULL) {
		if (sim_packet_is_event(timer))
			sim_packet_free(timer->data);
		else if (timer->callback == call_event)
			free(timer->data);
	}
	sim_network_destroy(world->network);
	for (uint32_t i = 0; i < world->nprocesses; i++)
		sim_process_destroy(world->processes[i]);
	free(world->processes);
	timers_free(&world->queue);
	sim_trace_free(&world->trace);
	free(world);
}

bool sim_world_step(struct sim_world *world)
{
	uint64_t at_us = timers_next_us(&world->queue);
	if (at_us == UINT64_MAX)
		return false;
	if (at_us > world->now_us)
		world->now_us = at_us;
	struct timer *timer = timers_take_due(&world->queue, world->now_us);
	timer->callback(timer->data);
	return true;
}

void sim_world_run_until(struct sim_world *world, uint64_t at_us)
{
	while (timers_next_us(&world->queue) <= at_us && sim_world_step(world))
		;
	if (at_us > world->now_us)
		world->now_us = at_us;
}

void sim_world_run_for(struct sim_world *world, uint64_t length_us)
{
	sim_world_run_until(world, world->now_us + length_us);
}

bool sim_world_run_until_true(struct sim_world *world, bool (*condition)(void *context),
			      void *context, uint64_t length_us)
{
	uint64_t end_us = world->now_us + length_us;
	while (!condition(context)) {
		if (timers_next_us(&world->queue) > end_us || !sim_world_step(world)) {
			sim_world_run_until(world, end_us);
			return condition(context);
		}
	}
	return true;
}

void sim_world_timer_set(struct sim_world *world, struct timer *timer, uint64_t at_us)
{
	timers_set(&world->queue, timer, at_us);
}

void sim_world_timer_cancel(struct sim_world *world, struct timer *timer)
{
	timers_cancel(&world->queue, timer);
}

void sim_world_call_at(struct sim_world *world, uint64_t at_us, void (*callback)(void *data),
		       void *data)
{
	struct sim_call *call = ALLOC(struct sim_call);
	call->callback = callback;
	call->data = data;
	timer_init(&call->timer, call_event, call);
	timers_set(&world->queue, &call->timer, at_us);
}

void sim_world_faults(const struct sim_world *world, struct sim_fault_counts *out)
{
	*out = world->faults;
	for (uint32_t i = 0; i < world->nprocesses; i++) {
		if (world->processes[i]->disk == NULL)
			continue;
		const struct disk_sim_counters *disk = disk_sim_counters(world->processes[i]->disk);
		out->of[SIM_FAULT_READ_ERROR] += disk->read_errors;
		out->of[SIM_FAULT_WRITE_ERROR] += disk->write_errors;
		out->of[SIM_FAULT_SYNC_ERROR] += disk->sync_errors;
		out->of[SIM_FAULT_NAME_ERROR] += disk->name_errors;
		out->of[SIM_FAULT_DISK_STOP] += disk->stops;
		out->of[SIM_FAULT_TORN_WRITE] += disk->torn_writes;
		out->of[SIM_FAULT_SLOW_DISK] += disk->slow;
		out->of[SIM_FAULT_FULL_DISK] += disk->full;
		out->of[SIM_FAULT_NO_DESCRIPTOR] += disk->shortages;
		out->of[SIM_FAULT_LOST_WRITE] += disk->lost_writes;
		out->of[SIM_FAULT_LOST_NAME] += disk->lost_names;
	}
}
