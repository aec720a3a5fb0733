/* The leader's side of the second phase: proposing, counting, reads, handing over. */
#include "paxos/internal.h"
#include "paxos/judge.h"

void leader_start(struct paxos *p, uint64_t now_us)
{
	ASSERT(p->seam.role == CONSENSUS_CANDIDATE && p->ballot == p->promised);
	become(p, CONSENSUS_LEADER);
	p->leader = p->options.self;
	p->learn_chosen = p->chosen;
	p->learn_until_us = now_us + 2 * p->options.election_timeout_us;
	p->next_slot = p->own_first = p->prepare_chosen + 1;
	p->self_acked = p->prepare_chosen;
	p->open_bytes = 0;
	rounds_restart(&p->rounds);
	reads_forget(&p->waiting);
	p->transfer.to = p->transfer.relieved_by = 0;
	p->wall = 0;
	p->leaving = false;
	p->former = 0;
	p->lease_given_up = false;
	for (uint32_t i = 0; i < p->npeers; i++) {
		struct paxos_peer *peer = &p->peers[i];
		peer->next = p->next_slot;
		peer->matched = 0;
		peer->received = p->prepare_chosen; /* until it says otherwise */
		peer->sent_bytes = 0;
		peer->probe_round = 0;
		/* Strangers are sent nothing. */
		peer->acked_us = is_listed(p, i) ? now_us : 0;
		peer->answered = peer->unfit = peer->full = peer->learner = false;
		vouch_begin(peer);
	}
}

void leader_heartbeat(struct paxos *p, uint64_t now_us)
{
	rounds_begin(&p->rounds, now_us);
	p->heartbeat_at_us = now_us + p->options.heartbeat_us;
	p->rounds.watched = 0;
	FOR_SET (i, (p->listed | p->former) & p->others)
		p->peers[i].due_heartbeat = true;
}

uint64_t paxos_ask_all(struct paxos *p, uint64_t now_us)
{
	ASSERT(p->seam.role == CONSENSUS_LEADER);
	leader_heartbeat(p, now_us);
	return p->rounds.newest;
}

uint64_t confirmed_round(const struct paxos *p, bool leased)
{
	if (is_behind_wall(p))
		return 0;
	return rounds_confirmed(&p->rounds, p->voters, p->nvoters, p->self, leased);
}

bool peer_alive(const struct paxos *p, uint32_t peer, uint64_t now_us)
{
	return p->peers[peer].acked_us + 2 * p->options.election_timeout_us > now_us;
}

synod_set know_more(const struct paxos *p)
{
	synod_set more = 0;
	for (uint32_t i = 0; i < p->npeers; i++)
		if (i != p->self && p->peers[i].says_chosen > p->chosen)
			more |= member_bit(i);
	return more;
}

/*
 * A promise said that slots before our own are chosen, we miss them, and nobody tells us: whoever
 * knew is gone, or has lost its state. We did not ask the others what they had accepted there, so
 * the slots can only be closed by another election, whose quorum has them. All who said so would be
 * the first to promise again, having the least to report: at that election the others must do
 * without them.
 */
static bool cannot_learn(struct paxos *p, uint64_t now_us)
{
	if (p->chosen + 1 >= p->own_first)
		return false;
	if (p->chosen > p->learn_chosen) {
		p->learn_chosen = p->chosen;
		p->learn_until_us = now_us + 2 * p->options.election_timeout_us;
	}
	return now_us >= p->learn_until_us;
}

static uint64_t watched_until_us(const struct paxos *p, uint64_t now_us)
{
	return now_us + p->options.heartbeat_us / READ_PATIENCE;
}

static bool may_succeed(const struct paxos *p, uint32_t peer, uint64_t now_us)
{
	return peer != p->self && is_voter(p, peer) && peer_alive(p, peer, now_us) &&
	       !p->peers[peer].unfit && !p->peers[peer].learner;
}

