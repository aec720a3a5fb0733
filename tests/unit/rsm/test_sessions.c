/* faults: 49, 51, 52, 53, 54 */
#include <stdio.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/rng.h"
#include "rsm/sessions.h"

struct outcome {
	enum session_verdict verdict;
	int status;
	char text[128];
};

/* Begins a command and, if it is new, records `reply` as its answer. */
static struct outcome submit(struct sessions *s, uint64_t now, uint64_t client, uint64_t sequence, uint64_t acknowledged,
			     const char *body, const char *reply)
{
	struct session *session = NULL;
	const struct session_reply *repeat = NULL;
	struct outcome o = {0};
	o.verdict = sessions_begin(s, now, client, sequence, acknowledged, slice_string(body), &session, &repeat, &o.status);
	if (o.verdict == SESSION_NEW)
		sessions_record(session, sequence, slice_string(body), 0, slice_string(reply));
	if (o.verdict == SESSION_REPEAT)
		snprintf(o.text, sizeof o.text, "%.*s", (int)repeat->len, (const char *)session_reply_body(repeat).data);
	return o;
}

#define LONG_REPLY "a reply that does not fit into the twenty-four bytes that are kept inside"

/* A repeated command is answered with the first answer, short or long, and is not new. */
START_TEST(test_repeat)
{
	struct sessions s;
	sessions_init(&s, 10, 1000);
	ck_assert_int_eq(submit(&s, 1, 1, 1, 1, "put", "short").verdict, SESSION_NEW);
	ck_assert_int_eq(submit(&s, 1, 1, 2, 1, "get", LONG_REPLY).verdict, SESSION_NEW);
	ck_assert_str_eq(submit(&s, 2, 1, 1, 1, "put", "other").text, "short");
	ck_assert_str_eq(submit(&s, 2, 1, 2, 1, "get", "other").text, LONG_REPLY);
	sessions_free(&s);
}
END_TEST

/* The same sequence with another payload is refused, and so is one below the acknowledged watermark. */
START_TEST(test_reuse_refused)
{
	struct sessions s;
	sessions_init(&s, 10, 1000);
	submit(&s, 1, 1, 1, 1, "put a", "ok");
	struct outcome o = submit(&s, 1, 1, 1, 1, "put b", "ok");
	ck_assert_int_eq(o.verdict, SESSION_REFUSED);
	ck_assert_int_eq(o.status, STATUS_SEQUENCE_REUSED);
	submit(&s, 1, 1, 2, 2, "put c", "ok");
	o = submit(&s, 1, 1, 1, 1, "put a", "ok");
	ck_assert_int_eq(o.verdict, SESSION_REFUSED);
	ck_assert_int_eq(o.status, STATUS_SEQUENCE_REUSED);
	sessions_free(&s);
}
END_TEST

/* Pipelined commands may arrive in any order; each is new once. */
START_TEST(test_out_of_order)
{
	struct sessions s;
	sessions_init(&s, 10, 1000);
	static const uint64_t order[] = {3, 1, 5, 2, 4};
	for (size_t i = 0; i < 5; i++) {
		char reply[8];
		snprintf(reply, sizeof reply, "r%d", (int)order[i]);
		ck_assert_int_eq(submit(&s, 1, 9, order[i], 1, "x", reply).verdict, SESSION_NEW);
	}
	for (uint64_t i = 1; i <= 5; i++) {
		char reply[8];
		snprintf(reply, sizeof reply, "r%d", (int)i);
		ck_assert_str_eq(submit(&s, 1, 9, i, 1, "x", "no").text, reply);
	}
	sessions_free(&s);
}
END_TEST

/* After eviction a late duplicate of the session's commands is refused, not applied as new. */
START_TEST(test_evicted_is_refused)
{
	struct sessions s;
	sessions_init(&s, 2, 1000000);
	for (uint64_t client = 1; client <= 3; client++)
		submit(&s, client, client, 1, 1, "x", "ok");
	struct outcome o = submit(&s, 10, 1, 1, 1, "x", "ok");
	ck_assert_int_eq(o.verdict, SESSION_REFUSED);
	ck_assert_int_eq(o.status, STATUS_SESSION_EXPIRED);
	ck_assert_str_eq(submit(&s, 10, 2, 1, 1, "x", "no").text, "ok");
	ck_assert_int_eq(submit(&s, 10, 4, 1, 1, "x", "ok").verdict, SESSION_NEW);
	sessions_free(&s);
}
END_TEST

