/* Who leads: pre-vote, Prepare, and taking over what earlier ballots left open. */
#include "paxos/internal.h"
#include "paxos/judge.h"

void draw_election_timeout(struct paxos *p, uint64_t now_us)
{
	election_timer_draw(&p->timer, &p->options, now_us);
}

void become_follower(struct paxos *p, uint64_t now_us, uint32_t leader)
{
	if (p->seam.role == CONSENSUS_LEADER)
		vouch_deposed(p);
	if (p->seam.role != CONSENSUS_FOLLOWER) {
		ring_drop_below(&p->recovered, p->recovered.last + 1);
		reads_forget(&p->waiting);
		p->transfer.to = 0;
		for (uint32_t i = 0; i < p->npeers; i++) {
			struct paxos_peer *peer = &p->peers[i];
			peer->due_pre_vote = peer->due_prepare = peer->due_heartbeat =
				peer->due_take_over = false;
		}
		p->leaving = false;
		p->former = 0;
		become(p, CONSENSUS_FOLLOWER);
		p->ballot = 0;
	}
	/* Who follows has no ballot of its own, and hands nothing over. */
	ASSERT(p->ballot == 0 && p->transfer.to == 0);
	p->leader = leader;
	draw_election_timeout(p, now_us);
}

/* A valid message of the leader in the promised ballot. */
void follow(struct paxos *p, uint64_t now_us, uint32_t from)
{
	become_follower(p, now_us, p->peers[from].replica);
	p->timer.heard_us = now_us;
}

void paxos_peer_lost(struct paxos *p, uint64_t now_us, uint32_t replica)
{
	if (p->seam.role != CONSENSUS_FOLLOWER || p->leader == 0 || p->leader != replica)
		return;
	election_timer_lost(&p->timer, &p->options, now_us);
}

/* ---- pre-vote (Ongaro, section 9.6) ---- */

/*
 * A replica that cannot stand, and that nobody may know any more, asks everybody whom it knows, one
 * after the other.
 */
static void ask_around(struct paxos *p)
{
	uint32_t ask = catch_up_turn(&p->catch_up, p->npeers, p->others);
	if (ask != CATCH_UP_NOBODY)
		p->peers[ask].due_fetch = FETCH_BLINDLY;
}

void start_pre_vote(struct paxos *p, uint64_t now_us)
{
	if (now_us < lease_own_promise_us(&p->lease)) {
		p->timer.at_us = lease_own_promise_us(&p->lease);
		return;
	}
	become_follower(p, now_us, 0);
	/*
	 * It does not stand, and so nobody need ever tell it of his own accord what has become of
	 * it.
	 */
	if (p->learner)
		ask_around(p);
	if (!p->electable || p->learner || p->held || paxos_rounds_are_used_up(p))
		return;
	become(p, CONSENSUS_PRE_CANDIDATE);
	p->votes = member_bit(p->self);
	p->ballot = ballot_make_bound(p->round_seen + 1, members_own_binding(p), p->options.self);
	ASSERT(p->ballot > p->promised);
	if (is_quorum(p, p->chosen + 1, p->votes)) {
		start_prepare(p, now_us);
		return;
	}
	for (uint32_t i = 0; i < p->npeers; i++)
		if (i != p->self && is_voter(p, i))
			p->peers[i].due_pre_vote = true;
}

