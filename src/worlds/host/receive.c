/* From bytes to messages. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "host/internal.h"
#include "wire/frame.h"
#include "wire/wire.h"

/* The rest of a frame goes straight to its place, unless it is so little. */
#define DIRECT_BYTES_MIN 4096u
/* So large a part of a frame must have come before there is room for all of it. */
#define WHOLE_FRAME_PART 8u

/* The transport's own answers carry no payload but, when refused, an Error. */
static void answer(struct link *link, const struct message *request, int status, const char *text)
{
	struct buffer payload = {0};
	if (text != NULL)
		wire_error_format(&payload, "%s", text);
	struct message reply = {
		.kind = MESSAGE_REPLY,
		.method = request->method,
		.status = status,
		.id = request->id,
		.payload = buffer_slice(&payload),
	};
	link_append(link, &reply);
	buffer_free(&payload);
}

/*
 * A client may leave LINK_REQUESTS_MAX requests open. Some are never answered (their clients gave
 * up on them long before), so a link on which nothing was answered for a long time starts counting
 * afresh.
 */
static bool too_many_requests(struct link *link)
{
	if (link->unanswered < LINK_REQUESTS_MAX)
		return false;
	if (host_now_us(link->host) - link->answered_us < FORGOTTEN_US)
		return true;
	link->unanswered = 0;
	return false;
}

static void answer_trace(struct link *link, const struct message *message)
{
	struct buffer payload = {0};
	int status = tracing_answer(link->host, message->payload, &payload);
	struct message reply = {
		.kind = MESSAGE_REPLY,
		.method = METHOD_TRACE,
		.status = status,
		.id = message->id,
		.payload = buffer_slice(&payload),
	};
	link_append(link, &reply);
	buffer_free(&payload);
}

/* What only a member may send is not delivered from anybody else. */
static void deny(struct link *link, const struct message *message)
{
	struct host *host = link->host;
	uint32_t senders = method_senders(message->method);
	char text[256];
	host->denied_total++;
	snprintf(text, sizeof text, "%s may be sent by %s only", method_text(message->method),
		 sender_text(senders));
	if (message->kind != MESSAGE_REQUEST)
		link_complain(link, "message_denied", text);
	else if (senders == 0)
		answer(link, message, STATUS_UNKNOWN_METHOD, "there is no such method");
	else
		answer(link, message, STATUS_DENIED, text);
}

static void deliver(struct link *link, struct message *message)
{
	struct host *host = link->host;
	if (message->kind != MESSAGE_REPLY && (method_senders(message->method) & link->may) == 0) {
		deny(link, message);
		return;
	}
	if (message->kind == MESSAGE_REQUEST) {
		if (message->method == METHOD_PING) {
			answer(link, message, 0, NULL);
			return;
		}
		if (message->method == METHOD_IDENTITY) {
			host_identity_question(link, message);
			return;
		}
		if (message->method == METHOD_TRACE) {
			answer_trace(link, message);
			return;
		}
		if (!link->dialled && too_many_requests(link)) {
			answer(link, message, STATUS_BUSY,
			       "too many unanswered requests on this connection");
			return;
		}
		if (!link->dialled)
			link->unanswered++;
	}
	link->known = true;
	message->origin = link->peer_life;
	host->env.sender_life = (link->may & SENDER_REPLICA) != 0 ? link->disk_life : 0;
	node_deliver(host->node, link->id, message);
	host->env.sender_life = 0;
}

/*
 * From a link that is not confirmed yet. What is not kept is lost as on a slow network: its sender
 * repeats it. The questions by which links are confirmed do not wait: the other side may wait for
 * the answer.
 */
static void keep_unconfirmed(struct link *link, struct message *message)
{
	bool at_once = message->method == METHOD_IDENTITY || message->method == METHOD_PING;
	size_t len = FRAME_HEADER_BYTES + message->payload.len;
	if (at_once && message->kind == MESSAGE_REQUEST) {
		deliver(link, message);
		return;
	}
	if (link->waiting.len + len > UNCONFIRMED_BYTES_MAX ||
	    !link_make_room(&link->waiting, len)) {
		link->host->dropped_total++;
		return;
	}
	frame_append(&link->waiting, message);
	link_account(link);
}

void link_confirmed(struct link *link)
{
	struct buffer kept = link->waiting;
	struct slice rest = buffer_slice(&kept);
	struct message message;
	size_t consumed, needed;
	link->waiting = (struct buffer){0};
	link_become(link, LINK_OPEN);
	link_account(link);
	host_identity_confirmed(link);
	while (link->state == LINK_OPEN && rest.len > 0 &&
	       frame_parse(rest, FRAME_BYTES_MAX, &message, &consumed, &needed) == 0) {
		(void)slice_take(&rest, consumed, &(struct slice){0});
		deliver(link, &message);
	}
	buffer_free(&kept);
}

