#include "../support/check_main.h"
#include "base/rng.h"

/* The generator gives the published sequences of xoshiro256** and of its splitmix64 seeding. */
START_TEST(the_published_sequences_are_given)
{
	static const uint64_t from_1234[] = {11520, 0, 1509978240, 1215971899390074240};
	static const uint64_t seeded_0[] = {0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4,
					    0x06c45d188009454f, 0xf88bb8a8724c81ec};
	struct rng r = {{1, 2, 3, 4}};

	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(rng_next(&r), from_1234[i]);
	rng_seed(&r, 0);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(r.state[i], seeded_0[i]);
	ck_assert_uint_eq(rng_next(&r), 0x99ec5f36cb75f2b4);
}
END_TEST

/* The same seed gives the same sequence, another seed another one. */
START_TEST(a_seed_gives_its_own_sequence)
{
	struct rng a, b, c;
	int equal = 0;

	rng_seed(&a, 77);
	rng_seed(&b, 77);
	rng_seed(&c, 78);
	for (int i = 0; i < 1000; i++) {
		uint64_t drawn = rng_next(&a);
		ck_assert_uint_eq(drawn, rng_next(&b));
		equal += drawn == rng_next(&c);
	}
	ck_assert_int_eq(equal, 0);
}
END_TEST

/* Bounded numbers stay in their bounds and reach all of them about equally often. */
START_TEST(bounded_numbers_stay_in_their_bounds)
{
	int counts[10] = {0};
	struct rng r;

	rng_seed(&r, 5);
	for (int i = 0; i < 100000; i++)
		counts[rng_below(&r, 10)]++;
	for (int i = 0; i < 10; i++)
		ck_assert(counts[i] > 9500 && counts[i] < 10500);
	for (int i = 0; i < 1000; i++) {
		ck_assert_uint_eq(rng_below(&r, 1), 0);
		uint64_t drawn = rng_range(&r, 10, 12);
		ck_assert(drawn >= 10 && drawn <= 12);
		ck_assert_uint_eq(rng_range(&r, UINT64_MAX, UINT64_MAX), UINT64_MAX);
		ck_assert_uint_ge(rng_range(&r, UINT64_MAX - 1, UINT64_MAX), UINT64_MAX - 1);
		rng_range(&r, 0, UINT64_MAX);
	}
}
END_TEST

/*
 * A bound just above 2^63 is where taking the remainder alone would favour the lower half two to
 * one.
 */
START_TEST(large_bounds_have_no_modulo_bias)
{
	uint64_t bound = (UINT64_C(1) << 63) + (UINT64_C(1) << 62);
	int low = 0;
	struct rng r;

	rng_seed(&r, 6);
	for (int i = 0; i < 30000; i++)
		low += rng_below(&r, bound) < bound / 3;
	ck_assert(low > 9500 && low < 10500);
}
END_TEST

/*
 * Chances are in parts per million: never at 0, always at a million, and near their rate between.
 */
START_TEST(chances_are_in_parts_per_million)
{
	int hits = 0;
	struct rng r;

	rng_seed(&r, 7);
	for (int i = 0; i < 100000; i++) {
		ck_assert(!rng_chance(&r, 0));
		ck_assert(rng_chance(&r, 1000000));
		hits += rng_chance(&r, 250000);
		double unit = rng_unit(&r);
		ck_assert(unit >= 0.0 && unit < 1.0);
	}
	ck_assert(hits > 24000 && hits < 26000);
}
END_TEST
