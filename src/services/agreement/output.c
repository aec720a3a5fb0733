/* Records for the log, messages, and what waits for the disk. */
#include <stdlib.h>

#include "agreement/internal.h"
#include "base/alloc.h"

void *agreement_vector_add(struct vector *v, size_t item_size)
{
	if (v->count == v->capacity) {
		v->capacity = v->capacity == 0 ? 16 : v->capacity * 2;
		v->items = alloc_resize(v->items, v->capacity, item_size);
	}
	void *item = (char *)v->items + v->count++ * item_size;
	memset(item, 0, item_size);
	return item;
}

static void swap(struct vector *a, struct vector *b)
{
	struct vector c = *a;
	*a = *b;
	*b = c;
}

void items_add(struct items *items, enum wire_agreement_kind kind, uint64_t seq, uint64_t ballot,
	       uint64_t other, struct bytes *value)
{
	ALLOC_ROOM(items->items, items->count, items->capacity, 8);
	items->items[items->count++] = (struct item){.kind = kind,
						     .seq = seq,
						     .ballot = ballot,
						     .other = other,
						     .value = value != NULL ? bytes_ref(value)
									    : NULL};
}

static void items_clear(struct items *items)
{
	for (uint32_t i = 0; i < items->count; i++)
		bytes_unref(items->items[i].value);
	items->count = 0;
}

void items_free(struct items *items)
{
	items_clear(items);
	free(items->items);
	*items = (struct items){0};
}

void agreement_post(struct agreement *a, uint32_t member, enum wire_agreement_kind kind,
		    uint64_t seq, uint64_t ballot, struct bytes *value)
{
	ASSERT(member != a->self);
	items_add(&a->peers[member].outbox, kind, seq, ballot, 0, value);
	a->counters.sent[kind]++;
}

void agreement_post_others(struct agreement *a, synod_set except, enum wire_agreement_kind kind,
			   const struct instance *instance, uint64_t ballot, struct bytes *value)
{
	for (uint32_t i = 0; i < a->options.nmembers; i++)
		if (i != a->self && (except & member_bit(i)) == 0)
			agreement_post(a, i, kind, instance->seq, ballot, value);
}

/* ---- records ---- */

static struct agreement_persist *persist(struct agreement *a, enum agreement_persist_kind kind,
					 struct bytes *value)
{
	struct agreement_persist *p = agreement_vector_add(&a->persists, sizeof *p);
	p->kind = kind;
	p->sequence = ++a->persist_last;
	if (value != NULL) {
		p->held = bytes_ref(value);
		p->value = bytes_slice(value);
	}
	return p;
}

void persist_instance(struct agreement *a, struct instance *instance,
		      enum agreement_persist_kind kind, uint64_t ballot, struct bytes *value)
{
	struct agreement_persist *p = persist(a, kind, value);
	p->seq = instance->seq;
	p->ballot = ballot;
	instance->sequence = p->sequence;
}

void persist_dones(struct agreement *a)
{
	struct buffer record = {0};
	buffer_add_u64(&record, a->next);
	buffer_add_u32(&record, a->options.nmembers);
	for (uint32_t i = 0; i < a->options.nmembers; i++)
		buffer_add_u64(&record, a->done[i]);
	struct bytes *value = bytes_copy(buffer_slice(&record));
	persist(a, AGREEMENT_PERSIST_DONES, value);
	bytes_unref(value);
	buffer_free(&record);
}

void persist_members(struct agreement *a)
{
	struct buffer record = {0};
	agreement_members_encode(&a->members, a->entered_wanted, &record);
	struct bytes *value = bytes_copy(buffer_slice(&record));
	persist(a, AGREEMENT_PERSIST_MEMBERS, value);
	bytes_unref(value);
	buffer_free(&record);
}

static void release_persists(struct vector *v)
{
	struct agreement_persist *persists = v->items;
	for (uint32_t i = 0; i < v->count; i++)
		bytes_unref(persists[i].held);
	v->count = 0;
}

/* ---- what waits for the disk ---- */

struct wait *wait_for_disk(struct agreement *a, enum wait_kind kind, uint64_t seq, uint64_t ballot)
{
	struct wait *wait = agreement_vector_add(&a->waits, sizeof *wait);
	wait->kind = kind;
	wait->sequence = a->persist_last;
	wait->seq = seq;
	wait->ballot = ballot;
	return wait;
}

