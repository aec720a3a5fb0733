/*
 * A shardkv group in the simulated world, with a shard master and a client that do as the test
 * says.
 */
#ifndef SYNOD_TESTS_SHARDKV_GROUP_H
#define SYNOD_TESTS_SHARDKV_GROUP_H

#include "base/settings.h"
#include "shardkv/node.h"
#include "sim/world.h"
#include "wire/wire.h"

#define GROUP_SHARDS 4u
#define GROUP_REPLICAS_MAX 3u
#define ASKED_MAX 6000u

enum claim_mode { CLAIM_GRANT, CLAIM_DENY, CLAIM_HOLD };

/* A reply, or its absence. */
struct asked {
	bool done;
	bool lost; /* the link went down */
	int status;
	struct bytes *payload;
	link_id link;
};

struct group {
	struct sim_world *world;
	uint32_t nreplicas;
	struct sim_process *replicas[GROUP_REPLICAS_MAX];
	struct sim_process *master;
	struct sim_process *client;
	uint32_t key_bytes_max;
	const struct settings
		/* of a replica from its next start on; NULL: the defaults */
		*settings[GROUP_REPLICAS_MAX];
	uint32_t shards[GROUP_REPLICAS_MAX]; /* other than GROUP_SHARDS */

	/* The master. */
	uint64_t number;
	uint64_t gids[GROUP_SHARDS];
	enum claim_mode claims;
	/*
	 * what the configuration says instead of the group's first address; NULL: all is as it is
	 */
	const char *elsewhere;
	enum claim_mode reports; /* what is done with MEMBERS: taken, denied, not answered */
	uint32_t reports_received;
	uint64_t reported_slot, reported_id; /* by the last one */
	uint32_t reported_members;
	uint64_t clients;   /* the highest client id that it has handed out */
	uint32_t questions; /* how often it was asked for that */
	bool deaf;          /* to these questions */
	uint32_t claims_received;
	uint32_t shards_claimed; /* in the last claim */

	/* The client. */
	struct asked asked[ASKED_MAX];
	uint32_t nasked;
};

/* A world with a group 1 of n replicas; configuration 0. */
struct group *group_create(uint32_t nreplicas);
void group_destroy(struct group *g);
/* The master's newest configuration from now on; watchers are told. */
void group_configure(struct group *g, uint64_t number, uint64_t gid0, uint64_t gid1, uint64_t gid2,
		     uint64_t gid3);
/* The replica that leads, NULL if none does. */
struct sim_process *group_leader(struct group *g);
/* Runs until there is a leader that has adopted the master's configuration. */
void group_settle(struct group *g);

/* Sends a request to a replica; returns its number. */
uint32_t group_send(struct group *g, struct sim_process *to, uint16_t method, struct slice payload,
		    uint32_t timeout_ms);
/* Runs until it is answered (or 20 seconds have passed). */
struct asked *group_wait(struct group *g, uint32_t number);
/* One operation as a COMMAND without session, or, for GET, a QUERY for the key. */
uint32_t group_send_op(struct group *g, struct sim_process *to, const struct wire_kv_op *op,
		       uint32_t timeout_ms);
/* The same for a write of a session. */
uint32_t group_send_as(struct group *g, struct sim_process *to, uint64_t client, uint64_t sequence,
		       uint64_t acknowledged, const struct wire_kv_op *op);
uint32_t group_send_scan(struct group *g, struct sim_process *to, uint64_t config);
/* A key of that shard. */
const char *group_key(char out[16], uint32_t shard);

#endif
