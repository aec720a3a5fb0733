/*
 * agreement: independent single-decree Paxos instances, numbered by seq 0, 1, 2, …, after the
 * library of MIT's 6.824 of 2015 (start, status, done, min, max). Any peer proposes in any
 * instance; instances run concurrently and out of order; holes are allowed. Each instance is
 * paxos/synod.h and nothing else.
 *
 * PURE. No I/O, clock or global: events go in, agreement_output() comes out. The caller
 * (agreement/service.h) carries out an output:
 *
 *   1. persists[] append to the log, in order; say agreement_logged() where, and
 *      agreement_persisted(sequence) when
 *                  durable.
 *   2. sends[]     requests to peers, at once. What must not leave before something is durable is
 *                  not in the output yet.
 *   3. answers[]   replies to requests of peers, at once (same rule).
 *   4. settled[]   instances whose agreement_status() is no longer pending: whoever waits for them
 *                  can be told.
 *   5. agreement_deadline_us(): call agreement_tick() then.
 *
 * What an output points to is valid until the next call into the core.
 *
 * PROTOCOL (struct wire_agreement: a request with items, answered by a reply with one item for
 * each)
 *
 *   request                    answers
 *   PREPARE  seq ballot        PROMISE seq ballot other value: promised; accepted in ballot `other`
 *                              (0: nothing)
 *   ACCEPT   seq ballot value  ACCEPTED seq ballot
 *                              REJECT seq ballot other: has promised `other`, a higher one
 *                              DECIDED seq value: too late, this is the decision
 *                              FULL seq ballot: no room for another instance now
 *   LEARN    seq ballot        KNOWN seq
 *   DECIDED  seq value         WANT seq: did not accept in that ballot, send the value
 *                              (to any of them) FORGOTTEN seq: every peer is done with it
 *   ENTER    seq binding       TOLD …: of a disk that takes the place of another
 *
 * MEMBERS. A peer takes part as long as its disk is bound to its number by the log of the log
 * service, and a disk that replaces another one only after it has entered. Every message bears
 * life, binding, and the slot of the members that its sender knows. States, rules, and why nothing
 * is decided otherwise: agreement/members.h.
 *
 * Requests and replies, so that a peer that nobody can reach (a deaf one) takes part through what
 * it asks itself. A reply is understood without its request: it may be lost, late or repeated. What
 * is unanswered is asked again after retry_us, doubling to retry_max_us. Everything that is due to
 * a peer at the end of a turn leaves in one message.
 *
 * LOWEST BALLOT. The owner of an instance, member seq mod n, alone may use the ballots of round 0,
 * of which it has one in this instance, below everybody else's. So in a fresh instance it skips
 * phase 1. Others, and later attempts, begin at round 1 with a Prepare; so does an owner whose disk
 * has replaced another one.
 *
 * COST of one agreement among n peers without contention, not counting what a peer says to itself:
 * the owner needs n − 1 Accepts and n − 1 Learns, 4 requests for three peers; any other peer n − 1
 * Prepares more, 6 requests. (With its own share counted as requests too, as the course does: 6 and
 * 9.) The value travels once to each peer. Synced writes in a row until the proposer shows the
 * decision: 3 for the owner, 4 for others; and one more until the rest do.
 *
 * JUDGEMENT (agreement_judge). What no peer can have sent is refused as a whole, and changes
 * nothing: done values for other than each peer, instances from AGREEMENT_SEQ_MAX on, rounds above
 * AGREEMENT_ROUND_MAX, answers among the questions and questions among the answers; a PREPARE or
 * ACCEPT in a ballot that is not the sender's, or of another binding than it says, or of round 0 if
 * it does not own the instance or is not its peer's first disk; a PROMISE, ACCEPTED or REJECT of a
 * ballot that is not ours; a PROMISE or STATE of what was accepted in a later ballot than the
 * promised one; an ENTER or TOLD that is not a message of its own as it should be. Two decisions of
 * one instance are counted (conflicts): the first stays. A peer that lies within the possible is
 * believed.
 *
 * ORDER OF DURABILITY
 *   A Promise or Accepted leaves after what it says is durable. A Prepare leaves after the
 *   proposer's own promise of that ballot is durable, and an Accept of round 0 after the proposer's
 *   own acceptance is: so no ballot is ever used twice, or with two values, also across a crash.
 *   Other Accepts do not wait; the proposer's own acceptance counts when it is durable. A decision
 *   is shown by agreement_status(), told to others by LEARN and acknowledged by KNOWN, when it is
 *   durable here: what was shown once stays shown, and whoever has told or acknowledged a decision
 *   need not be told it again, even after a crash. Done values leave after they are durable.
 *
 * DUELS. A proposer that can no longer get its quorum waits a random time, up to backoff_us doubled
 * with each defeat, and begins above every round it has seen.
 *
 * LEARNING. Whoever decides tells all others as soon as that is durable, and again until they say
 * that they know. Whoever was told takes a share in that after spread_us, for the case that the
 * first has died, as one message a peer for many instances. A peer that has missed a decision also
 * finds it by proposing.
 *
 * FORGETTING. done[i] is 1 + the highest seq that peer i's application is done with; min is the
 * least of them. Instances below min are freed, and refused forever: min is durable before the log
 * lets go of what is below it. Done values of all peers travel with every message, and on their own
 * when nothing else does.
 *
 * INVARIANTS, asserted or checked by the simulator: no two values are decided in an instance; a
 * decision does not change, nor vanish before min passes it; done values and min never fall; bytes
 * and instances stay within their limits, above which new instances are refused (BUSY) until the
 * applications are done with old ones.
 *
 * Ownership: values are shared buffers (base/bytes.h), never NULL; the core takes its own
 * references.
 */
