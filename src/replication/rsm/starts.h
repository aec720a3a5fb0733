/*
 * Stale copies of a data directory are recognised.
 *
 * A replica that is started with an older copy of its own directory (a restored backup, a virtual
 * machine that was rolled back, a copy that was made while it ran) has forgotten what it promised
 * and accepted since, and must not vote: what a quorum with it has chosen may hang on its word. Its
 * life (node/identity.h) is the right one, and nothing in the directory can tell. Its peers can:
 *
 *   a start     draws a number at random, the nonce, and keeps it beside those of the starts
 *               before, in the file `starts` (rsm/start_file.h), durably, before anything is sent.
 *               It is the number by which connections tell their process (struct message, origin).
 *   a claim     is what a start has found: its chain of nonces, the highest ballot promised, the
 *               highest slot accepted; and, if another service keeps a log in the same directory
 *               (agreement/members.h), how far that has come.
 *   a memory    is what others have seen of a life: its last start, the highest ballot in which
 *               they have counted a promise or an acceptance of it, the highest slot that it has
 *               acknowledged as durable. Every replica has one of every life. It sees what it is
 *               sent; leaders, which are sent most, tell all others what they remember, some times
 *               a second, and new leaders are told by all. It stands in the log (WAL_STARTS),
 *               written as lazily as what is chosen is. How far a log beside has come only the
 *               replica itself sees: it tells its leader, a few times a second, if that has
 *               changed; it is written down more lazily still, for it may go on for ever while the
 *               group's own log stands still.
 *
 * A claim is of a STALE COPY if a memory of its life names a start that is not in its chain, or a
 * ballot, a slot or a place in the log beside beyond its own; or if its life is bound by the list
 * that its own log knows, and another life of the same member by a later one: of lives that are
 * bound no more nobody need remember anything. What a sync had not made durable has
 * never been acknowledged, so a log that has lost its tail with the power claims enough. What
 * damage has left unknown (paxos/impaired.h) counts as held; and so does, later too, what the
 * replica remembers of itself, or was told then: the group may have decided that nothing had been
 * chosen there. A plain counter of starts would not tell two copies of one directory apart; and the
 * nonces alone, not a copy made while its process ran.
 *
 * RULES (rsm/stale.c)
 *   T1 Nothing that counts is taken from a process before its claim has been compared with the own
 *       memory: of others ACCEPTED counts as a learner's, FETCH, CHOSEN and snapshots are served,
 *       the rest is dropped. Who meets such a process asks for its claim.
 *   T2 A replica that has been started counts nowhere itself, does not stand, and takes nothing,
 *       before as many others as make a quorum with it, whose lives are bound, have compared its
 *       claim and remember no more. It also waits for the rest, but not for those that cannot be
 *       connected to, and at most an election time-out, within which it would promise nothing
 *       anyway. All may start at once: each answers the others before it counts. (It takes nothing,
 *       because what it learnt would stand in its log, and make the next start's claim that of a
 *       directory that had never lacked it. What is chosen it serves.)
 *   T3 Who is found to be a stale copy has no vote from then on, and takes nothing; it draws
 *       another life, durably, and begins as a directory that replaces a lost one does: as a
 *       learner, bound again when it has caught up (rsm/members.h). The same for a process that
 *       learns that its directory has been started again elsewhere: of two processes of one life
 *       the one that started later goes on.
 *
 * MEMBERS COME AND GO (rsm/members.h). Who counts for T2 are the voters of the newest list that
 * anybody has told, and a quorum is one of that list; a learner counts nowhere, and is compared
 * like everybody else, for it becomes a voter with the life that it has. Whoever speaks to a start
 * that has not been compared is asked, member or not: its own list may be an older one, by which
 * too few are left. So is the member whose new process one is told of. Who has been removed is not
 * compared: it is told that (PEER_REMOVED), which a start takes before it has been compared, for
 * nothing of it gets into the log.
 *
 * WHAT IS RECOGNISED. Of n replicas, let k be those others whose lives are bound and which remember
 * more than the copy holds, in their logs or in processes that go on. A stale copy is recognised
 * before it counts
 *   - always, if fewer of the bound others than make a quorum with it do not remember more (of
 *     three: if both others do; of five: three of four): among those that it has heard by then is
 *     one of the k;
 *   - if any of the k answers before so many others have, or within an election time-out.
 * Otherwise nobody who could tell was there: then it is recognised as soon as one of the k is met,
 * which may be too late (docs/operations.md). What is a few heartbeats old all members remember
 * that were connected then.
 */
