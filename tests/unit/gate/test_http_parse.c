/*
 * The grammar of HTTP, alone: every request of the tables however it is cut into pieces, limits,
 * and what a request looks like when it has been read.
 */
#include "../support/check_main.h"
#include "gate/http_parse.h"
#include "http_requests.h"

#define BODY_BYTES_MAX 1024u

/*
 * Feeds `bytes` in pieces of `step`; what was read of each request is written as in the table. The
 * code of the refusal, or 0.
 */
static int parse(struct slice bytes, size_t step, struct buffer *bodies, bool *stays)
{
	struct http_parser p = {.body_bytes_max = BODY_BYTES_MAX};
	int code = 0;
	*stays = true;
	while (bytes.len > 0 && code == 0) {
		struct slice in = slice(bytes.data, bytes.len < step ? bytes.len : step);
		size_t len = in.len;
		enum http_parsed parsed = http_parser_feed(&p, &in);
		bytes = slice(bytes.data + (len - in.len), bytes.len - (len - in.len));
		if (parsed == HTTP_REFUSED)
			code = p.code;
		if (parsed != HTTP_DONE)
			continue;
		buffer_add_slice(bodies, buffer_slice(&p.body));
		buffer_add_u8(bodies, '|');
		*stays = p.keep_alive;
		http_parser_next(&p);
	}
	ck_assert(code != 0 || !http_parser_begun(&p));
	ck_assert(code == 0 || strlen(p.why) > 0);
	http_parser_free(&p);
	return code;
}

static const size_t STEPS[] = {1, 2, 3, 7, 1u << 20};
#define NSTEPS (sizeof STEPS / sizeof STEPS[0])

/* Every odd request is refused with its code, and nothing of it is taken for a request. */
START_TEST(every_odd_request_is_refused_with_its_code)
{
	for (size_t i = 0; i < ODD_COUNT; i++) {
		for (size_t s = 0; s < NSTEPS; s++) {
			struct buffer bodies = {0};
			bool stays;
			int code = parse(ODD_REQUESTS[i].bytes, STEPS[s], &bodies, &stays);
			ck_assert_msg(code == ODD_REQUESTS[i].code, "%s, by %zu: %d",
				      ODD_REQUESTS[i].name, STEPS[s], code);
			ck_assert_uint_eq(bodies.len, 0);
			buffer_free(&bodies);
		}
	}
}
END_TEST

/* Every good one is read, and what follows it too. */
START_TEST(every_good_request_is_read)
{
	for (size_t i = 0; i < GOOD_COUNT; i++) {
		const struct good_request *request = &GOOD_REQUESTS[i];
		for (size_t s = 0; s < NSTEPS; s++) {
			struct buffer bodies = {0};
			bool stays;
			int code = parse(request->bytes, STEPS[s], &bodies, &stays);
			ck_assert_msg(code == 0, "%s, by %zu: %d", request->name, STEPS[s], code);
			ck_assert_msg(
				slice_equal(buffer_slice(&bodies), slice_string(request->bodies)),
				"%s: %.*s", request->name, (int)bodies.len,
				(const char *)bodies.data);
			ck_assert_msg(stays == request->stays, "%s", request->name);
			buffer_free(&bodies);
		}
	}
}
END_TEST

/* A request that is cut off anywhere is no request, and no mistake either. */
START_TEST(a_request_that_is_cut_off_is_none)
{
	for (size_t i = 0; i < GOOD_COUNT; i++) {
		struct slice bytes = GOOD_REQUESTS[i].bytes;
		for (size_t len = 0; len < bytes.len; len++) {
			struct http_parser p = {.body_bytes_max = BODY_BYTES_MAX};
			struct slice in = slice(bytes.data, len);
			enum http_parsed parsed = http_parser_feed(&p, &in);
			ck_assert(parsed != HTTP_REFUSED);
			ck_assert(parsed == HTTP_DONE || in.len == 0);
			http_parser_free(&p);
		}
	}
}
END_TEST

static int code_of(const struct buffer *request)
{
	struct buffer bodies = {0};
	bool stays;
	int code = parse(buffer_slice(request), 4096, &bodies, &stays);
	buffer_free(&bodies);
	return code;
}

/*
 * Lines, heads, extensions and trailers have bounds, and are refused as soon as they pass them,
 * without waiting for their end.
 */
