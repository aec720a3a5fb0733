/*
 * Streams of a running load (run.h). A stream is either free, in the bench's list, or runs: then
 * its next operation starts when the one before has ended, until there is none to start.
 */
#ifndef SYNOD_KVBENCH_STREAM_H
#define SYNOD_KVBENCH_STREAM_H

#include "run.h"

enum bench_phase bench_phase_of(const struct bench *b);
bool bench_is_open_loop(const struct bench *b);
/* When that operation of the open loop should start. */
uint64_t bench_due_ns(const struct bench *b, uint64_t ticket);
/* Starts streams that are free, as long as there is something to start. */
void bench_streams_start(struct bench *b);
bool bench_streams_any_free(struct bench *b);
/* Until all are free. */
void bench_streams_wait(struct bench *b);

#endif
