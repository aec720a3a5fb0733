#include "group.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hashslot.h"
#include "daemon/daemon_rsm.h"
#include "shardkv/app.h"
#include "wire/method.h"

#define WATCHES_MAX 8

/* ---- a shard master that does as it is told ---- */

struct master {
	struct node node;
	struct group *group;
	struct arena arena;
	struct buffer out;
	uint32_t nwatches;
	struct {
		link_id link;
		struct message message;
	} watches[WATCHES_MAX];
};

static struct master *master_of(struct node *node)
{
	return (struct master *)(void *)node;
}

static int start_nothing(struct node *node)
{
	(void)node;
	return 0;
}

static void nothing(struct node *node)
{
	(void)node;
}

static bool always(struct node *node)
{
	(void)node;
	return true;
}

static void no_json(struct node *node, struct buffer *out)
{
	(void)node;
	(void)out;
}

static void stop_at_once(struct node *node)
{
	node->env->ops->stopped(node->env);
}

static void tell_config(struct master *m, link_id link, const struct message *request)
{
	struct group *g = m->group;
	struct wire_group groups[2];
	for (uint32_t i = 0; i < 2; i++)
		groups[i] = (struct wire_group){
			.gid = i + 1, .nmembers = 1, .members = {slice_string("g:1")}};
	groups[0].nmembers = g->nreplicas;
	for (uint32_t i = 0; i < g->nreplicas; i++)
		groups[0].members[i] = slice_string(
			i == 0 && g->elsewhere != NULL ? g->elsewhere : g->replicas[i]->address);
	struct wire_config config = {.clients = g->clients,
				     .number = g->number,
				     .nshards = GROUP_SHARDS,
				     .shards = g->gids,
				     .ngroups = g->number == 0 ? 0 : 2,
				     .groups = groups};
	buffer_clear(&m->out);
	wire_config_encode(&config, &m->out);
	node_reply(&m->node, link, request, 0, buffer_slice(&m->out));
}

static void tell_watchers(void *data, struct node *node)
{
	struct master *m = master_of(node);
	(void)data;
	for (uint32_t i = 0; i < m->nwatches && i < WATCHES_MAX; i++)
		tell_config(m, m->watches[i].link, &m->watches[i].message);
	m->nwatches = 0;
}

/* If a group has other members than the configuration says: from now on that says so, too. */
static void answer_report(struct master *m, link_id from, const struct message *message,
			  const struct wire_master_command *report)
{
	struct group *g = m->group;
	ck_assert_uint_eq(report->ngroups, 1);
	ck_assert_uint_eq(report->groups[0].gid, 1);
	g->reports_received++;
	g->reported_slot = report->slot;
	g->reported_id = report->group_id;
	g->reported_members = report->groups[0].nmembers;
	for (uint32_t i = 0; i < g->nreplicas; i++)
		ck_assert(slice_equal(report->groups[0].members[i],
				      slice_string(g->replicas[i]->address)));
	if (g->reports == CLAIM_HOLD)
		return;
	buffer_clear(&m->out);
	if (g->reports == CLAIM_DENY) {
		wire_error_format(&m->out, "not you");
		node_reply(&m->node, from, message, STATUS_DENIED, buffer_slice(&m->out));
		return;
	}
	g->number += g->elsewhere != NULL;
	g->elsewhere = NULL;
	wire_master_reply_encode(&(struct wire_master_reply){.config = g->number}, &m->out);
	node_reply(&m->node, from, message, 0, buffer_slice(&m->out));
	tell_watchers(NULL, &m->node);
}

