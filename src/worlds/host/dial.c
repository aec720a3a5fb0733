/* Connections that this node makes: resolve, connect, wait, again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/internal.h"

/*
 * A name that has been resolved before is waited for so long; then the addresses of that time are
 * tried.
 */
#define RESOLVE_PATIENCE_MS 1000u

/* Where this attempt goes. What is known of another address is of no use. */
static void choose_route(struct link *link)
{
	const struct peer *peer = peer_at(link->host, link->address);
	const char *route = peer == NULL ? link->address : peer_route(peer, link->failures);
	if (strcmp(route, link->route) == 0)
		return;
	free(link->route);
	link->route = alloc_string(route);
	link->naddresses = link->first_address = 0;
}

static void connected(struct link *link)
{
	link_become(link, LINK_HELLO);
	link->began_us = host_now_us(link->host);
	if (link->host->name[0] != '\0')
		link->nonce = rng_next(&link->host->rng) | 1; /* never 0 */
	link->cluster_id = link->group_id = link->seen = 0;
	link_update_reading(link);
	if (link->state != LINK_CUT)
		hello_send(link);
}

/* That of the present connection, or attempt. */
static uint32_t present_address(const struct link *link)
{
	return (link->first_address + link->tried - 1) % link->naddresses;
}

/* Other nodes are worth more than an idle stranger. */
static int open_socket(struct host *host, int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 && error_is_shortage(errno) &&
	    host_relieve(host, "a connection to another node", errno))
		fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd;
}

/*
 * Tries the host's addresses one after another, until one takes a connection or needs time for it.
 */
static void try_addresses(struct link *link, int error)
{
	char why[160] = "no address";
	while (link->tried < link->naddresses) {
		link->tried++;
		const struct socket_address *to = &link->addresses[present_address(link)];
		address_format(to, link->remote, sizeof link->remote);
		int fd = open_socket(link->host, to->u.any.sa_family);
		if (fd < 0) {
			error = errno;
			continue;
		}
		int result = connect(fd, &to->u.any, to->len);
		if (result == 0 || errno == EINPROGRESS) {
			link_become(link, LINK_CONNECTING);
			link_attach(link, fd);
			if (event_add(&link->writable, NULL) != 0)
				link_cut(link, "no memory to wait for the connection");
			else
				link->writing = true;
			return;
		}
		error = errno;
		close(fd);
	}
	if (error != 0)
		snprintf(why, sizeof why, "cannot connect: %s", strerror(error));
	link_cut(link, why);
}

/*
 * Dialling a port of this machine where nobody listens can succeed: when the kernel chooses that
 * very port for our end, the socket is connected to itself, and keeps the node that belongs there
 * from listening.
 */
static bool is_own_end(int fd)
{
	struct socket_address here = {.len = sizeof here.u}, there = {.len = sizeof there.u};
	char ours[80], theirs[80];
	if (getsockname(fd, &here.u.any, &here.len) != 0 ||
	    getpeername(fd, &there.u.any, &there.len) != 0)
		return false;
	return strcmp(address_format(&here, ours, sizeof ours),
		      address_format(&there, theirs, sizeof theirs)) == 0;
}

static void on_connected(struct link *link)
{
	int error = 0;
	socklen_t len = sizeof error;
	if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error == 0 && is_own_end(link->fd))
		error = ECONNREFUSED;
	if (error == 0) {
		connected(link);
		return;
	}
	link_detach(link);
	try_addresses(link, error);
}

/* Those that were known before are better than nothing: the name server may be what is down. */
static void try_resolved(struct link *link, const char *why)
{
	link->tried = 0;
	if (link->naddresses == 0)
		link_cut(link, why);
	else
		try_addresses(link, 0);
}

static void on_resolved(struct resolve_question *question, const struct socket_address *addresses,
			uint32_t count, const char *why)
{
	struct link *link = LIST_ITEM(question, struct link, question);
	char name[ADDRESS_BYTES_MAX + 1];
	uint16_t port;
	ASSERT(link->state == LINK_RESOLVING);
	host_touch(link->host);
	int status = address_split(link->route, name, sizeof name, &port);
	ASSERT(status == 0);
	if (count > 0) {
		memcpy(link->addresses, addresses, count * sizeof *addresses);
		link->naddresses = count;
		link->first_address %= count;
		for (uint32_t i = 0; i < count; i++)
			address_set_port(&link->addresses[i], port);
	}
	try_resolved(link, why);
}

static void look_up(struct link *link)
{
	struct host_loop *loop = link->host->loop;
	char name[ADDRESS_BYTES_MAX + 1];
	uint16_t port;
	if (address_split(link->route, name, sizeof name, &port) != 0) {
		link_cut(link, "not an address: expected HOST:PORT");
		return;
	}
	if (loop->resolver == NULL)
		loop->resolver = resolver_create(loop);
	link->question.answered = on_resolved;
	resolve(loop->resolver, name, &link->question);
}

