/* Keys and parameters in URLs: http_kv.h. */
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "host/http_kv_internal.h"

#define KEY_PATH "/get/"

static bool parse_timeout(const char *text, uint32_t *out)
{
	uint32_t value = 0;
	for (const char *c = text; *c != '\0'; c++) {
		if (*c < '0' || *c > '9')
			return false;
		value = value * 10 + (uint32_t)(*c - '0');
		if (value > HTTP_KV_TIMEOUT_MS_MAX)
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

/* NULL, or what would be right. */
static const char *set_parameter(struct parameters *out, const char *name, const char *value)
{
	if (strcmp(name, "timeout_ms") == 0)
		return parse_timeout(value, &out->timeout_ms) ? NULL : "must be 1 to 60000";
	if (strcmp(name, "encoding") == 0)
		return parse_choice(value, "base64", NULL, &out->base64) ? NULL : "can only be base64";
	if (strcmp(name, "key_encoding") == 0)
		return parse_choice(value, "base64", NULL, &out->key_base64) ? NULL : "can only be base64";
	if (strcmp(name, "redirect") == 0)
		return parse_choice(value, "true", "false", &out->redirect) ? NULL : "must be true or false";
	return "is no parameter: timeout_ms, encoding, key_encoding, redirect are";
}

bool http_kv_parameters(struct evhttp_request *request, struct parameters *out, char error[KV_JSON_ERROR_BYTES])
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
	struct evkeyvalq pairs;
	const char *wrong = NULL;
	*out = (struct parameters){.timeout_ms = HTTP_KV_TIMEOUT_MS};
	if (query == NULL || query[0] == '\0')
		return true;
	if (evhttp_parse_query_str(query, &pairs) != 0) {
		snprintf(error, KV_JSON_ERROR_BYTES, "malformed parameters: expected name=value&name=value");
		return false;
	}
	for (const struct evkeyval *pair = pairs.tqh_first; pair != NULL && wrong == NULL; pair = pair->next.tqe_next) {
		wrong = set_parameter(out, pair->key, pair->value);
		if (wrong != NULL)
			snprintf(error, KV_JSON_ERROR_BYTES, "'%.40s' %s", pair->key, wrong);
	}
	evhttp_clear_headers(&pairs);
	return wrong == NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX may stand for any byte, also for 0 and '/'. */
static bool decode_percent(const char *text, uint8_t *out, size_t *len)
{
	*len = 0;
	for (; *text != '\0'; text++) {
		if (*text != '%') {
			out[(*len)++] = (uint8_t)*text;
			continue;
		}
		int high = hex_digit(text[1]);
		int low = high < 0 ? -1 : hex_digit(text[2]);
		if (low < 0)
			return false;
		out[(*len)++] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	return true;
}

const char *http_kv_key(struct evhttp_request *request, const struct parameters *parameters, struct arena *arena,
			struct slice *out)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
	ASSERT(strncmp(path, KEY_PATH, strlen(KEY_PATH)) == 0);
	path += strlen(KEY_PATH);
	uint8_t *bytes = arena_get(arena, strlen(path) + 1);
	size_t len;
	if (!decode_percent(path, bytes, &len))
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

bool http_kv_location(struct evhttp_request *request, const char *address, struct buffer *out)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = evhttp_uri_get_path(uri);
	const char *query = evhttp_uri_get_query(uri);
	if (!printable(address) || !printable(path) || (query != NULL && !printable(query)))
		return false;
	buffer_format(out, "http://%s%s%s%s", address, path, query != NULL ? "?" : "", query != NULL ? query : "");
	return true;
}

struct slice http_kv_first_key(const struct wire_kv_command *command)
{
	if (command->nthen > 0)
		return command->then[0].key;
	return command->nwhen > 0 ? command->when[0].key : command->otherwise[0].key;
}
