/*
 * CSV by RFC 4180: fields separated by commas, records by CR LF (or LF). A field in double quotes
 * may hold commas, newlines and quotes, which are doubled. Blanks belong to the field. A first
 * record that names the columns key and value is a header, and its order is theirs; without one
 * there are two fields, key and value.
 */
#include <stdio.h>
#include <strings.h>

#include "base/base64.h"
#include "import_reader.h"

static const char *const names[] = {"key", "value", "key_encoding", "encoding"};
enum { KEY, VALUE, KEY_ENCODING, ENCODING, COLUMNS };

/* The next byte without taking it; -1 at the end or after an error of reading. */
static int peek(struct import_reader *reader)
{
	if (reader->at == reader->input.len && !import_fill(reader))
		return -1;
	return reader->input.data[reader->at];
}

/* Nothing behind a mistake with quotes can be told apart. */
static enum import_next stop(struct import_reader *reader)
{
	reader->ended = true;
	reader->at = reader->input.len;
	return IMPORT_WRONG_LAST;
}

static bool add_byte(struct import_reader *reader, uint8_t c)
{
	if (reader->text.len >= IMPORT_LINE_BYTES_MAX)
		return false;
	buffer_add_u8(&reader->text, c);
	return true;
}

static enum import_next too_long(struct import_reader *reader)
{
	import_wrong(reader, "the record is longer than %u bytes: is a quote not closed?",
		     IMPORT_LINE_BYTES_MAX);
	return stop(reader);
}

/* Behind the opening quote: takes up to the closing one. */
static enum import_next take_quoted(struct import_reader *reader)
{
	for (;;) {
		int c = peek(reader);
		if (reader->error != 0)
			return IMPORT_ERROR;
		if (c < 0) {
			import_wrong(reader, "a quote is not closed before the end of the file");
			return stop(reader);
		}
		reader->at++;
		reader->lines += c == '\n';
		if (c == '\0') {
			import_wrong(reader, "a zero byte: this is no text (base64 in the column "
					     "encoding is for bytes)");
			return stop(reader);
		}
		if (c == '"') {
			if (peek(reader) != '"')
				return reader->error != 0 ? IMPORT_ERROR : IMPORT_RECORD;
			reader->at++;
		}
		if (!add_byte(reader, (uint8_t)c))
			return too_long(reader);
	}
}

/* At the end of a record: takes LF or CR LF. False: something else is there. */
static bool take_end(struct import_reader *reader)
{
	int c = peek(reader);
	if (c == '\r') {
		reader->at++;
		c = peek(reader);
		if (c >= 0 && c != '\n')
			return false;
	}
	if (c == '\n') {
		reader->at++;
		reader->lines++;
	}
	return c == '\n' || c < 0;
}

static enum import_next take_field(struct import_reader *reader, bool *quoted)
{
	*quoted = peek(reader) == '"';
	if (*quoted) {
		reader->at++;
		enum import_next next = take_quoted(reader);
		int c = next == IMPORT_RECORD ? peek(reader) : -1;
		if (c < 0 || c == ',' || c == '\r' || c == '\n')
			return next;
		import_wrong(reader,
			     "something stands behind a closing quote (a quote inside is doubled)");
		return stop(reader);
	}
	for (int c; (c = peek(reader)) >= 0 && c != ',' && c != '\r' && c != '\n'; reader->at++) {
		if (c == '"') {
			import_wrong(reader, "a quote inside a field that does not begin with one");
			return stop(reader);
		}
		if (c == '\0') {
			import_wrong(reader, "a zero byte: this is no text, or UTF-16");
			return stop(reader);
		}
		if (!add_byte(reader, (uint8_t)c))
			return too_long(reader);
	}
	return reader->error != 0 ? IMPORT_ERROR : IMPORT_RECORD;
}

/* One record into text and ends. */
static enum import_next take_record(struct import_reader *reader)
{
	bool quoted;
	do {
		buffer_clear(&reader->text);
		reader->nfields = 0;
		reader->line = reader->lines + 1;
		if (peek(reader) < 0)
			return reader->error != 0 ? IMPORT_ERROR : IMPORT_END;
		for (;;) {
			enum import_next next = take_field(reader, &quoted);
			if (next != IMPORT_RECORD)
				return next;
			if (reader->nfields == IMPORT_FIELDS_MAX) {
				import_wrong(reader, "more than %u fields", IMPORT_FIELDS_MAX);
				return stop(reader);
			}
			reader->ends[reader->nfields++] = reader->text.len;
			if (peek(reader) != ',')
				break;
			reader->at++;
		}
		if (!take_end(reader)) {
			if (reader->error != 0)
				return IMPORT_ERROR;
			import_wrong(reader,
				     "a carriage return without a newline, outside of quotes");
			return stop(reader);
		}
		if (reader->error != 0)
			return IMPORT_ERROR;
		/* An empty line. */
	} while (reader->nfields == 1 && reader->text.len == 0 && !quoted);
	return IMPORT_RECORD;
}

