/*
 * libsynod: client of a Synod cluster. The only public header.
 *
 *   struct synod *s;
 *   if (synod_open(&s, &(struct synod_options){.config_file = "run/cluster.conf"}) != SYNOD_OK)
 *           die(synod_error_message(s));
 *   struct synod_reply *r = synod_put(s, "k", 1, "v", 1);
 *   if (r->status != SYNOD_OK) …
 *   synod_reply_free(r);
 *   synod_close(s);
 *
 * A handle runs a thread that owns all its connections; every function may be called from any
 * thread. Several handles (with a session and connections of its own each) may share a thread:
 * cheaper by far for a program that plays many clients, and no slower until one core is not enough
 * for what the callbacks do. Asynchronous calls return at once; their callback runs on the handle's
 * thread and must not block or call a synchronous function. Requests of one handle are pipelined:
 * those to the same key are started in the order of the calls.
 *
 * Exactly once: each write is applied once, however often the library had to send it. When the
 * deadline passes and the library cannot know, the status is SYNOD_UNKNOWN; SYNOD_UNAVAILABLE says
 * that it certainly was not and never will be applied.
 *
 * Bounded: a handle has at most outstanding_max requests, and 8 MiB of them, under way. Beyond that
 * an asynchronous call returns SYNOD_BUSY, and a synchronous one waits for its turn.
 *
 * Out of memory is a status, SYNOD_NO_MEMORY. Returned by synod_open() or an asynchronous call it
 * says that nothing has happened. As the status of a reply it says of a write that it may or may
 * not have been applied. A large request for which there is no memory is tried again until its
 * deadline. For small things the handle's thread has a reserve (3 MiB of address space, most of
 * which is never touched); when it cannot fill that up again at the end of a turn of its loop, the
 * handle gives up: what is under way and whatever follows ends with SYNOD_NO_MEMORY; close it, and
 * open another when there is memory. What is not covered: more allocations in one turn than the
 * reserve has blocks (some hundred), as when a configuration of several hundred groups arrives
 * while there is no memory at all. Then the process is ended with a line on stderr. Handles that
 * share a thread share its reserve, and give up together.
 *
 * Lifetimes: arguments are copied before a function returns. A reply belongs to whoever it was
 * returned to (synchronous) or is valid during the callback (asynchronous). Strings inside are
 * followed by a zero byte that is not counted.
 */
#ifndef SYNOD_H
#define SYNOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers are those of the wire protocol (docs/protocol.md). */
enum synod_status {
	SYNOD_OK = 0,
	SYNOD_NOT_FOUND = 1,
	SYNOD_COMPARE_FALSE = 2,
	SYNOD_UNAVAILABLE = 3, /* certainly not applied */
	SYNOD_UNKNOWN = 4,     /* may or may not have been applied */
	SYNOD_BAD_REQUEST = 5,
	SYNOD_TOO_LARGE = 6,
	SYNOD_UNKNOWN_METHOD = 7, /* the server does not offer this */
	SYNOD_WRONG_CLUSTER = 8,
	SYNOD_WRONG_VERSION = 9,
	/* another node than the configuration file says answers at that address */
	SYNOD_WRONG_NODE = 10,
	SYNOD_BUSY = 13,
	SYNOD_SESSION_EXPIRED = 14,
	SYNOD_CROSS_GROUP = 17,
	SYNOD_HOLDS_DATA = 18,
	SYNOD_EXISTS = 19,
	SYNOD_NO_SUCH_GROUP = 20,
	SYNOD_DENIED = 21,
	SYNOD_NOT_NUMBER = 22,
	SYNOD_NO_SPACE = 23,
	SYNOD_COMPACTED = 24,
	SYNOD_NO_MEMORY = 100,
	SYNOD_CONFIG = 104, /* the options or the configuration file are wrong */
	SYNOD_CLOSED = 109,
};

struct synod;

