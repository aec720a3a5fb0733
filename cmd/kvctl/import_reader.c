/* Records of an import, from lines of JSON or CSV, with where they stand. */
#include "import_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/alloc.h"

#define READ_BYTES (64u * KIB)
#define HEADER_BYTES_MAX 64u

void import_reader_init(struct import_reader *reader, import_read read, void *context)
{
	*reader = (struct import_reader){.read = read, .context = context};
	/* Something to point at, also when nothing has been read. */
	buffer_reserve(&reader->input, READ_BYTES);
	buffer_reserve(&reader->text, 64);
}

void import_reader_set(struct import_reader *reader, enum kvctl_format format)
{
	reader->format = format;
	reader->decided = reader->said = true;
}

void import_reader_free(struct import_reader *reader)
{
	buffer_free(&reader->input);
	buffer_free(&reader->text);
}

bool import_fill(struct import_reader *reader)
{
	ssize_t got;
	if (reader->ended || reader->error != 0)
		return false;
	if (reader->at > 0) {
		size_t left = reader->input.len - reader->at;
		memmove(reader->input.data, reader->input.data + reader->at, left);
		reader->input.len = left;
		reader->at = 0;
	}
	buffer_reserve(&reader->input, READ_BYTES);
	do
		got = reader->read(reader->context, reader->input.data + reader->input.len,
				   READ_BYTES);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		reader->error = errno != 0 ? errno : EIO;
	else if (got == 0)
		reader->ended = true;
	else
		reader->input.len += (size_t)got;
	reader->read_bytes += got > 0 ? (uint64_t)got : 0;
	return got > 0;
}

enum import_next import_wrong(struct import_reader *reader, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(reader->message, sizeof reader->message, format, arguments);
	va_end(arguments);
	reader->wrong = reader->message;
	return IMPORT_WRONG;
}

enum import_next import_judge(struct import_reader *reader, const struct buffer *out, size_t before,
			      size_t key_len)
{
	if (key_len == 0)
		return import_wrong(reader, "the key is empty");
	if (out->len - before > IMPORT_RECORD_BYTES_MAX)
		return import_wrong(
			reader, "the record is too large: %zu bytes, no command holds more than %u",
			out->len - before, IMPORT_RECORD_BYTES_MAX);
	return IMPORT_RECORD;
}

/* ---- the beginning ---- */

static struct slice rest_of(const struct import_reader *reader)
{
	return slice(reader->input.data + reader->at, reader->input.len - reader->at);
}

/* Marks of other encodings, and of files that are no text. */
static enum import_next begin(struct import_reader *reader)
{
	static const struct {
		const char *mark;
		size_t len;
		const char *wrong;
	} refused[] = {
		{"\xff\xfe\0\0", 4,
		 "the file is UTF-32 (byte order mark): iconv -f UTF-32 -t UTF-8 converts it"},
		{"\0\0\xfe\xff", 4,
		 "the file is UTF-32 (byte order mark): iconv -f UTF-32 -t UTF-8 converts it"},
		{"\xff\xfe", 2,
		 "the file is UTF-16 (byte order mark): iconv -f UTF-16 -t UTF-8 converts it"},
		{"\xfe\xff", 2,
		 "the file is UTF-16 (byte order mark): iconv -f UTF-16 -t UTF-8 converts it"},
		{"\x1f\x8b", 2, "the file is compressed (gzip): zcat FILE | kvctl import"},
		{"\x28\xb5\x2f\xfd", 4,
		 "the file is compressed (zstd): zstdcat FILE | kvctl import"},
		{"\xfd"
		 "7zXZ",
		 5, "the file is compressed (xz): xzcat FILE | kvctl import"},
		{"PK\x03\x04", 4,
		 "the file is a ZIP archive, as a spreadsheet's own files are: save it as text"},
	};
	reader->begun = true;
	while (rest_of(reader).len < 5 && import_fill(reader))
		continue;
	struct slice head = rest_of(reader);
	reader->line = 1;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		if (!slice_has_prefix(head, slice(refused[i].mark, refused[i].len)))
			continue;
		import_wrong(reader, "%s", refused[i].wrong);
		reader->ended = true;
		return IMPORT_WRONG_LAST;
	}
	if (slice_has_prefix(head, slice_string("\xef\xbb\xbf")))
		reader->at += 3;
	return IMPORT_RECORD;
}

