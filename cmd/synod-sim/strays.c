/* Commands of clients that nobody has ever known. */
#include "strays.h"

#include <inttypes.h>

#include "wire/method.h"
#include "wire/wire.h"

/* What a stray would append: nobody else does, so that the histories tell if it was. */
#define STRAY_VALUE 0xdeadbeefdeadbeefull
#define YEAR_US (365ull * 24 * 3600 * SIM_SECOND)

static void due(void *data);

void strays_init(struct strays *strays, struct scene *scene)
{
	*strays = (struct strays){.scene = scene};
	rng_seed(&strays->rng, scene->options->seed ^ 0x737472617973ull);
	timer_init(&strays->timer, due, strays);
	if (scene->options->calm || !rng_chance(&strays->rng, 600000))
		return;
	strays->mean_us = rng_range(&strays->rng, 10, 400) * SIM_MILLISECOND;
	if (rng_chance(&strays->rng, 500000))
		strays->clocks_ppm = (uint32_t)rng_range(&strays->rng, 1000, 50000);
}

static void later(struct strays *strays)
{
	struct sim_world *world = strays->scene->world;
	sim_world_timer_set(world, &strays->timer,
			    world->now_us + rng_below(&strays->rng, 2 * strays->mean_us + 1));
}

static uint64_t invented_id(struct rng *rng)
{
	switch (rng_below(rng, 3)) {
	case 0: return UINT64_MAX - rng_below(rng, 100);
	case 1: return (1ull << 63) + rng_below(rng, 1000000);
	default: return 1000000 + rng_below(rng, 1000000);
	}
}

/* Either nobody has this id, or its owner cannot have sent these numbers. */
static struct wire_command draw(struct rng *rng)
{
	struct wire_command command = {.sequence = 1 + rng_below(rng, 50)};
	command.acknowledged = 1 + rng_below(rng, command.sequence);
	if (rng_chance(rng, 600000)) {
		command.client = invented_id(rng);
		return command;
	}
	command.client = 1 + rng_below(rng, 40);
	command.sequence = (1ull << 62) + rng_next(rng) / 8;
	command.acknowledged = rng_chance(rng, 500000) ? command.sequence : rng_below(rng, 1000);
	return command;
}

struct asking {
	uint16_t method;
	struct buffer payload;
};

static void ask(void *data, struct node *node)
{
	struct asking *asking = data;
	node->ops->message(node, 0,
			   &(struct message){.kind = MESSAGE_REQUEST,
					     .method = asking->method,
					     .id = 1,
					     .timeout_ms = 1000,
					     .payload = buffer_slice(&asking->payload)});
}

static void send_stray(struct strays *strays, struct sim_process *process)
{
	struct scene *scene = strays->scene;
	struct wire_command command = draw(&strays->rng);
	struct buffer body = {0};
	struct asking asking = {.method = scene->kind->stray(scene, process, STRAY_VALUE, &body)};
	if (asking.method == 0)
		return; /* to a client there is nothing to say */
	command.body = buffer_slice(&body);
	wire_command_encode(&command, &asking.payload);
	sim_trace_note(&scene->world->trace, "stray client=%" PRIu64 " sequence=%" PRIu64 " to=%s",
		       command.client, command.sequence, process->name);
	strays->sent++;
	sim_process_call(process, ask, &asking);
	buffer_free(&asking.payload);
	buffer_free(&body);
}

/* Hours or years, of one machine for good. */
static void step_clock(struct strays *strays, struct sim_process *process)
{
	uint64_t step_us = rng_chance(&strays->rng, 500000)
				   ? rng_below(&strays->rng, 200 * YEAR_US)
				   : rng_below(&strays->rng, 48 * 3600 * SIM_SECOND);
	sim_trace_note(&strays->scene->world->trace, "clock of %s set %" PRIu64 " s ahead",
		       process->name, step_us / SIM_SECOND);
	strays->clocks++;
	sim_process_wall_jump(process, (int64_t)step_us);
}

static void due(void *data)
{
	struct strays *strays = data;
	struct scene *scene = strays->scene;
	struct sim_process *process =
		scene->world->processes[rng_below(&strays->rng, scene->world->nprocesses)];
	bool clock = rng_chance(&strays->rng, strays->clocks_ppm);
	later(strays);
	if (process->state != SIM_RUNNING || process->call != NULL)
		return;
	if (clock)
		step_clock(strays, process);
	else
		send_stray(strays, process);
}

void strays_start(struct strays *strays)
{
	if (strays->mean_us != 0)
		later(strays);
}

void strays_stop(struct strays *strays)
{
	sim_world_timer_cancel(strays->scene->world, &strays->timer);
}