struct synod_options {
	const char *config_file; /* cluster.conf; or */
	const char *endpoints;   /* HOST:PORT,… of any nodes of the cluster */
	/* name to insist on; NULL: from config_file, or whatever the endpoints say */
	const char *cluster;
	uint32_t timeout_ms; /* default deadline of a request; 0: 5000 */
	/* to each server; 0: 1. This version always uses one, on which it pipelines */
	uint32_t connections;
	uint32_t outstanding_max; /* requests under way; 0: 4096 */
	/* every message of this handle is appended to it (docs/tracing.md) */
	const char *trace_file;
	const char *trace_name; /* of this client in it; NULL: "client-" and a number */
	/* an open handle, whose thread is to serve this one too; NULL: a thread of its own */
	struct synod *thread_of;
};

/*
 * Opens a handle. No network traffic yet: an unreachable cluster shows in the first request. *out
 * is set even on failure, unless memory ran out, so that synod_error_message(*out) can say why;
 * close it in any case.
 */
int synod_open(struct synod **out, const struct synod_options *options);
const char *synod_error_message(const struct synod *s);
/*
 * The id of the cluster that this handle talks to, which no other of its name has: that of the
 * configuration file, or of the first node that has answered and knows it. From then on nodes of
 * another cluster are refused (SYNOD_WRONG_CLUSTER). 0: not known yet.
 */
uint64_t synod_cluster_id(const struct synod *s);
/* Outstanding asynchronous requests end with SYNOD_CLOSED. Must not be called from a callback. */
void synod_close(struct synod *s);

struct synod_bytes {
	const char *data;
	size_t len;
};

struct synod_record {
	struct synod_bytes key, value;
	uint64_t version; /* writes since the key was created */
	/* unique within the key's shard: compare with this to detect any change */
	uint64_t modification;
};

struct synod_result {
	int status; /* of one operation of a transaction */
	struct synod_bytes value;
	uint64_t version, modification;
};

struct synod_reply {
	int status;
	/* for errors: what is wrong and what to do; "" otherwise, but see value */
	const char *message;
	/*
	 * get, append and incr: the (new) value. Of an append that had to be sent again, after its
	 * answer was lost, a long value may not be known any more, if the key has been changed
	 * since: then it is empty, and synod_value_omitted(). It has been applied once all the
	 * same. So may values be that a cas was refused with, or that a transaction returned.
	 */
	struct synod_bytes value;
	uint64_t version, modification;
	bool succeeded; /* transaction: compares held */
	size_t nresults;
	struct synod_result *results; /* transaction: one for each operation of the branch taken */
	size_t nrecords;
	struct synod_record *records; /* scan, in key order */
	/* scan: go on from `resume`, the next start (reverse: the next end) */
	bool more;
	struct synod_bytes resume;
	/* Reads with SYNOD_STALE, whatever came of them but errors: */
	bool stale; /* the rest says something */
	/* everything that was acknowledged age_ms before the reply came is in what was read */
	bool age_known;
	uint64_t age_ms; /* milliseconds, rounded up; a scan's: of the oldest of its pages */
	/*
	 * Of its group's log: the state after it was read; 0: read by the leader, or from several
	 * groups.
	 */
	uint64_t slot;
};

typedef void (*synod_callback)(void *context, const struct synod_reply *reply);

enum synod_op_kind {
	SYNOD_OP_GET = 1,
	SYNOD_OP_PUT,
	SYNOD_OP_APPEND,
	SYNOD_OP_DELETE,
	SYNOD_OP_CAS,
	SYNOD_OP_INCR
};
struct synod_op {
	enum synod_op_kind kind;
	struct synod_bytes key, value;
	struct synod_bytes expect; /* CAS */
	bool absent;               /* CAS: the key must not exist */
	int64_t delta;             /* INCR */
};

enum synod_target { SYNOD_VALUE, SYNOD_VERSION, SYNOD_MODIFICATION, SYNOD_EXISTS_FLAG };
enum synod_relation { SYNOD_EQUAL, SYNOD_NOT_EQUAL, SYNOD_LESS, SYNOD_GREATER };
struct synod_compare {
	enum synod_target target;
	enum synod_relation relation;
	struct synod_bytes key, value;
	uint64_t number; /* VERSION, MODIFICATION; EXISTS_FLAG: 1 exists, 0 missing */
};

