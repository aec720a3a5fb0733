#include "view/node.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "rsm/status_json.h"
#include "view/app.h"
#include "view/liveness.h"
#include "wire/method.h"

/* What has been proposed and is not yet applied is proposed again after this many ping intervals: it may have been lost. */
#define REPROPOSE_INTERVALS 10u

struct view_node {
	struct node node;
	char *cluster, *name, *version;
	uint32_t nshards, nmasters;
	char *masters[REPLICAS_MAX];
	struct app *app;
	struct rsm *rsm;
	uint64_t ping_interval_us;
	struct timer tick;
	struct view_table table;
	bool leading;              /* the table is in use */
	uint64_t logged_view;      /* last told to the log */
	uint64_t seen_view;        /* what the proposals below were made for */
	uint64_t change_us, acknowledge_us, synced_us; /* when they were proposed; 0: not */
	struct arena arena;
	struct buffer out;
	uint64_t pings, changes;
};

static struct view_node *view_node_of(struct node *node)
{
	return (struct view_node *)(void *)node;
}

/* ---- proposals ---- */

/* True if it has not been proposed lately; then it counts as proposed now. */
static bool propose(struct view_node *n, const struct wire_view_command *command, uint64_t *proposed_us)
{
	uint64_t now_us = node_now_us(&n->node);
	if (*proposed_us != 0 && now_us < *proposed_us + REPROPOSE_INTERVALS * n->ping_interval_us)
		return false;
	buffer_clear(&n->out);
	wire_view_command_encode(command, &n->out);
	if (!rsm_propose(n->rsm, buffer_slice(&n->out)))
		return false;
	*proposed_us = now_us;
	return true;
}

/* Proposals belong to a view: in another one they have been dealt with. */
static const struct view *present_view(struct view_node *n)
{
	const struct view *view = view_app_current(n->app);
	if (view->number != n->seen_view) {
		n->seen_view = view->number;
		n->change_us = n->acknowledge_us = n->synced_us = 0;
	}
	return view;
}

static void decide(struct view_node *n)
{
	struct view_server primary, backup;
	if (!n->leading)
		return;
	const struct view *view = present_view(n);
	if (!view_table_decide(&n->table, view, node_now_us(&n->node), &primary, &backup))
		return;
	struct wire_view_command command = {
		.op = WIRE_VIEW_CHANGE,
		.number = view->number,
		.primary = view_server_wire(&primary),
		.backup = view_server_wire(&backup),
	};
	if (propose(n, &command, &n->change_us))
		n->changes++;
}

static void note_acknowledgement(struct view_node *n, const struct wire_view_ping *ping)
{
	const struct view *view = present_view(n);
	struct wire_view_server primary = view_server_wire(&view->primary);
	struct wire_view_command command = {.number = view->number};
	if (ping->number != view->number || !wire_view_server_equal(&ping->server, &primary))
		return;
	if (ping->synced && !view->synced && !view_nobody(&view->backup)) {
		command.op = WIRE_VIEW_SYNCED;
		propose(n, &command, &n->synced_us);
	} else if (!view->acknowledged) {
		command.op = WIRE_VIEW_ACKNOWLEDGE;
		propose(n, &command, &n->acknowledge_us);
	}
}

/*
 * The rsm tells of entries and of leadership from within its own steps: what follows from that is done in an input of its
 * own, by this timer.
 */
static void tick(void *data)
{
	struct view_node *n = data;
	bool leads = rsm_is_leader(n->rsm);
	const struct view *view = present_view(n);
	if (leads && !n->leading)
		view_table_grace(&n->table, view, node_now_us(&n->node));
	n->leading = leads;
	if (view->number != n->logged_view) {
		n->logged_view = view->number;
		log_event(n->node.log, LOG_INFO, "view", "view=%" PRIu64 " primary=%s backup=%s", view->number,
			  view_nobody(&view->primary) ? "-" : view->primary.name,
			  view_nobody(&view->backup) ? "-" : view->backup.name);
	}
	decide(n);
	node_timer_after(&n->node, &n->tick, n->ping_interval_us);
}

static void applied(void *context)
{
	struct view_node *n = context;
	const struct view *view = view_app_current(n->app);
	if (view->number != n->logged_view)
		node_timer_after(&n->node, &n->tick, 0);
}

static void leadership_changed(void *context, bool leader)
{
	struct view_node *n = context;
	/* Should it be won again before the tick, everybody deserves a new period of grace. */
	if (!leader)
		n->leading = false;
	node_timer_after(&n->node, &n->tick, 0);
}

/* ---- what the app asks of its leader ---- */

static void list_servers(void *context, struct wire_view_reply *reply, struct arena *arena)
{
	struct view_node *n = context;
	uint64_t now_us = node_now_us(&n->node);
	if (!n->leading)
		return;
	reply->servers = arena_get(arena, (n->table.count + 1) * sizeof *reply->servers);
	for (uint32_t i = 0; i < n->table.count; i++) {
		const struct view_liveness *server = &n->table.servers[i];
		reply->servers[reply->nservers++] = (struct wire_view_liveness){
			.server = view_server_wire(&server->server),
			.number = server->number,
			.silent_ms = (now_us - server->last_us) / 1000,
			.alive = view_table_alive(&n->table, &server->server, now_us),
		};
	}
}

