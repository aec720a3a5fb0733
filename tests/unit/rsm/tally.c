#include "tally.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/rng.h"

struct item {
	uint64_t value;
	uint32_t crc;
};

struct tally {
	struct app app;
	struct item *items;
	uint64_t count, capacity, hash;
	uint64_t expected; /* restoring: what the first chunk announced */
	bool announced;
};

struct app_snapshot {
	struct item *items;
	uint64_t count, given, kept, hash;
	bool begun;
};

static struct tally *tally_of(struct app *app)
{
	return (struct tally *)(void *)app;
}

static void add(struct tally *t, uint64_t value, uint32_t crc)
{
	if (t->count == t->capacity) {
		t->capacity = t->capacity == 0 ? 64 : t->capacity * 2;
		t->items = alloc_resize(t->items, t->capacity, sizeof *t->items);
	}
	t->items[t->count++] = (struct item){.value = value, .crc = crc};
	t->hash = (t->hash ^ value ^ (uint64_t)crc << 32) * 0x9e3779b97f4a7c15ull + t->count;
}

uint64_t tally_query_work, tally_command_work;

static int tally_admit(struct app *app, struct slice command, struct arena *arena,
		       struct reply *reply)
{
	(void)app;
	(void)arena;
	reply->work = tally_command_work;
	return command.len >= 8 ? 0 : STATUS_BAD_REQUEST;
}

static void tally_apply(struct app *app, const struct apply_context *context, struct slice command,
			struct reply *reply)
{
	struct tally *t = tally_of(app);
	uint64_t value = 0;
	(void)context;
	reply->work = tally_command_work;
	if (!slice_take_u64(&command, &value))
		reply->status = STATUS_BAD_REQUEST;
	else if (value == TALLY_RETRY && t->count % 2 == 1)
		reply->status = STATUS_BUSY;
	else
		add(t, value, crc32c(0, command.data, command.len));
	buffer_add_u64(reply->body, t->count);
}

static void tally_query(struct app *app, struct slice query, struct arena *arena,
			struct reply *reply)
{
	const struct tally *t = tally_of(app);
	(void)query;
	(void)arena;
	reply->work = tally_query_work;
	for (uint64_t i = 0; i < t->count; i++)
		buffer_add_u64(reply->body, t->items[i].value);
}

static struct app_snapshot *tally_snapshot_begin(struct app *app)
{
	const struct tally *t = tally_of(app);
	struct app_snapshot *s = ALLOC(struct app_snapshot);
	s->count = t->count;
	s->kept = t->hash;
	s->items = alloc_zeroed(t->count + 1, sizeof *s->items);
	if (t->count > 0)
		memcpy(s->items, t->items, t->count * sizeof *s->items);
	return s;
}

static uint64_t next_hash(uint64_t hash, uint64_t value, uint32_t crc, uint64_t count)
{
	return (hash ^ value ^ (uint64_t)crc << 32) * 0x9e3779b97f4a7c15ull + count;
}

static int tally_snapshot_next(struct app_snapshot *s, size_t bytes, struct buffer *out)
{
	size_t begin = out->len;
	if (!s->begun)
		buffer_add_u64(out, s->count);
	s->begun = true;
	while (s->given < s->count && out->len - begin < bytes) {
		const struct item *item = &s->items[s->given++];
		struct rng rng;
		s->hash = next_hash(s->hash, item->value, item->crc, s->given);
		buffer_add_u64(out, item->value);
		buffer_add_u64(out, item->crc);
		/* Ballast that does not compress. */
		rng_seed(&rng, item->value);
		for (uint32_t i = 16; i < TALLY_ITEM_BYTES; i += 8)
			buffer_add_u64(out, rng_next(&rng));
	}
	if (s->given == s->count && s->hash != s->kept)
		return STATUS_CORRUPT;
	return s->given < s->count;
}

static void tally_snapshot_end(struct app_snapshot *s)
{
	free(s->items);
	free(s);
}

static void tally_restore_begin(struct app *app)
{
	struct tally *t = tally_of(app);
	t->count = t->hash = t->expected = 0;
	t->announced = false;
}