struct synod_txn {
	const struct synod_compare *when;
	size_t nwhen;
	const struct synod_op *then;
	size_t nthen;
	const struct synod_op *otherwise;
	size_t notherwise;
};

struct synod_scan {
	struct synod_bytes start; /* first key */
	struct synod_bytes end;   /* first key not included; empty: no end */
	uint32_t limit;           /* 0: 1000 */
	bool keys_only;
	bool count_only; /* reply->version holds the count */
	/*
	 * the same range from its end, in descending order; `resume` of the reply is the next `end`
	 */
	bool reverse;
};

/*
 * Asynchronous. timeout_ms 0: the handle's default. SYNOD_OK, or SYNOD_BUSY, SYNOD_NO_MEMORY,
 * SYNOD_CLOSED, SYNOD_BAD_REQUEST, SYNOD_TOO_LARGE: then the callback will not run.
 */
int synod_op_async(struct synod *s, const struct synod_op *op, uint32_t timeout_ms,
		   synod_callback done, void *context);
int synod_txn_async(struct synod *s, const struct synod_txn *txn, uint32_t timeout_ms,
		    synod_callback done, void *context);
int synod_scan_async(struct synod *s, const struct synod_scan *scan, uint32_t timeout_ms,
		     synod_callback done, void *context);

/* ---- who answers a read, and how old the answer may be ---- */

enum synod_consistency {
	/* it holds every write that was acknowledged before the read began */
	SYNOD_LINEARIZABLE = 0,
	/*
	 * It holds those that were acknowledged age_ms ago (struct synod_reply); needs no leader.
	 */
	SYNOD_STALE = 1,
};
enum synod_prefer {
	/* the leader; stale: any replica, the same one as long as that serves */
	SYNOD_PREFER_DEFAULT = 0,
	SYNOD_PREFER_LEADER = 1,
	/*
	 * Another replica than the one that seems to lead. A linearizable read costs a round trip
	 * between replicas more, and the leader next to nothing.
	 */
	SYNOD_PREFER_FOLLOWER = 2,
};
/*
 * All zero is how reads are without this. Replicas that cannot serve a read (they know no leader,
 * lag behind, replace their state) are passed over for others, and in the end the leader is asked,
 * within the time-out. An age is counted on this machine's and the replica's monotonic clocks
 * alone, from what a confirmed leader has told; nobody's wall clock counts.
 */
struct synod_read_options {
	/*
	 * sizeof(struct synod_read_options): later versions may add to its end; 0: as much as this
	 * version has.
	 */
	size_t size;
	enum synod_consistency consistency;
	enum synod_prefer prefer;
	/*
	 * SYNOD_STALE: what is older, or of unknown age, is refused, with SYNOD_UNAVAILABLE in the
	 * end; 0: no limit.
	 */
	uint32_t max_age_ms;
	uint32_t timeout_ms; /* 0: the handle's default */
};
/*
 * options NULL: all zero. Returns and replies are those of synod_op_async(), synod_do() and so on;
 * the options are copied.
 */
int synod_get_with_async(struct synod *s, const void *key, size_t key_len,
			 const struct synod_read_options *options, synod_callback done,
			 void *context);
struct synod_reply *synod_get_with(struct synod *s, const void *key, size_t key_len,
				   const struct synod_read_options *options);
int synod_scan_with_async(struct synod *s, const struct synod_scan *scan,
			  const struct synod_read_options *options, synod_callback done,
			  void *context);
struct synod_reply *synod_scan_with(struct synod *s, const struct synod_scan *scan,
				    const struct synod_read_options *options);

/*
 * Synchronous: never NULL (out of memory gives a static reply). Free with synod_reply_free. From
 * within a callback they would wait for themselves: there they end with SYNOD_BAD_REQUEST.
 */