static bool primary_lives(void *context)
{
	struct view_node *n = context;
	const struct view *view = view_app_current(n->app);
	/* Who does not know says yes: a reset is for good. */
	return !n->leading || view_table_alive(&n->table, &view->primary, node_now_us(&n->node));
}

/* ---- requests ---- */

static void reply_error(struct view_node *n, link_id from, const struct message *request, int status, const char *why)
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
	n->pings++;
	/* Between the rsm's word that it leads and the tick there is no table yet: the ping counts the next time. */
	if (n->leading) {
		if (!view_table_ping(&n->table, &ping, node_now_us(&n->node))) {
			reply_error(n, from, request, STATUS_BUSY, "too many servers ping this view service");
			return;
		}
		note_acknowledgement(n, &ping);
		decide(n);
	}
	answer_ping(n, from, request);
}

static void fill_status(struct view_node *n, struct wire_status *status)
{
	*status = (struct wire_status){0};
	rsm_status(n->rsm, status);
	status->name = slice_string(n->name);
	status->role = slice_string("viewserver");
	status->version = slice_string(n->version);
	status->config = view_app_current(n->app)->number;
}

static void reply_status(struct view_node *n, link_id from, const struct message *request)
{
	struct wire_status status;
	fill_status(n, &status);
	buffer_clear(&n->out);
	wire_status_encode(&status, &n->out);
	node_reply(&n->node, from, request, 0, buffer_slice(&n->out));
}

static void reply_cluster(struct view_node *n, link_id from, const struct message *request)
{
	struct wire_cluster cluster = {.cluster = slice_string(n->cluster), .shards = n->nshards, .nmasters = n->nmasters};
	for (uint32_t i = 0; i < n->nmasters; i++)
		cluster.masters[i] = slice_string(n->masters[i]);
	buffer_clear(&n->out);
	wire_cluster_encode(&cluster, &n->out);
	node_reply(&n->node, from, request, 0, buffer_slice(&n->out));
}

/* ---- the node ---- */

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
	case METHOD_STATUS: reply_status(n, from, message); break;
	case METHOD_CLUSTER: reply_cluster(n, from, message); break;
	default: reply_error(n, from, message, STATUS_UNKNOWN_METHOD, "a viewserver has no such method"); break;
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

static void write_status_json(struct node *node, struct buffer *out)
{
	struct wire_status status;
	fill_status(view_node_of(node), &status);
	status_json(&status, out);
}

static const struct node_ops ops = {
	.start = start,
	.message = message,
	.link_down = link_down,
	.turn_end = turn_end,
	.stop = stop,
	.destroy = destroy,
	.ready = ready,
	.status_json = write_status_json,
};

static uint64_t read_view_number(void *context)
{
	return view_app_current(context)->number;
}

static uint64_t read_servers_alive(void *context)
{
	struct view_node *n = context;
	uint64_t alive = 0, now_us = node_now_us(&n->node);
	for (uint32_t i = 0; n->leading && i < n->table.count; i++)
		alive += view_table_alive(&n->table, &n->table.servers[i].server, now_us);
	return alive;
}

static void add_metrics(struct view_node *n)
{
	struct metrics *m = &n->node.metrics;
	metrics_add_read(m, METRIC_GAUGE, "synod_view_number", "Number of the present view.", NULL, read_view_number, n->app);
	metrics_add_read(m, METRIC_GAUGE, "synod_view_servers_alive", "Servers that ping; 0 unless this replica leads.", NULL,
			 read_servers_alive, n);
	metrics_add(m, METRIC_COUNTER, "synod_view_pings_total", "Pings taken.", NULL, &n->pings);
	metrics_add(m, METRIC_COUNTER, "synod_view_changes_total", "Views proposed by this replica.", NULL, &n->changes);
}

struct node *view_node_create(const struct view_node_options *options)
{
	struct view_node *n = ALLOC(struct view_node);
	struct rsm_options rsm = {
		.node = &n->node,
		.group = VIEW_GROUP,
		.replica = options->replica,
		.nmembers = options->nmembers,
		.settings = options->settings,
		.applied = applied,
		.leadership = leadership_changed,
		.context = n,
	};
	struct view_app_hooks hooks = {.servers = list_servers, .primary_lives = primary_lives, .context = n};
	ASSERT(options->nmasters <= REPLICAS_MAX && options->ping_interval_ms > 0 && options->dead_pings > 0);
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
	timer_init(&n->tick, tick, n);
	arena_init(&n->arena, ARENA_BYTES_MAX);
	n->app = view_app_create(&hooks);
	memcpy(rsm.members, options->members, sizeof rsm.members);
	rsm.app = n->app;
	n->rsm = rsm_create(&rsm);
	add_metrics(n);
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