START_TEST(lines_heads_and_trailers_are_bounded)
{
	static const struct {
		const char *before, *repeated;
		int code;
	} floods[] = {
		{"GET /", "a", 414},
		{"A", "A", 414},
		{"GET / HTTP/1.1\r\nHost: x\r\nA: ", "b", 431},
		{"GET / HTTP/1.1\r\nHost: x\r\n", "A: b\r\n", 431},
		{"GET / HTTP/1.1\r\nHost: x\r\n", "A", 431},
		{"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;", "a", 400},
		{"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "0", 400},
		{"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		 "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n", 400},
		{"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n",
		 400},
		{"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		 "80\r\n"
		 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0"
		 "123456789abcdef0123456789abcdef"
		 "0123456789abcdef\r\n",
		 413},
	};
	for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++) {
		struct buffer request = {0};
		buffer_format(&request, "%s", floods[i].before);
		while (request.len < 40000)
			buffer_format(&request, "%s", floods[i].repeated);
		ck_assert_msg(code_of(&request) == floods[i].code, "%zu: %d", i, code_of(&request));
		buffer_free(&request);
	}
}
END_TEST

/* As many headers as may be, and a head of exactly the length that may be. */
START_TEST(as_many_headers_as_may_be_are_read)
{
	struct buffer request = {0};
	buffer_format(&request, "GET / HTTP/1.1\r\nHost: x\r\n");
	for (unsigned i = 1; i < HTTP_FIELDS_MAX; i++)
		buffer_format(&request, "A: b\r\n");
	buffer_format(&request, "\r\n");
	ck_assert_int_eq(code_of(&request), 0);
	for (unsigned more = 0; more < 2; more++) {
		buffer_clear(&request);
		buffer_format(&request, "GET / HTTP/1.1\r\nHost: x\r\nA: ");
		while (request.len < HTTP_HEAD_BYTES_MAX - 4 + more)
			buffer_add_u8(&request, 'b');
		buffer_format(&request, "\r\n\r\n");
		ck_assert_int_eq(code_of(&request), more == 0 ? 0 : 431);
	}
	buffer_clear(&request);
	buffer_format(&request, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %u\r\n\r\n",
		      BODY_BYTES_MAX);
	for (unsigned i = 0; i < BODY_BYTES_MAX; i++)
		buffer_add_u8(&request, 'b');
	ck_assert_int_eq(code_of(&request), 0);
	buffer_free(&request);
}
END_TEST

static enum http_parsed feed(struct http_parser *p, const char *text)
{
	struct slice in = slice_string(text);
	return http_parser_feed(p, &in);
}

/* What the client waits for is said once, and only if the body has not begun to come. */
START_TEST(an_expectation_is_reported_once)
{
	struct http_parser p = {.body_bytes_max = BODY_BYTES_MAX};
	ck_assert_int_eq(feed(&p, "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"),
			 HTTP_MORE);
	ck_assert_int_eq(feed(&p, "Content-Length: 2\r\n\r\n"), HTTP_EXPECTS);
	ck_assert_int_eq(feed(&p, "a"), HTTP_MORE);
	ck_assert_int_eq(feed(&p, "b"), HTTP_DONE);
	http_parser_next(&p);
	ck_assert_int_eq(feed(&p, "PUT / HTTP/1.1\r\nHost: x\r\nExpect: "
				  "100-continue\r\nContent-Length: 2\r\n\r\na"),
			 HTTP_MORE);
	ck_assert_int_eq(feed(&p, "b"), HTTP_DONE);
	http_parser_next(&p);
	ck_assert_int_eq(feed(&p, "PUT / HTTP/1.1\r\nHost: x\r\nExpect: "
				  "100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"),
			 HTTP_EXPECTS);
	ck_assert_int_eq(feed(&p, "0\r\n\r\n"), HTTP_DONE);
	http_parser_next(&p);
	ck_assert_int_eq(feed(&p, "PUT / HTTP/1.1\r\nHost: x\r\nExpect: "
				  "100-continue\r\nContent-Length: 0\r\n\r\n"),
			 HTTP_DONE);
	http_parser_free(&p);
}
END_TEST

/* A request in its parts; nothing of it is left in the next one. */
START_TEST(a_request_is_read_in_its_parts)
{
	struct http_parser p = {.body_bytes_max = BODY_BYTES_MAX};
	struct slice value;
	ck_assert_int_eq(feed(&p, "DELETE http://x:1/a/%2F?b=c?d HTTP/1.1\r\nHost: x:1\r\norigin:  "
				  "y z \r\n\r\n"),
			 HTTP_DONE);
	ck_assert_int_eq(p.method, HTTP_DELETE);
	ck_assert_str_eq((const char *)p.path.data, "/a/%2F");
	ck_assert_str_eq((const char *)p.query.data, "b=c?d");
	ck_assert(http_parser_field(&p, "Origin", &value) &&
		  slice_equal(value, slice_string("y z")));
	ck_assert(!http_parser_field(&p, "Origi", &value));
	http_parser_next(&p);
	ck_assert_int_eq(feed(&p, "GET /b HTTP/1.1\r\nHost: y\r\n\r\n"), HTTP_DONE);
	ck_assert_str_eq((const char *)p.path.data, "/b");
	ck_assert_uint_eq(p.query.len, 0);
	ck_assert(!http_parser_field(&p, "Origin", &value));
	http_parser_next(&p);
	ck_assert_int_eq(feed(&p, "OPTIONS * HTTP/1.1\r\nHost: y\r\n\r\n"), HTTP_DONE);
	ck_assert_str_eq((const char *)p.path.data, "*");
	http_parser_next(&p);
	ck_assert_int_eq(feed(&p, "GET http://y?q HTTP/1.1\r\nHost: Y\r\n\r\n"), HTTP_DONE);
	ck_assert_str_eq((const char *)p.path.data, "/");
	ck_assert_str_eq((const char *)p.query.data, "q");
	http_parser_free(&p);
}
END_TEST