struct synod_reply *synod_do(struct synod *s, const struct synod_op *op, uint32_t timeout_ms);
struct synod_reply *synod_do_txn(struct synod *s, const struct synod_txn *txn, uint32_t timeout_ms);
struct synod_reply *synod_do_scan(struct synod *s, const struct synod_scan *scan,
				  uint32_t timeout_ms);
struct synod_reply *synod_get(struct synod *s, const void *key, size_t key_len);
struct synod_reply *synod_put(struct synod *s, const void *key, size_t key_len, const void *value,
			      size_t value_len);
struct synod_reply *synod_delete(struct synod *s, const void *key, size_t key_len);
void synod_reply_free(struct synod_reply *reply);

/*
 * Exactly the range of keys that begin with prefix: fills scan->start and ->end; storage holds the
 * end and must be prefix_len bytes.
 */
void synod_scan_prefix(struct synod_scan *scan, const void *prefix, size_t prefix_len,
		       char *storage);

/* ---- the cluster ---- */

struct synod_group {
	uint64_t gid;
	size_t nmembers;
	const char *const *members;
};
/* The number of groups may be 0; then every shard is unassigned (0). */
struct synod_config {
	int status;
	const char *message;
	uint64_t number;
	size_t nshards;
	const uint64_t *shards;
	size_t ngroups;
	const struct synod_group *groups;
	size_t nmasters;
	const char *const *masters; /* HOST:PORT of each shard master */
};
/* number UINT64_MAX: the newest. Free with synod_config_free. */
struct synod_config *synod_config(struct synod *s, uint64_t number);
void synod_config_free(struct synod_config *config);

/*
 * Changes of the configuration; value of the reply is empty, version is the new configuration's
 * number.
 */
struct synod_reply *synod_join(struct synod *s, const struct synod_group *groups, size_t ngroups);
struct synod_reply *synod_leave(struct synod *s, const uint64_t *gids, size_t ngids);
struct synod_reply *synod_move(struct synod *s, uint32_t shard, uint64_t gid);
struct synod_reply *synod_rebalance(struct synod *s);

struct synod_peer_status {
	uint32_t replica;
	const char *address;
	uint64_t matched, last_heard_ms;
};
struct synod_node_status {
	int status; /* SYNOD_OK, or why there is no answer */
	const char *message;
	const char *address; /* the address asked */
	const char *name, *role, *state, *leader, *leader_name, *version;
	uint32_t replica;
	uint64_t group, ballot, chosen, applied, log_first, log_last, snapshot;
	uint64_t data_bytes, disk_bytes, keys, config, sessions, uptime_ms;
	uint64_t round_trip_us;
	int64_t clock_ahead_ms; /* of the cluster's hybrid clock against this machine's */
	size_t npeers;
	const struct synod_peer_status *peers;
	/*
	 * Of a replica: the newest slot at which its state was found equal to that of its group;
	 * how often, in this life, it was found to differ, and was fetched anew; and the newest
	 * slot at which replicas differed and nobody was known to be right, 0 if that has been
	 * decided since.
	 */
	uint64_t state_hash_slot, state_diverged, state_undecided;
};
/* Asks one node, leader or not. Free with synod_node_status_free. */
struct synod_node_status *synod_node_status(struct synod *s, const char *address,
					    uint32_t timeout_ms);
/* Asks several nodes at once; out[i] is the answer of addresses[i], to be freed one by one. */
void synod_node_status_all(struct synod *s, const char *const *addresses, size_t count,
			   uint32_t timeout_ms, struct synod_node_status **out);
void synod_node_status_free(struct synod_node_status *status);
/* Asks the leader among `members` to hand over to `replica` (0: the most caught-up one). */
struct synod_reply *synod_transfer(struct synod *s, const char *const *members, size_t nmembers,
				   uint32_t replica);

/* ---- members: who belongs to a replicated group ---- */

