/*
 * faults: 38. Besides the nemesis, which takes the disks of so many paxosds as their group can do
 * without, at any time: a disk is lost just when it has decided something of which the others know
 * too little, and when its peer takes part again, those who know more are cut off, and the others
 * are asked for another value. Whoever is entering is killed in the middle of it, or loses that
 * disk, too. And in some runs, once, one disk more than the group can do without is lost at a time:
 * those peers must stay silent for ever. From a stream of their own.
 */
#ifndef SYNOD_SIM_AGREEMENT_WIPES_H
#define SYNOD_SIM_AGREEMENT_WIPES_H

#include "scene.h"

struct agreement_wipes {
	struct scene *scene;
	struct sim_process *const *processes;
	uint32_t npeers;
	struct rng rng;
	struct timer due;
	uint64_t too_many_us;      /* when more are lost than may be; 0: never */
	bool too_many;             /* it has happened */
	bool silent[REPLICAS_MAX]; /* who must not take part any more */
	bool stopped;
	/*
	 * What only one peer will know to be decided, and so few have accepted that the rest would
	 * be a quorum for another value.
	 */
	struct agreement_target {
		bool set;
		uint64_t seq;
		uint32_t lost; /* the peer that decides, and loses its disk then */
		/* bits of the others: they are cut off before, or afterwards */
		uint32_t ignorant, holders;
		bool decided, wiped;
	} target;
	struct agreement_restart {
		struct agreement_wipes *wipes;
		uint32_t peer;
	} restarts[REPLICAS_MAX];
};

void agreement_wipes_init(struct agreement_wipes *wipes, struct scene *scene,
			  struct sim_process *const *processes, uint32_t npeers);
void agreement_wipes_stop(struct agreement_wipes *wipes);
/* After every turn of peer i. */
void agreement_wipes_check(struct agreement_wipes *wipes, uint32_t i);

#endif
