/* The courses' scenarios for the shard master, on its state machine: 10 and 100 shards. */
#include "../support/check_main.h"
#include "master.h"

CHECK_TIMEOUT(300)

static const uint32_t SIZES[] = {10, 100};

/*
 * course: DSLabs ShardMasterTest 01 — Join, Leave, Move and Query of a valid kind are answered with
 * OK and a configuration.
 */
START_LOOP_TEST(commands_are_answered, 0, 2)
{
	struct master m;
	struct shard_config *config;

	master_open(&m, SIZES[_i]);
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_join(&m, 2), 0);
	ck_assert_int_eq(master_move(&m, 0, shard_config_gid(master_config(&m), 0) == 1 ? 2 : 1),
			 0);
	ck_assert_int_eq(master_leave(&m, 1), 0);
	ck_assert_int_eq(master_query(&m, UINT64_MAX, &config), 0);
	ck_assert_uint_eq(config->number, 4);
	shard_config_unref(config);
	master_close(&m);
}
END_TEST

/*
 * course: DSLabs ShardMasterTest 02; 2015 shardmaster TestBasic — Configuration 0 has no groups,
 * every shard is unassigned.
 */
START_LOOP_TEST(configuration_zero_is_empty, 0, 2)
{
	struct master m;
	struct shard_config *config;

	master_open(&m, SIZES[_i]);
	ck_assert_int_eq(master_query(&m, UINT64_MAX, &config), 0);
	ck_assert_uint_eq(config->number, 0);
	ck_assert_uint_eq(config->ngroups, 0);
	ck_assert_uint_eq(config->nshards, SIZES[_i]);
	assert_balanced(config);
	shard_config_unref(config);
	ck_assert_int_eq(master_query(&m, 1, &config), STATUS_NOT_FOUND);
	master_close(&m);
}
END_TEST

/*
 * course: DSLabs ShardMasterTest 03 — Duplicate Join, unknown Leave, and Move to the same, an
 * unknown or no group, or of no shard, are errors.
 */
START_LOOP_TEST(bad_commands_are_errors, 0, 2)
{
	struct master m;

	master_open(&m, SIZES[_i]);
	ck_assert_int_eq(master_leave(&m, 1), STATUS_NO_SUCH_GROUP);
	ck_assert_int_eq(master_move(&m, 0, 1), STATUS_NO_SUCH_GROUP);
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_join(&m, 1), STATUS_EXISTS);
	ck_assert_int_eq(master_leave(&m, 2), STATUS_NO_SUCH_GROUP);
	ck_assert_int_eq(master_move(&m, 0, 1), STATUS_BAD_REQUEST);
	ck_assert_int_eq(master_move(&m, 0, 2), STATUS_NO_SUCH_GROUP);
	ck_assert_int_eq(master_move(&m, 0, 0), STATUS_NO_SUCH_GROUP);
	ck_assert_int_eq(master_move(&m, SIZES[_i], 1), STATUS_BAD_REQUEST);
	ck_assert_int_eq(master_move(&m, UINT32_MAX, 1), STATUS_BAD_REQUEST);
	ck_assert_uint_eq(master_config(&m)->number, 1);
	master_close(&m);
}
END_TEST

/*
 * course: DSLabs ShardMasterTest 04 — The first group gets every shard, and the last that leaves
 * gives them all back.
 */
START_LOOP_TEST(first_group_gets_all, 0, 2)
{
	struct master m;

	master_open(&m, SIZES[_i]);
	ck_assert_int_eq(master_join(&m, 7), 0);
	ck_assert_uint_eq(shard_config_count(master_config(&m), 7), SIZES[_i]);
	ck_assert_int_eq(master_leave(&m, 7), 0);
	ck_assert_uint_eq(master_config(&m)->ngroups, 0);
	ck_assert_uint_eq(shard_config_gid(master_config(&m), 0), 0);
	ck_assert_uint_eq(master_config(&m)->number, 2);
	master_close(&m);
}
END_TEST

/*
 * course: DSLabs ShardMasterTest 05; 2015 shardmaster TestBasic (minimal transfer) — Joins and
 * leaves keep the balance and move exactly what they must.
 */
START_LOOP_TEST(movement_is_exactly_minimal, 0, 2)
{
	uint32_t n = SIZES[_i];
	struct master m;

	master_open(&m, n);
	for (uint64_t gid = 1; gid <= 15; gid++) {
		struct shard_config *before = shard_config_ref(master_config(&m));
		ck_assert_int_eq(master_join(&m, gid), 0);
		assert_balanced(master_config(&m));
		/* Only the new group gains. */
		ck_assert_uint_eq(moved(before, master_config(&m)),
				  shard_config_count(master_config(&m), gid));
		shard_config_unref(before);
	}
	for (uint64_t gid = 1; gid <= 15; gid += 2) {
		struct shard_config *before = shard_config_ref(master_config(&m));
		ck_assert_int_eq(master_leave(&m, gid), 0);
		assert_balanced(master_config(&m));
		/* Only what the group had moves. */
		ck_assert_uint_eq(moved(before, master_config(&m)),
				  shard_config_count(before, gid));
		shard_config_unref(before);
	}
	master_close(&m);
}
END_TEST

