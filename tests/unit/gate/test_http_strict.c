/*
 * The HTTP endpoint against requests that are not what RFC 9112 says, over sockets: an answer with
 * the right code, and nothing more, whatever follows; and against those that are, to the last byte.
 */
#include "../support/check_main.h"
#include "../support/raw.h"
#include "gate/http_internal.h"
#include "http_requests.h"

static struct echo one;
static struct http *http;
static struct buffer served; /* what was read, as in the tables */

static void serve_echo(struct http_request *request, void *context)
{
	(void)context;
	buffer_add_slice(&served, http_request_body(request));
	buffer_add_u8(&served, '|');
	http_reply(request, 200, "text/plain", http_request_body(request));
}

static void set_up(void)
{
	const struct http_page page = {
		"/echo", HTTP_GET | HTTP_PUT | HTTP_POST | HTTP_DELETE | HTTP_OPTIONS | HTTP_PATCH,
		serve_echo, NULL};
	char error[256];
	struct host_options options = {.cluster = "test", .node = "s1", .role = "echo"};
	host_settings_default(&options.settings);
	echo_start(&one, &options);
	ck_assert_int_eq(
		http_create(&http, one.host, &one.node, "127.0.0.1:0", error, sizeof error), 0);
	http_add_page(http, &page);
	buffer_clear(&served);
}

static void tear_down(void)
{
	http_destroy(http);
	echo_end(&one);
	buffer_free(&served);
}

static unsigned count(const char *text, const char *part)
{
	unsigned found = 0;
	while ((text = strstr(text, part)) != NULL) {
		found++;
		text += strlen(part);
	}
	return found;
}

/* Behind each odd request stands a good one, which must not be served: nobody knows whose it is. */
START_TEST(nothing_behind_an_odd_request_is_served)
{
	set_up();
	for (size_t i = 0; i < ODD_COUNT; i++) {
		struct buffer request = {0};
		char expected[32];
		buffer_add_slice(&request, ODD_REQUESTS[i].bytes);
		buffer_format(&request, "%s", PUT5);
		struct raw raw = raw_connect(http_port(http));
		ck_assert(raw_send(&raw, buffer_slice(&request)));
		TURN_UNTIL(raw_is_closed(&raw), one.host);
		buffer_add_u8(&raw.in, 0);
		const char *answer = (const char *)raw.in.data;
		snprintf(expected, sizeof expected, "HTTP/1.1 %d ", ODD_REQUESTS[i].code);
		ck_assert_msg(strncmp(answer, expected, strlen(expected)) == 0, "%s: %s",
			      ODD_REQUESTS[i].name, answer);
		ck_assert_msg(count(answer, "\r\nContent-Length: ") == 1, "%s: %s",
			      ODD_REQUESTS[i].name, answer);
		ck_assert_msg(count(answer, "\r\nConnection: close\r\n") == 1, "%s: %s",
			      ODD_REQUESTS[i].name, answer);
		ck_assert_msg(count(answer, "\r\n\r\n{\"error\":\"") == 1, "%s: %s",
			      ODD_REQUESTS[i].name, answer);
		ck_assert_uint_eq(served.len, 0);
		raw_close(&raw);
		buffer_free(&request);
	}
	ck_assert_uint_eq(http->connections.refused_total, ODD_COUNT);
	tear_down();
}
END_TEST

/* An odd request behind good ones: those are answered first. */
START_TEST(odd_in_a_pipeline)
{
	set_up();
	for (size_t i = 0; i < ODD_COUNT; i++) {
		struct buffer request = {0};
		/* This one takes the empty lines, and needs them all. */
		if (strcmp(ODD_REQUESTS[i].name, "empty lines without end") == 0)
			continue;
		buffer_clear(&served);
		buffer_format(&request, "%s%s", PUT5, PUT5);
		buffer_add_slice(&request, ODD_REQUESTS[i].bytes);
		struct raw raw = raw_connect(http_port(http));
		ck_assert(raw_send(&raw, buffer_slice(&request)));
		if (ODD_REQUESTS[i].code == 400)
			ck_assert(raw_send(&raw, slice_string("\r\n\r\n")));
		TURN_UNTIL(raw_is_closed(&raw), one.host);
		buffer_add_u8(&raw.in, 0);
		const char *answer = (const char *)raw.in.data;
		ck_assert_msg(count(answer, "HTTP/1.1 200 OK\r\n") == 2, "%s: %s",
			      ODD_REQUESTS[i].name, answer);
		ck_assert_msg(count(answer, "\r\n\r\n{\"error\":\"") == 1, "%s: %s",
			      ODD_REQUESTS[i].name, answer);
		ck_assert(slice_equal(buffer_slice(&served), slice_string("abcde|abcde|")));
		raw_close(&raw);
		buffer_free(&request);
	}
	tear_down();
}
END_TEST

