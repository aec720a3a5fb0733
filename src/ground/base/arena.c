/* Memory that is freed as a whole. */
#include "base/arena.h"

#include <stdlib.h>

#include "base/alloc.h"

#define ALIGNMENT 16u
#define CHUNK_BYTES_MIN (64u * 1024u)
#define CHUNK_BYTES_MAX (1024u * 1024u)
/*
 * A chunk of up to this size survives a reset; one large message must not pin its memory for ever.
 */
#define KEPT_BYTES_MAX (256u * 1024u)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	_Alignas(ALIGNMENT) uint8_t data[];
};

/*
 * Under the address sanitizer whatever is not handed out is poisoned, so that use after a reset is
 * caught.
 */
#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#ifdef ASAN
#include <sanitizer/asan_interface.h>
#define POISON(address, size) __asan_poison_memory_region(address, size)
#define UNPOISON(address, size) __asan_unpoison_memory_region(address, size)
#else
#define POISON(address, size) ((void)(address), (void)(size))
#define UNPOISON(address, size) ((void)(address), (void)(size))
#endif

static void use_chunk(struct arena *a, struct arena_chunk *chunk)
{
	a->next = chunk->data;
	a->end = chunk->data + chunk->size;
	POISON(chunk->data, chunk->size);
}

static void free_chunk(struct arena_chunk *chunk)
{
	UNPOISON(chunk->data, chunk->size);
	free(chunk);
}

/* False: no memory, in a fallible arena. */
static bool add_chunk(struct arena *a, size_t size)
{
	size_t chunk_size = a->chunks == NULL ? CHUNK_BYTES_MIN : a->chunks->size * 2;
	if (chunk_size > CHUNK_BYTES_MAX)
		chunk_size = CHUNK_BYTES_MAX;
	if (chunk_size < size)
		chunk_size = size;
	struct arena_chunk *chunk = a->fallible ? malloc(sizeof *chunk + chunk_size)
						: alloc_bytes(sizeof *chunk + chunk_size);
	if (chunk == NULL) {
		a->failed = true;
		return false;
	}
	chunk->size = chunk_size;
	chunk->next = a->chunks;
	a->chunks = chunk;
	use_chunk(a, chunk);
	return true;
}

void arena_init(struct arena *a, size_t bytes_max)
{
	*a = (struct arena){.bytes_max = bytes_max};
}

void arena_init_fallible(struct arena *a, size_t bytes_max)
{
	*a = (struct arena){.bytes_max = bytes_max, .fallible = true};
}

void *arena_try(struct arena *a, size_t size)
{
	ASSERT(a->used_bytes <= a->bytes_max);
	size_t left = a->bytes_max - a->used_bytes;
	if (size > left || size > SIZE_MAX / 2)
		return NULL;
	/*
	 * An empty allocation takes a unit too: its address is not shared, and a ceiling on counts
	 * holds.
	 */
	size_t rounded = size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (rounded > left)
		return NULL;
	if (rounded > (size_t)(a->end - a->next) && !add_chunk(a, rounded))
		return NULL;
	uint8_t *memory = a->next;
	UNPOISON(memory, size);
	a->next += rounded;
	a->used_bytes += rounded;
	return memory;
}

void *arena_get(struct arena *a, size_t size)
{
	void *memory = arena_try(a, size);
	ASSERT(memory != NULL);
	return memory;
}

void *arena_get_zeroed(struct arena *a, size_t size)
{
	return memset(arena_get(a, size), 0, size);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
	void *memory = arena_get(a, s.len);
	if (s.len > 0)
		memcpy(memory, s.data, s.len);
	return slice(memory, s.len);
}

void arena_reset_used(struct arena *a)
{
	struct arena_chunk *kept = NULL;
	struct arena_chunk *chunk = a->chunks;

	while (chunk != NULL) {
		struct arena_chunk *next = chunk->next;
		if (chunk->size <= KEPT_BYTES_MAX && (kept == NULL || chunk->size > kept->size)) {
			if (kept != NULL)
				free_chunk(kept);
			kept = chunk;
			kept->next = NULL;
		} else {
			free_chunk(chunk);
		}
		chunk = next;
	}
	*a = (struct arena){.chunks = kept, .bytes_max = a->bytes_max, .fallible = a->fallible};
	if (kept != NULL)
		use_chunk(a, kept);
}

void arena_free(struct arena *a)
{
	while (a->chunks != NULL) {
		struct arena_chunk *next = a->chunks->next;
		free_chunk(a->chunks);
		a->chunks = next;
	}
	*a = (struct arena){.bytes_max = a->bytes_max, .fallible = a->fallible};
}
