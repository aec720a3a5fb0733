/*
 * catch_up: who is known to have chosen slots that this replica misses, and whom it asks for them
 * (FETCH, CHOSEN): one at a time, again when no answer comes, and then somebody else; and what only
 * a snapshot has.
 */
#ifndef SYNOD_CORE_CATCH_UP_H
#define SYNOD_CORE_CATCH_UP_H

#include "core/seats.h"

#define CATCH_UP_NOBODY UINT32_MAX

struct catch_up {
	uint64_t known; /* somebody knows so many slots to be chosen, or the own log does … */
	bool heard;     /* … and who sits in this seat has said that it knows some of them: */
	uint32_t known_from; /* it is asked first */
	uint64_t retry_us;   /* somebody has been asked, and has until then; 0: nobody */
	uint32_t attempts, turn;
	bool need_snapshot;
	uint32_t snapshot_from; /* replica that offered it */
	uint64_t snapshot_slot; /* at least this */
};

/*
 * Who sits there knows every slot ≤ chosen to be chosen; this replica knows it of those ≤ own. Its
 * log may say of more, if damage has taken their values.
 */
static inline void catch_up_hear(struct catch_up *c, uint32_t seat, uint64_t chosen, uint64_t own)
{
	bool most = chosen >= c->known;
	if (!most && (c->heard || chosen <= own))
		return;
	if (most)
		c->known = chosen;
	c->known_from = seat;
	c->heard = true;
}

/* There is more than the slots ≤ chosen, and nobody has been asked for it yet. */
static inline bool catch_up_may_fetch(const struct catch_up *c, uint64_t chosen)
{
	return c->known > chosen && c->heard && c->retry_us == 0 && !c->need_snapshot;
}

/*
 * Who is to be asked now, of `others`, because who was asked has not answered, or not enough.
 * CATCH_UP_NOBODY: it is not time, or there is nothing to ask for.
 */
uint32_t catch_up_tick(struct catch_up *c, uint64_t now_us, uint64_t chosen, uint32_t nseats,
		       seat_set others);
/* The next one of them in turn; CATCH_UP_NOBODY: there is none. */
uint32_t catch_up_turn(struct catch_up *c, uint32_t nseats, seat_set others);
/* An answer: slots ≤ slot are only to be had as that replica's snapshot. */
void catch_up_offered(struct catch_up *c, uint32_t replica, uint64_t slot);
/* A snapshot that covers every slot ≤ slot has come. */
void catch_up_installed(struct catch_up *c, uint64_t slot);

#endif
