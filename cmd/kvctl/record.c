/* One record, printed. */
#include <stdio.h>

#include "base/base64.h"
#include "kvctl.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

bool kvctl_parse_format(const char *text, enum kvctl_format *out)
{
	static const char *const names[] = {
		[KVCTL_TSV] = "tsv", [KVCTL_JSONL] = "jsonl", [KVCTL_CSV] = "csv"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(text, names[i]) != 0)
			continue;
		*out = (enum kvctl_format)i;
		return true;
	}
	return false;
}

static size_t skip_blanks(struct slice line, size_t at)
{
	while (at < line.len &&
	       (line.data[at] == ' ' || line.data[at] == '\t' || line.data[at] == '\r'))
		at++;
	return at;
}

bool kvctl_looks_like_json(struct slice line)
{
	size_t first = skip_blanks(line, 0);
	if (first == line.len || (line.data[first] != '{' && line.data[first] != '['))
		return false;
	size_t second = skip_blanks(line, first + 1);
	if (second == line.len)
		return true;
	uint8_t c = line.data[second];
	return line.data[first] == '{' ? c == '"' || c == '}' : c == '{' || c == ']';
}

/* ---- writing ---- */

/* Text that a tab-separated line can carry as it is. */
static bool plain(struct slice s, bool tabs)
{
	for (size_t i = 0; i < s.len; i++)
		if ((s.data[i] < 0x20 && !(tabs && s.data[i] == '\t')) || s.data[i] == 0x7f)
			return false;
	return kvctl_is_text(s);
}

static bool fits_tsv(struct slice key, struct slice value)
{
	return plain(key, false) && plain(value, true) &&
	       !slice_has_prefix(key, slice_string(BYTE_ORDER_MARK));
}

/* False, and nothing appended: the record does not fit, or would be taken for JSON. */
static bool format_tsv(struct buffer *out, struct slice key, struct slice value)
{
	size_t before = out->len;
	if (!fits_tsv(key, value))
		return false;
	buffer_add_slice(out, key);
	buffer_add_u8(out, '\t');
	buffer_add_slice(out, value);
	if (!kvctl_looks_like_json(slice(out->data + before, out->len - before)))
		return true;
	out->len = before;
	return false;
}

static void format_json(struct buffer *out, struct synod_bytes key, struct synod_bytes value)
{
	json_t *object = json_object();
	kvctl_json_bytes(object, "key", key);
	kvctl_json_bytes(object, "value", value);
	size_t size = json_dumpb(object, NULL, 0, JSON_COMPACT);
	buffer_reserve(out, size);
	json_dumpb(object, (char *)out->data + out->len, size, JSON_COMPACT);
	out->len += size;
	json_decref(object);
}

/* Quoted where RFC 4180 asks for it, and where others trim blanks or look for a byte order mark. */
static void format_field(struct buffer *out, struct slice text)
{
	bool quoted = text.len > 0 && (text.data[0] == ' ' || text.data[text.len - 1] == ' ' ||
				       text.data[0] == 0xef);
	for (size_t i = 0; i < text.len && !quoted; i++)
		quoted = text.data[i] < 0x20 || text.data[i] == ',' || text.data[i] == '"';
	if (!quoted) {
		buffer_add_slice(out, text);
		return;
	}
	buffer_add_u8(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '"')
			buffer_add_u8(out, '"');
		buffer_add_u8(out, text.data[i]);
	}
	buffer_add_u8(out, '"');
}

/* True: as base64, since no text file can hold the bytes. */
static bool format_field_bytes(struct buffer *out, struct slice bytes)
{
	if (kvctl_is_text(bytes) && (bytes.len == 0 || memchr(bytes.data, 0, bytes.len) == NULL)) {
		format_field(out, bytes);
		return false;
	}
	base64_encode(out, bytes);
	return true;
}

static void format_csv(struct buffer *out, struct slice key, struct slice value)
{
	bool key_encoded = format_field_bytes(out, key);
	buffer_add_u8(out, ',');
	bool value_encoded = format_field_bytes(out, value);
	buffer_format(out, ",%s,%s\r", key_encoded ? "base64" : "", value_encoded ? "base64" : "");
}

