/* Instances, limits, time, what clients ask. */
#include <stdlib.h>

#include "agreement/internal.h"
#include "base/alloc.h"

/* ---- instances ---- */

uint32_t member_index(const struct agreement *a, uint32_t replica)
{
	for (uint32_t i = 0; i < a->options.nmembers; i++)
		if (a->options.members[i] == replica)
			return i;
	return UINT32_MAX;
}

uint64_t agreement_draw(struct agreement *a, uint64_t low, uint64_t high)
{
	return low + a->options.random(a->options.context) % (high - low + 1);
}

struct instance *find_instance(const struct agreement *a, uint64_t seq)
{
	return map_get(&a->instances, seq);
}

bool agreement_has_room(const struct agreement *a, bool new_instance, size_t bytes, bool for_peer)
{
	uint64_t instances_max = a->options.instances_max, bytes_max = a->options.bytes_max;
	if (for_peer) {
		/* What one peer has begun, the others must be able to finish. */
		instances_max += instances_max / 4;
		bytes_max += bytes_max / 4;
	}
	return (!new_instance || a->instances.count < instances_max) &&
	       a->bytes + bytes + INSTANCE_BYTES <= bytes_max;
}

struct instance *create_instance(struct agreement *a, uint64_t seq)
{
	ASSERT(seq >= a->min && seq < AGREEMENT_SEQ_MAX);
	struct instance *instance = ALLOC(struct instance);
	instance->seq = seq;
	synod_proposer_init(&instance->proposer, a->options.nmembers);
	list_init(&instance->logged);
	list_init(&instance->active);
	for (uint32_t i = 0; i < REPLICAS_MAX; i++)
		list_init(&instance->spreading[i]);
	struct instance *before = map_put(&a->instances, seq, instance);
	ASSERT(before == NULL);
	a->next = at_least(a->next, seq + 1);
	agreement_account(a, instance);
	return instance;
}

void agreement_account(struct agreement *a, struct instance *instance)
{
	const struct bytes *values[] = {instance->wish, instance->acceptor.value,
					instance->proposer.value, instance->decided};
	uint64_t bytes = INSTANCE_BYTES;
	for (size_t i = 0; i < 4; i++) {
		bool counted = values[i] == NULL;
		for (size_t k = 0; k < i; k++)
			counted = counted || values[k] == values[i];
		bytes += counted ? 0 : values[i]->len;
	}
	a->bytes = a->bytes - instance->bytes + bytes;
	instance->bytes = bytes;
}

static void free_instance(struct agreement *a, struct instance *instance)
{
	stop_proposing(a, instance);
	list_remove(&instance->logged);
	for (uint32_t i = 0; i < REPLICAS_MAX; i++)
		list_remove(&instance->spreading[i]);
	synod_acceptor_free(&instance->acceptor);
	synod_proposer_free(&instance->proposer);
	bytes_unref(instance->decided);
	a->bytes -= instance->bytes;
	free(instance);
}

/*
 * Frees what lies below the new min: by number, or by looking at all there are, whichever is less.
 */
static void forget_below(struct agreement *a, uint64_t min)
{
	uint64_t old = a->min;
	ASSERT(min > old);
	a->min = min;
	if (min - old <= a->instances.count) {
		for (uint64_t seq = old; seq < min; seq++) {
			struct instance *instance = map_remove(&a->instances, seq);
			if (instance != NULL)
				free_instance(a, instance);
		}
		return;
	}
	struct map kept = {0};
	size_t position = 0;
	uint64_t seq;
	void *value;
	while (map_next(&a->instances, &position, &seq, &value)) {
		if (seq < min)
			free_instance(a, value);
		else
			map_put(&kept, seq, value);
	}
	map_free(&a->instances);
	a->instances = kept;
}

uint64_t least_done(const struct agreement *a)
{
	uint64_t min = UINT64_MAX;
	for (uint32_t i = 0; i < a->options.nmembers; i++)
		min = a->done[i] < min ? a->done[i] : min;
	return min;
}

/*
 * Instances are forgotten, and said to be, when it is durable that they may be: what was shown once
 * stays shown.
 */
static void raise_min(struct agreement *a)
{
	uint64_t min = least_done(a);
	if (min <= a->min_wanted)
		return;
	a->min_wanted = min;
	persist_dones(a);
	wait_for_disk(a, WAIT_MIN, min, 0);
}

void min_durable(struct agreement *a, uint64_t min)
{
	if (min > a->min)
		forget_below(a, min);
}

void merge_bounds(struct agreement *a, uint64_t now_us, uint32_t from,
		  const struct wire_agreement *m)
{
	bool news = false, own = false, counts = message_counts(a, from, m);
	heard_of(a, now_us, from);
	if (m->next <= AGREEMENT_SEQ_MAX)
		a->next = at_least(a->next, m->next);
	if (m->ndones != a->options.nmembers)
		return;
	for (uint32_t i = 0; i < m->ndones; i++) {
		if (m->dones[i] > AGREEMENT_SEQ_MAX)
			return;
		if (counts)
			a->peers[from].seen[i] = at_least(a->peers[from].seen[i], m->dones[i]);
		/*
		 * Only this peer's own application says what it is done with; the disk before this
		 * one may have heard it.
		 */
		if ((i == a->self && own_binding(a) == 0) || m->dones[i] <= a->done[i])
			continue;
		a->done[i] = m->dones[i];
		news = true;
		own |= i == a->self;
	}
	if (!news)
		return;
	uint64_t before = a->persist_last;
	raise_min(a);
	if (own) {
		if (a->persist_last == before)
			persist_dones(a);
		wait_for_disk(a, WAIT_DONE, a->done[a->self], 0);
	}
	gossip_soon(a, now_us);
}