/*
 * course: DSLabs ShardMasterTest 06; 2015 shardmaster TestBasic (historical queries) — Every
 * earlier one stays as it was.
 */
START_LOOP_TEST(history_is_kept, 0, 2)
{
	struct shard_config *seen[64];
	struct shard_config *config;
	struct master m;
	uint32_t count = 0;

	master_open(&m, SIZES[_i]);
	seen[count++] = shard_config_ref(master_config(&m));
	for (uint64_t gid = 1; gid <= 20; gid++) {
		ck_assert_int_eq(master_join(&m, gid), 0);
		seen[count++] = shard_config_ref(master_config(&m));
	}
	for (uint64_t gid = 1; gid <= 20; gid++) {
		ck_assert_int_eq(master_leave(&m, gid), 0);
		seen[count++] = shard_config_ref(master_config(&m));
	}
	for (uint32_t i = 0; i < count; i++) {
		ck_assert_int_eq(master_query(&m, i, &config), 0);
		ck_assert_uint_eq(config->number, i);
		ck_assert_uint_eq(config->hash, seen[i]->hash);
		ck_assert_uint_eq(moved(config, seen[i]), 0);
		shard_config_unref(config);
		shard_config_unref(seen[i]);
	}
	master_close(&m);
}
END_TEST

/*
 * course: DSLabs ShardMasterTest 07; 2015 shardmaster TestBasic (Move) — Move makes a new
 * configuration with only that change, which stays until the next balance.
 */
START_LOOP_TEST(move_sticks_until_the_next_balance, 0, 2)
{
	uint32_t n = SIZES[_i];
	struct master m;

	master_open(&m, n);
	ck_assert_int_eq(master_join(&m, 503), 0);
	ck_assert_int_eq(master_join(&m, 504), 0);
	for (uint32_t s = 0; s < n; s++) {
		uint64_t gid = s < n / 2 + 2 ? 503 : 504;
		uint64_t number = master_config(&m)->number;
		bool there = shard_config_gid(master_config(&m), s) == gid;
		ck_assert_int_eq(master_move(&m, s, gid), there ? STATUS_BAD_REQUEST : 0);
		ck_assert_uint_eq(master_config(&m)->number, number + !there);
	}
	ck_assert_uint_eq(shard_config_count(master_config(&m), 503), n / 2 + 2);
	ck_assert_int_eq(master_rebalance(&m), 0);
	assert_balanced(master_config(&m));
	uint64_t number = master_config(&m)->number;
	/* Nothing to do: no new configuration. */
	ck_assert_int_eq(master_rebalance(&m), 0);
	ck_assert_uint_eq(master_config(&m)->number, number);
	master_close(&m);
}
END_TEST

/* course: DSLabs ShardMasterTest 08 — The same commands give the same bytes, ten times. */
START_LOOP_TEST(ten_runs_are_identical, 0, 2)
{
	struct buffer first = {0};
	uint64_t hash = 0;

	for (int run = 0; run < 10; run++) {
		struct master m;
		struct rng r;
		struct buffer all = {0};
		rng_seed(&r, 42);
		master_open(&m, SIZES[_i]);
		for (int step = 0; step < 200; step++) {
			uint64_t gid = rng_range(&r, 1, 30);
			switch (rng_below(&r, 4)) {
			case 0: (void)!master_join(&m, gid); break;
			case 1: (void)!master_leave(&m, gid); break;
			case 2:
				(void)!master_move(&m, (uint32_t)rng_below(&r, SIZES[_i] + 1), gid);
				break;
			case 3: (void)!master_rebalance(&m); break;
			}
			buffer_add_slice(&all, buffer_slice(&m.reply));
			shard_config_encode(master_config(&m), &all);
		}
		if (run == 0) {
			buffer_add_slice(&first, buffer_slice(&all));
			hash = m.app->ops->hash(m.app);
		}
		ck_assert(slice_equal(buffer_slice(&first), buffer_slice(&all)));
		ck_assert_uint_eq(hash, m.app->ops->hash(m.app));
		buffer_free(&all);
		master_close(&m);
	}
	buffer_free(&first);
}
END_TEST

/* course: 2015 shardmaster TestBasic — Several groups may join and leave in one command. */
START_LOOP_TEST(several_groups_at_once, 0, 2)
{
	char text[3][3][40];
	struct wire_group groups[3] = {master_group(9, text[0]), master_group(3, text[1]),
				       master_group(6, text[2])};
	uint64_t gids[] = {9, 3};
	struct master m;

	master_open(&m, SIZES[_i]);
	ck_assert_int_eq(master_command(&m, &(struct wire_master_command){.op = WIRE_MASTER_JOIN,
									  .ngroups = 3,
									  .groups = groups}),
			 0);
	ck_assert_uint_eq(master_config(&m)->number, 1);
	ck_assert_uint_eq(master_config(&m)->groups[0]->gid, 3);
	ck_assert_str_eq(master_config(&m)->groups[2]->members[1], "g9-b:7001");
	assert_balanced(master_config(&m));
	ck_assert_int_eq(master_command(&m, &(struct wire_master_command){.op = WIRE_MASTER_LEAVE,
									  .ngids = 2,
									  .gids = gids}),
			 0);
	ck_assert_uint_eq(shard_config_count(master_config(&m), 6), SIZES[_i]);
	master_close(&m);
}
END_TEST
