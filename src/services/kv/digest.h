/*
 * The digest of a record (base/digest.h), to tell replicas that have diverged. That of a shard is
 * the sum of those of its records.
 */
#ifndef SYNOD_KV_DIGEST_H
#define SYNOD_KV_DIGEST_H

#include <stdint.h>

#include "base/digest.h"
#include "store/store.h"

uint64_t digest_record(const struct store_record *record);

#endif
