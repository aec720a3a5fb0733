/* Life of a pbserver, and the way of its messages. */
#include "pb/node.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "pb/internal.h"
#include "store/memory.h"
#include "wire/method.h"

/* Freed at the end of each turn: some hundred microseconds. */
#define IDLE_NODES 32u

void pb_refuse(struct pb_node *n, link_id to, const struct message *request, int status,
	       const char *format, ...)
{
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	struct wire_error error = {.message = slice_string(text)};
	if (status == STATUS_NOT_LEADER && n->role != PB_PRIMARY)
		error.leader = n->primary.wire.address;
	buffer_clear(&n->out);
	wire_error_encode(&error, &n->out);
	node_reply(&n->node, to, request, status, buffer_slice(&n->out));
}

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
	n->node.env->ops->stopped(n->node.env);
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
	if (message->kind == MESSAGE_REPLY) {
		if (message->method == METHOD_PB_FORWARD)
			send_reply(n, from, message);
		else
			caller_message(n->views, from, message);
		return;
	}
	if (message->kind != MESSAGE_REQUEST)
		return;
	switch (message->method) {
	case METHOD_COMMAND:
	case METHOD_QUERY: primary_request(n, from, message); break;
	case METHOD_PB_FORWARD: backup_forward(n, from, message); break;
	case METHOD_STATUS: pb_status_answer(n, from, message); break;
	case METHOD_CLUSTER: pb_status_cluster(n, from, message); break;
	default:
		pb_refuse(n, from, message, STATUS_UNKNOWN_METHOD, "a pbserver has no such method");
		break;
	}
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
	for (uint32_t i = 0; i < n->nstrings; i++)
		free(n->strings[i]);
	arena_free(&n->arena);
	buffer_free(&n->out);
	node_done(node);
	free(n);
}

static bool ready(struct node *node)
{
	struct pb_node *n = pb_node_of(node);
	if (n->stopping || n->refused || !pings_fresh(n))
		return false;
	return n->role != PB_BACKUP || n->complete;
}

static const struct node_ops ops = {
	.start = start,
	.message = message,
	.link_down = link_down,
	.turn_end = turn_end,
	.stop = stop,
	.destroy = destroy,
	.ready = ready,
	.status_json = pb_status_json,
};

static const char *keep(struct pb_node *n, const char *text)
{
	char *copy = alloc_string(text);
	ASSERT(n->nstrings < sizeof n->strings / sizeof n->strings[0]);
	n->strings[n->nstrings++] = copy;
	return copy;
}

static void copy_options(struct pb_node *n, const struct pb_node_options *options)
{
	n->options = *options;
	if (n->options.transfer_piece_bytes == 0)
		n->options.transfer_piece_bytes = TRANSFER_PIECE_BYTES;
	n->options.cluster = keep(n, options->cluster);
	n->options.name = keep(n, options->name);
	n->options.address = keep(n, options->address);
	n->options.version = keep(n, options->version);
	for (uint32_t i = 0; i < options->nmasters; i++)
		n->options.masters[i] = keep(n, options->masters[i]);
	for (uint32_t i = 0; i < options->nviews; i++)
		n->options.views[i] = keep(n, options->views[i]);
}

struct node *pb_node_create(const struct pb_node_options *options)
{
	ASSERT(options->nviews <= REPLICAS_MAX && options->nmasters <= REPLICAS_MAX);
	ASSERT(options->ping_interval_ms > 0 && options->dead_pings > 0);
	struct pb_node *n = ALLOC(struct pb_node);
	node_init(&n->node, &ops, options->env, options->log);
	copy_options(n, options);
	arena_init(&n->arena, ARENA_BYTES_MAX);
	timer_init(&n->stop_timer, finish_stop, n);
	pb_state_init(&n->state, options->sessions_max, options->session_idle_us);
	stream_init(n);
	n->next_id = node_random(&n->node) >> 1;
	/* Another viewserver is asked within the time in which this server would count as dead. */
	struct caller_options caller = {
		.node = &n->node,
		.attempt_timeout_ms = 2 * options->ping_interval_ms,
		.backoff_max_ms = options->ping_interval_ms,
	};
	n->views = caller_create(&caller);
	caller_set_addresses(n->views, n->options.views, n->options.nviews);
	clients_start(n);
	pb_status_metrics(n);
	return &n->node;
}

struct pb_node_info pb_node_info(struct node *node)
{
	const struct pb_node *n = pb_node_of(node);
	return (struct pb_node_info){
		.role = n->role,
		.incarnation = n->incarnation,
		.view = n->view,
		.frame = n->role == PB_PRIMARY ? n->stream.next - 1 : n->intake.received,
		.complete = n->complete,
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
