/* faults: 49, 50 */

#include "../support/check_main.h"
#include "../support/fake_env.h"
#include "call/caller.h"
#include "wire/method.h"
#include "wire/wire.h"

#define MS 1000ull
#define DEADLINE_MS 5000ull

struct outcome {
	int calls;
	int status;
	char payload[512];
	bool may_be_executed;
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
	if (outcome->call != NULL)
		outcome->may_be_executed = caller_may_be_executed(outcome->call);
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

static void start(struct outcome *outcome, const char *payload)
{
	*outcome = (struct outcome){0};
	outcome->call = caller_start(caller, METHOD_COMMAND, slice_string(payload),
				     fake->now_us + DEADLINE_MS * MS, on_done, outcome);
}

static bool reply(const struct fake_sent *sent, int status, struct slice payload)
{
	struct message message = fake_reply_message(sent, status, payload);
	return caller_message(caller, sent->link, &message);
}

static void reply_not_leader(const struct fake_sent *sent, const char *hint)
{
	struct buffer error = {0};
	wire_error_encode(&(struct wire_error){.leader = slice_string(hint)}, &error);
	ck_assert(reply(sent, STATUS_NOT_LEADER, buffer_slice(&error)));
	buffer_free(&error);
}

static struct fake_sent *expect_sent(const char *address)
{
	struct fake_sent *sent = fake_next(fake);
	ck_assert_ptr_nonnull(sent);
	ck_assert_str_eq(fake_address(fake, sent), address);
	return sent;
}

static void expect_silence(void)
{
	ck_assert_ptr_null(fake_next(fake));
}

/* A connection attempt that failed: the link never came up. */
static void refuse_connection(const struct fake_sent *sent)
{
	caller_link_down(caller, sent->link);
}

/* Gives every attempt to `answer` until the call has ended, going from one timer to the next. */
static void answer_until_done(const struct outcome *outcome,
			      void (*answer)(const struct fake_sent *sent))
{
	while (outcome->calls == 0) {
		struct fake_sent *sent = fake_next(fake);
		if (sent != NULL)
			answer(sent);
		else
			fake_advance(fake, timers_next_us(&fake->timers) - fake->now_us);
	}
}

/*
 * A payload that is lent is not copied: each attempt sends what stands there then. The lender has
 * it back when the call has ended, or was cancelled.
 */
START_TEST(a_lent_payload_is_sent_from_its_place)
{
	struct outcome outcome = {0};
	char *place = strdup("first");
	caller_start_lent(caller, METHOD_COMMAND, slice_string(place),
			  fake->now_us + DEADLINE_MS * MS, NULL, on_done, &outcome);
	struct fake_sent *sent = expect_sent("a:1");
	ck_assert(slice_equal(sent->message.payload, slice_string("first")));
	memcpy(place, "again", 5);
	reply_not_leader(sent, "c:3");
	sent = expect_sent("c:3");
	ck_assert(slice_equal(sent->message.payload, slice_string("again")));
	ck_assert(reply(sent, 0, slice_string("good")));
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_str_eq(outcome.payload, "good");
	struct caller_call *call = caller_start_lent(caller, METHOD_COMMAND, slice_string(place),
						     fake->now_us + DEADLINE_MS * MS, NULL, on_done,
						     &outcome);
	sent = expect_sent("c:3");
	caller_cancel(call);
	free(place);
	fake_advance(fake, 2 * DEADLINE_MS * MS);
	ck_assert(!reply(sent, 0, slice_string("late")));
	ck_assert_int_eq(outcome.calls, 1);
	expect_silence();
}
END_TEST

/*
 * faults: 90. A stranger's node at one address is passed over; at all of them, it is said at once.
 */
START_TEST(a_strangers_node_is_passed_over)
{
	struct outcome outcome;
	start(&outcome, "put");
	ck_assert(reply(expect_sent("a:1"), STATUS_WRONG_CLUSTER, slice_string("who")));
	ck_assert(reply(expect_sent("b:2"), STATUS_WRONG_CLUSTER, slice_string("who")));
	ck_assert(reply(expect_sent("c:3"), 0, slice_string("done")));
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_int_eq(outcome.status, 0);
	expect_silence();
	start(&outcome, "put");
	ck_assert(reply(expect_sent("c:3"), STATUS_WRONG_CLUSTER, slice_string("who")));
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_int_eq(outcome.status, STATUS_WRONG_CLUSTER);
	ck_assert_str_eq(outcome.payload, "who");
	expect_silence();
}
END_TEST

static void answer_not_leader(const struct fake_sent *sent)
{
	reply_not_leader(sent, "");
}

static void hint_at_b(const struct fake_sent *sent)
{
	reply_not_leader(sent, "b:2");
}

/*
 * The reply's status and payload reach the callback, once, and the request carried its
 * payload and time limit.
 */
START_TEST(answers_are_handed_over)
{
	static struct outcome outcome;
	start(&outcome, "ping");
	struct fake_sent *sent = expect_sent("a:1");
	ck_assert_int_eq(sent->message.kind, MESSAGE_REQUEST);
	ck_assert_int_eq(sent->message.method, METHOD_COMMAND);
	ck_assert_uint_eq(sent->message.timeout_ms, DEADLINE_MS);
	ck_assert(slice_equal(sent->message.payload, slice_string("ping")));
	ck_assert(reply(sent, 0, slice_string("pong")));
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_int_eq(outcome.status, 0);
	ck_assert_str_eq(outcome.payload, "pong");
	ck_assert(!reply(sent, 0, slice_string("pong")));
	fake_advance(fake, 2 * DEADLINE_MS * MS);
	ck_assert_int_eq(outcome.calls, 1);
	expect_silence();
}
END_TEST

/*
 * A leader that is not among the addresses is asked only by a caller whose addresses are
 * but a beginning.
 */
START_TEST(hints_are_adopted_if_wanted)
{
	static struct outcome outcome;
	start(&outcome, "x");
	reply_not_leader(expect_sent("a:1"), "z:9");
	reply_not_leader(expect_sent("b:2"), "");
	caller_adopt_hints(caller);
	uint32_t before = caller_address_count(caller);
	reply_not_leader(expect_sent("c:3"), "z:9");
	ck_assert_uint_eq(caller_address_count(caller), before + 1);
	ck_assert(reply(expect_sent("z:9"), 0, slice_string("done")));
	ck_assert_str_eq(outcome.payload, "done");
}
END_TEST

/*
 * Requests, replies with a foreign id and replies from another link are left to the node.
 */
START_TEST(other_messages_are_not_ours)
{
	static struct outcome outcome;
	start(&outcome, "x");
	struct fake_sent *sent = expect_sent("a:1");
	struct message message = fake_reply_message(sent, 0, slice(NULL, 0));
	ck_assert(!caller_message(caller, sent->link + 1, &message));
	message.kind = MESSAGE_REQUEST;
	ck_assert(!caller_message(caller, sent->link, &message));
	message.kind = MESSAGE_REPLY;
	message.id++;
	ck_assert(!caller_message(caller, sent->link, &message));
	/* An accepted link of the node, say. */
	caller_link_down(caller, 12345);
	ck_assert_int_eq(outcome.calls, 0);
	expect_silence();
}
END_TEST

/*
 * NOT_LEADER with a hint sends the request to the hinted server at once, and later requests
 * go there directly.
 */
START_TEST(hint_is_followed_at_once)
{
	static struct outcome first, second;
	start(&first, "1");
	reply_not_leader(expect_sent("a:1"), "c:3");
	struct fake_sent *sent = expect_sent("c:3");
	start(&second, "2");
	expect_sent("c:3");
	reply(sent, 0, slice(NULL, 0));
	ck_assert_int_eq(first.status, 0);
	ck_assert(!first.may_be_executed);
}
END_TEST

/*
 * NOT_LEADER without a usable hint asks the next server; after all of them the caller
 * pauses before a new round.
 */
START_TEST(without_a_hint_servers_are_asked_in_turn)
{
	static struct outcome outcome;
	start(&outcome, "x");
	reply_not_leader(expect_sent("a:1"), "");
	reply_not_leader(expect_sent("b:2"), "elsewhere:9");
	reply_not_leader(expect_sent("c:3"), "c:3");
	expect_silence();
	fake_advance(fake, 4 * MS);
	expect_silence();
	fake_advance(fake, 6 * MS);
	reply(expect_sent("a:1"), 0, slice(NULL, 0));
	ck_assert_int_eq(outcome.status, 0);
}
END_TEST

/*
 * Two servers that each hold the other for the leader cost one round, not an endless loop.
 */
START_TEST(servers_that_hint_at_each_other_are_not_asked_forever)
{
	static struct outcome outcome;
	start(&outcome, "x");
	reply_not_leader(expect_sent("a:1"), "b:2");
	reply_not_leader(expect_sent("b:2"), "a:1");
	reply_not_leader(expect_sent("a:1"), "b:2");
	expect_silence();
}
END_TEST

/* The pause between rounds grows to backoff_max_ms and no further. */
START_TEST(pauses_double_up_to_the_limit)
{
	static struct outcome outcome;
	start(&outcome, "x");
	uint64_t longest_us = 0, before_us = fake->now_us;
	for (int i = 0; i < 3 * 20; i++) {
		struct fake_sent *sent;
		while ((sent = fake_next(fake)) == NULL)
			fake_advance(fake, MS);
		if (fake->now_us - before_us > longest_us)
			longest_us = fake->now_us - before_us;
		before_us = fake->now_us;
		if (outcome.calls == 0)
			reply_not_leader(sent, "");
		if (fake->now_us > 1000000 + 4000 * MS)
			break;
	}
	ck_assert_uint_ge(longest_us, 250 * MS);
	ck_assert_uint_le(longest_us, 501 * MS);
}
END_TEST

/* BUSY says who leads: the same server is asked again after a pause. */
START_TEST(busy_is_tried_again_at_the_same_server)
{
	static struct outcome outcome;
	start(&outcome, "x");
	reply(expect_sent("a:1"), STATUS_BUSY, slice(NULL, 0));
	expect_silence();
	fake_advance(fake, 10 * MS);
	reply(expect_sent("a:1"), 0, slice_string("ok"));
	ck_assert_str_eq(outcome.payload, "ok");
}
END_TEST

/*
 * A lost connection sends every request that waited on it to the next server, in the order
 * of their start.
 */
START_TEST(lost_connection_moves_on)
{
	static struct outcome outcomes[3];
	const char *payloads[] = {"1", "2", "3"};
	for (int i = 0; i < 3; i++)
		start(&outcomes[i], payloads[i]);
	for (int i = 0; i < 3; i++)
		expect_sent("a:1");
	caller_link_down(caller, fake->sent[0].link);
	for (int i = 0; i < 3; i++) {
		struct fake_sent *sent = expect_sent("b:2");
		ck_assert(slice_equal(sent->message.payload, slice_string(payloads[i])));
		ck_assert(reply(sent, 0, slice(NULL, 0)));
		ck_assert_int_eq(outcomes[i].calls, 1);
		ck_assert(outcomes[i].may_be_executed);
	}
}
END_TEST

/*
 * A silent server is doubted after attempt_timeout_ms, for other calls too; but its answer
 * still counts when it comes first.
 */
START_TEST(silent_server_is_left_after_the_attempt_timeout)
{
	static struct outcome outcome, another;
	start(&outcome, "x");
	struct fake_sent *slow = expect_sent("a:1");
	fake_advance(fake, 999 * MS);
	expect_sent("b:2");
	struct fake_sent *third = expect_sent("c:3");
	expect_silence();
	start(&another, "y");
	reply(expect_sent("a:1"), 0, slice_string("ok"));
	/*
	 * The next look at the clock is when the third has had its patience; nobody is left to ask.
	 */
	fake_advance(fake, 51 * MS);
	start(&another, "z");
	expect_sent("b:2");
	ck_assert_uint_ne(slow->message.id, third->message.id);
	ck_assert(reply(slow, 0, slice_string("late")));
	ck_assert_str_eq(outcome.payload, "late");
	ck_assert(!reply(third, 0, slice_string("dup")));
	ck_assert_int_eq(outcome.calls, 1);
	caller_cancel(another.call);
}
END_TEST

/*
 * faults: 49. A paused leader costs an election, not a second: the others are asked soon, and one
 * of them knows, or is, the new one.
 */
START_TEST(others_are_asked_beside_a_silent_server)
{
	static struct outcome outcome;
	start(&outcome, "x");
	expect_sent("a:1");
	fake_advance(fake, 149 * MS);
	expect_silence();
	fake_advance(fake, 1 * MS);
	reply_not_leader(expect_sent("b:2"), "a:1");
	expect_silence();
	fake_advance(fake, 300 * MS);
	reply_not_leader(expect_sent("c:3"), "b:2");
	reply(expect_sent("b:2"), 0, slice_string("ok"));
	ck_assert_str_eq(outcome.payload, "ok");
	/* by the first, when it wakes up: as the session sees to it, once */
	ck_assert(outcome.may_be_executed);
}
END_TEST

/*
 * A leader that takes long is named by the others; it gets one copy all the same, and the
 * others get few.
 */
START_TEST(slow_server_is_not_asked_twice)
{
	static struct outcome outcome;
	start(&outcome, "x");
	struct fake_sent *slow = expect_sent("a:1");
	uint32_t asked = 0;
	for (int i = 0; i < 99; i++) {
		fake_advance(fake, 10 * MS);
		struct fake_sent *sent;
		while ((sent = fake_next(fake)) != NULL) {
			ck_assert_str_ne(fake_address(fake, sent), "a:1");
			reply_not_leader(sent, "a:1");
			asked++;
		}
	}
	ck_assert_uint_ge(asked, 1);
	ck_assert_uint_le(asked, 3);
	reply(slow, 0, slice_string("ok"));
	ck_assert_str_eq(outcome.payload, "ok");
	ck_assert(!outcome.may_be_executed);
}
END_TEST

/*
 * faults: 49. However long an answer takes beside the attempts, in the end one is waited for; and
 * the copies become few.
 */
START_TEST(a_long_way_is_waited_for)
{
	static struct outcome outcome;
	static uint64_t sent_us[FAKE_SENT_MAX];
	const uint64_t way_us = 700 * MS;
	size_t noted = 0, answered = 0;
	caller_destroy(caller);
	caller = caller_create(&(struct caller_options){
		.node = &node, .attempt_timeout_ms = 11, .backoff_max_ms = 11});
	caller_set_addresses(caller, addresses, 3);
	start(&outcome, "x");
	while (outcome.calls == 0) {
		fake_advance(fake, MS);
		while (noted < fake->nsent)
			sent_us[noted++] = fake->now_us;
		while (outcome.calls == 0 && answered < noted &&
		       sent_us[answered] + way_us <= fake->now_us) {
			const struct fake_sent *sent = &fake->sent[answered++];
			struct buffer error = {0};
			wire_error_encode(&(struct wire_error){.leader = slice_string("b:2")},
					  &error);
			if (strcmp(fake_address(fake, sent), "b:2") == 0)
				reply(sent, 0, slice_string("ok"));
			else
				reply(sent, STATUS_NOT_LEADER, buffer_slice(&error));
			buffer_free(&error);
		}
	}
	ck_assert_str_eq(outcome.payload, "ok");
	ck_assert_uint_le(fake->nsent, 40);
}
END_TEST

/*
 * With every connection refused nothing was executed: UNAVAILABLE, with a message that
 * names the servers.
 */
START_TEST(never_sent_is_unavailable)
{
	static struct outcome outcome;
	for (int i = 0; i < 3; i++)
		fake->epochs[i] = 0;
	start(&outcome, "x");
	answer_until_done(&outcome, refuse_connection);
	ck_assert_int_eq(outcome.status, STATUS_UNAVAILABLE);
	struct wire_error error;
	struct arena arena;
	arena_init(&arena, 64 * KIB);
	ck_assert_int_eq(wire_error_decode(slice_string(outcome.payload), &arena, &error), 0);
	char text[512];
	snprintf(text, sizeof text, "%.*s", (int)error.message.len,
		 (const char *)error.message.data);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(strstr(text, addresses[i]));
	arena_free(&arena);
}
END_TEST

/*
 * An attempt that was answered with a refusal was not executed, so a deadline in an
 * election is UNAVAILABLE.
 */
START_TEST(refused_by_all_is_unavailable)
{
	static struct outcome outcome;
	start(&outcome, "x");
	answer_until_done(&outcome, answer_not_leader);
	ck_assert_int_eq(outcome.status, STATUS_UNAVAILABLE);
	ck_assert(!outcome.may_be_executed);
}
END_TEST

/*
 * One attempt without an answer makes the outcome unknown, however many others were
 * refused.
 */
START_TEST(silence_makes_the_outcome_unknown)
{
	static struct outcome outcome;
	start(&outcome, "x");
	expect_sent("a:1");
	fake_advance(fake, 1000 * MS);
	answer_until_done(&outcome, hint_at_b);
	ck_assert_int_eq(outcome.status, STATUS_UNKNOWN);
	ck_assert(outcome.may_be_executed);
}
END_TEST

/* When the slow server says in the end that it refused, nothing was executed after all. */
START_TEST(late_refusal_of_the_slow_attempt_makes_it_certain)
{
	static struct outcome outcome;
	start(&outcome, "x");
	struct fake_sent *slow = expect_sent("a:1");
	fake_advance(fake, 150 * MS);
	struct fake_sent *second = expect_sent("b:2");
	ck_assert(caller_may_be_executed(outcome.call));
	reply_not_leader(slow, "");
	expect_silence();
	/* That the first has been doubted leaves the one that is waited for preferred. */
	reply_not_leader(second, "");
	reply_not_leader(expect_sent("c:3"), "");
	reply_not_leader(expect_sent("a:1"), "");
	ck_assert(!caller_may_be_executed(outcome.call));
	answer_until_done(&outcome, answer_not_leader);
	ck_assert_int_eq(outcome.status, STATUS_UNAVAILABLE);
}
END_TEST

/*
 * Sent while the link was up, or while it was coming up, and then lost: it may have been
 * executed.
 */
START_TEST(connection_lost_after_sending_is_unknown)
{
	for (int was_up = 0; was_up < 2; was_up++) {
		static struct outcome outcome;
		fake->epochs[0] = was_up ? 1 : 0;
		caller_set_addresses(caller, addresses, 1);
		start(&outcome, "x");
		struct fake_sent *sent = expect_sent("a:1");
		ck_assert(caller_may_be_executed(outcome.call));
		fake->epochs[0] = 2;
		caller_link_down(caller, sent->link);
		ck_assert(caller_may_be_executed(outcome.call));
		caller_cancel(outcome.call);
		ck_assert_int_eq(outcome.calls, 0);
	}
}
END_TEST

/* Where the world does not count connections, every lost request may have been executed. */
START_TEST(world_that_tells_nothing_is_not_trusted)
{
	struct env_ops ops = fake_ops;
	ops.link_epoch = NULL;
	fake->env.ops = &ops;
	static struct outcome outcome;
	start(&outcome, "x");
	caller_link_down(caller, expect_sent("a:1")->link);
	ck_assert(caller_may_be_executed(outcome.call));
	caller_cancel(outcome.call);
	fake->env.ops = &fake_ops;
}
END_TEST

/*
 * With more open attempts than are kept, the oldest is forgotten as possibly executed; its
 * answer is ignored.
 */
START_TEST(many_attempts_are_remembered_in_bounded_space)
{
	static struct outcome outcome = {0};
	outcome.call = caller_start(caller, METHOD_COMMAND, slice_string("x"),
				    fake->now_us + 60000 * MS, on_done, &outcome);
	fake_advance(fake, 20000 * MS);
	ck_assert_uint_ge(fake->nsent, 10);
	ck_assert(!reply(&fake->sent[0], 0, slice(NULL, 0)));
	for (size_t i = 1; i < fake->nsent; i++) {
		struct message message = fake_reply_message(&fake->sent[i], STATUS_NOT_LEADER,
							    slice(NULL, 0));
		caller_message(caller, fake->sent[i].link, &message);
	}
	ck_assert(caller_may_be_executed(outcome.call));
	caller_cancel(outcome.call);
}
END_TEST

/* Requests do not wait for each other, and answers may come in any order. */
START_TEST(requests_do_not_wait_for_each_other)
{
	enum { N = 300 };
	static struct outcome outcomes[N];
	for (int i = 0; i < N; i++)
		start(&outcomes[i], "x");
	ck_assert_uint_eq(fake->nsent, N);
	for (int i = N; i-- > 0;) {
		char text[16];
		snprintf(text, sizeof text, "%d", i);
		ck_assert(reply(&fake->sent[i], 0, slice_string(text)));
		ck_assert_str_eq(outcomes[i].payload, text);
	}
}
END_TEST

/* A cancelled call sends nothing more and calls nobody; its answer is not ours any more. */
START_TEST(cancelled_call_is_silent)
{
	static struct outcome outcome;
	start(&outcome, "x");
	struct fake_sent *sent = expect_sent("a:1");
	caller_cancel(outcome.call);
	ck_assert(!reply(sent, 0, slice(NULL, 0)));
	fake_advance(fake, 2 * DEADLINE_MS * MS);
	expect_silence();
	ck_assert_int_eq(outcome.calls, 0);
}
END_TEST

/* Destroying the caller ends what is under way with CANCELLED. */
START_TEST(destroy_ends_every_call)
{
	static struct outcome outcomes[2];
	start(&outcomes[0], "1");
	start(&outcomes[1], "2");
	caller_destroy(caller);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(outcomes[i].calls, 1);
		ck_assert_int_eq(outcomes[i].status, STATUS_CANCELLED);
	}
	caller = caller_create(&(struct caller_options){.node = &node});
}
END_TEST

