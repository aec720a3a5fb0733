/* What kvbench prints. */
#ifndef SYNOD_KVBENCH_REPORT_H
#define SYNOD_KVBENCH_REPORT_H

#include "daemons.h"
#include "run.h"

void bench_report_plain(const struct bench *b, const struct bench_daemons *d);
void bench_report_json(const struct bench *b, const struct bench_daemons *d);
/* Percentiles, greatest and mean latency, in two lines if one were wider than a terminal. */
void bench_report_latency(const struct bench *b, struct buffer *out);

#endif
