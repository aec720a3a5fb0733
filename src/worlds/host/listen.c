/* Connections that others make. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/internal.h"

#define BACKLOG 1024
#define ACCEPTS_A_TURN 64

static int bind_one(struct host *host, const struct addrinfo *to)
{
	int on = 1;
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, to->ai_addr, to->ai_addrlen) != 0) {
		int error = errno;
		close(fd);
		return error;
	}
	host->listen_fd = fd;
	return 0;
}

static int explain(int error, const char *address, char *text, size_t size)
{
	if (error == EADDRINUSE) {
		snprintf(text, size,
			 "cannot listen on %s: address already in use: stop the other process, or "
			 "change 'listen'",
			 address);
		return STATUS_ADDRESS_IN_USE;
	}
	snprintf(text, size, "cannot listen on %s: %s", address, strerror(error));
	return STATUS_IO;
}

int listen_bind(struct host *host, const char *address, char *error, size_t error_size)
{
	char name[ADDRESS_BYTES_MAX + 1];
	uint16_t port;
	if (address_split(address, name, sizeof name, &port) != 0) {
		snprintf(error, error_size,
			 "cannot listen on %s: not an address: expected HOST:PORT", address);
		return STATUS_CONFIG;
	}
	char service[8];
	snprintf(service, sizeof service, "%u", port);
	struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found;
	int result = getaddrinfo(name, service, &hints, &found);
	if (result != 0) {
		snprintf(error, error_size, "cannot listen on %s: %s", address,
			 gai_strerror(result));
		return STATUS_CONFIG;
	}
	int failed = EADDRNOTAVAIL;
	for (const struct addrinfo *a = found; a != NULL && failed != 0; a = a->ai_next)
		failed = bind_one(host, a);
	freeaddrinfo(found);
	if (failed != 0)
		return explain(failed, address, error, error_size);
	struct socket_address bound = {.len = sizeof bound.u};
	if (getsockname(host->listen_fd, &bound.u.any, &bound.len) == 0)
		host->port = address_port(&bound);
	return 0;
}

static void pause_accepting(struct host *host, int error)
{
	event_del(&host->accepting);
	if (!host->accept_paused)
		log_event(host->log, LOG_ERROR, "accept_paused",
			  "errno=%s why=\"%s\" connections=%llu", errno_name(error),
			  strerror(error), (unsigned long long)host->accepted_count);
	host->accept_paused = true;
	timers_set(&host->timers, &host->accept_again, host_now_us(host) + ACCEPT_PAUSE_US);
}

static void on_accept_again(void *context)
{
	struct host *host = context;
	/* Without memory for that, later. */
	if (event_add(&host->accepting, NULL) != 0)
		timers_set(&host->timers, &host->accept_again, host_now_us(host) + ACCEPT_PAUSE_US);
}

static const struct link_ops accepted_ops = {.readable = link_readable,
					     .confirmed = link_confirmed};

static void take_connection(struct host *host, int fd, const struct socket_address *from)
{
	struct link *link = link_new(host, &accepted_ops);
	host->accepted_count++;
	host->accepted_total++;
	address_format(from, link->remote, sizeof link->remote);
	link_attach(link, fd);
	seat_newcomer(link);
	link_update_reading(link);
}

/*
 * Errors of a connection that is gone already are not errors of ours. Without a descriptor, or
 * memory, an idle stranger gives his back; if there is none, it is better to wait. (That somebody
 * is there to be accepted is certain only before the first call: without a descriptor it fails in
 * any case. The event comes again.)
 */
static void on_acceptable(evutil_socket_t listen_fd, short what, void *context)
{
	struct host *host = context;
	(void)what;
	host_touch(host);
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct socket_address from = {.len = sizeof from.u};
		int fd = accept4(listen_fd, &from.u.any, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			if (host->accept_paused)
				log_event(host->log, LOG_INFO, "accept_resumed", "connections=%llu",
					  (unsigned long long)host->accepted_count);
			host->accept_paused = false;
			take_connection(host, fd, &from);
		} else if (errno == EAGAIN) {
			return;
		} else if (error_is_shortage(errno)) {
			int error = errno;
			if (i == 0 && !host_relieve(host, "a connection", error))
				pause_accepting(host, error);
			return;
		}
	}
}

int listen_start(struct host *host, char *error, size_t error_size)
{
	if (host->listen_fd == -1)
		return 0;
	struct socket_address bound = {.len = sizeof bound.u};
	char address[80];
	(void)getsockname(host->listen_fd, &bound.u.any, &bound.len);
	address_format(&bound, address, sizeof address);
	if (listen(host->listen_fd, BACKLOG) != 0)
		return explain(errno, address, error, error_size);
	event_assign(&host->accepting, host->loop->base, host->listen_fd, EV_READ | EV_PERSIST,
		     on_acceptable, host);
	event_add(&host->accepting, NULL);
	timer_init(&host->accept_again, on_accept_again, host);
	log_event(host->log, LOG_INFO, "listening", "address=%s", address);
	return 0;
}

void listen_close(struct host *host)
{
	if (host->listen_fd == -1)
		return;
	if (event_initialized(&host->accepting))
		event_del(&host->accepting);
	close(host->listen_fd);
	host->listen_fd = -1;
}