/* Leaving: those of the new list that hold everything are asked in turn. */
static void ask_successor(struct paxos *p, uint64_t now_us)
{
	for (uint32_t k = 1; k <= p->npeers; k++) {
		uint32_t i = (p->left_to + k) % p->npeers;
		if (!may_succeed(p, i, now_us) || p->peers[i].matched < p->wall)
			continue;
		p->peers[i].due_take_over = true;
		p->left_to = i;
		return;
	}
}

/*
 * At every heartbeat, whoever reads meanwhile: a successor that does not answer, or slots that
 * nobody can tell, would otherwise block the group.
 */
void leader_tick(struct paxos *p, uint64_t now_us)
{
	synod_set heard = member_bit(p->self);
	for (uint32_t i = 0; i < p->npeers; i++)
		if (i != p->self && peer_alive(p, i, now_us) && !p->peers[i].learner)
			heard |= member_bit(i);
	/*
	 * Check-quorum (Ongaro, section 6.2): a leader that cannot reach a quorum makes room, and
	 * stops promising its clients anything.
	 */
	if (!is_quorum(p, p->next_slot, heard)) {
		become_follower(p, now_us, 0);
		return;
	}
	if (cannot_learn(p, now_us)) {
		p->unhelpful = p->disregarded | know_more(p);
		become_follower(p, now_us, 0);
		return;
	}
	transfer_tick(&p->transfer, now_us);
	if (now_us >= p->heartbeat_at_us) {
		/*
		 * TAKE_OVER may be lost, or come to a successor that is too young to take anything
		 * over.
		 */
		p->transfer.sent = false;
		leader_heartbeat(p, now_us);
		p->hint_due = true;
		if (p->leaving)
			ask_successor(p, now_us);
	} else if (p->rounds.watched != 0 && now_us >= p->rounds.watched_until_us) {
		if (rounds_lose_patience(&p->rounds, confirmed_round(p, false),
					 watched_until_us(p, now_us)))
			leader_heartbeat(p, now_us);
	}
}

/* ---- proposing and counting (Lamport, section 2.2: phase 2) ---- */

/* At most so many slots ahead of what is chosen: Lamport's alpha (section 3). */
bool paxos_can_propose(const struct paxos *p)
{
	return p->seam.role == CONSENSUS_LEADER && p->transfer.to == 0 && p->wall == 0 &&
	       p->next_slot - p->chosen <= OPEN_SLOTS_MAX && p->open_bytes < OPEN_BYTES_MAX &&
	       p->next_slot < SLOT_MAX - OPEN_SLOTS_MAX;
}

uint64_t paxos_propose(struct paxos *p, struct bytes *value_take)
{
	ASSERT(paxos_can_propose(p));
	uint64_t slot = p->next_slot++;
	p->open_bytes += value_take == NULL ? 0 : value_take->len;
	/* M4: nothing is proposed behind it before it is chosen, and no lease holds any more. */
	if (members_would_change(p, value_take)) {
		p->wall = slot;
		p->lease_given_up = true;
	}
	/* Behind what was taken over; in this ballot nobody has proposed anything there. */
	ASSERT(slot > p->barrier && p->ballot == p->promised);
	accept_entry(p, slot, p->ballot, value_take);
	return slot;
}

/* Member `index` holds this entry durably, in our ballot. */
static void count_ack(struct paxos *p, uint64_t slot, uint32_t index)
{
	struct ring_slot *s = ring_get(&p->ring, slot);
	if (s == NULL || s->ballot != p->ballot)
		return;
	ASSERT(slot < p->next_slot);
	s->acks |= member_bit(index);
	/* Chosen: a majority has accepted one proposal (Lamport, section 2.2). */
	if (is_quorum(p, slot, s->acks))
		s->chosen = true;
}

