/* faults: 43 */

#include "../support/check_main.h"
#include "../support/fake_env.h"
#include "call/caller.h"
#include "call/confirm.h"
#include "core/ballot.h"
#include "wire/method.h"
#include "wire/wire.h"

#define MS 1000ull
#define DEADLINE_MS 5000ull
#define GROUP 7u
#define BALLOT_A ballot_make(4, 1) /* of the replica at a:1 */

struct outcome {
	int calls;
	int status;
	struct buffer payload;
	struct caller_call *call;
	struct outcome *next; /* begins when this one ends */
};

static struct fake_env *fake;
static struct env_ops ops;
static struct node node;
static struct caller *caller;
static const char *const addresses[] = {"a:1", "b:2", "c:3", "d:4", "e:5"};

static void begin(struct outcome *outcome);

static void on_done(void *context, int status, struct slice payload)
{
	struct outcome *outcome = context;
	outcome->calls++;
	outcome->status = status;
	/* What the answer lies in must outlive the beginning of the next read. */
	if (outcome->next != NULL)
		begin(outcome->next);
	buffer_add_slice(&outcome->payload, payload);
}

static void begin(struct outcome *outcome)
{
	outcome->call = caller_start(caller, METHOD_QUERY_UNCONFIRMED, slice_string("key"),
				     fake->now_us + DEADLINE_MS * MS, on_done, outcome);
}

static void start(struct outcome *outcome)
{
	buffer_free(&outcome->payload);
	*outcome = (struct outcome){0};
	begin(outcome);
}

static uint64_t no_random(struct env *env)
{
	(void)env;
	return 0;
}

static void setup_of(uint32_t members, uint32_t alone)
{
	fake = fake_create();
	/* The first of the others is asked first. */
	ops = fake_ops;
	ops.random = no_random;
	fake->env.ops = &ops;
	node = (struct node){.env = &fake->env, .log = &fake->log};
	caller = caller_create(&(struct caller_options){.node = &node, .confirm_alone = alone});
	caller_set_addresses(caller, addresses, members);
}

static void setup(void)
{
	setup_of(3, 1);
}

static void teardown(void)
{
	caller_destroy(caller);
	fake_destroy(fake);
}

CHECK_FIXTURE(setup, teardown)

static struct fake_sent *expect(const char *address, uint16_t method)
{
	struct fake_sent *sent = fake_next(fake);
	ck_assert_ptr_nonnull(sent);
	ck_assert_str_eq(fake_address(fake, sent), address);
	ck_assert_int_eq(sent->message.kind, MESSAGE_REQUEST);
	ck_assert_int_eq(sent->message.method, method);
	return sent;
}

static void expect_silence(void)
{
	ck_assert_ptr_null(fake_next(fake));
}

/* A read that is confirmed here: leader and one other are asked. */
static void start_unconfirmed(struct outcome *outcome, struct fake_sent **query,
			      struct fake_sent **ballot)
{
	start(outcome);
	*query = expect("a:1", METHOD_QUERY_UNCONFIRMED);
	*ballot = expect("b:2", METHOD_BALLOT);
}

static bool reply(const struct fake_sent *sent, int status, struct slice payload)
{
	struct message message = fake_reply_message(sent, status, payload);
	return caller_message(caller, sent->link, &message);
}

static bool answer_as(const struct fake_sent *sent, const struct wire_unconfirmed_reply *answer)
{
	struct buffer payload = {0};
	wire_unconfirmed_reply_encode(answer, &payload);
	bool taken = reply(sent, 0, buffer_slice(&payload));
	/* Nobody may still look at it. */
	memset(payload.data, 'x', payload.len);
	buffer_free(&payload);
	return taken;
}

static bool answer(const struct fake_sent *sent, const char *body)
{
	return answer_as(sent, &(struct wire_unconfirmed_reply){.group = GROUP,
								.ballot = BALLOT_A,
								.confirmations = 1,
								.body = slice_string(body)});
}

