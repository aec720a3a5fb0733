/*
 * Which keys a load uses: their names, and how often each is chosen.
 *
 * Zipfian: the key of rank r is chosen in proportion to 1/r^0.99, as YCSB does it (Cooper and
 * others, "Benchmarking cloud serving systems with YCSB", 2010); ranks are scattered over all keys,
 * so that popular ones are not neighbours.
 */
#ifndef SYNOD_KVBENCH_KEYS_H
#define SYNOD_KVBENCH_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/rng.h"

enum bench_distribution { BENCH_UNIFORM, BENCH_ZIPFIAN };

#define BENCH_KEYS_MAX 1000000000u
#define BENCH_KEY_BYTES_MAX KEY_BYTES_MAX
#define BENCH_PREFIX_BYTES_MAX 40u
#define BENCH_OPS_MAX 8u /* of a transaction */

/* A number below n > 0; the same every time with the same state of the generator. */
uint64_t bench_keys_choose(enum bench_distribution distribution, uint64_t n, struct rng *rng);
/*
 * The same for what is counted from the newest backwards: 0 is the newest and, zipfian, the most
 * popular.
 */
uint64_t bench_keys_choose_recent(uint64_t n, struct rng *rng);

/* How keys are written: prefix, then the number with as many leading zeros as fill the size. */
struct bench_key_format {
	char prefix[BENCH_PREFIX_BYTES_MAX + 1];
	size_t prefix_len;
	size_t size; /* at least what the largest number needs */
};

/* size 0: the default. Numbers are below 10 * n, because some loads add keys. */
void bench_key_format_init(struct bench_key_format *f, const char *prefix, size_t size, uint64_t n);
/* Writes f->size bytes. */
void bench_key_write(const struct bench_key_format *f, uint64_t number, char *out);

#endif
