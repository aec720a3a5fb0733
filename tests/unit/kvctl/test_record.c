
#include "../../../cmd/kvctl/kvctl.h"
#include "../support/check_main.h"
#include "base/rng.h"

static struct synod_bytes bytes(const char *data, size_t len)
{
	return (struct synod_bytes){.data = data, .len = len};
}

static struct synod_bytes text(const char *data)
{
	return bytes(data, strlen(data));
}

static void expect_line(struct synod_bytes key, struct synod_bytes value, enum kvctl_format format,
			const char *line)
{
	struct buffer out = {0};
	kvctl_record_format(&out, key, value, format);
	buffer_add_u8(&out, 0);
	ck_assert_str_eq((const char *)out.data, line);
	buffer_free(&out);
}

/* Text without control characters is KEY<tab>VALUE; the value may hold tabs. */
START_TEST(plain_text_is_tab_separated)
{
	expect_line(text("k"), text("v"), KVCTL_TSV, "k\tv");
	expect_line(text("k"), text(""), KVCTL_TSV, "k\t");
	expect_line(text("k"), text("a\tb"), KVCTL_TSV, "k\ta\tb");
	expect_line(text("{tag}:k"), text("grün"), KVCTL_TSV, "{tag}:k\tgrün");
}
END_TEST

/* Newlines, tabs in keys, and lines that would read as JSON are written as JSON. */
START_TEST(other_text_is_json)
{
	expect_line(text("k"), text("a\nb"), KVCTL_TSV, "{\"key\":\"k\",\"value\":\"a\\nb\"}");
	expect_line(text("a\tb"), text("v"), KVCTL_TSV, "{\"key\":\"a\\tb\",\"value\":\"v\"}");
	expect_line(text("k"), text("v\r"), KVCTL_TSV, "{\"key\":\"k\",\"value\":\"v\\r\"}");
	expect_line(text("{\"key\":"), text("\"x\"}"), KVCTL_TSV,
		    "{\"key\":\"{\\\"key\\\":\",\"value\":\"\\\"x\\\"}\"}");
	expect_line(text(" "), text("\t{\t"), KVCTL_TSV, "{\"key\":\" \",\"value\":\"\\t{\\t\"}");
	expect_line(text("k"), text("v"), KVCTL_JSONL, "{\"key\":\"k\",\"value\":\"v\"}");
}
END_TEST

/* What is not UTF-8 is base64, and says so. */
START_TEST(bytes_are_base64)
{
	expect_line(text("k"), bytes("\xff\x00", 2), KVCTL_TSV,
		    "{\"key\":\"k\",\"value\":\"/wA=\",\"encoding\":\"base64\"}");
	expect_line(bytes("\xff", 1), text("v"), KVCTL_TSV,
		    "{\"key\":\"/w==\",\"key_encoding\":\"base64\",\"value\":\"v\"}");
}
END_TEST

/*
 * Commas, quotes, newlines and other control characters are quoted; bytes that no text can
 * hold are base64.
 */
START_TEST(csv_fields_are_quoted_where_they_must_be)
{
	expect_line(text("k"), text("v"), KVCTL_CSV, "k,v,,\r");
	expect_line(text("k"), text(""), KVCTL_CSV, "k,,,\r");
	expect_line(text("a,b"), text("say \"x\""), KVCTL_CSV, "\"a,b\",\"say \"\"x\"\"\",,\r");
	expect_line(text("k"), text("a\nb"), KVCTL_CSV, "k,\"a\nb\",,\r");
	expect_line(text(" k"), text("v "), KVCTL_CSV, "\" k\",\"v \",,\r");
	expect_line(text("k"), bytes("\xff\x00", 2), KVCTL_CSV, "k,/wA=,,base64\r");
	expect_line(bytes("a\0b", 3), text("v"), KVCTL_CSV, "YQBi,v,base64,\r");
}
END_TEST