/* Idle sessions expire by log time only, the least recently used first. */
START_TEST(test_idle_expiry)
{
	struct sessions s;
	sessions_init(&s, 10, 100);
	submit(&s, 0, 1, 1, 1, "x", "ok");
	submit(&s, 50, 2, 1, 1, "x", "ok");
	sessions_expire(&s, 100);
	ck_assert_uint_eq(s.by_client.count, 2);
	sessions_expire(&s, 101);
	ck_assert_uint_eq(s.by_client.count, 1);
	ck_assert_uint_eq(s.floor, 1);
	sessions_expire(&s, 1000);
	ck_assert_uint_eq(s.by_client.count, 0);
	ck_assert_uint_eq(s.floor, 2);
	sessions_free(&s);
}
END_TEST

/* A session holds a bounded number of unacknowledged replies. */
START_TEST(test_window)
{
	struct sessions s;
	sessions_init(&s, 10, 100);
	for (uint64_t i = 1; i <= SESSION_WINDOW_MAX; i++)
		ck_assert_int_eq(submit(&s, 0, 1, i, 1, "x", LONG_REPLY).verdict, SESSION_NEW);
	struct outcome o = submit(&s, 0, 1, SESSION_WINDOW_MAX + 1, 1, "x", "ok");
	ck_assert_int_eq(o.verdict, SESSION_REFUSED);
	ck_assert_int_eq(o.status, STATUS_BUSY);
	ck_assert_int_eq(submit(&s, 0, 1, SESSION_WINDOW_MAX + 1, SESSION_WINDOW_MAX, "x", "ok").verdict, SESSION_NEW);
	sessions_free(&s);
}
END_TEST

/* Kept replies are limited in bytes, too: of one session, which is told to acknowledge, and of all, of which the least recently
 * used then go. */
START_TEST(test_reply_bytes)
{
	struct sessions s;
	char *reply = malloc(MIB + 1);
	memset(reply, 'r', MIB);
	reply[MIB] = '\0';
	sessions_init(&s, 100, 100);
	for (uint64_t client = 1; client <= SESSIONS_REPLY_BYTES_MAX / SESSION_REPLY_BYTES_MAX + 1; client++) {
		uint64_t sequence = 1;
		while (submit(&s, client, client, sequence, 1, "x", reply).verdict == SESSION_NEW)
			sequence++;
		ck_assert_uint_eq(sequence, SESSION_REPLY_BYTES_MAX / MIB + 1);
		ck_assert_uint_le(s.reply_bytes, SESSIONS_REPLY_BYTES_MAX);
	}
	ck_assert_uint_eq(s.evicted, 1);
	ck_assert_int_eq(submit(&s, 99, 1, 1, 1, "x", "ok").status, STATUS_SESSION_EXPIRED);
	/* Acknowledging makes room. */
	ck_assert_int_eq(submit(&s, 99, 2, 17, 17, "x", "ok").verdict, SESSION_NEW);
	sessions_clear(&s);
	ck_assert_uint_eq(s.reply_bytes, 0);
	sessions_free(&s);
	free(reply);
}
END_TEST

static void random_step(struct sessions *s, struct rng *rng, uint64_t now)
{
	char body[16];
	uint64_t sequence = 1 + rng_below(rng, 50);
	snprintf(body, sizeof body, "%d", (int)rng_below(rng, 3));
	submit(s, now, 1 + rng_below(rng, 30), sequence, 1 + rng_below(rng, sequence), body,
	       rng_chance(rng, 300000) ? LONG_REPLY : body);
	sessions_expire(s, now);
}

/* A table restored from a snapshot, at every point of a random history, goes on exactly like the original. (fault 33) */
START_TEST(test_snapshot_anywhere)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct sessions a, b;
		struct rng rng, again;
		struct buffer image = {0};
		sessions_init(&a, 8, 40);
		sessions_init(&b, 8, 40);
		rng_seed(&rng, seed);
		for (uint64_t now = 0; now < seed; now++)
			random_step(&a, &rng, now);
		sessions_encode(&a, &image);
		ck_assert_int_eq(sessions_decode(&b, buffer_slice(&image)), 0);
		ck_assert_uint_eq(sessions_hash(&a), sessions_hash(&b));
		again = rng;
		for (uint64_t now = seed; now < seed + 60; now++) {
			random_step(&a, &rng, now);
			random_step(&b, &again, now);
			ck_assert_uint_eq(sessions_hash(&a), sessions_hash(&b));
		}
		for (size_t cut = 0; cut < image.len; cut += 7)
			ck_assert_int_eq(sessions_decode(&b, slice(image.data, cut)), STATUS_CORRUPT);
		buffer_free(&image);
		sessions_free(&a);
		sessions_free(&b);
	}
}
END_TEST

CHECK_MAIN("sessions", test_repeat, test_reuse_refused, test_out_of_order, test_evicted_is_refused, test_idle_expiry,
	   test_window, test_reply_bytes, test_snapshot_anywhere)