void dial_begin(struct link *link)
{
	ASSERT(link->dialled && link->fd == -1);
	choose_route(link);
	link_become(link, LINK_RESOLVING);
	link->began_us = host_now_us(link->host);
	snprintf(link->remote, sizeof link->remote, "%.79s", link->route);
	if (address_numeric(link->route, &link->addresses[0]) == 0) {
		link->naddresses = 1;
		link->tried = 0;
		try_addresses(link, 0);
	} else {
		look_up(link);
	}
}

uint32_t dial_patience_ms(const struct link *link)
{
	const struct host_settings *limits = &link->host->settings;
	if (link->state == LINK_RESOLVING && link->naddresses == 0)
		return limits->hello_timeout_ms;
	if (link->state == LINK_RESOLVING)
		return RESOLVE_PATIENCE_MS < limits->hello_timeout_ms ? RESOLVE_PATIENCE_MS
								      : limits->hello_timeout_ms;
	/* One address that swallows packets leaves time for the others. */
	return limits->connect_timeout_ms / link->naddresses;
}

void dial_out_of_patience(struct link *link)
{
	if (link->state == LINK_RESOLVING) {
		resolve_cancel(&link->question);
		try_resolved(link, "the name is not resolved in time");
	} else {
		link_detach(link);
		try_addresses(link, ETIMEDOUT);
	}
}

void dial_opened(struct link *link)
{
	struct host *host = link->host;
	link_become(link, LINK_OPEN);
	link->first_address = present_address(link);
	link->tried = 1;
	link->opened++;
	link->failures = 0;
	link->complained = false;
	host->dialled_total++;
	log_event(host->log, LOG_INFO, "link_up", "peer=%s address=%s",
		  link->name[0] != '\0' ? link->name : "-", link->route);
	ASSERT(link_unsent(link) == 0); /* of the hello, which has been answered */
	struct buffer empty = link->out;
	link->out = link->waiting;
	link->waiting = empty;
	if (link->waiting_asks)
		link->asked_us = host_now_us(host);
	link->waiting_asks = false;
	if (link->out.len > 0 && list_empty(&link->flush))
		list_push_back(&host->flush, &link->flush);
}

static void pause_dialling(struct link *link)
{
	struct host *host = link->host;
	uint64_t pause_us = host->settings.reconnect_min_ms * 1000ull;
	uint64_t max_us = host->settings.reconnect_max_ms * 1000ull;
	for (uint32_t i = 0; i < link->failures && pause_us < max_us; i++)
		pause_us *= 2;
	if (pause_us > max_us)
		pause_us = max_us;
	link->failures++;
	/* Jitter, so that the clients of a server that went away do not all come back at once. */
	link->retry_us = host_now_us(host) + rng_range(&host->rng, pause_us / 2, pause_us);
	resolve_cancel(&link->question);
	/*
	 * Whoever took the connection, and did not answer as it should, is not asked first the next
	 * time.
	 */
	if (link->state == LINK_HELLO)
		link->first_address = (present_address(link) + 1) % link->naddresses;
}

static const struct link_ops dialled_ops = {
	.readable = link_readable,
	.connected = on_connected,
	.begin = dial_begin,
	.pause = pause_dialling,
};

/* FNV-1a. Two addresses with one hash take neighbouring keys. */
static uint64_t hash_address(const char *address)
{
	uint64_t hash = 0xcbf29ce484222325ull;
	for (; *address != '\0'; address++)
		hash = (hash ^ (uint8_t)*address) * 0x100000001b3ull;
	return hash;
}

link_id dial_link(struct host *host, const char *address)
{
	uint64_t key = hash_address(address);
	struct link *link;
	for (; (link = map_get(&host->dialled, key)) != NULL; key++) {
		if (strcmp(link->address, address) == 0)
			return link->id;
	}
	link = link_new(host, &dialled_ops);
	map_put(&host->dialled, key, link);
	link->known = true;
	link->address = alloc_string(address);
	struct peer *peer = peer_at(host, address);
	link->name = alloc_string(peer == NULL ? "" : peer->name);
	link->route = alloc_string(peer == NULL ? address : peer_route(peer, 0));
	if (peer != NULL) {
		link->peer = peer->name[0] == '\0' ? host->others : peer;
		link->may |= peer->speaks;
	}
	return link->id;
}

void dial_peer_is_up(struct host *host, struct slice name)
{
	size_t position = 0;
	uint64_t key;
	void *value;
	while (map_next(&host->dialled, &position, &key, &value)) {
		struct link *link = value;
		if (slice_equal(slice_string(link->name), name))
			link->retry_us = 0;
	}
}
