/* Which shards a group serves: configurations, grants, refusals. */
#include "../support/check_main.h"
#include "kv.h"
#include "shardkv/internal.h"
#include "shardkv/node_internal.h"

#define ALL_OURS \
	{ \
		1, 1, 1, 1, 1, 1, 1, 1 \
	}

static char name[4][16];

static int put_in(struct kv *kv, uint32_t shard)
{
	return kv_op(kv, op_put(kv_key_in(name[0], shard, KV_SHARDS), "v"));
}

static void grant(struct kv *kv, uint32_t shard)
{
	ck_assert_int_eq(kv_grant(kv, &shard, 1), 0);
}

/* A shard can be used once it is both assigned by the adopted configuration and granted. */
START_TEST(assigned_and_granted)
{
	struct kv kv = kv_bare(KV_SHARDS);
	uint64_t gids[KV_SHARDS] = {1, 1, 2, 2, 2, 2, 2, 2};
	ck_assert_int_eq(put_in(&kv, 0), STATUS_WRONG_GROUP);
	ck_assert_uint_eq(kv.error.config, 0);
	kv_adopt(&kv, 3, gids, KV_SHARDS);
	ck_assert_uint_eq(shardkv_app_config_number(kv.app), 3);
	ck_assert_uint_eq(shardkv_app_unclaimed(kv.app), 2);
	ck_assert_int_eq(put_in(&kv, 0), STATUS_WRONG_GROUP);
	ck_assert_uint_eq(kv.error.config, 3);
	grant(&kv, 0);
	ck_assert_uint_eq(shardkv_app_unclaimed(kv.app), 1);
	ck_assert_int_eq(put_in(&kv, 0), 0);
	ck_assert_int_eq(put_in(&kv, 1), STATUS_WRONG_GROUP);
	ck_assert_int_eq(put_in(&kv, 2), STATUS_WRONG_GROUP);
	kv_free(&kv);
}
END_TEST

/* Older and equal configurations change nothing; numbers may be skipped. */
START_TEST(configurations_only_advance)
{
	struct kv kv = kv_bare(KV_SHARDS);
	uint64_t ours[KV_SHARDS] = ALL_OURS;
	uint64_t theirs[KV_SHARDS] = {2, 2, 2, 2, 2, 2, 2, 2};
	kv_adopt(&kv, 5, ours, KV_SHARDS);
	uint64_t hash = kv_hash(&kv);
	ck_assert_int_eq(kv_adopt(&kv, 5, theirs, KV_SHARDS), 0);
	ck_assert_int_eq(kv_adopt(&kv, 4, theirs, KV_SHARDS), 0);
	ck_assert_uint_eq(kv_hash(&kv), hash);
	ck_assert_uint_eq(shardkv_app_unclaimed(kv.app), KV_SHARDS);
	kv_adopt(&kv, 9, theirs, KV_SHARDS);
	ck_assert_uint_eq(shardkv_app_config_number(kv.app), 9);
	ck_assert_uint_eq(shardkv_app_unclaimed(kv.app), 0);
	kv_free(&kv);
}
END_TEST

/*
 * An unclaimed shard that a configuration takes away is no longer ours; a grant that came before
 * the configuration counts.
 */
START_TEST(unclaimed_shards_may_leave)
{
	struct kv kv = kv_bare(KV_SHARDS);
	uint64_t ours[KV_SHARDS] = ALL_OURS;
	uint64_t half[KV_SHARDS] = {1, 1, 1, 1, 2, 2, 2, 2};
	grant(&kv, 1);
	ck_assert_int_eq(put_in(&kv, 1), STATUS_WRONG_GROUP);
	kv_adopt(&kv, 1, ours, KV_SHARDS);
	ck_assert_int_eq(put_in(&kv, 1), 0);
	kv_adopt(&kv, 2, half, KV_SHARDS);
	ck_assert(!shardkv_app_is_assigned(kv.app, 7));
	ck_assert(shardkv_app_is_assigned(kv.app, 1) && shardkv_app_is_granted(kv.app, 1));
	ck_assert_int_eq(put_in(&kv, 1), 0);
	ck_assert_uint_eq(shardkv_app_unclaimed(kv.app), 3);
	kv_free(&kv);
}
END_TEST

