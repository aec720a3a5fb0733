/* Values as numbers. */
#include "check/values.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

#define SLOTS_MIN 16u

/* Multiply and fold, eight bytes at a time. */
static uint64_t hash_text(struct slice s)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ s.len;
	for (; s.len >= 8; s.data += 8, s.len -= 8) {
		unsigned __int128 product = (unsigned __int128)(h ^ load_u64(s.data)) *
					    0xd6e8feb86659fd93u;
		h = (uint64_t)product ^ (uint64_t)(product >> 64);
	}
	uint64_t last = 0;
	if (s.len > 0)
		memcpy(&last, s.data, s.len);
	h = (h ^ last) * 0xbf58476d1ce4e5b9u;
	return h ^ (h >> 29);
}

void values_init(struct value_table *t)
{
	*t = (struct value_table){.count = 2, .capacity = SLOTS_MIN, .nslots = 2 * SLOTS_MIN};
	/* MISSING and DEAD have no text */
	t->values = alloc_zeroed(t->capacity, sizeof *t->values);
	t->slots = alloc_zeroed(t->nslots, sizeof *t->slots);
	arena_init(&t->arena, SIZE_MAX);
}

void values_free(struct value_table *t)
{
	free(t->values);
	free(t->slots);
	free(t->sorted);
	map_free(&t->sums);
	map_free(&t->sightings);
	buffer_free(&t->scratch);
	arena_free(&t->arena);
	*t = (struct value_table){0};
}

uint64_t values_bytes(const struct value_table *t)
{
	return t->arena.used_bytes + t->sums.capacity * sizeof *t->sums.slots +
	       t->capacity * sizeof *t->values + t->nslots * sizeof *t->slots;
}

/* The slot that holds the text, or the free one where its number would go. */
static uint32_t find(const struct value_table *t, struct slice text, uint64_t hash)
{
	uint32_t mask = t->nslots - 1, i = (uint32_t)hash & mask;
	for (; t->slots[i] != 0; i = (i + 1) & mask) {
		const struct value *v = &t->values[t->slots[i]];
		if (v->hash == hash && slice_equal(v->text, text))
			break;
	}
	return i;
}

static void grow(struct value_table *t)
{
	t->capacity *= 2;
	t->values = alloc_resize(t->values, t->capacity, sizeof *t->values);
	free(t->slots);
	t->nslots = 2 * t->capacity;
	t->slots = alloc_zeroed(t->nslots, sizeof *t->slots);
	uint32_t mask = t->nslots - 1;
	for (uint32_t id = 2; id < t->count; id++) {
		uint32_t i = (uint32_t)t->values[id].hash & mask;
		while (t->slots[i] != 0)
			i = (i + 1) & mask;
		t->slots[i] = id;
	}
}

static value_id insert(struct value_table *t, uint32_t slot, struct slice text, uint64_t hash)
{
	if (t->count == t->capacity) {
		grow(t);
		slot = find(t, text, hash);
	}
	value_id id = t->count++;
	t->values[id] = (struct value){.text = text, .hash = hash};
	t->slots[slot] = id;
	return id;
}

value_id values_intern(struct value_table *t, struct slice text)
{
	uint64_t hash = hash_text(text);
	uint32_t slot = find(t, text, hash);
	return t->slots[slot] != 0 ? t->slots[slot] : insert(t, slot, text, hash);
}

value_id values_find(const struct value_table *t, struct slice text)
{
	return t->slots[find(t, text, hash_text(text))];
}

value_id values_intern_seen(struct value_table *t, struct slice text)
{
	value_id id = values_intern(t, text);
	t->values[id].seen = t->values[id].seen_at_any = true;
	return id;
}

/* Versions that are too large to be told apart never are: such a value counts as seen at any. */
#define SIGHTING_VERSION_MAX UINT32_MAX

static uint64_t sighting(value_id id, uint64_t version)
{
	return (uint64_t)id << 32 | version;
}

value_id values_intern_seen_at(struct value_table *t, struct slice text, uint64_t version)
{
	value_id id = values_intern(t, text);
	t->values[id].seen = true;
	t->values[id].seen_at_any |= version > SIGHTING_VERSION_MAX;
	if (version <= SIGHTING_VERSION_MAX)
		map_put(&t->sightings, sighting(id, version), t);
	return id;
}

value_id values_at(const struct value_table *t, value_id id, uint64_t version)
{
	if (!t->merge_dead || t->appends || id <= VALUE_DEAD || t->values[id].seen_at_any)
		return id;
	return version <= SIGHTING_VERSION_MAX &&
			       map_get(&t->sightings, sighting(id, version)) != NULL
		       ? id
		       : VALUE_DEAD;
}

