/* Synchronous calls: submit, and wait for the end. */
#include <stdlib.h>

#include "client/reply.h"
#include "libsynod/handle.h"

/* Replies for when there is no memory for a reply; synod_reply_free() knows them. */
static const struct synod_reply no_memory = {
	.status = SYNOD_NO_MEMORY, .message = "out of memory", .value.data = "", .resume.data = ""};
static const struct synod_reply in_callback = {
	.status = SYNOD_BAD_REQUEST,
	.value.data = "",
	.resume.data = "",
	.message = "a synchronous call from within a callback would wait for itself: "
		   "use the asynchronous one"};

static struct synod_reply *copy_or_static(const struct synod_reply *reply)
{
	struct synod_reply *copy = client_reply_copy(reply);
	return copy != NULL ? copy : (struct synod_reply *)(uintptr_t)&no_memory;
}

void synod_reply_free(struct synod_reply *reply)
{
	if (reply != &no_memory && reply != &in_callback)
		free(reply);
}

static void on_done(struct client_request *request, const struct synod_reply *reply,
		    struct slice payload)
{
	struct synod *s = request->owner;
	struct handle_wait *wait = request->context;
	struct synod_reply ended = *reply;
	ended.status = handle_end_status(s, reply->status);
	wait->reply = copy_or_static(&ended);
	wait->payload = payload.len > 0 ? bytes_try_copy(payload) : NULL;
	if (payload.len > 0 && wait->payload == NULL) {
		synod_reply_free(wait->reply);
		wait->reply = (struct synod_reply *)(uintptr_t)&no_memory;
	}
	pthread_mutex_lock(&s->mutex);
	handle_ended(s, request);
	wait->done = true;
	pthread_cond_signal(&wait->ended);
	pthread_mutex_unlock(&s->mutex);
}

/* A request that did not get on its way. */
static struct synod_reply *refusal(int status)
{
	struct synod_reply reply = {.status = status, .message = synod_status_text(status)};
	switch (status) {
	case SYNOD_BUSY:
		reply.status = SYNOD_UNAVAILABLE;
		reply.message = "too many requests of this handle are under way";
		break;
	case SYNOD_TOO_LARGE:
		reply.message = "a request is limited to 2 MiB, and each list of a transaction to "
				"128 elements";
		break;
	case SYNOD_BAD_REQUEST:
		reply.message = "the request makes no sense: nothing to do, or an argument out of "
				"its range";
		break;
	default: break;
	}
	return copy_or_static(&reply);
}

_Static_assert(COMMAND_BYTES_MAX == 2u * MIB && TXN_OPS_MAX == 128u, "as the message says");

/* Nothing is under way: handle_end() finds the reply at once. */
static void end_at_once(struct handle_wait *wait, struct synod_reply *reply)
{
	wait->reply = reply;
	wait->done = true;
}

void handle_begin(struct synod *s, int made, struct client_request *request, uint32_t timeout_ms,
		  struct handle_wait *wait)
{
	*wait = (struct handle_wait){.ended = PTHREAD_COND_INITIALIZER};
	if (made != 0) {
		end_at_once(wait, refusal(-made));
		return;
	}
	if (s->open && client_thread_is_this(s->thread)) {
		client_request_free(request);
		end_at_once(wait, (struct synod_reply *)(uintptr_t)&in_callback);
		return;
	}
	request->timeout_ms = timeout_ms;
	request->done = on_done;
	request->context = wait;
	int status = handle_submit(s, request, true);
	if (status != SYNOD_OK)
		end_at_once(wait, refusal(status));
}

struct synod_reply *handle_end(struct synod *s, struct handle_wait *wait, struct bytes **payload)
{
	pthread_mutex_lock(&s->mutex);
	while (!wait->done)
		pthread_cond_wait(&wait->ended, &s->mutex);
	pthread_mutex_unlock(&s->mutex);
	pthread_cond_destroy(&wait->ended);
	if (payload != NULL)
		*payload = wait->payload;
	else
		bytes_unref(wait->payload);
	return wait->reply;
}

struct synod_reply *handle_run(struct synod *s, int made, struct client_request *request,
			       uint32_t timeout_ms, struct bytes **payload)
{
	struct handle_wait wait;
	handle_begin(s, made, request, timeout_ms, &wait);
	return handle_end(s, &wait, payload);
}

struct synod_reply *synod_do(struct synod *s, const struct synod_op *op, uint32_t timeout_ms)
{
	struct client_request *request = NULL;
	int made = client_request_op(&request, op);
	return handle_run(s, made, request, timeout_ms, NULL);
}

struct synod_reply *synod_do_txn(struct synod *s, const struct synod_txn *txn, uint32_t timeout_ms)
{
	struct client_request *request = NULL;
	int made = client_request_txn(&request, txn);
	return handle_run(s, made, request, timeout_ms, NULL);
}

struct synod_reply *synod_do_scan(struct synod *s, const struct synod_scan *scan,
				  uint32_t timeout_ms)
{
	struct client_request *request = NULL;
	int made = client_request_scan(&request, scan);
	return handle_run(s, made, request, timeout_ms, NULL);
}

struct synod_reply *synod_get(struct synod *s, const void *key, size_t key_len)
{
	return synod_do(
		s, &(struct synod_op){.kind = SYNOD_OP_GET, .key = {.data = key, .len = key_len}},
		0);
}

struct synod_reply *synod_put(struct synod *s, const void *key, size_t key_len, const void *value,
			      size_t value_len)
{
	struct synod_op op = {
		.kind = SYNOD_OP_PUT,
		.key = {.data = key, .len = key_len},
		.value = {.data = value, .len = value_len},
	};
	return synod_do(s, &op, 0);
}

struct synod_reply *synod_delete(struct synod *s, const void *key, size_t key_len)
{
	return synod_do(
		s,
		&(struct synod_op){.kind = SYNOD_OP_DELETE, .key = {.data = key, .len = key_len}},
		0);
}

void synod_scan_prefix(struct synod_scan *scan, const void *prefix, size_t prefix_len,
		       char *storage)
{
	/*
	 * The end is the prefix with its last byte that can grow grown by one, and cut behind it;
	 * 0xff cannot grow.
	 */
	size_t len = prefix_len;
	if (prefix_len > 0)
		memcpy(storage, prefix, prefix_len);
	while (len > 0 && (unsigned char)storage[len - 1] == 0xff)
		len--;
	if (len > 0)
		storage[len - 1] = (char)((unsigned char)storage[len - 1] + 1);
	scan->start = (struct synod_bytes){.data = prefix, .len = prefix_len};
	scan->end = (struct synod_bytes){.data = storage, .len = len};
}
