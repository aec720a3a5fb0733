/*
 * Where the search has been without success. A place is 128 bits of hash (where in the history, in
 * which state, with which pending calls placed) and the set of unknown outcomes that were taken.
 *
 * Who has taken more of those is worse off: they never need be taken. So a place has failed if one
 * with the same hash and a subset of them has.
 */
#ifndef SYNOD_CHECK_MEMO_H
#define SYNOD_CHECK_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check/component.h"

struct memo_entry {
	uint64_t key[2];
	uint32_t next; /* with the same key; index + 1 */
	struct cell_set blame;
};

struct memo {
	uint32_t nwords; /* of a set */
	struct memo_entry *entries;
	uint64_t *sets;
	uint32_t count, capacity;
	uint32_t *slots; /* index + 1 of the newest entry of a key; 0: free */
	uint32_t nslots, nkeys;
};

void memo_init(struct memo *m, uint32_t nbits);
/*
 * What the failure was blamed on; NULL if it is not known to fail. Valid until the next memo_add().
 */
const struct cell_set *memo_find(const struct memo *m, const uint64_t key[2], const uint64_t *set);
void memo_add(struct memo *m, const uint64_t key[2], const uint64_t *set,
	      const struct cell_set *blame);
uint64_t memo_bytes(const struct memo *m);
void memo_free(struct memo *m);

#endif
