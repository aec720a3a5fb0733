/*
 * rounds: a leader's heartbeats, numbered 1, 2, 3, … in its epoch. Whoever echoes a round has
 * promised nothing to a later epoch when it came, so what a quorum echoes proves that this replica
 * still led when the round began: reads, leases and freshness rest on that (Ongaro 2014, section
 * 6.4).
 *
 * A round of reads may be WATCHED: it was asked of just a quorum, and is asked of all if it is not
 * confirmed in time.
 */
#ifndef SYNOD_CORE_ROUNDS_H
#define SYNOD_CORE_ROUNDS_H

#include "base/limits.h"
#include "core/consensus.h"
#include "core/seats.h"

/* Of so many it is known when they began. */
#define LEASE_ROUNDS 64u

/* The highest round that a peer … */
struct round_answers {
	uint64_t acked;  /* … has echoed, and it has a vote */
	uint64_t heard;  /* … has echoed, with or without one */
	uint64_t leased; /* … has granted a lease for, with a vote */
};

struct rounds {
	uint64_t newest; /* so many have begun */
	uint64_t began_us[LEASE_ROUNDS];
	struct round_answers answers[CONSENSUS_PEERS_MAX]; /* by seat */
	uint64_t watched;                                  /* 0: none … */
	uint64_t watched_until_us;
};

/* Of another epoch: none has begun. */
void rounds_restart(struct rounds *r);

static inline void rounds_begin(struct rounds *r, uint64_t now_us)
{
	r->newest++;
	r->began_us[r->newest % LEASE_ROUNDS] = now_us;
}

/* Somebody else has the seat now. */
void rounds_forget_seat(struct rounds *r, uint32_t seat);
/* An echo; of one that has not begun it counts for the newest. */
void rounds_hear(struct rounds *r, uint32_t seat, uint64_t round);
/* … which counts as a vote, and perhaps a lease. */
void rounds_count(struct rounds *r, uint32_t seat, uint64_t round, bool leased);

static inline uint64_t rounds_echoed(const struct rounds *r, uint32_t seat, uint32_t self,
				     bool leased)
{
	if (seat == self)
		return r->newest;
	return leased ? r->answers[seat].leased : r->answers[seat].acked;
}

/*
 * The highest round that most of the voters have echoed, ourselves (seat `self`) included; `leased`:
 * granting a lease for it. 0: none.
 */
static inline uint64_t rounds_confirmed(const struct rounds *r, seat_set voters, uint32_t nvoters,
					uint32_t self, bool leased)
{
	uint64_t best = 0;
	FOR_SET (i, voters) {
		uint64_t round = rounds_echoed(r, i, self, leased);
		uint32_t at_least = 0;
		if (round <= best)
			continue;
		FOR_SET (j, voters)
			at_least += rounds_echoed(r, j, self, leased) >= round;
		if (2 * at_least > nvoters)
			best = round;
	}
	return best;
}

/* False: the round is none, or so old that it is forgotten when it began. */
static inline bool rounds_began(const struct rounds *r, uint64_t round, uint64_t *began_us)
{
	if (round == 0 || r->newest - round >= LEASE_ROUNDS)
		return false;
	*began_us = r->began_us[round % LEASE_ROUNDS];
	return true;
}

/* The newest one, until then. */
void rounds_watch(struct rounds *r, uint64_t until_us);
/*
 * The watched one has had its time. True: it is not confirmed. If it is, the newest is watched in
 * its place until then, if that is not.
 */
bool rounds_lose_patience(struct rounds *r, uint64_t confirmed, uint64_t until_us);

#endif
