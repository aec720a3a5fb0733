/*
 * Replicas compare their states, through the log, and whoever has come to another state than its
 * group stops and gets it anew.
 *
 * 1. Every state_hash_interval the leader has a MARK chosen (rsm/hash_entry.h). Applying it, each
 *    replica takes an image of its state and hashes that, part by part and from its contents, in
 *    short steps between other work: so a value that has changed in memory by itself is found, as
 *    is one that was never applied alike.
 * 2. It tells the leader the hashes of the parts (method STATE_HASH; again, until a verdict is
 *    chosen).
 * 3. When all members have told it, or a majority has and it has waited long enough, the leader has
 *    a VERDICT chosen: what each has reported, and where they differ. How long is long enough
 *    decides who is named at once, never who is right.
 * 4. Applying the verdict, each replica compares its own hash of that mark with the right one
 *    (hash_verdict_right()). One that is not ready with its own does so when it is.
 *
 * Who differs from the right one takes no part in answers any more: it gives up leadership, does
 * not stand, is not ready, and fetches the state of a replica that is right, at a slot not before
 * the verdict. Its vote is not touched: log and promises have their own checksums. What it has
 * written of its state, its snapshot, is put aside under the name snapshot-diverged, as evidence,
 * and so that a restart in the meantime does not begin with it. It logs state_diverged with the
 * parts and both hashes. If the verdict names nobody as right, each replica logs state_undecided,
 * and goes on: one of them is wrong, but which one a person must find out.
 *
 * Meanwhile a wrong state must not take the place of the log, the last that is right on this disk:
 * a snapshot of contents that do not fit what is kept about them is not finished (struct app,
 * snapshot_next).
 *
 * A leader whose own state differs is one voice among the reports; the others' verdict stops it
 * like anybody else. What it had answered since its state changed stays answered: the comparison
 * bounds how long that can go on, it does not prevent it.
 */
#ifndef SYNOD_RSM_STATE_HASH_H
#define SYNOD_RSM_STATE_HASH_H

#include "base/bytes.h"
#include "base/limits.h"
#include "node/disk.h"
#include "node/timer.h"
#include "rsm/app.h"
#include "rsm/hash_entry.h"
#include "snapshot/snapshot_file.h"
#include "wire/wire.h"

struct rsm;

/* What a replica has told of a mark. */
struct state_report {
	uint32_t replica;
	bool told, sound;
	uint64_t hash;
	uint64_t *parts;
};

enum state_hash_step { STATE_HASH_NONE, STATE_HASH_SESSIONS, STATE_HASH_APP, STATE_HASH_DONE };

struct state_hash {
	struct timer timer;
	/*
	 * The newest mark; all of it is forgotten when another state takes the place of this one.
	 */
	enum state_hash_step step;
	uint64_t mark_slot;
	uint32_t nparts;
	uint64_t group_part, app_part; /* of the moment; the latter of an app without audits */
	struct app_audit *audit;
	uint64_t marked_us, done_us, told_us;
	/* in the order in which they have come; the own one first */
	struct state_report reports[MEMBERS_MAX];
	bool judged;           /* somebody was right */
	struct buffer verdict; /* that has come before our own hash was ready; empty: none */
	/* Leader. */
	uint64_t verdict_ballot;  /* in which a verdict on this mark was proposed; 0: in none … */
	uint32_t verdict_reports; /* … of so many reports */
	/* Evidence is being put aside. */
	bool keeping;
	struct disk_request request;
	char name[SNAPSHOT_NAME_BYTES];
	/* Results. */
	uint64_t compared_slot; /* newest mark at which this replica was right */
	/*
	 * newest mark at which replicas differed and nobody was right; 0: it has been decided since
	 */
	uint64_t undecided_slot;
	uint64_t marks, compared, undecided;
	struct rsm_divergence *diverged; /* the newest one, and how many there were */
};

/* Before the first turn. */
void state_hash_init(struct rsm *rsm);
void state_hash_start(struct rsm *rsm);
void state_hash_free(struct rsm *rsm);
/* ENTRY_HASH in `slot`: 0 or why it cannot be applied. */
int state_hash_apply(struct rsm *rsm, struct slice body, uint64_t slot) MUST_CHECK;
/* Another state takes the place of this one: what was found out about it is void. */
void state_hash_forget(struct rsm *rsm);
/* A report of another replica. */
void state_hash_message(struct rsm *rsm, const struct wire_state_hash *m);
/* NULL, or why such a message is refused (rsm/judge.h). */
const char *state_hash_judge(const struct wire_state_hash *m);
/* The disk is full: evidence makes room. */
void state_hash_drop_evidence(struct rsm *rsm);

#endif
