/*
 * The set of ids of evicted clients: what was added stays, what is taken for added by mistake is
 * old. faults: 52, 94
 */
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/limits.h"
#include "base/rng.h"
#include "rsm/id_ranges.h"

#define IDS 400u

/* Against a table of booleans, while there are few ranges. */
START_TEST(id_ranges_match_a_table)
{
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct id_ranges set = {0};
		bool table[IDS + 1] = {0};
		struct rng rng;
		rng_seed(&rng, seed);
		for (uint32_t i = 0; i < seed * 4; i++) {
			uint64_t id = 1 + rng_below(&rng, IDS);
			id_ranges_add(&set, id);
			table[id] = true;
		}
		if (seed % 4 == 0) {
			uint64_t last = rng_below(&rng, IDS);
			id_ranges_cut(&set, last);
			for (uint64_t id = last + 1; id <= IDS; id++)
				table[id] = false;
		}
		struct id_ranges again = {0};
		struct buffer image = {0}, image_again = {0};
		id_ranges_encode(&set, &image);
		struct slice in = buffer_slice(&image);
		ck_assert_int_eq(id_ranges_decode(&again, &in), 0);
		ck_assert_uint_eq(in.len, 0);
		id_ranges_encode(&again, &image_again);
		ck_assert(slice_equal(buffer_slice(&image), buffer_slice(&image_again)));
		for (uint64_t id = 1; id <= IDS; id++) {
			ck_assert_int_eq(id_ranges_has(&set, id), table[id]);
			ck_assert_int_eq(id_ranges_has(&again, id), table[id]);
		}
		buffer_free(&image);
		buffer_free(&image_again);
		id_ranges_free(&set);
		id_ranges_free(&again);
	}
}
END_TEST

/*
 * However many there are, memory is bounded, and only ids older than thousands of others are taken
 * for members by mistake.
 */
START_TEST(id_ranges_take_bounded_memory)
{
	struct id_ranges set = {0};
	for (uint64_t id = 2; id <= 100000; id += 2)
		id_ranges_add(&set, id);
	ck_assert_uint_eq(set.count, SESSION_RANGES_MAX);
	ck_assert_uint_eq(set.floor, 100000 - 2 * SESSION_RANGES_MAX);
	for (uint64_t id = 2; id <= 100000; id += 2)
		ck_assert(id_ranges_has(&set, id));
	ck_assert(id_ranges_has(&set, 1));
	ck_assert(!id_ranges_has(&set, 99999));
	id_ranges_free(&set);
}
END_TEST

/*
 * Ranges that run backwards, touch the floor or one another, or are out of order, are corrupt.
 */
START_TEST(malformed_id_ranges_are_refused)
{
	static const uint64_t ranges[][4] = {
		{5, 4, 9, 9},   /* ends before it begins */
		{3, 4, 9, 9},   /* touches the floor */
		{5, 9, 10, 11}, /* touches another */
		{5, 9, 8, 11},
	};
	for (size_t i = 0; i < 4; i++) {
		struct id_ranges set = {0};
		struct buffer image = {0};
		buffer_add_u64(&image, 2);
		buffer_add_u32(&image, 2);
		for (size_t j = 0; j < 4; j++)
			buffer_add_u64(&image, ranges[i][j]);
		struct slice in = buffer_slice(&image);
		ck_assert_int_eq(id_ranges_decode(&set, &in), STATUS_CORRUPT);
		id_ranges_free(&set);
		buffer_free(&image);
	}
}
END_TEST
