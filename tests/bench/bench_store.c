/*
 * Speed and size of the in-memory engine: bench_store [KEYS [VALUE_BYTES [SPACES]]].
 *
 * Prints operations a second for shuffled insertion, overwriting, reading, scanning, overwriting
 * under a snapshot and deletion, the memory that the process holds for it, and the longest 64
 * operations. All times are of the processor, so that a busy machine measures the same.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "store/memory.h"

struct bench {
	struct store *store;
	uint32_t spaces;
	uint64_t keys;
	size_t value_bytes;
	uint8_t *value;
	uint64_t longest_ns;
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double heap_mb(void)
{
	struct mallinfo2 m = mallinfo2();
	return (double)(m.uordblks + m.hblkhd) / 1e6;
}

/*
 * Sixteen bytes; key n of all is a bijection of n, so a run over 0 … keys-1 touches each once, in
 * no order.
 */
static struct slice key_of(const struct bench *b, uint64_t n, char out[16], uint32_t *space)
{
	uint64_t shuffled = (n * 2654435761u + 12345) % b->keys;
	memcpy(out, "key:", 4);
	for (uint64_t i = 16, rest = shuffled; i-- > 4; rest /= 10)
		out[i] = (char)('0' + rest % 10);
	*space = (uint32_t)(shuffled * 11400714819323198485ull >> 40) % b->spaces;
	return slice(out, 16);
}

typedef void (*operation)(struct bench *b, uint32_t space, struct slice key, uint64_t n);

static void do_put(struct bench *b, uint32_t space, struct slice key, uint64_t n)
{
	store_u64(b->value, n);
	struct store_record r = {key, slice(b->value, b->value_bytes), 1, n};
	b->store->ops->put(b->store, space, &r);
}

static void do_get(struct bench *b, uint32_t space, struct slice key, uint64_t n)
{
	struct store_record r;
	(void)n;
	if (!b->store->ops->get(b->store, space, key, &r))
		abort();
}

static void do_delete(struct bench *b, uint32_t space, struct slice key, uint64_t n)
{
	(void)n;
	if (!b->store->ops->remove(b->store, space, key))
		abort();
}

static void measure_groups(struct bench *b, const char *name, operation op, uint32_t group)
{
	char texts[STORE_PREFETCH_MAX][16];
	struct store_lookup lookups[STORE_PREFETCH_MAX];
	uint64_t start = now_ns();
	for (uint64_t n = 0; n + group <= b->keys; n += group) {
		for (uint32_t i = 0; i < group; i++)
			lookups[i].key = key_of(b, n + i, texts[i], &lookups[i].space);
		b->store->ops->prefetch(b->store, lookups, group);
		for (uint32_t i = 0; i < group; i++)
			op(b, lookups[i].space, lookups[i].key, n + i);
	}
	printf("%-20s by %4" PRIu32 " %9.0f ops/s\n", name, group,
	       (double)b->keys * 1e9 / (double)(now_ns() - start));
}

static void measure(struct bench *b, const char *name, operation op)
{
	char text[16];
	uint32_t space;
	uint64_t longest = 0;
	uint64_t start = now_ns();
	uint64_t before = start;
	for (uint64_t n = 0; n < b->keys; n++) {
		struct slice key = key_of(b, n, text, &space);
		op(b, space, key, n);
		if (n % 64 == 63) { /* the clock would cost as much as the operation */
			uint64_t now = now_ns();
			longest = now - before > longest ? now - before : longest;
			before = now;
		}
	}
	double seconds = (double)(now_ns() - start) / 1e9;
	printf("%-28s %9.0f ops/s   longest 64 ops %6.0f us   heap %7.1f MB\n", name,
	       (double)b->keys / seconds, (double)longest / 1e3, heap_mb());
}

static void measure_scan(struct bench *b, struct store_snapshot *snapshot)
{
	uint64_t start = now_ns();
	uint64_t count = 0;
	struct store_record r;
	for (uint32_t space = 0; space < b->spaces; space++) {
		struct store_iterator *i = b->store->ops->iterate(b->store, snapshot, space,
								  slice(NULL, 0));
		while (b->store->ops->next(i, &r))
			count += r.key.len > 0;
		b->store->ops->iterate_end(i);
	}
	printf("%-28s %9.0f keys/s\n", "scan", (double)count * 1e9 / (double)(now_ns() - start));
}

int main(int argc, char **argv)
{
	struct bench b = {.keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000,
			  .value_bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 256,
			  .spaces = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 256};
	b.value_bytes = b.value_bytes < 8 ? 8 : b.value_bytes;
	b.value = calloc(1, b.value_bytes);
	b.store = store_memory_create(b.spaces);
	measure(&b, "put (new, shuffled)", do_put);
	measure(&b, "put (overwrite)", do_put);
	measure(&b, "get", do_get);
	for (uint32_t group = 1; group <= STORE_PREFETCH_MAX; group *= 2) {
		measure_groups(&b, "get", do_get, group);
		measure_groups(&b, "put (overwrite)", do_put, group);
	}
	measure_scan(&b, NULL);
	uint64_t start = now_ns();
	struct store_snapshot *snapshot = b.store->ops->snapshot(b.store);
	printf("%-28s %9.1f us\n", "snapshot", (double)(now_ns() - start) / 1e3);
	measure(&b, "put (under a snapshot)", do_put);
	start = now_ns();
	b.store->ops->snapshot_release(snapshot);
	printf("%-28s %9.1f us\n", "release", (double)(now_ns() - start) / 1e3);
	measure(&b, "put (while freeing)", do_put);
	measure(&b, "delete", do_delete);
	b.store->ops->destroy(b.store);
	printf("%-28s heap %7.1f MB\n", "destroyed", heap_mb());
	free(b.value);
	return 0;
}
