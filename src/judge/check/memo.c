/* States of the search that have been tried. */
#include "check/memo.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

#define ENTRIES_MIN 64u

void memo_init(struct memo *m, uint32_t nbits)
{
	*m = (struct memo){.nwords = (nbits + 63) / 64};
}

void memo_free(struct memo *m)
{
	free(m->entries);
	free(m->sets);
	free(m->slots);
	*m = (struct memo){0};
}

uint64_t memo_bytes(const struct memo *m)
{
	return m->capacity * (sizeof *m->entries + m->nwords * sizeof *m->sets) +
	       m->nslots * sizeof *m->slots;
}

/* The keys are hashes already. */
static uint32_t find(const struct memo *m, const uint64_t key[2])
{
	uint32_t mask = m->nslots - 1, i = (uint32_t)key[0] & mask;
	for (; m->slots[i] != 0; i = (i + 1) & mask) {
		const struct memo_entry *e = &m->entries[m->slots[i] - 1];
		if (e->key[0] == key[0] && e->key[1] == key[1])
			break;
	}
	return i;
}

static bool is_subset(const uint64_t *a, const uint64_t *b, uint32_t nwords)
{
	for (uint32_t i = 0; i < nwords; i++)
		if ((a[i] & ~b[i]) != 0)
			return false;
	return true;
}

const struct cell_set *memo_find(const struct memo *m, const uint64_t key[2], const uint64_t *set)
{
	if (m->count == 0)
		return NULL;
	for (uint32_t i = m->slots[find(m, key)]; i != 0; i = m->entries[i - 1].next)
		if (is_subset(&m->sets[(size_t)(i - 1) * m->nwords], set, m->nwords))
			return &m->entries[i - 1].blame;
	return NULL;
}

static void grow_entries(struct memo *m)
{
	m->capacity = m->capacity == 0 ? ENTRIES_MIN : m->capacity * 2;
	m->entries = alloc_resize(m->entries, m->capacity, sizeof *m->entries);
	m->sets = alloc_resize(m->sets, (size_t)m->capacity * m->nwords + 1, sizeof *m->sets);
}

/* Only the newest entry of each key stands in a slot. */
static void grow_slots(struct memo *m)
{
	uint32_t *old = m->slots, nold = m->nslots;
	m->nslots = nold == 0 ? 2 * ENTRIES_MIN : nold * 2;
	m->slots = alloc_zeroed(m->nslots, sizeof *m->slots);
	for (uint32_t i = 0; i < nold; i++)
		if (old[i] != 0)
			m->slots[find(m, m->entries[old[i] - 1].key)] = old[i];
	free(old);
}

void memo_add(struct memo *m, const uint64_t key[2], const uint64_t *set,
	      const struct cell_set *blame)
{
	if (m->count == m->capacity)
		grow_entries(m);
	if (m->nkeys + 1 > m->nslots / 2)
		grow_slots(m);
	ASSERT(m->count < UINT32_MAX);
	uint32_t slot = find(m, key);
	m->nkeys += m->slots[slot] == 0;
	m->entries[m->count] = (struct memo_entry){
		.key = {key[0], key[1]}, .next = m->slots[slot], .blame = *blame};
	if (m->nwords > 0)
		memcpy(&m->sets[(size_t)m->count * m->nwords], set, m->nwords * sizeof *set);
	m->slots[slot] = ++m->count;
}