/*
 * A grant is for good: a configuration that takes the shard away all the same stops the group from
 * serving it, and the next one that assigns it needs no other grant.
 */
START_TEST(a_grant_is_never_taken_back)
{
	struct kv kv = kv_bare(KV_SHARDS);
	uint64_t ours[KV_SHARDS] = ALL_OURS;
	uint64_t theirs[KV_SHARDS] = {2, 2, 2, 2, 2, 2, 2, 2};
	kv_adopt(&kv, 1, ours, KV_SHARDS);
	grant(&kv, 1);
	grant(&kv, 1);
	kv_adopt(&kv, 2, theirs, KV_SHARDS);
	ck_assert_int_eq(put_in(&kv, 1), STATUS_WRONG_GROUP);
	ck_assert(shardkv_app_is_granted(kv.app, 1));
	ck_assert_uint_eq(shardkv_app_unclaimed(kv.app), 0);
	kv_adopt(&kv, 3, ours, KV_SHARDS);
	ck_assert_int_eq(put_in(&kv, 1), 0);
	ck_assert_uint_eq(shardkv_app_unclaimed(kv.app), KV_SHARDS - 1);
	kv_free(&kv);
}
END_TEST

/* The table says the same: nothing is owned without a grant, and no way leads back from one. */
START_TEST(the_states_of_shards_and_claims_are_sound)
{
	ck_assert(state_table_is_sound(&SHARD_STATES, SHARD_FOREIGN));
	ck_assert(!state_may(&SHARD_STATES, SHARD_FOREIGN, SHARD_OWNED));
	ck_assert(!state_may(&SHARD_STATES, SHARD_OWNED, SHARD_ASSIGNED));
	ck_assert(!state_may(&SHARD_STATES, SHARD_OWNED, SHARD_FOREIGN));
	ck_assert(!state_may(&SHARD_STATES, SHARD_GRANTED, SHARD_FOREIGN));
	ck_assert(state_table_is_sound(&CLAIM_STATES, CLAIM_NONE));
}
END_TEST

/*
 * A configuration for another number of shards, or a grant of a shard that does not exist, is
 * refused as a whole.
 */
