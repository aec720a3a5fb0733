#include "../support/check_main.h"

#include <sys/resource.h>
#include <unistd.h>

#include "../support/raw.h"
#include "gate/http_internal.h"

static struct echo one;
static struct http *http;

static void set_up(void)
{
	char error[256];
	struct host_options options = {.cluster = "test", .node = "s1", .role = "echo"};
	host_settings_default(&options.settings);
	echo_start(&one, &options);
	ck_assert_int_eq(
		http_create(&http, one.host, &one.node, "127.0.0.1:0", error, sizeof error), 0);
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
START_TEST(the_pages_are_there_and_others_are_not)
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
START_TEST(readiness_follows_the_node)
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
START_TEST(only_get_and_head_are_served)
{
	set_up();
	const char *head = ask("HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(head, "HTTP/1.1 200 OK"));
	ck_assert_ptr_nonnull(strstr(head, "Content-Length: 3\r\n"));
	ck_assert_str_eq(strstr(head, "\r\n\r\n"), "\r\n\r\n");
	ck_assert_ptr_null(strstr(ask("POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: "
				      "1\r\nConnection: close\r\n\r\nx"),
				  " 200 "));
	const char *options = ask("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(options, "HTTP/1.1 200 OK"));
	ck_assert_ptr_nonnull(strstr(options, "\r\nAllow: GET, HEAD, POST, PUT, DELETE\r\n"));
	ck_assert_ptr_null(strstr(
		ask("DELETE /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), " 200 "));
	tear_down();
}
END_TEST

/* Bytes that are no HTTP, and headers without end, cost only their own connection. */
START_TEST(garbage_costs_only_its_own_connection)
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
	ck_assert_int_eq(http_create(&second, one.host, &one.node, "nowhere", error, sizeof error),
			 STATUS_CONFIG);
	tear_down();
}
END_TEST

/* ---- connections ---- */

#define PROBE "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void open_many(struct raw *raws, size_t count, const char *sent)
{
	for (size_t i = 0; i < count; i++) {
		raws[i] = raw_connect(http_port(http));
		ck_assert(raw_send(&raws[i], slice_string(sent)));
		host_turn(one.host, false);
	}
	TURN_UNTIL(http->connections.count == count, one.host);
	turn_some(one.host, NULL);
}

static size_t close_many(struct raw *raws, size_t count)
{
	size_t closed = 0;
	for (size_t i = 0; i < count; i++) {
		closed += raw_is_closed(&raws[i]);
		raw_close(&raws[i]);
	}
	return closed;
}

/*
 * While there are as many connections as may be, a probe is served all the same: those who are idle
 * the longest go. faults: 97
 */
START_TEST(idle_give_way)
{
	static struct raw idle[HTTP_CONNECTIONS_MAX];
	set_up();
	open_many(idle, HTTP_CONNECTIONS_MAX, "");
	for (size_t i = 0; i < 3; i++) {
		ck_assert_ptr_nonnull(strstr(ask(PROBE), " 200 OK"));
		ck_assert_uint_le(http->connections.count, HTTP_CONNECTIONS_MAX);
	}
	/*
	 * The first probe cost the oldest its place; later ones took that of the one before, which
	 * had been answered.
	 */
	ck_assert(raw_is_closed(&idle[0]));
	ck_assert(!raw_is_closed(&idle[HTTP_CONNECTIONS_MAX - 1]));
	ck_assert_uint_ge(http->connections.gave_way_total, 1);
	ck_assert_uint_lt(close_many(idle, HTTP_CONNECTIONS_MAX), 4);
	tear_down();
}
END_TEST

/* The same of those who never finish their requests; who is idle goes before them. */
START_TEST(incomplete_give_way)
{
	static struct raw slow[HTTP_CONNECTIONS_MAX];
	set_up();
	open_many(slow, HTTP_CONNECTIONS_MAX - 1, "GET /livez HTTP/1.1\r\nHost: x\r\nA: ");
	slow[HTTP_CONNECTIONS_MAX - 1] = raw_connect(http_port(http));
	TURN_UNTIL(http->connections.count == HTTP_CONNECTIONS_MAX, one.host);
	struct raw first = raw_connect(http_port(http));
	TURN_UNTIL(raw_is_closed(&slow[HTTP_CONNECTIONS_MAX - 1]), one.host);
	ck_assert(!raw_is_closed(&slow[0]));
	ck_assert(raw_send(&first, slice_string("GET /livez")));
	turn_some(one.host, NULL);
	ck_assert_ptr_nonnull(strstr(ask(PROBE), " 200 OK"));
	ck_assert(raw_is_closed(&slow[0]));
	ck_assert(!raw_is_closed(&slow[1]));
	raw_close(&first);
	close_many(slow, HTTP_CONNECTIONS_MAX);
	tear_down();
}
END_TEST

static struct http_request *held[HTTP_CONNECTIONS_MAX];
static size_t nheld;

static void hold(struct http_request *request, void *context)
{
	(void)context;
	held[nheld++] = request;
}

/*
 * Requests that are being served never give way: then one more waits until one of them has been
 * answered.
 */
START_TEST(requests_being_served_never_give_way)
{
	static struct raw busy[HTTP_CONNECTIONS_MAX];
	const struct http_page page = {"/hold", HTTP_GET, hold, NULL};
	set_up();
	nheld = 0;
	http_add_page(http, &page);
	open_many(busy, HTTP_CONNECTIONS_MAX, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	TURN_UNTIL(nheld == HTTP_CONNECTIONS_MAX, one.host);
	struct raw probe = raw_connect(http_port(http));
	ck_assert(raw_send(&probe, slice_string(PROBE)));
	turn_some(one.host, NULL);
	ck_assert(!raw_is_closed(&probe));
	ck_assert_uint_eq(probe.in.len, 0);
	http_reply(held[5], 200, "text/plain", slice_string("x"));
	raw_close(&busy[5]);
	TURN_UNTIL(raw_is_closed(&probe), one.host);
	ck_assert_uint_gt(probe.in.len, 0);
	raw_close(&probe);
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
		if (i == 5)
			continue;
		http_reply(held[i], 200, "text/plain", slice_string("x"));
		TURN_UNTIL((raw_receive(&busy[i]), busy[i].in.len > 0), one.host);
		ck_assert(!busy[i].closed);
		raw_close(&busy[i]);
	}
	tear_down();
}
END_TEST

static struct buffer large;

static void serve_large(struct http_request *request, void *context)
{
	(void)context;
	http_reply(request, 200, "text/plain", buffer_slice(&large));
}

/* One who does not take his answer gives way too. */
START_TEST(stalled_gives_way)
{
	static struct raw busy[HTTP_CONNECTIONS_MAX - 1];
	const struct http_page both[] = {{"/hold", HTTP_GET, hold, NULL},
					 {"/large", HTTP_GET, serve_large, NULL}};
	set_up();
	nheld = 0;
	http_add_page(http, &both[0]);
	http_add_page(http, &both[1]);
	buffer_reserve(&large, 32u << 20);
	large.len = 32u << 20;
	memset(large.data, 'a', large.len);
	open_many(busy, HTTP_CONNECTIONS_MAX - 1, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	struct raw deaf = raw_connect(http_port(http));
	ck_assert(raw_send(&deaf, slice_string("GET /large HTTP/1.1\r\nHost: x\r\n\r\n")));
	TURN_UNTIL(http->connections.count == HTTP_CONNECTIONS_MAX, one.host);
	ck_assert_ptr_nonnull(strstr(ask(PROBE), " 200 OK"));
	ck_assert_uint_eq(http->connections.gave_way_total, 1);
	raw_close(&deaf);
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX - 1; i++) {
		http_reply(held[i], 200, "text/plain", slice_string("x"));
		TURN_UNTIL((raw_receive(&busy[i]), busy[i].in.len > 0), one.host);
		raw_close(&busy[i]);
	}
	buffer_free(&large);
	tear_down();
}
END_TEST

/* ---- descriptors ---- */

static rlim_t limit_before;

/* No descriptor is left to this process. */
static void exhaust(void)
{
	struct rlimit limit;
	int next = dup(0);
	ck_assert_int_ge(next, 0);
	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit_before = limit.rlim_cur;
	limit.rlim_cur = (rlim_t)next;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void relax(void)
{
	struct rlimit limit;
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit_before;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static struct buffer logged;

static void keep_line(void *context, const char *line, size_t len)
{
	(void)context;
	buffer_add(&logged, line, len);
}

/*
 * A connection that cannot be accepted for want of descriptors waits until there are some; the log
 * names the error, once. faults: 97
 */
START_TEST(without_a_descriptor_a_connection_waits)
{
	set_up();
	one.log.write = keep_line;
	struct raw probe = raw_connect(http_port(http));
	ck_assert(raw_send(&probe, slice_string(PROBE)));
	exhaust();
	TURN_UNTIL(http->connections.accept_failed_total >= 3, one.host);
	ck_assert(!raw_is_closed(&probe));
	relax();
	TURN_UNTIL(raw_is_closed(&probe), one.host);
	ck_assert_uint_gt(probe.in.len, 0);
	buffer_add_u8(&logged, 0);
	const char *line = strstr((const char *)logged.data,
				  "event=http_accept_paused errno=EMFILE");
	ck_assert_ptr_nonnull(line);
	ck_assert_ptr_null(strstr(line + 1, "event=http_accept_paused"));
	raw_close(&probe);
	ck_assert_ptr_nonnull(strstr(GET("/metrics"), "\nsynod_http_accept_failed_total "));
	one.log.write = discard_line;
	buffer_free(&logged);
	tear_down();
}
END_TEST

/* Without descriptors, too, who is idle gives way. faults: 97 */
START_TEST(no_descriptor_but_an_idle_one)
{
	set_up();
	struct raw idle[2];
	open_many(idle, 2, "");
	struct raw probe = raw_connect(http_port(http));
	ck_assert(raw_send(&probe, slice_string(PROBE)));
	exhaust();
	TURN_UNTIL(raw_is_closed(&probe), one.host);
	relax();
	ck_assert_uint_gt(probe.in.len, 0);
	ck_assert(raw_is_closed(&idle[0]));
	ck_assert(!raw_is_closed(&idle[1]));
	raw_close(&probe);
	close_many(idle, 2);
	tear_down();
}
END_TEST

/* Where descriptors are few, HTTP takes a quarter of them at most. faults: 97 */
START_TEST(http_takes_a_quarter_of_few_descriptors)
{
	struct rlimit limit;
	struct raw idle[20];
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	rlim_t before = limit.rlim_cur;
	limit.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	set_up();
	limit.rlim_cur = before;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (size_t i = 0; i < 20; i++)
		idle[i] = raw_connect(http_port(http));
	TURN_UNTIL(http->connections.gave_way_total == 4, one.host);
	turn_some(one.host, NULL);
	ck_assert_uint_eq(http->connections.count, 16);
	ck_assert_ptr_nonnull(strstr(ask(PROBE), " 200 OK"));
	close_many(idle, 20);
	tear_down();
}
END_TEST

/* What is still being sent when a request has been refused does not destroy the answer. */
START_TEST(answer_outlives_the_rest)
{
	static uint8_t rest[1u << 20];
	size_t sent = 0;
	set_up();
	memset(rest, 'a', sizeof rest);
	struct raw raw = raw_connect(http_port(http));
	ck_assert(raw_send(&raw, slice_string("GET /livez HTTP/1.1\r\nHost: x\r\nA: ")));
	while (sent < sizeof rest) {
		ssize_t part = send(raw.fd, rest + sent, sizeof rest - sent, MSG_NOSIGNAL);
		ck_assert(part > 0 || errno == EAGAIN);
		sent += part > 0 ? (size_t)part : 0;
		host_turn(one.host, false);
	}
	TURN_UNTIL(raw_is_closed(&raw), one.host);
	buffer_add_u8(&raw.in, 0);
	ck_assert_ptr_nonnull(strstr((const char *)raw.in.data, "HTTP/1.1 431 "));
	raw_close(&raw);
	tear_down();
}
END_TEST

/*
 * Bodies are bounded together, too: who would pass the bound is refused, and there is room again
 * when he has gone.
 */
START_TEST(bodies_are_bounded_together)
{
	struct raw raws[3];
	set_up();
	http->connections.bodies_bytes_max = 2000;
	for (size_t i = 0; i < 3; i++) {
		raws[i] = raw_connect(http_port(http));
		struct buffer request = {0};
		buffer_format(
			&request,
			"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n%0900d", 0);
		ck_assert(raw_send(&raws[i], buffer_slice(&request)));
		buffer_free(&request);
		if (i < 2)
			TURN_UNTIL(http->connections.bodies_bytes == (i + 1) * 900, one.host);
	}
	TURN_UNTIL(raw_is_closed(&raws[2]), one.host);
	ck_assert(slice_has_prefix(buffer_slice(&raws[2].in), slice_string("HTTP/1.1 503 ")));
	ck_assert_uint_eq(http->connections.bodies_bytes, 1800);
	char rest[101];
	snprintf(rest, sizeof rest, "%0100d", 0);
	ck_assert(raw_send(&raws[0], slice_string(rest)));
	TURN_UNTIL((raw_receive(&raws[0]), raws[0].in.len > 0), one.host);
	ck_assert(slice_has_prefix(buffer_slice(&raws[0].in), slice_string("HTTP/1.1 405 ")));
	TURN_UNTIL(http->connections.bodies_bytes == 900, one.host);
	raw_close(&raws[1]);
	TURN_UNTIL(http->connections.bodies_bytes == 0, one.host);
	raw_close(&raws[0]);
	raw_close(&raws[2]);
	tear_down();
}
END_TEST

/*
 * Who sends his request byte by byte is told so and cut off, however steadily he does it; others
 * are not.
 */
START_TEST(a_trickling_request_is_cut_off)
{
	struct slice request = slice_string("GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: ");
	size_t sent = 0;
	set_up();
	http->connections.request_timeout_ms = 300;
	struct raw raw = raw_connect(http_port(http));
	while (!raw_is_closed(&raw)) {
		(void)raw_send(&raw, sent < request.len ? slice(request.data + sent, 1)
							: slice_string("x"));
		sent++;
		turn_some(one.host, NULL);
	}
	ck_assert(slice_has_prefix(buffer_slice(&raw.in), slice_string("HTTP/1.1 408 ")));
	raw_close(&raw);
	ck_assert_ptr_nonnull(strstr(GET("/livez"), "HTTP/1.1 200 OK"));
	tear_down();
}
END_TEST
