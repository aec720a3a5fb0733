/* The primitives of the protobuf encoding. */
#include "wire/pb.h"

bool pb_varint(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
	const uint8_t *p = *at;
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (p == end)
			return false;
		uint8_t byte = *p++;
		/* The tenth byte holds the one bit that is left. */
		if (shift == 63 && byte > 1)
			return false;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*at = p;
			*out = value;
			return true;
		}
	}
	return false;
}

/* Most tags, lengths and numbers are one byte, and most of the others two. */
static inline bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
	const uint8_t *p = *at;
	if (p == end)
		return false;
	if (p[0] < 0x80) {
		*out = p[0];
		*at = p + 1;
		return true;
	}
	if (end - p < 2 || p[1] >= 0x80)
		return pb_varint(at, end, out);
	*out = (p[0] & 0x7fu) | (uint32_t)p[1] << 7;
	*at = p + 2;
	return true;
}

/* Tags and lengths have 32 bits: at most five bytes, however they are padded. */
static inline bool read_short_varint(const uint8_t **at, const uint8_t *end, uint32_t *out)
{
	const uint8_t *start = *at;
	uint64_t value;

	if (!read_varint(at, end, &value) || *at - start > 5 || value > UINT32_MAX)
		return false;
	*out = (uint32_t)value;
	return true;
}

static inline bool read_bytes(const uint8_t **at, const uint8_t *end, struct slice *out)
{
	uint32_t len;

	if (!read_short_varint(at, end, &len) || len > (size_t)(end - *at))
		return false;
	*out = slice(*at, len);
	*at += len;
	return true;
}

static inline bool read_fixed(const uint8_t **at, const uint8_t *end, size_t bytes, uint64_t *out)
{
	if ((size_t)(end - *at) < bytes)
		return false;
	*out = bytes == 8 ? load_u64(*at) : load_u32(*at);
	*at += bytes;
	return true;
}

static inline bool read_value(struct pb_reader *r, const uint8_t **at)
{
	switch (r->type) {
	case PB_VARINT: return read_varint(at, r->end, &r->value);
	case PB_BYTES: return read_bytes(at, r->end, &r->bytes);
	case PB_FIXED64: return read_fixed(at, r->end, 8, &r->value);
	case PB_FIXED32: return read_fixed(at, r->end, 4, &r->value);
	}
	/* Groups (types 3 and 4) nest without a length: no version of this protocol has them. */
	return false;
}

bool pb_read_field(struct pb_reader *r)
{
	const uint8_t *at = r->at;
	uint32_t tag;

	if (!read_short_varint(&at, r->end, &tag) || tag >> 3 == 0) {
		pb_fail(r, STATUS_BAD_REQUEST);
		return false;
	}
	r->number = tag >> 3;
	r->type = (enum pb_type)(tag & 7);
	if (!read_value(r, &at)) {
		pb_fail(r, STATUS_BAD_REQUEST);
		return false;
	}
	r->at = at;
	return true;
}

/* The number of varints in a packed field is the number of bytes that end one. */
static size_t packed_count(struct slice packed)
{
	size_t count = 0;

	for (size_t i = 0; i < packed.len; i++)
		count += packed.data[i] < 0x80;
	return count;
}

void pb_count_numbers(struct pb_reader *r, uint32_t *count, uint32_t max)
{
	size_t here = 1;

	if (r->type != PB_VARINT) {
		if (!pb_expect(r, PB_BYTES))
			return;
		here = packed_count(r->bytes);
	}
	if (here > max - *count)
		pb_fail(r, STATUS_TOO_LARGE);
	else
		*count += (uint32_t)here;
}

/* The next number of a packed field; false at its end, or (and a status) if it is malformed. */
static bool next_packed(struct pb_reader *r, const uint8_t **at, uint64_t *out)
{
	const uint8_t *end = r->bytes.data + r->bytes.len;

	if (*at == end)
		return false;
	if (pb_varint(at, end, out))
		return true;
	pb_fail(r, STATUS_BAD_REQUEST);
	return false;
}

void pb_more_u32s(struct pb_reader *r, uint32_t *array, uint32_t *used)
{
	uint64_t value;

	if (r->status != 0)
		return;
	if (r->type == PB_VARINT)
		array[(*used)++] = (uint32_t)r->value;
	else
		for (const uint8_t *at = r->bytes.data; next_packed(r, &at, &value);)
			array[(*used)++] = (uint32_t)value;
}

void pb_more_u64s(struct pb_reader *r, uint64_t *array, uint32_t *used)
{
	uint64_t value;

	if (r->status != 0)
		return;
	if (r->type == PB_VARINT)
		array[(*used)++] = r->value;
	else
		for (const uint8_t *at = r->bytes.data; next_packed(r, &at, &value);)
			array[(*used)++] = value;
}

