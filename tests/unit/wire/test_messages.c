/*
 * Messages against protobuf-c: what we write it reads, what it writes we read, and nothing is lost
 * on the way.
 */

#include "../support/check_main.h"
#include "codecs.h"

#define SEEDS 400

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

static void assert_same_bytes(const struct codec *codec, struct slice a, struct slice b)
{
	ck_assert_msg(slice_equal(a, b), "%s: %zu and %zu bytes differ", codec->name, a.len, b.len);
}

/*
 * Every message survives encoding and decoding: encoding the decoded struct gives the same bytes
 * again.
 */
START_LOOP_TEST(round_trip_keeps_every_field, 0, (int)CODECS)
{
	const struct codec *codec = &codecs[_i];
	union message_space in, out;
	struct buffer first = {0}, second = {0};
	struct rng r;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		rng_seed(&r, seed);
		codec->generate(&r, &arena, &in);
		codec->encode(&in, &first);
		int status = codec->decode(buffer_slice(&first), &arena, &out);
		ck_assert_msg(status == 0, "%s seed %d: %s", codec->name, (int)seed,
			      status_text(status));
		codec->encode(&out, &second);
		assert_same_bytes(codec, buffer_slice(&first), buffer_slice(&second));
		buffer_clear(&first);
		buffer_clear(&second);
		arena_reset(&arena);
	}
	buffer_free(&first);
	buffer_free(&second);
}
END_TEST

/* The bytes with what was left out of them in its place. */
static void fill_gaps(struct slice in, const struct buffer_gaps *gaps, struct buffer *out)
{
	size_t done = 0;
	for (uint32_t i = 0; i < gaps->count; i++) {
		ck_assert(gaps->items[i].at >= done && gaps->items[i].at <= in.len);
		buffer_add(out, in.data + done, gaps->items[i].at - done);
		buffer_add_slice(out, gaps->items[i].value);
		done = gaps->items[i].at;
	}
	buffer_add(out, in.data + done, in.len - done);
}

/*
 * What is left out of a message is the same as is written into it otherwise: with it in its places
 * the bytes are those of the whole, however short may be left out, and however little room the list
 * has.
 */
START_TEST(what_is_left_out_belongs_into_its_gaps)
{
	const struct codec *codec = &codecs[_i];
	union message_space in;
	struct buffer whole = {0}, part = {0}, filled = {0};
	struct buffer_gap items[40];
	struct rng r;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		rng_seed(&r, seed);
		codec->generate(&r, &arena, &in);
		codec->encode(&in, &whole);
		struct buffer_gaps gaps = {.len_min = seed % 4 == 0 ? 1 : rng_below(&r, 40),
					   .items = items,
					   .capacity = (uint32_t)rng_below(&r, 41)};
		part.gaps = &gaps;
		codec->encode(&in, &part);
		part.gaps = NULL;
		for (uint32_t i = 0; i < gaps.count; i++)
			ck_assert_uint_ge(items[i].value.len, gaps.len_min);
		fill_gaps(buffer_slice(&part), &gaps, &filled);
		assert_same_bytes(codec, buffer_slice(&whole), buffer_slice(&filled));
		buffer_clear(&whole);
		buffer_clear(&part);
		buffer_clear(&filled);
		arena_reset(&arena);
	}
	buffer_free(&whole);
	buffer_free(&part);
	buffer_free(&filled);
}
END_TEST

