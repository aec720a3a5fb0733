/*
 * Processes: how they come, go, and come back.
 */
#include "sim/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

/*
 * A disk request under way. The disk has one of each lane at a time; a few more cover releases of
 * held syncs.
 */
struct sim_completion {
	struct timer timer;
	struct sim_process *process;
	uint64_t ticket;
	struct sim_completion *next;
};

static void disk_completed(void *data)
{
	struct sim_completion *completion = data;
	disk_sim_complete(completion->process->disk, completion->ticket);
}

/* The disk wants to hear of the ticket: as an input of the node, among its timers. */
static void disk_schedule(void *context, uint64_t delay_us, uint64_t ticket)
{
	struct sim_process *process = context;
	struct sim_completion *completion = process->completions;
	while (completion != NULL && timer_armed(&completion->timer))
		completion = completion->next;
	if (completion == NULL) {
		completion = ALLOC(struct sim_completion);
		completion->process = process;
		completion->next = process->completions;
		timer_init(&completion->timer, disk_completed, completion);
		process->completions = completion;
	}
	completion->ticket = ticket;
	uint64_t at_us = sim_process_now_us(process) + delay_us;
	timers_set(&process->timers, &completion->timer, at_us);
	if (process->world->current != process)
		sim_process_wake(process, sim_process_world_time(process, at_us));
}

static struct disk *disk_create(struct sim_process *process)
{
	struct sim_world *world = process->world;
	const struct sim_disk_options *options = &world->options.disk;
	return disk_sim_create(&(struct disk_sim_options){
		.seed = rng_next(&world->rng_disk),
		.write_us_low = options->write_us_low,
		.write_us_high = options->write_us_high,
		.sync_us_low = options->sync_us_low,
		.sync_us_high = options->sync_us_high,
		.us_per_kib = 1,
		.faults = options->faults,
		.schedule = disk_schedule,
		.context = process,
	});
}

static uint64_t log_wall_us(void *context)
{
	return sim_process_wall_us(context);
}

static void log_to_trace(void *context, const char *line, size_t len)
{
	struct sim_process *process = context;
	while (len > 0 && line[len - 1] == '\n')
		len--;
	sim_trace_text(&process->world->trace, SIM_EVENT_LOG, process, slice(line, len));
}

/* Of no stream of random numbers: what has no life must not be another run. */
static void draw_life(struct sim_process *process)
{
	struct rng rng;
	rng_seed(&rng,
		 process->world->seed ^ (uint64_t)(process->index + 1) << 32 ^ process->wipes);
	process->env.life = rng_next(&rng) | 1;
}

struct sim_process *sim_process_add(struct sim_world *world, const struct sim_process_spec *spec)
{
	struct sim_process *process = ALLOC(struct sim_process);
	const struct sim_process_options *options = &world->options.process;
	ALLOC_ROOM(world->processes, world->nprocesses, world->processes_capacity, 8);
	sim_network_grow(world->network, world->nprocesses + 1);
	process->index = world->nprocesses;
	world->processes[world->nprocesses++] = process;
	process->world = world;
	process->name = alloc_string(spec->name);
	process->address = spec->address == NULL ? NULL : alloc_string(spec->address);
	process->build = spec->build;
	process->context = spec->context;
	timer_init(&process->turn, sim_process_turn_event, process);
	process->log = (struct log){
		.level = LOG_INFO,
		.format = LOG_LOGFMT,
		.node = process->name,
		.wall_us = log_wall_us,
		.write = log_to_trace,
		.context = process,
	};
	/*
	 * Machines were booted at different times: monotonic clocks of two processes have nothing
	 * in common.
	 */
	process->base_world_us = world->now_us;
	process->base_local_us = rng_range(&world->rng_process, SIM_SECOND, 1000000 * SIM_SECOND);
	process->drift_ppm = (int32_t)rng_below(&world->rng_process,
						2ull * options->drift_max_ppm + 1) -
			     (int32_t)options->drift_max_ppm;
	process->wall_offset_us = (int64_t)rng_below(&world->rng_process,
						     2 * options->wall_skew_max_us + 1) -
				  (int64_t)options->wall_skew_max_us -
				  (int64_t)process->base_local_us;
	process->env = (struct env){.ops = &sim_process_env_ops};
	if (spec->disk)
		process->env.disk = process->disk = disk_create(process);
	if (spec->lives)
		draw_life(process);
	return process;
}

