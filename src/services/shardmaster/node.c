/* Life of a shard master, and WATCH. */
#include "shardmaster/node.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "cores/cores.h"
#include "rsm/members.h"
#include "server/server.h"
#include "server/waiters.h"
#include "shardmaster/app.h"
#include "wire/method.h"

struct shardmaster {
	struct server server;
	struct waiters watchers;
	/*
	 * The rsm tells of applied entries and of leadership from within its own steps; what
	 * follows from that is done in an input of its own, by this timer.
	 */
	struct timer attend;
};

static struct shardmaster *shardmaster_of(struct node *node)
{
	return (struct shardmaster *)(void *)node;
}

/* ---- watching ---- */

/* A waiter's time has come: from here on it is a read like any other. */
static void answer_watch(struct shardmaster *master, link_id from, const struct message *request)
{
	if (!rsm_is_leader(master->server.rsm)) {
		rsm_reply_not_leader(master->server.rsm, from, request);
		return;
	}
	struct message query = *request;
	query.method = METHOD_QUERY;
	buffer_clear(&master->server.out);
	wire_master_query_encode(&(struct wire_master_query){.number = UINT64_MAX},
				 &master->server.out);
	query.payload = buffer_slice(&master->server.out);
	bool taken = rsm_message(master->server.rsm, from, &query);
	ASSERT(taken);
}

/* Whoever does not lead sends all waiters on to the leader: answer_watch() does. */
static size_t leave(void *context, const struct waiter *waiter)
{
	answer_watch(context, waiter->from, &waiter->request);
	return 0; /* the rsm bounds what it answers in a turn */
}

static void attend(void *data)
{
	struct shardmaster *master = data;

	if (!rsm_is_leader(master->server.rsm)) {
		waiters_dismiss(&master->watchers);
		return;
	}
	waiters_reach(&master->watchers, shardmaster_app_newest(master->server.app)->number);
	bool all_left = waiters_let_go(&master->watchers);
	ASSERT(all_left);
}

static void applied(void *context)
{
	struct shardmaster *master = context;

	if (master->watchers.count > 0)
		node_timer_after(&master->server.node, &master->attend, 0);
}

static void leadership_changed(void *context, bool leader)
{
	(void)leader;
	applied(context);
}

static void watch(struct node *node, link_id from, const struct message *request)
{
	struct shardmaster *master = shardmaster_of(node);
	uint32_t timeout_ms = waiters_timeout_ms(request, WATCH_DEFAULT_MS, WATCH_MAX_MS);
	struct wire_master_query query;

	if (!rsm_is_leader(master->server.rsm)) {
		rsm_reply_not_leader(master->server.rsm, from, request);
		return;
	}
	arena_reset(&master->server.arena);
	int status = wire_master_query_decode(request->payload, &master->server.arena, &query);
	if (status != 0) {
		server_refuse(&master->server, from, request, status,
			      "not a query of the shard master");
		return;
	}
	struct message waiting = *request;
	/* The read that follows the wait has as long again: it must not be refused as too late. */
	waiting.timeout_ms = timeout_ms;
	if (query.number < shardmaster_app_newest(master->server.app)->number)
		answer_watch(master, from, &waiting);
	/* Above the highest number there is nothing: that one waits for its time to be over. */
	else if (!waiters_add(&master->watchers, from, &waiting,
			      query.number < UINT64_MAX ? query.number + 1 : UINT64_MAX, 0,
			      timeout_ms))
		server_refuse(&master->server, from, request, STATUS_BUSY,
			      "too many watch requests are waiting here; ask again later");
}

/* ---- what any replica answers ---- */

static void fill_status(struct node *node, struct wire_status *status)
{
	status->config = shardmaster_app_newest(shardmaster_of(node)->server.app)->number;
}

/* The shard masters are the group itself: its voters, and those of the configuration until it has a list. */
static void fill_cluster(struct node *node, struct wire_cluster *cluster)
{
	struct server *server = &shardmaster_of(node)->server;
	const struct group_members *members = rsm_members(server->rsm);

	if (members->slot == 0)
		return;
	cluster->nmasters = 0;
	for (uint32_t i = 0; i < members->count; i++)
		if (members->list[i].role == MEMBER_VOTER && cluster->nmasters < REPLICAS_MAX)
			cluster->masters[cluster->nmasters++] = slice_string(
				rsm_member_address(server->rsm, &members->list[i]));
}

/* ---- the node ---- */

