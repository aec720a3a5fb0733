/* Reads that wait for a round to be confirmed. */
#include "core/reads.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "core/consensus.h"

struct pending_read {
	uint64_t id;
	uint64_t slot;
	uint64_t round;
};

void reads_add(struct reads *r, uint64_t id, uint64_t slot, uint64_t round)
{
	/* So those of a round stand beside each other, and the earlier ones in front. */
	ASSERT(!reads_wait(r) || reads_last_round(r) <= round);
	struct pending_read *read = vector_add(&r->items, sizeof *read);
	*read = (struct pending_read){.id = id, .slot = slot, .round = round};
}

uint64_t reads_last_round(const struct reads *r)
{
	ASSERT(r->head < r->items.count);
	const struct pending_read *items = r->items.items;
	return items[r->items.count - 1].round;
}

void reads_confirm(struct reads *r, uint64_t round, struct vector *out)
{
	struct pending_read *items = r->items.items;
	while (r->head < r->items.count && items[r->head].round <= round) {
		struct consensus_read_confirmed *read = vector_add(out, sizeof *read);
		read->id = items[r->head].id;
		read->slot = items[r->head].slot;
		r->head++;
	}
	/*
	 * Under steady load it is never empty: what was confirmed must not stay in front of the
	 * rest for ever.
	 */
	if (r->head >= r->items.count - r->head) {
		r->items.count -= r->head;
		memmove(items, items + r->head, r->items.count * sizeof *items);
		r->head = 0;
	}
}

void reads_forget(struct reads *r)
{
	r->items.count = r->head = 0;
}

void reads_free(struct reads *r)
{
	free(r->items.items);
}
