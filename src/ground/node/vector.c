/* Vector clocks, as they travel. */
#include "node/vector.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* Where the host is, or would have to be inserted. */
static uint32_t position_of(const struct vector *v, uint32_t host)
{
	uint32_t low = 0, high = v->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (v->entries[middle].host < host)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has(const struct vector *v, uint32_t position, uint32_t host)
{
	return position < v->count && v->entries[position].host == host;
}

static void reserve(struct vector *v, uint32_t count)
{
	if (count <= v->capacity)
		return;
	uint32_t capacity = v->capacity == 0 ? 8 : v->capacity * 2;
	v->capacity = capacity > count ? capacity : count;
	v->entries = alloc_resize(v->entries, v->capacity, sizeof *v->entries);
}

int vector_tick(struct vector *v, uint32_t host)
{
	uint32_t position = position_of(v, host);
	if (has(v, position, host)) {
		v->entries[position].count++;
		return 0;
	}
	if (v->count == VECTOR_HOSTS_MAX)
		return STATUS_TOO_LARGE;
	reserve(v, v->count + 1);
	memmove(v->entries + position + 1, v->entries + position,
		(v->count - position) * sizeof *v->entries);
	v->entries[position] = (struct vector_entry){.host = host, .count = 1};
	v->count++;
	return 0;
}

/* Hosts of b that a does not have. */
static uint32_t missing(const struct vector *a, const struct vector *b)
{
	uint32_t n = 0, i = 0;
	for (uint32_t j = 0; j < b->count; j++) {
		while (i < a->count && a->entries[i].host < b->entries[j].host)
			i++;
		n += !has(a, i, b->entries[j].host);
	}
	return n;
}

/* From the back, so that it needs no second array. */
int vector_merge(struct vector *v, const struct vector *other)
{
	uint32_t total = v->count + missing(v, other);
	if (total > VECTOR_HOSTS_MAX)
		return STATUS_TOO_LARGE;
	reserve(v, total);
	uint32_t i = v->count, j = other->count;
	for (uint32_t to = total; j > 0; to--) {
		ASSERT(to > 0);
		const struct vector_entry *theirs = &other->entries[j - 1];
		struct vector_entry taken = *theirs;
		if (i > 0 && v->entries[i - 1].host > theirs->host) {
			taken = v->entries[--i];
		} else if (i > 0 && v->entries[i - 1].host == theirs->host) {
			i--, j--;
			if (v->entries[i].count > taken.count)
				taken.count = v->entries[i].count;
		} else {
			j--;
		}
		v->entries[to - 1] = taken;
	}
	v->count = total;
	return 0;
}

/* Every count of a is at most that of b. */
static bool at_most(const struct vector *a, const struct vector *b)
{
	uint32_t j = 0;
	for (uint32_t i = 0; i < a->count; i++) {
		while (j < b->count && b->entries[j].host < a->entries[i].host)
			j++;
		if (!has(b, j, a->entries[i].host) || b->entries[j].count < a->entries[i].count)
			return false;
	}
	return true;
}

enum vector_order vector_compare(const struct vector *a, const struct vector *b)
{
	bool below = at_most(a, b), above = at_most(b, a);
	if (below && above)
		return VECTOR_EQUAL;
	if (below)
		return VECTOR_BEFORE;
	return above ? VECTOR_AFTER : VECTOR_CONCURRENT;
}

uint64_t vector_get(const struct vector *v, uint32_t host)
{
	uint32_t position = position_of(v, host);
	return has(v, position, host) ? v->entries[position].count : 0;
}

struct vector vector_copy(const struct vector *v)
{
	struct vector copy = {.count = v->count, .capacity = v->count};
	if (v->count == 0)
		return copy;
	copy.entries = alloc_zeroed(v->count, sizeof *copy.entries);
	memcpy(copy.entries, v->entries, v->count * sizeof *copy.entries);
	return copy;
}

void vector_free(struct vector *v)
{
	free(v->entries);
	*v = (struct vector){0};
}
