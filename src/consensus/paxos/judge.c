/* The rules stand in judge.h. */
#include "paxos/judge.h"

#include "paxos/internal.h"

/* Heartbeats and their answers are the most: what they do not need is kept out of their way. */
#define OF_ITS_OWN __attribute__((noinline))

static const char impossible_ballot[] = "ballot: its round is 0, or beyond every possible one";
static const char not_senders[] = "ballot: it is not the sender's to use";
static const char not_ours[] = "ballot: it is not one of this replica's";
static const char contradiction[] =
	"entries: another value than the one that is here, where there can be only one";

static bool round_is_possible(const struct paxos *p, uint64_t ballot)
{
	uint64_t round = ballot_round(ballot);
	if (round - 1 < BALLOT_ROUND_FREE)
		return true;
	/* Of the first version (core/ballot.h). */
	if (round == 0)
		return ballot_binding(ballot) != 0;
	uint64_t known = p->round_seen > BALLOT_ROUND_FREE ? p->round_seen : BALLOT_ROUND_FREE;
	return round > 0 && round <= BALLOT_ROUND_MAX && round <= known + BALLOT_ROUND_STEP;
}

/*
 * Members come and go: a ballot may be of anybody who was one, or will be, in a list that is not
 * known here.
 */
static bool is_members(const struct paxos *p, uint64_t ballot)
{
	return ballot_replica(ballot) != 0 && round_is_possible(p, ballot);
}

static const char *judge_senders_ballot(const struct paxos *p, const struct wire_peer *m)
{
	if (ballot_replica(m->ballot) != m->from)
		return not_senders;
	return round_is_possible(p, m->ballot) ? NULL : impossible_ballot;
}

static const char *judge_our_ballot(const struct paxos *p, const struct wire_peer *m)
{
	if (ballot_replica(m->ballot) != p->options.self)
		return not_ours;
	return round_is_possible(p, m->ballot) ? NULL : impossible_ballot;
}

static const char *judge_members(const struct wire_peer *m, uint64_t members)
{
	return members > m->chosen ? "members: of a slot that is not chosen" : NULL;
}

static bool has_other_value(const struct ring_slot *present, const struct wire_entry *entry)
{
	return !slice_equal(ring_value(present), entry->value);
}

/* ---- elections ---- */

static OF_ITS_OWN const char *judge_pre_vote_reply(const struct paxos *p,
						   const struct wire_pre_vote_reply *m)
{
	const char *why = judge_members(&m->head, m->members);
	if (why != NULL)
		return why;
	if (m->ballot != 0 && !is_members(p, m->ballot))
		return "ballot: no member can have promised it";
	if (ballot_replica(m->sequence) != p->options.self || !round_is_possible(p, m->sequence))
		return "sequence: not a ballot that this replica can have asked about";
	return (m->flags & ~(uint32_t)PEER_GRANTED) != 0 ? "flags" : NULL;
}

static OF_ITS_OWN const char *judge_prepare(const struct paxos *p, const struct wire_prepare *m)
{
	const char *why = judge_members(&m->head, m->members);
	if (why == NULL)
		why = judge_senders_ballot(p, &m->head);
	if (why != NULL)
		return why;
	if (m->slot == 0 || m->slot > SLOT_MAX)
		return "slot: beyond every possible one";
	if ((m->flags & ~(uint32_t)PEER_LEASE_OVER) != 0)
		return "flags";
	if ((m->flags & PEER_LEASE_OVER) != 0 &&
	    (m->sequence >= m->ballot || !is_members(p, m->sequence)))
		return "sequence: not the ballot of a leader before";
	return NULL;
}

static OF_ITS_OWN const char *judge_promise(const struct paxos *p, const struct wire_promise *m)
{
	const char *why = judge_members(&m->head, m->members);
	if (why == NULL)
		why = judge_our_ballot(p, &m->head);
	if (why != NULL)
		return why;
	if (m->slot == 0 || m->slot > SLOT_MAX)
		return "slot: beyond every possible one";
	if ((m->flags & ~(uint32_t)PEER_MORE) != 0 ||
	    ((m->flags & PEER_MORE) != 0 && m->nentries == 0))
		return "flags";
	why = impaired_judge(m);
	if (why != NULL)
		return why;
	if (m->nentries > OPEN_SLOTS_MAX)
		return "entries: too many";
	/* Late, a promise may report what was accepted from us as the leader. */
	bool candidate = p->seam.role == CONSENSUS_CANDIDATE && m->ballot == p->ballot;
	uint64_t ballot_max = candidate ? m->ballot - 1 : m->ballot;
	uint64_t next = m->slot > m->chosen ? m->slot : m->chosen + 1;
	uint64_t last = (m->chosen > p->chosen ? m->chosen : p->chosen) + PROMISE_SPAN_MAX;
	for (uint32_t i = 0; i < m->nentries; i++) {
		const struct wire_entry *e = &m->entries[i];
		if (e->slot < next || e->slot > last || e->slot > SLOT_MAX)
			return "entries.slot: out of order, or too far ahead";
		if (e->ballot > ballot_max || !is_members(p, e->ballot))
			return "entries.ballot: nothing can have been accepted in it";
		next = e->slot + 1;
	}
	return NULL;
}

