/*
 * The view service as a replicated app: the present view and the last ones.
 *
 * Commands are encoded ViewCommands, each made for one view number; in another view they do nothing
 * and are answered with the present one, so that repeating them is harmless.
 *
 *   CHANGE       the next view, if the rules of view/view.h allow it
 *   ACKNOWLEDGE  the primary has adopted the view
 *   SYNCED       its backup holds the whole state (which includes the acknowledgement)
 *   RESET        an operator gives up a view whose servers have lost the state for good: a view
 *                without primary follows, and after it one that begins with an empty store. Refused
 *                while the primary lives.
 *
 * The first three are the service's own: a client that sends them is refused with DENIED. A command
 * that the rules forbid is refused with BAD_REQUEST and changes nothing. The reply to a command and
 * to a query (ViewQuery) is a ViewReply.
 *
 * Snapshot: one chunk, u32 magic, u32 count, then for each kept view, oldest first: u64 number, u8
 * flags (1 acknowledged, 2 synced, 4 fresh), u64 time, primary, backup; a server is u64
 * incarnation, u8 length and name, u8 length and address.
 */
#ifndef SYNOD_VIEW_APP_H
#define SYNOD_VIEW_APP_H

#include "rsm/app.h"
#include "view/view.h"

#define VIEW_HISTORY_MAX 256u

/* What the leader knows beside the replicated state. */
struct view_app_hooks {
	/* Fills in the servers of the reply; in the arena. May be NULL. */
	void (*servers)(void *context, struct wire_view_reply *reply, struct arena *arena);
	/* True if the primary of the present view is thought to live. May be NULL: it does not. */
	bool (*primary_lives)(void *context);
	/* The highest client id that has been handed out. May be NULL: 0. */
	uint64_t (*clients)(void *context);
	void *context;
};

struct app *view_app_create(const struct view_app_hooks *hooks);
/* Borrowed; until the next apply or restore. Number 0 before the first. */
const struct view *view_app_current(const struct app *app);

#endif
