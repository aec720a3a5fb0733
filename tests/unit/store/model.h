/*
 * A store so simple that it is obviously right: one sorted array of records for all spaces. Tests
 * do everything twice, here and in an engine, and compare.
 */
#ifndef SYNOD_TESTS_STORE_MODEL_H
#define SYNOD_TESTS_STORE_MODEL_H

#include <stdlib.h>

#include "base/alloc.h"
#include "store/store.h"

struct model_record {
	uint32_t space;
	struct bytes *key;
	struct bytes *value;
	uint64_t version;
	uint64_t modification;
};

struct model {
	struct model_record *records;
	size_t count;
	size_t capacity;
};

static inline int model_order(const struct model_record *r, uint32_t space, struct slice key)
{
	if (r->space != space)
		return r->space < space ? -1 : 1;
	return slice_compare(bytes_slice(r->key), key);
}

/* The position of the first record ≥ (space, key). */
static inline size_t model_search(const struct model *m, uint32_t space, struct slice key)
{
	size_t low = 0;
	size_t high = m->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (model_order(&m->records[middle], space, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static inline struct model_record *model_get(const struct model *m, uint32_t space,
					     struct slice key)
{
	size_t i = model_search(m, space, key);
	return i < m->count && model_order(&m->records[i], space, key) == 0 ? &m->records[i] : NULL;
}

static inline void model_put(struct model *m, uint32_t space, const struct store_record *record)
{
	size_t i = model_search(m, space, record->key);
	if (i < m->count && model_order(&m->records[i], space, record->key) == 0) {
		bytes_unref(m->records[i].value);
	} else {
		if (m->count == m->capacity) {
			m->capacity = m->capacity * 2 + 16;
			m->records = alloc_resize(m->records, m->capacity, sizeof m->records[0]);
		}
		memmove(&m->records[i + 1], &m->records[i], (m->count - i) * sizeof m->records[0]);
		m->records[i] = (struct model_record){.space = space,
						      .key = bytes_copy(record->key)};
		m->count++;
	}
	m->records[i].value = bytes_copy(record->value);
	m->records[i].version = record->version;
	m->records[i].modification = record->modification;
}

static inline bool model_delete(struct model *m, uint32_t space, struct slice key)
{
	struct model_record *r = model_get(m, space, key);
	if (r == NULL)
		return false;
	bytes_unref(r->key);
	bytes_unref(r->value);
	m->count--;
	memmove(r, r + 1, (size_t)(m->records + m->count - r) * sizeof *r);
	return true;
}

static inline struct model model_clone(const struct model *m)
{
	struct model copy = {.count = m->count, .capacity = m->count};
	copy.records = alloc_resize(NULL, m->count + 1, sizeof copy.records[0]);
	for (size_t i = 0; i < m->count; i++) {
		copy.records[i] = m->records[i];
		bytes_ref(copy.records[i].key);
		bytes_ref(copy.records[i].value);
	}
	return copy;
}

static inline void model_free(struct model *m)
{
	for (size_t i = 0; i < m->count; i++) {
		bytes_unref(m->records[i].key);
		bytes_unref(m->records[i].value);
	}
	free(m->records);
	*m = (struct model){0};
}

#endif
