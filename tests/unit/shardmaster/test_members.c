/*
 * MEMBERS: a group says where its members are found by now; clients and other groups learn it from
 * the next configuration.
 */
#include <stdlib.h>

#include "../support/check_main.h"
#include "master.h"
#include "shardmaster/internal.h"

CHECK_TIMEOUT(300)

static void assert_members(struct master *m, uint64_t gid, const char *letters)
{
	const struct shard_group *group = shard_config_group(master_config(m), gid);
	char text[40];

	ck_assert_uint_eq(group->nmembers, strlen(letters));
	for (uint32_t i = 0; i < group->nmembers; i++) {
		snprintf(text, sizeof text, "g%u-%c:%u", (unsigned)gid, letters[i],
			 7000 + (unsigned)(letters[i] - 'a'));
		ck_assert_str_eq(group->members[i], text);
	}
}

/*
 * The next configuration has the addresses, and every shard stays where it is, also if it holds
 * data.
 */
START_TEST(addresses_are_learnt)
{
	struct shard_config *before;
	struct master m;

	master_open(&m, 10);
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_join(&m, 2), 0);
	master_claim_some(&m, 1, 3);
	before = shard_config_ref(master_config(&m));
	ck_assert_int_eq(master_members(&m, 1, 77, 9, "bcd"), 0);
	ck_assert_uint_eq(master_config(&m)->number, before->number + 1);
	assert_members(&m, 1, "bcd");
	assert_members(&m, 2, "abc");
	ck_assert_uint_eq(moved(before, master_config(&m)), 0);
	ck_assert_uint_eq(shardmaster_app_claimed(m.app), 3);
	/* The one before is as it was. */
	struct shard_config *old;
	ck_assert_int_eq(master_query(&m, before->number, &old), 0);
	ck_assert_uint_eq(old->hash, before->hash);
	shard_config_unref(old);
	shard_config_unref(before);
	master_close(&m);
}
END_TEST

/* Repeated, or in another order, a report changes nothing. */
START_TEST(reports_are_idempotent)
{
	struct master m;

	master_open(&m, 10);
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_members(&m, 1, 77, 9, "cab"), 0);
	ck_assert_uint_eq(master_config(&m)->number, 1);
	ck_assert_int_eq(master_members(&m, 1, 77, 9, "abd"), 0);
	ck_assert_uint_eq(master_config(&m)->number, 2);
	uint64_t hash = m.app->ops->hash(m.app);
	ck_assert_int_eq(master_members(&m, 1, 77, 9, "abd"), 0);
	ck_assert_int_eq(master_members(&m, 1, 77, 9, "dba"), 0);
	ck_assert_uint_eq(master_config(&m)->number, 2);
	ck_assert_uint_eq(m.app->ops->hash(m.app), hash);
	master_close(&m);
}
END_TEST

/*
 * A leader that was deposed may be late: its older list takes no newer one's place, and the leader
 * that asks next is told so.
 */
START_TEST(older_list_never_wins)
{
	struct master m;

	master_open(&m, 10);
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_members(&m, 1, 77, 20, "bcd"), 0);
	ck_assert_int_eq(master_members(&m, 1, 77, 19, "abc"), 0);
	assert_members(&m, 1, "bcd");
	ck_assert_uint_eq(master_config(&m)->number, 2);
	/* The newest slot counts even where it brought no other addresses. */
	ck_assert_int_eq(master_members(&m, 1, 77, 30, "bcd"), 0);
	ck_assert_int_eq(master_members(&m, 1, 77, 25, "abc"), 0);
	assert_members(&m, 1, "bcd");
	/* A member that has moved has another address by the same list. */
	ck_assert_int_eq(master_members(&m, 1, 77, 30, "bce"), 0);
	assert_members(&m, 1, "bce");
	master_close(&m);
}
END_TEST

