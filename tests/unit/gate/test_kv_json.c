/* Keys, values and transactions as JSON. */
#include <stdio.h>
#include <string.h>

#include "../support/check_main.h"
#include "gate/kv_json.h"

static struct arena arena;
static char error[KV_JSON_ERROR_BYTES];
static struct wire_kv_command command;

static int parse_record(const char *text)
{
	arena_reset(&arena);
	return kv_json_parse_record(slice_string(text), &arena, &command, error);
}

static int parse_txn(const char *text)
{
	arena_reset(&arena);
	return kv_json_parse_txn(slice_string(text), &arena, &command, error);
}

static bool is(struct slice bytes, const char *text)
{
	return slice_equal(bytes, slice_string(text));
}

static bool equals(struct buffer *out, const char *text)
{
	bool equal = is(buffer_slice(out), text);
	if (!equal)
		fprintf(stderr, "%.*s", (int)out->len, (const char *)out->data);
	buffer_free(out);
	return equal;
}

/* A record is text, or base64 where it says so; text may hold any character. */
START_TEST(a_record_is_text_or_base64)
{
	arena_init(&arena, ARENA_BYTES_MAX);
	ck_assert_int_eq(parse_record("{\"key\":\"k\",\"value\":\"v \\u00e4\\n\"}"), 0);
	ck_assert_uint_eq(command.nthen, 1);
	ck_assert_int_eq(command.then[0].kind, WIRE_KV_PUT);
	ck_assert(is(command.then[0].key, "k") && is(command.then[0].value, "v \xc3\xa4\n"));
	ck_assert(!command.transaction);
	ck_assert_int_eq(parse_record("{\"value\":\"\",\"key\":\"a\\u0000b\"}"), 0);
	ck_assert(slice_equal(command.then[0].key, slice("a\0b", 3)) &&
		  command.then[0].value.len == 0);
	ck_assert_int_eq(parse_record("{\"key\":\"/"
				      "w==\",\"key_encoding\":\"base64\",\"value\":\"AAE=\","
				      "\"encoding\":\"base64\"}"),
			 0);
	ck_assert(slice_equal(command.then[0].key, slice("\xff", 1)));
	ck_assert(slice_equal(command.then[0].value, slice("\0\1", 2)));
	arena_free(&arena);
}
END_TEST

/* What is no record is refused with a sentence that says why. */
START_TEST(a_malformed_record_is_refused_with_a_reason)
{
	static const char *const texts[][2] = {
		{"", "empty"},
		{" ", "malformed JSON"},
		{"{", "malformed JSON"},
		{"[]", "not an object"},
		{"\"key\"", "malformed JSON"},
		{"{\"key\":\"k\"}", "\"value\" is missing"},
		{"{\"value\":\"v\"}", "\"key\" is missing"},
		{"{\"key\":\"\",\"value\":\"v\"}", "the key is empty"},
		{"{\"key\":\"k\",\"value\":1}", "\"value\" is not a string"},
		{"{\"key\":\"k\",\"value\":null}", "\"value\" is not a string"},
		{"{\"key\":\"k\",\"value\":\"v\",\"vaule\":\"\"}",
		 "no member \"vaule\" here, only key key_encoding value encoding"},
		{"{\"key\":\"k\",\"value\":\"v\",\"key value\":\"\"}", "no member \"key value\""},
		{"{\"key\":\"k\",\"value\":\"v\",\"value\":\"w\"}", "duplicate"},
		{"{\"key\":\"k\",\"value\":\"v\",\"encoding\":\"hex\"}", "can only be \"base64\""},
		{"{\"key\":\"k\",\"value\":\"v\",\"encoding\":\"base64\"}", "malformed base64"},
		{"{\"key\":\"k\",\"value\":\"v\"} x", "malformed JSON"},
		{"{\"key\":\"k\",\"value\":\"\xff\"}", "malformed JSON"},
	};
	arena_init(&arena, ARENA_BYTES_MAX);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		ck_assert_msg(parse_record(texts[i][0]) == STATUS_BAD_REQUEST, "%s", texts[i][0]);
		ck_assert_msg(strstr(error, texts[i][1]) != NULL, "%s: %s", texts[i][0], error);
	}
	arena_free(&arena);
}
END_TEST

