#include "shardmaster/node.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "rsm/members.h"
#include "rsm/status_json.h"
#include "shardmaster/app.h"
#include "shardmaster/watchers.h"
#include "wire/method.h"

struct shardmaster {
	struct node node;
	char *cluster;
	char *name;
	char *version;
	uint32_t nshards;
	uint32_t nmasters;
	struct {
		uint32_t replica;
		char *name, *address;
	} masters[MEMBERS_MAX]; /* by the configuration */
	struct app *app;
	struct rsm *rsm;
	struct watchers watchers;
	/*
	 * The rsm tells of applied entries and of leadership from within its own steps; what
	 * follows from that is done in an input of its own, by this timer.
	 */
	struct timer attend;
	struct arena arena;
	struct buffer out;
};

static struct shardmaster *shardmaster_of(struct node *node)
{
	return (struct shardmaster *)(void *)((char *)node - offsetof(struct shardmaster, node));
}

/* ---- watching ---- */

/* A waiter's time has come: from here on it is a read like any other. */
static void answer_watch(void *context, link_id from, const struct message *request)
{
	struct shardmaster *master = context;

	if (!rsm_is_leader(master->rsm)) {
		rsm_reply_not_leader(master->rsm, from, request);
		return;
	}
	struct message query = *request;
	query.method = METHOD_QUERY;
	buffer_clear(&master->out);
	wire_master_query_encode(&(struct wire_master_query){.number = UINT64_MAX}, &master->out);
	query.payload = buffer_slice(&master->out);
	bool taken = rsm_message(master->rsm, from, &query);
	ASSERT(taken);
}

static void attend(void *data)
{
	struct shardmaster *master = data;

	/* Whoever does not lead sends all waiters on to the leader: answer_watch() does. */
	watchers_wake(&master->watchers, rsm_is_leader(master->rsm)
						 ? shardmaster_app_newest(master->app)->number
						 : UINT64_MAX);
}

static void applied(void *context)
{
	struct shardmaster *master = context;

	if (master->watchers.count > 0)
		node_timer_after(&master->node, &master->attend, 0);
}

static void leadership_changed(void *context, bool leader)
{
	(void)leader;
	applied(context);
}

static void reply_error(struct shardmaster *master, link_id from, const struct message *request,
			int status, const char *why)
{
	buffer_clear(&master->out);
	wire_error_format(&master->out, "%s", why);
	node_reply(&master->node, from, request, status, buffer_slice(&master->out));
}

static void watch(struct shardmaster *master, link_id from, const struct message *request)
{
	uint32_t timeout_ms = request->timeout_ms != 0 ? request->timeout_ms : WATCH_DEFAULT_MS;
	struct wire_master_query query;

	if (!rsm_is_leader(master->rsm)) {
		rsm_reply_not_leader(master->rsm, from, request);
		return;
	}
	arena_reset(&master->arena);
	int status = wire_master_query_decode(request->payload, &master->arena, &query);
	if (status != 0) {
		reply_error(master, from, request, status, "not a query of the shard master");
		return;
	}
	if (timeout_ms > WATCH_MAX_MS)
		timeout_ms = WATCH_MAX_MS;
	struct message waiting = *request;
	/* The read that follows the wait has as long again: it must not be refused as too late. */
	waiting.timeout_ms = timeout_ms;
	if (query.number < shardmaster_app_newest(master->app)->number)
		answer_watch(master, from, &waiting);
	else if (!watchers_add(&master->watchers, from, &waiting, query.number, timeout_ms))
		reply_error(master, from, request, STATUS_BUSY,
			    "too many watch requests are waiting here; ask again later");
}

/* ---- what any replica answers ---- */

static void fill_status(struct shardmaster *master, struct wire_status *status)
{
	*status = (struct wire_status){0};
	rsm_status(master->rsm, status);
	status->name = slice_string(master->name);
	status->role = slice_string("shardmaster");
	status->version = slice_string(master->version);
	status->config = shardmaster_app_newest(master->app)->number;
}

static void reply_status(struct shardmaster *master, link_id from, const struct message *request)
{
	struct wire_status status;

	fill_status(master, &status);
	buffer_clear(&master->out);
	wire_status_encode(&status, &master->out);
	node_reply(&master->node, from, request, 0, buffer_slice(&master->out));
}

static void reply_cluster(struct shardmaster *master, link_id from, const struct message *request)
{
	struct wire_cluster cluster = {.cluster = slice_string(master->cluster),
				       .shards = master->nshards};
	const struct group_members *members = rsm_members(master->rsm);

	for (uint32_t i = 0; i < members->count; i++)
		if (members->list[i].role == MEMBER_VOTER && cluster.nmasters < REPLICAS_MAX)
			cluster.masters[cluster.nmasters++] = slice_string(
				rsm_member_address(master->rsm, &members->list[i]));
	for (uint32_t i = 0;
	     i < master->nmasters && members->slot == 0 && cluster.nmasters < REPLICAS_MAX; i++)
		cluster.masters[cluster.nmasters++] = slice_string(master->masters[i].address);
	buffer_clear(&master->out);
	wire_cluster_encode(&cluster, &master->out);
	node_reply(&master->node, from, request, 0, buffer_slice(&master->out));
}

static void reply_unknown(struct shardmaster *master, link_id from, const struct message *request)
{
	buffer_clear(&master->out);
	wire_error_format(&master->out, "a shard master has no method %u (%s)", request->method,
			  method_text(request->method));
	node_reply(&master->node, from, request, STATUS_UNKNOWN_METHOD, buffer_slice(&master->out));
}

