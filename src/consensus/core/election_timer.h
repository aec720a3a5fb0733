/*
 * election_timer: when a replica stands for election, and whether who leads has been heard from.
 *
 * Each wait is drawn from [timeout, 2 × timeout], so that two seldom stand at once (Ongaro 2014,
 * section 3.4). The connection to a leader may be lost before: if it lives, it is heard again
 * within a heartbeat, and otherwise the replica stands soon after; of a process that is killed its
 * peers hear at once.
 */
#ifndef SYNOD_CORE_ELECTION_TIMER_H
#define SYNOD_CORE_ELECTION_TIMER_H

#include "core/consensus.h"

struct election_timer {
	uint64_t at_us;    /* it stands then */
	uint64_t heard_us; /* of who leads */
};

/* A whole timeout from now on. */
void election_timer_draw(struct election_timer *t, const struct consensus_options *options,
			 uint64_t now_us);
/* Within a heartbeat: somebody must stand, and this one had better do it. */
void election_timer_soon(struct election_timer *t, const struct consensus_options *options,
			 uint64_t now_us);
/*
 * The connection to who leads is lost. After the grace it no longer keeps us from voting for others.
 */
void election_timer_lost(struct election_timer *t, const struct consensus_options *options,
			 uint64_t now_us);
/* Who leads, if somebody does, has been heard from within the timeout. */
bool election_timer_heard(const struct election_timer *t, const struct consensus_options *options,
			  uint64_t now_us);

#endif
