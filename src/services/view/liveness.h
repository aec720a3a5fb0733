/*
 * Who pinged when, and what view follows from it. Soft state of the leader of the view service: it
 * is not replicated, and a new leader begins with a fresh period of grace for everybody in the
 * present view.
 *
 * Dead is who has not pinged for dead_us, who has said that it is leaving, or who has pinged with
 * another incarnation than the one in the view.
 *
 * A silent server is dropped only when the one that stays has pinged after that silence became
 * death. So if both fall silent together (the network of the leader, a busy machine), nothing is
 * decided before one of them is heard again: to drop a backup on behalf of a primary that is just
 * dying would lose the state with it.
 */
#ifndef SYNOD_VIEW_LIVENESS_H
#define SYNOD_VIEW_LIVENESS_H

#include "view/view.h"

#define VIEW_SERVERS_MAX 64u

struct view_liveness {
	struct view_server server; /* the newest incarnation that was heard of */
	uint64_t number;           /* view that it had adopted */
	uint64_t since_us;         /* heard without a longer gap since then */
	uint64_t last_us;          /* last ping */
};

struct view_table {
	uint64_t dead_us;
	uint32_t count;
	/* a name stands once; in the order of the first ping */
	struct view_liveness servers[VIEW_SERVERS_MAX];
};

void view_table_init(struct view_table *table, uint64_t dead_us);
/* A new leader: everybody in the view has just been heard. */
void view_table_grace(struct view_table *table, const struct view *view, uint64_t now_us);
/* A ping. False if there are too many servers that live; a dead one makes way. */
bool view_table_ping(struct view_table *table, const struct wire_view_ping *ping, uint64_t now_us);
bool view_table_alive(const struct view_table *table, const struct view_server *server,
		      uint64_t now_us);

/* True if a new view is due: its primary and backup. view_may_follow() holds for them. */
bool view_table_decide(const struct view_table *table, const struct view *current, uint64_t now_us,
		       struct view_server *primary, struct view_server *backup);

#endif