/* A submessage whose length needs another byte because of what was left out of it moves with its gaps. */
START_TEST(gaps_move_with_their_submessage)
{
	static uint8_t bytes[200];
	for (size_t len = 100; len < 140; len++) {
		struct wire_kv_op ops[2] = {
			{.kind = WIRE_KV_CAS,
			 .key = slice(bytes, 3),
			 .value = slice(bytes, len),
			 .expect = slice(bytes, len / 2)},
			{.kind = WIRE_KV_PUT, .key = slice(bytes, 4), .value = slice(bytes, len)}};
		struct wire_kv_command command = {.nthen = 2, .then = ops};
		struct buffer whole = {0}, part = {0}, filled = {0};
		struct buffer_gap items[8];
		struct buffer_gaps gaps = {.len_min = 40, .items = items, .capacity = 8};
		for (size_t i = 0; i < sizeof bytes; i++)
			bytes[i] = (uint8_t)(i * 7 + len);
		wire_kv_command_encode(&command, &whole);
		part.gaps = &gaps;
		wire_kv_command_encode(&command, &part);
		ck_assert_uint_eq(gaps.count, 3);
		fill_gaps(buffer_slice(&part), &gaps, &filled);
		ck_assert(slice_equal(buffer_slice(&whole), buffer_slice(&filled)));
		buffer_free(&whole);
		buffer_free(&part);
		buffer_free(&filled);
	}
}
END_TEST

/* protobuf-c reads what we encode, knows every field of it, and writes the very same bytes. */
START_LOOP_TEST(encoding_equals_protobuf_c, 0, (int)CODECS)
{
	const struct codec *codec = &codecs[_i];
	union message_space in;
	struct buffer ours = {0}, theirs = {0};
	struct rng r;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		rng_seed(&r, seed);
		codec->generate(&r, &arena, &in);
		codec->encode(&in, &ours);
		ProtobufCMessage *message = protobuf_c_message_unpack(codec->descriptor, NULL,
								      ours.len, ours.data);
		ck_assert_msg(message != NULL, "%s seed %d", codec->name, (int)seed);
		ck_assert_uint_eq(message->n_unknown_fields, 0);
		buffer_reserve(&theirs, protobuf_c_message_get_packed_size(message) + 1);
		theirs.len = protobuf_c_message_pack(message, theirs.data);
		assert_same_bytes(codec, buffer_slice(&ours), buffer_slice(&theirs));
		protobuf_c_message_free_unpacked(message, NULL);
		buffer_clear(&ours);
		buffer_clear(&theirs);
		arena_reset(&arena);
	}
	buffer_free(&ours);
	buffer_free(&theirs);
}
END_TEST

static bool is_tested(const ProtobufCMessageDescriptor *descriptor)
{
	for (size_t c = 0; c < CODECS; c++) {
		const ProtobufCMessageDescriptor *tested = codecs[c].descriptor;
		if (tested == descriptor)
			return true;
		/* Submessages are tested with the messages that contain them, at most two deep. */
		for (unsigned f = 0; f < tested->n_fields; f++) {
			const ProtobufCMessageDescriptor *part = tested->fields[f].descriptor;
			if (tested->fields[f].type != PROTOBUF_C_TYPE_MESSAGE)
				continue;
			if (part == descriptor)
				return true;
			for (unsigned g = 0; g < part->n_fields; g++)
				if (part->fields[g].descriptor == descriptor)
					return true;
		}
	}
	return false;
}

/* Each message of each .proto has its row in codecs.h, or is contained in one that has. */
START_TEST(every_message_is_tested)
{
#define DESCRIPTOR(symbol) &(symbol),
	static const ProtobufCMessageDescriptor *const all[] = {
#include "descriptors.inc"
	};
#undef DESCRIPTOR

	ck_assert_uint_ge(sizeof all / sizeof all[0], CODECS);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		ck_assert_msg(is_tested(all[i]), "%s has no row in codecs.h", all[i]->name);
}
END_TEST

static void assert_binary(struct slice ours, ProtobufCBinaryData theirs)
{
	ck_assert(slice_equal(ours, slice(theirs.data, theirs.len)));
}

static void assert_op(const struct wire_kv_op *ours, const Synod__KvOp *theirs)
{
	ck_assert_int_eq((int)ours->kind, (int)theirs->kind);
	assert_binary(ours->key, theirs->key);
	assert_binary(ours->value, theirs->value);
	assert_binary(ours->expect, theirs->expect);
	ck_assert_int_eq(ours->absent, theirs->absent);
	ck_assert_int_eq(ours->delta, theirs->delta);
}

