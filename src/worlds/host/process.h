/*
 * What this process uses of the machine, as metrics: memory, processor, descriptors, data
 * directory.
 */
#ifndef SYNOD_HOST_PROCESS_H
#define SYNOD_HOST_PROCESS_H

#include "base/log.h"
#include "base/metrics.h"
#include "node/disk.h"

/*
 * Registers gauges that are read when rendered. `disk`: a disk_posix, or NULL; must outlive the
 * registry's use.
 */
void process_metrics_register(struct metrics *metrics, struct disk *disk, const struct log *log);
/*
 * Adds what is no whole number, and so fits no registry: process_cpu_seconds_total,
 * process_start_time_seconds.
 */
void process_metrics_render(struct buffer *out);

#endif
