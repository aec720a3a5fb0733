/* Frames from the primary, taken in order. */
#include <inttypes.h>

#include "pb/internal.h"

void backup_begin(struct pb_node *n)
{
	n->intake.received = 0;
	n->intake.transferring = false;
	buffer_clear(&n->intake.sessions);
}

static void reply(struct pb_node *n, link_id from, const struct message *request)
{
	struct wire_pb_forward_reply answer = {
		.view = n->view, .received = n->intake.received, .backup = pb_is_backup(n)};
	buffer_clear(&n->server.out);
	wire_pb_forward_reply_encode(&answer, &n->server.out);
	node_reply(&n->server.node, from, request, 0, buffer_slice(&n->server.out));
}

/*
 * What cannot be found out by looking at the frame alone: it does not go together with what is
 * here. Be it the primary's fault, ours, or that of somebody who speaks in its place, this state is
 * not the primary's, and must never become one.
 */
static void give_up(struct pb_node *n, const struct wire_pb_forward *frame, const char *why)
{
	log_event(n->server.node.log, LOG_ERROR, "state_differs",
		  "view=%" PRIu64 " frame=%" PRIu64
		  " problem=\"%s\" action=\"beginning anew, to be filled again\"",
		  frame->view, frame->frame, why);
	pings_begin_anew(n);
}

/*
 * The same commands on the same state must give the same state: whatever else this is, it is not
 * the primary's.
 */
static const char *check_digest(const struct pb_node *n, const struct wire_pb_forward *frame)
{
	return n->state.digest != frame->digest ? "this backup's keys differ from the primary's"
						: NULL;
}

static const char *finish_transfer(struct pb_node *n, const struct wire_pb_forward *frame)
{
	if (sessions_decode(&n->state.sessions, buffer_slice(&n->intake.sessions)) != 0)
		return "the session table cannot be read";
	buffer_free(&n->intake.sessions);
	n->state.counter = frame->counter;
	n->state.commands = frame->commands;
	n->state.time_us = frame->time_us;
	n->intake.transferring = false;
	const char *why = check_digest(n, frame);
	if (why != NULL)
		return why;
	pb_become(n, STANDING_FILLED);
	log_event(n->server.node.log, LOG_INFO, "state_received", "view=%" PRIu64 " keys=%" PRIu64,
		  n->view, pb_state_keys(&n->state));
	return NULL;
}

static const char *take_transfer(struct pb_node *n, const struct wire_pb_forward *frame)
{
	if (pb_state_take_records(&n->state, frame->records) != 0)
		return "the records cannot be read";
	buffer_add_slice(&n->intake.sessions, frame->sessions);
	return frame->flags & WIRE_PB_COMPLETE ? finish_transfer(n, frame) : NULL;
}

static int apply_command(struct pb_node *n, const struct entry_command *command,
			 uint32_t value_bytes_max)
{
	struct wire_kv_op op;
	arena_reset(&n->server.arena);
	buffer_clear(&n->server.out);
	/* The primary has judged the sizes; its limits may differ from ours. */
	int status = pb_command_decode(command->body, UINT32_MAX, UINT32_MAX, &n->server.arena, &op,
				       &n->server.out);
	if (status != 0)
		return status;
	buffer_clear(&n->server.out);
	pb_state_apply(&n->state, command, &op, value_bytes_max, &n->server.arena, &n->server.out);
	return 0;
}

/* What the primary decides by counts here, too. */
static void take_limits(struct pb_node *n, const struct wire_pb_forward *frame)
{
	sessions_limit(&n->state.sessions, frame->sessions_max, frame->session_idle_us);
	sessions_registered(&n->state.sessions, frame->registered);
}

static const char *take_batch(struct pb_node *n, const struct wire_pb_forward *frame)
{
	struct entry_reader reader;
	struct entry_command command;
	int status = 0;
	if (frame->batch.len > 0) {
		status = entry_read(&reader, frame->batch);
		if (status == 0 &&
		    (reader.format != ENTRY_FORMAT || reader.lived_us < n->state.time_us))
			status = STATUS_CORRUPT;
		if (status == 0)
			pb_state_batch(&n->state, reader.lived_us);
		while (status == 0 && (status = entry_next(&reader, &command)) == 1)
			status = apply_command(n, &command, frame->value_bytes_max);
	}
	return status != 0
		       ? "the batch cannot be applied: this program may be older than the primary's"
		       : check_digest(n, frame);
}

/* True if the frame is the one that is expected, and makes sense at its place. */
static bool is_next(const struct pb_node *n, const struct wire_pb_forward *frame)
{
	bool reset = (frame->flags & WIRE_PB_RESET) != 0,
	     transfer = (frame->flags & WIRE_PB_TRANSFER) != 0;
	if (!pb_is_backup(n) || frame->view != n->view || frame->frame != n->intake.received + 1)
		return false;
	if (reset != (frame->frame == 1))
		return false;
	return reset || transfer == n->intake.transferring;
}

void backup_forward(struct node *node, link_id from, const struct message *request)
{
	struct pb_node *n = pb_node_of(node);
	struct wire_pb_forward frame;
	arena_reset(&n->server.arena);
	int status = wire_pb_forward_decode(request->payload, &n->server.arena, &frame);
	const char *why = status != 0 ? "all: not a frame that this version understands"
				      : pb_judge_frame(n, &frame);
	if (why != NULL) {
		uint64_t refused = refusals_add(&n->refusals, node_now_us(&n->server.node));
		if (refused != 0)
			log_event(n->server.node.log, LOG_ERROR, "frame_refused",
				  "view=%" PRIu64 " frame=%" PRIu64
				  " field=\"%s\" refused=%" PRIu64,
				  frame.view, frame.frame, why, refused);
		pb_refuse(n, from, request, status != 0 ? status : STATUS_BAD_REQUEST,
			  "no primary can have sent this: %s", why);
		return;
	}
	if (frame.view > n->view)
		pings_now(n);
	if (!is_next(n, &frame)) {
		n->counters.frames_refused++;
		reply(n, from, request);
		return;
	}
	if (frame.flags & WIRE_PB_RESET) {
		pb_state_clear(&n->state);
		n->intake.transferring = true;
		pb_become(n, STANDING_FILLING);
	}
	take_limits(n, &frame);
	why = n->intake.transferring ? take_transfer(n, &frame) : take_batch(n, &frame);
	if (why != NULL) {
		give_up(n, &frame, why);
	} else {
		n->intake.received = frame.frame;
		n->counters.frames_taken++;
	}
	reply(n, from, request);
}
