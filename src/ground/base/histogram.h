/*
 * Log-linear histogram, after HdrHistogram's bucket scheme (Tene): each power of
 * two is cut into 64 equal buckets, so a recorded value is known to within 1.6 %.
 * Values up to 2^40 (12 days in microseconds); larger ones are counted as 2^40.
 */
#ifndef SYNOD_BASE_HISTOGRAM_H
#define SYNOD_BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_VALUE_BITS 40
#define HISTOGRAM_BUCKETS ((HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 2) << HISTOGRAM_SUB_BITS)

struct histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
	uint32_t buckets[HISTOGRAM_BUCKETS];
};

/* A zeroed struct histogram is empty and valid. */
void histogram_record(struct histogram *h, uint64_t value);
/*
 * Records `value`, and the values that a caller stalled for it would have seen at `interval`
 * (coordinated omission).
 */
void histogram_record_corrected(struct histogram *h, uint64_t value, uint64_t interval);
/* The smallest recorded bucket value v such that `percent` of all values are ≤ v; 0 when empty. */
uint64_t histogram_percentile(const struct histogram *h, double percent);
/* How many recorded values are ≤ value (by bucket). */
uint64_t histogram_count_at_most(const struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

#endif