/* ---- lines ---- */

/* What the line that is too long has left, up to its end. */
static void skip_line(struct import_reader *reader)
{
	for (;;) {
		struct slice rest = rest_of(reader);
		const uint8_t *end = rest.len > 0 ? memchr(rest.data, '\n', rest.len) : NULL;
		if (end != NULL) {
			reader->at += (size_t)(end - rest.data) + 1;
			return;
		}
		reader->at = reader->input.len;
		if (!import_fill(reader))
			return;
	}
}

/* The next line without its end, in *out until the next call. IMPORT_RECORD: there is one. */
static enum import_next next_line(struct import_reader *reader, struct slice *out, bool *terminated)
{
	size_t looked = 0;
	if (reader->skipping)
		skip_line(reader);
	reader->skipping = false;
	for (;;) {
		struct slice rest = rest_of(reader);
		const uint8_t *end = rest.len > looked
					     ? memchr(rest.data + looked, '\n', rest.len - looked)
					     : NULL;
		size_t len = end != NULL ? (size_t)(end - rest.data) : rest.len;
		reader->line = reader->lines + 1;
		if (len > IMPORT_LINE_BYTES_MAX) {
			reader->lines++;
			/* Not now: whoever stops here need not read what may never end. */
			reader->skipping = true;
			return import_wrong(reader, "the line is longer than %u bytes",
					    IMPORT_LINE_BYTES_MAX);
		}
		looked = rest.len;
		if (end == NULL && import_fill(reader))
			continue;
		if (reader->error != 0)
			return IMPORT_ERROR;
		if (end == NULL && len == 0)
			return IMPORT_END;
		*out = slice(rest_of(reader).data, len);
		*terminated = end != NULL;
		reader->at += len + (end != NULL);
		reader->lines++;
		return IMPORT_RECORD;
	}
}

/* Takes the carriage return off the end of a line. False: the lines do not end alike. */
static bool strip_ending(struct import_reader *reader, struct slice *line, bool terminated)
{
	bool carriage = line->len > 0 && line->data[line->len - 1] == '\r';
	if (terminated && reader->ending == ENDING_UNKNOWN)
		reader->ending = carriage ? ENDING_CRLF : ENDING_LF;
	if (carriage && (reader->ending == ENDING_CRLF || terminated))
		line->len--;
	return !terminated || carriage == (reader->ending == ENDING_CRLF);
}

/* ---- the formats of lines ---- */

static enum import_next take_json(struct import_reader *reader, struct slice line,
				  struct buffer *out, size_t *key_len)
{
	size_t before = out->len;
	const char *wrong = kvctl_record_parse_json(line, out, key_len, reader->message,
						    sizeof reader->message);
	if (wrong == NULL)
		return import_judge(reader, out, before, *key_len);
	reader->wrong = wrong;
	return IMPORT_WRONG;
}

static enum import_next take_tsv(struct import_reader *reader, struct slice line, bool alike,
				 struct buffer *out, size_t *key_len)
{
	const uint8_t *tab = memchr(line.data, '\t', line.len);
	size_t before = out->len;
	if (tab == NULL && line.data[0] == '{')
		return take_json(reader, line, out, key_len);
	if (tab == NULL)
		return import_wrong(reader, "no tab between key and value%s",
				    memchr(line.data, ',', line.len) != NULL
					    ? " (--format csv is for values separated by commas)"
					    : "");
	if (!reader->said && kvctl_looks_like_json(line))
		return import_wrong(
			reader, "begins like JSON, but has a tab, and other lines are "
				"KEY<tab>VALUE: --format tsv or --format jsonl says which it is");
	if (!alike)
		return import_wrong(
			reader,
			"ends with %s, but the first line with %s: make all lines end alike",
			reader->ending == ENDING_LF ? "CR LF" : "LF alone",
			reader->ending == ENDING_LF ? "LF alone" : "CR LF");
	if (memchr(line.data, '\r', line.len) != NULL)
		return import_wrong(reader, "a carriage return inside the line: a value that has "
					    "one is written as JSON");
	if (slice_has_prefix(line, slice_string("\xef\xbb\xbf")))
		return import_wrong(
			reader, "a byte order mark in front of the key: were files put together?");
	*key_len = (size_t)(tab - line.data);
	buffer_add(out, line.data, *key_len);
	buffer_add(out, tab + 1, line.len - *key_len - 1);
	return import_judge(reader, out, before, *key_len);
}

