/*
 * Three shard masters and their clients in a calm simulated world: the courses' replicated
 * scenarios, WATCH, who answers what.
 */
#include "shardmaster/node.h"

#include <stdio.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "shardmaster/watch.h"
#include "sim/network.h"
#include "sim/world.h"
#include "wire/method.h"

#define MASTERS 3
#define CLIENTS 4
#define NSHARDS 10

/* ---- a client: a caller, a watch, and the last reply ---- */

struct client {
	struct node node;
	struct caller *caller;
	struct master_watch *watch;
	uint16_t method;
	struct buffer request;
	uint64_t timeout_us;
	bool waiting;
	int status;
	struct buffer reply;
	uint64_t answered_us;
};

static const char *const ADDRESSES[MASTERS] = {"m1:1", "m2:1", "m3:1"};
static struct sim_world *world;
static struct sim_process *masters[MASTERS];
static struct sim_process *clients[CLIENTS];
static uint32_t reachable[CLIENTS]; /* bits: which masters the client knows; 0: all */

static struct client *client_of(struct node *node)
{
	return (struct client *)(void *)node;
}

static int client_start(struct node *node)
{
	struct client *client = client_of(node);
	const char *addresses[MASTERS];
	uint32_t count = 0;
	uint32_t index = 0;

	while (clients[index] == NULL || clients[index]->node != node)
		index++;
	for (uint32_t i = 0; i < MASTERS; i++)
		if (reachable[index] == 0 || (reachable[index] >> i & 1) != 0)
			addresses[count++] = ADDRESSES[i];
	client->caller = caller_create(&(struct caller_options){.node = node});
	caller_set_addresses(client->caller, addresses, count);
	client->watch = master_watch_create(&(struct master_watch_options){
		.node = node, .caller = client->caller, .poll = true});
	return 0;
}

static void client_message(struct node *node, link_id from, const struct message *message)
{
	caller_message(client_of(node)->caller, from, message);
}

static void client_link_down(struct node *node, link_id link)
{
	caller_link_down(client_of(node)->caller, link);
}

static void client_turn_end(struct node *node)
{
	(void)node;
}

static void client_stop(struct node *node)
{
	node->env->ops->stopped(node->env);
}

static void client_destroy(struct node *node)
{
	struct client *client = client_of(node);

	if (client->watch != NULL) {
		master_watch_destroy(client->watch);
		caller_destroy(client->caller);
	}
	buffer_free(&client->request);
	buffer_free(&client->reply);
	node_done(node);
	free(client);
}

static const struct node_ops client_ops = {
	.start = client_start,
	.message = client_message,
	.link_down = client_link_down,
	.turn_end = client_turn_end,
	.stop = client_stop,
	.destroy = client_destroy,
};

static struct node *build_client(void *context, struct sim_process *process)
{
	struct client *client = ALLOC(struct client);

	(void)context;
	node_init(&client->node, &client_ops, &process->env, &process->log);
	return &client->node;
}

/* ---- the world ---- */

static struct node *build_master(void *context, struct sim_process *process)
{
	static const char *const names[MASTERS] = {"m1", "m2", "m3"};
	uint32_t index = *(uint32_t *)context;
	struct shardmaster_options options = {
		.env = &process->env,
		.log = &process->log,
		.cluster = "test",
		.name = names[index],
		.version = "0",
		.nshards = NSHARDS,
		.replica = index + 1,
		.nmembers = MASTERS,
	};

	rsm_settings_default(&options.settings);
	options.settings.wal_segment_bytes = 8 * MIB;
	for (uint32_t i = 0; i < MASTERS; i++)
		options.members[i] = (struct rsm_member){.replica = i + 1,
							 .name = names[i],
							 .address = ADDRESSES[i],
							 .client_address = ADDRESSES[i]};
	return shardmaster_create(&options);
}

