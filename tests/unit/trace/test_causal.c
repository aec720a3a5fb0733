/* Traces as text, and the causal order that is made from them, judged by reachability. */
#include <stdio.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "trace/causal.h"
#include "wire/method.h"

#define HOSTS 5u
#define EVENTS 300u

static void add(struct causal *c, const char *host, const char *text)
{
	ck_assert_int_eq(causal_add(c, slice_string(host), slice_string(text)), 0);
}

static char *all_of(const struct causal *c)
{
	struct buffer out = {0};
	for (uint32_t i = 0; i < causal_count(c); i++)
		causal_append(c, i, &out);
	buffer_add_u8(&out, 0);
	return (char *)out.data;
}

/* An event's words say what the header says, and are read back. */
START_TEST(an_events_words_are_read_back)
{
	struct trace_event event = {
		.kind = TRACE_SEND,
		.method = METHOD_ACCEPTED,
		.request = 0xabc,
		.lamport = 12,
		.hlc = 5ull << 16 | 3,
		.origin = 0x5f,
		.sent = 12,
		.detail = {.first = 4, .last = 6, .ballot = 3 << 24 | 1, .chosen = 3},
	};
	struct trace_words read;
	struct buffer text = {0};

	trace_event_format(&text, &event, "g1b");
	ck_assert(
		slice_equal(buffer_slice(&text),
			    slice_string("send accepted to=g1b message=5f.12 slots=4-6 ballot=3.1 "
					 "chosen=3 request=0000000000000abc lamport=12 hlc=5.3")));
	ck_assert(trace_event_parse(buffer_slice(&text), &read));
	ck_assert_int_eq(read.kind, TRACE_SEND);
	ck_assert_uint_eq(read.origin, 0x5f);
	ck_assert_uint_eq(read.sent, 12);
	ck_assert_uint_eq(read.lamport, 12);
	ck_assert_uint_eq(read.hlc, 5ull << 16 | 3);

	buffer_clear(&text);
	event = (struct trace_event){.kind = TRACE_RECEIVE,
				     .method = METHOD_COMMAND,
				     .reply = true,
				     .status = STATUS_NOT_LEADER,
				     .origin = 1,
				     .sent = 2,
				     .lamport = 3};
	trace_event_format(&text, &event, "");
	ck_assert(slice_equal(
		buffer_slice(&text),
		slice_string("receive command reply=NOT_LEADER message=1.2 lamport=3 hlc=0.0")));

	buffer_clear(&text);
	event = (struct trace_event){.kind = TRACE_STEP,
				     .step = TRACE_STEP_SYNC,
				     .lamport = 9,
				     .detail = {.first = 7, .last = 7}};
	trace_event_format(&text, &event, "");
	ck_assert(slice_equal(buffer_slice(&text), slice_string("sync slot=7 lamport=9 hlc=0.0")));
	ck_assert(trace_event_parse(buffer_slice(&text), &read));
	ck_assert_int_eq(read.kind, TRACE_STEP);
	buffer_free(&text);
}
END_TEST

/* Numbers that are none are refused, whatever stands there. */
START_TEST(malformed_numbers_are_refused)
{
	static const char *const bad[] = {
		"send accept message=5f",
		"send accept message=.1",
		"send accept message=5f.",
		"send accept message=x.1",
		"send accept message=11111111111111111.1",
		"sync lamport=",
		"sync lamport=-1",
		"sync lamport=1x",
		"sync lamport=18446744073709551616",
		"sync hlc=1",
		"sync hlc=1.65536",
		"sync hlc=281474976710656.0",
	};
	struct trace_words read;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(!trace_event_parse(slice_string(bad[i]), &read), "%s", bad[i]);
	ck_assert(trace_event_parse(slice_string("anything at all"), &read));
	ck_assert(trace_event_parse(slice_string(""), &read));
}
END_TEST

