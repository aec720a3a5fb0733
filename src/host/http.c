#include "host/http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "host/internal.h"
#include "host/process.h"

#define HEADER_BYTES_MAX 8192
#define BODY_BYTES_MAX 1024
#define TIMEOUT_S 5
#define ACCEPT_PAUSE_MS 200
#define BACKLOG 64

struct http {
	struct node *node;
	struct evhttp *server;
	struct evconnlistener *listener; /* belongs to the server */
	struct event *accept_again;
	uint16_t port;
	bool stopping;
};

static void reply(struct evhttp_request *request, int code, const char *reason, const char *type,
		  struct slice body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) { /* the library would send the body */
		char length[24];
		snprintf(length, sizeof length, "%zu", body.len);
		evhttp_add_header(headers, "Content-Length", length);
		evhttp_send_reply(request, code, reason, NULL);
		return;
	}
	struct evbuffer *out = evbuffer_new();
	if (out == NULL || evbuffer_add(out, body.data, body.len) != 0)
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	else
		evhttp_send_reply(request, code, reason, out);
	if (out != NULL)
		evbuffer_free(out);
}

static void reply_text(struct evhttp_request *request, int code, const char *reason, const char *text)
{
	reply(request, code, reason, "text/plain; charset=utf-8", slice_string(text));
}

static void on_livez(struct evhttp_request *request, void *context)
{
	(void)context;
	reply_text(request, HTTP_OK, "OK", "ok\n");
}

static void on_readyz(struct evhttp_request *request, void *context)
{
	struct http *http = context;
	struct node *node = http->node;
	if (http->stopping)
		reply_text(request, HTTP_SERVUNAVAIL, "Service Unavailable", "stopping\n");
	else if (node->ops->ready == NULL || node->ops->ready(node))
		reply_text(request, HTTP_OK, "OK", "ok\n");
	else
		reply_text(request, HTTP_SERVUNAVAIL, "Service Unavailable", "not ready\n");
}

static void on_metrics(struct evhttp_request *request, void *context)
{
	struct http *http = context;
	struct buffer body = {0};
	metrics_render(&http->node->metrics, &body);
	process_metrics_render(&body);
	reply(request, HTTP_OK, "OK", "text/plain; version=0.0.4; charset=utf-8", buffer_slice(&body));
	buffer_free(&body);
}

static void on_status(struct evhttp_request *request, void *context)
{
	struct http *http = context;
	struct buffer body = {0};
	if (http->node->ops->status_json == NULL) {
		reply_text(request, HTTP_NOTFOUND, "Not Found", "this node has no status\n");
		return;
	}
	http->node->ops->status_json(http->node, &body);
	buffer_add_u8(&body, '\n');
	reply(request, HTTP_OK, "OK", "application/json", buffer_slice(&body));
	buffer_free(&body);
}

static void on_other(struct evhttp_request *request, void *context)
{
	(void)context;
	reply_text(request, HTTP_NOTFOUND, "Not Found", "not found: try /livez /readyz /metrics /api/v1/status\n");
}

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
	evconnlistener_enable(http->listener);
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

static void serve(struct http *http)
{
	struct socket_address bound = {.len = sizeof bound.u};
	if (getsockname(evconnlistener_get_fd(http->listener), &bound.u.any, &bound.len) == 0)
		http->port = address_port(&bound);
	evhttp_bind_listener(http->server, http->listener);
	evconnlistener_set_error_cb(http->listener, on_accept_error);
	evhttp_set_max_headers_size(http->server, HEADER_BYTES_MAX);
	evhttp_set_max_body_size(http->server, BODY_BYTES_MAX);
	evhttp_set_timeout(http->server, TIMEOUT_S);
	evhttp_set_allowed_methods(http->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_cb(http->server, "/livez", on_livez, http);
	evhttp_set_cb(http->server, "/readyz", on_readyz, http);
	evhttp_set_cb(http->server, "/metrics", on_metrics, http);
	evhttp_set_cb(http->server, "/api/v1/status", on_status, http);
	evhttp_set_gencb(http->server, on_other, http);
}

int http_create(struct http **out, struct host *host, struct node *node, const char *address, char *error,
		size_t error_size)
{
	struct event_base *base = host_event_base(host);
	struct http *http = ALLOC(struct http);
	*out = NULL;
	http->node = node;
	int status = listen_on(http, base, address, error, error_size);
	if (status != 0) {
		free(http);
		return status;
	}
	http->server = evhttp_new(base);
	http->accept_again = evtimer_new(base, on_accept_again, http);
	ASSERT(http->server != NULL && http->accept_again != NULL);
	serve(http);
	*out = http;
	return 0;
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
	event_free(http->accept_again);
	evhttp_free(http->server);
	free(http);
}
