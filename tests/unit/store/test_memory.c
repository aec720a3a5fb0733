/* The in-memory engine against a naive model: operations, snapshots, iterators, accounting. */
#include <pthread.h>
#include <stdio.h>

#include "../support/check_main.h"
#include "base/rng.h"
#include "model.h"
#include "store/memory.h"

CHECK_TIMEOUT(300)

#define SPACES 3u

static void put(struct store *s, uint32_t space, const char *key, const char *value)
{
	struct store_record r = {.key = slice_string(key),
				 .value = slice_string(value),
				 .version = 1,
				 .modification = 1};
	s->ops->put(s, space, &r);
}

static void expect_record(const struct store_record *got, const struct model_record *want)
{
	ck_assert(slice_equal(got->key, bytes_slice(want->key)));
	ck_assert(slice_equal(got->value, bytes_slice(want->value)));
	ck_assert_uint_eq(got->version, want->version);
	ck_assert_uint_eq(got->modification, want->modification);
}

/* Walks a space from `start` on, and at most `limit` records, in both. */
static void expect_range(struct store *s, struct store_snapshot *snapshot, const struct model *m,
			 uint32_t space, struct slice start, size_t limit)
{
	struct store_iterator *iterator = s->ops->iterate(s, snapshot, space, start);
	struct store_record got;
	size_t i = model_search(m, space, start);
	for (; limit > 0 && i < m->count && m->records[i].space == space; i++, limit--) {
		ck_assert(s->ops->next(iterator, &got));
		expect_record(&got, &m->records[i]);
	}
	if (limit > 0) {
		ck_assert(!s->ops->next(iterator, &got));
		ck_assert(!s->ops->next(iterator, &got));
	}
	s->ops->iterate_end(iterator);
}

/*
 * The same backwards, from the last record whose key is below `end`; an empty end: from the last of
 * all.
 */
static void expect_range_back(struct store *s, struct store_snapshot *snapshot,
			      const struct model *m, uint32_t space, struct slice end, size_t limit)
{
	struct store_iterator *iterator = s->ops->iterate_back(s, snapshot, space, end);
	struct store_record got;
	size_t i = end.len == 0 ? model_search(m, space + 1, end) : model_search(m, space, end);
	for (; limit > 0 && i > 0 && m->records[i - 1].space == space; i--, limit--) {
		ck_assert(s->ops->next(iterator, &got));
		expect_record(&got, &m->records[i - 1]);
	}
	if (limit > 0) {
		ck_assert(!s->ops->next(iterator, &got));
		ck_assert(!s->ops->next(iterator, &got));
	}
	s->ops->iterate_end(iterator);
}

static void expect_same(struct store *s, struct store_snapshot *snapshot, const struct model *m)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < m->count; i++)
		bytes += m->records[i].key->len + m->records[i].value->len;
	if (snapshot == NULL) {
		store_memory_check(s);
		ck_assert_uint_eq(s->ops->bytes(s), bytes);
	}
	for (uint32_t space = 0; space < SPACES; space++) {
		expect_range(s, snapshot, m, space, slice(NULL, 0), SIZE_MAX);
		expect_range_back(s, snapshot, m, space, slice(NULL, 0), SIZE_MAX);
	}
}

/*
 * What a random run looks like: how long keys are, how many there are, how often they are deleted.
 */
struct profile {
	uint64_t seed;
	uint32_t operations;
	uint32_t keys;
	uint32_t delete_percent;
	bool long_keys;
};

/*
 * Key number n: shared prefixes of several lengths, embedded zeros, and (with long_keys) up to 4096
 * bytes.
 */
static struct slice key_of(const struct profile *p, uint64_t n, uint8_t *out)
{
	size_t len = 0;
	struct rng r;
	rng_seed(&r, n * 31 + 7);
	if (p->long_keys) {
		len = rng_chance(&r, 100000) ? 4096 : 1 + (size_t)rng_below(&r, 40);
		memset(out, n % 3 == 0 ? 0 : 'x', len);
		for (size_t i = len < 3 ? 0 : len - 3; i < len; i++)
			out[i] = (uint8_t)rng_below(&r, 4);
		return slice(out, len);
	}
	len = (size_t)sprintf((char *)out, n % 2 == 0 ? "account:%08u" : "user:eu:%05u",
			      (unsigned)n);
	return slice(out, len);
}

#define OPEN_SNAPSHOTS 4

struct run {
	struct profile profile;
	struct rng rng;
	struct store *store;
	struct model model;
	struct store_snapshot *snapshots[OPEN_SNAPSHOTS];
	struct model images[OPEN_SNAPSHOTS];
};