#ifndef SYNOD_AGREEMENT_AGREEMENT_H
#define SYNOD_AGREEMENT_AGREEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "agreement/ballot.h"
#include "agreement/members.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"
#include "wire/paxosd.h"

struct agreement;

/* Seqs are below this, so that 1 + seq and -1 fit everywhere. */
#define AGREEMENT_SEQ_MAX (UINT64_C(1) << 62)

struct agreement_options {
	uint32_t self; /* one of members */
	uint32_t nmembers;
	uint32_t members[REPLICAS_MAX]; /* replica ids, ascending, the same at every peer */
	uint64_t life;                  /* of this peer's disk; never 0 */
	uint64_t retry_us, retry_max_us;
	uint64_t backoff_us, backoff_max_us;
	uint64_t spread_us;
	uint64_t instances_max; /* that are not forgotten */
	uint64_t bytes_max;     /* of their values */
	uint64_t (*random)(void *context);
	void *context;
};

enum agreement_persist_kind {
	AGREEMENT_PERSIST_PROMISE, /* seq, ballot */
	AGREEMENT_PERSIST_ACCEPT,  /* seq, ballot, value */
	AGREEMENT_PERSIST_DECIDED, /* seq; ballot: the value accepted in it; 0: value */
	AGREEMENT_PERSIST_DONES,   /* value: agreement_restore_dones() reads it */
	AGREEMENT_PERSIST_MEMBERS, /* value: agreement_restore_members() reads it */
};
struct agreement_persist {
	enum agreement_persist_kind kind;
	uint64_t sequence; /* 1, 2, 3, … */
	uint64_t seq;
	uint64_t ballot;
	struct slice value;
	struct bytes *held; /* what value points into; the core's */
};
struct agreement_send {
	uint32_t to; /* replica id */
	struct wire_agreement message;
};
struct agreement_answer {
	uint64_t link, id; /* of the request */
	struct wire_agreement message;
};
struct agreement_output {
	uint32_t npersists, nsends, nanswers, nsettled;
	const struct agreement_persist *persists;
	const struct agreement_send *sends;
	const struct agreement_answer *answers;
	const uint64_t *settled;
};

enum agreement_state {
	AGREEMENT_STATE_PENDING,
	AGREEMENT_STATE_DECIDED,
	AGREEMENT_STATE_FORGOTTEN
};

struct agreement_counters {
	uint64_t started, decided, rounds, defeats, refused;
	/*
	 * peers that told another decision than the known one: never, unless a disk or program is
	 * broken
	 */
	uint64_t conflicts;
	uint64_t sent[WIRE_AGREEMENT_STATE + 1]; /* items by kind, in requests and answers */
	uint64_t requests;                       /* messages sent as requests */
};

struct agreement *agreement_create(const struct agreement_options *options);
/* Recovery: what the log held, in its order; then agreement_begin(). */
void agreement_restore_promise(struct agreement *a, uint64_t seq, uint64_t ballot,
			       uint64_t position);
void agreement_restore_accept(struct agreement *a, uint64_t seq, uint64_t ballot,
			      struct slice value, uint64_t position);
void agreement_restore_decided(struct agreement *a, uint64_t seq, uint64_t ballot,
			       struct slice value, uint64_t position);
/* STATUS_CORRUPT: no such record of this group. */
int agreement_restore_dones(struct agreement *a, struct slice value, uint64_t position) MUST_CHECK;
/* Likewise, or STATUS_NEWER. */
int agreement_restore_members(struct agreement *a, struct slice value,
			      uint64_t position) MUST_CHECK;