enum synod_member_role { SYNOD_VOTER = 1, SYNOD_LEARNER = 2 };
struct synod_member {
	uint32_t number; /* never given to another one */
	const char *name, *address;
	/*
	 * a learner is sent everything and counts nowhere; it becomes a voter when it has caught up
	 */
	enum synod_member_role role;
	uint32_t binding; /* how often its disk was replaced */
	uint64_t life;    /* of its disk; 0: it has not been met yet */
	/* a learner: the member that goes when this one becomes a voter; 0: nobody */
	uint32_t in_place_of;
	/* If `leads` of the list: */
	bool up;
	uint64_t matched, last_heard_ms; /* what is durable there; since when it has been silent */
	/* a learner: what is missing until it becomes a voter; "": nothing */
	const char *waits_for;
};
struct synod_members {
	int status; /* SYNOD_OK, or why there is no answer */
	const char *message;
	uint64_t group, group_id;
	/* numbers of who has answered, and of the presumed leader (0: not known) */
	uint32_t replica, leader;
	bool leads; /* who has answered is the leader */
	/* of the entry that says so; 0: none yet, and the members are those of the configuration */
	uint64_t slot;
	uint64_t chosen;
	uint32_t next_number;
	size_t nmembers;
	const struct synod_member *members; /* ascending by number */
	uint32_t generation;                /* how often the group has been forced (synod_force) */
};
/*
 * What several replicas of one group say of its members; out[i] is the answer of addresses[i], to
 * be freed one by one. The leader's knows most; of others the one with the greatest slot.
 */
void synod_members_all(struct synod *s, const char *const *addresses, size_t count,
		       uint32_t timeout_ms, struct synod_members **out);
void synod_members_free(struct synod_members *members);

enum synod_member_op {
	SYNOD_MEMBER_ADD = 1, /* name, address */
	SYNOD_MEMBER_REMOVE,  /* number, or name */
	SYNOD_MEMBER_REPLACE, /* number, of whom; name, address: the new one */
	SYNOD_MEMBER_PROMOTE, /* number, or name: now, or a refusal that says what is missing */
};
struct synod_member_change {
	enum synod_member_op op;
	const char *name, *address; /* NULL: "" */
	uint32_t number;
	/* slot of the list that the change is meant for, refused if there is a newer one; 0: any */
	uint64_t base;
};
/*
 * Asks the leader among `addresses`, or whom they name as such. The reply comes when the change is
 * chosen: version is its slot, modification the member's number. Asking for what is so already is
 * no error.
 */
struct synod_reply *synod_change_members(struct synod *s, const char *const *addresses,
					 size_t count, const struct synod_member_change *change,
					 uint32_t timeout_ms);

/*
 * A group has lost more than half of its voters for good: it is made to go on from the one replica
 * at `address`, as another generation of itself, whose only member that one is. generation 0
 * changes nothing: the answer tells what would be lost, and the number of the next generation;
 * given that number, it is done. An answer comes when that is decided; the group serves a little
 * later. Asking again for what is so already is no error; refused as long as a majority answers
 * that replica.
 */
struct synod_force {
	int status; /* SYNOD_OK, or why there is no answer */
	const char *message;
	/* of the group, as that replica knows it; and that which begins */
	uint32_t generation, next;
	/* everything up to this slot is kept; up to that one it is known to be chosen */
	uint64_t slot, chosen;
	const char *text; /* lines for people: what may be lost, and who is turned away */
};
struct synod_force *synod_force(struct synod *s, const char *address, uint32_t generation,
				uint32_t timeout_ms);
void synod_force_free(struct synod_force *force);

/* ---- tracing: where one request went ---- */

/*
 * As synod_do(), with a trace id that is drawn for it and stored in *id: every node on the way
 * notes what it does on the request's account, and keeps that for a while (the newest 1,024 such
 * events of all traced requests).
 */
struct synod_reply *synod_do_traced(struct synod *s, const struct synod_op *op, uint32_t timeout_ms,
				    uint64_t *id);
