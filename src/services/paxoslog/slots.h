/*
 * slots: the values of a log in memory, dense and in order, slots first … last; appended at the
 * end, trimmed at the front.
 *
 * Values stand one after another in chunks. A chunk is shared between the log and its snapshots:
 * what is in it never changes, only more may follow in the last one; so a snapshot is a list of
 * references. Trimming gives memory back a chunk at a time: no more than CHUNK_BYTES and one value
 * too much is held.
 *
 * The hash is of all slots with their values, and follows from them alone: it does not matter which
 * way led to them.
 */
#ifndef SYNOD_PAXOSLOG_SLOTS_H
#define SYNOD_PAXOSLOG_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define SLOTS_CHUNK_ENTRIES 256u
#define SLOTS_CHUNK_BYTES (256u * 1024u)
/* What a value costs besides its bytes. */
#define SLOTS_ENTRY_BYTES 8u

struct slots_chunk {
	uint32_t refs;
	uint32_t count;
	uint64_t first; /* slot of its first value */
	struct buffer data;
	size_t ends[SLOTS_CHUNK_ENTRIES]; /* of the values in data */
};

struct slots {
	struct slots_chunk **chunks; /* chunks[head … head + count) */
	size_t head, count, capacity;
	uint64_t first, last; /* empty: first = last + 1 */
	uint64_t bytes;       /* of the values kept, with SLOTS_ENTRY_BYTES each */
	uint64_t hash;
};

/* Of one slot; that of a log is the sum of them. */
uint64_t slots_hash_of(uint64_t slot, struct slice value);
/* An empty log whose next slot is first. */
void slots_init(struct slots *s, uint64_t first);
void slots_free(struct slots *s);
/* Returns the slot. */
uint64_t slots_append(struct slots *s, struct slice value);
/* Drops every slot ≤ slot, which must be at most last. */
void slots_trim(struct slots *s, uint64_t slot);
/* first ≤ slot ≤ last; valid until the next append or trim. */
struct slice slots_get(const struct slots *s, uint64_t slot);

/* What there is now, as references. Free with slots_image_free(). */
struct slots_image {
	struct slots_chunk **chunks;
	size_t count, at; /* at: where slots_image_next() is */
	uint64_t first, last, next;
	uint64_t hash; /* that was kept */
};
void slots_image_take(struct slots_image *image, const struct slots *s);
/* The next value; false at the end. */
bool slots_image_next(struct slots_image *image, struct slice *value);
void slots_image_free(struct slots_image *image);

#endif
