/* Transactions: compares, both branches, all or nothing. */
#include <stdlib.h>

#include "../support/check_main.h"
#include "kv.h"

static struct wire_kv_compare compare_value(const char *key, enum wire_kv_relation relation,
					    const char *value)
{
	return (struct wire_kv_compare){.target = WIRE_KV_VALUE,
					.relation = relation,
					.key = slice_string(key),
					.value = slice_string(value)};
}

static struct wire_kv_compare compare_number(const char *key, enum wire_kv_target target,
					     enum wire_kv_relation relation, uint64_t number)
{
	return (struct wire_kv_compare){
		.target = target, .relation = relation, .key = slice_string(key), .number = number};
}

/* Does this compare hold? */
static bool holds(struct kv *kv, struct wire_kv_compare compare)
{
	struct wire_kv_command command = {.nwhen = 1, .when = &compare, .transaction = true};
	ck_assert_int_eq(kv_apply(kv, &command), 0);
	ck_assert_uint_eq(kv->reply.nresults, 0);
	return kv->reply.succeeded;
}

/* Values are compared in byte order under all four relations. */
START_TEST(values_are_compared_in_byte_order)
{
	struct kv kv = kv_create();
	kv_op(&kv, op_put("a", "m"));
	ck_assert(holds(&kv, compare_value("a", WIRE_KV_EQUAL, "m")));
	ck_assert(!holds(&kv, compare_value("a", WIRE_KV_EQUAL, "n")));
	ck_assert(holds(&kv, compare_value("a", WIRE_KV_NOT_EQUAL, "n")));
	ck_assert(!holds(&kv, compare_value("a", WIRE_KV_NOT_EQUAL, "m")));
	ck_assert(holds(&kv, compare_value("a", WIRE_KV_LESS, "ma")));
	ck_assert(!holds(&kv, compare_value("a", WIRE_KV_LESS, "m")));
	ck_assert(holds(&kv, compare_value("a", WIRE_KV_GREATER, "lz")));
	ck_assert(!holds(&kv, compare_value("a", WIRE_KV_GREATER, "m")));
	kv_free(&kv);
}
END_TEST

/*
 * The value of a missing key is in no relation to anything, not even different or the empty string.
 */
START_TEST(value_compare_of_missing_key_is_false)
{
	struct kv kv = kv_create();
	for (int relation = WIRE_KV_EQUAL; relation <= WIRE_KV_GREATER; relation++) {
		ck_assert(!holds(&kv, compare_value("none", (enum wire_kv_relation)relation, "")));
		ck_assert(!holds(&kv, compare_value("none", (enum wire_kv_relation)relation, "x")));
	}
	kv_free(&kv);
}
END_TEST

/* Version, modification and existence are numbers, all 0 for a missing key. */
START_TEST(numbers_of_a_missing_key_are_0)
{
	struct kv kv = kv_create();
	kv_op(&kv, op_put("a", "1"));
	kv_op(&kv, op_put("a", "2"));
	uint64_t modification = kv.reply.results[0].modification;
	ck_assert(holds(&kv, compare_number("a", WIRE_KV_VERSION, WIRE_KV_EQUAL, 2)));
	ck_assert(holds(&kv, compare_number("a", WIRE_KV_VERSION, WIRE_KV_GREATER, 1)));
	ck_assert(!holds(&kv, compare_number("a", WIRE_KV_VERSION, WIRE_KV_LESS, 2)));
	ck_assert(
		holds(&kv, compare_number("a", WIRE_KV_MODIFICATION, WIRE_KV_EQUAL, modification)));
	ck_assert(holds(&kv, compare_number("a", WIRE_KV_EXISTS, WIRE_KV_EQUAL, 1)));
	ck_assert(!holds(&kv, compare_number("a", WIRE_KV_EXISTS, WIRE_KV_EQUAL, 0)));
	ck_assert(holds(&kv, compare_number("b", WIRE_KV_EXISTS, WIRE_KV_EQUAL, 0)));
	ck_assert(holds(&kv, compare_number("b", WIRE_KV_EXISTS, WIRE_KV_NOT_EQUAL, 1)));
	ck_assert(holds(&kv, compare_number("b", WIRE_KV_VERSION, WIRE_KV_EQUAL, 0)));
	ck_assert(holds(&kv, compare_number("b", WIRE_KV_MODIFICATION, WIRE_KV_LESS, 1)));
	kv_free(&kv);
}
END_TEST

