/*
 * The shardkv node: following configurations, claims and parked requests, what it tells of itself.
 */
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "group.h"
#include "rsm/internal.h"
#include "shardkv/app.h"
#include "shardkv/node_internal.h"
#include "wire/method.h"

static struct arena arena;

static struct wire_kv_op put(const char *key, const char *value)
{
	return (struct wire_kv_op){
		.kind = WIRE_KV_PUT, .key = slice_string(key), .value = slice_string(value)};
}

static struct wire_kv_op get(const char *key)
{
	return (struct wire_kv_op){.kind = WIRE_KV_GET, .key = slice_string(key)};
}

static struct wire_error error_of(const struct asked *asked)
{
	struct wire_error error;
	ck_assert_int_ne(asked->status, 0);
	arena_reset(&arena);
	ck_assert_int_eq(wire_error_decode(bytes_slice(asked->payload), &arena, &error), 0);
	ck_assert(error.message.len > 0);
	return error;
}

static int status_of(struct group *g, uint32_t number)
{
	struct asked *asked = group_wait(g, number);
	ck_assert(asked->done);
	return asked->status;
}

static struct group *begin(uint32_t nreplicas)
{
	struct group *g = group_create(nreplicas);
	arena_init(&arena, ARENA_BYTES_MAX);
	group_configure(g, 1, 1, 1, 2, 1);
	group_settle(g);
	return g;
}

static void finish(struct group *g)
{
	group_destroy(g);
	arena_free(&arena);
}

/*
 * The first request for a shard makes the leader claim it, and is served after the grant; later
 * ones need no claim.
 */
START_TEST(first_request_claims)
{
	struct group *g = begin(1);
	struct sim_process *leader = group_leader(g);
	char key[16];
	struct wire_kv_op op = put(group_key(key, 0), "v");
	ck_assert_uint_eq(g->claims_received, 0);
	ck_assert_int_eq(status_of(g, group_send_op(g, leader, &op, 1000)), 0);
	ck_assert_uint_eq(g->claims_received, 1);
	ck_assert_uint_eq(g->shards_claimed, 1);
	ck_assert_uint_eq(shardkv_app_unclaimed(shardkv_node_app(leader->node)), 2);
	op = get(key);
	ck_assert_int_eq(status_of(g, group_send_op(g, leader, &op, 1000)), 0);
	ck_assert_uint_eq(g->claims_received, 1);
	finish(g);
}
END_TEST

/* Requests that come together share one claim; a scan claims everything that is assigned. */
START_TEST(claims_are_shared)
{
	struct group *g = begin(1);
	struct sim_process *leader = group_leader(g);
	char key[16];
	uint32_t numbers[20];
	for (uint32_t i = 0; i < 20; i++) {
		struct wire_kv_op op = i % 2 == 0 ? put(group_key(key, 1), "v")
						  : get(group_key(key, 1));
		numbers[i] = group_send_op(g, leader, &op, 1000);
	}
	for (uint32_t i = 0; i < 20; i++)
		ck_assert_int_eq(status_of(g, numbers[i]), 0);
	ck_assert_uint_eq(g->claims_received, 1);
	ck_assert_int_eq(status_of(g, group_send_scan(g, leader, 1)), 0);
	ck_assert_uint_eq(g->claims_received, 2);
	ck_assert_uint_eq(g->shards_claimed, 2);
	ck_assert_uint_eq(shardkv_app_unclaimed(shardkv_node_app(leader->node)), 0);
	finish(g);
}
END_TEST

/*
 * A key of another group is refused with the number of the configuration, and nothing is claimed.
 */
START_TEST(other_groups_keys_are_refused)
{
	struct group *g = begin(1);
	char key[16];
	struct wire_kv_op op = put(group_key(key, 2), "v");
	uint32_t number = group_send_op(g, group_leader(g), &op, 1000);
	ck_assert_int_eq(status_of(g, number), STATUS_WRONG_GROUP);
	ck_assert_uint_eq(error_of(&g->asked[number]).config, 1);
	ck_assert_int_eq(status_of(g, group_send_scan(g, group_leader(g), 7)), STATUS_WRONG_GROUP);
	ck_assert_uint_eq(g->claims_received, 0);
	finish(g);
}
END_TEST

