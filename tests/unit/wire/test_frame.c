/*
 * Frames: what comes out of a stream is what went in, or the stream is refused. faults: 25, 69, 74
 */
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/rng.h"
#include "wire/frame.h"
#include "wire/method.h"

static struct message any_message(struct rng *r, struct slice payload)
{
	struct message m = {
		.kind = (enum message_kind)rng_range(r, MESSAGE_ONEWAY, MESSAGE_REPLY),
		.method = (uint16_t)rng_next(r),
		.id = rng_next(r),
		.lamport = rng_next(r),
		.hlc = rng_next(r),
		.trace = rng_chance(r, 500000) ? rng_next(r) : 0,
		.payload = payload,
	};
	if (m.kind == MESSAGE_REQUEST)
		m.timeout_ms = (uint32_t)rng_next(r);
	if (m.kind == MESSAGE_REPLY)
		m.status = -(int)rng_below(r, 26);
	return m;
}

static void assert_message(const struct message *a, const struct message *b)
{
	ck_assert_int_eq((int)a->kind, (int)b->kind);
	ck_assert_uint_eq(a->method, b->method);
	ck_assert_int_eq(a->status, b->status);
	ck_assert_uint_eq(a->timeout_ms, b->timeout_ms);
	ck_assert_uint_eq(a->id, b->id);
	ck_assert_uint_eq(a->lamport, b->lamport);
	ck_assert_uint_eq(a->hlc, b->hlc);
	ck_assert_uint_eq(a->trace, b->trace);
	ck_assert(slice_equal(a->payload, b->payload));
}

/*
 * A stream of frames gives back every message, however it is cut: too few bytes ask for more, and
 * say how many.
 */
START_TEST(stream_gives_back_every_message)
{
	static uint8_t payload[3000];
	struct buffer stream = {0};
	struct message sent[20], got;
	struct rng r;

	rng_seed(&r, 7);
	for (size_t i = 0; i < sizeof payload; i++)
		payload[i] = (uint8_t)rng_next(&r);
	for (size_t i = 0; i < 20; i++) {
		sent[i] = any_message(&r, slice(payload, rng_below(&r, sizeof payload)));
		frame_append(&stream, &sent[i]);
	}
	struct slice rest = buffer_slice(&stream);
	for (size_t i = 0; i < 20; i++) {
		size_t whole = FRAME_HEADER_BYTES + sent[i].payload.len;
		size_t consumed = 0, needed = 0;
		for (size_t len = 0; len < whole; len++) {
			ck_assert_int_eq(frame_parse(slice(rest.data, len), FRAME_BYTES_MAX, &got,
						     &consumed, &needed),
					 STATUS_TRUNCATED);
			ck_assert_uint_eq(needed, len < 4 ? FRAME_HEADER_BYTES : whole);
		}
		ck_assert_int_eq(frame_parse(rest, FRAME_BYTES_MAX, &got, &consumed, &needed), 0);
		ck_assert_uint_eq(consumed, whole);
		assert_message(&sent[i], &got);
		rest = slice(rest.data + consumed, rest.len - consumed);
	}
	ck_assert_uint_eq(rest.len, 0);
	buffer_free(&stream);
}
END_TEST

/*
 * The frame of a message in parts, with these in their places, is that of the message in one piece.
 */
