#include "base/hashslot.h"

/*
 * CRC16-XMODEM: polynomial 0x1021, initial value 0, no reflection. A CRC table is
 * linear over exclusive or, so that every entry follows from those of the eight
 * single bits.
 */
#define BIT(i, bit, entry) (((i) & (bit)) != 0 ? (entry) : 0u)
#define ENTRY(i) \
	(uint16_t)(BIT(i, 1, 0x1021u) ^ BIT(i, 2, 0x2042u) ^ BIT(i, 4, 0x4084u) ^ BIT(i, 8, 0x8108u) ^ \
		   BIT(i, 16, 0x1231u) ^ BIT(i, 32, 0x2462u) ^ BIT(i, 64, 0x48c4u) ^ BIT(i, 128, 0x9188u))
#define ENTRIES_4(i) ENTRY(i), ENTRY((i) + 1), ENTRY((i) + 2), ENTRY((i) + 3)
#define ENTRIES_16(i) ENTRIES_4(i), ENTRIES_4((i) + 4), ENTRIES_4((i) + 8), ENTRIES_4((i) + 12)
#define ENTRIES_64(i) ENTRIES_16(i), ENTRIES_16((i) + 16), ENTRIES_16((i) + 32), ENTRIES_16((i) + 48)

static const uint16_t table[256] = {ENTRIES_64(0), ENTRIES_64(64), ENTRIES_64(128), ENTRIES_64(192)};

static uint16_t crc16(struct slice s)
{
	uint16_t crc = 0;
	for (size_t i = 0; i < s.len; i++)
		crc = (uint16_t)(crc << 8) ^ table[(uint8_t)(crc >> 8) ^ s.data[i]];
	return crc;
}

/* The part of the key that is hashed: the hash tag if there is one that is not empty, else all of it. */
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
