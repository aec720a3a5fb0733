/*
 * What the files of a pbserver share.
 *
 *   node.c     life, the way of messages, the turn
 *   states.c   what this server is in its view, and may become
 *   pings.c    pinging the view service, adopting views
 *   primary.c  requests of clients
 *   held.c     … whose answers wait for the backup
 *   refuse.c   refusals
 *   clients.c  their ids, lived time
 *   stream.c   the frames of a view, state transfer
 *   send.c     their way to the backup, and its confirmations
 *   backup.c   frames from the primary
 *   judge.c    … which are judged before they are used
 *   status.c   STATUS, JSON, metrics
 */
#ifndef SYNOD_PB_INTERNAL_H
#define SYNOD_PB_INTERNAL_H

#include "base/list.h"
#include "base/refusals.h"
#include "call/caller.h"
#include "pb/node.h"
#include "pb/state.h"
#include "pb/states.h"
#include "rsm/registrar.h"
#include "server/server.h"
#include "wire/wire_pb.h"
#include "wire/wire_view.h"

/*
 * Pings that wait for their answers at a time: an election at the view service must not stop them.
 */
#define PINGS_MAX 4u
/* Unconfirmed frames on their way to the backup; the rest wait here. */
#define WINDOW_BYTES (8u * MIB)
/* Of these, so many pieces of the state transfer: what a command has to wait behind. */
#define TRANSFER_PIECES_MAX 8u
#define TRANSFER_PIECE_BYTES (128u * KIB)
/* Frames and held answers together: above, commands are refused with BUSY. */
#define QUEUE_BYTES_MAX (64u * MIB)
/* A frame ends when it passes one of these, so that it stays far below FRAME_BYTES_MAX. */
#define PB_FRAME_BYTES_SOFT_MAX ENTRY_BYTES_SOFT_MAX
/* No progress for so long: everything unconfirmed is sent again. */
#define RETRY_US 1000000u
/* The backup does not know its view yet, or its connection was lost: tried again after this. */
#define RETRY_SOON_US 10000u
#define FREE_FRAMES_MAX 64u
/* How long an orderly stop waits for the last answers and for the view service. */
#define STOP_WAIT_US 500000u

/*
 * An answer that waits for the confirmation of its frame; its bytes are in the frame's `replies`.
 */
struct held {
	link_id link;
	uint64_t id;
	uint16_t method;
	int status;
	size_t offset, len;
};

struct frame {
	struct list link; /* in stream.frames, or free */
	uint64_t number;
	struct buffer message; /* encoded PbForward */
	bool transfer;         /* counts against TRANSFER_PIECES_MAX */
	struct held *held;
	uint32_t nheld, held_capacity;
	struct buffer replies;
};

/* The primary's side of one view. */
struct stream {
	link_id link;        /* to the backup; 0: there is none */
	struct frame *open;  /* this turn's; NULL: nothing yet */
	struct buffer batch; /* its commands, after the transfer */
	uint32_t batch_count;
	struct buffer records; /* its changes, during the transfer */
	struct list frames;    /* not confirmed, ascending */
	uint64_t next;         /* number of the next frame */
	uint64_t sent;         /* every frame ≤ sent has been sent since the last rewind */
	uint64_t confirmed;
	uint64_t flight_bytes; /* of frames in (confirmed, sent] */
	uint64_t queue_bytes;  /* of frames and held answers that are not confirmed */
	uint32_t pieces;       /* of them, of the state transfer */
	bool probing;          /* one frame at a time, until the backup has confirmed one */
	enum transfer transfer;
	bool begun;              /* the cursor stands somewhere */
	struct buffer cursor;    /* keys up to here have been sent */
	uint64_t complete_frame; /* the last of the transfer; 0: not made yet */
	struct timer retry;
	struct list free;
	uint32_t nfree;
};

/* The backup's side of one view. */
struct intake {
	uint64_t received;
	bool transferring;
	struct buffer sessions; /* pieces so far */
};

struct ping {
	struct pb_node *n;
	struct caller_call *call; /* NULL: free */
	uint64_t sent_us;
};

struct pb_counters {
	uint64_t commands, queries, repeats, not_primary, cut_off, busy;
	uint64_t frames_sent, frames_resent, frames_taken, frames_refused;
	uint64_t anew;
	uint64_t transfers_begun, transfers_done, transfer_bytes, promotions;
};

/* A server as the adopted view names it; the slices of `wire` point into the texts. */
struct view_place {
	struct wire_view_server wire;
	char name[NAME_BYTES_MAX + 1];
	char address[ADDRESS_BYTES_MAX + 1];
};

struct pb_node {
	struct server server;
	struct pb_node_options options; /* strings are copies */
	uint64_t incarnation;
	uint64_t started_us;
	bool stopping, stopped;
	uint32_t goodbyes; /* pings sent since the stop was asked for */

	/* The view. */
	struct caller *views;
	struct ping pings[PINGS_MAX];
	struct timer ping_timer;
	uint64_t answered_us; /* when the newest answered ping was sent; 0: none was */
	uint64_t view;        /* adopted */
	struct view_place primary, backup;
	enum pb_standing standing;
	bool synced; /* primary: the backup holds the whole state */
	/* the view names this server primary, and it has not got the state */
	bool refused;

