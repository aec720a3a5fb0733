/* faults: 49 */
/*
 * A caller's reads that any replica may answer: whom it asks, what it takes for an answer, and
 * where it ends (call/caller_anywhere.c).
 */

#include "../support/check_main.h"
#include "../support/fake_env.h"
#include "call/caller.h"
#include "wire/method.h"
#include "wire/wire.h"

#define MS 1000ull
#define DEADLINE_MS 2000ull

struct outcome {
	int calls;
	int status;
	char payload[1024];
	struct caller_age age;
	struct caller_call *call;
};

static struct fake_env *fake;
static struct node node;
static struct caller *caller;
static const char *const addresses[] = {"a:1", "b:2", "c:3"};

static void on_done(void *context, int status, struct slice payload)
{
	struct outcome *outcome = context;
	outcome->calls++;
	outcome->status = status;
	ck_assert_uint_lt(payload.len, sizeof outcome->payload);
	if (payload.len > 0)
		memcpy(outcome->payload, payload.data, payload.len);
	outcome->payload[payload.len] = '\0';
	outcome->age = *caller_answer_age(outcome->call);
}

static void setup(void)
{
	fake = fake_create();
	node = (struct node){.env = &fake->env, .log = &fake->log};
	caller = caller_create(&(struct caller_options){.node = &node});
	caller_set_addresses(caller, addresses, 3);
}

static void teardown(void)
{
	caller_destroy(caller);
	fake_destroy(fake);
}

CHECK_FIXTURE(setup, teardown)

static void start(struct outcome *outcome, uint16_t method, struct caller_read read)
{
	*outcome = (struct outcome){0};
	outcome->call = caller_start_read(caller, method, slice_string("key"),
					  fake->now_us + DEADLINE_MS * MS, &read, on_done, outcome);
	ck_assert_int_eq(outcome->calls, 0);
}

static bool reply(const struct fake_sent *sent, int status, struct slice payload)
{
	struct message message = fake_reply_message(sent, status, payload);
	return caller_message(caller, sent->link, &message);
}

static void reply_stale(const struct fake_sent *sent, bool known, uint64_t age_ms, const char *body)
{
	struct buffer payload = {0};
	wire_stale_reply_encode(&(struct wire_stale_reply){.group = 1,
							   .replica = 2,
							   .slot = 7,
							   .age_known = known,
							   .age_us = age_ms * MS,
							   .body = slice_string(body)},
				&payload);
	ck_assert(reply(sent, 0, buffer_slice(&payload)));
	buffer_free(&payload);
}

static struct fake_sent *next_sent(uint16_t method)
{
	struct fake_sent *sent = fake_next(fake);
	ck_assert_ptr_nonnull(sent);
	ck_assert_uint_eq(sent->message.method, method);
	return sent;
}

static void ends(const struct outcome *outcome, int status, const char *payload)
{
	ck_assert_int_eq(outcome->calls, 1);
	ck_assert_int_eq(outcome->status, status);
	if (payload != NULL)
		ck_assert_str_eq(outcome->payload, payload);
	ck_assert_ptr_null(fake_next(fake));
}

/* The presumed leader, which is the first, is not asked; whoever answers is asked again. */
START_TEST(a_follower_that_answers_is_asked_again)
{
	struct outcome outcome;
	const char *served = NULL;
	for (int i = 0; i < 6; i++) {
		start(&outcome, METHOD_QUERY_UNCONFIRMED,
		      (struct caller_read){.prefer = CALLER_PREFER_FOLLOWER});
		const struct fake_sent *sent = next_sent(METHOD_QUERY_INDEXED);
		const char *address = fake_address(fake, sent);
		ck_assert_str_ne(address, "a:1");
		if (served != NULL)
			ck_assert_str_eq(address, served);
		served = strcmp(address, "b:2") == 0 ? "b:2" : "c:3";
		ck_assert(reply(sent, 0, slice_string("value")));
		ends(&outcome, 0, "value");
		ck_assert(!outcome.age.stale);
	}
}
END_TEST

/*
 * Refusals of all kinds and lost connections: the other follower, then the leader in the usual way.
 */
START_LOOP_TEST(after_refusals_the_others_are_asked, 0, 10)
{
	const int refusals[] = {STATUS_NOT_LEADER, STATUS_UNAVAILABLE, STATUS_BUSY,
				STATUS_DEADLINE};
	const bool stale = _i >= 5;
	struct outcome outcome;
	start(&outcome, METHOD_QUERY,
	      (struct caller_read){.prefer = CALLER_PREFER_FOLLOWER, .stale = stale});
	for (int k = 0; k < 2; k++) {
		const struct fake_sent *sent = next_sent(stale ? METHOD_QUERY_STALE
							       : METHOD_QUERY_INDEXED);
		ck_assert_str_ne(fake_address(fake, sent), "a:1");
		if (_i % 5 < 4)
			ck_assert(reply(sent, refusals[_i % 5], slice(NULL, 0)));
		else
			caller_link_down(caller, sent->link);
	}
	const struct fake_sent *sent = next_sent(METHOD_QUERY);
	ck_assert_str_eq(fake_address(fake, sent), "a:1");
	ck_assert(reply(sent, 0, slice_string("value")));
	ends(&outcome, 0, "value");
	ck_assert(!outcome.age.stale);
	ck_assert(outcome.age.known);
}
END_TEST

