#include "../support/check_main.h"
#include "base/histogram.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

static struct histogram h, other;

static void clear(void)
{
	memset(&h, 0, sizeof h);
	memset(&other, 0, sizeof other);
}

/* A random value of a random magnitude up to 2^40. */
static uint64_t random_value(struct rng *rng)
{
	return rng_next(rng) >> rng_range(rng, 24, 63);
}

/* A recorded value is reported at most 1/64 too high and never too low. */
START_TEST(values_are_reported_within_the_error_bound)
{
	struct rng rng;

	rng_seed(&rng, 11);
	for (int i = 0; i < 3000; i++) {
		uint64_t value = i < 300 ? (uint64_t)i : random_value(&rng);
		clear();
		histogram_record(&h, value);
		/* so that the maximum does not make the answer exact */
		histogram_record(&h, (uint64_t)1 << 40);
		uint64_t reported = histogram_percentile(&h, 50);
		ck_assert_uint_ge(reported, value);
		ck_assert_uint_le(reported - value, value / 64);
	}
}
END_TEST

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Percentiles, counts, sum and maximum agree with the sorted values within the error bound. */
START_TEST(matches_sorted_values)
{
	static uint64_t values[10000];
	static const double percents[] = {0, 1, 25, 50, 90, 99, 99.9, 99.99, 100};
	uint64_t sum = 0;
	struct rng rng;

	clear();
	rng_seed(&rng, 12);
	for (int i = 0; i < 10000; i++) {
		values[i] = random_value(&rng);
		sum += values[i];
		histogram_record(&h, values[i]);
	}
	qsort(values, 10000, sizeof values[0], compare);
	ck_assert_uint_eq(h.count, 10000);
	ck_assert_uint_eq(h.sum, sum);
	ck_assert_uint_eq(h.max, values[9999]);
	for (size_t p = 0; p < sizeof percents / sizeof percents[0]; p++) {
		double rank = percents[p] * 10000 / 100;
		uint64_t exact = values[rank < 1 ? 0 : (int)rank - 1];
		uint64_t reported = histogram_percentile(&h, percents[p]);
		ck_assert_uint_ge(reported, exact);
		ck_assert_uint_le(reported - exact, exact / 64);
	}
	ck_assert_uint_eq(histogram_percentile(&h, 100), h.max);
	for (int i = 0; i < 10000; i += 100) {
		uint64_t at_most = histogram_count_at_most(&h, values[i]);
		ck_assert_uint_ge(at_most, (uint64_t)i + 1);
		ck_assert(at_most == 10000 || values[at_most] > values[i]);
	}
}
END_TEST

/* An empty histogram answers 0; values beyond the range count as its end. */
START_TEST(an_empty_histogram_answers_zero)
{
	clear();
	ck_assert_uint_eq(histogram_percentile(&h, 99), 0);
	ck_assert_uint_eq(histogram_count_at_most(&h, UINT64_MAX), 0);
	histogram_record(&h, 0);
	ck_assert_uint_eq(histogram_percentile(&h, 100), 0);
	histogram_record(&h, UINT64_MAX);
	histogram_record(&h, ((uint64_t)1 << 40) + 1);
	ck_assert_uint_eq(h.max, (uint64_t)1 << 40);
	ck_assert_uint_eq(histogram_percentile(&h, 100), (uint64_t)1 << 40);
	ck_assert_uint_eq(histogram_count_at_most(&h, UINT64_MAX), 3);
	ck_assert_uint_eq(histogram_count_at_most(&h, (uint64_t)1 << 39), 1);
}
END_TEST

/* A stall is recorded as all the values that callers at the given interval would have seen. */
START_TEST(a_stall_counts_for_all_who_would_have_seen_it)
{
	struct rng rng;

	rng_seed(&rng, 13);
	for (int i = 0; i < 300; i++) {
		uint64_t value = random_value(&rng) >> 16;
		uint64_t interval = rng_range(&rng, 1 + value / 5000, value + 2);
		clear();
		histogram_record_corrected(&h, value, interval);
		histogram_record(&other, value);
		for (uint64_t v = value; v >= 2 * interval; v -= interval)
			histogram_record(&other, v - interval);
		ck_assert_mem_eq(&h, &other, sizeof h);
	}
	clear();
	histogram_record_corrected(&h, 100, 0);
	ck_assert_uint_eq(h.count, 1);
	histogram_record_corrected(&h, UINT64_MAX, 1); /* 2^40 values, in no time */
	ck_assert_uint_eq(h.count, 1 + ((uint64_t)1 << 40));
}
END_TEST

/* Merging equals having recorded everything in one place. */
START_TEST(merging_equals_recording_in_one_place)
{
	static struct histogram both;
	struct rng rng;

	clear();
	memset(&both, 0, sizeof both);
	rng_seed(&rng, 14);
	for (int i = 0; i < 1000; i++) {
		uint64_t value = random_value(&rng);
		histogram_record(i % 3 == 0 ? &h : &other, value);
		histogram_record(&both, value);
	}
	histogram_merge(&h, &other);
	ck_assert_mem_eq(&h, &both, sizeof h);
}
END_TEST
