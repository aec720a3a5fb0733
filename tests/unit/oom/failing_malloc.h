/*
 * malloc that fails on demand. In an ordinary build it takes the place of the C library's for the
 * whole process, so that it fails in other libraries too; under a sanitizer, which has its own, for
 * the calls of this project only (linked with --wrap).
 */
#ifndef SYNOD_TESTS_FAILING_MALLOC_H
#define SYNOD_TESTS_FAILING_MALLOC_H

#include <stdbool.h>
#include <stdint.h>

/*
 * From now on allocations are counted from 1, and those numbered first … last fail. first 0: none.
 */
void failing_malloc_set(uint64_t first, uint64_t last);
/* Allocations of the calling thread are neither counted nor fail. */
void failing_malloc_spare_this_thread(bool spare);
/* How many allocations there were since. */
uint64_t failing_malloc_count(void);
/*
 * Blocks that are allocated and not freed, as far as this is known (under a sanitizer: 0, it looks
 * for leaks itself).
 */
int64_t failing_malloc_live(void);

#endif
