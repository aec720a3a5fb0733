/*
 * host: the real world. Runs one node on one thread: libevent loop, TCP links, timers, the system's
 * clocks.
 *
 *   struct host *host;
 *   if (host_create(&host, &options, error, sizeof error) != 0) …    binds the listening socket
 *   node = x_node_create(… host_env(host) …);
 *   if (host_start(host, node, error, sizeof error) != 0) …
 *                                                    recovers the node, then listens
 *   host_run(host);                                                   until the node has stopped
 *   node->ops->destroy(node); host_destroy(host);
 *
 * One turn of the loop: the messages of all readable sockets, completions of the disk, calls from
 * other threads, timers that are due; then the node's turn_end() once; then one write for each link
 * that has output. Whatever a node sends in a turn leaves in that turn, if the socket takes it.
 * now_us() stands still within a turn.
 *
 * Links (node/node.h). A connection begins with a hello in each direction (src/ground/wire, HELLO
 * with request id 0, answered by a reply): protocol version, cluster name and id, the members of
 * the group if both belong to it, and, where the dialler knows whom it wants, the node's name must
 * agree; otherwise the answer says what is wrong and the connection is closed. A dialled link
 * connects when
 * something is sent. What is sent while it connects waits, up to a limit, and is dropped beyond it;
 * when the attempt fails, or the connection is lost, everything queued is dropped, the node's
 * link_down() is called, and until a jittered, doubling pause is over whatever is sent is lost at
 * once (a request with link_down() in the next turn). Requests that wait for a hello which is
 * refused with WRONG_CLUSTER or WRONG_VERSION are answered with that status and its text.
 *
 * No stranger can make a host use unbounded memory, or hold it up: see struct host_settings. Bad
 * bytes cost the sender its connection.
 *
 * Loops. A host has a loop of its own, or shares one with others: then a turn is one look at all
 * their sockets, and whichever of them had an input has its turn_end() and its writes. A server has
 * its own; clients share one when one thread is to serve many of them.
 *
 * Threads. Everything here is called on the thread that runs host_run() or host_loop_turn() (before
 * that: on the thread that created the host or the loop), except host_wakeup() and
 * host_loop_wakeup(), which any thread may call at any time between creation and destruction.
 *
 * A client is a node without listen address and disk; its host runs on a thread of its own or on
 * one of several clients, and other threads reach it with host_wakeup().
 */
#ifndef SYNOD_HOST_HOST_H
#define SYNOD_HOST_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/status.h"
#include "node/disk.h"
#include "node/identity.h"
#include "node/node.h"

struct host;
struct host_loop;

/*
 * A node that may be dialled by its address. Addresses that are not listed can be dialled too; then
 * any node may answer.
 */
struct host_peer {
	const char *name;    /* must answer there; NULL or "": any */
	const char *address; /* what env dial() is called with: HOST:PORT */
	const char *route;   /* HOST:PORT to connect to instead; NULL: address */
	/*
	 * What it may send besides what anybody may: SENDER_… of wire/sender.h, on a connection
	 * that this node has dialled, or that the peer has confirmed to have opened (identity.c).
	 * 0: nothing.
	 */
	uint32_t speaks;
	bool master; /* a shard master: knows the cluster's id */
};

/* Defaults: base/settings.h. */
struct host_settings {
	uint32_t connect_timeout_ms; /* a TCP connection */
	/* from the TCP connection to the accepted hello */
	uint32_t hello_timeout_ms;
	uint32_t frame_timeout_ms; /* from the first to the last byte of a frame */
	uint32_t write_timeout_ms; /* output waits and the peer takes nothing */
	/* a dialled link that hears nothing for so long sends a PING */
	uint32_t ping_interval_ms;
	/* and is cut when it then hears nothing for so long */
	uint32_t ping_timeout_ms;
	uint32_t reconnect_min_ms; /* pause after the first failure */
	uint32_t reconnect_max_ms;
	uint32_t stop_timeout_ms; /* how long a node may take to stop */
	/* accepted from others than nodes of this cluster (seats.c) */
	uint32_t connections_max;
	uint64_t link_output_bytes_max;
	/*
	 * Of all links: unsent output and unfinished input. Above it the largest holder is cut.
	 */
	uint64_t network_bytes_max;
};
void host_settings_default(struct host_settings *settings);

/* Everything is copied, except disk and log, which must outlive the host. */
struct host_options {
	const char *cluster; /* name; "" for a client that takes any cluster */
	const char *node;    /* name; "" for clients */
	const char *role;    /* "" for clients */
	/*
	 * Of the directory, whose file is kept up to date along `disk` (node/identity.h); NULL:
	 * none. Copied.
	 */
	const struct identity *identity;
	/*
	 * The node is no replica yet (daemon/lobby.h): it tells the others that it waits, and they
	 * tell it what they know. What it says of itself counts for nothing.
	 */
	bool waits;
	/*
	 * By the configuration; 0: it does not say. A client then keeps to the one that it meets
	 * first.
	 */
	uint64_t cluster_id;
	const char *listen; /* HOST:PORT; port 0 takes any free one; NULL: do not listen */
	uint32_t npeers;
	const struct host_peer *peers;
	/* file to which every event of the node is appended (trace/event.h); NULL: none */
	const char *trace;
	/* of this host in it; NULL: the node's, or "client-" and a random number */
	const char *trace_name;
	uint64_t trace_bytes_max; /* how large that file may become; then it ends; 0: 1 GiB */
	/* NULL: none. The creator also calls host_watch() and host_work() for it. */
	struct disk *disk;
	struct log *log;
	/* shared with others, and outliving the host; NULL: one of its own */
	struct host_loop *loop;
	struct host_settings settings;
};

