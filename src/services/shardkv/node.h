/*
 * One replica of a shardkv group: the key-value app (app.h) on a replicated state machine, plus
 * what ties the group to the shard master.
 *
 * Configurations. The leader watches the shard master. Each newer configuration is proposed to the
 * group's own log, and takes effect when it is applied, at the same place of the log on every
 * replica.
 *
 * Claims. A shard that the configuration assigns to the group must be granted by the shard master
 * before it may hold data (from then on the master does not move it). The leader claims a shard
 * when the first request needs it: the request is parked, one CLAIM at a time goes to the master,
 * the grant goes through the log, and then the request is handed on as if it had just come. Parked
 * requests are bounded in number and bytes (BUSY above), end with DEADLINE when their time is over,
 * are dropped with their link, and are answered NOT_LEADER when leadership is lost. None of these
 * was logged. A shard that the master refuses to grant belongs to somebody else by now:
 * WRONG_GROUP, with the master's configuration number.
 *
 * Members. When the group's voters are found at other addresses than the newest configuration has,
 * the leader tells the masters (MEMBERS): so clients, and other groups, find them.
 *
 * RPC: COMMAND and QUERY (app.h), REGISTER, TRANSFER (rsm/rsm.h), STATUS and CLUSTER, which every
 * replica answers.
 *
 * Ownership: everything in the options is copied, except env and log, which outlive the node. The
 * creator calls node->ops->destroy().
 */
#ifndef SYNOD_SHARDKV_NODE_H
#define SYNOD_SHARDKV_NODE_H

#include <stdint.h>

#include "base/limits.h"
#include "node/node.h"
#include "rsm/rsm.h"

struct shardkv_node_options {
	struct env *env;
	struct log *log;
	const char *cluster;
	const char *name;    /* of this node */
	const char *version; /* of the program, for STATUS */
	uint64_t gid;
	uint32_t replica;
	uint32_t nmembers;
	struct rsm_member members[MEMBERS_MAX]; /* all replicas of the group, this one among them */
	uint64_t members_slot; /* of the entry that names them; 0: the configuration (rsm/rsm.h) */
	uint32_t generation, force; /* rsm_options */
	/* likewise: this replica was added to the group, or comes again, and knows no list yet */
	bool joining;
	uint32_t nshards;
	uint32_t nmasters;
	const char *masters[REPLICAS_MAX]; /* HOST:PORT as this node dials them */
	/* the same as told to clients (CLUSTER); NULL: as masters */
	const char *client_masters[REPLICAS_MAX];
	struct rsm_settings settings;
	uint32_t key_bytes_max;
	uint32_t value_bytes_max;
};

struct node *shardkv_node_create(const struct shardkv_node_options *options);
/* The app inside, for checks of invariants. */
struct app *shardkv_node_app(struct node *node);
struct rsm *shardkv_node_rsm(struct node *node);

#endif
