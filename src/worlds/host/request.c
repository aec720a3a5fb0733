/*
 * Requests from this process to its own node.
 *
 * The node may answer at any moment, also from within the delivery of the request. So a reply is
 * only kept, and the callback runs when the node's turn is over: nobody finds the node, or himself,
 * half changed.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "host/internal.h"

struct host_request {
	struct host *host;
	uint64_t id;
	host_answered answered;
	void *context;
	struct timer timeout;
	struct list link; /* in own_answered when there is an answer */
	int status;
	struct bytes *payload; /* of the answer */
};

void requests_init(struct host *host)
{
	list_init(&host->own_answered);
}

static void set_answer(struct host_request *request, int status, struct slice payload)
{
	struct host *host = request->host;
	timers_cancel(&host->timers, &request->timeout);
	map_remove(&host->own_requests, request->id);
	request->status = status;
	request->payload = bytes_copy(payload);
	list_push_back(&host->own_answered, &request->link);
}

static void on_timeout(void *context)
{
	set_answer(context, STATUS_UNKNOWN, slice(NULL, 0));
}

static void request_free(struct host_request *request)
{
	struct host *host = request->host;
	timers_cancel(&host->timers, &request->timeout);
	map_remove(&host->own_requests, request->id);
	list_remove(&request->link);
	bytes_unref(request->payload);
	free(request);
}

struct host_request *host_request(struct host *host, uint16_t method, struct slice payload,
				  uint32_t timeout_ms, host_answered answered, void *context)
{
	struct message message = {
		.kind = MESSAGE_REQUEST,
		.method = method,
		.timeout_ms = timeout_ms,
		.id = ++host->last_own_request,
		.payload = payload,
	};
	ASSERT(method != METHOD_HELLO && method != METHOD_PING && timeout_ms > 0);
	struct host_request *request = ALLOC(struct host_request);
	request->host = host;
	request->id = message.id;
	request->answered = answered;
	request->context = context;
	list_init(&request->link);
	timer_init(&request->timeout, on_timeout, request);
	map_put(&host->own_requests, request->id, request);
	if (host->own_link == 0)
		host->own_link = ++host->last_id;
	if (!host->loop->gathering)
		host->input_due = true;
	host_touch(host);
	node_deliver(host->node, host->own_link, &message);
	/*
	 * Set after what the node may have set for the same moment: what it then says is worth more
	 * than our silence.
	 */
	if (list_empty(&request->link))
		timers_set(&host->timers, &request->timeout,
			   host_now_us(host) + timeout_ms * 1000ull);
	return request;
}

void host_request_cancel(struct host_request *request)
{
	request_free(request);
}

void requests_take(struct host *host, const struct message *message)
{
	struct host_request *request = map_get(&host->own_requests, message->id);
	if (message->kind != MESSAGE_REPLY || request == NULL) {
		host->dropped_total++; /* nobody waits any more */
		return;
	}
	set_answer(request, message->status, message->payload);
}

void requests_answer(struct host *host)
{
	/*
	 * What is asked by these callbacks, and answered at once, waits for the end of the next
	 * turn.
	 */
	struct list due, *first;
	list_take_all(&host->own_answered, &due);
	while ((first = list_first(&due)) != NULL) {
		struct host_request *request = LIST_ITEM(first, struct host_request, link);
		list_remove(first);
		request->answered(request->context, request->status, bytes_slice(request->payload));
		request_free(request);
	}
}

void requests_free(struct host *host)
{
	struct list *first;
	size_t position = 0;
	uint64_t id;
	void *request;
	while ((first = list_first(&host->own_answered)) != NULL)
		request_free(LIST_ITEM(first, struct host_request, link));
	while (map_next(&host->own_requests, &position, &id, &request)) {
		request_free(request);
		position = 0; /* the map has changed */
	}
	map_free(&host->own_requests);
}