/*
 * A newer configuration is adopted by every replica, and a shard that left unclaimed is refused
 * from then on.
 */
START_TEST(newer_configuration_is_adopted)
{
	struct group *g = begin(3);
	char key[16];
	group_configure(g, 5, 2, 1, 1, 1);
	group_settle(g);
	sim_world_run_for(g->world, SIM_SECOND);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_uint_eq(shardkv_app_config_number(shardkv_node_app(g->replicas[i]->node)),
				  5);
	struct wire_kv_op op = put(group_key(key, 0), "v");
	ck_assert_int_eq(status_of(g, group_send_op(g, group_leader(g), &op, 1000)),
			 STATUS_WRONG_GROUP);
	op = put(group_key(key, 2), "v");
	ck_assert_int_eq(status_of(g, group_send_op(g, group_leader(g), &op, 1000)), 0);
	finish(g);
}
END_TEST

/*
 * A shard that the master does not grant belongs to somebody else: WRONG_GROUP with the master's
 * number.
 */
START_TEST(denied_claim_is_wrong_group)
{
	struct group *g = begin(1);
	char key[16];
	g->claims = CLAIM_DENY;
	struct wire_kv_op op = put(group_key(key, 0), "v");
	uint32_t number = group_send_op(g, group_leader(g), &op, 1000);
	g->number = 9; /* the group has not heard of it yet */
	ck_assert_int_eq(status_of(g, number), STATUS_WRONG_GROUP);
	ck_assert_uint_eq(error_of(&g->asked[number]).config, 9);
	sim_world_run_for(g->world, SIM_SECOND);
	ck_assert_uint_eq(shardkv_app_config_number(shardkv_node_app(group_leader(g)->node)), 9);
	ck_assert_int_eq(status_of(g, group_send_op(g, group_leader(g), &op, 1000)),
			 STATUS_WRONG_GROUP);
	finish(g);
}
END_TEST

/*
 * Without an answer from the master a request ends with DEADLINE when its time is over; others of
 * granted shards are served.
 */
START_TEST(waiting_ends_with_the_deadline)
{
	struct group *g = begin(1);
	char key[16], granted[16];
	struct wire_kv_op op = put(group_key(granted, 1), "v");
	ck_assert_int_eq(status_of(g, group_send_op(g, group_leader(g), &op, 1000)), 0);
	g->claims = CLAIM_HOLD;
	struct wire_kv_op waiting = put(group_key(key, 0), "v");
	uint64_t before = g->world->now_us;
	uint32_t number = group_send_op(g, group_leader(g), &waiting, 700);
	ck_assert_int_eq(status_of(g, group_send_op(g, group_leader(g), &op, 1000)), 0);
	ck_assert_int_eq(status_of(g, number), STATUS_DEADLINE);
	ck_assert_uint_ge(g->world->now_us - before, 700 * SIM_MILLISECOND);
	ck_assert_uint_le(g->world->now_us - before, 750 * SIM_MILLISECOND);
	/* When the master answers again, so does the group. */
	g->claims = CLAIM_GRANT;
	ck_assert_int_eq(status_of(g, group_send_op(g, group_leader(g), &waiting, 20000)), 0);
	finish(g);
}
END_TEST

/* faults: 75. No more than a bounded number of requests wait; the rest is told BUSY at once. */
START_TEST(waiting_is_bounded)
{
	struct group *g = begin(1);
	char key[16];
	uint32_t busy = 0, deadline = 0;
	g->claims = CLAIM_HOLD;
	struct wire_kv_op op = put(group_key(key, 0), "v");
	uint32_t first = g->nasked;
	for (uint32_t i = 0; i < PARKED_REQUESTS_MAX + 100; i++)
		group_send_op(g, group_leader(g), &op, 2000);
	for (uint32_t i = first; i < g->nasked; i++) {
		int status = status_of(g, i);
		busy += status == STATUS_BUSY;
		deadline += status == STATUS_DEADLINE;
	}
	ck_assert_uint_eq(busy, 100);
	ck_assert_uint_eq(deadline, PARKED_REQUESTS_MAX);
	finish(g);
}
END_TEST

