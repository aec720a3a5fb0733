/* The core as a whole: creation, recovery, what comes in, what time does. */
#include <stdlib.h>

#include "base/alloc.h"
#include "paxos/internal.h"
#include "paxos/judge.h"

#define OUTPUT_ARENA_BYTES (4u * MIB)

struct paxos *paxos_create(const struct consensus_options *options, uint64_t base_slot)
{
	ASSERT(options->nmembers > 0 && options->nmembers <= MEMBERS_MAX);
	ASSERT(options->heartbeat_us > 0 && options->heartbeat_us < options->election_timeout_us);
	ASSERT(options->lease_us == 0 ||
	       (options->lease_us <= options->election_timeout_us && options->clock_us != NULL));
	struct paxos *p = ALLOC(struct paxos);
	p->seam.ops = &paxos_consensus;
	p->options = *options;
	if (p->options.message_bytes == 0 || p->options.message_bytes > MESSAGE_ENTRY_BYTES)
		p->options.message_bytes = MESSAGE_ENTRY_BYTES;
	members_begin(p);
	p->members_unknown = options->joining;
	ASSERT(base_slot <= SLOT_MAX);
	p->electable = p->willing = true;
	vouch_init(p);
	persists_init(&p->persists);
	ring_init(&p->ring, base_slot + 1);
	ring_init(&p->recovered, 1);
	ring_init(&p->early, base_slot + 1);
	p->chosen = p->delivered = p->applied = p->chosen_hint = p->catch_up.known = base_slot;
	arena_init(&p->arena, OUTPUT_ARENA_BYTES);
	return p;
}

void paxos_destroy(struct paxos *p)
{
	if (p == NULL)
		return;
	persists_free(&p->persists);
	ring_free(&p->ring);
	ring_free(&p->recovered);
	ring_free(&p->early);
	reads_free(&p->waiting);
	free(p->sends.items);
	free(p->reads.items);
	free(p->old.items);
	arena_free(&p->arena);
	free(p);
}

void paxos_restore_promise(struct paxos *p, uint64_t ballot)
{
	if (ballot > p->promised)
		p->promised = p->promise_ballot = ballot;
}

void paxos_restore_entry(struct paxos *p, uint64_t slot, uint64_t ballot, struct slice value)
{
	/* Accepting in a ballot implies having promised it. */
	paxos_restore_promise(p, ballot);
	if (slot < p->ring.first)
		return;
	struct ring_slot *present = ring_get(&p->ring, slot);
	if (present != NULL && present->ballot > ballot)
		return;
	ring_put(&p->ring, slot, ballot, value.len == 0 ? NULL : bytes_copy(value));
}

void paxos_restore_members(struct paxos *p, const struct consensus_members *members)
{
	members_adopt(p, members);
}

void paxos_forget_members(struct paxos *p)
{
	p->members = (struct consensus_members){0};
	p->members_unknown = true;
	members_set_learner(p);
}

void paxos_restore_chosen(struct paxos *p, uint64_t slot)
{
	const struct ring_slot *s;
	while (p->chosen < slot && (s = ring_get(&p->ring, p->chosen + 1)) != NULL &&
	       !impaired_has(&p->impaired, p->chosen + 1)) {
		p->chosen++;
		members_chosen(p, p->chosen, s);
	}
	p->chosen_hint = p->chosen;
	if (slot > p->catch_up.known)
		p->catch_up.known = slot;
	ASSERT(p->delivered <= p->chosen && p->chosen <= p->catch_up.known);
}

void paxos_restore_cut(struct paxos *p, uint64_t slot, uint64_t ballot)
{
	ring_forget_above(&p->ring, slot, ballot);
}

void paxos_start(struct paxos *p, uint64_t now_us)
{
	ASSERT(p->seam.role == CONSENSUS_FOLLOWER && p->ballot == 0);
	p->round_seen = ballot_round(p->promised);
	if (p->voters != member_bit(p->self))
		lease_restarted(&p->lease, now_us + p->options.election_timeout_us);
	/* Whoever was alone, or is alone now, need not wait for a leader that cannot exist. */
	members_set_learner(p);
	if (p->voters == member_bit(p->self))
		p->timer.at_us = now_us;
	else
		draw_election_timeout(p, now_us);
}

void paxos_set_electable(struct paxos *p, bool electable)
{
	p->electable = electable;
}

void paxos_set_willing(struct paxos *p, bool willing)
{
	p->willing = willing;
}

