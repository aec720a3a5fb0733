/*
 * What the files of a viewserver share.
 *
 *   node.c         life, requests
 *   leader.c       the leader's duties: pings, proposals; what the app asks of its leader
 *   status.c       STATUS, CLUSTER, JSON, metrics
 */
#ifndef SYNOD_VIEW_NODE_INTERNAL_H
#define SYNOD_VIEW_NODE_INTERNAL_H

#include "view/app.h"
#include "view/liveness.h"
#include "view/node.h"

struct view_node {
	struct node node;
	char *cluster, *name, *version;
	uint32_t nshards, nmasters;
	char *masters[REPLICAS_MAX];
	struct app *app;
	struct rsm *rsm;
	uint64_t ping_interval_us;
	struct timer tick;
	struct view_table table;
	bool leading;                                  /* the table is in use */
	uint64_t logged_view;                          /* last told to the log */
	uint64_t seen_view;                            /* what the proposals below were made for */
	uint64_t change_us, acknowledge_us, synced_us; /* when they were proposed; 0: not */
	struct arena arena;
	struct buffer out;
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

void view_status_answer(struct view_node *n, link_id from, const struct message *request);
void view_status_cluster(struct view_node *n, link_id from, const struct message *request);
void view_status_json(struct node *node, struct buffer *out);
void view_status_metrics(struct view_node *n);

#endif
