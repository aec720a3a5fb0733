/*
 * A process's turn: its inputs, then turn_end; and what its node may call meanwhile.
 */
#include "sim/link.h"

#include <stdio.h>
#include <string.h>

static struct sim_process *process_of(struct env *env)
{
	return (struct sim_process *)(void *)env;
}

/* ---- clocks ---- */

uint64_t sim_process_now_us(const struct sim_process *process)
{
	uint64_t elapsed = process->world->now_us - process->base_world_us;
	int64_t drift = (int64_t)elapsed / 1000000 * process->drift_ppm +
			(int64_t)elapsed % 1000000 * process->drift_ppm / 1000000;
	return process->base_local_us + (uint64_t)((int64_t)elapsed + drift);
}

uint64_t sim_process_wall_us(const struct sim_process *process)
{
	return SIM_WALL_EPOCH_US + sim_process_now_us(process) + (uint64_t)process->wall_offset_us;
}

uint64_t sim_process_world_time(const struct sim_process *process, uint64_t local_us)
{
	if (local_us <= process->base_local_us)
		return process->base_world_us;
	__extension__ typedef unsigned __int128 wide;
	uint64_t rate = (uint64_t)(1000000 + (int64_t)process->drift_ppm);
	wide at = ((wide)(local_us - process->base_local_us) * 1000000 + rate - 1) / rate +
		  process->base_world_us;
	/*
	 * The forward conversion rounds twice: one microsecond more is late enough, and early turns
	 * find nothing due.
	 */
	return at >= UINT64_MAX - 1 ? UINT64_MAX : (uint64_t)at + (process->drift_ppm != 0);
}

/* ---- turns ---- */

void sim_process_wake(struct sim_process *process, uint64_t at_us)
{
	struct sim_world *world = process->world;
	if (process->state != SIM_RUNNING || at_us == UINT64_MAX)
		return;
	if (at_us < process->busy_until_us)
		at_us = process->busy_until_us;
	if (at_us < world->now_us)
		at_us = world->now_us;
	if (!timer_armed(&process->turn) || process->turn.at_us > at_us)
		timers_set(&world->queue, &process->turn, at_us);
}

void sim_process_inbox_add(struct sim_process *process, struct sim_packet *packet)
{
	packet->next = NULL;
	if (process->inbox_last == NULL)
		process->inbox_first = packet;
	else
		process->inbox_last->next = packet;
	process->inbox_last = packet;
	sim_process_wake(process, process->world->now_us);
}

static bool deliver_packet(struct sim_process *process)
{
	struct sim_packet *packet = process->inbox_first;
	if (packet == NULL)
		return false;
	process->inbox_first = packet->next;
	if (packet->next == NULL)
		process->inbox_last = NULL;
	process->inputs++;
	/*
	 * Not freed when the node calls fatal: it is handed back to the inbox's end for that case.
	 */
	process->delivering = packet;
	sim_link_deliver(process, packet);
	process->delivering = NULL;
	sim_packet_free(packet);
	return true;
}

static bool deliver_timer(struct sim_process *process)
{
	struct timer *timer = timers_take_due(&process->timers, sim_process_now_us(process));
	if (timer == NULL)
		return false;
	process->inputs++;
	sim_trace_event(&process->world->trace, SIM_EVENT_TIMER, process, NULL, 0, 0);
	timer->callback(timer->data);
	return true;
}

static void turn(struct sim_process *process)
{
	struct sim_world *world = process->world;
	bool single = rng_chance(&world->rng_process, world->options.process.turn_single_ppm);
	bool timers_first = (rng_next(&world->rng_process) & 1) != 0;
	if (process->call != NULL) {
		void (*call)(void *, struct node *) = process->call;
		process->call = NULL;
		call(process->call_data, process->node);
	} else if (single) {
		if (!(timers_first ? deliver_timer(process) || deliver_packet(process)
				   : deliver_packet(process) || deliver_timer(process)))
			single = false;
	} else {
		/*
		 * A timer that is set for now by what happens in this turn waits for the next one.
		 */
		size_t timers_max = process->timers.count;
		if (!timers_first)
			while (deliver_packet(process))
				;
		while (timers_max-- > 0 && deliver_timer(process))
			;
		while (deliver_packet(process))
			;
	}
	process->node->ops->turn_end(process->node);
}

static void schedule_next_turn(struct sim_process *process)
{
	if (process->inbox_first != NULL)
		sim_process_wake(process, process->world->now_us);
	sim_process_wake(process,
			 sim_process_world_time(process, timers_next_us(&process->timers)));
}