void paxos_resign(struct paxos *p, uint64_t now_us)
{
	if (p->seam.role != CONSENSUS_FOLLOWER)
		become_follower(p, now_us, 0);
}

void paxos_stop_voting(struct paxos *p, uint64_t now_us)
{
	p->lost = true;
	members_set_learner(p);
	if (p->learner && p->seam.role != CONSENSUS_FOLLOWER)
		become_follower(p, now_us, 0);
}

/*
 * It has no vote any more: another disk is bound in its place, or it is no member any more, say. A
 * leader that has removed itself hands over first.
 */
static void stand_back(struct paxos *p, uint64_t now_us)
{
	if (p->learner && p->seam.role != CONSENSUS_FOLLOWER && !p->leaving &&
	    !leader_wall_is_chosen(p))
		become_follower(p, now_us, 0);
}

bool paxos_votes(const struct paxos *p)
{
	return !p->learner;
}

void paxos_hold_vote(struct paxos *p, bool held)
{
	p->held = held;
}

bool paxos_is_held(const struct paxos *p)
{
	return p->held;
}

void paxos_lose_vote(struct paxos *p, uint64_t now_us, uint64_t life)
{
	paxos_forget_promise(p, life);
	stand_back(p, now_us);
}

uint64_t paxos_durable_promise(const struct paxos *p)
{
	return p->promise_persist <= p->persists.durable ? p->promise_ballot : 0;
}

uint64_t paxos_durable_slot(const struct paxos *p)
{
	for (uint64_t slot = p->ring.last; slot >= p->ring.first && slot > 0; slot--) {
		const struct ring_slot *s = ring_get(&p->ring, slot);
		if (s != NULL && slot_durable(p, s))
			return slot;
	}
	return 0;
}

uint64_t paxos_slots_end(const struct paxos *p)
{
	uint64_t end = p->ring.last > p->chosen ? p->ring.last : p->chosen;
	for (uint32_t i = 0; i < p->impaired.count; i++)
		if (p->impaired.ranges[i].last > end)
			end = p->impaired.ranges[i].last;
	return end;
}

void paxos_persisted(struct paxos *p, uint64_t now_us, uint64_t sequence)
{
	if (!persists_are_durable(&p->persists, sequence))
		return;
	assert_sound(p);
	if (p->seam.role == CONSENSUS_CANDIDATE)
		candidate_own_promise(p, now_us);
	else if (p->seam.role == CONSENSUS_LEADER)
		leader_persisted(p);
	else if (p->accepted_since_ack && p->leader != 0) {
		for (uint32_t i = 0; i < p->npeers; i++)
			if (p->peers[i].replica == p->leader)
				p->peers[i].due_accepted = true;
	}
}

/*
 * Somebody goes by a list in which we are not, though our number has been given. That stays so:
 * numbers are never given again. What we hold is not needed, or it would not say so.
 */
static void hear_removed(struct paxos *p, const struct wire_reject *m)
{
	if (m->members > p->members.slot || members_has_removed(p, p->options.self))
		p->removed = true;
}

static void receive_reject(struct paxos *p, uint64_t now_us, uint32_t from,
			   const struct wire_reject *m)
{
	note_chosen(p, from, m->chosen);
	/*
	 * Or other members count. Who says so need not be able to tell who they are, if its
	 * disk has lost it: if we have not learnt it by the next election, those that know
	 * no more than we do hold it once without it.
	 */
	if (m->members > p->members.slot &&
	    (p->seam.role == CONSENSUS_LEADER || p->seam.role == CONSENSUS_CANDIDATE) &&
	    (p->disregarded & member_bit(from)) == 0) {
		p->unhelpful |= member_bit(from);
		become_follower(p, now_us, 0);
	}
	/* Somebody promised a higher ballot: ours is over. */
	if (m->ballot > p->ballot &&
	    (p->seam.role == CONSENSUS_LEADER || p->seam.role == CONSENSUS_CANDIDATE))
		become_follower(p, now_us, 0);
}

