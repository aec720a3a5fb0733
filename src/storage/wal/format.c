/* Headers and records, as bytes. */
#include "wal/format.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"

static const char magic[8] = {'S', 'Y', 'N', 'O', 'D', 'L', 'O', 'G'};

/*
 * Version 1 had no replica; up to version 2 the checksum did not cover the version; up to version 3
 * those of records did not cover whose log it is.
 */
enum {
	FORMAT_FIRST = 1,
	FORMAT_SELF_CHECKED = 3,
	FORMAT_OWNED = 4,
	FORMAT_VERSION = 4,
	FLAG_LAST = 1
};

/* Where the fields of a record stand. */
enum {
	AT_CRC = 0,
	AT_LENGTH = 4,
	AT_TYPE = 8,
	AT_FLAGS = 9,
	AT_BATCH = 16,
	AT_SLOT = 24,
	AT_BALLOT = 32,
	AT_PAYLOAD = WAL_RECORD_BYTES,
};

static uint32_t header_crc(const uint8_t *data, uint32_t version)
{
	uint8_t field[4];
	store_u32(field, version);
	uint32_t crc = version < FORMAT_SELF_CHECKED ? 0 : crc32c(0, field, sizeof field);
	return crc32c(crc, data + 16, WAL_HEADER_BYTES - 16);
}

uint64_t wal_place(uint64_t segment, uint64_t group, uint64_t replica)
{
	uint64_t owner[2] = {group, replica};
	return segment | (uint64_t)crc32c(0, owner, sizeof owner) << 32;
}

static bool header_is_of(const uint8_t *data, uint32_t version)
{
	return load_u32(data + 12) == header_crc(data, version);
}

void wal_header_encode(uint8_t out[WAL_HEADER_BYTES], const struct wal_header *header)
{
	memset(out, 0, WAL_HEADER_BYTES);
	memcpy(out, magic, sizeof magic);
	store_u32(out + 8, FORMAT_VERSION);
	store_u64(out + 16, header->segment);
	store_u64(out + 24, header->capacity);
	store_u64(out + 32, header->first_batch);
	store_u64(out + 40, header->promise);
	store_u64(out + 48, header->group);
	store_u64(out + 56, header->replica);
	store_u32(out + 12, header_crc(out, FORMAT_VERSION));
}

bool wal_header_decode(const uint8_t data[WAL_HEADER_BYTES], struct wal_header *out)
{
	uint32_t version = load_u32(data + 8);
	if (memcmp(data, magic, sizeof magic) != 0 || version < FORMAT_FIRST ||
	    version > FORMAT_VERSION)
		return false;
	if (!header_is_of(data, version))
		return false;
	*out = (struct wal_header){
		.segment = load_u64(data + 16),
		.capacity = load_u64(data + 24),
		.first_batch = load_u64(data + 32),
		.promise = load_u64(data + 40),
		.group = load_u64(data + 48),
		.replica = load_u64(data + 56),
	};
	out->place = version < FORMAT_OWNED ? out->segment
					    : wal_place(out->segment, out->group, out->replica);
	return true;
}

bool wal_header_is_newer(const uint8_t data[WAL_HEADER_BYTES])
{
	uint32_t version = load_u32(data + 8);
	return memcmp(data, magic, sizeof magic) == 0 && version > FORMAT_VERSION &&
	       header_is_of(data, version);
}

static inline void encode_fields(uint8_t *out, const struct wal_record *record, uint64_t batch)
{
	store_u32(out + AT_CRC, 0);
	store_u32(out + AT_LENGTH, (uint32_t)record->payload.len);
	store_u64(out + AT_TYPE, (uint64_t)record->type);
	store_u64(out + AT_BATCH, batch);
	store_u64(out + AT_SLOT, record->slot);
	store_u64(out + AT_BALLOT, record->ballot);
}

void wal_record_encode_around(uint8_t *out, const struct wal_record *record, uint64_t batch)
{
	encode_fields(out, record, batch);
	memset(out + AT_PAYLOAD, 0, wal_record_size_around(record->payload.len) - AT_PAYLOAD);
}

