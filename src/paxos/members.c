/* Whose words count. The rules stand in members.h. */
#include "paxos/internal.h"

static const struct paxos_binding *binding_of(const struct paxos *p, uint32_t replica)
{
	for (uint32_t i = 0; i < p->members.count; i++)
		if (p->members.list[i].replica == replica)
			return &p->members.list[i];
	return NULL;
}

static bool is_bound(const struct paxos *p, uint32_t replica, uint64_t life)
{
	if (p->members.slot == 0)
		return true;
	const struct paxos_binding *binding = binding_of(p, replica);
	return binding != NULL && binding->life == life;
}

void members_set_learner(struct paxos *p)
{
	bool counts = p->members.slot == 0 ? !p->lost : is_bound(p, p->options.self, p->options.life);
	p->learner = p->voteless || p->members_unknown || !counts;
	for (uint32_t i = 0; p->learner && i < member_count(p); i++) {
		struct paxos_peer *peer = &p->peers[i];
		peer->due_promise = peer->pre_vote_granted = false;
		peer->lease_round = 0;
	}
}

uint32_t members_own_binding(const struct paxos *p)
{
	const struct paxos_binding *own = binding_of(p, p->options.self);
	return own == NULL ? 0 : own->binding;
}

void members_adopt(struct paxos *p, const struct paxos_members *members)
{
	if (members == NULL || (members->slot <= p->members.slot && !p->members_unknown))
		return;
	p->members = *members;
	p->members_unknown = false;
	members_set_learner(p);
}

static bool changed_by(const struct paxos *p, const struct bytes *value, struct paxos_members *out)
{
	return p->options.members_of != NULL && p->options.members_of(bytes_slice(value), out) && out->base == p->members.slot;
}

bool members_changed_by(const struct paxos *p, const struct bytes *value)
{
	struct paxos_members members;
	return changed_by(p, value, &members);
}

bool members_adopt_entry(struct paxos *p, uint64_t slot, const struct bytes *value)
{
	struct paxos_members members;
	if (!changed_by(p, value, &members))
		return false;
	members.slot = slot;
	members_adopt(p, &members);
	return true;
}

/* The snapshot at `slot` says what they were there; the entries behind it, which are not delivered yet, what has become of them. */
void members_learn_from(struct paxos *p, uint64_t slot, const struct paxos_members *members)
{
	members_adopt(p, members);
	for (uint64_t s = slot + 1; s <= p->chosen; s++) {
		const struct ring_slot *present = ring_get(&p->ring, s);
		if (present != NULL)
			members_chosen(p, s, present);
	}
}

bool members_count(const struct paxos *p, uint32_t from, const struct wire_paxos *m)
{
	return is_bound(p, p->peers[from].replica, m->life);
}

bool members_admit(struct paxos *p, uint32_t from, enum method method, struct wire_paxos *m)
{
	switch (method) {
	case METHOD_ACCEPTED:
		m->flags = (m->flags | PAXOS_LEARNER) & ~(uint32_t)PAXOS_LEASED;
		return true;
	case METHOD_FETCH:
	case METHOD_CHOSEN:
		return true;
	case METHOD_PRE_VOTE:
	case METHOD_PRE_VOTE_REPLY:
	case METHOD_PREPARE:
	case METHOD_PROMISE:
	case METHOD_ACCEPT:
	case METHOD_REJECT:
		/* It may be bound by an entry that we do not know yet. */
		note_chosen(p, from, m->chosen);
		return false;
	default:
		return false;
	}
}

const struct paxos_members *paxos_members(const struct paxos *p)
{
	return &p->members;
}
