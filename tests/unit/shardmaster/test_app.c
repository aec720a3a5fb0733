/* The shard master as a replicated app: snapshots, history, hashes, limits, hostile commands. */
#include <stdlib.h>

#include "../support/audit.h"
#include "../support/check_main.h"
#include "master.h"
#include "shardmaster/internal.h"

CHECK_TIMEOUT(300)

/* One random command; refusals are fine. */
static void random_command(struct master *m, struct rng *r)
{
	uint64_t gid = rng_range(r, 1, 12);

	switch (rng_below(r, 7)) {
	case 0:
	case 1: (void)!master_join(m, gid); break;
	case 2: (void)!master_leave(m, gid); break;
	case 3:
		(void)!master_move(m, (uint32_t)rng_below(r, master_config(m)->nshards), gid);
		break;
	case 4: (void)!master_rebalance(m); break;
	case 6: {
		static const char *const letters[] = {"abc", "abd", "cb", "efg", "bcde"};
		(void)!master_members(m, gid, rng_range(r, 1, 2), rng_range(r, 1, 50),
				      letters[rng_below(r, 5)]);
		break;
	}
	case 5: {
		uint32_t shard = (uint32_t)rng_below(r, master_config(m)->nshards);
		if (rng_below(r, 10) == 0)
			(void)!master_claim(m, gid, &shard, 1, 0);
		break;
	}
	}
}

/* The whole snapshot; chunks end at ends[0 … *count). */
static struct buffer take_snapshot(struct app *app, size_t bytes, size_t *ends, size_t *count)
{
	struct app_snapshot *snapshot = app->ops->snapshot_begin(app);
	struct buffer out = {0};
	int more;

	*count = 0;
	do {
		more = app->ops->snapshot_next(snapshot, bytes, &out);
		ck_assert_uint_lt(*count, 3000);
		ends[(*count)++] = out.len;
	} while (more != 0);
	app->ops->snapshot_end(snapshot);
	return out;
}

static int restore(struct app *app, struct slice bytes, const size_t *ends, size_t count)
{
	struct arena arena;
	size_t at = 0;
	int status = 0;

	arena_init(&arena, ARENA_BYTES_MAX);
	app->ops->restore_begin(app);
	for (size_t i = 0; i < count && status == 0; i++) {
		struct slice chunk = slice(bytes.data + at, ends[i] - at);
		uint8_t *copy = malloc(chunk.len + 1);
		memcpy(copy, chunk.data, chunk.len);
		status = app->ops->restore_chunk(app, slice(copy, chunk.len), &arena);
		free(copy);
		at = ends[i];
	}
	arena_free(&arena);
	return status != 0 ? status : app->ops->restore_end(app);
}

/*
 * A snapshot after any command, restored elsewhere, gives the same state: same hash, same bytes,
 * same answers ever after.
 */
START_TEST(snapshot_at_every_index)
{
	static size_t ends[3000];
	struct rng r, copy;
	size_t count;

	for (uint64_t seed = 0; seed < 4; seed++) {
		struct master a, b;
		rng_seed(&r, seed);
		master_open(&a, seed % 2 == 0 ? 10 : 100);
		for (int step = 0; step < 60; step++) {
			master_open(&b, master_config(&a)->nshards);
			/* The state before the restore must not matter. */
			(void)!master_join(&b, 99);
			struct buffer first = take_snapshot(a.app, step % 3 == 0 ? 1 : 4096, ends,
							    &count);
			ck_assert_int_eq(restore(b.app, buffer_slice(&first), ends, count), 0);
			ck_assert_uint_eq(a.app->ops->hash(a.app), b.app->ops->hash(b.app));
			struct buffer second = take_snapshot(b.app, 1u << 20, ends, &count);
			ck_assert(slice_equal(buffer_slice(&first), buffer_slice(&second)));
			copy = r;
			for (int more = 0; more < 10; more++)
				random_command(&b, &copy);
			uint64_t later = b.app->ops->hash(b.app);
			struct buffer replies = {0};
			buffer_add_slice(&replies, buffer_slice(&b.reply));
			buffer_free(&first);
			buffer_free(&second);
			master_close(&b);

			/*
			 * The original, ten commands on: by way of a second restore it is compared
			 * at the same point.
			 */
			struct master c;
			master_open(&c, master_config(&a)->nshards);
			struct buffer third = take_snapshot(a.app, 64, ends, &count);
			ck_assert_int_eq(restore(c.app, buffer_slice(&third), ends, count), 0);
			copy = r;
			for (int more = 0; more < 10; more++)
				random_command(&c, &copy);
			ck_assert_uint_eq(c.app->ops->hash(c.app), later);
			ck_assert(slice_equal(buffer_slice(&c.reply), buffer_slice(&replies)));
			buffer_free(&third);
			buffer_free(&replies);
			master_close(&c);
			random_command(&a, &r);
		}
		master_close(&a);
	}
}
END_TEST

