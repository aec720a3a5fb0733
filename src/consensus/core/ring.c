/* Accepted entries by slot, in a ring that grows. */
#include "core/ring.h"

#include <stdlib.h>

#include "base/alloc.h"

#define RING_CAPACITY_MIN 256u

void ring_init(struct ring *r, uint64_t first)
{
	*r = (struct ring){
		.slots = alloc_zeroed(RING_CAPACITY_MIN, sizeof(struct ring_slot)),
		.capacity = RING_CAPACITY_MIN,
		.first = first,
		.last = first - 1,
	};
}

static struct ring_slot *at(const struct ring *r, uint64_t slot)
{
	return &r->slots[slot & (r->capacity - 1)];
}

struct ring_slot *ring_get(const struct ring *r, uint64_t slot)
{
	if (slot < r->first || slot > r->last)
		return NULL;
	struct ring_slot *s = at(r, slot);
	return s->present ? s : NULL;
}

static void grow(struct ring *r, uint64_t span)
{
	struct ring old = *r;
	while (r->capacity < span)
		r->capacity *= 2;
	r->slots = alloc_zeroed(r->capacity, sizeof(struct ring_slot));
	for (uint64_t slot = old.first; slot <= old.last; slot++)
		*at(r, slot) = *at(&old, slot);
	free(old.slots);
}

struct ring_slot *ring_put(struct ring *r, uint64_t slot, uint64_t ballot, struct bytes *value_take)
{
	ASSERT(slot >= r->first);
	if (slot - r->first >= r->capacity)
		grow(r, slot - r->first + 1);
	if (slot > r->last)
		r->last = slot;
	struct ring_slot *s = at(r, slot);
	r->bytes -= ring_value_bytes(s);
	bytes_unref(s->value);
	*s = (struct ring_slot){.present = true, .ballot = ballot, .value = value_take};
	r->bytes += ring_value_bytes(s);
	ASSERT(r->last - r->first < r->capacity);
	return s;
}

void ring_drop_below(struct ring *r, uint64_t first)
{
	if (first <= r->first)
		return;
	for (uint64_t slot = r->first; slot <= r->last && slot < first; slot++) {
		struct ring_slot *s = at(r, slot);
		r->bytes -= ring_value_bytes(s);
		bytes_unref(s->value);
		*s = (struct ring_slot){0};
	}
	r->first = first;
	if (r->last < first - 1)
		r->last = first - 1;
	/* Empty, nothing may be left that counts. */
	ASSERT(r->first <= r->last || r->bytes == 0);
}

void ring_forget_above(struct ring *r, uint64_t slot, uint64_t ballot)
{
	uint64_t last = slot < r->first ? r->first - 1 : slot;
	ASSERT(r->last + 1 >= r->first);
	for (uint64_t i = last + 1; i <= r->last; i++) {
		struct ring_slot *s = at(r, i);
		if (s->present && s->ballot >= ballot)
			last = i;
		if (!s->present || s->ballot >= ballot)
			continue;
		r->bytes -= ring_value_bytes(s);
		bytes_unref(s->value);
		*s = (struct ring_slot){0};
	}
	if (last < r->last)
		r->last = last;
}

void ring_free(struct ring *r)
{
	if (r->slots != NULL)
		ring_drop_below(r, r->last + 1);
	free(r->slots);
	*r = (struct ring){0};
}