static int tally_restore_chunk(struct app *app, struct slice chunk, struct arena *arena)
{
	struct tally *t = tally_of(app);
	(void)arena;
	if (!t->announced && !slice_take_u64(&chunk, &t->expected))
		return STATUS_CORRUPT;
	t->announced = true;
	while (chunk.len > 0) {
		struct slice item;
		uint64_t value = 0, crc = 0;
		if (!slice_take(&chunk, TALLY_ITEM_BYTES, &item) ||
		    !slice_take_u64(&item, &value) || !slice_take_u64(&item, &crc))
			return STATUS_CORRUPT;
		add(t, value, (uint32_t)crc);
	}
	return 0;
}

static int tally_restore_end(struct app *app)
{
	const struct tally *t = tally_of(app);
	return t->count == t->expected ? 0 : STATUS_CORRUPT;
}

static uint64_t tally_hash(struct app *app)
{
	return tally_of(app)->hash;
}

/* ---- audits ---- */

struct app_audit {
	struct item *items;
	uint64_t count, at, kept, hash;
	uint64_t parts[TALLY_PARTS];
};

static struct app_audit *tally_audit_begin(struct app *app)
{
	const struct tally *t = tally_of(app);
	struct app_audit *audit = ALLOC(struct app_audit);
	audit->items = alloc_zeroed(t->count + 1, sizeof *audit->items);
	if (t->count > 0)
		memcpy(audit->items, t->items, t->count * sizeof *audit->items);
	audit->count = t->count;
	audit->kept = t->hash;
	return audit;
}

/* Few of them in a step, so that audits take a while. */
static int tally_audit_next(struct app_audit *audit, uint64_t work)
{
	for (uint64_t i = 0; audit->at < audit->count && i < work / (64 * KIB); i++, audit->at++) {
		const struct item *item = &audit->items[audit->at];
		uint64_t *part = &audit->parts[audit->at % TALLY_PARTS];
		*part = next_hash(*part, item->value, item->crc, audit->at);
		audit->hash = next_hash(audit->hash, item->value, item->crc, audit->at + 1);
	}
	return audit->at < audit->count;
}

static struct app_parts tally_audit_parts(const struct app_audit *audit)
{
	return (struct app_parts){
		.count = TALLY_PARTS, .hashes = audit->parts, .sound = audit->hash == audit->kept};
}

static void tally_audit_end(struct app_audit *audit)
{
	free(audit->items);
	free(audit);
}

static void tally_part_name(struct app *app, uint32_t part, struct buffer *out)
{
	(void)app;
	buffer_format(out, "quarter %u", part);
}

void tally_flip(struct app *app, uint64_t i)
{
	struct tally *t = tally_of(app);
	ASSERT(i < t->count);
	t->items[i].value ^= 0x10;
}

void tally_apply_wrongly(struct app *app, uint64_t i)
{
	struct tally *t = tally_of(app);
	tally_flip(app, i);
	t->hash = 0;
	for (uint64_t k = 0; k < t->count; k++)
		t->hash = next_hash(t->hash, t->items[k].value, t->items[k].crc, k + 1);
}

static void tally_destroy(struct app *app)
{
	free(tally_of(app)->items);
	free(app);
}

static const struct app_ops tally_ops = {
	.admit = tally_admit,
	.apply = tally_apply,
	.query = tally_query,
	.image_is_apart = true,
	.snapshot_begin = tally_snapshot_begin,
	.snapshot_next = tally_snapshot_next,
	.snapshot_end = tally_snapshot_end,
	.restore_begin = tally_restore_begin,
	.restore_chunk = tally_restore_chunk,
	.restore_end = tally_restore_end,
	.hash = tally_hash,
	.audit_begin = tally_audit_begin,
	.audit_next = tally_audit_next,
	.audit_parts = tally_audit_parts,
	.audit_end = tally_audit_end,
	.part_name = tally_part_name,
	.destroy = tally_destroy,
};

struct app *tally_create(void)
{
	struct tally *t = ALLOC(struct tally);
	t->app.ops = &tally_ops;
	return &t->app;
}