static bool tell_as(const struct fake_sent *sent, const struct wire_ballot_reply *told)
{
	struct buffer payload = {0};
	wire_ballot_reply_encode(told, &payload);
	bool taken = reply(sent, 0, buffer_slice(&payload));
	buffer_free(&payload);
	return taken;
}

static bool tell(const struct fake_sent *sent, uint64_t group, uint32_t replica, uint64_t ballot)
{
	struct buffer payload = {0};
	wire_ballot_reply_encode(
		&(struct wire_ballot_reply){.group = group, .replica = replica, .ballot = ballot},
		&payload);
	bool taken = reply(sent, 0, buffer_slice(&payload));
	buffer_free(&payload);
	return taken;
}

static void expect_outcome(const struct outcome *outcome, const char *body)
{
	ck_assert_int_eq(outcome->calls, 1);
	ck_assert_int_eq(outcome->status, 0);
	ck_assert(slice_equal(buffer_slice(&outcome->payload), slice_string(body)));
}

/* The read has fallen back: it ends with the answer to a QUERY. */
static void expect_query(const struct outcome *outcome, const char *address)
{
	ck_assert_int_eq(outcome->calls, 0);
	ck_assert(reply(expect(address, METHOD_QUERY), 0, slice_string("confirmed by the leader")));
	expect_outcome(outcome, "confirmed by the leader");
	expect_silence();
}

/* Begins reads and answers them, until one is confirmed here: the number of those before it. */
static uint32_t queries_before_unconfirmed(struct outcome *outcome, struct fake_sent **query,
					   struct fake_sent **ballot)
{
	for (uint32_t count = 0;; count++) {
		start(outcome);
		*query = fake_next(fake);
		if ((*query)->message.method == METHOD_QUERY_UNCONFIRMED) {
			*ballot = fake_next(fake);
			return count;
		}
		ck_assert(reply(*query, 0, slice(NULL, 0)));
	}
}

/*
 * Leader and another replica are asked at once; the answer counts when both have named one
 * ballot, whoever is first.
 */
START_TEST(one_round_trip_is_enough)
{
	static struct outcome outcome;
	for (int leader_first = 0; leader_first < 2; leader_first++) {
		start(&outcome);
		struct fake_sent *query = expect("a:1", METHOD_QUERY_UNCONFIRMED);
		struct fake_sent *ballot = expect("b:2", METHOD_BALLOT);
		ck_assert(slice_equal(query->message.payload, slice_string("key")));
		ck_assert_uint_eq(ballot->message.payload.len, 0);
		expect_silence();
		if (leader_first)
			ck_assert(answer(query, "value"));
		else
			ck_assert(tell(ballot, GROUP, 2, BALLOT_A));
		ck_assert_int_eq(outcome.calls, 0);
		if (leader_first)
			ck_assert(tell(ballot, GROUP, 2, BALLOT_A));
		else
			ck_assert(answer(query, "value"));
		expect_outcome(&outcome, "value");
		fake_advance(fake, 2 * DEADLINE_MS * MS);
		expect_silence();
		ck_assert_int_eq(outcome.calls, 1);
	}
}
END_TEST

/*
 * A higher one: somebody else may lead. A lower one: this replica has not heard of the
 * leader. Both orders.
 */
START_LOOP_TEST(another_ballot_confirms_nothing, 0, 8)
{
	const uint64_t others[] = {ballot_make(5, 2), ballot_make(4, 2), ballot_make(3, 3), 0};
	static struct outcome outcome;
	struct fake_sent *query, *ballot;
	start_unconfirmed(&outcome, &query, &ballot);
	if (_i % 2 == 0)
		ck_assert(answer(query, "stale"));
	ck_assert(tell(ballot, GROUP, 2, others[_i / 2]));
	if (_i % 2 == 1)
		ck_assert(answer(query, "stale"));
	expect_query(&outcome, "a:1");
}
END_TEST