static OF_ITS_OWN const char *judge_reject(const struct paxos *p, const struct wire_reject *m)
{
	/*
	 * Who has only just got a snapshot has promised nothing yet, and may know who is removed.
	 */
	const char *why = judge_members(&m->head, m->members);
	bool none = m->ballot == 0 && (m->flags & PEER_REMOVED) != 0;
	if (why != NULL)
		return why;
	if (!none && !is_members(p, m->ballot))
		return "ballot: no member can have promised it";
	if ((m->flags & ~(uint32_t)PEER_REMOVED) != 0)
		return "flags";
	return (m->flags & PEER_REMOVED) != 0 && m->members == 0 ? "flags: removed by no list"
								 : NULL;
}

/* ---- the second phase ---- */

static OF_ITS_OWN const char *judge_accept_entries(const struct paxos *p,
						   const struct wire_accept *m)
{
	if (m->nentries > OPEN_SLOTS_MAX)
		return "entries: too many";
	uint64_t first = m->entries[0].slot;
	if (first == 0 || first > SLOT_MAX - OPEN_SLOTS_MAX)
		return "entries.slot: beyond every possible one";
	for (uint32_t i = 0; i < m->nentries; i++) {
		const struct wire_entry *e = &m->entries[i];
		if (e->slot != first + i)
			return "entries.slot: not consecutive";
		if (e->ballot != 0)
			return "entries.ballot: an Accept's entries have its own";
		/* In an older ballot it will be rejected, whatever it says. */
		const struct ring_slot *present = e->slot > p->chosen && m->ballot >= p->promised
							  ? ring_get(&p->ring, e->slot)
							  : NULL;
		/* One value a slot and ballot, and the chosen one in every later ballot. */
		if (present != NULL && (present->ballot == m->ballot || present->chosen) &&
		    has_other_value(present, e))
			return contradiction;
	}
	return NULL;
}

static const char *judge_accept(const struct paxos *p, const struct wire_accept *m)
{
	const char *why = judge_senders_ballot(p, &m->head);
	if (why != NULL)
		return why;
	if (m->sequence > CONSENSUS_SEQUENCE_MAX)
		return "sequence: beyond every possible one";
	if (m->slot > SLOT_MAX)
		return "slot: beyond every possible one";
	if (m->lease_us > LEASE_POSSIBLE_US)
		return "lease_us: longer than any lease";
	if (m->vouched > CONSENSUS_SEQUENCE_MAX)
		return "vouched: beyond every possible stamp";
	return m->nentries == 0 ? NULL : judge_accept_entries(p, m);
}

static OF_ITS_OWN const char *judge_ranges(const struct wire_accepted *m, uint64_t end)
{
	if (m->nranges > RANGES_MAX)
		return "ranges: too many";
	uint64_t next = m->chosen + 1;
	for (uint32_t i = 0; i < m->nranges; i++) {
		const struct wire_range *range = &m->ranges[i];
		if (range->first < next || range->last < range->first || range->last >= end)
			return "ranges: out of order, or of slots that were not sent";
		next = range->last + 2;
	}
	return NULL;
}

