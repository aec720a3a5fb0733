/*
 * The inside of the caller, shared by caller.c (attempts, retries), caller_confirm.c (reads that it
 * confirms itself) and caller_anywhere.c (reads that any replica may answer); nobody else includes
 * it.
 */
#ifndef SYNOD_CALL_CALLER_INTERNAL_H
#define SYNOD_CALL_CALLER_INTERNAL_H

#include "base/arena.h"
#include "base/map.h"
#include "call/caller.h"
#include "call/confirm.h"

/*
 * Copies of one request that may still be answered. An older one is forgotten, and then counts as
 * possibly executed.
 */
#define ATTEMPTS_MAX 8u

struct server {
	char *address;
	link_id link;
	/* of the last attempt there, for the error message; NULL: not asked yet */
	const char *outcome;
};

struct caller {
	struct node *node;
	uint64_t attempt_timeout_us, hedge_us;
	uint64_t backoff_min_us, backoff_max_us;
	struct server *servers;
	uint32_t nservers;
	uint32_t preferred; /* the presumed leader: every attempt goes there */
	/* which is asked first when any replica may answer; not yet below nservers */
	uint32_t reader;
	bool adopt_hints;
	uint64_t next_id;
	struct list calls; /* in the order of their start, so that retries keep it */
	/* request id of every open attempt, and of every BALLOT that is waited for → its call */
	struct map by_id;
	uint32_t queries; /* calls that are QUERYs */
	struct confirmation confirmation;
	struct buffer stranger; /* what the last node of another cluster has said */
	struct arena arena;
};

struct attempt {
	uint64_t id;
	link_id link;
	uint64_t epoch;    /* of the link when it was sent */
	uint64_t until_us; /* then its server counts as silent */
};

/* Of a call that caller_start_read() began. */
struct caller_sent {
	uint64_t id; /* of an attempt */
	uint64_t at_us;
	uint16_t method;
	bool anywhere; /* it is not its server's being the leader that makes its answer good */
};
struct caller_reading {
	struct caller_read wanted;
	struct caller_age age; /* of the answer */
	bool anywhere;         /* the next attempt goes to `target`, whoever leads */
	uint32_t target;
	uint16_t leader_method; /* by which the leader is asked in the end */
	/* all attempts that are open, and perhaps others; id 0: none */
	struct caller_sent sent[ATTEMPTS_MAX];
};

struct caller_call {
	struct list link;
	struct caller *caller;
	/* end of the attempt, of the confirmation, of the backoff, or of the call */
	struct timer timer;
	uint64_t started_us, deadline_us;
	caller_done done;
	void *context;
	uint16_t method;
	/* what the node was tracing when the call began: all its attempts belong to that */
	uint64_t trace;
	uint64_t patience_us; /* until another server is asked as well, … */
	uint64_t hedge_at_us; /* … which is then */
	bool waiting;         /* for the answer to attempts[nattempts - 1]; otherwise backing off */
	bool confirmable;     /* its first attempt may be one that is confirmed here */
	bool lost;            /* an attempt was lost after it may have reached a server */
	uint32_t tries;       /* in this round over the servers */
	uint32_t hedges;      /* servers asked beside */
	uint32_t silences;    /* attempts that have had their time */
	uint32_t rounds;
	struct caller_reading *reading; /* NULL: of no read of that kind */
	uint32_t nattempts;
	/* sent, neither answered nor lost; the newest last */
	struct attempt attempts[ATTEMPTS_MAX];
	struct slice payload; /* lent, or the copy */
	uint8_t copy[];
};

/*
 * The call whose read is being confirmed: its only attempt is the QUERY_UNCONFIRMED, and it waits
 * for that or for BALLOTs.
 */
static inline bool is_confirming(const struct caller_call *call)
{
	return call->caller->confirmation.call == call;
}

/* ---- caller.c ---- */
uint32_t caller_find_link(const struct caller *caller, link_id link);
/*
 * The link's number of ups and downs; odd while it is up, and always where the world does not tell.
 */
uint64_t caller_link_epoch(struct caller *caller, link_id link);
/*
 * Notes an attempt that is about to be sent, and that may take so long; its id. Waits for its
 * answer, for `patience_us` at first.
 */
uint64_t caller_open_attempt(struct caller_call *call, link_id link, uint64_t timeout_us,
			     uint64_t patience_us);
void caller_forget_attempt(struct caller_call *call, uint32_t index);
void caller_send_attempt(struct caller_call *call);
/* Sets the call's timer, not beyond its deadline. */
void caller_arm(struct caller_call *call, uint64_t delay_us);
/* Takes the hint of a NOT_LEADER answer of server `index`. */
void caller_follow_hint(struct caller *caller, uint32_t index, struct slice payload);
/* Server `index` has answered as a leader does. */
void caller_served_by(struct caller *caller, uint32_t index);
void caller_finish(struct caller_call *call, int status, struct slice payload);

/* ---- caller_confirm.c ---- */
/* Sends the call's read in the way that is confirmed here; false if it had better be a QUERY. */
bool caller_send_unconfirmed(struct caller_call *call, uint64_t left_us);
/* Of a call that confirms: a reply; false if it is not waited for. */
bool caller_confirmation_message(struct caller_call *call, link_id from,
				 const struct message *message);
/* It has led nowhere: the leader is asked to confirm the read itself. */
void caller_fall_back(struct caller_call *call);
/*
 * Nothing of it is waited for any more: an answer that still comes is not known. outcome:
 * confirm_succeeded, …_failed, …_dropped.
 */
void caller_end_confirmation(struct caller_call *call, void (*outcome)(struct confirmation *));

/* ---- caller_anywhere.c ---- */
/* A call that begins, before its first attempt, is such a read. */
void caller_anywhere_begin(struct caller_call *call, const struct caller_read *read);
static inline bool is_anywhere(const struct caller_call *call)
{
	return call->reading != NULL && call->reading->anywhere;
}
/* An attempt is about to be sent. */
void caller_note_sent(struct caller_call *call, uint64_t id);
/* The open attempt with this id. */
const struct caller_sent *caller_sent(const struct caller_call *call, uint64_t id);
/* Whom the attempt that is about to be sent goes to. */
uint32_t caller_anywhere_target(struct caller_call *call);
/* The last attempt has come to nothing. */
void caller_anywhere_next(struct caller_call *call);
/*
 * The answer to such an attempt, which is no longer among the open ones; current: it was the one
 * that is waited for.
 */
void caller_anywhere_message(struct caller_call *call, const struct caller_sent *sent, bool current,
			     uint32_t index, const struct message *message);
/* The leader has answered; sets the age. False: that took longer than the answer may be old. */
bool caller_young_enough(struct caller_call *call, const struct caller_sent *sent);

#endif
