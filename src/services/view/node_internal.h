/*
 * What the files of a viewserver share.
 *
 *   node.c         life, requests
 *   leader.c       the leader's duties: pings, proposals; what the app asks of its leader
 *   status.c       STATUS, JSON, metrics
 */
#ifndef SYNOD_VIEW_NODE_INTERNAL_H
#define SYNOD_VIEW_NODE_INTERNAL_H

#include "server/server.h"
#include "view/app.h"
#include "view/liveness.h"
#include "view/node.h"

struct view_node {
	struct server server;
	uint64_t ping_interval_us;
	struct timer tick;
	struct view_table table;
	bool leading;                                  /* the table is in use */
	uint64_t logged_view;                          /* last told to the log */
	uint64_t seen_view;                            /* what the proposals below were made for */
	uint64_t change_us, acknowledge_us, synced_us; /* when they were proposed; 0: not */
	uint64_t pings, changes;
};

static inline struct view_node *view_node_of(struct node *node)
{
	return (struct view_node *)(void *)node;
}

/* ---- leader.c ---- */

void view_leader_tick(void *data);
/* A ping of a server, at the leader. False: there are too many servers. */
bool view_leader_ping(struct view_node *n, const struct wire_view_ping *ping);
/* Callbacks of the rsm, and the hooks of the app. */
void view_leader_applied(void *context);
void view_leader_changed(void *context, bool leader);
void view_leader_list_servers(void *context, struct wire_view_reply *reply, struct arena *arena);
bool view_leader_primary_lives(void *node);

/* ---- status.c ---- */

/* For struct server_kind. */
void view_fill_status(struct node *node, struct wire_status *status);
void view_write_json(struct node *node, struct buffer *out);
void view_status_metrics(struct view_node *n);

#endif
