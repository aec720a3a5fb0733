/* From what is due to messages. */
#include "paxos/internal.h"

static union peer_message *add_send(struct paxos *p, uint32_t to, enum method method)
{
	struct consensus_send *send = vector_add(&p->sends, sizeof *send);
	send->to = p->peers[to].replica;
	send->method = method;
	send->message.head.group = p->options.group;
	send->message.head.from = p->options.self;
	send->message.head.to = send->to;
	send->message.head.chosen = p->chosen;
	return &send->message;
}

/* The newest message has these entries, and one of their values is long. */
static void hold_entries(struct paxos *p, const struct wire_entry *entries, uint32_t count)
{
	struct consensus_send *send = vector_last(&p->sends, sizeof *send);
	send->held = arena_get(&p->arena, count * sizeof *send->held);
	for (uint32_t i = 0; i < count; i++)
		send->held[i] = ring_get(&p->ring, entries[i].slot)->value;
}

/*
 * Lists present slots of first … last until options.message_bytes is passed. Stops at a gap if
 * `dense`. Returns the slot after the last one looked at.
 */
static uint64_t add_entries(struct paxos *p, struct wire_entry **entries, uint32_t *nentries,
			    uint64_t first, uint64_t last, bool dense)
{
	uint64_t span = last < first ? 0 : last - first + 1;
	uint32_t count_max = (uint32_t)(span < OPEN_SLOTS_MAX ? span : OPEN_SLOTS_MAX);
	/* Each counts with more than this. */
	if (count_max > p->options.message_bytes / sizeof(struct wire_entry) + 1)
		count_max = (uint32_t)(p->options.message_bytes / sizeof(struct wire_entry) + 1);
	struct wire_entry *list = arena_get(&p->arena, count_max * sizeof *list);
	uint32_t count = 0;
	size_t bytes = 0, longest = 0;
	uint64_t slot = first;
	for (; slot <= last && count < count_max && bytes < p->options.message_bytes; slot++) {
		const struct ring_slot *s = ring_get(&p->ring, slot);
		if (s == NULL && dense)
			break;
		if (s == NULL)
			continue;
		list[count++] = (struct wire_entry){
			.slot = slot, .ballot = s->ballot, .value = ring_value(s)};
		bytes += ring_value_bytes(s) + sizeof(struct wire_entry);
		longest = ring_value_bytes(s) > longest ? ring_value_bytes(s) : longest;
	}
	if (longest >= CONSENSUS_SHARED_BYTES)
		hold_entries(p, list, count);
	*entries = list;
	*nentries = count;
	return slot;
}

static void send_promise(struct paxos *p, uint32_t to, uint64_t now_us)
{
	struct paxos_peer *peer = &p->peers[to];
	if (peer->promise_ballot == p->promised && p->promise_persist > p->persists.durable)
		return; /* still due, when the promise is durable */
	peer->due_promise = false;
	if (peer->promise_ballot != p->promised)
		return; /* overtaken by a higher ballot */
	/* It is in stable storage before it is said (Lamport, section 2.5). */
	ASSERT(p->promise_persist <= p->persists.durable);
	struct wire_promise *m = &add_send(p, to, METHOD_PROMISE)->promise;
	m->ballot = peer->promise_ballot;
	m->slot = peer->promise_slot;
	m->members = p->members.slot;
	/* Whoever has just been promised something gets the time to make use of it. */
	p->promise_sent_us = now_us;
	if (p->seam.role == CONSENSUS_FOLLOWER)
		draw_election_timeout(p, now_us);
	uint64_t first = peer->promise_slot > p->chosen ? peer->promise_slot : p->chosen + 1;
	if (add_entries(p, &m->entries, &m->nentries, first, p->ring.last, false) <= p->ring.last)
		m->flags = PEER_MORE;
	impaired_report(p, m);
	for (uint32_t i = 0; i < m->nentries; i++)
		ASSERT(m->entries[i].ballot <= p->promised);
}

/* The message begins the newest round for the peer. */
static void add_round(struct paxos *p, struct paxos_peer *peer, struct wire_accept *m)
{
	peer->due_heartbeat = false;
	m->sequence = p->rounds.newest;
	/* Those with impaired slots are unfit. */
	if (peer->unfit)
		m->slot = p->found_last;
	m->lease_us = p->lease_given_up ? 0 : p->options.lease_us;
	vouch_round(p, peer, m);
	if (peer->probe_round == 0) {
		peer->probe_round = p->rounds.newest;
		peer->probe_slot = peer->next - 1;
	}
}

/*
 * Entries that the peer has not been sent, as far as its window is open; a heartbeat if one is due.
 */