/* Its node is stopped: it ends, or, as a daemon does, starts anew. */
static void end(struct sim_process *process)
{
	sim_process_exit(process);
	if (process->force != 0)
		sim_process_start(process);
}

void sim_process_turn_event(void *data)
{
	struct sim_process *process = data;
	struct sim_world *world = process->world;
	ASSERT(process->state == SIM_RUNNING);
	uint64_t cost_us = rng_below(&world->rng_process,
				     world->options.process.turn_cost_max_us + 1);
	process->turns++;
	bool finished = sim_process_guarded(process, turn);
	if (!finished)
		return;
	process->busy_until_us = world->now_us + cost_us;
	if (sim_process_stopped_by_disk(process))
		return;
	if (process->stopped)
		end(process);
	else
		schedule_next_turn(process);
	if (world->after_turn != NULL)
		world->after_turn(world->context, process);
}

bool sim_process_guarded(struct sim_process *process, void (*body)(struct sim_process *process))
{
	struct sim_world *world = process->world;
	ASSERT(world->current == NULL);
	world->current = process;
	if (setjmp(world->escape) == 0) {
		body(process);
		world->current = NULL;
		return true;
	}
	world->current = NULL;
	sim_process_halt(process, process->halt_status, NULL, true);
	return false;
}

/* ---- struct env ---- */

static uint64_t env_now_us(struct env *env)
{
	return sim_process_now_us(process_of(env));
}

static uint64_t env_wall_us(struct env *env)
{
	return sim_process_wall_us(process_of(env));
}

static uint64_t env_random(struct env *env)
{
	return rng_next(&process_of(env)->rng);
}

static link_id env_dial(struct env *env, const char *address)
{
	return sim_link_dial(process_of(env), address);
}

static void env_send(struct env *env, link_id link, const struct message *message)
{
	if (!process_of(env)->muted)
		sim_link_send(process_of(env), link, message);
}

static uint64_t env_backlog(struct env *env, link_id link)
{
	return sim_link_backlog(process_of(env), link);
}

static void env_close(struct env *env, link_id link)
{
	if (!process_of(env)->muted)
		sim_link_close(process_of(env), link);
}

static void env_timer_set(struct env *env, struct timer *timer, uint64_t at_us)
{
	struct sim_process *process = process_of(env);
	if (process->muted)
		return;
	timers_set(&process->timers, timer, at_us);
	if (process->world->current != process)
		sim_process_wake(process, sim_process_world_time(process, at_us));
}

static void env_timer_cancel(struct env *env, struct timer *timer)
{
	timers_cancel(&process_of(env)->timers, timer);
}

__attribute__((noreturn)) static void env_fatal(struct env *env, int status, const char *why)
{
	struct sim_process *process = process_of(env);
	struct sim_world *world = process->world;
	ASSERT(world->current == process);
	process->halt_status = status;
	snprintf(process->halt_reason, sizeof process->halt_reason, "%s", why);
	longjmp(world->escape, 1);
}

static void env_stopped(struct env *env)
{
	process_of(env)->stopped = true;
}

static void env_removed(struct env *env)
{
	struct sim_process *process = process_of(env);
	if (process->leaves)
		process->removed = process->stopped = true;
}

/* What cannot be noted it hears again at its next start. */
static void env_superseded(struct env *env, uint32_t generation)
{
	struct sim_process *process = process_of(env);
	process->stopped = true;
	if (process->identity == NULL)
		return;
	process->claimed.superseded = generation;
	process->removed = process->leaves && identity_write_now(env->disk, &process->claimed) == 0;
}

static void env_force(struct env *env, uint32_t generation)
{
	process_of(env)->force = generation;
	sim_process_stop(process_of(env));
}

static int env_identified(struct env *env, uint64_t group_id)
{
	return sim_process_identified(process_of(env), group_id);
}

static int env_renew_life(struct env *env)
{
	return sim_process_renew_life(process_of(env));
}

const struct env_ops sim_process_env_ops = {
	.now_us = env_now_us,
	.clock_us = env_now_us,
	.wall_us = env_wall_us,
	.random = env_random,
	.dial = env_dial,
	.send = env_send,
	.backlog = env_backlog,
	.close = env_close,
	.timer_set = env_timer_set,
	.timer_cancel = env_timer_cancel,
	.fatal = env_fatal,
	.stopped = env_stopped,
	.identified = env_identified,
	.removed = env_removed,
	.superseded = env_superseded,
	.force = env_force,
	.renew_life = env_renew_life,
};
