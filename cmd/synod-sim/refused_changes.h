/*
 * The nemesis REPLACE where members stay who they are: an operator asks paxosds to add a member, to
 * remove, replace or promote one, through the client library. They refuse: the log could change its
 * members, the agreement, whose instances know no order, could not.
 *
 *   every answer is that refusal, or none could be had
 *   whatever list the log has, its members are those of the beginning, and all vote
 *
 * From a stream of its own, at the times of struct sim_nemesis_options, replace_mean_us.
 */
#ifndef SYNOD_SIM_REFUSED_CHANGES_H
#define SYNOD_SIM_REFUSED_CHANGES_H

#include "agreement_load.h"
#include "scene.h"

struct refused_changes {
	struct scene *scene;
	struct agreement_load *load; /* its actors' clients ask, too */
	const char *const *addresses;
	uint32_t npeers;
	uint64_t mean_us; /* 0: never */
	uint32_t actor;   /* who asks next */
	struct rng rng;
	struct timer timer;
};

/* `addresses` are those of the peers, numbered from 1. */
void refused_changes_init(struct refused_changes *changes, struct agreement_load *load,
			  const char *const *addresses, uint32_t npeers);
void refused_changes_stop(struct refused_changes *changes);
/* After every turn of a peer. */
void refused_changes_check(struct refused_changes *changes, const struct scene_replica *replica);

#endif
