/*
 * Files of records as people have them: which format they are taken for, what is refused and at
 * which line.
 */
#include <errno.h>

#include "../../../cmd/kvctl/import_reader.h"
#include "../support/check_main.h"
#include "base/rng.h"

/* A file in memory, read a few bytes at a time. */
struct file {
	struct slice content;
	size_t at, step;
	int error; /* at the end; 0: the end */
};

static ssize_t read_file(void *context, void *data, size_t size)
{
	struct file *file = context;
	size_t left = file->content.len - file->at, take = file->step < left ? file->step : left;
	if (left == 0 && file->error != 0) {
		errno = file->error;
		return -1;
	}
	take = take < size ? take : size;
	if (take > 0)
		memcpy(data, file->content.data + file->at, take);
	file->at += take;
	return (ssize_t)take;
}

/* What comes out: "key=value;" for each record, "!LINE: reason;" for each that is wrong. */
static void read_all(struct file *file, const char *format, struct buffer *out)
{
	struct import_reader reader;
	struct buffer bytes = {0};
	enum kvctl_format said;
	size_t key_len = 0;
	enum import_next next;
	import_reader_init(&reader, read_file, file);
	if (format != NULL && kvctl_parse_format(format, &said))
		import_reader_set(&reader, said);
	do {
		buffer_clear(&bytes);
		next = import_reader_next(&reader, &bytes, &key_len);
		if (next == IMPORT_RECORD) {
			buffer_add(out, bytes.data, key_len);
			buffer_add_u8(out, '=');
			buffer_add(out, bytes.data + key_len, bytes.len - key_len);
			buffer_add_u8(out, ';');
		} else if (next != IMPORT_END && next != IMPORT_ERROR) {
			buffer_format(out, "!%d: %s;", (int)reader.line, reader.wrong);
		} else if (next == IMPORT_ERROR) {
			buffer_format(out, "error %s;", strerror(reader.error));
		}
	} while (next == IMPORT_RECORD || next == IMPORT_WRONG);
	buffer_free(&bytes);
	import_reader_free(&reader);
}

/*
 * `wanted` is the whole outcome, or begins it if it ends with an ellipsis. However the bytes come.
 */
static void expect_bytes(const char *format, struct slice content, const char *wanted)
{
	static const size_t steps[] = {1, 2, 3, 7, 100000};
	size_t len = strlen(wanted);
	bool beginning = len >= 3 && strcmp(wanted + len - 3, "…") == 0;
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct file file = {.content = content, .step = steps[i]};
		struct buffer out = {0};
		read_all(&file, format, &out);
		buffer_add_u8(&out, 0);
		const char *got = (const char *)out.data;
		ck_assert_msg(beginning ? strncmp(got, wanted, len - 3) == 0
					: strcmp(got, wanted) == 0,
			      "%.*s\ngives  %s\nwanted %s (%zu bytes at a time)", (int)content.len,
			      (const char *)content.data, got, wanted, steps[i]);
		buffer_free(&out);
	}
}

static void expect(const char *format, const char *content, const char *wanted)
{
	expect_bytes(format, slice_string(content), wanted);
}

/*
 * A line is key, tab, value; empty lines are skipped, and a line that is none is named with its
 * number.
 */
START_TEST(tab_separated_lines_are_read)
{
	expect(NULL, "", "");
	expect(NULL, "\n\n\r\n", "");
	expect(NULL, "a\t1\nb\t2\n", "a=1;b=2;");
	expect(NULL, "a\t1\nb\t2", "a=1;b=2;");
	expect(NULL, "\n\na\t1\n\nb\t\n", "a=1;b=;");
	expect(NULL, "a\tb\tc\n", "a=b\tc;");
	expect(NULL, "a\t\"q \"\"x\"\" y\"\n", "a=\"q \"\"x\"\" y\";");
	expect(NULL, "{tag}k\tv\n{tag}l\t{w}\n", "{tag}k=v;{tag}l={w};");
	expect(NULL, "\xe9\t\xff\n", "\xe9=\xff;");
	expect(NULL, "a\t1\nb\n\nc\t3\n", "a=1;!2: no tab between key and value;c=3;");
	expect(NULL, "a\t1\n\tv\n", "a=1;!2: the key is empty;");
	expect(NULL, "a\t1\nb,2\n", "a=1;!2: no tab between key and value (--format csv…");
}
END_TEST

/*
 * A byte order mark and the line ends of either kind are no part of a value; where they could be,
 * the line is refused.
 */