static void begin(uint64_t seed)
{
	static uint32_t indexes[MASTERS] = {0, 1, 2};
	struct sim_options options;
	char name[16];

	sim_options_calm(&options);
	world = sim_world_create(seed, &options);
	for (uint32_t i = 0; i < MASTERS; i++) {
		snprintf(name, sizeof name, "m%u", i + 1);
		masters[i] = sim_process_add(world,
					     &(struct sim_process_spec){.name = name,
									.address = ADDRESSES[i],
									.build = build_master,
									.context = &indexes[i],
									.disk = true});
	}
	for (uint32_t i = 0; i < CLIENTS; i++) {
		snprintf(name, sizeof name, "c%u", i + 1);
		clients[i] = sim_process_add(
			world, &(struct sim_process_spec){.name = name, .build = build_client});
	}
	for (uint32_t i = 0; i < MASTERS; i++)
		sim_process_start(masters[i]);
	for (uint32_t i = 0; i < CLIENTS; i++)
		sim_process_start(clients[i]);
}

static void end(void)
{
	for (uint32_t i = 0; i < MASTERS; i++)
		ck_assert_int_ne((int)masters[i]->state, (int)SIM_HALTED);
	sim_world_destroy(world);
	memset(reachable, 0, sizeof reachable);
	memset(clients, 0, sizeof clients);
}

static struct client *client(uint32_t index)
{
	return client_of(clients[index]->node);
}

static void reply_done(void *context, int status, struct slice payload)
{
	struct client *c = context;

	c->waiting = false;
	c->status = status;
	buffer_clear(&c->reply);
	buffer_add_slice(&c->reply, payload);
	c->answered_us = node_now_us(&c->node);
}

static void send_request(void *data, struct node *node)
{
	struct client *c = data;

	ck_assert_ptr_eq(node, &c->node);
	caller_start(c->caller, c->method, buffer_slice(&c->request),
		     node_now_us(node) + c->timeout_us, reply_done, c);
}

/* Starts the request that c->request holds. */
static void start_request(uint32_t index, uint16_t method, uint64_t timeout_us)
{
	struct client *c = client(index);

	c->method = method;
	c->timeout_us = timeout_us;
	c->waiting = true;
	sim_process_call(clients[index], send_request, c);
}

static bool has_answer(void *context)
{
	return !((struct client *)context)->waiting;
}

static int wait_answer(uint32_t index)
{
	ck_assert(sim_world_run_until_true(world, has_answer, client(index), 60 * SIM_SECOND));
	return client(index)->status;
}

/* A command without a session, started. */
static void start_command(uint32_t index, const struct wire_master_command *command)
{
	struct buffer body = {0};
	struct client *c = client(index);

	wire_master_command_encode(command, &body);
	buffer_clear(&c->request);
	wire_command_encode(&(struct wire_command){.body = buffer_slice(&body)}, &c->request);
	buffer_free(&body);
	start_request(index, METHOD_COMMAND, 10 * SIM_SECOND);
}

static void start_join(uint32_t index, uint64_t gid)
{
	char address[40];
	struct wire_group group = {.gid = gid, .nmembers = 1};

	snprintf(address, sizeof address, "g%u:7000", (unsigned)gid);
	group.members[0] = slice_string(address);
	start_command(index, &(struct wire_master_command){
				     .op = WIRE_MASTER_JOIN, .ngroups = 1, .groups = &group});
}

/* Without a session a join that was sent twice may find itself done. */
static int join(uint32_t index, uint64_t gid)
{
	start_join(index, gid);
	int status = wait_answer(index);
	return status == STATUS_EXISTS ? 0 : status;
}

static void start_query(uint32_t index, uint16_t method, uint64_t number, uint64_t timeout_us)
{
	buffer_clear(&client(index)->request);
	wire_master_query_encode(&(struct wire_master_query){.number = number},
				 &client(index)->request);
	start_request(index, method, timeout_us);
}

/* The configuration of the last answer; to be unreferenced. */
static struct shard_config *answered_config(uint32_t index)
{
	struct shard_config *config = NULL;
	struct arena arena;

	arena_init(&arena, ARENA_BYTES_MAX);
	ck_assert_int_eq(shard_config_decode(buffer_slice(&client(index)->reply), &arena, &config),
			 0);
	arena_free(&arena);
	return config;
}

