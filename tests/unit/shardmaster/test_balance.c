/* Balance and claims: even, least movement, nothing moved that may hold data. */
#include <stdlib.h>

#include "../support/check_main.h"
#include "master.h"
#include "shardmaster/config.h"

CHECK_TIMEOUT(300)

/* An unsealed configuration with the given owners. */
static struct shard_config *build(uint32_t nshards, uint32_t ngroups, const uint16_t *owners)
{
	struct shard_config *config = shard_config_new(1, nshards, ngroups);

	for (uint32_t g = 0; g < ngroups; g++)
		config->groups[g] = shard_group_new(g + 1, NULL, 0);
	memcpy(config->owners, owners, nshards * sizeof *owners);
	return config;
}

static bool is_balanced(const uint16_t *owners, uint32_t nshards, uint32_t ngroups)
{
	uint32_t count[8] = {0}, low = UINT32_MAX, high = 0;

	for (uint32_t s = 0; s < nshards; s++)
		count[owners[s]]++;
	for (uint32_t g = 0; g < ngroups; g++) {
		low = count[g] < low ? count[g] : low;
		high = count[g] > high ? count[g] : high;
	}
	return high - low <= 1;
}

/*
 * The least number of moves over every balanced assignment that leaves claimed shards alone;
 * UINT32_MAX if there is none.
 */
static uint32_t least_moves(uint32_t nshards, uint32_t ngroups, const uint16_t *owners,
			    const struct shard_set *claimed)
{
	uint32_t total = 1, best = UINT32_MAX;

	for (uint32_t s = 0; s < nshards; s++)
		total *= ngroups;
	for (uint32_t code = 0; code < total; code++) {
		uint16_t candidate[8];
		uint32_t rest = code, moves = 0;
		bool allowed = true;
		for (uint32_t s = 0; s < nshards; s++, rest /= ngroups) {
			candidate[s] = (uint16_t)(rest % ngroups);
			moves += candidate[s] != owners[s];
			allowed = allowed &&
				  (candidate[s] == owners[s] || !shard_set_has(claimed, s));
		}
		if (allowed && moves < best && is_balanced(candidate, nshards, ngroups))
			best = moves;
	}
	return best;
}

/*
 * Against every possible assignment: balance is found exactly when there is one, with the least
 * number of moves.
 */
START_TEST(movement_equals_brute_force)
{
	uint32_t refused = 0, found = 0;
	struct rng r;

	for (uint64_t seed = 0; seed < 3000; seed++) {
		rng_seed(&r, seed);
		uint32_t nshards = (uint32_t)rng_range(&r, 1, 7);
		uint32_t ngroups = (uint32_t)rng_range(&r, 1, 4);
		uint32_t claims = (uint32_t)rng_below(&r, 101);
		struct shard_set claimed = {0};
		struct buffer error = {0};
		uint16_t owners[8];
		for (uint32_t s = 0; s < nshards; s++) {
			/* Skewed to low groups, so that there is something to move. */
			owners[s] = (uint16_t)rng_below(&r, rng_range(&r, 1, ngroups));
			if (rng_below(&r, 8) == 0)
				owners[s] = SHARD_UNASSIGNED;
			else if (rng_below(&r, 100) < claims)
				shard_set_add(&claimed, s);
		}
		struct shard_config *config = build(nshards, ngroups, owners);
		uint32_t best = least_moves(nshards, ngroups, owners, &claimed);
		int status = config_balance(config, &claimed, &error);
		if (best == UINT32_MAX) {
			ck_assert_int_eq(status, STATUS_HOLDS_DATA);
			ck_assert_uint_gt(error.len, 0);
			refused++;
		} else {
			ck_assert_int_eq(status, 0);
			ck_assert(is_balanced(config->owners, nshards, ngroups));
			uint32_t moves = 0;
			for (uint32_t s = 0; s < nshards; s++) {
				moves += config->owners[s] != owners[s];
				ck_assert(config->owners[s] == owners[s] ||
					  !shard_set_has(&claimed, s));
			}
			ck_assert_uint_eq(moves, best);
			found++;
		}
		shard_config_unref(config);
		buffer_free(&error);
	}
	ck_assert_uint_gt(refused, 100);
	ck_assert_uint_gt(found, 1000);
}
END_TEST

static int descending(const void *a, const void *b)
{
	return (int)*(const uint32_t *)b - (int)*(const uint32_t *)a;
}

/*
 * The bound for many shards without claims: the fullest groups get the larger shares, and nothing
 * else moves.
 */
