/*
 * The invariants of the consensus core, checked over all replicas of a group after every step of a
 * simulation, and compared with the step before (Lamport 2001; Ongaro and Ousterhout's LogCabin
 * checks its core the same way).
 *
 *   I1  agreement      all replicas have the same value chosen in a slot, forever
 *   I2  one proposal   all entries accepted in the same slot and ballot have the same value
 *   I3  monotone       the promised ballot of a replica never falls while it runs, and after a
 *                      restart it is not below any promise or acceptance that it had let out
 *   I4  accepted ≤ promised   for every entry
 *   I5  one leader     at most one replica leads in a ballot, and it is the ballot's own replica
 *   I6  in order       delivered ≤ chosen, and chosen never falls while it runs; every slot in
 *                      between is held
 *   I7  leader's log   a leader holds every slot that it proposed and that is not yet chosen, in
 *                      its own ballot
 *   I8  lease          while a leader's read lease holds, nobody has led in a later ballot
 *   I9 whom to follow a follower's leader is that of the ballot that it has promised: to another
 *                      one it would echo rounds in a ballot in which it has not heard of them
 *   C1  nothing lost   what is chosen in a slot is durable on the disks of a quorum of the voters
 *                      whose list rules there, when it is first known; and when a list of members
 *                      of slot s is first acted upon, so is every slot ≤ s for its own voters:
 *                      whoever it has removed may go
 *   C2  one list       all replicas that know the members of a slot know the same
 *   C3  who counts     whoever stands or leads is bound, by the members that it knows itself; and
 *                      who leads has been promised its ballot by a quorum of the disks that are
 *                      bound: no other one's word has counted
 *   C4  silence        of more lost disks than the group can do without follows nothing but
 *                      silence: C1 and C3 leave no other disks to answer with, and I1 holds for
 *                      ever, whatever disks are lost
 *
 * The checker owns nothing of the cores. It keeps a hash of each chosen value, so memory grows with
 * the log.
 */
#ifndef SYNOD_PAXOS_INVARIANTS_H
#define SYNOD_PAXOS_INVARIANTS_H

#include "paxos/multipaxos.h"

/* Replicas of a group, in all its life. */
#define PAXOS_INVARIANTS_MAX 16u

struct paxos_invariants;

struct paxos_invariants *paxos_invariants_create(void);
void paxos_invariants_free(struct paxos_invariants *inv);
/*
 * Checks the running replicas (NULL: down). Replica i of one call is replica i of the next. NULL if
 * all hold, otherwise a text that names the invariant and what breaks it, valid until the next
 * call.
 */
const char *paxos_invariants_check(struct paxos_invariants *inv,
				   const struct paxos *const *replicas, uint32_t count);
/* Replica i has crashed: its memory is gone, what it let out is not. */
void paxos_invariants_crashed(struct paxos_invariants *inv, uint32_t i);
/*
 * … and its disk is gone: what it had promised need not be remembered, if it has no vote any more.
 */
void paxos_invariants_wiped(struct paxos_invariants *inv, uint32_t i);

#endif
