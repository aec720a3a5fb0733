/*
 * A view: which pbserver is primary and which is backup. Plain values and the rules by which one
 * view follows another; no I/O, no clock.
 *
 *   number       1, 2, …; each view differs from the one before
 *   primary      the only server that may answer clients in this view; nobody before the first view
 *                and after a RESET
 *   backup       takes over when the primary is gone
 *   acknowledged the primary has adopted the view. No view follows one that its primary has not
 *                acknowledged: as long as the primary does not know of its backup, it would go on
 *                without it
 *   synced       the backup holds the whole state. Only then may it become primary: a server
 *                without the state never is. (In the courses' protocol the acknowledgement has to
 *                stand for both, so that a backup that dies while it is being filled blocks
 *                everything; here it is replaced.)
 *   fresh        the primary begins with an empty store
 *
 * A server is one life of a process: a restarted one has another incarnation and has lost its
 * state.
 */
#ifndef SYNOD_VIEW_VIEW_H
#define SYNOD_VIEW_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/states.h"
#include "wire/wire_view.h"

struct view_server {
	uint64_t incarnation; /* 0: nobody */
	char name[NAME_BYTES_MAX + 1];
	char address[ADDRESS_BYTES_MAX + 1];
};

/*
 *   NOBODY ──► NEW ──► ACKNOWLEDGED ──► SYNCED        within a view
 *               └─────────────────────────┘
 *
 * The next view begins as NEW after one that is not NEW, or as NOBODY after one that is not NOBODY
 * (RESET).
 */
enum view_state {
	VIEW_NOBODY,       /* has no primary: before the first view, and after a RESET */
	VIEW_NEW,          /* its primary has not adopted it, as far as is known */
	VIEW_ACKNOWLEDGED, /* … it has */
	VIEW_SYNCED,       /* … and its backup holds the whole state */
};
/* Within a view; and from one view to the next one's first state. */
extern const struct state_table VIEW_STATES, VIEW_SUCCESSORS;

struct view {
	uint64_t number; /* 0: none yet */
	struct view_server primary, backup;
	enum view_state state;
	bool fresh;
	uint64_t time_us; /* log time of its beginning */
};

/* There is nothing to be acknowledged of a view without primary. */
static inline bool view_acknowledged(const struct view *view)
{
	return view->state != VIEW_NEW;
}
static inline bool view_synced(const struct view *view)
{
	return view->state == VIEW_SYNCED;
}
static inline bool view_nobody(const struct view_server *s)
{
	return s->incarnation == 0;
}
bool view_same_name(const struct view_server *a, const struct view_server *b);
/* The same life of the same process; nobody equals nobody. */
bool view_same_server(const struct view_server *a, const struct view_server *b);

/* The primary has adopted the view; `synced`: and its backup, if any, holds the whole state. */
void view_acknowledge(struct view *view, bool synced);

/* True if the rules allow the view `current` to be followed by one of this primary and backup. */
bool view_may_follow(const struct view *current, const struct view_server *primary,
		     const struct view_server *backup);
/* The view that follows; view_may_follow() holds. */
struct view view_next(const struct view *current, const struct view_server *primary,
		      const struct view_server *backup, uint64_t time_us);

/* The one that an operator makes follow, without servers. `current` has a primary. */
struct view view_reset(const struct view *current, uint64_t time_us);

/* Between the wire and here. What comes off the wire has been checked for its length. */
void view_server_set(struct view_server *out, const struct wire_view_server *in);
struct wire_view_server view_server_wire(const struct view_server *in);
struct wire_view view_wire(const struct view *in);

#endif