/* Every compare and every operation becomes its struct. */
START_TEST(compares_and_operations_become_structs)
{
	arena_init(&arena, ARENA_BYTES_MAX);
	ck_assert_int_eq(
		parse_txn(
			"{\"if\":[{\"target\":\"value\",\"key\":\"a\",\"relation\":\"<\",\"value\":"
			"\"x\"},{\"target\":\"version\",\"key\":\"b\",\"relation\":\"!=\","
			"\"number\":3},{\"target\":\"modification\",\"key\":\"b\",\"relation\":\">"
			"\",\"number\":9223372036854775807},{\"target\":\"exists\",\"key\":\"c\"},{"
			"\"target\":\"exists\",\"key\":\"d\",\"number\":0}],\"then\":[{\"op\":"
			"\"put\",\"key\":\"a\",\"value\":\"1\"},{\"op\":\"get\",\"key\":\"b\"},{"
			"\"op\":\"append\",\"key\":\"c\",\"value\":\"/"
			"w==\",\"encoding\":\"base64\"},{\"op\":\"del\",\"key\":\"d\"},{\"op\":"
			"\"delete\",\"key\":\"e\"}],\"else\":[{\"op\":\"cas\",\"key\":\"f\","
			"\"expect\":\"o\",\"value\":\"n\"},{\"op\":\"cas\",\"key\":\"g\","
			"\"absent\":true,\"value\":\"n\"},{\"op\":\"incr\",\"key\":\"h\"},{\"op\":"
			"\"incr\",\"key\":\"i\",\"delta\":-5}]}"),
		0);
	ck_assert(command.transaction && command.nwhen == 5 && command.nthen == 5 &&
		  command.notherwise == 4);
	const struct wire_kv_compare *w = command.when;
	ck_assert(w[0].target == WIRE_KV_VALUE && w[0].relation == WIRE_KV_LESS &&
		  is(w[0].key, "a") && is(w[0].value, "x"));
	ck_assert(w[1].target == WIRE_KV_VERSION && w[1].relation == WIRE_KV_NOT_EQUAL &&
		  w[1].number == 3);
	ck_assert(w[2].target == WIRE_KV_MODIFICATION && w[2].relation == WIRE_KV_GREATER &&
		  w[2].number == INT64_MAX);
	ck_assert(w[3].target == WIRE_KV_EXISTS && w[3].relation == WIRE_KV_EQUAL &&
		  w[3].number == 1);
	ck_assert(w[4].target == WIRE_KV_EXISTS && w[4].number == 0);
	const struct wire_kv_op *t = command.then, *o = command.otherwise;
	ck_assert(t[0].kind == WIRE_KV_PUT && is(t[0].key, "a") && is(t[0].value, "1"));
	ck_assert(t[1].kind == WIRE_KV_GET && is(t[1].key, "b"));
	ck_assert(t[2].kind == WIRE_KV_APPEND && is(t[2].value, "\xff"));
	ck_assert(t[3].kind == WIRE_KV_DELETE && t[4].kind == WIRE_KV_DELETE && is(t[4].key, "e"));
	ck_assert(o[0].kind == WIRE_KV_CAS && is(o[0].expect, "o") && is(o[0].value, "n") &&
		  !o[0].absent);
	ck_assert(o[1].kind == WIRE_KV_CAS && o[1].absent && o[1].expect.len == 0);
	ck_assert(o[2].kind == WIRE_KV_INCR && o[2].delta == 1 && o[3].delta == -5);
	arena_free(&arena);
}
END_TEST

