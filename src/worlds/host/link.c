/* A connection: what waits to be sent, and its end. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/internal.h"
#include "wire/frame.h"

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct link *link = context;
	(void)fd;
	(void)what;
	host_touch(link->host);
	link->ops->readable(link);
}

static void queue_flush(struct link *link)
{
	host_touch(link->host);
	if (list_empty(&link->flush))
		list_push_back(&link->host->flush, &link->flush);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
	struct link *link = context;
	(void)fd;
	(void)what;
	host_touch(link->host);
	link->writing = false; /* the event is not persistent */
	if (link->state == LINK_CONNECTING)
		link->ops->connected(link);
	else
		queue_flush(link);
}

struct link *link_new(struct host *host, const struct link_ops *ops)
{
	bool dialled = ops->begin != NULL;
	struct link *link = ALLOC(struct link);
	link->host = host;
	link->id = ++host->last_id;
	link->ops = ops;
	link->dialled = dialled;
	link->fd = -1;
	link->state = dialled ? LINK_IDLE : LINK_HELLO;
	link->peer = host->others;
	link->may = SENDER_ANYBODY;
	list_init(&link->flush);
	list_init(&link->cut);
	list_init(&link->turn);
	list_init(&link->question.link);
	list_init(&link->seated);
	map_put(&host->links, link->id, link);
	return link;
}

/*
 * Nagle's algorithm would hold back the second small frame of a turn for a round trip. Keepalive
 * finds accepted peers whose machine is gone; dialled links are probed with PING, which also finds
 * processes that hang.
 */
