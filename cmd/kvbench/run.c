/* Runs the load: warm-up, the measured time, the end. */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "stream.h"

#define SECOND_NS 1000000000u
#define SLEEP_MIN_NS 50000u /* the open loop starts what is due this often */
#define SLEEP_BUSY_NS 1000000u

static void set_phase(struct bench *b, enum bench_phase phase)
{
	__atomic_store_n(&b->phase, phase, __ATOMIC_RELEASE);
}

/* ---- phases ---- */

static bool interrupted(const struct bench *b)
{
	return __atomic_load_n(&b->interrupted, __ATOMIC_RELAXED);
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = {.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Lets time pass; in the open loop, starts what falls due. */
static void run_until(struct bench *b, uint64_t until)
{
	for (uint64_t now; (now = bench_now_ns()) < until && !interrupted(b);) {
		uint64_t wake = until;
		if (bench_is_open_loop(b)) {
			bench_streams_start(b);
			/*
			 * While all streams are busy, they take what is due when they have their
			 * replies.
			 */
			uint64_t due = bench_due_ns(
				b, __atomic_load_n(&b->next_ticket, __ATOMIC_RELAXED));
			uint64_t soonest = now + (bench_streams_any_free(b) ? SLEEP_MIN_NS
									    : SLEEP_BUSY_NS);
			wake = due < soonest ? soonest : due < until ? due : until;
		}
		/* A signal need not wait for the end of a long sleep. */
		sleep_until(wake < now + SECOND_NS / 10 ? wake : now + SECOND_NS / 10);
	}
}

static uint64_t total(const struct bench *b, size_t offset)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < b->options.connections; i++)
		sum += __atomic_load_n(
			(const uint64_t *)(const void *)((const char *)&b->connections[i] + offset),
			__ATOMIC_RELAXED);
	return sum;
}

static void fill(struct bench *b)
{
	bool show = isatty(STDERR_FILENO);
	set_phase(b, BENCH_FILL);
	bench_streams_start(b);
	pthread_mutex_lock(&b->mutex);
	while (b->running > 0) {
		struct timespec t;
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_sec++;
		pthread_cond_timedwait(&b->idle, &b->mutex, &t);
		uint64_t done = __atomic_load_n(&b->load.next_fill, __ATOMIC_RELAXED);
		if (show)
			fprintf(stderr, "\rfilling: %" PRIu64 " of %" PRIu64 " keys ",
				done < b->options.keys ? done : b->options.keys, b->options.keys);
		if (interrupted(b))
			set_phase(b, BENCH_OVER);
	}
	pthread_mutex_unlock(&b->mutex);
	if (show)
		fprintf(stderr, "\n");
}

/* One line a second, if somebody is looking. */
static void end_second(struct bench *b, uint64_t *ops_before)
{
	uint64_t ops = total(b, offsetof(struct bench_connection, ops));
	b->rates[b->nrates++] = ops - *ops_before;
	if (isatty(STDERR_FILENO))
		fprintf(stderr,
			"%4u s %10" PRIu64 " ops/s %8" PRIu64 " errors %8" PRIu64 " unknown\n",
			b->nrates, ops - *ops_before,
			total(b, offsetof(struct bench_connection, errors)),
			total(b, offsetof(struct bench_connection, unknown)));
	*ops_before = ops;
}

