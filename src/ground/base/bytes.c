/* Slices, buffers that grow, and shared bytes. */
#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

#define BUFFER_CAPACITY_MIN 64u

struct bytes *bytes_new(size_t len)
{
	ASSERT(len <= UINT32_MAX);
	struct bytes *b = alloc_bytes(sizeof *b + len);
	b->refs = 1;
	b->len = (uint32_t)len;
	return b;
}

struct bytes *bytes_copy(struct slice s)
{
	struct bytes *b = bytes_new(s.len);
	if (s.len > 0)
		memcpy(b->data, s.data, s.len);
	return b;
}

struct bytes *bytes_try_copy(struct slice s)
{
	ASSERT(s.len <= UINT32_MAX);
	struct bytes *b = malloc(sizeof *b + s.len);
	if (b == NULL)
		return NULL;
	b->refs = 1;
	b->len = (uint32_t)s.len;
	if (s.len > 0)
		memcpy(b->data, s.data, s.len);
	return b;
}

void bytes_unref(struct bytes *b)
{
	if (b == NULL)
		return;
	ASSERT(b->refs > 0);
	if (--b->refs == 0)
		free(b);
}

void buffer_grow(struct buffer *b, size_t extra)
{
	ASSERT(extra <= SIZE_MAX / 2 - b->len);
	size_t needed = b->len + extra;
	size_t capacity = b->capacity < BUFFER_CAPACITY_MIN ? BUFFER_CAPACITY_MIN : b->capacity;
	while (capacity < needed)
		capacity *= 2;
	b->data = alloc_resize(b->data, capacity, 1);
	b->capacity = capacity;
}

bool buffer_try_reserve(struct buffer *b, size_t extra)
{
	ASSERT(b->len <= b->capacity && extra <= SIZE_MAX / 2 - b->len);
	if (extra <= b->capacity - b->len)
		return true;
	uint8_t *data = realloc(b->data, b->len + extra);
	if (data == NULL)
		return false;
	b->data = data;
	b->capacity = b->len + extra;
	return true;
}

void buffer_add(struct buffer *b, const void *data, size_t len)
{
	if (len == 0)
		return;
	buffer_reserve(b, len);
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

void buffer_add_slice(struct buffer *b, struct slice s)
{
	buffer_add(b, s.data, s.len);
}

void buffer_add_u8(struct buffer *b, uint8_t v)
{
	buffer_add(b, &v, sizeof v);
}

void buffer_add_u16(struct buffer *b, uint16_t v)
{
	buffer_add(b, &v, sizeof v);
}

void buffer_add_u32(struct buffer *b, uint32_t v)
{
	buffer_add(b, &v, sizeof v);
}

void buffer_add_u64(struct buffer *b, uint64_t v)
{
	buffer_add(b, &v, sizeof v);
}

void buffer_vformat(struct buffer *b, const char *format, va_list arguments)
{
	va_list again;

	/* Most texts fit what is there; the others are formatted twice. */
	buffer_reserve(b, BUFFER_CAPACITY_MIN);
	va_copy(again, arguments);
	size_t space = b->capacity - b->len;
	int len = vsnprintf((char *)b->data + b->len, space, format, arguments);
	ASSERT(len >= 0);
	if ((size_t)len >= space) {
		buffer_reserve(b, (size_t)len + 1);
		vsnprintf((char *)b->data + b->len, (size_t)len + 1, format, again);
	}
	va_end(again);
	b->len += (size_t)len;
}

void buffer_format(struct buffer *b, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	buffer_vformat(b, format, arguments);
	va_end(arguments);
}

void buffer_consume(struct buffer *b, size_t len)
{
	ASSERT(len <= b->len);
	b->len -= len;
	if (b->len > 0)
		memmove(b->data, b->data + len, b->len);
}

void buffer_free(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){0};
}

bool slice_take(struct slice *s, size_t len, struct slice *out)
{
	if (s->len < len)
		return false;
	*out = slice(s->data, len);
	if (len > 0)
		*s = slice(s->data + len, s->len - len);
	return true;
}

bool slice_take_u8(struct slice *s, uint8_t *out)
{
	struct slice taken;
	if (!slice_take(s, sizeof *out, &taken))
		return false;
	*out = taken.data[0];
	return true;
}

bool slice_take_u16(struct slice *s, uint16_t *out)
{
	struct slice taken;
	if (!slice_take(s, sizeof *out, &taken))
		return false;
	*out = load_u16(taken.data);
	return true;
}

bool slice_take_u32(struct slice *s, uint32_t *out)
{
	struct slice taken;
	if (!slice_take(s, sizeof *out, &taken))
		return false;
	*out = load_u32(taken.data);
	return true;
}

bool slice_take_u64(struct slice *s, uint64_t *out)
{
	struct slice taken;
	if (!slice_take(s, sizeof *out, &taken))
		return false;
	*out = load_u64(taken.data);
	return true;
}
