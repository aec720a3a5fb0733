/* Life of a pbserver, and the way of its messages. */
#include "pb/node.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "pb/internal.h"
#include "store/memory.h"
#include "wire/method.h"

/* Freed at the end of each turn: some hundred microseconds. */
#define IDLE_NODES 32u

/*
 * An orderly stop is over when nobody waits for an answer and the view service knows; or when that
 * takes too long.
 */
static void finish_stop(void *data)
{
	struct pb_node *n = data;
	if (n->stopped)
		return;
	n->stopped = true;
	n->server.node.env->ops->stopped(n->server.node.env);
}

static bool said_goodbye(const struct pb_node *n)
{
	for (uint32_t i = 0; i < PINGS_MAX; i++)
		if (n->pings[i].call != NULL)
			return false;
	return n->goodbyes > 0;
}

static int start(struct node *node)
{
	struct pb_node *n = pb_node_of(node);
	n->started_us = node_now_us(node);
	/* Never 0, which stands for nobody. */
	n->incarnation = node_random(node) | 1;
	pings_start(n);
	return 0;
}

static void message(struct node *node, link_id from, const struct message *message)
{
	struct pb_node *n = pb_node_of(node);
	if (message->kind == MESSAGE_REQUEST)
		server_request(node, from, message);
	else if (message->kind == MESSAGE_REPLY && message->method == METHOD_PB_FORWARD)
		send_reply(n, from, message);
	else if (message->kind == MESSAGE_REPLY)
		caller_message(n->views, from, message);
}

static void link_down(struct node *node, link_id link)
{
	struct pb_node *n = pb_node_of(node);
	caller_link_down(n->views, link);
	registrar_link_down(&n->registrar, link);
	send_link_down(n, link);
}

static void turn_end(struct node *node)
{
	struct pb_node *n = pb_node_of(node);
	clients_live(n);
	stream_turn_end(n);
	store_memory_idle_work(n->state.store, IDLE_NODES);
	if (n->stopping && stream_idle(n) && said_goodbye(n))
		finish_stop(n);
}

static void stop(struct node *node)
{
	struct pb_node *n = pb_node_of(node);
	n->stopping = true;
	pings_now(n);
	node_timer_after(node, &n->stop_timer, STOP_WAIT_US);
}

static void destroy(struct node *node)
{
	struct pb_node *n = pb_node_of(node);
	node_timer_cancel(node, &n->stop_timer);
	pings_free(n);
	registrar_free(&n->registrar);
	caller_destroy(n->views);
	stream_free(n);
	buffer_free(&n->intake.sessions);
	pb_state_free(&n->state);
	server_done(&n->server);
	free(n);
}

static bool ready(struct node *node)
{
	struct pb_node *n = pb_node_of(node);
	if (n->stopping || n->refused || !pings_fresh(n))
		return false;
	return n->standing != STANDING_FILLING;
}

static const struct node_ops ops = {
	.start = start,
	.message = message,
	.link_down = link_down,
	.turn_end = turn_end,
	.stop = stop,
	.destroy = destroy,
	.ready = ready,
	.status_json = server_write_json,
};

static const struct server_method methods[] = {
	{METHOD_COMMAND, .handle = primary_request},
	{METHOD_QUERY, .handle = primary_request},
	{METHOD_PB_FORWARD, .handle = backup_forward},
	{METHOD_STATUS, .handle = server_answer_status},
	{METHOD_CLUSTER, .handle = server_answer_cluster},
	{0},
};

static const struct server_kind kind = {
	.role = "pbserver",
	.text = "a pbserver",
	.methods = methods,
	.fill_status = pb_fill_status,
	.write_json = pb_write_json,
};

/* The strings are the server's copies. */
static void copy_options(struct pb_node *n, const struct pb_node_options *options)
{
	struct server *server = &n->server;
	n->options = *options;
	if (n->options.transfer_piece_bytes == 0)
		n->options.transfer_piece_bytes = TRANSFER_PIECE_BYTES;
	n->options.cluster = server->cluster;
	n->options.name = server->name;
	n->options.version = server->version;
	n->options.address = server_keep(server, options->address);
	for (uint32_t i = 0; i < options->nmasters; i++)
		n->options.masters[i] = server->masters[i];
	for (uint32_t i = 0; i < options->nviews; i++)
		n->options.views[i] = server_keep(server, options->views[i]);
}

struct node *pb_node_create(const struct pb_node_options *options)
{
	ASSERT(options->nviews <= REPLICAS_MAX);
	ASSERT(options->ping_interval_ms > 0 && options->dead_pings > 0);
	struct pb_node *n = ALLOC(struct pb_node);
	server_init(&n->server, &kind, &ops, &SERVER_OPTIONS_OF(options));
	copy_options(n, options);
	timer_init(&n->stop_timer, finish_stop, n);
	pb_state_init(&n->state, options->sessions_max, options->session_idle_us);
	stream_init(n);
	n->next_id = node_random(&n->server.node) >> 1;
	/* Another viewserver is asked within the time in which this server would count as dead. */
	struct caller_options caller = {
		.node = &n->server.node,
		.attempt_timeout_ms = 2 * options->ping_interval_ms,
		.backoff_max_ms = options->ping_interval_ms,
	};
	n->views = caller_create(&caller);
	caller_set_addresses(n->views, n->options.views, n->options.nviews);
	clients_start(n);
	pb_status_metrics(n);
	return &n->server.node;
}

struct pb_node_info pb_node_info(struct node *node)
{
	const struct pb_node *n = pb_node_of(node);
	return (struct pb_node_info){
		.role = pb_is_primary(n)  ? PB_PRIMARY
			: pb_is_backup(n) ? PB_BACKUP
					  : PB_IDLE,
		.incarnation = n->incarnation,
		.view = n->view,
		.frame = pb_is_primary(n) ? n->stream.next - 1 : n->intake.received,
		.complete = pb_is_complete(n),
		.synced = n->synced,
		.refused = n->refusals.count,
		.anew = n->counters.anew,
		.answered = n->answered,
		.answered_view = n->answered_view,
	};
}

const struct pb_state *pb_node_state(struct node *node)
{
	return &pb_node_of(node)->state;
}