static const char *judge_accepted(const struct paxos *p, const struct wire_accepted *m)
{
	const char *why = judge_our_ballot(p, &m->head);
	if (why != NULL)
		return why;
	if ((m->flags & ~(uint32_t)(PEER_LEASED | PEER_UNFIT | PEER_LEARNER | PEER_FULL)) != 0)
		return "flags";
	if ((m->flags & PEER_LEARNER) != 0 && (m->flags & PEER_LEASED) != 0)
		return "flags: a learner grants no lease";
	bool leads = p->seam.role == CONSENSUS_LEADER && m->ballot == p->ballot;
	uint64_t end = leads ? p->next_slot : SLOT_MAX + 1;
	if (m->sequence > (leads ? p->rounds.newest : CONSENSUS_SEQUENCE_MAX))
		return "sequence: a heartbeat round that has not begun";
	if (m->stamp > CONSENSUS_SEQUENCE_MAX)
		return "stamp: beyond every possible one";
	if (m->slot < m->chosen || (m->slot > m->chosen && m->slot >= end))
		return "slot: received, but not sent";
	return m->nranges == 0 ? NULL : judge_ranges(m, end);
}

/* ---- learning ---- */

static const char *judge_chosen_entry(const struct paxos *p, const struct wire_entry *e)
{
	if (!is_members(p, e->ballot))
		return "entries.ballot: no member can have used it";
	/* As a candidate we have not sent anything in our ballot that could have been accepted. */
	if (p->seam.role == CONSENSUS_CANDIDATE && e->ballot == p->ballot)
		return "entries.ballot: this replica's, which does not lead in it yet";
	if (e->slot <= p->chosen)
		return NULL;
	/*
	 * What was chosen in an earlier ballot was reported to us by the promises; but for what
	 * stands behind a list of members: others may have chosen that by it, and whose promises
	 * they needed we do not know yet.
	 */
	if (p->seam.role == CONSENSUS_LEADER && p->wall == 0 && e->slot >= p->next_slot &&
	    e->ballot <= p->ballot)
		return "entries.slot: chosen, but not proposed by this leader";
	/* Whatever was accepted in this or a later ballot is the chosen value. */
	const struct ring_slot *present = ring_get(&p->ring, e->slot);
	return present != NULL && present->ballot >= e->ballot && has_other_value(present, e)
		       ? contradiction
		       : NULL;
}

static const char *judge_fetch(const struct wire_fetch *m)
{
	if (m->ballot != 0)
		return "ballot: a Fetch has none";
	return m->slot == m->chosen + 1 ? NULL : "slot: not the one after what is chosen";
}

static OF_ITS_OWN const char *judge_chosen(const struct paxos *p, const struct wire_chosen *m)
{
	if (m->ballot != 0)
		return "ballot: the entries have their own";
	if ((m->flags & ~(uint32_t)PEER_SNAPSHOT) != 0)
		return "flags";
	if (m->slot == 0 || m->slot > SLOT_MAX)
		return "slot: beyond every possible one";
	if ((m->flags & PEER_SNAPSHOT) != 0)
		return m->slot > m->chosen ? "slot: a snapshot of what is not chosen" : NULL;
	if (m->nentries > OPEN_SLOTS_MAX)
		return "entries: too many";
	for (uint32_t i = 0; i < m->nentries; i++) {
		const struct wire_entry *e = &m->entries[i];
		if (e->slot != m->slot + i || e->slot > m->chosen)
			return "entries.slot: not consecutive, or not chosen";
		const char *why = judge_chosen_entry(p, e);
		if (why != NULL)
			return why;
	}
	return NULL;
}

static OF_ITS_OWN const char *judge_pre_vote(const struct paxos *p, const struct wire_pre_vote *m)
{
	const char *why = judge_members(&m->head, m->members);
	return why != NULL ? why : judge_senders_ballot(p, &m->head);
}

const char *paxos_judge(const struct paxos *p, enum method method, const union peer_message *m)
{
	if (m->head.chosen > SLOT_MAX)
		return "chosen: beyond every possible slot";
	switch (method) {
	case METHOD_ACCEPT: return judge_accept(p, &m->accept);
	case METHOD_ACCEPTED: return judge_accepted(p, &m->accepted);
	case METHOD_PRE_VOTE: return judge_pre_vote(p, &m->pre_vote);
	case METHOD_TAKE_OVER: return judge_senders_ballot(p, &m->head);
	case METHOD_PRE_VOTE_REPLY: return judge_pre_vote_reply(p, &m->pre_vote_reply);
	case METHOD_PREPARE: return judge_prepare(p, &m->prepare);
	case METHOD_PROMISE: return judge_promise(p, &m->promise);
	case METHOD_REJECT: return judge_reject(p, &m->reject);
	case METHOD_FETCH: return judge_fetch(&m->fetch);
	case METHOD_CHOSEN: return judge_chosen(p, &m->chosen);
	default: return "method: not one of replicas";
	}
}