void receive_pre_vote(struct paxos *p, uint64_t now_us, uint32_t from,
		      const struct wire_pre_vote *m)
{
	struct paxos_peer *peer = &p->peers[from];
	note_chosen(p, from, m->chosen);
	bool recent = m->chosen + PRE_VOTE_LAG_MAX >= p->chosen;
	/*
	 * An election that got our promise is under way: let it end, or slow disks would start one
	 * after the other.
	 */
	bool engaged = p->promise_persist > p->persists.durable ||
		       (ballot_replica(p->promised) != peer->replica &&
			now_us < p->promise_sent_us + p->options.election_timeout_us);
	/*
	 * Whoever hears a leader helps nobody to depose it (Ongaro, section 4.2.3), nor while it
	 * has promised that in a lease (section 6.4.1).
	 */
	peer->due_pre_vote_reply = true;
	peer->pre_vote_ballot = m->ballot;
	peer->pre_vote_granted = !p->learner && recent && m->members >= p->members.slot &&
				 !engaged && m->ballot > p->promised &&
				 !paxos_has_leader(p, now_us) && !lease_granted(&p->lease, now_us);
	ASSERT(!peer->pre_vote_granted || p->seam.role != CONSENSUS_LEADER);
	/* The one who knows more stands soon, instead of waiting for its own timeout to run out. */
	if (!recent && p->seam.role == CONSENSUS_FOLLOWER && !paxos_has_leader(p, now_us))
		election_timer_soon(&p->timer, &p->options, now_us);
}

void receive_pre_vote_reply(struct paxos *p, uint64_t now_us, uint32_t from,
			    const struct wire_pre_vote_reply *m)
{
	/*
	 * Refused for being behind: what is missing can be had there, while the voter itself may be
	 * unable to stand.
	 */
	note_chosen(p, from, m->chosen);
	if (p->seam.role != CONSENSUS_PRE_CANDIDATE || m->sequence != p->ballot ||
	    (m->flags & PEER_GRANTED) == 0)
		return;
	p->votes |= member_bit(from);
	if (is_quorum(p, p->chosen + 1, p->votes))
		start_prepare(p, now_us);
}

bool paxos_awaits_birth(const struct paxos *p, uint32_t *missing)
{
	*missing = 0;
	if (p->options.life == 0 || p->members.slot != 0 || p->chosen != 0 ||
	    p->catch_up.known != 0 || p->ring.last != 0)
		return false;
	for (uint32_t i = 0; i < p->npeers; i++)
		if (i != p->self && is_voter(p, i) && p->peers[i].heard_us == 0)
			*missing |= member_bit(i);
	return *missing != 0;
}

/* ---- Prepare (Lamport, section 2.2: phase 1; section 3: for all slots at once) ---- */

void start_prepare(struct paxos *p, uint64_t now_us)
{
	/* Since the pre-vote began, say. */
	if (p->learner || paxos_rounds_are_used_up(p)) {
		become_follower(p, now_us, 0);
		return;
	}
	become(p, CONSENSUS_CANDIDATE);
	p->leader = 0;
	/*
	 * Higher than every one that it has used or seen, and nobody else's (Lamport, section 2.5;
	 * M6); the Prepare leaves when that is durable (candidate_own_promise()).
	 */
	p->ballot = ballot_make_bound(p->round_seen + 1, members_own_binding(p), p->options.self);
	p->round_seen++;
	promise(p, p->ballot);
	p->votes = 0;
	p->prepare_sent = false;
	p->prepared_us = now_us;
	p->lease_over = 0;
	p->prepare_members = p->members.slot;
	p->wall = 0;
	p->prepare_chosen = p->chosen;
	p->prepare_chosen_from = p->self;
	/*
	 * Once: if the others are not there, those that know of chosen slots are better than none.
	 */
	p->disregarded = p->unhelpful & know_more(p);
	if (!is_quorum(p, p->chosen + 1, ~p->disregarded))
		p->disregarded = 0;
	p->unhelpful = 0;
	ring_drop_below(&p->recovered, p->recovered.last + 1);
	ring_free(&p->recovered);
	ring_init(&p->recovered, p->chosen + 1);
	for (uint32_t i = 0; i < p->npeers; i++) {
		p->peers[i].promise_next = p->chosen + 1;
		p->peers[i].promise_done = p->peers[i].promise_begun = false;
	}
	ASSERT(p->ballot == p->promised && ballot_replica(p->ballot) == p->options.self);
	draw_election_timeout(p, now_us);
}