void agreement_answer_later(struct agreement *a, uint64_t link, uint64_t id, uint32_t to,
			    struct items *items_take, uint64_t sequence)
{
	struct wait *wait = sequence <= a->persisted
				    ? agreement_vector_add(&a->answers, sizeof *wait)
				    : wait_for_disk(a, WAIT_ANSWER, 0, 0);
	wait->kind = WAIT_ANSWER;
	wait->link = link;
	wait->id = id;
	wait->to = to;
	wait->binding = own_binding(a);
	wait->items = *items_take;
	*items_take = (struct items){0};
	for (uint32_t i = 0; i < wait->items.count; i++)
		a->counters.sent[wait->items.items[i].kind]++;
}

static void settle(struct agreement *a, uint64_t now_us, uint64_t seq)
{
	uint64_t *settled = agreement_vector_add(&a->settled, sizeof *settled);
	*settled = seq;
	struct instance *instance = seq < a->min ? NULL : find_instance(a, seq);
	if (instance != NULL)
		decision_durable(a, now_us, instance);
}

void agreement_persisted(struct agreement *a, uint64_t now_us, uint64_t sequence)
{
	ASSERT(sequence >= a->persisted && sequence <= a->persist_last);
	a->persisted = sequence;
	while (a->waits_head < a->waits.count) {
		/* A copy: what follows may make others wait, and the vector grow. */
		struct wait wait = ((struct wait *)a->waits.items)[a->waits_head];
		if (wait.sequence > sequence)
			break;
		a->waits_head++;
		switch (wait.kind) {
		case WAIT_OWN_PROMISE: own_promised(a, now_us, wait.seq, wait.ballot); break;
		case WAIT_OWN_ACCEPT: own_accepted(a, now_us, wait.seq, wait.ballot); break;
		case WAIT_DECIDED: settle(a, now_us, wait.seq); break;
		case WAIT_DONE:
			a->done_told = at_least(a->done_told, wait.seq);
			gossip_soon(a, now_us);
			break;
		case WAIT_MIN: min_durable(a, wait.seq); break;
		case WAIT_ENTERED: enter_durable(a, now_us, wait.seq); break;
		case WAIT_ANSWER:
			*(struct wait *)agreement_vector_add(&a->answers, sizeof wait) = wait;
			break;
		}
	}
	if (a->waits_head < a->waits.count && a->waits_head < 1024)
		return;
	struct wait *waits = a->waits.items;
	a->waits.count -= a->waits_head;
	if (a->waits.count > 0)
		memmove(waits, waits + a->waits_head, a->waits.count * sizeof *waits);
	a->waits_head = 0;
}

/* ---- messages ---- */

static void fill_message(const struct agreement *a, struct wire_agreement *m, uint32_t to)
{
	m->from = a->options.members[a->self];
	m->to = to;
	m->ndones = a->options.nmembers;
	for (uint32_t i = 0; i < a->options.nmembers; i++)
		m->dones[i] = i == a->self ? a->done_told : a->done[i];
	m->next = a->next;
	m->life = a->options.life;
	m->binding = own_binding(a);
	m->members = a->members.slot;
}

/*
 * Turns items into wire items at the end of a->items; how many were taken before the message was
 * full.
 */
static uint32_t take_items(struct agreement *a, const struct items *from, uint32_t first)
{
	size_t bytes = 0;
	uint32_t i = first;
	while (i < from->count && i - first < MESSAGE_ITEMS_MAX && bytes < MESSAGE_VALUE_BYTES) {
		const struct item *item = &from->items[i++];
		struct wire_agreement_item *wire = agreement_vector_add(&a->items, sizeof *wire);
		*wire = (struct wire_agreement_item){.kind = item->kind,
						     .seq = item->seq,
						     .ballot = item->ballot,
						     .other = item->other};
		if (item->value != NULL) {
			wire->value = bytes_slice(item->value);
			bytes += item->value->len;
		}
	}
	return i - first;
}

static void build_enter(struct agreement *a, struct peer *peer, uint32_t to)
{
	struct agreement_send *send = agreement_vector_add(&a->sends, sizeof *send);
	send->to = to;
	fill_message(a, &send->message, to);
	send->message.items = (void *)(uintptr_t)a->items.count;
	send->message.nitems = 1;
	struct wire_agreement_item *item = agreement_vector_add(&a->items, sizeof *item);
	*item = (struct wire_agreement_item){
		.kind = WIRE_AGREEMENT_ENTER, .seq = peer->told_below, .ballot = own_binding(a)};
	peer->due_enter = false;
	a->counters.sent[WIRE_AGREEMENT_ENTER]++;
	a->counters.requests++;
}