static uint32_t lower_bound(const struct shard_config *before, const struct shard_config *after)
{
	uint32_t *counts = calloc(after->ngroups + 1, sizeof *counts);
	uint32_t moves = 0, larger;

	for (uint32_t g = 0; g < after->ngroups; g++)
		counts[g] = shard_config_count(before, after->groups[g]->gid);
	qsort(counts, after->ngroups, sizeof *counts, descending);
	larger = after->nshards % after->ngroups;
	for (uint32_t g = 0; g < after->ngroups; g++) {
		uint32_t target = after->nshards / after->ngroups + (g < larger);
		if (counts[g] < target)
			moves += target - counts[g];
	}
	free(counts);
	return moves;
}

/*
 * Random joins, leaves, moves and rebalances of many groups: always even, and never a needless
 * move.
 */
START_TEST(random_sequences_move_the_least)
{
	static const uint32_t sizes[] = {1, 3, 10, 100, 256, 1000};
	struct rng r;

	for (uint64_t seed = 0; seed < 30; seed++) {
		struct master m;
		rng_seed(&r, seed);
		master_open(&m, sizes[seed % 6]);
		for (int step = 0; step < 100; step++) {
			struct shard_config *before = shard_config_ref(master_config(&m));
			uint64_t gid = rng_range(&r, 1, 40);
			uint64_t kind = rng_below(&r, 8);
			int status;
			if (kind < 3)
				status = master_join(&m, gid);
			else if (kind < 5)
				status = master_leave(&m, gid);
			else if (kind < 7)
				status = master_move(&m, (uint32_t)rng_below(&r, before->nshards),
						     gid);
			else
				status = master_rebalance(&m);
			struct shard_config *after = master_config(&m);
			if (status == 0 && (kind < 5 || kind == 7)) {
				assert_balanced(after);
				if (after->ngroups > 0)
					ck_assert_uint_eq(moved(before, after),
							  lower_bound(before, after));
			}
			shard_config_unref(before);
		}
		master_close(&m);
	}
}
END_TEST

/*
 * A claim grants what the newest configuration gives to the group, again and again, and nothing
 * else.
 */
START_TEST(claims_grant_what_is_owned)
{
	uint32_t all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
	uint32_t bad[] = {10};
	uint64_t none[] = {0};
	struct master m;

	master_open(&m, 10);
	ck_assert_int_eq(master_claim(&m, 1, all, 10, 0), 0);
	ck_assert_uint_eq(m.ngranted, 0);
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_join(&m, 2), 0);
	/*
	 * The group may not have learnt of the second join yet: it gets only what is its own now.
	 */
	for (int again = 0; again < 2; again++) {
		ck_assert_int_eq(master_claim(&m, 1, all, 10, 1), 0);
		ck_assert_uint_eq(m.ngranted, 5);
		for (uint32_t i = 0; i < 5; i++)
			ck_assert_uint_eq(shard_config_gid(master_config(&m), m.granted[i]), 1);
		ck_assert_uint_eq(shardmaster_app_claimed(m.app), 5);
	}
	ck_assert_uint_eq(master_config(&m)->number, 2);
	ck_assert_int_eq(master_claim(&m, 1, bad, 1, 2), STATUS_BAD_REQUEST);
	ck_assert_int_eq(master_claim(&m, 1, all, 10, 3), STATUS_BAD_REQUEST);
	ck_assert_int_eq(master_claim(&m, 0, all, 10, 2), STATUS_BAD_REQUEST);
	ck_assert_int_eq(master_command(&m, &(struct wire_master_command){.op = WIRE_MASTER_CLAIM}),
			 STATUS_BAD_REQUEST);
	ck_assert_int_eq(master_command(&m, &(struct wire_master_command){.op = WIRE_MASTER_CLAIM,
									  .ngids = 1,
									  .gids = none}),
			 STATUS_BAD_REQUEST);
	master_close(&m);
}
END_TEST

/*
 * Claimed shards pin a group: Move, Leave, Join and Rebalance that would take one away are refused,
 * and say how many and whose.
 */
START_TEST(claimed_shards_do_not_move)
{
	struct master m;

	master_open(&m, 10);
	ck_assert_int_eq(master_join(&m, 1), 0);
	master_claim_some(&m, 1, 6);
	/* Five unclaimed ones are not there: four could move. */
	ck_assert_int_eq(master_join(&m, 2), STATUS_HOLDS_DATA);
	ck_assert_ptr_nonnull(strstr(m.message, "group 1 has 6 shards"));
	ck_assert_int_eq(master_leave(&m, 1), STATUS_HOLDS_DATA);
	ck_assert_ptr_nonnull(strstr(m.message, "group 1 has 6 shards"));
	master_close(&m);

	master_open(&m, 10);
	ck_assert_int_eq(master_join(&m, 1), 0);
	master_claim_some(&m, 1, 5);
	ck_assert_int_eq(master_join(&m, 2), 0);
	assert_balanced(master_config(&m));
	ck_assert_int_eq(master_move(&m, 0, 2), STATUS_HOLDS_DATA);
	ck_assert_ptr_nonnull(strstr(m.message, "shard 0"));
	ck_assert_int_eq(master_move(&m, 9, 1), 0);
	ck_assert_int_eq(master_rebalance(&m), 0);
	ck_assert_int_eq(master_leave(&m, 2), 0);
	ck_assert_uint_eq(shard_config_count(master_config(&m), 1), 10);
	master_claim_some(&m, 1, 10);
	ck_assert_int_eq(master_leave(&m, 1), STATUS_HOLDS_DATA);
	master_close(&m);
}
END_TEST

