/* Connections of HTTP: their number, their time, their memory. */
#include "gate/http_connections.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "gate/http_internal.h"
#include "host/internal.h"

#define LOOK_INTERVAL_US 200000
#define INPUT_BYTES_MAX 65536
#define ACCEPTS_A_TURN 16

enum stage {
	READING,
	SERVING, /* somebody is going to call http_reply() */
	WRITING,
	LINGERING, /* answered, and closed on our side */
};

struct http_request {
	struct list link;
	struct http_connections *owner;
	struct bufferevent *stream;
	struct http_parser parser;
	enum stage stage;
	bool closing;          /* after this answer */
	struct buffer headers; /* of the answer, besides those that all have */
	/*
	 * READING: of the request's first byte, or, idle, of the answer before it; LINGERING: of
	 * its beginning
	 */
	uint64_t since_us;
	uint64_t moved_us; /* when last a byte came, or left */
	size_t unsent;
	size_t counted; /* of its body, in owner->bodies_bytes */
};

static uint64_t now_us(void)
{
	return host_clock_us(CLOCK_MONOTONIC);
}

static void update_accepting(struct http_connections *connections)
{
	if (connections->full || connections->paused)
		event_del(connections->accepting);
	else
		event_add(connections->accepting, NULL);
}

static void count_body(struct http_request *c)
{
	c->owner->bodies_bytes += c->parser.body.len;
	c->owner->bodies_bytes -= c->counted;
	c->counted = c->parser.body.len;
}

static void drop_body(struct http_request *c)
{
	buffer_free(&c->parser.body);
	count_body(c);
}

static void request_free(struct http_request *c)
{
	struct http_connections *connections = c->owner;
	drop_body(c);
	list_remove(&c->link);
	bufferevent_free(c->stream);
	http_parser_free(&c->parser);
	buffer_free(&c->headers);
	free(c);
	connections->count--;
	if (!connections->full)
		return;
	connections->full = false;
	update_accepting(connections);
}

/* ---- one connection ---- */

static void refuse(struct http_request *c)
{
	struct buffer body = {0};
	const struct http_parser *p = &c->parser;
	int status = STATUS_BAD_REQUEST;
	if (p->code == 413 || p->code == 414 || p->code == 431)
		status = STATUS_TOO_LARGE;
	else if (p->code == 503)
		status = STATUS_BUSY;
	c->owner->refused_total++;
	c->closing = true;
	drop_body(c);
	buffer_format(&body, "{\"error\":\"%s\",\"status\":\"%s\"}\n", p->why, status_name(status));
	http_reply(c, p->code, "application/json", buffer_slice(&body));
	buffer_free(&body);
}

static void refuse_incomplete(struct http_request *c, int code, const char *why)
{
	http_parser_refuse(&c->parser, code, why);
	c->stage = SERVING;
	bufferevent_disable(c->stream, EV_READ);
	refuse(c);
}

