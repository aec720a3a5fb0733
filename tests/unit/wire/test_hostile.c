/*
 * Messages from strangers: whatever the bytes, decoding ends with a status, in bounded memory.
 * faults: 25, 69, 71, 72, 74
 */

#include <stdlib.h>
#include <unistd.h>

#include "../support/check_main.h"
#include "codecs.h"

CHECK_TIMEOUT(300)

#define SEEDS 60

static struct arena arena;

static void setup(void)
{
	arena_init(&arena, ARENA_BYTES_MAX);
}

static void teardown(void)
{
	arena_free(&arena);
}

CHECK_FIXTURE(setup, teardown)

/*
 * Decodes a copy of exactly the given bytes. What is accepted must be a message to protobuf-c too,
 * and must survive being encoded and decoded again.
 */
static int decode_hostile(const struct codec *codec, struct slice bytes)
{
	union message_space out;
	struct slice copy = exact_copy(bytes);

	int status = codec->decode(copy, &arena, &out);
	ck_assert_msg(status == 0 || status == STATUS_BAD_REQUEST || status == STATUS_TOO_LARGE,
		      "%s: %d", codec->name, status);
	if (status == 0) {
		struct buffer again = {0};
		ProtobufCMessage *message = protobuf_c_message_unpack(codec->descriptor, NULL,
								      copy.len, copy.data);
		ck_assert_msg(message != NULL, "%s: accepted what protobuf-c refuses", codec->name);
		protobuf_c_message_free_unpacked(message, NULL);
		codec->encode(&out, &again);
		ck_assert_int_eq(codec->decode(buffer_slice(&again), &arena, &out), 0);
		buffer_free(&again);
	}
	free((void *)(uintptr_t)copy.data);
	arena_reset(&arena);
	return status;
}

/*
 * A message cut off at any byte is refused or is a shorter valid message; nothing past the cut is
 * read. faults: 69, 74
 */
START_LOOP_TEST(truncation_at_every_byte, 0, (int)CODECS)
{
	const struct codec *codec = &codecs[_i];
	union message_space in;
	struct buffer bytes = {0};
	struct rng r;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		rng_seed(&r, seed);
		codec->generate(&r, &arena, &in);
		buffer_clear(&bytes);
		codec->encode(&in, &bytes);
		for (size_t len = 0; len < bytes.len && len < 600; len++)
			decode_hostile(codec, slice(bytes.data, len));
	}
	buffer_free(&bytes);
}
END_TEST

/* A valid message with a few bytes changed never leads astray. faults: 69, 74 */
START_LOOP_TEST(a_mutated_message_never_leads_astray, 0, (int)CODECS)
{
	const struct codec *codec = &codecs[_i];
	union message_space in;
	struct buffer bytes = {0};
	struct rng r;

	for (uint64_t seed = 0; seed < 40 * SEEDS; seed++) {
		rng_seed(&r, seed);
		codec->generate(&r, &arena, &in);
		buffer_clear(&bytes);
		codec->encode(&in, &bytes);
		for (uint64_t changes = rng_range(&r, 1, 4); changes > 0 && bytes.len > 0;
		     changes--)
			bytes.data[rng_below(&r, bytes.len)] = (uint8_t)rng_next(&r);
		decode_hostile(codec, buffer_slice(&bytes));
	}
	buffer_free(&bytes);
}
END_TEST

/* Plain garbage never leads astray. faults: 69 */
START_LOOP_TEST(garbage_never_leads_astray, 0, (int)CODECS)
{
	const struct codec *codec = &codecs[_i];
	uint8_t bytes[200];
	struct rng r;

	for (uint64_t seed = 0; seed < 100 * SEEDS; seed++) {
		rng_seed(&r, seed);
		size_t len = rng_below(&r, sizeof bytes + 1);
		/* Small bytes make plausible tags and lengths. */
		uint8_t mask = rng_below(&r, 2) == 0 ? 0xff : 0x1f;
		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)rng_next(&r) & mask;
		decode_hostile(codec, slice(bytes, len));
	}
}
END_TEST