static void set_socket_options(int fd)
{
	int on = 1, idle_s = 20, interval_s = 5, count = 4;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

void link_attach(struct link *link, int fd)
{
	ASSERT(link->fd == -1);
	struct host *host = link->host;
	set_socket_options(fd);
	link->fd = fd;
	link->began_us = link->heard_us = link->answered_us = host_now_us(host);
	link->frame_us = link->stuck_us = link->pinged_us = link->asked_us = 0;
	link->unanswered = 0;
	event_assign(&link->readable, host->loop->base, fd, EV_READ | EV_PERSIST, on_readable,
		     link);
	event_assign(&link->writable, host->loop->base, fd, EV_WRITE, on_writable, link);
	link->reading = link->writing = false;
}

void link_detach(struct link *link)
{
	if (link->fd == -1)
		return;
	event_del(&link->readable);
	event_del(&link->writable);
	link->reading = link->writing = false;
	close(link->fd);
	link->fd = -1;
}

static void release_output(struct link *link)
{
	link_shares_release(link);
	link->out_sent = 0;
	buffer_clear(&link->out);
	if (link->out.capacity > BUFFER_KEPT_BYTES)
		buffer_free(&link->out);
}

/*
 * The output goes at once; what may be in use by the present input (input, waiting frames) goes
 * when the link is settled.
 */
static void link_end(struct link *link)
{
	if (!link->dialled)
		link->host->accepted_count--;
	link_detach(link);
	release_output(link);
	link->host->buffered_bytes -= link->accounted;
	link->accounted = 0;
	list_remove(&link->flush);
	list_remove(&link->turn);
	seat_leave(link);
	link_become(link, LINK_CUT);
	list_push_back(&link->host->cut, &link->cut);
	host_touch(link->host);
}

/* One line when a peer is lost or first cannot be reached, none for the attempts after it. */
static void log_lost(struct link *link, const char *why)
{
	struct log *log = link->host->log;
	char text[256];
	if (!link->dialled) {
		log_event(log, LOG_DEBUG, "connection_closed", "remote=%s peer=%s why=%s",
			  link->remote, link->peer->name,
			  log_quote(text, sizeof text, slice_string(why)));
	} else if (!link->complained) {
		log_event(log, LOG_WARN, link->state == LINK_OPEN ? "link_lost" : "link_failed",
			  "peer=%s address=%s why=%s", link->name[0] != '\0' ? link->name : "-",
			  link->route, log_quote(text, sizeof text, slice_string(why)));
		link->complained = true;
	}
}

void link_cut(struct link *link, const char *why)
{
	if (link->state == LINK_CUT || link->state == LINK_IDLE || link->state == LINK_PAUSED)
		return;
	log_lost(link, why);
	if (link->dialled)
		link->ops->pause(link);
	link_end(link);
}

void link_complain(struct link *link, const char *event, const char *why)
{
	struct host *host = link->host;
	uint64_t now_us = host_now_us(host);
	char text[1024];
	if (host->complaint_us != 0 && now_us - host->complaint_us < COMPLAINT_INTERVAL_US) {
		host->complaints_suppressed++;
		return;
	}
	log_event(host->log, LOG_WARN, event, "remote=%s why=%s suppressed=%llu", link->remote,
		  log_quote(text, sizeof text, slice_string(why)),
		  (unsigned long long)host->complaints_suppressed);
	host->complaint_us = now_us;
	host->complaints_suppressed = 0;
}

void link_reject(struct link *link, const char *why)
{
	link->host->rejected_total++;
	link_complain(link, "connection_rejected", why);
	link_cut(link, why);
}

void link_lose(struct link *link)
{
	if (link->state == LINK_PAUSED)
		link_end(link);
}

void link_account(struct link *link)
{
	struct host *host = link->host;
	if (link->state == LINK_CUT)
		return;
	size_t held = link_unsent(link) + link->waiting.len + link->in.len - link->in_taken;
	host->buffered_bytes += held;
	host->buffered_bytes -= link->accounted;
	link->accounted = held;
	if (host->buffered_bytes <= host->settings.network_bytes_max)
		return;
	/* Whoever holds the most pays, not whoever happens to come next. */
	struct link *largest = NULL;
	size_t position = 0;
	uint64_t id;
	void *value;
	while (map_next(&host->links, &position, &id, &value)) {
		struct link *other = value;
		if (other->state != LINK_CUT &&
		    (largest == NULL || other->accounted > largest->accounted))
			largest = other;
	}
	if (largest != NULL && largest->accounted > 0) {
		host->cut_total++;
		link_cut(largest, "buffers of all connections together exceed network_bytes_max");
	}
}

bool link_make_room(struct buffer *buffer, size_t len)
{
	if (len <= buffer->capacity - buffer->len)
		return true;
	/* Twice as much, so that growing costs linear time; or as much as there is. */
	size_t more = len > buffer->capacity ? len : buffer->capacity;
	return buffer_try_reserve(buffer, more) || buffer_try_reserve(buffer, len);
}

void link_append(struct link *link, const struct message *message)
{
	size_t before = link->out.len;
	if (!link_make_room(&link->out, FRAME_HEADER_BYTES + message->payload.len)) {
		link->host->cut_total++;
		link_cut(link, "no memory for its output");
		return;
	}
	frame_append(&link->out, message);
	if (message->nparts > 0)
		link_share(link, before, message);
	traffic_count(link, TRAFFIC_SENT, message->method,
		      FRAME_HEADER_BYTES + message_bytes(message));
	link_account(link);
	if (link->state == LINK_CUT)
		return;
	if (link_unsent(link) > link->host->settings.link_output_bytes_max) {
		link->host->cut_total++;
		link_cut(link,
			 "the peer does not take its output, which exceeds link_output_bytes_max");
		return;
	}
	queue_flush(link);
}

/*
 * For a peer that has not said that it knows trace ids: an older release takes a frame with one for
 * damaged.
 */
static struct message without_trace(const struct message *message)
{
	struct message untraced = *message;
	untraced.trace = 0;
	return untraced;
}

/*
 * Queued until the hello is over; one-way messages only as far as they are likely to be of use by
 * then.
 */
static void append_waiting(struct link *link, const struct message *message)
{
	struct message untraced = without_trace(message);
	size_t limit = message->kind == MESSAGE_ONEWAY ? WAITING_ONEWAY_BYTES_MAX
						       : WAITING_BYTES_MAX;
	size_t len = message_bytes(message) + FRAME_HEADER_BYTES;
	if ((link->waiting.len > 0 && link->waiting.len + len > limit) ||
	    !link_make_room(&link->waiting, len)) {
		link->host->dropped_total++;
		return;
	}
	/* What waits stands in one piece, however long it will be. */
	struct buffer room = {0};
	untraced.payload = message_whole(message, &room);
	untraced.parts = NULL;
	untraced.nparts = 0;
	frame_append(&link->waiting, &untraced);
	buffer_free(&room);
	link->waiting_asks |= message->kind == MESSAGE_REQUEST;
	traffic_count(link, TRAFFIC_SENT, message->method, len);
	link_account(link);
}

void link_send(struct link *link, const struct message *message)
{
	struct host *host = link->host;
	if (link->state == LINK_IDLE ||
	    (link->state == LINK_PAUSED && host_now_us(host) >= link->retry_us))
		link->ops->begin(link);
	switch (link->state) {
	case LINK_RESOLVING:
	case LINK_CONNECTING:
	case LINK_HELLO:
		if (link->dialled)
			append_waiting(link, message);
		break;
	case LINK_OPEN:
		if (!link->dialled && message->kind == MESSAGE_REPLY) {
			link->answered_us = host_now_us(host);
			if (link->unanswered > 0)
				link->unanswered--;
		} else if (link->asked_us == 0 && message->kind == MESSAGE_REQUEST) {
			link->asked_us = host_now_us(host);
		}
		if (__builtin_expect(message->trace != 0 && link->peer_life == 0, 0)) {
			const struct message untraced = without_trace(message);
			link_append(link, &untraced);
		} else {
			link_append(link, message);
		}
		break;
	case LINK_PAUSED:
		host->dropped_total++;
		if (message->kind == MESSAGE_REQUEST)
			link_lose(link);
		break;
	case LINK_IDLE:
	case LINK_UNCONFIRMED:
	case LINK_REFUSED:
	case LINK_CUT: host->dropped_total++; break;
	}
}

void link_go_on(struct link *link)
{
	if (!list_empty(&link->turn))
		return;
	list_push_back(&link->host->readable, &link->turn);
	host_touch(link->host);
}

void link_update_reading(struct link *link)
{
	if (link->fd == -1 || link->state == LINK_CONNECTING)
		return;
	bool wanted = link->dialled || link_unsent(link) <= READ_PAUSE_BYTES;
	if (wanted && link->backlog)
		link_go_on(link);
	if (wanted == link->reading)
		return;
	if (!wanted) {
		event_del(&link->readable);
	} else if (event_add(&link->readable, NULL) != 0) {
		link_cut(link, "no memory to wait for input");
		return;
	}
	link->reading = wanted;
}

/*
 * What was sent is dropped from the front only when it is the larger part, so that a slow reader
 * costs linear time.
 */
static void output_taken(struct link *link, size_t len)
{
	link->out_sent += link->shares.count > 0 ? link_shares_taken(link, len) : len;
	if (link_unsent(link) == 0) {
		release_output(link);
	} else if (link->out_sent > link->out.len / 2) {
		buffer_consume(&link->out, link->out_sent);
		link_shares_move(link, link->out_sent);
		link->out_sent = 0;
	}
	link_account(link);
}

void link_flush(struct link *link)
{
	list_remove(&link->flush);
	if (link->fd == -1 || link->state == LINK_CONNECTING || link_unsent(link) == 0)
		return;
	ssize_t sent = link->shares.count > 0 ? link_send_shares(link)
					      : send(link->fd, link->out.data + link->out_sent,
						     link_unsent(link), MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		char why[128];
		snprintf(why, sizeof why, "cannot send: %s", strerror(errno));
		link_cut(link, why);
		return;
	}
	uint64_t now_us = host_now_us(link->host);
	if (sent > 0) {
		output_taken(link, (size_t)sent);
		link->stuck_us = 0;
	}
	if (link->fd == -1)
		return;
	if (link_unsent(link) == 0) {
		/*
		 * The end of a refusal: the peer reads it, then closes. (A close with input unread
		 * would destroy it on the way.)
		 */
		if (link->state == LINK_REFUSED)
			shutdown(link->fd, SHUT_WR);
	} else {
		if (link->stuck_us == 0)
			link->stuck_us = now_us;
		if (!link->writing && event_add(&link->writable, NULL) != 0) {
			link_cut(link, "no memory to wait for output");
			return;
		}
		link->writing = true;
	}
	link_update_reading(link);
}

void link_settle(struct link *link)
{
	struct host *host = link->host;
	ASSERT(link->state == LINK_CUT && link->fd == -1);
	list_remove(&link->cut);
	buffer_free(&link->in);
	buffer_free(&link->waiting);
	link->in_needed = link->in_taken = 0;
	link->backlog = link->waiting_asks = false;
	if (link->dialled)
		link_become(link, LINK_PAUSED);
	if (link->known && !host->stopped && host->node->ops->link_down != NULL)
		host->node->ops->link_down(host->node, link->id);
	if (!link->dialled)
		link_free(link);
}

void link_free(struct link *link)
{
	struct host *host = link->host;
	link_detach(link);
	resolve_cancel(&link->question);
	seat_leave(link);
	host->buffered_bytes -= link->accounted;
	list_remove(&link->flush);
	list_remove(&link->cut);
	list_remove(&link->turn);
	map_remove(&host->links, link->id);
	buffer_free(&link->in);
	buffer_free(&link->out);
	link_shares_free(link);
	buffer_free(&link->waiting);
	free(link->address);
	free(link->route);
	free(link->name);
	free(link);
}
