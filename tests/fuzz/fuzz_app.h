/*
 * Fuzzing a struct app: commands, queries and snapshots of any bytes.
 *
 *   input: steps
 *     0 apply    u8 client, u16 length, command as it is
 *     1 apply    a command that the target builds from the input
 *     2 admit    u16 length, command; admitting changes nothing
 *     3 query    u16 length, query as it is; changes nothing
 *     4 query    one that the target builds
 *     5 the state goes through a snapshot: u8 chunk size, and goes on as the restored one
 *     6 restore chunks: (u16 length, bytes) until one is empty, into another app, which is then
 *     thrown away
 *
 * What must hold: a refused command leaves the hash as it was; a snapshot restores to the same
 * hash, and makes the same bytes again; a restore that was accepted gives a state that can be
 * snapshotted and restored.
 */
#ifndef SYNOD_TESTS_FUZZ_APP_H
#define SYNOD_TESTS_FUZZ_APP_H

#include <stdlib.h>

#include "base/limits.h"
#include "fuzz.h"
#include "rsm/app.h"

struct fuzz_app {
	struct app *(*create)(void);
	void (*build_command)(struct slice *in, struct buffer *out);
	void (*build_query)(struct slice *in, struct buffer *out);
	/*
	 * Puts right, in the chunk, what nobody can guess (a hash of the state that follows); NULL:
	 * there is nothing of the kind.
	 */
	void (*seal_chunk)(struct app *app, struct buffer *chunk);
	struct app *app;
	struct arena arena;
	struct buffer body, bytes;
	uint64_t slot;
};

#define FUZZ_APP_CHUNKS_MAX 16u

static inline uint64_t fuzz_app_hash(struct app *app)
{
	return app->ops->hash(app);
}

static inline void fuzz_app_apply(struct fuzz_app *f, uint64_t client, struct slice command)
{
	uint64_t before = fuzz_app_hash(f->app);
	f->slot++;
	struct group_settings settings = {.value_bytes_max = 200};
	struct apply_context context = {.slot = f->slot,
					.time_us = f->slot,
					.settings = &settings,
					.client = client,
					.sequence = f->slot,
					.arena = &f->arena};
	struct reply reply = {.body = &f->body};
	buffer_clear(&f->body);
	arena_reset(&f->arena);
	f->app->ops->apply(f->app, &context, command, &reply);
	ASSERT(reply.status <= 0);
	ASSERT(reply.status == 0 || fuzz_app_hash(f->app) == before);
}

static inline void fuzz_app_ask(struct fuzz_app *f, bool admit, struct slice bytes)
{
	uint64_t before = fuzz_app_hash(f->app);
	struct reply reply = {.body = &f->body};
	buffer_clear(&f->body);
	arena_reset(&f->arena);
	if (admit) {
		int status = f->app->ops->admit(f->app, bytes, &f->arena, &reply);
		ASSERT(status <= 0);
	} else {
		f->app->ops->query(f->app, bytes, &f->arena, &reply);
		ASSERT(reply.status <= 0 && f->body.len <= FRAME_BYTES_MAX);
	}
	ASSERT(fuzz_app_hash(f->app) == before);
}

/* A new app with the state of `app`; what the snapshot consists of is appended to `all`. */
static inline struct app *fuzz_app_copy(struct fuzz_app *f, struct app *app, size_t chunk_bytes,
					struct buffer *all)
{
	struct app *copy = f->create();
	struct app_snapshot *snapshot = app->ops->snapshot_begin(app);
	int more;
	copy->ops->restore_begin(copy);
	do {
		buffer_clear(&f->bytes);
		more = app->ops->snapshot_next(snapshot, chunk_bytes, &f->bytes);
		arena_reset(&f->arena);
		int status = copy->ops->restore_chunk(copy, buffer_slice(&f->bytes), &f->arena);
		ASSERT(status == 0);
		buffer_add_slice(all, buffer_slice(&f->bytes));
	} while (more != 0);
	app->ops->snapshot_end(snapshot);
	int status = copy->ops->restore_end(copy);
	ASSERT(status == 0 && fuzz_app_hash(copy) == fuzz_app_hash(app));
	return copy;
}