/*
 * One that is silent: another is asked beside it after a while, by the same question, and whoever
 * answers first has answered.
 */
START_LOOP_TEST(beside_a_silent_server_another_is_asked, 0, 2)
{
	struct outcome outcome;
	start(&outcome, METHOD_QUERY, (struct caller_read){.prefer = CALLER_PREFER_FOLLOWER});
	const struct fake_sent first = *next_sent(METHOD_QUERY_INDEXED);
	fake_advance(fake, 149 * MS);
	ck_assert_ptr_null(fake_next(fake));
	fake_advance(fake, 2 * MS);
	const struct fake_sent second = *next_sent(METHOD_QUERY_INDEXED);
	ck_assert_uint_ne(first.link, second.link);
	ck_assert(reply(_i == 0 ? &first : &second, 0, slice_string("value")));
	ends(&outcome, 0, "value");
	ck_assert(!reply(_i == 0 ? &second : &first, 0, slice_string("late")));
	/* All are silent: it ends. */
	start(&outcome, METHOD_QUERY, (struct caller_read){.stale = true});
	for (int i = 0; i < 300 && outcome.calls == 0; i++) {
		while (fake_next(fake) != NULL)
			continue;
		fake_advance(fake, 10 * MS);
	}
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_int_eq(outcome.status, STATUS_UNKNOWN);
}
END_TEST

/*
 * A follower may lag behind in what its group serves, or be older than such reads: the leader
 * knows.
 */
START_LOOP_TEST(the_leader_at_once, 0, 2)
{
	const int refusals[] = {STATUS_WRONG_GROUP, STATUS_UNKNOWN_METHOD};
	struct outcome outcome;
	start(&outcome, METHOD_QUERY,
	      (struct caller_read){.stale = true, .prefer = CALLER_PREFER_FOLLOWER});
	ck_assert(reply(next_sent(METHOD_QUERY_STALE), refusals[_i], slice_string("no")));
	const struct fake_sent *sent = next_sent(METHOD_QUERY);
	ck_assert_str_eq(fake_address(fake, sent), "a:1");
	/* What the leader says of that is so. */
	ck_assert(reply(sent, STATUS_WRONG_GROUP, slice_string("no")));
	ends(&outcome, STATUS_WRONG_GROUP, "no");
}
END_TEST

/* What the service itself refuses is the answer. */
START_TEST(what_the_service_refuses_is_the_answer)
{
	struct outcome outcome;
	start(&outcome, METHOD_QUERY, (struct caller_read){.stale = true});
	ck_assert(reply(next_sent(METHOD_QUERY_STALE), STATUS_BAD_REQUEST, slice_string("no")));
	ends(&outcome, STATUS_BAD_REQUEST, "no");
}
END_TEST

/* The age counts on from when the question left; the body alone is handed on. */
START_TEST(ages_grow_on_the_way)
{
	struct outcome outcome;
	start(&outcome, METHOD_QUERY, (struct caller_read){.stale = true});
	const struct fake_sent *sent = next_sent(METHOD_QUERY_STALE);
	fake_advance(fake, 40 * MS);
	reply_stale(sent, true, 20, "value");
	ends(&outcome, 0, "value");
	ck_assert(outcome.age.stale && outcome.age.known);
	ck_assert_uint_eq(outcome.age.us, 60 * MS);
	ck_assert_uint_eq(outcome.age.slot, 7);
	ck_assert_uint_eq(outcome.age.replica, 2);
	/* However old: that was not asked. */
	start(&outcome, METHOD_QUERY, (struct caller_read){.stale = true});
	reply_stale(next_sent(METHOD_QUERY_STALE), false, 0, "old");
	ends(&outcome, 0, "old");
	ck_assert(outcome.age.stale && !outcome.age.known);
	/* A number that cannot be is no age. */
	start(&outcome, METHOD_QUERY, (struct caller_read){.stale = true});
	sent = next_sent(METHOD_QUERY_STALE);
	fake_advance(fake, MS);
	reply_stale(sent, true, UINT64_MAX / MS, "odd");
	ends(&outcome, 0, "odd");
	ck_assert(!outcome.age.known || outcome.age.us > UINT64_MAX / 2);
}
END_TEST

/*
 * What is too old, or of unknown age, is no answer: others, then the leader; and an answer of the
 * leader's that took too long.
 */
