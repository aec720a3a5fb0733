/*
 * Runs a load: streams of requests over a few connections (handles of libsynod).
 *
 * Closed loop: each stream starts its next operation when it has the reply to the one before. Open
 * loop (--rate): operation n starts n/rate seconds after the beginning, on whichever stream is
 * free; when none is, it starts late, but its latency is measured from when it should have started.
 * Otherwise a server that stalls would also stop the questions that show it (coordinated omission).
 *
 * Replies are handled on the threads of the handles, few for many: a thread for each would cost the
 * machine that it shares with the servers more than the requests do. What they count belongs to
 * their connection; the main thread reads it once a second, and adds it up when all has ended.
 */
#ifndef SYNOD_KVBENCH_RUN_H
#define SYNOD_KVBENCH_RUN_H

#include <pthread.h>

#include "base/histogram.h"
#include "history.h"
#include "workload.h"

enum bench_phase { BENCH_FILL, BENCH_WARMUP, BENCH_MEASURE, BENCH_OVER };

struct bench;

struct bench_connection {
	struct bench *bench;
	struct synod *handle;
	struct rng rng;
	struct bench_history_writer history;
	/* µs; of operations that should have started while measuring */
	struct histogram latency;
	/* atomic: ended while measuring, in whatever way but an error */
	uint64_t ops;
	uint64_t errors, unknown; /* atomic; throughout */
	uint64_t missing,
		conflicts; /* of ops: gets of keys that do not exist; cas and transactions that
					found something else */
	char last_error[200];
};

/* One operation at a time. */
struct bench_stream {
	struct bench_connection *connection;
	struct bench_stream *next_free;
	uint64_t client, id;
	uint64_t due_ns;  /* when the operation should have started, or did */
	uint64_t call_ns; /* when its request was sent */
	bool measured;
	struct bench_request request;
};

struct bench {
	struct bench_options options;
	struct bench_load load;
	struct bench_history history;
	struct bench_connection *connections;
	struct bench_stream *streams;
	uint32_t nstreams;
	enum bench_phase phase; /* atomic */
	bool interrupted;       /* atomic */
	/* Open loop. */
	uint64_t rate_from_ns; /* when operation 0 starts; */
	uint64_t next_ticket;  /* atomic: the next operation to start */
	uint64_t first_measured_ticket;
	uint64_t unsent; /* that should have started while measuring, and never did */
	/* Guarded by the mutex. */
	struct bench_stream *free;
	uint32_t running; /* streams with an operation, and 1 while they are being started */
	pthread_mutex_t mutex;
	pthread_cond_t idle;
	/* Results. */
	double seconds;
	uint64_t *rates; /* operations of each second */
	uint32_t nrates;
	struct histogram latency;
	uint64_t ops, errors, unknown, missing, conflicts;
	double own_cpu_s;
};

uint64_t bench_now_ns(void);

/* Exits with 64 if the configuration is wrong or the history cannot be written. */
void bench_open(struct bench *b);
/* Fills and warms up; `measuring` is called just before and just after the measurement. */
void bench_run(struct bench *b, void (*measuring)(void *context, bool begins), void *context);
/* Ends requests, closes everything; false if the history is not complete. */
bool bench_close(struct bench *b);

#endif
