#include "failing_malloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

static atomic_uint_fast64_t counted, first_to_fail, last_to_fail;
static atomic_int_fast64_t live;
static _Thread_local bool spared;

void failing_malloc_set(uint64_t first, uint64_t last)
{
	atomic_store(&counted, 0);
	atomic_store(&first_to_fail, first);
	atomic_store(&last_to_fail, last);
}

uint64_t failing_malloc_count(void)
{
	return atomic_load(&counted);
}

int64_t failing_malloc_live(void)
{
	return atomic_load(&live);
}

void failing_malloc_spare_this_thread(bool spare)
{
	spared = spare;
}

static bool fails(void)
{
	if (spared)
		return false;
	uint64_t number = atomic_fetch_add(&counted, 1) + 1, first = atomic_load(&first_to_fail);
	if (first == 0 || number < first || number > atomic_load(&last_to_fail))
		return false;
	errno = ENOMEM;
	return true;
}

static void *note(void *memory)
{
	if (memory != NULL)
		atomic_fetch_add(&live, 1);
	return memory;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(SANITIZED)
#define REAL(name) __real_##name
#define OURS(name) __wrap_##name
#define COUNTS_LIVE false
#else
#define REAL(name) __libc_##name
#define OURS(name) name
#define COUNTS_LIVE true
#endif

void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t count, size_t size);
void *REAL(realloc)(void *old, size_t size);
void REAL(free)(void *memory);
void *OURS(malloc)(size_t size);
void *OURS(calloc)(size_t count, size_t size);
void *OURS(realloc)(void *old, size_t size);
void OURS(free)(void *memory);

void *OURS(malloc)(size_t size)
{
	void *memory = fails() ? NULL : REAL(malloc)(size);
	return COUNTS_LIVE ? note(memory) : memory;
}

void *OURS(calloc)(size_t count, size_t size)
{
	void *memory = fails() ? NULL : REAL(calloc)(count, size);
	return COUNTS_LIVE ? note(memory) : memory;
}

void *OURS(realloc)(void *old, size_t size)
{
	if (fails())
		return NULL;
	void *memory = REAL(realloc)(old, size);
	return COUNTS_LIVE && old == NULL ? note(memory) : memory;
}

void OURS(free)(void *memory)
{
	if (COUNTS_LIVE && memory != NULL)
		atomic_fetch_sub(&live, 1);
	REAL(free)(memory);
}
