#include "host/http_connections.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "host/internal.h"

#define LOOK_INTERVAL_US 200000
#define INPUT_BYTES_MAX 65536

struct connection {
	struct list link;
	struct bufferevent *stream;
	uint64_t since_us; /* when the time for the present request began */
};

static bool was_freed(const struct connection *connection)
{
	bufferevent_event_cb on_event;
	bufferevent_getcb(connection->stream, NULL, NULL, &on_event, NULL);
	return on_event == NULL;
}

/* The server stops reading while a request is being served; while it writes, its own limits hold. */
static bool is_serving(const struct connection *connection)
{
	return (bufferevent_get_enabled(connection->stream) & EV_READ) == 0 ||
	       evbuffer_get_length(bufferevent_get_output(connection->stream)) > 0;
}

static void release(struct http_connections *connections, struct connection *connection)
{
	list_remove(&connection->link);
	connections->count--;
	bufferevent_decref(connection->stream);
	free(connection);
}

static void schedule(struct http_connections *connections)
{
	struct timeval interval = {.tv_usec = LOOK_INTERVAL_US};
	if (!list_empty(&connections->open) && !event_pending(connections->look_again, EV_TIMEOUT, NULL))
		event_add(connections->look_again, &interval);
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
	struct http_connections *connections = context;
	uint64_t now_us = host_clock_us(CLOCK_MONOTONIC);
	(void)fd;
	(void)what;
	LIST_FOR_SAFE(link, after, &connections->open) {
		struct connection *connection = LIST_ENTRY(link, struct connection, link);
		if (!was_freed(connection) && is_serving(connection))
			connection->since_us = now_us;
		if (!was_freed(connection) && now_us - connection->since_us > connections->request_timeout_ms * 1000ull)
			bufferevent_trigger_event(connection->stream, BEV_EVENT_READING | BEV_EVENT_TIMEOUT, 0);
		if (was_freed(connection))
			release(connections, connection);
	}
	http_connections_accept(connections);
	schedule(connections);
}

static struct bufferevent *on_connection(struct event_base *base, void *context)
{
	struct http_connections *connections = context;
	struct bufferevent *stream = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (stream == NULL)
		return NULL;
	struct connection *connection = ALLOC(struct connection);
	bufferevent_incref(stream);
	bufferevent_setwatermark(stream, EV_READ, 0, connections->input_bytes_max);
	connection->stream = stream;
	connection->since_us = host_clock_us(CLOCK_MONOTONIC);
	list_push_back(&connections->open, &connection->link);
	connections->count++;
	if (connections->count >= HTTP_CONNECTIONS_MAX)
		evconnlistener_disable(connections->listener);
	schedule(connections);
	return stream;
}

void http_connections_init(struct http_connections *connections, struct event_base *base, struct evhttp *server,
			   struct evconnlistener *listener)
{
	*connections = (struct http_connections){
		.base = base,
		.listener = listener,
		.look_again = evtimer_new(base, on_look, connections),
		.request_timeout_ms = HTTP_REQUEST_TIMEOUT_MS,
		.input_bytes_max = INPUT_BYTES_MAX,
	};
	ASSERT(connections->look_again != NULL);
	list_init(&connections->open);
	evhttp_set_bevcb(server, on_connection, connections);
}

void http_connections_touch(struct http_connections *connections, struct evhttp_request *request)
{
	struct bufferevent *stream = evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
	LIST_FOR(link, &connections->open) {
		struct connection *connection = LIST_ENTRY(link, struct connection, link);
		if (connection->stream == stream)
			connection->since_us = host_clock_us(CLOCK_MONOTONIC);
	}
}

void http_connections_accept(struct http_connections *connections)
{
	if (connections->count < HTTP_CONNECTIONS_MAX)
		evconnlistener_enable(connections->listener);
}

void http_connections_free(struct http_connections *connections)
{
	struct list *first;
	while ((first = list_first(&connections->open)) != NULL)
		release(connections, LIST_ENTRY(first, struct connection, link));
	event_free(connections->look_again);
}