/*
 * A call without any known server waits for addresses; without them it ends UNAVAILABLE at
 * its deadline.
 */
START_TEST(addresses_may_come_later)
{
	caller_set_addresses(caller, NULL, 0);
	static struct outcome waits, fails;
	start(&fails, "x");
	fake_advance(fake, 1 * MS);
	expect_silence();
	fake_advance(fake, DEADLINE_MS * MS);
	ck_assert_int_eq(fails.status, STATUS_UNAVAILABLE);
	start(&waits, "y");
	caller_set_addresses(caller, addresses + 1, 1);
	reply(expect_sent("b:2"), 0, slice(NULL, 0));
	ck_assert_int_eq(waits.status, 0);
}
END_TEST

/*
 * Replacing the addresses keeps the presumed leader if it is still among them, and drops
 * what is gone.
 */
START_TEST(new_addresses_keep_the_leader)
{
	static struct outcome outcome;
	start(&outcome, "x");
	reply_not_leader(expect_sent("a:1"), "c:3");
	struct fake_sent *sent = expect_sent("c:3");
	const char *moved[] = {"d:4", "c:3", "c:3"};
	caller_set_addresses(caller, moved, 3);
	ck_assert_uint_eq(caller_address_count(caller), 2);
	ck_assert(reply(sent, 0, slice(NULL, 0)));
	start(&outcome, "y");
	reply(expect_sent("c:3"), 0, slice(NULL, 0));
	const char *other[] = {"e:5"};
	caller_set_addresses(caller, other, 1);
	start(&outcome, "z");
	reply(expect_sent("e:5"), 0, slice(NULL, 0));
}
END_TEST

/*
 * A WATCH is not sent again for being silent, and the server is told to answer before the
 * deadline.
 */
START_TEST(long_poll_waits_for_its_whole_time)
{
	static struct outcome outcome = {0};
	caller_start(caller, METHOD_WATCH, slice_string("w"), fake->now_us + 8000 * MS, on_done,
		     &outcome);
	struct fake_sent *sent = expect_sent("a:1");
	ck_assert_uint_eq(sent->message.timeout_ms, 6000);
	fake_advance(fake, 7999 * MS);
	expect_silence();
	ck_assert_int_eq(outcome.calls, 0);
	reply(sent, 0, slice(NULL, 0));
	ck_assert_int_eq(outcome.calls, 1);
}
END_TEST
