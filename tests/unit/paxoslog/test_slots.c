/*
 * The log in memory against a plain list. faults: 33
 */
#include "../support/check_main.h"
#include "base/rng.h"
#include "paxoslog/slots.h"

#include <stdio.h>

#define SLOTS_MAX 6000u

static struct slice value_of(uint64_t slot, char *storage)
{
	/* Some are empty, some large. */
	size_t len = slot % 11 == 0 ? 0 : slot % 501 == 0 ? 70000 : slot % 40;
	memset(storage, (int)('a' + slot % 26), len);
	return slice(storage, len);
}

static void check(const struct slots *s, char *storage)
{
	uint64_t bytes = 0;
	for (uint64_t slot = s->first; slot <= s->last; slot++) {
		ck_assert(slice_equal(slots_get(s, slot), value_of(slot, storage)));
		bytes += slots_get(s, slot).len + SLOTS_ENTRY_BYTES;
	}
	ck_assert_uint_eq(s->bytes, bytes);
}

/*
 * Slots are dense, in order, and hold what was appended, whatever was trimmed; memory goes with the
 * values.
 */
START_TEST(slots_are_dense_and_in_order)
{
	static char storage[70000];
	struct slots s;
	struct rng rng;
	rng_seed(&rng, 1);
	slots_init(&s, 1);
	while (s.last < SLOTS_MAX) {
		for (uint64_t n = rng_below(&rng, 700); n > 0; n--)
			ck_assert_uint_eq(slots_append(&s, value_of(s.last + 1, storage)), s.last);
		if (s.last >= s.first)
			slots_trim(&s, s.first - 1 + rng_below(&rng, s.last - s.first + 2));
		check(&s, storage);
		/* At most a chunk and a value more than what is kept. */
		ck_assert_uint_le(s.count, s.bytes / SLOTS_CHUNK_BYTES +
						   (s.last + 1 - s.first) / SLOTS_CHUNK_ENTRIES +
						   3);
	}
	slots_trim(&s, s.last);
	ck_assert_uint_eq(s.bytes, 0);
	ck_assert_uint_eq(s.hash, 0);
	ck_assert_uint_eq(s.count, 0);
	slots_free(&s);
}
END_TEST

/* An image stays what it was while the log goes on, is trimmed, and even goes away. */
START_TEST(an_image_stays_while_the_log_goes_on)
{
	static char storage[70000];
	struct slots s;
	struct slots_image image;
	struct slice value;
	slots_init(&s, 1);
	for (uint64_t slot = 1; slot <= 1000; slot++)
		slots_append(&s, value_of(slot, storage));
	slots_trim(&s, 300);
	slots_image_take(&image, &s);
	for (uint64_t slot = 1001; slot <= 2000; slot++)
		slots_append(&s, value_of(slot, storage));
	slots_trim(&s, 1500);
	slots_free(&s);
	for (uint64_t slot = 301; slot <= 1000; slot++) {
		ck_assert(slots_image_next(&image, &value));
		ck_assert(slice_equal(value, value_of(slot, storage)));
	}
	ck_assert(!slots_image_next(&image, &value));
	slots_image_free(&image);
}
END_TEST

/* The hash tells what is in the log, not how it came there. */
START_TEST(the_hash_tells_what_is_in_the_log)
{
	static char storage[70000];
	struct slots a, b;
	slots_init(&a, 1);
	slots_init(&b, 501);
	for (uint64_t slot = 1; slot <= 900; slot++)
		slots_append(&a, value_of(slot, storage));
	for (uint64_t slot = 501; slot <= 900; slot++)
		slots_append(&b, value_of(slot, storage));
	ck_assert_uint_ne(a.hash, b.hash);
	slots_trim(&a, 500);
	ck_assert_uint_eq(a.hash, b.hash);
	slots_append(&a, slice_string("x"));
	slots_append(&b, slice_string("y"));
	ck_assert_uint_ne(a.hash, b.hash);
	slots_free(&a);
	slots_free(&b);
}
END_TEST
