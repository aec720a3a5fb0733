/*
 * id_ranges: a set of ids that were handed out in ascending order, kept as everything up to a floor
 * and ranges above it. Used for the clients whose sessions have been evicted: their ids come more
 * or less in order, so that a few ranges hold many.
 *
 * Bounded: more than SESSION_RANGES_MAX ranges, and the floor rises to the end of the lowest, over
 * ids that were not added. So a member is never forgotten, and what is taken for a member by
 * mistake is older than thousands of members.
 *
 *   encoded: u64 floor   u32 ranges   for each, ascending: u64 first   u64 last
 *
 * Invariants: floor + 1 < first ≤ last, and between two ranges there is at least one id.
 */
#ifndef SYNOD_RSM_ID_RANGES_H
#define SYNOD_RSM_ID_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

struct id_range {
	uint64_t first, last;
};

struct id_ranges {
	uint64_t floor;
	uint32_t count, capacity;
	struct id_range *ranges;
};

/* All zero is the empty set. */
void id_ranges_free(struct id_ranges *set);
bool id_ranges_has(const struct id_ranges *set, uint64_t id);
void id_ranges_add(struct id_ranges *set, uint64_t id);
/* Adds everything up to `id`. */
void id_ranges_raise(struct id_ranges *set, uint64_t id);
/* Forgets everything above `last`. */
void id_ranges_cut(struct id_ranges *set, uint64_t last);

void id_ranges_encode(const struct id_ranges *set, struct buffer *out);
/* Into an empty set: 0 or STATUS_CORRUPT. */
int id_ranges_decode(struct id_ranges *set, struct slice *in) MUST_CHECK;

#endif
