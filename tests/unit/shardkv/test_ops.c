/* Single operations of the key-value app, and their limits. */
#include <stdlib.h>

#include "../support/check_main.h"
#include "kv.h"

/* A value that was put is read back, with a version that counts writes since creation. */
START_TEST(put_and_get)
{
	struct kv kv = kv_create();
	ck_assert_int_eq(kv_op(&kv, op_get("a")), STATUS_NOT_FOUND);
	ck_assert_int_eq(kv_op(&kv, op_put("a", "1")), 0);
	ck_assert_uint_eq(kv.reply.results[0].version, 1);
	ck_assert_int_eq(kv_op(&kv, op_put("a", "2")), 0);
	ck_assert_int_eq(kv_op(&kv, op_get("a")), 0);
	ck_assert(kv_value_is(&kv, 0, "2"));
	ck_assert_uint_eq(kv.reply.results[0].version, 2);
	ck_assert(kv_holds(&kv, "a", "2"));
	ck_assert_uint_eq(shardkv_app_keys(kv.app), 1);
	ck_assert_uint_eq(shardkv_app_bytes(kv.app), 2);
	kv_free(&kv);
}
END_TEST

/*
 * Deleting what is not there answers NOT_FOUND; a key created again starts at version 1 with a new
 * modification.
 */
START_TEST(delete_and_create_again)
{
	struct kv kv = kv_create();
	ck_assert_int_eq(kv_op(&kv, op_delete("a")), STATUS_NOT_FOUND);
	kv_op(&kv, op_put("a", "x"));
	kv_op(&kv, op_put("a", "y"));
	uint64_t modification = kv.reply.results[0].modification;
	ck_assert_int_eq(kv_op(&kv, op_delete("a")), 0);
	ck_assert_uint_eq(kv.reply.results[0].version, 0);
	ck_assert(kv_holds(&kv, "a", NULL));
	ck_assert_int_eq(kv_op(&kv, op_put("a", "x")), 0);
	ck_assert_uint_eq(kv.reply.results[0].version, 1);
	ck_assert_uint_gt(kv.reply.results[0].modification, modification);
	kv_free(&kv);
}
END_TEST

/* Modifications never repeat within a shard, over all of its keys. */
START_TEST(modifications_are_unique_in_a_shard)
{
	struct kv kv = kv_create();
	uint64_t last = 0;
	char key[32];
	for (int i = 0; i < 50; i++) {
		snprintf(key, sizeof key, "{tag}%d", (i % 5 == 4 ? i - 1 : i) % 7);
		ck_assert_int_eq(kv_op(&kv, i % 5 == 4 ? op_delete(key) : op_put(key, "v")), 0);
		ck_assert_uint_gt(kv.reply.results[0].modification, last);
		last = kv.reply.results[0].modification;
	}
	kv_free(&kv);
}
END_TEST

/* Append adds to the end, treats a missing key as empty, and returns the new value. */
START_TEST(append_adds_to_the_end)
{
	struct kv kv = kv_create();
	ck_assert_int_eq(kv_op(&kv, op_append("a", "12")), 0);
	ck_assert(kv_value_is(&kv, 0, "12"));
	ck_assert_int_eq(kv_op(&kv, op_append("a", "34")), 0);
	ck_assert(kv_value_is(&kv, 0, "1234"));
	ck_assert_int_eq(kv_op(&kv, op_append("a", "")), 0);
	ck_assert(kv_value_is(&kv, 0, "1234"));
	ck_assert_uint_eq(kv.reply.results[0].version, 3);
	ck_assert(kv_holds(&kv, "a", "1234"));
	kv_free(&kv);
}
END_TEST

/*
 * Compare-and-swap writes only over the expected value; otherwise it shows the present one and
 * changes nothing.
 */
START_TEST(compare_and_swap)
{
	struct kv kv = kv_create();
	ck_assert_int_eq(kv_op(&kv, op_cas("a", "", "x")), STATUS_NOT_FOUND);
	ck_assert(kv_holds(&kv, "a", NULL));
	kv_op(&kv, op_put("a", "1"));
	uint64_t hash = kv_hash(&kv);
	ck_assert_int_eq(kv_op(&kv, op_cas("a", "2", "3")), STATUS_COMPARE_FALSE);
	ck_assert(kv_value_is(&kv, 0, "1"));
	ck_assert_uint_eq(kv.reply.results[0].version, 1);
	ck_assert_uint_eq(kv_hash(&kv), hash);
	ck_assert_int_eq(kv_op(&kv, op_cas("a", "1", "3")), 0);
	ck_assert(kv_holds(&kv, "a", "3"));
	kv_op(&kv, op_put("empty", ""));
	ck_assert_int_eq(kv_op(&kv, op_cas("empty", "", "full")), 0);
	kv_free(&kv);
}
END_TEST