static bool is_csv_header(struct slice line)
{
	static const char *const headers[] = {"key,value", "\"key\",\"value\"",
					      "key,value,key_encoding,encoding"};
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
		if (line.len == strlen(headers[i]) &&
		    strncasecmp((const char *)line.data, headers[i], line.len) == 0)
			return true;
	return false;
}

/* A line while nothing has been decided: see the head of import_reader.h. */
static enum import_next take_first(struct import_reader *reader, struct slice line, bool alike,
				   struct buffer *out, size_t *key_len)
{
	bool tab = memchr(line.data, '\t', line.len) != NULL;
	if (kvctl_looks_like_json(line)) {
		enum import_next next = take_json(reader, line, out, key_len);
		if (next != IMPORT_RECORD || tab) {
			reader->decided = true;
			reader->format = KVCTL_JSONL;
		}
		return next;
	}
	if (tab) {
		reader->decided = true;
		reader->format = KVCTL_TSV;
		return take_tsv(reader, line, alike, out, key_len);
	}
	return import_wrong(reader, "neither KEY<tab>VALUE nor a JSON object%s",
			    memchr(line.data, ',', line.len) != NULL
				    ? " (--format csv is for values separated by commas)"
				    : "");
}

static bool is_blank(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
			return false;
	return true;
}

static enum import_next next_of_lines(struct import_reader *reader, struct buffer *out,
				      size_t *key_len)
{
	struct slice line;
	bool terminated = false;
	for (;;) {
		enum import_next next = next_line(reader, &line, &terminated);
		if (next != IMPORT_RECORD)
			return next;
		bool alike = strip_ending(reader, &line, terminated);
		/* A line of tabs alone has an empty key, which is a mistake. */
		if (line.len == 0 ||
		    (is_blank(line) &&
		     (reader->format == KVCTL_JSONL || memchr(line.data, '\t', line.len) == NULL)))
			continue;
		if (memchr(line.data, '\0', line.len) != NULL)
			return import_wrong(reader, "a zero byte: this is no text, or UTF-16 "
						    "(iconv -f UTF-16 -t UTF-8 converts it)");
		if (!reader->decided)
			return take_first(reader, line, alike, out, key_len);
		return reader->format == KVCTL_JSONL ? take_json(reader, line, out, key_len)
						     : take_tsv(reader, line, alike, out, key_len);
	}
}

/* Does the input begin with a header of CSV? */
static bool begins_as_csv(struct import_reader *reader)
{
	struct slice rest;
	const uint8_t *end;
	bool more = true;
	for (;;) {
		/* Looked at anew even when nothing came: the bytes may have moved. */
		rest = rest_of(reader);
		end = memchr(rest.data, '\n', rest.len);
		if (end != NULL || rest.len >= HEADER_BYTES_MAX || !more)
			break;
		more = import_fill(reader);
	}
	struct slice line = slice(rest.data, end != NULL ? (size_t)(end - rest.data) : rest.len);
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	return is_csv_header(line);
}

enum import_next import_reader_next(struct import_reader *reader, struct buffer *out,
				    size_t *key_len)
{
	if (!reader->begun) {
		enum import_next next = begin(reader);
		if (next != IMPORT_RECORD)
			return next;
		if (!reader->decided && begins_as_csv(reader)) {
			reader->decided = true;
			reader->format = KVCTL_CSV;
		}
	}
	if (reader->decided && reader->format == KVCTL_CSV)
		return import_csv_next(reader, out, key_len);
	return next_of_lines(reader, out, key_len);
}