/*
 * Ballots are numbers: another group has the same ones. And the leader cannot be its own
 * witness.
 */
START_LOOP_TEST(only_other_replicas_of_the_group_confirm, 0, 2)
{
	static struct outcome outcome;
	struct fake_sent *query, *ballot;
	start_unconfirmed(&outcome, &query, &ballot);
	ck_assert(answer(query, "stale"));
	ck_assert(_i == 0 ? tell(ballot, GROUP + 1, 2, BALLOT_A)
			  : tell(ballot, GROUP, 1, BALLOT_A));
	expect_query(&outcome, "a:1");
}
END_TEST

/*
 * Members come and go: whoever has gone and does not know it, or is a learner, is not
 * counted; nor does it stand against the others.
 */
START_TEST(only_disks_that_the_leader_names_confirm)
{
	static struct outcome outcome;
	struct fake_sent *query, *ballot;
	uint8_t lives[16];
	store_u64(lives, 77);
	store_u64(lives + 8, 88);
	struct wire_unconfirmed_reply named = {.group = GROUP,
					       .ballot = BALLOT_A,
					       .confirmations = 1,
					       .body = slice_string("value"),
					       .voters = slice(lives, sizeof lives)};
	for (int leader_first = 0; leader_first < 2; leader_first++) {
		for (uint64_t life = 87; life <= 88; life++) {
			queries_before_unconfirmed(&outcome, &query, &ballot);
			if (leader_first)
				ck_assert(answer_as(query, &named));
			ck_assert(tell_as(ballot, &(struct wire_ballot_reply){.group = GROUP,
									      .replica = 2,
									      .ballot = BALLOT_A,
									      .life = life}));
			if (!leader_first)
				ck_assert(answer_as(query, &named));
			if (life == 88)
				expect_outcome(&outcome, "value");
			else
				expect_query(&outcome, "a:1");
		}
	}
}
END_TEST

/* An answer that is waited for comes once, along the way that it was asked. */
START_LOOP_TEST(second_answers_and_those_of_others_are_ignored, 0, 2)
{
	static struct outcome outcome;
	struct fake_sent *query, *ballot;
	start_unconfirmed(&outcome, &query, &ballot);
	struct fake_sent elsewhere[] = {*query, *ballot};
	elsewhere[0].link = ballot->link;
	elsewhere[1].link = query->link;
	ck_assert(!answer(&elsewhere[0], "forged"));
	ck_assert(!tell(&elsewhere[1], GROUP, 2, BALLOT_A));
	if (_i == 0) {
		ck_assert(answer(query, "value"));
		ck_assert(!answer(query, "again"));
		ck_assert(!reply(query, STATUS_NOT_LEADER, slice(NULL, 0)));
		ck_assert(tell(ballot, GROUP, 2, BALLOT_A));
	} else {
		ck_assert(tell(ballot, GROUP, 2, BALLOT_A));
		ck_assert(!tell(ballot, GROUP, 2, ballot_make(9, 3)));
		ck_assert(answer(query, "value"));
	}
	expect_outcome(&outcome, "value");
	expect_silence();
}
END_TEST

/*
 * Of five replicas two others confirm; one that answers twice, under two addresses, is one.
 */
START_TEST(larger_groups_need_more)
{
	static struct outcome outcome;
	teardown();
	setup_of(5, 1);
	for (int twice = 0; twice < 2; twice++) {
		start(&outcome);
		struct fake_sent *query = expect("a:1", METHOD_QUERY_UNCONFIRMED);
		struct fake_sent *b = expect("b:2", METHOD_BALLOT),
				 *c = expect("c:3", METHOD_BALLOT);
		expect_silence();
		ck_assert(answer_as(
			query, &(struct wire_unconfirmed_reply){.group = GROUP,
								.ballot = BALLOT_A,
								.confirmations = 2,
								.body = slice_string("value")}));
		ck_assert(tell(b, GROUP, 2, BALLOT_A));
		ck_assert_int_eq(outcome.calls, 0);
		ck_assert(tell(c, GROUP, twice ? 2 : 3, BALLOT_A));
		if (!twice)
			expect_outcome(&outcome, "value");
	}
	expect_query(&outcome, "a:1");
}
END_TEST