/* A replica that was restored along the way ends in the state of one that applied everything. */
START_TEST(restored_replica_follows)
{
	static size_t ends[3000];
	struct master a, b;
	struct rng r, copy;
	size_t count;

	rng_seed(&r, 17);
	master_open(&a, 64);
	master_open(&b, 64);
	for (int step = 0; step < 300; step++) {
		if (step % 37 == 0) {
			struct buffer bytes = take_snapshot(a.app, 500, ends, &count);
			ck_assert_int_eq(restore(b.app, buffer_slice(&bytes), ends, count), 0);
			buffer_free(&bytes);
		}
		copy = r;
		random_command(&a, &r);
		random_command(&b, &copy);
		ck_assert_uint_eq(a.app->ops->hash(a.app), b.app->ops->hash(b.app));
		ck_assert(slice_equal(buffer_slice(&a.reply), buffer_slice(&b.reply)));
	}
	master_close(&a);
	master_close(&b);
}
END_TEST

/* A snapshot that is being read is not disturbed by commands that are applied meanwhile. */
START_TEST(snapshot_is_a_consistent_image)
{
	static size_t ends[3000];
	struct buffer expected, out = {0};
	struct master m;
	struct rng r;
	size_t count;
	int more;

	rng_seed(&r, 5);
	master_open(&m, 50);
	for (int step = 0; step < 100; step++)
		random_command(&m, &r);
	expected = take_snapshot(m.app, 100, ends, &count);
	struct app_snapshot *snapshot = m.app->ops->snapshot_begin(m.app);
	do {
		more = m.app->ops->snapshot_next(snapshot, 100, &out);
		random_command(&m, &r);
	} while (more != 0);
	m.app->ops->snapshot_end(snapshot);
	ck_assert(slice_equal(buffer_slice(&expected), buffer_slice(&out)));
	buffer_free(&expected);
	buffer_free(&out);
	master_close(&m);
}
END_TEST

/* A snapshot cut short anywhere is refused, and the app is empty and usable after that. */
START_TEST(truncated_snapshot_is_refused)
{
	static size_t ends[3000];
	struct master a, b;
	struct rng r;
	size_t count;

	rng_seed(&r, 6);
	master_open(&a, 20);
	for (int step = 0; step < 20; step++)
		random_command(&a, &r);
	struct buffer bytes = take_snapshot(a.app, 1u << 20, ends, &count);
	ck_assert_uint_eq(count, 1);
	for (size_t len = 0; len < bytes.len; len++) {
		master_open(&b, 20);
		ck_assert_int_eq(restore(b.app, buffer_slice(&bytes), &len, 1), STATUS_CORRUPT);
		b.app->ops->restore_begin(b.app);
		ck_assert_uint_eq(master_config(&b)->number, 0);
		ck_assert_int_eq(master_join(&b, 1), 0);
		master_close(&b);
	}
	/* One of another cluster size, too. */
	master_open(&b, 21);
	ck_assert_int_eq(restore(b.app, buffer_slice(&bytes), ends, count), STATUS_CORRUPT);
	master_close(&b);
	buffer_free(&bytes);
	master_close(&a);
}
END_TEST

