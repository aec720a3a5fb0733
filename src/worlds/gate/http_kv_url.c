/* Keys and parameters in URLs: http_kv.h. */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "gate/http_kv_internal.h"

#define KEY_PATH "/get/"

static bool parse_ms(const char *text, uint32_t max, uint32_t *out)
{
	uint32_t value = 0;
	for (const char *c = text; *c != '\0'; c++) {
		if (*c < '0' || *c > '9')
			return false;
		value = value * 10 + (uint32_t)(*c - '0');
		if (value > max)
			return false;
	}
	*out = value;
	return value > 0;
}

static bool parse_choice(const char *text, const char *yes, const char *no, bool *out)
{
	*out = strcmp(text, yes) == 0;
	return *out || (no != NULL && strcmp(text, no) == 0);
}

/* NULL, or what would be right. `seen`: the parameters before this one, as bits. */
static const char *set_parameter(struct parameters *out, unsigned *seen, const char *name,
				 const char *value)
{
	static const char *const names[] = {"timeout_ms", "encoding",    "key_encoding", "redirect",
					    "forward",    "consistency", "max_age_ms"};
	unsigned i = 0;
	while (i < sizeof names / sizeof names[0] && strcmp(name, names[i]) != 0)
		i++;
	if ((*seen & 1u << i) != 0)
		return "stands twice";
	*seen |= 1u << i;
	switch (i) {
	case 0:
		return parse_ms(value, HTTP_KV_TIMEOUT_MS_MAX, &out->timeout_ms)
			       ? NULL
			       : "must be 1 to 60000";
	case 1:
		return parse_choice(value, "base64", NULL, &out->base64) ? NULL
									 : "can only be base64";
	case 2:
		return parse_choice(value, "base64", NULL, &out->key_base64) ? NULL
									     : "can only be base64";
	case 3:
		return parse_choice(value, "true", "false", &out->redirect)
			       ? NULL
			       : "must be true or false";
	case 4:
		return parse_choice(value, "true", "false", &out->forward)
			       ? NULL
			       : "must be true or false";
	case 5:
		return parse_choice(value, "stale", "linearizable", &out->stale)
			       ? NULL
			       : "must be linearizable or stale";
	case 6:
		return parse_ms(value, HTTP_KV_AGE_MS_MAX, &out->max_age_ms)
			       ? NULL
			       : "must be 1 to 86400000";
	}
	return "is no parameter: timeout_ms, encoding, key_encoding, redirect, forward, "
	       "consistency, max_age_ms are";
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX may stand for any byte, also for 0 and '/'. */
static bool decode_percent(const char *text, size_t text_len, uint8_t *out, size_t *len)
{
	*len = 0;
	for (size_t i = 0; i < text_len; i++) {
		if (text[i] != '%') {
			out[(*len)++] = (uint8_t)text[i];
			continue;
		}
		if (text_len - i < 3 || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0)
			return false;
		out[(*len)++] = (uint8_t)(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
		i += 2;
	}
	return true;
}

#define PARAMETER_BYTES_MAX 128u

/* "name=value", of `len` bytes, into two texts. */
static bool split_parameter(const char *text, size_t len, char name[PARAMETER_BYTES_MAX + 1],
			    char value[PARAMETER_BYTES_MAX + 1])
{
	const char *equals = memchr(text, '=', len);
	size_t decoded;
	if (equals == NULL || equals == text || len > PARAMETER_BYTES_MAX)
		return false;
	size_t name_len = (size_t)(equals - text);
	if (!decode_percent(text, name_len, (uint8_t *)name, &decoded))
		return false;
	name[decoded] = '\0';
	bool whole = strlen(name) == decoded;
	if (!decode_percent(equals + 1, len - name_len - 1, (uint8_t *)value, &decoded))
		return false;
	value[decoded] = '\0';
	return whole && strlen(value) == decoded;
}

/* One parameter; false: `error` says what is wrong. */
static bool take_parameter(struct parameters *out, unsigned *seen, const char *text, size_t len,
			   char error[KV_JSON_ERROR_BYTES])
{
	char name[PARAMETER_BYTES_MAX + 1], value[PARAMETER_BYTES_MAX + 1];
	if (!split_parameter(text, len, name, value)) {
		snprintf(error, KV_JSON_ERROR_BYTES,
			 "malformed parameters: expected name=value&name=value");
		return false;
	}
	const char *wrong = set_parameter(out, seen, name, value);
	if (wrong != NULL)
		snprintf(error, KV_JSON_ERROR_BYTES, "'%.40s' %s", name, wrong);
	return wrong == NULL;
}

bool http_kv_parameters(struct http_request *request, struct parameters *out,
			char error[KV_JSON_ERROR_BYTES])
{
	const char *query = http_request_query(request);
	unsigned seen = 0;
	*out = (struct parameters){.timeout_ms = HTTP_KV_TIMEOUT_MS, .forward = true};
	while (*query != '\0') {
		size_t len = strcspn(query, "&");
		if (!take_parameter(out, &seen, query, len, error))
			return false;
		query += len + (query[len] == '&');
	}
	if (out->max_age_ms != 0 && !out->stale) {
		snprintf(error, KV_JSON_ERROR_BYTES, "'max_age_ms' goes with consistency=stale");
		return false;
	}
	return true;
}

const char *http_kv_key(struct http_request *request, const struct parameters *parameters,
			struct arena *arena, struct slice *out)
{
	const char *path = http_request_path(request);
	ASSERT(strncmp(path, KEY_PATH, strlen(KEY_PATH)) == 0);
	path += strlen(KEY_PATH);
	uint8_t *bytes = arena_get(arena, strlen(path) + 1);
	size_t len;
	if (!decode_percent(path, strlen(path), bytes, &len))
		return "malformed %XX in the key";
	if (parameters->key_base64 && !base64_decode(slice(bytes, len), bytes, &len))
		return "the key is malformed base64";
	*out = slice(bytes, len);
	return len > 0 ? NULL : "the key is empty";
}

static bool printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= 0x20 || *text > 0x7e)
			return false;
	return true;
}

bool http_kv_location(struct http_request *request, const char *address, struct buffer *out)
{
	const char *path = http_request_path(request);
	const char *query = http_request_query(request);
	if (!printable(address) || !printable(path) || !printable(query))
		return false;
	buffer_format(out, "http://%s%s%s%s", address, path, query[0] != '\0' ? "?" : "", query);
	return true;
}

struct slice http_kv_first_key(const struct wire_kv_command *command)
{
	if (command->nthen > 0)
		return command->then[0].key;
	return command->nwhen > 0 ? command->when[0].key : command->otherwise[0].key;
}
