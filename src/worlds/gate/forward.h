/*
 * forward: requests from this process to other nodes, as a client of them. HTTP uses it for keys
 * that another node serves.
 *
 * A forwarder is a client of the same cluster on the loop of the daemon's host, with a host of its
 * own (host/host.h): its own connections, so that large values never stand in front of what
 * replicas send each other, and its own limits (FORWARD_NETWORK_BYTES_MAX for all buffers,
 * FORWARD_BYTES_MAX for requests under way). Where the daemon's configuration names the node at an
 * address, and a route to it, the same holds here.
 *
 * One hop. What arrives at the other node is an RPC request of a client, and those are never
 * forwarded: whoever gets one serves or refuses it. So there is nothing to mark, and no loop.
 *
 * At most once. A request is sent once, to one node. The outcome is that of its reply, or
 *   STATUS_UNAVAILABLE it has certainly not left this machine: there was no connection, and none
 *   came about
 *   STATUS_UNKNOWN      no reply within the time, or the connection was lost after the request may
 *                       have left
 * both with an encoded Error. (A request that waits for its connection when the time is over counts
 * as unknown, since it cannot be taken back.)
 */
#ifndef SYNOD_GATE_FORWARD_H
#define SYNOD_GATE_FORWARD_H

#include "host/host.h"

#define FORWARD_BYTES_MAX (15u * MIB) /* less than a link holds until it is connected */
#define FORWARD_NETWORK_BYTES_MAX (128ull * MIB)

struct forwarder;
struct forward;

/* NULL: no memory or descriptors; the log says why. `host` outlives it. */
struct forwarder *forwarder_create(struct host *host);
/* Forgets what is under way, without a word to those who wait. */
void forwarder_destroy(struct forwarder *forwarder);
/* For timers. */
struct node *forwarder_node(struct forwarder *forwarder);

typedef void (*forward_done)(void *context, int status, struct slice payload);
/*
 * Sends a request to the node at `address` (HOST:PORT). `done` runs once, later, with a borrowed
 * payload; it may start and cancel others. NULL: FORWARD_BYTES_MAX would be passed. The payload is
 * copied.
 */
struct forward *forward_start(struct forwarder *forwarder, const char *address, uint16_t method,
			      struct slice payload, uint32_t timeout_ms, forward_done done,
			      void *context);
/* Forgets it, without calling `done`; the other node may yet execute it. */
void forward_cancel(struct forward *forward);

#endif