static void receive(struct paxos *p, uint64_t now_us, enum method method,
		    const union peer_message *message)
{
	const struct wire_peer *head = &message->head;
	uint32_t from = peer_index(p, head->from);
	union peer_message copy;
	const union peer_message *m = message;
	ASSERT(from != UINT32_MAX && from != p->self);
	p->peers[from].heard_us = now_us;
	if (head->chosen > p->peers[from].says_chosen)
		p->peers[from].says_chosen = head->chosen;
	if (ballot_round(head->ballot) > p->round_seen)
		p->round_seen = ballot_round(head->ballot);
	if (method == METHOD_REJECT && (m->reject.flags & PEER_REMOVED) != 0)
		hear_removed(p, &m->reject);
	if (!members_count(p, from, head)) {
		copy = *message;
		if (!members_admit(p, from, method, &copy))
			return;
		m = &copy;
	}
	switch (method) {
	case METHOD_PRE_VOTE: receive_pre_vote(p, now_us, from, &m->pre_vote); break;
	case METHOD_PRE_VOTE_REPLY:
		receive_pre_vote_reply(p, now_us, from, &m->pre_vote_reply);
		break;
	case METHOD_PREPARE:
		if (m->prepare.ballot > p->promised && p->seam.role != CONSENSUS_FOLLOWER)
			become_follower(p, now_us, 0);
		receive_prepare(p, now_us, from, &m->prepare);
		break;
	case METHOD_PROMISE: receive_promise(p, now_us, from, &m->promise); break;
	case METHOD_ACCEPT: receive_accept(p, now_us, from, &m->accept); break;
	case METHOD_ACCEPTED: receive_accepted(p, now_us, from, &m->accepted); break;
	case METHOD_REJECT: receive_reject(p, now_us, from, &m->reject); break;
	case METHOD_FETCH: receive_fetch(p, from, &m->fetch); break;
	case METHOD_CHOSEN: receive_chosen(p, now_us, from, &m->chosen); break;
	case METHOD_TAKE_OVER: receive_take_over(p, now_us, from, &m->take_over); break;
	default: break;
	}
}

void paxos_receive(struct paxos *p, uint64_t now_us, enum method method,
		   const union peer_message *message)
{
	uint64_t promised = p->promised, chosen = p->chosen;
	receive(p, now_us, method, message);
	stand_back(p, now_us);
	/* Whatever others say: neither ever falls. */
	ASSERT(p->promised >= promised && p->chosen >= chosen);
}

void paxos_tick(struct paxos *p, uint64_t now_us)
{
	learner_tick(p, now_us);
	switch (p->seam.role) {
	case CONSENSUS_LEADER: leader_tick(p, now_us); break;
	case CONSENSUS_CANDIDATE:
	case CONSENSUS_PRE_CANDIDATE:
	case CONSENSUS_FOLLOWER:
		if (now_us < p->timer.at_us)
			candidate_retry(p, now_us);
		else if (p->promise_persist > p->persists.durable)
			/*
			 * A slow disk still writes down the last promise. Another ballot would only
			 * queue behind it, and so on for ever: the election that it belongs to gets
			 * its chance first.
			 */
			draw_election_timeout(p, now_us);
		else
			start_pre_vote(p, now_us);
		break;
	}
}

uint64_t paxos_deadline_us(const struct paxos *p)
{
	uint64_t at = p->seam.role == CONSENSUS_LEADER ? p->heartbeat_at_us : p->timer.at_us;
	if (p->seam.role == CONSENSUS_LEADER && p->rounds.watched != 0 &&
	    p->rounds.watched_until_us < at)
		at = p->rounds.watched_until_us;
	if (p->seam.role == CONSENSUS_CANDIDATE && p->prepare_sent && p->retry_at_us < at)
		at = p->retry_at_us;
	if (p->catch_up.retry_us != 0 && p->catch_up.retry_us < at)
		at = p->catch_up.retry_us;
	return at;
}

void paxos_applied(struct paxos *p, uint64_t slot)
{
	ASSERT(slot <= p->delivered);
	if (slot > p->applied)
		p->applied = slot;
	if (p->fresh_next.slot != 0)
		vouch_applied(p);
	uint64_t first = p->ring.first;
	uint64_t bytes = p->ring.bytes;
	while (bytes > p->options.cache_bytes && first <= p->applied) {
		const struct ring_slot *s = ring_get(&p->ring, first);
		bytes -= s == NULL ? 0 : ring_value_bytes(s);
		first++;
	}
	/* Slots of empty entries cost no bytes but a ring place each. */
	if (p->applied > FOLLOWER_SPAN_MAX && first < p->applied - FOLLOWER_SPAN_MAX)
		first = p->applied - FOLLOWER_SPAN_MAX;
	ring_drop_below(&p->ring, first);
}