/* A request whose connection has ended is not executed later. */
START_TEST(lost_connection_drops_waiting_requests)
{
	struct group *g = begin(1);
	char key[16];
	g->claims = CLAIM_HOLD;
	struct wire_kv_op op = put(group_key(key, 0), "v");
	group_send_op(g, group_leader(g), &op, 10000);
	sim_world_run_for(g->world, SIM_SECOND / 2);
	ck_assert_uint_eq(g->claims_received, 1);
	sim_process_crash(g->client);
	sim_world_run_for(g->world, SIM_SECOND / 2);
	g->claims = CLAIM_GRANT;
	sim_process_start(g->client);
	sim_world_run_for(g->world, 2 * SIM_SECOND);
	ck_assert_uint_eq(shardkv_app_keys(shardkv_node_app(group_leader(g)->node)), 0);
	op = get(key);
	ck_assert_int_eq(status_of(g, group_send_op(g, group_leader(g), &op, 5000)), 0);
	finish(g);
}
END_TEST

/*
 * Waiting requests are answered NOT_LEADER when leadership goes, and the next leader can claim for
 * itself.
 */
START_TEST(lost_leadership_answers_waiting_requests)
{
	struct group *g = begin(3);
	struct sim_process *old = group_leader(g);
	char key[16];
	g->claims = CLAIM_HOLD;
	struct wire_kv_op op = put(group_key(key, 0), "v");
	uint32_t number = group_send_op(g, old, &op, 20000);
	sim_world_run_for(g->world, SIM_SECOND / 2);
	ck_assert(!g->asked[number].done);
	struct buffer payload = {0};
	wire_transfer_encode(0, &payload);
	group_send(g, old, METHOD_TRANSFER, buffer_slice(&payload), 1000);
	ck_assert_int_eq(status_of(g, number), STATUS_NOT_LEADER);
	g->claims = CLAIM_GRANT;
	group_settle(g);
	ck_assert_ptr_ne(group_leader(g), old);
	ck_assert_int_eq(status_of(g, group_send_op(g, group_leader(g), &op, 5000)), 0);
	buffer_free(&payload);
	finish(g);
}
END_TEST

/* Grants and data survive a restart: they are in the log. */
START_TEST(grants_survive_a_restart)
{
	struct group *g = begin(1);
	char key[16];
	struct wire_kv_op op = put(group_key(key, 3), "kept");
	ck_assert_int_eq(status_of(g, group_send_op(g, group_leader(g), &op, 1000)), 0);
	sim_process_power_loss(g->replicas[0]);
	g->claims = CLAIM_DENY;
	sim_process_start(g->replicas[0]);
	group_settle(g);
	op = get(key);
	uint32_t number = group_send_op(g, group_leader(g), &op, 5000);
	if (group_wait(g, number)->lost) /* sent along the connection that died with the machine */
		number = group_send_op(g, group_leader(g), &op, 5000);
	ck_assert_int_eq(status_of(g, number), 0);
	struct wire_kv_query_reply reply;
	arena_reset(&arena);
	ck_assert_int_eq(
		wire_kv_query_reply_decode(bytes_slice(g->asked[number].payload), &arena, &reply),
		0);
	ck_assert(slice_equal(reply.results[0].value, slice_string("kept")));
	finish(g);
}
END_TEST

