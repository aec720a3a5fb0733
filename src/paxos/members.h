/*
 * Which disk counts as which member: a part of the log itself (Lamport, Malkhi and Zhou 2010, "Reconfiguring a State Machine",
 * with a window of one).
 *
 * Each data directory has a life, 64 random bits; one that replaces another has another. A message counts only if it comes from the
 * life that is bound to its sender's number. An entry of members, alone in its slot s, names the lives that are bound from slot
 * s + 1 on; its `base` is the slot of the entry that it changes, and if that is not the newest one any more, it changes
 * nothing. 0: before the first such entry any life counts.
 *
 * RULES (the first three: without any of them a chosen value can be lost, as the model in tests/model shows)
 *   M1 no gaps      Slot t is accepted in ballot b only if it is b's first (PAXOS_FIRST), or t - 1 is chosen here, or t - 1 is
 *                   accepted in b: or an entry of members that only its leader holds could be chosen later, under a value that
 *                   the lives bound before have chosen behind it.
 *   M2 whole log    A Promise counts for the members of s only if its sender durably holds every slot <= s. PREPARE and PROMISE
 *                   bear s; who does not know s yet fetches, and promises then; who knows a later one refuses, and is fetched from.
 *   M3 not forgotten  The PROMISE record bears s: recovery knows every slot <= s to be chosen. (The records of what is chosen are
 *                   written lazily.)
 *   M4 a wall       The leader proposes nothing behind an entry of members before it is chosen, and then prepares anew, in a
 *                   new ballot, before anything else. Its lease ends when it proposes it.
 *   M5 by the log   The members that count are those of the chosen prefix that this replica knows, applied or not. They stand in
 *                   snapshots, and in the log's records of them.
 *   M6 ballots      A life's ballots bear the number of its binding (paxos/ballot.h): it never uses one of an earlier life.
 *   M7 birth        While nothing is known to have been accepted, a candidate needs the promises of all members: two that have lost
 *                   their disks must not take each other for a new group.
 *
 * A replica whose own life is not bound is a learner (multipaxos.h, LEARNERS), and so are others' unbound lives to it: what they
 * know to be chosen is learnt, and they are told; they count for nothing.
 */
#ifndef SYNOD_PAXOS_MEMBERS_H
#define SYNOD_PAXOS_MEMBERS_H

#include <stdint.h>

#include "base/limits.h"

enum member_role { MEMBER_VOTER = 1, MEMBER_LEARNER = 2 };

struct paxos_binding {
	uint32_t replica;
	uint32_t binding; /* how often another life was bound to this number before; at most BALLOT_BINDING_MAX */
	uint64_t life;    /* of a voter never 0; of a learner 0: it has not been met yet */
	enum member_role role;
};

struct paxos_members {
	uint64_t slot; /* of the entry; 0: none yet */
	uint64_t base;
	uint32_t next_number; /* every number below it has been given to a member, which has it for ever */
	uint32_t count; /* the group's members, ascending by number; 0 with slot 0 */
	struct paxos_binding list[MEMBERS_MAX];
};

#endif
