/* The app of the plain scene: lists of values, which tell every lost and repeated append. */
#include "list_app.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/rng.h"

struct values {
	uint32_t count;
	uint32_t capacity;
	uint64_t *values;
};

struct list_app {
	struct app app;
	struct map lists; /* key + 1 → struct values */
	uint64_t hash;    /* the sum of a digest of each (key, place, value) */
};

struct app_snapshot {
	struct buffer bytes; /* all chunks; each preceded by its length, u32 */
	size_t given;
	uint64_t kept; /* hash */
};

static struct list_app *list_of(struct app *app)
{
	return (struct list_app *)(void *)app;
}

static uint64_t digest(uint32_t key, uint32_t place, uint64_t value)
{
	uint64_t h = ((uint64_t)key << 32 | place) * 0x9e3779b97f4a7c15ull ^
		     value * 0xc2b2ae3d27d4eb4full;
	h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9ull;
	return h ^ h >> 32;
}

static struct values *list_get(struct list_app *list, uint32_t key)
{
	struct values *values = map_get(&list->lists, key + 1ull);
	if (values == NULL) {
		values = ALLOC(struct values);
		map_put(&list->lists, key + 1ull, values);
	}
	return values;
}

static void list_append(struct list_app *list, uint32_t key, uint64_t value)
{
	struct values *values = list_get(list, key);
	ALLOC_ROOM(values->values, values->count, values->capacity, 8);
	list->hash += digest(key, values->count, value);
	values->values[values->count++] = value;
}

static int list_admit(struct app *app, struct slice command, struct arena *arena,
		      struct reply *reply)
{
	(void)app;
	(void)arena;
	(void)reply;
	return command.len == 12 ? 0 : STATUS_BAD_REQUEST;
}

static void list_apply(struct app *app, const struct apply_context *context, struct slice command,
		       struct reply *reply)
{
	uint32_t key = 0;
	uint64_t value = 0;
	(void)context;
	if (!slice_take_u32(&command, &key) || !slice_take_u64(&command, &value) ||
	    command.len != 0) {
		reply->status = STATUS_BAD_REQUEST;
		return;
	}
	list_append(list_of(app), key, value);
	buffer_add_u32(reply->body, list_get(list_of(app), key)->count);
}

static void list_query(struct app *app, struct slice query, struct arena *arena,
		       struct reply *reply)
{
	uint32_t key = 0;
	(void)arena;
	if (!slice_take_u32(&query, &key)) {
		reply->status = STATUS_BAD_REQUEST;
		return;
	}
	const struct values *values = map_get(&list_of(app)->lists, key + 1ull);
	if (values != NULL)
		buffer_add(reply->body, values->values, values->count * sizeof *values->values);
}

/* ---- snapshots ---- */

#define CHUNK_VALUES 64u

static struct app_snapshot *list_snapshot_begin(struct app *app)
{
	struct app_snapshot *snapshot = ALLOC(struct app_snapshot);
	snapshot->kept = list_of(app)->hash;
	size_t position = 0;
	uint64_t key = 0;
	void *value = NULL;
	while (map_next(&list_of(app)->lists, &position, &key, &value)) {
		const struct values *values = value;
		for (uint32_t first = 0; first < values->count; first += CHUNK_VALUES) {
			uint32_t count = values->count - first < CHUNK_VALUES
						 ? values->count - first
						 : CHUNK_VALUES;
			buffer_add_u32(&snapshot->bytes, 8 + count * 8);
			buffer_add_u32(&snapshot->bytes, (uint32_t)key - 1);
			buffer_add_u32(&snapshot->bytes, count);
			buffer_add(&snapshot->bytes, values->values + first,
				   count * sizeof(uint64_t));
		}
	}
	return snapshot;
}

static bool fits(const struct app_snapshot *snapshot)
{
	struct slice rest = buffer_slice(&snapshot->bytes);
	uint32_t len = 0, key = 0, count = 0, last = UINT32_MAX, place = 0;
	uint64_t sum = 0, value = 0;
	while (slice_take_u32(&rest, &len) && slice_take_u32(&rest, &key) &&
	       slice_take_u32(&rest, &count)) {
		place = key == last ? place : 0;
		last = key;
		for (uint32_t i = 0; i < count && slice_take_u64(&rest, &value); i++)
			sum += digest(key, place++, value);
	}
	return sum == snapshot->kept;
}

static int list_snapshot_next(struct app_snapshot *snapshot, size_t bytes, struct buffer *out)
{
	size_t begin = out->len;
	while (snapshot->given < snapshot->bytes.len && out->len - begin < bytes) {
		const uint8_t *at = snapshot->bytes.data + snapshot->given;
		uint32_t len = load_u32(at);
		buffer_add(out, at + 4, len);
		snapshot->given += 4 + len;
	}
	if (snapshot->given == snapshot->bytes.len && !fits(snapshot))
		return STATUS_CORRUPT;
	return snapshot->given < snapshot->bytes.len;
}

