/*
 * A record of the in-memory engine: header, key and value in one allocation.
 *
 *   24 bytes of header | key_len bytes of key | value_len bytes of value
 *
 * Records are reference counted: every leaf that holds one has a reference, so that leaves copied
 * for a snapshot share the data. A record with more than one reference is immutable. Inner nodes of
 * the tree use records without a value as separators.
 *
 * The header is kept at 24 bytes because it is paid for each key; that is why a version has 47 bits
 * (one key written a million times a second lasts four years) and a key length 17.
 */
#ifndef SYNOD_STORE_RECORD_H
#define SYNOD_STORE_RECORD_H

#include <stdlib.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "store/store.h"

struct record {
	uint32_t refs;
	uint32_t value_len;
	uint64_t modification;
	uint64_t version : 47;
	uint64_t key_len : 17;
	uint8_t data[];
};

_Static_assert(sizeof(struct record) == 24, "the header is paid for each key");

static inline struct slice record_key(const struct record *r)
{
	return slice(r->data, r->key_len);
}

static inline struct slice record_value(const struct record *r)
{
	return slice(r->data + r->key_len, r->value_len);
}

static inline uint64_t record_bytes(const struct record *r)
{
	return (uint64_t)r->key_len + r->value_len;
}

static inline struct record *record_new(const struct store_record *from)
{
	ASSERT(from->key.len <= STORE_KEY_BYTES_MAX && from->value.len <= STORE_VALUE_BYTES_MAX);
	ASSERT(from->version <= STORE_VERSION_MAX);
	struct record *r = alloc_bytes(sizeof *r + from->key.len + from->value.len);
	r->refs = 1;
	r->value_len = (uint32_t)from->value.len;
	r->modification = from->modification;
	r->version = from->version & STORE_VERSION_MAX;
	r->key_len = from->key.len & 0x1ffff;
	if (from->key.len > 0)
		memcpy(r->data, from->key.data, from->key.len);
	if (from->value.len > 0)
		memcpy(r->data + from->key.len, from->value.data, from->value.len);
	return r;
}

static inline struct record *record_ref(struct record *r)
{
	ASSERT(r->refs > 0 && r->refs < UINT32_MAX);
	r->refs++;
	return r;
}

static inline void record_unref(struct record *r)
{
	ASSERT(r->refs > 0);
	if (--r->refs == 0)
		free(r);
}

static inline void record_view(const struct record *r, struct store_record *out)
{
	*out = (struct store_record){
		.key = record_key(r),
		.value = record_value(r),
		.version = r->version,
		.modification = r->modification,
	};
}

#endif
