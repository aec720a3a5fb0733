/*
 * From damage of the log to impaired slots (paxos/impaired.h).
 *
 * The log tells, between its records, where something was lost (wal.h, DAMAGE). What that can have
 * been follows from the records around it:
 *
 *   slots    Nothing is accepted in a slot that is known to be chosen: so only in those behind what
 *            was known before the hole. And up to which slot anything had been accepted says the
 *            first WAL_CHOSEN behind it that says so at all; without it: any. A slot is impaired if
 *            it lies in that range of a hole, and its newest record stands before the hole; as is
 *            one that is known to be chosen and has no record
 *   promise is in the first WAL_PROMISE behind the hole, in the header of a segment, or in a
 *            WAL_CHOSEN that says it. Without one of these it is unknown, and the replica has no
 *            vote. It begins another life, as a new directory would: its group binds that, and it
 *            votes again (paxos/members.h)
 *
 * A replica that knows itself not to be impaired says in every WAL_CHOSEN what it has promised, and
 * the highest slot in which it has accepted anything. So damage costs the vote only if nothing else
 * was written after it, or when the version before wrote the log. Damage to the last batch cannot
 * be told from a write that a crash interrupted (wal.h), and is not seen here: what the other
 * replicas remember to have been acknowledged tells (rsm/starts.h).
 */
#ifndef SYNOD_RSM_DAMAGE_H
#define SYNOD_RSM_DAMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "wal/wal.h"

struct rsm;

#define DAMAGE_HOLES_MAX 32u /* more are brought together */

struct damage_hole {
	uint64_t after, last; /* slots in which it may have held something: after < slot ≤ last */
	wal_position begin;
	bool bounded; /* `last` has been said */
};
struct damage {
	struct damage_hole holes[DAMAGE_HOLES_MAX];
	uint32_t count;
	bool promise_open;      /* since the last hole nothing has said what had been promised */
	bool promise_unknown;   /* an earlier start could not tell */
	bool renewed;           /* this directory has another life since, and need not know */
	uint64_t ballots_below; /* what the holes held was accepted in ballots below this one */
	/* hole, while there are impaired slots: kept from here on. 0: there is none */
	wal_position first;
	uint64_t last_segment; /* the last damaged one */
	/* when somebody was last told that an election cannot decide a slot */
	uint64_t told_us;
};

/* While the log is replayed. A record comes here first; true: it was no more than a note. */
void damage_hole(struct rsm *rsm, const struct wal_hole *hole);
bool damage_record(struct rsm *rsm, const struct wal_record *record);
/* What the log holds of the slot need not be what was accepted last. */
bool damage_covers(const struct rsm *rsm, uint64_t slot);
/*
 * When all of it has been, and before anything is appended: if the promise is lost, another life
 * begins, or the log says so for good.
 */
void damage_note_promise(struct rsm *rsm);
/* … and when the core knows what is covered by a snapshot; before it is told what is chosen. */
void damage_settle(struct rsm *rsm);
void damage_settle_known(struct rsm *rsm);
/* Every turn while there are impaired slots, or were until now. */
void damage_watch(struct rsm *rsm);
/* Slots up to the last one that anybody is known to have used. */
uint64_t damage_slots(const struct rsm *rsm);

#endif
