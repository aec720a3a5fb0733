/*
 * Load on the agreement service of simulated paxosds, and what must hold of it:
 *
 *   no two values are decided in one instance, whoever shows them: a peer, or its answer to a
 *   client what is decided was proposed for that instance
 *   what a peer has shown as decided it shows again after every restart on the same disk, until it
 *   is forgotten; on an earlier copy of it, what it had shown when that was made who is not INSIDE,
 *   because his disk is not bound or has not entered, does not vote (agreement/members.h), nor does
 *   who has a copy that has not begun another life
 *   nothing is forgotten before the application of every peer has been said to be done with it; min
 *   never falls after the healing instances are decided, and what one peer of the core knows all of
 *   them learn; if all peers are healed, they all know everything that anybody has ever shown as
 *   decided, whoever has lost his disk meanwhile
 */
#ifndef SYNOD_SIM_AGREEMENT_LOAD_H
#define SYNOD_SIM_AGREEMENT_LOAD_H

#include "base/map.h"
#include "log_client.h"
#include "scene.h"

struct agreement_load;

struct agreement_actor {
	struct agreement_load *load;
	struct sim_process *process;
	struct sim_log_client *client;
	struct timer timer;
	uint32_t number;
	bool busy;
	uint64_t seq;    /* of what is under way */
	uint64_t agreed; /* instances brought to a decision since agreement_load_mark() */
};

struct agreement_peer {
	const char *address;
	uint32_t incarnation; /* last seen */
	uint32_t wipes;       /* of its disk, that are known here … */
	uint32_t copies;      /* … and copies that took its place */
	bool whole;           /* its present disk has been INSIDE */
	bool outside;         /* when last seen … */
	uint64_t votes;       /* … and so many promises and acceptances it had said by then */
	struct agreement_min {
		uint64_t at_us, min;
	} * mins; /* as it rose */
	uint32_t nmins;
	uint64_t done;    /* 1 + the highest Done that was sent to it */
	struct map shown; /* 1 + seq → 1 + when it was first shown as decided */
};

struct agreement_load {
	struct scene *scene;
	uint32_t npeers, nactors;
	struct agreement_peer peers[REPLICAS_MAX];
	struct agreement_actor actors[16];
	struct map decided; /* 1 + seq → struct bytes */
	/* 1 + seq → when a peer has first shown it: others know it, whatever becomes of its disk */
	struct map shown;
	uint64_t low; /* every instance below is decided */
	uint64_t proposals;
	bool marked, stopped;
};

void agreement_load_init(struct agreement_load *load, struct scene *scene);
void agreement_load_start(struct agreement_load *load);
void agreement_load_stop(struct agreement_load *load);
/* After every turn of peer i. */
void agreement_load_check(struct agreement_load *load, uint32_t i, struct sim_process *process);
void agreement_load_mark(struct agreement_load *load);
/* Every actor has brought an instance to a decision that it began after the mark. */
bool agreement_load_progress(const struct agreement_load *load);
/* Does this peer know everything that anybody has ever shown, but for what is forgotten? */
bool agreement_load_complete(const struct agreement_load *load, const struct sim_process *process);
/* Do two peers know the same decisions? To be asked of peers that are alive. */
bool agreement_load_same(const struct agreement_load *load, const struct sim_process *a,
			 const struct sim_process *b);
void agreement_load_free(struct agreement_load *load);

#endif
