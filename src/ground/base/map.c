/* From numbers to pointers: open addressing, linear probing. */
#include "base/map.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/mix.h"

#define CAPACITY_MIN 16u

/* Keys are often consecutive numbers, and linear probing needs them spread. */
static size_t home_of(const struct map *m, uint64_t key)
{
	return (size_t)mix_u64(key) & (m->capacity - 1);
}

/* The slot that holds key, or the free slot where it would go. */
static size_t find(const struct map *m, uint64_t key)
{
	size_t i = home_of(m, key);
	while (m->slots[i].value != NULL && m->slots[i].key != key)
		i = (i + 1) & (m->capacity - 1);
	return i;
}

static void grow(struct map *m)
{
	struct map old = *m;

	m->capacity = old.capacity == 0 ? CAPACITY_MIN : old.capacity * 2;
	m->slots = alloc_zeroed(m->capacity, sizeof *m->slots);
	for (size_t i = 0; i < old.capacity; i++)
		if (old.slots[i].value != NULL)
			m->slots[find(m, old.slots[i].key)] = old.slots[i];
	free(old.slots);
}

void *map_get(const struct map *m, uint64_t key)
{
	return m->count == 0 ? NULL : m->slots[find(m, key)].value;
}

void *map_put(struct map *m, uint64_t key, void *value)
{
	ASSERT(value != NULL);
	if (m->count + 1 > m->capacity / 4 * 3)
		grow(m);
	struct map_slot *slot = &m->slots[find(m, key)];
	void *replaced = slot->value;
	*slot = (struct map_slot){.key = key, .value = value};
	if (replaced == NULL)
		m->count++;
	return replaced;
}

/*
 * Backward shift (Knuth, TAOCP 6.4, algorithm R): an element after the hole moves
 * into it unless its home lies cyclically behind the hole, so that no probe
 * sequence is ever interrupted and no tombstones are needed.
 */
static void close_hole(struct map *m, size_t hole)
{
	size_t mask = m->capacity - 1;

	for (size_t i = (hole + 1) & mask; m->slots[i].value != NULL; i = (i + 1) & mask) {
		size_t distance_to_home = (i - home_of(m, m->slots[i].key)) & mask;
		size_t distance_to_hole = (i - hole) & mask;
		if (distance_to_home >= distance_to_hole) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct map_slot){0};
}

void *map_remove(struct map *m, uint64_t key)
{
	if (m->count == 0)
		return NULL;
	size_t i = find(m, key);
	void *value = m->slots[i].value;
	if (value == NULL)
		return NULL;
	close_hole(m, i);
	m->count--;
	return value;
}

bool map_next(const struct map *m, size_t *position, uint64_t *key, void **value)
{
	for (; *position < m->capacity; ++*position) {
		const struct map_slot *slot = &m->slots[*position];
		if (slot->value == NULL)
			continue;
		*key = slot->key;
		*value = slot->value;
		++*position;
		return true;
	}
	return false;
}

void map_free(struct map *m)
{
	free(m->slots);
	*m = (struct map){0};
}
