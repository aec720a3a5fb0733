#include <stdlib.h>

#include "../../../cmd/kvctl/kvctl.h"
#include "../support/check_main.h"

static struct kvctl_txn *txn;

static void setup(void)
{
	txn = calloc(1, sizeof *txn);
}

static void teardown(void)
{
	kvctl_txn_free(txn);
	free(txn);
}

CHECK_FIXTURE(setup, teardown)

static void expect_compare(const char *text, enum synod_target target, const char *key,
			   enum synod_relation relation, const char *value, uint64_t number)
{
	const char *wrong = kvctl_txn_compare(txn, slice_string(text));
	ck_assert_msg(wrong == NULL, "%s: %s", text, wrong);
	const struct synod_compare *compare = &txn->when[txn->nwhen - 1];
	ck_assert_msg(compare->target == target && compare->relation == relation, "%s", text);
	ck_assert_str_eq(compare->key.data, key);
	ck_assert_uint_eq(compare->key.len, strlen(key));
	ck_assert_uint_eq(compare->number, number);
	if (value == NULL)
		ck_assert_uint_eq(compare->value.len, 0);
	else
		ck_assert(slice_equal(slice(compare->value.data, compare->value.len),
				      slice_string(value)));
}

/* Every target and relation, with and without blanks and quotes. */
START_TEST(every_target_and_relation_is_read)
{
	expect_compare("value(k)=v", SYNOD_VALUE, "k", SYNOD_EQUAL, "v", 0);
	expect_compare("value(k)=", SYNOD_VALUE, "k", SYNOD_EQUAL, "", 0);
	expect_compare(" value ( k ) != two words ", SYNOD_VALUE, "k", SYNOD_NOT_EQUAL, "two words",
		       0);
	expect_compare("value({a}:x)<=b", SYNOD_VALUE, "{a}:x", SYNOD_LESS, "=b", 0);
	expect_compare("value(\"odd ) key\") > \"\\x41\"", SYNOD_VALUE, "odd ) key", SYNOD_GREATER,
		       "A", 0);
	expect_compare("value(k)='\"'", SYNOD_VALUE, "k", SYNOD_EQUAL, "\"", 0);
	expect_compare("version(k)=3", SYNOD_VERSION, "k", SYNOD_EQUAL, NULL, 3);
	expect_compare("version(\"k\") = \"3\"", SYNOD_VERSION, "k", SYNOD_EQUAL, NULL, 3);
	expect_compare("mod(k) > 10", SYNOD_MODIFICATION, "k", SYNOD_GREATER, NULL, 10);
	expect_compare("modification(k)<10", SYNOD_MODIFICATION, "k", SYNOD_LESS, NULL, 10);
	expect_compare("exists(k)", SYNOD_EXISTS_FLAG, "k", SYNOD_EQUAL, NULL, 1);
	expect_compare("missing(k)", SYNOD_EXISTS_FLAG, "k", SYNOD_EQUAL, NULL, 0);
}
END_TEST

/* A compare that is none says so and adds nothing. */
START_TEST(a_malformed_compare_adds_nothing)
{
	static const char *const wrong[] = {
		"",
		"value",
		"value()",
		"value(k)",
		"value(k)~v",
		"value k=v",
		"valu(k)=v",
		"value(k",
		"version(k)=x",
		"version(k)=",
		"version(k)=-1",
		"exists(k)=1",
		"exists()",
		"missing",
		"value(\"k)=v",
		"value(k)=\"v",
		"value(k)=\"v\"x",
		"value()=v",
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		ck_assert_msg(kvctl_txn_compare(txn, slice_string(wrong[i])) != NULL, "%s",
			      wrong[i]);
		ck_assert_uint_eq(txn->nwhen, 0);
	}
}
END_TEST

