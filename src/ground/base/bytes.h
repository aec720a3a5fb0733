/*
 * Slices and reference-counted buffers.
 *
 * struct slice borrows memory: it is valid as long as what it points into.
 * struct bytes owns memory and is immutable once it has a second reference. The
 * count is not atomic: references are taken and dropped on the node's thread
 * only; a disk thread reads a buffer that the node's thread keeps alive.
 * struct buffer is a growable byte string for building messages.
 */
#ifndef SYNOD_BASE_BYTES_H
#define SYNOD_BASE_BYTES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"

struct slice {
	const uint8_t *data;
	size_t len;
};

static inline struct slice slice(const void *data, size_t len)
{
	return (struct slice){.data = data, .len = len};
}
static inline struct slice slice_string(const char *text)
{
	return slice(text, strlen(text));
}
static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
/* Byte order, shorter first: <0, 0, >0. This is the key order of the store. */
static inline int slice_compare(struct slice a, struct slice b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
	if (order != 0)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}
static inline bool slice_has_prefix(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len &&
	       (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

struct bytes {
	uint32_t refs;
	uint32_t len;
	uint8_t data[];
};

/* A new buffer of `len` bytes with one reference; contents undefined. */
struct bytes *bytes_new(size_t len);
struct bytes *bytes_copy(struct slice s);
/* NULL: no memory. */
struct bytes *bytes_try_copy(struct slice s);
static inline struct bytes *bytes_ref(struct bytes *b)
{
	ASSERT(b->refs > 0 && b->refs < UINT32_MAX);
	b->refs++;
	return b;
}
/* Drops a reference; NULL is fine. */
void bytes_unref(struct bytes *b);
static inline struct slice bytes_slice(const struct bytes *b)
{
	return slice(b->data, b->len);
}

/*
 * What was left out of a buffer, to be sent or written from where it stands instead of being
 * copied: `value` belongs before the byte `at` of the buffer, behind the gaps before it. The writer
 * of a message leaves out byte strings of len_min and more (wire/pb.h) as long as there is room for
 * gaps; it copies the others. The owner of the list sees to it that the values stay.
 */
struct buffer_gap {
	size_t at;
	struct slice value;
};
struct buffer_gaps {
	size_t len_min;
	struct buffer_gap *items; /* in the order of their places */
	uint32_t count, capacity;
};

struct buffer {
	uint8_t *data;
	size_t len;
	size_t capacity;
	struct buffer_gaps *gaps; /* NULL: nothing is left out */
};

/* More room, for buffer_reserve() alone. */
void buffer_grow(struct buffer *b, size_t extra);
/* A zeroed struct buffer is empty and valid. */
static inline void buffer_reserve(struct buffer *b, size_t extra)
{
	ASSERT(b->len <= b->capacity);
	if (extra > b->capacity - b->len)
		buffer_grow(b, extra);
}
/* Exactly so much; false: no memory. What then stays below it cannot run out of memory any more. */
bool buffer_try_reserve(struct buffer *b, size_t extra) __attribute__((warn_unused_result));
void buffer_add(struct buffer *b, const void *data, size_t len);
void buffer_add_slice(struct buffer *b, struct slice s);
void buffer_add_u8(struct buffer *b, uint8_t v);
/* Little-endian, as everywhere in Synod's own formats. */
void buffer_add_u16(struct buffer *b, uint16_t v);
void buffer_add_u32(struct buffer *b, uint32_t v);
void buffer_add_u64(struct buffer *b, uint64_t v);
void buffer_format(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_vformat(struct buffer *b, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));
/* Drops the first `len` bytes. */
void buffer_consume(struct buffer *b, size_t len);
static inline void buffer_clear(struct buffer *b)
{
	b->len = 0;
}
static inline struct slice buffer_slice(const struct buffer *b)
{
	return slice(b->data, b->len);
}
void buffer_free(struct buffer *b);

/*
 * Reading little-endian integers out of a slice that shrinks from the front.
 * Each returns false, and leaves the output alone, when too little is left.
 */
bool slice_take(struct slice *s, size_t len, struct slice *out);
bool slice_take_u8(struct slice *s, uint8_t *out);
bool slice_take_u16(struct slice *s, uint16_t *out);
bool slice_take_u32(struct slice *s, uint32_t *out);
bool slice_take_u64(struct slice *s, uint64_t *out);

static inline uint16_t load_u16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return v;
}
static inline uint32_t load_u32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return v;
}
static inline uint64_t load_u64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v;
}
static inline void store_u16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof v);
}
static inline void store_u32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof v);
}
static inline void store_u64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof v);
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "formats are little-endian; add byte swaps to port");

#endif