/* Keeps the value of the highest ballot for a slot (Lamport, section 2.2: P2c). */
static void recover(struct paxos *p, uint64_t slot, uint64_t ballot, struct bytes *value_take,
		    bool chosen)
{
	const struct ring_slot *best = ring_get(&p->recovered, slot);
	if (slot < p->recovered.first) {
		bytes_unref(value_take);
		return;
	}
	/* What is known to be chosen is the value of every later ballot as well. */
	chosen = chosen || (best != NULL && best->chosen);
	if (best == NULL || best->ballot < ballot)
		ring_put(&p->recovered, slot, ballot, value_take);
	else
		bytes_unref(value_take);
	ring_get(&p->recovered, slot)->chosen = chosen;
}

/*
 * Far behind what a promise calls chosen: between it and us there would be no more than a gap, in
 * memory as well. Others know more, and stand.
 */
static bool lags_too_far(const struct paxos *p)
{
	return p->prepare_chosen > p->chosen + PROMISE_SPAN_MAX;
}

static void become_leader(struct paxos *p, uint64_t now_us)
{
	ASSERT(p->seam.role == CONSENSUS_CANDIDATE && is_quorum(p, p->chosen + 1, p->votes));
	if (lags_too_far(p)) {
		note_chosen(p, p->prepare_chosen_from, p->prepare_chosen);
		become_follower(p, now_us, 0);
		return;
	}
	if (p->prepare_chosen > p->chosen)
		note_chosen(p, p->prepare_chosen_from, p->prepare_chosen);
	else
		p->prepare_chosen = p->chosen;
	/* A leader that has been removed keeps its clients until it hears that another one leads. */
	FOR_SET (i, p->former & p->others)
		p->peers[i].due_reject = true;
	leader_start(p, now_us);
	/*
	 * Slots up to prepare_chosen are chosen; what is open after them is proposed again in our
	 * ballot, with no-ops where no promise reported anything (Lamport, section 3). If nothing
	 * is open, one no-op stands for our ballot: when that is chosen, so is all that was
	 * acknowledged before (Ongaro, section 6.4, step 1).
	 */
	uint64_t last = p->recovered.last > p->prepare_chosen ? p->recovered.last
							      : p->prepare_chosen;
	do {
		const struct ring_slot *best = ring_get(&p->recovered, p->next_slot);
		struct bytes *value = best == NULL || best->value == NULL ? NULL
									  : bytes_ref(best->value);
		p->open_bytes += value == NULL ? 0 : value->len;
		/*
		 * A slot may be known as chosen, from a CHOSEN message, though slots before it are
		 * missing.
		 */
		const struct ring_slot *own = ring_get(&p->ring, p->next_slot);
		bool chosen = own != NULL && own->chosen;
		if (members_would_change(p, value))
			p->wall = p->next_slot;
		accept_entry(p, p->next_slot, p->ballot, value);
		ring_get(&p->ring, p->next_slot)->chosen = chosen;
		p->next_slot++;
	} while (p->next_slot <= last && p->wall == 0);
	p->lease_given_up = p->wall != 0;
	p->barrier = p->next_slot - 1;
	p->found_last = last > p->barrier ? last : p->barrier;
	ASSERT(p->own_first <= p->barrier && p->barrier < p->next_slot);
	impaired_drop_from(&p->impaired, p->found_last + 1);
	ring_drop_below(&p->recovered, p->recovered.last + 1);
	leader_heartbeat(p, now_us);
}

/* Nobody who has promised has anything: perhaps there has never been anything (M7). */
static bool is_birth(const struct paxos *p)
{
	return p->options.life != 0 && p->members.slot == 0 && p->prepare_chosen == 0 &&
	       p->chosen == 0 && p->recovered.last < p->recovered.first;
}

static void promise_complete(struct paxos *p, uint64_t now_us, uint32_t member)
{
	ASSERT(p->seam.role == CONSENSUS_CANDIDATE && p->prepare_sent);
	p->peers[member].promise_done = true;
	p->votes |= member_bit(member);
	if (is_birth(p) && (p->votes & p->voters) != p->voters)
		return;
	if (p->members.slot == p->prepare_members && is_quorum(p, p->chosen + 1, p->votes) &&
	    !impaired_undecided(p))
		become_leader(p, now_us);
}

