/* Reading histories: every kind of line, and what is wrong with those that cannot be read. */
#include "../../../cmd/kvcheck/read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/check_main.h"

/* Reads a text as a file; NULL or what is wrong, without the file's name. To be freed. */
static char *read_text(struct check_history *h, const char *text)
{
	char path[] = "/tmp/synod-test-read-XXXXXX", *error;
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	check_history_init(h);
	kvcheck_read(h, path, 0, &error);
	unlink(path);
	if (error != NULL) {
		ck_assert_int_eq(strncmp(error, path, strlen(path)), 0);
		memmove(error, error + strlen(path), strlen(error) - strlen(path) + 1);
	}
	return error;
}

/* One line that is right, described. */
static void expect_call(const char *line, const char *description)
{
	struct check_history h;
	struct buffer out = {0};
	char *error = read_text(&h, line);
	ck_assert_msg(error == NULL, "%s: %s", line, error);
	ck_assert_uint_eq(h.count, 1);
	check_describe(&h.calls[0], 0, &out);
	buffer_add_u8(&out, 0);
	ck_assert_str_eq((char *)out.data, description);
	buffer_free(&out);
	check_history_free(&h);
}

static void expect_error(const char *text, const char *expected)
{
	struct check_history h;
	char *error = read_text(&h, text);
	ck_assert_msg(error != NULL, "no error: %s", text);
	ck_assert_msg(strstr(error, expected) != NULL, "'%s' is not about '%s'", error, expected);
	free(error);
	check_history_free(&h);
}

#define OK ",\"ok\":true,\"call\":1,\"return\":2}\n"

/* Each kind of operation says what it asked and what it saw. */
START_TEST(each_operation_says_what_it_asked_and_saw)
{
	expect_call("{\"op\":\"get\",\"key\":\"k\",\"result\":\"v\"" OK, "get \"k\" → \"v\"");
	expect_call("{\"op\":\"get\",\"key\":\"k\",\"result\":null" OK, "get \"k\" → missing");
	expect_call("{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\",\"version\":3" OK,
		    "put \"k\" \"v\" (version 3)");
	expect_call("{\"op\":\"put\",\"key\":\"k\",\"value\":5" OK, "put \"k\" \"5\"");
	expect_call("{\"op\":\"append\",\"key\":\"k\",\"value\":\"b\",\"result\":\"ab\"" OK,
		    "append \"k\" \"b\" → \"ab\"");
	expect_call("{\"op\":\"append\",\"key\":\"k\",\"value\":\"b\"" OK, "append \"k\" \"b\"");
	expect_call("{\"op\":\"del\",\"key\":\"k\",\"found\":true" OK, "delete \"k\" → was there");
	expect_call("{\"op\":\"delete\",\"key\":\"k\",\"found\":false" OK,
		    "delete \"k\" → missing");
	expect_call("{\"op\":\"del\",\"key\":\"k\"" OK, "delete \"k\"");
	expect_call("{\"op\":\"cas\",\"key\":\"k\",\"expect\":\"a\",\"value\":\"b\"" OK,
		    "cas \"k\" from \"a\" to \"b\" → done");
	expect_call("{\"op\":\"cas\",\"key\":\"k\",\"expect\":null,\"value\":\"b\"" OK,
		    "cas \"k\" if missing to \"b\" → done");
	expect_call("{\"op\":\"incr\",\"key\":\"k\",\"value\":\"-2\",\"result\":\"7\"" OK,
		    "incr \"k\" by -2 → \"7\"");
	expect_call("{\"op\":\"incr\",\"key\":\"k\"" OK, "incr \"k\" by 1");
}
END_TEST

