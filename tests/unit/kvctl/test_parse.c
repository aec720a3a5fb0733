
#include "../../../cmd/kvctl/kvctl.h"
#include "../support/check_main.h"
#include "base/base64.h"

/*
 * A duration is a number with a unit, from a millisecond to a day; a bare number is
 * seconds.
 */
START_TEST(a_duration_is_a_number_with_a_unit)
{
	static const struct {
		const char *text;
		uint32_t ms; /* 0: refused */
	} cases[] = {
		{"500ms", 500},  {"5s", 5000}, {"2m", 120000},
		{"1h", 3600000}, {"7", 7000},  {"1.5s", 1500},
		{"0.25s", 250},  {"", 0},      {"s", 0},
		{"-1s", 0},      {"0", 0},     {"0ms", 0},
		{"5 s", 0},      {"5x", 0},    {"5ss", 0},
		{"1e3ms", 0},    {"0x10s", 0}, {"25h", 0},
		{"inf", 0},      {"nan", 0},   {"99999999999s", 0},
		{".", 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint32_t ms = 0;
		bool good = kvctl_parse_duration(cases[i].text, &ms);
		ck_assert_msg(good == (cases[i].ms != 0), "%s", cases[i].text);
		ck_assert_msg(ms == cases[i].ms, "%s: %u", cases[i].text, ms);
	}
}
END_TEST

/* Whole numbers of 64 bits, and nothing around them. */
START_TEST(a_number_is_whole_and_of_64_bits)
{
	uint64_t u;
	int64_t i;
	ck_assert(kvctl_parse_u64("18446744073709551615", &u) && u == UINT64_MAX);
	ck_assert(kvctl_parse_u64("0", &u) && u == 0);
	static const char *const wrong[] = {
		"", "-1", "+1", " 1", "1 ", "1x", "18446744073709551616", "0x1"};
	for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++)
		ck_assert_msg(!kvctl_parse_u64(wrong[k], &u), "\"%s\"", wrong[k]);
	ck_assert(kvctl_parse_i64("-9223372036854775808", &i) && i == INT64_MIN);
	ck_assert(kvctl_parse_i64("+7", &i) && i == 7);
	ck_assert(!kvctl_parse_i64("9223372036854775808", &i));
	ck_assert(!kvctl_parse_i64("-", &i));
	ck_assert(!kvctl_parse_i64("- 1", &i));
}
END_TEST

static void expect_words(const char *line, size_t count, const char *const *words)
{
	struct kvctl_words parsed;
	const char *wrong = kvctl_words_parse(&parsed, slice_string(line));
	ck_assert_msg(wrong == NULL, "%s: %s", line, wrong);
	ck_assert_uint_eq(parsed.count, count);
	for (size_t i = 0; i < count; i++) {
		ck_assert_str_eq(parsed.words[i].data, words[i]);
		ck_assert_uint_eq(parsed.words[i].len, strlen(words[i]));
	}
	kvctl_words_free(&parsed);
}

/*
 * Blanks separate words; quotes keep them together, and may stand inside a word or around
 * nothing.
 */
START_TEST(blanks_separate_words_and_quotes_join_them)
{
	expect_words("", 0, NULL);
	expect_words("  \t ", 0, NULL);
	expect_words("put a b", 3, (const char *const[]){"put", "a", "b"});
	expect_words(" put  \"two words\"\t'and \"three\"' ", 3,
		     (const char *const[]){"put", "two words", "and \"three\""});
	expect_words("a\"b c\"d ''", 2, (const char *const[]){"ab cd", ""});
	expect_words("\"\\t\\n\\\\\\\"\\x41\" a\\ b", 2, (const char *const[]){"\t\n\\\"A", "a b"});
	struct kvctl_words parsed;
	ck_assert_ptr_null(kvctl_words_parse(&parsed, slice_string("\"a\\0b\"")));
	ck_assert_uint_eq(parsed.words[0].len, 3);
	ck_assert_mem_eq(parsed.words[0].data, "a\0b", 4);
	kvctl_words_free(&parsed);
}
END_TEST

/* Open quotes and unknown escapes are mistakes, not text. */
START_TEST(open_quotes_are_mistakes)
{
	struct kvctl_words parsed;
	static const char *const wrong[] = {"\"",      "'",        "a 'b",     "\"\\",
					    "\"\\q\"", "\"\\x4\"", "\"\\xgg\""};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		ck_assert_msg(kvctl_words_parse(&parsed, slice_string(wrong[i])) != NULL, "%s",
			      wrong[i]);
}
END_TEST

/* The examples of RFC 4648 both ways, and every byte; malformed text is refused. */
START_TEST(base64_is_written_and_read)
{
	static const char *const examples[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
	};
	for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
		struct buffer encoded = {0}, decoded = {0};
		base64_encode(&encoded, slice_string(examples[i][0]));
		ck_assert(slice_equal(buffer_slice(&encoded), slice_string(examples[i][1])));
		ck_assert(kvctl_base64_decode(&decoded, buffer_slice(&encoded)));
		ck_assert(slice_equal(buffer_slice(&decoded), slice_string(examples[i][0])));
		buffer_free(&encoded);
		buffer_free(&decoded);
	}
	uint8_t all[256];
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)i;
	struct buffer encoded = {0}, decoded = {0};
	base64_encode(&encoded, slice(all, sizeof all));
	ck_assert(kvctl_base64_decode(&decoded, buffer_slice(&encoded)));
	ck_assert(slice_equal(buffer_slice(&decoded), slice(all, sizeof all)));
	static const char *const wrong[] = {
		"Z", "Zg=", "Zg", "Z===", "====", "Zg==Zg==", "Z*==", "Zm\n8"};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		ck_assert_msg(!kvctl_base64_decode(&decoded, slice_string(wrong[i])), "%s",
			      wrong[i]);
	buffer_free(&encoded);
	buffer_free(&decoded);
}
END_TEST

/* The exit codes of the interface. */
START_TEST(exit_codes_are_those_of_the_interface)
{
	ck_assert_int_eq(kvctl_exit_code(SYNOD_OK), 0);
	ck_assert_int_eq(kvctl_exit_code(SYNOD_NOT_FOUND), 1);
	ck_assert_int_eq(kvctl_exit_code(SYNOD_COMPARE_FALSE), 2);
	ck_assert_int_eq(kvctl_exit_code(SYNOD_UNAVAILABLE), 3);
	ck_assert_int_eq(kvctl_exit_code(SYNOD_UNKNOWN), 4);
	static const int refused[] = {SYNOD_BAD_REQUEST,   SYNOD_TOO_LARGE,  SYNOD_DENIED,
				      SYNOD_CROSS_GROUP,   SYNOD_NOT_NUMBER, SYNOD_EXISTS,
				      SYNOD_NO_SUCH_GROUP, SYNOD_HOLDS_DATA, SYNOD_WRONG_CLUSTER,
				      SYNOD_NO_SPACE};
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		ck_assert_int_eq(kvctl_exit_code(refused[i]), 5);
}
END_TEST