	struct pb_state state;
	/* lived time (rsm/entry.h) as primary, and when it was last looked at */
	uint64_t lived_us, lived_at_us;
	struct registrar registrar; /* client ids come from the view service */
	uint64_t clients;           /* … which has handed out those up to this one */
	struct stream stream;
	struct intake intake;
	struct timer stop_timer;
	uint64_t next_id; /* of requests to the backup */
	uint64_t answered, answered_view;
	struct refusals refusals; /* frames that no primary can have sent */
	struct pb_counters counters;
};

static inline struct pb_node *pb_node_of(struct node *node)
{
	return (struct pb_node *)(void *)node;
}
static inline bool pb_is_primary(const struct pb_node *n)
{
	return n->standing == STANDING_PRIMARY;
}
static inline bool pb_is_backup(const struct pb_node *n)
{
	return n->standing == STANDING_FILLING || n->standing == STANDING_FILLED;
}
/* What it holds is the whole state. */
static inline bool pb_is_complete(const struct pb_node *n)
{
	return n->standing == STANDING_FILLED || n->standing == STANDING_PRIMARY;
}
static inline bool pb_serves(const struct pb_node *n)
{
	return pb_is_primary(n) && !n->stopping;
}

/* ---- states.c ---- */

/* The only one that changes n->standing; what it needs has been done: see its assertions. */
void pb_become(struct pb_node *n, enum pb_standing standing);
/* … and n->stream.transfer, likewise. */
void pb_transfer_becomes(struct pb_node *n, enum transfer transfer);

/* ---- refuse.c ---- */

void pb_refuse(struct pb_node *n, link_id to, const struct message *request, int status,
	       const char *format, ...) __attribute__((format(printf, 5, 6)));

/* ---- pings.c ---- */

void pings_start(struct pb_node *n);
void pings_free(struct pb_node *n);
/* Pings at once: there is something to tell, or to learn. */
void pings_now(struct pb_node *n);
/*
 * What this server holds is not what it should be. It begins another life, as if its process had
 * ended and been started again: empty, under a new incarnation, of no view; the view service gives
 * its place to somebody, perhaps to this life, and whoever it is gets filled.
 */
void pings_begin_anew(struct pb_node *n);
/* The view service has answered a ping that was sent lately. */
bool pings_fresh(struct pb_node *n);

/* ---- primary.c ---- */

void primary_request(struct node *node, link_id from, const struct message *request);

/* ---- held.c ---- */

/* The answer stands in the frame's `replies`, from `offset` on. */
void primary_hold(struct pb_node *n, struct frame *frame, link_id from,
		  const struct message *request, int status, size_t offset);
/* Sends the held answers of a frame. */
void primary_release(struct pb_node *n, struct frame *frame);
/*
 * The frame will never be confirmed: reads are sent elsewhere, connections that wait for writes are
 * closed.
 */
void primary_abandon(struct pb_node *n, struct frame *frame);

/* ---- clients.c ---- */

void clients_start(struct pb_node *n);
/*
 * Primary: whether a command's session can be continued or begun. False: it has been answered, or
 * put aside.
 */
bool clients_admit(struct pb_node *n, link_id from, const struct message *request,
		   const struct wire_command *command);
/* Time goes on: what sessions expire by. */
void clients_live(struct pb_node *n);

/* ---- stream.c ---- */

void stream_init(struct pb_node *n);
void stream_free(struct pb_node *n);
/*
 * A view of ours begins; backup nobody: alone. What an earlier view of ours has left unconfirmed
 * goes on in this one.
 */
void stream_begin(struct pb_node *n);
/* We are not primary any more. */
void stream_abandon(struct pb_node *n);
/* The frame of this turn, with room for one more command. */
struct frame *stream_open(struct pb_node *n);
/* Notes a command that has been executed, for the backup. */
void stream_add(struct pb_node *n, const struct entry_command *command, bool wrote,
		struct slice key);
void stream_turn_end(struct pb_node *n);
bool stream_idle(const struct pb_node *n);
void stream_give_back(struct stream *s, struct frame *frame);
/* What a frame's answers take while they wait. */
static inline uint64_t frame_held_bytes(const struct frame *frame)
{
	return frame->replies.len + frame->nheld * sizeof *frame->held;
}

/* ---- send.c ---- */

/* Sends what the window has room for. */
void send_frames(struct pb_node *n);
void send_retry(void *data);
/* The backup has answered a frame; its link has lost its connection. */
void send_reply(struct pb_node *n, link_id from, const struct message *message);
void send_link_down(struct pb_node *n, link_id link);

/* ---- backup.c ---- */

void backup_begin(struct pb_node *n);
void backup_forward(struct node *node, link_id from, const struct message *request);

/* ---- judge.c ---- */

/* NULL, or which field of the frame is wrong and why: no primary can have sent it. */
const char *pb_judge_frame(const struct pb_node *n, const struct wire_pb_forward *frame);

/* ---- status.c ---- */

void pb_status_metrics(struct pb_node *n);
/* For struct server_kind. */
void pb_fill_status(struct node *node, struct wire_status *status);
void pb_write_json(struct node *node, struct buffer *out);

#endif