/* The own promise is durable: now the Prepare may leave, and the own report counts. */
void candidate_own_promise(struct paxos *p, uint64_t now_us)
{
	if (p->prepare_sent || p->promise_persist > p->persists.durable)
		return;
	ASSERT(p->promised == p->ballot);
	p->prepare_sent = true;
	p->peers[p->self].impaired = p->impaired;
	for (uint64_t slot = p->chosen + 1; slot <= p->ring.last; slot++) {
		const struct ring_slot *s = ring_get(&p->ring, slot);
		if (s != NULL)
			recover(p, slot, s->ballot, s->value == NULL ? NULL : bytes_ref(s->value),
				s->chosen);
	}
	p->retry_at_us = now_us + p->options.heartbeat_us;
	/* The others' disks may need as long for their promises as ours has for this one. */
	draw_election_timeout(p, now_us);
	p->timer.at_us += 2 * (now_us - p->prepared_us);
	for (uint32_t i = 0; i < p->npeers; i++)
		if (i != p->self && is_voter(p, i))
			p->peers[i].due_prepare = true;
	promise_complete(p, now_us, p->self);
}

void candidate_retry(struct paxos *p, uint64_t now_us)
{
	if (p->seam.role != CONSENSUS_CANDIDATE || !p->prepare_sent || now_us < p->retry_at_us)
		return;
	p->retry_at_us = now_us + p->options.heartbeat_us;
	for (uint32_t i = 0; i < p->npeers; i++)
		if (i != p->self && is_voter(p, i) && !p->peers[i].promise_done)
			p->peers[i].due_prepare = true;
}

void receive_promise(struct paxos *p, uint64_t now_us, uint32_t from, const struct wire_promise *m)
{
	struct paxos_peer *peer = &p->peers[from];
	if (p->seam.role != CONSENSUS_CANDIDATE || m->ballot != p->ballot || !p->prepare_sent ||
	    peer->promise_done || m->slot != peer->promise_next ||
	    (p->disregarded & member_bit(from)) != 0 || m->members != p->prepare_members ||
	    p->members.slot != p->prepare_members)
		return;
	if (m->chosen > p->prepare_chosen) {
		p->prepare_chosen = m->chosen;
		p->prepare_chosen_from = from;
		/* What is chosen need not be proposed again. */
		ring_drop_below(&p->recovered, m->chosen + 1);
	}
	impaired_hear(peer, m);
	uint64_t last = m->slot;
	for (uint32_t i = 0; i < m->nentries; i++) {
		const struct wire_entry *e = &m->entries[i];
		ASSERT(e->ballot < p->ballot);
		recover(p, e->slot, e->ballot, e->value.len == 0 ? NULL : bytes_copy(e->value),
			impaired_knows(m, e->slot));
		last = e->slot;
	}
	if ((m->flags & PEER_MORE) != 0) {
		peer->promise_next = last + 1;
		peer->due_prepare = true;
		/* Each part is progress: do not give up in the middle of a long report. */
		draw_election_timeout(p, now_us);
		return;
	}
	promise_complete(p, now_us, from);
}

void receive_take_over(struct paxos *p, uint64_t now_us, uint32_t from,
		       const struct wire_take_over *m)
{
	if (m->ballot != p->promised || p->leader != p->peers[from].replica)
		return;
	/*
	 * With what the leader knew, so that nothing has to be asked of it when it is perhaps gone;
	 * and by which we may have a vote.
	 */
	leader_says_chosen(p, &m->head);
	/* At once, without asking whether it may (Ongaro, section 3.10: TimeoutNow). */
	if (!p->electable || p->learner || !lease_taken_over(&p->lease, now_us, m->ballot))
		return;
	become_follower(p, now_us, 0);
	start_prepare(p, now_us);
	if (p->seam.role == CONSENSUS_CANDIDATE)
		p->lease_over = m->ballot;
}
