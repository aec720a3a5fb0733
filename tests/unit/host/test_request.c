/* Requests from this process to its own node. */
#include "../support/check_main.h"
#include "../support/raw.h"

static struct echo one;

static void set_up(void)
{
	struct host_options options = {
		.cluster = "test", .node = "s1", .role = "echo", .listen = "127.0.0.1:0"};
	host_settings_default(&options.settings);
	echo_start(&one, &options);
}

struct answers {
	uint64_t count, turn;
	int status;
	struct buffer text;
	struct answers *ask_again; /* from within the answer */
};

static void on_answer(void *context, int status, struct slice payload)
{
	struct answers *a = context;
	a->count++;
	a->status = status;
	a->turn = one.turns;
	buffer_add_slice(&a->text, payload);
	if (a->ask_again != NULL)
		host_request(one.host, METHOD_QUERY, slice_string("again"), 1000, on_answer,
			     a->ask_again);
}

static struct host_request *ask(struct answers *a, const char *text, uint32_t timeout_ms)
{
	return host_request(one.host, METHOD_QUERY, slice_string(text), timeout_ms, on_answer, a);
}

/*
 * The answer comes after the turn in which the node gave it, not within the request, also when it
 * gave it at once.
 */
START_TEST(the_answer_comes_after_the_turn)
{
	struct answers a = {0}, b = {0};
	set_up();
	ask(&a, "first", 1000);
	ask(&b, "second", 1000);
	ck_assert_uint_eq(one.requests, 2);
	ck_assert_uint_eq(a.count, 0);
	uint64_t turns = one.turns;
	host_turn(one.host, true); /* does not wait: the node has got input */
	ck_assert_uint_eq(a.count, 1);
	ck_assert_uint_eq(a.turn, turns + 1);
	ck_assert_int_eq(a.status, 0);
	ck_assert(slice_equal(buffer_slice(&a.text), slice_string("first")));
	ck_assert(slice_equal(buffer_slice(&b.text), slice_string("second")));
	turn_some(one.host, NULL);
	ck_assert_uint_eq(a.count + b.count, 2);
	ck_assert_uint_eq(one.replies, 0);
	buffer_free(&a.text);
	buffer_free(&b.text);
	echo_end(&one);
}
END_TEST

/* What is asked from within an answer is answered too, without anything else having to happen. */
START_TEST(asked_in_answer)
{
	struct answers again = {0}, first = {.ask_again = &again};
	set_up();
	ask(&first, "first", 1000);
	host_turn(one.host, true);
	ck_assert_uint_eq(first.count, 1);
	ck_assert_uint_eq(again.count, 0);
	host_turn(one.host, true);
	ck_assert_uint_eq(again.count, 1);
	ck_assert(slice_equal(buffer_slice(&again.text), slice_string("again")));
	buffer_free(&first.text);
	buffer_free(&again.text);
	echo_end(&one);
}
END_TEST

/* A node that stays silent is an unknown outcome; what it says later is nobody's. */
START_TEST(a_silent_node_is_an_unknown_outcome)
{
	struct answers a = {0};
	set_up();
	one.silent = true;
	ask(&a, "hello", 1);
	TURN_UNTIL(a.count == 1, one.host);
	ck_assert_int_eq(a.status, STATUS_UNKNOWN);
	ck_assert_uint_eq(a.text.len, 0);
	struct message late = {.kind = MESSAGE_REPLY, .method = METHOD_QUERY, .id = 1};
	node_send(&one.node, one.last_from, &late);
	turn_some(one.host, NULL);
	ck_assert_uint_eq(a.count, 1);
	echo_end(&one);
}
END_TEST

/* A request that was cancelled is not answered, whether the node had answered it or not. */
START_TEST(a_cancelled_request_is_not_answered)
{
	struct answers a = {0}, b = {0}, c = {0};
	set_up();
	struct host_request *replied = ask(&a, "replied", 1000);
	one.silent = true;
	struct host_request *silent = ask(&b, "silent", 1);
	ask(&c, "other", 1);
	host_request_cancel(replied);
	host_request_cancel(silent);
	TURN_UNTIL(c.count == 1, one.host);
	ck_assert_uint_eq(a.count + b.count, 0);
	echo_end(&one);
}
END_TEST

/*
 * Requests of this process and of the network do not get in each other's way: links have different
 * numbers.
 */
START_TEST(requests_of_the_process_have_a_link_of_their_own)
{
	struct answers a = {0};
	struct message message;
	struct buffer out = {0};
	size_t consumed;
	set_up();
	ask(&a, "mine", 1000);
	link_id mine = one.last_from;
	struct raw raw = raw_open(one.host);
	frame_of(&out, MESSAGE_REQUEST, METHOD_QUERY, 1, slice_string("yours"));
	ck_assert(raw_send(&raw, buffer_slice(&out)));
	TURN_UNTIL(raw_frame(&raw, &message, &consumed), one.host);
	ck_assert(slice_equal(message.payload, slice_string("yours")));
	ck_assert_uint_ne(mine, one.last_from);
	ask(&a, " again", 1000);
	ck_assert_uint_eq(mine, one.last_from);
	TURN_UNTIL(a.count == 2, one.host);
	ck_assert(slice_equal(buffer_slice(&a.text), slice_string("mine again")));
	raw_close(&raw);
	buffer_free(&out);
	buffer_free(&a.text);
	echo_end(&one);
}
END_TEST

/* What is under way at the end of the host is forgotten. */
START_TEST(at_the_hosts_end_what_is_under_way_is_forgotten)
{
	struct answers a = {0};
	set_up();
	ask(&a, "replied", 1000);
	one.silent = true;
	for (int i = 0; i < 100; i++)
		ask(&a, "silent", 1000);
	echo_end(&one);
	ck_assert_uint_eq(a.count, 0);
}
END_TEST