static uint64_t answered_number(uint32_t index)
{
	struct shard_config *config = answered_config(index);
	uint64_t number = config->number;

	shard_config_unref(config);
	return number;
}

static uint32_t leader(void)
{
	for (uint32_t i = 0; i < MASTERS; i++)
		if (masters[i]->state == SIM_RUNNING &&
		    rsm_is_leader(shardmaster_rsm(masters[i]->node)))
			return i;
	return UINT32_MAX;
}

static bool has_leader(void *context)
{
	(void)context;
	return leader() != UINT32_MAX;
}

static void wait_leader(void)
{
	ck_assert(sim_world_run_until_true(world, has_leader, NULL, 30 * SIM_SECOND));
}

/* ---- tests ---- */

static void deafen(uint32_t deaf)
{
	for (uint32_t i = 0; i < MASTERS; i++)
		if (i != deaf)
			sim_network_cut(world, masters[i], masters[deaf]);
}

/*
 * Joins and leaves by several clients at once all happen, and every replica ends in the same
 * configuration.
 */
static void change_concurrently(bool deaf)
{
	begin(1);
	if (deaf)
		deafen(0);
	for (uint64_t round = 0; round < 5; round++) {
		for (uint32_t c = 0; c < CLIENTS; c++)
			start_join(c, 1 + round * CLIENTS + c);
		for (uint32_t c = 0; c < CLIENTS; c++)
			ck_assert_int_eq(wait_answer(c), 0);
	}
	for (uint64_t gid = 1; gid <= 10; gid++) {
		start_command(0, &(struct wire_master_command){
					 .op = WIRE_MASTER_LEAVE, .ngids = 1, .gids = &gid});
		ck_assert_int_eq(wait_answer(0), 0);
	}
	sim_network_heal(world);
	sim_world_run_for(world, deaf ? 10 * SIM_SECOND : SIM_SECOND);
	struct shard_config *first = shardmaster_config(masters[0]->node);
	ck_assert_uint_eq(first->number, 30);
	ck_assert_uint_eq(first->ngroups, 10);
	for (uint32_t i = 1; i < MASTERS; i++)
		ck_assert_uint_eq(shardmaster_config(masters[i]->node)->hash, first->hash);
	end();
}
END_TEST

/* course: 2015 shardmaster TestBasic (concurrent part) — Changes by several clients at once: all replicas agree. */
START_TEST(concurrent_changes_agree)
{
	change_concurrently(false);
}
END_TEST

/*
 * course: 2015 shardmaster TestUnreliable — The same while one replica hears nothing of the others;
 * later it catches up.
 */
START_TEST(concurrent_changes_while_one_is_deaf)
{
	change_concurrently(true);
}
END_TEST

/*
 * course: 2015 shardmaster TestFreshQuery — A replica that hears nothing of its peers never shows
 * an old configuration for the newest.
 */
START_TEST(deaf_replica_shows_nothing_old)
{
	begin(2);
	for (uint32_t deaf = 0; deaf < MASTERS; deaf++) {
		wait_leader();
		ck_assert_int_eq(join(0, 100 + deaf), 0);
		deafen(deaf);
		ck_assert_int_eq(join(0, 200 + deaf), 0);
		uint64_t number = 2 * deaf + 2;
		/* A client that asks all of them sees what was just made, whichever is deaf. */
		start_query(1, METHOD_QUERY, UINT64_MAX, 20 * SIM_SECOND);
		ck_assert_int_eq(wait_answer(1), 0);
		ck_assert_uint_eq(answered_number(1), number);
		sim_network_heal(world);
	}
	end();
}
END_TEST

/* The deaf replica alone, asked directly, does not answer at all rather than with something old. */
START_TEST(deaf_replica_alone_does_not_answer)
{
	reachable[1] = 1;
	begin(3);
	ck_assert_int_eq(join(0, 1), 0);
	sim_network_isolate(world, masters[0]);
	sim_network_mend(world, clients[1], masters[0]);
	sim_network_mend(world, masters[0], clients[1]);
	ck_assert_int_eq(join(0, 2), 0);
	start_query(1, METHOD_QUERY, UINT64_MAX, 3 * SIM_SECOND);
	ck_assert_int_ne(wait_answer(1), 0);
	end();
}
END_TEST

