/* Life of a viewserver, and the way of its messages. */
#include "view/node.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "cores/cores.h"
#include "view/node_internal.h"
#include "wire/method.h"

/* From here on it is a read like any other: of the present view. */
static void answer_ping(struct view_node *n, link_id from, const struct message *request)
{
	struct message query = *request;
	query.method = METHOD_QUERY;
	query.payload = slice(NULL, 0); /* a ViewQuery that asks for nothing more */
	bool taken = rsm_message(n->server.rsm, from, &query);
	ASSERT(taken);
}

static void ping(struct node *node, link_id from, const struct message *request)
{
	struct view_node *n = view_node_of(node);
	struct wire_view_ping ping;
	if (!rsm_is_leader(n->server.rsm)) {
		rsm_reply_not_leader(n->server.rsm, from, request);
		return;
	}
	arena_reset(&n->server.arena);
	int status = wire_view_ping_decode(request->payload, &n->server.arena, &ping);
	if (status != 0) {
		server_refuse(&n->server, from, request, status, "not a ping");
		return;
	}
	if (view_leader_ping(n, &ping))
		answer_ping(n, from, request);
	else
		server_refuse(&n->server, from, request, STATUS_BUSY,
			      "too many servers ping this view service");
}

static int start(struct node *node)
{
	struct view_node *n = view_node_of(node);
	int status = rsm_start(n->server.rsm);
	if (status == 0)
		node_timer_after(node, &n->tick, n->ping_interval_us);
	return status;
}

static void stop(struct node *node)
{
	struct view_node *n = view_node_of(node);
	n->leading = false;
	node_timer_cancel(node, &n->tick);
	rsm_stop(n->server.rsm);
}

static void destroy(struct node *node)
{
	struct view_node *n = view_node_of(node);
	node_timer_cancel(node, &n->tick);
	server_done(&n->server);
	free(n);
}

static const struct node_ops ops = {
	.start = start,
	.message = server_message,
	.link_down = server_link_down,
	.turn_end = server_turn_end,
	.stop = stop,
	.destroy = destroy,
	.ready = server_ready,
	.stop_voting = server_stop_voting,
	.status_json = server_write_json,
};

static const struct server_method methods[] = {
	{METHOD_VIEW_PING, .handle = ping},
	{METHOD_STATUS, .handle = server_answer_status},
	{METHOD_CLUSTER, .handle = server_answer_cluster},
	{0},
};

static const struct server_kind kind = {
	.role = "viewserver",
	.text = "a viewserver",
	.methods = methods,
	.fill_status = view_fill_status,
	.write_json = view_write_json,
};

static uint64_t registered_clients(void *context)
{
	return rsm_registered(((const struct view_node *)context)->server.rsm);
}

struct node *view_node_create(const struct view_node_options *options)
{
	struct view_node *n = ALLOC(struct view_node);
	struct rsm_options rsm = {
		.no_force = "nobody keeps the generation of the view service: those who were lost "
			    "would name a primary of their own when they come back; bring back the "
			    "directories of as many as make a majority",
		.node = &n->server.node,
		.consensus = consensus_default(),
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
	ASSERT(options->ping_interval_ms > 0 && options->dead_pings > 0);
	server_init(&n->server, &kind, &ops, &SERVER_OPTIONS_OF(options));
	n->ping_interval_us = 1000ull * options->ping_interval_ms;
	view_table_init(&n->table, options->dead_pings * n->ping_interval_us);
	timer_init(&n->tick, view_leader_tick, n);
	n->server.app = view_app_create(&hooks);
	memcpy(rsm.members, options->members, sizeof rsm.members);
	rsm.app = n->server.app;
	n->server.rsm = rsm_create(&rsm);
	view_status_metrics(n);
	return &n->server.node;
}

const struct view *view_node_current(struct node *node)
{
	return view_app_current(view_node_of(node)->server.app);
}

struct app *view_node_app(struct node *node)
{
	return view_node_of(node)->server.app;
}

struct rsm *view_node_rsm(struct node *node)
{
	return view_node_of(node)->server.rsm;
}

bool view_node_alive(struct node *node, const struct view_server *server)
{
	struct view_node *n = view_node_of(node);
	return n->leading && view_table_alive(&n->table, server, node_now_us(node));
}

bool view_node_changing(struct node *node)
{
	struct view_node *n = view_node_of(node);
	return view_app_current(n->server.app)->number == n->seen_view && n->change_us != 0;
}
