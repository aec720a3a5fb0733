/* Whose votes count. The rules stand in members.h. */
#include "agreement/internal.h"

/* ---- the record ---- */

void agreement_members_encode(const struct agreement_members *members, uint32_t entered,
			      struct buffer *out)
{
	buffer_add_u64(out, UINT64_MAX);
	buffer_add_u32(out, AGREEMENT_MEMBERS_FORMAT);
	buffer_add_u64(out, members->slot);
	buffer_add_u32(out, members->count);
	for (uint32_t i = 0; i < members->count; i++) {
		buffer_add_u32(out, members->list[i].replica);
		buffer_add_u32(out, members->list[i].binding);
		buffer_add_u64(out, members->list[i].life);
	}
	buffer_add_u32(out, entered);
}

bool agreement_members_are(struct slice record)
{
	uint64_t mark;
	return slice_take_u64(&record, &mark) && mark == UINT64_MAX;
}

int agreement_members_decode(struct agreement_members *members, uint32_t *entered,
			     struct slice record)
{
	uint64_t mark;
	uint32_t format;
	*members = (struct agreement_members){0};
	if (!slice_take_u64(&record, &mark) || mark != UINT64_MAX ||
	    !slice_take_u32(&record, &format))
		return STATUS_CORRUPT;
	if (format > AGREEMENT_MEMBERS_FORMAT)
		return STATUS_NEWER;
	if (format == 0 || !slice_take_u64(&record, &members->slot) || members->slot == 0 ||
	    !slice_take_u32(&record, &members->count) || members->count > REPLICAS_MAX)
		return STATUS_CORRUPT;
	for (uint32_t i = 0; i < members->count; i++) {
		struct agreement_binding *b = &members->list[i];
		if (!slice_take_u32(&record, &b->replica) ||
		    !slice_take_u32(&record, &b->binding) || !slice_take_u64(&record, &b->life) ||
		    b->binding > AGREEMENT_BINDING_MAX)
			return STATUS_CORRUPT;
	}
	return slice_take_u32(&record, entered) && record.len == 0 &&
			       *entered <= 1 + AGREEMENT_BINDING_MAX
		       ? 0
		       : STATUS_CORRUPT;
}

/* ---- messages ---- */

bool message_counts(const struct agreement *a, uint32_t from, const struct wire_agreement *m)
{
	const struct agreement_binding *b = &a->members.list[from];
	if (a->members.slot == 0)
		return m->binding == 0;
	return b->life != 0 && b->life == m->life && b->binding == m->binding;
}

/*
 * Who proposes with newer members than are known here has seen to it himself that these bind him.
 */
bool may_vote(const struct agreement *a, uint32_t from, const struct wire_agreement *m)
{
	return is_inside(a) && m->members >= a->members.slot &&
	       (m->members > a->members.slot || message_counts(a, from, m));
}

/* ---- changes ---- */

/* Ballots of the members before are not asked for any more. */
static void drop_asked(struct items *items)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < items->count; i++) {
		struct item *item = &items->items[i];
		if (item->kind == WIRE_AGREEMENT_PREPARE || item->kind == WIRE_AGREEMENT_ACCEPT)
			bytes_unref(item->value);
		else
			items->items[kept++] = *item;
	}
	items->count = kept;
}

static bool is_another(const struct agreement_members *before, const struct agreement_members *now,
		       uint32_t i)
{
	if (before->slot == 0)
		return now->list[i].binding != 0 || now->list[i].life == 0;
	return before->list[i].life != now->list[i].life ||
	       before->list[i].binding != now->list[i].binding;
}

void agreement_set_members(struct agreement *a, uint64_t now_us,
			   const struct agreement_members *members)
{
	struct agreement_members before = a->members;
	bool was_inside = is_inside(a);
	if (members->slot <= before.slot)
		return;
	ASSERT(members->count == a->options.nmembers);
	a->members = *members;
	persist_members(a);
	for (uint32_t i = 0; i < members->count; i++) {
		drop_asked(&a->peers[i].outbox);
		if (i == a->self || !is_another(&before, members, i))
			continue;
		enter_forget(a, now_us, i);
		spread_to_another(a, now_us, i);
	}
	if (is_another(&before, members, a->self))
		enter_begin(a, now_us);
	if (!was_inside && is_inside(a))
		members_inside(a, now_us);
	else
		proposer_members_changed(a, now_us);
}

void agreement_set_life(struct agreement *a, uint64_t now_us, uint64_t life)
{
	bool was_inside = is_inside(a);
	if (life == a->options.life)
		return;
	ASSERT(life != 0);
	a->options.life = life;
	if (was_inside && !is_inside(a))
		proposer_members_changed(a, now_us);
	else if (!was_inside && is_inside(a))
		members_inside(a, now_us);
	/* It was bound all along, and could not know: it asks from the beginning. */
	else if (is_bound(a) && !is_inside(a))
		enter_begin(a, now_us);
}

void agreement_set_first(struct agreement *a, uint64_t now_us, bool first)
{
	bool was_inside = is_inside(a);
	a->first = first;
	if (is_inside(a) == was_inside)
		return;
	if (was_inside)
		proposer_members_changed(a, now_us);
	else
		members_inside(a, now_us);
}

void members_inside(struct agreement *a, uint64_t now_us)
{
	proposer_members_changed(a, now_us);
	agreement_resume(a, now_us);
}

const struct agreement_members *agreement_known_members(const struct agreement *a)
{
	return &a->members;
}

enum agreement_standing agreement_standing(const struct agreement *a)
{
	if (!is_bound(a))
		return AGREEMENT_OUTSIDE;
	return is_inside(a) ? AGREEMENT_INSIDE : AGREEMENT_ENTERING;
}