void wal_record_encode(uint8_t *out, const struct wal_record *record, uint64_t batch)
{
	size_t len = record->payload.len;
	size_t size = wal_record_size(len);
	encode_fields(out, record, batch);
	/*
	 * The last eight bytes hold the padding, if there is any; the payload then overwrites the
	 * rest of them.
	 */
	if (size > AT_PAYLOAD)
		store_u64(out + size - 8, 0);
	if (len > 0)
		memcpy(out + AT_PAYLOAD, record->payload.data, len);
}

static uint32_t record_crc(const uint8_t *data, size_t payload_len, uint64_t place, uint64_t offset)
{
	uint64_t where[2] = {place, offset};
	uint32_t crc = crc32c(0, where, sizeof where);
	return crc32c(crc, data + AT_LENGTH, AT_PAYLOAD - AT_LENGTH + payload_len);
}

void wal_record_seal(uint8_t *data, uint64_t place, uint64_t offset, bool last)
{
	data[AT_FLAGS] = last ? FLAG_LAST : 0;
	store_u32(data + AT_CRC, record_crc(data, load_u32(data + AT_LENGTH), place, offset));
}

void wal_record_seal_around(uint8_t *data, struct slice payload, uint64_t place, uint64_t offset,
			    bool last)
{
	ASSERT(payload.len == load_u32(data + AT_LENGTH));
	data[AT_FLAGS] = last ? FLAG_LAST : 0;
	uint32_t crc = record_crc(data, 0, place, offset);
	store_u32(data + AT_CRC, crc32c(crc, payload.data, payload.len));
}

size_t wal_record_peek(const uint8_t *data, size_t available)
{
	if (available < WAL_RECORD_BYTES)
		return 0;
	/*
	 * One comparison rejects zeros and most of what is no record: a type, flags, six zero
	 * bytes. Types and flags of later versions count too: whether it is a record at all is for
	 * its checksum to say.
	 */
	uint64_t word = load_u64(data + AT_TYPE);
	if ((word & 0xff) == 0 || word >> 16 != 0)
		return 0;
	return wal_record_size(load_u32(data + AT_LENGTH));
}

bool wal_record_verify(const uint8_t *data, size_t available, uint64_t place, uint64_t offset,
		       struct wal_frame *out)
{
	size_t size = wal_record_peek(data, available);
	if (size == 0 || size > available)
		return false;
	if (load_u32(data + AT_CRC) != record_crc(data, load_u32(data + AT_LENGTH), place, offset))
		return false;
	wal_record_view(data, out);
	return true;
}

static bool is_known(const uint8_t *data)
{
	uint64_t word = load_u64(data + AT_TYPE);
	uint64_t type = word & 0xff;
	if (type < WAL_PROMISE || type > WAL_STARTS || word >> 8 > FLAG_LAST)
		return false;
	return true;
}

void wal_record_view(const uint8_t *data, struct wal_frame *out)
{
	size_t len = load_u32(data + AT_LENGTH);
	*out = (struct wal_frame){
		.type = (enum wal_type)data[AT_TYPE],
		.last = (data[AT_FLAGS] & FLAG_LAST) != 0,
		.newer = !is_known(data),
		.batch = load_u64(data + AT_BATCH),
		.slot = load_u64(data + AT_SLOT),
		.ballot = load_u64(data + AT_BALLOT),
		.payload = slice(data + AT_PAYLOAD, len),
		.size = wal_record_size(len),
	};
}

void wal_name(char out[WAL_NAME_BYTES], const char *prefix, uint64_t number)
{
	int len = snprintf(out, WAL_NAME_BYTES, "%s%016llx", prefix, (unsigned long long)number);
	ASSERT(len > 0 && len < WAL_NAME_BYTES);
}

bool wal_name_parse(const char *name, const char *prefix, uint64_t *number)
{
	size_t prefix_len = strlen(prefix);
	if (strncmp(name, prefix, prefix_len) != 0 || strlen(name) != prefix_len + 16)
		return false;
	uint64_t value = 0;
	for (const char *c = name + prefix_len; *c != '\0'; c++) {
		const char *digits = "0123456789abcdef";
		const char *digit = strchr(digits, *c);
		if (digit == NULL)
			return false;
		value = value << 4 | (uint64_t)(digit - digits);
	}
	*number = value;
	return true;
}
