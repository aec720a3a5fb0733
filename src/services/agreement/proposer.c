/* Rounds of this peer's proposals, and what comes back. The states are drawn in internal.h. */
#include "agreement/internal.h"

static void defeat(struct agreement *a, uint64_t now_us, struct instance *instance);

/* Doubled with each repetition, up to a limit. */
static uint64_t doubled(uint64_t start_us, uint32_t times, uint64_t max_us)
{
	return times < 16 && start_us << times < max_us ? start_us << times : max_us;
}

static void retry_later(struct agreement *a, uint64_t now_us, struct instance *instance)
{
	instance->at_us = now_us +
			  doubled(a->options.retry_us, instance->attempts, a->options.retry_max_us);
}

/* Asks those who have not answered in this phase. */
static void ask(struct agreement *a, uint64_t now_us, struct instance *instance)
{
	const struct synod_proposer *p = &instance->proposer;
	if (instance->stage == STAGE_PREPARING)
		agreement_post_others(a, p->promises, WIRE_AGREEMENT_PREPARE, instance, p->ballot,
				      NULL);
	else
		agreement_post_others(a, p->accepts, WIRE_AGREEMENT_ACCEPT, instance, p->ballot,
				      p->value);
	retry_later(a, now_us, instance);
}

/*
 * A member will not vote for this ballot. The phase is lost when the others are no quorum any more.
 */
static void rejected(struct agreement *a, uint64_t now_us, struct instance *instance,
		     uint32_t member)
{
	instance->rejects |= member_bit(member);
	if (!synod_is_quorum(all_members(a) & ~instance->rejects, a->options.nmembers))
		defeat(a, now_us, instance);
}

static void enter(struct instance *instance, enum stage stage)
{
	instance->stage = stage;
	instance->rejects = 0;
	instance->attempts = 0;
	instance->at_us = UINT64_MAX;
}

/* Phase 2. The own acceptance counts when it is durable, the others need not wait for that. */
static void start_accepting(struct agreement *a, uint64_t now_us, struct instance *instance)
{
	struct synod_proposer *p = &instance->proposer;
	enter(instance, STAGE_ACCEPTING);
	agreement_account(a, instance);
	ask(a, now_us, instance);
	if (synod_acceptor_accept(&instance->acceptor, p->ballot, p->value)) {
		persist_instance(a, instance, AGREEMENT_PERSIST_ACCEPT, p->ballot, p->value);
		wait_for_disk(a, WAIT_OWN_ACCEPT, instance->seq, p->ballot);
		agreement_account(a, instance);
	} else {
		rejected(a, now_us, instance, a->self);
	}
}

/*
 * May this peer use the lowest ballot? Only as the instance's owner, on its first disk, before
 * anything else was promised or tried here.
 */
static bool may_use_lowest(const struct agreement *a, const struct instance *instance)
{
	return owner_of(a, instance->seq) == a->self && own_binding(a) == 0 &&
	       instance->acceptor.promised == 0 && instance->proposer.ballot == 0;
}

static void begin_round(struct agreement *a, struct instance *instance)
{
	struct synod_proposer *p = &instance->proposer;
	struct synod_acceptor *acceptor = &instance->acceptor;
	a->counters.rounds++;
	if (may_use_lowest(a, instance)) {
		synod_proposer_start_lowest(p, agreement_ballot(0, a->options.self),
					    instance->wish);
		bool accepted = synod_acceptor_accept(acceptor, p->ballot, p->value);
		ASSERT(accepted);
		enter(instance, STAGE_OWN_ACCEPT);
		persist_instance(a, instance, AGREEMENT_PERSIST_ACCEPT, p->ballot, p->value);
		wait_for_disk(a, WAIT_OWN_ACCEPT, instance->seq, p->ballot);
	} else {
		uint64_t highest = at_least(at_least(acceptor->promised, instance->highest),
					    p->ballot);
		/*
		 * Nobody gets there by himself; whoever was told so waits for a decision of others.
		 */
		if (agreement_round(highest) >= AGREEMENT_ROUND_MAX) {
			enter(instance, STAGE_BACKING_OFF);
			return;
		}
		uint64_t ballot = agreement_ballot_bound(agreement_round(highest) + 1,
							 own_binding(a), a->options.self);
		synod_proposer_start(p, ballot, instance->wish);
		bool promised = synod_acceptor_prepare(acceptor, p->ballot);
		ASSERT(promised);
		enter(instance, STAGE_OWN_PROMISE);
		persist_instance(a, instance, AGREEMENT_PERSIST_PROMISE, p->ballot, NULL);
		wait_for_disk(a, WAIT_OWN_PROMISE, instance->seq, p->ballot);
	}
	agreement_account(a, instance);
}

