/*
 * Allocation that cannot fail: out of memory ends the process with one clear
 * line on stderr. Memory is freed with free().
 */
#ifndef SYNOD_BASE_ALLOC_H
#define SYNOD_BASE_ALLOC_H

#include <stddef.h>

void *alloc_bytes(size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1)));
void *alloc_zeroed(size_t count, size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1, 2)));
/* Like reallocarray, with the overflow check. */
void *alloc_resize(void *old, size_t count, size_t size) __attribute__((returns_nonnull));
char *alloc_string(const char *text) __attribute__((malloc, returns_nonnull));
char *alloc_format(const char *format, ...) __attribute__((returns_nonnull, format(printf, 1, 2)));

#define ALLOC(type) ((type *)alloc_zeroed(1, sizeof(type)))

#endif
