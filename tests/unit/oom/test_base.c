/* What base/ does when malloc returns NULL. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/bytes.h"
#include "failing_malloc.h"

/*
 * A reserve serves what malloc refuses, with blocks that are freed like any other, and can be
 * filled up again.
 */
START_TEST(a_reserve_serves_what_malloc_refuses)
{
	static const size_t sizes[] = {1, 100, 256, 257, 5000, 70000, 1 << 20};
	void *blocks[7];
	struct alloc_reserve *reserve = alloc_reserve_create();
	ck_assert_ptr_nonnull(reserve);
	ck_assert_ptr_null(alloc_reserve_use(reserve));
	failing_malloc_set(1, UINT64_MAX);
	for (size_t i = 0; i < 7; i++)
		blocks[i] = alloc_zeroed(1, sizes[i]);
	bool whole = alloc_reserve_refill(reserve);
	failing_malloc_set(0, 0);
	ck_assert(!whole);
	for (size_t i = 0; i < 7; i++) {
		const uint8_t *bytes = blocks[i];
		for (size_t k = 0; k < sizes[i]; k++)
			ck_assert_uint_eq(bytes[k], 0);
		free(blocks[i]);
	}
	ck_assert(alloc_reserve_refill(reserve));
	ck_assert_ptr_eq(alloc_reserve_use(NULL), reserve);
	alloc_reserve_free(reserve);
}
END_TEST

/* Growing from the reserve keeps what was there. */
START_TEST(growing_from_the_reserve_keeps_the_contents)
{
	struct alloc_reserve *reserve = alloc_reserve_create();
	alloc_reserve_use(reserve);
	uint8_t *memory = alloc_bytes(300);
	memset(memory, 7, 300);
	failing_malloc_set(1, UINT64_MAX);
	memory = alloc_resize(memory, 20000, 3);
	failing_malloc_set(0, 0);
	for (size_t i = 0; i < 300; i++)
		ck_assert_uint_eq(memory[i], 7);
	free(memory);
	alloc_reserve_use(NULL);
	alloc_reserve_free(reserve);
}
END_TEST

static void without_reserve(void)
{
	failing_malloc_set(1, UINT64_MAX);
	free(alloc_bytes(1));
}

static void beyond_reserve(void)
{
	alloc_reserve_use(alloc_reserve_create());
	failing_malloc_set(1, UINT64_MAX);
	free(alloc_bytes((size_t)64 << 20));
}

/* Without a reserve, and without a block that fits, out of memory ends the process. */
START_TEST(ends_the_process)
{
	ck_assert(check_aborts(without_reserve));
	ck_assert(check_aborts(beyond_reserve));
}
END_TEST

/* A reserve without memory is none, and leaves nothing behind. */
START_TEST(a_reserve_without_memory_is_none)
{
	for (uint64_t last = 1; last < 20; last++) {
		int64_t live = failing_malloc_live();
		failing_malloc_set(last, UINT64_MAX);
		struct alloc_reserve *reserve = alloc_reserve_create();
		failing_malloc_set(0, 0);
		ck_assert_ptr_null(reserve);
		ck_assert_int_eq(failing_malloc_live(), live);
	}
}
END_TEST

/*
 * A fallible arena says that there is no memory, goes on with what it has, and forgets it with the
 * next reset.
 */
START_TEST(a_fallible_arena_says_that_memory_is_out)
{
	struct arena arena;
	arena_init_fallible(&arena, (size_t)8 << 20);
	ck_assert_ptr_nonnull(arena_try(&arena, 100));
	failing_malloc_set(1, UINT64_MAX);
	void *small = arena_try(&arena, 100), *large = arena_try(&arena, 1 << 20);
	failing_malloc_set(0, 0);
	ck_assert_ptr_nonnull(small);
	ck_assert_ptr_null(large);
	ck_assert(arena.failed);
	arena_reset(&arena);
	ck_assert(!arena.failed);
	ck_assert_ptr_nonnull(arena_try(&arena, 1 << 20));
	ck_assert_ptr_null(arena_try(&arena, (size_t)8 << 20));
	ck_assert(!arena.failed); /* that was the ceiling */
	arena_free(&arena);
}
END_TEST

/* What is tried changes nothing when it fails; what was reserved needs no memory any more. */
START_TEST(what_is_tried_changes_nothing_when_it_fails)
{
	struct buffer buffer = {0};
	buffer_add(&buffer, "abc", 3);
	ck_assert(buffer_try_reserve(&buffer, 1000));
	failing_malloc_set(1, UINT64_MAX);
	for (int i = 0; i < 1000; i++)
		buffer_add_u8(&buffer, 'd');
	bool more = buffer_try_reserve(&buffer, 1);
	struct bytes *copy = bytes_try_copy(buffer_slice(&buffer));
	failing_malloc_set(0, 0);
	ck_assert(!more);
	ck_assert_ptr_null(copy);
	ck_assert_uint_eq(buffer.len, 1003);
	ck_assert_mem_eq(buffer.data, "abcddd", 6);
	copy = bytes_try_copy(buffer_slice(&buffer));
	ck_assert(slice_equal(bytes_slice(copy), buffer_slice(&buffer)));
	bytes_unref(copy);
	buffer_free(&buffer);
}
END_TEST