/* Clients may not send what only the group tells itself. */
START_TEST(internal_commands_of_clients_are_denied)
{
	struct group *g = begin(1);
	uint32_t shard = 0;
	struct buffer body = {0}, payload = {0};
	struct wire_kv_command kv = {.has_internal = true,
				     .internal = {.ngranted = 1, .granted = &shard}};
	wire_kv_command_encode(&kv, &body);
	struct wire_command command = {.body = buffer_slice(&body)};
	wire_command_encode(&command, &payload);
	ck_assert_int_eq(status_of(g, group_send(g, group_leader(g), METHOD_COMMAND,
						 buffer_slice(&payload), 1000)),
			 STATUS_DENIED);
	buffer_free(&body);
	buffer_free(&payload);
	finish(g);
}
END_TEST

/*
 * Every replica tells its status and where the cluster is; what it does not know is UNKNOWN_METHOD.
 */
START_TEST(status_and_cluster)
{
	struct group *g = begin(3);
	char key[16];
	struct wire_kv_op op = put(group_key(key, 0), "value");
	ck_assert_int_eq(status_of(g, group_send_op(g, group_leader(g), &op, 1000)), 0);
	sim_world_run_for(g->world, SIM_SECOND);
	for (uint32_t i = 0; i < 3; i++) {
		struct wire_status status;
		struct wire_cluster cluster;
		uint32_t number = group_send(g, g->replicas[i], METHOD_STATUS, slice(NULL, 0),
					     1000);
		ck_assert_int_eq(status_of(g, number), 0);
		arena_reset(&arena);
		ck_assert_int_eq(
			wire_status_decode(bytes_slice(g->asked[number].payload), &arena, &status),
			0);
		ck_assert(slice_equal(status.role, slice_string("shardkv")));
		ck_assert(slice_equal(status.name, slice_string(g->replicas[i]->name)));
		ck_assert_uint_eq(status.keys, 1);
		ck_assert_uint_eq(status.data_bytes, strlen(key) + 5);
		ck_assert_uint_eq(status.config, 1);
		number = group_send(g, g->replicas[i], METHOD_CLUSTER, slice(NULL, 0), 1000);
		ck_assert_int_eq(status_of(g, number), 0);
		ck_assert_int_eq(wire_cluster_decode(bytes_slice(g->asked[number].payload), &arena,
						     &cluster),
				 0);
		ck_assert_uint_eq(cluster.shards, GROUP_SHARDS);
		ck_assert_uint_eq(cluster.nmasters, 1);
		ck_assert(slice_equal(cluster.masters[0], slice_string("m:1")));
		ck_assert_int_eq(status_of(g, group_send(g, g->replicas[i], METHOD_WATCH,
							 slice(NULL, 0), 1000)),
				 STATUS_UNKNOWN_METHOD);
	}
	struct buffer out = {0};
	server_write_json(g->replicas[0]->node, &out);
	metrics_render(&g->replicas[0]->node->metrics, &out);
	buffer_add_u8(&out, 0);
	ck_assert_ptr_nonnull(strstr((char *)out.data, "\"role\":\"shardkv\""));
	ck_assert_ptr_nonnull(
		strstr((char *)out.data, "synod_kv_operations_total{kind=\"put\"} 1"));
	buffer_free(&out);
	finish(g);
}
END_TEST

static struct group *begin_granted(uint32_t nreplicas, const char *key)
{
	struct group *g = begin(nreplicas);
	struct wire_kv_op op = put(key, "v");
	ck_assert_int_eq(status_of(g, group_send_op(g, group_leader(g), &op, 5000)), 0);
	return g;
}

/*
 * Ids come from the shard masters. One that they have handed out is asked for once; one that they
 * have not is refused, and leaves nothing behind. faults: 94
 */