static void answer_claim(struct master *m, link_id from, const struct message *message)
{
	struct group *g = m->group;
	struct wire_command command;
	struct wire_master_command claim;
	arena_reset(&m->arena);
	ck_assert_int_eq(wire_command_decode(message->payload, &m->arena, &command), 0);
	ck_assert_int_eq(wire_master_command_decode(command.body, &m->arena, &claim), 0);
	if (claim.op == WIRE_MASTER_MEMBERS) {
		answer_report(m, from, message, &claim);
		return;
	}
	ck_assert_int_eq(claim.op, WIRE_MASTER_CLAIM);
	ck_assert_uint_eq(claim.ngids, 1);
	ck_assert_uint_eq(claim.gids[0], 1);
	g->claims_received++;
	g->shards_claimed = claim.nshards;
	if (g->claims == CLAIM_HOLD)
		return;
	struct wire_master_reply reply = {.config = g->number, .granted = claim.shards};
	for (uint32_t i = 0; i < claim.nshards && g->claims == CLAIM_GRANT; i++) {
		if (g->gids[claim.shards[i]] == 1)
			claim.shards[reply.ngranted++] = claim.shards[i];
	}
	buffer_clear(&m->out);
	wire_master_reply_encode(&reply, &m->out);
	node_reply(&m->node, from, message, 0, buffer_slice(&m->out));
}

static void master_message(struct node *node, link_id from, const struct message *message)
{
	struct master *m = master_of(node);
	struct wire_master_query query = {0};
	arena_reset(&m->arena);
	if (message->method == METHOD_COMMAND) {
		answer_claim(m, from, message);
	} else if (message->method == METHOD_QUERY) {
		ck_assert_int_eq(wire_master_query_decode(message->payload, &m->arena, &query), 0);
		m->group->questions += query.brief;
		if (!query.brief || !m->group->deaf)
			tell_config(m, from, message);
	} else if (message->method == METHOD_WATCH) {
		ck_assert_int_eq(wire_master_query_decode(message->payload, &m->arena, &query), 0);
		if (query.number < m->group->number) {
			tell_config(m, from, message);
			return;
		}
		uint32_t at = m->nwatches++ % WATCHES_MAX;
		m->watches[at].link = from;
		m->watches[at].message = *message;
		m->watches[at].message.payload = slice(NULL, 0);
	}
}

static void master_link_down(struct node *node, link_id link)
{
	(void)node;
	(void)link;
}

static void master_destroy(struct node *node)
{
	struct master *m = master_of(node);
	arena_free(&m->arena);
	buffer_free(&m->out);
	node_done(node);
	free(m);
}

static const struct node_ops master_ops = {
	.start = start_nothing,
	.message = master_message,
	.link_down = master_link_down,
	.turn_end = nothing,
	.stop = stop_at_once,
	.destroy = master_destroy,
	.ready = always,
	.status_json = no_json,
};

static struct node *build_master(void *context, struct sim_process *process)
{
	struct master *m = ALLOC(struct master);
	node_init(&m->node, &master_ops, &process->env, &process->log);
	m->group = context;
	arena_init(&m->arena, ARENA_BYTES_MAX);
	return &m->node;
}

void group_configure(struct group *g, uint64_t number, uint64_t gid0, uint64_t gid1, uint64_t gid2,
		     uint64_t gid3)
{
	g->number = number;
	g->gids[0] = gid0;
	g->gids[1] = gid1;
	g->gids[2] = gid2;
	g->gids[3] = gid3;
	if (g->master->state == SIM_RUNNING)
		sim_process_call(g->master, tell_watchers, NULL);
}

/* ---- a client that remembers every answer ---- */

struct client {
	struct node node;
	struct group *group;
};

static struct client *client_of(struct node *node)
{
	return (struct client *)(void *)node;
}

static void client_message(struct node *node, link_id from, const struct message *message)
{
	struct group *g = client_of(node)->group;
	(void)from;
	ck_assert_int_eq(message->kind, MESSAGE_REPLY);
	ck_assert_uint_lt(message->id, g->nasked);
	struct asked *asked = &g->asked[message->id];
	ck_assert(!asked->done);
	asked->done = true;
	asked->status = message->status;
	asked->payload = bytes_copy(message->payload);
}

static void client_link_down(struct node *node, link_id link)
{
	struct group *g = client_of(node)->group;
	for (uint32_t i = 0; i < g->nasked; i++)
		g->asked[i].lost |= !g->asked[i].done && g->asked[i].link == link;
}

static void client_destroy(struct node *node)
{
	node_done(node);
	free(client_of(node));
}

