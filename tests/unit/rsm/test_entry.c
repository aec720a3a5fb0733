#include "../support/check_main.h"
#include "rsm/entry.h"

static void build(struct buffer *b)
{
	struct entry_command a = {.kind = ENTRY_APP,
				  .client = 7,
				  .sequence = 3,
				  .acknowledged = 2,
				  .body = slice_string("body")};
	struct entry_command r = {.kind = ENTRY_REGISTER};
	entry_begin(b);
	entry_add(b, &a);
	entry_add(b, &r);
	entry_finish(b, 2, 123456, 777, 0x301);
}

/* What was put in comes out, in order. */
START_TEST(what_was_put_in_comes_out)
{
	struct buffer b = {0};
	struct entry_reader reader;
	struct entry_command c;
	build(&b);
	ck_assert_int_eq(entry_read(&reader, buffer_slice(&b)), 0);
	ck_assert_uint_eq(reader.time_us, 123456);
	ck_assert_uint_eq(reader.origin, 0x301);
	ck_assert_uint_eq(reader.lived_us, 777);
	ck_assert_uint_eq(reader.format, ENTRY_FORMAT);
	ck_assert_int_eq(entry_next(&reader, &c), 1);
	ck_assert_uint_eq(c.client, 7);
	ck_assert_uint_eq(c.sequence, 3);
	ck_assert_uint_eq(c.acknowledged, 2);
	ck_assert(slice_equal(c.body, slice_string("body")));
	ck_assert_int_eq(entry_next(&reader, &c), 1);
	ck_assert_int_eq(c.kind, ENTRY_REGISTER);
	ck_assert_int_eq(entry_next(&reader, &c), 0);
	buffer_free(&b);
}
END_TEST

/* Cut anywhere, an entry is corrupt, never short. */
START_TEST(a_truncated_entry_is_corrupt)
{
	struct buffer b = {0};
	build(&b);
	for (size_t len = 0; len < b.len; len++) {
		struct entry_reader reader;
		struct entry_command c;
		int status = entry_read(&reader, slice(b.data, len));
		while (status == 0 && (status = entry_next(&reader, &c)) == 1)
			status = 0;
		if (status == 0)
			status = entry_next(&reader, &c);
		ck_assert_int_eq(status, STATUS_CORRUPT);
	}
	buffer_free(&b);
}
END_TEST

/* An unknown format or kind is refused: it is a newer version's, and not damage. */
START_TEST(an_unknown_format_or_kind_is_newer)
{
	struct buffer b = {0};
	struct entry_reader reader;
	struct entry_command c;
	build(&b);
	b.data[ENTRY_HEADER_BYTES + 4] = 9;
	ck_assert_int_eq(entry_read(&reader, buffer_slice(&b)), 0);
	ck_assert_int_eq(entry_next(&reader, &c), STATUS_NEWER);
	b.data[0] = ENTRY_FORMAT_MEMBERS + 1;
	ck_assert_int_eq(entry_read(&reader, buffer_slice(&b)), STATUS_NEWER);
	b.data[0] = 1;
	ck_assert_int_eq(entry_read(&reader, buffer_slice(&b)), STATUS_CORRUPT);
	buffer_free(&b);
}
END_TEST

/*
 * What the first version wrote is read: its time is what sessions expired by, and it had two kinds.
 */
START_TEST(entries_of_the_first_version_are_read)
{
	struct buffer b = {0};
	struct entry_reader reader;
	struct entry_command c;
	build(&b);
	memmove(b.data + 24, b.data + 32, b.len - 32);
	b.len -= 8;
	b.data[0] = 2;
	ck_assert_int_eq(entry_read(&reader, buffer_slice(&b)), 0);
	ck_assert_uint_eq(reader.format, 2);
	ck_assert_uint_eq(reader.lived_us, 123456);
	ck_assert_int_eq(entry_next(&reader, &c), 1);
	ck_assert_uint_eq(c.client, 7);
	ck_assert_int_eq(entry_next(&reader, &c), 1);
	ck_assert_int_eq(c.kind, ENTRY_REGISTER);
	ck_assert_int_eq(entry_next(&reader, &c), 0);
	b.data[24 + 4] = ENTRY_SETTINGS;
	ck_assert_int_eq(entry_read(&reader, buffer_slice(&b)), 0);
	ck_assert_int_eq(entry_next(&reader, &c), STATUS_NEWER);
	buffer_free(&b);
}
END_TEST