void kvctl_record_format(struct buffer *out, struct synod_bytes key, struct synod_bytes value,
			 enum kvctl_format format)
{
	struct slice k = slice(key.data, key.len), v = slice(value.data, value.len);
	if (format == KVCTL_CSV) {
		format_csv(out, k, v);
	} else if (format != KVCTL_TSV || !format_tsv(out, k, v)) {
		format_json(out, key, value);
	}
}

/* ---- reading JSON ---- */

static const char *take_field(const json_t *object, const char *name, const char *encoding_name,
			      struct buffer *out, char *error, size_t error_size)
{
	static const char *const types[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
		[JSON_INTEGER] = "a number", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",      [JSON_NULL] = "null",
	};
	const json_t *field = json_object_get(object, name);
	const json_t *encoding = json_object_get(object, encoding_name);
	if (field == NULL || !json_is_string(field)) {
		if (field == NULL)
			snprintf(error, error_size, "the object has no \"%s\"", name);
		else
			snprintf(error, error_size, "\"%s\" is %s: it must be a string", name,
				 types[json_typeof(field)]);
		return error;
	}
	struct slice text = slice(json_string_value(field), json_string_length(field));
	if (encoding == NULL) {
		buffer_add_slice(out, text);
		return NULL;
	}
	if (!json_is_string(encoding) || strcmp(json_string_value(encoding), "base64") != 0) {
		snprintf(error, error_size, "\"%s\" is not \"base64\", the only encoding",
			 encoding_name);
		return error;
	}
	if (kvctl_base64_decode(out, text))
		return NULL;
	snprintf(error, error_size, "\"%s\" is malformed base64", name);
	return error;
}

/*
 * What export and get -o json write; another name is a mistake that would silently drop something.
 */
static const char *check_names(json_t *object, char *error, size_t error_size)
{
	static const char *const names[] = {"key",      "value",   "key_encoding",
					    "encoding", "version", "modification"};
	const char *name;
	json_t *value;
	json_object_foreach(object, name, value)
	{
		bool known = false;
		for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
			known |= strcmp(names[i], name) == 0;
		if (known)
			continue;
		snprintf(error, error_size,
			 "unknown member \"%.60s\": known are \"key\", \"value\", \"key_encoding\" "
			 "and "
			 "\"encoding\"",
			 name);
		return error;
	}
	return NULL;
}

static const char *parse_object(json_t *object, struct buffer *out, size_t *key_len, char *error,
				size_t error_size)
{
	size_t before = out->len;
	const char *wrong = check_names(object, error, error_size);
	if (wrong == NULL)
		wrong = take_field(object, "key", "key_encoding", out, error, error_size);
	*key_len = out->len - before;
	if (wrong == NULL)
		wrong = take_field(object, "value", "encoding", out, error, error_size);
	return wrong == NULL && *key_len == 0 ? "the key is empty" : wrong;
}

const char *kvctl_record_parse_json(struct slice line, struct buffer *out, size_t *key_len,
				    char *error, size_t error_size)
{
	size_t first = skip_blanks(line, 0), before = out->len;
	if (first < line.len && line.data[first] == '[')
		return "an array: JSON lines are one object a line (jq -c '.[]' makes them)";
	if (first == line.len || line.data[first] != '{')
		return "no JSON object";
	json_error_t why;
	json_t *object = json_loadb((const char *)line.data, line.len,
				    JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
	if (object == NULL && json_error_code(&why) == json_error_premature_end_of_input)
		return "the object does not end in this line: JSON lines are one object a line (jq "
		       "-c . makes them)";
	if (object == NULL && json_error_code(&why) == json_error_end_of_input_expected)
		return "something stands behind the JSON object";
	if (object == NULL) {
		snprintf(error, error_size, "malformed JSON: %s", why.text);
		return error;
	}
	const char *wrong = parse_object(object, out, key_len, error, error_size);
	json_decref(object);
	if (wrong != NULL)
		out->len = before;
	return wrong;
}
