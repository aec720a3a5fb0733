/*
 * A pbserver: primary, backup, or idle, as the view service says (view/view.h).
 *
 * Clients speak to the primary: COMMAND (one KvOp, exactly once by sessions), QUERY (keys).
 * Everybody else answers NOT_LEADER with the primary's address; a primary that cannot be sure to be
 * it answers UNAVAILABLE. STATUS and CLUSTER are answered by all.
 *
 * THE STREAM. In every view with a backup the primary sends it one stream of numbered frames
 * (PB_FORWARD). A turn's commands are executed in the order of their arrival and make one frame; a
 * turn with nothing but reads makes an empty frame. The answers of a turn, those of reads too, are
 * held until the backup has confirmed its frame. One hop, no disk.
 *
 *   Why reads are confirmed: a primary that has been replaced and does not know must not answer
 *   from its old state. The backup confirms only frames of the view that it is backup in; as soon
 *   as it knows that it is primary it confirms none. And it serves nobody before it knows. So at
 *   most one server answers in any view, without trusting a clock.
 *
 * STATE TRANSFER. A backup is always new to its view and begins empty. The first frames of a view
 * fill it: pieces of the primary's records in key order, between them the frames of turns, which
 * carry what these turns have changed in the part already sent; then the session table. All of it
 * is one ordered stream, so the backup holds at any moment exactly a prefix of the primary's keys,
 * nothing is stopped meanwhile, and nothing has to be kept for later. When the backup has confirmed
 * the last of these frames the primary tells the view service, which from then on may promote it.
 *
 * CUT OFF. A primary that has had no answer from the view service for dead_pings intervals answers
 * nobody, also when it has no backup whose silence would stop it. A primary whose backup does not
 * confirm holds its answers.
 *
 * A restarted server has another incarnation: in whatever view it was, it is not in it any more. It
 * comes back empty.
 *
 * Deposed. Reads that were held are answered NOT_LEADER. Writes may be in the new primary's state
 * or not: their clients' connections are closed, so that they ask there, with the same sequence.
 */
#ifndef SYNOD_PB_NODE_H
#define SYNOD_PB_NODE_H

#include "base/limits.h"
#include "node/node.h"

struct pb_node_options {
	struct env *env;
	struct log *log;
	const char *cluster; /* strings are copied */
	const char *name;
	const char *address; /* where clients and other pbservers reach this node */
	const char *version;
	uint32_t nshards; /* told by CLUSTER, with the shard masters */
	uint32_t nmasters;
	const char *masters[REPLICAS_MAX];
	uint32_t nviews;
	const char *views[REPLICAS_MAX]; /* addresses of the viewservers */
	uint32_t ping_interval_ms;
	uint32_t dead_pings;
	uint32_t key_bytes_max;
	uint32_t value_bytes_max;
	uint32_t sessions_max;
	uint64_t session_idle_us;
	uint32_t transfer_piece_bytes; /* of the state transfer; 0: 128 KiB */
};

struct node *pb_node_create(const struct pb_node_options *options);

/* For tests and the simulator's checks. */
enum pb_role { PB_IDLE, PB_BACKUP, PB_PRIMARY };
struct pb_node_info {
	enum pb_role role;
	uint64_t incarnation;
	uint64_t view;     /* adopted; 0: none */
	uint64_t frame;    /* primary: the newest one made; backup: the newest one taken */
	bool complete;     /* this server's state is the whole state */
	bool synced;       /* primary: the backup has confirmed that it holds the whole state */
	uint64_t refused;  /* frames that no primary can have sent */
	uint64_t anew;     /* how often its state was not the primary's, and it has begun anew */
	uint64_t answered; /* answers given as primary */
	uint64_t answered_view; /* in which the newest one of them was given; 0: none */
};
struct pb_node_info pb_node_info(struct node *node);
struct pb_state;
const struct pb_state *pb_node_state(struct node *node);

#endif