START_TEST(nonsense_is_refused)
{
	struct kv kv = kv_bare(KV_SHARDS);
	uint64_t gids[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	uint64_t hash = kv_hash(&kv);
	ck_assert_int_eq(kv_adopt(&kv, 1, gids, 16), STATUS_BAD_REQUEST);
	uint32_t shards[] = {0, KV_SHARDS};
	ck_assert_int_eq(kv_grant(&kv, shards, 2), STATUS_BAD_REQUEST);
	ck_assert(!shardkv_app_is_granted(kv.app, 0));
	struct wire_kv_command garbage = {.has_internal = true,
					  .internal = {.config = slice_string("\xff\xff\xff")}};
	ck_assert_int_ne(kv_apply(&kv, &garbage), 0);
	ck_assert_uint_eq(kv_hash(&kv), hash);
	kv_free(&kv);
}
END_TEST

/* Clients cannot change what a group owns, neither at the door nor through the log. */
START_TEST(clients_are_denied)
{
	struct kv kv = kv_bare(KV_SHARDS);
	uint32_t shard = 0;
	struct wire_kv_command command = {.has_internal = true,
					  .internal = {.ngranted = 1, .granted = &shard}};
	ck_assert_int_eq(kv_admit(&kv, &command), STATUS_DENIED);
	ck_assert_int_eq(kv_apply_as(&kv, &command, 17), STATUS_DENIED);
	ck_assert(!shardkv_app_is_granted(kv.app, 0));
	struct wire_kv_op op = op_put("a", "b");
	command.nthen = 1;
	command.then = &op;
	ck_assert_int_eq(kv_apply(&kv, &command), STATUS_BAD_REQUEST);
	kv_free(&kv);
}
END_TEST

/*
 * A leader that has not caught up admits any shard and lets apply decide; form and privilege are
 * judged all the same.
 */
START_TEST(admission_may_leave_ownership_to_apply)
{
	struct kv kv = kv_bare(KV_SHARDS);
	struct wire_kv_op op = op_put("a", "b");
	struct wire_kv_command command = {.nthen = 1, .then = &op};
	ck_assert_int_eq(kv_admit(&kv, &command), STATUS_WRONG_GROUP);
	shardkv_app_judge_ownership(kv.app, false);
	ck_assert_int_eq(kv_admit(&kv, &command), 0);
	ck_assert_int_eq(kv_apply(&kv, &command), STATUS_WRONG_GROUP);
	op.key = slice(NULL, 0);
	ck_assert_int_eq(kv_admit(&kv, &command), STATUS_BAD_REQUEST);
	struct wire_kv_command internal = {.has_internal = true};
	ck_assert_int_eq(kv_admit(&kv, &internal), STATUS_DENIED);
	kv_free(&kv);
}
END_TEST

static int txn_of(struct kv *kv, uint32_t when_shard, uint32_t then_shard, uint32_t otherwise_shard)
{
	struct wire_kv_compare when = {
		.target = WIRE_KV_EXISTS,
		.key = slice_string(kv_key_in(name[1], when_shard, KV_SHARDS))};
	struct wire_kv_op then = op_put(kv_key_in(name[2], then_shard, KV_SHARDS), "v");
	struct wire_kv_op otherwise = op_put(kv_key_in(name[3], otherwise_shard, KV_SHARDS), "v");
	struct wire_kv_command command = {.nwhen = 1,
					  .when = &when,
					  .nthen = 1,
					  .then = &then,
					  .notherwise = 1,
					  .otherwise = &otherwise};
	int admitted = kv_admit(kv, &command);
	ck_assert_int_eq(kv_apply(kv, &command), admitted);
	return admitted;
}

/*
 * Every key of a transaction counts, also those of compares and of the branch not taken: ours,
 * another's, or of several groups.
 */
START_TEST(transactions_belong_to_one_group)
{
	struct kv kv = kv_bare(KV_SHARDS);
	uint64_t gids[KV_SHARDS] = {1, 1, 1, 2, 2, 3, 3, 3};
	uint32_t granted[] = {0, 1};
	kv_adopt(&kv, 4, gids, KV_SHARDS);
	kv_grant(&kv, granted, 2);
	ck_assert_int_eq(txn_of(&kv, 0, 1, 0), 0);
	ck_assert_int_eq(txn_of(&kv, 3, 0, 0), STATUS_CROSS_GROUP);
	ck_assert_uint_eq(kv.error.config, 4);
	ck_assert_int_eq(txn_of(&kv, 0, 3, 0), STATUS_CROSS_GROUP);
	ck_assert_int_eq(txn_of(&kv, 0, 0, 5), STATUS_CROSS_GROUP);
	ck_assert_int_eq(txn_of(&kv, 3, 4, 4), STATUS_WRONG_GROUP);
	ck_assert_int_eq(txn_of(&kv, 3, 5, 4), STATUS_WRONG_GROUP);
	ck_assert_int_eq(txn_of(&kv, 0, 2, 1), STATUS_WRONG_GROUP); /* 2 is not granted */
	ck_assert_int_eq(txn_of(&kv, 2, 3, 2), STATUS_CROSS_GROUP);
	kv_free(&kv);
}
END_TEST

/*
 * Queries for keys, and scans, need granted shards and the configuration that the client expects.
 */
START_TEST(queries_need_ownership)
{
	struct kv kv = kv_bare(KV_SHARDS);
	uint64_t gids[KV_SHARDS] = {1, 1, 2, 2, 2, 2, 2, 2};
	kv_adopt(&kv, 4, gids, KV_SHARDS);
	struct slice keys[1] = {slice_string(kv_key_in(name[0], 2, KV_SHARDS))};
	struct wire_kv_query lookup = {.nkeys = 1, .keys = keys};
	ck_assert_int_eq(kv_query(&kv, &lookup), STATUS_WRONG_GROUP);
	struct wire_kv_query scan = {.has_scan = true, .scan = {.config = 4}};
	ck_assert_int_eq(kv_query(&kv, &scan), STATUS_WRONG_GROUP);
	grant(&kv, 0);
	ck_assert_int_eq(kv_query(&kv, &scan), STATUS_WRONG_GROUP);
	grant(&kv, 1);
	ck_assert_int_eq(kv_query(&kv, &scan), 0);
	scan.scan.config = 3;
	ck_assert_int_eq(kv_query(&kv, &scan), STATUS_WRONG_GROUP);
	ck_assert_uint_eq(kv.error.config, 4);
	scan.scan.config = 5;
	ck_assert_int_eq(kv_query(&kv, &scan), STATUS_WRONG_GROUP);
	scan.scan.config = 0;
	ck_assert_int_eq(kv_query(&kv, &scan), 0);
	kv_free(&kv);
}
END_TEST

/*
 * The node learns which shards a request waits for: those assigned and not granted, and all of
 * these for a scan.
 */
START_TEST(waiting_for_grants)
{
	struct kv kv = kv_bare(KV_SHARDS);
	uint64_t gids[KV_SHARDS] = {1, 1, 1, 2, 2, 2, 2, 2};
	bool wanted[KV_SHARDS] = {0};
	struct buffer bytes = {0};
	kv_adopt(&kv, 4, gids, KV_SHARDS);
	grant(&kv, 0);
	struct wire_kv_op ops[] = {op_get(kv_key_in(name[0], 0, KV_SHARDS)),
				   op_get(kv_key_in(name[1], 1, KV_SHARDS)),
				   op_get(kv_key_in(name[2], 3, KV_SHARDS))};
	struct wire_kv_command command = {.nthen = 3, .then = ops};
	wire_kv_command_encode(&command, &bytes);
	ck_assert(shardkv_app_command_waits(kv.app, buffer_slice(&bytes), &kv.arena, wanted));
	for (uint32_t i = 0; i < KV_SHARDS; i++)
		ck_assert_int_eq(wanted[i], i == 1);
	struct wire_kv_query scan = {.has_scan = true, .scan = {.config = 4}};
	buffer_clear(&bytes);
	wire_kv_query_encode(&scan, &bytes);
	ck_assert(shardkv_app_query_waits(kv.app, buffer_slice(&bytes), &kv.arena, wanted));
	for (uint32_t i = 0; i < KV_SHARDS; i++)
		ck_assert_int_eq(wanted[i], i == 1 || i == 2);
	scan.scan.config = 3;
	buffer_clear(&bytes);
	wire_kv_query_encode(&scan, &bytes);
	ck_assert(!shardkv_app_query_waits(kv.app, buffer_slice(&bytes), &kv.arena, NULL));
	struct wire_kv_command ours = {.nthen = 1, .then = ops};
	buffer_clear(&bytes);
	wire_kv_command_encode(&ours, &bytes);
	ck_assert(!shardkv_app_command_waits(kv.app, buffer_slice(&bytes), &kv.arena, NULL));
	ck_assert(!shardkv_app_command_waits(kv.app, slice_string("\xff\xff"), &kv.arena, NULL));
	buffer_free(&bytes);
	kv_free(&kv);
}
END_TEST
