#include "../support/check_main.h"
#include "base/hashslot.h"
#include "base/rng.h"

static uint32_t slot(const char *key)
{
	return hashslot_of_key(slice_string(key));
}

/* Slots are CRC16-XMODEM modulo 16384, so they are those of Redis Cluster. */
START_TEST(slots_are_those_of_redis_cluster)
{
	ck_assert_uint_eq(slot("123456789"), 0x31c3 % HASH_SLOTS);
	ck_assert_uint_eq(slot("foo"), 12182);
	ck_assert_uint_eq(slot("bar"), 5061);
	ck_assert_uint_eq(slot(""), 0);
	ck_assert_uint_eq(hashslot_of_key(slice(NULL, 0)), 0);
}
END_TEST

/*
 * Only the first non-empty tag in braces counts, by the rules and examples of the Redis Cluster
 * specification.
 */
START_TEST(only_the_first_non_empty_tag_counts)
{
	ck_assert_uint_eq(slot("{user1000}.following"), slot("user1000"));
	ck_assert_uint_eq(slot("{user1000}.followers"), slot("user1000"));
	ck_assert_uint_eq(slot("foo{{bar}}zap"), slot("{bar"));
	ck_assert_uint_eq(slot("foo{bar}{zap}"), slot("bar"));
	ck_assert_uint_eq(slot("a}b{bar}"), slot("bar"));
	ck_assert_uint_eq(slot("{bar}"), slot("bar"));
}
END_TEST

/* CRC16-XMODEM bit by bit, of the whole key. */
static uint32_t slot_without_tags(const char *key)
{
	uint16_t crc = 0;

	for (; *key != '\0'; key++) {
		crc = (uint16_t)(crc ^ (uint8_t)*key << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)((crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1);
	}
	return crc % HASH_SLOTS;
}

/* Without a closed and non-empty tag the whole key counts. */
START_TEST(without_a_tag_the_whole_key_counts)
{
	static const char *const keys[] = {"foo{}{bar}", "{}",    "{",   "}",     "foo{",
					   "foo{bar",    "}foo{", "a}b", "foo{}", "plain"};

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		ck_assert_uint_eq(slot(keys[i]), slot_without_tags(keys[i]));
	ck_assert_uint_ne(slot("foo{}{bar}"), slot("bar"));
}
END_TEST

/*
 * A key of any length, wherever it lies: the sum takes four bytes at a time, and the rest one by
 * one.
 */
START_TEST(keys_of_any_length_and_place_are_summed)
{
	char text[80];
	struct rng rng;

	rng_seed(&rng, 5);
	for (size_t len = 0; len < 64; len++)
		for (size_t at = 0; at < 8; at++) {
			for (size_t i = 0; i < len; i++)
				text[at + i] = (char)rng_range(&rng, 128, 255);
			text[at + len] = '\0';
			ck_assert_uint_eq(slot(text + at), slot_without_tags(text + at));
		}
}
END_TEST

/* Shards are equal, contiguous ranges of slots that cover all of them. */
START_TEST(shards_are_equal_ranges_of_slots)
{
	static const uint32_t counts[] = {1, 2, 10, 16, 256, 1000, 16384};
	struct rng rng;

	rng_seed(&rng, 8);
	for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
		uint32_t n = counts[c];
		ck_assert(shards_valid(n));
		for (int i = 0; i < 1000; i++) {
			uint64_t key = rng_next(&rng);
			struct slice s = slice(&key, sizeof key);
			uint32_t shard = shard_of_key(s, n);
			ck_assert_uint_lt(shard, n);
			/*
			 * The shard's range is [ceil(16384 shard / n), ceil(16384 (shard + 1) /
			 * n)).
			 */
			ck_assert_uint_le((HASH_SLOTS * shard + n - 1) / n, hashslot_of_key(s));
			ck_assert_uint_lt(hashslot_of_key(s),
					  (HASH_SLOTS * (shard + 1) + n - 1) / n);
			if ((n & (n - 1)) == 0)
				ck_assert_uint_eq(shard, hashslot_of_key(s) / (HASH_SLOTS / n));
		}
	}
	ck_assert(!shards_valid(0));
	ck_assert(!shards_valid(16385));
	ck_assert(!shards_valid(UINT32_MAX));
}
END_TEST
