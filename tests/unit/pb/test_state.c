/* What primary and backup keep, and how it gets from one to the other. */
/* faults: 33, 50, 54 */
#include <stdio.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "pb/state.h"
#include "pb/states.h"

static struct arena arena;
static struct buffer reply;

static struct entry_command command_of(struct buffer *body, enum wire_kv_kind kind, const char *key,
				       const char *value, uint64_t client, uint64_t sequence)
{
	struct wire_kv_op op = {
		.kind = kind, .key = slice_string(key), .value = slice_string(value)};
	buffer_clear(body);
	wire_kv_command_encode(&(struct wire_kv_command){.nthen = 1, .then = &op}, body);
	return (struct entry_command){
		.client = client, .sequence = sequence, .body = buffer_slice(body)};
}

static struct pb_applied apply(struct pb_state *s, const struct entry_command *command)
{
	struct wire_kv_op op;
	arena_reset(&arena);
	buffer_clear(&reply);
	int status = pb_command_decode(command->body, 100, 1000, &arena, &op, &reply);
	if (status != 0)
		return (struct pb_applied){.status = status};
	buffer_clear(&reply);
	return pb_state_apply(s, command, &op, 1000, &arena, &reply);
}

static struct pb_applied run(struct pb_state *s, enum wire_kv_kind kind, const char *key,
			     const char *value, uint64_t client, uint64_t sequence)
{
	struct buffer body = {0};
	struct entry_command command = command_of(&body, kind, key, value, client, sequence);
	struct pb_applied out = apply(s, &command);
	buffer_free(&body);
	return out;
}

static void open_state(struct pb_state *s)
{
	pb_state_init(s, 100, 1000000);
	sessions_registered(&s->sessions, 1000);
	pb_state_batch(s, 1);
}

static void setup(void)
{
	arena_init(&arena, ARENA_BYTES_MAX);
}

static void teardown(void)
{
	arena_free(&arena);
	buffer_free(&reply);
}

/*
 * A repeated command gets its first answer, and is not applied again; another payload under its
 * number is refused.
 */
START_TEST(a_repeated_command_gets_its_first_answer)
{
	struct pb_state s;
	setup();
	open_state(&s);
	ck_assert_int_eq(run(&s, WIRE_KV_APPEND, "k", "x", 7, 1).status, 0);
	struct buffer first = {0};
	buffer_add_slice(&first, buffer_slice(&reply));
	uint64_t digest = s.digest;
	struct pb_applied again = run(&s, WIRE_KV_APPEND, "k", "x", 7, 1);
	ck_assert_uint_eq(again.repeated, 1);
	ck_assert(!again.wrote);
	ck_assert(slice_equal(buffer_slice(&first), buffer_slice(&reply)));
	ck_assert_uint_eq(s.digest, digest);
	ck_assert_int_eq(run(&s, WIRE_KV_APPEND, "k", "y", 7, 1).status, STATUS_SEQUENCE_REUSED);
	ck_assert_uint_eq(s.digest, digest);
	ck_assert_int_eq(run(&s, WIRE_KV_APPEND, "k", "x", 7, 2).status, 0);
	ck_assert_uint_ne(s.digest, digest);
	buffer_free(&first);
	pb_state_free(&s);
	teardown();
}
END_TEST

/* What is refused changes nothing. */
START_TEST(what_is_refused_changes_nothing)
{
	struct pb_state s;
	struct wire_kv_op ops[2] = {{.kind = WIRE_KV_PUT, .key = slice_string("a")},
				    {.kind = WIRE_KV_PUT, .key = slice_string("b")}};
	char long_key[200], long_value[2000];
	struct buffer body = {0};
	setup();
	open_state(&s);
	memset(long_key, 'k', sizeof long_key);
	memset(long_value, 'v', sizeof long_value);
	long_key[101] = long_value[1001] = '\0';
	ck_assert_int_eq(run(&s, WIRE_KV_PUT, "", "x", 0, 0).status, STATUS_BAD_REQUEST);
	ck_assert_int_eq(run(&s, WIRE_KV_PUT, long_key, "x", 0, 0).status, STATUS_TOO_LARGE);
	ck_assert_int_eq(run(&s, WIRE_KV_PUT, "k", long_value, 0, 0).status, STATUS_TOO_LARGE);
	wire_kv_command_encode(&(struct wire_kv_command){.nthen = 2, .then = ops}, &body);
	ck_assert_int_eq(apply(&s, &(struct entry_command){.body = buffer_slice(&body)}).status,
			 STATUS_BAD_REQUEST);
	buffer_clear(&body);
	wire_kv_command_encode(
		&(struct wire_kv_command){.nthen = 1, .then = ops, .transaction = true}, &body);
	ck_assert_int_eq(apply(&s, &(struct entry_command){.body = buffer_slice(&body)}).status,
			 STATUS_BAD_REQUEST);
	ck_assert_int_eq(
		apply(&s, &(struct entry_command){.body = slice_string("\xff\xff")}).status,
		STATUS_BAD_REQUEST);
	ck_assert_uint_eq(s.digest, 0);
	ck_assert_uint_eq(pb_state_keys(&s), 0);
	buffer_free(&body);
	pb_state_free(&s);
	teardown();
}
END_TEST

