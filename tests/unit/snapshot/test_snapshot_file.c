/* faults: 27, 34 */
#include "../support/check_main.h"
#include "snapshot/snapshot_file.h"

struct seen {
	struct buffer text;
	uint64_t chunks;
};

static int on_chunk(void *context, enum snapshot_chunk_kind kind, struct slice payload)
{
	struct seen *seen = context;
	buffer_format(&seen->text, "%d:%zu;", (int)kind, payload.len);
	seen->chunks++;
	return 0;
}

static void build(struct buffer *b, uint32_t format)
{
	uint64_t index = 0;
	uint8_t big[5000];
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (uint8_t)(i / 100);
	snapshot_put_header(b, &(struct snapshot_header){.slot = 42,
							 .ballot = 258,
							 .group = 3,
							 .time_us = 99,
							 .app_hash = 7,
							 .format = format});
	if (format != 1)
		snapshot_put_chunk(b, index++, SNAPSHOT_GROUP, slice_string("fields"));
	snapshot_put_chunk(b, index++, SNAPSHOT_SESSIONS, slice_string("sessions"));
	snapshot_put_chunk(b, index++, SNAPSHOT_APP, slice(big, sizeof big));
	snapshot_put_chunk(b, index++, SNAPSHOT_APP, slice(NULL, 0));
	snapshot_put_chunk(b, index++, SNAPSHOT_END, slice(NULL, 0));
}

static int parse_all(struct slice file, size_t portion, struct seen *seen,
		     struct snapshot_header *header)
{
	struct snapshot_parser p = {0};
	int status = 0;
	for (size_t at = 0; at < file.len && status == 0; at += portion)
		status = snapshot_parse(
			&p,
			slice(file.data + at, file.len - at < portion ? file.len - at : portion),
			seen == NULL ? NULL : on_chunk, seen);
	if (status == 0)
		status = snapshot_parse_end(&p);
	if (header != NULL)
		*header = p.header;
	snapshot_parser_free(&p);
	return status;
}

/* A file comes back whole, fed in portions of any size; large chunks are compressed. */
START_TEST(a_file_comes_back_whole)
{
	for (uint32_t format = 0; format <= 2; format++) {
		struct buffer b = {0};
		build(&b, format);
		ck_assert_uint_lt(b.len, 2000);
		static const size_t portions[] = {1, 7, 64, 100000};
		for (size_t i = 0; i < 4; i++) {
			struct seen seen = {0};
			struct snapshot_header header;
			ck_assert_int_eq(parse_all(buffer_slice(&b), portions[i], &seen, &header),
					 0);
			ck_assert_uint_eq(header.slot, 42);
			ck_assert_uint_eq(header.app_hash, 7);
			ck_assert_uint_eq(header.format, format == 0 ? SNAPSHOT_FORMAT : format);
			buffer_add_u8(&seen.text, 0);
			ck_assert_str_eq((char *)seen.text.data,
					 format == 1 ? "1:8;2:5000;2:0;" : "4:6;1:8;2:5000;2:0;");
			buffer_free(&seen.text);
		}
		buffer_free(&b);
	}
}
END_TEST

/* What a newer program wrote is not taken for damage. */
START_TEST(a_newer_programs_file_is_no_damage)
{
	struct buffer b = {0};
	build(&b, SNAPSHOT_FORMAT + 1);
	ck_assert_int_eq(parse_all(buffer_slice(&b), 64, NULL, NULL), STATUS_NEWER);
	buffer_free(&b);
}
END_TEST

/* Every flipped bit and every truncation is noticed. */
START_TEST(every_flip_and_truncation_is_noticed)
{
	for (uint32_t format = 1; format <= 2; format++) {
		struct buffer b = {0};
		build(&b, format);
		for (size_t i = 0; i < b.len; i++) {
			for (int bit = 0; bit < 8; bit++) {
				b.data[i] ^= (uint8_t)(1 << bit);
				ck_assert_msg(parse_all(buffer_slice(&b), 64, NULL, NULL) ==
						      STATUS_CORRUPT,
					      "bit %d of byte %zu, format %u", bit, i, format);
				b.data[i] ^= (uint8_t)(1 << bit);
			}
			ck_assert_int_eq(parse_all(slice(b.data, i), 64, NULL, NULL),
					 STATUS_CORRUPT);
		}
		buffer_free(&b);
	}
}
END_TEST

/* The group's chunk is the first, and there is one. */
START_TEST(the_groups_chunk_is_the_first)
{
	for (int misplaced = 0; misplaced < 3; misplaced++) {
		struct buffer b = {0};
		uint64_t index = 0;
		snapshot_put_header(
			&b, &(struct snapshot_header){.slot = 1, .format = misplaced == 2 ? 1 : 2});
		if (misplaced != 0)
			snapshot_put_chunk(&b, index++, SNAPSHOT_GROUP, slice_string("fields"));
		snapshot_put_chunk(&b, index++, SNAPSHOT_SESSIONS, slice_string("sessions"));
		if (misplaced != 2)
			snapshot_put_chunk(&b, index++, SNAPSHOT_GROUP, slice_string("fields"));
		snapshot_put_chunk(&b, index++, SNAPSHOT_END, slice(NULL, 0));
		ck_assert_int_eq(parse_all(buffer_slice(&b), 64, NULL, NULL), STATUS_CORRUPT);
		buffer_free(&b);
	}
}
END_TEST

/* Chunks cannot be exchanged: each checksum covers its number. */
START_TEST(chunks_cannot_be_exchanged)
{
	struct buffer b = {0};
	snapshot_put_header(&b, &(struct snapshot_header){.slot = 1, .format = 1});
	snapshot_put_chunk(&b, 1, SNAPSHOT_APP, slice_string("second"));
	snapshot_put_chunk(&b, 0, SNAPSHOT_APP, slice_string("first"));
	snapshot_put_chunk(&b, 2, SNAPSHOT_END, slice(NULL, 0));
	ck_assert_int_eq(parse_all(buffer_slice(&b), 64, NULL, NULL), STATUS_CORRUPT);
	buffer_free(&b);
}
END_TEST

/* Names: 16 hex digits, nothing else. */
START_TEST(names_are_sixteen_hex_digits)
{
	char name[SNAPSHOT_NAME_BYTES];
	uint64_t slot;
	ck_assert(snapshot_name_parse(snapshot_name(0xabc, name), &slot));
	ck_assert_uint_eq(slot, 0xabc);
	ck_assert(!snapshot_name_parse("snapshot-new", &slot));
	ck_assert(!snapshot_name_parse("snapshot-incoming", &slot));
	ck_assert(!snapshot_name_parse("snapshot-0000000000000001x", &slot));
	ck_assert(!snapshot_name_parse("snapshot-001", &slot));
}
END_TEST