START_TEST(parts_belong_into_the_frame)
{
	static uint8_t payload[3000];
	struct rng r;

	rng_seed(&r, 11);
	for (size_t round = 0; round < 200; round++) {
		struct buffer whole = {0}, frame = {0}, filled = {0}, room = {0};
		struct message_part parts[5];
		for (size_t i = 0; i < sizeof payload; i++)
			payload[i] = (uint8_t)rng_next(&r);
		struct message sent = any_message(&r, slice(payload, rng_below(&r, 200)));
		sent.parts = parts;
		sent.nparts = (uint16_t)rng_below(&r, 6);
		size_t at = 0;
		for (uint32_t i = 0; i < sent.nparts; i++) {
			at = rng_range(&r, at, sent.payload.len);
			parts[i] = (struct message_part){
				.at = at,
				.bytes = bytes_copy(
					slice(payload + rng_below(&r, 1000), rng_below(&r, 2000))),
			};
		}
		struct message one_piece = sent;
		one_piece.payload = message_whole(&sent, &room);
		one_piece.parts = NULL;
		one_piece.nparts = 0;
		ck_assert_uint_eq(one_piece.payload.len, message_bytes(&sent));
		frame_append(&whole, &one_piece);
		frame_append(&frame, &sent);
		size_t done = 0;
		for (uint32_t i = 0; i < sent.nparts; i++) {
			size_t place = FRAME_HEADER_BYTES + parts[i].at;
			buffer_add(&filled, frame.data + done, place - done);
			buffer_add_slice(&filled, bytes_slice(parts[i].bytes));
			done = place;
		}
		buffer_add(&filled, frame.data + done, frame.len - done);
		ck_assert(slice_equal(buffer_slice(&whole), buffer_slice(&filled)));
		for (uint32_t i = 0; i < sent.nparts; i++)
			bytes_unref(parts[i].bytes);
		buffer_free(&whole);
		buffer_free(&frame);
		buffer_free(&filled);
		buffer_free(&room);
	}
}
END_TEST

/*
 * Every single flipped bit is noticed: the frame is corrupt, too large, or waits for more bytes; it
 * is never taken.
 */
START_TEST(every_flipped_bit_is_noticed)
{
	struct buffer stream = {0};
	struct message sent, got;
	struct rng r;
	size_t consumed, needed;

	rng_seed(&r, 9);
	sent = any_message(&r, slice_string("forty-two bytes of payload, more or less.."));
	frame_append(&stream, &sent);
	for (size_t bit = 0; bit < stream.len * 8; bit++) {
		stream.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		int status = frame_parse(buffer_slice(&stream), FRAME_BYTES_MAX, &got, &consumed,
					 &needed);
		if (bit < 32)
			ck_assert(status == STATUS_CORRUPT || status == STATUS_TOO_LARGE ||
				  status == STATUS_TRUNCATED);
		else
			ck_assert_int_eq(status, STATUS_CORRUPT);
		stream.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert_int_eq(
		frame_parse(buffer_slice(&stream), FRAME_BYTES_MAX, &got, &consumed, &needed), 0);
	buffer_free(&stream);
}
END_TEST

/*
 * The first four bytes are enough to refuse a length above the limit, so nothing is ever buffered
 * for it. faults: 25, 74
 */
START_TEST(huge_length_is_refused_at_once)
{
	static const uint32_t lengths[] = {HELLO_BYTES_MAX + 1,
					   FRAME_BYTES_MAX + 1,
					   INT32_MAX,
					   0x80000000u,
					   UINT32_MAX - FRAME_HEADER_BYTES + 1,
					   UINT32_MAX};
	struct message got;
	size_t consumed, needed;
	uint8_t bytes[4];

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		store_u32(bytes, lengths[i]);
		ck_assert_int_eq(
			frame_parse(slice(bytes, 4), HELLO_BYTES_MAX, &got, &consumed, &needed),
			STATUS_TOO_LARGE);
	}
	store_u32(bytes, HELLO_BYTES_MAX);
	ck_assert_int_eq(frame_parse(slice(bytes, 4), HELLO_BYTES_MAX, &got, &consumed, &needed),
			 STATUS_TRUNCATED);
	ck_assert_uint_eq(needed, FRAME_HEADER_BYTES + HELLO_BYTES_MAX);
}
END_TEST

static int parse_sealed(struct buffer *frame, struct message *got)
{
	size_t consumed, needed;

	store_u32(frame->data + 4, crc32c(0, frame->data + 8, frame->len - 8));
	return frame_parse(buffer_slice(frame), FRAME_BYTES_MAX, got, &consumed, &needed);
}

/*
 * Kinds that do not exist, and a reserved byte other than zero, are refused despite the checksum.
 * faults: 69
 */
