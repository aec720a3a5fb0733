/*
 * lease: what a replica has promised to a leader that relies on its being the only one for a while
 * (Gray and Cheriton 1989; Ongaro 2014, section 6.4.1), and how long that leader may. Why that is
 * safe stands in paxos/multipaxos.h, READS.
 */
#ifndef SYNOD_CORE_LEASE_H
#define SYNOD_CORE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Of the lease, the leader relies on all but this part: so much faster may a follower's clock run
 * than its own.
 */
#define LEASE_DRIFT_PART 8u

struct lease {
	uint64_t until_us;         /* no other leader is promised anything until then … */
	uint64_t ballot;           /* … because the one of this ballot relies on it */
	uint64_t restart_until_us; /* nor until then, whoever was promised that before a restart */
};

/* What was granted before a crash is forgotten, but must hold. */
void lease_restarted(struct lease *l, uint64_t until_us);
void lease_grant(struct lease *l, uint64_t until_us, uint64_t ballot);
bool lease_granted(const struct lease *l, uint64_t now_us);
/* When we may promise something to ourselves. */
uint64_t lease_own_promise_us(const struct lease *l);
/*
 * Nobody must be promised anything yet: he asks again. `over` (0: none): the leader of that ballot
 * has given up its lease, says who asks; those of earlier ballots ended when it was elected.
 */
bool lease_refuses(const struct lease *l, uint64_t now_us, uint64_t over);
/*
 * The leader of `ballot` has given up its lease, and hands over to us. False: another one may hold.
 */
bool lease_taken_over(struct lease *l, uint64_t now_us, uint64_t ballot);

/* A leader relies on a lease from the beginning of its round on for so long. */
static inline uint64_t lease_usable_us(uint64_t lease_us)
{
	return lease_us - lease_us / LEASE_DRIFT_PART;
}

#endif
