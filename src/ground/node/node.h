/*
 * A node is a deterministic state machine; the world is passed in.
 *
 * Everything that runs a protocol (a replica of a group, a client) is a struct
 * node. Its only inputs are the functions of struct node_ops, called one at a
 * time on one thread; its only outputs are calls to its struct env. It touches no
 * socket, file, clock, thread or global, so the same object code runs in the real
 * world (host/) and in the simulated one (sim/).
 *
 * Turns. A world calls any number of inputs and then turn_end() once: a node
 * collects work during the inputs and does its log write, proposals and
 * broadcasts in turn_end(), so that everything that arrived together shares one
 * log write and one frame batch a peer. What a node sends is put on the wire no
 * later than after turn_end().
 *
 * Ownership. Inputs are borrowed: a message and its payload are valid until the
 * call returns. Outputs are copied by the world before the call returns, but for
 * the parts of a message, of which it may keep references instead.
 */
#ifndef SYNOD_NODE_NODE_H
#define SYNOD_NODE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/metrics.h"
#include "node/clock.h"
#include "node/timer.h"
#include "node/tracer.h"

struct node;
struct env;
struct disk;
struct identity_members;

/*
 * A way along which messages travel. A link is either dialled (env_dial: it stands
 * for an address, connects when first used and again after a loss, and lives as
 * long as the node) or accepted (it stands for one inbound connection, and
 * ends with it). Numbers are never reused. 0 is no link.
 */
typedef uint64_t link_id;

enum message_kind {
	MESSAGE_ONEWAY = 1, /* no answer expected: what replicas send each other */
	MESSAGE_REQUEST = 2,
	MESSAGE_REPLY = 3, /* travels back along the link of its request, with the same id */
};

/* Long bytes that belong before the byte `at` of a payload, behind the parts before them. */
struct message_part {
	size_t at;
	struct bytes *bytes;
};

struct message {
	enum message_kind kind;
	uint16_t method;     /* wire/method.h */
	uint16_t nparts;     /* of what is sent: what is received stands in one piece */
	int status;          /* replies: 0 or a STATUS_… */
	uint32_t timeout_ms; /* requests: how long the sender will wait; 0 says nothing */
	/* requests and replies: chosen by the requester, unique on the link */
	uint64_t id;
	uint64_t lamport; /* stamped by node_send(), merged by node_deliver() */
	uint64_t hlc;
	/* of the traced request that it belongs to; 0: none (node/tracer.h) */
	uint64_t trace;
	/* the sender's life: stamped by node_send(), told to the receiver by its world */
	uint64_t origin;
	const struct trace_detail *detail; /* for the sender's tracer alone; NULL: nothing to say */
	struct slice payload;              /* protobuf, see wire/ */
	const struct message_part *parts;  /* in the order of their places */
};

/* Of the payload, with its parts. */
static inline size_t message_bytes(const struct message *message)
{
	size_t bytes = message->payload.len;
	for (uint32_t i = 0; i < message->nparts; i++)
		bytes += message->parts[i].bytes->len;
	return bytes;
}
/* The payload in one piece: as it stands if it has no parts, otherwise in `room`. */
struct slice message_whole(const struct message *message, struct buffer *room);

struct node_ops {
	/*
	 * Recovers from disk (blocking reads are allowed only here). 0, or the reason why it cannot
	 * run.
	 */
	int (*start)(struct node *node);
	void (*message)(struct node *node, link_id from, const struct message *message);
	/*
	 * An accepted link has ended, or a dialled one has lost its connection: no reply
	 * to an outstanding request will come along it. A dialled link stays usable.
	 */
	void (*link_down)(struct node *node, link_id link);
	void (*turn_end)(struct node *node);
	/*
	 * Orderly shutdown has been asked for: hand over what can be handed over, then call
	 * env_stopped().
	 */
	void (*stop)(struct node *node);
	void (*destroy)(struct node *node);
	/* True when clients are served (readiness). */
	bool (*ready)(struct node *node);
	/*
	 * The node's directory was lost: it may follow, but not vote, from now on. Before start()
	 * or later. NULL: this kind of node cannot do without its vote, and must not run.
	 */
	void (*stop_voting)(struct node *node);
	/* Writes the node's status as one JSON object (GET /api/v1/status). */
	void (*status_json)(struct node *node, struct buffer *out);
};

#define NODE_PROBLEM_BYTES 640u

struct node {
	const struct node_ops *ops;
	struct env *env;
	struct clocks clocks;
	struct tracer tracer;
	struct metrics metrics;
	uint64_t clock_rejected; /* messages whose time clocks_merge() did not adopt */
	struct log *log;         /* owned by the world */
	/*
	 * Of a start() that has failed: one line that says what is wrong, and what to do. Empty:
	 * its status says it all.
	 */
	char problem[NODE_PROBLEM_BYTES];
};

