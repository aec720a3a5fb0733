/* The moves of links: the tables of host/link_states.h. */
#include "host/link_states.h"

#include "host/internal.h"

const struct state_table LINK_DIALLED_STATES = {
	"dialled link",
	{
		[LINK_IDLE] = {"idle", NEXT(LINK_RESOLVING)},
		[LINK_RESOLVING] = {"resolving", NEXT(LINK_CONNECTING) | NEXT(LINK_CUT)},
		[LINK_CONNECTING] = {"connecting",
				     NEXT(LINK_CONNECTING) | NEXT(LINK_HELLO) | NEXT(LINK_CUT)},
		[LINK_HELLO] = {"hello", NEXT(LINK_OPEN) | NEXT(LINK_CUT)},
		[LINK_OPEN] = {"open", NEXT(LINK_CUT)},
		[LINK_CUT] = {"cut", NEXT(LINK_PAUSED)},
		[LINK_PAUSED] = {"paused", NEXT(LINK_RESOLVING) | NEXT(LINK_CUT)},
	}};

const struct state_table LINK_ACCEPTED_STATES = {
	"accepted link",
	{
		[LINK_HELLO] = {"hello", NEXT(LINK_UNCONFIRMED) | NEXT(LINK_OPEN) |
						 NEXT(LINK_REFUSED) | NEXT(LINK_CUT)},
		[LINK_UNCONFIRMED] = {"unconfirmed", NEXT(LINK_OPEN) | NEXT(LINK_CUT)},
		[LINK_OPEN] = {"open", NEXT(LINK_CUT)},
		[LINK_REFUSED] = {"refused", NEXT(LINK_CUT)},
		[LINK_CUT] = {"cut", 0},
	}};

void link_become(struct link *link, enum link_state state)
{
	const struct state_table *table = link->dialled ? &LINK_DIALLED_STATES
							: &LINK_ACCEPTED_STATES;
	log_event(link->host->log, LOG_DEBUG, "link_state", "remote=%s peer=%s from=%s to=%s",
		  link->remote[0] != '\0' ? link->remote : "-",
		  link->peer->name[0] != '\0' ? link->peer->name : "-",
		  state_name(table, link->state), state_name(table, state));
	link->state = state_move(table, link->state, state);
}
