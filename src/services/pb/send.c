/*
 * Frames on their way to the backup, and its confirmations.
 *
 * Frames are kept until they are confirmed, and sent again from the first unconfirmed one after a
 * lost connection. What is sent beside the stream's order is not taken by the backup, so neither
 * repetition nor reordering can do harm.
 */
#include "pb/internal.h"
#include "wire/method.h"

static void send_frame(struct pb_node *n, const struct frame *frame)
{
	struct stream *s = &n->stream;
	struct message message = {
		.kind = MESSAGE_REQUEST,
		.method = METHOD_PB_FORWARD,
		.id = n->next_id++,
		.payload = buffer_slice(&frame->message),
	};
	node_send(&n->server.node, s->link, &message);
	n->counters.frames_sent++;
	s->sent = frame->number;
	s->flight_bytes += frame->message.len;
}

void send_frames(struct pb_node *n)
{
	struct stream *s = &n->stream;
	/*
	 * Nearly always there is nothing, or only the newest frame to be sent: look from the end.
	 */
	struct list *link = &s->frames;
	while (link->prev != &s->frames &&
	       LIST_ITEM(link->prev, struct frame, link)->number > s->sent)
		link = link->prev;
	for (; link != &s->frames; link = link->next) {
		if (s->flight_bytes >= WINDOW_BYTES || (s->probing && s->flight_bytes > 0))
			break;
		send_frame(n, LIST_ITEM(link, struct frame, link));
	}
	if (!list_empty(&s->frames) && !timer_armed(&s->retry))
		node_timer_after(&n->server.node, &s->retry, RETRY_US);
}

/* Everything unconfirmed will be sent again; first one frame, to see whether it is taken. */
static void rewind_stream(struct stream *s)
{
	s->sent = s->confirmed;
	s->flight_bytes = 0;
	s->probing = true;
}

void send_retry(void *data)
{
	struct pb_node *n = data;
	struct stream *s = &n->stream;
	struct env *env = n->server.node.env;
	if (s->link == 0 || list_empty(&s->frames))
		return;
	/* A backup that is only slow must not be buried under repetitions. */
	if (env->ops->backlog(env, s->link) == 0) {
		n->counters.frames_resent += s->sent - s->confirmed;
		rewind_stream(s);
	}
	send_frames(n);
}

static void retry_soon(struct pb_node *n)
{
	rewind_stream(&n->stream);
	node_timer_after(&n->server.node, &n->stream.retry, RETRY_SOON_US);
}

static void confirm(struct pb_node *n, uint64_t received)
{
	struct stream *s = &n->stream;
	if (received <= s->confirmed)
		return;
	s->probing = false;
	s->confirmed = received;
	node_timer_cancel(&n->server.node, &s->retry);
	struct list *first;
	while ((first = list_first(&s->frames)) != NULL) {
		struct frame *frame = LIST_ITEM(first, struct frame, link);
		if (frame->number > received)
			break;
		s->queue_bytes -= frame->message.len + frame_held_bytes(frame);
		s->pieces -= frame->transfer;
		if (frame->number <= s->sent)
			s->flight_bytes -= frame->message.len;
		primary_release(n, frame);
		stream_give_back(s, frame);
	}
	/* A frame that was to be sent again may have been confirmed by a late answer. */
	if (s->sent < received)
		s->sent = received;
	if (!n->synced && s->complete_frame != 0 && received >= s->complete_frame) {
		n->synced = true;
		n->counters.transfers_done++;
		log_event(n->server.node.log, LOG_INFO, "backup_synced",
			  "view=%llu backup=%s keys=%llu", (unsigned long long)n->view,
			  n->backup.name, (unsigned long long)pb_state_keys(&n->state));
		pings_now(n);
	}
	send_frames(n);
}

void send_reply(struct pb_node *n, link_id from, const struct message *message)
{
	struct stream *s = &n->stream;
	struct wire_pb_forward_reply reply;
	arena_reset(&n->server.arena);
	/* What comes along another link than that to the backup is nobody's answer. */
	if (s->link == 0 || from != s->link || message->status != 0 ||
	    wire_pb_forward_reply_decode(message->payload, &n->server.arena, &reply) != 0)
		return;
	if (reply.view > n->view)
		pings_now(n);
	/*
	 * Of an earlier view of ours, or it does not know this one yet, or it has restarted and the
	 * view service will tell.
	 */
	if (reply.view != n->view || !reply.backup) {
		if (reply.view <= n->view)
			retry_soon(n);
		return;
	}
	if (reply.received < s->next)
		confirm(n, reply.received);
}

void send_link_down(struct pb_node *n, link_id link)
{
	if (n->stream.link == link && link != 0 && !list_empty(&n->stream.frames))
		retry_soon(n);
}
