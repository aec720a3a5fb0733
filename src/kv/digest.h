/*
 * 64-bit digests of records and of the state, to tell replicas that have diverged.
 *
 * Not cryptographic: it guards against faults, not against people. Each 16 bytes are folded by one 64 × 64 → 128
 * bit multiplication. The digest of a set is the sum of its members' digests, so it can be kept up to date with
 * each write and does not depend on the order of writes.
 */
#ifndef SYNOD_KV_DIGEST_H
#define SYNOD_KV_DIGEST_H

#include <stdint.h>

#include "base/bytes.h"
#include "store/store.h"

/* Mixes two numbers into one; not commutative. */
uint64_t digest_mix(uint64_t a, uint64_t b);
uint64_t digest_bytes(uint64_t seed, struct slice s);
uint64_t digest_record(const struct store_record *record);

#endif