/* Only the group that has joined may speak of itself. */
START_TEST(another_group_is_denied)
{
	struct master m;

	master_open(&m, 10);
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_members(&m, 2, 77, 9, "abc"), STATUS_NO_SUCH_GROUP);
	ck_assert_int_eq(master_members(&m, 1, 66, 9, "efg"), STATUS_DENIED);
	ck_assert(strstr(m.message, "none of its members") != NULL);
	ck_assert_int_eq(master_members(&m, 1, 77, 9, "ade"), 0);
	/*
	 * By now its id is known: it may move to other addresses altogether, and nobody else may.
	 */
	ck_assert_int_eq(master_members(&m, 1, 66, 99, "abc"), STATUS_DENIED);
	ck_assert(strstr(m.message, "0000000000000042") != NULL &&
		  strstr(m.message, "000000000000004d") != NULL);
	ck_assert_int_eq(master_members(&m, 1, 77, 10, "efg"), 0);
	assert_members(&m, 1, "efg");
	master_close(&m);
}
END_TEST

/* A report names one group, its id, a slot and each member once; any other is refused. */
START_TEST(a_nonsensical_report_is_refused)
{
	struct wire_group groups[2] = {
		{.gid = 1, .nmembers = 1, .members = {slice_string("g1-a:7000")}}, {.gid = 2}};
	struct wire_master_command command = {.op = WIRE_MASTER_MEMBERS,
					      .ngroups = 1,
					      .groups = groups,
					      .slot = 9,
					      .group_id = 7};
	struct master m;

	master_open(&m, 10);
	ck_assert_int_eq(master_join(&m, 1), 0);
	command.ngroups = 2;
	ck_assert_int_ne(master_command(&m, &command), 0);
	command.ngroups = 0;
	ck_assert_int_eq(master_command(&m, &command), STATUS_BAD_REQUEST);
	command.ngroups = 1;
	command.slot = 0;
	ck_assert_int_eq(master_command(&m, &command), STATUS_BAD_REQUEST);
	command.slot = 9;
	command.group_id = 0;
	ck_assert_int_eq(master_command(&m, &command), STATUS_BAD_REQUEST);
	command.group_id = 7;
	groups[0].members[groups[0].nmembers++] = slice_string("g1-a:7000");
	ck_assert_int_eq(master_command(&m, &command), STATUS_BAD_REQUEST);
	groups[0].members[1] = slice_string("nowhere");
	ck_assert_int_eq(master_command(&m, &command), STATUS_BAD_REQUEST);
	groups[0].nmembers = 1;
	ck_assert_int_eq(master_command(&m, &command), 0);
	assert_members(&m, 1, "a");
	master_close(&m);
}
END_TEST

/* A group that leaves is forgotten: one that joins under its number may be another. */
START_TEST(left_group_is_forgotten)
{
	struct master m;

	master_open(&m, 10);
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_join(&m, 2), 0);
	ck_assert_int_eq(master_join(&m, 3), 0);
	ck_assert_int_eq(master_members(&m, 3, 33, 8, "abd"), 0);
	ck_assert_int_eq(master_members(&m, 1, 11, 9, "abd"), 0);
	ck_assert_int_eq(master_members(&m, 2, 22, 7, "abd"), 0);
	ck_assert_uint_eq(shardmaster_of(m.app)->nreports, 3);
	ck_assert_int_eq(master_leave(&m, 2), 0);
	ck_assert_uint_eq(shardmaster_of(m.app)->nreports, 2);
	ck_assert_int_eq(master_join(&m, 2), 0);
	ck_assert_int_eq(master_members(&m, 2, 44, 1, "abe"), 0);
	assert_members(&m, 2, "abe");
	assert_members(&m, 1, "abd");
	ck_assert_int_eq(master_members(&m, 1, 99, 10, "abe"), STATUS_DENIED);
	master_close(&m);
}
END_TEST

static struct buffer image(struct app *app)
{
	struct app_snapshot *snapshot = app->ops->snapshot_begin(app);
	struct buffer out = {0};

	ck_assert_int_eq(app->ops->snapshot_next(snapshot, 1u << 24, &out), 0);
	app->ops->snapshot_end(snapshot);
	return out;
}

static int install(struct app *app, struct slice bytes)
{
	struct arena arena;

	arena_init(&arena, ARENA_BYTES_MAX);
	app->ops->restore_begin(app);
	int status = app->ops->restore_chunk(app, bytes, &arena);
	arena_free(&arena);
	return status != 0 ? status : app->ops->restore_end(app);
}

/*
 * What was reported is in the snapshot: an older report still loses after it is installed, and
 * one of another group is denied.
 */