START_TEST(line_ends_and_byte_order_marks)
{
	expect(NULL,
	       "\xef\xbb\xbf"
	       "a\t1\nb\t2\n",
	       "a=1;b=2;");
	expect(NULL, "\xef\xbb\xbf{\"key\":\"a\",\"value\":\"1\"}\n", "a=1;");
	expect(NULL,
	       "\xef\xbb\xbf"
	       "key,value\na,1\n",
	       "a=1;");
	expect(NULL, "a\t1\r\nb\t2\r\n", "a=1;b=2;");
	expect(NULL, "a\t1\r\nb\t2", "a=1;b=2;");
	expect(NULL, "a\t1\r\nb\t2\r", "a=1;b=2;");
	/* A carriage return that may be part of a value is neither dropped nor kept. */
	expect(NULL, "a\t1\nb\t2\r\n",
	       "a=1;!2: ends with CR LF, but the first line with LF alone…");
	expect(NULL, "a\t1\r\nb\t2\n",
	       "a=1;!2: ends with LF alone, but the first line with CR LF…");
	expect(NULL, "a\t1\rb\t2\r", "!1: a carriage return inside the line…");
	expect(NULL, "a\t1\r", "!1: a carriage return inside the line…");
	expect(NULL, "a\tx\ry\n", "!1: a carriage return inside the line…");
	expect(NULL, "{\"key\":\"a\",\"value\":\"1\"}\r\n{\"key\":\"b\",\"value\":\"2\"}\n",
	       "a=1;b=2;");
	expect(NULL,
	       "a\t1\n\xef\xbb\xbf"
	       "b\t2\n",
	       "a=1;!2: a byte order mark in front of the key…");
}
END_TEST

/* UTF-16 and compressed files are named, and nothing of them is taken. */
START_TEST(other_encodings_are_named_and_refused)
{
	expect_bytes(NULL,
		     slice("\xff\xfe"
			   "a\0\t\0",
			   6),
		     "!1: the file is UTF-16…");
	expect_bytes(NULL, slice("\xfe\xff\0a\0\t", 6), "!1: the file is UTF-16…");
	expect_bytes("csv",
		     slice("\xff\xfe"
			   "a\0,\0",
			   6),
		     "!1: the file is UTF-16…");
	expect_bytes("tsv", slice("\xff\xfe\0\0a\0\0\0", 8), "!1: the file is UTF-32…");
	expect_bytes(NULL, slice("\x1f\x8b\x08\0x\ty\n", 8), "!1: the file is compressed (gzip)…");
	expect_bytes(NULL, slice("PK\x03\x04x\ty\n", 8), "!1: the file is a ZIP archive…");
	expect_bytes(NULL, slice("a\0\t\0\x31\0\n\0", 8), "!1: a zero byte…");
	expect_bytes("csv", slice("a\0,\0\x31\0\n\0", 8), "!1: a zero byte…");
	expect_bytes(NULL, slice("a\t1\nb\t\0\n", 8), "a=1;!2: a zero byte…");
}
END_TEST

/*
 * One object a line, in text or base64; broken JSON and arrays are refused, never taken for
 * another format.
 */
START_TEST(a_json_object_a_line_is_read)
{
	expect(NULL, "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\t\"b\",\"value\":\"2\"}\n",
	       "a=1;b=2;");
	expect(NULL, " {\"key\":\t\"a\", \"value\":\"1\"} \n", "a=1;");
	expect(NULL,
	       "{\"key\":\"YQ==\",\"key_encoding\":\"base64\",\"value\":\"eA==\",\"encoding\":"
	       "\"base64\"}",
	       "a=x;");
	/* Decided: what is no object is refused, also if it could be tab-separated. */
	expect(NULL, "{\"key\":\t\"a\",\"value\":\"1\"}\nb\t2\n", "a=1;!2: no JSON object;");
	expect("jsonl", "{\"key\":\"a\",\"value\":\"1\"}\nb\t2\n", "a=1;!2: no JSON object;");
	/* Broken JSON is nobody's key. */
	expect(NULL, "{\"key\":\t\"a\",\"value\":\"1\"},\n",
	       "!1: something stands behind the JSON object;");
	expect(NULL, "{\"key\":\t\"a\" \"value\":\"1\"}\n", "!1: malformed JSON…");
	expect(NULL, "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\t\"b\" \"value\":\"2\"}\nc\t3\n",
	       "a=1;!2: malformed JSON…");
	expect(NULL, "{\n \"key\": \"a\",\n\t\"value\": \"1\"\n}\n",
	       "!1: the object does not end in this line…");
	expect(NULL, "[{\"key\":\t\"a\",\"value\":\"1\"}]\n", "!1: an array…");
	expect(NULL, "[\n\t{\"key\":\"a\",\"value\":\"1\"}\n]\n", "!1: an array…");
}
END_TEST

