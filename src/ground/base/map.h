/*
 * Hash map from 64-bit keys to pointers: open addressing, linear probing,
 * backward-shift deletion, grows at 3/4 full. Iteration order depends only on
 * the sequence of operations, never on addresses or a random seed, so that a
 * simulated run repeats exactly. Values are not owned and never NULL.
 */
#ifndef SYNOD_BASE_MAP_H
#define SYNOD_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
	uint64_t key;
	void *value; /* NULL: free */
};

struct map {
	struct map_slot *slots;
	size_t capacity; /* power of two, or 0 */
	size_t count;
};

/* A zeroed struct map is empty and valid. */
void *map_get(const struct map *m, uint64_t key);
/* Sets key to value; returns the value that it replaces, or NULL. */
void *map_put(struct map *m, uint64_t key, void *value);
/* Removes key; returns its value, or NULL. */
void *map_remove(struct map *m, uint64_t key);
/*
 * Iterates: start with *position = 0; false at the end. The map must not change
 * meanwhile.
 */
bool map_next(const struct map *m, size_t *position, uint64_t *key, void **value);
void map_free(struct map *m);

#endif
