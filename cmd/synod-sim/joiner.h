/*
 * A machine that waits to be told that it belongs to a group (WELCOME), as a daemon does whose node
 * has no number yet; then it starts as a replica. And, for the nemesis REPLACE, who belongs to a
 * group, and how that is changed.
 */
#ifndef SYNOD_SIM_JOINER_H
#define SYNOD_SIM_JOINER_H

#include "rsm/rsm.h"
#include "scene.h"
#include "sim/world.h"

/* What is kept of a replica's place beside its disk, as a daemon's file `identity` is. */
struct joiner_place {
	struct scene *scene;
	const char *role;
	uint64_t group;
	uint32_t replica;    /* its number; 0: it waits to be told */
	bool joining;        /* it was told: it has not been there from the beginning */
	uint32_t generation; /* … and that this is the group's (rsm/force.h) */
	uint32_t nmembers;
	struct rsm_member members[MEMBERS_MAX];
	char *texts[2 * MEMBERS_MAX]; /* of those that it was told of */
};

/* Who is a member from the beginning, or, if `replica` is 0, a spare machine. */
void joiner_init(struct joiner_place *place, struct scene *scene, const char *role, uint64_t group,
		 uint32_t replica, const struct rsm_member *members, uint32_t nmembers);

/*
 * Before a process with this place is built: what a daemon with an empty directory does before it
 * is a replica (daemon/lobby.h). It asks the others; if the list of one that runs has its name, it
 * is that member, without a vote, and goes by that list and its generation. As long as a group has
 * not been forced, its members' first list and a WELCOME say the same, and nobody is asked.
 */
void joiner_hear(struct joiner_place *place, struct sim_process *process);
/* The node of a place that has no number. */
struct node *joiner_build(struct joiner_place *place, struct sim_process *process);
/* It has an rsm that is never started, so that a scene may look at it as at any other. */
struct rsm *joiner_rsm(struct node *node);
/* It belongs to no group again. */
void joiner_forget(struct joiner_place *place);
/* Fills in who the members are; and when it is removed, it ends. */
void joiner_apply(const struct joiner_place *place, struct sim_process *process,
		  struct rsm_options *options);

/* Of two lists: that of the later generation, whatever their slots. */
static inline bool joiner_is_newer(uint32_t generation, uint64_t slot, uint32_t than_generation,
				   uint64_t than_slot)
{
	return generation != than_generation ? generation > than_generation : slot > than_slot;
}

/*
 * After every turn of a replica: the lists that it learns are remembered, whatever becomes of it.
 */
void joiner_note(struct scene *scene, const struct scene_replica *replica);
/*
 * The newest list of members of a group that anybody of it has ever known, and who leads by it;
 * false: there is none yet.
 */
bool joiner_roster(const struct scene *scene, uint32_t group, struct sim_nemesis_roster *out);
/*
 * What a daemon's host does (host/members.c, daemon/lobby.h): whoever is connected with members by
 * whose list it has been removed, and knows only an older one, is told so. The consensus can tell
 * it only if it knows one of them by that older list. For the peace, in which those of the core are
 * connected.
 */
void joiner_meet(struct scene *scene);
/* Spare machines of this seed, for each group; 0: members stay who they are. */
uint32_t joiner_spares(const struct scene *scene);
/* Lets the nemesis change members. `place` is that of a process of a replica. */
void joiner_operate(struct scene *scene,
		    struct joiner_place *(*place)(struct scene *scene,
						  struct sim_process *process));

#endif
