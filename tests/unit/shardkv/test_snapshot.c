/* Images of the state, restoration, and hashes, over random sequences of commands. */
#include "../support/check_main.h"
#include "kv.h"

#define KEYS 40u

/* A random command; `text` must outlive it. */
struct random_command {
	struct wire_kv_command command;
	struct wire_kv_op then[4];
	struct wire_kv_op otherwise[4];
	struct wire_kv_compare when[2];
	char text[12][24];
	uint32_t ntext;
};

static struct slice random_text(struct random_command *c, struct rng *rng, const char *prefix,
				uint64_t bound)
{
	char *text = c->text[c->ntext++ % 12];
	snprintf(text, sizeof c->text[0], "%s%u", prefix, (unsigned)rng_below(rng, bound));
	return slice_string(text);
}

static struct wire_kv_op random_op(struct random_command *c, struct rng *rng)
{
	static char keys[KEYS][8];
	uint64_t k = rng_below(rng, KEYS);
	snprintf(keys[k], sizeof keys[k], "key%u", (unsigned)k);
	return (struct wire_kv_op){
		.kind = (enum wire_kv_kind)rng_range(rng, WIRE_KV_GET, WIRE_KV_INCR),
		.key = slice_string(keys[k]),
		.value = random_text(c, rng, "", 30),
		.absent = rng_chance(rng, 300000),
		.delta = (int64_t)rng_below(rng, 1000) - 500,
	};
}

static void random_command(struct random_command *c, struct rng *rng)
{
	*c = (struct random_command){0};
	uint32_t nthen = rng_chance(rng, 700000) ? 1 : (uint32_t)rng_below(rng, 5);
	uint32_t nwhen = nthen == 1 ? 0 : (uint32_t)rng_below(rng, 3);
	c->command = (struct wire_kv_command){.nthen = nthen,
					      .then = c->then,
					      .nwhen = nwhen,
					      .when = c->when,
					      .otherwise = c->otherwise,
					      .transaction = true};
	for (uint32_t i = 0; i < nthen; i++)
		c->then[i] = random_op(c, rng);
	for (uint32_t i = 0; i < nwhen; i++) {
		struct wire_kv_op op = random_op(c, rng);
		c->when[i] = (struct wire_kv_compare){
			.target = (enum wire_kv_target)rng_below(rng, 4),
			.relation = (enum wire_kv_relation)rng_below(rng, 4),
			.key = op.key,
			.value = op.value,
			.number = rng_below(rng, 4),
		};
	}
	if (nwhen > 0) {
		c->command.notherwise = 1;
		c->otherwise[0] = random_op(c, rng);
	}
}

/* Restores `to` from an image of `from` with chunks of about `bytes`. */
static void transfer(struct kv *from, struct kv *to, size_t bytes)
{
	struct app_snapshot *image = from->app->ops->snapshot_begin(from->app);
	struct buffer chunk = {0};
	int more;
	to->app->ops->restore_begin(to->app);
	do {
		buffer_clear(&chunk);
		more = from->app->ops->snapshot_next(image, bytes, &chunk);
		arena_reset(&to->arena);
		ck_assert_int_eq(
			to->app->ops->restore_chunk(to->app, buffer_slice(&chunk), &to->arena), 0);
	} while (more != 0);
	ck_assert_int_eq(to->app->ops->restore_end(to->app), 0);
	from->app->ops->snapshot_end(image);
	buffer_free(&chunk);
}

/* The whole content as text, for comparison. */
static void dump(struct kv *kv, struct buffer *out)
{
	struct wire_kv_query query = {.has_scan = true};
	ck_assert_int_eq(kv_query(kv, &query), 0);
	ck_assert(!kv->page.more);
	for (uint32_t i = 0; i < kv->page.nrecords; i++) {
		const struct wire_kv_record *r = &kv->page.records[i];
		buffer_format(out, "%.*s=%.*s v%llu m%llu\n", (int)r->key.len,
			      (const char *)r->key.data, (int)r->value.len,
			      (const char *)r->value.data, (unsigned long long)r->version,
			      (unsigned long long)r->modification);
	}
}

static void expect_equal(struct kv *a, struct kv *b)
{
	struct buffer text_a = {0}, text_b = {0};
	dump(a, &text_a);
	dump(b, &text_b);
	ck_assert(slice_equal(buffer_slice(&text_a), buffer_slice(&text_b)));
	ck_assert_uint_eq(kv_hash(a), kv_hash(b));
	ck_assert_uint_eq(shardkv_app_keys(a->app), shardkv_app_keys(b->app));
	ck_assert_uint_eq(shardkv_app_bytes(a->app), shardkv_app_bytes(b->app));
	ck_assert_uint_eq(shardkv_app_config_number(a->app), shardkv_app_config_number(b->app));
	buffer_free(&text_a);
	buffer_free(&text_b);
}

/*
 * faults: 33. Two replicas that apply the same commands are equal after each, in replies and hash;
 * so is one restored at any index, and it goes on alike.
 */
