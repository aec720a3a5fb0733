/* From a key to its shard: CRC-16 of what stands in braces, or of all. */
#include "base/hashslot.h"

/*
 * CRC16-XMODEM: polynomial 0x1021, initial value 0, no reflection, four bytes at a time: tables[n]
 * has the remainders of each byte with n zero bytes after it. A CRC table is linear over exclusive
 * or, so that every entry follows from those of the eight single bits.
 */
#define BIT(i, bit, entry) (((i) & (bit)) != 0 ? (entry) : 0u)
#define ENTRY(i, b0, b1, b2, b3, b4, b5, b6, b7) \
	(uint16_t)(BIT(i, 1, b0) ^ BIT(i, 2, b1) ^ BIT(i, 4, b2) ^ BIT(i, 8, b3) ^ \
		   BIT(i, 16, b4) ^ BIT(i, 32, b5) ^ BIT(i, 64, b6) ^ BIT(i, 128, b7))
#define ENTRIES_4(i, ...) \
	ENTRY(i, __VA_ARGS__), ENTRY((i) + 1, __VA_ARGS__), ENTRY((i) + 2, __VA_ARGS__), \
		ENTRY((i) + 3, __VA_ARGS__)
#define ENTRIES_16(i, ...) \
	ENTRIES_4(i, __VA_ARGS__), ENTRIES_4((i) + 4, __VA_ARGS__), \
		ENTRIES_4((i) + 8, __VA_ARGS__), ENTRIES_4((i) + 12, __VA_ARGS__)
#define ENTRIES_64(i, ...) \
	ENTRIES_16(i, __VA_ARGS__), ENTRIES_16((i) + 16, __VA_ARGS__), \
		ENTRIES_16((i) + 32, __VA_ARGS__), ENTRIES_16((i) + 48, __VA_ARGS__)
#define ENTRIES(...) \
	{ \
		ENTRIES_64(0, __VA_ARGS__), ENTRIES_64(64, __VA_ARGS__), \
			ENTRIES_64(128, __VA_ARGS__), ENTRIES_64(192, __VA_ARGS__) \
	}

static const uint16_t tables[4][256] = {
	ENTRIES(0x1021u, 0x2042u, 0x4084u, 0x8108u, 0x1231u, 0x2462u, 0x48c4u, 0x9188u),
	ENTRIES(0x3331u, 0x6662u, 0xccc4u, 0x89a9u, 0x0373u, 0x06e6u, 0x0dccu, 0x1b98u),
	ENTRIES(0x3730u, 0x6e60u, 0xdcc0u, 0xa9a1u, 0x4363u, 0x86c6u, 0x1dadu, 0x3b5au),
	ENTRIES(0x76b4u, 0xed68u, 0xcaf1u, 0x85c3u, 0x1ba7u, 0x374eu, 0x6e9cu, 0xdd38u),
};

static uint16_t crc16(struct slice s)
{
	uint16_t crc = 0;
	size_t i = 0;
	for (; s.len - i >= 4; i += 4)
		crc = tables[3][(uint8_t)(crc >> 8) ^ s.data[i]] ^
		      tables[2][(uint8_t)crc ^ s.data[i + 1]] ^ tables[1][s.data[i + 2]] ^
		      tables[0][s.data[i + 3]];
	for (; i < s.len; i++)
		crc = (uint16_t)(crc << 8) ^ tables[0][(uint8_t)(crc >> 8) ^ s.data[i]];
	return crc;
}

/*
 * The part of the key that is hashed: the hash tag if there is one that is not empty, else all of
 * it.
 */
static struct slice hashed_part(struct slice key)
{
	const uint8_t *open = key.len == 0 ? NULL : memchr(key.data, '{', key.len);
	if (open == NULL)
		return key;
	const uint8_t *tag = open + 1;
	size_t left = key.len - (size_t)(tag - key.data);
	const uint8_t *close = left == 0 ? NULL : memchr(tag, '}', left);
	if (close == NULL || close == tag)
		return key;
	return slice(tag, (size_t)(close - tag));
}

uint32_t hashslot_of_key(struct slice key)
{
	return crc16(hashed_part(key)) % HASH_SLOTS;
}

/* For a power of two this is slot / (16384 / nshards). */
uint32_t shard_of_key(struct slice key, uint32_t nshards)
{
	ASSERT(shards_valid(nshards));
	return hashslot_of_key(key) * nshards / HASH_SLOTS;
}

bool shards_valid(uint32_t nshards)
{
	return nshards >= 1 && nshards <= HASH_SLOTS;
}
