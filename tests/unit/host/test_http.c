#include "../support/check_main.h"
#include "host/http_internal.h"
#include "raw.h"

static struct echo one;
static struct http *http;

static void set_up(void)
{
	char error[256];
	struct host_options options = {.cluster = "test", .node = "s1", .role = "echo"};
	host_settings_default(&options.settings);
	echo_start(&one, &options);
	ck_assert_int_eq(http_create(&http, one.host, &one.node, "127.0.0.1:0", error, sizeof error), 0);
}

static void tear_down(void)
{
	http_destroy(http);
	echo_end(&one);
}

/* Sends `request` and returns everything that comes until the server closes. */
static const char *ask(const char *request)
{
	static struct buffer answer;
	struct raw raw = raw_connect(http_port(http));
	ck_assert(raw_send(&raw, slice_string(request)));
	TURN_UNTIL(raw_is_closed(&raw), one.host);
	buffer_free(&answer);
	answer = raw.in;
	raw.in = (struct buffer){0};
	buffer_add_u8(&answer, 0);
	raw_close(&raw);
	return (const char *)answer.data;
}

#define GET(path) ask("GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

/* The pages are there, and others are not. */
START_TEST(pages)
{
	set_up();
	ck_assert_ptr_nonnull(strstr(GET("/livez"), "HTTP/1.1 200 OK"));
	ck_assert_ptr_nonnull(strstr(GET("/readyz"), "HTTP/1.1 200 OK"));
	ck_assert_ptr_nonnull(strstr(GET("/api/v1/status"), "\r\n\r\n{\"name\":\"echo\"}\n"));
	const char *metrics = GET("/metrics");
	ck_assert_ptr_nonnull(strstr(metrics, "\nsynod_connections_accepted_total 0\n"));
	ck_assert_ptr_nonnull(strstr(metrics, "\nprocess_cpu_seconds_total "));
	ck_assert_ptr_nonnull(strstr(GET("/"), "HTTP/1.1 404"));
	ck_assert_ptr_nonnull(strstr(GET("/livez/x"), "HTTP/1.1 404"));
	tear_down();
}
END_TEST

/* Readiness follows the node, and ends when the node stops. */
START_TEST(readiness)
{
	set_up();
	one.silent = true;
	ck_assert_ptr_nonnull(strstr(GET("/readyz"), "HTTP/1.1 503"));
	one.silent = false;
	ck_assert_ptr_nonnull(strstr(GET("/readyz"), "HTTP/1.1 200"));
	http_set_stopping(http);
	ck_assert_ptr_nonnull(strstr(GET("/readyz"), "HTTP/1.1 503"));
	ck_assert_ptr_nonnull(strstr(GET("/livez"), "HTTP/1.1 200"));
	tear_down();
}
END_TEST

/* Only GET and HEAD are served, and HEAD has no body. */
START_TEST(methods)
{
	set_up();
	const char *head = ask("HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(head, "HTTP/1.1 200 OK"));
	ck_assert_ptr_nonnull(strstr(head, "Content-Length: 3\r\n"));
	ck_assert_str_eq(strstr(head, "\r\n\r\n"), "\r\n\r\n");
	ck_assert_ptr_null(
		strstr(ask("POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"),
		       " 200 "));
	ck_assert_ptr_null(strstr(ask("DELETE /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), " 200 "));
	tear_down();
}
END_TEST

/* Bytes that are no HTTP, and headers without end, cost only their own connection. */
START_TEST(garbage)
{
	struct buffer request = {0};
	set_up();
	ck_assert_ptr_null(strstr(ask("\x01\x02\x03 nonsense\r\n\r\n"), " 200 "));
	buffer_format(&request, "GET /livez HTTP/1.1\r\n");
	for (int i = 0; i < 2000; i++)
		buffer_format(&request, "X-%d: y\r\n", i);
	buffer_add_u8(&request, 0);
	ck_assert_ptr_null(strstr(ask((const char *)request.data), " 200 "));
	ck_assert_ptr_nonnull(strstr(GET("/livez"), "HTTP/1.1 200 OK"));
	buffer_free(&request);
	tear_down();
}
END_TEST

/* A taken address is an error that names it. */
START_TEST(address_in_use)
{
	char error[256], address[64];
	struct http *second;
	set_up();
	snprintf(address, sizeof address, "127.0.0.1:%u", http_port(http));
	int status = http_create(&second, one.host, &one.node, address, error, sizeof error);
	ck_assert_int_eq(status, STATUS_ADDRESS_IN_USE);
	ck_assert_ptr_nonnull(strstr(error, address));
	ck_assert_int_eq(http_create(&second, one.host, &one.node, "nowhere", error, sizeof error), STATUS_CONFIG);
	tear_down();
}
END_TEST

/* While there are as many connections as may be, further ones wait; they are served when others end. */
START_TEST(connections)
{
	static struct raw idle[HTTP_CONNECTIONS_MAX];
	struct slice request = slice_string("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	set_up();
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
		idle[i] = raw_connect(http_port(http));
		host_turn(one.host, false);
	}
	turn_some(one.host, NULL);
	struct raw raw = raw_connect(http_port(http));
	ck_assert(raw_send(&raw, request));
	turn_some(one.host, NULL);
	ck_assert(!raw_is_closed(&raw));
	ck_assert_uint_eq(raw.in.len, 0);
	raw_close(&idle[7]);
	TURN_UNTIL(raw_is_closed(&raw), one.host);
	ck_assert_uint_gt(raw.in.len, 0);
	raw_close(&raw);
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		if (i != 7)
			raw_close(&idle[i]);
	ck_assert_ptr_nonnull(strstr(GET("/livez"), "HTTP/1.1 200 OK"));
	tear_down();
}
END_TEST

/* Who sends his request byte by byte is cut off, however steadily he does it; others are not. */
START_TEST(trickle)
{
	struct slice request = slice_string("GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: ");
	size_t sent = 0;
	set_up();
	http->connections.request_timeout_ms = 300;
	struct raw raw = raw_connect(http_port(http));
	while (!raw_is_closed(&raw)) {
		(void)raw_send(&raw, sent < request.len ? slice(request.data + sent, 1) : slice_string("x"));
		sent++;
		turn_some(one.host, NULL);
	}
	ck_assert_uint_eq(raw.in.len, 0);
	raw_close(&raw);
	ck_assert_ptr_nonnull(strstr(GET("/livez"), "HTTP/1.1 200 OK"));
	tear_down();
}
END_TEST

CHECK_MAIN("http", pages, readiness, methods, garbage, address_in_use, connections, trickle)
