#include "../support/check_main.h"
#include "base/alloc.h"
#include "base/assert.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Empty allocations are real ones: never NULL, and freed like any other. */
START_TEST(empty_allocations_are_real)
{
	void *a = alloc_bytes(0);
	void *b = alloc_zeroed(0, 8);
	void *c = alloc_resize(NULL, 0, 8);

	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_nonnull(b);
	ck_assert_ptr_nonnull(c);
	free(a);
	free(b);
	free(c);
}
END_TEST

/* Zeroed memory is zero, and growing keeps what was there. */
START_TEST(zeroed_memory_is_zero_and_growing_keeps_it)
{
	uint8_t *memory = alloc_zeroed(100, 3);

	for (int i = 0; i < 300; i++)
		ck_assert_uint_eq(memory[i], 0);
	memset(memory, 7, 300);
	memory = alloc_resize(memory, 1000, 3);
	for (int i = 0; i < 300; i++)
		ck_assert_uint_eq(memory[i], 7);
	free(memory);
}
END_TEST

/* Strings are copied and formatted whole. */
START_TEST(strings_are_copied_and_formatted_whole)
{
	char *copy = alloc_string("abc");
	char *formatted = alloc_format("%s-%d-%0500d", copy, 12, 1);

	ck_assert_str_eq(copy, "abc");
	ck_assert_uint_eq(strlen(formatted), 3 + 1 + 2 + 1 + 500);
	ck_assert(strncmp(formatted, "abc-12-000", 10) == 0);
	free(copy);
	free(formatted);
}
END_TEST

/* Texts are joined with what stands between them, and nothing at the ends. */
START_TEST(texts_are_joined)
{
	const char *const texts[] = {"one", "", "three"};
	char *all = alloc_join(texts, 3, ", "), *one = alloc_join(texts, 1, ", ");
	char *none = alloc_join(NULL, 0, ", "), *close = alloc_join(texts, 3, "");

	ck_assert_str_eq(all, "one, , three");
	ck_assert_str_eq(one, "one");
	ck_assert_str_eq(none, "");
	ck_assert_str_eq(close, "onethree");
	free(all);
	free(one);
	free(none);
	free(close);
}
END_TEST

/* An array has room for one more whenever it is asked for, keeps what is in it, and grows seldom. */
START_TEST(an_array_grows_by_doubling)
{
	struct {
		uint32_t *items, count, capacity;
	} list = {0};
	uint32_t grown = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t before = list.capacity;
		ALLOC_ROOM(list.items, list.count, list.capacity, 3);
		ck_assert_uint_lt(list.count, list.capacity);
		grown += list.capacity != before;
		list.items[list.count++] = i;
	}
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(list.items[i], i);
	ck_assert_uint_eq(list.capacity, 1536);
	ck_assert_uint_eq(grown, 10);
	free(list.items);
}
END_TEST

static void resize_overflowing(void)
{
	volatile size_t count = SIZE_MAX / 2;
	free(alloc_resize(NULL, count, 4));
}
static void fail_assertion(void)
{
	volatile int one = 1;
	ASSERT(one == 2);
}
static void hold_assertion(void)
{
	volatile int one = 1;
	ASSERT(one == 1);
}

/* A size that overflows ends the process instead of wrapping around to a small one. */
START_TEST(a_size_that_overflows_ends_the_process)
{
	ck_assert(check_aborts(resize_overflowing));
}
END_TEST

/* A false assertion ends the process and a true one does nothing, also in an optimised build. */
START_TEST(a_false_assertion_ends_the_process)
{
	ck_assert(check_aborts(fail_assertion));
	ck_assert(!check_aborts(hold_assertion));
}
END_TEST
