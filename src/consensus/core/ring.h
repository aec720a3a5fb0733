/*
 * ring: the part of the log that is in memory, slots first … last, gaps allowed, indexed by slot in
 * a circular array that grows.
 *
 * A slot holds what this replica has accepted there (ballot, value) and, at the leader, who else
 * has.
 */
#ifndef SYNOD_CORE_RING_H
#define SYNOD_CORE_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct ring_slot {
	bool present;
	bool chosen;         /* known to be chosen, though slots before it may not be */
	uint32_t acks;       /* leader: members whose entry is durable in the leader's ballot */
	uint64_t ballot;     /* accepted in */
	uint64_t persist;    /* sequence number of its log record */
	struct bytes *value; /* NULL: no-op; holds a reference */
};

struct ring {
	struct ring_slot *slots;
	uint64_t capacity; /* power of two */
	uint64_t first;    /* lowest slot kept; first > last: empty */
	uint64_t last;     /* highest present slot */
	uint64_t bytes;    /* of all values */
};

void ring_init(struct ring *r, uint64_t first);
/* The slot if it is present, NULL otherwise. */
struct ring_slot *ring_get(const struct ring *r, uint64_t slot);
/* Sets ballot and value (takes the reference), clears acks and chosen; slot ≥ first. */
struct ring_slot *ring_put(struct ring *r, uint64_t slot, uint64_t ballot,
			   struct bytes *value_take);
/* Forgets slots < first. */
void ring_drop_below(struct ring *r, uint64_t first);
/* Forgets those above `slot` that were accepted in ballots below that one. */
void ring_forget_above(struct ring *r, uint64_t slot, uint64_t ballot);
void ring_free(struct ring *r);

/* In which the slot was accepted; 0: nothing is there. */
static inline uint64_t ring_ballot(const struct ring *r, uint64_t slot)
{
	return slot < r->first || slot > r->last ? 0 : r->slots[slot & (r->capacity - 1)].ballot;
}
static inline size_t ring_value_bytes(const struct ring_slot *s)
{
	return s->value == NULL ? 0 : s->value->len;
}
static inline struct slice ring_value(const struct ring_slot *s)
{
	return s->value == NULL ? slice(NULL, 0) : bytes_slice(s->value);
}

#endif