static void link_down(struct node *node, link_id link)
{
	struct shardmaster *master = shardmaster_of(node);

	waiters_link_down(&master->watchers, link);
	rsm_link_down(master->server.rsm, link);
}

static void stop(struct node *node)
{
	struct shardmaster *master = shardmaster_of(node);

	waiters_dismiss(&master->watchers);
	rsm_stop(master->server.rsm);
}

static void destroy(struct node *node)
{
	struct shardmaster *master = shardmaster_of(node);

	waiters_done(&master->watchers);
	node_timer_cancel(node, &master->attend);
	server_done(&master->server);
	free(master);
}

static const struct node_ops ops = {
	.start = server_start,
	.message = server_message,
	.link_down = link_down,
	.turn_end = server_turn_end,
	.stop = stop,
	.destroy = destroy,
	.ready = server_ready,
	.stop_voting = server_stop_voting,
	.status_json = server_write_json,
};

static const struct server_method methods[] = {
	{METHOD_STATUS, .handle = server_answer_status},
	{METHOD_CLUSTER, .handle = server_answer_cluster},
	{METHOD_WATCH, .handle = watch},
	{0},
};

static const struct server_kind kind = {
	.role = "shardmaster",
	.text = "a shard master",
	.methods = methods,
	.fill_status = fill_status,
	.fill_cluster = fill_cluster,
};

static uint64_t read_config_number(void *context)
{
	struct shardmaster *master = context;

	return shardmaster_app_newest(master->server.app)->number;
}

static uint64_t read_claimed(void *context)
{
	struct shardmaster *master = context;

	return shardmaster_app_claimed(master->server.app);
}

static uint64_t read_clients(void *context)
{
	const struct shardmaster *master = context;

	return rsm_registered(master->server.rsm);
}

static void add_metrics(struct shardmaster *master)
{
	struct metrics *metrics = &master->server.node.metrics;

	metrics_add_read(metrics, METRIC_GAUGE, "synod_config_number",
			 "Number of the newest configuration.", NULL, read_config_number, master);
	metrics_add_read(metrics, METRIC_GAUGE, "synod_shards_claimed",
			 "Shards that may hold data.", NULL, read_claimed, master);
	metrics_add(metrics, METRIC_GAUGE, "synod_watchers",
		    "Watch requests that wait for a configuration.", NULL, &master->watchers.count);
}

static void init_server(struct shardmaster *master, const struct shardmaster_options *options)
{
	struct server_options server = SERVER_OPTIONS_WITHOUT_MASTERS_OF(options);
	const char *masters[REPLICAS_MAX];

	for (uint32_t i = 0; i < options->nmembers && i < REPLICAS_MAX; i++)
		masters[server.nmasters++] = options->members[i].client_address;
	server.masters = masters;
	server_init(&master->server, &kind, &ops, &server);
}

struct node *shardmaster_create(const struct shardmaster_options *options)
{
	struct shardmaster *master = ALLOC(struct shardmaster);
	struct rsm_options rsm = {
		.no_force =
			"the shard masters keep the generations of the groups, and nobody keeps "
			"theirs: those who were lost would serve beside this one when they come "
			"back; bring back the directories of as many as make a majority",
		.node = &master->server.node,
		.consensus = consensus_default(),
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
	init_server(master, options);
	for (uint32_t i = 0; i < options->nmembers; i++)
		rsm.members[i] = options->members[i];
	timer_init(&master->attend, attend, master);
	waiters_init(&master->watchers, &(struct waiters_options){.node = &master->server.node,
								  .max = WATCHERS_MAX,
								  .leave = leave,
								  .context = master});
	master->server.app = shardmaster_app_create(options->nshards);
	shardmaster_app_tell_clients(master->server.app, read_clients, master);
	rsm.app = master->server.app;
	rsm.settings.group.shards = options->nshards;
	master->server.rsm = rsm_create(&rsm);
	add_metrics(master);
	return &master->server.node;
}

struct shard_config *shardmaster_config(struct node *node)
{
	return shardmaster_app_newest(shardmaster_of(node)->server.app);
}

bool shardmaster_knows(struct node *node, uint64_t gid)
{
	return shardmaster_app_knows(shardmaster_of(node)->server.app, gid);
}

uint32_t shardmaster_generation(struct node *node, uint64_t gid)
{
	return shardmaster_app_generation(shardmaster_of(node)->server.app, gid);
}

struct rsm *shardmaster_rsm(struct node *node)
{
	return shardmaster_of(node)->server.rsm;
}
