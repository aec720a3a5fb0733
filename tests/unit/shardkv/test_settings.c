/*
 * Replicas whose configurations differ have equal states, and lose nothing: each setting there is,
 * one by one, at the leader and at the others. faults: 80, 89
 */
#include <stdio.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "group.h"
#include "rsm/rsm.h"
#include "shardkv/app.h"
#include "wire/method.h"

#define BIG_VALUE 300000u
#define BIG_KEY 3000u

static struct arena arena;

/*
 * Another value that is allowed beside the others: low 0 the least, 1 a larger one. False: there is
 * none.
 */
static bool other_value(struct settings *settings, const struct setting *setting, bool high)
{
	char error[256];
	const uint64_t low[] = {setting->min, setting->min + 1, setting->standard / 2,
				setting->standard - 1};
	const uint64_t up[] = {setting->standard * 2, setting->standard + 1, setting->max};
	size_t count = high ? 3 : 4;
	for (size_t i = 0; i < count; i++) {
		uint64_t value = high ? up[i] : low[i];
		settings_default(settings);
		*setting_value(settings, setting) = value;
		if (value != setting->standard && value >= setting->min && value <= setting->max &&
		    settings_check(settings, error, sizeof error) == 0)
			return true;
	}
	return false;
}

static void restart(struct group *g, uint32_t i)
{
	sim_process_power_loss(g->replicas[i]);
	sim_process_start(g->replicas[i]);
	ck_assert_int_eq(g->replicas[i]->state, SIM_RUNNING);
}

static uint32_t index_of_leader(struct group *g)
{
	group_settle(g);
	for (uint32_t i = 0; i < g->nreplicas; i++)
		if (g->replicas[i] == group_leader(g))
			return i;
	return UINT32_MAX;
}

static void lead(struct group *g, uint32_t i)
{
	for (uint32_t tries = 0; index_of_leader(g) != i; tries++) {
		struct buffer transfer = {0};
		ck_assert_uint_lt(tries, 30);
		wire_transfer_encode(i + 1, &transfer);
		group_send(g, group_leader(g), METHOD_TRANSFER, buffer_slice(&transfer), 1000);
		sim_world_run_for(g->world, SIM_SECOND / 2);
		buffer_free(&transfer);
	}
}

static int write_as(struct group *g, uint64_t client, uint64_t sequence,
		    const struct wire_kv_op *op)
{
	for (uint32_t tries = 0; tries < 20; tries++) {
		index_of_leader(g);
		uint32_t number = group_send_as(g, group_leader(g), client, sequence, sequence, op);
		struct asked *asked = group_wait(g, number);
		if (asked->done && status_class(asked->status) != STATUS_CLASS_RETRY)
			return asked->status;
	}
	ck_abort_msg("the group does not serve");
	return 0;
}

static bool agreed(void *context)
{
	struct group *g = context;
	uint64_t applied[GROUP_REPLICAS_MAX];
	for (uint32_t i = 0; i < g->nreplicas; i++) {
		if (g->replicas[i]->state != SIM_RUNNING)
			return false;
		applied[i] = rsm_applied(shardkv_node_rsm(g->replicas[i]->node));
	}
	return applied[0] == applied[1] && applied[1] == applied[2];
}

static void check_states(struct group *g, const char *when)
{
	ck_assert(sim_world_run_until_true(g->world, agreed, g, 20 * SIM_SECOND));
	uint64_t hash = rsm_state_hash(shardkv_node_rsm(g->replicas[0]->node));
	for (uint32_t i = 1; i < g->nreplicas; i++)
		ck_assert_msg(rsm_state_hash(shardkv_node_rsm(g->replicas[i]->node)) == hash,
			      "%s: replica %u has another state", when, i + 1);
}

static size_t length_of(struct group *g, struct slice key)
{
	struct wire_kv_query_reply reply;
	struct wire_kv_op get = {.kind = WIRE_KV_GET, .key = key};
	for (uint32_t tries = 0; tries < 20; tries++) {
		index_of_leader(g);
		struct asked *asked = group_wait(g, group_send_op(g, group_leader(g), &get, 5000));
		if (!asked->done || asked->status != 0)
			continue;
		arena_reset(&arena);
		ck_assert_int_eq(
			wire_kv_query_reply_decode(bytes_slice(asked->payload), &arena, &reply), 0);
		return reply.results[0].status == 0 ? reply.results[0].value.len : 0;
	}
	ck_abort_msg("the group does not serve");
	return 0;
}

/*
 * Writes of a dozen clients, short and long; what is too long for the leader is refused, and
 * nothing else is.
 */
static void load(struct group *g, uint64_t round)
{
	char key[16], text[200];
	memset(text, 'v', sizeof text);
	for (uint64_t k = 0; k < 12; k++) {
		struct wire_kv_op op = {
			.kind = k % 3 == 0 ? WIRE_KV_APPEND : WIRE_KV_PUT,
			.key = slice_string(group_key(key, (uint32_t)(k % GROUP_SHARDS))),
			.value = slice(text, k % 4 == 0 ? 1 : sizeof text),
		};
		uint64_t client = 1 + (round * 12 + k) % 100;
		int status = write_as(g, client, 1 + round * 12 + k, &op);
		ck_assert_msg(status == 0 || status == STATUS_TOO_LARGE ||
				      status == STATUS_SESSION_EXPIRED,
			      "%s", status_name(status));
	}
}

