#include "agreement_wipes.h"

#include "paxoslog/paxosd.h"

static bool is_inside(const struct sim_process *process)
{
	const struct agreement *core = sim_process_alive(process) ? paxosd_agreement(process->node) : NULL;
	return core != NULL && agreement_standing(core) == AGREEMENT_INSIDE;
}

static void start_again(void *data)
{
	const struct agreement_restart *restart = data;
	struct sim_process *process = restart->wipes->processes[restart->peer];
	if (!sim_process_alive(process))
		sim_process_start(process);
}

static void take_down(struct agreement_wipes *wipes, uint32_t peer, bool wipe)
{
	struct sim_world *world = wipes->scene->world;
	struct sim_process *process = wipes->processes[peer];
	sim_trace_note(&world->trace, "agreement_wipes=%s wipe=%d", process->name, wipe);
	sim_process_power_loss(process);
	if (wipe)
		sim_process_wipe(process);
	wipes->restarts[peer] = (struct agreement_restart){wipes, peer};
	sim_world_call_at(world, world->now_us + rng_below(&wipes->rng, 2 * SIM_SECOND), start_again, &wipes->restarts[peer]);
}

/* All have taken part, and their memory is right: now so many disks are lost that those who are left cannot tell what was decided. */
static bool lose_too_many(struct agreement_wipes *wipes)
{
	uint32_t count = wipes->npeers - (wipes->npeers / 2 + 1) + 1;
	for (uint32_t i = 0; i < wipes->npeers; i++)
		if (!is_inside(wipes->processes[i]))
			return false;
	wipes->too_many = true;
	while (count > 0) {
		uint32_t peer = (uint32_t)rng_below(&wipes->rng, wipes->npeers);
		if (wipes->silent[peer])
			continue;
		wipes->silent[peer] = true;
		take_down(wipes, peer, true);
		count--;
	}
	return true;
}

static void arm(struct agreement_wipes *wipes)
{
	struct sim_world *world = wipes->scene->world;
	sim_world_timer_set(world, &wipes->due, world->now_us + rng_below(&wipes->rng, 300 * SIM_MILLISECOND));
}

static void due(void *data)
{
	struct agreement_wipes *wipes = data;
	struct sim_world *world = wipes->scene->world;
	uint32_t peer = (uint32_t)rng_below(&wipes->rng, wipes->npeers);
	struct sim_process *process = wipes->processes[peer];
	uint64_t choice = rng_below(&wipes->rng, 100);
	arm(wipes);
	if (wipes->too_many_us != 0 && !wipes->too_many && world->now_us >= wipes->too_many_us && lose_too_many(wipes))
		return;
	if (process->wipes == 0 || !sim_process_alive(process) || process->misconfigured != NULL || is_inside(process))
		return;
	if (choice < 20)
		take_down(wipes, peer, choice < 8);
}

void agreement_wipes_init(struct agreement_wipes *wipes, struct scene *scene, struct sim_process *const *processes,
			  uint32_t npeers)
{
	*wipes = (struct agreement_wipes){.scene = scene, .processes = processes, .npeers = npeers};
	rng_seed(&wipes->rng, scene->options->seed ^ 0x656e746572ull);
	timer_init(&wipes->due, due, wipes);
	if (scene->world->options.nemesis.wipe_mean_us == 0)
		return;
	if (rng_chance(&wipes->rng, 100000))
		wipes->too_many_us = rng_range(&wipes->rng, SIM_SECOND, scene->options->safety_us);
	arm(wipes);
}

void agreement_wipes_stop(struct agreement_wipes *wipes)
{
	sim_world_timer_cancel(wipes->scene->world, &wipes->due);
}

void agreement_wipes_check(struct agreement_wipes *wipes, uint32_t i)
{
	if (wipes->silent[i] && is_inside(wipes->processes[i]))
		scene_fail(wipes->scene, VERDICT_SAFETY,
			   "%s has lost its disk together with more others than the group can do without, and takes part again",
			   wipes->processes[i]->name);
}
