/* Life of a viewserver, and the way of its messages. */
#include "view/node.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "view/node_internal.h"
#include "wire/method.h"

static void reply_error(struct view_node *n, link_id from, const struct message *request,
			int status, const char *why)
{
	buffer_clear(&n->out);
	wire_error_format(&n->out, "%s", why);
	node_reply(&n->node, from, request, status, buffer_slice(&n->out));
}

/* From here on it is a read like any other: of the present view. */
static void answer_ping(struct view_node *n, link_id from, const struct message *request)
{
	struct message query = *request;
	query.method = METHOD_QUERY;
	query.payload = slice(NULL, 0); /* a ViewQuery that asks for nothing more */
	bool taken = rsm_message(n->rsm, from, &query);
	ASSERT(taken);
}

static void ping(struct view_node *n, link_id from, const struct message *request)
{
	struct wire_view_ping ping;
	if (!rsm_is_leader(n->rsm)) {
		rsm_reply_not_leader(n->rsm, from, request);
		return;
	}
	arena_reset(&n->arena);
	int status = wire_view_ping_decode(request->payload, &n->arena, &ping);
	if (status != 0) {
		reply_error(n, from, request, status, "not a ping");
		return;
	}
	if (view_leader_ping(n, &ping))
		answer_ping(n, from, request);
	else
		reply_error(n, from, request, STATUS_BUSY,
			    "too many servers ping this view service");
}

static int start(struct node *node)
{
	struct view_node *n = view_node_of(node);
	int status = rsm_start(n->rsm);
	if (status == 0)
		node_timer_after(node, &n->tick, n->ping_interval_us);
	return status;
}

static void message(struct node *node, link_id from, const struct message *message)
{
	struct view_node *n = view_node_of(node);
	if (rsm_message(n->rsm, from, message) || message->kind != MESSAGE_REQUEST)
		return;
	switch (message->method) {
	case METHOD_VIEW_PING: ping(n, from, message); break;
	case METHOD_STATUS: view_status_answer(n, from, message); break;
	case METHOD_CLUSTER: view_status_cluster(n, from, message); break;
	default:
		reply_error(n, from, message, STATUS_UNKNOWN_METHOD,
			    "a viewserver has no such method");
		break;
	}
}

static void link_down(struct node *node, link_id link)
{
	rsm_link_down(view_node_of(node)->rsm, link);
}

static void turn_end(struct node *node)
{
	rsm_turn_end(view_node_of(node)->rsm);
}

static void stop(struct node *node)
{
	struct view_node *n = view_node_of(node);
	n->leading = false;
	node_timer_cancel(node, &n->tick);
	rsm_stop(n->rsm);
}

static void destroy(struct node *node)
{
	struct view_node *n = view_node_of(node);
	node_timer_cancel(node, &n->tick);
	rsm_destroy(n->rsm);
	n->app->ops->destroy(n->app);
	for (uint32_t i = 0; i < n->nmasters; i++)
		free(n->masters[i]);
	free(n->cluster);
	free(n->name);
	free(n->version);
	arena_free(&n->arena);
	buffer_free(&n->out);
	node_done(node);
	free(n);
}

static bool ready(struct node *node)
{
	return rsm_ready(view_node_of(node)->rsm);
}

static void stop_voting(struct node *node)
{
	rsm_stop_voting(view_node_of(node)->rsm);
}

static const struct node_ops ops = {
	.start = start,
	.message = message,
	.link_down = link_down,
	.turn_end = turn_end,
	.stop = stop,
	.destroy = destroy,
	.ready = ready,
	.stop_voting = stop_voting,
	.status_json = view_status_json,
};

static uint64_t registered_clients(void *context)
{
	return rsm_registered(((const struct view_node *)context)->rsm);
}

struct node *view_node_create(const struct view_node_options *options)
{
	struct view_node *n = ALLOC(struct view_node);
	struct rsm_options rsm = {
		.no_force = "nobody keeps the generation of the view service: those who were lost "
			    "would name a primary of their own when they come back; bring back the "
			    "directories of as many as make a majority",
		.node = &n->node,
		.group = VIEW_GROUP,
		.replica = options->replica,
		.nmembers = options->nmembers,
		.members_slot = options->members_slot,
		.joining = options->joining,
		.settings = options->settings,
		.applied = view_leader_applied,
		.leadership = view_leader_changed,
		.context = n,
	};
	struct view_app_hooks hooks = {.servers = view_leader_list_servers,
				       .primary_lives = view_leader_primary_lives,
				       .clients = registered_clients,
				       .context = n};
	ASSERT(options->nmasters <= REPLICAS_MAX && options->ping_interval_ms > 0 &&
	       options->dead_pings > 0);
	node_init(&n->node, &ops, options->env, options->log);
	n->cluster = alloc_string(options->cluster);
	n->name = alloc_string(options->name);
	n->version = alloc_string(options->version);
	n->nshards = options->nshards;
	n->nmasters = options->nmasters;
	for (uint32_t i = 0; i < options->nmasters; i++)
		n->masters[i] = alloc_string(options->masters[i]);
	n->ping_interval_us = 1000ull * options->ping_interval_ms;
	view_table_init(&n->table, options->dead_pings * n->ping_interval_us);
	timer_init(&n->tick, view_leader_tick, n);
	arena_init(&n->arena, ARENA_BYTES_MAX);
	n->app = view_app_create(&hooks);
	memcpy(rsm.members, options->members, sizeof rsm.members);
	rsm.app = n->app;
	n->rsm = rsm_create(&rsm);
	view_status_metrics(n);
	return &n->node;
}

const struct view *view_node_current(struct node *node)
{
	return view_app_current(view_node_of(node)->app);
}

struct app *view_node_app(struct node *node)
{
	return view_node_of(node)->app;
}

struct rsm *view_node_rsm(struct node *node)
{
	return view_node_of(node)->rsm;
}

bool view_node_alive(struct node *node, const struct view_server *server)
{
	struct view_node *n = view_node_of(node);
	return n->leading && view_table_alive(&n->table, server, node_now_us(node));
}

bool view_node_changing(struct node *node)
{
	struct view_node *n = view_node_of(node);
	return view_app_current(n->app)->number == n->seen_view && n->change_us != 0;
}