static inline void fuzz_app_through_snapshot(struct fuzz_app *f, size_t chunk_bytes)
{
	struct buffer first = {0}, second = {0};
	struct app *copy = fuzz_app_copy(f, f->app, chunk_bytes, &first);
	struct app *again = fuzz_app_copy(f, copy, chunk_bytes, &second);
	ASSERT(slice_equal(buffer_slice(&first), buffer_slice(&second)));
	again->ops->destroy(again);
	f->app->ops->destroy(f->app);
	f->app = copy;
	buffer_free(&first);
	buffer_free(&second);
}

static inline int fuzz_app_restore(struct fuzz_app *f, struct app *app, const struct buffer *chunks,
				   uint32_t count)
{
	app->ops->restore_begin(app);
	for (uint32_t i = 0; i < count; i++) {
		arena_reset(&f->arena);
		int status = app->ops->restore_chunk(app, buffer_slice(&chunks[i]), &f->arena);
		ASSERT(status <= 0);
		if (status != 0)
			return status;
	}
	return app->ops->restore_end(app);
}

static inline void fuzz_app_foreign_restore(struct fuzz_app *f, struct slice *in)
{
	struct buffer chunks[FUZZ_APP_CHUNKS_MAX] = {{0}};
	uint32_t count = 0;
	for (; count < FUZZ_APP_CHUNKS_MAX; count++) {
		struct slice chunk = input_bytes(in, input_u16(in));
		if (chunk.len == 0)
			break;
		buffer_add_slice(&chunks[count], chunk);
	}
	struct app *app = f->create();
	int status = fuzz_app_restore(f, app, chunks, count);
	if (status != 0 && f->seal_chunk != NULL) {
		for (uint32_t i = 0; i < count; i++)
			f->seal_chunk(app, &chunks[i]);
		status = fuzz_app_restore(f, app, chunks, count);
	}
	ASSERT(status <= 0);
	if (status == 0) {
		struct buffer all = {0};
		struct app *copy = fuzz_app_copy(f, app, SNAPSHOT_CHUNK_BYTES, &all);
		copy->ops->destroy(copy);
		buffer_free(&all);
	}
	/* A refused one leaves something that can be emptied and used. */
	app->ops->restore_begin(app);
	app->ops->destroy(app);
	for (uint32_t i = 0; i < count; i++)
		buffer_free(&chunks[i]);
}

static inline void fuzz_app_step(struct fuzz_app *f, struct slice *in)
{
	uint8_t step = input_u8(in) % 7;
	buffer_clear(&f->bytes);
	switch (step) {
	case 0: {
		uint64_t client = input_u8(in) % 2;
		fuzz_app_apply(f, client, input_bytes(in, input_u16(in)));
		break;
	}
	case 1:
		f->build_command(in, &f->bytes);
		fuzz_app_apply(f, 0, buffer_slice(&f->bytes));
		break;
	case 2:
	case 3: fuzz_app_ask(f, step == 2, input_bytes(in, input_u16(in))); break;
	case 4:
		f->build_query(in, &f->bytes);
		fuzz_app_ask(f, false, buffer_slice(&f->bytes));
		break;
	case 5: fuzz_app_through_snapshot(f, 1u + input_u8(in) * 16u); break;
	default: fuzz_app_foreign_restore(f, in);
	}
}

static inline void fuzz_app_run(struct fuzz_app *f, struct slice in)
{
	f->app = f->create();
	arena_init(&f->arena, ARENA_BYTES_MAX);
	for (uint32_t steps = 0; in.len > 0 && steps < 256; steps++)
		fuzz_app_step(f, &in);
	f->app->ops->destroy(f->app);
	arena_free(&f->arena);
	buffer_free(&f->body);
	buffer_free(&f->bytes);
}

#endif