START_TEST(client_ids_are_asked_for)
{
	char key[16];
	struct group *g = begin_granted(1, group_key(key, 0));
	struct sim_process *leader = group_leader(g);
	struct wire_kv_op op = put(key, "w");
	g->clients = 7;
	ck_assert_int_eq(status_of(g, group_send_as(g, leader, 7, 1, 1, &op)), 0);
	ck_assert_uint_eq(g->questions, 1);
	ck_assert_int_eq(status_of(g, group_send_as(g, leader, 6, 1, 1, &op)), 0);
	ck_assert_int_eq(status_of(g, group_send_as(g, leader, 7, 2, 2, &op)), 0);
	ck_assert_uint_eq(g->questions, 1);
	uint64_t applied = rsm_applied(shardkv_node_rsm(leader->node));
	uint32_t number = group_send_as(g, leader, 1ull << 63, 1, 1, &op);
	ck_assert_int_eq(status_of(g, number), STATUS_SESSION_EXPIRED);
	ck_assert_ptr_nonnull(memmem(error_of(&g->asked[number]).message.data,
				     error_of(&g->asked[number]).message.len, "REGISTER", 8));
	ck_assert_uint_eq(g->questions, 2);
	ck_assert_uint_eq(rsm_applied(shardkv_node_rsm(leader->node)), applied);
	/* Absurd numbers of a client that exists: they are not even asked for. */
	ck_assert_int_eq(status_of(g, group_send_as(g, leader, 7, 1ull << 60, 1ull << 60, &op)),
			 STATUS_SESSION_EXPIRED);
	ck_assert_int_eq(status_of(g, group_send_as(g, leader, 7, 2, 3, &op)), STATUS_BAD_REQUEST);
	ck_assert_uint_eq(rsm_applied(shardkv_node_rsm(leader->node)), applied);
	ck_assert_int_eq(status_of(g, group_send_as(g, leader, 7, 3, 3, &op)), 0);
	finish(g);
}
END_TEST

/*
 * What the group has been told is part of its state: after a restart nobody is asked again. faults:
 * 94
 */
START_TEST(known_ids_survive_a_restart)
{
	char key[16];
	struct group *g = begin_granted(1, group_key(key, 0));
	struct wire_kv_op op = put(key, "w");
	g->clients = 7;
	ck_assert_int_eq(status_of(g, group_send_as(g, group_leader(g), 7, 1, 1, &op)), 0);
	sim_process_crash(g->replicas[0]);
	sim_process_start(g->replicas[0]);
	group_settle(g);
	uint32_t number = group_send_as(g, group_leader(g), 5, 1, 1, &op);
	if (group_wait(g, number)->lost) /* sent along the connection that died with the process */
		number = group_send_as(g, group_leader(g), 5, 1, 1, &op);
	ck_assert_int_eq(status_of(g, number), 0);
	ck_assert_int_eq(status_of(g, group_send_as(g, group_leader(g), 7, 1, 1, &op)), 0);
	ck_assert_uint_eq(g->questions, 1);
	finish(g);
}
END_TEST

/*
 * Many that come together share questions, however many there are, and invented ids hold nobody up
 * for good. faults: 94
 */
START_TEST(questions_are_shared)
{
	enum { MANY = 500 };
	char key[16];
	uint32_t numbers[MANY];
	struct group *g = begin_granted(1, group_key(key, 0));
	struct wire_kv_op op = put(key, "w");
	g->clients = MANY;
	for (uint32_t i = 0; i < MANY; i++)
		numbers[i] = group_send_as(g, group_leader(g),
					   i % 2 == 0 ? 1 + i : (1ull << 40) + i, 1, 1, &op);
	for (uint32_t i = 0; i < MANY; i++)
		ck_assert_int_eq(status_of(g, numbers[i]), i % 2 == 0 ? 0 : STATUS_SESSION_EXPIRED);
	ck_assert_uint_le(g->questions, 4);
	finish(g);
}
END_TEST

