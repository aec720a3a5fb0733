/*
 * vector: items of one size, one after the other, in memory that grows and stays. Whoever owns it
 * empties it by `count = 0` and frees `items`. All zero: empty.
 */
#ifndef SYNOD_CORE_VECTOR_H
#define SYNOD_CORE_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct vector {
	void *items;
	uint32_t count, capacity;
};

void vector_grow(struct vector *v, size_t item_size);

/* One more, of zeros. Valid until the next. */
static inline void *vector_add(struct vector *v, size_t item_size)
{
	if (__builtin_expect(v->count == v->capacity, 0))
		vector_grow(v, item_size);
	uint8_t *item = (uint8_t *)v->items + v->count++ * item_size;
	memset(item, 0, item_size);
	return item;
}

/* The one that was added last; there is one. */
static inline void *vector_last(const struct vector *v, size_t item_size)
{
	return (uint8_t *)v->items + (v->count - 1) * item_size;
}

#endif
