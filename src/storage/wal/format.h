/*
 * The segment file's bytes: encoding and verifying headers and records. The
 * format is drawn in wal.h. Nothing here allocates or does I/O.
 */
#ifndef SYNOD_WAL_FORMAT_H
#define SYNOD_WAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "wal/wal.h"

#define WAL_NAME_BYTES WAL_FILE_NAME_BYTES /* "free-" and 16 digits and the end, rounded up */

struct wal_header {
	uint64_t segment;
	uint64_t capacity;
	uint64_t first_batch;
	uint64_t promise;
	uint64_t group;
	uint64_t replica; /* 0: not known */
	/* out: of its records; wal_place() or, in earlier formats, the segment's id alone */
	uint64_t place;
};

/* A record as it stands in a segment. */
struct wal_frame {
	enum wal_type type;
	bool last;  /* of its batch */
	bool newer; /* of a type, or with flags, that this version does not know */
	uint64_t batch;
	uint64_t slot;
	uint64_t ballot;
	struct slice payload; /* borrows the segment's bytes */
	size_t size;          /* header, payload and padding */
};

/*
 * What the checksum of a record covers first: its segment, and whose log that belongs to. Segments
 * have ids below 2^32.
 */
uint64_t wal_place(uint64_t segment, uint64_t group, uint64_t replica);

void wal_header_encode(uint8_t out[WAL_HEADER_BYTES], const struct wal_header *header);
/* False if magic or checksum are wrong, or the version is none that this program knows. */
bool wal_header_decode(const uint8_t data[WAL_HEADER_BYTES], struct wal_header *out);
/* It is a header of a later format than this program knows. */
bool wal_header_is_newer(const uint8_t data[WAL_HEADER_BYTES]);

static inline size_t wal_record_size(size_t payload_len)
{
	return (WAL_RECORD_BYTES + payload_len + 7u) & ~(size_t)7;
}

/* Writes a record of wal_record_size() bytes, all but its checksum and its last-of-batch flag. */
void wal_record_encode(uint8_t *out, const struct wal_record *record, uint64_t batch);
/*
 * The same without its payload, which stands elsewhere: what is before it, and the padding that
 * comes behind it.
 */
void wal_record_encode_around(uint8_t *out, const struct wal_record *record, uint64_t batch);
static inline size_t wal_record_size_around(size_t payload_len)
{
	return wal_record_size(payload_len) - payload_len;
}
/* Completes a record with the two. */
void wal_record_seal(uint8_t *data, uint64_t place, uint64_t offset, bool last);
/* One whose payload stands elsewhere. */
void wal_record_seal_around(uint8_t *data, struct slice payload, uint64_t place, uint64_t offset,
			    bool last);
/* Bytes of the record that begins here, if its fixed part can be one; 0 otherwise. Not verified. */
size_t wal_record_peek(const uint8_t *data, size_t available);
/*
 * The record at `offset` of the segment with that place, of which `available` bytes follow at data;
 * false if it does not verify.
 */
bool wal_record_verify(const uint8_t *data, size_t available, uint64_t place, uint64_t offset,
		       struct wal_frame *out);
/* What verify would return for a record in memory that may not have been sealed yet. */
void wal_record_view(const uint8_t *data, struct wal_frame *out);

/* "log-" or "free-" and a number. */
void wal_name(char out[WAL_NAME_BYTES], const char *prefix, uint64_t number);
bool wal_name_parse(const char *name, const char *prefix, uint64_t *number);

#define WAL_LOG_PREFIX "log-"
#define WAL_FREE_PREFIX "free-"
/* Does not begin like a segment: what removes those leaves it, and so is noticed. */
#define WAL_RANGE_NAME "segment-range"
#define WAL_RANGE_HALF_BYTES 512u
#define WAL_RANGE_BYTES 1024u

static inline wal_position wal_position_make(uint64_t segment, uint64_t offset)
{
	return segment << 32 | offset;
}

#endif