/* Objects without tabs mean the same in both formats; the first other line decides. */
START_TEST(one_format_a_file)
{
	expect(NULL, "{\"key\":\"a\",\"value\":\"1\"}\nb\t2\n{\"key\":\"c\",\"value\":\"3\"}\n",
	       "a=1;b=2;c=3;");
	expect(NULL, "b\t2\n{\"key\":\"c\",\"value\":\"3\"}\n", "b=2;c=3;");
	/*
	 * Tab-separated, and then something that begins like JSON: broken, or a strange key; only
	 * the user knows.
	 */
	expect(NULL, "a\t1\n{\"key\":\t\"b\",\"value\":\"2\"}\n",
	       "a=1;!2: begins like JSON, but has a tab…");
	expect("tsv", "a\t1\n{\"key\":\t\"b\",\"value\":\"2\"}\n",
	       "a=1;{\"key\":=\"b\",\"value\":\"2\"};");
	expect(NULL, "a\t1\n{\"key\":\"b\"}\n", "a=1;!2: the object has no \"value\";");
	expect(NULL, "a,1\nb,2\n", "!1: neither KEY<tab>VALUE nor a JSON object (--format csv…");
	expect(NULL, "hello\n", "!1: neither KEY<tab>VALUE nor a JSON object;");
}
END_TEST

/* CSV by RFC 4180: quotes, line ends within them, and a header that names the columns. */
START_TEST(comma_separated_records_are_read)
{
	expect("csv", "a,1\nb,2", "a=1;b=2;");
	expect("csv", "a,1\r\n\r\nb,\r\n", "a=1;b=;");
	expect("csv", "key,value\r\na,1\r\n", "a=1;");
	expect(NULL, "key,value\r\na,1\r\n", "a=1;");
	expect(NULL, "Key,Value\na,1", "a=1;");
	expect(NULL, "key,value,key_encoding,encoding\r\nYQ==,eA==,base64,base64\r\nb,2,,\r\n",
	       "a=x;b=2;");
	expect("csv", "value,key\n1,a\n", "a=1;");
	expect("csv", "\"a,b\",\"x\"\"y\"\"\"\n", "a,b=x\"y\";");
	expect("csv", "a,\"one\ntwo\r\nthree\"\nb,2\n", "a=one\ntwo\r\nthree;b=2;");
	expect("csv", " a , 1 \n", " a = 1 ;");
	expect("csv", "a,\"\"\n", "a=;");
	expect("csv", "{\"key\":1},v\tw\n",
	       "!1: a quote inside a field that does not begin with one;");
}
END_TEST

/* With the line where the record begins, whatever newlines the quotes before held. */
START_TEST(comma_separated_mistakes)
{
	expect("csv", "a,\"x\ny\"\nb\nc,3\n",
	       "a=x\ny;!3: the value is missing: one field, 2 are expected;c=3;");
	expect("csv", "a,1,x\nb,2\n", "!1: 3 fields, 2 are expected: key and value…");
	expect("csv", "key,value\na,1,x\n", "!2: 3 fields, 2 are expected after the header;");
	expect("csv", "a;1\n", "!1: no comma, but a semicolon…");
	expect("csv", ",1\nb,2\n", "!1: the key is empty;b=2;");
	expect("csv", "\"\",1\n", "!1: the key is empty;");
	expect("csv", "\"\"\n", "!1: the value is missing…");
	expect("csv", "a,1\nb,\"2\nc,3\n",
	       "a=1;!2: a quote is not closed before the end of the file;");
	expect("csv", "a,\"1\"x\n", "!1: something stands behind a closing quote…");
	expect("csv", "a,1\"\n", "!1: a quote inside a field…");
	expect("csv", "a,1\rb,2\n", "!1: a carriage return without a newline…");
	expect("csv", "key,value,note\na,1,x\n", "!1: the header names a column \"note\"…");
	expect("csv", "key,value,key\n", "!1: the header names a column twice;");
	expect("csv", "key,value,encoding\na,x,rot13\nb,*,base64\n",
	       "!2: the column encoding is neither empty nor base64;!3: the column value is "
	       "malformed base64;");
}
END_TEST

/* A file of a prefix, much of one byte, and an end. */
static struct slice large(struct buffer *out, const char *before, size_t count, uint8_t byte,
			  const char *after)
{
	buffer_clear(out);
	buffer_add_slice(out, slice_string(before));
	buffer_reserve(out, count);
	memset(out->data + out->len, byte, count);
	out->len += count;
	buffer_add_slice(out, slice_string(after));
	return buffer_slice(out);
}