/* More than may wait are refused with BUSY, and the others go on. faults: 94 */
START_TEST(questions_are_bounded)
{
	char key[16];
	uint32_t busy = 0;
	struct group *g = begin_granted(1, group_key(key, 0));
	struct wire_kv_op op = put(key, "w");
	g->deaf = true;
	for (uint32_t i = 0; i < REGISTRAR_COMMANDS_MAX + 10; i++)
		group_send_as(g, group_leader(g), (1ull << 40) + i, 1, 1, &op);
	sim_world_run_for(g->world, 100 * SIM_MILLISECOND);
	for (uint32_t i = 0; i < g->nasked; i++)
		busy += g->asked[i].done && g->asked[i].status == STATUS_BUSY;
	ck_assert_uint_eq(busy, 10);
	ck_assert_int_eq(status_of(g, group_send_op(g, group_leader(g), &op, 1000)), 0);
	/*
	 * The masters cannot be asked: not applied, says the answer, and before the client asks
	 * elsewhere.
	 */
	sim_world_run_for(g->world, SIM_SECOND);
	for (uint32_t i = 1; i < g->nasked; i++)
		ck_assert(g->asked[i].done);
	ck_assert_int_eq(g->asked[1].status, STATUS_UNAVAILABLE);
	finish(g);
}
END_TEST

/* Whoever waits for the answer when leadership is lost is sent on. faults: 94 */
START_TEST(lost_leadership_answers_unknown_clients)
{
	char key[16];
	struct group *g = begin_granted(3, group_key(key, 0));
	struct sim_process *leader = group_leader(g);
	struct wire_kv_op op = put(key, "w");
	struct buffer transfer = {0};
	g->deaf = true;
	uint32_t number = group_send_as(g, leader, 77, 1, 1, &op);
	wire_transfer_encode(0, &transfer);
	group_send(g, leader, METHOD_TRANSFER, buffer_slice(&transfer), 1000);
	ck_assert_int_eq(status_of(g, number), STATUS_NOT_LEADER);
	buffer_free(&transfer);
	finish(g);
}
END_TEST

/* A group hands out no ids: they would be the same as other clients'. faults: 94 */
START_TEST(register_is_refused)
{
	struct group *g = begin(1);
	uint32_t number = group_send(g, group_leader(g), METHOD_REGISTER, slice(NULL, 0), 1000);
	ck_assert_int_eq(status_of(g, number), STATUS_UNKNOWN_METHOD);
	struct wire_error error = error_of(&g->asked[number]);
	ck_assert_ptr_nonnull(memmem(error.message.data, error.message.len, "m:1", 3));
	finish(g);
}
END_TEST

static void stop_in_the_middle(void *data, struct node *node)
{
	struct shardkv_node *n = shardkv_node_of(node);
	(void)data;
	ck_assert_uint_ne(n->logged_config, 0);
	n->server.app->ops->restore_begin(n->server.app);
	node->ops->stop(node);
}

/*
 * A replica that is stopped while a peer's snapshot replaces its state has no configuration at the
 * moment.
 */
START_TEST(stopped_while_the_state_is_replaced)
{
	struct group *g = begin(3);
	struct sim_process *follower = group_leader(g) == g->replicas[0] ? g->replicas[1]
									 : g->replicas[0];
	char key[16];
	struct wire_kv_op op = put(group_key(key, 0), "v");
	ck_assert_int_eq(status_of(g, group_send_op(g, group_leader(g), &op, 5000)), 0);
	sim_world_run_for(g->world, SIM_SECOND);
	sim_process_call(follower, stop_in_the_middle, NULL);
	while (follower->call != NULL)
		ck_assert(sim_world_step(g->world));
	sim_process_crash(follower);
	sim_process_start(follower);
	group_settle(g);
	finish(g);
}
END_TEST

/*
 * The leader says where its group is, once, so that the masters know its id. Then the configuration
 * names other addresses than the group's: its leader says so, once, and everybody adopts the next
 * one.
 */