static void assert_kv_command(const struct wire_kv_command *ours, const Synod__KvCommand *theirs)
{
	ck_assert_uint_eq(ours->nthen, theirs->n_then);
	ck_assert_uint_eq(ours->nwhen, theirs->n_when);
	ck_assert_uint_eq(ours->notherwise, theirs->n_otherwise);
	ck_assert_int_eq(ours->transaction, theirs->transaction);
	ck_assert_int_eq(ours->has_internal, theirs->internal != NULL);
	for (uint32_t i = 0; i < ours->nthen; i++)
		assert_op(&ours->then[i], theirs->then[i]);
	for (uint32_t i = 0; i < ours->notherwise; i++)
		assert_op(&ours->otherwise[i], theirs->otherwise[i]);
	for (uint32_t i = 0; i < ours->nwhen; i++) {
		ck_assert_int_eq((int)ours->when[i].target, (int)theirs->when[i]->target);
		ck_assert_int_eq((int)ours->when[i].relation, (int)theirs->when[i]->relation);
		assert_binary(ours->when[i].key, theirs->when[i]->key);
		assert_binary(ours->when[i].value, theirs->when[i]->value);
		ck_assert_uint_eq(ours->when[i].number, theirs->when[i]->number);
	}
	if (!ours->has_internal)
		return;
	assert_binary(ours->internal.config, theirs->internal->config);
	ck_assert_uint_eq(ours->internal.granted_config, theirs->internal->granted_config);
	ck_assert_uint_eq(ours->internal.ngranted, theirs->internal->n_granted);
	for (uint32_t i = 0; i < ours->internal.ngranted; i++)
		ck_assert_uint_eq(ours->internal.granted[i], theirs->internal->granted[i]);
}

static void assert_peer_any(const struct wire_peer_any *ours, const Synod__PeerAny *theirs)
{
	ck_assert_uint_eq(ours->group, theirs->group);
	ck_assert_uint_eq(ours->from, theirs->from);
	ck_assert_uint_eq(ours->to, theirs->to);
	ck_assert_uint_eq(ours->ballot, theirs->ballot);
	ck_assert_uint_eq(ours->slot, theirs->slot);
	ck_assert_uint_eq(ours->chosen, theirs->chosen);
	ck_assert_uint_eq(ours->sequence, theirs->sequence);
	ck_assert_uint_eq(ours->flags, theirs->flags);
	ck_assert_uint_eq(ours->position, theirs->position);
	ck_assert_uint_eq(ours->total, theirs->total);
	ck_assert_uint_eq(ours->lease_us, theirs->lease_us);
	ck_assert_uint_eq(ours->stamp, theirs->stamp);
	ck_assert_uint_eq(ours->vouched, theirs->vouched);
	assert_binary(ours->data, theirs->data);
	ck_assert_uint_eq(ours->nentries, theirs->n_entries);
	for (uint32_t i = 0; i < ours->nentries; i++) {
		ck_assert_uint_eq(ours->entries[i].slot, theirs->entries[i]->slot);
		ck_assert_uint_eq(ours->entries[i].ballot, theirs->entries[i]->ballot);
		assert_binary(ours->entries[i].value, theirs->entries[i]->value);
	}
	ck_assert_uint_eq(ours->nranges, theirs->n_ranges);
	for (uint32_t i = 0; i < ours->nranges; i++) {
		ck_assert_uint_eq(ours->ranges[i].first, theirs->ranges[i]->first);
		ck_assert_uint_eq(ours->ranges[i].last, theirs->ranges[i]->last);
	}
}

static void assert_result(const struct wire_kv_result *ours, const Synod__KvResult *theirs)
{
	ck_assert_uint_eq(status_to_wire(ours->status), theirs->status);
	assert_binary(ours->value, theirs->value);
	ck_assert_uint_eq(ours->version, theirs->version);
	ck_assert_uint_eq(ours->modification, theirs->modification);
	ck_assert_uint_eq(ours->omitted, theirs->omitted);
}

static void assert_kv_reply(const struct wire_kv_reply *ours, const Synod__KvReply *theirs)
{
	ck_assert_int_eq(ours->succeeded, theirs->succeeded);
	ck_assert_uint_eq(ours->nresults, theirs->n_results);
	for (uint32_t i = 0; i < ours->nresults; i++)
		assert_result(&ours->results[i], theirs->results[i]);
}