/*
 * WATCH is answered as soon as there is something newer, with it; and with what there is when its
 * time is up.
 */
START_TEST(watch_waits_for_news)
{
	begin(4);
	ck_assert_int_eq(join(0, 1), 0);
	/* Newer already: at once. */
	start_query(1, METHOD_WATCH, 0, 20 * SIM_SECOND);
	uint64_t started = world->now_us;
	ck_assert_int_eq(wait_answer(1), 0);
	ck_assert_uint_eq(answered_number(1), 1);
	ck_assert_uint_lt(world->now_us - started, SIM_SECOND);

	start_query(1, METHOD_WATCH, 1, 20 * SIM_SECOND);
	start_query(2, METHOD_WATCH, 5, 4 * SIM_SECOND);
	sim_world_run_for(world, SIM_SECOND);
	ck_assert(client(1)->waiting);
	started = world->now_us;
	ck_assert_int_eq(join(0, 2), 0);
	ck_assert_int_eq(wait_answer(1), 0);
	ck_assert_uint_eq(answered_number(1), 2);
	ck_assert_uint_lt(world->now_us - started, SIM_SECOND);
	/* Nothing that it waits for comes: its own deadline finds an answer in time. */
	ck_assert_int_eq(wait_answer(2), 0);
	ck_assert_uint_eq(answered_number(2), 2);
	end();
}
END_TEST

/* The fall of the leader sends those who wait on to the next one, where they learn the news. */
START_TEST(watch_survives_its_leader)
{
	begin(5);
	ck_assert_int_eq(join(0, 1), 0);
	wait_leader();
	uint32_t old = leader();
	for (uint32_t c = 1; c < CLIENTS; c++)
		start_query(c, METHOD_WATCH, 1, 30 * SIM_SECOND);
	sim_world_run_for(world, SIM_SECOND);
	sim_process_crash(masters[old]);
	ck_assert_int_eq(join(0, 2), 0);
	for (uint32_t c = 1; c < CLIENTS; c++) {
		ck_assert_int_eq(wait_answer(c), 0);
		ck_assert_uint_eq(answered_number(c), 2);
	}
	sim_process_start(masters[old]);
	sim_world_run_for(world, 5 * SIM_SECOND);
	ck_assert_uint_eq(shardmaster_config(masters[old]->node)->number, 2);
	end();
}
END_TEST

/* A leader that hands over, at its orderly stop, does not leave those who wait in the dark. */
START_TEST(watch_survives_an_orderly_stop)
{
	begin(6);
	ck_assert_int_eq(join(0, 1), 0);
	wait_leader();
	uint32_t old = leader();
	start_query(1, METHOD_WATCH, 1, 30 * SIM_SECOND);
	sim_world_run_for(world, SIM_SECOND);
	sim_process_stop(masters[old]);
	sim_world_run_for(world, SIM_SECOND);
	ck_assert_int_eq(join(0, 2), 0);
	ck_assert_int_eq(wait_answer(1), 0);
	/* The stopping leader may have answered with what there was then. */
	ck_assert_uint_ge(answered_number(1), 1);
	start_query(1, METHOD_WATCH, 1, 30 * SIM_SECOND);
	ck_assert_int_eq(wait_answer(1), 0);
	ck_assert_uint_eq(answered_number(1), 2);
	end();
}
END_TEST

static void start_watch(void *data, struct node *node)
{
	(void)node;
	master_watch_start(((struct client *)data)->watch);
}

static bool all_know(void *context)
{
	for (uint32_t c = 0; c < CLIENTS; c++) {
		struct shard_config *config = master_watch_config(client(c)->watch);
		if (config == NULL || config->number != *(uint64_t *)context)
			return false;
	}
	return true;
}

/*
 * master_watch follows every change, through crashes of two leaders, without ever being told a lie.
 */