/* Entries have left before; it counts itself when they are durable (Ongaro, section 10.2.1). */
void leader_persisted(struct paxos *p)
{
	while (p->self_acked + 1 < p->next_slot) {
		uint64_t slot = p->self_acked + 1;
		const struct ring_slot *s = ring_get(&p->ring, slot);
		if (s != NULL && !slot_durable(p, s))
			break;
		if (slot > p->chosen)
			count_ack(p, slot, p->self);
		p->self_acked = slot;
	}
	ASSERT(p->self_acked < p->next_slot);
	advance_chosen(p);
}

/*
 * A snapshot has carried the chosen prefix to `slot`. In our ballot nobody knows of our own slots
 * that they are chosen before we do, so if it covers some of them a later ballot has chosen them,
 * perhaps with other values, and somebody else leads. To go on and say "chosen" would make
 * followers that hold our values take them for the chosen ones.
 */
void leader_skip_to(struct paxos *p, uint64_t now_us, uint64_t slot)
{
	if (slot >= p->own_first)
		become_follower(p, now_us, 0);
}

/*
 * What an Accepted says of the peer's log; moves `next` back if something that was sent has been
 * lost.
 */
static void update_progress(struct paxos *p, struct paxos_peer *peer, const struct wire_accepted *m)
{
	uint64_t matched = m->chosen;
	if (m->nranges > 0 && m->ranges[0].first <= matched + 1 && m->ranges[0].last > matched)
		matched = m->ranges[0].last;
	if (matched > peer->matched)
		peer->matched = matched;
	peer->received = m->slot;
	if (peer->received + 1 >= peer->next)
		peer->sent_bytes = 0;
	if (peer->probe_round == 0 || m->sequence < peer->probe_round)
		return;
	peer->probe_round = 0;
	/*
	 * A peer that lags behind what is chosen fetches by itself; sending it the open slots again
	 * would not help.
	 */
	if (m->slot < peer->probe_slot && m->slot >= p->chosen) {
		peer->next = m->slot + 1;
		/*
		 * One message; the rest when that has arrived: the peer may be unable to take
		 * anything, with a full disk say.
		 */
		peer->sent_bytes = OPEN_BYTES_MAX - 1;
	}
}

/* What its sender holds counts: it has a vote. */
static void count_accepted(struct paxos *p, uint32_t from, const struct wire_accepted *m)
{
	ASSERT(p->seam.role == CONSENSUS_LEADER && m->ballot == p->ballot);
	rounds_count(&p->rounds, from, m->sequence, (m->flags & PEER_LEASED) != 0);
	for (uint32_t i = 0; i < m->nranges; i++) {
		uint64_t first = m->ranges[i].first > p->chosen ? m->ranges[i].first
								: p->chosen + 1;
		uint64_t last = m->ranges[i].last < p->next_slot ? m->ranges[i].last
								 : p->next_slot - 1;
		for (uint64_t slot = first; slot <= last; slot++)
			count_ack(p, slot, from);
	}
}

void receive_accepted(struct paxos *p, uint64_t now_us, uint32_t from,
		      const struct wire_accepted *m)
{
	if (p->seam.role != CONSENSUS_LEADER || m->ballot != p->ballot)
		return;
	struct paxos_peer *peer = &p->peers[from];
	peer->acked_us = now_us;
	peer->answered = true;
	rounds_hear(&p->rounds, from, m->sequence);
	peer->unfit = (m->flags & PEER_UNFIT) != 0;
	peer->full = (m->flags & PEER_FULL) != 0;
	/*
	 * Where no lives are bound, for good in this ballot: a message of its earlier life may come
	 * late. Otherwise that is told apart, and who has just been bound may not know it yet.
	 */
	peer->learner = (peer->learner && p->members.slot == 0) || (m->flags & PEER_LEARNER) != 0;
	if (!peer->learner)
		count_accepted(p, from, m);
	if (m->stamp != 0)
		peer->stamp_heard = m->stamp;
	update_progress(p, peer, m);
	advance_chosen(p);
	note_chosen(p, from, m->chosen);
}

/* ---- reads (Ongaro, section 6.4; by lease: 6.4.1) ---- */