static const struct node_ops client_ops = {
	.start = start_nothing,
	.message = client_message,
	.link_down = client_link_down,
	.turn_end = nothing,
	.stop = stop_at_once,
	.destroy = client_destroy,
	.ready = always,
	.status_json = no_json,
};

static struct node *build_client(void *context, struct sim_process *process)
{
	struct client *c = ALLOC(struct client);
	node_init(&c->node, &client_ops, &process->env, &process->log);
	c->group = context;
	return &c->node;
}

struct sending {
	const char *address;
	struct message message;
	struct bytes *payload;
	struct group *group;
};

static void send_now(void *data, struct node *node)
{
	struct sending *s = data;
	struct asked *asked = &s->group->asked[s->message.id];
	asked->link = node_dial(node, s->address);
	node_send(node, asked->link, &s->message);
	bytes_unref(s->payload);
	free(s);
}

uint32_t group_send(struct group *g, struct sim_process *to, uint16_t method, struct slice payload,
		    uint32_t timeout_ms)
{
	struct sending *s = ALLOC(struct sending);
	ck_assert_uint_lt(g->nasked, ASKED_MAX);
	s->group = g;
	s->address = to->address;
	s->payload = bytes_copy(payload);
	s->message = (struct message){.kind = MESSAGE_REQUEST,
				      .method = method,
				      .id = g->nasked,
				      .timeout_ms = timeout_ms,
				      .payload = bytes_slice(s->payload)};
	sim_process_call(g->client, send_now, s);
	return g->nasked++;
}

static bool is_over(void *context)
{
	const struct asked *asked = context;
	return asked->done || asked->lost;
}

struct asked *group_wait(struct group *g, uint32_t number)
{
	sim_world_run_until_true(g->world, is_over, &g->asked[number], 20 * SIM_SECOND);
	return &g->asked[number];
}

uint32_t group_send_op(struct group *g, struct sim_process *to, const struct wire_kv_op *op,
		       uint32_t timeout_ms)
{
	struct buffer body = {0}, payload = {0};
	struct slice key = op->key;
	uint16_t method = METHOD_QUERY;
	if (op->kind == WIRE_KV_GET) {
		struct wire_kv_query query = {.nkeys = 1, .keys = &key};
		wire_kv_query_encode(&query, &payload);
	} else {
		struct wire_kv_op copy = *op;
		struct wire_kv_command kv = {.nthen = 1, .then = &copy};
		wire_kv_command_encode(&kv, &body);
		struct wire_command command = {.body = buffer_slice(&body)};
		wire_command_encode(&command, &payload);
		method = METHOD_COMMAND;
	}
	uint32_t number = group_send(g, to, method, buffer_slice(&payload), timeout_ms);
	buffer_free(&body);
	buffer_free(&payload);
	return number;
}

uint32_t group_send_as(struct group *g, struct sim_process *to, uint64_t client, uint64_t sequence,
		       uint64_t acknowledged, const struct wire_kv_op *op)
{
	struct buffer body = {0}, payload = {0};
	struct wire_kv_op copy = *op;
	struct wire_kv_command kv = {.nthen = 1, .then = &copy};
	wire_kv_command_encode(&kv, &body);
	struct wire_command command = {.client = client,
				       .sequence = sequence,
				       .acknowledged = acknowledged,
				       .body = buffer_slice(&body)};
	wire_command_encode(&command, &payload);
	uint32_t number = group_send(g, to, METHOD_COMMAND, buffer_slice(&payload), 5000);
	buffer_free(&body);
	buffer_free(&payload);
	return number;
}

uint32_t group_send_scan(struct group *g, struct sim_process *to, uint64_t config)
{
	struct buffer payload = {0};
	struct wire_kv_query query = {.has_scan = true, .scan = {.config = config}};
	wire_kv_query_encode(&query, &payload);
	uint32_t number = group_send(g, to, METHOD_QUERY, buffer_slice(&payload), 1000);
	buffer_free(&payload);
	return number;
}

