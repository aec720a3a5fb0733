/*
 * The primary's stream of frames to its backup.
 *
 *   frame 1         RESET: the backup's state becomes empty
 *   … frame k       TRANSFER: pieces of records and of sessions, and the turns meanwhile; the last
 *                   one is COMPLETE
 *   k + 1 …         batches of commands, one a turn
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "pb/internal.h"

/* ---- frames ---- */

static struct frame *frame_take(struct stream *s)
{
	struct list *free_link = list_first(&s->free);
	struct frame *frame;
	if (free_link != NULL) {
		list_remove(free_link);
		s->nfree--;
		frame = LIST_ITEM(free_link, struct frame, link);
	} else {
		frame = ALLOC(struct frame);
		list_init(&frame->link);
	}
	frame->transfer = false;
	ASSERT(frame->nheld == 0);
	return frame;
}

static void frame_free(struct frame *frame)
{
	buffer_free(&frame->message);
	buffer_free(&frame->replies);
	free(frame->held);
	free(frame);
}

/* One that is in no list. Memory of unusual frames goes back at once. */
static void recycle(struct stream *s, struct frame *frame)
{
	if (s->nfree == FREE_FRAMES_MAX ||
	    frame->message.capacity + frame->replies.capacity > PB_FRAME_BYTES_SOFT_MAX) {
		frame_free(frame);
		return;
	}
	buffer_clear(&frame->message);
	buffer_clear(&frame->replies);
	list_push_back(&s->free, &frame->link);
	s->nfree++;
}

void stream_give_back(struct stream *s, struct frame *frame)
{
	list_remove(&frame->link);
	recycle(s, frame);
}

/* Encodes it, under the next number, and queues it. */
static void queue_frame(struct pb_node *n, struct frame *frame, struct wire_pb_forward *wire)
{
	struct stream *s = &n->stream;
	frame->number = s->next++;
	wire->view = n->view;
	wire->frame = frame->number;
	/* Whatever the backup does with a command depends on these, not on its own settings. */
	wire->value_bytes_max = n->options.value_bytes_max;
	wire->sessions_max = n->options.sessions_max;
	wire->session_idle_us = n->options.session_idle_us;
	wire->registered = n->state.sessions.registered;
	if (frame->number == 1)
		wire->flags |= WIRE_PB_RESET;
	if (s->transfer == TRANSFER_RECORDS)
		wire->flags |= WIRE_PB_TRANSFER;
	else
		wire->digest = n->state.digest;
	wire_pb_forward_encode(wire, &frame->message);
	s->queue_bytes += frame->message.len;
	s->pieces += frame->transfer;
	list_push_back(&s->frames, &frame->link);
}

/* Ends this turn's frame. */
static void close_open(struct pb_node *n)
{
	struct stream *s = &n->stream;
	struct wire_pb_forward wire = {0};
	struct frame *frame = s->open;
	if (frame == NULL)
		return;
	s->open = NULL;
	if (s->link == 0) {
		/* Nobody has to confirm it. */
		s->queue_bytes -= frame_held_bytes(frame);
		primary_release(n, frame);
		stream_give_back(s, frame);
		s->batch_count = 0;
		return;
	}
	if (s->transfer == TRANSFER_RECORDS) {
		wire.records = buffer_slice(&s->records);
	} else if (s->batch_count > 0) {
		entry_finish(&s->batch, s->batch_count, 0, n->state.time_us, n->view);
		wire.batch = buffer_slice(&s->batch);
	}
	queue_frame(n, frame, &wire);
	s->batch_count = 0;
	buffer_clear(&s->batch);
	buffer_clear(&s->records);
}

struct frame *stream_open(struct pb_node *n)
{
	struct stream *s = &n->stream;
	if (s->open != NULL &&
	    (s->batch.len + s->records.len + s->open->replies.len >= PB_FRAME_BYTES_SOFT_MAX ||
	     s->batch_count == ENTRY_COMMANDS_MAX))
		close_open(n);
	if (s->open == NULL)
		s->open = frame_take(s);
	return s->open;
}

void stream_add(struct pb_node *n, const struct entry_command *command, bool wrote,
		struct slice key)
{
	struct stream *s = &n->stream;
	s->batch_count++;
	if (s->link == 0)
		return;
	if (s->transfer == TRANSFER_DONE) {
		if (s->batch_count == 1)
			entry_begin(&s->batch);
		entry_add(&s->batch, command);
	} else if (wrote && s->begun && slice_compare(key, buffer_slice(&s->cursor)) <= 0) {
		/* Keys behind the cursor will be read when their turn comes. */
		pb_state_put_record(&n->state, key, &s->records);
	}
}

/* ---- state transfer ---- */

/*
 * The session table, as it is now, behind everything that has been queued. From here on the backup
 * follows by commands.
 */