/* With `absent` a key is written only if it does not exist. */
START_TEST(create_only_if_absent)
{
	struct kv kv = kv_create();
	ck_assert_int_eq(kv_op(&kv, op_create("a", "1")), 0);
	ck_assert_int_eq(kv_op(&kv, op_create("a", "2")), STATUS_COMPARE_FALSE);
	ck_assert(kv_value_is(&kv, 0, "1"));
	kv_op(&kv, op_delete("a"));
	ck_assert_int_eq(kv_op(&kv, op_create("a", "3")), 0);
	struct wire_kv_op both = op_create("a", "1");
	both.expect = slice_string("x");
	ck_assert_int_eq(kv_op(&kv, both), STATUS_BAD_REQUEST);
	kv_free(&kv);
}
END_TEST

/* Incrementing counts a missing key as 0 and reaches both ends of 64 bits. */
START_TEST(increment_counts_a_missing_key_as_0)
{
	struct kv kv = kv_create();
	ck_assert_int_eq(kv_op(&kv, op_incr("n", 5)), 0);
	ck_assert(kv_value_is(&kv, 0, "5"));
	ck_assert_int_eq(kv_op(&kv, op_incr("n", -7)), 0);
	ck_assert(kv_value_is(&kv, 0, "-2"));
	kv_op(&kv, op_put("n", "9223372036854775806"));
	ck_assert_int_eq(kv_op(&kv, op_incr("n", 1)), 0);
	ck_assert(kv_value_is(&kv, 0, "9223372036854775807"));
	kv_op(&kv, op_put("n", "-9223372036854775807"));
	ck_assert_int_eq(kv_op(&kv, op_incr("n", -1)), 0);
	ck_assert(kv_value_is(&kv, 0, "-9223372036854775808"));
	ck_assert_int_eq(kv_op(&kv, op_incr("n", INT64_MAX)), 0);
	ck_assert(kv_value_is(&kv, 0, "-1"));
	kv_free(&kv);
}
END_TEST

/*
 * What is no 64-bit integer in plain decimal form, or would overflow, is NOT_NUMBER and stays as it
 * is.
 */
START_TEST(increment_refuses_what_is_no_number)
{
	static const char *const values[] = {"",
					     "-",
					     "+1",
					     " 1",
					     "1 ",
					     "01",
					     "-0",
					     "0x1",
					     "1.0",
					     "abc",
					     "--1",
					     "9223372036854775808",
					     "-9223372036854775809",
					     "99999999999999999999999"};
	struct kv kv = kv_create();
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		kv_op(&kv, op_put("n", values[i]));
		uint64_t hash = kv_hash(&kv);
		ck_assert_int_eq(kv_op(&kv, op_incr("n", 1)), STATUS_NOT_NUMBER);
		ck_assert_uint_eq(kv_hash(&kv), hash);
	}
	kv_op(&kv, op_put("n", "9223372036854775807"));
	ck_assert_int_eq(kv_op(&kv, op_incr("n", 1)), STATUS_NOT_NUMBER);
	kv_op(&kv, op_put("n", "-9223372036854775808"));
	ck_assert_int_eq(kv_op(&kv, op_incr("n", -1)), STATUS_NOT_NUMBER);
	ck_assert(kv_holds(&kv, "n", "-9223372036854775808"));
	kv_free(&kv);
}
END_TEST

static bool error_says(const struct kv *kv, const char *text)
{
	char message[512];
	snprintf(message, sizeof message, "%.*s", (int)kv->error.message.len,
		 (const char *)kv->error.message.data);
	return strstr(message, text) != NULL;
}

static int admit_op(struct kv *kv, struct wire_kv_op op)
{
	struct wire_kv_command command = {.nthen = 1, .then = &op};
	return kv_admit(kv, &command);
}

/*
 * Keys are limited in length and not empty, and the refusal says so; the limit itself is allowed.
 */