void agreement_propose(struct agreement *a, uint64_t now_us, struct instance *instance,
		       struct bytes *wish)
{
	(void)now_us;
	ASSERT(instance->decided == NULL && instance->stage == STAGE_NONE);
	instance->wish = bytes_ref(wish);
	a->proposing++;
	list_push_back(&a->active, &instance->active);
	begin_round(a, instance);
}

void stop_proposing(struct agreement *a, struct instance *instance)
{
	if (instance->stage == STAGE_NONE)
		return;
	instance->stage = STAGE_NONE;
	a->proposing--;
	list_remove(&instance->active);
	bytes_unref(instance->wish);
	instance->wish = NULL;
}

static void defeat(struct agreement *a, uint64_t now_us, struct instance *instance)
{
	uint64_t delay_us = doubled(a->options.backoff_us, instance->defeats,
				    a->options.backoff_max_us);
	a->counters.defeats++;
	instance->defeats++;
	enter(instance, STAGE_BACKING_OFF);
	/* At random, so that those who met do not meet again. */
	instance->at_us = now_us + agreement_draw(a, delay_us / 2, delay_us);
}

void proposer_members_changed(struct agreement *a, uint64_t now_us)
{
	LIST_FOR (link, &a->active) {
		struct instance *instance = LIST_ITEM(link, struct instance, active);
		if (!is_inside(a))
			enter(instance, STAGE_BACKING_OFF);
		else
			defeat(a, now_us, instance);
	}
}

void proposer_tick(struct agreement *a, uint64_t now_us, struct instance *instance)
{
	switch (instance->stage) {
	case STAGE_BACKING_OFF:
		if (is_inside(a))
			begin_round(a, instance);
		else
			instance->at_us = UINT64_MAX;
		break;
	case STAGE_PREPARING:
	case STAGE_ACCEPTING:
		/*
		 * Somebody has promised a higher ballot, and the rest does not answer: asking again
		 * in this one leads nowhere.
		 */
		if (instance->rejects != 0) {
			defeat(a, now_us, instance);
			break;
		}
		instance->attempts++;
		ask(a, now_us, instance);
		break;
	default: instance->at_us = UINT64_MAX; break;
	}
}

/* ---- the own acceptor's votes, when they are durable ---- */

static struct instance *in_stage(struct agreement *a, uint64_t seq, uint64_t ballot)
{
	struct instance *instance = seq < a->min ? NULL : find_instance(a, seq);
	if (instance == NULL || instance->stage == STAGE_NONE ||
	    instance->proposer.ballot != ballot)
		return NULL;
	return instance;
}

void own_promised(struct agreement *a, uint64_t now_us, uint64_t seq, uint64_t ballot)
{
	struct instance *instance = in_stage(a, seq, ballot);
	if (instance == NULL || instance->stage != STAGE_OWN_PROMISE)
		return;
	const struct synod_acceptor *acceptor = &instance->acceptor;
	enter(instance, STAGE_PREPARING);
	ask(a, now_us, instance);
	if (acceptor->promised > ballot)
		rejected(a, now_us, instance, a->self);
	else if (synod_proposer_promise(&instance->proposer, a->self, ballot, acceptor->accepted,
					acceptor->value))
		start_accepting(a, now_us, instance);
}

