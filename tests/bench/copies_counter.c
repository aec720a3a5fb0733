/*
 * Counts what a program copies from one place of its memory to another, and says where. Loaded into
 * the program (LD_PRELOAD), it takes the place of memcpy, memmove and their kin, and watches what
 * realloc moves. What the kernel copies is not counted, nor what the compiler has made into single
 * instructions, which is small.
 *
 * COPIES_OUT  a directory: when the program ends, NAME.PID there gets a line for each call site
 *                bytes calls ADDRESS ADDRESS …
 *             the caller first, then its caller, …; of the program itself, as addr2line wants them
 * COPIES_MIN  calls for less than this do not count (default 512)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH 5
#define SITES_MAX 4096u
/* In the word before a block of malloc: it has a mapping of its own, which moves without a copy. */
#define MALLOC_MAPPED 2u

struct site {
	uintptr_t callers[DEPTH];
	uint64_t bytes, calls;
};

void *memcpy(void *restrict to, const void *restrict from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *mempcpy(void *restrict to, const void *restrict from, size_t len);
void *__memcpy_chk(void *restrict to, const void *restrict from, size_t len, size_t room);
void *__memmove_chk(void *to, const void *from, size_t len, size_t room);
void *__mempcpy_chk(void *restrict to, const void *restrict from, size_t len, size_t room);

static struct site sites[SITES_MAX];
static uint32_t count;
static atomic_flag busy = ATOMIC_FLAG_INIT;
static size_t least = 512;
static const char *out;
static void *(*real_realloc)(void *old, size_t size);
static _Thread_local uintptr_t stack_end;
static _Thread_local bool within;

__attribute__((constructor)) static void begin(void)
{
	const char *min = getenv("COPIES_MIN");
	real_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
	least = min != NULL ? strtoul(min, NULL, 10) : least;
	out = getenv("COPIES_OUT");
}

static uintptr_t find_stack_end(void)
{
	pthread_attr_t attributes;
	void *lowest = NULL;
	size_t size = 0;
	if (pthread_getattr_np(pthread_self(), &attributes) != 0)
		return 1;
	pthread_attr_getstack(&attributes, &lowest, &size);
	pthread_attr_destroy(&attributes);
	return (uintptr_t)lowest + size;
}

static void add(const uintptr_t callers[DEPTH], size_t len)
{
	uint32_t i = 0;
	while (atomic_flag_test_and_set(&busy))
		;
	for (; i < count; i++) {
		int same = 0;
		while (same < DEPTH && sites[i].callers[same] == callers[same])
			same++;
		if (same == DEPTH)
			break;
	}
	if (i == count && count < SITES_MAX)
		for (int j = 0; j < DEPTH; j++)
			sites[count].callers[j] = callers[j];
	if (i == count && count < SITES_MAX)
		count++;
	if (i < count) {
		sites[i].bytes += len;
		sites[i].calls++;
	}
	atomic_flag_clear(&busy);
}

/* Of the function whose frame that is: who has called it, and so on. */
static void note(const uintptr_t *frame, size_t len)
{
	uintptr_t callers[DEPTH] = {0};
	if (len < least || out == NULL || within)
		return;
	within = true;
	if (stack_end == 0)
		stack_end = find_stack_end();
	for (int i = 0; i < DEPTH; i++) {
		uintptr_t next = frame[0];
		callers[i] = frame[1];
		if (next <= (uintptr_t)frame || next % sizeof next != 0 ||
		    next + 2 * sizeof next > stack_end)
			break;
		frame = (const uintptr_t *)next;
	}
	add(callers, len);
	within = false;
}
#define NOTE(len) note(__builtin_frame_address(0), len)

static inline void copy(unsigned char *to, const unsigned char *from, size_t len)
{
#if defined __x86_64__
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
#else
	for (size_t i = 0; i < len; i++)
		to[i] = from[i];
#endif
}

static inline void move(unsigned char *to, const unsigned char *from, size_t len)
{
	if ((uintptr_t)to - (uintptr_t)from >= len)
		copy(to, from, len);
	else
		while (len-- > 0)
			to[len] = from[len];
}

void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
	NOTE(len);
	copy(to, from, len);
	return to;
}

void *memmove(void *to, const void *from, size_t len)
{
	NOTE(len);
	move(to, from, len);
	return to;
}

void *mempcpy(void *restrict to, const void *restrict from, size_t len)
{
	NOTE(len);
	copy(to, from, len);
	return (char *)to + len;
}

void *__memcpy_chk(void *restrict to, const void *restrict from, size_t len, size_t room)
{
	if (len > room)
		abort();
	NOTE(len);
	copy(to, from, len);
	return to;
}

void *__memmove_chk(void *to, const void *from, size_t len, size_t room)
{
	if (len > room)
		abort();
	NOTE(len);
	move(to, from, len);
	return to;
}

void *__mempcpy_chk(void *restrict to, const void *restrict from, size_t len, size_t room)
{
	if (len > room)
		abort();
	NOTE(len);
	copy(to, from, len);
	return (char *)to + len;
}

void *realloc(void *old, size_t size)
{
	size_t had = old == NULL ? 0 : malloc_usable_size(old);
	bool mapped = old != NULL && (((const size_t *)old)[-1] & MALLOC_MAPPED) != 0;
	uintptr_t before = (uintptr_t)old;
	if (real_realloc == NULL)
		begin();
	void *data = real_realloc(old, size);
	if (data != NULL && had > 0 && (uintptr_t)data != before &&
	    !(mapped && (((const size_t *)data)[-1] & MALLOC_MAPPED) != 0))
		NOTE(had < size ? had : size);
	return data;
}

static void write_sites(void)
{
	char path[4096];
	Dl_info info;
	if (out == NULL || count == 0)
		return;
	within = true;
	snprintf(path, sizeof path, "%s/%s.%d", out, program_invocation_short_name, (int)getpid());
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	for (uint32_t i = 0; i < count; i++) {
		dprintf(fd, "%llu %llu", (unsigned long long)sites[i].bytes,
			(unsigned long long)sites[i].calls);
		for (int j = 0; j < DEPTH && sites[i].callers[j] != 0; j++)
			if (dladdr((void *)sites[i].callers[j], &info) != 0)
				dprintf(fd, " %#zx",
					sites[i].callers[j] - 1 - (uintptr_t)info.dli_fbase);
		dprintf(fd, "\n");
	}
	close(fd);
}

__attribute__((destructor)) static void end(void)
{
	write_sites();
	count = 0;
}

/* A daemon leaves without looking back. */
void _exit(int code)
{
	write_sites();
	syscall(SYS_exit_group, code);
	__builtin_unreachable();
}
