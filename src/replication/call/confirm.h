/*
 * confirm: a linearizable read in one round trip and without a clock, because the caller confirms
 * it.
 *
 * A leader may answer a read only if it still leads. To find out it asks the others, after the read
 * has arrived, so that the caller waits for two round trips (paxos/multipaxos.h, READS). Here the
 * caller asks them itself, at the same time as the leader:
 *
 *   caller ── QUERY_UNCONFIRMED ──▶ leader     answers at once: group, the ballot in which it
 *                                              leads, how many must confirm
 *          ── BALLOT ─────────────▶ others     each answers: group, replica, the highest ballot
 *                                              that it has promised
 *
 * The answer counts if so many others of the group have named the leader's own ballot b: a quorum,
 * with the leader, which names it by leading. Members change: the leader names the disks that may
 * confirm, and who is not among them is not counted, whatever it believes itself.
 *
 * WHY THAT IS LINEARIZABLE. Both kinds of message are sent after the read has begun. Let some write
 * have been acknowledged, or seen by another read, before that.
 *   - Written in a ballot above b: a quorum had promised that ballot before, durably. It has a
 *     member among those that named b afterwards. But a durable promise is never taken back. (One
 *     that is not durable yet counts all the same, and one that a crash takes back was told to
 *     nobody.)
 *   - Written in b: by this leader, the first to learn that it is chosen; it answers from a state
 *     with everything that it knew to be chosen.
 *   - Written in a ballot below b: the leader found it when it was elected, at or below its barrier
 *     (consensus_read_slot()).
 * So the leader's state contains the write. That the caller asks a quorum itself is the idea of
 * Charapko, Ailijiang and Demirbas 2019, "Linearizable Quorum Reads in Paxos" (HotStorage '19),
 * where it asks followers alone and waits until what they have accepted is chosen.
 *
 * IT IS ONLY A SHORT CUT. Whatever else happens (another ballot, a refusal, a lost connection,
 * silence for a while) the caller asks the leader with a QUERY, as if nothing had been; struct
 * confirmation also remembers how many of the next reads should not try.
 *
 * Not every read takes it: those that come in crowds are better off with the leader's rounds, which
 * they share. So a read tries only if it is alone and those before it were, and a leader that has
 * many readers asks for QUERY instead (rather_query).
 *
 * The struct is pure: the caller (call/caller_confirm.c) sends what it says and hands it what comes
 * back.
 */
#ifndef SYNOD_CALL_CONFIRM_H
#define SYNOD_CALL_CONFIRM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "node/node.h"
#include "wire/wire.h"

/* Others that a quorum needs beside the leader. */
#define CONFIRM_ASKED_MAX (REPLICAS_MAX / 2)
/* The whole has so much time, or less if the caller is in a hurry, … */
#define CONFIRM_TIMEOUT_US 100000u
/* … and the others, when the leader has answered, twice what it has taken, but at least this. */
#define CONFIRM_PATIENCE_US 5000u
/*
 * So many reads in a row without another beside them make it likely that the next has none either.
 */
#define CONFIRM_ALONE_DEFAULT 4u

struct caller_call;

enum confirm_verdict { CONFIRM_WAITS, CONFIRM_GOOD, CONFIRM_FAILED };

struct confirm_asked {
	uint64_t id; /* of the BALLOT */
	link_id link;
	bool answered;
	struct wire_ballot_reply reply;
};

struct confirmation {
	/* The read under way. */
	struct caller_call *call; /* NULL: none */
	uint64_t id;              /* of the QUERY_UNCONFIRMED */
	link_id link;
	uint64_t started_us, end_us;
	uint32_t nasked;
	struct confirm_asked asked[CONFIRM_ASKED_MAX];
	bool answered;
	/* its body points into `body`, or into what has just been received */
	struct wire_unconfirmed_reply answer;
	struct buffer body;

	/* Whether reads try. */
	uint32_t alone_min; /* what `alone` must be */
	uint32_t alone;     /* reads in a row that had no other beside them, this one included */
	uint32_t skip;      /* so many more do not */
	uint32_t failures;  /* in a row */
	uint32_t refusals;  /* answers in a row that would rather have been to a QUERY */
	uint32_t first;     /* which of the others is asked first: another one after each failure */
	uint32_t reads;     /* that found the others not connected */
};

/* alone_min: 0 for the default; first: any number, so that not all callers ask the same replica. */
void confirm_init(struct confirmation *c, uint32_t alone_min, uint32_t first);
/* A read has begun, beside others or not. */
void confirm_read_begins(struct confirmation *c, bool alone);
/* It is about to be sent. False if it had better be a QUERY. */
bool confirm_worth(struct confirmation *c);
/* The others are not connected: true if it is time to connect, as there are many reads. */
bool confirm_connects(struct confirmation *c);
/* The QUERY_UNCONFIRMED has this id, goes this way, and has so much time. */
void confirm_begin(struct confirmation *c, struct caller_call *call, link_id link, uint64_t id,
		   uint64_t now_us, uint64_t timeout_us);
void confirm_ask(struct confirmation *c, uint64_t id, link_id link);
/*
 * Replies with status 0. After CONFIRM_GOOD c->answer is the read's, valid as long as the message
 * is; after CONFIRM_FAILED the caller falls back. `asked` is one of c->asked.
 */
enum confirm_verdict confirm_answer(struct confirmation *c, struct slice payload,
				    struct arena *arena);
enum confirm_verdict confirm_ballot(struct confirmation *c, struct confirm_asked *asked,
				    struct slice payload, struct arena *arena);
/* The leader has just answered, others not yet: how long they may take. */
uint64_t confirm_patience_us(const struct confirmation *c, uint64_t now_us);
/* A loss of this link ends it: the leader's always does, another's until it has answered. */
bool confirm_waits_for(const struct confirmation *c, link_id link);
/*
 * Takes what c->answer.body may point into out of the confirmation, so that it outlives it, and
 * gives the memory back for the next. In between another read may have begun.
 */
struct buffer confirm_take_body(struct confirmation *c);
void confirm_give_body(struct confirmation *c, struct buffer body);
/* The read is over: confirmed, or not, or given up by who wanted it. */
void confirm_succeeded(struct confirmation *c);
void confirm_failed(struct confirmation *c);
void confirm_dropped(struct confirmation *c);
void confirm_free(struct confirmation *c);

#endif