void paxos_install_snapshot(struct paxos *p, uint64_t now_us, uint64_t slot,
			    const struct consensus_members *members)
{
	catch_up_installed(&p->catch_up, slot);
	if (slot > p->delivered) {
		p->delivered = p->applied = slot;
		ring_drop_below(&p->ring, slot + 1);
	}
	if (slot > p->chosen) {
		p->chosen = slot;
		members_adopt(p, members);
		stand_back(p, now_us);
		if (p->seam.role == CONSENSUS_LEADER)
			leader_skip_to(p, now_us, slot);
	}
	if (p->members_unknown)
		members_learn_from(p, slot, members);
	impaired_drop_below(&p->impaired, p->chosen + 1);
	advance_chosen(p);
	/* What was known already to be chosen behind it may have removed us. */
	stand_back(p, now_us);
	ASSERT(p->chosen >= slot && p->delivered >= slot);
}

void paxos_abandon_snapshot(struct paxos *p, uint64_t now_us, uint32_t silent)
{
	uint32_t index = peer_index(p, silent);
	if (index != UINT32_MAX)
		p->peers[index].silent_until_us = now_us +
						  SILENT_TIMEOUTS * p->options.election_timeout_us;
	p->catch_up.need_snapshot = false;
	if (p->catch_up.heard)
		note_chosen(p, p->catch_up.known_from, p->catch_up.known);
}

bool paxos_rounds_are_used_up(const struct paxos *p)
{
	return p->round_seen >= BALLOT_ROUND_MAX;
}

enum consensus_role paxos_role(const struct paxos *p)
{
	return p->seam.role;
}
uint64_t paxos_epoch(const struct paxos *p)
{
	return p->promised;
}
uint32_t paxos_leader(const struct paxos *p)
{
	return p->leader;
}
uint64_t paxos_chosen_slot(const struct paxos *p)
{
	return p->chosen;
}
uint64_t paxos_known_chosen(const struct paxos *p)
{
	return p->catch_up.known > p->chosen ? p->catch_up.known : p->chosen;
}
uint64_t paxos_last_slot(const struct paxos *p)
{
	return p->ring.last;
}
bool paxos_accepted(const struct paxos *p, uint64_t slot, struct bytes **value)
{
	const struct ring_slot *s = ring_get(&p->ring, slot);
	if (s == NULL)
		return false;
	*value = s->value;
	return true;
}

uint64_t paxos_barrier(const struct paxos *p)
{
	return p->barrier;
}

bool paxos_has_leader(const struct paxos *p, uint64_t now_us)
{
	if (p->seam.role == CONSENSUS_LEADER)
		return true;
	return p->leader != 0 && election_timer_heard(&p->timer, &p->options, now_us);
}

uint32_t paxos_peers(const struct paxos *p)
{
	return p->npeers;
}

uint32_t paxos_peer_number(const struct paxos *p, uint32_t i)
{
	return i < p->npeers ? p->peers[i].replica : 0;
}

bool paxos_peer_is_listed(const struct paxos *p, uint32_t i)
{
	return is_listed(p, i);
}

bool paxos_peer_is_voter(const struct paxos *p, uint32_t i)
{
	return is_voter(p, i);
}

void paxos_peer(const struct paxos *p, uint32_t i, uint64_t now_us, uint64_t *matched,
		uint64_t *heard_ago_us)
{
	ASSERT(i < p->npeers);
	if (i == p->self) {
		*matched = p->self_acked > p->chosen ? p->self_acked : p->chosen;
		*heard_ago_us = 0;
		return;
	}
	*matched = p->peers[i].matched;
	*heard_ago_us = now_us - p->peers[i].heard_us;
}

bool paxos_peer_has_answered(const struct paxos *p, uint32_t i)
{
	ASSERT(i < p->npeers);
	return p->peers[i].answered;
}

bool paxos_peer_has_answered_round(const struct paxos *p, uint32_t i, uint64_t round)
{
	ASSERT(i < p->npeers);
	return i == p->self || p->rounds.answers[i].heard >= round;
}

void paxos_peer_is_another(struct paxos *p, uint32_t i)
{
	ASSERT(i < p->npeers);
	p->peers[i].matched = p->rounds.answers[i].heard = 0;
	p->peers[i].answered = false;
}

bool paxos_peer_is_learner(const struct paxos *p, uint32_t i)
{
	ASSERT(i < p->npeers);
	return p->peers[i].learner;
}
