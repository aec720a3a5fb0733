/* Scans over all shards of a group, against a sorted array. */
#include <stdlib.h>

#include "../support/check_main.h"
#include "kv.h"

#define NAMES_MAX 3000

struct names {
	char key[NAMES_MAX][16];
	uint32_t count;
};

static int name_order(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Fills the app with random keys; `names` holds them in order. */
static void fill(struct kv *kv, struct names *names, uint64_t seed, uint32_t puts)
{
	struct rng rng;
	rng_seed(&rng, seed);
	for (uint32_t i = 0; i < puts; i++) {
		char key[16];
		snprintf(key, sizeof key, "%c%u", 'a' + (int)rng_below(&rng, 5),
			 (unsigned)rng_below(&rng, 10000));
		ck_assert_int_eq(kv_op(kv, op_create(key, key)) <= 0, 1);
		if (kv->reply.results[0].status == 0)
			memcpy(names->key[names->count++], key, sizeof key);
	}
	qsort(names->key, names->count, sizeof names->key[0], name_order);
}

static uint32_t lower_bound(const struct names *names, const char *key)
{
	uint32_t i = 0;
	while (i < names->count && strcmp(names->key[i], key) < 0)
		i++;
	return i;
}

/* Reads [start, end) page by page and compares with the model. */
static void scan_all(struct kv *kv, const struct names *names, const char *start, const char *end,
		     struct wire_kv_scan scan)
{
	uint32_t i = lower_bound(names, start);
	uint32_t last = *end == '\0' ? names->count : lower_bound(names, end);
	char resume[16];
	scan.start = slice_string(start);
	scan.end = slice_string(end);
	for (;;) {
		struct wire_kv_query query = {.has_scan = true, .scan = scan};
		uint32_t limit = scan.limit == 0 ? SCAN_LIMIT_MAX : scan.limit;
		ck_assert_int_eq(kv_query(kv, &query), 0);
		ck_assert_uint_le(kv->page.count, limit);
		ck_assert_uint_eq(kv->page.nrecords, scan.count_only ? 0 : kv->page.count);
		for (uint32_t r = 0; r < kv->page.nrecords; r++) {
			ck_assert(slice_equal(kv->page.records[r].key,
					      slice_string(names->key[i + r])));
			ck_assert(
				slice_equal(kv->page.records[r].value,
					    slice_string(scan.keys_only ? "" : names->key[i + r])));
			ck_assert_uint_eq(kv->page.records[r].version, 1);
		}
		i += (uint32_t)kv->page.count;
		if (!kv->page.more)
			break;
		ck_assert_uint_eq(kv->page.count, limit);
		ck_assert(slice_equal(kv->page.resume, slice_string(names->key[i])));
		snprintf(resume, sizeof resume, "%.*s", (int)kv->page.resume.len,
			 (const char *)kv->page.resume.data);
		scan.start = slice_string(resume);
	}
	ck_assert_uint_eq(i, last < lower_bound(names, start) ? lower_bound(names, start) : last);
}

/* The same from the end, page by page: each ends before the last key of the one before. */
static void scan_all_back(struct kv *kv, const struct names *names, const char *start,
			  const char *end, struct wire_kv_scan scan)
{
	uint32_t first = lower_bound(names, start);
	uint32_t i = *end == '\0' ? names->count : lower_bound(names, end);
	uint32_t limit = scan.limit == 0 ? SCAN_LIMIT_MAX : scan.limit;
	char resume[16];
	scan.start = slice_string(start);
	scan.end = slice_string(end);
	scan.reverse = true;
	if (i < first)
		i = first;
	for (;;) {
		struct wire_kv_query query = {.has_scan = true, .scan = scan};
		ck_assert_int_eq(kv_query(kv, &query), 0);
		ck_assert_uint_le(kv->page.count, limit);
		for (uint32_t r = 0; r < kv->page.nrecords; r++) {
			ck_assert(slice_equal(kv->page.records[r].key,
					      slice_string(names->key[i - 1 - r])));
			ck_assert(slice_equal(
				kv->page.records[r].value,
				slice_string(scan.keys_only ? "" : names->key[i - 1 - r])));
		}
		i -= (uint32_t)kv->page.count;
		if (!kv->page.more)
			break;
		ck_assert_uint_eq(kv->page.count, limit);
		ck_assert(slice_equal(kv->page.resume, slice_string(names->key[i])));
		snprintf(resume, sizeof resume, "%.*s", (int)kv->page.resume.len,
			 (const char *)kv->page.resume.data);
		scan.end = slice_string(resume);
	}
	ck_assert_uint_eq(i, first);
}

/* Pages of any size, over any range, give every key once and in order. */
START_LOOP_TEST(pages_match_model, 0, 3)
{
	struct kv kv = kv_create();
	struct names *names = calloc(1, sizeof *names);
	fill(&kv, names, (uint64_t)_i + 1, _i == 0 ? 0 : 2500);
	static const char *const ranges[][2] = {{"", ""},   {"b", "d"}, {"b5", "b5"}, {"a", "zz"},
						{"zz", ""}, {"d", "b"}, {"", "c1"}};
	static const uint32_t limits[] = {0, 1, 7, 1000, 20000};
	for (size_t r = 0; r < sizeof ranges / sizeof ranges[0]; r++) {
		for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++) {
			if (limits[l] == 1 && r != 6)
				continue;
			scan_all(&kv, names, ranges[r][0], ranges[r][1],
				 (struct wire_kv_scan){.limit = limits[l]});
			scan_all_back(&kv, names, ranges[r][0], ranges[r][1],
				      (struct wire_kv_scan){.limit = limits[l]});
			scan_all_back(&kv, names, ranges[r][0], ranges[r][1],
				      (struct wire_kv_scan){.limit = limits[l], .keys_only = true});
			scan_all_back(
				&kv, names, ranges[r][0], ranges[r][1],
				(struct wire_kv_scan){.limit = limits[l], .count_only = true});
			scan_all(&kv, names, ranges[r][0], ranges[r][1],
				 (struct wire_kv_scan){.limit = limits[l], .keys_only = true});
			scan_all(&kv, names, ranges[r][0], ranges[r][1],
				 (struct wire_kv_scan){.limit = limits[l], .count_only = true});
		}
	}
	free(names);
	kv_free(&kv);
}
END_TEST

