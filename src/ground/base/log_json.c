/* … and as JSON. */
#include "base/log_json.h"

#include "base/utf8.h"

#define INTEGER_DIGITS_MAX 20u /* of UINT64_MAX */

static void add_text(struct buffer *out, const char *text)
{
	buffer_add(out, text, strlen(text));
}

/* Adds the character at the front of *s to a JSON string and drops it. */
static void add_character(struct buffer *out, struct slice *s)
{
	uint8_t c = s->data[0];
	size_t len = utf8_length(s->data, s->len);

	if (len == 0)
		buffer_format(out, "\\\\x%02x", c);
	else if (c == '"' || c == '\\')
		buffer_format(out, "\\%c", c);
	else if (c == '\n')
		add_text(out, "\\n");
	else if (c < 0x20 || c == 0x7f)
		buffer_format(out, "\\u%04x", c);
	else
		buffer_add(out, s->data, len);
	len = len == 0 ? 1 : len;
	*s = slice(s->data + len, s->len - len);
}

void log_json_string(struct buffer *out, struct slice s)
{
	buffer_add_u8(out, '"');
	while (s.len > 0)
		add_character(out, &s);
	buffer_add_u8(out, '"');
}

static bool is_integer(struct slice s)
{
	size_t first = s.len > 0 && s.data[0] == '-' ? 1 : 0;
	size_t digits = s.len - first;

	if (digits == 0 || digits > INTEGER_DIGITS_MAX || (digits > 1 && s.data[first] == '0'))
		return false;
	for (size_t i = first; i < s.len; i++)
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
	return true;
}

bool log_json_literal(struct slice s)
{
	return is_integer(s) || slice_equal(s, slice_string("true")) ||
	       slice_equal(s, slice_string("false"));
}

static struct slice take_until(struct slice *s, const char *stops)
{
	size_t len = 0;
	while (len < s->len && memchr(stops, s->data[len], strlen(stops)) == NULL)
		len++;
	struct slice taken = slice(s->data, len);
	*s = slice(s->data + len, s->len - len);
	return taken;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* *s is at a backslash inside quotes, as log_quote() wrote it. */
static void take_escape(struct buffer *out, struct slice *s)
{
	int high = s->len >= 4 && s->data[1] == 'x' ? hex_digit(s->data[2]) : -1;
	int low = high >= 0 ? hex_digit(s->data[3]) : -1;

	if (low >= 0) {
		uint8_t byte = (uint8_t)(high << 4 | low);
		struct slice one = slice(&byte, 1);
		add_character(out, &one);
		*s = slice(s->data + 4, s->len - 4);
	} else if (s->len >= 2) {
		uint8_t c = s->data[1];
		uint8_t meant = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
		/*
		 * The escaped character may be the first byte of a longer one: only ASCII is taken
		 * here.
		 */
		struct slice one = slice(&meant, 1);
		*s = slice(s->data + 1, s->len - 1);
		if (meant < 0x80) {
			add_character(out, &one);
			*s = slice(s->data + 1, s->len - 1);
		}
	} else {
		add_character(out, s);
	}
}

/* *s is behind the opening quote. A quote that is never closed ends with the text. */
static void take_quoted(struct buffer *out, struct slice *s)
{
	buffer_add_u8(out, '"');
	while (s->len > 0 && s->data[0] != '"') {
		if (s->data[0] == '\\')
			take_escape(out, s);
		else
			add_character(out, s);
	}
	if (s->len > 0)
		*s = slice(s->data + 1, s->len - 1);
	buffer_add_u8(out, '"');
}

static void take_value(struct buffer *out, struct slice *s)
{
	if (s->len > 0 && s->data[0] == '"') {
		*s = slice(s->data + 1, s->len - 1);
		take_quoted(out, s);
		return;
	}
	struct slice value = take_until(s, " ");
	if (log_json_literal(value))
		buffer_add_slice(out, value);
	else
		log_json_string(out, value);
}

void log_json_members(struct buffer *out, struct slice logfmt)
{
	for (;;) {
		while (logfmt.len > 0 && logfmt.data[0] == ' ')
			logfmt = slice(logfmt.data + 1, logfmt.len - 1);
		if (logfmt.len == 0)
			return;
		buffer_add_u8(out, ',');
		log_json_string(out, take_until(&logfmt, "= "));
		buffer_add_u8(out, ':');
		if (logfmt.len == 0 || logfmt.data[0] != '=') {
			add_text(out, "true");
			continue;
		}
		logfmt = slice(logfmt.data + 1, logfmt.len - 1);
		take_value(out, &logfmt);
	}
}