static void assert_kv_query_reply(const struct wire_kv_query_reply *ours,
				  const Synod__KvQueryReply *theirs)
{
	ck_assert_uint_eq(ours->nresults, theirs->n_results);
	for (uint32_t i = 0; i < ours->nresults; i++)
		assert_result(&ours->results[i], theirs->results[i]);
	ck_assert_uint_eq(ours->nrecords, theirs->n_records);
	for (uint32_t i = 0; i < ours->nrecords; i++) {
		assert_binary(ours->records[i].key, theirs->records[i]->key);
		assert_binary(ours->records[i].value, theirs->records[i]->value);
		ck_assert_uint_eq(ours->records[i].version, theirs->records[i]->version);
		ck_assert_uint_eq(ours->records[i].modification, theirs->records[i]->modification);
	}
	ck_assert_int_eq(ours->more, theirs->more);
	assert_binary(ours->resume, theirs->resume);
	ck_assert_uint_eq(ours->count, theirs->count);
}

static void assert_kv_query(const struct wire_kv_query *ours, const Synod__KvQuery *theirs)
{
	ck_assert_uint_eq(ours->nkeys, theirs->n_keys);
	for (uint32_t i = 0; i < ours->nkeys; i++)
		assert_binary(ours->keys[i], theirs->keys[i]);
	ck_assert_int_eq(ours->has_scan, theirs->scan != NULL);
	if (!ours->has_scan)
		return;
	assert_binary(ours->scan.start, theirs->scan->start);
	assert_binary(ours->scan.end, theirs->scan->end);
	ck_assert_uint_eq(ours->scan.limit, theirs->scan->limit);
	ck_assert_int_eq(ours->scan.keys_only, theirs->scan->keys_only);
	ck_assert_int_eq(ours->scan.count_only, theirs->scan->count_only);
	ck_assert_int_eq(ours->scan.reverse, theirs->scan->reverse);
	ck_assert_uint_eq(ours->scan.config, theirs->scan->config);
}

static void assert_command(const struct wire_command *ours, const Synod__Command *theirs)
{
	ck_assert_uint_eq(ours->client, theirs->client);
	ck_assert_uint_eq(ours->sequence, theirs->sequence);
	ck_assert_uint_eq(ours->acknowledged, theirs->acknowledged);
	assert_binary(ours->body, theirs->body);
}

static void assert_unconfirmed_reply(const struct wire_unconfirmed_reply *ours,
				     const Synod__UnconfirmedReply *theirs)
{
	ck_assert_uint_eq(ours->group, theirs->group);
	ck_assert_uint_eq(ours->ballot, theirs->ballot);
	ck_assert_uint_eq(ours->confirmations, theirs->confirmations);
	ck_assert_int_eq(ours->rather_query, theirs->rather_query);
	assert_binary(ours->body, theirs->body);
}

static void assert_stale_reply(const struct wire_stale_reply *ours, const Synod__StaleReply *theirs)
{
	ck_assert_uint_eq(ours->group, theirs->group);
	ck_assert_uint_eq(ours->replica, theirs->replica);
	ck_assert_uint_eq(ours->slot, theirs->slot);
	ck_assert_int_eq(ours->age_known, theirs->age_known);
	ck_assert_uint_eq(ours->age_us, theirs->age_us);
	assert_binary(ours->body, theirs->body);
}

static void assert_ballot_reply(const struct wire_ballot_reply *ours,
				const Synod__BallotReply *theirs)
{
	ck_assert_uint_eq(ours->group, theirs->group);
	ck_assert_uint_eq(ours->replica, theirs->replica);
	ck_assert_uint_eq(ours->ballot, theirs->ballot);
}