/* ---- the node ---- */

static int start(struct node *node)
{
	return rsm_start(shardmaster_of(node)->rsm);
}

static void message(struct node *node, link_id from, const struct message *message)
{
	struct shardmaster *master = shardmaster_of(node);

	if (rsm_message(master->rsm, from, message) || message->kind != MESSAGE_REQUEST)
		return;
	switch (message->method) {
	case METHOD_STATUS: reply_status(master, from, message); break;
	case METHOD_CLUSTER: reply_cluster(master, from, message); break;
	case METHOD_WATCH: watch(master, from, message); break;
	default: reply_unknown(master, from, message); break;
	}
}

static void link_down(struct node *node, link_id link)
{
	struct shardmaster *master = shardmaster_of(node);

	watchers_link_down(&master->watchers, link);
	rsm_link_down(master->rsm, link);
}

static void turn_end(struct node *node)
{
	rsm_turn_end(shardmaster_of(node)->rsm);
}

static void stop(struct node *node)
{
	struct shardmaster *master = shardmaster_of(node);

	watchers_wake(&master->watchers, UINT64_MAX);
	rsm_stop(master->rsm);
}

static void destroy(struct node *node)
{
	struct shardmaster *master = shardmaster_of(node);

	watchers_done(&master->watchers);
	node_timer_cancel(node, &master->attend);
	rsm_destroy(master->rsm);
	master->app->ops->destroy(master->app);
	for (uint32_t i = 0; i < master->nmasters; i++) {
		free(master->masters[i].name);
		free(master->masters[i].address);
	}
	free(master->cluster);
	free(master->name);
	free(master->version);
	arena_free(&master->arena);
	buffer_free(&master->out);
	node_done(node);
	free(master);
}

static bool ready(struct node *node)
{
	return rsm_ready(shardmaster_of(node)->rsm);
}

static void stop_voting(struct node *node)
{
	rsm_stop_voting(shardmaster_of(node)->rsm);
}

static void write_status_json(struct node *node, struct buffer *out)
{
	struct wire_status status;

	fill_status(shardmaster_of(node), &status);
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
	.stop_voting = stop_voting,
	.status_json = write_status_json,
};

static uint64_t read_config_number(void *context)
{
	struct shardmaster *master = context;

	return shardmaster_app_newest(master->app)->number;
}

static uint64_t read_claimed(void *context)
{
	struct shardmaster *master = context;

	return shardmaster_app_claimed(master->app);
}

static uint64_t read_clients(void *context)
{
	const struct shardmaster *master = context;

	return rsm_registered(master->rsm);
}

static void add_metrics(struct shardmaster *master)
{
	struct metrics *metrics = &master->node.metrics;

	metrics_add_read(metrics, METRIC_GAUGE, "synod_config_number",
			 "Number of the newest configuration.", NULL, read_config_number, master);
	metrics_add_read(metrics, METRIC_GAUGE, "synod_shards_claimed",
			 "Shards that may hold data.", NULL, read_claimed, master);
	metrics_add(metrics, METRIC_GAUGE, "synod_watchers",
		    "Watch requests that wait for a configuration.", NULL, &master->watchers.count);
}

struct node *shardmaster_create(const struct shardmaster_options *options)
{
	struct shardmaster *master = ALLOC(struct shardmaster);
	struct rsm_options rsm = {
		.no_force =
			"the shard masters keep the generations of the groups, and nobody keeps "
			"theirs: those who were lost would serve beside this one when they come "
			"back; bring back the directories of as many as make a majority",
		.node = &master->node,
		.group = SHARDMASTER_GROUP,
		.replica = options->replica,
		.nmembers = options->nmembers,
		.members_slot = options->members_slot,
		.joining = options->joining,
		.settings = options->settings,
		.applied = applied,
		.leadership = leadership_changed,
		.context = master,
	};

	ASSERT(options->nmembers >= 1 && options->nmembers <= MEMBERS_MAX);
	node_init(&master->node, &ops, options->env, options->log);
	master->cluster = alloc_string(options->cluster);
	master->name = alloc_string(options->name);
	master->version = alloc_string(options->version);
	master->nshards = options->nshards;
	master->nmasters = options->nmembers;
	for (uint32_t i = 0; i < options->nmembers; i++) {
		rsm.members[i] = options->members[i];
		master->masters[i].replica = options->members[i].replica;
		master->masters[i].name = alloc_string(options->members[i].name);
		master->masters[i].address = alloc_string(options->members[i].client_address);
	}
	arena_init(&master->arena, ARENA_BYTES_MAX);
	timer_init(&master->attend, attend, master);
	watchers_init(&master->watchers, &master->node, WATCHERS_MAX, answer_watch, master);
	master->app = shardmaster_app_create(options->nshards);
	shardmaster_app_tell_clients(master->app, read_clients, master);
	rsm.app = master->app;
	rsm.settings.group.shards = options->nshards;
	master->rsm = rsm_create(&rsm);
	add_metrics(master);
	return &master->node;
}

struct shard_config *shardmaster_config(struct node *node)
{
	return shardmaster_app_newest(shardmaster_of(node)->app);
}

bool shardmaster_knows(struct node *node, uint64_t gid)
{
	return shardmaster_app_knows(shardmaster_of(node)->app, gid);
}

struct rsm *shardmaster_rsm(struct node *node)
{
	return shardmaster_of(node)->rsm;
}