/* A request and its reply between two hosts, told by a third that knows neither. */
START_TEST(order_and_clocks)
{
	struct causal *c = causal_create();

	add(c, "server", "start lamport=1 hlc=9.0");
	add(c, "server", "receive query from=client message=c.1 lamport=2 hlc=9.1");
	add(c, "server", "send query reply to=client message=5.3 lamport=3 hlc=9.2");
	add(c, "bystander", "start lamport=1 hlc=1.0");
	add(c, "client", "send query to=server message=c.1 lamport=1 hlc=2.0");
	add(c, "client", "receive query reply from=server message=5.3 lamport=4 hlc=9.3");
	ck_assert_int_eq(causal_sort(c), 0);
	char *text = all_of(c);
	ck_assert_str_eq(text, "bystander {\"bystander\":1}\n"
			       "start lamport=1 hlc=1.0\n"
			       "client {\"client\":1}\n"
			       "send query to=server message=c.1 lamport=1 hlc=2.0\n"
			       "server {\"server\":1}\n"
			       "start lamport=1 hlc=9.0\n"
			       "server {\"server\":2,\"client\":1}\n"
			       "receive query from=client message=c.1 lamport=2 hlc=9.1\n"
			       "server {\"server\":3,\"client\":1}\n"
			       "send query reply to=client message=5.3 lamport=3 hlc=9.2\n"
			       "client {\"server\":3,\"client\":2}\n"
			       "receive query reply from=server message=5.3 lamport=4 hlc=9.3\n");
	ck_assert_uint_eq(causal_at(c, 3)->cause, 1);
	ck_assert_uint_eq(causal_unmatched(c), 0);

	/* What was written can be read, and gives the same again. */
	struct causal *again = causal_create();
	ck_assert_int_eq(causal_add_file(again, "file", slice_string(text)), 0);
	ck_assert_int_eq(causal_sort(again), 0);
	char *second = all_of(again);
	/* Hosts are numbered as they appear, so that clocks may list them in another order. */
	ck_assert_uint_eq(strlen(second), strlen(text));
	ck_assert_str_eq(causal_host(again, causal_at(again, 5)->host), "client");
	ck_assert_uint_eq(vector_get(&causal_at(again, 5)->clock, causal_at(again, 5)->host), 2);
	ck_assert_uint_eq(vector_get(&causal_at(again, 5)->clock, causal_at(again, 4)->host), 3);
	free(text);
	free(second);
	causal_destroy(again);
	causal_destroy(c);
}
END_TEST

/* What cannot have happened is refused, with the events that say so. */
START_TEST(what_cannot_have_happened_is_refused)
{
	struct causal *c = causal_create();
	add(c, "a", "receive x message=b.2 lamport=3 hlc=1.0");
	add(c, "a", "send y message=a.4 lamport=4 hlc=1.0");
	add(c, "b", "receive y message=a.4 lamport=5 hlc=1.0");
	add(c, "b", "send x message=b.2 lamport=2 hlc=1.0");
	ck_assert_int_eq(causal_sort(c), STATUS_CORRUPT);
	ck_assert_ptr_nonnull(strstr(
		causal_error(c), "event 1 of a receives message b.2, which b sends only after it"));
	causal_destroy(c);

	c = causal_create();
	add(c, "a", "send x message=a.4 lamport=4 hlc=1.0");
	add(c, "b", "receive x message=a.4 lamport=4 hlc=1.0");
	ck_assert_int_eq(causal_sort(c), STATUS_CORRUPT);
	ck_assert_ptr_nonnull(strstr(causal_error(c), "Lamport time 4"));
	causal_destroy(c);

	c = causal_create();
	add(c, "a", "send x message=a.4 lamport=4 hlc=1.0");
	ck_assert_int_eq(causal_add(c, slice_string("a"), slice_string("send x message=a.4")),
			 STATUS_CORRUPT);
	ck_assert_ptr_nonnull(strstr(causal_error(c), "is sent twice"));
	causal_destroy(c);
}
END_TEST

/*
 * A file that is no trace is refused with its name and line; one whose last event is unfinished
 * gives the others.
 */
START_TEST(a_file_that_is_no_trace_is_refused)
{
	struct causal *c = causal_create();
	ck_assert_int_eq(
		causal_add_file(c, "x", slice_string("a {\"a\":1}\nstart\nhello\nthere\n")),
		STATUS_BAD_REQUEST);
	ck_assert_ptr_nonnull(strstr(causal_error(c), "x:3: expected HOST"));
	ck_assert_int_eq(causal_add_file(c, "y", slice_string("a {\"a\":1}\nsend x message=1\n")),
			 STATUS_BAD_REQUEST);
	ck_assert_ptr_nonnull(strstr(causal_error(c), "y:2: a malformed number"));
	causal_destroy(c);

	c = causal_create();
	ck_assert_int_eq(
		causal_add_file(c, "x", slice_string("a {\"a\":1}\nstart\na {\"a\":2}\nsend acc")),
		0);
	ck_assert_int_eq(causal_add_file(c, "y", slice_string("b {\"b\":1}\nstart\nb {\"b")), 0);
	ck_assert_int_eq(causal_sort(c), 0);
	ck_assert_uint_eq(causal_count(c), 2);
	causal_destroy(c);
}
END_TEST

