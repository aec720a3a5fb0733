/*
 * Vector clocks, and the three clocks together over random executions, judged by happens-before
 * itself: the transitive closure of "earlier on the same host" and "sent, then received" (Lamport
 * 1978).
 */
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "node/clock.h"
#include "node/vector.h"

#define NOW_US UINT64_C(1769860800000000)
#define HOSTS 6u
#define EVENTS 400u

static struct vector vector_of(uint64_t a, uint64_t b, uint64_t c)
{
	struct vector v = {0};
	const uint64_t counts[] = {a, b, c};
	for (uint32_t host = 0; host < 3; host++)
		for (uint64_t i = 0; i < counts[host]; i++)
			ck_assert_int_eq(vector_tick(&v, host * 10), 0);
	return v;
}

static enum vector_order order_of(struct vector a, struct vector b)
{
	enum vector_order order = vector_compare(&a, &b);
	vector_free(&a);
	vector_free(&b);
	return order;
}

/* Smaller in one host and larger in none is before; smaller here and larger there is concurrent. */
START_TEST(smaller_here_and_larger_there_is_concurrent)
{
	ck_assert_int_eq(order_of(vector_of(0, 0, 0), vector_of(0, 0, 0)), VECTOR_EQUAL);
	ck_assert_int_eq(order_of(vector_of(1, 2, 3), vector_of(1, 2, 3)), VECTOR_EQUAL);
	ck_assert_int_eq(order_of(vector_of(0, 0, 0), vector_of(0, 1, 0)), VECTOR_BEFORE);
	ck_assert_int_eq(order_of(vector_of(1, 2, 3), vector_of(1, 2, 4)), VECTOR_BEFORE);
	ck_assert_int_eq(order_of(vector_of(2, 2, 3), vector_of(1, 2, 3)), VECTOR_AFTER);
	ck_assert_int_eq(order_of(vector_of(1, 0, 0), vector_of(0, 1, 0)), VECTOR_CONCURRENT);
	ck_assert_int_eq(order_of(vector_of(2, 0, 1), vector_of(1, 0, 2)), VECTOR_CONCURRENT);
}
END_TEST

/* A merge keeps the larger count of every host, whichever side has the host. */
START_TEST(a_merge_keeps_the_larger_counts)
{
	struct vector a = vector_of(3, 0, 1), b = vector_of(1, 2, 0);

	ck_assert_int_eq(vector_merge(&a, &b), 0);
	ck_assert_uint_eq(vector_get(&a, 0), 3);
	ck_assert_uint_eq(vector_get(&a, 10), 2);
	ck_assert_uint_eq(vector_get(&a, 20), 1);
	ck_assert_uint_eq(vector_get(&a, 5), 0);
	ck_assert_uint_eq(a.count, 3);
	ck_assert_int_eq(vector_compare(&b, &a), VECTOR_BEFORE);
	vector_free(&a);
	vector_free(&b);
}
END_TEST

/* At the bound the vector refuses another host, and stays what it was. */
START_TEST(a_full_vector_refuses_another_host)
{
	struct vector v = {0}, other = {0};

	for (uint32_t host = 0; host < VECTOR_HOSTS_MAX; host++)
		ck_assert_int_eq(vector_tick(&v, 2 * host), 0);
	ck_assert_int_eq(vector_tick(&v, 7), STATUS_TOO_LARGE);
	ck_assert_int_eq(vector_tick(&other, 9), 0);
	ck_assert_int_eq(vector_tick(&other, 8), 0);
	struct vector before = vector_copy(&v);
	ck_assert_int_eq(vector_merge(&v, &other), STATUS_TOO_LARGE);
	ck_assert_int_eq(vector_compare(&v, &before), VECTOR_EQUAL);
	ck_assert_int_eq(vector_tick(&v, 8), 0);
	ck_assert_uint_eq(vector_get(&v, 8), 2);
	vector_free(&v);
	vector_free(&other);
	vector_free(&before);
}
END_TEST

/* ---- random executions ---- */

struct event {
	uint32_t host;
	struct vector vector;
	uint64_t lamport, hlc;
	bool before[EVENTS]; /* which earlier events happened before it */
};

struct run {
	struct rng rng;
	struct event *events;
	uint32_t count;
	uint32_t last[HOSTS]; /* event of each host, EVENTS: none yet */
	struct clocks clocks[HOSTS];
	struct vector vectors[HOSTS];
	uint64_t wall_us[HOSTS], greatest_us;
};

/*
 * Clocks that run at their own pace, stand still and jump, forwards and backwards, but stay within
 * a minute.
 */
