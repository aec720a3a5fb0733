/*
 * A disk that takes the place of another is told by the others what it must know before it votes.
 * The rules stand in members.h.
 */
#include <stdlib.h>

#include "agreement/internal.h"
#include "base/alloc.h"

/* ---- asking ---- */

static bool is_entering(const struct agreement *a)
{
	return is_bound(a) && !is_inside(a);
}

static void ask_now(struct agreement *a, uint64_t now_us, uint32_t member)
{
	struct peer *peer = &a->peers[member];
	peer->due_enter = true;
	peer->enter_attempts = 0;
	peer->enter_at_us = now_us + a->options.retry_us;
}

void enter_forget(struct agreement *a, uint64_t now_us, uint32_t member)
{
	struct peer *peer = &a->peers[member];
	peer->told_below = 0;
	peer->told_all = peer->due_enter = false;
	peer->enter_at_us = UINT64_MAX;
	if (is_entering(a) && a->members.list[member].life != 0)
		ask_now(a, now_us, member);
}

void enter_begin(struct agreement *a, uint64_t now_us)
{
	for (uint32_t i = 0; i < a->options.nmembers; i++)
		if (i != a->self)
			enter_forget(a, now_us, i);
}

void enter_tick(struct agreement *a, uint64_t now_us)
{
	for (uint32_t i = 0; i < a->options.nmembers; i++) {
		struct peer *peer = &a->peers[i];
		if (peer->enter_at_us > now_us)
			continue;
		peer->enter_at_us = UINT64_MAX;
		if (!is_entering(a) || peer->told_all)
			continue;
		uint32_t times = peer->enter_attempts++;
		uint64_t pause_us = times < 16 ? a->options.retry_us << times
					       : a->options.retry_max_us;
		peer->due_enter = true;
		peer->enter_at_us = now_us + (pause_us < a->options.retry_max_us
						      ? pause_us
						      : a->options.retry_max_us);
	}
}

uint64_t enter_deadline_us(const struct agreement *a)
{
	uint64_t deadline_us = UINT64_MAX;
	for (uint32_t i = 0; i < a->options.nmembers; i++)
		if (a->peers[i].enter_at_us < deadline_us)
			deadline_us = a->peers[i].enter_at_us;
	return deadline_us;
}

/* ---- telling ---- */

static int by_seq(const void *left, const void *right)
{
	uint64_t a = (*(struct instance *const *)left)->seq,
		 b = (*(struct instance *const *)right)->seq;
	return (a > b) - (a < b);
}

/* Those from seq on of which this peer knows anything, ascending. */
static struct instance **instances_from(const struct agreement *a, uint64_t seq, uint32_t *count)
{
	struct instance **found = alloc_zeroed(a->instances.count + 1, sizeof(struct instance *));
	size_t position = 0;
	uint64_t key;
	void *value;
	*count = 0;
	while (map_next(&a->instances, &position, &key, &value)) {
		struct instance *instance = value;
		if (key >= seq && (instance->decided != NULL || instance->acceptor.promised != 0))
			found[(*count)++] = instance;
	}
	qsort(found, *count, sizeof(struct instance *), by_seq);
	return found;
}

static size_t tell(struct items *items, const struct instance *instance)
{
	const struct synod_acceptor *acceptor = &instance->acceptor;
	struct bytes *value = instance->decided != NULL ? instance->decided : acceptor->value;
	if (instance->decided != NULL)
		items_add(items, WIRE_AGREEMENT_DECIDED, instance->seq, 0, 0, value);
	else
		items_add(items, WIRE_AGREEMENT_STATE, instance->seq, acceptor->promised,
			  acceptor->accepted, value);
	return value == NULL ? 0 : value->len;
}

void enter_asked(struct agreement *a, uint64_t link, uint64_t id, uint32_t from,
		 const struct wire_agreement *m)
{
	const struct wire_agreement_item *asked = &m->items[0];
	struct items items = {0};
	uint32_t count, told = 0;
	size_t bytes = 0;
	if (!is_inside(a) || m->members == 0 || m->members > a->members.slot ||
	    !message_counts(a, from, m) || asked->ballot != m->binding)
		return;
	struct instance **found = instances_from(a, asked->seq, &count);
	items_add(&items, WIRE_AGREEMENT_TOLD, asked->seq, asked->ballot, 0, NULL);
	while (told < count && told < ENTER_ITEMS_MAX && bytes < MESSAGE_VALUE_BYTES)
		bytes += tell(&items, found[told++]);
	items.items[0].other = (uint64_t)told << 1 | (told == count);
	free(found);
	/*
	 * What it says is durable by then, and so are the members: no ballot of older ones gets a
	 * vote from here on.
	 */
	agreement_answer_later(a, link, id, m->from, &items, a->persist_last);
}