START_TEST(master_watch_follows)
{
	uint64_t number = 0;

	begin(7);
	for (uint32_t c = 0; c < CLIENTS; c++)
		sim_process_call(clients[c], start_watch, client(c));
	ck_assert(sim_world_run_until_true(world, all_know, &number, 30 * SIM_SECOND));
	for (uint64_t gid = 1; gid <= 6; gid++) {
		ck_assert_int_eq(join(0, gid), 0);
		number++;
		ck_assert(sim_world_run_until_true(world, all_know, &number, 30 * SIM_SECOND));
		if (gid % 3 == 0) {
			wait_leader();
			uint32_t old = leader();
			sim_process_power_loss(masters[old]);
			sim_world_run_for(world, 2 * SIM_SECOND);
			sim_process_start(masters[old]);
		}
	}
	for (uint32_t c = 0; c < CLIENTS; c++) {
		struct shard_config *config = master_watch_config(client(c)->watch);
		ck_assert_uint_eq(config->ngroups, 6);
	}
	end();
}
END_TEST

/* STATUS and CLUSTER are answered by any replica, leader or not; an unknown method is named. */
START_TEST(any_replica_tells_of_itself)
{
	struct arena arena;

	for (uint32_t i = 0; i < MASTERS; i++)
		reachable[i] = 1u << i;
	begin(8);
	ck_assert_int_eq(join(3, 1), 0);
	sim_world_run_for(world, SIM_SECOND);
	uint32_t leaders = 0;
	arena_init(&arena, ARENA_BYTES_MAX);
	for (uint32_t c = 0; c < MASTERS; c++) {
		struct wire_status status;
		struct wire_cluster cluster;
		struct wire_error error;
		char name[3] = {'m', (char)('1' + c), 0};
		buffer_clear(&client(c)->request);
		start_request(c, METHOD_STATUS, SIM_SECOND);
		ck_assert_int_eq(wait_answer(c), 0);
		ck_assert_int_eq(
			wire_status_decode(buffer_slice(&client(c)->reply), &arena, &status), 0);
		ck_assert(slice_equal(status.name, slice_string(name)));
		ck_assert(slice_equal(status.role, slice_string("shardmaster")));
		ck_assert_uint_eq(status.config, 1);
		ck_assert_uint_eq(status.replica, c + 1);
		leaders += slice_equal(status.state, slice_string("leader"));

		start_request(c, METHOD_CLUSTER, SIM_SECOND);
		ck_assert_int_eq(wait_answer(c), 0);
		ck_assert_int_eq(
			wire_cluster_decode(buffer_slice(&client(c)->reply), &arena, &cluster), 0);
		ck_assert(slice_equal(cluster.cluster, slice_string("test")));
		ck_assert_uint_eq(cluster.shards, NSHARDS);
		ck_assert_uint_eq(cluster.nmasters, MASTERS);
		ck_assert(slice_equal(cluster.masters[2], slice_string(ADDRESSES[2])));

		start_request(c, 31, SIM_SECOND);
		ck_assert_int_eq(wait_answer(c), STATUS_UNKNOWN_METHOD);
		ck_assert_int_eq(wire_error_decode(buffer_slice(&client(c)->reply), &arena, &error),
				 0);
		ck_assert_uint_gt(error.message.len, 0);
	}
	ck_assert_uint_eq(leaders, 1);
	arena_free(&arena);
	end();
}
END_TEST

/* The status page is one JSON object with what the tools rely on. */
START_TEST(the_status_page_has_what_the_tools_need)
{
	struct buffer page = {0};

	begin(9);
	ck_assert_int_eq(join(0, 1), 0);
	struct node *node = masters[leader()]->node;
	node->ops->status_json(node, &page);
	buffer_add_u8(&page, 0);
	ck_assert_ptr_nonnull(strstr((char *)page.data, "\"role\":\"shardmaster\""));
	ck_assert_ptr_nonnull(strstr((char *)page.data, "\"leader\":true"));
	ck_assert_ptr_nonnull(strstr((char *)page.data, "\"config\":1"));
	buffer_free(&page);
	end();
}
END_TEST