static void random_snapshot(struct run *run)
{
	struct store *s = run->store;
	size_t i = (size_t)rng_below(&run->rng, OPEN_SNAPSHOTS);
	if (run->snapshots[i] == NULL) {
		run->snapshots[i] = s->ops->snapshot(s);
		run->images[i] = model_clone(&run->model);
		return;
	}
	expect_same(s, run->snapshots[i], &run->images[i]);
	s->ops->snapshot_release(run->snapshots[i]);
	run->snapshots[i] = NULL;
	model_free(&run->images[i]);
}

static void random_read(struct run *run, uint32_t space, struct slice key)
{
	struct store *s = run->store;
	struct store_record got;
	struct model_record *want = model_get(&run->model, space, key);
	ck_assert(s->ops->get(s, space, key, &got) == (want != NULL));
	if (want != NULL)
		expect_record(&got, want);
	expect_range(s, NULL, &run->model, space, key, (size_t)rng_below(&run->rng, 100));
	expect_range_back(s, NULL, &run->model, space, key, (size_t)rng_below(&run->rng, 100));
	size_t i = (size_t)rng_below(&run->rng, OPEN_SNAPSHOTS);
	if (run->snapshots[i] != NULL)
		expect_range_back(s, run->snapshots[i], &run->images[i], space, key,
				  (size_t)rng_below(&run->rng, 100));
	if (run->snapshots[i] != NULL)
		expect_range(s, run->snapshots[i], &run->images[i], space, key,
			     (size_t)rng_below(&run->rng, 100));
}

/* Of keys that exist and of others, in all spaces: whatever follows must find nothing changed. */
static void random_prefetch(struct run *run)
{
	struct store_lookup lookups[STORE_PREFETCH_MAX];
	uint8_t bytes[STORE_PREFETCH_MAX][4096];
	uint32_t count = (uint32_t)rng_below(&run->rng, STORE_PREFETCH_MAX + 1);
	for (uint32_t i = 0; i < count; i++)
		lookups[i] = (struct store_lookup){
			.space = (uint32_t)rng_below(&run->rng, SPACES),
			.key = key_of(&run->profile, rng_below(&run->rng, run->profile.keys),
				      bytes[i]),
		};
	run->store->ops->prefetch(run->store, lookups, count);
}

static void random_operation(struct run *run, uint32_t n)
{
	struct store *s = run->store;
	uint8_t key_bytes[4096];
	uint8_t value[300];
	uint32_t space = (uint32_t)rng_below(&run->rng, SPACES);
	struct slice key = key_of(&run->profile, rng_below(&run->rng, run->profile.keys),
				  key_bytes);
	uint64_t dice = rng_below(&run->rng, 1000);
	if (dice < 3) {
		random_snapshot(run);
	} else if (dice < 55) {
		random_prefetch(run);
		random_read(run, space, key);
	} else if (dice == 55 && rng_chance(&run->rng, 200000)) {
		s->ops->drop_space(s, space);
		for (size_t i = run->model.count; i-- > 0;) {
			if (run->model.records[i].space == space) {
				bytes_unref(run->model.records[i].key);
				bytes_unref(run->model.records[i].value);
				memmove(&run->model.records[i], &run->model.records[i + 1],
					(run->model.count - i - 1) * sizeof run->model.records[0]);
				run->model.count--;
			}
		}
	} else if (rng_below(&run->rng, 100) < run->profile.delete_percent) {
		ck_assert(s->ops->remove(s, space, key) == model_delete(&run->model, space, key));
	} else {
		size_t len = (size_t)rng_below(&run->rng, n % 16 == 0 ? sizeof value : 20);
		memset(value, (int)(n & 0xff), len);
		struct store_record r = {key, slice(value, len), 1 + n % 7, n};
		s->ops->put(s, space, &r);
		model_put(&run->model, space, &r);
	}
}

static void random_run(struct profile profile)
{
	struct run run = {.profile = profile, .store = store_memory_create(SPACES)};
	rng_seed(&run.rng, profile.seed);
	for (uint32_t n = 0; n < profile.operations; n++) {
		random_operation(&run, n);
		if (n % 5000 == 0)
			expect_same(run.store, NULL, &run.model);
		for (uint32_t space = 0; n % 1000 == 0 && space < SPACES; space++) {
			size_t count = model_search(&run.model, space + 1, slice(NULL, 0)) -
				       model_search(&run.model, space, slice(NULL, 0));
			ck_assert_uint_eq(run.store->ops->space_count(run.store, space), count);
		}
	}
	expect_same(run.store, NULL, &run.model);
	for (size_t i = 0; i < OPEN_SNAPSHOTS; i++) {
		if (run.snapshots[i] == NULL)
			continue;
		expect_same(run.store, run.snapshots[i], &run.images[i]);
		run.store->ops->snapshot_release(run.snapshots[i]);
		model_free(&run.images[i]);
	}
	run.store->ops->destroy(run.store);
	model_free(&run.model);
}

