/*
 * libFuzzer: requests over HTTP. The first byte says how the rest is cut into pieces. However it is
 * cut, the same requests are read and the same refusal is said; what is accepted is within its
 * bounds, and written down again it is read as the same, so that nobody else can take it for
 * something different.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "gate/http_parse.h"

#define BODY_BYTES_MAX 4096u

static const char *method_name(enum http_method method)
{
	switch (method) {
	case HTTP_GET: return "GET";
	case HTTP_HEAD: return "HEAD";
	case HTTP_POST: return "POST";
	case HTTP_PUT: return "PUT";
	case HTTP_DELETE: return "DELETE";
	case HTTP_OPTIONS: return "OPTIONS";
	case HTTP_PATCH: return "PATCH";
	}
	ASSERT(false);
	return "";
}

/* The request in one form only. */
static void write_request(const struct http_parser *p, struct buffer *out)
{
	struct slice host = slice_string("x");
	(void)http_parser_field(p, "Host", &host);
	buffer_format(out, "%s %s", method_name(p->method), (const char *)p->path.data);
	if (p->query.len > 0)
		buffer_format(out, "?%s", (const char *)p->query.data);
	buffer_format(out,
		      " HTTP/1.%u\r\nHost: %.*s\r\nConnection: %s\r\nContent-Length: %zu\r\n\r\n",
		      p->minor, (int)host.len, (const char *)host.data,
		      p->keep_alive ? "keep-alive" : "close", p->body.len);
	buffer_add_slice(out, buffer_slice(&p->body));
}

static void check_text(const struct buffer *text)
{
	ASSERT(text->len > 0 && text->data[text->len - 1] == '\0');
	for (size_t i = 0; i + 1 < text->len; i++)
		ASSERT(text->data[i] > 0x20 && text->data[i] != 0x7f && text->data[i] != '#');
}

static void check_request(const struct http_parser *p)
{
	ASSERT(p->body.len <= BODY_BYTES_MAX && p->nfields <= HTTP_FIELDS_MAX &&
	       p->head.len <= HTTP_HEAD_BYTES_MAX);
	ASSERT(p->minor <= 1);
	check_text(&p->path);
	ASSERT(p->path.data[0] == '/' || (p->method == HTTP_OPTIONS && p->path.data[0] == '*'));
	if (p->query.len > 0)
		check_text(&p->query);
	struct slice value;
	ASSERT(p->minor == 0 || http_parser_field(p, "host", &value));
	ASSERT(!http_parser_field(p, "content-length", &value) ||
	       !http_parser_field(p, "transfer-encoding", &value));
}

static void check_again(const struct http_parser *p, const struct buffer *written)
{
	struct http_parser again = {.body_bytes_max = BODY_BYTES_MAX};
	struct buffer twice = {0};
	struct slice in = buffer_slice(written);
	/* The canonical form may be a little longer than the request was. */
	if (written->len - p->body.len > HTTP_HEAD_BYTES_MAX)
		return;
	enum http_parsed parsed = http_parser_feed(&again, &in);
	ASSERT(parsed == HTTP_DONE && in.len == 0);
	write_request(&again, &twice);
	ASSERT(slice_equal(buffer_slice(&twice), buffer_slice(written)));
	buffer_free(&twice);
	http_parser_free(&again);
}

/* All requests of `bytes`, fed in pieces of `step`, and then the refusal, as text. */
static void parse(struct slice bytes, size_t step, struct buffer *out)
{
	struct http_parser p = {.body_bytes_max = BODY_BYTES_MAX};
	bool refused = false;
	while (bytes.len > 0 && !refused) {
		struct slice in = slice(bytes.data, bytes.len < step ? bytes.len : step);
		size_t len = in.len;
		/* An exact allocation, so that reading one byte too far is seen. */
		uint8_t *copy = malloc(len);
		ASSERT(copy != NULL);
		memcpy(copy, in.data, len);
		in.data = copy;
		enum http_parsed parsed = http_parser_feed(&p, &in);
		ASSERT(in.len <= len &&
		       (in.len == 0 || parsed == HTTP_DONE || parsed == HTTP_REFUSED));
		free(copy);
		bytes = slice(bytes.data + (len - in.len), bytes.len - (len - in.len));
		refused = parsed == HTTP_REFUSED;
		if (refused) {
			ASSERT(p.code >= 400 && p.code <= 505 && p.why != NULL);
			buffer_format(out, "%d %s", p.code, p.why);
		}
		if (parsed != HTTP_DONE)
			continue;
		struct buffer written = {0};
		check_request(&p);
		write_request(&p, &written);
		check_again(&p, &written);
		buffer_add_slice(out, buffer_slice(&written));
		buffer_free(&written);
		http_parser_next(&p);
	}
	http_parser_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice(data, size);
	struct buffer whole = {0}, pieces = {0};
	size_t step = (size_t)input_u8(&in) + 1;
	if (in.len > 65536)
		return 0;
	parse(in, in.len + 1, &whole);
	parse(in, step, &pieces);
	ASSERT(slice_equal(buffer_slice(&whole), buffer_slice(&pieces)));
	buffer_free(&whole);
	buffer_free(&pieces);
	return 0;
}