static unsigned answers_in(const struct raw *raw)
{
	struct buffer text = {0};
	buffer_add_slice(&text, buffer_slice(&raw->in));
	buffer_add_u8(&text, 0);
	unsigned found = count((const char *)text.data, "HTTP/1.1 200 OK\r\n");
	buffer_free(&text);
	return found;
}

/* Good requests are answered one by one, and the connection stays if it should. */
START_TEST(good_requests_are_answered_one_by_one)
{
	set_up();
	for (size_t i = 0; i < GOOD_COUNT; i++) {
		const struct good_request *request = &GOOD_REQUESTS[i];
		unsigned expected = count(request->bodies, "|");
		buffer_clear(&served);
		struct raw raw = raw_connect(http_port(http));
		ck_assert(raw_send(&raw, request->bytes));
		TURN_UNTIL((raw_receive(&raw), answers_in(&raw) == expected), one.host);
		ck_assert_msg(slice_equal(buffer_slice(&served), slice_string(request->bodies)),
			      "%s: %.*s", request->name, (int)served.len,
			      (const char *)served.data);
		if (request->stays) {
			ck_assert(raw_send(
				&raw,
				slice_string(
					"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
					"Connection: close\r\n\r\nlast!")));
			TURN_UNTIL(raw_is_closed(&raw), one.host);
			ck_assert_uint_eq(answers_in(&raw), expected + 1);
		} else {
			TURN_UNTIL(raw_is_closed(&raw), one.host);
			ck_assert_uint_eq(answers_in(&raw), expected);
		}
		raw_close(&raw);
	}
	ck_assert_uint_eq(http->connections.refused_total, 0);
	tear_down();
}
END_TEST

/* Who waits for "100 Continue" gets it, and then the answer. */
START_TEST(a_client_that_expects_100_gets_it)
{
	set_up();
	struct raw raw = raw_connect(http_port(http));
	ck_assert(raw_send(&raw, slice_string("PUT /echo HTTP/1.1\r\nHost: x\r\nExpect: "
					      "100-continue\r\nContent-Length: 3\r\n\r\n")));
	TURN_UNTIL((raw_receive(&raw), raw.in.len > 0), one.host);
	ck_assert(
		slice_equal(buffer_slice(&raw.in), slice_string("HTTP/1.1 100 Continue\r\n\r\n")));
	ck_assert(raw_send(&raw, slice_string("abc")));
	TURN_UNTIL((raw_receive(&raw), answers_in(&raw) == 1), one.host);
	ck_assert(slice_equal(buffer_slice(&served), slice_string("abc|")));
	raw_close(&raw);
	/* One that will be refused is told so instead. */
	raw = raw_connect(http_port(http));
	ck_assert(raw_send(&raw, slice_string("PUT /echo HTTP/1.1\r\nHost: x\r\nExpect: "
					      "100-continue\r\nContent-Length: 3000\r\n\r\n")));
	TURN_UNTIL(raw_is_closed(&raw), one.host);
	ck_assert(slice_has_prefix(buffer_slice(&raw.in), slice_string("HTTP/1.1 413 ")));
	raw_close(&raw);
	tear_down();
}
END_TEST

/* A client may end its side when it has sent everything, and is answered. */
START_TEST(a_client_may_end_its_side_and_is_answered)
{
	set_up();
	struct raw raw = raw_connect(http_port(http));
	ck_assert(raw_send(&raw, slice_string(PUT5 PUT5)));
	ck_assert_int_eq(shutdown(raw.fd, SHUT_WR), 0);
	TURN_UNTIL(raw_is_closed(&raw), one.host);
	ck_assert_uint_eq(answers_in(&raw), 2);
	raw_close(&raw);
	tear_down();
}
END_TEST

/*
 * One who ends his side in the middle of a request is told that it is incomplete; one who does so
 * between two is not.
 */
START_TEST(a_request_that_is_cut_off_is_told_so)
{
	set_up();
	for (size_t i = 0; i < GOOD_COUNT; i++) {
		struct slice bytes = GOOD_REQUESTS[i].bytes;
		bytes.len -= 1;
		struct raw raw = raw_connect(http_port(http));
		ck_assert(raw_send(&raw, bytes));
		ck_assert_int_eq(shutdown(raw.fd, SHUT_WR), 0);
		TURN_UNTIL(raw_is_closed(&raw), one.host);
		buffer_add_u8(&raw.in, 0);
		ck_assert_msg(count((const char *)raw.in.data, "HTTP/1.1 400 ") == 1, "%s: %s",
			      GOOD_REQUESTS[i].name, (const char *)raw.in.data);
		raw_close(&raw);
	}
	struct raw raw = raw_connect(http_port(http));
	ck_assert_int_eq(shutdown(raw.fd, SHUT_WR), 0);
	TURN_UNTIL(raw_is_closed(&raw), one.host);
	ck_assert_uint_eq(raw.in.len, 0);
	raw_close(&raw);
	tear_down();
}
END_TEST
