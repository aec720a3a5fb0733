/*
 * The tracer of a node: notes what causally matters, as it happens. What becomes of the notes is up
 * to others (trace/event.h makes them lines, trace/causal.h puts those of many nodes in order).
 *
 * Events are messages sent and received, noted by node_send() and node_deliver(), and steps in
 * between that only the protocol knows (node_step()). Each takes the node's Lamport and hybrid
 * time. A message is identified by who sent it and the Lamport time it left with: node_send()
 * advances that clock for every message, so the pair (life of the sender, Lamport time) is never
 * used twice; `life` is a random number of one life of a process. So a trace needs no bytes in
 * messages beyond what they carry anyway.
 *
 * Two ways to be interested:
 *   everything        a sink is set (--trace FILE, a simulation): every event goes there
 *   single requests   a message bears a trace id, not 0, that its client has drawn; so do its
 *                     reply, and whatever else follows from it and says so (struct message.trace).
 *                     Their newest TRACER_RING_MAX events are kept in a ring, allocated with the
 *                     first of them, until somebody asks for them.
 * With neither, a message costs the one comparison of tracer_wants().
 */
#ifndef SYNOD_NODE_TRACER_H
#define SYNOD_NODE_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACER_RING_MAX 1024u

/* What a node does between messages. */
/* clang-format off */
/*
 * START: the node's first event in this life. PROPOSE: the leader has given a batch of commands its
 * slot. WRITE: entries have been handed to the log; SYNC: … and are durable. CHOSEN: this replica
 * has learnt that the slot is chosen; APPLY: … and has executed it. READ: the leader has begun to
 * ask whether it still leads (not of a read that the reader confirms); CONFIRM: … and a quorum has
 * said so: read once the slot is applied.
 */
#define TRACE_STEP_MAP(X) \
	X(START, "start") \
	X(PROPOSE, "propose") \
	X(WRITE, "write") \
	X(SYNC, "sync") \
	X(CHOSEN, "chosen") \
	X(APPLY, "apply") \
	X(READ, "read") \
	X(CONFIRM, "confirm")

enum trace_step {
	TRACE_NO_STEP,
#define X(name, text) TRACE_STEP_##name,
	TRACE_STEP_MAP(X)
#undef X
};

/* Which entries a message or a step is about; zero: not said. */
struct trace_detail {
	uint64_t first, last; /* slots */
	uint64_t ballot;
	uint64_t chosen; /* every slot up to here */
};

enum trace_kind { TRACE_STEP, TRACE_SEND, TRACE_RECEIVE };

struct trace_event {
	enum trace_kind kind;
	enum trace_step step;
	uint16_t method; /* messages */
	int status;      /* replies */
	bool reply;
	uint64_t request;      /* trace id; 0: of no traced request */
	uint64_t lamport, hlc; /* of this event */
	/* of the message: its sender's life, and the Lamport time it left with */
	uint64_t origin, sent;
	uint64_t link; /* where to, where from */
	struct trace_detail detail;
};

struct tracer {
	uint64_t life;    /* set by the world before the node starts; 0: unknown */
	uint64_t current; /* trace id of the message that is being delivered */
	/* Gets every event; NULL: only those of traced requests are noted. */
	void (*sink)(void *context, const struct trace_event *event);
	void *context;
	struct trace_event *ring; /* of traced requests */
	uint64_t noted;           /* event number n, from 0, is at ring[n % TRACER_RING_MAX] */
};

/* Is an event of this request, or of none, to be noted? */
static inline bool tracer_wants(const struct tracer *tracer, uint64_t request)
{
	return __builtin_expect(request != 0 || tracer->sink != NULL, 0);
}
/* Copies the event to whoever wants it. Only if tracer_wants(). */
void tracer_note(struct tracer *tracer, const struct trace_event *event);
/*
 * The events of the ring that belong to the request, oldest first: start with *position = 0; NULL
 * at the end.
 */
const struct trace_event *tracer_next(const struct tracer *tracer, uint64_t request,
				      uint64_t *position);
void tracer_free(struct tracer *tracer);

#endif