static struct slice field(const struct import_reader *reader, int column)
{
	if (column < 0 || (size_t)column >= reader->nfields)
		return slice(NULL, 0);
	size_t begin = column == 0 ? 0 : reader->ends[column - 1];
	return slice(reader->text.data + begin, reader->ends[column] - begin);
}

static int column_named(struct slice text)
{
	for (int i = 0; i < COLUMNS; i++)
		if (text.len == strlen(names[i]) &&
		    strncasecmp((const char *)text.data, names[i], text.len) == 0)
			return i;
	return -1;
}

/* Looks at the first record. *header: it is one. */
static enum import_next learn_columns(struct import_reader *reader, bool *header)
{
	int found[COLUMNS] = {-1, -1, -1, -1}, unknown = -1;
	bool twice = false;
	for (int i = 0; i < (int)reader->nfields; i++) {
		int column = column_named(field(reader, i));
		if (column < 0) {
			unknown = i;
			continue;
		}
		twice |= found[column] >= 0;
		found[column] = i;
	}
	*header = found[KEY] >= 0 && found[VALUE] >= 0;
	reader->has_header = *header;
	reader->ncolumns = *header ? reader->nfields : 2;
	reader->columns[KEY] = *header ? found[KEY] : 0;
	reader->columns[VALUE] = *header ? found[VALUE] : 1;
	reader->columns[KEY_ENCODING] = *header ? found[KEY_ENCODING] : -1;
	reader->columns[ENCODING] = *header ? found[ENCODING] : -1;
	if (*header && twice) {
		import_wrong(reader, "the header names a column twice");
		return stop(reader);
	}
	if (*header && unknown >= 0) {
		struct slice name = field(reader, unknown);
		import_wrong(reader,
			     "the header names a column \"%.*s\": known are key, value, "
			     "key_encoding and encoding",
			     (int)(name.len < 40 ? name.len : 40), (const char *)name.data);
		return stop(reader);
	}
	return IMPORT_RECORD;
}

/* Appends a field, decoded if its encoding column says so. */
static enum import_next add_field(struct import_reader *reader, int column, struct buffer *out)
{
	struct slice text = field(reader, reader->columns[column]);
	struct slice encoding = field(reader,
				      reader->columns[column == KEY ? KEY_ENCODING : ENCODING]);
	if (encoding.len == 0) {
		buffer_add_slice(out, text);
		return IMPORT_RECORD;
	}
	if (!slice_equal(encoding, slice_string("base64")))
		return import_wrong(reader, "the column %s is neither empty nor base64",
				    column == KEY ? "key_encoding" : "encoding");
	return kvctl_base64_decode(out, text)
		       ? IMPORT_RECORD
		       : import_wrong(reader, "the column %s is malformed base64", names[column]);
}

static enum import_next make_record(struct import_reader *reader, struct buffer *out,
				    size_t *key_len)
{
	size_t before = out->len;
	if (reader->nfields != reader->ncolumns) {
		if (reader->nfields == 1 &&
		    memchr(reader->text.data, ';', reader->text.len) != NULL)
			return import_wrong(
				reader,
				"no comma, but a semicolon: fields are separated by commas");
		if (reader->nfields == 1)
			return import_wrong(reader,
					    "the value is missing: one field, %zu are expected",
					    reader->ncolumns);
		return import_wrong(
			reader, "%zu fields, %zu are expected%s", reader->nfields, reader->ncolumns,
			reader->has_header
				? " after the header"
				: ": key and value (a comma inside one needs quotes around it)");
	}
	enum import_next next = add_field(reader, KEY, out);
	*key_len = out->len - before;
	if (next == IMPORT_RECORD)
		next = add_field(reader, VALUE, out);
	if (next == IMPORT_RECORD)
		next = import_judge(reader, out, before, *key_len);
	return next;
}

enum import_next import_csv_next(struct import_reader *reader, struct buffer *out, size_t *key_len)
{
	enum import_next next = take_record(reader);
	if (next == IMPORT_RECORD && !reader->seen_any) {
		bool header;
		reader->seen_any = true;
		next = learn_columns(reader, &header);
		if (next == IMPORT_RECORD && header)
			next = take_record(reader);
	}
	return next == IMPORT_RECORD ? make_record(reader, out, key_len) : next;
}
