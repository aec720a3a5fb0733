/*
 * A client session: the id that a cluster gave us, and which sequence numbers are under way.
 *
 * Each write takes the next sequence number and gives it back when its fate is settled (answered,
 * refused, or given up). The smallest number not given back is `acknowledged`: it travels with each
 * command, and servers forget the replies below it. Invariant: all open numbers lie in
 * [acknowledged, next), and next - acknowledged <= SESSION_WINDOW_MAX, which is what a server
 * keeps.
 *
 * Giving a number back while a late copy of its command may still be on its way is safe: a server
 * refuses what lies below the watermark, and until it learns of the watermark it remembers the
 * reply.
 */
#ifndef SYNOD_CLIENT_SESSION_H
#define SYNOD_CLIENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

struct client_session {
	uint64_t client;
	uint64_t next; /* the first is 1 */
	uint64_t acknowledged;
	/* whoever may start a command, and every open number */
	uint32_t refs;
	uint64_t open[SESSION_WINDOW_MAX / 64]; /* bit (sequence mod SESSION_WINDOW_MAX) */
};

/* One reference. */
struct client_session *client_session_create(uint64_t client);
void client_session_unref(struct client_session *session);
/* The next sequence number (with a reference), or 0 while the window is full. */
uint64_t client_session_take(struct client_session *session);
/*
 * True if the window has moved on, so that a take that was refused may succeed now. Drops the
 * reference.
 */
bool client_session_give_back(struct client_session *session, uint64_t sequence);

#endif
