/*
 * How old the applied state may be, by this replica's own clock: paxos/multipaxos.h, FRESHNESS.
 *
 * The follower numbers moments: each Accepted that echoes a round may bear a stamp, and the
 * follower remembers when it gave that out. The leader holds on to one stamp a peer from the round
 * that it sends behind it until that is confirmed, and gives the stamp back with the next one.
 */
#include "paxos/internal.h"
#include "paxos/judge.h"

/*
 * Stamps of two lives of a process are never the same: a late message of the earlier one says
 * nothing.
 */
void vouch_init(struct paxos *p)
{
	uint64_t life = p->options.process;
	life = (life ^ life >> 31) * 0x9e3779b97f4a7c15ull;
	p->stamp = life % (CONSENSUS_SEQUENCE_MAX / 2);
}

/* ---- the follower ---- */

uint64_t vouch_stamp(struct paxos *p, uint64_t now_us)
{
	if (p->stamp_due_us > now_us)
		return 0;
	p->stamp_due_us = now_us + p->options.heartbeat_us / 2;
	p->stamp++;
	p->stamps[p->stamp % STAMPS] = (struct stamp){.number = p->stamp, .at_us = now_us};
	return p->stamp;
}

static void keep(struct paxos *p, struct freshness fresh)
{
	if (fresh.since_us <= p->fresh.since_us)
		return;
	if (fresh.slot <= p->applied) {
		p->fresh = fresh;
		return;
	}
	ASSERT(p->fresh.slot <= p->applied);
	/* The one that is waited for must not be put off for ever by newer ones. */
	if (p->fresh_next.slot == 0)
		p->fresh_next = fresh;
	else
		p->fresh_newest = fresh;
}

void vouch_received(struct paxos *p, const struct wire_accept *m)
{
	const struct stamp *stamp = &p->stamps[m->vouched % STAMPS];
	/* Forgotten, or of an earlier life. */
	if (stamp->number != m->vouched)
		return;
	keep(p, (struct freshness){.since_us = stamp->at_us, .slot = m->chosen});
}

void vouch_applied(struct paxos *p)
{
	struct freshness next = p->fresh_next, newest = p->fresh_newest;
	p->fresh_next = p->fresh_newest = (struct freshness){0};
	keep(p, next);
	keep(p, newest);
}

/* ---- the leader ---- */

void vouch_begin(struct paxos_peer *peer)
{
	peer->stamp_heard = peer->stamp_held = 0;
}

void vouch_round(struct paxos *p, struct paxos_peer *peer, struct wire_accept *m)
{
	if ((peer->stamp_held | peer->stamp_heard) == 0)
		return;
	ASSERT(peer->stamp_held == 0 || peer->stamp_round <= p->rounds.newest);
	/*
	 * Below the barrier there may be something that was acknowledged and is not known to be
	 * chosen here.
	 */
	if (peer->stamp_held != 0 && p->chosen >= p->barrier &&
	    confirmed_round(p, false) >= peer->stamp_round) {
		m->vouched = peer->stamp_held;
		peer->stamp_held = 0;
	}
	if (peer->stamp_held == 0) {
		peer->stamp_held = peer->stamp_heard;
		peer->stamp_heard = 0;
		peer->stamp_round = p->rounds.newest;
	}
}

/* Of the newest confirmed round; since_us 0: unknown. */
static struct freshness led(const struct paxos *p)
{
	uint64_t began_us;
	if (!rounds_began(&p->rounds, confirmed_round(p, false), &began_us))
		return (struct freshness){0};
	return (struct freshness){.since_us = began_us, .slot = paxos_read_slot(p)};
}

void vouch_deposed(struct paxos *p)
{
	/* That was so, and stays so, whoever leads now. */
	keep(p, led(p));
}

bool paxos_fresh(const struct paxos *p, uint64_t *since_us)
{
	*since_us = p->fresh.since_us;
	if (p->seam.role == CONSENSUS_LEADER) {
		struct freshness fresh = led(p);
		if (fresh.slot <= p->applied && fresh.since_us > *since_us)
			*since_us = fresh.since_us;
	}
	return *since_us != 0;
}
