/*
 * What a replica knows of its own start and of the others' (rsm/starts.h), and the rules that
 * follow from it.
 */
#ifndef SYNOD_RSM_STALE_H
#define SYNOD_RSM_STALE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/consensus.h"
#include "node/timer.h"
#include "rsm/starts.h"
#include "wal/wal.h"
#include "wire/wire.h"

struct rsm;
struct message;

struct stale {
	/* this directory has a life: otherwise there is nothing to compare */
	bool on;
	bool found;   /* it is a stale copy: another life is to be drawn … */
	bool refused; /* … and cannot be */
	struct start_claim own;
	struct starts starts; /* what is remembered */
	/* By seat (rsm/known.c). In it: of the process that was heard last; its messages count. */
	struct start_memory *current[CONSENSUS_PEERS_MAX];
	/*
	 * The life of its disk, if it has said that it remembers no more than we hold; 0: not yet.
	 */
	uint64_t heard[CONSENSUS_PEERS_MAX];
	bool heard_learner[CONSENSUS_PEERS_MAX]; /* it says that it has no vote */
	/* … that it need not be compared, nor named (rsm/force.h), any more */
	bool heard_running[CONSENSUS_PEERS_MAX];
	/* the newest that others have told, the voters alone; slot 0: none */
	struct consensus_members bound;
	bool absent[CONSENSUS_PEERS_MAX]; /* it could not be connected to since it was asked last */
	uint64_t asked_us[CONSENSUS_PEERS_MAX];
	struct timer timer;
	/* until then whoever has not answered is asked at each heartbeat */
	uint64_t eager_until_us;
	uint32_t ticks;
	bool changed;             /* what is remembered, since the last tick … */
	bool tell_due, write_due; /* … since others were told, and since it was written down */
	bool beside_changed, beside_write_due; /* the same of logs beside … */
	bool beside_tell_due;                  /* … of the own one, since the leader was told */
	uint32_t leader;                       /* has been told */
	struct starts written, durable;
	uint64_t written_sequence; /* of the log's record of `written`; 0: it is durable */
	uint64_t copies;           /* times that this directory was found to be one */
};

/* While the log is replayed. */
void stale_restore(struct rsm *rsm, struct slice payload);
/*
 * When all of it has been, and nothing has been sent yet: notes the start. 0, or why the replica
 * cannot start (logged).
 */
int stale_start(struct rsm *rsm) MUST_CHECK;
/* When the links are there. */
void stale_begin(struct rsm *rsm);
void stale_free(struct rsm *rsm);
/*
 * What is remembered goes into the log: before older parts of it are released, and this one is not
 * among them. Where it stands; UINT64_MAX: nothing is remembered.
 */
wal_position stale_write(struct rsm *rsm);
void stale_message(struct rsm *rsm, uint32_t seat, const struct message *message,
		   const struct wire_started *m);
/* The connection to this member is lost. */
void stale_link_down(struct rsm *rsm, uint32_t seat);
/* Somebody else has this seat. */
void stale_seat_given(struct rsm *rsm, uint32_t seat);

/* Every member is asked for its start, and so hears of ours. */
void stale_ask_all(struct rsm *rsm);
/*
 * Of the voters of the newest list more than half, without this replica, say that they run and
 * vote; or there is no list yet.
 */
bool stale_majority_runs(const struct rsm *rsm);
/* Takes part in nothing any more; and does so again, as soon as it has been compared. */
void stale_keep_out(struct rsm *rsm);
void stale_reopen(struct rsm *rsm);

/* The slow way of stale_admit(). */
bool stale_admit_other(struct rsm *rsm, uint32_t seat, const struct message *message,
		       union peer_message *m);
const char *stale_judge(const struct wire_started *m);

#endif