START_TEST(keys_are_limited_in_length)
{
	struct kv kv = kv_create();
	char key[KV_KEY_MAX + 2];
	memset(key, 'k', sizeof key);
	key[KV_KEY_MAX + 1] = '\0';
	ck_assert_int_eq(kv_op(&kv, op_put("", "v")), STATUS_BAD_REQUEST);
	ck_assert(error_says(&kv, "key must not be empty"));
	ck_assert_int_eq(admit_op(&kv, op_put(key, "v")), STATUS_TOO_LARGE);
	ck_assert(error_says(&kv, "65") && error_says(&kv, "64"));
	struct slice keys[1] = {slice_string(key)};
	struct wire_kv_query query = {.nkeys = 1, .keys = keys};
	ck_assert_int_eq(kv_query(&kv, &query), STATUS_TOO_LARGE);
	key[KV_KEY_MAX] = '\0';
	ck_assert_int_eq(admit_op(&kv, op_put(key, "v")), 0);
	ck_assert_int_eq(kv_op(&kv, op_put(key, "v")), 0);
	keys[0] = slice(NULL, 0);
	ck_assert_int_eq(kv_query(&kv, &query), STATUS_BAD_REQUEST);
	kv_free(&kv);
}
END_TEST

/* Values are limited, those that append and incr would make as well. */
START_TEST(values_are_limited_in_length)
{
	struct kv kv = kv_create();
	char value[KV_VALUE_MAX + 2];
	memset(value, 'v', sizeof value);
	value[KV_VALUE_MAX + 1] = '\0';
	ck_assert_int_eq(admit_op(&kv, op_put("a", value)), STATUS_TOO_LARGE);
	ck_assert(error_says(&kv, "1001") && error_says(&kv, "1000"));
	value[KV_VALUE_MAX] = '\0';
	ck_assert_int_eq(admit_op(&kv, op_put("a", value)), 0);
	ck_assert_int_eq(kv_op(&kv, op_put("a", value)), 0);
	uint64_t hash = kv_hash(&kv);
	ck_assert_int_eq(kv_op(&kv, op_append("a", "x")), STATUS_TOO_LARGE);
	ck_assert_uint_eq(kv_hash(&kv), hash);
	ck_assert_int_eq(kv_op(&kv, op_append("a", "")), 0);
	kv_free(&kv);
}
END_TEST

/*
 * faults: 98. What a command will take is known before: the values that it copies, also those that
 * it makes itself.
 */
START_TEST(work_is_foreseen)
{
	struct kv kv = kv_create();
	char value[KV_VALUE_MAX];
	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	struct wire_kv_op ops[11] = {op_put("a", value)};
	for (int i = 1; i < 11; i++)
		ops[i] = op_append("a", "");
	struct wire_kv_command command = {.nthen = 11, .then = ops};
	ck_assert_int_eq(admit_op(&kv, op_put("a", value)), 0);
	ck_assert_uint_lt(kv.admitted_work, 2 * sizeof value);
	ck_assert_int_eq(admit_op(&kv, op_append("a", "x")), 0);
	ck_assert_uint_lt(kv.admitted_work, sizeof value);
	ck_assert_int_eq(kv_admit(&kv, &command), 0);
	ck_assert_uint_gt(kv.admitted_work, 10 * strlen(value));
	ck_assert_int_eq(kv_op(&kv, op_put("a", value)), 0);
	ck_assert_int_eq(admit_op(&kv, op_append("a", "x")), 0);
	ck_assert_uint_gt(kv.admitted_work, strlen(value));
	kv_free(&kv);
}
END_TEST

/*
 * What a leader has judged and logged is done, whatever the limits of the replica that applies it;
 * and what was stored when longer ones were allowed is still to be had, and to be got rid of.
 * faults: 89
 */
START_TEST(limits_are_the_leaders)
{
	struct kv kv = kv_create();
	char key[KV_KEY_MAX + 2], value[KV_VALUE_MAX + 2];
	memset(key, 'k', sizeof key);
	memset(value, 'v', sizeof value);
	key[KV_KEY_MAX + 1] = value[KV_VALUE_MAX + 1] = '\0';
	ck_assert_int_eq(kv_op(&kv, op_put(key, value)), 0);
	ck_assert(kv_holds(&kv, key, value));
	ck_assert_int_eq(admit_op(&kv, op_put(key, "v")), 0);
	ck_assert_int_eq(admit_op(&kv, (struct wire_kv_op){.kind = WIRE_KV_DELETE,
							   .key = slice_string(key)}),
			 0);
	ck_assert_int_eq(
		kv_op(&kv, (struct wire_kv_op){.kind = WIRE_KV_DELETE, .key = slice_string(key)}),
		0);
	ck_assert_int_eq(admit_op(&kv, op_put(key, "v")), STATUS_TOO_LARGE);
	kv_free(&kv);
}
END_TEST

