/* Memory that is there, or the process ends and says so. */
#include "base/alloc.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Sizes of what a client allocates in one turn: objects, small messages, arenas, a configuration.
 * (For what is large in its requests and answers it asks without insisting.) Together 3 MiB, of
 * which nobody touches the most.
 */
static const struct {
	size_t size;
	size_t count;
} reserve_classes[] = {
	{256, 128},
	{4096, 32},
	{(size_t)72 * 1024, 8},
	{(size_t)1088 * 1024, 2},
};
#define RESERVE_CLASSES (sizeof reserve_classes / sizeof reserve_classes[0])
#define RESERVE_BLOCKS_MAX 128u

struct alloc_reserve {
	void *blocks[RESERVE_CLASSES][RESERVE_BLOCKS_MAX]; /* NULL: taken */
	bool whole;
};

static _Thread_local struct alloc_reserve *reserve_in_use;

bool alloc_reserve_refill(struct alloc_reserve *reserve)
{
	if (reserve->whole)
		return true;
	for (size_t class = 0; class < RESERVE_CLASSES; class ++) {
		for (size_t i = 0; i < reserve_classes[class].count; i++) {
			if (reserve->blocks[class][i] == NULL)
				reserve->blocks[class][i] = malloc(reserve_classes[class].size);
			if (reserve->blocks[class][i] == NULL)
				return false;
		}
	}
	reserve->whole = true;
	return true;
}

struct alloc_reserve *alloc_reserve_create(void)
{
	struct alloc_reserve *reserve = calloc(1, sizeof *reserve);
	if (reserve == NULL || alloc_reserve_refill(reserve))
		return reserve;
	alloc_reserve_free(reserve);
	return NULL;
}

void alloc_reserve_free(struct alloc_reserve *reserve)
{
	if (reserve == NULL)
		return;
	for (size_t class = 0; class < RESERVE_CLASSES; class ++)
		for (size_t i = 0; i < reserve_classes[class].count; i++)
			free(reserve->blocks[class][i]);
	free(reserve);
}

struct alloc_reserve *alloc_reserve_use(struct alloc_reserve *reserve)
{
	struct alloc_reserve *before = reserve_in_use;
	reserve_in_use = reserve;
	return before;
}

/* The smallest block that fits; NULL if there is none. */
__attribute__((cold)) static void *reserve_take(size_t size)
{
	struct alloc_reserve *reserve = reserve_in_use;
	for (size_t class = 0; reserve != NULL && class < RESERVE_CLASSES; class ++) {
		if (reserve_classes[class].size < size)
			continue;
		for (size_t i = 0; i < reserve_classes[class].count; i++) {
			void *block = reserve->blocks[class][i];
			if (block == NULL)
				continue;
			reserve->blocks[class][i] = NULL;
			reserve->whole = false;
			return block;
		}
	}
	return NULL;
}

__attribute__((noreturn, cold)) static void out_of_memory(size_t count, size_t size)
{
	fprintf(stderr, "out of memory: could not allocate %zu x %zu bytes\n", count, size);
	fflush(stderr);
	abort();
}

/* malloc(0) may return NULL, which no caller here has to expect. */
static size_t at_least_one(size_t size)
{
	return size == 0 ? 1 : size;
}

void *alloc_bytes(size_t size)
{
	void *memory = malloc(at_least_one(size));
	if (memory == NULL && (memory = reserve_take(size)) == NULL)
		out_of_memory(1, size);
	return memory;
}

void *alloc_zeroed(size_t count, size_t size)
{
	size_t total;
	void *memory = calloc(at_least_one(count), at_least_one(size));
	if (memory != NULL)
		return memory;
	if (__builtin_mul_overflow(count, size, &total) || (memory = reserve_take(total)) == NULL)
		out_of_memory(count, size);
	return memset(memory, 0, total);
}

void *alloc_resize(void *old, size_t count, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(count, size, &total))
		out_of_memory(count, size);
	void *memory = realloc(old, at_least_one(total));
	if (memory != NULL)
		return memory;
	if ((memory = reserve_take(total)) == NULL)
		out_of_memory(count, size);
	if (old != NULL) {
		size_t held = malloc_usable_size(old);
		memcpy(memory, old, held < total ? held : total);
		free(old);
	}
	return memory;
}

static _Thread_local bool (*try_refuses)(void *context);
static _Thread_local void *try_context;

void alloc_try_refuse(bool (*refuses)(void *context), void *context)
{
	try_refuses = refuses;
	try_context = context;
}

void *alloc_try_resize(void *old, size_t size)
{
	if (try_refuses != NULL && try_refuses(try_context))
		return NULL;
	return realloc(old, at_least_one(size));
}

char *alloc_string(const char *text)
{
	size_t size = strlen(text) + 1;
	return memcpy(alloc_bytes(size), text, size);
}

char *alloc_format(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int len = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (len < 0)
		out_of_memory(1, strlen(format));
	char *text = alloc_bytes((size_t)len + 1);
	va_start(arguments, format);
	vsnprintf(text, (size_t)len + 1, format, arguments);
	va_end(arguments);
	return text;
}

char *alloc_join(const char *const *texts, size_t count, const char *between)
{
	size_t len = 0;

	for (size_t i = 0; i < count; i++)
		len += strlen(texts[i]) + (i == 0 ? 0 : strlen(between));
	char *joined = alloc_bytes(len + 1), *end = joined;
	for (size_t i = 0; i < count; i++) {
		end = stpcpy(end, i == 0 ? "" : between);
		end = stpcpy(end, texts[i]);
	}
	*end = 0;
	return joined;
}