/* False: the link was cut. */
static bool take_message(struct link *link, struct message *message)
{
	if (link->state == LINK_HELLO) /* says who it is that is to be counted */
		return hello_receive(link, message);
	traffic_count(link, TRAFFIC_RECEIVED, message->method,
		      FRAME_HEADER_BYTES + message->payload.len);
	switch (link->state) {
	case LINK_OPEN:
		/* Who has been called asks nothing, so nobody has anything to answer. */
		if (message->kind == MESSAGE_REPLY && (message->id == 0 || !link->dialled)) {
			if ((message->method != METHOD_PING && message->method != METHOD_IDENTITY &&
			     message->method != METHOD_MEMBERS) ||
			    !link->dialled) {
				link_reject(link, "a reply to nothing");
				return false;
			}
			if (message->method == METHOD_IDENTITY)
				host_identity_answer(link, message);
			else if (message->method == METHOD_MEMBERS)
				host_members_told(link, message);
			break; /* of a PING, that it came is what was asked for */
		}
		if (message->method == METHOD_HELLO) {
			link_reject(link, "a second hello");
			return false;
		}
		deliver(link, message);
		break;
	case LINK_UNCONFIRMED:
		if (message->kind == MESSAGE_REPLY || message->method == METHOD_HELLO) {
			link_reject(link, message->kind == MESSAGE_REPLY ? "a reply to nothing"
									 : "a second hello");
			return false;
		}
		keep_unconfirmed(link, message);
		break;
	case LINK_REFUSED: /* what it had already sent is of no interest */ break;
	case LINK_IDLE:
	case LINK_RESOLVING:
	case LINK_CONNECTING:
	case LINK_HELLO:
	case LINK_CUT:
	case LINK_PAUSED: break;
	}
	/* The node may have closed the link in its answer. */
	return link->state != LINK_CUT;
}

/*
 * Whether a stranger has had his turn after so many frames, or all of them theirs. Members and
 * those whom we have asked send what the protocol bounds, and nothing that takes long.
 */
static bool turn_is_over(struct link *link, uint32_t frames)
{
	if (frames % RECEIVE_FRAMES_UNASKED != 0 || frames == 0 || link_is_trusted(link))
		return false;
	return frames >= RECEIVE_FRAMES || allowance_spent(&link->host->receiving);
}

/*
 * Takes whole frames from the front of `data`, as many as are due. Returns how many bytes they
 * were, or -1 when the link was cut; either it has a backlog then, or in_needed is the length of
 * the unfinished frame that follows, as far as is known.
 */
static ssize_t take_frames(struct link *link, struct slice data)
{
	size_t position = 0;
	link->backlog = false;
	for (uint32_t frames = 0; position < data.len; frames++) {
		if (turn_is_over(link, frames)) {
			link->backlog = true;
			break;
		}
		struct message message = {0};
		size_t consumed = 0;
		size_t payload_max = link->state == LINK_HELLO ? HELLO_BYTES_MAX : FRAME_BYTES_MAX;
		int status = frame_parse(slice(data.data + position, data.len - position),
					 payload_max, &message, &consumed, &link->in_needed);
		if (status == STATUS_TRUNCATED)
			break;
		if (status != 0) {
			link_reject(link, status == STATUS_TOO_LARGE
						  ? "a frame longer than the limit"
						  : "bytes that are no frame");
			return -1;
		}
		position += consumed;
		link->frame_us = 0; /* the next frame's time begins with its own first byte */
		if (!take_message(link, &message))
			return -1;
	}
	return (ssize_t)position;
}

/*
 * Room for the input of one link; false: the link was cut. A frame of which a good part has come
 * gets all that it needs, so that it is not moved again while it grows.
 */
static bool room_for_input(struct link *link, size_t len)
{
	size_t held = link->in.len + len;
	if (held > link->in.capacity && !link->backlog && link->in_needed > held &&
	    held >= link->in_needed / WHOLE_FRAME_PART &&
	    buffer_try_reserve(&link->in, link->in_needed - link->in.len))
		return true;
	if (link_make_room(&link->in, len))
		return true;
	link->host->cut_total++;
	link_cut(link, "no memory for its input");
	return false;
}

/* A frame has begun, and is not whole. */
static void await_rest(struct link *link)
{
	if (!link->backlog && link->frame_us == 0)
		link->frame_us = host_now_us(link->host);
}

/* Keeps the beginning of an unfinished frame, or a backlog. */
static void keep_rest(struct link *link, struct slice rest)
{
	if (rest.len == 0 || !room_for_input(link, rest.len))
		return;
	buffer_add_slice(&link->in, rest);
	await_rest(link);
}