/* A cas that was refused was not done, and still says what was there. */
START_TEST(a_refused_cas_was_not_done)
{
	struct check_history h;
	ck_assert_ptr_null(read_text(
		&h, "{\"op\":\"cas\",\"key\":\"k\",\"expect\":\"a\",\"value\":\"b\",\"ok\":false,"
		    "\"refused\":true,\"result\":\"c\",\"call\":1,\"return\":2}\n{\"op\":\"cas\","
		    "\"key\":\"k\",\"expect\":\"a\",\"value\":\"b\",\"ok\":false,\"refused\":true,"
		    "\"result\":null,\"call\":1,\"return\":2}\n{\"op\":\"cas\",\"key\":\"k\","
		    "\"expect\":\"a\",\"value\":\"b\",\"ok\":false,\"result\":null,\"call\":1}\n"));
	ck_assert_int_eq(h.calls[0].outcome, CHECK_OK);
	ck_assert_uint_eq(h.calls[0].then[0].saw, CHECK_SAW_REFUSED | CHECK_SAW_VALUE);
	ck_assert_uint_eq(h.calls[1].then[0].saw, CHECK_SAW_REFUSED | CHECK_SAW_MISSING);
	ck_assert_int_eq(h.calls[2].outcome, CHECK_FAILED);
	check_history_free(&h);
}
END_TEST

/*
 * Outcomes are certain, certainly not, or unknown; the last need no return. Blank lines are
 * skipped.
 */
START_TEST(outcomes_are_certain_or_unknown)
{
	struct check_history h;
	ck_assert_ptr_null(read_text(
		&h, "{\"client\":4,\"id\":9,\"op\":\"put\",\"key\":\"k\",\"value\":\"v\",\"ok\":"
		    "true,\"call\":1,\"return\":2}\n\n{\"op\":\"put\",\"key\":\"k\",\"value\":"
		    "\"v\",\"ok\":false,\"call\":1,\"return\":2}\n{\"op\":\"put\",\"key\":\"k\","
		    "\"value\":\"v\",\"ok\":null,\"call\":1,\"return\":null}\n{\"op\":\"put\","
		    "\"key\":\"k\",\"value\":\"v\",\"ok\":null,\"call\":1}"));
	ck_assert_uint_eq(h.count, 4);
	ck_assert_int_eq(h.calls[0].outcome, CHECK_OK);
	ck_assert_uint_eq(h.calls[0].client, 4);
	ck_assert_uint_eq(h.calls[0].id, 9);
	ck_assert_int_eq(h.calls[1].outcome, CHECK_FAILED);
	ck_assert_int_eq(h.calls[2].outcome, CHECK_UNKNOWN);
	ck_assert_uint_eq(h.calls[3].line, 5);
	check_history_free(&h);
}
END_TEST

/* Transactions have operations, and perhaps compares, and the operations of the other branch. */
START_TEST(transactions_are_read_with_their_branches)
{
	expect_call("{\"op\":\"txn\",\"ops\":[{\"op\":\"get\",\"key\":\"a\",\"result\":\"1\"},{"
		    "\"op\":\"put\",\"key\":\"b\",\"value\":\"2\"}]" OK,
		    "txn get \"a\" → \"1\"; put \"b\" \"2\"");
	expect_call("{\"op\":\"txn\",\"when\":[{\"target\":\"version\",\"relation\":\"=\",\"key\":"
		    "\"a\",\"number\":3},{\"target\":\"value\",\"relation\":\"!=\",\"key\":\"b\","
		    "\"value\":\"x\"}],\"succeeded\":true,\"ops\":[{\"op\":\"put\",\"key\":\"b\","
		    "\"value\":\"2\"}],\"other\":[{\"op\":\"get\",\"key\":\"a\"}]" OK,
		    "txn if version(\"a\") = 3 and value(\"b\") ≠ \"x\" then put \"b\" \"2\" else "
		    "get \"a\" → then");
	expect_call(
		"{\"op\":\"txn\",\"when\":[{\"target\":\"exists\",\"relation\":\"=\",\"key\":\"a\","
		"\"number\":1}],\"succeeded\":false,\"ops\":[{\"op\":\"get\",\"key\":\"a\","
		"\"result\":null}],\"other\":[{\"op\":\"put\",\"key\":\"b\",\"value\":\"2\"}]" OK,
		"txn if exists(\"a\") = 1 then put \"b\" \"2\" else get \"a\" → missing → else");
}
END_TEST