/*
 * What Move has piled up and been claimed cannot be balanced away: Rebalance is refused, further
 * moves are not.
 */
START_TEST(rebalance_of_claimed_shards_is_refused)
{
	struct master m;

	master_open(&m, 10);
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_join(&m, 2), 0);
	for (uint32_t s = 0; s < 7; s++)
		(void)!master_move(&m, s, 1);
	master_claim_some(&m, 1, 7);
	ck_assert_int_eq(master_rebalance(&m), STATUS_HOLDS_DATA);
	ck_assert_ptr_nonnull(strstr(m.message, "group 1 has 7 shards"));
	ck_assert_ptr_nonnull(strstr(m.message, "even share of 5 of 10 shards over 2 groups"));
	ck_assert_int_eq(master_move(&m, 9, 1), 0);
	master_close(&m);
}
END_TEST

/*
 * A group with no shards at all, because there are more groups than shards, may leave and join at
 * no cost.
 */
START_TEST(more_groups_than_shards)
{
	struct master m;

	master_open(&m, 3);
	for (uint64_t gid = 1; gid <= 8; gid++)
		ck_assert_int_eq(master_join(&m, gid), 0);
	assert_balanced(master_config(&m));
	for (uint64_t gid = 1; gid <= 8; gid++)
		if (shard_config_count(master_config(&m), gid) > 0)
			master_claim_some(&m, gid, 1);
	ck_assert_uint_eq(shardmaster_app_claimed(m.app), 3);
	for (uint64_t gid = 1; gid <= 8; gid++)
		if (shard_config_count(master_config(&m), gid) == 0)
			ck_assert_int_eq(master_leave(&m, gid), 0);
	ck_assert_uint_eq(master_config(&m)->ngroups, 3);
	master_close(&m);
}
END_TEST

/*
 * Joins with no or bad or repeated addresses, gid 0, repeated gids or nothing at all are refused.
 */
START_TEST(bad_joins_are_refused)
{
	char text[2][3][40];
	struct wire_group groups[2] = {master_group(1, text[0]), master_group(1, text[1])};
	struct wire_master_command join = {.op = WIRE_MASTER_JOIN, .ngroups = 2, .groups = groups};
	static const char *const bad[] = {"host",       "host:",   ":7000",   "host:0",
					  "host:65536", "ho st:1", "host:7x", "::1:7000"};
	struct master m;

	master_open(&m, 10);
	ck_assert_int_eq(master_command(&m, &join), STATUS_BAD_REQUEST);
	join.ngroups = 0;
	ck_assert_int_eq(master_command(&m, &join), STATUS_BAD_REQUEST);
	join.ngroups = 1;
	groups[0].gid = 0;
	ck_assert_int_eq(master_command(&m, &join), STATUS_BAD_REQUEST);
	groups[0].gid = 1;
	groups[0].nmembers = 0;
	ck_assert_int_eq(master_command(&m, &join), STATUS_BAD_REQUEST);
	groups[0].nmembers = 2;
	groups[0].members[1] = groups[0].members[0];
	ck_assert_int_eq(master_command(&m, &join), STATUS_BAD_REQUEST);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		groups[0].members[1] = slice_string(bad[i]);
		ck_assert_msg(master_command(&m, &join) == STATUS_BAD_REQUEST, "%s", bad[i]);
	}
	groups[0].members[1] = slice_string("[::1]:7000");
	ck_assert_int_eq(master_command(&m, &join), 0);
	ck_assert_int_eq(master_command(&m, &(struct wire_master_command){.op = WIRE_MASTER_LEAVE}),
			 STATUS_BAD_REQUEST);
	uint64_t twice[] = {1, 1};
	ck_assert_int_eq(master_command(&m, &(struct wire_master_command){.op = WIRE_MASTER_LEAVE,
									  .ngids = 2,
									  .gids = twice}),
			 STATUS_NO_SUCH_GROUP);
	master_close(&m);
}
END_TEST