START_TEST(reserved_fields_must_be_zero)
{
	struct message sent = {.kind = MESSAGE_REQUEST, .method = METHOD_PING}, got;
	struct buffer frame = {0};

	frame_append(&frame, &sent);
	for (unsigned kind = 0; kind < 256; kind++) {
		frame.data[8] = (uint8_t)kind;
		ck_assert_int_eq(parse_sealed(&frame, &got),
				 kind >= 1 && kind <= 3 ? 0 : STATUS_CORRUPT);
	}
	frame.data[8] = MESSAGE_REQUEST;
	frame.data[9] = 1;
	ck_assert_int_eq(parse_sealed(&frame, &got), STATUS_CORRUPT);
	frame.data[9] = 0;
	ck_assert_int_eq(parse_sealed(&frame, &got), 0);
	buffer_free(&frame);
}
END_TEST

/* A status code of a newer version reads as an internal error, whose outcome is unknown. */
START_TEST(unknown_status_is_internal)
{
	struct message sent = {.kind = MESSAGE_REPLY, .method = METHOD_COMMAND}, got;
	struct buffer frame = {0};

	frame_append(&frame, &sent);
	store_u32(frame.data + 12, 99);
	ck_assert_int_eq(parse_sealed(&frame, &got), 0);
	ck_assert_int_eq(got.status, STATUS_INTERNAL);
	store_u32(frame.data + 12, UINT32_MAX);
	ck_assert_int_eq(parse_sealed(&frame, &got), 0);
	ck_assert_int_eq(got.status, STATUS_INTERNAL);
	buffer_free(&frame);
}
END_TEST

/* The header's bytes are where the protocol says: little-endian, payload last. */
START_TEST(layout_is_the_documented_one)
{
	static const uint8_t expected[] = {
		2, 0, 0, 0, 0, 0, 0, 0,  2, 0, 17, 0, 0xe8, 3, 0, 0,  8, 7, 6, 5, 4, 3, 2, 1,   9,
		0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0,  0, 0,    0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 'h', 'i',
	};
	struct message sent = {.kind = MESSAGE_REQUEST,
			       .method = METHOD_QUERY,
			       .timeout_ms = 1000,
			       .id = 0x0102030405060708,
			       .lamport = 9,
			       .hlc = 10,
			       .trace = 11,
			       .payload = slice_string("hi")};
	struct buffer frame = {0};

	frame_append(&frame, &sent);
	ck_assert_uint_eq(load_u32(frame.data + 4), crc32c(0, frame.data + 8, 42));
	memset(frame.data + 4, 0, 4);
	ck_assert_uint_eq(frame.len, sizeof expected);
	ck_assert_mem_eq(frame.data, expected, sizeof expected);
	buffer_free(&frame);
}
END_TEST

/* Garbage is never read past its end and never taken for a frame. faults: 69 */
START_TEST(garbage_is_never_taken_for_a_frame)
{
	struct message got;
	size_t consumed, needed;
	struct rng r;

	for (uint64_t seed = 0; seed < 3000; seed++) {
		rng_seed(&r, seed);
		size_t len = rng_below(&r, 200);
		uint8_t *bytes = malloc(len > 0 ? len : 1);
		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)rng_next(&r);
		if (len >= 4)
			store_u32(bytes, (uint32_t)rng_below(&r, 150));
		ck_assert_int_ne(
			frame_parse(slice(bytes, len), FRAME_BYTES_MAX, &got, &consumed, &needed),
			0);
		free(bytes);
	}
}
END_TEST

/* Every method has a name of its own, and a number that is none is "unknown". */
START_TEST(methods_have_names)
{
	ck_assert_str_eq(method_text(METHOD_ACCEPT), "accept");
	ck_assert_str_eq(method_text(METHOD_SNAPSHOT_CHUNK), "snapshot_chunk");
	ck_assert_str_eq(method_text(0), "unknown");
	ck_assert_str_eq(method_text(63), "unknown");
	ck_assert_str_eq(method_text(UINT16_MAX), "unknown");
}
END_TEST
