/* An operator who has lost machines for good. */
#include "forcer.h"

#include <inttypes.h>

#include "rsm/internal.h"
#include "sim/disk_sim.h"
#include "wire/method.h"
#include "wire/wire.h"

static const struct scene_replica *replica_of(const struct scene *scene,
					      const struct sim_process *process)
{
	return scene->by_process[process->index];
}

static struct rsm *rsm_of(const struct scene *scene, const struct scene_replica *replica)
{
	return sim_process_alive(replica->process) && !replica->waits ? scene->kind->rsm(replica)
								      : NULL;
}

static bool has_same(const struct rsm *a, const struct rsm *b, uint64_t slot)
{
	struct bytes *ours, *theirs;
	return consensus_accepted(a->core, slot, &ours) &&
	       consensus_accepted(b->core, slot, &theirs) && ours != NULL && theirs != NULL &&
	       slice_equal(bytes_slice(ours), bytes_slice(theirs));
}

/* The leader serves: everything that any leader before it has acknowledged it knows to be chosen. */
static enum sim_nemesis_suits may(void *context, const struct sim_process *process,
				  const struct sim_process *leader)
{
	struct scene *scene = context;
	const struct scene_replica *replica = replica_of(scene, process);
	const struct rsm *rsm = rsm_of(scene, replica);
	const struct rsm *leads = rsm_of(scene, replica_of(scene, leader));
	uint64_t chosen = scene->chosen[replica->group];
	if (rsm == NULL || leads == NULL || consensus_chosen_slot(leads->core) < chosen ||
	    wal_pending_bytes(rsm->wal) > 0 || !force_stays_bound(rsm) ||
	    !consensus_votes(rsm->core) || consensus_is_held(rsm->core) ||
	    (scene->may_force != NULL && !scene->may_force(scene, replica)))
		return SUITS_NOT;
	for (uint64_t slot = consensus_chosen_slot(rsm->core) + 1; slot <= chosen; slot++)
		if (!has_same(rsm, leads, slot))
			return SUITS_NOT;
	return consensus_chosen_slot(rsm->core) < chosen ? SUITS_BEST : SUITS;
}

/* A list that was under way when the others were lost may have taken its vote away. */
static bool refuses(void *context, const struct sim_process *process)
{
	struct scene *scene = context;
	const struct rsm *rsm = rsm_of(scene, replica_of(scene, process));
	return rsm != NULL && rsm->started && !force_stays_bound(rsm);
}

static void ask_to_force(void *data, struct node *node)
{
	struct buffer *request = data;
	node->ops->message(node, 0,
			   &(struct message){.kind = MESSAGE_REQUEST,
					     .method = METHOD_FORCE,
					     .id = 1,
					     .payload = buffer_slice(request)});
}

static void ask(void *context, struct sim_process *process, uint32_t generation)
{
	struct buffer request = {0};
	(void)context;
	wire_force_encode(
		&(struct wire_force){.confirmed = generation != 0, .generation = generation},
		&request);
	sim_process_call(process, ask_to_force, &request);
	buffer_free(&request);
}

static uint32_t recorded(void *context, const struct sim_process *process)
{
	struct scene *scene = context;
	uint32_t group = replica_of(scene, process)->group;
	uint32_t now = scene->recorded_of(scene, group);
	if (now > scene->recorded[group])
		scene->recorded[group] = now;
	return scene->recorded[group];
}

void forcer_after_turn(struct scene *scene, const struct scene_replica *replica)
{
	const struct rsm *rsm = scene->recorded_of == NULL ? NULL : rsm_of(scene, replica);
	uint64_t *chosen = &scene->chosen[replica->group];
	if (rsm == NULL || rsm->core == NULL)
		return;
	if (rsm->members.generation > scene->begun[replica->group]) {
		scene->begun[replica->group] = rsm->members.generation;
		if (rsm->members.slot <= *chosen)
			scene_fail(scene, VERDICT_SAFETY,
				   "%s begins generation %" PRIu32 " in slot %" PRIu64
				   ", and slot %" PRIu64 " had been acknowledged",
				   replica->process->name, rsm->members.generation,
				   rsm->members.slot, *chosen);
	}
	if (consensus_chosen_slot(rsm->core) > *chosen)
		*chosen = consensus_chosen_slot(rsm->core);
	if (rsm_is_leader(rsm) && rsm->generation < recorded(scene, replica->process))
		scene_fail(scene, VERDICT_SAFETY,
			   "%s leads as generation %" PRIu32 ", and %" PRIu32 " has been recorded",
			   replica->process->name, rsm->generation,
			   scene->recorded[replica->group]);
}

void forcer_operate(struct scene *scene,
		    bool (*may_force)(struct scene *scene, const struct scene_replica *replica),
		    uint32_t (*recorded_of)(struct scene *scene, uint32_t group))
{
	static const struct sim_nemesis_forcer forcer = {
		.may = may, .refuses = refuses, .ask = ask, .recorded = recorded};
	scene->may_force = may_force;
	scene->recorded_of = recorded_of;
	sim_nemesis_forces(scene->nemesis, &forcer, scene);
}
