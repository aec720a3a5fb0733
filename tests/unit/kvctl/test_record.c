#include <check.h>

#include "../../../cmd/kvctl/kvctl.h"
#include "base/rng.h"

static struct synod_bytes bytes(const char *data, size_t len)
{
	return (struct synod_bytes){.data = data, .len = len};
}

static struct synod_bytes text(const char *data)
{
	return bytes(data, strlen(data));
}

static void expect_line(struct synod_bytes key, struct synod_bytes value, bool json, const char *line)
{
	struct buffer out = {0};
	kvctl_record_format(&out, key, value, json);
	buffer_add_u8(&out, 0);
	ck_assert_str_eq((const char *)out.data, line);
	buffer_free(&out);
}

START_TEST(plain_text_is_tab_separated)
{
	/* Text without control characters is KEY<tab>VALUE; the value may hold tabs. */
	expect_line(text("k"), text("v"), false, "k\tv");
	expect_line(text("k"), text(""), false, "k\t");
	expect_line(text("k"), text("a\tb"), false, "k\ta\tb");
	expect_line(text("{tag}:k"), text("grün"), false, "{tag}:k\tgrün");
}
END_TEST

START_TEST(other_text_is_json)
{
	/* Newlines, tabs in keys, and lines that would read as JSON are written as JSON. */
	expect_line(text("k"), text("a\nb"), false, "{\"key\":\"k\",\"value\":\"a\\nb\"}");
	expect_line(text("a\tb"), text("v"), false, "{\"key\":\"a\\tb\",\"value\":\"v\"}");
	expect_line(text("k"), text("v\r"), false, "{\"key\":\"k\",\"value\":\"v\\r\"}");
	expect_line(text("{\"key\":"), text("\"x\"}"), false,
		    "{\"key\":\"{\\\"key\\\":\",\"value\":\"\\\"x\\\"}\"}");
	expect_line(text("k"), text("v"), true, "{\"key\":\"k\",\"value\":\"v\"}");
}
END_TEST

START_TEST(bytes_are_base64)
{
	/* What is not UTF-8 is base64, and says so. */
	expect_line(text("k"), bytes("\xff\x00", 2), false,
		    "{\"key\":\"k\",\"value\":\"/wA=\",\"encoding\":\"base64\"}");
	expect_line(bytes("\xff", 1), text("v"), false,
		    "{\"key\":\"/w==\",\"key_encoding\":\"base64\",\"value\":\"v\"}");
}
END_TEST

static const char *parse(const char *line, const char *key, const char *value)
{
	struct buffer out = {0};
	size_t key_len = 0;
	const char *wrong = kvctl_record_parse(slice_string(line), &out, &key_len);
	if (wrong == NULL) {
		ck_assert(slice_equal(slice(out.data, key_len), slice_string(key)));
		ck_assert(slice_equal(slice(out.data + key_len, out.len - key_len), slice_string(value)));
	}
	buffer_free(&out);
	return wrong;
}

START_TEST(both_forms_are_read)
{
	/* Each line is recognised by itself. */
	ck_assert_ptr_null(parse("k\tv", "k", "v"));
	ck_assert_ptr_null(parse("k\t", "k", ""));
	ck_assert_ptr_null(parse("k\tv\tw", "k", "v\tw"));
	ck_assert_ptr_null(parse("{tag}k\tv", "{tag}k", "v"));
	ck_assert_ptr_null(parse("{tag}k\t{v}", "{tag}k", "{v}"));
	ck_assert_ptr_null(parse("{\"key\":\"k\",\"value\":\"v\",\"version\":3}", "k", "v"));
	ck_assert_ptr_null(parse("{\"value\": \"\\u00e4\",\t\"key\": \"k\"}", "k", "ä"));
	ck_assert_ptr_null(
		parse("{\"key\":\"Zm9v\",\"key_encoding\":\"base64\",\"value\":\"\",\"encoding\":\"base64\"}",
		      "foo", ""));
}
END_TEST

START_TEST(malformed_lines)
{
	/* A line that is neither form is refused with a reason. */
	static const char *const wrong[] = {
		"k",
		"\tv",
		"{",
		"{}",
		"{\"key\":\"k\"}",
		"{\"key\":1,\"value\":\"v\"}",
		"{\"key\":\"\",\"value\":\"v\"}",
		"{\"key\":\"k\",\"value\":\"v\"",
		"{\"key\":\"k\",\"value\":\"*\",\"encoding\":\"base64\"}",
		"{\"key\":\"k\",\"value\":\"v\",\"encoding\":\"rot13\"}",
		"{key}",
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		ck_assert_msg(parse(wrong[i], "", "") != NULL, "%s", wrong[i]);
}
END_TEST

START_TEST(round_trip)
{
	/* Whatever bytes a record has, the line has no newline in it and reads back as the same record. */
	static const char alphabet[] = "ab{}\"\\\t\n\r\x01\x7f\xff\xc3\xa4:,\0 key value";
	struct rng rng;
	rng_seed(&rng, 7);
	for (int round = 0; round < 20000; round++) {
		char key[12], value[16];
		size_t key_len = 1 + rng_below(&rng, sizeof key), value_len = rng_below(&rng, sizeof value + 1);
		for (size_t i = 0; i < key_len; i++)
			key[i] = alphabet[rng_below(&rng, sizeof alphabet)];
		for (size_t i = 0; i < value_len; i++)
			value[i] = alphabet[rng_below(&rng, sizeof alphabet)];
		struct buffer line = {0}, out = {0};
		size_t parsed_len = 0;
		kvctl_record_format(&line, bytes(key, key_len), bytes(value, value_len), false);
		ck_assert_ptr_null(memchr(line.data, '\n', line.len));
		ck_assert_ptr_null(kvctl_record_parse(buffer_slice(&line), &out, &parsed_len));
		ck_assert(slice_equal(slice(out.data, parsed_len), slice(key, key_len)));
		ck_assert(
			slice_equal(slice(out.data + parsed_len, out.len - parsed_len), slice(value, value_len)));
		buffer_free(&line);
		buffer_free(&out);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("record");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, plain_text_is_tab_separated);
	tcase_add_test(tcase, other_text_is_json);
	tcase_add_test(tcase, bytes_are_base64);
	tcase_add_test(tcase, both_forms_are_read);
	tcase_add_test(tcase, malformed_lines);
	tcase_add_test(tcase, round_trip);
	Suite *suite = suite_create("kvctl/record");
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