/* A transaction with one mistake is refused as a whole, and the mistake's place is named. */
START_TEST(a_mistake_in_a_transaction_is_named_by_its_place)
{
	static const char *const texts[][2] = {
		{"{}", "empty"},
		{"{\"if\":[],\"then\":[]}", "empty"},
		{"{\"then\":{}}", "\"then\" is not an array"},
		{"{\"then\":[1]}", "then[0]: not an object"},
		{"{\"then\":[{\"op\":\"get\",\"key\":\"a\"}],\"otherwise\":[]}",
		 "no member \"otherwise\""},
		{"{\"then\":[{\"key\":\"a\"}]}", "then[0]: \"op\" must be one of get put"},
		{"{\"else\":[{\"op\":\"get\",\"key\":\"a\"},{\"op\":\"bogus\",\"key\":\"a\"}]}",
		 "else[1]: \"op\" must"},
		{"{\"then\":[{\"op\":\"get\",\"key\":\"\"}]}", "the key is empty"},
		{"{\"then\":[{\"op\":\"get\",\"key\":\"a\",\"value\":\"v\"}]}",
		 "no member \"value\""},
		{"{\"then\":[{\"op\":\"put\",\"key\":\"a\"}]}", "\"value\" is missing"},
		{"{\"then\":[{\"op\":\"cas\",\"key\":\"a\",\"value\":\"v\"}]}",
		 "\"expect\" is missing"},
		{"{\"then\":[{\"op\":\"cas\",\"key\":\"a\",\"value\":\"v\",\"absent\":1}]}",
		 "not true or false"},
		{"{\"then\":[{\"op\":\"cas\",\"key\":\"a\",\"value\":\"v\",\"absent\":true,"
		 "\"expect\":\"\"}]}",
		 "either"},
		{"{\"then\":[{\"op\":\"incr\",\"key\":\"a\",\"delta\":1.5}]}", "not an integer"},
		{"{\"then\":[{\"op\":\"incr\",\"key\":\"a\",\"delta\":9223372036854775808}]}",
		 "malformed JSON"},
		{"{\"if\":[{\"key\":\"a\",\"value\":\"v\"}]}", "if[0]: \"target\" must be one of"},
		{"{\"if\":[{\"target\":\"value\",\"key\":\"a\",\"relation\":\"<=\",\"value\":\"\"}]"
		 "}",
		 "\"relation\" must"},
		{"{\"if\":[{\"target\":\"value\",\"key\":\"a\",\"number\":1}]}",
		 "no member \"number\""},
		{"{\"if\":[{\"target\":\"version\",\"key\":\"a\"}]}", "\"number\" is missing"},
		{"{\"if\":[{\"target\":\"version\",\"key\":\"a\",\"number\":-1}]}", "out of range"},
		{"{\"if\":[{\"target\":\"exists\",\"key\":\"a\",\"number\":2}]}", "out of range"},
	};
	arena_init(&arena, ARENA_BYTES_MAX);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		ck_assert_msg(parse_txn(texts[i][0]) == STATUS_BAD_REQUEST, "%s", texts[i][0]);
		ck_assert_msg(strstr(error, texts[i][1]) != NULL, "%s: %s", texts[i][0], error);
	}
	arena_free(&arena);
}
END_TEST

/*
 * Depth, number of values and number of operations are bounded; brackets within strings do not
 * count.
 */
START_TEST(depth_and_numbers_of_values_are_bounded)
{
	struct buffer text = {0};
	arena_init(&arena, ARENA_BYTES_MAX);
	for (int i = 0; i < 100000; i++)
		buffer_add_u8(&text, '[');
	ck_assert_int_eq(kv_json_parse_txn(buffer_slice(&text), &arena, &command, error),
			 STATUS_BAD_REQUEST);
	ck_assert_ptr_nonnull(strstr(error, "nested too deeply"));
	buffer_clear(&text);
	buffer_format(&text, "{\"then\":[");
	for (int i = 0; i < 100000; i++)
		buffer_format(&text, "[],");
	buffer_format(&text, "[]]}");
	ck_assert_int_eq(kv_json_parse_txn(buffer_slice(&text), &arena, &command, error),
			 STATUS_BAD_REQUEST);
	ck_assert_ptr_nonnull(strstr(error, "too many elements"));
	for (int more = 0; more <= 1; more++) {
		buffer_clear(&text);
		buffer_format(&text, "{\"then\":[");
		for (int i = 0; i < (int)TXN_OPS_MAX + more; i++)
			buffer_format(
				&text,
				"%s{\"op\":\"put\",\"key\":\"k\",\"value\":\"{[,:\\\"[[[[[[[[[[\"}",
				i > 0 ? "," : "");
		buffer_format(&text, "]}");
		ck_assert_int_eq(kv_json_parse_txn(buffer_slice(&text), &arena, &command, error),
				 more == 0 ? 0 : STATUS_TOO_LARGE);
	}
	buffer_free(&text);
	arena_free(&arena);
}
END_TEST

/*
 * Records and errors are written as text where they can be, as base64 where they must or are asked
 * to be.
 */
