/*
 * What is chosen, and getting hold of it when it was missed. The leader is the distinguished
 * learner (Lamport, section 2.3): it counts, and tells the others.
 */
#include "paxos/internal.h"

/* Moves the chosen prefix forward over what this replica holds and knows to be chosen. */
void advance_chosen(struct paxos *p)
{
	for (;;) {
		const struct ring_slot *s = ring_get(&p->ring, p->chosen + 1);
		if (s == NULL)
			return;
		bool told = p->chosen + 1 <= p->leader_chosen &&
			    s->ballot == p->leader_chosen_ballot;
		if (!s->chosen && !told)
			return;
		ASSERT(s->ballot <= p->promised);
		/*
		 * Behind a wall there may be more that is known to be chosen, which this ballot has
		 * not proposed.
		 */
		if (p->seam.role == CONSENSUS_LEADER && p->chosen + 1 >= p->own_first &&
		    p->chosen + 1 < p->next_slot) {
			ASSERT(ring_value_bytes(s) <= p->open_bytes);
			p->open_bytes -= ring_value_bytes(s);
		}
		if (p->impaired.count > 0)
			impaired_chosen(p, p->chosen + 1);
		p->chosen++;
		if (!members_chosen(p, p->chosen, s))
			continue;
		/* Before anything of a later slot is. */
		persists_add(&p->persists, CONSENSUS_PERSIST_CHOSEN)->slot = p->chosen;
		p->chosen_hint = p->chosen;
	}
}

void leader_says_chosen(struct paxos *p, const struct wire_peer *m)
{
	if (m->ballot > p->leader_chosen_ballot || m->chosen > p->leader_chosen) {
		p->leader_chosen_ballot = m->ballot;
		p->leader_chosen = m->chosen;
	}
	advance_chosen(p);
}

/*
 * Peer `from` knows every slot ≤ chosen to be chosen. Fetches if that is news that cannot be had
 * otherwise.
 */
void note_chosen(struct paxos *p, uint32_t from, uint64_t chosen)
{
	catch_up_hear(&p->catch_up, from, chosen, p->chosen);
	if (catch_up_may_fetch(&p->catch_up, p->chosen))
		p->peers[p->catch_up.known_from].due_fetch = 1;
}

void learner_tick(struct paxos *p, uint64_t now_us)
{
	uint32_t ask = catch_up_tick(&p->catch_up, now_us, p->chosen, p->npeers, p->others);
	if (ask != CATCH_UP_NOBODY)
		p->peers[ask].due_fetch = 1;
}

void receive_fetch(struct paxos *p, uint32_t from, const struct wire_fetch *m)
{
	struct paxos_peer *peer = &p->peers[from];
	peer->due_chosen = true;
	peer->chosen_from = m->slot;
	/* A learner may be the only one left that knows (paxos/impaired.h). */
	note_chosen(p, from, m->chosen);
}

static void learn(struct paxos *p, uint64_t now_us, const struct wire_entry *e)
{
	if (e->slot <= p->chosen || e->slot > p->chosen + 2 * FOLLOWER_SPAN_MAX || apply_stalls(p))
		return;
	struct ring_slot *present = ring_get(&p->ring, e->slot);
	if (present != NULL && present->ballot >= e->ballot) {
		/* Whatever was accepted in this or a later ballot is the chosen value. */
		ASSERT(slice_equal(ring_value(present), e->value));
		present->chosen = true;
		return; /* if it is impaired: written again when it is its turn */
	}
	if (e->ballot > p->promised) {
		/*
		 * Its record will say that we accepted in this ballot; so from now on nothing
		 * lower.
		 */
		p->promised = e->ballot;
		if (ballot_round(e->ballot) > p->round_seen)
			p->round_seen = ballot_round(e->ballot);
		if (p->seam.role != CONSENSUS_FOLLOWER)
			become_follower(p, now_us, 0);
		ASSERT(p->seam.role == CONSENSUS_FOLLOWER);
		/*
		 * Whoever leads in that ballot, we have not heard from it yet: the heartbeat round
		 * to be echoed is of an older ballot, and must not be sent in this one.
		 */
		p->leader = 0;
	}
	accept_entry(p, e->slot, e->ballot, e->value.len == 0 ? NULL : bytes_copy(e->value));
	ring_get(&p->ring, e->slot)->chosen = true;
}

void receive_chosen(struct paxos *p, uint64_t now_us, uint32_t from, const struct wire_chosen *m)
{
	if ((m->flags & PEER_SNAPSHOT) != 0) {
		/* Otherwise the next question waits for its timer, which asks somebody else. */
		if (m->slot > p->chosen && now_us >= p->peers[from].silent_until_us)
			catch_up_offered(&p->catch_up, p->peers[from].replica, m->slot);
		return;
	}
	uint64_t before = p->chosen;
	for (uint32_t i = 0; i < m->nentries; i++)
		learn(p, now_us, &m->entries[i]);
	advance_chosen(p);
	bool told = p->chosen > before;
	/* Without progress the next question waits for its timer, which asks somebody else. */
	if (told)
		p->catch_up.retry_us = 0;
	catch_up_hear(&p->catch_up, from, m->chosen, p->chosen);
	/*
	 * Whoever knows most need not be able to tell us: it may have lost the state that its log
	 * goes on from, say. So the one that has just told us something is asked for the rest, as
	 * far as it has more.
	 */
	if (catch_up_may_fetch(&p->catch_up, p->chosen)) {
		uint32_t ask = told && m->chosen > p->chosen ? from : p->catch_up.known_from;
		p->peers[ask].due_fetch = 1;
	}
}
