/*
 * The protobuf encoding itself ("Protocol Buffers: Encoding"): a reader that copies nothing, and a
 * writer. Every message is read and written with this, by the code that proto/generate.c makes of
 * its .proto. What is written equals protobuf-c's output byte for byte: fields in ascending order,
 * zero and empty ones left out, scalars packed.
 *
 * Reading. pb_next() moves to the next field; the getter that fits the schema takes its value.
 * Errors stick: a malformed field, or a getter whose wire type differs, sets `status`, and
 * pb_next() returns false from then on. So a decoder is one loop and one look at the status:
 *
 *	struct pb_reader r = pb_reader(in);
 *	while (pb_next(&r))
 *		switch (r.number) {
 *		case 1: pb_get_u64(&r, &out->client); break;
 *		case 2: pb_get_bytes(&r, &out->body); break;
 *		}
 *	return r.status;
 *
 * A field that no case mentions is skipped: it comes from a newer version. A field that occurs
 * twice keeps its last value, as the encoding demands; a submessage that occurs twice is merged, if
 * both are decoded into the same struct.
 */
#ifndef SYNOD_WIRE_PB_H
#define SYNOD_WIRE_PB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/status.h"

#define PB_VARINT_BYTES_MAX 10u

enum pb_type { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

struct pb_reader {
	const uint8_t *at;
	const uint8_t *end;
	int status; /* 0, STATUS_BAD_REQUEST, STATUS_TOO_LARGE */
	/* The field that pb_next() found. */
	uint32_t number;
	enum pb_type type;
	uint64_t value;     /* PB_VARINT, PB_FIXED64, PB_FIXED32 */
	struct slice bytes; /* PB_BYTES: points into the input */
};

static inline struct pb_reader pb_reader(struct slice in)
{
	/* An empty slice may have a null pointer, to which nothing may be added. */
	static const uint8_t nothing[1];
	const uint8_t *data = in.len > 0 ? in.data : nothing;
	return (struct pb_reader){.at = data, .end = data + in.len};
}

/* An error (0 is none) ends the input. The first one counts. */
static inline void pb_fail(struct pb_reader *r, int status)
{
	if (status == 0 || r->status != 0)
		return;
	r->status = status;
	r->at = r->end;
}

/* Reads a varint at *at; false if it is cut off or does not fit 64 bits. */
bool pb_varint(const uint8_t **at, const uint8_t *end, uint64_t *out) MUST_CHECK;
/* The next field; false if it is malformed. Not at the end. */
bool pb_read_field(struct pb_reader *r) MUST_CHECK;
/* The next field; false at the end and after an error. */
MUST_CHECK static inline bool pb_next(struct pb_reader *r)
{
	return r->at != r->end && pb_read_field(r);
}

static inline bool pb_expect(struct pb_reader *r, enum pb_type type)
{
	if (r->type == type)
		return true;
	pb_fail(r, STATUS_BAD_REQUEST);
	return false;
}
static inline void pb_get_u64(struct pb_reader *r, uint64_t *out)
{
	if (pb_expect(r, PB_VARINT))
		*out = r->value;
}
/* A longer varint is cut to its low 32 bits, as everywhere in protobuf. */
static inline void pb_get_u32(struct pb_reader *r, uint32_t *out)
{
	if (pb_expect(r, PB_VARINT))
		*out = (uint32_t)r->value;
}
/* A STATUS_…; one that this version does not know becomes STATUS_INTERNAL. */
static inline void pb_get_status(struct pb_reader *r, int *out)
{
	if (pb_expect(r, PB_VARINT))
		*out = status_from_wire((uint32_t)r->value);
}
/* Is the field's value one of 0 … last? If not, it is refused. */
MUST_CHECK static inline bool pb_get_enum(struct pb_reader *r, uint32_t last)
{
	if (!pb_expect(r, PB_VARINT))
		return false;
	r->value = (uint32_t)r->value;
	if (r->value > last)
		pb_fail(r, STATUS_BAD_REQUEST);
	return r->value <= last;
}
static inline void pb_get_bool(struct pb_reader *r, bool *out)
{
	if (pb_expect(r, PB_VARINT))
		*out = r->value != 0;
}
/* sint64: zigzag. */
static inline void pb_get_s64(struct pb_reader *r, int64_t *out)
{
	if (pb_expect(r, PB_VARINT))
		*out = (int64_t)((r->value >> 1) ^ (0 - (r->value & 1)));
}
static inline void pb_get_bytes(struct pb_reader *r, struct slice *out)
{
	if (pb_expect(r, PB_BYTES))
		*out = r->bytes;
}
/*
 * Repeated numbers, packed or not. In a first walk adds how many there are to *count, which must
 * not pass `max`; in a second one adds them to the array, which has room for all that were counted.
 */
void pb_count_numbers(struct pb_reader *r, uint32_t *count, uint32_t max);
void pb_more_u32s(struct pb_reader *r, uint32_t *array, uint32_t *used);
void pb_more_u64s(struct pb_reader *r, uint64_t *array, uint32_t *used);
/* A repeated submessage or bytes field: counts one. */
static inline void pb_count(struct pb_reader *r, uint32_t *count, uint32_t max)
{
	if (!pb_expect(r, PB_BYTES))
		return;
	if (*count >= max)
		pb_fail(r, STATUS_TOO_LARGE);
	else
		++*count;
}
/* The same for an array in the struct, whose elements are read in one walk: is there room? */
MUST_CHECK static inline bool pb_room(struct pb_reader *r, uint32_t count, uint32_t max)
{
	if (pb_expect(r, PB_BYTES) && count >= max)
		pb_fail(r, STATUS_TOO_LARGE);
	return r->status == 0;
}
/* The first walk is at what the second will want, which begins at `field`. */
static inline void pb_begin_rest(struct slice *rest, const struct pb_reader *r,
				 const uint8_t *field)
{
	if (rest->len == 0)
		*rest = slice(field, (size_t)(r->end - field));
}
/*
 * Zeroed memory for the *count elements that the first walk found, in *out (NULL for none); the
 * second walk counts them again from 0. False (and a status) when the arena is at its ceiling.
 */
bool pb_allocate(struct pb_reader *r, struct arena *arena, uint32_t *count, size_t size,
		 void *out) MUST_CHECK;
MUST_CHECK static inline bool pb_array(struct pb_reader *r, struct arena *arena, uint32_t *count,
				       size_t size, void *out)
{
	return *count == 0 || pb_allocate(r, arena, count, size, out);
}

/*
 * Writing. Zero and empty fields are left out, unless the name says otherwise. If the buffer has a
 * list of gaps (base/bytes.h), long byte strings go there instead of into the buffer: with them in
 * their places, it is the message.
 */
void pb_put_varint(struct buffer *out, uint64_t value);
/* A number or an element of a repeated field: written even if it is 0 or empty. */
void pb_put_number(struct buffer *out, uint32_t number, uint64_t value);
void pb_put_element(struct buffer *out, uint32_t number, struct slice value);
static inline void pb_put_u64(struct buffer *out, uint32_t number, uint64_t value)
{
	if (value != 0)
		pb_put_number(out, number, value);
}
/* sint64: zigzag. */
static inline void pb_put_s64(struct buffer *out, uint32_t number, int64_t value)
{
	pb_put_u64(out, number, (uint64_t)value << 1 ^ (0 - ((uint64_t)value >> 63)));
}
static inline void pb_put_bytes(struct buffer *out, uint32_t number, struct slice value)
{
	if (value.len > 0)
		pb_put_element(out, number, value);
}
void pb_put_u32s(struct buffer *out, uint32_t number, const uint32_t *values, uint32_t count);
void pb_put_u64s(struct buffer *out, uint32_t number, const uint64_t *values, uint32_t count);

/*
 * A submessage: pb_begin(), its fields, pb_end(). Its length stands in front of it; pb_begin leaves
 * room for the length of `length_min` bytes, and pb_end moves the submessage by a byte or two if
 * its real length needs more room. So a caller that knows the bulk (the lengths of the byte
 * strings) pays for no move of a large value, and no message needs a second function that computes
 * its size.
 */
struct pb_mark {
	size_t start; /* of the fields */
	size_t room;  /* bytes left for the length in front of them */
};
struct pb_mark pb_begin(struct buffer *out, uint32_t number, size_t length_min);
void pb_end(struct buffer *out, struct pb_mark mark);
/* Takes away what was written since `start` if it is field `number`, and an empty submessage. */
void pb_drop_empty(struct buffer *out, size_t start, uint32_t number);

#endif