bool pb_allocate(struct pb_reader *r, struct arena *arena, uint32_t *count, size_t size, void *out)
{
	ASSERT(*count > 0 && r->status == 0);
	void *memory = arena_try(arena, *count * size);
	if (memory == NULL) {
		pb_fail(r, STATUS_TOO_LARGE);
		return false;
	}
	memset(memory, 0, *count * size);
	memcpy(out, &memory, sizeof memory);
	*count = 0;
	return true;
}

static size_t varint_size(uint64_t value)
{
	size_t size = 1;

	while (value >= 0x80) {
		value >>= 7;
		size++;
	}
	return size;
}

static uint8_t *store_varint(uint8_t *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

void pb_put_varint(struct buffer *out, uint64_t value)
{
	buffer_reserve(out, PB_VARINT_BYTES_MAX);
	out->len = (size_t)(store_varint(out->data + out->len, value) - out->data);
}

/* A tag and a number, with one look at the capacity. */
static void put_pair(struct buffer *out, uint32_t number, enum pb_type type, uint64_t value)
{
	buffer_reserve(out, 2 * PB_VARINT_BYTES_MAX);
	uint8_t *at = store_varint(out->data + out->len, (uint64_t)number << 3 | type);
	out->len = (size_t)(store_varint(at, value) - out->data);
}

void pb_put_number(struct buffer *out, uint32_t number, uint64_t value)
{
	put_pair(out, number, PB_VARINT, value);
}

/* False: it is to be copied after all. Apart, so that it costs nothing where nothing is left out. */
static __attribute__((noinline, cold)) bool leave_out(struct buffer *out, uint32_t number,
						      struct slice value)
{
	struct buffer_gaps *gaps = out->gaps;
	if (value.len < gaps->len_min || value.len == 0 || gaps->count == gaps->capacity)
		return false;
	put_pair(out, number, PB_BYTES, value.len);
	gaps->items[gaps->count++] = (struct buffer_gap){.at = out->len, .value = value};
	return true;
}

/* What was left out behind `start`, which was begun before it. */
static __attribute__((noinline, cold)) size_t left_out_since(const struct buffer_gaps *gaps,
							     size_t start)
{
	size_t len = 0;
	for (uint32_t i = gaps->count; i > 0 && gaps->items[i - 1].at > start; i--)
		len += gaps->items[i - 1].value.len;
	return len;
}

/* … has moved on. */
static __attribute__((noinline, cold)) void move_gaps(struct buffer_gaps *gaps, size_t start,
						      size_t extra)
{
	for (uint32_t i = gaps->count; i > 0 && gaps->items[i - 1].at > start; i--)
		gaps->items[i - 1].at += extra;
}

void pb_put_element(struct buffer *out, uint32_t number, struct slice value)
{
	if (__builtin_expect(out->gaps != NULL, 0) && leave_out(out, number, value))
		return;
	buffer_reserve(out, 2 * PB_VARINT_BYTES_MAX + value.len);
	put_pair(out, number, PB_BYTES, value.len);
	if (value.len > 0)
		memcpy(out->data + out->len, value.data, value.len);
	out->len += value.len;
}

void pb_put_u32s(struct buffer *out, uint32_t number, const uint32_t *values, uint32_t count)
{
	if (count == 0)
		return;
	struct pb_mark mark = pb_begin(out, number, count);
	for (uint32_t i = 0; i < count; i++)
		pb_put_varint(out, values[i]);
	pb_end(out, mark);
}

void pb_put_u64s(struct buffer *out, uint32_t number, const uint64_t *values, uint32_t count)
{
	if (count == 0)
		return;
	struct pb_mark mark = pb_begin(out, number, count);
	for (uint32_t i = 0; i < count; i++)
		pb_put_varint(out, values[i]);
	pb_end(out, mark);
}

struct pb_mark pb_begin(struct buffer *out, uint32_t number, size_t length_min)
{
	put_pair(out, number, PB_BYTES, length_min);
	return (struct pb_mark){.start = out->len, .room = varint_size(length_min)};
}

void pb_end(struct buffer *out, struct pb_mark mark)
{
	ASSERT(out->len >= mark.start);
	size_t here = out->len - mark.start, len = here;
	if (__builtin_expect(out->gaps != NULL, 0))
		len += left_out_since(out->gaps, mark.start);
	size_t need = varint_size(len);

	/* length_min was a minimum, so the room is never too large. */
	ASSERT(need >= mark.room);
	if (need > mark.room) {
		size_t extra = need - mark.room;
		buffer_reserve(out, extra);
		memmove(out->data + mark.start + extra, out->data + mark.start, here);
		out->len += extra;
		if (out->gaps != NULL)
			move_gaps(out->gaps, mark.start, extra);
	}
	store_varint(out->data + mark.start - mark.room, len);
}

void pb_drop_empty(struct buffer *out, size_t start, uint32_t number)
{
	ASSERT(out->len > start);
	/* The tag and a length of 0; any field in it would be two bytes more. */
	if (out->len - start == varint_size((uint64_t)number << 3) + 1)
		out->len = start;
}