/*
 * Creates the host and binds its listening socket. 0, STATUS_ADDRESS_IN_USE, STATUS_CONFIG (an
 * address that is none), STATUS_IO (also for a trace file that cannot be written, or that another
 * process writes); then `error` holds one line that says what is wrong and what to do, and *out is
 * NULL.
 */
int host_create(struct host **out, const struct host_options *options, char *error,
		size_t error_size) MUST_CHECK;
struct env *host_env(struct host *host);
/*
 * The id of the cluster that this host belongs to, or talks to; 0: not known yet. From any thread.
 */
uint64_t host_cluster_id(const struct host *host);
/*
 * The id of the group that the other end of a link belongs to, as it has said in its hello; 0: it
 * knows none.
 */
uint64_t host_link_group_id(const struct host *host, link_id link);
/* What is known of the node's directory by now. */
const struct identity *host_identity_own(const struct host *host);
/*
 * After host_run(): the node is to be started once more, and to begin that generation of its group
 * (rsm/force.h); 0: it is not.
 */
uint32_t host_starts_anew(const struct host *host);
/* The port that is bound; 0 if not listening. */
uint16_t host_port(const struct host *host);

/*
 * Starts the node (blocking recovery), registers the transport's metrics with it and begins to
 * listen. The node belongs to the caller and must live until host_destroy() or the return of
 * host_run(), whichever is first.
 */
int host_start(struct host *host, struct node *node, char *error, size_t error_size) MUST_CHECK;
/*
 * Turns the loop until the node has stopped. False: it did not within stop_timeout_ms, and may
 * still have requests at the disk.
 */
bool host_run(struct host *host);
/*
 * One turn of a host with a loop of its own; waits for an input if `wait`. False when the node has
 * stopped. For tests that run several hosts on one thread.
 */
bool host_turn(struct host *host, bool wait);
/*
 * The node has stopped, or was given up. A host on a shared loop gets no turn_end() any more; it
 * may be destroyed.
 */
bool host_stopped(const struct host *host);
/*
 * Asks the node to stop: host_run() returns when it has, or after stop_timeout_ms. Loop thread
 * only: others use host_wakeup(). Asking twice is harmless.
 */
void host_stop(struct host *host);
/*
 * Closes everything. The node is not touched any more. Not within an input or the turn_end() of its
 * node.
 */
void host_destroy(struct host *host);

/*
 * Runs `callback` soon, as an input of the node, on the loop's thread. The struct belongs to the
 * caller, must stay valid until the callback runs (or the host is destroyed with a loop of its own;
 * on a shared one the call is to be forgotten before that, see host_loop_forget()), and may be used
 * again from within the callback. A call that is already waiting is not queued twice, so that a
 * producer may nudge the loop for every item it adds to a queue of its own.
 */
struct host_call {
	void (*callback)(void *context);
	void *context;
	bool waiting;           /* private: guarded by the loop's lock */
	struct host *host;      /* private: whose input it is; NULL: nobody's */
	struct host_call *next; /* private */
};
void host_wakeup(struct host *host, struct host_call *call);

/* A loop that several hosts share. NULL: the process has no more descriptors, or memory. */
struct host_loop *host_loop_create(void);
/* One turn for all hosts on it; waits for an input if `wait`. */
void host_loop_turn(struct host_loop *loop, bool wait);
/* As host_wakeup(), for what is no input of any one host: creating one, say. */
void host_loop_wakeup(struct host_loop *loop, struct host_call *call);
/*
 * A call that waits will not run: for one whose struct, or host, ends before its loop. On the
 * loop's thread, also from within another call, or when no turn will be run any more.
 */
void host_loop_forget(struct host_loop *loop, struct host_call *call);
/* Every host on it has been destroyed. */
void host_loop_destroy(struct host_loop *loop);

/*
 * A request from within this process to the host's own node, for what else lives on its loop
 * (HTTP): the node sees a request on an accepted link, exactly as from a client, and answers it as
 * usual. All requests share one link, which never ends.
 *
 * `answered` runs once, after the end of the turn in which the node has replied, with the reply's
 * status and payload (borrowed); with STATUS_UNKNOWN and an empty payload when there was no reply
 * within timeout_ms (at least 1). It may start and cancel requests. The method is one of the
 * service's, not HELLO or PING. The payload is copied.
 */
struct host_request;
typedef void (*host_answered)(void *context, int status, struct slice payload);
struct host_request *host_request(struct host *host, uint16_t method, struct slice payload,
				  uint32_t timeout_ms, host_answered answered, void *context);
/*
 * Forgets the request, without calling `answered`; the node may yet execute it. Not from within its
 * own `answered`.
 */
void host_request_cancel(struct host_request *request);

/*
 * Runs `callback` as an input whenever `fd` is readable (the disk's completions), until the host is
 * destroyed.
 */
void host_watch(struct host *host, int fd, void (*callback)(void *context), void *context);
/*
 * Something of this process (`purpose`, for the log) has met `error`: no descriptor, no memory.
 * Closes one idle stranger's connection; false if there is none. Then it is worth while to try
 * again.
 */
bool host_relieve(struct host *host, const char *purpose, int error);
/*
 * Runs `work` at the end of every turn, when the turn's messages have left: what takes long and
 * must not hold them up (the disk's syncs). When it returns true, `done` runs as an input of the
 * next turn, which does not wait. Once a host.
 */
void host_work(struct host *host, bool (*work)(void *context), void (*done)(void *context),
	       void *context);

/*
 * For what else lives on the same loop (HTTP, signals). A callback of its own events is an input of
 * the node, if the loop is the host's own.
 */
struct event_base *host_event_base(struct host *host);

#endif