START_TEST(what_is_too_old_is_no_answer)
{
	struct outcome outcome;
	start(&outcome, METHOD_QUERY,
	      (struct caller_read){
		      .stale = true, .prefer = CALLER_PREFER_LEADER, .age_us_max = 100 * MS});
	const struct fake_sent *sent = next_sent(METHOD_QUERY_STALE);
	ck_assert_str_eq(fake_address(fake, sent), "a:1");
	reply_stale(sent, true, 101, "old");
	reply_stale(next_sent(METHOD_QUERY_STALE), false, 0, "unknown");
	sent = next_sent(METHOD_QUERY_STALE);
	fake_advance(fake, 60 * MS);
	reply_stale(sent, true, 60, "old on the way");
	sent = next_sent(METHOD_QUERY);
	ck_assert_str_eq(fake_address(fake, sent), "a:1");
	ck_assert_int_eq(outcome.calls, 0);
	fake_advance(fake, 120 * MS);
	ck_assert(reply(sent, 0, slice_string("late")));
	ck_assert_int_eq(outcome.calls, 0);
	while ((sent = fake_next(fake)) == NULL)
		fake_advance(fake, MS);
	ck_assert_uint_eq(sent->message.method, METHOD_QUERY);
	fake_advance(fake, 30 * MS);
	ck_assert(reply(sent, 0, slice_string("value")));
	ends(&outcome, 0, "value");
	ck_assert(!outcome.age.stale);
	ck_assert_uint_ge(outcome.age.us, 30 * MS);
	ck_assert_uint_lt(outcome.age.us, 32 * MS);
}
END_TEST

/* Nobody has anything young enough in time: that is what is said, and of whom. */
START_TEST(when_no_answer_is_young_enough_that_is_said)
{
	struct outcome outcome;
	start(&outcome, METHOD_QUERY, (struct caller_read){.stale = true, .age_us_max = 100 * MS});
	while (outcome.calls == 0) {
		const struct fake_sent *sent = fake_next(fake);
		if (sent == NULL)
			fake_advance(fake, 10 * MS);
		else if (sent->message.method == METHOD_QUERY_STALE)
			reply_stale(sent, true, 500, "old");
		else
			ck_assert(reply(sent, STATUS_NOT_LEADER, slice(NULL, 0)));
	}
	ck_assert_int_eq(outcome.status, STATUS_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(outcome.payload,
				     "no answer that is at most 100 ms old within 2000 ms: a:1 ("));
}
END_TEST

/* Malformed answers are none. */
START_TEST(malformed_answers_are_no_answers)
{
	struct outcome outcome;
	start(&outcome, METHOD_LOG_QUERY, (struct caller_read){.stale = true});
	for (int i = 0; i < 3; i++)
		ck_assert(reply(next_sent(METHOD_LOG_QUERY_STALE), 0, slice_string("\x0a\xff")));
	ck_assert(reply(next_sent(METHOD_LOG_QUERY), 0, slice_string("value")));
	ends(&outcome, 0, "value");
}
END_TEST

/* The leader by preference, linearizably: as without any of this. */
START_TEST(the_leader_by_preference_is_asked_as_usual)
{
	struct outcome outcome;
	start(&outcome, METHOD_QUERY, (struct caller_read){.prefer = CALLER_PREFER_LEADER});
	const struct fake_sent *sent = next_sent(METHOD_QUERY);
	ck_assert_str_eq(fake_address(fake, sent), "a:1");
	ck_assert(reply(sent, 0, slice_string("value")));
	ends(&outcome, 0, "value");
}
END_TEST

/* Of one server alone, and of none: an end comes. */
START_TEST(one_server_or_none_comes_to_an_end)
{
	struct outcome outcome;
	caller_set_addresses(caller, addresses, 1);
	start(&outcome, METHOD_QUERY, (struct caller_read){.prefer = CALLER_PREFER_FOLLOWER});
	ck_assert(reply(next_sent(METHOD_QUERY_INDEXED), STATUS_UNAVAILABLE, slice(NULL, 0)));
	ck_assert(reply(next_sent(METHOD_QUERY), 0, slice_string("value")));
	ends(&outcome, 0, "value");
	caller_set_addresses(caller, addresses, 0);
	start(&outcome, METHOD_QUERY, (struct caller_read){.stale = true});
	while (outcome.calls == 0)
		fake_advance(fake, 10 * MS);
	ends(&outcome, STATUS_UNAVAILABLE, NULL);
	/* Somebody comes to be known meanwhile. */
	start(&outcome, METHOD_QUERY, (struct caller_read){.stale = true});
	caller_set_addresses(caller, addresses, 2);
	reply_stale(next_sent(METHOD_QUERY_STALE), true, 1, "value");
	ends(&outcome, 0, "value");
}
END_TEST

/* Cancelled at any moment, and destroyed with calls open. */
START_TEST(a_call_can_be_given_up_at_any_moment)
{
	static struct outcome outcome;
	start(&outcome, METHOD_QUERY, (struct caller_read){.stale = true});
	const struct fake_sent sent = *next_sent(METHOD_QUERY_STALE);
	caller_cancel(outcome.call);
	ck_assert(!reply(&sent, 0, slice_string("")));
	start(&outcome, METHOD_QUERY, (struct caller_read){.prefer = CALLER_PREFER_FOLLOWER});
	fake_advance(fake, 400 * MS);
}
END_TEST
