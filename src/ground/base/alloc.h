/*
 * Allocation that cannot fail: out of memory ends the process with one clear
 * line on stderr. Memory is freed with free().
 *
 * A reserve is for code that lives in somebody else's process (libsynod), which it must not end.
 * While a thread uses a reserve, what malloc refuses on that thread is served from blocks that were
 * allocated beforehand. Whoever allocates sees no difference, so that the change of state that it
 * is in the middle of is completed; whoever installed the reserve looks at it at the next safe
 * point, and refills it, or winds up if that cannot be done. Only when the reserve has no block
 * that fits, too, does out of memory end the process.
 */
#ifndef SYNOD_BASE_ALLOC_H
#define SYNOD_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

void *alloc_bytes(size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1)));
void *alloc_zeroed(size_t count, size_t size)
	__attribute__((malloc, returns_nonnull, alloc_size(1, 2)));
/* Like reallocarray, with the overflow check. */
void *alloc_resize(void *old, size_t count, size_t size) __attribute__((returns_nonnull));
/*
 * Room for one more in an array that grows: when `count` elements fill its `capacity`, that doubles,
 * from `first` on. All four are evaluated several times.
 */
#define ALLOC_ROOM(array, count, capacity, first) \
	do { \
		if ((count) == (capacity)) { \
			(capacity) = (capacity) == 0 ? (first) : 2 * (capacity); \
			ASSERT((capacity) > (count)); \
			(array) = alloc_resize((array), (capacity), sizeof *(array)); \
		} \
	} while (0)
/* May fail (NULL; `old` is as it was): for as much as somebody else decides. */
void *alloc_try_resize(void *old, size_t size) __attribute__((alloc_size(2)));
/*
 * For the simulator: this thread's alloc_try_resize() asks it, and true is as if there were no
 * memory. NULL: nobody is asked.
 */
void alloc_try_refuse(bool (*refuses)(void *context), void *context);
char *alloc_string(const char *text) __attribute__((malloc, returns_nonnull));
char *alloc_format(const char *format, ...) __attribute__((returns_nonnull, format(printf, 1, 2)));
/* One after the other, with `between` between them: "a, b, c". Of none: "". */
char *alloc_join(const char *const *texts, size_t count, const char *between)
	__attribute__((malloc, returns_nonnull));

struct alloc_reserve;
/* NULL: no memory. */
struct alloc_reserve *alloc_reserve_create(void);
void alloc_reserve_free(struct alloc_reserve *reserve);
/*
 * The calling thread uses the reserve from now on (NULL: none). Returns the one that it used
 * before.
 */
struct alloc_reserve *alloc_reserve_use(struct alloc_reserve *reserve);
/*
 * Replaces what was taken. True if the reserve is whole (again); costs nothing if nothing was
 * taken.
 */
bool alloc_reserve_refill(struct alloc_reserve *reserve);

#define ALLOC(type) ((type *)alloc_zeroed(1, sizeof(type)))

#endif
