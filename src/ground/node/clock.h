/*
 * Logical clocks: what happened before what, without trusting anybody's clock.
 *
 * Lamport clock (Lamport 1978, "Time, Clocks, and the Ordering of Events", IR1 and
 * IR2): a counter, advanced before every send, set past what is received.
 *
 * Hybrid logical clock (Kulkarni et al. 2014, "Logical Physical Clocks", figure 5):
 * 48 bits of wall-clock milliseconds and 16 bits of counter in one 64-bit number;
 * it never runs backwards, stays close to the wall clock, and respects causality.
 * A received time more than HLC_AHEAD_MS_MAX ahead of our wall clock is not
 * adopted, so that one broken clock cannot drag the others along.
 */
#ifndef SYNOD_NODE_CLOCK_H
#define SYNOD_NODE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define HLC_COUNTER_BITS 16
#define HLC_AHEAD_MS_MAX 60000u
#define LAMPORT_MAX ((uint64_t)1 << 62) /* the largest count that is adopted from others */

struct clocks {
	uint64_t lamport;
	uint64_t hlc;
};

/* A local or send event. */
void clocks_tick(struct clocks *c, uint64_t wall_us);
/* A receive event. False if a time was too far ahead and was not adopted; ours then only ticks. */
bool clocks_merge(struct clocks *c, uint64_t lamport, uint64_t hlc, uint64_t wall_us);
static inline uint64_t hlc_milliseconds(uint64_t hlc)
{
	return hlc >> HLC_COUNTER_BITS;
}

#endif
