/* The acceptor of every slot at once: one promise covers them all (Lamport, section 3). */
#include "paxos/internal.h"

bool slot_durable(const struct paxos *p, const struct ring_slot *s)
{
	return s->persist <= p->persists.durable;
}

void promise(struct paxos *p, uint64_t ballot)
{
	ASSERT(ballot > p->promised ||
	       (ballot == p->promised && p->promise_members < p->members.slot));
	p->promised = ballot;
	struct consensus_persist *record = persists_add(&p->persists, CONSENSUS_PERSIST_PROMISE);
	record->ballot = ballot;
	record->slot = p->promise_members = p->members.slot; /* M3 */
	p->promise_ballot = ballot;
	p->promise_persist = record->sequence;
	/* It is no promise to anybody before this record is durable (Lamport, section 2.5). */
	ASSERT(p->promise_persist > p->persists.durable);
}

void accept_entry(struct paxos *p, uint64_t slot, uint64_t ballot, struct bytes *value_take)
{
	ASSERT(slot > p->chosen);
	/* What is accepted was promised (Lamport, section 2.2: P1a), and replaces nothing later. */
	ASSERT(ballot <= p->promised);
	ASSERT(ring_ballot(&p->ring, slot) <= ballot);
	if (p->impaired.count > 0)
		impaired_remove(&p->impaired, slot);
	struct ring_slot *s = ring_put(&p->ring, slot, ballot, value_take);
	struct consensus_persist *record = persists_add(&p->persists, CONSENSUS_PERSIST_ACCEPT);
	record->slot = slot;
	record->ballot = ballot;
	/* A reference of its own: the slot may be overwritten before the output is carried out. */
	record->held = value_take == NULL ? NULL : bytes_ref(value_take);
	record->value = ring_value(s);
	s->persist = record->sequence;
}

/*
 * Before lives are bound, one that replaces another uses the same ballots: what was promised to
 * that one is not this one's.
 */
static bool is_another_lifes(const struct paxos *p, const struct wire_peer *m)
{
	return m->ballot == p->promise_ballot && m->life != p->promise_life &&
	       p->promise_life != 0 && m->life != 0;
}

void receive_prepare(struct paxos *p, uint64_t now_us, uint32_t from, const struct wire_prepare *m)
{
	struct paxos_peer *peer = &p->peers[from];
	/* Whoever is refused is told so, and gives up (Lamport, section 2.2, at its end). */
	if (m->ballot < p->promised || ballot_replica(m->ballot) != peer->replica) {
		peer->due_reject = true;
		return;
	}
	note_chosen(p, from, m->chosen);
	/*
	 * By members whose slots are not all here nothing is promised (M2): it comes again when
	 * they are.
	 */
	if (p->learner || m->members > p->members.slot)
		return;
	if (m->members < p->members.slot) {
		peer->due_reject = true;
		return;
	}
	if (is_another_lifes(p, &m->head)) {
		peer->due_reject = true;
		return;
	}
	if (m->ballot > p->promised) {
		uint64_t over = (m->flags & PEER_LEASE_OVER) != 0 ? m->sequence : 0;
		if (lease_refuses(&p->lease, now_us, over))
			return;
		promise(p, m->ballot);
		p->promise_life = m->life;
		p->leader = 0;
	}
	/*
	 * A late Prepare of who leads already, as we know from its Accepts, which promise nothing
	 * durably.
	 */
	if (p->promise_ballot != m->ballot)
		return;
	if (p->promise_members < p->members.slot)
		promise(p, m->ballot);
	/*
	 * The report is made when the promise is durable (Lamport, section 2.5); until then nothing
	 * lower can be accepted any more.
	 */
	ASSERT(p->promised == m->ballot && p->promise_members == p->members.slot);
	peer->due_promise = true;
	peer->promise_slot = m->slot;
	peer->promise_ballot = m->ballot;
}

/* M1. */
static bool leaves_a_gap(const struct paxos *p, uint64_t ballot, uint64_t slot)
{
	const struct ring_slot *before = slot > p->chosen + 1 ? ring_get(&p->ring, slot - 1) : NULL;
	return slot > p->chosen + 1 &&
	       (before == NULL || (before->ballot != ballot && !before->chosen));
}

/* What has overtaken another entry is kept, in memory alone, until that has come too. */
static void keep_early(struct paxos *p, uint64_t ballot, const struct wire_entry *entry)
{
	if (p->early_ballot != ballot) {
		ring_free(&p->early);
		ring_init(&p->early, p->chosen + 1);
		p->early_ballot = ballot;
	}
	if (entry->slot < p->early.first || entry->slot > p->chosen + OPEN_SLOTS_MAX ||
	    p->early.bytes + entry->value.len > EARLY_BYTES_MAX ||
	    ring_get(&p->early, entry->slot) != NULL)
		return;
	ring_put(&p->early, entry->slot, ballot,
		 entry->value.len == 0 ? NULL : bytes_copy(entry->value));
}

