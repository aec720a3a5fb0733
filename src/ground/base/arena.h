/*
 * Bump allocator: everything allocated from it is freed at once by
 * arena_reset(). Used for decoding messages: one arena a node, reset after each
 * message, so that the hot path calls no malloc.
 *
 * An arena has a ceiling. arena_try() returns NULL above it (input of strangers
 * is decoded with it); arena_get() asserts (our own structures).
 *
 * Out of memory ends the process, as with alloc_bytes(); but in an arena that was made with
 * arena_init_fallible() it is as if the ceiling were reached, and `failed` is set. (Only for what
 * is no part of a replicated state: replicas must not decide by how much memory they have.)
 */
#ifndef SYNOD_BASE_ARENA_H
#define SYNOD_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first */
	uint8_t *next;
	uint8_t *end;
	size_t used_bytes; /* handed out since the last reset */
	size_t bytes_max;
	bool fallible;
	bool failed; /* there was no memory, since the last reset */
};

/* `bytes_max`: the ceiling for what is handed out between two resets. */
void arena_init(struct arena *a, size_t bytes_max);
void arena_init_fallible(struct arena *a, size_t bytes_max);
/* 16-byte aligned memory, contents undefined; NULL when the ceiling is reached. */
void *arena_try(struct arena *a, size_t size);
void *arena_get(struct arena *a, size_t size);
void *arena_get_zeroed(struct arena *a, size_t size);
struct slice arena_copy(struct arena *a, struct slice s);
/*
 * Frees everything at once; keeps one moderate chunk (256 KiB at most), so that steady use
 * allocates nothing. Many messages need no memory: then there is nothing to do.
 */
void arena_reset_used(struct arena *a);
static inline void arena_reset(struct arena *a)
{
	if (a->used_bytes != 0 || a->failed)
		arena_reset_used(a);
}
void arena_free(struct arena *a);

#endif
