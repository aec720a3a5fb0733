#include <stdint.h>

#include "../support/check_main.h"
#include "kv/operation.h"

static struct arena arena;
static struct kv_evaluation evaluation;

static int run(const struct wire_kv_op *op, const char *before, struct kv_outcome *out)
{
	static struct store_record record;
	record = (struct store_record){.key = op->key,
				       .value = slice_string(before == NULL ? "" : before),
				       .version = 3,
				       .modification = 17};
	arena_reset(&arena);
	return kv_operation(&evaluation, op, before == NULL ? NULL : &record, out);
}

static void setup(void)
{
	arena_init(&arena, ARENA_BYTES_MAX);
	evaluation = (struct kv_evaluation){.arena = &arena, .value_bytes_max = 100};
}

static void teardown(void)
{
	arena_free(&arena);
}

static struct wire_kv_op op_of(enum wire_kv_kind kind, const char *value)
{
	return (struct wire_kv_op){
		.kind = kind, .key = slice_string("k"), .value = slice_string(value)};
}

static bool is_text(struct slice s, const char *text)
{
	return slice_equal(s, slice_string(text));
}

/* GET changes nothing, and says what is there. */
START_TEST(get_changes_nothing_and_says_what_is_there)
{
	struct kv_outcome out;
	struct wire_kv_op op = op_of(WIRE_KV_GET, "");
	setup();
	ck_assert_int_eq(run(&op, "v", &out), 0);
	ck_assert_int_eq(out.effect, KV_EFFECT_NONE);
	ck_assert_int_eq(out.result.status, 0);
	ck_assert(is_text(out.result.value, "v"));
	ck_assert_uint_eq(out.result.version, 3);
	ck_assert_uint_eq(out.result.modification, 17);
	ck_assert_int_eq(run(&op, NULL, &out), 0);
	ck_assert_int_eq(out.result.status, STATUS_NOT_FOUND);
	teardown();
}
END_TEST

/*
 * PUT stores its value, DELETE removes what is there, and the next version counts writes since the
 * creation.
 */
START_TEST(put_and_delete)
{
	struct kv_outcome out;
	struct store_record record = {.version = 3};
	struct wire_kv_op put = op_of(WIRE_KV_PUT, "new"), del = op_of(WIRE_KV_DELETE, "");
	setup();
	ck_assert_int_eq(run(&put, NULL, &out), 0);
	ck_assert_int_eq(out.effect, KV_EFFECT_PUT);
	ck_assert(is_text(out.value, "new"));
	ck_assert_uint_eq(kv_next_version(NULL, out.effect), 1);
	ck_assert_uint_eq(kv_next_version(&record, out.effect), 4);
	ck_assert_int_eq(run(&del, "v", &out), 0);
	ck_assert_int_eq(out.effect, KV_EFFECT_DELETE);
	ck_assert_uint_eq(kv_next_version(&record, out.effect), 0);
	ck_assert_int_eq(run(&del, NULL, &out), 0);
	ck_assert_int_eq(out.effect, KV_EFFECT_NONE);
	ck_assert_int_eq(out.result.status, STATUS_NOT_FOUND);
	teardown();
}
END_TEST

/* APPEND adds at the end, returns the new value, and refuses one that is too long. */
START_TEST(append_adds_at_the_end)
{
	struct kv_outcome out;
	struct wire_kv_op op = op_of(WIRE_KV_APPEND, "cd");
	setup();
	ck_assert_int_eq(run(&op, "ab", &out), 0);
	ck_assert_int_eq(out.effect, KV_EFFECT_PUT);
	ck_assert(is_text(out.value, "abcd"));
	ck_assert(is_text(out.result.value, "abcd"));
	ck_assert_int_eq(run(&op, NULL, &out), 0);
	ck_assert(is_text(out.value, "cd"));
	evaluation.value_bytes_max = 3;
	ck_assert_int_eq(run(&op, "ab", &out), STATUS_TOO_LARGE);
	ck_assert_ptr_nonnull(strstr(evaluation.why, "4 bytes"));
	ck_assert_int_eq(out.effect, KV_EFFECT_NONE);
	teardown();
}
END_TEST

/*
 * CAS stores if the value is the expected one, or, with absent, if there is none; otherwise it says
 * what is there.
 */
START_TEST(compare_and_swap)
{
	struct kv_outcome out;
	struct wire_kv_op op = op_of(WIRE_KV_CAS, "new");
	setup();
	op.expect = slice_string("old");
	ck_assert_int_eq(run(&op, "old", &out), 0);
	ck_assert_int_eq(out.effect, KV_EFFECT_PUT);
	ck_assert_int_eq(run(&op, "other", &out), 0);
	ck_assert_int_eq(out.effect, KV_EFFECT_NONE);
	ck_assert_int_eq(out.result.status, STATUS_COMPARE_FALSE);
	ck_assert(is_text(out.result.value, "other"));
	ck_assert_int_eq(run(&op, NULL, &out), 0);
	ck_assert_int_eq(out.result.status, STATUS_NOT_FOUND);
	op.absent = true;
	op.expect = slice(NULL, 0);
	ck_assert_int_eq(run(&op, NULL, &out), 0);
	ck_assert_int_eq(out.effect, KV_EFFECT_PUT);
	ck_assert_int_eq(run(&op, "", &out), 0);
	ck_assert_int_eq(out.result.status, STATUS_COMPARE_FALSE);
	teardown();
}
END_TEST

/*
 * INCR adds to a decimal integer in its only form; everything else is no number, and so is what
 * does not fit.
 */
START_TEST(incr_adds_to_a_decimal_integer)
{
	static const char *const wrong[] = {
		"", "-", "+1", "01", "-0", " 1", "1 ", "0x1", "9223372036854775808", "1e3"};
	struct kv_outcome out;
	struct wire_kv_op op = op_of(WIRE_KV_INCR, "");
	setup();
	op.delta = 5;
	ck_assert_int_eq(run(&op, NULL, &out), 0);
	ck_assert(is_text(out.value, "5"));
	ck_assert_int_eq(run(&op, "-7", &out), 0);
	ck_assert(is_text(out.value, "-2"));
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		ck_assert_int_eq(run(&op, wrong[i], &out), STATUS_NOT_NUMBER);
	ck_assert_int_eq(run(&op, "9223372036854775803", &out), STATUS_NOT_NUMBER);
	op.delta = INT64_MIN;
	ck_assert_int_eq(run(&op, "-1", &out), STATUS_NOT_NUMBER);
	ck_assert_int_eq(run(&op, "0", &out), 0);
	ck_assert(is_text(out.value, "-9223372036854775808"));
	teardown();
}
END_TEST

/* The results of a command share one limit. */
START_TEST(results_are_bounded)
{
	struct kv_outcome out;
	struct wire_kv_op op = op_of(WIRE_KV_GET, "");
	setup();
	evaluation.result_bytes = KV_RESULT_BYTES_MAX - 3;
	ck_assert_int_eq(run(&op, "abc", &out), 0);
	ck_assert_int_eq(run(&op, "d", &out), STATUS_TOO_LARGE);
	teardown();
}
END_TEST