/*
 * The digest is that of the records, whatever way led to them; deleting everything gives that of
 * nothing.
 */
START_TEST(the_digest_is_that_of_the_records)
{
	struct pb_state s;
	setup();
	open_state(&s);
	run(&s, WIRE_KV_PUT, "a", "1", 0, 0);
	uint64_t one = s.digest;
	run(&s, WIRE_KV_PUT, "b", "2", 0, 0);
	ck_assert_uint_ne(s.digest, one);
	run(&s, WIRE_KV_DELETE, "b", "", 0, 0);
	ck_assert_uint_eq(s.digest, one);
	run(&s, WIRE_KV_DELETE, "a", "", 0, 0);
	ck_assert_uint_eq(s.digest, 0);
	ck_assert_uint_eq(pb_state_keys(&s), 0);
	pb_state_free(&s);
	teardown();
}
END_TEST

static void random_write(struct rng *rng, struct pb_state *s, char key[16])
{
	static const enum wire_kv_kind kinds[] = {WIRE_KV_PUT, WIRE_KV_APPEND, WIRE_KV_DELETE,
						  WIRE_KV_INCR};
	char value[16];
	snprintf(key, 16, "k%u", (unsigned)rng_below(rng, 60));
	snprintf(value, sizeof value, "%u", (unsigned)rng_below(rng, 1000));
	run(s, kinds[rng_below(rng, 4)], key, value, rng_below(rng, 4), 1 + rng_below(rng, 5));
}

/*
 * A state transfer piece by piece, with writes between the pieces and of these only what concerns
 * the part that was sent: the receiver ends with the same state, and holds at any moment exactly
 * the sender's records up to the cursor.
 */
START_LOOP_TEST(a_transfer_with_writes_between_brings_the_state, 0, 200)
{
	struct rng rng;
	setup();
	rng_seed(&rng, (uint64_t)_i);
	struct pb_state from, to;
	struct buffer cursor = {0}, piece = {0};
	char key[16];
	open_state(&from);
	open_state(&to);
	for (int i = 0; i < 100; i++)
		random_write(&rng, &from, key);
	run(&to, WIRE_KV_PUT, "left over", "from before", 9, 1);
	pb_state_clear(&to);
	ck_assert_uint_eq(to.digest, 0);
	bool more = true, begun = false;
	while (more) {
		buffer_clear(&piece);
		more = pb_state_put_records(&from, &cursor, begun, rng_below(&rng, 200), &piece);
		begun = true;
		ck_assert_int_eq(pb_state_take_records(&to, buffer_slice(&piece)), 0);
		for (uint64_t i = rng_below(&rng, 4); i > 0; i--) {
			uint64_t before = from.counter;
			random_write(&rng, &from, key);
			buffer_clear(&piece);
			if (from.counter != before &&
			    (!more || slice_compare(slice_string(key), buffer_slice(&cursor)) <= 0))
				pb_state_put_record(&from, slice_string(key), &piece);
			ck_assert_int_eq(pb_state_take_records(&to, buffer_slice(&piece)), 0);
		}
	}
	buffer_clear(&piece);
	sessions_encode(&from.sessions, &piece);
	ck_assert_int_eq(sessions_decode(&to.sessions, buffer_slice(&piece)), 0);
	to.counter = from.counter;
	to.time_us = from.time_us;
	ck_assert_uint_eq(to.digest, from.digest);
	ck_assert_uint_eq(pb_state_keys(&to), pb_state_keys(&from));
	ck_assert_uint_eq(pb_state_hash(&to), pb_state_hash(&from));
	buffer_free(&cursor);
	buffer_free(&piece);
	pb_state_free(&from);
	pb_state_free(&to);
	teardown();
}
END_TEST

/* A piece that is cut short, or has a length that is too large, is noticed. */
START_TEST(a_broken_piece_is_noticed)
{
	struct pb_state from, to;
	struct buffer cursor = {0}, piece = {0};
	setup();
	open_state(&from);
	open_state(&to);
	run(&from, WIRE_KV_PUT, "key", "value", 0, 0);
	pb_state_put_records(&from, &cursor, false, 1000, &piece);
	for (size_t len = 1; len < piece.len; len++)
		ck_assert_int_eq(pb_state_take_records(&to, slice(piece.data, len)),
				 STATUS_CORRUPT);
	ck_assert_int_eq(pb_state_take_records(&to, buffer_slice(&piece)), 0);
	piece.data[0] = 3;
	ck_assert_int_eq(pb_state_take_records(&to, buffer_slice(&piece)), STATUS_CORRUPT);
	piece.data[0] = 1;
	store_u32(piece.data + 1, UINT32_MAX);
	ck_assert_int_eq(pb_state_take_records(&to, buffer_slice(&piece)), STATUS_CORRUPT);
	buffer_free(&cursor);
	buffer_free(&piece);
	pb_state_free(&from);
	pb_state_free(&to);
	teardown();
}
END_TEST
