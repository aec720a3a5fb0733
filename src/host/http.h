/*
 * The HTTP endpoint of a daemon.
 *
 *   GET /livez           200 while the loop turns
 *   GET /readyz          200 when the node serves clients, otherwise 503
 *   GET /metrics         Prometheus text format
 *   GET /api/v1/status   the node's status as one JSON object
 *
 * Modules may add pages of their own (host/http_kv.h). HEAD is answered like GET without a body, another method than
 * a page's with 405 and "Allow", every other path with 404.
 *
 * Requests are small (16 KiB of headers, 1 KiB of body unless a module needs more), a connection that is silent for
 * 5 s is closed, and there are bounds on connections and slow requests: host/http_connections.h. Meant for an address
 * that strangers cannot reach.
 */
#ifndef SYNOD_HOST_HTTP_H
#define SYNOD_HOST_HTTP_H

#include <event2/http.h>

#include "base/status.h"
#include "host/host.h"

struct http;

/* Listens on `address` (HOST:PORT; port 0 takes any free one) on the host's loop. Errors as host_create(). */
int http_create(struct http **out, struct host *host, struct node *node, const char *address, char *error,
		size_t error_size) MUST_CHECK;
uint16_t http_port(const struct http *http);
/* From now on /readyz says no: the node is stopping. */
void http_set_stopping(struct http *http);
void http_destroy(struct http *http);

/* ---- for modules with pages of their own ---- */

#define HTTP_PAGES_MAX 16u

struct host *http_host(const struct http *http);
struct node *http_node(const struct http *http);

struct http_page {
	const char *path; /* exactly this; or, if it ends with '/', everything below it */
	unsigned methods; /* EVHTTP_REQ_…, together; HEAD comes with GET */
	/* Answers with http_reply(), now or later. */
	void (*serve)(struct evhttp_request *request, void *context);
	void *context;
};

/* `path` is not copied. Before the loop turns. */
void http_add_page(struct http *http, const struct http_page *page);
/* The longest body that is read; longer ones are answered with 413. The largest of all that were set counts. */
void http_set_body_bytes_max(struct http *http, size_t bytes);
/* Called by http_destroy(), before the requests that were not answered go away. One module may ask for it. */
void http_at_destroy(struct http *http, void (*callback)(void *context), void *context);
/* Answers and ends a request. Further headers can be added to the request's output headers before. */
void http_reply(struct evhttp_request *request, int code, const char *type, struct slice body);

#endif
