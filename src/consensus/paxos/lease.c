/*
 * Read leases: who may not be elected for a while, and how long a leader may therefore rely on its
 * being the only one.
 */
#include "paxos/internal.h"

/* ---- the acceptor: holding back ---- */

void lease_restarted(struct paxos *p, uint64_t now_us)
{
	if (p->voters != member_bit(p->self))
		p->restart_until_us = now_us + p->options.election_timeout_us;
}

void lease_grant(struct paxos *p, uint32_t to, const struct wire_paxos *m)
{
	/*
	 * Longer than after a restart it could not be kept; and a learner keeps nobody from
	 * anything.
	 */
	if (p->learner || m->lease_us == 0 || m->lease_us > p->options.election_timeout_us ||
	    p->options.clock_us == NULL)
		return;
	/* Not now_us, which may be older than this message, and than its round. */
	uint64_t until_us = p->options.clock_us(p->options.context) + m->lease_us;
	if (until_us > p->lease_until_us)
		p->lease_until_us = until_us;
	p->lease_ballot = m->ballot;
	p->peers[to].lease_round = m->sequence;
}

bool lease_granted(const struct paxos *p, uint64_t now_us)
{
	return now_us < p->lease_until_us;
}

uint64_t lease_own_promise_us(const struct paxos *p)
{
	return p->lease_until_us > p->restart_until_us ? p->lease_until_us : p->restart_until_us;
}

bool lease_refuses(const struct paxos *p, uint64_t now_us, const struct wire_paxos *m)
{
	if (now_us < p->restart_until_us)
		return true;
	/*
	 * A leader has given up its lease, and those of earlier ballots ended when it was elected.
	 */
	bool given_up = (m->flags & PEER_LEASE_OVER) != 0 && p->lease_ballot <= m->sequence;
	return lease_granted(p, now_us) && !given_up;
}

bool lease_taken_over(struct paxos *p, uint64_t now_us, uint64_t ballot)
{
	if (now_us < p->restart_until_us || (lease_granted(p, now_us) && p->lease_ballot != ballot))
		return false;
	p->lease_until_us = 0;
	return true;
}

/* ---- the leader: relying on it ---- */

void lease_round_begins(struct paxos *p, uint64_t now_us)
{
	p->round_began_us[p->round % LEASE_ROUNDS] = now_us;
}

bool paxos_lease_holds(const struct paxos *p)
{
	if (p->seam.role != CONSENSUS_LEADER || p->options.lease_us == 0 || p->lease_given_up)
		return false;
	uint64_t round = confirmed_round(p, true);
	if (round == 0 || p->round - round >= LEASE_ROUNDS)
		return false;
	uint64_t usable_us = p->options.lease_us - p->options.lease_us / LEASE_DRIFT_PART;
	return p->options.clock_us(p->options.context) <
	       p->round_began_us[round % LEASE_ROUNDS] + usable_us;
}