struct sim_process *sim_process_find(struct sim_world *world, const char *name)
{
	for (uint32_t i = 0; i < world->nprocesses; i++)
		if (strcmp(world->processes[i]->name, name) == 0)
			return world->processes[i];
	return NULL;
}

/* ---- ends ---- */

static void inbox_clear(struct sim_process *process)
{
	for (struct sim_packet *packet = process->inbox_first, *next; packet != NULL;
	     packet = next) {
		next = packet->next;
		sim_packet_free(packet);
	}
	process->inbox_first = process->inbox_last = NULL;
	if (process->delivering != NULL)
		sim_packet_free(process->delivering);
	process->delivering = NULL;
}

/*
 * Cancels what is left armed: the disk's completions, and timers of a node that could not be
 * destroyed.
 */
static void timers_clear(struct sim_process *process)
{
	while (timers_next_us(&process->timers) != UINT64_MAX)
		timers_take_due(&process->timers, UINT64_MAX);
}

static void node_forget(struct sim_process *process, bool interrupted)
{
	struct node *node = process->node;
	process->node = NULL;
	if (node == NULL)
		return;
	process->muted = true;
	if (!interrupted) {
		node->ops->destroy(node);
	} else {
#if defined(__SANITIZE_ADDRESS__)
		__lsan_ignore_object(node);
#endif
	}
	process->muted = false;
}

enum process_end { END_EXIT, END_KILL, END_POWER };

/*
 * The disk goes first: what the node does to its files while it is destroyed must not reach them.
 */
static void process_end(struct sim_process *process, enum process_end how, bool interrupted)
{
	ASSERT(process->world->current == NULL);
	timers_cancel(&process->world->queue, &process->turn);
	if (process->disk != NULL)
		disk_sim_crash(process->disk, how == END_POWER ? DISK_SIM_POWER : DISK_SIM_KILL);
	node_forget(process, interrupted);
	timers_clear(process);
	sim_link_drop_all(process, how == END_POWER);
	inbox_clear(process);
	process->call = NULL;
	process->stopping = process->stopped = false;
	process->force = 0;
	process->powerless = how == END_POWER;
	process->state = SIM_DOWN;
}

void sim_process_halt(struct sim_process *process, int status, const char *reason, bool interrupted)
{
	struct sim_world *world = process->world;
	process->halt_status = status;
	if (reason != NULL)
		strncpy(process->halt_reason, reason, sizeof process->halt_reason - 1);
	sim_trace_text(&world->trace, SIM_EVENT_HALT, process, slice_string(process->halt_reason));
	process_end(process, END_KILL, interrupted);
	process->state = SIM_HALTED;
	if (world->halted != NULL)
		world->halted(world->context, process);
}

void sim_process_exit(struct sim_process *process)
{
	uint32_t force = process->force;
	sim_trace_event(&process->world->trace, SIM_EVENT_STOPPED, process, NULL, 0, 0);
	process_end(process, END_EXIT, false);
	process->force = force;
}

void sim_process_crash(struct sim_process *process)
{
	if (!sim_process_alive(process))
		return;
	sim_trace_event(&process->world->trace, SIM_EVENT_CRASH, process, NULL, 0, 0);
	process_end(process, END_KILL, false);
}

void sim_process_power_loss(struct sim_process *process)
{
	if (!sim_process_alive(process))
		return;
	sim_trace_event(&process->world->trace, SIM_EVENT_POWER, process, NULL, 0, 0);
	process_end(process, END_POWER, false);
}

