/* Items of one size that are collected, and forgotten all at once. */
#include "core/vector.h"

#include "base/alloc.h"

void vector_grow(struct vector *v, size_t item_size)
{
	v->capacity = v->capacity == 0 ? 16 : v->capacity * 2;
	v->items = alloc_resize(v->items, v->capacity, item_size);
}