/*
 * `then` runs if every compare holds, `otherwise` if one does not; the other branch leaves no
 * trace.
 */
START_TEST(a_transaction_runs_one_of_its_branches)
{
	struct kv kv = kv_create();
	kv_op(&kv, op_put("a", "1"));
	struct wire_kv_compare when[] = {compare_value("a", WIRE_KV_EQUAL, "1"),
					 compare_number("b", WIRE_KV_EXISTS, WIRE_KV_EQUAL, 0)};
	struct wire_kv_op then[] = {op_put("b", "then"), op_get("a")};
	struct wire_kv_op otherwise[] = {op_get("b")};
	struct wire_kv_command command = {.nwhen = 2,
					  .when = when,
					  .nthen = 2,
					  .then = then,
					  .notherwise = 1,
					  .otherwise = otherwise};
	ck_assert_int_eq(kv_apply(&kv, &command), 0);
	ck_assert(kv.reply.succeeded);
	ck_assert_uint_eq(kv.reply.nresults, 2);
	ck_assert(kv_value_is(&kv, 1, "1"));
	ck_assert_int_eq(kv_apply(&kv, &command), 0);
	ck_assert(!kv.reply.succeeded);
	ck_assert_uint_eq(kv.reply.nresults, 1);
	ck_assert(kv_value_is(&kv, 0, "then"));
	kv_free(&kv);
}
END_TEST

/* Operations see what earlier ones of the same transaction did, also several on one key. */
START_TEST(operations_see_earlier_ones)
{
	struct kv kv = kv_create();
	struct wire_kv_op then[] = {op_put("a", "1"),    op_append("a", "0"), op_incr("a", 5),
				    op_get("a"),         op_delete("a"),      op_get("a"),
				    op_create("a", "x"), op_create("a", "y"), op_put("b", "1"),
				    op_delete("b")};
	struct wire_kv_command command = {.nthen = 10, .then = then, .transaction = true};
	ck_assert_int_eq(kv_apply(&kv, &command), 0);
	ck_assert(kv_value_is(&kv, 1, "10"));
	ck_assert(kv_value_is(&kv, 2, "15"));
	ck_assert(kv_value_is(&kv, 3, "15"));
	ck_assert_uint_eq(kv.reply.results[3].version, 3);
	ck_assert_int_eq(kv.reply.results[5].status, STATUS_NOT_FOUND);
	ck_assert_uint_eq(kv.reply.results[6].version, 1);
	ck_assert_int_eq(kv.reply.results[7].status, STATUS_COMPARE_FALSE);
	ck_assert(kv_value_is(&kv, 7, "x"));
	ck_assert(kv_holds(&kv, "a", "x"));
	ck_assert(kv_holds(&kv, "b", NULL));
	ck_assert_uint_eq(shardkv_app_keys(kv.app), 1);
	kv_free(&kv);
}
END_TEST

/* A value read before a later operation overwrites it is the old value. */
START_TEST(read_then_write_returns_old_value)
{
	struct kv kv = kv_create();
	kv_op(&kv, op_put("a", "old"));
	struct wire_kv_op then[] = {op_get("a"), op_put("a", "new"), op_get("a")};
	struct wire_kv_command command = {.nthen = 3, .then = then};
	ck_assert_int_eq(kv_apply(&kv, &command), 0);
	ck_assert(kv_value_is(&kv, 0, "old"));
	ck_assert(kv_value_is(&kv, 2, "new"));
	kv_free(&kv);
}
END_TEST

/*
 * If one operation is refused, none of the transaction has happened: no key, version, counter or
 * hash differs.
 */