/* Gives the parser what has come, until a request is complete. */
static void advance(struct http_request *c)
{
	struct evbuffer *input = bufferevent_get_input(c->stream);
	struct evbuffer_iovec part;
	while (c->stage == READING && evbuffer_peek(input, -1, NULL, &part, 1) > 0) {
		struct slice in = slice(part.iov_base, part.iov_len);
		bool begun = http_parser_begun(&c->parser);
		enum http_parsed parsed = http_parser_feed(&c->parser, &in);
		evbuffer_drain(input, part.iov_len - in.len);
		if (!begun && http_parser_begun(&c->parser))
			c->since_us = c->moved_us;
		if (parsed == HTTP_EXPECTS && evbuffer_get_length(input) == 0)
			bufferevent_write(c->stream, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		count_body(c);
		if (c->owner->bodies_bytes > c->owner->bodies_bytes_max) {
			http_parser_refuse(
				&c->parser, 503,
				"too many bodies of requests are being sent, not applied");
			parsed = HTTP_REFUSED;
		}
		if (parsed != HTTP_DONE && parsed != HTTP_REFUSED)
			continue;
		c->stage = SERVING;
		bufferevent_disable(c->stream, EV_READ);
		if (parsed == HTTP_DONE)
			c->owner->serve(c, c->owner->context);
		else
			refuse(c);
	}
}

static void on_readable(struct bufferevent *stream, void *context)
{
	struct http_request *c = context;
	c->moved_us = now_us();
	if (c->stage == LINGERING)
		evbuffer_drain(bufferevent_get_input(stream),
			       evbuffer_get_length(bufferevent_get_input(stream)));
	else
		advance(c);
}

/* The answer is on its way. */
static void on_written(struct bufferevent *stream, void *context)
{
	struct http_request *c = context;
	if (c->stage != WRITING || evbuffer_get_length(bufferevent_get_output(stream)) > 0)
		return;
	c->since_us = c->moved_us = now_us();
	if (c->closing) {
		c->stage = LINGERING;
		shutdown(bufferevent_getfd(stream), SHUT_WR);
		evbuffer_drain(bufferevent_get_input(stream),
			       evbuffer_get_length(bufferevent_get_input(stream)));
		bufferevent_enable(stream, EV_READ);
		return;
	}
	c->stage = READING;
	http_parser_next(&c->parser);
	count_body(c);
	bufferevent_enable(stream, EV_READ);
	advance(c);
}

/*
 * The other side has closed, or the connection is broken. A request that is being served ends with
 * its answer.
 */
static void on_event(struct bufferevent *stream, short what, void *context)
{
	struct http_request *c = context;
	(void)stream;
	if (c->stage == READING && (what & BEV_EVENT_EOF) != 0 && http_parser_begun(&c->parser))
		refuse_incomplete(c, 400, "the request ends before it is complete");
	else if (c->stage != SERVING)
		request_free(c);
}

static bool has_expired(struct http_request *c, uint64_t now)
{
	size_t unsent = evbuffer_get_length(bufferevent_get_output(c->stream));
	if (unsent != c->unsent)
		c->moved_us = now;
	c->unsent = unsent;
	uint64_t silent_ms = (now - c->moved_us) / 1000, age_ms = (now - c->since_us) / 1000;
	switch (c->stage) {
	case READING:
		return silent_ms > HTTP_SILENCE_MS ||
		       (http_parser_begun(&c->parser) && age_ms > c->owner->request_timeout_ms);
	case SERVING: return false;
	case WRITING: return silent_ms > HTTP_SILENCE_MS;
	case LINGERING: return silent_ms > HTTP_LINGER_MS || age_ms > HTTP_REQUEST_TIMEOUT_MS;
	}
	return false;
}

static void schedule(struct http_connections *connections)
{
	struct timeval interval = {.tv_usec = LOOK_INTERVAL_US};
	if (!list_empty(&connections->open) &&
	    !event_pending(connections->look_again, EV_TIMEOUT, NULL))
		event_add(connections->look_again, &interval);
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
	struct http_connections *connections = context;
	uint64_t now = now_us();
	(void)fd;
	(void)what;
	LIST_FOR_SAFE (link, after, &connections->open) {
		struct http_request *c = LIST_ITEM(link, struct http_request, link);
		if (!has_expired(c, now))
			continue;
		if (c->stage == READING && http_parser_begun(&c->parser))
			refuse_incomplete(c, 408, "the request did not arrive in time");
		else
			request_free(c);
	}
	if (connections->full) { /* perhaps somebody could give way by now */
		connections->full = false;
		update_accepting(connections);
	}
	schedule(connections);
}

/* ---- accepting ---- */

/* The larger, the sooner it gives way; 0: never. */
static int dispensable(const struct http_request *c)
{
	if (c->stage == LINGERING)
		return 3;
	if (c->stage == READING)
		return http_parser_begun(&c->parser) ? 1 : 2;
	return c->stage == WRITING && now_us() - c->moved_us > HTTP_STALL_MS * 1000ull;
}

static bool give_way(struct http_connections *connections)
{
	struct http_request *chosen = NULL;
	LIST_FOR (link, &connections->open) {
		struct http_request *c = LIST_ITEM(link, struct http_request, link);
		int more = dispensable(c) - (chosen == NULL ? 0 : dispensable(chosen));
		if (more > 0 || (more == 0 && chosen != NULL && c->since_us < chosen->since_us))
			chosen = c;
	}
	if (chosen == NULL)
		return false;
	connections->gave_way_total++;
	request_free(chosen);
	return true;
}

static void take_connection(struct http_connections *connections, int fd)
{
	int on = 1;
	struct bufferevent *stream = bufferevent_socket_new(connections->base, fd,
							    BEV_OPT_CLOSE_ON_FREE);
	if (stream == NULL) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	struct http_request *c = ALLOC(struct http_request);
	c->owner = connections;
	c->stream = stream;
	c->parser.body_bytes_max = connections->body_bytes_max;
	c->since_us = c->moved_us = now_us();
	list_push_back(&connections->open, &c->link);
	connections->count++;
	bufferevent_setcb(stream, on_readable, on_written, on_event, c);
	bufferevent_setwatermark(stream, EV_READ, 0, INPUT_BYTES_MAX);
	bufferevent_enable(stream, EV_READ | EV_WRITE);
	schedule(connections);
}

static void pause_accepting(struct http_connections *connections, int error)
{
	struct timeval pause = {.tv_usec = HTTP_ACCEPT_PAUSE_MS * 1000};
	uint64_t now = now_us();
	const char *name = strerrorname_np(error);
	connections->accept_failed_total++;
	if (connections->complained_us == 0 ||
	    now - connections->complained_us > HTTP_COMPLAINT_INTERVAL_MS * 1000ull) {
		log_event(connections->log, LOG_ERROR, "http_accept_paused",
			  "errno=%s why=\"%s\" connections=%llu failed=%llu",
			  name != NULL ? name : "?", strerror(error),
			  (unsigned long long)connections->count,
			  (unsigned long long)connections->accept_failed_total);
		connections->complained_us = now;
	}
	connections->paused = true;
	event_add(connections->accept_again, &pause);
	update_accepting(connections);
}

static void on_accept_again(evutil_socket_t fd, short what, void *context)
{
	struct http_connections *connections = context;
	(void)fd;
	(void)what;
	connections->paused = false;
	update_accepting(connections);
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/*
 * That somebody waits is certain only before the first accept4() of a turn, which without a free
 * descriptor fails even if nobody does; so only then does anybody give way. The event comes again
 * while somebody waits.
 */
static void on_acceptable(evutil_socket_t listen_fd, short what, void *context)
{
	struct http_connections *connections = context;
	(void)what;
	if (connections->count >= connections->connections_max && !give_way(connections)) {
		connections->full = true;
		update_accepting(connections);
		return;
	}
	for (int i = 0; i < ACCEPTS_A_TURN && connections->count < connections->connections_max;
	     i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			take_connection(connections, fd);
		} else if (is_shortage(errno)) {
			int error = errno;
			if (i == 0 && !give_way(connections))
				pause_accepting(connections, error);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
	}
}

/* ---- life ---- */

void http_connections_init(struct http_connections *connections, int fd)
{
	connections->fd = fd;
	connections->accepting = event_new(connections->base, fd, EV_READ | EV_PERSIST,
					   on_acceptable, connections);
	connections->accept_again = evtimer_new(connections->base, on_accept_again, connections);
	connections->look_again = evtimer_new(connections->base, on_look, connections);
	ASSERT(connections->accepting != NULL && connections->accept_again != NULL &&
	       connections->look_again != NULL);
	list_init(&connections->open);
	update_accepting(connections);
}

void http_connections_metrics(struct http_connections *connections, struct metrics *metrics)
{
	metrics_add(metrics, METRIC_GAUGE, "synod_http_connections",
		    "Open connections of the HTTP endpoint.", NULL, &connections->count);
	metrics_add(metrics, METRIC_COUNTER, "synod_http_refused_total",
		    "Requests that were no HTTP by RFC 9112.", NULL, &connections->refused_total);
	metrics_add(
		metrics, METRIC_COUNTER, "synod_http_gave_way_total",
		"Idle or incomplete HTTP connections that were closed for the sake of new ones.",
		NULL, &connections->gave_way_total);
	metrics_add(metrics, METRIC_COUNTER, "synod_http_accept_failed_total",
		    "HTTP connections that could not be accepted for want of descriptors or "
		    "memory, and were "
		    "tried again.",
		    NULL, &connections->accept_failed_total);
}

void http_connections_free(struct http_connections *connections)
{
	struct list *first;
	while ((first = list_first(&connections->open)) != NULL)
		request_free(LIST_ITEM(first, struct http_request, link));
	event_free(connections->accepting);
	event_free(connections->accept_again);
	event_free(connections->look_again);
	close(connections->fd);
}

/* ---- for pages ---- */

enum http_method http_request_method(const struct http_request *request)
{
	return request->parser.method;
}

const char *http_request_path(const struct http_request *request)
{
	return (const char *)request->parser.path.data;
}

const char *http_request_query(const struct http_request *request)
{
	return request->parser.query.len > 0 ? (const char *)request->parser.query.data : "";
}

bool http_request_header(const struct http_request *request, const char *name, struct slice *value)
{
	return http_parser_field(&request->parser, name, value);
}

struct slice http_request_body(const struct http_request *request)
{
	return buffer_slice(&request->parser.body);
}

void http_request_drop_body(struct http_request *request)
{
	drop_body(request);
}

void http_add_header(struct http_request *request, const char *name, const char *value)
{
	buffer_format(&request->headers, "%s: %s\r\n", name, value);
}

static void add_date(struct buffer *head)
{
	char text[64];
	time_t now = time(NULL);
	struct tm parts;
	if (gmtime_r(&now, &parts) != NULL &&
	    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts) > 0)
		buffer_format(head, "Date: %s\r\n", text);
}

void http_reply(struct http_request *request, int code, const char *type, struct slice body)
{
	struct buffer head = {0};
	ASSERT(request->stage == SERVING);
	request->closing = request->closing || !request->parser.keep_alive;
	buffer_format(&head,
		      "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: "
		      "no-store\r\n",
		      code, http_reason(code), type, body.len);
	add_date(&head);
	buffer_add_slice(&head, buffer_slice(&request->headers));
	if (request->closing)
		buffer_format(&head, "Connection: close\r\n");
	else if (request->parser.minor == 0)
		buffer_format(&head, "Connection: keep-alive\r\n");
	buffer_format(&head, "\r\n");
	/*
	 * After a refusal the connection ends, so that a body does no harm even to who asked for
	 * HEAD.
	 */
	if (request->parser.method != HTTP_HEAD || request->parser.state == HTTP_PARSE_REFUSED)
		buffer_add_slice(&head, body);
	buffer_free(&request->headers);
	request->stage = WRITING;
	request->moved_us = now_us();
	if (bufferevent_write(request->stream, head.data, head.len) != 0) {
		/* No memory: nothing was queued, and the connection ends. */
		shutdown(bufferevent_getfd(request->stream), SHUT_RDWR);
		bufferevent_enable(request->stream, EV_READ);
	}
	buffer_free(&head);
}
