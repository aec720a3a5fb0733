/*
 * 64-bit digests of numbers and bytes, to tell states that have diverged.
 *
 * Not cryptographic: they guard against faults, not against people. Each 16 bytes are folded by one
 * 64 × 64 → 128 bit multiplication. The digest of a set is the sum of its members' digests, so it
 * can be kept up to date with each change and does not depend on the order of changes.
 */
#ifndef SYNOD_BASE_DIGEST_H
#define SYNOD_BASE_DIGEST_H

#include <stdint.h>

#include "base/bytes.h"

/* Mixes two numbers into one; not commutative. */
uint64_t digest_mix(uint64_t a, uint64_t b);
uint64_t digest_bytes(uint64_t seed, struct slice s);

#endif
