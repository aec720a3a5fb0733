/* Where in the log the newest record of each slot stands. */
#include "rsm/log_index.h"

#include <stdlib.h>

#include "base/alloc.h"

#define CAPACITY_MIN 1024u

void log_index_init(struct log_index *x, uint64_t first)
{
	*x = (struct log_index){
		.first = first,
		.capacity = CAPACITY_MIN,
		.positions = alloc_zeroed(CAPACITY_MIN, sizeof(wal_position)),
	};
}

static wal_position *at(const struct log_index *x, uint64_t slot)
{
	return &x->positions[(x->head + (slot - x->first)) & (x->capacity - 1)];
}

static void grow(struct log_index *x, uint64_t count)
{
	struct log_index old = *x;
	while (x->capacity < count)
		x->capacity *= 2;
	x->positions = alloc_zeroed(x->capacity, sizeof(wal_position));
	x->head = 0;
	for (uint64_t i = 0; i < old.count; i++)
		x->positions[i] = *at(&old, old.first + i);
	free(old.positions);
}

void log_index_set(struct log_index *x, uint64_t slot, wal_position position)
{
	if (slot < x->first)
		return;
	uint64_t count = slot - x->first + 1;
	if (count > x->capacity)
		grow(x, count);
	while (x->count < count)
		*at(x, x->first + x->count++) = 0;
	*at(x, slot) = position;
}

wal_position log_index_get(const struct log_index *x, uint64_t slot)
{
	return slot < x->first || slot - x->first >= x->count ? 0 : *at(x, slot);
}

void log_index_drop_below(struct log_index *x, uint64_t first)
{
	if (first <= x->first)
		return;
	uint64_t drop = first - x->first;
	if (drop >= x->count) {
		x->count = 0;
		x->head = 0;
	} else {
		x->count -= drop;
		x->head = (x->head + drop) & (x->capacity - 1);
	}
	x->first = first;
}

wal_position log_index_oldest(const struct log_index *x)
{
	wal_position oldest = UINT64_MAX;
	for (uint64_t i = 0; i < x->count; i++) {
		wal_position p = *at(x, x->first + i);
		if (p != 0 && p < oldest)
			oldest = p;
	}
	return oldest;
}

void log_index_free(struct log_index *x)
{
	free(x->positions);
	*x = (struct log_index){0};
}
