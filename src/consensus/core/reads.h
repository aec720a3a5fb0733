/*
 * reads: linearizable reads that wait for a round of heartbeats (core/rounds.h), in the order in
 * which they came. All zero: none.
 */
#ifndef SYNOD_CORE_READS_H
#define SYNOD_CORE_READS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/vector.h"

struct reads {
	struct vector items; /* struct pending_read, rounds ascending */
	uint32_t head;
};

/*
 * Until the state is applied up to `slot`, and `round` is confirmed: the first one that begins
 * after the read has come. Only such a one proves that this replica still led then.
 */
void reads_add(struct reads *r, uint64_t id, uint64_t slot, uint64_t round);
static inline bool reads_wait(const struct reads *r)
{
	return r->head < r->items.count;
}
/* Of the last one; there must be one. */
uint64_t reads_last_round(const struct reads *r);
/* Those of rounds up to this one are added to `out` (struct consensus_read_confirmed). */
void reads_confirm(struct reads *r, uint64_t round, struct vector *out);
void reads_forget(struct reads *r);
void reads_free(struct reads *r);

#endif
