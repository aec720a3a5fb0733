/* Streams: one operation after another, each with its request and its reply. */
#include "stream.h"

#include <time.h>

#define SECOND_NS 1000000000u

uint64_t bench_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

enum bench_phase bench_phase_of(const struct bench *b)
{
	return __atomic_load_n(&b->phase, __ATOMIC_ACQUIRE);
}

bool bench_is_open_loop(const struct bench *b)
{
	return b->options.rate > 0 && bench_phase_of(b) != BENCH_FILL;
}

/* Only the connection's own thread writes; another may read. */
static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static void on_reply(void *context, const struct synod_reply *reply);

static void stream_ended(struct bench *b, struct bench_stream *s)
{
	pthread_mutex_lock(&b->mutex);
	if (s != NULL) {
		s->next_free = b->free;
		b->free = s;
	}
	if (--b->running == 0)
		pthread_cond_signal(&b->idle);
	pthread_mutex_unlock(&b->mutex);
}

uint64_t bench_due_ns(const struct bench *b, uint64_t ticket)
{
	return b->rate_from_ns + (uint64_t)((double)ticket * (SECOND_NS / b->options.rate));
}

/* Takes the next operation of the open loop if it is due. */
static bool take_ticket(struct bench *b, uint64_t now, struct bench_stream *s)
{
	uint64_t ticket = __atomic_load_n(&b->next_ticket, __ATOMIC_RELAXED);
	do {
		s->due_ns = bench_due_ns(b, ticket);
		if (s->due_ns > now)
			return false;
	} while (!__atomic_compare_exchange_n(&b->next_ticket, &ticket, ticket + 1, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	s->measured = bench_phase_of(b) == BENCH_MEASURE && ticket >= b->first_measured_ticket;
	return true;
}

static bool send_request(struct bench_stream *s)
{
	struct bench_connection *c = s->connection;
	s->call_ns = bench_now_ns();
	int status = bench_request_send(&s->request, &c->bench->load, c->handle, on_reply, s);
	if (status == SYNOD_OK)
		return true;
	/*
	 * Nothing was sent, so nothing can have happened; the stream ends rather than trying
	 * without pause.
	 */
	count(&c->errors);
	snprintf(c->last_error, sizeof c->last_error, "%s", synod_status_text(status));
	return false;
}

/* Starts the stream's next operation; false if there is none now. */
static bool start_operation(struct bench_stream *s)
{
	struct bench *b = s->connection->bench;
	enum bench_phase phase = bench_phase_of(b);
	if (phase == BENCH_OVER)
		return false;
	if (bench_is_open_loop(b)) {
		if (!take_ticket(b, bench_now_ns(), s))
			return false;
	} else {
		s->due_ns = 0;
		s->measured = phase == BENCH_MEASURE;
	}
	s->id++;
	if (phase != BENCH_FILL)
		bench_request_next(&s->request, &b->load, &s->connection->rng, s->client, s->id);
	else if (!bench_request_fill(&s->request, &b->load, s->client, s->id))
		return false;
	bool sent = send_request(s);
	if (s->due_ns == 0)
		s->due_ns = s->call_ns;
	return sent;
}

static void count_operation(struct bench_stream *s, const struct synod_reply *reply, uint64_t now)
{
	struct bench_connection *c = s->connection;
	const struct bench_request *r = &s->request;
	int outcome = bench_outcome(reply->status);
	if (outcome != 1) {
		count(outcome < 0 ? &c->unknown : &c->errors);
		snprintf(c->last_error, sizeof c->last_error, "%s", reply->message);
	}
	/* What was refused has not been served, however quickly. */
	if (s->measured && outcome != 0)
		histogram_record(&c->latency, (now - s->due_ns) / 1000);
	if (outcome != 1 || bench_phase_of(c->bench) != BENCH_MEASURE)
		return;
	count(&c->ops);
	bool not_found = reply->status == SYNOD_NOT_FOUND,
	     cas = r->kind == BENCH_OP && r->then[0].kind == SYNOD_OP_CAS;
	c->missing += not_found && !cas;
	c->conflicts += cas ? reply->status != SYNOD_OK
			    : r->kind == BENCH_TRANSACTION && !reply->succeeded;
}

static void on_reply(void *context, const struct synod_reply *reply)
{
	struct bench_stream *s = context;
	struct bench_connection *c = s->connection;
	struct bench *b = c->bench;
	uint64_t now = bench_now_ns();
	if (c->history.history != NULL) {
		struct bench_history_times times = {
			.client = s->client, .id = s->id, .call_ns = s->call_ns, .return_ns = now};
		bench_history_write(&c->history, &s->request, reply, &times);
	}
	if (bench_request_more(&s->request, &b->load, reply)) {
		s->id++;
		bench_request_next(&s->request, &b->load, &c->rng, s->client, s->id);
		if (send_request(s))
			return;
	} else {
		count_operation(s, reply, now);
		if (start_operation(s))
			return;
	}
	stream_ended(b, s);
}

void bench_streams_start(struct bench *b)
{
	for (;;) {
		pthread_mutex_lock(&b->mutex);
		struct bench_stream *s = b->free;
		if (s != NULL) {
			b->free = s->next_free;
			b->running++;
		}
		pthread_mutex_unlock(&b->mutex);
		if (s == NULL)
			return;
		if (!start_operation(s)) {
			stream_ended(b, s);
			return;
		}
	}
}

bool bench_streams_any_free(struct bench *b)
{
	pthread_mutex_lock(&b->mutex);
	bool any = b->free != NULL;
	pthread_mutex_unlock(&b->mutex);
	return any;
}

void bench_streams_wait(struct bench *b)
{
	pthread_mutex_lock(&b->mutex);
	while (b->running > 0)
		pthread_cond_wait(&b->idle, &b->mutex);
	pthread_mutex_unlock(&b->mutex);
}
