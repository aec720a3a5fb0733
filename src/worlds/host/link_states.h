/*
 * The states of a link, and which may follow which.
 *
 *   dialled     IDLE ──► RESOLVING ──► CONNECTING ──► HELLO ──► OPEN
 *                            ▲         │ ▲ the next     │         │
 *                            │         └─┘ address      │         │
 *                            │             │            │         │
 *                          PAUSED ◄──────► CUT ◄────────┴─────────┘       (RESOLVING, too)
 *
 *   accepted    HELLO ─┬─► UNCONFIRMED ─┬─► OPEN ──► CUT
 *                      ├────────────────┘            ▲
 *                      └─► REFUSED ──────────────────┘   (HELLO and UNCONFIRMED, too)
 *
 * A link becomes CUT within an input, and is dealt with between inputs (host/internal.h): an
 * accepted one is freed, a dialled one pauses. From PAUSED it becomes CUT without an attempt when a
 * request could not be taken: the node is told in the same way.
 */
#ifndef SYNOD_HOST_LINK_STATES_H
#define SYNOD_HOST_LINK_STATES_H

#include "base/states.h"

enum link_state {
	LINK_IDLE, /* dialled: nothing to send yet, no socket */
	LINK_RESOLVING,
	LINK_CONNECTING,
	/* dialled: the answer to our hello is due; accepted: the other side's hello is due */
	LINK_HELLO,
	/* accepted, in the name of a member that has not yet said that it is its own */
	LINK_UNCONFIRMED,
	LINK_OPEN,
	LINK_REFUSED, /* accepted: the refusal is on its way, then the connection ends */
	LINK_CUT,     /* no socket any more; the node has not been told yet */
	LINK_PAUSED,  /* dialled: no attempt before retry_us */
};

extern const struct state_table LINK_DIALLED_STATES, LINK_ACCEPTED_STATES;

struct link;
/* The only one that changes link->state. Tells of it at level debug (event=link_state). */
void link_become(struct link *link, enum link_state state);

#endif