START_TEST(reports_are_in_snapshots)
{
	struct master a, b;

	master_open(&a, 64);
	ck_assert_int_eq(master_join(&a, 1), 0);
	ck_assert_int_eq(master_members(&a, 1, 77, 20, "bcd"), 0);
	struct buffer bytes = image(a.app);
	master_open(&b, 64);
	ck_assert_int_eq(install(b.app, buffer_slice(&bytes)), 0);
	ck_assert_uint_eq(a.app->ops->hash(a.app), b.app->ops->hash(b.app));
	ck_assert_int_eq(master_members(&b, 1, 77, 19, "abc"), 0);
	assert_members(&b, 1, "bcd");
	ck_assert_int_eq(master_members(&b, 1, 78, 30, "bcd"), STATUS_DENIED);
	/* Of a group that there is not. */
	size_t gid_at = 4 + 4 + 8 + 4 + 8 + 4;
	ck_assert_uint_eq(load_u64(bytes.data + gid_at), 1);
	store_u64(bytes.data + gid_at, 2);
	ck_assert_int_eq(install(b.app, buffer_slice(&bytes)), STATUS_CORRUPT);
	buffer_free(&bytes);
	master_close(&a);
	master_close(&b);
}
END_TEST

static void assert_generation(struct master *m, uint64_t gid, uint32_t generation, uint64_t life,
			      bool begun)
{
	struct wire_config answer = master_generation(m, gid);

	ck_assert_uint_eq(answer.generation, generation);
	ck_assert_uint_eq(answer.generation_life, life);
	ck_assert(answer.generation_begun == begun);
	ck_assert_uint_eq(answer.number, master_config(m)->number);
}

/*
 * A group that has lost its majority goes on from one disk, and from no other one; those before are
 * not believed any more. faults: 110
 */
START_TEST(generations_are_recorded)
{
	struct master m;

	master_open(&m, 10);
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_force(&m, 2, 77, 1, 501, "a"), STATUS_NO_SUCH_GROUP);
	ck_assert_int_eq(master_force(&m, 1, 77, 1, 501, "x"), STATUS_DENIED);
	assert_generation(&m, 1, 0, 0, false);
	ck_assert_int_eq(master_force(&m, 1, 77, 1, 501, "a"), 0);
	/* Where the group is found, its leader says; until then nothing has changed. */
	assert_members(&m, 1, "abc");
	assert_generation(&m, 1, 1, 501, false);
	assert_generation(&m, 2, 0, 0, false);
	/* Once. */
	uint64_t hash = m.app->ops->hash(m.app);
	ck_assert_int_eq(master_force(&m, 1, 77, 1, 501, "a"), 0);
	ck_assert_uint_eq(m.app->ops->hash(m.app), hash);
	ck_assert_int_eq(master_force(&m, 1, 77, 1, 502, "b"), STATUS_DENIED);
	ck_assert_ptr_nonnull(strstr(m.message, "begun from another replica"));
	ck_assert_int_eq(master_force(&m, 1, 77, 3, 501, "a"), STATUS_DENIED);
	ck_assert_int_eq(master_force(&m, 1, 78, 2, 501, "a"), STATUS_DENIED);
	/* Lists of the generation before, and of one that is not, count for nothing. */
	ck_assert_int_eq(master_members(&m, 1, 77, 900, "abd"), STATUS_REMOVED);
	ck_assert_int_eq(master_members_of(&m, 1, 77, 2, 5, "abd", 0), STATUS_DENIED);
	assert_members(&m, 1, "abc");
	assert_generation(&m, 1, 1, 501, false);
	ck_assert_int_eq(master_members_of(&m, 1, 77, 1, 6, "a", 0), 0);
	assert_members(&m, 1, "a");
	assert_generation(&m, 1, 1, 501, true);
	/* And once more, from a replica that was added. */
	ck_assert_int_eq(master_members_of(&m, 1, 77, 1, 9, "ad", 0), 0);
	ck_assert_int_eq(master_force(&m, 1, 77, 2, 503, "d"), 0);
	assert_generation(&m, 1, 2, 503, false);
	master_close(&m);
}
END_TEST

