/* Life of a shardkv replica, and the way of its messages. */
#include "shardkv/node_internal.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "cores/cores.h"
#include "wire/method.h"

/* Everything that callbacks have put off. */
static void work(void *data)
{
	struct shardkv_node *n = data;
	if (n->deposed || !n->leading) {
		n->serving = false;
		follow_stop(n);
		claims_abandon(n);
		report_stop(n);
		registrar_release(&n->registrar);
	}
	n->deposed = false;
	if (n->leading && !n->serving) {
		n->serving = true;
		follow_start(n);
	}
	follow_work(n);
	claims_work(n);
	report_work(n);
}

static void on_applied(void *context)
{
	struct shardkv_node *n = context;
	/* In steady state nothing waits for entries, and no timer is set for them. */
	if (n->logged_config != shardkv_app_config_number(n->server.app) || n->claims.nparked > 0 ||
	    n->claims.state >= CLAIM_GRANTED ||
	    (n->watch != NULL && master_watch_config(n->watch) != NULL &&
	     master_watch_config(n->watch)->number > n->logged_config))
		shardkv_node_wake(n);
}

static void on_leadership(void *context, bool leader)
{
	struct shardkv_node *n = context;
	n->leading = leader;
	n->deposed |= !leader;
	shardkv_app_judge_ownership(n->server.app, leader);
	shardkv_node_wake(n);
}

static void on_members(void *context, const struct group_members *members)
{
	(void)members; /* read from the rsm when the work is done */
	shardkv_node_wake(context);
}

static int start(struct node *node)
{
	struct shardkv_node *n = shardkv_node_of(node);
	int status = rsm_start(n->server.rsm);
	if (status == 0)
		generation_ask(n);
	return status;
}

static void message(struct node *node, link_id from, const struct message *message)
{
	struct shardkv_node *n = shardkv_node_of(node);
	if (caller_message(n->masters, from, message))
		return;
	/* Once every shard is granted, requests go straight through. */
	if (message->kind == MESSAGE_REQUEST &&
	    (message->method == METHOD_COMMAND || message->method == METHOD_QUERY) && n->leading &&
	    shardkv_app_unclaimed(n->server.app) > 0 && claims_park(n, from, message))
		return;
	if (!rsm_message(n->server.rsm, from, message) && message->kind == MESSAGE_REQUEST)
		server_request(node, from, message);
}

static void link_down(struct node *node, link_id link)
{
	struct shardkv_node *n = shardkv_node_of(node);
	claims_link_down(n, link);
	registrar_link_down(&n->registrar, link);
	caller_link_down(n->masters, link);
	rsm_link_down(n->server.rsm, link);
}

static void turn_end(struct node *node)
{
	struct shardkv_node *n = shardkv_node_of(node);
	rsm_turn_end(n->server.rsm);
	shardkv_app_idle_work(n->server.app);
}

static void stop(struct node *node)
{
	struct shardkv_node *n = shardkv_node_of(node);
	n->leading = false;
	work(n);
	rsm_stop(n->server.rsm);
}

static void destroy(struct node *node)
{
	struct shardkv_node *n = shardkv_node_of(node);
	node_timer_cancel(node, &n->work);
	follow_stop(n);
	report_stop(n);
	generation_free(n);
	claims_free(n);
	registrar_free(&n->registrar);
	caller_destroy(n->masters);
	server_done(&n->server);
	free(n);
}

static const struct node_ops shardkv_node_ops = {
	.start = start,
	.message = message,
	.link_down = link_down,
	.turn_end = turn_end,
	.stop = stop,
	.destroy = destroy,
	.ready = server_ready,
	.stop_voting = server_stop_voting,
	.status_json = server_write_json,
};

static const struct server_method methods[] = {
	{METHOD_STATUS, .handle = server_answer_status},
	{METHOD_CLUSTER, .handle = server_answer_cluster},
	{METHOD_REGISTER, .handle = clients_refuse_register},
	{0},
};