/* The addresses may be fewer than the group's replicas: the leader knows. */
START_TEST(leader_says_how_many_confirm)
{
	static struct outcome outcome;
	struct fake_sent *query, *ballot;
	start_unconfirmed(&outcome, &query, &ballot);
	ck_assert(tell(ballot, GROUP, 2, BALLOT_A));
	ck_assert(
		answer_as(query, &(struct wire_unconfirmed_reply){.group = GROUP,
								  .ballot = BALLOT_A,
								  .confirmations = 2,
								  .body = slice_string("stale")}));
	expect_query(&outcome, "a:1");
}
END_TEST

/* Its answer counts at once, and the next reads are QUERYs. */
START_TEST(a_leader_with_a_lease_needs_no_other)
{
	static struct outcome outcome;
	struct fake_sent *query, *ballot;
	start_unconfirmed(&outcome, &query, &ballot);
	ck_assert(
		answer_as(query, &(struct wire_unconfirmed_reply){.group = GROUP,
								  .ballot = BALLOT_A,
								  .rather_query = true,
								  .body = slice_string("value")}));
	expect_outcome(&outcome, "value");
	ck_assert(!tell(ballot, GROUP, 2, BALLOT_A));
	ck_assert_uint_eq(queries_before_unconfirmed(&outcome, &query, &ballot), 64);
}
END_TEST

/* "rather_query": this answer counts, the next 64 reads are QUERYs. */
START_TEST(crowded_leader_is_asked_to_confirm)
{
	static struct outcome outcome;
	struct fake_sent *query, *ballot;
	start_unconfirmed(&outcome, &query, &ballot);
	ck_assert(tell(ballot, GROUP, 2, BALLOT_A));
	ck_assert(
		answer_as(query, &(struct wire_unconfirmed_reply){.group = GROUP,
								  .ballot = BALLOT_A,
								  .confirmations = 1,
								  .rather_query = true,
								  .body = slice_string("value")}));
	expect_outcome(&outcome, "value");
	/* Asked again, it says the same: twice as many, until it is of another mind. */
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(queries_before_unconfirmed(&outcome, &query, &ballot),
				  i == 0 ? 64u : 128u);
		ck_assert(tell(ballot, GROUP, 2, BALLOT_A));
		ck_assert(
			answer_as(query, &(struct wire_unconfirmed_reply){.group = GROUP,
									  .ballot = BALLOT_A,
									  .confirmations = 1,
									  .rather_query = i == 0}));
	}
	ck_assert_uint_eq(queries_before_unconfirmed(&outcome, &query, &ballot), 0);
}
END_TEST

/*
 * Whatever a server refuses, it may not be for it to refuse: the leader is asked in the way
 * of QUERY.
 */
START_LOOP_TEST(refusals_are_asked_again, 0, 10)
{
	const int statuses[] = {STATUS_NOT_LEADER, STATUS_WRONG_GROUP, STATUS_BUSY,
				STATUS_UNKNOWN_METHOD, STATUS_UNAVAILABLE};
	static struct outcome outcome;
	struct fake_sent *query, *ballot;
	start_unconfirmed(&outcome, &query, &ballot);
	ck_assert(reply(_i % 2 == 0 ? query : ballot, statuses[_i / 2], slice(NULL, 0)));
	/* Who is not the leader is asked last. */
	expect_query(&outcome, _i == 0 ? "b:2" : "a:1");
}
END_TEST

/*
 * Garbage or nothing, from the leader or the other replica, ends the short cut: the leader is
 * asked with a QUERY.
 */