START_TEST(refusal_undoes_everything)
{
	struct kv kv = kv_create();
	char value[KV_VALUE_MAX + 1];
	memset(value, 'v', sizeof value);
	value[KV_VALUE_MAX] = '\0';
	kv_op(&kv, op_put("text", "abc"));
	kv_op(&kv, op_put("big", value));
	kv_op(&kv, op_put("{tag}gone", "1"));
	uint64_t hash = kv_hash(&kv);
	struct wire_kv_op then[] = {op_put("{tag}new", "1"), op_delete("{tag}gone"),
				    op_incr("{tag}n", 1), op_put("{tag}new", "2"),
				    op_incr("text", 1)};
	struct wire_kv_command command = {.nthen = 5, .then = then, .transaction = true};
	ck_assert_int_eq(kv_apply(&kv, &command), STATUS_NOT_NUMBER);
	ck_assert_uint_eq(kv_hash(&kv), hash);
	then[4] = op_append("big", "x");
	ck_assert_int_eq(kv_apply(&kv, &command), STATUS_TOO_LARGE);
	ck_assert_uint_eq(kv_hash(&kv), hash);
	ck_assert(kv_holds(&kv, "{tag}new", NULL));
	ck_assert(kv_holds(&kv, "{tag}gone", "1"));
	ck_assert_uint_eq(shardkv_app_keys(kv.app), 3);
	kv_free(&kv);
}
END_TEST

/*
 * What is an answer and no refusal (missing key, failed CAS) lets the rest of the transaction
 * happen.
 */
START_TEST(answers_do_not_abort)
{
	struct kv kv = kv_create();
	kv_op(&kv, op_put("a", "1"));
	struct wire_kv_op then[] = {op_delete("none"), op_cas("a", "2", "3"), op_get("none"),
				    op_put("b", "1")};
	struct wire_kv_command command = {.nthen = 4, .then = then};
	ck_assert_int_eq(kv_apply(&kv, &command), 0);
	ck_assert_int_eq(kv.reply.results[0].status, STATUS_NOT_FOUND);
	ck_assert_int_eq(kv.reply.results[1].status, STATUS_COMPARE_FALSE);
	ck_assert(kv_value_is(&kv, 1, "1"));
	ck_assert_int_eq(kv.reply.results[2].status, STATUS_NOT_FOUND);
	ck_assert(kv_holds(&kv, "a", "1"));
	ck_assert(kv_holds(&kv, "b", "1"));
	kv_free(&kv);
}
END_TEST

/* The largest number of operations is executed; one more is refused. */
START_TEST(number_of_operations_is_limited)
{
	struct kv kv = kv_create();
	struct wire_kv_op ops[TXN_OPS_MAX + 1];
	for (uint32_t i = 0; i <= TXN_OPS_MAX; i++)
		ops[i] = op_append("a", "x");
	struct wire_kv_command command = {.nthen = TXN_OPS_MAX, .then = ops};
	ck_assert_int_eq(kv_apply(&kv, &command), 0);
	ck_assert_uint_eq(kv.reply.results[TXN_OPS_MAX - 1].version, TXN_OPS_MAX);
	ck_assert_uint_eq(kv.reply.results[TXN_OPS_MAX - 1].value.len, TXN_OPS_MAX);
	command.nthen = TXN_OPS_MAX + 1;
	ck_assert_int_eq(kv_apply(&kv, &command), STATUS_TOO_LARGE);
	kv_free(&kv);
}
END_TEST

/* A transaction whose results together would not fit a reply is refused and changes nothing. */
START_TEST(results_are_limited)
{
	struct shardkv_app_options options = {.store = store_memory_create(1),
					      .gid = 1,
					      .nshards = 1,
					      .key_bytes_max = 100,
					      .value_bytes_max = VALUE_BYTES_MAX};
	struct kv kv = kv_bare(1);
	kv.app->ops->destroy(kv.app);
	kv.app = shardkv_app_create(&options);
	uint64_t gid = 1;
	uint32_t shard = 0;
	kv_adopt(&kv, 1, &gid, 1);
	kv_grant(&kv, &shard, 1);
	struct wire_kv_op put = op_put("big", "");
	uint8_t *value = calloc(1, VALUE_BYTES_MAX);
	put.value = slice(value, VALUE_BYTES_MAX);
	ck_assert_int_eq(kv_op(&kv, put), 0);
	uint64_t hash = kv_hash(&kv);
	struct wire_kv_op then[] = {op_get("big"), op_get("big"), op_put("a", "1"),
				    op_append("big", "")};
	struct wire_kv_command command = {.nthen = 4, .then = then};
	ck_assert_int_eq(kv_apply(&kv, &command), STATUS_TOO_LARGE);
	ck_assert_uint_eq(kv_hash(&kv), hash);
	command.nthen = 2;
	ck_assert_int_eq(kv_apply(&kv, &command), 0);
	ck_assert_uint_eq(kv.reply.results[1].value.len, VALUE_BYTES_MAX);
	free(value);
	kv_free(&kv);
}
END_TEST