/* A page also ends when it holds enough bytes; nothing is lost at the seam. */
START_TEST(pages_end_by_size)
{
	struct kv kv = kv_create();
	char value[KV_VALUE_MAX + 1];
	char key[16];
	memset(value, 'v', sizeof value);
	value[KV_VALUE_MAX] = '\0';
	for (int i = 0; i < 3000; i++) {
		snprintf(key, sizeof key, "k%05d", i);
		ck_assert_int_eq(kv_op(&kv, op_put(key, value)), 0);
	}
	struct wire_kv_query query = {.has_scan = true};
	uint32_t seen = 0;
	uint32_t pages = 0;
	char resume[16];
	do {
		ck_assert_int_eq(kv_query(&kv, &query), 0);
		for (uint32_t r = 0; r < kv.page.nrecords; r++) {
			snprintf(key, sizeof key, "k%05u", seen++);
			ck_assert(slice_equal(kv.page.records[r].key, slice_string(key)));
		}
		ck_assert_uint_lt(kv.body.len, SCAN_BYTES_MAX + 100u * KIB);
		snprintf(resume, sizeof resume, "%.*s", (int)kv.page.resume.len,
			 (const char *)kv.page.resume.data);
		query.scan.start = slice_string(resume);
		pages++;
	} while (kv.page.more);
	ck_assert_uint_eq(seen, 3000);
	ck_assert_uint_gt(pages, 2);
	kv_free(&kv);
}
END_TEST

/* Counting everything takes one request, whatever the number of keys. */
START_TEST(count_of_everything)
{
	struct kv kv = kv_create();
	char key[16];
	struct wire_kv_query query = {.has_scan = true, .scan = {.count_only = true}};
	for (uint32_t i = 0; i < SCAN_LIMIT_MAX + 5; i++) {
		snprintf(key, sizeof key, "%u", i);
		kv_op(&kv, op_put(key, ""));
	}
	ck_assert_int_eq(kv_query(&kv, &query), 0);
	ck_assert_uint_eq(kv.page.count, SCAN_LIMIT_MAX + 5);
	ck_assert(!kv.page.more);
	query.scan.start = slice_string("0");
	ck_assert_int_eq(kv_query(&kv, &query), 0);
	ck_assert_uint_eq(kv.page.count, SCAN_LIMIT_MAX);
	ck_assert(kv.page.more);
	kv_free(&kv);
}
END_TEST
