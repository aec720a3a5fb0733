/* Answers that wait for the confirmation of their frame. */
#include "base/alloc.h"
#include "pb/internal.h"
#include "wire/method.h"

static bool is_read(const struct held *held)
{
	return held->method == METHOD_QUERY;
}

void primary_hold(struct pb_node *n, struct frame *frame, link_id from,
		  const struct message *request, int status, size_t offset)
{
	ALLOC_ROOM(frame->held, frame->nheld, frame->held_capacity, 16);
	size_t len = frame->replies.len - offset;
	frame->held[frame->nheld++] = (struct held){
		.link = from,
		.id = request->id,
		.method = request->method,
		.status = status,
		.offset = offset,
		.len = len,
	};
	n->stream.queue_bytes += len + sizeof *frame->held;
}

static void answer(struct pb_node *n, const struct held *held, int status, struct slice payload)
{
	struct message request = {.kind = MESSAGE_REQUEST, .method = held->method, .id = held->id};
	node_reply(&n->server.node, held->link, &request, status, payload);
}

void primary_release(struct pb_node *n, struct frame *frame)
{
	for (uint32_t i = 0; i < frame->nheld; i++) {
		const struct held *held = &frame->held[i];
		answer(n, held, held->status, slice(frame->replies.data + held->offset, held->len));
	}
	if (frame->nheld > 0)
		n->answered_view = n->view;
	n->answered += frame->nheld;
	frame->nheld = 0;
	buffer_clear(&frame->replies);
}

void primary_abandon(struct pb_node *n, struct frame *frame)
{
	struct env *env = n->server.node.env;
	buffer_clear(&n->server.out);
	struct wire_error error = {
		.message = slice_string("this server is not the primary any more"),
		.leader = n->primary.wire.address,
	};
	wire_error_encode(&error, &n->server.out);
	for (uint32_t i = 0; i < frame->nheld; i++)
		if (is_read(&frame->held[i]))
			answer(n, &frame->held[i], STATUS_NOT_LEADER, buffer_slice(&n->server.out));
	for (uint32_t i = 0; i < frame->nheld; i++)
		if (!is_read(&frame->held[i]))
			env->ops->close(env, frame->held[i].link);
	frame->nheld = 0;
	buffer_clear(&frame->replies);
}
