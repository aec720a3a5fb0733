#include "../support/check_main.h"
#include "base/rng.h"
#include "node/clock.h"

#define NOW_US UINT64_C(1769860800000000)
#define NODES 5

/* Lamport's rules: every event counts, and a receive event comes after its send. */
START_TEST(a_receipt_comes_after_its_send)
{
	struct clocks c = {0};

	clocks_tick(&c, NOW_US);
	ck_assert_uint_eq(c.lamport, 1);
	ck_assert(clocks_merge(&c, 10, 0, NOW_US));
	ck_assert_uint_eq(c.lamport, 11);
	ck_assert(clocks_merge(&c, 3, 0, NOW_US));
	ck_assert_uint_eq(c.lamport, 12);
}
END_TEST

/* The hybrid clock is the wall clock while that advances, and counts while it does not. */
START_TEST(the_hybrid_clock_follows_the_wall_clock)
{
	struct clocks c = {0};
	uint64_t now = NOW_US / 1000 << HLC_COUNTER_BITS;

	clocks_tick(&c, NOW_US);
	ck_assert_uint_eq(c.hlc, now);
	clocks_tick(&c, NOW_US + 999);
	ck_assert_uint_eq(c.hlc, now + 1);
	clocks_tick(&c, NOW_US - 5000000); /* the wall clock jumps back */
	ck_assert_uint_eq(c.hlc, now + 2);
	clocks_tick(&c, NOW_US + 1000);
	ck_assert_uint_eq(c.hlc, now + (1 << HLC_COUNTER_BITS));
	ck_assert_uint_eq(hlc_milliseconds(c.hlc), NOW_US / 1000 + 1);
}
END_TEST

/*
 * A receive event is after the message, our own past, and the wall clock (figure 5's three cases).
 */
START_TEST(a_receipt_is_after_message_past_and_wall_clock)
{
	struct clocks c = {.hlc = NOW_US / 1000 << HLC_COUNTER_BITS | 5};
	uint64_t ahead = (NOW_US / 1000 + 30) << HLC_COUNTER_BITS | 9;

	ck_assert(clocks_merge(&c, 0, c.hlc + 10, NOW_US));
	ck_assert_uint_eq(c.hlc, (NOW_US / 1000 << HLC_COUNTER_BITS) + 16);
	ck_assert(clocks_merge(&c, 0, 0, NOW_US));
	ck_assert_uint_eq(c.hlc, (NOW_US / 1000 << HLC_COUNTER_BITS) + 17);
	ck_assert(clocks_merge(&c, 0, ahead, NOW_US));
	ck_assert_uint_eq(c.hlc, ahead + 1);
	ck_assert(clocks_merge(&c, 0, ahead, NOW_US + 31000));
	ck_assert_uint_eq(c.hlc, (NOW_US / 1000 + 31) << HLC_COUNTER_BITS);
}
END_TEST

/* A time too far ahead is not adopted, so that one broken clock does not drag the others along. */
START_TEST(too_far_ahead)
{
	uint64_t limit = (NOW_US / 1000 + HLC_AHEAD_MS_MAX) << HLC_COUNTER_BITS;
	struct clocks c = {0};

	clocks_tick(&c, NOW_US);
	uint64_t before = c.hlc;
	ck_assert(!clocks_merge(&c, 1, limit + (1 << HLC_COUNTER_BITS), NOW_US));
	ck_assert(!clocks_merge(&c, 1, UINT64_MAX, NOW_US));
	ck_assert_uint_eq(c.hlc, before + 2);
	ck_assert(clocks_merge(&c, 1, limit, NOW_US));
	ck_assert_uint_eq(c.hlc, limit + 1);

	before = c.lamport;
	ck_assert(!clocks_merge(&c, UINT64_MAX, 0, NOW_US));
	ck_assert(!clocks_merge(&c, LAMPORT_MAX + 1, 0, NOW_US));
	ck_assert_uint_eq(c.lamport, before + 2);
}
END_TEST

/*
 * Over random histories with skewed, standing and jumping wall clocks: clocks never run backwards,
 * a receive is after its send, and no hybrid time is ahead of the most advanced wall clock by more
 * than the events counted there.
 */
START_TEST(clocks_never_run_backwards)
{
	struct clocks clocks[NODES] = {{0}};
	uint64_t wall_us[NODES], greatest_us = 0;
	struct rng rng;

	rng_seed(&rng, 31);
	for (int i = 0; i < NODES; i++)
		wall_us[i] = NOW_US + rng_below(&rng, 20000000);
	for (int round = 1; round <= 20000; round++) {
		size_t from = rng_below(&rng, NODES), to = rng_below(&rng, NODES);
		if (rng_chance(&rng, 300000))
			wall_us[from] += rng_below(&rng, 5000);
		else if (rng_chance(&rng, 10000))
			wall_us[from] -= rng_below(&rng, 3000000);
		for (int i = 0; i < NODES; i++)
			greatest_us = wall_us[i] > greatest_us ? wall_us[i] : greatest_us;

		struct clocks sender = clocks[from], receiver = clocks[to];
		clocks_tick(&clocks[from], wall_us[from]);
		struct clocks sent = clocks[from];
		ck_assert_uint_gt(sent.lamport, sender.lamport);
		ck_assert_uint_gt(sent.hlc, sender.hlc);
		ck_assert(clocks_merge(&clocks[to], sent.lamport, sent.hlc, wall_us[to]));
		ck_assert_uint_gt(clocks[to].lamport, sent.lamport);
		ck_assert_uint_gt(clocks[to].hlc, sent.hlc);
		ck_assert_uint_gt(clocks[to].lamport, receiver.lamport);
		ck_assert_uint_gt(clocks[to].hlc, receiver.hlc);
		ck_assert_uint_ge(clocks[to].hlc, wall_us[to] / 1000 << HLC_COUNTER_BITS);
		ck_assert_uint_le(clocks[to].hlc,
				  (greatest_us / 1000 << HLC_COUNTER_BITS) + 2 * (uint64_t)round);
	}
}
END_TEST

/* A counter that overflows carries into the milliseconds instead of starting again. */
START_TEST(an_overflowing_counter_carries)
{
	struct clocks c = {.hlc = NOW_US / 1000 << HLC_COUNTER_BITS | 0xffff};

	clocks_tick(&c, NOW_US);
	ck_assert_uint_eq(c.hlc, (NOW_US / 1000 + 1) << HLC_COUNTER_BITS);
}
END_TEST
