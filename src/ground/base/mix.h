/*
 * Mixing: the finaliser of splitmix64 (Steele, Lea and Flood 2014), a bijection in which every bit
 * of the input reaches every bit of the result. What is mixed is hashed, scattered or drawn.
 *
 * Hashes that replicas compare, or that stand in a snapshot, are made of it: it never changes.
 */
#ifndef SYNOD_BASE_MIX_H
#define SYNOD_BASE_MIX_H

#include <stdint.h>

/* 2⁶⁴ divided by the golden ratio: what splitmix64 counts in, so that 0 is not mixed to 0. */
#define MIX_STEP 0x9e3779b97f4a7c15ull

static inline uint64_t mix_u64(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

#endif