/* Random puts, deletes, reads and overlapping snapshots give what a sorted array gives. */
START_LOOP_TEST(random_operations_match_model, 0, 2)
{
	random_run((struct profile){
		.seed = (uint64_t)_i + 1, .operations = 20000, .keys = 3000, .delete_percent = 40});
}
END_TEST

/* A tree that is mostly deleted from shrinks again and stays in order. */
START_LOOP_TEST(delete_heavy_matches_model, 0, 2)
{
	random_run((struct profile){
		.seed = (uint64_t)_i + 1, .operations = 20000, .keys = 2000, .delete_percent = 65});
}
END_TEST

/* Keys of 1 to 4096 bytes, with zeros in them and long shared beginnings, are told apart. */
START_LOOP_TEST(odd_keys_match_model, 0, 2)
{
	random_run((struct profile){.seed = (uint64_t)_i + 1,
				    .operations = 20000,
				    .keys = 4000,
				    .delete_percent = 30,
				    .long_keys = true});
}
END_TEST

/*
 * Filling in ascending, descending and shuffled order and emptying it in another order keeps the
 * tree whole.
 */
START_LOOP_TEST(orders_of_filling_and_emptying, 0, 9)
{
	enum { COUNT = 20000 };
	struct store *s = store_memory_create(1);
	char key[32];
	for (int phase = 0; phase < 2; phase++) {
		for (uint32_t i = 0; i < COUNT; i++) {
			int way = phase == 0 ? _i % 3 : _i / 3;
			uint32_t n = way == 0 ? i : way == 1 ? COUNT - 1 - i : i * 7919u % COUNT;
			sprintf(key, "key%08u", n);
			if (phase == 0)
				put(s, 0, key, "value");
			else
				ck_assert(s->ops->remove(s, 0, slice_string(key)));
			if (i % 4001 == 0)
				store_memory_check(s);
		}
		store_memory_check(s);
		ck_assert_uint_eq(s->ops->space_count(s, 0), phase == 0 ? COUNT : 0);
	}
	ck_assert_uint_eq(s->ops->bytes(s), 0);
	s->ops->destroy(s);
}
END_TEST

/*
 * The empty string, a single zero byte and a prefix of another key are keys of their own, in byte
 * order.
 */
START_TEST(edge_keys_are_ordered)
{
	static const struct {
		const char *data;
		size_t len;
	} keys[] = {{"", 0},    {"\0", 1},    {"\0\0", 2}, {"\0a", 2},  {"a", 1},
		    {"a\0", 2}, {"a\0\0", 3}, {"ab", 2},   {"\xff", 1}, {"\xff\xff", 2}};
	size_t count = sizeof keys / sizeof keys[0];
	struct store *s = store_memory_create(1);
	for (size_t i = count; i-- > 0;) {
		struct store_record r = {.key = slice(keys[i].data, keys[i].len), .version = i + 1};
		s->ops->put(s, 0, &r);
	}
	struct store_iterator *iterator = s->ops->iterate(s, NULL, 0, slice(NULL, 0));
	struct store_record got;
	for (size_t i = 0; i < count; i++) {
		ck_assert(s->ops->next(iterator, &got));
		ck_assert(slice_equal(got.key, slice(keys[i].data, keys[i].len)));
		ck_assert_uint_eq(got.version, i + 1);
	}
	ck_assert(!s->ops->next(iterator, &got));
	s->ops->iterate_end(iterator);
	s->ops->destroy(s);
}
END_TEST

/* A value that lies in the store itself may be written under its own or another key. */
START_TEST(put_may_borrow_from_the_store)
{
	struct store *s = store_memory_create(1);
	struct store_record got;
	put(s, 0, "a", "first value");
	ck_assert(s->ops->get(s, 0, slice_string("a"), &got));
	got.value = slice(got.value.data + 6, 5);
	s->ops->put(s, 0, &got);
	ck_assert(s->ops->get(s, 0, slice_string("a"), &got));
	ck_assert(slice_equal(got.value, slice_string("value")));
	got.version = 9;
	s->ops->put(s, 0, &got);
	ck_assert(s->ops->get(s, 0, slice_string("a"), &got));
	ck_assert(slice_equal(got.value, slice_string("value")));
	ck_assert_uint_eq(got.version, 9);
	ck_assert(s->ops->remove(s, 0, got.key));
	s->ops->destroy(s);
}
END_TEST