START_TEST(records_are_written_as_text_where_they_can_be)
{
	struct buffer out = {0};
	struct wire_kv_result result = {
		.value = slice_string("v\"\n"), .version = 3, .modification = 7};
	kv_json_record(&out, slice_string("k"), &result, KV_JSON_VALUE);
	ck_assert(equals(
		&out, "{\"key\":\"k\",\"value\":\"v\\\"\\n\",\"version\":3,\"modification\":7}\n"));
	kv_json_record(&out, slice_string("k"), &result, 0);
	ck_assert(equals(&out, "{\"key\":\"k\",\"version\":3,\"modification\":7}\n"));
	result.value = slice("\xff\0", 2);
	kv_json_record(&out, slice("\xc3", 1), &result, KV_JSON_VALUE);
	ck_assert(equals(&out,
			 "{\"key\":\"ww==\",\"key_encoding\":\"base64\",\"value\":\"/"
			 "wA=\",\"encoding\":\"base64\",\"version\":3,\"modification\":7}\n"));
	result.value = slice(NULL, 0);
	kv_json_record(&out, slice_string("k"), &result, KV_JSON_VALUE | KV_JSON_BASE64);
	ck_assert(equals(&out, "{\"key\":\"k\",\"value\":\"\",\"encoding\":\"base64\",\"version\":"
			       "3,\"modification\":7}\n"));
	const char *const addresses[] = {"a:1", "b:2"};
	struct kv_json_error wrong = {.status = STATUS_WRONG_GROUP,
				      .message = slice_string("why"),
				      .group = 2,
				      .naddresses = 2,
				      .addresses = addresses};
	kv_json_error(&out, &wrong);
	ck_assert(equals(&out, "{\"error\":\"why\",\"status\":\"WRONG_GROUP\",\"group\":2,"
			       "\"addresses\":[\"a:1\",\"b:2\"]}\n"));
	wrong = (struct kv_json_error){.status = STATUS_BUSY, .message = slice_string("\xff")};
	kv_json_error(&out, &wrong);
	ck_assert(equals(&out, "{\"error\":\"too busy, not applied\",\"status\":\"BUSY\"}\n"));
}
END_TEST

/* The results of a transaction name the operations of the branch that was taken. */
START_TEST(results_name_the_operations_of_their_branch)
{
	struct buffer out = {0};
	struct wire_kv_result values[2] = {
		{.value = slice_string("5"), .version = 1, .modification = 2},
		{.status = STATUS_COMPARE_FALSE, .value = slice_string("now"), .version = 4}};
	struct wire_kv_reply reply = {.succeeded = true, .nresults = 2, .results = values};
	arena_init(&arena, ARENA_BYTES_MAX);
	ck_assert_int_eq(
		parse_txn("{\"then\":[{\"op\":\"incr\",\"key\":\"n\"},"
			  "{\"op\":\"cas\",\"key\":\"c\",\"expect\":\"o\",\"value\":\"n\"}],"
			  "\"else\":[{\"op\":\"get\",\"key\":\"g\"},{\"op\":\"del\",\"key\":\"d\"}]"
			  "}"),
		0);
	kv_json_txn(&out, &command, &reply, 0);
	ck_assert(equals(&out, "{\"succeeded\":true,\"results\":["
			       "{\"op\":\"incr\",\"key\":\"n\",\"ok\":true,\"value\":\"5\","
			       "\"version\":1,\"modification\":2},"
			       "{\"op\":\"cas\",\"key\":\"c\",\"ok\":false,\"error\":\"compare is "
			       "false\",\"value\":\"now\","
			       "\"version\":4,\"modification\":0}]}\n"));
	values[0] = values[1] = (struct wire_kv_result){.status = STATUS_NOT_FOUND};
	reply.succeeded = false;
	kv_json_txn(&out, &command, &reply, 0);
	ck_assert(equals(
		&out,
		"{\"succeeded\":false,\"results\":["
		"{\"op\":\"get\",\"key\":\"g\",\"ok\":false,\"error\":\"not "
		"found\",\"version\":0,\"modification\":0},"
		"{\"op\":\"del\",\"key\":\"d\",\"ok\":false,\"error\":\"not found\",\"version\":0,"
		"\"modification\":0}]}\n"));
	arena_free(&arena);
}
END_TEST