uint64_t paxos_read_slot(const struct paxos *p)
{
	ASSERT(p->seam.role == CONSENSUS_LEADER);
	/*
	 * Everything acknowledged by earlier leaders is at or below the barrier, everything by us
	 * is chosen.
	 */
	return p->chosen > p->barrier ? p->chosen : p->barrier;
}

uint32_t paxos_quorum_others(const struct paxos *p)
{
	return is_behind_wall(p) ? UINT32_MAX : p->nvoters / 2 + !is_voter(p, p->self);
}

bool paxos_read(struct paxos *p, uint64_t id)
{
	if (p->seam.role != CONSENSUS_LEADER)
		return false;
	/* Only a round that starts after the read arrived proves that we still led then (6.4). */
	reads_add(&p->waiting, id, paxos_read_slot(p), p->rounds.newest + 1);
	return true;
}

/* Should be asked before the other: it has a vote, or was heard later. */
static bool asked_before(const struct paxos_peer *a, const struct paxos_peer *b)
{
	return a->learner != b->learner ? b->learner : a->acked_us > b->acked_us;
}

/* The peer that was heard last, of those that are not in the set; learners after all others. */
static uint32_t heard_last(const struct paxos *p, synod_set without)
{
	uint32_t best = UINT32_MAX;
	for (uint32_t i = 0; i < p->npeers; i++)
		if (is_voter(p, i) && (without & member_bit(i)) == 0 &&
		    (best == UINT32_MAX || asked_before(&p->peers[i], &p->peers[best])))
			best = i;
	return best;
}

/*
 * A heartbeat for just a quorum: those that were heard last are most likely to answer now, and
 * nobody else need wake up for a read. If one of them does not answer, all are asked a little
 * later.
 */
static void read_round(struct paxos *p, uint64_t now_us)
{
	rounds_begin(&p->rounds, now_us);
	synod_set asked = member_bit(p->self);
	while (!is_quorum(p, p->next_slot, asked)) {
		uint32_t next = heard_last(p, asked);
		p->peers[next].due_heartbeat = true;
		asked |= member_bit(next);
	}
	if (p->rounds.watched == 0)
		rounds_watch(&p->rounds, watched_until_us(p, now_us));
}

/*
 * Starts a round if reads wait for one and not too many are under way: those that come meanwhile
 * share the next.
 */
static void start_read_round(struct paxos *p, uint64_t now_us)
{
	if (reads_last_round(&p->waiting) > p->rounds.newest &&
	    p->rounds.newest - confirmed_round(p, false) < READ_ROUNDS_MAX)
		read_round(p, now_us);
}

bool paxos_lease_holds(const struct paxos *p)
{
	uint64_t began_us;
	if (p->seam.role != CONSENSUS_LEADER || p->options.lease_us == 0 || p->lease_given_up ||
	    !rounds_began(&p->rounds, confirmed_round(p, true), &began_us))
		return false;
	return p->options.clock_us(p->options.context) <
	       began_us + lease_usable_us(p->options.lease_us);
}

void leader_confirm_reads(struct paxos *p, uint64_t now_us)
{
	if (!reads_wait(&p->waiting))
		return;
	/*
	 * A lease that holds now, when all of them have been received, stands for a round that
	 * would begin now.
	 */
	uint64_t confirmed = UINT64_MAX;
	if (!paxos_lease_holds(p)) {
		start_read_round(p, now_us);
		confirmed = confirmed_round(p, false);
	}
	reads_confirm(&p->waiting, confirmed, &p->reads);
}

/* ---- behind the wall ---- */

/*
 * A leader that has been removed can promise nothing, nor count for anything (M2; Ongaro, section
 * 4.2.2, lets it lead on without counting itself): one of those who stay prepares in its place, and
 * is asked to do so at once. Until somebody does, what they miss up to the wall can be had here.
 */
static void leave(struct paxos *p, uint64_t now_us)
{
	ASSERT(!is_voter(p, p->self) && !p->leaving);
	p->leaving = true;
	p->left_to = p->self;
	p->transfer.to = 0;
	ask_successor(p, now_us);
}