/* A snapshot with changed bytes is refused or gives some valid state; it never leads astray. */
START_TEST(mutated_snapshot_is_harmless)
{
	static size_t ends[3000];
	struct master a, b;
	struct rng r;
	size_t count;

	rng_seed(&r, 8);
	master_open(&a, 20);
	for (int step = 0; step < 20; step++)
		random_command(&a, &r);
	struct buffer bytes = take_snapshot(a.app, 1u << 20, ends, &count);
	for (uint64_t seed = 0; seed < 3000; seed++) {
		rng_seed(&r, seed);
		size_t at = rng_below(&r, bytes.len);
		uint8_t was = bytes.data[at];
		bytes.data[at] = (uint8_t)rng_next(&r);
		master_open(&b, 20);
		int status = restore(b.app, buffer_slice(&bytes), ends, count);
		ck_assert(status == 0 || status == STATUS_CORRUPT);
		random_command(&b, &r);
		master_close(&b);
		bytes.data[at] = was;
	}
	buffer_free(&bytes);
	master_close(&a);
}
END_TEST

/*
 * Only the newest CONFIG_HISTORY_MAX configurations are kept; older ones are answered with
 * COMPACTED, in a restored replica too.
 */
START_TEST(history_is_bounded)
{
	static size_t ends[3000];
	struct shard_config *config;
	struct master m, copy;
	size_t count;

	master_open(&m, 8);
	master_open(&copy, 8);
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_join(&m, 2), 0);
	while (master_config(&m)->number < 2 * CONFIG_HISTORY_MAX + 5)
		ck_assert_int_eq(
			master_move(&m, 0, shard_config_gid(master_config(&m), 0) == 1 ? 2 : 1), 0);
	uint64_t newest = master_config(&m)->number;
	struct buffer bytes = take_snapshot(m.app, 1000, ends, &count);
	ck_assert_int_eq(restore(copy.app, buffer_slice(&bytes), ends, count), 0);
	struct master *both[] = {&m, &copy};
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(master_query(both[i], newest - CONFIG_HISTORY_MAX, &config),
				 STATUS_COMPACTED);
		ck_assert_int_eq(master_query(both[i], 0, &config), STATUS_COMPACTED);
		ck_assert_int_eq(master_query(both[i], newest - CONFIG_HISTORY_MAX + 1, &config),
				 0);
		ck_assert_uint_eq(config->number, newest - CONFIG_HISTORY_MAX + 1);
		shard_config_unref(config);
		ck_assert_int_eq(master_query(both[i], newest + 1, &config), STATUS_NOT_FOUND);
		ck_assert_int_eq(master_query(both[i], UINT64_MAX, &config), 0);
		ck_assert_uint_eq(config->number, newest);
		shard_config_unref(config);
	}
	buffer_free(&bytes);
	master_close(&m);
	master_close(&copy);
}
END_TEST

/*
 * GROUPS_MAX groups may join and one more is refused; the largest configuration survives wire and
 * snapshot.
 */
