/* Which key an operation is about: uniform, Zipfian, the latest. */
#include "keys.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mix.h"

#define ZIPF_EXPONENT 0.99
#define KEY_SIZE_DEFAULT 16u

/* ---- Zipf's distribution ---- */

/*
 * Rejection-inversion (Hörmann and Derflinger, "Rejection-inversion to generate variates from
 * monotone discrete distributions", 1996): inverts the integral of the density, which has a closed
 * form, and rejects what lies between the curve and the steps. Exact, without tables, and nearly
 * every try is accepted.
 */
static double density(double x)
{
	return pow(x, -ZIPF_EXPONENT);
}

static double integral(double x)
{
	return (pow(x, 1 - ZIPF_EXPONENT) - 1) / (1 - ZIPF_EXPONENT);
}

static double inverse_integral(double y)
{
	return pow(1 + y * (1 - ZIPF_EXPONENT), 1 / (1 - ZIPF_EXPONENT));
}

/* 1 … n, the smaller the likelier. */
static uint64_t zipf_rank(uint64_t n, struct rng *rng)
{
	double low = integral(1.5) - 1, high = integral((double)n + 0.5);
	double accepted_at_once = 2 - inverse_integral(integral(2.5) - density(2));
	for (;;) {
		double y = high + rng_unit(rng) * (low - high), x = inverse_integral(y);
		double rank = floor(x + 0.5);
		rank = rank < 1 ? 1 : rank > (double)n ? (double)n : rank;
		if (rank - x <= accepted_at_once || y >= integral(rank + 0.5) - density(rank))
			return (uint64_t)rank;
	}
}

uint64_t bench_keys_choose(enum bench_distribution distribution, uint64_t n, struct rng *rng)
{
	return distribution == BENCH_UNIFORM ? rng_below(rng, n) : mix_u64(zipf_rank(n, rng)) % n;
}

uint64_t bench_keys_choose_recent(uint64_t n, struct rng *rng)
{
	return zipf_rank(n, rng) - 1;
}

/* ---- names ---- */

void bench_key_format_init(struct bench_key_format *f, const char *prefix, size_t size, uint64_t n)
{
	size_t digits = 1;
	for (uint64_t rest = 10 * n - 1; rest >= 10; rest /= 10)
		digits++;
	f->prefix_len = strlen(prefix);
	ASSERT(f->prefix_len <= BENCH_PREFIX_BYTES_MAX);
	memcpy(f->prefix, prefix, f->prefix_len + 1);
	f->size = size == 0 ? KEY_SIZE_DEFAULT : size;
	if (f->size < f->prefix_len + digits)
		f->size = f->prefix_len + digits;
}

void bench_key_write(const struct bench_key_format *f, uint64_t number, char *out)
{
	memcpy(out, f->prefix, f->prefix_len);
	for (size_t i = f->size; i > f->prefix_len; i--, number /= 10)
		out[i - 1] = (char)('0' + number % 10);
}