bool sim_process_stopped_by_disk(struct sim_process *process)
{
	if (process->disk == NULL || !disk_sim_stopped(process->disk))
		return false;
	if (disk_sim_killed(process->disk))
		sim_process_crash(process);
	else
		sim_process_power_loss(process);
	return true;
}

/* ---- beginnings ---- */

static void node_start(struct sim_process *process)
{
	/*
	 * Its peers remember its life before, and tell it so before they hear it vote
	 * (host/identity.c).
	 */
	if (process->wipes > 0)
		process->node->ops->stop_voting(process->node);
	process->halt_status = sim_process_claim(process);
	if (process->halt_status == 0)
		process->halt_status = process->node->ops->start(process->node);
	if (process->halt_status == 0)
		process->halt_status = sim_process_started(process);
}

static void hand_over_traced(void *context, const struct trace_event *event)
{
	struct sim_process *process = context;
	process->world->traced(process->world->traced_context, process, event);
}

static void set_sink(struct sim_process *process)
{
	process->node->tracer.sink = process->world->traced != NULL ? hand_over_traced : NULL;
	process->node->tracer.context = process;
}

void sim_world_trace(struct sim_world *world, sim_traced traced, void *context)
{
	world->traced = traced;
	world->traced_context = context;
	for (uint32_t i = 0; i < world->nprocesses; i++)
		if (sim_process_alive(world->processes[i]))
			set_sink(world->processes[i]);
}

void sim_process_start(struct sim_process *process)
{
	struct sim_world *world = process->world;
	ASSERT(!sim_process_alive(process));
	ASSERT(world->current == NULL);
	process->incarnation++;
	process->powerless = false;
	process->halt_reason[0] = '\0';
	process->halt_status = 0;
	process->busy_until_us = world->now_us;
	/*
	 * Not drawn from a shared stream: what one process draws depends on nothing but its own
	 * history.
	 */
	rng_seed(&process->rng,
		 world->seed * 1000003u + process->index * 4099u + process->incarnation);
	sim_trace_event(&world->trace, SIM_EVENT_START, process, NULL, process->incarnation, 0);
	process->state = SIM_RUNNING;
	process->node = process->build(process->context, process);
	process->force = 0;
	process->node->tracer.life = (process->index + 1ull) << 32 | process->incarnation;
	set_sink(process);
	node_step(process->node, TRACE_STEP_START, 0, NULL);
	process->halted_at_start = true;
	if (!sim_process_guarded(process, node_start))
		return;
	if (sim_process_stopped_by_disk(process))
		return;
	/* Its directory says so: it was noted, though the disk had said that it was not. */
	if (process->halt_status == STATUS_REMOVED && process->claimed.superseded != 0)
		process->removed = process->leaves;
	if (process->halt_status != 0) {
		sim_process_halt(
			process, process->halt_status,
			process->halt_reason[0] != '\0' ? NULL : status_text(process->halt_status),
			false);
		return;
	}
	process->halted_at_start = false;
	sim_process_wake(process, world->now_us);
}

void sim_process_restart(struct sim_process *process)
{
	sim_process_crash(process);
	sim_process_start(process);
}

static void call_stop(void *data, struct node *node)
{
	(void)data;
	node->ops->stop(node);
}

void sim_process_stop(struct sim_process *process)
{
	if (!sim_process_alive(process) || process->stopping)
		return;
	sim_trace_event(&process->world->trace, SIM_EVENT_STOP, process, NULL, 0, 0);
	process->stopping = true;
	process->call = call_stop;
	sim_process_wake(process, process->world->now_us);
}

void sim_process_pause(struct sim_process *process)
{
	if (process->state != SIM_RUNNING)
		return;
	sim_trace_event(&process->world->trace, SIM_EVENT_PAUSE, process, NULL, 0, 0);
	timers_cancel(&process->world->queue, &process->turn);
	process->state = SIM_PAUSED;
}