static void expect_at_once(const char *format, struct slice content, const char *wanted)
{
	struct file file = {.content = content, .step = SIZE_MAX};
	struct buffer out = {0};
	read_all(&file, format, &out);
	buffer_add_u8(&out, 0);
	ck_assert_msg(strstr((const char *)out.data, wanted) != NULL, "%.300s",
		      (const char *)out.data);
	buffer_free(&out);
}

/* Refused with its line, and what follows is read; what is just not too large is taken. */
START_TEST(what_is_too_large_is_refused_with_its_line)
{
	struct buffer content = {0};
	expect_at_once(NULL, large(&content, "a\t1\nb\t", IMPORT_RECORD_BYTES_MAX, 'x', "\nc\t3\n"),
		       "a=1;!2: the record is too large");
	expect_at_once(NULL, large(&content, "a\t1\nb\t", IMPORT_RECORD_BYTES_MAX, 'x', "\nc\t3\n"),
		       ";c=3;");
	expect_at_once(NULL,
		       large(&content, "a\t1\nb\t", IMPORT_RECORD_BYTES_MAX - 1, 'x', "\nc\t3\n"),
		       "x;c=3;");
	expect_at_once(NULL, large(&content, "a\t1\nb\t", IMPORT_LINE_BYTES_MAX, 'x', "\nc\t3\n"),
		       "a=1;!2: the line is longer");
	expect_at_once(NULL, large(&content, "a\t1\nb\t", IMPORT_LINE_BYTES_MAX, 'x', "\nc\t3\n"),
		       ";c=3;");
	expect_at_once("csv", large(&content, "a,1\nb,\"", IMPORT_LINE_BYTES_MAX, 'x', "\nc,3\n"),
		       "a=1;!2: the record is longer");
	expect_at_once("csv", large(&content, "a,1\n", IMPORT_FIELDS_MAX, ',', "\nc,3\n"),
		       "a=1;!2: more than");
	buffer_free(&content);
}
END_TEST

/* What came before the error is told, and the error is, and not an end. */
START_TEST(an_error_of_reading_is_no_end)
{
	static const char *const formats[] = {"tsv", "csv"};
	static const char *const contents[] = {"a\t1\nb\t2", "a,1\nb,2"};
	for (int i = 0; i < 2; i++) {
		struct file file = {.content = slice_string(contents[i]), .step = 3, .error = EIO};
		struct buffer out = {0};
		read_all(&file, formats[i], &out);
		ck_assert(slice_equal(buffer_slice(&out),
				      slice_string("a=1;error Input/output error;")));
		buffer_free(&out);
	}
}
END_TEST

/* Whatever bytes records have, each format gives them back, without being told which it is. */
START_LOOP_TEST(each_format_gives_records_back, 0, 3)
{
	static const char alphabet[] =
		"ab{}[]\"'\\\t\n\r\x01\x7f\xff\xc3\xa4\xef\xbb\xbf:,;\0 key value=\0\xfe";
	enum kvctl_format format = (enum kvctl_format)_i;
	struct rng rng;
	rng_seed(&rng, 7 + (uint64_t)_i);
	for (int round = 0; round < 3000; round++) {
		struct buffer content = {0}, wanted = {0}, got = {0};
		size_t count = rng_below(&rng, 4);
		if (format == KVCTL_CSV)
			buffer_add_slice(&content, slice_string(KVCTL_CSV_HEADER));
		for (size_t n = 0; n < count; n++) {
			char key[12], value[16];
			size_t key_len = 1 + rng_below(&rng, sizeof key),
			       value_len = rng_below(&rng, sizeof value + 1);
			for (size_t i = 0; i < key_len; i++)
				key[i] = alphabet[rng_below(&rng, sizeof alphabet)];
			for (size_t i = 0; i < value_len; i++)
				value[i] = alphabet[rng_below(&rng, sizeof alphabet)];
			size_t before = content.len;
			kvctl_record_format(
				&content, (struct synod_bytes){.data = key, .len = key_len},
				(struct synod_bytes){.data = value, .len = value_len}, format);
			if (format != KVCTL_CSV)
				ck_assert_ptr_null(
					memchr(content.data + before, '\n', content.len - before));
			buffer_add_u8(&content, '\n');
			buffer_add(&wanted, key, key_len);
			buffer_add_u8(&wanted, '=');
			buffer_add(&wanted, value, value_len);
			buffer_add_u8(&wanted, ';');
		}
		struct file file = {.content = buffer_slice(&content), .step = 5};
		read_all(&file, NULL, &got);
		ck_assert_msg(slice_equal(buffer_slice(&wanted), buffer_slice(&got)),
			      "%.*s\ngives %.*s", (int)content.len, (const char *)content.data,
			      (int)got.len, (const char *)got.data);
		buffer_free(&content);
		buffer_free(&wanted);
		buffer_free(&got);
	}
}
END_TEST
