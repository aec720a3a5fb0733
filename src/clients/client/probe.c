/*
 * STATUS, TRACE, MEMBERS and FORCE, of one server: sent to that address alone, once. Whether it
 * answers is the question, so nobody else is asked, and a refused connection is an answer.
 */
#include "client/kinds.h"
#include "trace/report.h"

static void send_probe(struct client_request *request)
{
	struct client *client = request->client;
	request->probe_id = client->next_probe_id++;
	request->probe_tries++;
	map_put(&client->probes, request->probe_id, request);
	request->probe_sent_us = node_now_us(&client->node);
	uint64_t left_us = request->deadline_us - request->probe_sent_us;
	struct message message = {
		.kind = MESSAGE_REQUEST,
		.method = client_request_method(request),
		.timeout_ms = (uint32_t)((left_us + 999) / 1000),
		.id = request->probe_id,
		.payload = request->body,
	};
	node_send(&client->node, request->probe_link, &message);
}

static void timed_out(void *data)
{
	struct client_request *request = data;
	client_finish_text(request, STATUS_UNAVAILABLE, "%s does not answer",
			   request->addresses[0]);
}

/* Numbers of links say nothing to others; who got a message shows where it was received. */
static const char *no_name(void *context, uint64_t link)
{
	(void)context;
	(void)link;
	return "";
}

/* What this client has noted itself: as another node would answer. */
static void answer_own(void *data)
{
	struct client_request *request = data;
	struct client *client = request->client;
	struct buffer payload = {0};
	arena_reset(&client->arena);
	int status = trace_report(&client->node.tracer, request->body, "client", no_name, NULL,
				  &client->arena, &payload);
	client_finish(request, status, buffer_slice(&payload));
	buffer_free(&payload);
}

void client_probe_start(struct client_request *request)
{
	struct node *node = &request->client->node;
	if (request->naddresses == 0) {
		timer_init(&request->timer, answer_own, request);
		node_timer_after(node, &request->timer, 0);
		return;
	}
	timer_init(&request->timer, timed_out, request);
	node_timer_at(node, &request->timer, request->deadline_us);
	request->probe_link = node_dial(node, request->addresses[0]);
	send_probe(request);
}

void client_probe_cancel(struct client_request *request)
{
	if (request->probe_id != 0)
		map_remove(&request->client->probes, request->probe_id);
}

bool client_probe_message(struct client *client, link_id from, const struct message *message)
{
	struct client_request *request = map_get(&client->probes, message->id);
	if (request == NULL || request->probe_link != from)
		return false;
	request->probe_hlc = message->hlc;
	client_finish(request, message->status, message->payload);
	return true;
}

void client_probe_measure(const struct client_request *request, struct synod_reply *reply)
{
	reply->version = node_now_us(&request->client->node) - request->probe_sent_us;
	reply->modification = request->probe_hlc;
}

/* A request that waits on the link after so many tries; NULL: none. */
static struct client_request *find(struct client *client, link_id link, uint32_t tries)
{
	size_t position = 0;
	uint64_t id;
	void *value;
	while (map_next(&client->probes, &position, &id, &value)) {
		struct client_request *request = value;
		if (request->probe_link == link && request->probe_tries == tries)
			return request;
	}
	return NULL;
}

/* A connection that was idle may turn out to have been lost long ago: the second failure counts. */
void client_probe_link_down(struct client *client, link_id link)
{
	struct client_request *request;
	while ((request = find(client, link, 2)) != NULL)
		client_finish_text(request, STATUS_UNAVAILABLE, "cannot connect to %s",
				   request->addresses[0]);
	while ((request = find(client, link, 1)) != NULL) {
		map_remove(&client->probes, request->probe_id);
		send_probe(request);
	}
}
