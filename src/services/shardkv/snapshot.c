/*
 * Image of the state, and its restoration. Chunks, in this order (integers little-endian):
 *
 *   'H'  format u8 = 1 | gid u64 | nshards u32 | keys u64 | hash u64 |
 *        encoded Config, empty if none was adopted
 *   'S'  first shard u32 | for each shard from there: counter u64 | granted u8
 *        (one or more chunks)
 *   'R'  records to the end of the chunk, in shard and key order (any number of chunks):
 *        shard u32 | key length u32 | value length u32 | version u64 | modification u64 | key |
 *        value
 *   'E'  nothing more
 *
 * The header's hash is that of the whole state, so a restore that ends without an error has
 * restored exactly it.
 *
 * An image is made by another thread than the state's: all that snapshot_next() needs is in it.
 */
#include "shardkv/internal.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hashslot.h"
#include "kv/digest.h"

#define FORMAT 1u
#define SHARD_BYTES 9u
/* Shards in one chunk: far below SNAPSHOT_CHUNK_BYTES. */
#define SHARDS_PER_CHUNK 4096u

enum phase { PHASE_HEADER, PHASE_SHARDS, PHASE_RECORDS, PHASE_DONE };

struct saved_shard {
	uint64_t counter;
	uint64_t digest;
	bool granted;
};

struct app_snapshot {
	const struct store_ops *ops;
	struct store_snapshot *image;
	struct store_scan *scan;
	struct shard_config *config;
	uint64_t gid;
	uint64_t keys;
	uint64_t hash;
	enum phase phase;
	uint32_t nshards;
	uint32_t shard;  /* that is being written */
	uint64_t digest; /* of its records that have been written */
	bool unsound;    /* they were not those of a shard with its digest */
	struct saved_shard shards[];
};

uint64_t snapshot_hash(struct shardkv_app *a)
{
	uint64_t hash = digest_mix(a->gid, a->nshards);
	hash = digest_mix(hash, a->config == NULL ? 0 : a->config->number);
	hash = digest_mix(hash, a->config == NULL ? 0 : a->config->hash);
	for (uint32_t i = 0; i < a->nshards; i++) {
		hash = digest_mix(hash, a->shards[i].counter);
		hash = digest_mix(hash, a->shards[i].digest + shard_granted(&a->shards[i]));
	}
	return digest_mix(hash, a->keys);
}

struct app_snapshot *snapshot_begin(struct app *app)
{
	struct shardkv_app *a = app_of(app);
	struct app_snapshot *s = alloc_zeroed(1, sizeof *s + a->nshards * sizeof s->shards[0]);
	s->ops = a->store->ops;
	s->image = s->ops->snapshot(a->store);
	s->scan = s->ops->scan(s->image);
	s->gid = a->gid;
	s->nshards = a->nshards;
	s->config = a->config == NULL ? NULL : shard_config_ref(a->config);
	s->keys = a->keys;
	s->hash = snapshot_hash(a);
	for (uint32_t i = 0; i < a->nshards; i++)
		s->shards[i] = (struct saved_shard){.counter = a->shards[i].counter,
						    .digest = a->shards[i].digest,
						    .granted = shard_granted(&a->shards[i])};
	return s;
}

static void write_header(const struct app_snapshot *s, struct buffer *out)
{
	buffer_add_u8(out, 'H');
	buffer_add_u8(out, FORMAT);
	buffer_add_u64(out, s->gid);
	buffer_add_u32(out, s->nshards);
	buffer_add_u64(out, s->keys);
	buffer_add_u64(out, s->hash);
	if (s->config != NULL)
		shard_config_encode(s->config, out);
}

static void write_shards(struct app_snapshot *s, struct buffer *out)
{
	uint32_t end = s->nshards - s->shard > SHARDS_PER_CHUNK ? s->shard + SHARDS_PER_CHUNK
								: s->nshards;
	buffer_add_u8(out, 'S');
	buffer_add_u32(out, s->shard);
	for (; s->shard < end; s->shard++) {
		buffer_add_u64(out, s->shards[s->shard].counter);
		buffer_add_u8(out, s->shards[s->shard].granted);
	}
}

static void write_record(struct buffer *out, uint32_t shard, const struct store_record *r)
{
	buffer_add_u32(out, shard);
	buffer_add_u32(out, (uint32_t)r->key.len);
	buffer_add_u32(out, (uint32_t)r->value.len);
	buffer_add_u64(out, r->version);
	buffer_add_u64(out, r->modification);
	buffer_add_slice(out, r->key);
	buffer_add_slice(out, r->value);
}

/* All records of the shards before that one have been written. */
static void end_shards(struct app_snapshot *s, uint32_t next)
{
	for (; s->shard < next; s->shard++) {
		s->unsound |= s->digest != s->shards[s->shard].digest;
		s->digest = 0;
	}
}

/* Appends records until about `bytes` are full; true if the chunk is full and there may be more. */
static bool write_records(struct app_snapshot *s, size_t bytes, struct buffer *out)
{
	struct store_record record;
	uint32_t shard;
	size_t begin = out->len;
	buffer_add_u8(out, 'R');
	while (out->len - begin < bytes) {
		if (!s->ops->scan_next(s->scan, &shard, &record)) {
			end_shards(s, s->nshards);
			return false;
		}
		end_shards(s, shard);
		write_record(out, shard, &record);
		s->digest += digest_record(&record);
	}
	return true;
}

