/*
 * What the invariants know of quorums (C1, C3 in paxos/invariants.h), by lives of disks: what each
 * has promised, and what it has accepted in which slot. Whatever is durable on a disk is taken to
 * stay there: how many disks may be lost is limited elsewhere.
 *
 * Of a replica that runs, only what is durable counts; of one that has died, everything that it had
 * accepted when it was last looked at: its last turn, in which it may have learnt that it is
 * durable, and said so, nobody has seen.
 */
#ifndef SYNOD_PAXOS_INVARIANTS_QUORUMS_H
#define SYNOD_PAXOS_INVARIANTS_QUORUMS_H

#include "base/map.h"
#include "paxos/internal.h"

#define QUORUM_LISTS 16u /* the newest */

struct quorums {
	/* (slot, life) → fingerprint of the value, and whether it was accepted before, too */
	struct map accepted;
	struct map promised;                          /* life → highest ballot */
	struct consensus_members lists[QUORUM_LISTS]; /* descending by slot */
	uint32_t nlists;
	uint64_t chosen; /* by anybody: what is known to be chosen from then on is looked at */
	char problem[200];
};

void quorums_free(struct quorums *q);
void quorums_list(struct quorums *q, const struct consensus_members *members);
void quorums_promised(struct quorums *q, const struct paxos *p);
/* `fingerprint` of the value that p has just accepted in the slot. */
void quorums_accepted(struct quorums *q, const struct paxos *p, uint64_t slot,
		      uint64_t fingerprint);
/* C3: p leads in a ballot that nobody has led in before. NULL, or what is wrong. */
const char *quorums_check_leader(struct quorums *q, const struct paxos *p);
/* C1: p knows the slot to be chosen, and nobody has known it before. `fingerprint` of its value. */
const char *quorums_check_chosen(struct quorums *q, const struct paxos *const *replicas,
				 uint32_t count, const struct paxos *p, uint64_t slot,
				 uint64_t fingerprint);

#endif