START_LOOP_TEST(replicas_agree_and_restore_at_every_index, 0, 3)
{
	struct kv a = kv_create();
	struct kv b = kv_create();
	struct kv c = kv_bare(KV_SHARDS);
	struct rng rng;
	struct random_command random;
	rng_seed(&rng, (uint64_t)_i + 100);
	for (int n = 0; n < 400; n++) {
		random_command(&random, &rng);
		int status = kv_apply(&a, &random.command);
		ck_assert_int_eq(kv_apply(&b, &random.command), status);
		ck_assert(slice_equal(buffer_slice(&a.body), buffer_slice(&b.body)));
		ck_assert_uint_eq(kv_hash(&a), kv_hash(&b));
		if (n > 0) { /* c was restored from the state before */
			ck_assert_int_eq(kv_apply(&c, &random.command), status);
			ck_assert(slice_equal(buffer_slice(&a.body), buffer_slice(&c.body)));
		}
		transfer(&a, &c, n % 2 == 0 ? 100 : 100000);
		expect_equal(&a, &c);
	}
	kv_free(&a);
	kv_free(&b);
	kv_free(&c);
}
END_TEST

/*
 * An image shows the moment at which it was begun, however many commands follow before it is read.
 */
START_TEST(image_is_of_its_moment)
{
	struct kv a = kv_create();
	struct kv b = kv_bare(KV_SHARDS);
	struct kv c = kv_create();
	struct rng rng;
	struct random_command random;
	struct buffer chunk = {0};
	rng_seed(&rng, 7);
	for (int n = 0; n < 500; n++) {
		random_command(&random, &rng);
		kv_apply(&a, &random.command);
		kv_apply(&c, &random.command);
	}
	struct app_snapshot *image = a.app->ops->snapshot_begin(a.app);
	uint64_t gids[KV_SHARDS] = {1, 1, 1, 1, 2, 2, 2, 2};
	kv_adopt(&a, 8, gids, KV_SHARDS);
	b.app->ops->restore_begin(b.app);
	for (int more = 1; more != 0;) {
		random_command(&random, &rng);
		kv_apply(&a, &random.command);
		buffer_clear(&chunk);
		more = a.app->ops->snapshot_next(image, 200, &chunk);
		ck_assert_int_eq(b.app->ops->restore_chunk(b.app, buffer_slice(&chunk), &b.arena),
				 0);
	}
	ck_assert_int_eq(b.app->ops->restore_end(b.app), 0);
	a.app->ops->snapshot_end(image);
	expect_equal(&b, &c);
	ck_assert_uint_ne(kv_hash(&a), kv_hash(&b));
	buffer_free(&chunk);
	kv_free(&a);
	kv_free(&b);
	kv_free(&c);
}
END_TEST

/*
 * faults: 34. Chunks that are cut, damaged, missing, repeated or of another group are noticed, at
 * the latest at the end.
 */
START_TEST(damage_is_noticed)
{
	struct kv a = kv_create();
	struct kv b = kv_bare(KV_SHARDS);
	struct buffer chunks[64] = {0};
	uint32_t count = 0;
	struct rng rng;
	rng_seed(&rng, 1);
	for (int i = 0; i < 20; i++) {
		char key[16];
		snprintf(key, sizeof key, "k%d", i);
		kv_op(&a, op_put(key, "value"));
	}
	struct app_snapshot *image = a.app->ops->snapshot_begin(a.app);
	while (a.app->ops->snapshot_next(image, 200, &chunks[count++]) != 0)
		ck_assert_uint_lt(count, 64);
	a.app->ops->snapshot_end(image);
	ck_assert_uint_gt(count, 4);
	for (uint32_t trial = 0; trial < 2000; trial++) {
		uint32_t victim = (uint32_t)rng_below(&rng, count);
		uint64_t damage = trial == 0 ? 0 : rng_range(&rng, 1, 4);
		uint64_t at = rng_below(&rng, chunks[victim].len);
		uint64_t bit = rng_below(&rng, 8);
		bool failed = false;
		b.app->ops->restore_begin(b.app);
		for (uint32_t i = 0; i < count; i++) {
			struct buffer chunk = {0};
			buffer_add_slice(&chunk, buffer_slice(&chunks[i]));
			if (i == victim && damage == 1)
				chunk.data[at] ^= (uint8_t)(1u << bit);
			if (i == victim && damage == 2)
				chunk.len = at;
			for (int times = i == victim && damage == 3   ? 0
					 : i == victim && damage == 4 ? 2
								      : 1;
			     times > 0; times--) {
				arena_reset(&b.arena);
				failed |= b.app->ops->restore_chunk(b.app, buffer_slice(&chunk),
								    &b.arena) != 0;
			}
			buffer_free(&chunk);
		}
		failed |= b.app->ops->restore_end(b.app) != 0;
		ck_assert_int_eq(failed, damage != 0);
	}
	for (uint32_t i = 0; i < count; i++)
		buffer_free(&chunks[i]);
	kv_free(&a);
	kv_free(&b);
}
END_TEST

/*
 * The hash is of the content, not of the way there, except for the write counters, which are
 * content.
 */
START_TEST(hash_tells_states_apart)
{
	struct kv a = kv_create();
	struct kv b = kv_create();
	kv_op(&a, op_put("{t}x", "1"));
	kv_op(&a, op_put("y", "2"));
	kv_op(&b, op_put("y", "2"));
	ck_assert_uint_ne(kv_hash(&a), kv_hash(&b));
	kv_op(&b, op_put("{t}x", "1"));
	ck_assert_uint_eq(kv_hash(&a), kv_hash(&b));
	kv_op(&a, op_put("{t}x", "3"));
	kv_op(&b, op_put("{t}x", "4"));
	ck_assert_uint_ne(kv_hash(&a), kv_hash(&b));
	kv_op(&a, op_put("{t}x", "5"));
	kv_op(&b, op_put("{t}x", "5"));
	ck_assert_uint_eq(kv_hash(&a), kv_hash(&b));
	kv_free(&a);
	kv_free(&b);
}
END_TEST
