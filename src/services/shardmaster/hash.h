/*
 * Mixing numbers into a 64-bit hash of replicated state, to compare replicas with each other. Not
 * for hash tables of strangers' keys.
 */
#ifndef SYNOD_SHARDMASTER_HASH_H
#define SYNOD_SHARDMASTER_HASH_H

#include <stdint.h>

#include "base/bytes.h"

#define HASH_START 0xcbf29ce484222325ull

/*
 * The finaliser of splitmix64 (Steele, Lea and Flood 2014) over the sum of what came before and the
 * value.
 */
static inline uint64_t hash_u64(uint64_t hash, uint64_t value)
{
	uint64_t h = (hash ^ value) + 0x9e3779b97f4a7c15ull;
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ull;
	h = (h ^ (h >> 27)) * 0x94d049bb133111ebull;
	return h ^ (h >> 31);
}

static inline uint64_t hash_slice(uint64_t hash, struct slice s)
{
	hash = hash_u64(hash, s.len);
	for (size_t i = 0; i < s.len; i++)
		hash = hash_u64(hash, s.data[i]);
	return hash;
}

#endif
