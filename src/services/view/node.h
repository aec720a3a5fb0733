/*
 * A viewserver: one replica of the view service.
 *
 * It answers, besides what the rsm answers (COMMAND: RESET; QUERY: ViewQuery; REGISTER: client ids
 * for sessions at the pbservers; TRANSFER; consensus):
 *
 *   VIEW_PING notes that the server lives and what it has acknowledged, and answers the present
 *              view; leader only. The answer is a linearizable read, so it comes from a leader that
 *              still had its majority after the ping.
 *   STATUS     this replica's state; any replica
 *   CLUSTER    the cluster's name; any replica
 *
 * The leader looks at pings and view together (liveness.h) after every ping that tells something
 * new and at every ping interval, and proposes what follows from them: ACKNOWLEDGE, SYNCED, CHANGE.
 * What it proposes is judged again when it is applied (app.h), so a leader that has been replaced
 * can do no harm.
 */
#ifndef SYNOD_VIEW_NODE_H
#define SYNOD_VIEW_NODE_H

#include "node/node.h"
#include "rsm/rsm.h"
#include "view/view.h"

#define VIEW_GROUP 0u /* as that of the shard masters: other nodes, other members */

struct view_node_options {
	struct env *env;
	struct log *log;
	const char *cluster; /* strings are copied */
	const char *name;    /* of this node */
	const char *version;
	uint32_t nshards; /* told by CLUSTER, with the shard masters */
	uint32_t nmasters;
	const char *masters[REPLICAS_MAX];
	uint32_t replica;
	uint32_t nmembers;
	struct rsm_member members[MEMBERS_MAX];
	uint64_t members_slot; /* of the entry that names them; 0: the configuration (rsm/rsm.h) */
	/* likewise: this replica was added to the group, or comes again, and knows no list yet */
	bool joining;
	struct rsm_settings settings;
	uint32_t ping_interval_ms;
	uint32_t dead_pings;
};

struct node *view_node_create(const struct view_node_options *options);
/* Borrowed: the view that this replica has applied. For tests and the simulator's checks. */
const struct view *view_node_current(struct node *node);
struct app *view_node_app(struct node *node);
struct rsm *view_node_rsm(struct node *node);
/* True if this replica leads and thinks that the server is alive. */
bool view_node_alive(struct node *node, const struct view_server *server);
/* True if this replica has proposed a change of the present view. */
bool view_node_changing(struct node *node);

#endif
