#include "../support/check_main.h"
#include "base/arena.h"
#include "base/rng.h"

/* Allocations are aligned, do not overlap, and keep their contents until the reset. */
START_TEST(allocations_are_aligned_and_do_not_overlap)
{
	static struct {
		uint8_t *memory;
		size_t size;
	} all[3000];
	struct arena a;
	struct rng rng;

	rng_seed(&rng, 1);
	arena_init(&a, 1u << 30);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 3000; i++) {
			all[i].size = rng_chance(&rng, 10000) ? rng_below(&rng, 300000)
							      : rng_below(&rng, 200);
			all[i].memory = arena_get(&a, all[i].size);
			ck_assert_uint_eq((uintptr_t)all[i].memory % 16, 0);
			memset(all[i].memory, (int)(i % 251), all[i].size);
		}
		/*
		 * One assertion for all bytes: the library keeps a note of every assertion that it
		 * has seen.
		 */
		size_t wrong = 0;
		for (size_t i = 0; i < 3000; i++)
			for (size_t j = 0; j < all[i].size; j++)
				wrong += all[i].memory[j] != i % 251;
		ck_assert_uint_eq(wrong, 0);
		arena_reset(&a);
		ck_assert_uint_eq(a.used_bytes, 0);
	}
	arena_free(&a);
}
END_TEST

/* Nothing is handed out above the ceiling, whatever the sizes, and a reset lifts it. */
START_TEST(nothing_is_handed_out_above_the_ceiling)
{
	struct arena a;

	arena_init(&a, 1024);
	ck_assert_ptr_null(arena_try(&a, 1025));
	ck_assert_ptr_null(arena_try(&a, SIZE_MAX));
	ck_assert_ptr_null(arena_try(&a, SIZE_MAX - 15));
	ck_assert_ptr_nonnull(arena_try(&a, 1024));
	ck_assert_ptr_null(arena_try(&a, 1));
	ck_assert_ptr_null(arena_try(&a, 0));
	arena_reset(&a);
	for (int i = 0; i < 64; i++)
		ck_assert_ptr_nonnull(arena_try(&a, 1));
	ck_assert_ptr_null(arena_try(&a, 1));
	ck_assert_uint_eq(a.used_bytes, 1024);
	arena_free(&a);
}
END_TEST

/* Empty allocations count too: a message cannot get any number of them for nothing. */
START_TEST(empty_allocations_count)
{
	struct arena a;
	int count = 0;

	arena_init(&a, 16 * 100);
	while (arena_try(&a, 0) != NULL)
		count++;
	ck_assert_int_eq(count, 100);
	arena_free(&a);
}
END_TEST

static void get_above_ceiling(void)
{
	struct arena a;
	arena_init(&a, 64);
	arena_get(&a, 65);
}

/* Our own structures never reach the ceiling: arena_get() asserts. */
START_TEST(get_asserts_that_memory_is_left)
{
	ck_assert(check_aborts(get_above_ceiling));
}
END_TEST

/* Steady use keeps its first chunk, and one large message does not pin its memory. */
START_TEST(reset_keeps_a_moderate_chunk)
{
	struct arena a;

	arena_init(&a, 64u << 20);
	void *first = arena_get(&a, 100);
	arena_reset(&a);
	ck_assert_ptr_nonnull(a.chunks);
	ck_assert_ptr_eq(arena_get(&a, 100), first);
	arena_get(&a, 10u << 20);
	arena_reset(&a);
	ck_assert_ptr_nonnull(a.chunks);
	ck_assert((size_t)(a.end - a.next) <= 256u * 1024);
	arena_free(&a);
	ck_assert_ptr_null(a.chunks);
}
END_TEST

/* Copies equal their source, zeroed memory is zero, also in memory that was used before. */
START_TEST(copies_equal_their_source_and_zeroed_is_zero)
{
	struct arena a;

	arena_init(&a, 1u << 20);
	memset(arena_get(&a, 5000), 0xff, 5000);
	arena_reset(&a);
	const uint8_t *zeroed = arena_get_zeroed(&a, 1000);
	for (int i = 0; i < 1000; i++)
		ck_assert_uint_eq(zeroed[i], 0);
	ck_assert(slice_equal(arena_copy(&a, slice_string("text")), slice_string("text")));
	ck_assert_uint_eq(arena_copy(&a, slice(NULL, 0)).len, 0);
	arena_free(&a);
}
END_TEST