#ifndef SYNOD_RSM_STARTS_H
#define SYNOD_RSM_STARTS_H

#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"

#define STARTS_LISTED 56u /* of the newest starts, in a chain */
/*
 * Lives that are remembered: two of each member, and of some who may be members by a list that is
 * not known yet.
 */
#define STARTS_LIVES_MAX 2u /* of one member */
#define STARTS_MAX (STARTS_LIVES_MAX * MEMBERS_MAX + 8u)

/* A directory's starts. */
struct start_chain {
	uint64_t life;
	/* the first nonce: another one is not comparable. 0: this start is on no disk */
	uint64_t root;
	uint64_t count; /* starts so far */
	uint32_t listed;
	uint64_t nonces[STARTS_LISTED]; /* newest first; the first one is this start's */
};

struct start_claim {
	struct start_chain chain;
	uint64_t promised; /* highest ballot */
	uint64_t last;     /* highest slot that is accepted, known to be chosen, or impaired */
	uint64_t beside;   /* how far the log of a service beside has come; 0: there is none */
};

/* What is remembered of a life. */
struct start_memory {
	uint32_t replica;
	uint64_t life;
	uint64_t root, count, nonce;         /* of its last start … */
	uint64_t before;                     /* nonce of the start before that; 0: there is none */
	uint64_t found_promised, found_last; /* … and what that claimed */
	uint64_t promised, last;             /* seen of it, then or before */
	uint64_t found_beside, beside;       /* the same of the log beside */
};

struct starts {
	uint32_t count;
	struct start_memory list[STARTS_MAX];
};

/* What a claim lacks. */
enum start_gap {
	START_GAP_NONE,
	START_GAP_START, /* a later start, or one of another copy */
	START_GAP_PROMISE,
	START_GAP_ACCEPTED,
	START_GAP_BESIDE,
	START_GAP_LIFE, /* bound later, as the same member; not from a memory (rsm/stale.c) */
};
enum start_gap starts_judge(const struct start_memory *memory, const struct start_claim *claim);
const char *start_gap_text(enum start_gap gap);

/* NULL: nothing is remembered of that life. */
struct start_memory *starts_find(struct starts *starts, uint32_t replica, uint64_t life);
/* The highest slot that is remembered to have been acknowledged; 0: none is. */
uint64_t starts_last(const struct starts *starts, uint32_t replica, uint64_t life);
/*
 * … and then it is new. Of one replica STARTS_LIVES_MAX lives are remembered, `bound` (0: none)
 * among them.
 * Never NULL; pointers into the list that were taken before are not valid any more.
 */
struct start_memory *starts_get(struct starts *starts, uint32_t replica, uint64_t life,
				uint64_t bound);
/* This replica will not be heard of again. True: something was remembered of it. */
bool starts_forget(struct starts *starts, uint32_t replica);
/* The claim has been judged: its process is the one whose messages count. */
void starts_accept(struct start_memory *memory, const struct start_claim *claim);

enum starts_told {
	STARTS_TOLD_NOTHING,
	STARTS_TOLD_MORE,
	STARTS_TOLD_OTHER, /* they count another start, which must be asked for its claim */
};
/*
 * Somebody else's memory of it. A later start is taken from others only if it is the next one after
 * that which is remembered here, and has found as much. They may have known nothing of that life,
 * and have counted a copy, started often enough to have the higher count. A life that is not
 * remembered here displaces none, unless it is bound: a copy may tell of long ago.
 */
enum starts_told starts_tell(struct starts *starts, const struct start_memory *theirs,
			     uint64_t bound);

/* u64 life, root, count, promised, last   u32 listed   nonces   u64 beside, unless it is 0 */
void start_claim_encode(const struct start_claim *claim, struct buffer *out);
int start_claim_decode(struct start_claim *claim, struct slice in) MUST_CHECK;
/*
 * Of WAL_STARTS and messages. For each: u32 replica
 * u64 life, root, count, nonce, before, found_promised, found_last, promised, last
 * Then, if there is any of which the log beside is remembered: u32 2^32 - 1, and for each of those
 * u32 which of the above, from 0   u64 found_beside, beside
 */
void starts_encode(const struct starts *starts, struct buffer *out);
int starts_decode(struct starts *starts, struct slice in) MUST_CHECK;

#endif