void sim_process_resume(struct sim_process *process)
{
	if (process->state != SIM_PAUSED)
		return;
	sim_trace_event(&process->world->trace, SIM_EVENT_RESUME, process, NULL, 0, 0);
	process->state = SIM_RUNNING;
	sim_process_wake(process, process->world->now_us);
}

int sim_process_renew_life(struct sim_process *process)
{
	if (process->env.life == 0 || process->node->ops->stop_voting == NULL)
		return STATUS_LOST_DIRECTORY;
	uint64_t before = process->env.life;
	process->wipes++;
	draw_life(process);
	if (process->identity == NULL)
		return 0;
	process->claimed.life = process->env.life;
	process->claimed.lost = true;
	int status = identity_write_now(process->env.disk, &process->claimed);
	if (status != 0)
		process->env.life = before;
	return status;
}

void sim_process_wipe(struct sim_process *process)
{
	ASSERT(!sim_process_alive(process));
	ASSERT(process->disk != NULL);
	sim_trace_event(&process->world->trace, SIM_EVENT_WIPE, process, NULL, 0, 0);
	disk_sim_wipe(process->disk);
	if (process->env.life != 0) {
		process->wipes++;
		draw_life(process);
	}
}

void sim_process_put_back(struct sim_process *process, const struct disk_sim_image *image,
			  uint64_t life, uint64_t made_us)
{
	ASSERT(!sim_process_alive(process));
	sim_trace_event(&process->world->trace, SIM_EVENT_STALE, process, NULL, 0, 0);
	disk_sim_put_back(process->disk, image);
	process->env.life = life;
	process->copies++;
	process->copied_us = made_us;
}

void sim_process_reset(struct sim_process *process)
{
	sim_process_wipe(process);
	free(process->misconfigured);
	process->misconfigured = NULL;
	free(process->identity);
	process->identity = NULL;
	process->claimed = (struct identity){0};
	process->removed = false;
}

void sim_process_call(struct sim_process *process, void (*function)(void *data, struct node *node),
		      void *data)
{
	ASSERT(process->state == SIM_RUNNING);
	ASSERT(process->call == NULL);
	process->call = function;
	process->call_data = data;
	timers_cancel(&process->world->queue, &process->turn);
	sim_process_turn_event(process);
}

/* ---- clocks ---- */

void sim_process_wall_jump(struct sim_process *process, int64_t delta_us)
{
	process->wall_offset_us += delta_us;
	sim_trace_event(&process->world->trace, SIM_EVENT_CLOCK, process, NULL,
			(uint64_t)process->wall_offset_us, (uint64_t)(int64_t)process->drift_ppm);
}

void sim_process_set_drift(struct sim_process *process, int32_t drift_ppm)
{
	ASSERT(drift_ppm > -1000000);
	process->base_local_us = sim_process_now_us(process);
	process->base_world_us = process->world->now_us;
	process->drift_ppm = drift_ppm;
	sim_trace_event(&process->world->trace, SIM_EVENT_CLOCK, process, NULL,
			(uint64_t)process->wall_offset_us, (uint64_t)(int64_t)drift_ppm);
	if (process->state == SIM_RUNNING && process->world->current != process) {
		timers_cancel(&process->world->queue, &process->turn);
		sim_process_wake(process, process->world->now_us);
	}
}

void sim_process_destroy(struct sim_process *process)
{
	if (sim_process_alive(process))
		process_end(process, END_KILL, false);
	if (process->disk != NULL)
		disk_sim_destroy(process->disk);
	for (struct sim_completion *completion = process->completions, *next; completion != NULL;
	     completion = next) {
		next = completion->next;
		free(completion);
	}
	timers_free(&process->timers);
	free(process->links);
	free(process->identity);
	free(process->misconfigured);
	free(process->address);
	free(process->name);
	free(process);
}
