/* Bits of the state that flip in memory. */
#include "memory.h"

#include <inttypes.h>
#include <stdlib.h>

static void due(void *data);

/* Half of the runs compare states; in most of these something changes. */
void memory_init(struct memory *memory, struct scene *scene)
{
	*memory = (struct memory){.scene = scene};
	rng_seed(&memory->rng, scene->options->seed ^ 0x6d656d6f7279ull);
	timer_init(&memory->timer, due, memory);
	if (!rng_chance(&memory->rng, 500000))
		return;
	memory->mean_us = rng_range(&memory->rng, SIM_SECOND / 2, 8 * SIM_SECOND);
	if (scene->options->calm || rng_chance(&memory->rng, 200000))
		memory->mean_us = 0;
}

void memory_draw_settings(const struct scene *scene, struct rsm_settings *settings)
{
	struct rng rng;
	rng_seed(&rng, scene->options->seed ^ 0x6d656d6f7279ull);
	if (!rng_chance(&rng, 500000))
		return;
	rng_seed(&rng, rng_next(&rng));
	settings->state_hash_interval_ms = rng_range(&rng, 200, 4000);
}

static void later(struct memory *memory)
{
	struct sim_world *world = memory->scene->world;
	sim_world_timer_set(world, &memory->timer,
			    world->now_us + 1 + rng_below(&memory->rng, 2 * memory->mean_us));
}

/* Only of a replica that is what its group is. */
static bool may_change(const struct scene *scene, const struct scene_replica *replica)
{
	const struct sim_process *process = replica->process;
	return sim_process_alive(process) && process->node != NULL && !memory_is_wrong(replica) &&
	       rsm_has_state(scene_rsm_of(scene, replica)) &&
	       rsm_applied(scene_rsm_of(scene, replica)) > 0 &&
	       replica->incarnation == process->incarnation;
}

static void change(struct memory *memory, struct scene_replica *replica, struct rng *rng)
{
	struct scene *scene = memory->scene;
	struct rsm *rsm = scene_rsm_of(scene, replica);
	bool leads = consensus_role(rsm_core(rsm)) != CONSENSUS_FOLLOWER;
	/* What clients see is not changed: leaders answer them, and in some runs others do. */
	bool kept = rng_chance(rng, 300000) || leads || scene->load.reads_percent > 0;
	uint32_t part = 0;
	if (!sim_nemesis_memory_changes(scene->nemesis, replica->process))
		return;
	if (!scene->kind->change(replica, rng, kept, &part)) {
		sim_nemesis_memory_is_right(scene->nemesis, replica->process);
		return;
	}
	const struct rsm_divergence *diverged = rsm_diverged(rsm);
	replica->memory = (struct scene_memory){
		.wrong = true,
		.visible = !kept,
		.incarnation = replica->process->incarnation,
		.installed = rsm_snapshots_installed(rsm),
		.found = diverged == NULL ? 0 : diverged->count,
		.part = part,
	};
	scene->world->faults.of[SIM_FAULT_MEMORY]++;
	sim_trace_note(&scene->world->trace,
		       "memory of %s changes part=%" PRIu32 " kept=%d leads=%d",
		       replica->process->name, part, kept, leads);
}

static void due(void *data)
{
	struct memory *memory = data;
	struct scene *scene = memory->scene;
	struct rng rng;
	rng_seed(&rng, rng_next(&memory->rng));
	later(memory);
	struct scene_replica *replica = &scene->replicas[rng_below(&rng, scene->nreplicas)];
	if (scene->kind->change != NULL && may_change(scene, replica))
		change(memory, replica, &rng);
}

void memory_start(struct memory *memory)
{
	if (memory->mean_us > 0)
		later(memory);
}

void memory_stop(struct memory *memory)
{
	sim_world_timer_cancel(memory->scene->world, &memory->timer);
}

/* ---- what must come of it ---- */

bool memory_is_wrong(const struct scene_replica *replica)
{
	return replica->memory.wrong;
}

static bool names(const struct rsm_divergence *diverged, uint32_t part)
{
	for (uint32_t i = 0; i < diverged->nparts && i < RSM_DIVERGED_PARTS; i++)
		if (diverged->parts[i] == part)
			return true;
	return false;
}

static void check_found(struct scene *scene, struct scene_replica *replica, const struct rsm *rsm)
{
	struct scene_memory *memory = &replica->memory;
	const struct rsm_divergence *diverged = rsm_diverged(rsm);
	const char *name = replica->process->name;
	uint64_t count = diverged == NULL ? 0 : diverged->count;
	uint64_t before = memory->incarnation == replica->process->incarnation ? memory->found : 0;
	if (count == before)
		return;
	bool could = memory->incarnation == replica->process->incarnation && memory->wrong;
	if (!could || count != before + 1)
		scene_fail(scene, VERDICT_SAFETY,
			   "%s is found to have another state than its group, and has not", name);
	else if (!names(diverged, memory->part))
		scene_fail(scene, VERDICT_SAFETY,
			   "the state of %s is wrong in part %" PRIu32
			   ", of which the comparison says nothing",
			   name, memory->part);
	/*
	 * It may be found at a slot before the change: what is hashed step by step is memory, too.
	 */
	memory->incarnation = replica->process->incarnation;
	memory->found = count;
}

static void kill_later(void *data)
{
	struct scene_replica *replica = data;
	if (sim_process_alive(replica->process) && replica->memory.wrong)
		sim_process_crash(replica->process);
}

/* Another life, or another one's state. */
static bool is_replaced(const struct scene_replica *replica, const struct rsm *rsm)
{
	const struct scene_memory *memory = &replica->memory;
	return rsm_has_state(rsm) && (memory->incarnation != replica->process->incarnation ||
				      rsm_snapshots_installed(rsm) > memory->installed);
}

void memory_after_turn(struct scene *scene, struct scene_replica *replica)
{
	if (!sim_process_alive(replica->process))
		return;
	struct rsm *rsm = scene_rsm_of(scene, replica);
	check_found(scene, replica, rsm);
	if (rsm_undecided(rsm) > 0)
		scene_fail(scene, VERDICT_SAFETY,
			   "%s knows of different states and of nobody who is right",
			   replica->process->name);
	if (!replica->memory.wrong)
		return;
	if (is_replaced(replica, rsm)) {
		replica->memory.wrong = false;
		sim_nemesis_memory_is_right(scene->nemesis, replica->process);
		sim_trace_note(&scene->world->trace, "memory of %s is right again",
			       replica->process->name);
	} else if (replica->memory.visible && rsm_core(rsm) != NULL &&
		   consensus_role(rsm_core(rsm)) != CONSENSUS_FOLLOWER) {
		sim_trace_note(&scene->world->trace, "memory of %s must not lead",
			       replica->process->name);
		sim_world_call_at(scene->world, scene->world->now_us, kill_later, replica);
	}
}