static void queue_sessions(struct pb_node *n)
{
	struct stream *s = &n->stream;
	struct buffer table = {0};
	sessions_encode(&n->state.sessions, &table);
	struct slice rest = buffer_slice(&table);
	do {
		struct frame *frame = frame_take(s);
		struct wire_pb_forward wire = {0};
		slice_take(&rest,
			   rest.len < n->options.transfer_piece_bytes
				   ? rest.len
				   : n->options.transfer_piece_bytes,
			   &wire.sessions);
		frame->transfer = true;
		if (rest.len == 0) {
			wire.flags = WIRE_PB_COMPLETE;
			wire.counter = n->state.counter;
			wire.commands = n->state.commands;
			wire.time_us = n->state.time_us;
			wire.digest = n->state.digest;
			s->complete_frame = s->next;
		}
		queue_frame(n, frame, &wire);
	} while (rest.len > 0);
	buffer_free(&table);
	pb_transfer_becomes(n, TRANSFER_DONE);
}

static void transfer(struct pb_node *n)
{
	struct stream *s = &n->stream;
	while (s->transfer == TRANSFER_RECORDS && s->pieces < TRANSFER_PIECES_MAX) {
		struct frame *frame = frame_take(s);
		frame->transfer = true;
		buffer_clear(&s->records);
		bool more = pb_state_put_records(&n->state, &s->cursor, s->begun,
						 n->options.transfer_piece_bytes, &s->records);
		n->counters.transfer_bytes += s->records.len;
		s->begun = true;
		queue_frame(n, frame,
			    &(struct wire_pb_forward){.records = buffer_slice(&s->records)});
		buffer_clear(&s->records);
		if (!more)
			queue_sessions(n);
	}
}

/* ---- views ---- */

void stream_init(struct pb_node *n)
{
	struct stream *s = &n->stream;
	list_init(&s->frames);
	list_init(&s->free);
	timer_init(&s->retry, send_retry, n);
	s->next = 1;
}

/* Moves the held answers of `from` behind those of `to`. */
static void merge_held(struct frame *to, struct frame *from)
{
	size_t offset = to->replies.len;
	buffer_add_slice(&to->replies, buffer_slice(&from->replies));
	to->held = alloc_resize(to->held, to->nheld + from->nheld + 1, sizeof *to->held);
	to->held_capacity = to->nheld + from->nheld + 1;
	for (uint32_t i = 0; i < from->nheld; i++) {
		to->held[to->nheld] = from->held[i];
		to->held[to->nheld++].offset += offset;
	}
	from->nheld = 0;
}

void stream_begin(struct pb_node *n)
{
	struct stream *s = &n->stream;
	sessions_limit(&n->state.sessions, n->options.sessions_max, n->options.session_idle_us);
	struct frame *carried = frame_take(s);
	struct list before;
	list_take_all(&s->frames, &before);
	LIST_FOR_SAFE (link, after, &before) {
		struct frame *frame = LIST_ITEM(link, struct frame, link);
		merge_held(carried, frame);
		recycle(s, frame);
	}
	if (s->open != NULL) {
		merge_held(carried, s->open);
		stream_give_back(s, s->open);
	}
	node_timer_cancel(&n->server.node, &s->retry);
	s->open = carried;
	s->link = wire_view_nobody(&n->backup.wire) ? 0
						    : node_dial(&n->server.node, n->backup.address);
	s->next = 1;
	s->sent = s->confirmed = s->flight_bytes = s->complete_frame = 0;
	s->pieces = 0;
	s->queue_bytes = frame_held_bytes(carried);
	s->batch_count = 0;
	buffer_clear(&s->batch);
	buffer_clear(&s->records);
	buffer_clear(&s->cursor);
	s->begun = false;
	s->probing = true;
	pb_transfer_becomes(n, s->link == 0 ? TRANSFER_NONE : TRANSFER_RECORDS);
	n->counters.transfers_begun += s->link != 0;
}

void stream_abandon(struct pb_node *n)
{
	struct stream *s = &n->stream;
	struct list *first;
	if (s->open != NULL) {
		list_push_back(&s->frames, &s->open->link);
		s->open = NULL;
	}
	while ((first = list_first(&s->frames)) != NULL) {
		struct frame *frame = LIST_ITEM(first, struct frame, link);
		primary_abandon(n, frame);
		stream_give_back(s, frame);
	}
	node_timer_cancel(&n->server.node, &s->retry);
	s->link = 0;
	s->next = 1;
	s->sent = s->confirmed = s->flight_bytes = s->queue_bytes = s->complete_frame = 0;
	pb_transfer_becomes(n, TRANSFER_NONE);
	s->pieces = 0;
	s->batch_count = 0;
	buffer_clear(&s->batch);
	buffer_clear(&s->records);
}

void stream_turn_end(struct pb_node *n)
{
	close_open(n);
	if (n->stream.link == 0)
		return;
	transfer(n);
	send_frames(n);
}

bool stream_idle(const struct pb_node *n)
{
	return n->stream.open == NULL && n->stream.frames.next == &n->stream.frames;
}

void stream_free(struct pb_node *n)
{
	struct stream *s = &n->stream;
	struct list *lists[] = {&s->frames, &s->free};
	node_timer_cancel(&n->server.node, &s->retry);
	if (s->open != NULL)
		frame_free(s->open);
	for (size_t i = 0; i < 2; i++)
		LIST_FOR_SAFE (link, after, lists[i])
			frame_free(LIST_ITEM(link, struct frame, link));
	buffer_free(&s->batch);
	buffer_free(&s->records);
	buffer_free(&s->cursor);
}
