/*
 * Writes what was asked and what came of it, one JSON object a line, in the format that
 * cmd/kvcheck/read.h describes.
 *
 * A writer collects lines and hands them to the file in large pieces, or after a second. Writers
 * belong to one thread each and share a file.
 */
#ifndef SYNOD_KVBENCH_HISTORY_H
#define SYNOD_KVBENCH_HISTORY_H

#include <pthread.h>
#include <stdio.h>

#include "base/bytes.h"
#include "workload.h"

struct bench_history {
	FILE *file;
	pthread_mutex_t mutex;
	int error; /* errno of the first failed write; 0: none */
};

struct bench_history_writer {
	struct bench_history *history;
	struct buffer lines;
	uint64_t flushed_ns;
};

/* False: errno says why. */
bool bench_history_open(struct bench_history *h, const char *path);
/* False if something could not be written: errno says why. */
bool bench_history_close(struct bench_history *h);

struct bench_history_times {
	uint64_t client, id, call_ns, return_ns;
};
void bench_history_write(struct bench_history_writer *w, const struct bench_request *r,
			 const struct synod_reply *reply, const struct bench_history_times *times);
void bench_history_flush(struct bench_history_writer *w);

/*
 * What a status says about a request: 1 it was answered, 0 it certainly had no effect, -1 unknown.
 */
int bench_outcome(int status);

#endif
