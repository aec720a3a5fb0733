/*
 * Vector clock (Mattern 1989, "Virtual Time and Global States of Distributed Systems"; Fidge 1988):
 * how many events of each host an event has in its past, itself included.
 *
 * Where a Lamport time says only what cannot have come before, two vectors say exactly how their
 * events stand: one happened before the other if and only if its vector is smaller. That takes a
 * counter for each host, so these clocks do not travel with messages; they are computed from a
 * trace (trace/causal.h).
 *
 * The hosts are numbers that the owner gives out. Only those with a count are held, in ascending
 * order; a zeroed struct is the empty vector. A vector owns its memory: vector_free() it.
 *
 * Errors: STATUS_TOO_LARGE when a vector would get more than VECTOR_HOSTS_MAX hosts; it is then
 * unchanged.
 */
#ifndef SYNOD_NODE_VECTOR_H
#define SYNOD_NODE_VECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#define VECTOR_HOSTS_MAX 1024u

struct vector_entry {
	uint32_t host;
	uint64_t count; /* never 0 */
};

struct vector {
	uint32_t count, capacity;
	struct vector_entry *entries;
};

enum vector_order { VECTOR_EQUAL, VECTOR_BEFORE, VECTOR_AFTER, VECTOR_CONCURRENT };

/* An event of `host`. */
int vector_tick(struct vector *v, uint32_t host) MUST_CHECK;
/*
 * What `other` has in its past, v has from now on too: every count becomes the larger of the two.
 */
int vector_merge(struct vector *v, const struct vector *other) MUST_CHECK;
/* How a stands to b. */
enum vector_order vector_compare(const struct vector *a, const struct vector *b);
/* Events of `host`; 0 if there are none. */
uint64_t vector_get(const struct vector *v, uint32_t host);
/* An independent copy with no more room than it needs. */
struct vector vector_copy(const struct vector *v);
void vector_free(struct vector *v);

#endif
