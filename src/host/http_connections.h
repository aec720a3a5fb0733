/*
 * The connections of an HTTP server, counted and bounded: libevent's own server does neither.
 *
 * While HTTP_CONNECTIONS_MAX are open no further one is accepted. A request must be complete within a time limit, from
 * the connection's beginning or the answer before it; a slower connection is cut. (The server itself cuts those on which
 * nothing comes at all.) Unread input of a connection is bounded too, so that nobody can pile
 * up requests behind an answer that he does not take.
 *
 * libevent does not tell when it has freed a connection. So every connection's bufferevent has a second reference here,
 * and one that has lost its callbacks, which only freeing does, is released by the next look at all of them.
 */
#ifndef SYNOD_HOST_HTTP_CONNECTIONS_H
#define SYNOD_HOST_HTTP_CONNECTIONS_H

#include <event2/event.h>
#include <event2/event_struct.h> /* before base/list.h: it uses the name LIST_ENTRY too */
#include <event2/http.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

#define HTTP_CONNECTIONS_MAX 128u
#define HTTP_REQUEST_TIMEOUT_MS 15000u

struct http_connections {
	struct event_base *base;
	struct evconnlistener *listener;
	struct event *look_again;
	struct list open;
	uint32_t count;
	uint32_t request_timeout_ms;
	size_t input_bytes_max; /* of each that is accepted from now on */
};

/*
 * Watches what `server` accepts from now on; its listener is paused and enabled as needed. The limits are the defaults,
 * and can be set in the struct.
 */
void http_connections_init(struct http_connections *connections, struct event_base *base, struct evhttp *server,
			   struct evconnlistener *listener);
/* A request has come in whole: the connection's time begins anew. */
void http_connections_touch(struct http_connections *connections, struct evhttp_request *request);
/* Begins, or goes on, to accept; for whoever had disabled the listener. */
void http_connections_accept(struct http_connections *connections);
/* After the server was freed. */
void http_connections_free(struct http_connections *connections);

#endif