struct synod_trace {
	int status; /* SYNOD_OK, or why there is no answer */
	const char *message;
	const char *node; /* its name; "client" for this handle's own events */
	size_t nevents;
	const char *const *events; /* oldest first; the words are those of docs/tracing.md */
};
/*
 * What several nodes have noted of the request; out[i] is the answer of addresses[i], to be freed
 * one by one. The address NULL stands for this handle.
 */
void synod_trace_all(struct synod *s, uint64_t id, const char *const *addresses, size_t count,
		     uint32_t timeout_ms, struct synod_trace **out);
void synod_trace_free(struct synod_trace *trace);

/* ---- primary and backup (pbserver), and the view service that names them ---- */

/*
 * As synod_op_async() and synod_do(), at the present primary: exactly once, whichever server that
 * is in the end. With endpoints instead of a configuration file these must be the addresses of the
 * viewservers.
 */
int synod_pb_op_async(struct synod *s, const struct synod_op *op, uint32_t timeout_ms,
		      synod_callback done, void *context);
struct synod_reply *synod_pb_do(struct synod *s, const struct synod_op *op, uint32_t timeout_ms);
struct synod_reply *synod_pb_get(struct synod *s, const void *key, size_t key_len);
struct synod_reply *synod_pb_put(struct synod *s, const void *key, size_t key_len,
				 const void *value, size_t value_len);
struct synod_reply *synod_pb_append(struct synod *s, const void *key, size_t key_len,
				    const void *value, size_t value_len);
struct synod_reply *synod_pb_delete(struct synod *s, const void *key, size_t key_len);
/* expect NULL: the key must not exist. */
struct synod_reply *synod_pb_cas(struct synod *s, const void *key, size_t key_len,
				 const void *expect, size_t expect_len, const void *value,
				 size_t value_len);

struct synod_view_server {
	const char *name, *address; /* "": nobody */
	uint64_t incarnation;       /* another one after each restart */
};
struct synod_view_past {
	uint64_t number, time_us; /* wall clock, since the epoch */
	struct synod_view_server primary, backup;
	bool acknowledged, synced;
};
struct synod_view_liveness {
	struct synod_view_server server;
	uint64_t number;    /* of the view that it has adopted */
	uint64_t silent_ms; /* since its last ping */
	bool alive;
};
struct synod_view {
	int status;
	const char *message;
	uint64_t number; /* 0: none yet */
	struct synod_view_server primary, backup;
	bool acknowledged; /* the primary has adopted it */
	bool synced;       /* the backup holds the whole state */
	size_t nhistory;
	const struct synod_view_past *history; /* newest first, the present one included */
	size_t nservers;
	const struct synod_view_liveness *servers;
};
/* Linearizable. timeout_ms 0: the handle's default. Free with synod_view_free. */
struct synod_view *synod_view(struct synod *s, uint32_t timeout_ms);
void synod_view_free(struct synod_view *view);
/*
 * Gives up view `number`, whose servers have all lost the state, and begins with an empty store.
 * SYNOD_DENIED while its primary lives. Nothing happens if there is another view by now.
 */
struct synod_reply *synod_view_reset(struct synod *s, uint64_t number);

/* ---- the log and the agreement service (paxosd) ---- */

/*
 * The log: values in slots 1, 2, 3, …, the same for every reader. With endpoints instead of a
 * configuration file these must be the addresses of paxosds.
 *
 * Append: each value gets a slot of its own, one after the other; all of them or none; exactly
 * once. at: the slot that the first one must get, otherwise SYNOD_COMPARE_FALSE; 0: whichever is
 * next. version of the reply: the slot of the first.
 */
int synod_log_append_async(struct synod *s, const struct synod_bytes *values, size_t count,
			   uint64_t at, uint32_t timeout_ms, synod_callback done, void *context);
struct synod_reply *synod_log_append(struct synod *s, const struct synod_bytes *values,
				     size_t count, uint64_t at, uint32_t timeout_ms);
