#include <errno.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/internal.h"

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
	link = link_new(host, true);
	map_put(&host->dialled, key, link);
	link->known = true;
	link->address = alloc_string(address);
	for (uint32_t i = 0; i < host->npeers; i++) {
		const struct host_peer *peer = &host->peers[i];
		if (strcmp(peer->address, address) != 0)
			continue;
		link->name = alloc_string(peer->name);
		link->route = alloc_string(peer->route);
		link->peer = traffic_peer_of(host, peer->name, strlen(peer->name));
		link->may |= peer->speaks;
		return link->id;
	}
	link->name = alloc_string("");
	link->route = alloc_string(address);
	return link->id;
}

static void connected(struct link *link)
{
	link->state = LINK_HELLO;
	link->began_us = host_now_us(link->host);
	if (link->host->name[0] != '\0')
		link->nonce = rng_next(&link->host->rng) | 1; /* never 0 */
	link->cluster_id = link->group_id = link->seen = 0;
	link_update_reading(link);
	if (link->state != LINK_CUT)
		hello_send(link);
}

/* Tries the host's addresses one after another, until one takes a connection or needs time for it. */
static void try_addresses(struct link *link, int error)
{
	char why[160] = "no address";
	while (link->next_address < link->naddresses) {
		const struct socket_address *to = &link->addresses[link->next_address++];
		address_format(to, link->remote, sizeof link->remote);
		int fd = socket(to->u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0) {
			error = errno;
			continue;
		}
		int result = connect(fd, &to->u.any, to->len);
		if (result == 0 || errno == EINPROGRESS) {
			link->state = LINK_CONNECTING;
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
 * Dialling a port of this machine where nobody listens can succeed: when the kernel chooses that very port for
 * our end, the socket is connected to itself, and keeps the node that belongs there from listening.
 */
static bool is_own_end(int fd)
{
	struct socket_address here = {.len = sizeof here.u}, there = {.len = sizeof there.u};
	char ours[80], theirs[80];
	if (getsockname(fd, &here.u.any, &here.len) != 0 || getpeername(fd, &there.u.any, &there.len) != 0)
		return false;
	return strcmp(address_format(&here, ours, sizeof ours), address_format(&there, theirs, sizeof theirs)) ==
	       0;
}

void dial_connected(struct link *link)
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

static void on_resolved(int result, struct evutil_addrinfo *found, void *context)
{
	struct link *link = context;
	char name[ADDRESS_BYTES_MAX + 1], why[160];
	uint16_t port;
	/* A cancelled question is answered too, when the link may already be busy with the next one. */
	if (result == EVUTIL_EAI_CANCEL)
		return;
	ASSERT(link->state == LINK_RESOLVING);
	host_touch(link->host);
	link->resolving = NULL;
	if (result != 0 || address_split(link->route, name, sizeof name, &port) != 0) {
		snprintf(why, sizeof why, "cannot resolve the name: %s", evutil_gai_strerror(result));
		link_cut(link, why);
		return;
	}
	for (struct evutil_addrinfo *a = found; a != NULL && link->naddresses < ADDRESSES_MAX; a = a->ai_next) {
		struct socket_address *address = &link->addresses[link->naddresses];
		if (a->ai_addrlen > sizeof address->u)
			continue;
		address->len = a->ai_addrlen;
		memcpy(&address->u, a->ai_addr, a->ai_addrlen);
		address_set_port(address, port);
		link->naddresses++;
	}
	evutil_freeaddrinfo(found);
	try_addresses(link, 0);
}

static void resolve(struct link *link)
{
	struct host_loop *loop = link->host->loop;
	char name[ADDRESS_BYTES_MAX + 1];
	uint16_t port;
	if (address_split(link->route, name, sizeof name, &port) != 0) {
		link_cut(link, "not an address: expected HOST:PORT");
		return;
	}
	if (loop->dns == NULL)
		loop->dns = evdns_base_new(loop->base,
					   EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (loop->dns == NULL) {
		link_cut(link, "cannot resolve names: no usable /etc/resolv.conf");
		return;
	}
	struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct evdns_getaddrinfo_request *request = evdns_getaddrinfo(loop->dns, name, NULL, &hints, on_resolved,
								      link);
	/* NULL: already answered. */
	if (request != NULL)
		link->resolving = request;
}

void dial_begin(struct link *link)
{
	ASSERT(link->dialled && link->fd == -1);
	link->state = LINK_RESOLVING;
	link->began_us = host_now_us(link->host);
	link->naddresses = link->next_address = 0;
	snprintf(link->remote, sizeof link->remote, "%.79s", link->route);
	if (address_numeric(link->route, &link->addresses[0]) == 0) {
		link->naddresses = 1;
		try_addresses(link, 0);
	} else {
		resolve(link);
	}
}

void dial_opened(struct link *link)
{
	struct host *host = link->host;
	link->state = LINK_OPEN;
	link->opened++;
	link->failures = 0;
	link->complained = false;
	host->dialled_total++;
	log_event(host->log, LOG_INFO, "link_up", "peer=%s address=%s", link->name[0] != '\0' ? link->name : "-",
		  link->route);
	ASSERT(link_unsent(link) == 0); /* of the hello, which has been answered */
	struct buffer empty = link->out;
	link->out = link->waiting;
	link->waiting = empty;
	if (link->out.len > 0 && list_empty(&link->flush))
		list_push_back(&host->flush, &link->flush);
}

void dial_pause(struct link *link)
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
	if (link->resolving != NULL) {
		evdns_getaddrinfo_cancel(link->resolving);
		link->resolving = NULL;
	}
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
