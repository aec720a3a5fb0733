#include "../support/check_main.h"
#include "base/bytes.h"
#include "base/rng.h"

static struct slice s(const char *text)
{
	return slice_string(text);
}

/* Keys are ordered byte by byte as unsigned numbers, a prefix before what it begins. */
START_TEST(keys_are_ordered_as_unsigned_bytes)
{
	const char *ordered[] = {"", "a", "aa", "ab", "b", "\x7f", "\x80", "\xff"};
	int count = (int)(sizeof ordered / sizeof ordered[0]);

	for (int i = 0; i < count; i++) {
		for (int j = 0; j < count; j++) {
			int compared = slice_compare(s(ordered[i]), s(ordered[j]));
			ck_assert_int_eq((compared > 0) - (compared < 0), (i > j) - (i < j));
			ck_assert_int_eq(slice_equal(s(ordered[i]), s(ordered[j])), i == j);
		}
	}
	ck_assert(slice_equal(slice(NULL, 0), s("")));
	ck_assert_int_eq(slice_compare(slice(NULL, 0), s("")), 0);
	ck_assert(slice_equal(slice("a\0b", 3), slice("a\0b", 3)));
	ck_assert(!slice_equal(slice("a\0b", 3), slice("a\0c", 3)));
}
END_TEST

/* A prefix is at most as long as the slice, and the empty one is a prefix of everything. */
START_TEST(a_prefix_is_at_most_as_long_as_the_slice)
{
	ck_assert(slice_has_prefix(s("abc"), s("")));
	ck_assert(slice_has_prefix(s("abc"), s("ab")));
	ck_assert(slice_has_prefix(s("abc"), s("abc")));
	ck_assert(!slice_has_prefix(s("abc"), s("abcd")));
	ck_assert(!slice_has_prefix(s("abc"), s("b")));
	ck_assert(slice_has_prefix(slice(NULL, 0), slice(NULL, 0)));
}
END_TEST

/* A shared buffer lives until its last reference is dropped. */
START_TEST(a_shared_buffer_lives_until_its_last_reference)
{
	struct bytes *b = bytes_copy(s("value"));
	struct bytes *second = bytes_ref(b);

	ck_assert_ptr_eq(second, b);
	ck_assert_uint_eq(b->refs, 2);
	bytes_unref(b);
	ck_assert(slice_equal(bytes_slice(second), s("value")));
	bytes_unref(second);
	bytes_unref(NULL);
	b = bytes_copy(slice(NULL, 0));
	ck_assert_uint_eq(b->len, 0);
	bytes_unref(b);
}
END_TEST

/* Integers are stored little-endian, and come back from any alignment. */
START_TEST(integers_are_little_endian_at_any_alignment)
{
	const uint8_t expected[] = {0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0f,
				    0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08};
	struct buffer b = {0};
	uint8_t u8 = 0;
	uint16_t u16 = 0;
	uint32_t u32 = 0;
	uint64_t u64 = 0;

	buffer_add_u8(&b, 0x01);
	buffer_add_u16(&b, 0x0203);
	buffer_add_u32(&b, 0x04050607);
	buffer_add_u64(&b, 0x08090a0b0c0d0e0f);
	ck_assert_uint_eq(b.len, sizeof expected);
	ck_assert_mem_eq(b.data, expected, sizeof expected);

	struct slice rest = buffer_slice(&b);
	ck_assert(slice_take_u8(&rest, &u8) && slice_take_u16(&rest, &u16));
	ck_assert(slice_take_u32(&rest, &u32) && slice_take_u64(&rest, &u64));
	ck_assert_uint_eq(u8, 0x01);
	ck_assert_uint_eq(u16, 0x0203);
	ck_assert_uint_eq(u32, 0x04050607);
	ck_assert_uint_eq(u64, 0x08090a0b0c0d0e0f);
	ck_assert_uint_eq(rest.len, 0);
	buffer_free(&b);
}
END_TEST

/* Taking more than there is fails and changes neither the slice nor the output. */
START_TEST(taking_more_than_there_is_changes_nothing)
{
	uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t u8 = 9;
	uint16_t u16 = 9;
	uint32_t u32 = 9;
	uint64_t u64 = 9;
	struct slice out = s("untouched");

	for (size_t len = 0; len < sizeof data; len++) {
		struct slice in = slice(data, len);
		ck_assert(!slice_take_u64(&in, &u64));
		ck_assert(len >= 4 || !slice_take_u32(&in, &u32));
		ck_assert(len >= 2 || !slice_take_u16(&in, &u16));
		ck_assert(len >= 1 || !slice_take_u8(&in, &u8));
		ck_assert(!slice_take(&in, len + 1, &out));
		ck_assert(!slice_take(&in, SIZE_MAX, &out));
		ck_assert_ptr_eq(in.data, data);
		ck_assert_uint_eq(in.len, len);
	}
	ck_assert_uint_eq(u8 + u16 + u32 + u64, 36);
	ck_assert(slice_equal(out, s("untouched")));
}
END_TEST

/* A random mix of additions and consumption leaves what a plain array would hold. */
START_TEST(buffer_matches_model)
{
	static uint8_t model[1 << 16];
	size_t model_len = 0;
	struct buffer b = {0};
	struct rng rng;

	rng_seed(&rng, 42);
	for (int round = 0; round < 5000; round++) {
		uint8_t chunk[300];
		size_t len = rng_below(&rng, sizeof chunk);
		if (rng_chance(&rng, 500000) && model_len + len <= sizeof model) {
			for (size_t i = 0; i < len; i++)
				chunk[i] = (uint8_t)rng_next(&rng);
			buffer_add(&b, chunk, len);
			memcpy(model + model_len, chunk, len);
			model_len += len;
		} else {
			len = len < model_len ? len : model_len;
			buffer_consume(&b, len);
			memmove(model, model + len, model_len - len);
			model_len -= len;
		}
		ck_assert_uint_eq(b.len, model_len);
		ck_assert(b.len <= b.capacity);
		ck_assert(slice_equal(buffer_slice(&b), slice(model, model_len)));
	}
	buffer_free(&b);
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(b.capacity, 0);
}
END_TEST

/* Formatted text is added whole whatever its length, without its zero byte. */
START_TEST(formatted_text_is_added_whole)
{
	struct buffer b = {0};

	for (int len = 1; len < 700; len++) {
		buffer_clear(&b);
		buffer_format(&b, "x");
		buffer_format(&b, "%0*d", len, 5);
		ck_assert_uint_eq(b.len, (size_t)len + 1);
		ck_assert_int_eq(b.data[0], 'x');
		ck_assert_int_eq(b.data[b.len - 1], '5');
		buffer_free(&b);
	}
	buffer_format(&b, "%s", "");
	ck_assert_uint_eq(b.len, 0);
	buffer_free(&b);
}
END_TEST

static void consume_too_much(void)
{
	struct buffer b = {0};
	buffer_add_u16(&b, 1);
	buffer_consume(&b, 3);
}

/* Consuming more than there is, is a bug and ends the process. */
START_TEST(consuming_more_than_there_is_ends_the_process)
{
	ck_assert(check_aborts(consume_too_much));
}
END_TEST