/* ---- being told ---- */

static bool has_room(const struct agreement *a, const struct wire_agreement_item *item)
{
	/* What the others keep, all of them together. */
	return !a->disk_full &&
	       (find_instance(a, item->seq) != NULL ||
		a->instances.count < 2 * a->options.instances_max) &&
	       a->bytes + item->value.len + INSTANCE_BYTES <= 2 * a->options.bytes_max;
}

static void take_state(struct agreement *a, struct instance *instance,
		       const struct wire_agreement_item *item)
{
	struct synod_acceptor *acceptor = &instance->acceptor;
	if (item->other > acceptor->accepted) {
		bytes_unref(acceptor->value);
		acceptor->value = bytes_copy(item->value);
		acceptor->accepted = item->other;
		acceptor->promised = at_least(acceptor->promised, item->other);
		persist_instance(a, instance, AGREEMENT_PERSIST_ACCEPT, item->other,
				 acceptor->value);
		agreement_account(a, instance);
	}
	if (item->ballot > acceptor->promised) {
		acceptor->promised = item->ballot;
		persist_instance(a, instance, AGREEMENT_PERSIST_PROMISE, item->ballot, NULL);
	}
}

/* False: there is no room for it now. */
static bool take(struct agreement *a, uint32_t from, const struct wire_agreement_item *item)
{
	if (item->seq < a->min || item->seq >= AGREEMENT_SEQ_MAX ||
	    (item->kind != WIRE_AGREEMENT_STATE && item->kind != WIRE_AGREEMENT_DECIDED))
		return true;
	struct instance *instance = find_instance(a, item->seq);
	if (instance != NULL && instance->decided != NULL) {
		a->counters.conflicts += item->kind == WIRE_AGREEMENT_DECIDED &&
					 !slice_equal(bytes_slice(instance->decided), item->value);
		return true;
	}
	if (!has_room(a, item))
		return false;
	if (instance == NULL)
		instance = create_instance(a, item->seq);
	if (item->kind == WIRE_AGREEMENT_STATE) {
		take_state(a, instance, item);
		return true;
	}
	struct bytes *value = bytes_copy(item->value);
	agreement_decide(a, instance, value, 0, from);
	bytes_unref(value);
	return true;
}

uint32_t agreement_told_by(const struct agreement *a)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < a->options.nmembers; i++)
		count += i != a->self && a->peers[i].told_all;
	return count;
}

uint32_t agreement_told_needed(const struct agreement *a)
{
	uint32_t quorum = a->options.nmembers / 2 + 1;
	return a->options.nmembers - quorum + 1;
}

void enter_told(struct agreement *a, uint64_t now_us, uint32_t from, const struct wire_agreement *m)
{
	struct peer *peer = &a->peers[from];
	const struct wire_agreement_item *told = &m->items[0];
	if (!is_entering(a) || !message_counts(a, from, m) || told->ballot != own_binding(a) ||
	    peer->told_all || told->seq != peer->told_below || told->other >> 1 != m->nitems - 1)
		return;
	for (uint32_t i = 1; i < m->nitems; i++) {
		if (!take(a, from, &m->items[i]))
			return;
		peer->told_below = m->items[i].seq + 1;
	}
	if ((told->other & 1) == 0) {
		ask_now(a, now_us, from);
		return;
	}
	peer->told_all = true;
	peer->due_enter = false;
	peer->enter_at_us = UINT64_MAX;
	if (agreement_told_by(a) < agreement_told_needed(a) ||
	    a->entered_wanted == 1 + own_binding(a))
		return;
	a->entered_wanted = 1 + own_binding(a);
	persist_members(a);
	wait_for_disk(a, WAIT_ENTERED, a->entered_wanted, 0);
}

void enter_durable(struct agreement *a, uint64_t now_us, uint64_t entered)
{
	bool was_inside = is_inside(a);
	a->entered = (uint32_t)entered;
	if (!was_inside && is_inside(a))
		members_inside(a, now_us);
}
