/*
 * The shard master's node: one replica of the group that keeps the configurations.
 *
 * It answers, besides what the rsm answers (COMMAND, QUERY, REGISTER, TRANSFER, consensus):
 *
 *   STATUS    this replica's state; any replica
 *   CLUSTER   cluster name, number of shards, addresses of the shard masters; any replica
 *   WATCH(n) the newest configuration, as soon as its number exceeds n, or when the request's
 *   timeout has passed
 *
 * WATCH is a long poll at the leader. When a waiter's time has come, its request goes to the rsm as
 * a QUERY for the newest configuration, so the answer is as linearizable as any read (and carries
 * the method number of QUERY). A replica that does not lead, or ceases to, answers NOT_LEADER. At
 * most WATCHERS_MAX wait at a time, further ones are told BUSY; those of a lost connection are
 * dropped. A request without timeout waits WATCH_DEFAULT_MS.
 *
 * Any other request is answered with UNKNOWN_METHOD.
 */
#ifndef SYNOD_SHARDMASTER_NODE_H
#define SYNOD_SHARDMASTER_NODE_H

#include <stdint.h>

#include "base/limits.h"
#include "node/node.h"
#include "rsm/rsm.h"

#define WATCHERS_MAX 8192u
#define WATCH_DEFAULT_MS 1000u
#define WATCH_MAX_MS 60000u
#define SHARDMASTER_GROUP 0u /* the group number of the shard masters, which no shardkv group has */

struct shardmaster_options {
	struct env *env;
	struct log *log;
	const char *cluster; /* name; strings are copied */
	const char *name;    /* of this node */
	const char *version;
	uint32_t nshards;
	uint32_t replica; /* of this node */
	uint32_t nmembers;
	struct rsm_member members[MEMBERS_MAX]; /* the client addresses are what CLUSTER tells */
	uint64_t members_slot; /* of the entry that names them; 0: the configuration (rsm/rsm.h) */
	/* likewise: this replica was added to the group, or comes again, and knows no list yet */
	bool joining;
	struct rsm_settings settings;
};

/* The node, for a world to run; its destroy operation frees it. */
struct node *shardmaster_create(const struct shardmaster_options *options);
/*
 * Borrowed: the newest configuration that this replica has applied. For tests and the simulator's
 * checks.
 */
struct shard_config *shardmaster_config(struct node *node);
struct rsm *shardmaster_rsm(struct node *node);
/*
 * The group that has joined under this number has told who it is, says what this replica has
 * applied.
 */
bool shardmaster_knows(struct node *node, uint64_t gid);
/* … and its generation (rsm/force.h). */
uint32_t shardmaster_generation(struct node *node, uint64_t gid);

#endif