START_TEST(masters_learn_addresses)
{
	struct group *g = begin(3);
	sim_world_run_for(g->world, 5 * SIM_SECOND);
	ck_assert_uint_eq(g->reports_received, 1);
	ck_assert_uint_eq(g->reported_members, 3);
	ck_assert_uint_ne(g->reported_id, 0);
	ck_assert_uint_eq(g->number, 1);
	g->reports_received = 0;
	g->elsewhere = "old:1";
	group_configure(g, 2, 1, 1, 2, 1);
	sim_world_run_for(g->world, SIM_SECOND);
	ck_assert_uint_eq(g->reports_received, 1);
	ck_assert_uint_eq(g->reported_members, 3);
	ck_assert_uint_eq(g->reported_slot,
			  rsm_members(shardkv_node_rsm(group_leader(g)->node))->slot);
	ck_assert_uint_eq(g->reported_id, rsm_group_id(shardkv_node_rsm(group_leader(g)->node)));
	ck_assert_uint_ne(g->reported_slot, 0);
	ck_assert_uint_ne(g->reported_id, 0);
	ck_assert_uint_eq(g->number, 3);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_uint_eq(shardkv_app_config_number(shardkv_node_app(g->replicas[i]->node)),
				  3);
	sim_world_run_for(g->world, 10 * SIM_SECOND);
	ck_assert_uint_eq(g->reports_received, 1);
	finish(g);
}
END_TEST

/* Masters that do not answer are told again, by the next leader, too. */
START_TEST(masters_are_told_until_they_answer)
{
	struct group *g = begin(3);
	struct sim_process *old = group_leader(g);
	g->elsewhere = "old:1";
	g->reports = CLAIM_HOLD;
	group_configure(g, 2, 1, 1, 2, 1);
	sim_world_run_for(g->world, 20 * SIM_SECOND);
	ck_assert_uint_ge(g->reports_received, 3);
	struct buffer payload = {0};
	wire_transfer_encode(0, &payload);
	ck_assert_int_eq(
		status_of(g, group_send(g, old, METHOD_TRANSFER, buffer_slice(&payload), 1000)), 0);
	buffer_free(&payload);
	sim_world_run_for(g->world, SIM_SECOND);
	ck_assert_ptr_ne(group_leader(g), old);
	g->reports = CLAIM_GRANT;
	sim_world_run_for(g->world, 10 * SIM_SECOND);
	ck_assert_uint_eq(g->number, 3);
	uint32_t received = g->reports_received;
	sim_world_run_for(g->world, 10 * SIM_SECOND);
	ck_assert_uint_eq(g->reports_received, received);
	finish(g);
}
END_TEST

/* A refusal is no reason to ask again, before there is a newer configuration. */
/* A replica that only knows to listen at 0.0.0.0 tells what the masters know, not that. */
START_TEST(masters_are_not_told_0_0_0_0)
{
	struct group *g = begin(3);
	sim_world_run_for(g->world, SIM_SECOND);
	for (uint32_t i = 0; i < 3; i++) {
		struct rsm *rsm = shardkv_node_rsm(g->replicas[i]->node);
		free(rsm->seats[rsm->self].client_address);
		rsm->seats[rsm->self].client_address = alloc_string("0.0.0.0:1");
	}
	g->reports_received = 0;
	sim_process_restart(group_leader(g));
	group_settle(g);
	sim_world_run_for(g->world, 5 * SIM_SECOND);
	ck_assert_uint_eq(g->reports_received, 1);
	ck_assert_uint_eq(g->reported_members, 3);
	finish(g);
}
END_TEST

/*
 * A report of members that the shard masters refuse is not sent again before the next
 * configuration.
 */
START_TEST(refused_report_is_not_repeated)
{
	struct group *g = begin(3);
	sim_world_run_for(g->world, SIM_SECOND);
	g->reports_received = 0;
	g->elsewhere = "old:1";
	g->reports = CLAIM_DENY;
	group_configure(g, 2, 1, 1, 2, 1);
	sim_world_run_for(g->world, 20 * SIM_SECOND);
	ck_assert_uint_eq(g->reports_received, 1);
	group_configure(g, 3, 1, 1, 1, 1);
	sim_world_run_for(g->world, 20 * SIM_SECOND);
	ck_assert_uint_eq(g->reports_received, 2);
	finish(g);
}
END_TEST