START_LOOP_TEST(malformed_answers_are_refusals, 0, 3)
{
	static struct outcome outcome;
	struct fake_sent *query, *ballot;
	start_unconfirmed(&outcome, &query, &ballot);
	ck_assert(reply(_i % 2 == 0 ? query : ballot, 0,
			_i < 2 ? slice_string("\xff") : slice(NULL, 0)));
	expect_query(&outcome, "a:1");
}
END_TEST

/*
 * Without an answer for 100 ms the leader is asked with a QUERY, and a late answer to the short
 * cut counts no more.
 */
START_TEST(silence_has_an_end)
{
	static struct outcome outcome;
	start(&outcome);
	struct fake_sent *query = expect("a:1", METHOD_QUERY_UNCONFIRMED);
	expect("b:2", METHOD_BALLOT);
	fake_advance(fake, 99 * MS);
	expect_silence();
	fake_advance(fake, 1 * MS);
	struct fake_sent *fallback = expect("a:1", METHOD_QUERY);
	/* Nobody confirms it any more. */
	ck_assert(!answer(query, "stale"));
	ck_assert(reply(fallback, 0, slice_string("value")));
	expect_outcome(&outcome, "value");
}
END_TEST

/* At least 5 ms, and 100 with the leader's. */
START_LOOP_TEST(others_have_twice_the_leaders_time, 0, 3)
{
	const uint64_t took_ms[] = {1, 10, 90}, patience_ms[] = {5, 20, 10};
	static struct outcome outcome;
	start(&outcome);
	struct fake_sent *query = expect("a:1", METHOD_QUERY_UNCONFIRMED);
	expect("b:2", METHOD_BALLOT);
	fake_advance(fake, took_ms[_i] * MS);
	ck_assert(answer(query, "stale"));
	fake_advance(fake, (patience_ms[_i] - 1) * MS);
	expect_silence();
	fake_advance(fake, 1 * MS);
	expect_query(&outcome, "a:1");
}
END_TEST

/* The other's: to the leader. The leader's: to the next server. */
START_LOOP_TEST(lost_connections_fall_back_at_once, 0, 4)
{
	static struct outcome outcome;
	struct fake_sent *query, *ballot;
	start_unconfirmed(&outcome, &query, &ballot);
	if (_i / 2 == 1)
		ck_assert(answer(query, "stale"));
	caller_link_down(caller, _i % 2 == 1 ? query->link : ballot->link);
	expect_query(&outcome, _i % 2 == 1 ? "b:2" : "a:1");
}
END_TEST

/*
 * The other replica's connection ends after it has confirmed: the leader's answer still counts.
 */
START_TEST(a_replica_that_has_confirmed_may_be_lost)
{
	static struct outcome outcome;
	struct fake_sent *query, *ballot;
	start_unconfirmed(&outcome, &query, &ballot);
	ck_assert(tell(ballot, GROUP, 2, BALLOT_A));
	caller_link_down(caller, ballot->link);
	expect_silence();
	ck_assert(answer(query, "value"));
	expect_outcome(&outcome, "value");
}
END_TEST

/*
 * 16 reads do not try, then 32, 64, …; another replica is asked each time; a success
 * forgets that.
 */
START_TEST(failures_make_reads_cautious)
{
	const char *asked[] = {"b:2", "b:2", "c:3", "b:2", "b:2"};
	static struct outcome outcome;
	struct fake_sent *query, *ballot;
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert_uint_eq(queries_before_unconfirmed(&outcome, &query, &ballot),
				  (i == 0 ? 0 : 8u << i));
		ck_assert_str_eq(fake_address(fake, ballot), asked[i]);
		ck_assert(reply(ballot, STATUS_UNAVAILABLE, slice(NULL, 0)));
		expect_query(&outcome, "a:1");
	}
	ck_assert_uint_eq(queries_before_unconfirmed(&outcome, &query, &ballot), 256);
	ck_assert(answer(query, "value"));
	ck_assert(tell(ballot, GROUP, 2, BALLOT_A));
	expect_outcome(&outcome, "value");
	ck_assert_uint_eq(queries_before_unconfirmed(&outcome, &query, &ballot), 0);
	ck_assert(reply(ballot, STATUS_UNAVAILABLE, slice(NULL, 0)));
	expect_query(&outcome, "a:1");
	ck_assert_uint_eq(queries_before_unconfirmed(&outcome, &query, &ballot), 16);
}
END_TEST

