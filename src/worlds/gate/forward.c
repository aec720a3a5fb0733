/* Requests to other nodes, on behalf of a client of HTTP. */
#include "gate/forward.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "host/internal.h"
#include "wire/frame.h"
#include "wire/wire.h"

_Static_assert(FORWARD_BYTES_MAX <= WAITING_BYTES_MAX,
	       "what may be under way fits a link that is not connected yet");

struct forwarder {
	struct node node;
	struct host *host; /* its own */
	struct map by_id;
	struct list waiting; /* for replies */
	uint64_t last_id;
	uint64_t bytes; /* of the requests that wait */
};

struct forward {
	struct list link;
	struct forwarder *forwarder;
	link_id to;
	uint64_t epoch; /* of the connection, when it was sent */
	uint64_t id;
	size_t len;
	struct timer timeout;
	forward_done done;
	void *context;
};

static struct forwarder *forwarder_of(struct node *node)
{
	return LIST_ITEM(node, struct forwarder, node);
}

/* Nobody waits for it any more. */
static void forget(struct forward *forward)
{
	struct forwarder *forwarder = forward->forwarder;
	node_timer_cancel(&forwarder->node, &forward->timeout);
	map_remove(&forwarder->by_id, forward->id);
	list_remove(&forward->link);
	forwarder->bytes -= forward->len;
	free(forward);
}

static void finish(struct forward *forward, int status, struct slice payload)
{
	forward_done done = forward->done;
	void *context = forward->context;
	forget(forward);
	done(context, status, payload);
}

static void fail(struct forward *forward, int status, const char *why)
{
	struct buffer error = {0};
	wire_error_format(&error, "%s", why);
	finish(forward, status, buffer_slice(&error));
	buffer_free(&error);
}

static void on_timeout(void *data)
{
	fail(data, STATUS_UNKNOWN,
	     "outcome unknown: the server that has the key did not answer in time");
}

static void on_message(struct node *node, link_id from, const struct message *message)
{
	struct forwarder *forwarder = forwarder_of(node);
	struct forward *forward = map_get(&forwarder->by_id, message->id);
	if (message->kind == MESSAGE_REPLY && forward != NULL && forward->to == from)
		finish(forward, message->status, message->payload);
}

/*
 * What `done` starts on the same link is no loss of today: those that are lost are taken out first.
 */
static void on_link_down(struct node *node, link_id link)
{
	struct forwarder *forwarder = forwarder_of(node);
	uint64_t epoch = node->env->ops->link_epoch(node->env, link);
	struct list lost, *first;
	list_init(&lost);
	LIST_FOR_SAFE (position, after, &forwarder->waiting) {
		if (LIST_ITEM(position, struct forward, link)->to != link)
			continue;
		list_remove(position);
		list_push_back(&lost, position);
	}
	while ((first = list_first(&lost)) != NULL) {
		struct forward *forward = LIST_ITEM(first, struct forward, link);
		if (epoch % 2 == 0 && forward->epoch == epoch)
			fail(forward, STATUS_UNAVAILABLE,
			     "the server that has the key cannot be reached, not applied");
		else
			fail(forward, STATUS_UNKNOWN,
			     "outcome unknown: the connection to the server that has the key was "
			     "lost");
	}
}

static const struct node_ops FORWARDER_OPS = {.message = on_message, .link_down = on_link_down};

struct forwarder *forwarder_create(struct host *host)
{
	struct forwarder *forwarder = ALLOC(struct forwarder);
	struct host_peer *peers = alloc_zeroed((size_t)host->npeers + 1, sizeof *peers);
	char error[512];
	for (uint32_t i = 0; i < host->npeers; i++)
		peers[i] = (struct host_peer){.name = host->peers[i]->name,
					      .address = host->peers[i]->address,
					      .route = host->peers[i]->route};
	struct host_options options = {
		.cluster = host->cluster,
		.node = "",
		.role = "",
		.cluster_id = host_cluster_id(host),
		.npeers = host->npeers,
		.peers = peers,
		.log = host->log,
		.loop = host->loop,
		.settings = host->settings,
	};
	options.settings.network_bytes_max = FORWARD_NETWORK_BYTES_MAX;
	int status = host_create(&forwarder->host, &options, error, sizeof error);
	free(peers);
	if (status == 0) {
		node_init(&forwarder->node, &FORWARDER_OPS, host_env(forwarder->host), host->log);
		forwarder->last_id = node_random(&forwarder->node) >> 1;
		list_init(&forwarder->waiting);
		status = host_start(forwarder->host, &forwarder->node, error, sizeof error);
	}
	if (status == 0)
		return forwarder;
	log_event(host->log, LOG_WARN, "no_forwarding", "why=\"%s\"", error);
	if (forwarder->host != NULL) {
		host_destroy(forwarder->host);
		node_done(&forwarder->node);
	}
	free(forwarder);
	return NULL;
}

void forwarder_destroy(struct forwarder *forwarder)
{
	struct list *first;
	while ((first = list_first(&forwarder->waiting)) != NULL)
		forget(LIST_ITEM(first, struct forward, link));
	host_destroy(forwarder->host);
	node_done(&forwarder->node);
	map_free(&forwarder->by_id);
	free(forwarder);
}

struct node *forwarder_node(struct forwarder *forwarder)
{
	return &forwarder->node;
}

struct forward *forward_start(struct forwarder *forwarder, const char *address, uint16_t method,
			      struct slice payload, uint32_t timeout_ms, forward_done done,
			      void *context)
{
	struct node *node = &forwarder->node;
	link_id to = node_dial(node, address);
	/* What was given up may still be on its way. */
	uint64_t queued = node->env->ops->backlog(node->env, to);
	if (payload.len + forwarder->bytes > FORWARD_BYTES_MAX ||
	    payload.len + FRAME_HEADER_BYTES + queued > WAITING_BYTES_MAX)
		return NULL;
	struct forward *forward = ALLOC(struct forward);
	forward->forwarder = forwarder;
	forward->to = to;
	forward->epoch = node->env->ops->link_epoch(node->env, forward->to);
	forward->id = ++forwarder->last_id;
	forward->len = payload.len;
	forward->done = done;
	forward->context = context;
	timer_init(&forward->timeout, on_timeout, forward);
	map_put(&forwarder->by_id, forward->id, forward);
	list_push_back(&forwarder->waiting, &forward->link);
	forwarder->bytes += forward->len;
	node_timer_after(node, &forward->timeout, timeout_ms * 1000ull);
	struct message message = {
		.kind = MESSAGE_REQUEST,
		.method = method,
		.timeout_ms = timeout_ms,
		.id = forward->id,
		.payload = payload,
	};
	node_send(node, forward->to, &message);
	return forward;
}

void forward_cancel(struct forward *forward)
{
	forget(forward);
}