static const struct server_kind kind = {
	.role = "shardkv",
	.text = "a shardkv server",
	.methods = methods,
	.fill_status = node_status_fill,
};

static void init_server(struct shardkv_node *n, const struct shardkv_node_options *options)
{
	struct server_options server = SERVER_OPTIONS_OF(options);
	const char *told[REPLICAS_MAX];
	for (uint32_t i = 0; i < options->nmasters; i++)
		told[i] = options->client_masters[i] != NULL ? options->client_masters[i]
							     : options->masters[i];
	server.masters = told;
	server_init(&n->server, &kind, &shardkv_node_ops, &server);
}

/* The strings are the server's copies. */
static void copy_options(struct shardkv_node *n, const struct shardkv_node_options *options)
{
	struct server *server = &n->server;
	n->options = *options;
	n->options.cluster = server->cluster;
	n->options.name = server->name;
	n->options.version = server->version;
	for (uint32_t i = 0; i < options->nmembers; i++) {
		struct rsm_member *m = &n->options.members[i];
		m->name = server_keep(server, m->name);
		m->address = server_keep(server, m->address);
		m->client_address = server_keep(server, m->client_address);
	}
	for (uint32_t i = 0; i < options->nmasters; i++) {
		n->options.masters[i] = server_keep(server, options->masters[i]);
		n->options.client_masters[i] = server->masters[i];
	}
}

static void create_rsm(struct shardkv_node *n)
{
	struct rsm_options options = {
		.node = &n->server.node,
		.app = n->server.app,
		.consensus = consensus_default(),
		.group = n->options.gid,
		.replica = n->options.replica,
		.nmembers = n->options.nmembers,
		.members_slot = n->options.members_slot,
		.joining = n->options.joining,
		.generation = n->options.generation,
		.force = n->options.force,
		.record_generation = n->options.nmasters > 0 ? generation_record : NULL,
		.no_force = "without shard masters nobody could keep the members that were lost "
			    "from serving again when they come back",
		.settings = n->options.settings,
		.applied = on_applied,
		.leadership = on_leadership,
		.members_changed = on_members,
		.unregistered = n->options.nmasters > 0 ? clients_unregistered : NULL,
		.context = n,
	};
	options.settings.group.shards = n->options.nshards;
	options.settings.group.value_bytes_max = n->options.value_bytes_max;
	memcpy(options.members, n->options.members, sizeof n->options.members);
	n->server.rsm = rsm_create(&options);
}

struct node *shardkv_node_create(const struct shardkv_node_options *options)
{
	ASSERT(options->nmembers <= MEMBERS_MAX && options->nmasters <= REPLICAS_MAX);
	struct shardkv_node *n = ALLOC(struct shardkv_node);
	init_server(n, options);
	copy_options(n, options);
	timer_init(&n->work, work, n);
	claims_init(n);
	report_init(n);
	generation_init(n);
	struct shardkv_app_options app = {
		.store = store_memory_create(options->nshards),
		.gid = options->gid,
		.nshards = options->nshards,
		.key_bytes_max = options->key_bytes_max,
		.value_bytes_max = options->value_bytes_max,
	};
	n->server.app = shardkv_app_create(&app);
	shardkv_app_judge_ownership(n->server.app, false);
	struct caller_options caller = {.node = &n->server.node};
	n->masters = caller_create(&caller);
	caller_set_addresses(n->masters, n->options.masters, n->options.nmasters);
	caller_adopt_hints(n->masters);
	clients_init(n);
	create_rsm(n);
	node_status_metrics(n);
	return &n->server.node;
}

struct app *shardkv_node_app(struct node *node)
{
	return shardkv_node_of(node)->server.app;
}

struct rsm *shardkv_node_rsm(struct node *node)
{
	return shardkv_node_of(node)->server.rsm;
}