/* Those who were turned away may come back long after; another group may get the number. */
START_TEST(generations_outlive_groups)
{
	struct master m;

	master_open(&m, 10);
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_join(&m, 2), 0);
	ck_assert_int_eq(master_force(&m, 1, 77, 1, 501, "a"), 0);
	ck_assert_int_eq(master_leave(&m, 1), 0);
	assert_generation(&m, 1, 1, 501, false);
	struct buffer bytes = image(m.app);
	struct master b;
	master_open(&b, 10);
	ck_assert_int_eq(install(b.app, buffer_slice(&bytes)), 0);
	assert_generation(&b, 1, 1, 501, false);
	master_close(&b);
	buffer_free(&bytes);
	/* The same group. */
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_members(&m, 1, 77, 30, "abc"), STATUS_REMOVED);
	ck_assert_int_eq(master_members_of(&m, 1, 77, 1, 30, "ab", 0), 0);
	ck_assert_int_eq(master_members(&m, 1, 78, 30, "abc"), STATUS_DENIED);
	/* Another one. */
	ck_assert_int_eq(master_leave(&m, 1), 0);
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_members(&m, 1, 78, 3, "abd"), 0);
	assert_generation(&m, 1, 0, 0, false);
	master_close(&m);
}
END_TEST

/*
 * A snapshot has the format of before while no group was forced, and carries the generations
 * afterwards; impossible ones are corrupt.
 */
START_TEST(generations_are_in_snapshots)
{
	struct master a, b;

	master_open(&a, 64);
	ck_assert_int_eq(master_join(&a, 1), 0);
	ck_assert_int_eq(master_join(&a, 2), 0);
	ck_assert_int_eq(master_members(&a, 2, 88, 20, "bcd"), 0);
	/* Written as before while nobody was forced: an older program can read it. */
	struct buffer before = image(a.app), bytes;
	ck_assert_uint_eq(before.data[3], '2');
	ck_assert_int_eq(master_force(&a, 1, 77, 1, 501, "a"), 0);
	bytes = image(a.app);
	ck_assert_uint_eq(bytes.data[3], '3');
	master_open(&b, 64);
	ck_assert_int_eq(install(b.app, buffer_slice(&bytes)), 0);
	ck_assert_uint_eq(a.app->ops->hash(a.app), b.app->ops->hash(b.app));
	assert_generation(&b, 1, 1, 501, false);
	ck_assert_int_eq(master_members(&b, 2, 88, 19, "abc"), 0);
	assert_members(&b, 2, "bcd");
	/* A generation without a disk, or beyond every possible one; a slot is missing. */
	size_t generation_at = 4 + 4 + 8 + 4 + 8 + 4 + 24;
	ck_assert_uint_eq(load_u32(bytes.data + generation_at), 1);
	store_u32(bytes.data + generation_at, GENERATION_MAX + 1);
	ck_assert_int_eq(install(b.app, buffer_slice(&bytes)), STATUS_CORRUPT);
	store_u32(bytes.data + generation_at, 0);
	ck_assert_int_eq(install(b.app, buffer_slice(&bytes)), STATUS_CORRUPT);
	buffer_free(&before);
	buffer_free(&bytes);
	master_close(&a);
	master_close(&b);
}
END_TEST

/* A snapshot of the version before, which knew of no reports. */
START_TEST(first_format_is_read)
{
	struct buffer old = {0};
	struct master a, b;

	master_open(&a, 64);
	ck_assert_int_eq(master_join(&a, 1), 0);
	ck_assert_int_eq(master_join(&a, 2), 0);
	struct buffer bytes = image(a.app);
	size_t reports_at = 4 + 4 + 8 + 4 + 8;
	ck_assert_uint_eq(load_u32(bytes.data + reports_at), 0);
	buffer_add_slice(&old, slice(bytes.data, reports_at));
	buffer_add_slice(&old, slice(bytes.data + reports_at + 4, bytes.len - reports_at - 4));
	old.data[3] = '1';
	master_open(&b, 64);
	ck_assert_int_eq(install(b.app, buffer_slice(&old)), 0);
	ck_assert_uint_eq(a.app->ops->hash(a.app), b.app->ops->hash(b.app));
	buffer_free(&old);
	buffer_free(&bytes);
	master_close(&a);
	master_close(&b);
}
END_TEST