/*
 * What a big dropped space or released snapshot held is freed in bounded steps, and in the end
 * completely.
 */
START_TEST(garbage_is_freed_in_steps)
{
	struct store *s = store_memory_create(2);
	char key[32];
	for (uint32_t i = 0; i < 10000; i++) {
		sprintf(key, "key%08u", i);
		put(s, 0, key, "value");
	}
	struct store_snapshot *snapshot = s->ops->snapshot(s);
	s->ops->drop_space(s, 0);
	ck_assert(!store_memory_idle_work(s, 1000000)); /* the snapshot still holds everything */
	s->ops->snapshot_release(snapshot);
	uint32_t steps = 1;
	while (store_memory_idle_work(s, 10))
		steps++;
	ck_assert_uint_gt(steps, 10);
	put(s, 1, "other", "space");
	ck_assert_uint_eq(s->ops->bytes(s), 10);
	s->ops->destroy(s);
}
END_TEST

struct reader {
	struct store *store;
	struct store_snapshot *snapshot;
	struct store_scan *scan;
	uint64_t records, sum;
};

static uint64_t number_of(uint32_t space, const struct store_record *r)
{
	uint64_t number = r->version * 31 + r->modification;
	for (size_t i = 0; i < r->value.len; i++)
		number = number * 31 + r->value.data[i];
	return number * 31 + space;
}

static void *read_all(void *data)
{
	struct reader *reader = data;
	struct store_record r;
	uint32_t space;
	while (reader->store->ops->scan_next(reader->scan, &space, &r)) {
		reader->records++;
		reader->sum += number_of(space, &r);
	}
	return NULL;
}

static void change(struct store *s, struct rng *rng, uint64_t modification)
{
	uint32_t space = (uint32_t)rng_below(rng, SPACES);
	uint64_t key = rng_below(rng, 5000);
	struct slice name = slice(&key, sizeof key);
	if (rng_chance(rng, 250000)) {
		s->ops->remove(s, space, name);
		return;
	}
	struct store_record r = {.key = name,
				 .value = slice(&modification, rng_below(rng, 9)),
				 .version = 1,
				 .modification = modification};
	s->ops->put(s, space, &r);
}

/*
 * faults: 31. A whole snapshot is read by another thread, while this one changes, empties and fills
 * the store, and drops older snapshots: what is read is what there was.
 */
START_TEST(a_scan_by_another_thread_sees_its_snapshot)
{
	struct store *s = store_memory_create(SPACES);
	struct rng rng;
	uint64_t modification = 0;
	rng_seed(&rng, 7);
	for (int round = 0; round < 6; round++) {
		struct reader reader = {.store = s};
		uint64_t records = 0, sum = 0;
		pthread_t thread;
		for (int i = 0; i < 4000; i++)
			change(s, &rng, ++modification);
		struct store_snapshot *other = s->ops->snapshot(s);
		reader.snapshot = s->ops->snapshot(s);
		for (uint32_t space = 0; space < SPACES; space++) {
			struct store_iterator *i = s->ops->iterate(s, reader.snapshot, space,
								   slice(NULL, 0));
			struct store_record r;
			for (; s->ops->next(i, &r); records++)
				sum += number_of(space, &r);
			s->ops->iterate_end(i);
		}
		reader.scan = s->ops->scan(reader.snapshot);
		ck_assert_int_eq(pthread_create(&thread, NULL, read_all, &reader), 0);
		for (int i = 0; i < 4000; i++)
			change(s, &rng, ++modification);
		s->ops->snapshot_release(other);
		s->ops->drop_space(s, (uint32_t)round % SPACES);
		for (int i = 0; i < 4000; i++)
			change(s, &rng, ++modification);
		pthread_join(thread, NULL);
		ck_assert_uint_eq(reader.records, records);
		ck_assert_uint_eq(reader.sum, sum);
		s->ops->scan_end(reader.scan);
		s->ops->snapshot_release(reader.snapshot);
		store_memory_check(s);
	}
	s->ops->destroy(s);
}
END_TEST

/* The applied slot is kept beside the data and only grows, unless a restore starts over. */
START_TEST(applied_is_kept)
{
	struct store *s = store_memory_create(1);
	ck_assert_uint_eq(s->ops->applied(s), 0);
	s->ops->set_applied(s, 17);
	ck_assert_uint_eq(s->ops->applied(s), 17);
	s->ops->set_applied(s, 0);
	ck_assert_uint_eq(s->ops->applied(s), 0);
	s->ops->destroy(s);
}
END_TEST