/* clang-format off */
#define HOT_MAP(X) \
	X(unconfirmed_reply, unconfirmed_reply) X(stale_reply, stale_reply) \
	X(ballot_reply, ballot_reply) \
	X(command, command) \
	X(kv_command, kv_command) \
	X(kv_reply, kv_reply) \
	X(kv_query, kv_query) \
	X(kv_query_reply, kv_query_reply) X(peer_any, peer_any)
/* clang-format on */

/*
 * The structs of the busiest messages hold, field by field and name by name, what protobuf-c finds
 * in the same bytes.
 */
START_TEST(fields_agree_with_protobuf_c)
{
	struct buffer bytes = {0};
	struct rng r;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		rng_seed(&r, seed);
#define X(name, generated) \
	{ \
		struct wire_##name in, out; \
		any_##name(&r, &arena, &in); \
		wire_##name##_encode(&in, &bytes); \
		void *message = protobuf_c_message_unpack(&synod__##generated##__descriptor, NULL, \
							  bytes.len, bytes.data); \
		ck_assert_ptr_nonnull(message); \
		assert_##name(&in, message); \
		ck_assert_int_eq(wire_##name##_decode(buffer_slice(&bytes), &arena, &out), 0); \
		assert_##name(&out, message); \
		protobuf_c_message_free_unpacked(message, NULL); \
		buffer_clear(&bytes); \
		arena_reset(&arena); \
	}
		HOT_MAP(X)
#undef X
	}
	buffer_free(&bytes);
}
END_TEST

/*
 * Numbers that are not packed, as an old or foreign encoder writes them, are read like packed ones.
 */
/* KvCommand.internal { granted: 7, granted: [8, 9], granted: 300 } */
START_TEST(unpacked_numbers_are_read)
{
	static const uint8_t bytes[] = {0x2a, 9, 0x10, 7, 0x12, 2, 8, 9, 0x10, 0xac, 0x02};
	struct wire_kv_command command;

	ck_assert_int_eq(wire_kv_command_decode(slice(bytes, sizeof bytes), &arena, &command), 0);
	ck_assert_uint_eq(command.internal.ngranted, 4);
	ck_assert_uint_eq(command.internal.granted[0], 7);
	ck_assert_uint_eq(command.internal.granted[2], 9);
	ck_assert_uint_eq(command.internal.granted[3], 300);
}
END_TEST

/* The arrays of a submessage that occurs twice are joined; what occurs once in it is replaced. */
/* internal { config: "a" granted: [7, 8] } then { kind: GET } internal { config: "b" granted: 9 } */
START_TEST(arrays_of_a_repeated_submessage_are_joined)
{
	static const uint8_t bytes[] = {0x2a, 7, 0x0a, 1, 'a',  0x12, 2,   7,    8, 0x0a, 2,
					0x08, 1, 0x2a, 6, 0x0a, 1,    'b', 0x12, 1, 9};
	struct wire_kv_command command;

	ck_assert_int_eq(wire_kv_command_decode(slice(bytes, sizeof bytes), &arena, &command), 0);
	ck_assert_uint_eq(command.nthen, 1);
	ck_assert_uint_eq(command.internal.ngranted, 3);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_uint_eq(command.internal.granted[i], 7 + i);
	ck_assert(slice_equal(command.internal.config, slice_string("b")));
}
END_TEST

/*
 * A submessage without `present` is left out if it is empty; with it, it is written, and known to
 * have been there.
 */
START_TEST(empty_submessages_are_left_out_or_known)
{
	struct wire_view_reply nobody = {.clients = 1};
	struct wire_kv_query query = {.has_scan = true}, out;
	struct buffer bytes = {0};

	wire_view_reply_encode(&nobody, &bytes);
	ck_assert_uint_eq(bytes.len, 2);
	buffer_clear(&bytes);
	wire_kv_query_encode(&query, &bytes);
	ck_assert_uint_eq(bytes.len, 2);
	ck_assert_int_eq(wire_kv_query_decode(buffer_slice(&bytes), &arena, &out), 0);
	ck_assert(out.has_scan);
	buffer_free(&bytes);
}
END_TEST

