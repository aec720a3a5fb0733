/*
 * What the files of the HTTP endpoint share.
 *
 *   http.c              life, listening
 *   http_pages.c        replies, pages, the way from a path to its page
 *   http_connections.c  bounds
 */
#ifndef SYNOD_HOST_HTTP_INTERNAL_H
#define SYNOD_HOST_HTTP_INTERNAL_H

#include "host/http.h"
#include "host/http_connections.h"

struct http {
	struct host *host;
	struct node *node;
	struct evhttp *server;
	struct evconnlistener *listener; /* belongs to the server */
	struct event *accept_again;
	struct http_connections connections;
	struct http_page pages[HTTP_PAGES_MAX];
	size_t npages;
	size_t body_bytes_max;
	void (*at_destroy)(void *context);
	void *at_destroy_context;
	uint16_t port;
	bool stopping;
};

/* The pages that every daemon has. */
void http_add_own_pages(struct http *http);
/* Callback of the server for every request. */
void http_on_request(struct evhttp_request *request, void *context);

#endif