/*
 * Until the array of wire items stops growing, a message's items are the number of the first in it.
 */
static void build_sends(struct agreement *a)
{
	for (uint32_t i = 0; i < a->options.nmembers; i++) {
		struct peer *peer = &a->peers[i];
		uint32_t taken = 0;
		if (peer->due_enter)
			build_enter(a, peer, a->options.members[i]);
		while (taken < peer->outbox.count || peer->due_gossip) {
			struct agreement_send *send = agreement_vector_add(&a->sends, sizeof *send);
			send->to = a->options.members[i];
			fill_message(a, &send->message, send->to);
			send->message.items = (void *)(uintptr_t)a->items.count;
			send->message.nitems = take_items(a, &peer->outbox, taken);
			taken += send->message.nitems;
			peer->due_gossip = false;
			a->counters.requests++;
		}
		/* The output points into the values: they live until the next one. */
		for (uint32_t k = 0; k < peer->outbox.count; k++)
			if (peer->outbox.items[k].value != NULL)
				items_add(&a->held, WIRE_AGREEMENT_NONE, 0, 0, 0,
					  peer->outbox.items[k].value);
		items_clear(&peer->outbox);
	}
}

static void build_answers(struct agreement *a)
{
	const struct wait *waits = a->answers_out.items;
	for (uint32_t i = 0; i < a->answers_out.count; i++) {
		struct agreement_answer *reply = agreement_vector_add(&a->replies, sizeof *reply);
		reply->link = waits[i].link;
		reply->id = waits[i].id;
		fill_message(a, &reply->message, waits[i].to);
		reply->message.binding = waits[i].binding;
		reply->message.items = (void *)(uintptr_t)a->items.count;
		reply->message.nitems = take_items(a, &waits[i].items, 0);
	}
}

static struct wire_agreement_item *items_at(const struct agreement *a,
					    const struct wire_agreement *m)
{
	struct wire_agreement_item *items = a->items.items;
	return m->nitems > 0 ? items + (uintptr_t)m->items : NULL;
}

static void forget_output(struct agreement *a)
{
	struct wait *answered = a->answers_out.items;
	release_persists(&a->persists_out);
	for (uint32_t i = 0; i < a->answers_out.count; i++)
		items_free(&answered[i].items);
	items_clear(&a->held);
	a->answers_out.count = a->settled_out.count = 0;
	a->sends.count = a->items.count = a->replies.count = 0;
}

const struct agreement_output *agreement_output(struct agreement *a, uint64_t now_us)
{
	(void)now_us;
	forget_output(a);
	swap(&a->persists, &a->persists_out);
	swap(&a->answers, &a->answers_out);
	swap(&a->settled, &a->settled_out);
	build_sends(a);
	build_answers(a);
	struct agreement_send *sends = a->sends.items;
	for (uint32_t i = 0; i < a->sends.count; i++)
		sends[i].message.items = items_at(a, &sends[i].message);
	struct agreement_answer *replies = a->replies.items;
	for (uint32_t i = 0; i < a->replies.count; i++)
		replies[i].message.items = items_at(a, &replies[i].message);
	a->output = (struct agreement_output){
		.npersists = a->persists_out.count,
		.nsends = a->sends.count,
		.nanswers = a->replies.count,
		.nsettled = a->settled_out.count,
		.persists = a->persists_out.items,
		.sends = sends,
		.answers = replies,
		.settled = a->settled_out.items,
	};
	return &a->output;
}

void output_free(struct agreement *a)
{
	struct wait *waits = a->waits.items, *answers = a->answers.items;
	forget_output(a);
	release_persists(&a->persists);
	for (uint32_t i = a->waits_head; i < a->waits.count; i++)
		items_free(&waits[i].items);
	for (uint32_t i = 0; i < a->answers.count; i++)
		items_free(&answers[i].items);
	for (uint32_t i = 0; i < a->options.nmembers; i++)
		items_free(&a->peers[i].outbox);
	items_free(&a->held);
	struct vector *vectors[] = {&a->waits,       &a->persists, &a->persists_out, &a->answers,
				    &a->answers_out, &a->settled,  &a->settled_out,  &a->sends,
				    &a->items,       &a->replies};
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
		free(vectors[i]->items);
}
