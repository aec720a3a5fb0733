#include "host/http_internal.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "host/internal.h"

#define HEADER_BYTES_MAX 16384 /* a key of the default limit, with every byte as %XX, and the rest */
#define BODY_BYTES_MAX 1024
#define TIMEOUT_S 5
/* Everything else is answered with 501 by the library. */
#define METHODS \
	(EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | \
	 EVHTTP_REQ_PATCH)
#define ACCEPT_PAUSE_MS 200
#define BACKLOG 64

/* Out of descriptors: without a pause the loop would spin on the same connection. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
	struct http *http = context;
	struct timeval pause = {.tv_usec = ACCEPT_PAUSE_MS * 1000};
	evconnlistener_disable(listener);
	event_add(http->accept_again, &pause);
}

static void on_accept_again(evutil_socket_t fd, short what, void *context)
{
	struct http *http = context;
	(void)fd;
	(void)what;
	http_connections_accept(&http->connections);
}

static int listen_on(struct http *http, struct event_base *base, const char *address, char *error,
		     size_t error_size)
{
	char name[ADDRESS_BYTES_MAX + 1], service[8];
	uint16_t port;
	struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found;
	if (address_split(address, name, sizeof name, &port) != 0) {
		snprintf(error, error_size, "cannot serve HTTP on %s: not an address: expected HOST:PORT",
			 address);
		return STATUS_CONFIG;
	}
	snprintf(service, sizeof service, "%u", port);
	int result = getaddrinfo(name, service, &hints, &found);
	if (result != 0) {
		snprintf(error, error_size, "cannot serve HTTP on %s: %s", address, gai_strerror(result));
		return STATUS_CONFIG;
	}
	http->listener = evconnlistener_new_bind(base, NULL, NULL,
						 LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
						 BACKLOG, found->ai_addr, (int)found->ai_addrlen);
	int failed = errno;
	freeaddrinfo(found);
	if (http->listener != NULL)
		return 0;
	if (failed == EADDRINUSE) {
		snprintf(error, error_size,
			 "cannot serve HTTP on %s: address already in use: stop the other process, or change "
			 "'http'",
			 address);
		return STATUS_ADDRESS_IN_USE;
	}
	snprintf(error, error_size, "cannot serve HTTP on %s: %s", address, strerror(failed));
	return STATUS_IO;
}

static void serve(struct http *http, struct event_base *base)
{
	struct socket_address bound = {.len = sizeof bound.u};
	if (getsockname(evconnlistener_get_fd(http->listener), &bound.u.any, &bound.len) == 0)
		http->port = address_port(&bound);
	evhttp_bind_listener(http->server, http->listener);
	evconnlistener_set_error_cb(http->listener, on_accept_error);
	evhttp_set_max_headers_size(http->server, HEADER_BYTES_MAX);
	evhttp_set_timeout(http->server, TIMEOUT_S);
	/* A body that is too long is read to its end: who is still sending would not see the answer. */
	evhttp_set_flags(http->server, EVHTTP_SERVER_LINGERING_CLOSE);
	evhttp_set_allowed_methods(http->server, METHODS);
	evhttp_set_gencb(http->server, http_on_request, http);
	http_connections_init(&http->connections, base, http->server, http->listener);
	http_set_body_bytes_max(http, BODY_BYTES_MAX);
	http_add_own_pages(http);
}

int http_create(struct http **out, struct host *host, struct node *node, const char *address, char *error,
		size_t error_size)
{
	struct event_base *base = host_event_base(host);
	struct http *http = ALLOC(struct http);
	*out = NULL;
	http->host = host;
	http->node = node;
	int status = listen_on(http, base, address, error, error_size);
	if (status != 0) {
		free(http);
		return status;
	}
	http->server = evhttp_new(base);
	http->accept_again = evtimer_new(base, on_accept_again, http);
	ASSERT(http->server != NULL && http->accept_again != NULL);
	serve(http, base);
	*out = http;
	return 0;
}

struct host *http_host(const struct http *http)
{
	return http->host;
}

struct node *http_node(const struct http *http)
{
	return http->node;
}

void http_set_body_bytes_max(struct http *http, size_t bytes)
{
	if (bytes <= http->body_bytes_max)
		return;
	http->body_bytes_max = bytes;
	http->connections.input_bytes_max = bytes + HEADER_BYTES_MAX;
	evhttp_set_max_body_size(http->server, (ev_ssize_t)bytes);
}

void http_at_destroy(struct http *http, void (*callback)(void *), void *context)
{
	ASSERT(http->at_destroy == NULL);
	http->at_destroy = callback;
	http->at_destroy_context = context;
}

uint16_t http_port(const struct http *http)
{
	return http->port;
}

void http_set_stopping(struct http *http)
{
	http->stopping = true;
}

void http_destroy(struct http *http)
{
	if (http->at_destroy != NULL)
		http->at_destroy(http->at_destroy_context);
	event_free(http->accept_again);
	evhttp_free(http->server);
	http_connections_free(&http->connections);
	free(http);
}