/* The world's side. Every function may be called from any input of the node. */
struct env_ops {
	uint64_t (*now_us)(struct env *env);   /* monotonic; stands still within a turn */
	uint64_t (*clock_us)(struct env *env); /* the same clock as it is at this moment */
	uint64_t (*wall_us)(struct env *env);  /* since the epoch; may jump */
	uint64_t (*random)(struct env *env);
	/*
	 * The dialled link to HOST:PORT; the same address always gives the same link. Resolves and
	 * connects lazily.
	 */
	link_id (*dial)(struct env *env, const char *address);
	/*
	 * Queues a message. It may be lost, and on a dead link always is; the sender is told by
	 * link_down, or by its own timer.
	 */
	void (*send)(struct env *env, link_id link, const struct message *message);
	/*
	 * Bytes queued on the link and not yet taken by the network: what a sender of bulk data
	 * looks at.
	 */
	uint64_t (*backlog)(struct env *env, link_id link);
	/*
	 * How often a dialled link has come up or gone down so far: odd while it is up. What was
	 * sent while it was down and is reported lost (link_down) at the same number has never left
	 * this machine. NULL: this world does not tell.
	 */
	uint64_t (*link_epoch)(struct env *env, link_id link);
	/* Closes an accepted link. */
	void (*close)(struct env *env, link_id link);
	/* The timer's callback runs as an input. node/timer.h */
	void (*timer_set)(struct env *env, struct timer *timer, uint64_t at_us);
	void (*timer_cancel)(struct env *env, struct timer *timer);
	/*
	 * The node cannot go on safely (failed sync, corruption): the process ends, now, without
	 * another output.
	 */
	void (*fatal)(struct env *env, int status, const char *why) __attribute__((noreturn));
	/* The node has finished its orderly shutdown. */
	void (*stopped)(struct env *env);
	/*
	 * The node's state says that its group has this id: when the group draws it, and at every
	 * start after that. 0, or STATUS_IDENTITY: the node's directory belongs to another group,
	 * it must not go on. NULL: this world does not care.
	 */
	int (*identified)(struct env *env, uint64_t group_id);
	/*
	 * What the node's directory had promised is lost, so it is another one from now on, as if
	 * it had replaced it. Draws a new env->life, durably, and notes that it has no vote until
	 * that is bound. 0, or why not: then nothing has changed. While start() runs that blocks;
	 * later the answer is STATUS_BUSY until it is done: ask again. STATUS_LOST_DIRECTORY: this
	 * kind of node has no other life. NULL: this world has none.
	 */
	int (*renew_life)(struct env *env);
	/*
	 * The group says who its members are, with the slot of the entry that says so: after the
	 * start, and whenever there are others. NULL: this world does not care.
	 */
	void (*members)(struct env *env, const struct identity_members *members);
	/*
	 * Where the member at the other end of a dialled link is found: it is connected there, says
	 * itself that it listens there, and its directory is the one that counts. Link 0: where
	 * this node listens. NULL: that is not known; no function: this world's addresses do not
	 * change. Valid within the turn.
	 */
	const char *(*found_at)(struct env *env, link_id link);
	/*
	 * The group has removed this node: it will be asked to stop, and not be started again.
	 * NULL: this world does not care.
	 */
	void (*removed)(struct env *env);
	/*
	 * The group goes on as a later generation, without this node (rsm/force.h): it will be
	 * asked to stop, and not be started again. NULL: this world does not care.
	 */
	void (*superseded)(struct env *env, uint32_t generation);
	/*
	 * This node is to begin that generation of its group: it is asked to stop, and started
	 * anew, and told so then. NULL: this world cannot.
	 */
	void (*force)(struct env *env, uint32_t generation);
};

struct env {
	const struct env_ops *ops;
	struct disk *disk; /* the node's data directory (node/disk.h); NULL for nodes without one */
	uint64_t life;     /* of the directory (node/identity.h); 0: it has none */
	/* during node_ops.message(): of the directory of the replica that speaks; 0: not known */
	uint64_t sender_life;
};

/* Initialises the common part; `ops`, `env` and `log` must outlive the node. */
void node_init(struct node *node, const struct node_ops *ops, struct env *env, struct log *log);
void node_done(struct node *node);
/* start() says so why it is about to fail. */
void node_problem(struct node *node, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Stamps the logical clocks and sends. What a traced message makes a node send belongs to the same
 * request.
 */
void node_send(struct node *node, link_id link, struct message *message);
/* Worlds deliver with this: it merges the message's clocks, then calls ops->message. */
void node_deliver(struct node *node, link_id from, const struct message *message);

/* node_step() alone calls this. */
void node_note_step(struct node *node, enum trace_step step, uint64_t request,
		    const struct trace_detail *detail);
/* Notes a step of the protocol, if that is wanted: an event of its own. */
static inline void node_step(struct node *node, enum trace_step step, uint64_t request,
			     const struct trace_detail *detail)
{
	if (tracer_wants(&node->tracer, request))
		node_note_step(node, step, request, detail);
}

/* Answers `request`, which came from `link`. */
void node_reply(struct node *node, link_id link, const struct message *request, int status,
		struct slice payload);

static inline uint64_t node_now_us(struct node *node)
{
	return node->env->ops->now_us(node->env);
}
static inline uint64_t node_clock_us(struct node *node)
{
	return node->env->ops->clock_us(node->env);
}
static inline uint64_t node_wall_us(struct node *node)
{
	return node->env->ops->wall_us(node->env);
}
static inline uint64_t node_random(struct node *node)
{
	return node->env->ops->random(node->env);
}
static inline link_id node_dial(struct node *node, const char *address)
{
	return node->env->ops->dial(node->env, address);
}
static inline void node_timer_after(struct node *node, struct timer *timer, uint64_t delay_us)
{
	node->env->ops->timer_set(node->env, timer, node_now_us(node) + delay_us);
}
static inline void node_timer_at(struct node *node, struct timer *timer, uint64_t at_us)
{
	node->env->ops->timer_set(node->env, timer, at_us);
}
static inline void node_timer_cancel(struct node *node, struct timer *timer)
{
	node->env->ops->timer_cancel(node->env, timer);
}
void node_fatal(struct node *node, int status, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

#endif
