/*
 * caller: the client side of a replicated group. Finds the leader, sends requests to it, follows
 * NOT_LEADER hints, tries again after a lost connection or a silent server, until the request's
 * deadline.
 *
 * Used inside any node: by the client library for shard masters and groups, by a shardkv group for
 * the shard masters. Pure protocol code: it only uses the node's env.
 *
 * Retrying. A request is sent again only after NOT_LEADER, BUSY, UNAVAILABLE, a link_down, or
 * attempt_timeout_ms without an answer; so what is not a read must be safe to repeat (a COMMAND
 * with a session is). That time doubles with every round of silence, up to four seconds, so that an
 * answer that comes a long way is waited for in the end. Before that, when there is no answer for
 * hedge_ms, twice that, and so on, one other server after the other is asked as well: if the first
 * is merely slow they say so by naming it as the leader, and it is not asked again while its answer
 * is waited for; if it is silent, one of them is, or knows, the new leader. A long
 * poll (WATCH, AGREEMENT_WAIT, LOG_TAIL) is silent by intention and has only the one timeout. The
 * answer to any attempt ends the request, also that of an attempt that was given up for slow. When
 * the deadline passes, the result is
 *   STATUS_UNAVAILABLE if no attempt can have been executed: never sent, or every sent one was
 *   definitely refused
 *   STATUS_UNKNOWN      if some attempt may have been executed (for reads the difference does not
 *                       matter)
 * Every other status of a server's reply ends the request and is handed to `done` with its payload.
 *
 * QUERY_UNCONFIRMED stands for a QUERY that may be confirmed here: it is answered after one round
 * trip instead of two if there is no other beside it (call/confirm.h). Its outcome is that of a
 * QUERY. If its first attempt fails, in whatever way, it is sent as a QUERY, and all of the above
 * holds.
 *
 * Other replicas than the leader may answer a read, too (caller_start_read(), rsm/read_index.h):
 * linearizably, or with what they have, which may be old. Each of them is asked in turn; in the end
 * the leader is, with a QUERY, and all of the above holds.
 *
 * `done` is never called from within caller_start(), caller_cancel() or caller_link_down(). It may
 * start and cancel calls, but not destroy the caller.
 */
#ifndef SYNOD_CALL_CALLER_H
#define SYNOD_CALL_CALLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/list.h"
#include "node/node.h"

struct caller; /* one group */

struct caller_options {
	struct node *node;
	/* default 1000: then a server counts as silent at first, for all calls */
	uint32_t attempt_timeout_ms;
	/*
	 * default 150, at most attempt_timeout_ms: then another server is asked as well; and a
	 * little for long payloads
	 */
	uint32_t hedge_ms;
	uint32_t
		/*
		 * between rounds over all servers; default 10, doubling with jitter to
		 * backoff_max_ms
		 */
		backoff_min_ms;
	uint32_t backoff_max_ms; /* default 500 */
	/*
	 * of QUERY_UNCONFIRMED: this many reads that come one after the other show that they are
	 * alone; default 4
	 */
	uint32_t confirm_alone;
};

struct caller_call;
/*
 * status and payload (borrowed) of the reply; for STATUS_UNAVAILABLE and STATUS_UNKNOWN made here,
 * payload is an encoded Error that says what was tried. The call is over and freed after this.
 */
typedef void (*caller_done)(void *context, int status, struct slice payload);

/*
 * DEFAULT: the leader, or for stale reads any replica. FOLLOWER: another one than the presumed
 * leader, if there is one.
 */
enum caller_prefer { CALLER_PREFER_DEFAULT, CALLER_PREFER_LEADER, CALLER_PREFER_FOLLOWER };
/* How a read is to be answered. All zero: linearizably, by the leader. */
struct caller_read {
	bool stale; /* what a replica has at the moment will do, … */
	enum caller_prefer prefer;
	/* … if everything that was acknowledged so long ago is in it; 0: however old */
	uint64_t age_us_max;
};
/* Of an answer that has just arrived. */
struct caller_age {
	/* it is what the replica had; otherwise it was read after the question had left */
	bool stale;
	bool known; /* everything that was acknowledged `us` ago is in it */
	uint64_t us;
	uint64_t slot;    /* stale: of the log of its group; the state after it was read */
	uint32_t replica; /* stale: who has answered */
};

struct caller *caller_create(const struct caller_options *options);
/* Replaces the group's addresses (copied). Requests under way go on with the new ones. */
void caller_set_addresses(struct caller *caller, const char *const *addresses, uint32_t count);
uint32_t caller_address_count(const struct caller *caller);
/*
 * The addresses are only a beginning: a leader that a NOT_LEADER answer names, and that is not
 * among them, is added to them and asked. Otherwise such a hint is ignored.
 */
void caller_adopt_hints(struct caller *caller);
/*
 * Starts a call. The payload is copied (it is sent again on a retry). deadline_us: of the node's
 * monotonic clock. Returned handle is valid until done.
 */
struct caller_call *caller_start(struct caller *caller, uint16_t method, struct slice payload,
				 uint64_t deadline_us, caller_done done, void *context);
/* A read: METHOD_QUERY, METHOD_QUERY_UNCONFIRMED or METHOD_LOG_QUERY. */
struct caller_call *caller_start_read(struct caller *caller, uint16_t method, struct slice payload,
				      uint64_t deadline_us, const struct caller_read *read,
				      caller_done done, void *context);
/*
 * The same, but the payload is lent, not copied: it stays where it is until `done` is called or the
 * call is cancelled. read NULL: no read.
 */
struct caller_call *caller_start_lent(struct caller *caller, uint16_t method, struct slice payload,
				      uint64_t deadline_us, const struct caller_read *read,
				      caller_done done, void *context);
/* Of a read's answer, within `done`. */
const struct caller_age *caller_answer_age(const struct caller_call *call);
/* Ends a call without calling done. */
void caller_cancel(struct caller_call *call);
/*
 * True if a copy of the request, other than the one that was answered, may have been or may yet be
 * executed.
 */
bool caller_may_be_executed(const struct caller_call *call);
/* True if the message is a reply to one of this caller's requests (then it has been dealt with). */
bool caller_message(struct caller *caller, link_id from, const struct message *message);
void caller_link_down(struct caller *caller, link_id link);
/* Ends every call with STATUS_CANCELLED; `done` must not start another. */
void caller_destroy(struct caller *caller);

#endif