/* Keys and values may hold any bytes, zeros among them. */
START_TEST(keys_and_values_may_hold_any_bytes)
{
	struct kv kv = kv_create();
	struct wire_kv_op put = {
		.kind = WIRE_KV_PUT, .key = slice("\0a", 2), .value = slice("\0\xff\0", 3)};
	struct wire_kv_op get = {.kind = WIRE_KV_GET, .key = slice("\0a", 2)};
	ck_assert_int_eq(kv_op(&kv, put), 0);
	ck_assert_int_eq(kv_op(&kv, get), 0);
	ck_assert(slice_equal(kv.reply.results[0].value, put.value));
	get.key.len = 1;
	ck_assert_int_eq(kv_op(&kv, get), STATUS_NOT_FOUND);
	kv_free(&kv);
}
END_TEST

/* Bytes that are no command, and a command without operations, are refused and change nothing. */
START_TEST(malformed_commands_change_nothing)
{
	struct kv kv = kv_create();
	uint64_t hash = kv_hash(&kv);
	buffer_clear(&kv.command);
	buffer_add(&kv.command, "\xff\xff\xff\xff\xff", 5);
	ck_assert_int_eq(kv_apply_bytes(&kv, 7), STATUS_BAD_REQUEST);
	struct wire_kv_command nothing = {0};
	ck_assert_int_eq(kv_apply(&kv, &nothing), STATUS_BAD_REQUEST);
	ck_assert_int_eq(kv_admit(&kv, &nothing), STATUS_BAD_REQUEST);
	struct wire_kv_query neither = {0};
	ck_assert_int_eq(kv_query(&kv, &neither), STATUS_BAD_REQUEST);
	ck_assert_uint_eq(kv_hash(&kv), hash);
	kv_free(&kv);
}
END_TEST

/*
 * Admission refuses what apply would refuse for its form, and lets through what depends on the
 * state.
 */
START_TEST(admission_refuses_what_apply_would_refuse)
{
	struct kv kv = kv_create();
	struct wire_kv_op op = op_put("a", "abc");
	struct wire_kv_command command = {.nthen = 1, .then = &op};
	ck_assert_int_eq(kv_admit(&kv, &command), 0);
	ck_assert(kv_holds(&kv, "a", NULL));
	kv_apply(&kv, &command);
	op = op_incr("a", 1);
	ck_assert_int_eq(kv_admit(&kv, &command), 0);
	ck_assert_int_eq(kv_apply(&kv, &command), STATUS_NOT_NUMBER);
	op.key = slice(NULL, 0);
	ck_assert_int_eq(kv_admit(&kv, &command), STATUS_BAD_REQUEST);
	ck_assert_uint_eq(
		shardkv_app_counters(kv.app)->refusals[status_to_wire(STATUS_BAD_REQUEST)], 1);
	kv_free(&kv);
}
END_TEST

/*
 * A query for several keys answers each in order, and refuses when the values together are too much
 * for one reply.
 */
START_TEST(query_of_several_keys)
{
	struct kv kv = kv_create();
	char value[KV_VALUE_MAX + 1];
	memset(value, 'v', sizeof value);
	value[KV_VALUE_MAX] = '\0';
	kv_op(&kv, op_put("a", "1"));
	kv_op(&kv, op_put("c", value));
	struct slice *keys = calloc(4000, sizeof keys[0]);
	keys[0] = slice_string("a");
	keys[1] = slice_string("b");
	keys[2] = slice_string("c");
	struct wire_kv_query query = {.nkeys = 3, .keys = keys};
	ck_assert_int_eq(kv_query(&kv, &query), 0);
	ck_assert_uint_eq(kv.page.nresults, 3);
	ck_assert(slice_equal(kv.page.results[0].value, slice_string("1")));
	ck_assert_int_eq(kv.page.results[1].status, STATUS_NOT_FOUND);
	ck_assert_uint_eq(kv.page.results[2].value.len, KV_VALUE_MAX);
	ck_assert_uint_eq(kv.page.results[2].version, 1);
	for (query.nkeys = 0; query.nkeys < 4000; query.nkeys++)
		keys[query.nkeys] = slice_string("c");
	ck_assert_int_eq(kv_query(&kv, &query), STATUS_TOO_LARGE);
	free(keys);
	kv_free(&kv);
}
END_TEST