START_TEST(the_largest_configuration_survives)
{
	static struct wire_group groups[GROUPS_MAX];
	static char text[GROUPS_MAX][3][40];
	static size_t ends[3000];
	struct wire_master_command join = {
		.op = WIRE_MASTER_JOIN, .ngroups = GROUPS_MAX, .groups = groups};
	struct shard_config *config;
	struct master m, copy;
	size_t count;

	master_open(&m, SHARDS_MAX);
	master_open(&copy, SHARDS_MAX);
	for (uint32_t g = 0; g < GROUPS_MAX; g++)
		groups[g] = master_group(g + 1, text[g]);
	ck_assert_int_eq(master_command(&m, &join), 0);
	assert_balanced(master_config(&m));
	ck_assert_int_eq(master_join(&m, GROUPS_MAX + 1), STATUS_TOO_LARGE);
	ck_assert_int_eq(master_query(&m, UINT64_MAX, &config), 0);
	ck_assert_uint_eq(config->hash, master_config(&m)->hash);
	shard_config_unref(config);
	struct buffer bytes = take_snapshot(m.app, 1u << 20, ends, &count);
	ck_assert_int_eq(restore(copy.app, buffer_slice(&bytes), ends, count), 0);
	ck_assert_uint_eq(copy.app->ops->hash(copy.app), m.app->ops->hash(m.app));
	buffer_free(&bytes);
	master_close(&m);
	master_close(&copy);
}
END_TEST

/* Bytes that are no command are refused before and after the log, and no query crashes. */
START_TEST(garbage_is_refused)
{
	struct master m;
	struct rng r;

	master_open(&m, 10);
	ck_assert_int_eq(master_join(&m, 1), 0);
	for (uint64_t seed = 0; seed < 5000; seed++) {
		struct reply reply = {.body = &m.reply};
		rng_seed(&r, seed);
		buffer_clear(&m.command);
		for (uint64_t i = rng_below(&r, 60); i > 0; i--)
			buffer_add_u8(&m.command,
				      (uint8_t)(rng_next(&r) & (seed % 2 == 0 ? 0xff : 0x1f)));
		buffer_clear(&m.reply);
		int admitted = m.app->ops->admit(m.app, buffer_slice(&m.command), &m.arena, &reply);
		arena_reset(&m.arena);
		int applied = master_apply(&m);
		if (admitted != 0)
			ck_assert_int_eq(applied, admitted);
		buffer_clear(&m.reply);
		m.app->ops->query(m.app, buffer_slice(&m.command), &m.arena, &reply);
		arena_reset(&m.arena);
	}
	master_close(&m);
}
END_TEST

/* Two states that differ in anything have different hashes. */
START_TEST(hash_sees_every_part)
{
	uint64_t hashes[7];
	uint32_t shard = 3;
	struct master m;

	master_open(&m, 10);
	hashes[0] = m.app->ops->hash(m.app);
	ck_assert_int_eq(master_join(&m, 1), 0);
	hashes[1] = m.app->ops->hash(m.app);
	ck_assert_int_eq(master_claim(&m, 1, &shard, 1, 1), 0);
	hashes[2] = m.app->ops->hash(m.app);
	ck_assert_int_eq(master_join(&m, 2), 0);
	hashes[3] = m.app->ops->hash(m.app);
	ck_assert_int_eq(master_leave(&m, 2), 0);
	hashes[4] = m.app->ops->hash(m.app);
	master_close(&m);
	master_open(&m, 11);
	hashes[5] = m.app->ops->hash(m.app);
	master_close(&m);
	master_open(&m, 10);
	ck_assert_int_eq(master_join(&m, 1), 0);
	ck_assert_int_eq(master_members(&m, 1, 77, 5, "abc"), 0);
	hashes[6] = m.app->ops->hash(m.app);
	master_close(&m);
	for (int i = 0; i < 7; i++)
		for (int j = 0; j < i; j++)
			ck_assert_uint_ne(hashes[i], hashes[j]);
}
END_TEST

