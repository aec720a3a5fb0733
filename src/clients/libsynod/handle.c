/* The way of a request to the handle's thread; asynchronous calls. */
#include "libsynod/handle.h"

#include <time.h>

/* ---- the way to the thread ---- */

void handle_take_submitted(void *context)
{
	struct synod *s = context;
	struct list taken;
	pthread_mutex_lock(&s->mutex);
	bool closing = s->closing;
	list_take_all(&s->submitted, &taken);
	pthread_mutex_unlock(&s->mutex);
	struct list *first;
	while ((first = list_first(&taken)) != NULL) {
		list_remove(first);
		client_submit(s->client, LIST_ITEM(first, struct client_request, link));
	}
	if (closing)
		host_stop(s->host);
}

void handle_give_up(struct synod *s)
{
	pthread_mutex_lock(&s->mutex);
	s->closing = s->no_memory = true;
	pthread_cond_broadcast(&s->room);
	pthread_mutex_unlock(&s->mutex);
	handle_take_submitted(s);
}

static struct timespec deadline_after(uint32_t timeout_ms)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += timeout_ms / 1000;
	at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

/*
 * All requests of a handle may meet on one link. Their bytes together stay well below what a link
 * holds while it connects, so that nothing is dropped for want of room.
 */
#define OUTSTANDING_BYTES_MAX (8u * MIB)
#define REQUEST_OVERHEAD_BYTES 256u
_Static_assert(OUTSTANDING_BYTES_MAX > COMMAND_BYTES_MAX, "the largest request has room");
_Static_assert(2 * OUTSTANDING_BYTES_MAX < LINK_OUTPUT_BYTES_MAX, "also when all are sent again");

static size_t size_of(const struct client_request *request)
{
	return request->body.len + REQUEST_OVERHEAD_BYTES;
}

static bool has_room(const struct synod *s, const struct client_request *request)
{
	return s->outstanding < s->outstanding_max &&
	       s->outstanding_bytes + size_of(request) <= OUTSTANDING_BYTES_MAX;
}

/* With the mutex. */
static int wait_for_room(struct synod *s, const struct client_request *request, bool wait)
{
	if (has_room(s, request) && !s->closing)
		return SYNOD_OK;
	struct timespec until = deadline_after(request->timeout_ms != 0 ? request->timeout_ms
									: s->timeout_ms);
	int error = 0;
	s->waiting_for_room++;
	while (wait && !has_room(s, request) && !s->closing && error == 0)
		error = pthread_cond_timedwait(&s->room, &s->mutex, &until);
	s->waiting_for_room--;
	if (s->closing)
		return s->no_memory ? SYNOD_NO_MEMORY : SYNOD_CLOSED;
	return has_room(s, request) ? SYNOD_OK : SYNOD_BUSY;
}

int handle_end_status(struct synod *s, int status)
{
	pthread_mutex_lock(&s->mutex);
	bool no_memory = s->no_memory;
	pthread_mutex_unlock(&s->mutex);
	return status == SYNOD_CLOSED && no_memory ? SYNOD_NO_MEMORY : status;
}

void handle_ended(struct synod *s, const struct client_request *request)
{
	s->outstanding--;
	s->outstanding_bytes -= size_of(request);
	/* A small request may fit where the one that waits longest does not. */
	if (s->waiting_for_room > 0)
		pthread_cond_broadcast(&s->room);
}

int handle_submit(struct synod *s, struct client_request *request, bool wait)
{
	request->owner = s;
	pthread_mutex_lock(&s->mutex);
	int status = s->open ? wait_for_room(s, request, wait) : SYNOD_CLOSED;
	bool nudge = false;
	if (status == SYNOD_OK) {
		s->outstanding++;
		s->outstanding_bytes += size_of(request);
		nudge = list_empty(&s->submitted);
		list_push_back(&s->submitted, &request->link);
	}
	pthread_mutex_unlock(&s->mutex);
	/*
	 * The thread takes the whole list at once, so that only the first of a burst has to wake
	 * it.
	 */
	if (nudge)
		host_wakeup(s->host, &s->nudge);
	if (status != SYNOD_OK)
		client_request_free(request);
	return status;
}

/* ---- asynchronous calls ---- */

static void on_done(struct client_request *request, const struct synod_reply *reply,
		    struct slice payload)
{
	struct synod *s = request->owner;
	struct synod_reply ended = *reply;
	(void)payload;
	ended.status = handle_end_status(s, reply->status);
	request->callback(request->context, &ended);
	pthread_mutex_lock(&s->mutex);
	handle_ended(s, request);
	pthread_mutex_unlock(&s->mutex);
}

int handle_submit_async(struct synod *s, int made, struct client_request *request,
			uint32_t timeout_ms, synod_callback done, void *context)
{
	if (made != 0)
		return -made;
	request->timeout_ms = timeout_ms;
	request->done = on_done;
	request->callback = done;
	request->context = context;
	return handle_submit(s, request, false);
}

int synod_op_async(struct synod *s, const struct synod_op *op, uint32_t timeout_ms,
		   synod_callback done, void *context)
{
	struct client_request *request;
	int made = client_request_op(&request, op);
	return handle_submit_async(s, made, request, timeout_ms, done, context);
}

int synod_txn_async(struct synod *s, const struct synod_txn *txn, uint32_t timeout_ms,
		    synod_callback done, void *context)
{
	struct client_request *request;
	int made = client_request_txn(&request, txn);
	return handle_submit_async(s, made, request, timeout_ms, done, context);
}

int synod_scan_async(struct synod *s, const struct synod_scan *scan, uint32_t timeout_ms,
		     synod_callback done, void *context)
{
	struct client_request *request;
	int made = client_request_scan(&request, scan);
	return handle_submit_async(s, made, request, timeout_ms, done, context);
}