static void put_tag(struct buffer *out, uint32_t number, unsigned type)
{
	uint32_t tag = number << 3 | type;

	for (; tag >= 0x80; tag >>= 7)
		buffer_add_u8(out, (uint8_t)(tag | 0x80));
	buffer_add_u8(out, (uint8_t)tag);
}

/* Each known field with each wire type that is not its own is refused. faults: 69 */
START_LOOP_TEST(wrong_wire_types, 0, (int)CODECS)
{
	static const uint8_t zeros[8];
	static const struct {
		unsigned type;
		size_t len;
	} values[] = {{0, 1}, {1, 8}, {2, 1}, {5, 4}};
	const struct codec *codec = &codecs[_i];
	struct buffer bytes = {0};

	for (unsigned f = 0; f < codec->descriptor->n_fields; f++) {
		const ProtobufCFieldDescriptor *field = &codec->descriptor->fields[f];
		bool is_bytes = field->type == PROTOBUF_C_TYPE_STRING ||
				field->type == PROTOBUF_C_TYPE_BYTES ||
				field->type == PROTOBUF_C_TYPE_MESSAGE;
		bool packable = field->label == PROTOBUF_C_LABEL_REPEATED && !is_bytes;
		for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
			if (values[v].type == (is_bytes ? 2 : 0) ||
			    (packable && values[v].type == 2))
				continue;
			buffer_clear(&bytes);
			put_tag(&bytes, field->id, values[v].type);
			buffer_add(&bytes, zeros, values[v].len);
			ck_assert_msg(decode_hostile(codec, buffer_slice(&bytes)) ==
					      STATUS_BAD_REQUEST,
				      "%s.%s type %u", codec->name, field->name, values[v].type);
		}
	}
	buffer_free(&bytes);
}
END_TEST

/*
 * Groups, field number zero, endless varints and lengths past the end are refused. faults: 69, 71,
 * 74
 */
