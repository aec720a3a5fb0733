/*
 * Commands that are sent again after their long answers were lost: what is kept of these, and what
 * the client gets.
 */
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/limits.h"
#include "group.h"
#include "rsm/internal.h"
#include "shardkv/app.h"
#include "shardkv/node_internal.h"

#define LONG 40000u
#define APPENDS 20u

static struct arena arena;
static char value[LONG + 1];

static const struct rsm *rsm_of(const struct sim_process *process)
{
	return ((const struct shardkv_node *)(const void *)process->node)->server.rsm;
}

static struct wire_kv_result ask(struct group *g, uint64_t sequence, const struct wire_kv_op *op)
{
	struct wire_kv_reply reply;
	struct asked *asked = group_wait(g, group_send_as(g, group_leader(g), 1, sequence, 1, op));
	ck_assert(asked->done);
	ck_assert_int_eq(asked->status, 0);
	arena_reset(&arena);
	ck_assert_int_eq(wire_kv_reply_decode(bytes_slice(asked->payload), &arena, &reply), 0);
	ck_assert_uint_eq(reply.nresults, 1);
	return reply.results[0];
}

/* faults: 49, 98 */
/*
 * Appends to a long value are answered with all of it, and keep nothing of it. The last one, sent
 * again, gets the same answer; earlier ones are told that they were done, and how long the value
 * was. All replicas have one state, also after a restart.
 */
START_TEST(appends_to_a_long_value)
{
	struct group *g = group_create(3);
	char key[16];
	arena_init(&arena, ARENA_BYTES_MAX);
	group_configure(g, 1, 1, 1, 1, 1);
	g->clients = 10;
	group_settle(g);
	memset(value, 'v', LONG);
	group_key(key, 0);
	struct wire_kv_op put = {
		.kind = WIRE_KV_PUT, .key = slice_string(key), .value = slice_string(value)};
	struct wire_kv_op append = {
		.kind = WIRE_KV_APPEND, .key = slice_string(key), .value = slice_string("x")};
	ask(g, 1, &put);
	for (uint64_t i = 1; i <= APPENDS; i++) {
		struct wire_kv_result result = ask(g, 1 + i, &append);
		ck_assert_uint_eq(result.value.len, LONG + i);
		ck_assert_uint_eq(result.version, 1 + i);
		ck_assert_uint_eq(result.omitted, 0);
	}
	for (int restarted = 0; restarted < 2; restarted++) {
		struct wire_kv_result last = ask(g, 1 + APPENDS, &append),
				      earlier = ask(g, 3, &append);
		ck_assert_uint_eq(earlier.omitted, LONG + 2);
		ck_assert_uint_eq(earlier.value.len, 0);
		ck_assert_uint_eq(earlier.version, 3);
		last = ask(g, 1 + APPENDS, &append);
		ck_assert_uint_eq(last.value.len, LONG + APPENDS);
		ck_assert_uint_eq(last.omitted, 0);
		ck_assert_uint_eq(last.version, 1 + APPENDS);
		for (uint32_t i = 0; i < 3; i++)
			ck_assert_uint_lt(rsm_of(g->replicas[i])->sessions.reply_bytes,
					  APPENDS * 100);
		sim_world_run_for(g->world, SIM_SECOND);
		ck_assert_uint_eq(rsm_state_hash(rsm_of(g->replicas[0])),
				  rsm_state_hash(rsm_of(g->replicas[1])));
		ck_assert_uint_eq(rsm_state_hash(rsm_of(g->replicas[0])),
				  rsm_state_hash(rsm_of(g->replicas[2])));
		for (uint32_t i = 0; i < 3; i++)
			sim_process_power_loss(g->replicas[i]);
		for (uint32_t i = 0; i < 3; i++)
			sim_process_start(g->replicas[i]);
		group_settle(g);
	}
	group_destroy(g);
	arena_free(&arena);
}
END_TEST

/*
 * faults: 98. Short answers are kept whole: a repeated command gets the same one, whatever has
 * become of the key.
 */
START_TEST(short_answers_are_kept_whole)
{
	struct group *g = group_create(1);
	char key[16];
	arena_init(&arena, ARENA_BYTES_MAX);
	group_configure(g, 1, 1, 1, 1, 1);
	g->clients = 10;
	group_settle(g);
	group_key(key, 0);
	struct wire_kv_op append = {
		.kind = WIRE_KV_APPEND, .key = slice_string(key), .value = slice_string("abc")};
	for (uint64_t i = 1; i <= 10; i++)
		ck_assert_uint_eq(ask(g, i, &append).value.len, 3 * i);
	for (uint64_t i = 1; i <= 10; i++)
		ck_assert_uint_eq(ask(g, i, &append).value.len, 3 * i);
	group_destroy(g);
	arena_free(&arena);
}
END_TEST