/* A configuration off the wire that breaks an invariant is refused. */
START_TEST(configurations_are_validated)
{
	uint64_t shards[3] = {5, 5, 6};
	struct wire_group groups[2] = {{.gid = 5}, {.gid = 6}};
	struct wire_config config = {
		.number = 4, .nshards = 3, .shards = shards, .ngroups = 2, .groups = groups};
	struct arena arena;
	struct buffer bytes = {0};
	struct shard_config *out = NULL;

	arena_init(&arena, ARENA_BYTES_MAX);
#define DECODE() \
	(buffer_clear(&bytes), wire_config_encode(&config, &bytes), \
	 shard_config_decode(buffer_slice(&bytes), &arena, &out))
	ck_assert_int_eq(DECODE(), 0);
	ck_assert_uint_eq(shard_config_gid(out, 2), 6);
	shard_config_unref(out);
	shards[1] = 7;
	ck_assert_int_eq(DECODE(), STATUS_BAD_REQUEST);
	shards[1] = 0;
	ck_assert_int_eq(DECODE(), STATUS_BAD_REQUEST);
	shards[1] = 5;
	config.nshards = 0;
	ck_assert_int_eq(DECODE(), STATUS_BAD_REQUEST);
	config.nshards = 3;
	groups[1].gid = 5;
	ck_assert_int_eq(DECODE(), STATUS_BAD_REQUEST);
	groups[1].gid = 6;
	groups[0].gid = 0;
	ck_assert_int_eq(DECODE(), STATUS_BAD_REQUEST);
	groups[0].gid = 5;
	config.number = 0;
	ck_assert_int_eq(DECODE(), STATUS_BAD_REQUEST);
#undef DECODE
	buffer_free(&bytes);
	arena_free(&arena);
}
END_TEST

struct busy {
	struct master *m;
	struct rng r;
};

static void go_on(void *context)
{
	struct busy *busy = context;
	random_command(busy->m, &busy->r);
}

/* Changes a bit; once more, and it is as before. */
static void spoil(struct shardmaster_app *master, struct shard_config *config, int kind,
		  uint32_t shard)
{
	switch (kind) {
	case 0: config->owners[shard] ^= 1; break;
	case 1: config->groups[0]->members[0][0] ^= 1; break;
	case 2: master->claimed.words[shard / 64] ^= 1ull << shard % 64; break;
	default: master->reports[0].slot ^= 1; break;
	}
}

/*
 * An audit is of its moment, and reads what is kept again: a changed owner, address, claim or
 * report is found. faults: 82
 */
START_TEST(audit_reads_everything)
{
	struct master m;
	struct busy busy = {.m = &m};
	uint32_t part = 0, shard = 3;
	rng_seed(&busy.r, 5);
	master_open(&m, 64);
	for (int step = 0; step < 200; step++)
		random_command(&m, &busy.r);
	struct app_audit *sliced = m.app->ops->audit_begin(m.app);
	struct audited first = audit_now(m.app),
		       second = audit_finish(m.app, sliced, 1, go_on, &busy);
	ck_assert(first.sound && second.sound);
	ck_assert_uint_eq(audits_differ(&first, &second, &part), 0);
	audited_free(&first);
	audited_free(&second);
	while (master_config(&m)->ngroups == 0)
		random_command(&m, &busy.r);
	while (shardmaster_of(m.app)->nreports == 0)
		random_command(&m, &busy.r);
	for (int kind = 0; kind < 4; kind++) {
		struct shard_config *config = master_config(&m);
		struct shardmaster_app *master = shardmaster_of(m.app);
		first = audit_now(m.app);
		spoil(master, config, kind, shard);
		second = audit_now(m.app);
		ck_assert_uint_eq(audits_differ(&first, &second, &part), 1);
		ck_assert_int_eq((int)part, kind < 2 ? 0 : kind - 1);
		ck_assert(second.sound == (kind >= 2));
		struct app_snapshot *snapshot = m.app->ops->snapshot_begin(m.app);
		struct buffer chunk = {0};
		ck_assert_int_eq(m.app->ops->snapshot_next(snapshot, 1u << 24, &chunk),
				 kind >= 2 ? 0 : STATUS_CORRUPT);
		m.app->ops->snapshot_end(snapshot);
		buffer_free(&chunk);
		spoil(master, config, kind, shard);
		audited_free(&first);
		audited_free(&second);
	}
	master_close(&m);
}
END_TEST
