/* HTTP requests as they come, and what answers them. */
#include "gate/http_internal.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/internal.h"

#define BODY_BYTES_MAX 1024
#define BACKLOG 256
#define CONNECTIONS_MIN 4u

/* The socket, or -1 with errno. */
static int listen_at(const struct addrinfo *at)
{
	int on = 1;
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int explain(int error, const char *address, char *text, size_t size)
{
	if (error == EADDRINUSE) {
		snprintf(text, size,
			 "cannot serve HTTP on %s: address already in use: stop the other process, "
			 "or change "
			 "'http'",
			 address);
		return STATUS_ADDRESS_IN_USE;
	}
	snprintf(text, size, "cannot serve HTTP on %s: %s", address, strerror(error));
	return STATUS_IO;
}

static int listen_on(int *fd, const char *address, char *error, size_t error_size)
{
	char name[ADDRESS_BYTES_MAX + 1], service[8];
	uint16_t port;
	struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found;
	if (address_split(address, name, sizeof name, &port) != 0) {
		snprintf(error, error_size,
			 "cannot serve HTTP on %s: not an address: expected HOST:PORT", address);
		return STATUS_CONFIG;
	}
	snprintf(service, sizeof service, "%u", port);
	int result = getaddrinfo(name, service, &hints, &found);
	if (result != 0) {
		snprintf(error, error_size, "cannot serve HTTP on %s: %s", address,
			 gai_strerror(result));
		return STATUS_CONFIG;
	}
	*fd = -1;
	errno = EADDRNOTAVAIL;
	for (const struct addrinfo *at = found; at != NULL && *fd == -1; at = at->ai_next)
		*fd = listen_at(at);
	int failed = errno;
	freeaddrinfo(found);
	return *fd != -1 ? 0 : explain(failed, address, error, error_size);
}

static uint32_t connections_max(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 4 >= HTTP_CONNECTIONS_MAX)
		return HTTP_CONNECTIONS_MAX;
	return limit.rlim_cur / 4 > CONNECTIONS_MIN ? (uint32_t)(limit.rlim_cur / 4)
						    : CONNECTIONS_MIN;
}

static void serve(struct http *http, int fd)
{
	struct socket_address bound = {.len = sizeof bound.u};
	if (getsockname(fd, &bound.u.any, &bound.len) == 0)
		http->port = address_port(&bound);
	http->connections = (struct http_connections){
		.base = host_event_base(http->host),
		.log = http->host->log,
		.serve = http_on_request,
		.context = http,
		.body_bytes_max = BODY_BYTES_MAX,
		.bodies_bytes_max = HTTP_BODIES_BYTES_MAX,
		.connections_max = connections_max(),
		.request_timeout_ms = HTTP_REQUEST_TIMEOUT_MS,
	};
	http_connections_init(&http->connections, fd);
	http_connections_metrics(&http->connections, &http->node->metrics);
	http_add_own_pages(http);
}

int http_create(struct http **out, struct host *host, struct node *node, const char *address,
		char *error, size_t error_size)
{
	int fd;
	*out = NULL;
	int status = listen_on(&fd, address, error, error_size);
	if (status != 0)
		return status;
	struct http *http = ALLOC(struct http);
	http->host = host;
	http->node = node;
	serve(http, fd);
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

void http_set_connections_max(struct http *http, uint32_t connections)
{
	if (connections < http->connections.connections_max)
		http->connections.connections_max = connections;
}

void http_set_body_bytes_max(struct http *http, size_t bytes)
{
	if (bytes > http->connections.body_bytes_max)
		http->connections.body_bytes_max = bytes;
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

void http_set_unavailable(struct http *http, const char *why)
{
	http->unavailable = why;
}

void http_set_stopping(struct http *http)
{
	http->stopping = true;
}

void http_destroy(struct http *http)
{
	if (http->at_destroy != NULL)
		http->at_destroy(http->at_destroy_context);
	http_connections_free(&http->connections);
	free(http);
}