void own_accepted(struct agreement *a, uint64_t now_us, uint64_t seq, uint64_t ballot)
{
	struct instance *instance = in_stage(a, seq, ballot);
	if (instance == NULL)
		return;
	if (instance->stage == STAGE_OWN_ACCEPT) {
		enter(instance, STAGE_ACCEPTING);
		ask(a, now_us, instance);
	}
	if (instance->stage == STAGE_ACCEPTING &&
	    synod_proposer_accepted(&instance->proposer, a->self, ballot))
		agreement_decide(a, instance, instance->proposer.value, ballot, a->self);
}

/* ---- answers ---- */

static void promised(struct agreement *a, uint64_t now_us, struct instance *instance, uint32_t from,
		     const struct wire_agreement_item *item)
{
	if (instance->stage != STAGE_PREPARING || item->ballot != instance->proposer.ballot ||
	    item->other >= item->ballot)
		return;
	struct bytes *value = item->other != 0 ? bytes_copy(item->value) : NULL;
	if (synod_proposer_promise(&instance->proposer, from, item->ballot, item->other, value))
		start_accepting(a, now_us, instance);
	else
		agreement_account(a, instance);
	bytes_unref(value);
}

static void accepted(struct agreement *a, struct instance *instance, uint32_t from,
		     const struct wire_agreement_item *item)
{
	if (instance->stage == STAGE_ACCEPTING &&
	    synod_proposer_accepted(&instance->proposer, from, item->ballot))
		agreement_decide(a, instance, instance->proposer.value, item->ballot, a->self);
}

static void told_decision(struct agreement *a, struct instance *instance, uint32_t from,
			  const struct wire_agreement_item *item)
{
	if (instance->decided != NULL) {
		a->counters.conflicts += !slice_equal(bytes_slice(instance->decided), item->value);
		if (from != NOBODY)
			note_known(a, instance, from);
		return;
	}
	struct bytes *value = bytes_copy(item->value);
	agreement_decide(a, instance, value, 0, from);
	bytes_unref(value);
}

static void answered(struct agreement *a, uint64_t now_us, uint32_t from, bool counts,
		     const struct wire_agreement_item *item)
{
	struct instance *instance = item->seq < a->min ? NULL : find_instance(a, item->seq);
	if (instance == NULL)
		return;
	if (!counts && item->kind != WIRE_AGREEMENT_DECIDED && item->kind != WIRE_AGREEMENT_WANT)
		return;
	switch (item->kind) {
	case WIRE_AGREEMENT_PROMISE: promised(a, now_us, instance, from, item); break;
	case WIRE_AGREEMENT_ACCEPTED: accepted(a, instance, from, item); break;
	case WIRE_AGREEMENT_REJECT:
		instance->highest = at_least(instance->highest, item->other);
		if ((instance->stage == STAGE_PREPARING || instance->stage == STAGE_ACCEPTING) &&
		    item->ballot == instance->proposer.ballot && item->other > item->ballot)
			rejected(a, now_us, instance, from);
		break;
	case WIRE_AGREEMENT_DECIDED:
		told_decision(a, instance, counts ? from : NOBODY, item);
		break;
	case WIRE_AGREEMENT_KNOWN:
		if (instance->decided != NULL)
			note_known(a, instance, from);
		break;
	case WIRE_AGREEMENT_WANT:
		if (instance->decided != NULL)
			agreement_post(a, from, WIRE_AGREEMENT_DECIDED, instance->seq, 0,
				       instance->decided);
		break;
	default: break; /* FULL, FORGOTTEN: later, or never */
	}
}

void agreement_reply(struct agreement *a, uint64_t now_us, const struct wire_agreement *m)
{
	uint32_t from = member_index(a, m->from);
	if (from >= a->options.nmembers || from == a->self || m->to != a->options.self)
		return;
	merge_bounds(a, now_us, from, m);
	if (m->nitems > 0 && m->items[0].kind == WIRE_AGREEMENT_TOLD) {
		enter_told(a, now_us, from, m);
		return;
	}
	bool counts = message_counts(a, from, m);
	for (uint32_t i = 0; i < m->nitems; i++)
		answered(a, now_us, from, counts, &m->items[i]);
}
