/* Logical clocks: Lamport's, and vectors. */
#include "node/clock.h"

#define MICROSECONDS_A_MILLISECOND 1000u

/* The wall clock as a hybrid time with a counter of zero. */
static uint64_t physical(uint64_t wall_us)
{
	return wall_us / MICROSECONDS_A_MILLISECOND << HLC_COUNTER_BITS;
}

/*
 * Figure 5's cases in one comparison: with time and counter in one number, "take
 * the wall clock if it is ahead, else count" needs no unpacking. A counter that
 * overflows carries into the milliseconds, which keeps the order.
 */
static uint64_t advance(uint64_t hlc, uint64_t wall_us)
{
	uint64_t now = physical(wall_us);
	return now > hlc ? now : hlc + 1;
}

void clocks_tick(struct clocks *c, uint64_t wall_us)
{
	c->lamport++;
	c->hlc = advance(c->hlc, wall_us);
}

bool clocks_merge(struct clocks *c, uint64_t lamport, uint64_t hlc, uint64_t wall_us)
{
	/* No real clock counts this far; adopted, it would make ours wrap around. */
	bool lamport_sane = lamport <= LAMPORT_MAX;
	bool hlc_sane = hlc_milliseconds(hlc) <=
			wall_us / MICROSECONDS_A_MILLISECOND + HLC_AHEAD_MS_MAX;

	if (lamport_sane && lamport > c->lamport)
		c->lamport = lamport;
	if (hlc_sane && hlc > c->hlc)
		c->hlc = hlc;
	clocks_tick(c, wall_us);
	return lamport_sane && hlc_sane;
}
