/*
 * seats: sets of seats, a bit each (core/consensus.h, SEATS).
 */
#ifndef SYNOD_CORE_SEATS_H
#define SYNOD_CORE_SEATS_H

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t seat_set;

static inline seat_set member_bit(uint32_t seat)
{
	return 1u << seat;
}
/* One seat after the other, ascending. */
#define FOR_SET(i, set) \
	for (uint32_t left_##i = (set), i = 0; \
	     left_##i != 0 && (i = (uint32_t)__builtin_ctz(left_##i), true); \
	     left_##i &= left_##i - 1)

#endif