/* Every operation, in the branch it is meant for. */
START_TEST(every_operation_is_read_into_its_branch)
{
	static const char *const texts[] = {
		"put k v", "get k",     "del k",         "append k \"a b\"",
		"incr k",  "incr k -7", "cas k old new", "cas --absent k new",
	};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		ck_assert_ptr_null(kvctl_txn_op(txn, slice_string(texts[i]), false));
		ck_assert_str_eq(txn->then[i].key.data, "k");
	}
	static const enum synod_op_kind kinds[] = {
		SYNOD_OP_PUT,  SYNOD_OP_GET,  SYNOD_OP_DELETE, SYNOD_OP_APPEND,
		SYNOD_OP_INCR, SYNOD_OP_INCR, SYNOD_OP_CAS,    SYNOD_OP_CAS,
	};
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		ck_assert_int_eq(txn->then[i].kind, kinds[i]);
	ck_assert_str_eq(txn->then[0].value.data, "v");
	ck_assert_str_eq(txn->then[3].value.data, "a b");
	ck_assert_int_eq(txn->then[4].delta, 1);
	ck_assert_int_eq(txn->then[5].delta, -7);
	ck_assert(!txn->then[6].absent);
	ck_assert_str_eq(txn->then[6].expect.data, "old");
	ck_assert_str_eq(txn->then[6].value.data, "new");
	ck_assert(txn->then[7].absent);
	ck_assert_str_eq(txn->then[7].value.data, "new");
	ck_assert_ptr_null(kvctl_txn_op(txn, slice_string("get other"), true));
	ck_assert_uint_eq(txn->nthen, 8);
	ck_assert_uint_eq(txn->notherwise, 1);
}
END_TEST

/* An operation that is none says so and adds nothing. */
START_TEST(a_malformed_operation_adds_nothing)
{
	static const char *const wrong[] = {
		"",           "put",      "put k",      "put k a b", "get",         "get a b",
		"put \"\" v", "incr k x", "incr k 1 2", "cas k v",   "cas k a b c", "frobnicate k",
		"put k \"v",
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		ck_assert_msg(kvctl_txn_op(txn, slice_string(wrong[i]), false) != NULL, "%s",
			      wrong[i]);
		ck_assert_uint_eq(txn->nthen, 0);
	}
}
END_TEST

/*
 * More compares or operations than a transaction may have are refused while they are read.
 */
START_TEST(more_than_a_transaction_may_have_is_refused)
{
	for (size_t i = 0; i < KVCTL_TXN_MAX; i++) {
		ck_assert_ptr_null(kvctl_txn_compare(txn, slice_string("exists(k)")));
		ck_assert_ptr_null(kvctl_txn_op(txn, slice_string("get k"), true));
	}
	ck_assert_ptr_nonnull(kvctl_txn_compare(txn, slice_string("exists(k)")));
	ck_assert_ptr_nonnull(kvctl_txn_op(txn, slice_string("get k"), true));
	ck_assert_ptr_null(kvctl_txn_op(txn, slice_string("get k"), false));
}
END_TEST

/*
 * etcd's form: compares, success and failure operations, each block ended by a blank line;
 * the last one may lack it.
 */
START_TEST(three_blocks_are_read_as_etcd_does)
{
	size_t line;
	const char *text =
		"value(\"a\") = \"1\"\nversion(\"a\") > \"0\"\n\nput a 2\n\nget a\nget b";
	ck_assert_ptr_null(kvctl_txn_blocks(txn, slice_string(text), &line));
	ck_assert_uint_eq(txn->nwhen, 2);
	ck_assert_uint_eq(txn->nthen, 1);
	ck_assert_uint_eq(txn->notherwise, 2);
}
END_TEST

/* Without compares the text begins with a blank line. */
START_TEST(blocks_may_be_empty)
{
	size_t line;
	ck_assert_ptr_null(kvctl_txn_blocks(txn, slice_string("\nput a 1\n\n\n"), &line));
	ck_assert_uint_eq(txn->nwhen, 0);
	ck_assert_uint_eq(txn->nthen, 1);
	ck_assert_uint_eq(txn->notherwise, 0);
}
END_TEST

/* The number of the line with the mistake is told; a fourth block is one. */
START_TEST(mistakes_have_a_line)
{
	size_t line;
	ck_assert_ptr_nonnull(kvctl_txn_blocks(txn, slice_string("exists(a)\n\nput a\n"), &line));
	ck_assert_uint_eq(line, 3);
	ck_assert_ptr_nonnull(kvctl_txn_blocks(txn, slice_string("\n\n\nget a\n"), &line));
	ck_assert_uint_eq(line, 4);
}
END_TEST
