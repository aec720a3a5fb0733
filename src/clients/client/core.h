/*
 * The client as a node: routing, sessions, retries and scans, without a thread or a socket. The
 * public library (synod.h) runs it in a host on a thread of its own; a simulation runs it in a
 * simulated world.
 *
 *   struct client *client = client_create(env, log, &options);
 *   … the world starts client_node(client) …
 *   client_submit(client, request);        as an input of the node
 *
 * How a request finds its server. From the shard masters comes the newest configuration (fetched
 * when there is none, when a group says WRONG_GROUP, and when requests stay unanswered for a
 * second); it names the group of a key's shard; the group's caller (call/caller.h) finds the
 * leader. Where the masters are is known from the options, or asked of the endpoints with CLUSTER.
 *
 * Exactly once. Writes carry (client id, sequence, acknowledged); the id comes from REGISTER at the
 * shard masters with the first write. A request keeps its sequence number on every way, also to
 * another group after its shard has moved: the sessions move with the shard. SESSION_EXPIRED gets a
 * new id, and the request is sent again under it, but only if no earlier copy may have been
 * executed; otherwise the outcome is UNKNOWN.
 *
 * What is said of a write at its end. UNAVAILABLE: it was not executed and never will be. UNKNOWN:
 * an attempt was sent whose fate could not be learnt. A read changes nothing, so that it never ends
 * UNKNOWN.
 */
#ifndef SYNOD_CLIENT_CORE_H
#define SYNOD_CLIENT_CORE_H

#include "client/request.h"
#include "node/node.h"

struct client_options {
	/* One of the two lists; copied. */
	const char *const *masters; /* HOST:PORT of the shard masters */
	uint32_t nmasters;
	const char *const *endpoints; /* of any nodes */
	uint32_t nendpoints;
	const char *const *views; /* HOST:PORT of the viewservers; none: the endpoints are asked */
	uint32_t nviews;
	const char *const *pbs; /* and of the pbservers; none: the viewservers are asked */
	uint32_t npbs;
	const char *const *paxosds; /* and of the paxosds; none: the endpoints */
	uint32_t npaxosds;
	uint32_t timeout_ms;         /* of requests that say nothing; 0: 5000 */
	uint32_t attempt_timeout_ms; /* call/caller.h; 0: its default */
	uint32_t backoff_max_ms;     /* the same */
};

#define CLIENT_TIMEOUT_MS_DEFAULT 5000u

struct client *client_create(struct env *env, struct log *log,
			     const struct client_options *options);
struct node *client_node(struct client *client);
/* Takes the request. `done` is never called from within this. */
void client_submit(struct client *client, struct client_request *request);
/* Requests that have not ended. */
uint64_t client_outstanding(const struct client *client);

#endif