/*
 * Records from slot `from` on (0: the oldest), at most `limit` (0: as many as fit a reply);
 * `version` of a record is its slot. Of the reply, `version` is the newest slot, `modification` the
 * oldest one kept, `more` says that there were more. SYNOD_COMPACTED: `from` has been trimmed.
 * Linearizable: it sees every append that had ended before.
 */
struct synod_reply *synod_log_read(struct synod *s, uint64_t from, uint32_t limit,
				   uint32_t timeout_ms);
/* The same, read as the options say. */
struct synod_reply *synod_log_read_with(struct synod *s, uint64_t from, uint32_t limit,
					const struct synod_read_options *options);
/*
 * The same from any replica, as soon as slot `from` is there; no records if that takes too long.
 * What it returns is true, but may not be the newest: for readers that follow the log.
 */
struct synod_reply *synod_log_tail(struct synod *s, uint64_t from, uint32_t limit,
				   uint32_t timeout_ms);
int synod_log_tail_async(struct synod *s, uint64_t from, uint32_t limit, uint32_t timeout_ms,
			 synod_callback done, void *context);
/* Drops every slot ≤ slot. SYNOD_NOT_FOUND: there is no such slot yet. */
struct synod_reply *synod_log_trim(struct synod *s, uint64_t slot, uint32_t timeout_ms);

enum synod_log_state { SYNOD_LOG_EMPTY, SYNOD_LOG_ACCEPTED, SYNOD_LOG_CHOSEN, SYNOD_LOG_CLEARED };
struct synod_log_slot {
	int status;
	const char *message;
	enum synod_log_state state;
	struct synod_bytes value; /* accepted, chosen */
	uint64_t first, last;
};
/* How one replica sees a slot. peer: its HOST:PORT; NULL: any. Free with synod_log_slot_free. */
struct synod_log_slot *synod_log_slot(struct synod *s, const char *peer, uint64_t slot,
				      uint32_t timeout_ms);
void synod_log_slot_free(struct synod_log_slot *slot);

/*
 * The agreement service: independent instances seq = 0, 1, 2, …, in each of which the peers agree
 * on one value. A peer knows what it has been told: ask the same one again, or any (peer NULL).
 * Start returns when the proposal has begun; wait when it has come to something, or shortly before
 * the time is over. Done(seq): this peer's application needs no instance ≤ seq any more; when all
 * peers have said so they are forgotten. SYNOD_COMPACTED: started after that.
 */
enum synod_paxos_state { SYNOD_PAXOS_PENDING, SYNOD_PAXOS_DECIDED, SYNOD_PAXOS_FORGOTTEN };
struct synod_paxos {
	int status;
	const char *message;
	enum synod_paxos_state state;
	struct synod_bytes value; /* status and wait: the decision */
	uint64_t min;             /* instances below are forgotten */
	int64_t max;              /* highest seq that the peer has seen; -1: none */
	const char *peer;         /* name of the peer that has answered */
};
/* Each to be freed with synod_paxos_free. */
struct synod_paxos *synod_paxos_start(struct synod *s, const char *peer, uint64_t seq,
				      const void *value, size_t value_len, uint32_t timeout_ms);
struct synod_paxos *synod_paxos_status(struct synod *s, const char *peer, uint64_t seq,
				       uint32_t timeout_ms);
struct synod_paxos *synod_paxos_wait(struct synod *s, const char *peer, uint64_t seq,
				     uint32_t timeout_ms);
struct synod_paxos *synod_paxos_done(struct synod *s, const char *peer, uint64_t seq,
				     uint32_t timeout_ms);
struct synod_paxos *synod_paxos_bounds(struct synod *s, const char *peer, uint32_t timeout_ms);
void synod_paxos_free(struct synod_paxos *paxos);

const char *synod_status_text(int status);
/*
 * Of a reply or a result: this value is not known any more (struct synod_reply), it only looks
 * empty.
 */
bool synod_value_omitted(struct synod_bytes value);
const char *synod_version(void);

#ifdef __cplusplus
}
#endif

#endif
