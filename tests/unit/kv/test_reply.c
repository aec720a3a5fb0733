/* The short form of replies, and what is put back into it. */
#include <stdint.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "kv/reply.h"
#include "wire/wire.h"

#define LONG 5000u

static struct arena arena;
static struct store_record present;
static bool exists;
static uint8_t bytes[LONG];

static bool get(void *context, struct slice key, struct store_record *record)
{
	(void)context;
	if (!exists || !slice_equal(key, slice_string("k")))
		return false;
	*record = present;
	return true;
}

/* A transaction: put k, append k, get k. */
static struct buffer make_command(bool otherwise)
{
	struct buffer out = {0};
	struct wire_kv_op ops[] = {
		{.kind = WIRE_KV_PUT, .key = slice_string("other")},
		{.kind = WIRE_KV_APPEND, .key = slice_string("k"), .value = slice_string("x")},
		{.kind = WIRE_KV_GET, .key = slice_string("k")},
	};
	struct wire_kv_command command = {.transaction = true};
	if (otherwise) {
		command.notherwise = 3;
		command.otherwise = ops;
	} else {
		command.nthen = 3;
		command.then = ops;
	}
	wire_kv_command_encode(&command, &out);
	return out;
}

static struct buffer make_reply(bool succeeded)
{
	struct buffer out = {0};
	struct wire_kv_result results[] = {
		{.version = 1, .modification = 70},
		{.version = 2, .modification = 71, .value = slice(bytes, LONG)},
		{.version = 2, .modification = 71, .value = slice(bytes, LONG)},
	};
	wire_kv_reply_encode(
		&(struct wire_kv_reply){.succeeded = succeeded, .nresults = 3, .results = results},
		&out);
	return out;
}

/*
 * faults: 98. While the key is as it was, a repeated command gets the whole reply, byte for byte,
 * of either branch.
 */
START_TEST(while_the_key_is_unchanged_the_reply_is_whole)
{
	arena_init(&arena, ARENA_BYTES_MAX);
	exists = true;
	for (int otherwise = 0; otherwise < 2; otherwise++) {
		struct buffer command = make_command(otherwise == 1),
			      reply = make_reply(otherwise == 0);
		struct buffer kept = {0}, again = {0};
		ck_assert(kv_reply_shorten(buffer_slice(&reply), &arena, &kept));
		ck_assert_uint_lt(kept.len, 100);
		present = (struct store_record){.key = slice_string("k"),
						.value = slice(bytes, LONG),
						.version = 2,
						.modification = 71};
		ck_assert(kv_reply_complete(buffer_slice(&kept), buffer_slice(&command), &arena,
					    get, NULL, &again));
		ck_assert(slice_equal(buffer_slice(&again), buffer_slice(&reply)));
		buffer_free(&command);
		buffer_free(&reply);
		buffer_free(&kept);
		buffer_free(&again);
	}
	arena_free(&arena);
}
END_TEST

/*
 * faults: 98. The key has been changed, or is gone: its values stay out, with their lengths;
 * nothing else is lost.
 */
START_TEST(of_a_changed_key_the_values_stay_out)
{
	arena_init(&arena, ARENA_BYTES_MAX);
	struct buffer command = make_command(false), reply = make_reply(true), kept = {0};
	ck_assert(kv_reply_shorten(buffer_slice(&reply), &arena, &kept));
	for (int gone = 0; gone < 2; gone++) {
		struct buffer again = {0};
		struct wire_kv_reply wire;
		exists = gone == 0;
		present = (struct store_record){.key = slice_string("k"),
						.value = slice(bytes, LONG),
						.version = 3,
						.modification = 72};
		ck_assert(kv_reply_complete(buffer_slice(&kept), buffer_slice(&command), &arena,
					    get, NULL, &again));
		ck_assert_int_eq(wire_kv_reply_decode(buffer_slice(&again), &arena, &wire), 0);
		ck_assert(wire.succeeded);
		ck_assert_uint_eq(wire.nresults, 3);
		for (uint32_t i = 1; i < 3; i++) {
			ck_assert_uint_eq(wire.results[i].omitted, LONG);
			ck_assert_uint_eq(wire.results[i].value.len, 0);
			ck_assert_uint_eq(wire.results[i].modification, 71);
		}
		ck_assert_uint_eq(wire.results[0].modification, 70);
		buffer_free(&again);
	}
	buffer_free(&command);
	buffer_free(&reply);
	buffer_free(&kept);
	arena_free(&arena);
}
END_TEST

/* Short values are kept; what is no such reply is left alone. */
START_TEST(nothing_to_do)
{
	arena_init(&arena, ARENA_BYTES_MAX);
	struct buffer reply = {0}, out = {0}, command = make_command(false);
	struct wire_kv_result result = {
		.value = slice_string("short"), .version = 1, .modification = 2};
	wire_kv_reply_encode(
		&(struct wire_kv_reply){.succeeded = true, .nresults = 1, .results = &result},
		&reply);
	ck_assert(!kv_reply_shorten(buffer_slice(&reply), &arena, &out));
	ck_assert(!kv_reply_complete(buffer_slice(&reply), buffer_slice(&command), &arena, get,
				     NULL, &out));
	ck_assert(!kv_reply_shorten(slice_string("\xff\xff\xff"), &arena, &out));
	ck_assert(!kv_reply_complete(slice_string("\xff\xff\xff"), buffer_slice(&command), &arena,
				     get, NULL, &out));
	ck_assert_uint_eq(out.len, 0);
	buffer_free(&reply);
	buffer_free(&command);
	arena_free(&arena);
}
END_TEST
