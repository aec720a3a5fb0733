/* Which keys a load chooses, and what they are called. */
#include "../../../cmd/kvbench/keys.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/check_main.h"
#include "base/alloc.h"

/* Choosing uniformly, every key comes about equally often, and none beyond the last. */
START_TEST(uniform_choices_come_equally_often)
{
	struct rng rng;
	unsigned counts[100] = {0};
	rng_seed(&rng, 1);
	for (int i = 0; i < 100000; i++) {
		uint64_t key = bench_keys_choose(BENCH_UNIFORM, 100, &rng);
		ck_assert_uint_lt(key, 100);
		counts[key]++;
	}
	for (int i = 0; i < 100; i++) {
		ck_assert_uint_gt(counts[i], 800);
		ck_assert_uint_lt(counts[i], 1200);
	}
}
END_TEST

/* The frequencies of ranks are those of Zipf's distribution with exponent 0.99. */
START_TEST(zipfian_choices_follow_zipfs_law)
{
	enum { N = 1000, DRAWS = 1000000 };
	struct rng rng;
	unsigned *counts = alloc_zeroed(N, sizeof *counts);
	double sum = 0;
	rng_seed(&rng, 2);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t rank = bench_keys_choose_recent(N, &rng);
		ck_assert_uint_lt(rank, N);
		counts[rank]++;
	}
	for (int i = 1; i <= N; i++)
		sum += pow(i, -0.99);
	for (int i = 1; i <= N; i = i * 3) {
		double expected = DRAWS * pow(i, -0.99) / sum;
		ck_assert_double_gt(counts[i - 1], expected - 6 * sqrt(expected));
		ck_assert_double_lt(counts[i - 1], expected + 6 * sqrt(expected));
	}
	free(counts);
}
END_TEST

/* One key is a valid number of keys for each distribution. */
START_TEST(one_key_is_a_valid_number_of_keys)
{
	struct rng rng;
	rng_seed(&rng, 3);
	for (int i = 0; i < 1000; i++) {
		ck_assert_uint_eq(bench_keys_choose(BENCH_UNIFORM, 1, &rng), 0);
		ck_assert_uint_eq(bench_keys_choose(BENCH_ZIPFIAN, 1, &rng), 0);
		ck_assert_uint_eq(bench_keys_choose_recent(1, &rng), 0);
	}
}
END_TEST

/* The popular keys are not the first ones, and the choice repeats with the seed. */
START_TEST(popular_keys_are_not_the_first_ones)
{
	enum { N = 100000 };
	struct rng a, b;
	unsigned low = 0;
	rng_seed(&a, 4);
	rng_seed(&b, 4);
	for (int i = 0; i < 10000; i++) {
		uint64_t key = bench_keys_choose(BENCH_ZIPFIAN, N, &a);
		ck_assert_uint_eq(key, bench_keys_choose(BENCH_ZIPFIAN, N, &b));
		low += key < N / 2;
	}
	ck_assert_uint_gt(low, 2500);
	ck_assert_uint_lt(low, 7500);
}
END_TEST

/* Names have their prefix, their size, and sort like their numbers. */
START_TEST(names_sort_like_their_numbers)
{
	struct bench_key_format f;
	char key[64];
	bench_key_format_init(&f, "k", 0, 100000);
	ck_assert_uint_eq(f.size, 16);
	bench_key_write(&f, 123, key);
	ck_assert_int_eq(memcmp(key, "k000000000000123", 16), 0);
	bench_key_format_init(&f, "user:", 8, 1000);
	ck_assert_uint_eq(f.size, 9); /* not so short that two keys would have one name */
	bench_key_write(&f, 9999, key);
	ck_assert_int_eq(memcmp(key, "user:9999", 9), 0);
}
END_TEST
