/* The state hashed from its contents, shard by shard, while commands go on. faults: 82 */
#include "../support/audit.h"
#include "../support/check_main.h"
#include "kv.h"
#include "shardkv/internal.h"

struct writer {
	struct kv *kv;
	struct rng rng;
};

static void write_some(void *context)
{
	struct writer *w = context;
	for (uint64_t n = rng_below(&w->rng, 4); n > 0; n--) {
		char key[16], value[64];
		snprintf(key, sizeof key, "k%u", (unsigned)rng_below(&w->rng, 300));
		snprintf(value, sizeof value, "%0*u", (int)rng_range(&w->rng, 1, 60), (unsigned)n);
		struct wire_kv_op op = {.kind = rng_chance(&w->rng, 300000) ? WIRE_KV_DELETE
									    : WIRE_KV_PUT,
					.key = slice_string(key),
					.value = slice_string(value)};
		struct wire_kv_command command = {.nthen = 1, .then = &op};
		(void)kv_apply(w->kv, &command);
	}
}

/*
 * What is found is the state at the beginning, whatever is written on the way; equal states have
 * equal parts.
 */
START_TEST(an_audit_is_of_the_state_at_its_beginning)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct kv kv = kv_create();
		struct writer w = {.kv = &kv};
		uint32_t part = 0;
		rng_seed(&w.rng, seed);
		for (int i = 0; i < 300; i++)
			write_some(&w);
		for (int round = 0; round < 20; round++) {
			struct app_audit *sliced = kv.app->ops->audit_begin(kv.app);
			struct audited first = audit_now(kv.app);
			struct audited second = audit_finish(
				kv.app, sliced, rng_range(&w.rng, 1, 5000), write_some, &w);
			ck_assert_uint_eq(first.count, KV_SHARDS + 1);
			ck_assert_uint_eq(audits_differ(&first, &second, &part), 0);
			ck_assert(first.sound && second.sound);
			write_some(&w);
			audited_free(&first);
			audited_free(&second);
		}
		/* One that is not gone through to its end leaves nothing behind. */
		struct app_audit *audit = kv.app->ops->audit_begin(kv.app);
		(void)kv.app->ops->audit_next(audit, 1000);
		kv.app->ops->audit_end(audit);
		kv_free(&kv);
	}
}
END_TEST

/* 0: all of it was given; or why not. */
static int snapshot_of(struct app *app)
{
	struct buffer chunk = {0};
	struct app_snapshot *snapshot = app->ops->snapshot_begin(app);
	int more;
	do {
		buffer_clear(&chunk);
		more = app->ops->snapshot_next(snapshot, 500, &chunk);
	} while (more > 0);
	app->ops->snapshot_end(snapshot);
	buffer_free(&chunk);
	return more;
}

/* A step takes about as long as it may. */
START_TEST(a_step_of_an_audit_is_bounded)
{
	struct kv kv = kv_create();
	struct writer w = {.kv = &kv};
	uint32_t steps = 0;
	for (int i = 0; i < 2000; i++)
		write_some(&w);
	struct app_audit *audit = kv.app->ops->audit_begin(kv.app);
	while (kv.app->ops->audit_next(audit, 1000) != 0)
		steps++;
	kv.app->ops->audit_end(audit);
	ck_assert_uint_ge(steps, shardkv_app_keys(kv.app) * KEY_WORK / 1000);
	kv_free(&kv);
}
END_TEST

/* Of a change in any place the shard is told, and that it was no write, if it was none. */
START_TEST(a_change_of_any_part_is_found)
{
	struct kv kv = kv_create();
	struct shardkv_app *a = app_of(kv.app);
	struct writer w = {.kv = &kv};
	rng_seed(&w.rng, 3);
	for (int i = 0; i < 400; i++)
		write_some(&w);
	for (int kind = 0; kind < 7; kind++) {
		struct audited before = audit_now(kv.app);
		uint32_t part = UINT32_MAX, shard = (uint32_t)kind % KV_SHARDS;
		struct store_record record;
		struct store_iterator *iterator = a->store->ops->iterate(a->store, NULL, shard,
									 slice(NULL, 0));
		ck_assert(a->store->ops->next(iterator, &record));
		a->store->ops->iterate_end(iterator);
		struct buffer key = {0}, value = {0};
		buffer_add_slice(&key, record.key);
		buffer_add_slice(&value, record.value);
		record.key = buffer_slice(&key);
		record.value = buffer_slice(&value);
		switch (kind) {
		case 0: value.data[0] ^= 1; break;
		case 1: record.version++; break;
		case 2: record.modification++; break;
		case 3: ck_assert(a->store->ops->remove(a->store, shard, record.key)); break;
		case 4: a->shards[shard].digest ^= 1; break;
		case 5: a->shards[shard].counter++; break;
		default: a->shards[shard].state &= ~(unsigned)SHARD_GRANTED; break;
		}
		if (kind < 3)
			a->store->ops->put(a->store, shard, &record);
		struct audited after = audit_now(kv.app);
		ck_assert_msg(audits_differ(&before, &after, &part) == 1, "kind %d", kind);
		ck_assert_uint_eq(part, shard);
		ck_assert(before.sound);
		ck_assert_msg(after.sound == (kind >= 5), "kind %d", kind);
		/* Nor is a snapshot made of what nobody could restore. */
		ck_assert_msg(snapshot_of(kv.app) == (kind >= 5 ? 0 : STATUS_CORRUPT), "kind %d",
			      kind);
		struct buffer name = {0};
		kv.app->ops->part_name(kv.app, part, &name);
		char expected[32];
		snprintf(expected, sizeof expected, "shard %u", shard);
		ck_assert(slice_equal(buffer_slice(&name), slice_string(expected)));
		buffer_free(&name);
		/* As it was. */
		switch (kind) {
		case 0: value.data[0] ^= 1; break;
		case 1: record.version--; break;
		case 2: record.modification--; break;
		case 3: break;
		case 4: a->shards[shard].digest ^= 1; break;
		case 5: a->shards[shard].counter--; break;
		default: a->shards[shard].state |= SHARD_GRANTED; break;
		}
		if (kind < 4)
			a->store->ops->put(a->store, shard, &record);
		audited_free(&after);
		after = audit_now(kv.app);
		ck_assert_uint_eq(audits_differ(&before, &after, &part), 0);
		audited_free(&before);
		audited_free(&after);
		buffer_free(&key);
		buffer_free(&value);
	}
	kv_free(&kv);
}
END_TEST