/* Only a read that is alone is confirmed here; writes and other requests never are. */
START_TEST(reads_that_share_a_round_are_queries)
{
	static struct outcome first, second, third;
	start(&first);
	struct fake_sent *query = expect("a:1", METHOD_QUERY_UNCONFIRMED),
			 *ballot = expect("b:2", METHOD_BALLOT);
	start(&second);
	struct fake_sent *other = expect("a:1", METHOD_QUERY);
	ck_assert(answer(query, "one"));
	ck_assert(tell(ballot, GROUP, 2, BALLOT_A));
	expect_outcome(&first, "one");
	start(&third);
	expect("a:1", METHOD_QUERY);
	ck_assert(reply(other, 0, slice_string("two")));
	expect_outcome(&second, "two");
	caller_cancel(third.call);
	struct caller_call *write = caller_start(caller, METHOD_COMMAND, slice_string("w"),
						 fake->now_us + MS, on_done, &third);
	expect("a:1", METHOD_COMMAND);
	expect_silence();
	caller_cancel(write);
}
END_TEST

/*
 * By default the fourth of reads that come one after the other; one that has another beside
 * it begins the count anew.
 */
START_TEST(only_a_client_that_reads_alone_confirms)
{
	static struct outcome outcome, beside;
	struct fake_sent *query, *ballot;
	teardown();
	setup_of(3, 0);
	ck_assert_uint_eq(queries_before_unconfirmed(&outcome, &query, &ballot), 3);
	start(&beside);
	ck_assert(answer(query, "value"));
	ck_assert(tell(ballot, GROUP, 2, BALLOT_A));
	expect_outcome(&outcome, "value");
	expect_query(&beside, "a:1");
	ck_assert_uint_eq(queries_before_unconfirmed(&outcome, &query, &ballot), 3);
}
END_TEST

/* The next begins in the callback of the one before, and takes the short cut, too. */
START_TEST(one_read_after_another)
{
	static struct outcome outcomes[3];
	for (int i = 0; i < 2; i++)
		outcomes[i].next = &outcomes[i + 1];
	begin(&outcomes[0]);
	for (int i = 0; i < 3; i++) {
		char body[16];
		snprintf(body, sizeof body, "value %d", i);
		struct fake_sent *query = expect("a:1", METHOD_QUERY_UNCONFIRMED),
				 *ballot = expect("b:2", METHOD_BALLOT);
		if (i == 1)
			ck_assert(tell(ballot, GROUP, 2, BALLOT_A));
		ck_assert(answer(query, body));
		if (i != 1)
			ck_assert(tell(ballot, GROUP, 2, BALLOT_A));
		expect_outcome(&outcomes[i], body);
	}
	expect_silence();
	for (int i = 0; i < 3; i++)
		buffer_free(&outcomes[i].payload);
}
END_TEST

/* Who gives an attempt 20 ms does not wait for 100. */
START_TEST(no_longer_than_an_attempt)
{
	static struct outcome outcome;
	struct fake_sent *query, *ballot;
	caller_destroy(caller);
	caller = caller_create(&(struct caller_options){
		.node = &node, .confirm_alone = 1, .attempt_timeout_ms = 20});
	caller_set_addresses(caller, addresses, 3);
	start_unconfirmed(&outcome, &query, &ballot);
	fake_advance(fake, 19 * MS);
	expect_silence();
	fake_advance(fake, 1 * MS);
	expect_query(&outcome, "a:1");
}
END_TEST