/*
 * Takes up again what this peer was proposing when it went down, as far as it had accepted it
 * itself. STATUS_CORRUPT: the records do not belong together.
 */
int agreement_begin(struct agreement *a, uint64_t now_us) MUST_CHECK;
void agreement_destroy(struct agreement *a);

/*
 * The life of this peer's disk is another one now: it is OUTSIDE before that is bound. May be
 * called as often as one likes.
 */
void agreement_set_life(struct agreement *a, uint64_t now_us, uint64_t life);
/*
 * The members that the log service's log has bound by now, one for each of the options', in their
 * order. Those that are not newer are ignored.
 */
void agreement_set_members(struct agreement *a, uint64_t now_us,
			   const struct agreement_members *members);
/*
 * While no members are known: whether this disk is the first of its peer, in a group that exists,
 * and so counts. Who has lost his disk before that is told so by others before they listen to him
 * (host/identity.c).
 */
void agreement_set_first(struct agreement *a, uint64_t now_us, bool first);
const struct agreement_members *agreement_known_members(const struct agreement *a);
enum agreement_standing { AGREEMENT_OUTSIDE, AGREEMENT_ENTERING, AGREEMENT_INSIDE };
enum agreement_standing agreement_standing(const struct agreement *a);
/*
 * How many other members have told all that they know to this one, which is entering; and how many
 * must.
 */
uint32_t agreement_told_by(const struct agreement *a);
uint32_t agreement_told_needed(const struct agreement *a);

/*
 * Starts agreement on instance seq with this value; returns at once. 0: begun, or under way here
 * already (then the value is not used), or decided. STATUS_COMPACTED: forgotten. STATUS_BUSY: a
 * limit; the applications must say Done. STATUS_UNAVAILABLE: this peer is not INSIDE.
 */
int agreement_start(struct agreement *a, uint64_t now_us, uint64_t seq,
		    struct bytes *value) MUST_CHECK;
/* *value is borrowed, for DECIDED only. */
enum agreement_state agreement_status(const struct agreement *a, uint64_t seq,
				      struct bytes **value);
/*
 * The application here is done with every instance ≤ seq. Returns the sequence number that makes it
 * durable, 0: it is.
 */
uint64_t agreement_done(struct agreement *a, uint64_t now_us, uint64_t seq);
uint64_t agreement_min(const struct agreement *a);
/* 1 + the highest seq seen; 0: none. */
uint64_t agreement_next(const struct agreement *a);
/* 1 + Done of member i, as known here. */
uint64_t agreement_done_of(const struct agreement *a, uint32_t i);

/*
 * NULL, or which field of the message is wrong and why. The two below want messages that have
 * passed.
 */
const char *agreement_judge(const struct agreement *a, bool reply, const struct wire_agreement *m);
void agreement_request(struct agreement *a, uint64_t now_us, uint64_t link, uint64_t id,
		       const struct wire_agreement *m);
void agreement_reply(struct agreement *a, uint64_t now_us, const struct wire_agreement *m);
void agreement_persisted(struct agreement *a, uint64_t now_us, uint64_t sequence);
void agreement_tick(struct agreement *a, uint64_t now_us);
uint64_t agreement_deadline_us(const struct agreement *a);
/* While set, nothing new is accepted: the log's disk is full. */
void agreement_set_disk_full(struct agreement *a, bool full);

const struct agreement_output *agreement_output(struct agreement *a, uint64_t now_us);

/*
 * Space in the log. A record was written at `position` (larger than any before): the core remembers
 * where the oldest record of each instance is.
 */
void agreement_logged(struct agreement *a, const struct agreement_persist *persist,
		      uint64_t position);
/* No record before this is needed; UINT64_MAX: none is at all. */
uint64_t agreement_oldest_position(const struct agreement *a);
/* Writes the state of the instance with the oldest record once more, at the end. */
void agreement_rewrite_oldest(struct agreement *a);

uint64_t agreement_bytes(const struct agreement *a);     /* of all values */
uint64_t agreement_instances(const struct agreement *a); /* not forgotten */
uint64_t agreement_proposing(const struct agreement *a); /* under way here */
const struct agreement_counters *agreement_counters(const struct agreement *a);

/* For checkers: every instance that is not forgotten. Start with *position = 0. */
struct agreement_view {
	uint64_t seq, promised, accepted;
	struct bytes *accepted_value, *decided; /* NULL: none */
	bool decided_durable;
};
bool agreement_next_view(const struct agreement *a, size_t *position, struct agreement_view *out);

#endif