/* ---- life ---- */

struct agreement *agreement_create(const struct agreement_options *options)
{
	struct agreement *a = ALLOC(struct agreement);
	ASSERT(options->nmembers > 0 && options->nmembers <= REPLICAS_MAX);
	a->options = *options;
	a->self = member_index(a, options->self);
	ASSERT(a->self < options->nmembers && options->life != 0);
	for (uint32_t i = 1; i < options->nmembers; i++)
		ASSERT(options->members[i - 1] < options->members[i]);
	list_init(&a->logged);
	list_init(&a->active);
	for (uint32_t i = 0; i < options->nmembers; i++) {
		list_init(&a->peers[i].spreading);
		a->peers[i].gossip_at_us = a->peers[i].spread_due_us = a->peers[i].enter_at_us =
			UINT64_MAX;
		a->peers[i].delay_us = options->retry_us;
	}
	return a;
}

void agreement_destroy(struct agreement *a)
{
	size_t position = 0;
	uint64_t seq;
	void *value;
	if (a == NULL)
		return;
	while (map_next(&a->instances, &position, &seq, &value))
		free_instance(a, value);
	map_free(&a->instances);
	output_free(a);
	free(a);
}

/* ---- what clients ask ---- */

int agreement_start(struct agreement *a, uint64_t now_us, uint64_t seq, struct bytes *value)
{
	if (seq >= AGREEMENT_SEQ_MAX)
		return STATUS_BAD_REQUEST;
	if (seq < a->min)
		return STATUS_COMPACTED;
	struct instance *instance = find_instance(a, seq);
	if (instance != NULL && (instance->decided != NULL || instance->stage != STAGE_NONE))
		return 0;
	if (!is_inside(a))
		return STATUS_UNAVAILABLE;
	if (a->proposing >= PROPOSING_MAX ||
	    !agreement_has_room(a, instance == NULL, value->len, false)) {
		a->counters.refused++;
		return STATUS_BUSY;
	}
	if (instance == NULL)
		instance = create_instance(a, seq);
	a->counters.started++;
	agreement_propose(a, now_us, instance, value);
	return 0;
}

enum agreement_state agreement_status(const struct agreement *a, uint64_t seq, struct bytes **value)
{
	if (seq < a->min)
		return AGREEMENT_STATE_FORGOTTEN;
	const struct instance *instance = find_instance(a, seq);
	if (instance == NULL || instance->decided == NULL ||
	    instance->decided_sequence > a->persisted)
		return AGREEMENT_STATE_PENDING;
	*value = instance->decided;
	return AGREEMENT_STATE_DECIDED;
}

uint64_t agreement_done(struct agreement *a, uint64_t now_us, uint64_t seq)
{
	(void)now_us;
	ASSERT(seq < AGREEMENT_SEQ_MAX);
	if (seq + 1 > a->done[a->self]) {
		uint64_t before = a->persist_last;
		a->done[a->self] = seq + 1;
		raise_min(a);
		if (a->persist_last == before)
			persist_dones(a);
		wait_for_disk(a, WAIT_DONE, seq + 1, 0);
	}
	return a->done_told > seq ? 0 : a->persist_last;
}

uint64_t agreement_min(const struct agreement *a)
{
	return a->min;
}

uint64_t agreement_next(const struct agreement *a)
{
	return a->next;
}

uint64_t agreement_done_of(const struct agreement *a, uint32_t i)
{
	return a->done[i];
}

/* ---- time ---- */

void agreement_tick(struct agreement *a, uint64_t now_us)
{
	LIST_FOR_SAFE (link, after, &a->active) {
		struct instance *instance = LIST_ITEM(link, struct instance, active);
		if (instance->at_us <= now_us)
			proposer_tick(a, now_us, instance);
	}
	spread_tick(a, now_us);
	enter_tick(a, now_us);
}

uint64_t agreement_deadline_us(const struct agreement *a)
{
	uint64_t deadline_us = spread_deadline_us(a), enter_us = enter_deadline_us(a);
	if (enter_us < deadline_us)
		deadline_us = enter_us;
	LIST_FOR (link, &a->active) {
		const struct instance *instance = LIST_ITEM(link, struct instance, active);
		if (instance->at_us < deadline_us)
			deadline_us = instance->at_us;
	}
	return deadline_us;
}

/* ---- what others want to know ---- */

void agreement_set_disk_full(struct agreement *a, bool full)
{
	a->disk_full = full;
}

uint64_t agreement_bytes(const struct agreement *a)
{
	return a->bytes;
}

uint64_t agreement_instances(const struct agreement *a)
{
	return a->instances.count;
}

uint64_t agreement_proposing(const struct agreement *a)
{
	return a->proposing;
}

const struct agreement_counters *agreement_counters(const struct agreement *a)
{
	return &a->counters;
}

bool agreement_next_view(const struct agreement *a, size_t *position, struct agreement_view *out)
{
	uint64_t seq;
	void *value;
	if (!map_next(&a->instances, position, &seq, &value))
		return false;
	const struct instance *instance = value;
	*out = (struct agreement_view){
		.seq = seq,
		.promised = instance->acceptor.promised,
		.accepted = instance->acceptor.accepted,
		.accepted_value = instance->acceptor.value,
		.decided = instance->decided,
		.decided_durable = instance->decided != NULL &&
				   instance->decided_sequence <= a->persisted,
	};
	return true;
}
