/*
 * Requests of peers and their answers: paxos/synod.h's acceptor for every instance, and what is
 * decided.
 */
#include "agreement/internal.h"

/* The items that answer one request, and the record that must be durable before they leave. */
struct answering {
	struct agreement *a;
	uint32_t from; /* member */
	bool counts;   /* what it says, by the members that are known here */
	bool votes;    /* this peer, in its ballots */
	struct items items;
	size_t bytes; /* of their values */
	uint64_t sequence;
};

/* Who is taken to know what this message says. */
static uint32_t knower(const struct answering *answering)
{
	return answering->counts ? answering->from : NOBODY;
}

static void add(struct answering *answering, enum wire_agreement_kind kind,
		const struct wire_agreement_item *asked, uint64_t other, struct bytes *value,
		uint64_t sequence)
{
	/* Values beyond what fits a message are left out: they will be asked for again. */
	if (value != NULL && answering->bytes >= MESSAGE_VALUE_BYTES)
		return;
	answering->bytes += value != NULL ? value->len : 0;
	items_add(&answering->items, kind, asked->seq, asked->ballot, other, value);
	answering->sequence = at_least(answering->sequence, sequence);
}

/* Whose ballots they are; and those of round 0 are the owner's only. */
static bool ballot_belongs(const struct agreement *a, uint32_t from,
			   const struct wire_agreement_item *item)
{
	if (agreement_ballot_peer(item->ballot) != a->options.members[from] ||
	    agreement_round(item->ballot) > AGREEMENT_ROUND_MAX)
		return false;
	return agreement_round(item->ballot) > 0 ||
	       (owner_of(a, item->seq) == from && agreement_ballot_binding(item->ballot) == 0);
}

static void full(struct answering *answering, const struct wire_agreement_item *item)
{
	answering->a->counters.refused++;
	add(answering, WIRE_AGREEMENT_FULL, item, 0, NULL, 0);
}

static void prepare(struct answering *answering, struct instance *instance,
		    const struct wire_agreement_item *item)
{
	struct agreement *a = answering->a;
	if (instance == NULL && !agreement_has_room(a, true, 0, true)) {
		full(answering, item);
		return;
	}
	if (instance == NULL)
		instance = create_instance(a, item->seq);
	struct synod_acceptor *acceptor = &instance->acceptor;
	if (synod_acceptor_prepare(acceptor, item->ballot))
		persist_instance(a, instance, AGREEMENT_PERSIST_PROMISE, item->ballot, NULL);
	/*
	 * A repeated Prepare gets its Promise again, unless an Accept of the same ballot came in
	 * between.
	 */
	if (item->ballot == acceptor->promised && acceptor->accepted < item->ballot)
		add(answering, WIRE_AGREEMENT_PROMISE, item, acceptor->accepted, acceptor->value,
		    instance->sequence);
	else
		add(answering, WIRE_AGREEMENT_REJECT, item, acceptor->promised, NULL,
		    instance->sequence);
}

/* The value as a shared buffer; one that is here already is not kept twice. */
static struct bytes *value_of(const struct instance *instance, struct slice value)
{
	struct bytes *here[] = {instance->acceptor.value, instance->wish, instance->proposer.value};
	for (size_t i = 0; i < 3; i++)
		if (here[i] != NULL && slice_equal(bytes_slice(here[i]), value))
			return bytes_ref(here[i]);
	return bytes_copy(value);
}

static void accept(struct answering *answering, struct instance *instance,
		   const struct wire_agreement_item *item)
{
	struct agreement *a = answering->a;
	if (instance == NULL || instance->acceptor.accepted != item->ballot) {
		if (a->disk_full ||
		    !agreement_has_room(a, instance == NULL, item->value.len, true)) {
			full(answering, item);
			return;
		}
	}
	if (instance == NULL)
		instance = create_instance(a, item->seq);
	struct synod_acceptor *acceptor = &instance->acceptor;
	if (acceptor->accepted != item->ballot) {
		struct bytes *value = value_of(instance, item->value);
		if (synod_acceptor_accept(acceptor, item->ballot, value))
			persist_instance(a, instance, AGREEMENT_PERSIST_ACCEPT, item->ballot,
					 value);
		bytes_unref(value);
		agreement_account(a, instance);
	}
	if (acceptor->accepted == item->ballot)
		add(answering, WIRE_AGREEMENT_ACCEPTED, item, 0, NULL, instance->sequence);
	else
		add(answering, WIRE_AGREEMENT_REJECT, item, acceptor->promised, NULL,
		    instance->sequence);
}

