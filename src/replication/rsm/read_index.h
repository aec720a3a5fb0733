/*
 * read_index: reads at any replica, from its own state.
 *
 * QUERY_INDEXED, linearizable. The replica asks the leader up to which slot a read that begins now
 * must see (READ_INDEX), waits until it has applied that slot, and answers. The leader tells a slot
 * only when it has confirmed, by its usual round or its lease, that it led after the question had
 * come (paxos/multipaxos.h, READS); so the answer holds everything that was acknowledged before the
 * read arrived here. Questions are numbered: one stands for all reads that arrived before it was
 * sent, and its answer, or that to any later one, is theirs. At most READ_INDEXES_OPEN are under
 * way; reads that come meanwhile share the next. A question or an answer may be lost: it is asked
 * again, of whoever leads by then, with a new number. Numbers begin anywhere, so that an answer to
 * an earlier life of this replica is none to this one.
 *
 * Who leads answers QUERY_INDEXED as a QUERY. A replica without a vote may answer: what it has
 * applied was chosen, and that it has all of it the leader says. One whose state is lost or being
 * replaced refuses, and so does who knows no leader, who is not told in time, or does not catch up
 * in time: with UNAVAILABLE, so that the asker goes elsewhere while there is time.
 *
 * QUERY_STALE. Any replica answers from what it has applied, and says of which slot that is, and
 * how old it may be at most (consensus_fresh()). The asker adds the time that passed since it sent the
 * question.
 *
 * All these reads count in the limits of the others (rsm/requests.c), and are served in turns with
 * them.
 */
#ifndef SYNOD_RSM_READ_INDEX_H
#define SYNOD_RSM_READ_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/list.h"
#include "core/consensus.h"
#include "node/node.h"
#include "rsm/read_backlog.h"

/* Questions of this replica to the leader that are under way. */
#define READ_INDEXES_OPEN 2u
/*
 * … and of one other replica, at the leader: more can only be old ones of which it has given up the
 * answers.
 */
#define READ_INDEXES_OPEN_MAX 16u
/* Core reads with this bit are questions of other replicas. */
#define READ_INDEX_BIT (UINT64_C(1) << 63)

struct read_index {
	/* This replica's reads. */
	struct list asking; /* struct indexed_read: no slot yet; in the order of their arrival */
	/* they wait until their slot has been applied; in the order of their questions */
	struct list known;
	struct list here;            /* stale ones: for the end of this turn */
	struct read_backlog backlog; /* could be answered, and are more than a turn should answer */
	uint32_t count;              /* in the three lists … */
	uint64_t bytes;              /* … and the payloads' */
	uint64_t asked,
		/*
		 * the last number of ours that was sent, and that was answered; 0: none in this
		 * life
		 */
		told;
	uint64_t asked_us; /* when that was sent, */
	uint32_t asked_of; /* to whom */
	struct timer timer;
	/* Leader: questions of others, by seat, that are not answered yet; all of one ballot. */
	uint32_t open[CONSENSUS_PEERS_MAX];
	uint64_t open_ballot;
	uint64_t indexed, stale, refused, questions, answered; /* so far */
};

struct rsm;
struct requester;
struct wire_read_index;
struct wire_read_index_reply;

void read_index_init(struct rsm *rsm);
void read_index_free(struct rsm *rsm);
/* QUERY_INDEXED at a replica that does not lead, QUERY_STALE at any. */
void read_index_request(struct rsm *rsm, const struct requester *from,
			const struct message *message);
/*
 * At the end of a turn: asks the leader, if there is something to ask; refuses what has waited for
 * too long.
 */
void read_index_ask_now(struct rsm *rsm);
static inline void read_index_ask(struct rsm *rsm, const struct read_index *reads)
{
	if (reads->count > 0)
		read_index_ask_now(rsm);
}
/* Answers what may be answered. */
void read_index_serve_now(struct rsm *rsm);
static inline void read_index_serve(struct rsm *rsm, const struct read_index *reads)
{
	if (reads->count + reads->backlog.count > 0)
		read_index_serve_now(rsm);
}
/* A question of another member, and an answer, that have been judged. */
void read_index_asked(struct rsm *rsm, const struct wire_read_index *m);
void read_index_told(struct rsm *rsm, const struct wire_read_index_reply *m);
/* Leader: the core has confirmed this question. */
void read_index_confirmed(struct rsm *rsm, uint64_t id, uint64_t slot);
void read_index_link_down(struct rsm *rsm, link_id link);

#endif
