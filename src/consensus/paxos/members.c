/* Whose words count. The rules stand in members.h. */
#include "paxos/internal.h"

static const struct consensus_binding *binding_of(const struct paxos *p, uint32_t replica)
{
	for (uint32_t i = 0; i < p->members.count; i++)
		if (p->members.list[i].replica == replica)
			return &p->members.list[i];
	return NULL;
}

/* True: what it says of its promises and its log counts. */
static bool counts(const struct paxos *p, uint32_t replica, uint64_t life)
{
	if (p->members.slot == 0)
		return true;
	const struct consensus_binding *binding = binding_of(p, replica);
	return binding != NULL && binding->role == MEMBER_VOTER && binding->life == life;
}

void members_set_learner(struct paxos *p)
{
	bool bound = p->members.slot == 0 ? !p->lost : counts(p, p->options.self, p->options.life);
	p->learner = p->voteless || p->members_unknown || !bound;
	for (uint32_t i = 0; p->learner && i < p->npeers; i++) {
		struct paxos_peer *peer = &p->peers[i];
		peer->due_promise = peer->pre_vote_granted = false;
		peer->lease_round = 0;
	}
}

uint32_t members_own_binding(const struct paxos *p)
{
	const struct consensus_binding *own = binding_of(p, p->options.self);
	return own == NULL ? 0 : own->binding;
}

/* ---- seats ---- */

uint32_t peer_index(const struct paxos *p, uint32_t replica)
{
	for (uint32_t i = 0; i < p->npeers; i++)
		if (p->peers[i].replica == replica && replica != 0)
			return i;
	return UINT32_MAX;
}

/* A free seat, or that of the stranger who was silent for longest. */
static uint32_t seat(struct paxos *p, uint32_t replica)
{
	uint32_t best = UINT32_MAX;
	for (uint32_t i = 0; i < PEERS_MAX; i++) {
		if (i == p->self || is_listed(p, i))
			continue;
		if (best == UINT32_MAX ||
		    (p->peers[best].replica != 0 &&
		     (p->peers[i].replica == 0 || p->peers[i].heard_us < p->peers[best].heard_us)))
			best = i;
	}
	ASSERT(best != UINT32_MAX);
	ASSERT(best != p->self && !is_listed(p, best));
	p->peers[best] = (struct paxos_peer){.replica = replica};
	rounds_forget_seat(&p->rounds, best);
	p->former &= ~member_bit(best);
	p->others |= member_bit(best);
	if (best >= p->npeers)
		p->npeers = best + 1;
	return best;
}

static void count_voters(struct paxos *p, synod_set voters)
{
	p->voters = voters;
	p->nvoters = synod_count(voters);
}

void members_begin(struct paxos *p)
{
	p->self = p->options.nmembers;
	p->npeers = p->options.nmembers;
	for (uint32_t i = 0; i < p->npeers; i++) {
		p->peers[i].replica = p->options.members[i];
		if (p->options.members[i] == p->options.self)
			p->self = i;
	}
	ASSERT(p->self < p->npeers);
	p->listed = (1u << p->npeers) - 1u;
	p->others = p->listed & ~member_bit(p->self);
	count_voters(p, p->listed);
}

/* Who counts from now on. Whose seat it is changes for nobody who stays. */
static void seat_members(struct paxos *p)
{
	synod_set before = p->listed, voters = 0;
	p->listed = 0;
	for (uint32_t i = 0; i < p->members.count; i++) {
		uint32_t index = peer_index(p, p->members.list[i].replica);
		if (index != UINT32_MAX)
			p->listed |= member_bit(index);
	}
	p->former = before & ~p->listed & ~member_bit(p->self);
	for (uint32_t i = 0; i < p->members.count; i++) {
		const struct consensus_binding *b = &p->members.list[i];
		uint32_t index = peer_index(p, b->replica);
		if (index == UINT32_MAX)
			index = seat(p, b->replica);
		p->listed |= member_bit(index);
		p->peers[index].life = b->life;
		if (b->role == MEMBER_VOTER)
			voters |= member_bit(index);
	}
	count_voters(p, voters);
	/* Who counts is sent everything; and who does not belong any more is neither. */
	ASSERT((p->voters & ~p->listed) == 0 && (p->former & p->listed) == 0);
}

bool members_has_removed(const struct paxos *p, uint32_t replica)
{
	return p->members.slot != 0 && replica < p->members.next_number &&
	       binding_of(p, replica) == NULL;
}

