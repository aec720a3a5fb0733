/* The log's side of the core: recovery from its records, and which of them are still needed. */
#include "agreement/internal.h"
#include "base/alloc.h"

/* ---- recovery ---- */

static void note_position(struct agreement *a, struct instance *instance, uint64_t position)
{
	if (instance->position != 0)
		return;
	instance->position = position;
	list_push_back(&a->logged, &instance->logged);
}

/* NULL: forgotten, or no such instance can be. */
static struct instance *restored(struct agreement *a, uint64_t seq, uint64_t position)
{
	if (seq < a->min || seq >= AGREEMENT_SEQ_MAX)
		return NULL;
	struct instance *instance = find_instance(a, seq);
	if (instance == NULL)
		instance = create_instance(a, seq);
	note_position(a, instance, position);
	return instance;
}

void agreement_restore_promise(struct agreement *a, uint64_t seq, uint64_t ballot,
			       uint64_t position)
{
	struct instance *instance = restored(a, seq, position);
	if (instance != NULL && instance->decided == NULL && ballot > instance->acceptor.promised)
		instance->acceptor.promised = ballot;
}

void agreement_restore_accept(struct agreement *a, uint64_t seq, uint64_t ballot,
			      struct slice value, uint64_t position)
{
	struct instance *instance = restored(a, seq, position);
	if (instance == NULL || instance->decided != NULL || ballot < instance->acceptor.accepted)
		return;
	struct bytes *copy = bytes_copy(value);
	struct synod_acceptor *acceptor = &instance->acceptor;
	bytes_unref(acceptor->value);
	acceptor->value = copy;
	acceptor->accepted = ballot;
	acceptor->promised = at_least(acceptor->promised, ballot);
	agreement_account(a, instance);
}

static void restore_decision(struct agreement *a, struct instance *instance,
			     struct bytes *value_take, uint64_t ballot)
{
	instance->decided = value_take;
	instance->decided_ballot = ballot;
	instance->value_missing = false;
	instance->known = member_bit(a->self);
	synod_acceptor_free(&instance->acceptor);
	agreement_account(a, instance);
}

void agreement_restore_decided(struct agreement *a, uint64_t seq, uint64_t ballot,
			       struct slice value, uint64_t position)
{
	struct instance *instance = restored(a, seq, position);
	if (instance == NULL || instance->decided != NULL)
		return;
	if (ballot == 0)
		restore_decision(a, instance, bytes_copy(value), 0);
	else if (instance->acceptor.accepted == ballot)
		restore_decision(a, instance, bytes_ref(instance->acceptor.value), ballot);
	else
		/* the log has let go of the acceptance, after it was written again */
		instance->value_missing = true;
}

int agreement_restore_dones(struct agreement *a, struct slice value, uint64_t position)
{
	uint64_t next, done;
	uint32_t count;
	if (!slice_take_u64(&value, &next) || !slice_take_u32(&value, &count) ||
	    count != a->options.nmembers || next > AGREEMENT_SEQ_MAX)
		return STATUS_CORRUPT;
	for (uint32_t i = 0; i < count; i++) {
		if (!slice_take_u64(&value, &done) || done > AGREEMENT_SEQ_MAX)
			return STATUS_CORRUPT;
		a->done[i] = at_least(a->done[i], done);
	}
	a->min_wanted = least_done(a);
	min_durable(a, a->min_wanted);
	a->next = at_least(a->next, next);
	a->done_told = a->done[a->self];
	a->dones_position = position;
	return 0;
}

int agreement_restore_members(struct agreement *a, struct slice value, uint64_t position)
{
	struct agreement_members members;
	uint32_t entered;
	int status = agreement_members_decode(&members, &entered, value);
	if (status != 0)
		return status;
	if (members.count != a->options.nmembers)
		return STATUS_CORRUPT;
	for (uint32_t i = 0; i < members.count; i++)
		if (members.list[i].replica != a->options.members[i])
			return STATUS_CORRUPT;
	a->members = members;
	a->entered = a->entered_wanted = entered;
	a->members_position = position;
	return 0;
}

void agreement_resume(struct agreement *a, uint64_t now_us)
{
	size_t position = 0;
	uint64_t seq;
	void *value;
	while (map_next(&a->instances, &position, &seq, &value)) {
		struct instance *instance = value;
		uint64_t accepted = instance->acceptor.accepted;
		/* What it was told when it entered may be decided, and nobody left who knows it. */
		bool own = agreement_ballot_peer(accepted) == a->options.self;
		bool told = own_binding(a) != 0 && a->proposing < PROPOSING_MAX;
		if (instance->decided == NULL && instance->stage == STAGE_NONE && accepted != 0 &&
		    (own || told))
			agreement_propose(a, now_us, instance, instance->acceptor.value);
	}
}

int agreement_begin(struct agreement *a, uint64_t now_us)
{
	size_t position = 0;
	uint64_t seq;
	void *value;
	while (map_next(&a->instances, &position, &seq, &value)) {
		struct instance *instance = value;
		if (instance->value_missing)
			return STATUS_CORRUPT;
		if (instance->decided != NULL)
			agreement_spread(a, instance, now_us + a->options.spread_us);
	}
	if (is_inside(a))
		agreement_resume(a, now_us);
	else if (is_bound(a))
		enter_begin(a, now_us);
	gossip_soon(a, now_us);
	return 0;
}

/* ---- space in the log ---- */

void agreement_logged(struct agreement *a, const struct agreement_persist *persist,
		      uint64_t position)
{
	if (persist->kind == AGREEMENT_PERSIST_DONES ||
	    persist->kind == AGREEMENT_PERSIST_MEMBERS) {
		*(persist->kind == AGREEMENT_PERSIST_DONES ? &a->dones_position
							   : &a->members_position) = position;
		return;
	}
	/* Forgotten before it was written: nobody needs it. */
	struct instance *instance = find_instance(a, persist->seq);
	if (instance != NULL)
		note_position(a, instance, position);
}

uint64_t agreement_oldest_position(const struct agreement *a)
{
	uint64_t oldest = a->dones_position == 0 ? UINT64_MAX : a->dones_position;
	if (a->members_position != 0 && a->members_position < oldest)
		oldest = a->members_position;
	if (!list_empty(&a->logged)) {
		const struct instance *instance = LIST_ITEM(a->logged.next, struct instance,
							    logged);
		oldest = instance->position < oldest ? instance->position : oldest;
	}
	return oldest;
}

void agreement_rewrite_oldest(struct agreement *a)
{
	struct list *first = list_first(&a->logged);
	uint64_t position = agreement_oldest_position(a);
	if (position == UINT64_MAX)
		return;
	if (position == a->dones_position) {
		a->dones_position = UINT64_MAX; /* until it is logged */
		persist_dones(a);
		return;
	}
	if (position == a->members_position) {
		a->members_position = UINT64_MAX;
		persist_members(a);
		return;
	}
	struct instance *instance = LIST_ITEM(first, struct instance, logged);
	const struct synod_acceptor *acceptor = &instance->acceptor;
	list_remove(&instance->logged);
	instance->position = 0;
	if (instance->decided != NULL) {
		persist_instance(a, instance, AGREEMENT_PERSIST_DECIDED, 0, instance->decided);
		return;
	}
	if (acceptor->accepted != 0)
		persist_instance(a, instance, AGREEMENT_PERSIST_ACCEPT, acceptor->accepted,
				 acceptor->value);
	if (acceptor->promised > acceptor->accepted)
		persist_instance(a, instance, AGREEMENT_PERSIST_PROMISE, acceptor->promised, NULL);
}
