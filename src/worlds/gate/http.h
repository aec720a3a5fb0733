/*
 * The HTTP endpoint of a daemon.
 *
 *   GET /livez           200 while the loop turns
 *   GET /readyz          200 when the node serves clients, otherwise 503
 *   GET /metrics         Prometheus text format
 *   GET /api/v1/status   the node's status as one JSON object
 *
 * Modules may add pages of their own (gate/http_kv.h). HEAD is answered like GET without a body,
 * another method than a page's with 405 and "Allow", every other path with 404. What is no request
 * by the letter of RFC 9112 is refused, with a JSON object that says why, and ends the connection:
 * gate/http_parse.h.
 *
 * Requests are small (16 KiB of headers, 1 KiB of body unless a module needs more), and there are
 * bounds on connections and on slow and idle ones: gate/http_connections.h. Meant for an address
 * that strangers cannot reach.
 */
#ifndef SYNOD_GATE_HTTP_H
#define SYNOD_GATE_HTTP_H

#include "base/status.h"
#include "gate/http_parse.h"
#include "host/host.h"

struct http;

/*
 * Listens on `address` (HOST:PORT; port 0 takes any free one) on the host's loop. Errors as
 * host_create().
 */
int http_create(struct http **out, struct host *host, struct node *node, const char *address,
		char *error, size_t error_size) MUST_CHECK;
uint16_t http_port(const struct http *http);
/*
 * Of a node that serves nothing yet: every page that there is not is answered with 503 and this
 * text, which is not copied.
 */
void http_set_unavailable(struct http *http, const char *why);
/* From now on /readyz says no: the node is stopping. */
void http_set_stopping(struct http *http);
void http_destroy(struct http *http);

/* ---- for modules with pages of their own ---- */

#define HTTP_PAGES_MAX 16u

struct host *http_host(const struct http *http);
struct node *http_node(const struct http *http);

/*
 * A request that has come in whole, until http_reply(). Its connection waits so long, and does not
 * end.
 */
struct http_request;

struct http_page {
	const char *path; /* exactly this; or, if it ends with '/', everything below it */
	unsigned methods; /* HTTP_GET …, together; HEAD comes with GET */
	/* Answers with http_reply(), now or later. */
	void (*serve)(struct http_request *request, void *context);
	void *context;
};

/* `path` is not copied. Before the loop turns. */
void http_add_page(struct http *http, const struct http_page *page);
/* How many connections there may be, if fewer than usual. */
void http_set_connections_max(struct http *http, uint32_t connections);
/*
 * The longest body that is read; longer ones are answered with 413. The largest of all that were
 * set counts.
 */
void http_set_body_bytes_max(struct http *http, size_t bytes);
/*
 * Called by http_destroy(), before the requests that were not answered go away. One module may ask
 * for it.
 */
void http_at_destroy(struct http *http, void (*callback)(void *context), void *context);

/* What is borrowed from a request is valid until http_reply(). */
enum http_method http_request_method(const struct http_request *request);
const char *http_request_path(const struct http_request *request);  /* with %XX, as sent */
const char *http_request_query(const struct http_request *request); /* the same; "": none */
bool http_request_header(const struct http_request *request, const char *name, struct slice *value);
struct slice http_request_body(const struct http_request *request);
/* The body is not needed any more, though the answer will take its time. */
void http_request_drop_body(struct http_request *request);
/* A header of the answer: name and value are copied, and hold no control characters. */
void http_add_header(struct http_request *request, const char *name, const char *value);
/* Answers and ends a request. */
void http_reply(struct http_request *request, int code, const char *type, struct slice body);

#endif