static const char *parse(const char *line, const char *key, const char *value)
{
	static char error[200];
	struct buffer out = {0};
	size_t key_len = 0;
	const char *wrong = kvctl_record_parse_json(slice_string(line), &out, &key_len, error,
						    sizeof error);
	if (wrong == NULL) {
		ck_assert(slice_equal(slice(out.data, key_len), slice_string(key)));
		ck_assert(slice_equal(slice(out.data + key_len, out.len - key_len),
				      slice_string(value)));
	} else {
		ck_assert_uint_eq(out.len, 0);
	}
	buffer_free(&out);
	return wrong;
}

/*
 * The keys of an object may stand in any order, with blanks between, escaped or base64, and
 * beside keys of no meaning.
 */
START_TEST(objects_are_read)
{
	ck_assert_ptr_null(parse("{\"key\":\"k\",\"value\":\"v\",\"version\":3}", "k", "v"));
	ck_assert_ptr_null(parse("{\"value\": \"\\u00e4\",\t\"key\": \"k\"}", "k", "ä"));
	ck_assert_ptr_null(parse(" {\"key\":\"k\",\"value\":\"v\"} ", "k", "v"));
	ck_assert_ptr_null(parse("{\"key\":\"Zm9v\",\"key_encoding\":\"base64\",\"value\":\"\","
				 "\"encoding\":\"base64\"}",
				 "foo", ""));
}
END_TEST

/* What is no record is refused, and said in words. */
START_TEST(a_malformed_object_is_refused_in_words)
{
	static const struct {
		const char *line, *wrong;
	} cases[] = {
		{"k", "no JSON object"},
		{"", "no JSON object"},
		{"\"k\"", "no JSON object"},
		{"[{\"key\":\"k\",\"value\":\"v\"}]", "an array"},
		{"{", "does not end in this line"},
		{"{\"key\":\"k\",\"value\":\"v\"", "does not end in this line"},
		{"{}", "no \"key\""},
		{"{\"value\":\"v\"}", "no \"key\""},
		{"{\"key\":\"k\"}", "no \"value\""},
		{"{\"key\":1,\"value\":\"v\"}", "\"key\" is a number"},
		{"{\"key\":\"k\",\"value\":null}", "\"value\" is null"},
		{"{\"key\":\"k\",\"value\":true}", "\"value\" is true"},
		{"{\"key\":\"k\",\"value\":[]}", "\"value\" is an array"},
		{"{\"key\":\"\",\"value\":\"v\"}", "key is empty"},
		{"{\"key\":\"k\",\"value\":\"v\",\"key\":\"l\"}", "duplicate"},
		{"{\"key\":\"k\",\"value\":\"v\"},", "something stands behind"},
		{"{\"key\":\"k\",\"value\":\"v\"} x", "something stands behind"},
		{"{\"key\":\"k\" \"value\":\"v\"}", "malformed JSON"},
		{"{\"key\":\"k\",\"value\":\"x\\ud800\"}", "malformed JSON"},
		{"{\"key\":\"k\",\"value\":\"\xff\"}", "malformed JSON"},
		{"{\"key\":\"k\",\"value\":\"*\",\"encoding\":\"base64\"}", "malformed base64"},
		{"{\"key\":\"k\",\"value\":\"eA\",\"encoding\":\"base64\"}", "malformed base64"},
		{"{\"key\":\"k\",\"value\":\"v\",\"encoding\":\"rot13\"}", "not \"base64\""},
		{"{\"key\":\"k\",\"value\":\"v\",\"value_encoding\":\"base64\"}",
		 "unknown member \"value_encoding\""},
		{"{key}", "malformed JSON"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *wrong = parse(cases[i].line, "", "");
		ck_assert_msg(wrong != NULL && strstr(wrong, cases[i].wrong) != NULL, "%s: %s",
			      cases[i].line, wrong == NULL ? "taken" : wrong);
	}
}
END_TEST
