/*
 * Impaired slots: what damage to a log has left unknown (Alagappan et al. 2018, "Protocol-Aware
 * Recovery for Consensus-Based Storage", FAST).
 *
 * An acceptor whose log was damaged may have accepted anything in some slots, and cannot say what.
 * To deny it would lose what was chosen; to halt would lose a replica that is good for everything
 * else. So it says which slots those are:
 *
 *   PROMISE      impaired: ranges of slots in which the sender may have accepted anything below the
 *                ballot. What it reports of them besides is true, but need not be all. known: slots
 *                after `chosen` of which it knows that what it reports is chosen
 *   candidate    per slot, only Promises in which it is not impaired count towards the quorum.
 *                Every slot after what some Promise calls chosen, also those in which nobody
 *                reports anything, needs such a quorum, or a report of a value that is known to be
 *                chosen. Else it waits for more Promises; at the end of the election time-out
 *                somebody stands anew. Never a no-op in doubt
 *   learning     stops before the first impaired slot: what is missing up to there is fetched
 *                (FETCH, CHOSEN, snapshots), like everything that was missed
 *
 * A slot is impaired no longer when
 *   - something is accepted in it, from a leader or as chosen: that is written to the log, behind
 *     the damage. It was accepted in a ballot that is not below any that was lost; or it is chosen,
 *     and then so is whatever was accepted in later ballots;
 *   - it is covered by what is known to be chosen here, a snapshot for instance;
 *   - it lies behind all for which the leader of a ballot found anything in its quorum (ACCEPT with
 *     a heartbeat round says in `slot` how far that is), and that ballot is above all that were
 *     lost. For such a slot that quorum, unimpaired, has said that nothing was accepted there below
 *     the ballot, and lets nothing be: so nothing can have been chosen. Not so for earlier slots:
 *     their value may be on no disk but those of the leader, which may lose it again, and of this
 *     replica.
 *
 * The PROMISE itself is another matter: if what was lost may hold a higher one than is known, the
 * replica has no vote before its group has bound another life of it (paxos_forget_promise(),
 * paxos/members.h), and nobody asks it.
 *
 * Which slots are impaired is found out from the log at every start (rsm/damage.h). Until none is,
 * nothing of the log may be released from the first damage on.
 */
#ifndef SYNOD_PAXOS_IMPAIRED_H
#define SYNOD_PAXOS_IMPAIRED_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/wire.h"

/*
 * More than so many ranges are brought together: a slot between two of them counts as impaired as
 * well.
 */
#define IMPAIRED_RANGES_MAX 64u

/* Disjoint, in order, none next to another. */
struct impaired {
	uint32_t count;
	struct wire_range ranges[IMPAIRED_RANGES_MAX];
};

void impaired_add(struct impaired *set, uint64_t first, uint64_t last);
/* May leave the slot in, if there is no room for one more range. */
void impaired_remove(struct impaired *set, uint64_t slot);
void impaired_drop_below(struct impaired *set, uint64_t slot);
void impaired_drop_from(struct impaired *set, uint64_t slot);
bool impaired_has(const struct impaired *set, uint64_t slot);
/* How many slots; UINT64_MAX if it is open at its end. */
uint64_t impaired_slots(const struct impaired *set);

#endif
