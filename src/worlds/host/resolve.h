/*
 * resolve: host names to addresses, for the loops of src/worlds/host.
 *
 * A name is looked up anew each time, through the system's own resolver (getaddrinfo): what
 * /etc/hosts and /etc/resolv.conf say now counts, not what they said when the process began. That
 * may take as long as it likes, so a thread does it, one for each name that is being looked up.
 * Questions for one name share a lookup; no more than RESOLVE_THREADS_MAX names are looked up at
 * once, so that name servers that do not answer cost a few threads and nothing else.
 *
 * A lookup cannot be stopped. Whoever loses interest in it, even the loop, leaves; the thread then
 * finishes for nobody.
 *
 * Ownership: a question belongs to the asker, and is in use until `answered` has run or
 * resolve_cancel(). Everything here is called on the loop's thread.
 */
#ifndef SYNOD_HOST_RESOLVE_H
#define SYNOD_HOST_RESOLVE_H

#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/list.h"

#define ADDRESSES_MAX 8u /* of one host name */
#define RESOLVE_THREADS_MAX 8u

struct host_loop;
struct resolver;

struct socket_address {
	socklen_t len;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} u;
};

struct resolve_question {
	struct list link; /* among those of its lookup; list_init() before the first use */
	/* Addresses without port, or none and a sentence that says why. */
	void (*answered)(struct resolve_question *question, const struct socket_address *addresses,
			 uint32_t count, const char *why);
};

struct resolver *resolver_create(struct host_loop *loop);
/* No question is under way any more. */
void resolver_destroy(struct resolver *resolver);
/* `answered` runs later, within a turn of the loop. */
void resolve(struct resolver *resolver, const char *name, struct resolve_question *question);
void resolve_cancel(struct resolve_question *question);

#endif