static void accept_one(struct paxos *p, uint64_t ballot, const struct wire_entry *entry, bool first)
{
	if (entry->slot <= p->chosen)
		/*
		 * chosen: it cannot be another value, and the leader learns from our `chosen` that
		 * we have it
		 */
		return;
	if (entry->slot > p->chosen + FOLLOWER_SPAN_MAX || ring_is_full(p))
		return;
	const struct ring_slot *present = ring_get(&p->ring, entry->slot);
	bool chosen = present != NULL && present->chosen;
	if (present != NULL) {
		/* One value a slot and ballot, and the chosen one in every later ballot. */
		if (present->ballot == ballot || chosen)
			ASSERT(slice_equal(ring_value(present), entry->value));
		if (present->ballot >= ballot)
			return;
	}
	if (!first && leaves_a_gap(p, ballot, entry->slot)) {
		keep_early(p, ballot, entry);
		return;
	}
	accept_entry(p, entry->slot, ballot,
		     entry->value.len == 0 ? NULL : bytes_copy(entry->value));
	ring_get(&p->ring, entry->slot)->chosen = chosen;
	p->accepted_since_ack = true;
}

/* It was judged when it came; meanwhile the slot may have got a value. */
static bool still_fits(const struct paxos *p, uint64_t ballot, uint64_t slot,
		       const struct ring_slot *early)
{
	const struct ring_slot *present = ring_get(&p->ring, slot);
	return present == NULL || (present->ballot != ballot && !present->chosen) ||
	       slice_equal(ring_value(present), ring_value(early));
}

static void accept_early(struct paxos *p, uint64_t ballot)
{
	if (p->early.first > p->early.last || p->early_ballot != ballot)
		return;
	ring_drop_below(&p->early, p->chosen + 1);
	uint64_t slot = p->early.first;
	for (; slot <= p->early.last; slot++) {
		const struct ring_slot *early = ring_get(&p->early, slot);
		if (early == NULL)
			continue;
		if (leaves_a_gap(p, ballot, slot))
			break;
		if (still_fits(p, ballot, slot, early))
			accept_one(p, ballot,
				   &(struct wire_entry){.slot = slot, .value = ring_value(early)},
				   false);
	}
	ring_drop_below(&p->early, slot);
}

/* For a new round of the leader in the promised ballot. */
static void grant_lease(struct paxos *p, uint32_t to, const struct wire_accept *m)
{
	/*
	 * Longer than after a restart it could not be kept; and a learner keeps nobody from
	 * anything.
	 */
	if (p->learner || m->lease_us == 0 || m->lease_us > p->options.election_timeout_us ||
	    p->options.clock_us == NULL)
		return;
	/* Not now_us, which may be older than this message, and than its round. */
	ASSERT(p->promised == m->ballot);
	lease_grant(&p->lease, p->options.clock_us(p->options.context) + m->lease_us, m->ballot);
	p->peers[to].lease_round = m->sequence;
}

void receive_accept(struct paxos *p, uint64_t now_us, uint32_t from, const struct wire_accept *m)
{
	struct paxos_peer *peer = &p->peers[from];
	if (m->ballot < p->promised || ballot_replica(m->ballot) != peer->replica) {
		peer->due_reject = true;
		return;
	}
	if (is_another_lifes(p, &m->head))
		return;
	ASSERT(p->seam.role != CONSENSUS_LEADER || m->ballot != p->ballot);
	/* P1a allows it: nothing higher is promised (Lamport, section 2.2). */
	if (m->ballot > p->promised || p->leader != peer->replica)
		/* a new leadership counts its rounds anew */
		peer->accepted_round = peer->lease_round = 0;
	/*
	 * Not persisted on its own: the entries' records carry the ballot, and a heartbeat promises
	 * nothing.
	 */
	p->promised = m->ballot;
	follow(p, now_us, from);
	for (uint32_t i = 0; i < m->nentries; i++)
		accept_one(p, m->ballot, &m->entries[i], i == 0 && (m->flags & PEER_FIRST) != 0);
	accept_early(p, m->ballot);
	if (p->impaired.count > 0)
		impaired_led(p, m);
	leader_says_chosen(p, &m->head);
	note_chosen(p, from, m->chosen);
	if (m->vouched != 0)
		vouch_received(p, m);
	if (m->sequence > peer->accepted_round) {
		peer->accepted_round = m->sequence;
		peer->due_accepted = true;
		grant_lease(p, from, m);
	}
	if (m->nentries == 0)
		p->hint_due = true;
	ASSERT(p->promised == m->ballot && p->leader == m->from);
}