int snapshot_next(struct app_snapshot *s, size_t bytes, struct buffer *out)
{
	switch (s->phase) {
	case PHASE_HEADER:
		write_header(s, out);
		s->phase = PHASE_SHARDS;
		return 1;
	case PHASE_SHARDS:
		write_shards(s, out);
		if (s->shard == s->nshards) {
			s->shard = 0;
			s->phase = PHASE_RECORDS;
		}
		return 1;
	case PHASE_RECORDS:
		if (!write_records(s, bytes < 64 ? 64 : bytes, out))
			s->phase = PHASE_DONE;
		return 1;
	case PHASE_DONE: break;
	}
	if (s->unsound)
		return STATUS_CORRUPT;
	buffer_add_u8(out, 'E');
	return 0;
}

void snapshot_end(struct app_snapshot *s)
{
	s->ops->scan_end(s->scan);
	s->ops->snapshot_release(s->image);
	shard_config_unref(s->config);
	free(s);
}

void restore_begin(struct app *app)
{
	struct shardkv_app *a = app_of(app);
	for (uint32_t shard = 0; shard < a->nshards; shard++)
		a->store->ops->drop_space(a->store, shard);
	a->store->ops->set_applied(a->store, 0);
	a->keys = 0;
	ownership_clear(a);
	a->restore = (struct restore){0};
}

static int read_header(struct shardkv_app *a, struct slice in, struct arena *arena)
{
	uint8_t format;
	uint64_t gid;
	uint32_t nshards;
	struct shard_config *config;
	if (a->restore.begun || !slice_take_u8(&in, &format) || format != FORMAT ||
	    !slice_take_u64(&in, &gid) || !slice_take_u32(&in, &nshards) ||
	    !slice_take_u64(&in, &a->restore.keys_expected) ||
	    !slice_take_u64(&in, &a->restore.hash_expected) || gid != a->gid ||
	    nshards != a->nshards)
		return STATUS_CORRUPT;
	a->restore.begun = true;
	if (in.len == 0)
		return 0;
	if (shard_config_decode(in, arena, &config) != 0)
		return STATUS_CORRUPT;
	if (config->nshards != a->nshards) {
		shard_config_unref(config);
		return STATUS_CORRUPT;
	}
	ownership_set_config(a, config);
	return 0;
}

static int read_shards(struct shardkv_app *a, struct slice in)
{
	uint32_t first;
	if (!slice_take_u32(&in, &first) || first != a->restore.shards ||
	    in.len % SHARD_BYTES != 0 || in.len / SHARD_BYTES > a->nshards - first)
		return STATUS_CORRUPT;
	while (in.len > 0) {
		uint64_t counter;
		uint8_t granted;
		if (!slice_take_u64(&in, &counter) || !slice_take_u8(&in, &granted) || granted > 1)
			return STATUS_CORRUPT;
		a->shards[a->restore.shards].counter = counter;
		if (granted)
			ownership_grant(a, a->restore.shards);
		a->restore.shards++;
	}
	return 0;
}

static int read_records(struct shardkv_app *a, struct slice in)
{
	if (a->restore.shards != a->nshards)
		return STATUS_CORRUPT;
	while (in.len > 0) {
		struct store_record r;
		uint32_t shard, key_len, value_len;
		if (!slice_take_u32(&in, &shard) || !slice_take_u32(&in, &key_len) ||
		    !slice_take_u32(&in, &value_len) || !slice_take_u64(&in, &r.version) ||
		    !slice_take_u64(&in, &r.modification) || !slice_take(&in, key_len, &r.key) ||
		    !slice_take(&in, value_len, &r.value) || shard >= a->nshards || key_len == 0 ||
		    key_len > STORE_KEY_BYTES_MAX || r.version > STORE_VERSION_MAX / 2 ||
		    shard_of_key(r.key, a->nshards) != shard)
			return STATUS_CORRUPT;
		a->restore.records++;
		a->shards[shard].digest += digest_record(&r);
		a->store->ops->put(a->store, shard, &r);
	}
	return 0;
}

int restore_chunk(struct app *app, struct slice chunk, struct arena *arena)
{
	struct shardkv_app *a = app_of(app);
	uint8_t kind;
	if (!slice_take_u8(&chunk, &kind) || a->restore.ended || (kind != 'H' && !a->restore.begun))
		return STATUS_CORRUPT;
	switch (kind) {
	case 'H': return read_header(a, chunk, arena);
	case 'S': return read_shards(a, chunk);
	case 'R': return read_records(a, chunk);
	case 'E': a->restore.ended = true; return chunk.len == 0 ? 0 : STATUS_CORRUPT;
	default: return STATUS_CORRUPT;
	}
}

int restore_end(struct app *app)
{
	struct shardkv_app *a = app_of(app);
	a->keys = 0;
	for (uint32_t shard = 0; shard < a->nshards; shard++)
		a->keys += a->store->ops->space_count(a->store, shard);
	/* Fewer keys than records: one came twice, and its digest is in the sum twice. */
	if (!a->restore.ended || a->restore.shards != a->nshards ||
	    a->keys != a->restore.keys_expected || a->keys != a->restore.records ||
	    snapshot_hash(a) != a->restore.hash_expected)
		return STATUS_CORRUPT;
	return 0;
}