START_LOOP_TEST(malformed_encodings_are_refused, 0, (int)CODECS)
{
	static const struct {
		uint8_t bytes[16];
		size_t len;
	} cases[] = {
		/* group 1 */
		{{0x0b, 0x0c}, 2},
		/* end of group */
		{{0x0c}, 1},
		/* wire type 6 */
		{{0x0e, 0}, 2},
		/* wire type 7 */
		{{0x0f, 0}, 2},
		/* field 0 */
		{{0x00, 0}, 2},
		/* field 0 */
		{{0x02, 0}, 2},
		/* 11-byte varint */
		{{0xa0, 0x06, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1}, 13},
		/* 65 bits */
		{{0xa0, 0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2}, 12},
		/* length 4 GiB - 1 */
		{{0xa2, 0x06, 0xff, 0xff, 0xff, 0xff, 0x0f}, 7},
		/* length 2^64 - 1 */
		{{0xa2, 0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 12},
		/* padded length */
		{{0xa2, 0x06, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, 8},
		/* padded tag */
		{{0xa0, 0x86, 0x80, 0x80, 0x80, 0x00, 0x00}, 7},
		/* one byte short */
		{{0xa2, 0x06, 2, 0}, 4},
		/* fixed64 cut off */
		{{0xa1, 0x06, 1, 2, 3}, 5},
		/* fixed32 cut off */
		{{0xa5, 0x06, 1, 2, 3}, 5},
	};

	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
		ck_assert_msg(decode_hostile(&codecs[_i], slice(cases[c].bytes, cases[c].len)) ==
				      STATUS_BAD_REQUEST,
			      "%s case %zu", codecs[_i].name, c);
}
END_TEST

/*
 * One MiB of empty submessages, 2 bytes each, is refused before anything is allocated for them.
 * faults: 25, 72
 */
START_LOOP_TEST(empty_submessages_are_counted_first, 0, (int)CODECS)
{
	const struct codec *codec = &codecs[_i];
	struct buffer bytes = {0};

	for (unsigned f = 0; f < codec->descriptor->n_fields; f++) {
		const ProtobufCFieldDescriptor *field = &codec->descriptor->fields[f];
		/* Packed numbers stay where they are: nothing is allocated for them. */
		if (field->label != PROTOBUF_C_LABEL_REPEATED ||
		    field->type == PROTOBUF_C_TYPE_FIXED64)
			continue;
		buffer_clear(&bytes);
		while (bytes.len < 1u * MIB) {
			bool is_number = field->type == PROTOBUF_C_TYPE_UINT32 ||
					 field->type == PROTOBUF_C_TYPE_UINT64;
			put_tag(&bytes, field->id, is_number ? 0 : 2);
			buffer_add_u8(&bytes, 0);
		}
		union message_space out;
		ck_assert_msg(codec->decode(buffer_slice(&bytes), &arena, &out) == STATUS_TOO_LARGE,
			      "%s.%s", codec->name, field->name);
		ck_assert_uint_eq(arena.used_bytes, 0);
	}
	buffer_free(&bytes);
}
END_TEST

/*
 * One MiB of singular or unknown fields costs no memory: it is refused, or skipped without
 * allocation. faults: 72
 */
START_LOOP_TEST(repetition_of_any_field_is_bounded, 0, (int)CODECS)
{
	const struct codec *codec = &codecs[_i];
	struct buffer bytes = {0};

	for (uint32_t number = 1; number <= 30; number++) {
		buffer_clear(&bytes);
		while (bytes.len < 1u * MIB) {
			put_tag(&bytes, number, _i % 2 == 0 ? 0 : 2);
			buffer_add_u8(&bytes, 0);
		}
		union message_space out;
		if (codec->decode(buffer_slice(&bytes), &arena, &out) != 0)
			ck_assert_uint_le(arena.used_bytes, 0);
		ck_assert_uint_lt(arena.used_bytes, 2u * MIB);
		arena_reset(&arena);
	}
	buffer_free(&bytes);
}
END_TEST

/*
 * Nesting deeper than the schema's is never followed: inner bytes are plain bytes or a malformed
 * field. faults: 71
 */
START_LOOP_TEST(deep_nesting_is_never_followed, 0, (int)CODECS)
{
	const struct codec *codec = &codecs[_i];

	for (unsigned f = 0; f < codec->descriptor->n_fields; f++) {
		/* From the inside out: 34 KB of field f containing itself. */
		uint8_t *bytes = calloc(1, 64u * KIB);
		size_t start = 64u * KIB;
		size_t len = 0;
		while (len < 34u * KIB) {
			size_t rest = len;
			uint8_t varint[3];
			size_t n = 0;
			do
				varint[n++] = (uint8_t)((rest & 0x7f) | (rest >= 0x80 ? 0x80 : 0));
			while ((rest >>= 7) != 0);
			start -= n;
			memcpy(bytes + start, varint, n);
			struct buffer tag = {0};
			put_tag(&tag, codec->descriptor->fields[f].id, 2);
			start -= tag.len;
			memcpy(bytes + start, tag.data, tag.len);
			len += n + tag.len;
			buffer_free(&tag);
		}
		union message_space out;
		int status = codec->decode(slice(bytes + start, len), &arena, &out);
		ck_assert(status == 0 || status == STATUS_BAD_REQUEST ||
			  status == STATUS_TOO_LARGE);
		ck_assert_uint_lt(arena.used_bytes, 1u * MIB);
		arena_reset(&arena);
		free(bytes);
	}
}
END_TEST

/* Reads the keys of a copy of exactly the given bytes, and all of each key. */
static uint32_t keys_of(uint32_t (*read)(struct slice in, struct slice keys[], uint32_t max),
			struct slice bytes, struct slice keys[], uint32_t max, uint8_t *sum)
{
	struct slice copy = exact_copy(bytes);
	uint32_t count = read(copy, keys, max);
	ck_assert_uint_le(count, max);
	for (uint32_t i = 0; i < count; i++)
		for (size_t b = 0; b < keys[i].len; b++)
			*sum ^= keys[i].data[b];
	for (uint32_t i = 0; i < count; i++)
		keys[i].data = bytes.data + (keys[i].data - copy.data);
	free((void *)(uintptr_t)copy.data);
	return count;
}

/*
 * Looking ahead finds the keys that decoding finds, of commands and of queries, and stays inside
 * damaged ones. faults: 69
 */
START_TEST(looking_ahead_finds_the_same_keys)
{
	enum { MAX = 64 };
	struct slice keys[MAX];
	struct buffer bytes = {0};
	struct rng r;
	uint8_t sum = 0;

	for (uint64_t seed = 0; seed < 20 * SEEDS; seed++) {
		struct wire_kv_command command;
		struct wire_kv_query query;
		uint32_t found, want = 0;
		rng_seed(&r, seed);
		any_kv_command(&r, &arena, &command);
		buffer_clear(&bytes);
		wire_kv_command_encode(&command, &bytes);
		uint32_t max = (uint32_t)rng_range(&r, 0, MAX);
		found = keys_of(wire_kv_command_keys, buffer_slice(&bytes), keys, max, &sum);
		/* In the order of the fields; an empty key is not encoded. */
		for (uint32_t i = 0; i < command.nthen; i++)
			if (command.then[i].key.len > 0 && want++ < found)
				ck_assert(slice_equal(keys[want - 1], command.then[i].key));
		for (uint32_t i = 0; i < command.nwhen; i++)
			if (command.when[i].key.len > 0 && want++ < found)
				ck_assert(slice_equal(keys[want - 1], command.when[i].key));
		for (uint32_t i = 0; i < command.notherwise; i++)
			if (command.otherwise[i].key.len > 0 && want++ < found)
				ck_assert(slice_equal(keys[want - 1], command.otherwise[i].key));
		ck_assert_uint_eq(found, want < max ? want : max);
		for (int i = 0; i < 3 && bytes.len > 0; i++)
			bytes.data[rng_below(&r, bytes.len)] = (uint8_t)rng_next(&r);
		keys_of(wire_kv_command_keys, buffer_slice(&bytes), keys, max, &sum);

		any_kv_query(&r, &arena, &query);
		buffer_clear(&bytes);
		wire_kv_query_encode(&query, &bytes);
		found = keys_of(wire_kv_query_keys, buffer_slice(&bytes), keys, max, &sum);
		ck_assert_uint_eq(found, query.nkeys < max ? query.nkeys : max);
		for (uint32_t i = 0; i < found; i++)
			ck_assert(slice_equal(keys[i], query.keys[i]));
		for (int i = 0; i < 3 && bytes.len > 0; i++)
			bytes.data[rng_below(&r, bytes.len)] = (uint8_t)rng_next(&r);
		keys_of(wire_kv_query_keys, buffer_slice(&bytes), keys, max, &sum);
		arena_reset(&arena);
	}
	buffer_free(&bytes);
}
END_TEST

/* As many ops as a transaction may have are decoded, one more is refused. faults: 25 */
START_TEST(transaction_ops_are_limited)
{
	struct wire_kv_op ops[TXN_OPS_MAX + 1];
	struct wire_kv_command command = {.nthen = TXN_OPS_MAX, .then = ops};
	struct buffer bytes = {0};
	struct wire_kv_command out;

	for (size_t i = 0; i <= TXN_OPS_MAX; i++)
		ops[i] = (struct wire_kv_op){.kind = WIRE_KV_GET, .key = slice_string("k")};
	wire_kv_command_encode(&command, &bytes);
	ck_assert_int_eq(wire_kv_command_decode(buffer_slice(&bytes), &arena, &out), 0);
	command.nthen++;
	buffer_clear(&bytes);
	wire_kv_command_encode(&command, &bytes);
	ck_assert_int_eq(wire_kv_command_decode(buffer_slice(&bytes), &arena, &out),
			 STATUS_TOO_LARGE);
	buffer_free(&bytes);
}
END_TEST

/* The largest configuration there may be is decoded; one shard more is refused. faults: 25 */
START_TEST(largest_config_fits)
{
	static uint64_t shards[SHARDS_MAX + 1];
	static struct wire_group groups[GROUPS_MAX + 1];
	struct wire_config config = {.number = 1,
				     .nshards = SHARDS_MAX,
				     .shards = shards,
				     .ngroups = GROUPS_MAX,
				     .groups = groups};
	struct buffer bytes = {0};
	struct wire_config out;

	for (size_t i = 0; i <= SHARDS_MAX; i++)
		shards[i] = UINT64_MAX;
	for (size_t g = 0; g <= GROUPS_MAX; g++) {
		groups[g] = (struct wire_group){.gid = g + 1, .nmembers = REPLICAS_MAX};
		for (size_t m = 0; m < REPLICAS_MAX; m++)
			groups[g].members[m] = slice_string("host.example:65535");
	}
	wire_config_encode(&config, &bytes);
	ck_assert_uint_le(bytes.len, FRAME_BYTES_MAX);
	ck_assert_int_eq(wire_config_decode(buffer_slice(&bytes), &arena, &out), 0);
	ck_assert_uint_eq(out.nshards, SHARDS_MAX);
	ck_assert_uint_eq(out.ngroups, GROUPS_MAX);
	arena_reset(&arena);

	config.nshards++;
	buffer_clear(&bytes);
	wire_config_encode(&config, &bytes);
	ck_assert_int_eq(wire_config_decode(buffer_slice(&bytes), &arena, &out), STATUS_TOO_LARGE);
	config.nshards--;
	config.ngroups++;
	buffer_clear(&bytes);
	wire_config_encode(&config, &bytes);
	ck_assert_int_eq(wire_config_decode(buffer_slice(&bytes), &arena, &out), STATUS_TOO_LARGE);
	buffer_free(&bytes);
}
END_TEST

/* The largest page of a scan is decoded. */
START_TEST(largest_page_fits)
{
	struct wire_kv_record *records = calloc(SCAN_LIMIT_MAX + 1, sizeof *records);
	struct wire_kv_query_reply reply = {.nrecords = SCAN_LIMIT_MAX, .records = records};
	struct buffer bytes = {0};
	struct wire_kv_query_reply out;

	wire_kv_query_reply_encode(&reply, &bytes);
	ck_assert_int_eq(wire_kv_query_reply_decode(buffer_slice(&bytes), &arena, &out), 0);
	reply.nrecords++;
	buffer_clear(&bytes);
	wire_kv_query_reply_encode(&reply, &bytes);
	ck_assert_int_eq(wire_kv_query_reply_decode(buffer_slice(&bytes), &arena, &out),
			 STATUS_TOO_LARGE);
	buffer_free(&bytes);
	free(records);
}
END_TEST

/*
 * Names and addresses that are too long, hold a zero byte, a control character or a space where
 * none may be are refused. faults: 69
 */
START_TEST(texts_are_checked)
{
	char text[ADDRESS_BYTES_MAX + 1];
	struct buffer bytes = {0};
	struct wire_hello hello = {.cluster = slice(text, NAME_BYTES_MAX)};
	struct wire_error error = {.leader = slice(text, ADDRESS_BYTES_MAX)};
	int results[8];

	memset(text, 'x', sizeof text);
#define RESULT(i, name) \
	do { \
		buffer_clear(&bytes); \
		wire_##name##_encode(&(name), &bytes); \
		results[i] = wire_##name##_decode(buffer_slice(&bytes), &arena, \
						  &(struct wire_##name){0}); \
	} while (0)
	RESULT(0, hello);
	RESULT(1, error);
	hello.cluster.len++;
	error.leader.len++;
	RESULT(2, hello);
	RESULT(3, error);
	text[3] = ' ';
	hello.cluster.len = error.leader.len = 5;
	RESULT(4, hello);
	RESULT(5, error);
	text[3] = '\n';
	RESULT(6, hello);
	text[3] = 0;
	RESULT(7, error);
#undef RESULT
	ck_assert_int_eq(results[0], 0);
	ck_assert_int_eq(results[1], 0);
	ck_assert_int_eq(results[2], STATUS_TOO_LARGE);
	ck_assert_int_eq(results[3], STATUS_TOO_LARGE);
	ck_assert_int_eq(results[4], 0);
	ck_assert_int_eq(results[5], STATUS_BAD_REQUEST);
	ck_assert_int_eq(results[6], STATUS_BAD_REQUEST);
	ck_assert_int_eq(results[7], STATUS_BAD_REQUEST);
	buffer_free(&bytes);
}
END_TEST

/* Entries and ranges of all sorts count together. faults: 25, 72 */
START_TEST(elements_are_limited_together)
{
	static struct wire_range ranges[MESSAGE_ELEMENTS_MAX];
	static struct wire_entry entries[MESSAGE_ELEMENTS_MAX];
	struct wire_peer_any message = {.nentries = MESSAGE_ELEMENTS_MAX - 3,
					.entries = entries,
					.nranges = 1,
					.ranges = ranges,
					.nimpaired = 1,
					.impaired = ranges,
					.nknown = 1,
					.known = ranges};
	struct buffer bytes = {0};
	struct wire_peer_any out;

	wire_peer_any_encode(&message, &bytes);
	ck_assert_int_eq(wire_peer_any_decode(buffer_slice(&bytes), &arena, &out), 0);
	ck_assert_uint_eq(out.nentries, message.nentries);
	ck_assert_uint_eq(out.nranges + out.nimpaired + out.nknown, 3);
	arena_reset(&arena);
	message.nknown++;
	buffer_clear(&bytes);
	wire_peer_any_encode(&message, &bytes);
	ck_assert_int_eq(wire_peer_any_decode(buffer_slice(&bytes), &arena, &out),
			 STATUS_TOO_LARGE);
	ck_assert_uint_eq(arena.used_bytes, 0);
	buffer_free(&bytes);
}
END_TEST

/* Numbers above what their field may be are refused, by the right name. faults: 69 */
START_TEST(numbers_are_limited)
{
	struct wire_config config = {.number = NUMBER_MAX};
	struct wire_cluster cluster = {.shards = SHARDS_MAX};
	struct wire_hello hello = {.replica = MEMBER_NUMBER_MAX};
	struct buffer bytes = {0};
	int results[6];

#define RESULT(i, name) \
	do { \
		buffer_clear(&bytes); \
		wire_##name##_encode(&(name), &bytes); \
		results[i] = wire_##name##_decode(buffer_slice(&bytes), &arena, \
						  &(struct wire_##name){0}); \
	} while (0)
	RESULT(0, config);
	RESULT(1, cluster);
	RESULT(2, hello);
	config.number++;
	cluster.shards++;
	hello.replica++;
	RESULT(3, config);
	RESULT(4, cluster);
	RESULT(5, hello);
#undef RESULT
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(results[i], 0);
	ck_assert_int_eq(results[3], STATUS_BAD_REQUEST);
	ck_assert_int_eq(results[4], STATUS_TOO_LARGE);
	ck_assert_int_eq(results[5], STATUS_BAD_REQUEST);
	buffer_free(&bytes);
}
END_TEST

/* A text for people may hold anything but a zero byte, at which C would cut it. faults: 69 */
START_TEST(plain_texts_have_no_zero_byte)
{
	struct wire_force_reply reply = {.text = slice("line 1\nzeile 2 \xc3\xa4", 17)}, out;
	struct buffer bytes = {0};

	wire_force_reply_encode(&reply, &bytes);
	ck_assert_int_eq(wire_force_reply_decode(buffer_slice(&bytes), &arena, &out), 0);
	ck_assert(slice_equal(out.text, reply.text));
	bytes.data[bytes.len - 1] = 0;
	ck_assert_int_eq(wire_force_reply_decode(buffer_slice(&bytes), &arena, &out),
			 STATUS_BAD_REQUEST);
	buffer_free(&bytes);
}
END_TEST

/* Each text of an array is checked like a single one. faults: 69 */
START_TEST(texts_in_arrays_are_checked)
{
	struct slice events[] = {slice_string("one"), slice_string("t w o")};
	struct wire_trace trace = {.nevents = 2, .events = events}, traced;
	struct wire_group group = {.nmembers = 2,
				   .members = {slice_string("a:1"), slice_string("b:2")}};
	struct wire_config config = {.ngroups = 1, .groups = &group}, out;
	struct buffer bytes = {0};

	wire_trace_encode(&trace, &bytes);
	ck_assert_int_eq(wire_trace_decode(buffer_slice(&bytes), &arena, &traced), 0);
	bytes.data[bytes.len - 1] = '\n';
	ck_assert_int_eq(wire_trace_decode(buffer_slice(&bytes), &arena, &traced),
			 STATUS_BAD_REQUEST);
	buffer_clear(&bytes);
	wire_config_encode(&config, &bytes);
	ck_assert_int_eq(wire_config_decode(buffer_slice(&bytes), &arena, &out), 0);
	bytes.data[bytes.len - 1] = ' ';
	ck_assert_int_eq(wire_config_decode(buffer_slice(&bytes), &arena, &out),
			 STATUS_BAD_REQUEST);
	buffer_free(&bytes);
}
END_TEST

/* Packed numbers that stay in the input are whole ones. faults: 69, 74 */
START_TEST(raw_numbers_are_whole)
{
	static const uint8_t lives[16];
	struct wire_unconfirmed_reply reply = {.voters = slice(lives, 16)}, out;
	struct buffer bytes = {0};

	wire_unconfirmed_reply_encode(&reply, &bytes);
	ck_assert_int_eq(wire_unconfirmed_reply_decode(buffer_slice(&bytes), &arena, &out), 0);
	ck_assert_uint_eq(out.voters.len, 16);
	buffer_clear(&bytes);
	reply.voters.len = 15;
	wire_unconfirmed_reply_encode(&reply, &bytes);
	ck_assert_int_eq(wire_unconfirmed_reply_decode(buffer_slice(&bytes), &arena, &out),
			 STATUS_BAD_REQUEST);
	buffer_free(&bytes);
}
END_TEST

/*
 * Kinds, targets and relations that this version does not know are refused, as is an op without a
 * kind.
 */
START_TEST(unknown_enum_values)
{
	static const struct {
		uint8_t bytes[4];
		int status;
	} cases[] = {
		{{0x0a, 2, 0x08, 6}, 0},                  /* then { kind: INCR } */
		{{0x0a, 2, 0x08, 7}, STATUS_BAD_REQUEST}, /* one more */
		{{0x0a, 2, 0x08, 0}, STATUS_BAD_REQUEST}, /* NONE */
		{{0x12, 2, 0x08, 3}, 0},                  /* when { target: EXISTS } */
		{{0x12, 2, 0x08, 4}, STATUS_BAD_REQUEST},
		{{0x12, 2, 0x10, 3}, 0}, /* when { relation: GREATER } */
		{{0x12, 2, 0x10, 4}, STATUS_BAD_REQUEST},
	};
	struct wire_kv_command out;

	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
		ck_assert_int_eq(wire_kv_command_decode(slice(cases[c].bytes, 4), &arena, &out),
				 cases[c].status);
}
END_TEST

/*
 * When the arena's ceiling is reached, the message is too large; nothing else happens. faults: 72
 */
START_TEST(a_message_beyond_the_arenas_ceiling_is_too_large)
{
	union message_space in, out;
	struct buffer bytes = {0};
	struct rng r;

	for (size_t c = 0; c < CODECS; c++) {
		rng_seed(&r, 5);
		codecs[c].generate(&r, &arena, &in);
		buffer_clear(&bytes);
		codecs[c].encode(&in, &bytes);
		for (size_t ceiling = 0; ceiling < 2000; ceiling += 40) {
			struct arena small;
			arena_init(&small, ceiling);
			int status = codecs[c].decode(buffer_slice(&bytes), &small, &out);
			ck_assert_msg(status == 0 || status == STATUS_TOO_LARGE, "%s %d",
				      codecs[c].name, status);
			arena_free(&small);
		}
	}
	buffer_free(&bytes);
}
END_TEST