/* A submessage that occurs twice is merged, and a number that occurs twice keeps its last value. */
/* scan { start: "a" limit: 1 } scan { limit: 2 keys_only: true } */
START_TEST(repeated_singular_fields_merge)
{
	static const uint8_t bytes[] = {0x12, 5, 0x0a, 1, 'a', 0x18, 1, 0x12, 4, 0x18, 2, 0x20, 1};
	struct wire_kv_query query;

	ck_assert_int_eq(wire_kv_query_decode(slice(bytes, sizeof bytes), &arena, &query), 0);
	ck_assert(query.has_scan);
	ck_assert(slice_equal(query.scan.start, slice_string("a")));
	ck_assert_uint_eq(query.scan.limit, 2);
	ck_assert(query.scan.keys_only);
}
END_TEST

/* Fields of a newer version, of every wire type, are skipped wherever they stand. */
START_LOOP_TEST(unknown_fields_are_skipped, 0, (int)CODECS)
{
	static const uint8_t unknown[] = {
		0xa0, 0x06, 0x96, 0x01,                       /* 100: varint */
		0xa1, 0x06, 1,    2,    3,   4,   5, 6, 7, 8, /* 100: fixed64 */
		0xa2, 0x06, 3,    'n',  'e', 'w',             /* 100: bytes */
		0xa5, 0x06, 1,    2,    3,   4,               /* 100: fixed32 */
	};
	const struct codec *codec = &codecs[_i];
	union message_space in, out;
	struct buffer known = {0}, both = {0}, again = {0};
	struct rng r;

	rng_seed(&r, 1);
	codec->generate(&r, &arena, &in);
	codec->encode(&in, &known);
	buffer_add(&both, unknown, sizeof unknown);
	buffer_add_slice(&both, buffer_slice(&known));
	buffer_add(&both, unknown, sizeof unknown);
	ck_assert_int_eq(codec->decode(buffer_slice(&both), &arena, &out), 0);
	codec->encode(&out, &again);
	assert_same_bytes(codec, buffer_slice(&known), buffer_slice(&again));
	buffer_free(&known);
	buffer_free(&both);
	buffer_free(&again);
}
END_TEST

/*
 * The empty message is valid for every type whose fields may all be absent, and decodes to zeros.
 */
START_LOOP_TEST(empty_message_is_all_defaults, 0, (int)CODECS)
{
	const struct codec *codec = &codecs[_i];
	union message_space out;
	struct buffer again = {0};

	int status = codec->decode(slice(NULL, 0), &arena, &out);
	static const char *const named[] = {"master_command", "view_command",   "view_ping",
					    "pb_forward",     "change_members", "welcome",
					    "trace_request"};
	bool must_name = false;
	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
		must_name |= strcmp(codec->name, named[i]) == 0;
	if (must_name) {
		/* An operation, a server, a member, a place in the stream, a request must be named. */
		ck_assert_int_eq(status, STATUS_BAD_REQUEST);
		return;
	}
	ck_assert_int_eq(status, 0);
	codec->encode(&out, &again);
	ck_assert_uint_eq(again.len, 0);
	buffer_free(&again);
}
END_TEST

/* A formatted error is cut to its limit, and never inside a UTF-8 sequence. */
START_TEST(formatted_error_is_bounded)
{
	struct buffer bytes = {0};
	struct wire_error error;
	char text[3000];

	for (size_t i = 0; i + 1 < sizeof text; i++)
		text[i] = (i % 2 == 0) ? (char)0xc3 : (char)0xa9;
	text[sizeof text - 1] = 0;
	wire_error_format(&bytes, "x%s", text);
	ck_assert_int_eq(wire_error_decode(buffer_slice(&bytes), &arena, &error), 0);
	ck_assert_uint_eq(error.message.len, 1023);
	ck_assert_uint_eq(error.message.data[1022], 0xa9);
	buffer_clear(&bytes);
	wire_error_format(&bytes, "shard %d", 7);
	ck_assert_int_eq(wire_error_decode(buffer_slice(&bytes), &arena, &error), 0);
	ck_assert(slice_equal(error.message, slice_string("shard 7")));
	buffer_free(&bytes);
}
END_TEST
