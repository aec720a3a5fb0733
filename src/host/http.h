/*
 * The HTTP endpoint of a daemon: read only, for people and monitoring.
 *
 *   GET /livez           200 while the loop turns
 *   GET /readyz          200 when the node serves clients, otherwise 503
 *   GET /metrics         Prometheus text format
 *   GET /api/v1/status   the node's status as one JSON object
 *
 * HEAD is answered like GET without a body, every other method with 405 or 501, every other path with 404.
 * Requests are small (8 KiB of headers, 1 KiB of body) and a connection that is silent for 5 s is closed. Meant
 * for an address that strangers cannot reach.
 */
#ifndef SYNOD_HOST_HTTP_H
#define SYNOD_HOST_HTTP_H

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

#endif
