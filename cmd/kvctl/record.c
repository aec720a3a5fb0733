#include "kvctl.h"

/* Text that a tab-separated line can carry as it is. */
static bool plain(struct slice s, bool tabs)
{
	for (size_t i = 0; i < s.len; i++)
		if ((s.data[i] < 0x20 && !(tabs && s.data[i] == '\t')) || s.data[i] == 0x7f)
			return false;
	return kvctl_is_text(s);
}

static bool looks_like_json(struct slice line)
{
	return line.len >= 2 && line.data[0] == '{' && line.data[line.len - 1] == '}';
}

void kvctl_record_format(struct buffer *out, struct synod_bytes key, struct synod_bytes value, bool json)
{
	struct slice k = slice(key.data, key.len), v = slice(value.data, value.len);
	if (!json && plain(k, false) && plain(v, true)) {
		size_t before = out->len;
		buffer_add_slice(out, k);
		buffer_add_u8(out, '\t');
		buffer_add_slice(out, v);
		if (!looks_like_json(slice(out->data + before, out->len - before)))
			return;
		out->len = before;
	}
	json_t *object = json_object();
	kvctl_json_bytes(object, "key", key);
	kvctl_json_bytes(object, "value", value);
	size_t size = json_dumpb(object, NULL, 0, JSON_COMPACT);
	buffer_reserve(out, size);
	json_dumpb(object, (char *)out->data + out->len, size, JSON_COMPACT);
	out->len += size;
	json_decref(object);
}

static const char *take_field(const json_t *object, const char *name, const char *encoding_name,
			      struct buffer *out)
{
	const json_t *field = json_object_get(object, name);
	const json_t *encoding = json_object_get(object, encoding_name);
	if (!json_is_string(field))
		return "the object needs \"key\" and \"value\", both strings";
	struct slice text = slice(json_string_value(field), json_string_length(field));
	if (encoding == NULL) {
		buffer_add_slice(out, text);
		return NULL;
	}
	if (!json_is_string(encoding) || strcmp(json_string_value(encoding), "base64") != 0)
		return "the encoding is not \"base64\"";
	return kvctl_base64_decode(out, text) ? NULL : "malformed base64";
}

static const char *parse_object(const json_t *object, struct buffer *out, size_t *key_len)
{
	size_t before = out->len;
	const char *wrong = take_field(object, "key", "key_encoding", out);
	if (wrong != NULL)
		return wrong;
	*key_len = out->len - before;
	return take_field(object, "value", "encoding", out);
}

const char *kvctl_record_parse(struct slice line, struct buffer *out, size_t *key_len)
{
	const uint8_t *tab = line.len > 0 ? memchr(line.data, '\t', line.len) : NULL;
	const char *wrong = NULL;
	size_t before = out->len;
	if (looks_like_json(line)) {
		json_error_t error;
		json_t *object = json_loadb((const char *)line.data, line.len, JSON_ALLOW_NUL, &error);
		if (object != NULL) {
			wrong = parse_object(object, out, key_len);
			json_decref(object);
			return wrong == NULL && *key_len == 0 ? "the key is empty" : wrong;
		}
		/* A key may begin with a brace: {tag}… */
		if (tab == NULL)
			return "malformed JSON";
	}
	if (tab == NULL)
		return "no tab between key and value, and no JSON object";
	*key_len = (size_t)(tab - line.data);
	buffer_add(out, line.data, *key_len);
	buffer_add(out, tab + 1, line.len - *key_len - 1);
	if (*key_len == 0) {
		out->len = before;
		return "the key is empty";
	}
	return NULL;
}