static void learn(struct answering *answering, struct instance *instance,
		  const struct wire_agreement_item *item)
{
	struct agreement *a = answering->a;
	if (instance == NULL || item->ballot == 0 || instance->acceptor.accepted != item->ballot) {
		/* Its length is not known yet. */
		if (a->disk_full || !agreement_has_room(a, instance == NULL, VALUE_BYTES_MAX, true))
			full(answering, item);
		else
			add(answering, WIRE_AGREEMENT_WANT, item, 0, NULL, 0);
		return;
	}
	agreement_decide(a, instance, instance->acceptor.value, item->ballot, knower(answering));
	add(answering, WIRE_AGREEMENT_KNOWN, item, 0, NULL, instance->sequence);
}

static void decided(struct answering *answering, struct instance *instance,
		    const struct wire_agreement_item *item)
{
	struct agreement *a = answering->a;
	if (a->disk_full || !agreement_has_room(a, instance == NULL, item->value.len, true)) {
		full(answering, item);
		return;
	}
	if (instance == NULL)
		instance = create_instance(a, item->seq);
	struct bytes *value = value_of(instance, item->value);
	agreement_decide(a, instance, value, 0, knower(answering));
	bytes_unref(value);
	add(answering, WIRE_AGREEMENT_KNOWN, item, 0, NULL, instance->sequence);
}

/*
 * The instance is decided: those who propose learn it, those who tell it are told that it is known.
 */
static void answer_decided(struct answering *answering, struct instance *instance,
			   const struct wire_agreement_item *item)
{
	struct agreement *a = answering->a;
	switch (item->kind) {
	case WIRE_AGREEMENT_DECIDED:
		a->counters.conflicts += !slice_equal(bytes_slice(instance->decided), item->value);
		/* fall through */
	case WIRE_AGREEMENT_LEARN:
		if (answering->counts)
			note_known(a, instance, answering->from);
		add(answering, WIRE_AGREEMENT_KNOWN, item, 0, NULL, instance->sequence);
		break;
	default:
		add(answering, WIRE_AGREEMENT_DECIDED, item, 0, instance->decided,
		    instance->sequence);
		break;
	}
}

static void answer_item(struct answering *answering, const struct wire_agreement_item *item)
{
	struct agreement *a = answering->a;
	if (item->seq >= AGREEMENT_SEQ_MAX || item->kind == WIRE_AGREEMENT_NONE ||
	    item->kind > WIRE_AGREEMENT_DECIDED)
		return;
	if (item->seq < a->min) {
		add(answering, WIRE_AGREEMENT_FORGOTTEN, item, 0, NULL, 0);
		return;
	}
	struct instance *instance = find_instance(a, item->seq);
	if (instance != NULL && instance->decided != NULL) {
		answer_decided(answering, instance, item);
		return;
	}
	if (item->kind <= WIRE_AGREEMENT_ACCEPT &&
	    (!answering->votes || !ballot_belongs(a, answering->from, item)))
		return;
	switch (item->kind) {
	case WIRE_AGREEMENT_PREPARE:
		/* Round 0 has no Prepare: whoever may use it needs none. */
		if (agreement_round(item->ballot) > 0)
			prepare(answering, instance, item);
		break;
	case WIRE_AGREEMENT_ACCEPT: accept(answering, instance, item); break;
	case WIRE_AGREEMENT_LEARN: learn(answering, instance, item); break;
	case WIRE_AGREEMENT_DECIDED: decided(answering, instance, item); break;
	default: break;
	}
}

void agreement_request(struct agreement *a, uint64_t now_us, uint64_t link, uint64_t id,
		       const struct wire_agreement *m)
{
	struct answering answering = {.a = a, .from = member_index(a, m->from)};
	if (answering.from >= a->options.nmembers || answering.from == a->self ||
	    m->to != a->options.self)
		return;
	merge_bounds(a, now_us, answering.from, m);
	if (m->nitems == 1 && m->items[0].kind == WIRE_AGREEMENT_ENTER) {
		enter_asked(a, link, id, answering.from, m);
		return;
	}
	answering.counts = message_counts(a, answering.from, m);
	answering.votes = may_vote(a, answering.from, m);
	for (uint32_t i = 0; i < m->nitems; i++)
		answer_item(&answering, &m->items[i]);
	agreement_answer_later(a, link, id, m->from, &answering.items, answering.sequence);
}