static void send_accepts(struct paxos *p, uint32_t to, uint64_t now_us)
{
	struct paxos_peer *peer = &p->peers[to];
	ASSERT(p->ballot == p->promised);
	/*
	 * Only what this ballot proposed may be sent in it: before own_first the ring may still
	 * hold values that lost. What is chosen and no longer in memory, and what is before
	 * own_first, the peer fetches.
	 */
	if (peer->next < p->ring.first)
		peer->next = p->chosen + 1;
	if (peer->next < p->own_first)
		peer->next = p->own_first;
	bool alive = peer_alive(p, to, now_us);
	while (alive && peer->next < p->next_slot &&
	       peer->next <= peer->received + OPEN_SLOTS_MAX && peer->sent_bytes < OPEN_BYTES_MAX) {
		struct wire_accept *m = &add_send(p, to, METHOD_ACCEPT)->accept;
		m->ballot = p->ballot;
		if (peer->next == p->own_first)
			m->flags = PEER_FIRST;
		peer->next = add_entries(p, &m->entries, &m->nentries, peer->next, p->next_slot - 1,
					 true);
		ASSERT(m->nentries > 0);
		for (uint32_t i = 0; i < m->nentries; i++) {
			peer->sent_bytes += m->entries[i].value.len;
			m->entries[i].ballot = 0;
		}
		if (peer->due_heartbeat)
			add_round(p, peer, m);
	}
	if (!peer->due_heartbeat)
		return;
	struct wire_accept *m = &add_send(p, to, METHOD_ACCEPT)->accept;
	m->ballot = p->ballot;
	add_round(p, peer, m);
}

/*
 * Which slots are durable here (Lamport, section 2.5) in the leader's ballot, and how far they have
 * arrived without a gap.
 */
static void send_accepted(struct paxos *p, uint32_t to, uint64_t now_us)
{
	struct paxos_peer *peer = &p->peers[to];
	peer->due_accepted = false;
	if (p->leader != peer->replica)
		return;
	struct wire_accepted *m = &add_send(p, to, METHOD_ACCEPTED)->accepted;
	m->ballot = p->promised;
	m->sequence = peer->accepted_round;
	m->stamp = vouch_stamp(p, now_us);
	if (peer->lease_round != 0 && peer->lease_round == peer->accepted_round)
		m->flags = PEER_LEASED;
	if (!p->electable || !p->willing || p->impaired.count > 0)
		m->flags |= PEER_UNFIT;
	if (!p->willing)
		m->flags |= PEER_FULL;
	if (p->learner)
		m->flags |= PEER_LEARNER;
	ASSERT(!p->learner || (m->flags & PEER_LEASED) == 0);
	m->ranges = arena_get(&p->arena, RANGES_MAX * sizeof *m->ranges);
	m->slot = p->chosen;
	bool open = false;
	for (uint64_t slot = p->chosen + 1; slot <= p->ring.last; slot++) {
		const struct ring_slot *s = ring_get(&p->ring, slot);
		bool accepted = s != NULL && s->ballot == p->promised;
		if (accepted && slot == m->slot + 1)
			m->slot = slot;
		accepted = accepted && slot_durable(p, s);
		if (!accepted) {
			open = false;
			continue;
		}
		if (!open && m->nranges == RANGES_MAX)
			break;
		if (!open)
			m->ranges[m->nranges++].first = slot;
		m->ranges[m->nranges - 1].last = slot;
		open = true;
	}
	if (p->persists.durable + 1 == p->persists.next)
		p->accepted_since_ack = false;
}

static void send_chosen(struct paxos *p, uint32_t to)
{
	struct paxos_peer *peer = &p->peers[to];
	peer->due_chosen = false;
	uint64_t first = peer->chosen_from;
	if (first <= p->chosen && first < p->ring.first) {
		struct consensus_old_fetch *old = vector_add(&p->old, sizeof *old);
		old->to = peer->replica;
		old->first = first;
		old->last = p->ring.first - 1;
		return;
	}
	struct wire_chosen *m = &add_send(p, to, METHOD_CHOSEN)->chosen;
	m->slot = first;
	add_entries(p, &m->entries, &m->nentries, first, p->chosen, true);
}