/* As values_intern, for bytes that will not stay where they are. */
static value_id intern_copy(struct value_table *t, struct slice text)
{
	uint64_t hash = hash_text(text);
	uint32_t slot = find(t, text, hash);
	return t->slots[slot] != 0 ? t->slots[slot]
				   : insert(t, slot, arena_copy(&t->arena, text), hash);
}

int values_compare(const struct value_table *t, value_id a, value_id b)
{
	return slice_compare(t->values[a].text, t->values[b].text);
}

static int by_bytes(const void *a, const void *b, void *table)
{
	return values_compare(table, *(const value_id *)a, *(const value_id *)b);
}

/* Not the beginning of another seen value: that would be the next one. */
static bool is_maximal(const struct value_table *t, uint32_t position)
{
	return position + 1 == t->nsorted ||
	       !slice_has_prefix(t->values[t->sorted[position + 1]].text,
				 t->values[t->sorted[position]].text);
}

void values_close(struct value_table *t, bool merge_dead, bool appends)
{
	t->merge_dead = merge_dead;
	t->appends = appends;
	if (!merge_dead || !appends)
		return;
	t->sorted = alloc_zeroed(t->count, sizeof *t->sorted);
	for (value_id id = 2; id < t->count; id++)
		if (t->values[id].seen)
			t->sorted[t->nsorted++] = id;
	qsort_r(t->sorted, t->nsorted, sizeof *t->sorted, by_bytes, t);
	for (uint32_t i = 0; i < t->nsorted; i++)
		t->maximal_bytes += is_maximal(t, i) ? t->values[t->sorted[i]].text.len : 0;
}

#define OCCURS_BYTES_MAX (1024u * 1024)

bool values_occurs(const struct value_table *t, value_id id)
{
	struct slice text = t->values[id].text;
	if (!t->merge_dead || !t->appends || t->maximal_bytes > OCCURS_BYTES_MAX)
		return true;
	for (uint32_t i = 0; i < t->nsorted; i++) {
		struct slice in = t->values[t->sorted[i]].text;
		if (is_maximal(t, i) &&
		    (text.len == 0 ||
		     (in.len > 0 && memmem(in.data, in.len, text.data, text.len) != NULL)))
			return true;
	}
	return false;
}

/*
 * The first seen value that is not less than text: if any seen value begins with text, that one
 * does.
 */
static bool begins_seen_value(const struct value_table *t, struct slice text)
{
	uint32_t low = 0, high = t->nsorted;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (slice_compare(t->values[t->sorted[middle]].text, text) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->nsorted && slice_has_prefix(t->values[t->sorted[low]].text, text);
}

value_id values_canonical(const struct value_table *t, value_id id)
{
	if (!t->merge_dead || id <= VALUE_DEAD || t->values[id].seen)
		return id;
	return t->appends && begins_seen_value(t, t->values[id].text) ? id : VALUE_DEAD;
}

static value_id join(struct value_table *t, value_id left, value_id right)
{
	buffer_clear(&t->scratch);
	buffer_add_slice(&t->scratch, t->values[left].text);
	buffer_add_slice(&t->scratch, t->values[right].text);
	struct slice text = buffer_slice(&t->scratch);
	if (t->merge_dead && !begins_seen_value(t, text))
		return VALUE_DEAD;
	return intern_copy(t, text);
}

value_id values_append(struct value_table *t, value_id left, value_id right)
{
	if (left == VALUE_DEAD)
		/* no beginning of anything that was seen, so neither with more behind it */
		return VALUE_DEAD;
	if (left == VALUE_MISSING)
		return values_canonical(t, right);
	uint64_t pair = (uint64_t)left << 32 | right;
	uintptr_t known = (uintptr_t)map_get(&t->sums, pair);
	if (known != 0)
		return (value_id)(known - 1);
	value_id sum = join(t, left, right);
	map_put(&t->sums, pair, (void *)((uintptr_t)sum + 1));
	return sum;
}

/*
 * The only form in which the store writes and reads numbers: no sign but '-', no leading zeros, no
 * "-0".
 */
static bool parse_number(struct slice text, int64_t *out)
{
	char digits[24], again[24];
	if (text.len == 0 || text.len >= sizeof digits)
		return false;
	memcpy(digits, text.data, text.len);
	digits[text.len] = '\0';
	*out = strtoll(digits, NULL, 10);
	snprintf(again, sizeof again, "%" PRId64, *out);
	return slice_equal(slice_string(again), text);
}

bool values_add(struct value_table *t, value_id left, int64_t delta, value_id *sum)
{
	int64_t number = 0;
	char text[24];
	ASSERT(left != VALUE_DEAD);
	if (left != VALUE_MISSING && !parse_number(t->values[left].text, &number))
		return false;
	if (__builtin_add_overflow(number, delta, &number))
		return false;
	snprintf(text, sizeof text, "%" PRId64, number);
	*sum = intern_copy(t, slice_string(text));
	return true;
}