const char *group_key(char out[16], uint32_t shard)
{
	for (unsigned i = 0;; i++) {
		snprintf(out, 16, "k%u", i);
		if (shard_of_key(slice_string(out), GROUP_SHARDS) == shard)
			return out;
	}
}

/* ---- the group ---- */

/* As the daemon does. */
static void take_settings(struct shardkv_node_options *options, const struct settings *settings)
{
	struct daemon daemon = {.settings = *settings};
	options->settings = daemon_rsm_settings(&daemon);
	options->key_bytes_max = (uint32_t)settings->key_bytes_max;
	options->value_bytes_max = (uint32_t)settings->value_bytes_max;
}

static struct node *build_replica(void *context, struct sim_process *process)
{
	struct group *g = context;
	struct shardkv_node_options options = {
		.env = &process->env,
		.log = &process->log,
		.cluster = "test",
		.name = process->name,
		.version = "1",
		.gid = 1,
		.nmembers = g->nreplicas,
		.nshards = GROUP_SHARDS,
		.nmasters = 1,
		.masters = {"m:1"},
		.client_masters = {"m:1"},
		.key_bytes_max = g->key_bytes_max,
		.value_bytes_max = VALUE_BYTES_MAX,
	};
	static const char *const names[] = {"a", "b", "c"};
	static const char *const addresses[] = {"a:1", "b:1", "c:1"};
	rsm_settings_default(&options.settings);
	options.settings.wal_segment_bytes = 4 * MIB;
	for (uint32_t i = 0; i < g->nreplicas; i++) {
		options.members[i] = (struct rsm_member){.replica = i + 1,
							 .name = names[i],
							 .address = addresses[i],
							 .client_address = addresses[i]};
		if (strcmp(names[i], process->name) == 0)
			options.replica = i + 1;
	}
	if (g->settings[options.replica - 1] != NULL)
		take_settings(&options, g->settings[options.replica - 1]);
	if (g->shards[options.replica - 1] != 0)
		options.nshards = g->shards[options.replica - 1];
	return shardkv_node_create(&options);
}

struct group *group_create(uint32_t nreplicas)
{
	static const char *const names[] = {"a", "b", "c"};
	struct group *g = ALLOC(struct group);
	struct sim_options options;
	sim_options_calm(&options);
	g->nreplicas = nreplicas;
	g->key_bytes_max = 100;
	g->world = sim_world_create(42, &options);
	g->master = sim_process_add(g->world, &(struct sim_process_spec){.name = "m",
									 .address = "m:1",
									 .build = build_master,
									 .context = g});
	g->client = sim_process_add(
		g->world,
		&(struct sim_process_spec){.name = "client", .build = build_client, .context = g});
	for (uint32_t i = 0; i < nreplicas; i++) {
		char address[8];
		snprintf(address, sizeof address, "%s:1", names[i]);
		g->replicas[i] = sim_process_add(g->world,
						 &(struct sim_process_spec){.name = names[i],
									    .address = address,
									    .build = build_replica,
									    .context = g,
									    .disk = true,
									    .lives = true});
		sim_process_start(g->replicas[i]);
		ck_assert_int_eq(g->replicas[i]->state, SIM_RUNNING);
	}
	sim_process_start(g->master);
	sim_process_start(g->client);
	return g;
}

void group_destroy(struct group *g)
{
	sim_world_destroy(g->world);
	for (uint32_t i = 0; i < g->nasked; i++)
		bytes_unref(g->asked[i].payload);
	free(g);
}

struct sim_process *group_leader(struct group *g)
{
	for (uint32_t i = 0; i < g->nreplicas; i++) {
		struct sim_process *p = g->replicas[i];
		if (p->state == SIM_RUNNING && rsm_is_leader(shardkv_node_rsm(p->node)))
			return p;
	}
	return NULL;
}

static bool settled(void *context)
{
	struct group *g = context;
	struct sim_process *leader = group_leader(g);
	return leader != NULL &&
	       shardkv_app_config_number(shardkv_node_app(leader->node)) == g->number;
}

void group_settle(struct group *g)
{
	ck_assert(sim_world_run_until_true(g->world, settled, g, 20 * SIM_SECOND));
}