/*
 * Goes on with the unfinished frame in link->in; -1: cut, otherwise how many bytes of `data` were
 * taken.
 */
static ssize_t finish_frame(struct link *link, struct slice data)
{
	size_t taken = 0;
	while (link->in.len > 0) {
		ASSERT(link->in.len <= link->in_needed);
		size_t missing = link->in_needed - link->in.len;
		size_t part = missing < data.len - taken ? missing : data.len - taken;
		if (!room_for_input(link, part))
			return -1;
		buffer_add(&link->in, data.data + taken, part);
		taken += part;
		if (part < missing)
			break;
		ssize_t done = take_frames(link, buffer_slice(&link->in));
		if (done < 0)
			return -1;
		if (done > 0) {
			ASSERT((size_t)done == link->in.len);
			buffer_clear(&link->in);
			if (link->in.capacity > BUFFER_KEPT_BYTES)
				buffer_free(&link->in);
		}
	}
	return (ssize_t)taken;
}

static void read_failed(struct link *link, ssize_t received)
{
	char why[128];
	if (received == 0)
		snprintf(why, sizeof why, "closed by the peer");
	else
		snprintf(why, sizeof why, "cannot receive: %s", strerror(errno));
	link_cut(link, why);
}

static void take_bytes(struct link *link, struct slice data)
{
	ssize_t taken = finish_frame(link, data);
	if (taken < 0)
		return;
	data = slice(data.data + taken, data.len - (size_t)taken);
	if (data.len > 0) {
		taken = take_frames(link, data);
		if (taken < 0)
			return;
		keep_rest(link, slice(data.data + taken, data.len - (size_t)taken));
	}
	link_account(link);
}

/*
 * One read a turn, so that a link that sends without end cannot hold up the others. Small frames
 * are parsed where they were read; the bytes of a large one go straight to their place, and only
 * its beginning is copied. Memory grows with the bytes that have come, not with those that were
 * announced.
 */
static void read_link(struct link *link)
{
	struct host *host = link->host;
	size_t missing = link->in.len > 0 ? link->in_needed - link->in.len : 0;
	size_t direct = missing < SCRATCH_BYTES ? missing : SCRATCH_BYTES;
	if (direct < DIRECT_BYTES_MIN)
		direct = 0;
	if (direct > 0 && !room_for_input(link, direct))
		return;
	struct iovec pieces[] = {
		{.iov_base = link->in.data + link->in.len, .iov_len = direct},
		{.iov_base = host->loop->scratch, .iov_len = SCRATCH_BYTES - direct},
	};
	ssize_t received = direct == 0 ? recv(link->fd, host->loop->scratch, SCRATCH_BYTES, 0)
				       : readv(link->fd, pieces, direct == SCRATCH_BYTES ? 1 : 2);
	if (received <= 0) {
		if (received == 0 || (errno != EAGAIN && errno != EINTR))
			read_failed(link, received);
		return;
	}
	link->heard_us = host_now_us(host);
	link->pinged_us = link->asked_us = 0;
	seat_heard(link);
	if ((size_t)received < direct)
		direct = (size_t)received;
	link->in.len += direct;
	take_bytes(link, slice(host->loop->scratch, (size_t)received - direct));
}

/* Goes on with what has been read before. */
static void take_backlog(struct link *link)
{
	struct slice rest = slice(link->in.data + link->in_taken, link->in.len - link->in_taken);
	ssize_t taken = take_frames(link, rest);
	if (taken < 0)
		return;
	link->in_taken += (size_t)taken;
	if (!link->backlog) {
		buffer_consume(&link->in, link->in_taken);
		link->in_taken = 0;
		if (link->in.len > 0)
			await_rest(link);
		else if (link->in.capacity > BUFFER_KEPT_BYTES)
			buffer_free(&link->in);
	}
	link_account(link);
}

void link_readable(struct link *link)
{
	if (link_is_trusted(link) && !link->backlog)
		read_link(link);
	else
		link_go_on(link);
}

void links_receive(struct host *host)
{
	struct list *first = list_first(&host->readable);
	if (first == NULL)
		return;
	allowance_begin(&host->receiving, RECEIVE_US);
	do {
		struct link *link = LIST_ITEM(first, struct link, turn);
		list_remove(first);
		if (!link->backlog)
			read_link(link);
		else if (link_unsent(link) <= READ_PAUSE_BYTES)
			take_backlog(link);
		else
			/*
			 * link_update_reading() lets it go on when the peer has taken its answers
			 */
			continue;
		if (link->backlog && link->fd != -1)
			list_push_back(&host->readable, &link->turn);
	} while ((first = list_first(&host->readable)) != NULL &&
		 !allowance_spent(&host->receiving));
}