uint32_t paxos_stranger(struct paxos *p, uint32_t replica)
{
	uint32_t index = peer_index(p, replica);
	return index != UINT32_MAX ? index : seat(p, replica);
}

void members_adopt(struct paxos *p, const struct consensus_members *members)
{
	if (members == NULL || (members->slot <= p->members.slot && !p->members_unknown))
		return;
	/* A group that has added us has a list. */
	if (members->slot == 0 && p->options.joining)
		return;
	synod_set before = p->voters;
	p->members = *members;
	p->members_unknown = false;
	if (members->slot != 0)
		seat_members(p);
	members_set_learner(p);
	/* What others have granted or promised us was for who counted then. */
	if (p->voters != before &&
	    (p->seam.role == CONSENSUS_PRE_CANDIDATE || p->seam.role == CONSENSUS_CANDIDATE))
		p->votes = 0;
}

static bool changed_by(const struct paxos *p, const struct bytes *value,
		       struct consensus_members *out)
{
	return p->options.members_of != NULL && p->options.members_of(bytes_slice(value), out) &&
	       out->base == p->members.slot && out->generation >= p->members.generation;
}

bool members_changed_by(const struct paxos *p, const struct bytes *value)
{
	struct consensus_members members;
	return changed_by(p, value, &members);
}

bool members_adopt_entry(struct paxos *p, uint64_t slot, const struct bytes *value)
{
	struct consensus_members members;
	if (!changed_by(p, value, &members))
		return false;
	/* M5: by the chosen prefix, and one after the other (changed_by()). */
	ASSERT(slot <= p->chosen && slot > p->members.slot);
	members.slot = slot;
	members_adopt(p, &members);
	if (p->options.adopted != NULL)
		p->options.adopted(p->options.context, slot, bytes_slice(value));
	return true;
}

/*
 * The snapshot at `slot` says what they were there; the entries behind it, which are not delivered
 * yet, what has become of them.
 */
void members_learn_from(struct paxos *p, uint64_t slot, const struct consensus_members *members)
{
	members_adopt(p, members);
	for (uint64_t s = slot + 1; s <= p->chosen; s++) {
		const struct ring_slot *present = ring_get(&p->ring, s);
		if (present != NULL)
			members_chosen(p, s, present);
	}
}

/* What a stranger says: facts, of which it does not matter who states them, and what is asked. */
static bool admit_stranger(struct paxos *p, uint32_t from, enum method method,
			   const struct wire_peer *m)
{
	struct paxos_peer *peer = &p->peers[from];
	switch (method) {
	case METHOD_FETCH:
		/* It may have been removed without having heard of it. */
		peer->due_reject = members_has_removed(p, peer->replica) && members_in_force(p);
		return true;
	case METHOD_CHOSEN: return true;
	case METHOD_REJECT: note_chosen(p, from, m->chosen); return false;
	case METHOD_TAKE_OVER:
		/*
		 * A leader's last message, in the ballot that we have promised: it has removed
		 * itself.
		 */
		return members_has_removed(p, peer->replica);
	case METHOD_ACCEPTED:
		/*
		 * Of one whom the list that we have proposed has removed: it may say how far it has
		 * come, no more.
		 */
		return false;
	default:
		peer->due_reject = members_has_removed(p, peer->replica) && members_in_force(p);
		note_chosen(p, from, m->chosen);
		return false;
	}
}

void paxos_discount(const struct paxos *p, union peer_message *m)
{
	(void)p;
	m->accepted.flags = (m->accepted.flags | PEER_LEARNER) & ~(uint32_t)PEER_LEASED;
}

bool members_admit(struct paxos *p, uint32_t from, enum method method, union peer_message *m)
{
	if (__builtin_expect(!is_listed(p, from), 0))
		return admit_stranger(p, from, method, &m->head);
	switch (method) {
	case METHOD_ACCEPTED: paxos_discount(p, m); return true;
	case METHOD_FETCH:
	case METHOD_CHOSEN: return true;
	case METHOD_PRE_VOTE:
	case METHOD_PRE_VOTE_REPLY:
	case METHOD_PREPARE:
	case METHOD_PROMISE:
	case METHOD_ACCEPT:
	case METHOD_REJECT:
		/* It may be bound by an entry that we do not know yet. */
		note_chosen(p, from, m->head.chosen);
		return false;
	default: return false;
	}
}

const struct consensus_members *paxos_members(const struct paxos *p)
{
	return &p->members;
}
