/*
 * Key → hash slot → shard, as in Redis Cluster ("Redis cluster specification",
 * keys distribution model): slot = CRC16-XMODEM(key) mod 16384; if the key has a
 * '{' and a later '}' with at least one byte between, only those bytes count
 * (the first '{' and the first '}' after it). A shard is a contiguous, equal
 * range of slots: shard = slot / (16384 / nshards) for nshards a power of two.
 */
#ifndef SYNOD_BASE_HASHSLOT_H
#define SYNOD_BASE_HASHSLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define HASH_SLOTS 16384u

uint32_t hashslot_of_key(struct slice key);
uint32_t shard_of_key(struct slice key, uint32_t nshards);
/*
 * nshards is allowed: 1 … 16384 and, for even ranges, a power of two. (Numbers
 * that are no power of two are accepted for small test clusters, such as 10: the
 * shard is then slot * nshards / 16384.)
 */
bool shards_valid(uint32_t nshards);

#endif