/*
 * Each setting that belongs to the group, changed at one replica alone: all apply alike, by the
 * group's value.
 */
START_TEST(every_setting_alone)
{
	static struct settings changed, standard;
	uint64_t round = 0;
	char *big = alloc_bytes(BIG_VALUE);
	char *long_key = alloc_bytes(BIG_KEY);
	memset(big, 'b', BIG_VALUE);
	memset(long_key, 'k', BIG_KEY);
	settings_default(&standard);
	for (size_t n = 0; n < SETTINGS_COUNT; n++) {
		const struct setting *setting = &settings_table[n];
		struct group *g = group_create(3);
		arena_init(&arena, ARENA_BYTES_MAX);
		g->key_bytes_max = KEY_BYTES_MAX;
		g->clients = 1000;
		for (uint32_t i = 0; i < 3; i++) {
			g->settings[i] = &standard;
			restart(g, i);
		}
		group_configure(g, 1, 1, 1, 1, 1);
		group_settle(g);
		struct wire_kv_op op = {.kind = WIRE_KV_PUT,
					.key = slice_string("big"),
					.value = slice(big, BIG_VALUE)};
		ck_assert_int_eq(write_as(g, 500, 1, &op), 0);
		op = (struct wire_kv_op){.kind = WIRE_KV_PUT,
					 .key = slice(long_key, BIG_KEY),
					 .value = slice_string("v")};
		ck_assert_int_eq(write_as(g, 501, 1, &op), 0);
		for (int high = 0; high < 2; high++) {
			if (!other_value(&changed, setting, high != 0))
				continue;
			uint32_t i = (uint32_t)(n % 3);
			g->settings[i] = &changed;
			restart(g, i);
			load(g, round++);
			check_states(g, setting->name);
			lead(g, i);
			load(g, round++);
			check_states(g, setting->name);
			g->settings[i] = &standard;
			restart(g, i);
			load(g, round++);
			check_states(g, setting->name);
		}
		ck_assert_uint_eq(length_of(g, slice_string("big")), BIG_VALUE);
		ck_assert_uint_eq(length_of(g, slice(long_key, BIG_KEY)), 1);
		group_destroy(g);
		arena_free(&arena);
	}
	free(big);
	free(long_key);
}
END_TEST

/* A node that would look for keys in other shards than its group does not serve. */
START_TEST(other_number_of_shards)
{
	struct group *g = group_create(3);
	arena_init(&arena, ARENA_BYTES_MAX);
	group_configure(g, 1, 1, 1, 1, 1);
	group_settle(g);
	uint32_t other = (index_of_leader(g) + 1) % 3;
	check_states(g, "before");
	g->shards[other] = 2 * GROUP_SHARDS;
	sim_process_power_loss(g->replicas[other]);
	sim_process_start(g->replicas[other]);
	sim_world_run_for(g->world, 5 * SIM_SECOND);
	ck_assert_int_ne(g->replicas[other]->state, SIM_RUNNING);
	ck_assert_int_eq(g->replicas[other]->halt_status, STATUS_CONFIG);
	ck_assert_ptr_nonnull(strstr(g->replicas[other]->halt_reason, "shards = 4"));
	struct wire_kv_op op = {
		.kind = WIRE_KV_PUT, .key = slice_string("k"), .value = slice_string("v")};
	g->clients = 5;
	ck_assert_int_eq(write_as(g, 5, 1, &op), 0);
	group_destroy(g);
	arena_free(&arena);
}
END_TEST

/*
 * A write that was applied under one leader's limits is not refused by the next one's when its
 * answer was lost.
 */
START_TEST(repeated_under_other_limits)
{
	static struct settings lower;
	char value[2000];
	memset(value, 'v', sizeof value);
	struct group *g = group_create(3);
	arena_init(&arena, ARENA_BYTES_MAX);
	g->clients = 9;
	group_configure(g, 1, 1, 1, 1, 1);
	struct wire_kv_op op = {
		.kind = WIRE_KV_PUT, .key = slice_string("k"), .value = slice(value, sizeof value)};
	ck_assert_int_eq(write_as(g, 9, 1, &op), 0);
	settings_default(&lower);
	lower.value_bytes_max = 1000;
	uint32_t other = (index_of_leader(g) + 1) % 3;
	g->settings[other] = &lower;
	restart(g, other);
	lead(g, other);
	ck_assert_int_eq(write_as(g, 9, 1, &op), 0);
	ck_assert_int_eq(write_as(g, 9, 2, &op), STATUS_TOO_LARGE);
	check_states(g, "in the end");
	group_destroy(g);
	arena_free(&arena);
}
END_TEST
