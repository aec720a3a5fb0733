/* Disks of paxosds that are lost at the worst moment of an agreement. */
#include "agreement_wipes.h"

#include <inttypes.h>

#include "paxoslog/paxosd.h"
#include "sim/network.h"
#include "wire/method.h"
#include "wire/paxosd.h"

static bool is_inside(const struct sim_process *process)
{
	const struct agreement *core = sim_process_alive(process) ? paxosd_agreement(process->node)
								  : NULL;
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
		sim_nemesis_wipe_down(wipes->scene->nemesis, process);
	wipes->restarts[peer] = (struct agreement_restart){wipes, peer};
	sim_world_call_at(world, world->now_us + rng_below(&wipes->rng, 2 * SIM_SECOND),
			  start_again, &wipes->restarts[peer]);
}

/*
 * All have taken part, and their memory is right: now so many disks are lost that those who are
 * left cannot tell what was decided.
 */
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

/* ---- the worst moment ---- */

static void start_instance(void *data, struct node *node)
{
	struct buffer *payload = data;
	node->ops->message(node, 0,
			   &(struct message){.kind = MESSAGE_REQUEST,
					     .method = METHOD_AGREEMENT_START,
					     .id = 1,
					     .payload = buffer_slice(payload)});
}

static void ask(struct agreement_wipes *wipes, uint32_t peer, const char *who)
{
	char value[48];
	struct buffer payload = {0};
	int len = snprintf(value, sizeof value, "%" PRIu64 ".%s", wipes->target.seq, who);
	if (wipes->processes[peer]->state != SIM_RUNNING)
		return;
	wire_agreement_request_encode(
		&(struct wire_agreement_request){.seq = wipes->target.seq,
						 .value = slice(value, (size_t)len)},
		&payload);
	sim_process_call(wipes->processes[peer], start_instance, &payload);
	buffer_free(&payload);
}

static void cut_off(struct agreement_wipes *wipes, uint32_t peers, bool cut)
{
	for (uint32_t i = 0; i < wipes->npeers; i++) {
		if ((peers & 1u << i) == 0)
			continue;
		if (cut)
			sim_network_isolate(wipes->scene->world, wipes->processes[i]);
		else
			sim_network_rejoin(wipes->scene->world, wipes->processes[i]);
	}
}

/*
 * Those who were to know nothing of it are back, whatever has become of it; and so are those who
 * knew.
 */
static void end(void *data)
{
	struct agreement_wipes *wipes = data;
	struct agreement_target *target = &wipes->target;
	if (wipes->stopped)
		return;
	cut_off(wipes, target->ignorant | target->holders, false);
	if (!target->wiped)
		target->set = false;
}

/*
 * A fresh instance is begun at one peer, and so many others are cut off that they are a quorum with
 * it.
 */
static void set_up(struct agreement_wipes *wipes, uint32_t peer)
{
	struct sim_world *world = wipes->scene->world;
	struct agreement_target *target = &wipes->target;
	uint32_t count = 0, all = (1u << wipes->npeers) - 1;
	for (uint32_t i = 0; i < wipes->npeers; i++)
		if (!is_inside(wipes->processes[i]))
			return;
	*target = (struct agreement_target){
		.set = true,
		.lost = peer,
		.seq = agreement_next(paxosd_agreement(wipes->processes[peer]->node)) +
		       rng_below(&wipes->rng, 4)};
	while (count < wipes->npeers / 2) {
		uint32_t bit = 1u << rng_below(&wipes->rng, wipes->npeers);
		if (bit == 1u << peer || (target->ignorant & bit) != 0)
			continue;
		target->ignorant |= bit;
		count++;
	}
	target->holders = all & ~target->ignorant & ~(1u << peer);
	sim_trace_note(&world->trace, "agreement_target=%s seq=%" PRIu64 " ignorant=%x",
		       wipes->processes[peer]->name, target->seq, target->ignorant);
	cut_off(wipes, target->ignorant, true);
	ask(wipes, peer, "first");
	sim_world_call_at(world, world->now_us + 200 * SIM_MILLISECOND, end, wipes);
}

static void lose_it(void *data)
{
	struct agreement_wipes *wipes = data;
	struct agreement_target *target = &wipes->target;
	target->wiped = !wipes->stopped &&
			sim_nemesis_wipe(wipes->scene->nemesis, wipes->processes[target->lost],
					 &wipes->rng);
}