/* A trace of too many hosts is refused before anything is computed. */
START_TEST(too_many_hosts)
{
	struct causal *c = causal_create();
	char name[16];

	for (unsigned i = 0; i < VECTOR_HOSTS_MAX; i++) {
		snprintf(name, sizeof name, "h%u", i);
		add(c, name, "start");
	}
	ck_assert_int_eq(causal_add(c, slice_string("another"), slice_string("start")),
			 STATUS_TOO_LARGE);
	ck_assert_ptr_nonnull(strstr(causal_error(c), "more than 1024 hosts"));
	add(c, "h7", "sync");
	ck_assert_int_eq(causal_sort(c), 0);
	causal_destroy(c);
}
END_TEST

/* ---- random traces ---- */

struct made {
	uint32_t host;
	uint64_t lamport;
	bool send;
	bool past[EVENTS];
};

static void make(struct rng *r, struct made *events, struct causal *c, uint64_t *lost)
{
	uint32_t last[HOSTS];
	uint64_t lamport[HOSTS] = {0};
	char host[8], text[160];
	for (uint32_t i = 0; i < HOSTS; i++)
		last[i] = EVENTS;
	for (uint32_t n = 0; n < EVENTS; n++) {
		struct made *e = &events[n];
		uint32_t from = n > 0 ? (uint32_t)rng_below(r, n) : 0;
		bool receive = n > 0 && events[from].send && rng_chance(r, 500000);
		bool known = !rng_chance(r, 50000);
		*e = (struct made){.host = (uint32_t)rng_below(r, HOSTS),
				   .send = !receive && rng_chance(r, 700000)};
		if (last[e->host] < EVENTS) {
			memcpy(e->past, events[last[e->host]].past, sizeof e->past);
			e->past[last[e->host]] = true;
		}
		if (receive && known) {
			for (uint32_t i = 0; i < n; i++)
				e->past[i] |= events[from].past[i];
			e->past[from] = true;
		}
		uint64_t *clock = &lamport[e->host];
		if (receive && events[from].lamport > *clock)
			*clock = events[from].lamport;
		e->lamport = ++*clock;
		snprintf(host, sizeof host, "h%u", e->host);
		/* A message that nobody has sent comes from a life that is not in the trace. */
		if (receive)
			snprintf(text, sizeof text, "receive x message=%x.%llu",
				 known ? events[from].host + 1 : 99,
				 (unsigned long long)events[from].lamport);
		else
			snprintf(text, sizeof text, "%s message=%x.%llu",
				 e->send ? "send x" : "step", e->host + 1,
				 (unsigned long long)e->lamport);
		snprintf(text + strlen(text), sizeof text - strlen(text),
			 " n=%u lamport=%llu hlc=%llu.0", n, (unsigned long long)e->lamport,
			 (unsigned long long)rng_below(r, 50));
		*lost += receive && !known;
		last[e->host] = n;
		add(c, host, text);
	}
}

static void judge(const struct made *events, const struct causal *c)
{
	static const struct causal_event *at[EVENTS];
	uint32_t position[EVENTS];
	for (uint32_t i = 0; i < EVENTS; i++) {
		struct slice word;
		ck_assert(trace_word(causal_at(c, i)->text, "n=", &word));
		uint32_t n = (uint32_t)strtoul((const char *)word.data, NULL, 10);
		at[n] = causal_at(c, i);
		position[n] = i;
	}
	for (uint32_t a = 0; a < EVENTS; a++)
		for (uint32_t b = 0; b < EVENTS; b++) {
			bool before = b > a && events[b].past[a];
			enum vector_order order = vector_compare(&at[a]->clock, &at[b]->clock);
			CHECK_THAT((order == VECTOR_BEFORE) == before, "events %u and %u", a, b);
			CHECK_THAT(!before || position[a] < position[b],
				   "event %u stands behind %u", a, b);
		}
}

/*
 * Whatever was lost, repeated or not traced: the vector order of the merged trace is
 * happens-before.
 */
START_TEST(vector_order_is_happens_before)
{
	struct made *events = alloc_zeroed(EVENTS, sizeof *events);
	struct rng r;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct causal *c = causal_create();
		uint64_t lost = 0;
		rng_seed(&r, seed);
		make(&r, events, c, &lost);
		ck_assert_int_eq(causal_sort(c), 0);
		ck_assert_uint_eq(causal_count(c), EVENTS);
		ck_assert_uint_eq(causal_unmatched(c), lost);
		judge(events, c);
		causal_destroy(c);
	}
	free(events);
}
END_TEST
