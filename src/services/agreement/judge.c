/*
 * The door: messages of peers are judged before anything is done with them. The rules stand in
 * agreement.h, JUDGEMENT.
 */
#include "agreement/internal.h"

static bool possible(const struct agreement *a, uint64_t ballot)
{
	return agreement_round(ballot) <= AGREEMENT_ROUND_MAX &&
	       member_index(a, agreement_ballot_peer(ballot)) < a->options.nmembers;
}

static const char *judge_asked(const struct agreement *a, uint32_t from,
			       const struct wire_agreement *m,
			       const struct wire_agreement_item *item)
{
	uint64_t round = agreement_round(item->ballot);
	switch (item->kind) {
	case WIRE_AGREEMENT_PREPARE:
	case WIRE_AGREEMENT_ACCEPT:
		if (agreement_ballot_peer(item->ballot) != a->options.members[from] ||
		    round > AGREEMENT_ROUND_MAX)
			return "items.ballot: it is not the sender's, or beyond every possible one";
		if (agreement_ballot_binding(item->ballot) != m->binding)
			return "items.ballot: of another binding than the sender's";
		/* Round 0 is the owner's, and has no Prepare. */
		if (round == 0 && (item->kind == WIRE_AGREEMENT_PREPARE ||
				   owner_of(a, item->seq) != from || m->binding != 0))
			return "items.ballot: of round 0, which is not the sender's to use";
		return NULL;
	case WIRE_AGREEMENT_LEARN:
		return item->ballot != 0 && !possible(a, item->ballot)
			       ? "items.ballot: no peer can have used it"
			       : NULL;
	case WIRE_AGREEMENT_DECIDED: return NULL;
	case WIRE_AGREEMENT_ENTER:
		if (m->nitems != 1)
			return "items: more than a question of who enters";
		if (item->ballot != m->binding || m->binding == 0)
			return "items.ballot: not the binding of a disk that takes the place of "
			       "another";
		return m->members == 0 ? "members: who enters is bound by some" : NULL;
	default: return "items.kind: nothing that is asked";
	}
}

static const char *judge_answered(const struct agreement *a, const struct wire_agreement_item *item)
{
	/* The ballot that was asked about: ours, or the one in which somebody has won. */
	if (item->ballot != 0 && !possible(a, item->ballot))
		return "items.ballot: no peer can have used it";
	switch (item->kind) {
	case WIRE_AGREEMENT_PROMISE:
	case WIRE_AGREEMENT_REJECT:
	case WIRE_AGREEMENT_ACCEPTED:
		if (agreement_ballot_peer(item->ballot) != a->options.self)
			return "items.ballot: not one of this peer's";
		if (item->other != 0 && !possible(a, item->other))
			return "items.other: no peer can have used it";
		return item->kind == WIRE_AGREEMENT_PROMISE && item->other >= item->ballot
			       ? "items.other: accepted in a ballot that comes after the promised "
				 "one"
			       : NULL;
	case WIRE_AGREEMENT_DECIDED:
	case WIRE_AGREEMENT_KNOWN:
	case WIRE_AGREEMENT_WANT:
	case WIRE_AGREEMENT_FORGOTTEN:
	case WIRE_AGREEMENT_FULL: return NULL;
	default: return "items.kind: nothing that is answered";
	}
}

/* The answer to who enters: the first item says what the others are. */
static const char *judge_told(const struct agreement *a, const struct wire_agreement *m)
{
	const struct wire_agreement_item *told = &m->items[0];
	uint64_t from = told->seq;
	if (told->ballot == 0 || told->ballot > AGREEMENT_BINDING_MAX)
		return "items.ballot: no binding of a disk that takes the place of another";
	if (told->other >> 1 != m->nitems - 1 || (m->nitems == 1 && told->other == 0))
		return "items.other: not the number of items";
	for (uint32_t i = 1; i < m->nitems; i++) {
		const struct wire_agreement_item *item = &m->items[i];
		if (item->kind != WIRE_AGREEMENT_STATE && item->kind != WIRE_AGREEMENT_DECIDED)
			return "items.kind: nothing that who enters is told";
		if (item->seq < from)
			return "items.seq: not ascending";
		from = item->seq + 1;
		if (item->kind == WIRE_AGREEMENT_STATE &&
		    (item->ballot == 0 || !possible(a, item->ballot)))
			return "items.ballot: no peer can have used it";
		if (item->kind == WIRE_AGREEMENT_STATE &&
		    (item->other > item->ballot || (item->other != 0 && !possible(a, item->other))))
			return "items.other: accepted in a ballot that comes after the promised "
			       "one, or in none that can be";
	}
	return NULL;
}

const char *agreement_judge(const struct agreement *a, bool reply, const struct wire_agreement *m)
{
	uint32_t from = member_index(a, m->from);
	if (from >= a->options.nmembers || from == a->self)
		return "from: not another peer";
	if (m->to != a->options.self)
		return "to: another peer";
	if (m->ndones != a->options.nmembers)
		return "dones: not one for each peer";
	for (uint32_t i = 0; i < m->ndones; i++)
		if (m->dones[i] > AGREEMENT_SEQ_MAX)
			return "dones: beyond every possible instance";
	if (m->next > AGREEMENT_SEQ_MAX)
		return "next: beyond every possible instance";
	if (m->binding > AGREEMENT_BINDING_MAX)
		return "binding: beyond every possible one";
	if (m->nitems > MESSAGE_ITEMS_MAX)
		return "items: too many";
	bool told = reply && m->nitems > 0 && m->items[0].kind == WIRE_AGREEMENT_TOLD;
	for (uint32_t i = 0; i < m->nitems; i++) {
		const struct wire_agreement_item *item = &m->items[i];
		if (item->seq >= AGREEMENT_SEQ_MAX)
			return "items.seq: beyond every possible instance";
		if (item->value.len > COMMAND_BYTES_MAX)
			return "items.value: longer than any";
		const char *why = told    ? NULL
				  : reply ? judge_answered(a, item)
					  : judge_asked(a, from, m, item);
		if (why != NULL)
			return why;
	}
	return told ? judge_told(a, m) : NULL;
}
