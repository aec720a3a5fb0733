/*
 * kvbench: a load generator. Closed loop: each client sends its next request when the reply to the one before has come (with
 * --pipeline N, N of them at a time). Uses nothing but libsynod.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/histogram.h"
#include "base/rng.h"
#include "client/synod.h"
#include "options.h"

enum phase { PHASE_FILL, PHASE_WARMUP, PHASE_MEASURE, PHASE_OVER };

struct bench;

/* One connection, and what its clients have measured: all on the handle's own thread. */
struct connection {
	struct bench *bench;
	struct synod *handle;
	struct rng rng;
	struct histogram latency;
	uint64_t ops, errors, unknown;
	char last_error[200];
};

struct stream { /* one request at a time */
	struct connection *connection;
	uint64_t started_ns;
	char key[4097];
};

struct bench {
	struct options options;
	struct connection *connections;
	struct stream *streams;
	char *value;
	enum phase phase; /* atomic */
	uint64_t next_fill; /* atomic */
	uint32_t running;   /* streams; guarded by the mutex */
	pthread_mutex_t mutex;
	pthread_cond_t idle;
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void on_reply(void *context, const struct synod_reply *reply);

static void stream_ended(struct bench *b)
{
	pthread_mutex_lock(&b->mutex);
	if (--b->running == 0)
		pthread_cond_signal(&b->idle);
	pthread_mutex_unlock(&b->mutex);
}

static enum synod_op_kind choose_kind(struct stream *s, enum phase phase)
{
	struct bench *b = s->connection->bench;
	if (phase == PHASE_FILL)
		return SYNOD_OP_PUT;
	switch (b->options.workload) {
	case WORKLOAD_GET:
		return SYNOD_OP_GET;
	case WORKLOAD_MIXED:
		return rng_chance(&s->connection->rng, 500000) ? SYNOD_OP_GET : SYNOD_OP_PUT;
	case WORKLOAD_APPEND:
		return SYNOD_OP_APPEND;
	case WORKLOAD_PUT:
		break;
	}
	return SYNOD_OP_PUT;
}

/* Sends the stream's next request; false if there is none. */
static bool next_request(struct stream *s)
{
	struct bench *b = s->connection->bench;
	enum phase phase = __atomic_load_n(&b->phase, __ATOMIC_RELAXED);
	uint64_t k;
	if (phase == PHASE_OVER)
		return false;
	if (phase == PHASE_FILL) {
		k = __atomic_fetch_add(&b->next_fill, 1, __ATOMIC_RELAXED);
		if (k >= b->options.keys)
			return false;
	} else {
		k = rng_below(&s->connection->rng, b->options.keys);
	}
	snprintf(s->key, sizeof s->key, "k%0*" PRIu64, (int)b->options.key_size - 1, k);
	struct synod_op op = {
		.kind = choose_kind(s, phase),
		.key = {s->key, b->options.key_size},
		.value = {b->value, b->options.value_size},
	};
	s->started_ns = now_ns();
	int status = b->options.primary ? synod_pb_op_async(s->connection->handle, &op, 0, on_reply, s)
					: synod_op_async(s->connection->handle, &op, 0, on_reply, s);
	if (status != SYNOD_OK)
		fprintf(stderr, "kvbench: %s\n", synod_status_text(status));
	return status == SYNOD_OK;
}

static void on_reply(void *context, const struct synod_reply *reply)
{
	struct stream *s = context;
	struct connection *c = s->connection;
	enum phase phase = __atomic_load_n(&c->bench->phase, __ATOMIC_RELAXED);
	if (reply->status == SYNOD_UNKNOWN)
		c->unknown++;
	else if (reply->status != SYNOD_OK && reply->status != SYNOD_NOT_FOUND)
		c->errors++;
	else if (phase == PHASE_MEASURE) {
		c->ops++;
		histogram_record(&c->latency, (now_ns() - s->started_ns) / 1000);
	}
	if (reply->status != SYNOD_OK && reply->status != SYNOD_NOT_FOUND)
		snprintf(c->last_error, sizeof c->last_error, "%s", reply->message);
	if (!next_request(s))
		stream_ended(c->bench);
}

static void start_streams(struct bench *b)
{
	uint32_t count = b->options.clients * b->options.pipeline;
	b->running = count + 1;
	for (uint32_t i = 0; i < count; i++)
		if (!next_request(&b->streams[i]))
			stream_ended(b);
	stream_ended(b);
}

static void wait_idle(struct bench *b)
{
	pthread_mutex_lock(&b->mutex);
	while (b->running > 0)
		pthread_cond_wait(&b->idle, &b->mutex);
	pthread_mutex_unlock(&b->mutex);
}

static void pause_ms(uint32_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
	while (nanosleep(&t, &t) != 0)
		continue;
}

static void set_phase(struct bench *b, enum phase phase)
{
	__atomic_store_n(&b->phase, phase, __ATOMIC_RELAXED);
}

static void report(struct bench *b, double seconds)
{
	static struct histogram all;
	uint64_t ops = 0, errors = 0, unknown = 0;
	for (uint32_t i = 0; i < b->options.connections; i++) {
		struct connection *c = &b->connections[i];
		ops += c->ops;
		errors += c->errors;
		unknown += c->unknown;
		histogram_merge(&all, &c->latency);
		if (c->errors + c->unknown > 0)
			fprintf(stderr, "kvbench: connection %u: last error: %s\n", i, c->last_error);
	}
	static const double percents[] = {50, 90, 99, 99.9};
	uint64_t p[4];
	for (int i = 0; i < 4; i++)
		p[i] = histogram_percentile(&all, percents[i]);
	double rate = (double)ops / seconds;
	if (b->options.json)
		printf("{\"workload\":\"%s\",\"clients\":%u,\"ops\":%" PRIu64 ",\"seconds\":%.3f,\"ops_per_s\":%.1f,\"errors\":%" PRIu64
		       ",\"unknown\":%" PRIu64 ",\"p50_us\":%" PRIu64 ",\"p90_us\":%" PRIu64 ",\"p99_us\":%" PRIu64
		       ",\"p999_us\":%" PRIu64 ",\"max_us\":%" PRIu64 "}\n",
		       b->options.workload_name, b->options.clients, ops, seconds, rate, errors, unknown, p[0], p[1], p[2], p[3], all.max);
	else
		printf("workload %s, %u clients: %" PRIu64 " operations in %.2f s: %.0f/s, %" PRIu64 " errors, %" PRIu64 " unknown\n"
		       "latency in µs: p50 %" PRIu64 "  p90 %" PRIu64 "  p99 %" PRIu64 "  p99.9 %" PRIu64 "  max %" PRIu64 "\n",
		       b->options.workload_name, b->options.clients, ops, seconds, rate, errors, unknown, p[0], p[1], p[2], p[3], all.max);
}

static void open_connections(struct bench *b)
{
	const struct options *o = &b->options;
	uint32_t count = o->clients * o->pipeline;
	b->connections = alloc_zeroed(o->connections, sizeof *b->connections);
	b->streams = alloc_zeroed(count, sizeof *b->streams);
	b->value = alloc_bytes(o->value_size + 1);
	struct rng rng;
	rng_seed(&rng, o->seed);
	for (uint32_t i = 0; i < o->value_size; i++)
		b->value[i] = (char)('!' + rng_below(&rng, 90));
	for (uint32_t i = 0; i < o->connections; i++) {
		struct connection *c = &b->connections[i];
		struct synod_options options = {.config_file = o->config, .endpoints = o->endpoints};
		c->bench = b;
		rng_seed(&c->rng, o->seed + i);
		if (synod_open(&c->handle, &options) != SYNOD_OK) {
			fprintf(stderr, "kvbench: %s\n", synod_error_message(c->handle));
			exit(64);
		}
	}
	for (uint32_t i = 0; i < count; i++)
		b->streams[i].connection = &b->connections[i % o->connections];
}

int main(int argc, char **argv)
{
	struct bench *b = ALLOC(struct bench);
	options_parse(&b->options, argc, argv);
	pthread_mutex_init(&b->mutex, NULL);
	pthread_cond_init(&b->idle, NULL);
	open_connections(b);
	if (b->options.fill) {
		set_phase(b, PHASE_FILL);
		start_streams(b);
		wait_idle(b);
	}
	set_phase(b, PHASE_WARMUP);
	start_streams(b);
	pause_ms(b->options.warmup_ms);
	uint64_t start = now_ns();
	set_phase(b, PHASE_MEASURE);
	pause_ms(b->options.duration_ms);
	set_phase(b, PHASE_OVER);
	uint64_t end = now_ns();
	wait_idle(b);
	report(b, (double)(end - start) / 1e9);
	uint64_t bad = 0;
	for (uint32_t i = 0; i < b->options.connections; i++) {
		bad += b->connections[i].errors + b->connections[i].unknown;
		synod_close(b->connections[i].handle);
	}
	free(b->connections);
	free(b->streams);
	free(b->value);
	free(b);
	return bad == 0 ? 0 : 1;
}
