/* Ids that have been handed out, as ranges. */
#include "rsm/id_ranges.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/limits.h"

void id_ranges_free(struct id_ranges *set)
{
	free(set->ranges);
	*set = (struct id_ranges){0};
}

/* The position of the first range that ends at or above id. */
static uint32_t position(const struct id_ranges *set, uint64_t id)
{
	uint32_t low = 0, high = set->count;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (set->ranges[middle].last < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool id_ranges_has(const struct id_ranges *set, uint64_t id)
{
	uint32_t at = position(set, id);
	return id <= set->floor || (at < set->count && set->ranges[at].first <= id);
}

static void remove_at(struct id_ranges *set, uint32_t at)
{
	set->count--;
	memmove(&set->ranges[at], &set->ranges[at + 1], (set->count - at) * sizeof set->ranges[0]);
}

static void insert_at(struct id_ranges *set, uint32_t at, uint64_t id)
{
	if (set->count == set->capacity) {
		set->capacity = set->capacity == 0 ? 16 : set->capacity * 2;
		set->ranges = alloc_resize(set->ranges, set->capacity, sizeof set->ranges[0]);
	}
	memmove(&set->ranges[at + 1], &set->ranges[at], (set->count - at) * sizeof set->ranges[0]);
	set->ranges[at] = (struct id_range){.first = id, .last = id};
	set->count++;
}

/*
 * The lowest range becomes part of what lies below the floor if they touch, or if there are too
 * many.
 */
static void settle_floor(struct id_ranges *set)
{
	while (set->count > 0 &&
	       (set->ranges[0].first <= set->floor + 1 || set->count > SESSION_RANGES_MAX)) {
		set->floor = set->ranges[0].last;
		remove_at(set, 0);
	}
}

void id_ranges_add(struct id_ranges *set, uint64_t id)
{
	if (id_ranges_has(set, id))
		return;
	uint32_t at = position(set, id);
	bool after = at > 0 && set->ranges[at - 1].last == id - 1;
	bool before = at < set->count && set->ranges[at].first - 1 == id;
	if (after && before) {
		set->ranges[at - 1].last = set->ranges[at].last;
		remove_at(set, at);
	} else if (after) {
		set->ranges[at - 1].last = id;
	} else if (before) {
		set->ranges[at].first = id;
	} else {
		insert_at(set, at, id);
	}
	settle_floor(set);
}

void id_ranges_raise(struct id_ranges *set, uint64_t id)
{
	if (id <= set->floor)
		return;
	set->floor = id;
	while (set->count > 0 && set->ranges[0].last <= id)
		remove_at(set, 0);
	settle_floor(set);
}

void id_ranges_cut(struct id_ranges *set, uint64_t last)
{
	while (set->count > 0 && set->ranges[set->count - 1].first > last)
		set->count--;
	if (set->count > 0 && set->ranges[set->count - 1].last > last)
		set->ranges[set->count - 1].last = last;
	if (set->floor > last)
		set->floor = last;
}

void id_ranges_encode(const struct id_ranges *set, struct buffer *out)
{
	buffer_add_u64(out, set->floor);
	buffer_add_u32(out, set->count);
	for (uint32_t i = 0; i < set->count; i++) {
		buffer_add_u64(out, set->ranges[i].first);
		buffer_add_u64(out, set->ranges[i].last);
	}
}

int id_ranges_decode(struct id_ranges *set, struct slice *in)
{
	uint32_t count;
	if (!slice_take_u64(in, &set->floor) || !slice_take_u32(in, &count) ||
	    count > SESSION_RANGES_MAX)
		return STATUS_CORRUPT;
	uint64_t below = set->floor;
	for (uint32_t i = 0; i < count; i++) {
		struct id_range range;
		if (!slice_take_u64(in, &range.first) || !slice_take_u64(in, &range.last) ||
		    range.first > range.last || range.first <= below || range.first - below < 2)
			return STATUS_CORRUPT;
		insert_at(set, set->count, range.first);
		set->ranges[set->count - 1] = range;
		below = range.last;
	}
	return 0;
}
