/* The values themselves: dense slots, trimmed from the front. */
#include "paxoslog/slots.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/mix.h"

void slots_init(struct slots *s, uint64_t first)
{
	ASSERT(first > 0);
	*s = (struct slots){.first = first, .last = first - 1};
}

static void unref(struct slots_chunk *chunk)
{
	ASSERT(chunk->refs > 0);
	if (--chunk->refs > 0)
		return;
	buffer_free(&chunk->data);
	free(chunk);
}

void slots_free(struct slots *s)
{
	for (size_t i = 0; i < s->count; i++)
		unref(s->chunks[s->head + i]);
	free(s->chunks);
	*s = (struct slots){0};
}

/* Of slot, length and checksum. Summed up, so that values may come and go in any order. */
uint64_t slots_hash_of(uint64_t slot, struct slice value)
{
	return mix_u64(slot * MIX_STEP ^ (uint64_t)value.len << 32 ^
		       crc32c(0, value.data, value.len));
}

static struct slice value_at(const struct slots_chunk *chunk, uint32_t i)
{
	size_t begin = i == 0 ? 0 : chunk->ends[i - 1];
	return slice(chunk->data.data + begin, chunk->ends[i] - begin);
}

static struct slots_chunk *last_chunk(const struct slots *s)
{
	return s->count == 0 ? NULL : s->chunks[s->head + s->count - 1];
}

static struct slots_chunk *add_chunk(struct slots *s)
{
	if (s->head + s->count == s->capacity) {
		/* Room at the front is used before more is asked for. */
		if (s->head > s->capacity / 2) {
			memmove(s->chunks, s->chunks + s->head,
				s->count * sizeof(struct slots_chunk *));
			s->head = 0;
		} else {
			s->capacity = s->capacity == 0 ? 16 : s->capacity * 2;
			s->chunks = alloc_resize(s->chunks, s->capacity,
						 sizeof(struct slots_chunk *));
		}
	}
	struct slots_chunk *chunk = ALLOC(struct slots_chunk);
	chunk->refs = 1;
	chunk->first = s->last + 1;
	s->chunks[s->head + s->count++] = chunk;
	return chunk;
}

uint64_t slots_append(struct slots *s, struct slice value)
{
	struct slots_chunk *chunk = last_chunk(s);
	if (chunk == NULL || chunk->count == SLOTS_CHUNK_ENTRIES ||
	    chunk->data.len >= SLOTS_CHUNK_BYTES)
		chunk = add_chunk(s);
	/* An empty value, too, has an address. */
	buffer_reserve(&chunk->data, value.len + 1);
	buffer_add_slice(&chunk->data, value);
	chunk->ends[chunk->count++] = chunk->data.len;
	s->last++;
	s->bytes += value.len + SLOTS_ENTRY_BYTES;
	s->hash += slots_hash_of(s->last, value);
	return s->last;
}

void slots_trim(struct slots *s, uint64_t slot)
{
	ASSERT(slot <= s->last);
	while (s->first <= slot) {
		struct slots_chunk *chunk = s->chunks[s->head];
		struct slice value = value_at(chunk, (uint32_t)(s->first - chunk->first));
		s->bytes -= value.len + SLOTS_ENTRY_BYTES;
		s->hash -= slots_hash_of(s->first, value);
		s->first++;
		if (s->first < chunk->first + chunk->count)
			continue;
		s->head++;
		s->count--;
		unref(chunk);
	}
}

struct slice slots_get(const struct slots *s, uint64_t slot)
{
	ASSERT(slot >= s->first && slot <= s->last);
	size_t low = 0, high = s->count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (s->chunks[s->head + middle]->first <= slot)
			low = middle;
		else
			high = middle;
	}
	const struct slots_chunk *chunk = s->chunks[s->head + low];
	return value_at(chunk, (uint32_t)(slot - chunk->first));
}

void slots_image_take(struct slots_image *image, const struct slots *s)
{
	*image = (struct slots_image){.count = s->count,
				      .first = s->first,
				      .last = s->last,
				      .next = s->first,
				      .hash = s->hash};
	image->chunks = alloc_zeroed(s->count + 1, sizeof(struct slots_chunk *));
	for (size_t i = 0; i < s->count; i++) {
		image->chunks[i] = s->chunks[s->head + i];
		image->chunks[i]->refs++;
	}
}

bool slots_image_next(struct slots_image *image, struct slice *value)
{
	if (image->next > image->last)
		return false;
	const struct slots_chunk *chunk = image->chunks[image->at];
	*value = value_at(chunk, (uint32_t)(image->next - chunk->first));
	image->next++;
	if (image->next == chunk->first + chunk->count)
		image->at++;
	return true;
}

void slots_image_free(struct slots_image *image)
{
	for (size_t i = 0; i < image->count; i++)
		unref(image->chunks[i]);
	free(image->chunks);
	*image = (struct slots_image){0};
}