static void list_snapshot_end(struct app_snapshot *snapshot)
{
	buffer_free(&snapshot->bytes);
	free(snapshot);
}

static void list_restore_begin(struct app *app)
{
	struct list_app *list = list_of(app);
	size_t position = 0;
	uint64_t key = 0;
	void *value = NULL;
	while (map_next(&list->lists, &position, &key, &value)) {
		free(((struct values *)value)->values);
		free(value);
	}
	map_free(&list->lists);
	list->lists = (struct map){0};
	list->hash = 0;
}

static int list_restore_chunk(struct app *app, struct slice chunk, struct arena *arena)
{
	(void)arena;
	while (chunk.len > 0) {
		uint32_t key = 0, count = 0;
		if (!slice_take_u32(&chunk, &key) || !slice_take_u32(&chunk, &count))
			return STATUS_CORRUPT;
		for (uint32_t i = 0; i < count; i++) {
			uint64_t value = 0;
			if (!slice_take_u64(&chunk, &value))
				return STATUS_CORRUPT;
			list_append(list_of(app), key, value);
		}
	}
	return 0;
}

static int list_restore_end(struct app *app)
{
	(void)app;
	return 0;
}

static uint64_t list_hash(struct app *app)
{
	return list_of(app)->hash;
}

/* ---- audits ---- */

struct app_audit {
	/* as for a snapshot: u32 length, u32 key, u32 count, values … */
	struct app_snapshot *image;
	struct slice rest;
	uint64_t kept, sum;
	uint32_t key, place;
	uint64_t parts[LIST_PARTS + 1];
};

static struct app_audit *list_audit_begin(struct app *app)
{
	struct app_audit *audit = ALLOC(struct app_audit);
	audit->image = list_snapshot_begin(app);
	audit->rest = buffer_slice(&audit->image->bytes);
	audit->kept = list_of(app)->hash;
	audit->parts[LIST_PARTS] = audit->kept;
	return audit;
}

/* One piece of a list each time. The order of the lists is not part of the state. */
static int list_audit_next(struct app_audit *audit, uint64_t work)
{
	uint32_t len = 0, key = 0, count = 0;
	(void)work;
	if (!slice_take_u32(&audit->rest, &len) || !slice_take_u32(&audit->rest, &key) ||
	    !slice_take_u32(&audit->rest, &count))
		return 0;
	if (key != audit->key)
		audit->place = 0;
	audit->key = key;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t value = 0;
		(void)slice_take_u64(&audit->rest, &value);
		uint64_t d = digest(key, audit->place++, value);
		audit->parts[key % LIST_PARTS] += d;
		audit->sum += d;
	}
	return 1;
}

static struct app_parts list_audit_parts(const struct app_audit *audit)
{
	return (struct app_parts){.count = LIST_PARTS + 1,
				  .hashes = audit->parts,
				  .sound = audit->sum == audit->kept};
}

static void list_audit_end(struct app_audit *audit)
{
	list_snapshot_end(audit->image);
	free(audit);
}

static void list_part_name(struct app *app, uint32_t part, struct buffer *out)
{
	(void)app;
	if (part < LIST_PARTS)
		buffer_format(out, "lists %u", part);
	else
		buffer_format(out, "sum");
}

bool list_app_change(struct app *app, struct rng *rng, bool kept, uint32_t *part)
{
	struct list_app *list = list_of(app);
	size_t position = 0;
	uint64_t key = 0, skip = rng_below(rng, 16), bit = 1ull << rng_below(rng, 64);
	void *value = NULL;
	struct values *values = NULL;
	while (map_next(&list->lists, &position, &key, &value)) {
		if (((struct values *)value)->count == 0)
			continue;
		values = value;
		*part = ((uint32_t)key - 1) % LIST_PARTS;
		if (skip-- == 0)
			break;
	}
	if (values == NULL)
		return false;
	if (kept) {
		list->hash ^= bit;
		*part = LIST_PARTS;
	} else {
		values->values[rng_below(rng, values->count)] ^= bit;
	}
	return true;
}

static void list_destroy(struct app *app)
{
	list_restore_begin(app);
	free(app);
}

static const struct app_ops list_ops = {
	.admit = list_admit,
	.apply = list_apply,
	.query = list_query,
	.image_is_apart = true,
	.snapshot_begin = list_snapshot_begin,
	.snapshot_next = list_snapshot_next,
	.snapshot_end = list_snapshot_end,
	.restore_begin = list_restore_begin,
	.restore_chunk = list_restore_chunk,
	.restore_end = list_restore_end,
	.hash = list_hash,
	.audit_begin = list_audit_begin,
	.audit_next = list_audit_next,
	.audit_parts = list_audit_parts,
	.audit_end = list_audit_end,
	.part_name = list_part_name,
	.destroy = list_destroy,
};

struct app *list_app_create(void)
{
	struct list_app *list = ALLOC(struct list_app);
	list->app.ops = &list_ops;
	return &list->app;
}