static void pass_time(struct run *run)
{
	for (uint32_t i = 0; i < HOSTS; i++) {
		run->wall_us[i] += rng_below(&run->rng, 3000);
		if (rng_chance(&run->rng, 20000))
			run->wall_us[i] += rng_below(&run->rng, 4000000);
		if (rng_chance(&run->rng, 20000))
			run->wall_us[i] -= rng_below(&run->rng, 4000000);
		if (run->wall_us[i] > run->greatest_us)
			run->greatest_us = run->wall_us[i];
	}
}

/* from EVENTS: a local event or a send; otherwise the receipt of what `from` sent. */
static void add_event(struct run *run, uint32_t host, uint32_t from)
{
	struct event *e = &run->events[run->count];
	const struct event *sources[] = {run->last[host] < EVENTS ? &run->events[run->last[host]]
								  : NULL,
					 from < EVENTS ? &run->events[from] : NULL};
	*e = (struct event){.host = host};
	for (uint32_t s = 0; s < 2; s++) {
		if (sources[s] == NULL)
			continue;
		for (uint32_t i = 0; i < run->count; i++)
			e->before[i] |= sources[s]->before[i];
		e->before[sources[s] - run->events] = true;
	}
	if (from < EVENTS) {
		ck_assert_int_eq(vector_merge(&run->vectors[host], &run->events[from].vector), 0);
		ck_assert(clocks_merge(&run->clocks[host], run->events[from].lamport,
				       run->events[from].hlc, run->wall_us[host]));
	} else {
		clocks_tick(&run->clocks[host], run->wall_us[host]);
	}
	ck_assert_int_eq(vector_tick(&run->vectors[host], host), 0);
	e->vector = vector_copy(&run->vectors[host]);
	e->lamport = run->clocks[host].lamport;
	e->hlc = run->clocks[host].hlc;
	/*
	 * The hybrid time is never behind its own clock, nor ahead of the most advanced one but for
	 * its counting.
	 */
	ck_assert_uint_ge(e->hlc, run->wall_us[host] / 1000 << HLC_COUNTER_BITS);
	ck_assert_uint_le(e->hlc, (run->greatest_us / 1000 << HLC_COUNTER_BITS) + run->count + 1);
	run->last[host] = run->count++;
}

static void judge(const struct run *run)
{
	for (uint32_t b = 0; b < run->count; b++) {
		for (uint32_t a = 0; a < b; a++) {
			const struct event *first = &run->events[a], *second = &run->events[b];
			bool before = second->before[a];
			enum vector_order order = vector_compare(&first->vector, &second->vector);
			enum vector_order back = vector_compare(&second->vector, &first->vector);
			CHECK_THAT(order == (before ? VECTOR_BEFORE : VECTOR_CONCURRENT),
				   "events %u and %u", a, b);
			CHECK_THAT(back == (before ? VECTOR_AFTER : VECTOR_CONCURRENT),
				   "events %u and %u", b, a);
			CHECK_THAT(!before || (first->lamport < second->lamport &&
					       first->hlc < second->hlc),
				   "the times of events %u and %u", a, b);
		}
	}
}

static void run_and_judge(uint64_t seed)
{
	struct run run = {.greatest_us = NOW_US};
	rng_seed(&run.rng, seed);
	run.events = alloc_zeroed(EVENTS, sizeof *run.events);
	for (uint32_t i = 0; i < HOSTS; i++) {
		run.last[i] = EVENTS;
		run.wall_us[i] = NOW_US - rng_below(&run.rng, 5000000);
	}
	uint32_t receives_ppm = (uint32_t)rng_below(&run.rng, 900000);
	while (run.count < EVENTS) {
		uint32_t host = (uint32_t)rng_below(&run.rng, HOSTS), from = EVENTS;
		pass_time(&run);
		if (run.count > 0 && rng_chance(&run.rng, receives_ppm))
			from = (uint32_t)rng_below(&run.rng, run.count);
		add_event(&run, host, from);
	}
	judge(&run);
	for (uint32_t i = 0; i < run.count; i++)
		vector_free(&run.events[i].vector);
	for (uint32_t i = 0; i < HOSTS; i++)
		vector_free(&run.vectors[i]);
	free(run.events);
}

/*
 * Whatever is sent, received late, out of order, twice or never: vector order is happens-before,
 * both ways; Lamport and hybrid times respect it.
 */
START_TEST(vector_order_is_happens_before)
{
	for (uint64_t seed = 1; seed <= 25; seed++)
		run_and_judge(seed);
}
END_TEST