void leader_prepare_anew(struct paxos *p, uint64_t now_us)
{
	uint64_t before = p->ballot;
	ASSERT(leader_wall_is_chosen(p));
	if (!is_voter(p, p->self)) {
		leave(p, now_us);
		return;
	}
	become_follower(p, now_us, 0);
	if (p->learner || !p->electable || paxos_rounds_are_used_up(p))
		return;
	start_prepare(p, now_us);
	/* Whoever has granted us a lease need not wait for its end. */
	p->lease_over = before;
}

/* ---- handing over (Ongaro, section 3.10) ---- */

/*
 * A successor that has just been restarted promises nothing for an election timeout, not even to
 * itself.
 */
static bool begin_transfer(struct paxos *p, uint64_t now_us, const struct successor *successor)
{
	if (successor == NULL)
		return false;
	ASSERT(successor->replica != p->options.self);
	transfer_begin(&p->transfer, successor->replica,
		       now_us + 2 * p->options.election_timeout_us);
	return true;
}

bool paxos_transfer(struct paxos *p, uint64_t now_us, uint32_t replica)
{
	struct successor list[PEERS_MAX];
	uint32_t count = 0;
	if (p->seam.role != CONSENSUS_LEADER || p->transfer.to != 0)
		return false;
	for (uint32_t i = 0; i < p->npeers; i++) {
		const struct paxos_peer *peer = &p->peers[i];
		if (may_succeed(p, i, now_us) && (replica == 0 || peer->replica == replica))
			list[count++] = (struct successor){peer->replica, peer->matched};
	}
	return begin_transfer(p, now_us, transfer_choose(list, count));
}

bool paxos_relieve(struct paxos *p, uint64_t now_us)
{
	struct successor list[PEERS_MAX];
	uint32_t count = 0;
	synod_set fit = 0;
	if (p->seam.role != CONSENSUS_LEADER || p->transfer.to != 0)
		return false;
	for (uint32_t i = 0; i < p->npeers; i++) {
		const struct paxos_peer *peer = &p->peers[i];
		/* Of whom nothing is known in this ballot it is not known that he is better. */
		if (!may_succeed(p, i, now_us) || !peer->answered)
			continue;
		fit |= member_bit(i);
		list[count++] = (struct successor){peer->replica, peer->matched};
	}
	if (!is_quorum(p, p->next_slot, fit))
		return false;
	const struct successor *best = transfer_choose_relief(&p->transfer, list, count, p->chosen);
	bool begun = begin_transfer(p, now_us, best);
	ASSERT(begun);
	p->transfer.relieved_by = best->replica;
	return true;
}

bool paxos_lacks_space(const struct paxos *p, uint64_t now_us)
{
	if (p->seam.role != CONSENSUS_LEADER)
		return false;
	synod_set fit = p->willing ? member_bit(p->self) : 0;
	bool some = !p->willing;
	FOR_SET (i, p->voters & p->others) {
		const struct paxos_peer *peer = &p->peers[i];
		if (peer->learner || !peer_alive(p, i, now_us))
			continue;
		some |= peer->full;
		if (!peer->full)
			fit |= member_bit(i);
	}
	return some && !is_quorum(p, p->next_slot, fit);
}

bool paxos_transferring(const struct paxos *p)
{
	return p->transfer.to != 0;
}

/*
 * The successor is asked when it has everything, and everything is chosen: it then needs nothing
 * from us any more.
 */
void leader_hand_over(struct paxos *p)
{
	if (p->transfer.to == 0 || p->transfer.sent || p->chosen + 1 < p->next_slot)
		return;
	for (uint32_t i = 0; i < p->npeers; i++) {
		struct paxos_peer *peer = &p->peers[i];
		if (peer->replica == p->transfer.to && peer->matched + 1 >= p->next_slot)
			peer->due_take_over = p->transfer.sent = p->lease_given_up = true;
	}
}