static double cpu_s(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void measure(struct bench *b)
{
	uint64_t start = bench_now_ns(), end = start + (uint64_t)b->options.duration_ms * 1000000u,
		 ops_before = 0;
	double cpu_before = cpu_s();
	b->rates = alloc_zeroed(b->options.duration_ms / 1000 + 1, sizeof *b->rates);
	b->first_measured_ticket = __atomic_load_n(&b->next_ticket, __ATOMIC_RELAXED);
	set_phase(b, BENCH_MEASURE);
	for (uint64_t second = start + SECOND_NS; second <= end && !interrupted(b);
	     second += SECOND_NS) {
		run_until(b, second);
		if (!interrupted(b))
			end_second(b, &ops_before);
	}
	run_until(b, end);
	if (bench_is_open_loop(b))
		bench_streams_start(b);
	set_phase(b, BENCH_OVER);
	uint64_t stopped = bench_now_ns();
	b->seconds = (double)(stopped - start) / 1e9;
	b->own_cpu_s = cpu_s() - cpu_before;
	if (b->options.rate == 0)
		return;
	/* What should have started and did not has waited at least until now. */
	uint64_t ticket = __atomic_load_n(&b->next_ticket, __ATOMIC_RELAXED);
	for (uint64_t due; (due = bench_due_ns(b, ticket)) < stopped; ticket++) {
		b->unsent++;
		histogram_record(&b->latency, (stopped - due) / 1000);
	}
}

static void add_up(struct bench *b)
{
	for (uint32_t i = 0; i < b->options.connections; i++) {
		struct bench_connection *c = &b->connections[i];
		histogram_merge(&b->latency, &c->latency);
		b->ops += c->ops;
		b->errors += c->errors;
		b->unknown += c->unknown;
		b->missing += c->missing;
		b->conflicts += c->conflicts;
		if (c->last_error[0] != '\0')
			fprintf(stderr, "kvbench: connection %u: last error: %s\n", i,
				c->last_error);
	}
}

void bench_run(struct bench *b, void (*measuring)(void *context, bool begins), void *context)
{
	if (b->options.fill)
		fill(b);
	if (!interrupted(b))
		set_phase(b, BENCH_WARMUP);
	b->rate_from_ns = bench_now_ns();
	bench_streams_start(b);
	run_until(b, bench_now_ns() + (uint64_t)b->options.warmup_ms * 1000000u);
	measuring(context, true);
	measure(b);
	measuring(context, false);
	bench_streams_wait(b);
	add_up(b);
}

/* ---- opening and closing ---- */

static void open_connection(struct bench *b, uint32_t i)
{
	const struct bench_options *o = &b->options;
	struct bench_connection *c = &b->connections[i];
	struct synod_options options = {
		.config_file = o->config,
		.endpoints = o->endpoints,
		.timeout_ms = o->timeout_ms,
		.outstanding_max = b->nstreams + 16,
		.thread_of = i < o->threads ? NULL : b->connections[i % o->threads].handle};
	c->bench = b;
	c->history.history = o->history != NULL ? &b->history : NULL;
	rng_seed(&c->rng, o->seed + i);
	if (synod_open(&c->handle, &options) != SYNOD_OK) {
		fprintf(stderr, "kvbench: %s\n", synod_error_message(c->handle));
		exit(64);
	}
}

void bench_open(struct bench *b)
{
	const struct bench_options *o = &b->options;
	if (o->history != NULL && !bench_history_open(&b->history, o->history)) {
		fprintf(stderr, "kvbench: %s: %s\n", o->history, strerror(errno));
		exit(64);
	}
	pthread_mutex_init(&b->mutex, NULL);
	pthread_cond_init(&b->idle, NULL);
	bench_load_init(&b->load, o);
	b->nstreams = o->clients * o->pipeline;
	b->connections = alloc_zeroed(o->connections, sizeof *b->connections);
	b->streams = alloc_zeroed(b->nstreams, sizeof *b->streams);
	for (uint32_t i = 0; i < o->connections; i++)
		open_connection(b, i);
	for (uint32_t i = 0; i < b->nstreams; i++) {
		struct bench_stream *s = &b->streams[b->nstreams - 1 - i];
		s->client = b->nstreams - 1 - i;
		s->connection = &b->connections[s->client % o->connections];
		bench_request_init(&s->request, &b->load);
		s->next_free = b->free;
		b->free = s;
	}
}

bool bench_close(struct bench *b)
{
	bool complete = true;
	for (uint32_t i = 0; i < b->options.connections; i++) {
		struct bench_connection *c = &b->connections[i];
		synod_close(c->handle);
		if (c->history.history != NULL)
			bench_history_flush(&c->history);
		buffer_free(&c->history.lines);
	}
	for (uint32_t i = 0; i < b->nstreams; i++)
		bench_request_free(&b->streams[i].request);
	if (b->options.history != NULL && !bench_history_close(&b->history)) {
		fprintf(stderr, "kvbench: %s: %s\n", b->options.history, strerror(errno));
		complete = false;
	}
	free(b->connections);
	free(b->streams);
	free(b->rates);
	return complete;
}