/* Bytes that are no text come as base64. */
START_TEST(bytes_that_are_no_text_come_as_base64)
{
	expect_call("{\"op\":\"put\",\"key\":\"aw==\",\"key_encoding\":\"base64\",\"value\":\"/"
		    "w==\",\"encoding\":\"base64\"" OK,
		    "put \"k\" \"\\xff\"");
	expect_call("{\"op\":\"get\",\"key\":\"k\",\"result\":\"/"
		    "w==\",\"result_encoding\":\"base64\"" OK,
		    "get \"k\" → \"\\xff\"");
	expect_error("{\"op\":\"put\",\"key\":\"k\",\"value\":\"!\",\"encoding\":\"base64\"" OK,
		     ":1: \"value\" is not base64");
	expect_error("{\"op\":\"put\",\"key\":\"k\",\"value\":\"!\",\"encoding\":\"rot13\"" OK,
		     ":1: \"encoding\" can only be");
}
END_TEST

/* Every mistake is named with its line. */
START_TEST(every_mistake_is_named_with_its_line)
{
	expect_error("{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"" OK "nonsense\n",
		     ":2: not JSON");
	expect_error("[]\n", ":1: not a JSON object");
	expect_error("{\"op\":\"put\",\"key\":\"k\"" OK, ":1: \"value\" is missing");
	expect_error("{\"op\":\"get\",\"result\":\"v\"" OK, ":1: \"key\" is missing");
	expect_error("{\"op\":\"get\",\"key\":[]" OK, ":1: \"key\" is something else");
	expect_error("{\"op\":\"scan\",\"key\":\"k\"" OK, ":1: \"op\" is unknown: scan");
	expect_error("{\"key\":\"k\"" OK, ":1: \"op\" is missing");
	expect_error("{\"op\":\"get\",\"key\":\"k\",\"call\":1,\"return\":2}",
		     ":1: \"ok\" should be");
	expect_error("{\"op\":\"get\",\"key\":\"k\",\"ok\":true,\"return\":2}",
		     ":1: \"call\" is missing");
	expect_error("{\"op\":\"get\",\"key\":\"k\",\"ok\":true,\"call\":2}",
		     ":1: \"return\" is missing");
	expect_error("{\"op\":\"get\",\"key\":\"k\",\"ok\":true,\"call\":2,\"return\":1}",
		     ":1: \"return\" is before");
	expect_error("{\"op\":\"get\",\"key\":\"k\",\"ok\":true,\"call\":-1,\"return\":1}",
		     ":1: \"call\" is something else");
	expect_error("{\"op\":\"cas\",\"key\":\"k\",\"value\":\"v\"" OK,
		     ":1: \"expect\" is missing");
	expect_error("{\"op\":\"incr\",\"key\":\"k\",\"value\":\"x\"" OK,
		     ":1: \"value\" of an incr");
	expect_error("{\"op\":\"txn\"" OK, ":1: a transaction has \"ops\"");
	expect_error("{\"op\":\"txn\",\"ops\":7" OK, ":1: \"ops\" should be an array");
	expect_error("{\"op\":\"txn\",\"ops\":[{\"op\":\"get\"}]" OK, ":1: \"key\" is missing");
	expect_error("{\"op\":\"txn\",\"ops\":[],\"when\":[{\"target\":\"mood\",\"relation\":\"=\","
		     "\"key\":\"k\"}]" OK,
		     ":1: \"target\" is unknown");
}
END_TEST

/* A file that cannot be opened is named. */
START_TEST(a_file_that_cannot_be_opened_is_named)
{
	struct check_history h;
	char *error;
	check_history_init(&h);
	ck_assert(!kvcheck_read(&h, "/nonexistent/history", 0, &error));
	ck_assert_ptr_nonnull(strstr(error, "/nonexistent/history: "));
	free(error);
	check_history_free(&h);
}
END_TEST
