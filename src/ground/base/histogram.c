/* Latencies in buckets of nearly equal relative width. */
#include "base/histogram.h"

#include "base/assert.h"

#define SUB_BUCKETS (1u << HISTOGRAM_SUB_BITS)
#define VALUE_MAX ((uint64_t)1 << HISTOGRAM_VALUE_BITS)

/*
 * Values below 64 have a bucket each. Above, the position of the highest bit
 * chooses a row of 64 buckets and the six bits after it the bucket in the row.
 */
static unsigned bucket_of(uint64_t value)
{
	if (value < SUB_BUCKETS)
		return (unsigned)value;
	unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	unsigned bucket = (shift << HISTOGRAM_SUB_BITS) + (unsigned)(value >> shift);
	ASSERT(bucket < HISTOGRAM_BUCKETS);
	return bucket;
}

static uint64_t bucket_lowest(unsigned bucket)
{
	if (bucket < SUB_BUCKETS)
		return bucket;
	unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
	return (uint64_t)(bucket - (shift << HISTOGRAM_SUB_BITS)) << shift;
}

static uint64_t bucket_highest(unsigned bucket)
{
	return bucket_lowest(bucket + 1) - 1;
}

static uint64_t clamp(uint64_t value)
{
	return value < VALUE_MAX ? value : VALUE_MAX;
}

/* Counts saturate: a bucket that is full stays full rather than starting again at zero. */
static void add_to_bucket(struct histogram *h, unsigned bucket, uint64_t count)
{
	uint32_t room = UINT32_MAX - h->buckets[bucket];
	h->buckets[bucket] += count < room ? (uint32_t)count : room;
	h->count += count;
}

void histogram_record(struct histogram *h, uint64_t value)
{
	value = clamp(value);
	add_to_bucket(h, bucket_of(value), 1);
	h->sum += value;
	if (value > h->max)
		h->max = value;
}

/*
 * Adds value - interval, value - 2 interval, … down to the last that is not below
 * interval. They are an arithmetic series, so each bucket's share is counted at once. (The last
 * bucket may begin below interval, but is then narrower than interval and holds one of them.)
 */
void histogram_record_corrected(struct histogram *h, uint64_t value, uint64_t interval)
{
	value = clamp(value);
	histogram_record(h, value);
	if (interval == 0 || value < interval)
		return;
	uint64_t missed = value - interval;
	while (missed >= interval) {
		unsigned bucket = bucket_of(missed);
		uint64_t count = (missed - bucket_lowest(bucket)) / interval + 1;
		add_to_bucket(h, bucket, count);
		h->sum += count * missed - interval * (count * (count - 1) / 2);
		missed -= count * interval;
	}
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
	if (h->count == 0)
		return 0;
	double wanted = (double)h->count * percent / 100.0;
	uint64_t seen = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (h->buckets[i] > 0 && (double)seen >= wanted) {
			uint64_t highest = bucket_highest(i);
			return highest < h->max ? highest : h->max;
		}
	}
	return h->max;
}

uint64_t histogram_count_at_most(const struct histogram *h, uint64_t value)
{
	unsigned last = bucket_of(clamp(value));
	uint64_t seen = 0;
	for (unsigned i = 0; i <= last; i++)
		seen += h->buckets[i];
	return seen;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint32_t room = UINT32_MAX - into->buckets[i];
		into->buckets[i] += from->buckets[i] < room ? from->buckets[i] : room;
	}
	into->count += from->count;
	into->sum += from->sum;
	if (from->max > into->max)
		into->max = from->max;
}