static void send_to_peer(struct paxos *p, uint32_t to, uint64_t now_us)
{
	struct paxos_peer *peer = &p->peers[to];
	if (peer->due_pre_vote) {
		peer->due_pre_vote = false;
		struct wire_pre_vote *m = &add_send(p, to, METHOD_PRE_VOTE)->pre_vote;
		m->ballot = p->ballot;
		m->members = p->members.slot;
	}
	if (peer->due_pre_vote_reply) {
		peer->due_pre_vote_reply = false;
		struct wire_pre_vote_reply *m =
			&add_send(p, to, METHOD_PRE_VOTE_REPLY)->pre_vote_reply;
		m->ballot = p->promised;
		m->members = p->members.slot;
		m->sequence = peer->pre_vote_ballot;
		m->flags = peer->pre_vote_granted ? PEER_GRANTED : 0;
	}
	if (peer->due_prepare) {
		peer->due_prepare = false;
		struct wire_prepare *m = &add_send(p, to, METHOD_PREPARE)->prepare;
		m->ballot = p->ballot;
		m->members = p->prepare_members;
		m->slot = peer->promise_next;
		if (p->lease_over != 0) {
			m->flags = PEER_LEASE_OVER;
			m->sequence = p->lease_over;
		}
	}
	if (peer->due_promise)
		send_promise(p, to, now_us);
	if (peer->due_reject) {
		peer->due_reject = false;
		struct wire_reject *m = &add_send(p, to, METHOD_REJECT)->reject;
		m->ballot = p->promised;
		m->members = p->members.slot;
		/* M8 */
		if (!is_listed(p, to) && members_has_removed(p, peer->replica) &&
		    members_in_force(p))
			m->flags = PEER_REMOVED;
	}
	if (p->seam.role == CONSENSUS_LEADER)
		send_accepts(p, to, now_us);
	if (peer->due_accepted)
		send_accepted(p, to, now_us);
	if (peer->due_fetch) {
		bool blindly = peer->due_fetch == FETCH_BLINDLY;
		peer->due_fetch = 0;
		if (p->catch_up.known > p->chosen || blindly) {
			if (!apply_stalls(p))
				add_send(p, to, METHOD_FETCH)->fetch.slot = p->chosen + 1;
			if (!blindly)
				p->catch_up.retry_us = now_us + 2 * p->options.heartbeat_us;
		}
	}
	if (peer->due_chosen)
		send_chosen(p, to);
	if (peer->due_take_over) {
		peer->due_take_over = false;
		add_send(p, to, METHOD_TAKE_OVER)->head.ballot = p->ballot;
	}
}

const struct consensus_output *paxos_output(struct paxos *p, uint64_t now_us)
{
	assert_sound(p);
	p->sends.count = p->reads.count = p->old.count = 0;
	arena_reset(&p->arena);
	bool behind = is_behind_wall(p), anew = behind && leader_wall_is_chosen(p);
	if (p->seam.role == CONSENSUS_LEADER && !behind) {
		leader_hand_over(p);
		leader_confirm_reads(p, now_us);
	}
	/* The last word in this ballot: the members are chosen. */
	if (anew)
		leader_heartbeat(p, now_us);
	FOR_SET (i, p->others)
		send_to_peer(p, i, now_us);
	if (anew)
		leader_prepare_anew(p, now_us);
	/*
	 * What is chosen rides along with other records, or is written alone when things are quiet.
	 */
	if (p->chosen > p->chosen_hint && (p->persists.collecting.count > 0 || p->hint_due)) {
		struct consensus_persist *hint = persists_add(&p->persists,
							      CONSENSUS_PERSIST_CHOSEN);
		hint->slot = p->chosen_hint = p->chosen;
		/* Should what is before it be damaged, it says what that cannot hold. */
		if (p->impaired.count == 0 && !p->learner) {
			hint->ballot = p->promised;
			hint->last = p->ring.last > p->chosen ? p->ring.last : p->chosen;
		}
	}
	p->hint_due = false;
	persists_take(&p->persists);
	p->output = (struct consensus_output){
		.npersists = p->persists.out.count,
		.persists = p->persists.out.items,
		.nsends = p->sends.count,
		.sends = p->sends.items,
		.nreads = p->reads.count,
		.reads = p->reads.items,
		.nold = p->old.count,
		.old = p->old.items,
		.need_snapshot = p->catch_up.need_snapshot,
		.snapshot_from = p->catch_up.snapshot_from,
		.snapshot_slot = p->catch_up.snapshot_slot,
		.removed = p->removed,
	};
	return &p->output;
}

bool paxos_next_chosen(struct paxos *p, struct consensus_chosen *out)
{
	if (p->delivered >= p->chosen)
		return false;
	const struct ring_slot *s = ring_get(&p->ring, p->delivered + 1);
	ASSERT(s != NULL && s->ballot <= p->promised);
	p->delivered++;
	*out = (struct consensus_chosen){
		.slot = p->delivered, .ballot = s->ballot, .value = s->value};
	return true;
}
