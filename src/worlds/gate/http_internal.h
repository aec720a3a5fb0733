/*
 * What the files of the HTTP endpoint share.
 *
 *   http.c              life, listening
 *   http_parse.c        the grammar of requests
 *   http_connections.c  connections: requests in, answers out, bounds
 *   http_pages.c        pages, the way from a path to its page
 */
#ifndef SYNOD_GATE_HTTP_INTERNAL_H
#define SYNOD_GATE_HTTP_INTERNAL_H

#include "gate/http_connections.h"

#include "gate/http.h"

struct http {
	struct host *host;
	struct node *node;
	struct http_connections connections;
	struct http_page pages[HTTP_PAGES_MAX];
	size_t npages;
	void (*at_destroy)(void *context);
	void *at_destroy_context;
	uint16_t port;
	bool stopping;
	const char *unavailable; /* NULL: it serves */
};

/* The pages that every daemon has. */
void http_add_own_pages(struct http *http);
/* Serves every request; `context` is the struct http. */
void http_on_request(struct http_request *request, void *context);
/* "Not Found" */
const char *http_reason(int code);

#endif