/* Those who know are cut off, and the others are asked for another value. */
static void tempt(void *data)
{
	struct agreement_wipes *wipes = data;
	struct sim_world *world = wipes->scene->world;
	const struct agreement_target *target = &wipes->target;
	if (wipes->stopped)
		return;
	sim_trace_note(&world->trace, "agreement_tempts=%s seq=%" PRIu64,
		       wipes->processes[target->lost]->name, target->seq);
	cut_off(wipes, target->holders, true);
	for (uint32_t i = 0; i < wipes->npeers; i++)
		if ((target->holders & 1u << i) == 0)
			ask(wipes, i, "tempted");
	sim_world_call_at(world,
			  world->now_us + rng_range(&wipes->rng, 300, 2000) * SIM_MILLISECOND, end,
			  wipes);
}

static void watch_target(struct agreement_wipes *wipes, uint32_t i)
{
	struct sim_world *world = wipes->scene->world;
	struct agreement_target *target = &wipes->target;
	struct agreement_view view;
	size_t position = 0;
	if (!target->set || i != target->lost || !is_inside(wipes->processes[i]))
		return;
	if (target->wiped) {
		target->wiped = false;
		sim_world_call_at(world, world->now_us, tempt, wipes);
	}
	while (!target->decided &&
	       agreement_next_view(paxosd_agreement(wipes->processes[i]->node), &position, &view)) {
		if (view.seq != target->seq || view.decided == NULL)
			continue;
		target->decided = true;
		sim_world_call_at(world, world->now_us, lose_it, wipes);
	}
}

/* ---- at any moment ---- */

static void arm(struct agreement_wipes *wipes)
{
	struct sim_world *world = wipes->scene->world;
	sim_world_timer_set(world, &wipes->due,
			    world->now_us + rng_below(&wipes->rng, 300 * SIM_MILLISECOND));
}

static void due(void *data)
{
	struct agreement_wipes *wipes = data;
	struct sim_world *world = wipes->scene->world;
	uint32_t peer = (uint32_t)rng_below(&wipes->rng, wipes->npeers);
	struct sim_process *process = wipes->processes[peer];
	uint64_t choice = rng_below(&wipes->rng, 100);
	arm(wipes);
	if (wipes->too_many_us != 0 && !wipes->too_many && world->now_us >= wipes->too_many_us &&
	    lose_too_many(wipes))
		return;
	if (!wipes->too_many && !wipes->target.set && choice >= 75)
		set_up(wipes, peer);
	bool awaited = wipes->target.wiped && peer == wipes->target.lost;
	if (awaited || process->wipes == 0 || !sim_process_alive(process) ||
	    process->misconfigured != NULL || is_inside(process))
		return;
	/* Who has only not been compared since its start is whole. */
	if (choice < 20)
		take_down(wipes, peer,
			  choice < 8 && sim_nemesis_is_wiped(wipes->scene->nemesis, process));
}

void agreement_wipes_init(struct agreement_wipes *wipes, struct scene *scene,
			  struct sim_process *const *processes, uint32_t npeers)
{
	*wipes = (struct agreement_wipes){.scene = scene, .processes = processes, .npeers = npeers};
	rng_seed(&wipes->rng, scene->options->seed ^ 0x656e746572ull);
	timer_init(&wipes->due, due, wipes);
	if (scene->world->options.nemesis.wipe_mean_us == 0)
		return;
	/*
	 * In some runs little else happens: it takes a while in which all are well to lose a disk
	 * at the worst moment.
	 */
	if (rng_chance(&wipes->rng, 300000)) {
		struct sim_nemesis_options *nemesis = &scene->world->options.nemesis;
		nemesis->damage_mean_us = nemesis->disk_errors_mean_us =
			nemesis->hung_disk_mean_us = 0;
		nemesis->disk_mean_us = nemesis->group_disks_mean_us = nemesis->members_mean_us = 0;
		nemesis->full_disk_mean_us = nemesis->slow_disk_mean_us = nemesis->pause_mean_us =
			0;
		nemesis->crash_mean_us *= 10;
		nemesis->stop_mean_us *= 10;
		nemesis->partition_mean_us *= 10;
	} else if (rng_chance(&wipes->rng, 100000))
		wipes->too_many_us = rng_range(&wipes->rng, SIM_SECOND, scene->options->safety_us);
	arm(wipes);
}

void agreement_wipes_stop(struct agreement_wipes *wipes)
{
	wipes->stopped = true;
	sim_world_timer_cancel(wipes->scene->world, &wipes->due);
}

void agreement_wipes_check(struct agreement_wipes *wipes, uint32_t i)
{
	if (!wipes->stopped)
		watch_target(wipes, i);
	if (wipes->silent[i] && is_inside(wipes->processes[i]))
		scene_fail(wipes->scene, VERDICT_SAFETY,
			   "%s has lost its disk together with more others than the group can do "
			   "without, and takes part again",
			   wipes->processes[i]->name);
}
