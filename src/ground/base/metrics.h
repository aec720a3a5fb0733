/*
 * Metrics registry. A module owns plain uint64_t counters in its structs and
 * registers their addresses once; nothing on the hot path knows that it is
 * measured. Rendering walks the registry and writes Prometheus text format
 * ("Exposition formats", text-based).
 */
#ifndef SYNOD_BASE_METRICS_H
#define SYNOD_BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/histogram.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
	enum metric_type type;
	const char *name;                /* "synod_rpc_frames_received_total"; static */
	const char *help;                /* static */
	char *labels;                    /* "method=\"accept\"" or NULL; owned by the registry */
	const uint64_t *value;           /* counter, gauge */
	uint64_t (*read)(void *context); /* instead of value, when not NULL */
	void *context;
	const struct histogram *histogram; /* microseconds; rendered in seconds */
};

struct metrics {
	struct metric *items;
	size_t count;
	size_t capacity;
};

/* `labels` may be NULL; it is copied. The value must live as long as the registry. */
void metrics_add(struct metrics *m, enum metric_type type, const char *name, const char *help,
		 const char *labels, const uint64_t *value);
void metrics_add_read(struct metrics *m, enum metric_type type, const char *name, const char *help,
		      const char *labels, uint64_t (*read)(void *), void *context);
void metrics_add_histogram(struct metrics *m, const char *name, const char *help,
			   const char *labels, const struct histogram *h);
void metrics_render(const struct metrics *m, struct buffer *out);
void metrics_free(struct metrics *m);

#endif