/* A third of the time is for the short cut, the rest for asking in the usual way. */
START_TEST(deadline_ends_it)
{
	static struct outcome outcome;
	outcome.call = caller_start(caller, METHOD_QUERY_UNCONFIRMED, slice_string("key"),
				    fake->now_us + 60 * MS, on_done, &outcome);
	struct fake_sent *query = expect("a:1", METHOD_QUERY_UNCONFIRMED);
	expect("b:2", METHOD_BALLOT);
	fake_advance(fake, 19 * MS);
	expect_silence();
	fake_advance(fake, 1 * MS);
	expect("a:1", METHOD_QUERY);
	fake_advance(fake, 40 * MS);
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_int_eq(outcome.status, STATUS_UNKNOWN);
	expect_silence();
	ck_assert(!answer(query, "late"));
	buffer_free(&outcome.payload);
}
END_TEST

/* Who is no longer the leader says who is: that is asked with the QUERY. */
START_TEST(hint_of_a_refusal_is_followed)
{
	static struct outcome outcome;
	start(&outcome);
	struct fake_sent *query = expect("a:1", METHOD_QUERY_UNCONFIRMED);
	expect("b:2", METHOD_BALLOT);
	struct buffer error = {0};
	wire_error_encode(&(struct wire_error){.leader = slice_string("c:3")}, &error);
	ck_assert(reply(query, STATUS_NOT_LEADER, buffer_slice(&error)));
	buffer_free(&error);
	expect_query(&outcome, "c:3");
}
END_TEST

/* A client that reads once or twice connects to nobody but the leader. */
START_TEST(others_are_connected_when_reads_go_on)
{
	static struct outcome outcome;
	fake->epochs[1] = fake->epochs[2] = 0;
	for (int i = 1; i <= 200; i++) {
		start(&outcome);
		if (i == 8 || i == 136) {
			expect("b:2", METHOD_BALLOT);
			expect("c:3", METHOD_BALLOT);
		}
		expect_query(&outcome, "a:1");
	}
	/* One of them is enough, if the leader is connected. */
	fake->epochs[2] = 1;
	fake->epochs[0] = 0;
	start(&outcome);
	expect_query(&outcome, "a:1");
	fake->epochs[0] = 1;
	start(&outcome);
	struct fake_sent *query = expect("a:1", METHOD_QUERY_UNCONFIRMED),
			 *ballot = expect("c:3", METHOD_BALLOT);
	ck_assert(answer(query, "value"));
	ck_assert(tell(ballot, GROUP, 3, BALLOT_A));
	expect_outcome(&outcome, "value");
}
END_TEST

/* With one server alone no other can confirm: it is asked with a QUERY. */
START_TEST(a_single_server_needs_no_confirmation)
{
	static struct outcome outcome;
	teardown();
	setup_of(1, 1);
	start(&outcome);
	expect_query(&outcome, "a:1");
}
END_TEST

/* Also when the answer is there already. The caller's end is like that, too. */
START_LOOP_TEST(cancelled_read_is_silent, 0, 2)
{
	static struct outcome outcome;
	struct fake_sent *query, *ballot;
	start_unconfirmed(&outcome, &query, &ballot);
	if (_i == 1)
		ck_assert(answer(query, "value"));
	caller_cancel(outcome.call);
	if (_i == 0)
		ck_assert(!answer(query, "value"));
	ck_assert(!tell(ballot, GROUP, 2, BALLOT_A));
	ck_assert_int_eq(outcome.calls, 0);
	start(&outcome);
	query = expect("a:1", METHOD_QUERY_UNCONFIRMED);
	if (_i == 1)
		ck_assert(answer(query, "value"));
	/* teardown() destroys the caller. */
}
END_TEST
