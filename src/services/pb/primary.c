/* Requests of clients: executed when they come, answered when the backup has confirmed them. */
#include "pb/internal.h"
#include "wire/method.h"

/* Whether clients may be served at all; otherwise the request has been answered. */
static bool may_serve(struct pb_node *n, link_id from, const struct message *request)
{
	if (!pb_serves(n)) {
		n->counters.not_primary++;
		if (pb_is_primary(n) || wire_view_nobody(&n->primary.wire))
			pb_refuse(n, from, request, STATUS_NOT_LEADER,
				  "this server is not the primary, and knows none");
		else
			pb_refuse(n, from, request, STATUS_NOT_LEADER,
				  "this server is not the primary; %s is", n->primary.name);
		return false;
	}
	if (!pings_fresh(n)) {
		n->counters.cut_off++;
		pb_refuse(n, from, request, STATUS_UNAVAILABLE,
			  "this primary is cut off from the view service, and may have been "
			  "replaced");
		return false;
	}
	if (n->stream.queue_bytes > QUEUE_BYTES_MAX) {
		n->counters.busy++;
		pb_refuse(n, from, request, STATUS_BUSY,
			  "too much waits for the backup; try again");
		return false;
	}
	return true;
}

/* The time that sessions go by is the same for all commands of a frame. */
static void begin_batch(struct pb_node *n)
{
	clients_live(n);
	pb_state_batch(&n->state, n->lived_us);
}

static void command(struct pb_node *n, link_id from, const struct message *request)
{
	struct wire_command wire;
	struct wire_kv_op op;
	n->counters.commands++;
	arena_reset(&n->server.arena);
	if (wire_command_decode(request->payload, &n->server.arena, &wire) != 0 ||
	    (wire.client != 0 && (wire.sequence == 0 || wire.acknowledged > wire.sequence))) {
		pb_refuse(n, from, request, STATUS_BAD_REQUEST, "malformed COMMAND");
		return;
	}
	/* It travels to the backup in one frame, with others. */
	if (wire.body.len > COMMAND_BYTES_MAX) {
		pb_refuse(n, from, request, STATUS_TOO_LARGE,
			  "command of %zu bytes; the limit is %u", wire.body.len,
			  COMMAND_BYTES_MAX);
		return;
	}
	buffer_clear(&n->server.out);
	int status = pb_command_decode(wire.body, n->options.key_bytes_max,
				       n->options.value_bytes_max, &n->server.arena, &op,
				       &n->server.out);
	if (status != 0) {
		node_reply(&n->server.node, from, request, status, buffer_slice(&n->server.out));
		return;
	}
	if (wire.client != 0 && !clients_admit(n, from, request, &wire))
		return;
	struct entry_command entry = {
		.kind = ENTRY_APP,
		.client = wire.client,
		.sequence = wire.sequence,
		.acknowledged = wire.acknowledged,
		.body = wire.body,
	};
	struct frame *frame = stream_open(n);
	if (n->stream.batch_count == 0)
		begin_batch(n);
	sessions_registered(&n->state.sessions, n->clients);
	size_t offset = frame->replies.len;
	struct pb_applied applied = pb_state_apply(&n->state, &entry, &op,
						   n->options.value_bytes_max, &n->server.arena,
						   &frame->replies);
	n->counters.repeats += applied.repeated;
	primary_hold(n, frame, from, request, applied.status, offset);
	stream_add(n, &entry, applied.wrote, op.key);
}

/*
 * Executed at once, in its order among the commands: later ones must not show in it before they are
 * confirmed themselves.
 */
static void query(struct pb_node *n, link_id from, const struct message *request)
{
	struct frame *frame = stream_open(n);
	size_t offset = frame->replies.len;
	n->counters.queries++;
	arena_reset(&n->server.arena);
	int status = pb_state_query(&n->state, request->payload, &n->server.arena, &frame->replies);
	primary_hold(n, frame, from, request, status, offset);
}

void primary_request(struct node *node, link_id from, const struct message *request)
{
	struct pb_node *n = pb_node_of(node);
	if (!may_serve(n, from, request))
		return;
	if (request->method == METHOD_COMMAND)
		command(n, from, request);
	else
		query(n, from, request);
}
