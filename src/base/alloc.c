#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	if (memory == NULL)
		out_of_memory(1, size);
	return memory;
}

void *alloc_zeroed(size_t count, size_t size)
{
	void *memory = calloc(at_least_one(count), at_least_one(size));
	if (memory == NULL)
		out_of_memory(count, size);
	return memory;
}

void *alloc_resize(void *old, size_t count, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(count, size, &total))
		out_of_memory(count, size);
	void *memory = realloc(old, at_least_one(total));
	if (memory == NULL)
		out_of_memory(count, size);
	return memory;
}

char *alloc_string(const char *text)
{
	size_t size = strlen(text) + 1;
	return memcpy(alloc_bytes(size), text, size);
}

char *alloc_format(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	int len = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (len < 0)
		out_of_memory(1, strlen(format));
	return text;
}
