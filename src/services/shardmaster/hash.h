/*
 * Mixing numbers into a 64-bit hash of replicated state, to compare replicas with each other. Not
 * for hash tables of strangers' keys.
 */
#ifndef SYNOD_SHARDMASTER_HASH_H
#define SYNOD_SHARDMASTER_HASH_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/mix.h"

#define HASH_START 0xcbf29ce484222325ull

/* Mixes what came before and the value. */
static inline uint64_t hash_u64(uint64_t hash, uint64_t value)
{
	return mix_u64((hash ^ value) + MIX_STEP);
}

static inline uint64_t hash_slice(uint64_t hash, struct slice s)
{
	hash = hash_u64(hash, s.len);
	for (size_t i = 0; i < s.len; i++)
		hash = hash_u64(hash, s.data[i]);
	return hash;
}

#endif
