/*
 * A group of consensus cores under virtual time, with a network that loses, duplicates, delays and
 * cuts, and disks that forget what was not synced. Smaller than the simulator (sim/): only the
 * core, nothing around it; so that a failing seed is short to read. Checks paxos/invariants.h after
 * every step.
 */
#ifndef SYNOD_TESTS_PAXOS_GROUP_H
#define SYNOD_TESTS_PAXOS_GROUP_H

#include "base/rng.h"
#include "paxos/invariants.h"
#include "paxos/multipaxos.h"

struct group_record {
	struct consensus_persist persist;
	struct bytes *value; /* NULL for an empty one */
};

struct group_message {
	uint64_t at_us, order;
	uint32_t from, to; /* indices */
	enum method method;
	struct buffer payload;
};

struct group_replica {
	struct paxos *core; /* NULL: down */
	struct group_record *log;
	uint32_t records, capacity;
	uint32_t durable; /* records that survive a crash */
	uint32_t syncing; /* the sync under way covers so many; 0: none */
	uint64_t sync_done_us;
	bool hold;              /* syncs do not finish */
	struct bytes **applied; /* [slot - 1] */
	uint64_t applied_count, applied_capacity;
	/* a snapshot covers slots ≤ base: durable, and the log forgets them */
	uint64_t base;
	uint32_t install_from; /* replica id whose snapshot is being fetched; 0: none */
	uint64_t install_at_us;
	bool blocked;   /* applies nothing meanwhile */
	bool withholds; /* offers its snapshot, and never hands it out */
	/* the highest in the durable records: no Prepare or Promise may leave in a higher one … */
	uint64_t durable_ballot;
	uint64_t *durable_accepted; /* … and by slot, for what an Accepted may name */
	uint64_t durable_accepted_count;
	uint64_t reads_confirmed;
	uint64_t last_read_slot;
	enum consensus_role role_told; /* by the trace */
};

struct group {
	uint32_t count;
	struct group_replica replicas[REPLICAS_MAX];
	uint64_t now_us;
	struct rng rng;
	struct group_message *messages; /* heap by (at_us, order) */
	uint32_t nmessages, capacity;
	uint64_t order;
	bool cut[REPLICAS_MAX][REPLICAS_MAX]; /* [from][to] */
	uint32_t loss_ppm, duplicate_ppm;
	/* delivered messages that come again, up to five seconds later */
	uint32_t replay_ppm;
	uint64_t delay_min_us, delay_max_us;
	uint64_t sync_min_us, sync_max_us;
	uint64_t cache_bytes, lease_us; /* of cores that are started from now on */
	struct paxos_invariants *invariants;
	uint64_t delivered_messages;
	uint64_t installed; /* snapshots */
	uint64_t sent[64];  /* by method */
	/* If set, gets a line for each event (scenario transcripts). */
	void (*trace)(void *context, const char *line);
	void *trace_context;
};

void group_init(struct group *g, uint32_t count, uint64_t seed);
void group_free(struct group *g);
/* Runs the next event at or before until_us; false if there is none (time is then until_us). */
bool group_step(struct group *g, uint64_t until_us);
void group_run(struct group *g, uint64_t duration_us);
void group_crash(struct group *g, uint32_t i);
void group_start(struct group *g, uint32_t i);
/* The applied state becomes a snapshot; the log up to it is forgotten. */
void group_snapshot(struct group *g, uint32_t i);
/* Carries out what replica i wants after a call into its core. */
void group_settle(struct group *g, uint32_t i);
/* Index of the leader of the highest ballot, or UINT32_MAX. */
uint32_t group_leader(const struct group *g);
/* Proposes at replica i; 0 if it cannot, otherwise the slot. */
uint64_t group_propose(struct group *g, uint32_t i, const char *value);
void group_heal(struct group *g);

#endif
