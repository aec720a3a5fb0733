/*
 * Snapshots in turn: at one time one replica of a group takes one.
 *
 * All replicas apply the same entries, and would take their snapshots at the same moment; every
 * quorum would then wait for a replica that is busy with one. So a replica that has as much log as
 * a snapshot is worth, and is DUE, asks its leader for the turn. The leader gives it to one at a
 * time, first to the one with most log, and takes its own snapshot when for some heartbeats nobody
 * else has asked.
 *
 *   IDLE ──due──▶ ASKING ──the turn is given, or it is late──▶ TAKING ──in place, or given up──▶ IDLE
 *
 * SNAPSHOT_TURN is the only message, and a hint: each may be lost, late, or come twice; nothing of
 * it is durable. Group and generation are judged as those of all messages between replicas are.
 *
 *   to the leader     flags TURN_ASKED and position, the bytes of log: once a heartbeat while it
 *                     asks; TURN_TAKEN: once a heartbeat while it takes one; TURN_DONE: once then
 *   from the leader   flags TURN_GIVEN: in answer to one that asks, if it has the turn
 *
 * The leader lets the turn go when its holder has said so, or nothing for TURN_SILENT_HEARTBEATS. A
 * new leader gives and takes none before so much time has passed: by then it has heard of a
 * snapshot that is being taken. So two overlap only if messages are lost, or one of them is
 *
 *   late         it has TURN_LATE times the log that makes it due: nobody leads, or it is not
 *                heard; its disk must not fill up because of that
 *   urgent       its disk is full, a peer waits for a newer one, or it takes the place of a damaged
 *                one (snapshot_maybe_take()): none of these asks
 *
 * A group of one has nobody to wait for; and small states no need (rsm_settings,
 * snapshot_turn_bytes).
 */
#ifndef SYNOD_RSM_SNAPSHOT_TURN_H
#define SYNOD_RSM_SNAPSHOT_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/consensus.h"
#include "node/timer.h"

#define TURN_SILENT_HEARTBEATS 10u
#define TURN_LATE 2u

enum turn_flags { TURN_ASKED = 1, TURN_TAKEN = 2, TURN_DONE = 4, TURN_GIVEN = 8 };

struct rsm;
struct wire_snapshot_turn;

/* Who has asked this leader. */
struct turn_asker {
	uint64_t bytes;
	uint64_t at_us; /* 0: it has not, or has its turn */
};

struct snapshot_turn {
	struct timer timer; /* once a heartbeat, while it asks or takes */
	uint64_t bytes;     /* of log, when it was due last … */
	uint64_t due_us;    /* … which was then; 0: it is not */
	uint64_t since_us;  /* it has been due without a pause */
	bool given;
	bool taking;
	/* As a leader: */
	uint64_t ballot;    /* in which what follows holds */
	uint32_t holder;    /* seat; UINT32_MAX: nobody */
	uint64_t holder_us; /* it was heard then */
	struct turn_asker askers[CONSENSUS_PEERS_MAX];
};

void snapshot_turn_init(struct rsm *rsm);
void snapshot_turn_free(struct rsm *rsm);
/*
 * This replica has `bytes` of log, and from `due_bytes` on a snapshot is worth them: may it take
 * one now? If not it is asked again at the end of a later turn; meanwhile the leader is.
 */
bool snapshot_turn_may_take(struct rsm *rsm, uint64_t bytes, uint64_t due_bytes);
/* A snapshot is begun; it has ended, whatever came of it. */
void snapshot_turn_begun(struct rsm *rsm);
void snapshot_turn_ended(struct rsm *rsm);
/* Why a message is impossible, or NULL. */
const char *snapshot_turn_judge(const struct wire_snapshot_turn *m);
void snapshot_turn_message(struct rsm *rsm, uint32_t seat, const struct wire_snapshot_turn *m);

#endif
