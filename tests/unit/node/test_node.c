#include "../support/check_main.h"
#include "base/status.h"
#include "node/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW_US UINT64_C(1769860800000000)

static struct message sent, received;
static link_id sent_link, received_link;

static uint64_t wall_us(struct env *env)
{
	(void)env;
	return NOW_US;
}
static void on_send(struct env *env, link_id link, const struct message *message)
{
	(void)env;
	sent = *message;
	sent_link = link;
}
static void __attribute__((noreturn)) on_fatal(struct env *env, int status, const char *why)
{
	(void)env;
	if (status == STATUS_IO && strcmp(why, "sync of wal-1 failed") == 0)
		abort();
	_exit(1);
}
static void on_message(struct node *node, link_id from, const struct message *message)
{
	(void)node;
	received = *message;
	received_link = from;
}

static const struct env_ops env_ops = {.wall_us = wall_us, .send = on_send, .fatal = on_fatal};
static const struct node_ops node_ops = {.message = on_message};
static struct env env = {.ops = &env_ops};
static struct node node;

/*
 * Every message that leaves carries a later logical time than the one before, whoever fills in the
 * message.
 */
START_TEST(each_message_leaves_with_a_later_time)
{
	struct message message = {.kind = MESSAGE_ONEWAY, .method = 7, .lamport = 99999, .hlc = 1};

	node_init(&node, &node_ops, &env, NULL);
	node_send(&node, 5, &message);
	ck_assert_uint_eq(sent_link, 5);
	ck_assert_uint_eq(sent.method, 7);
	ck_assert_uint_eq(sent.lamport, 1);
	ck_assert_uint_eq(hlc_milliseconds(sent.hlc), NOW_US / 1000);
	uint64_t first = sent.hlc;
	node_send(&node, 5, &message);
	ck_assert_uint_eq(sent.lamport, 2);
	ck_assert_uint_gt(sent.hlc, first);
	node_done(&node);
}
END_TEST

/* A delivered message moves the node's clocks past it before the node sees it. */
START_TEST(a_delivered_message_moves_the_clocks_first)
{
	struct message message = {.kind = MESSAGE_ONEWAY,
				  .lamport = 40,
				  .hlc = (NOW_US / 1000 + 10) << HLC_COUNTER_BITS};

	node_init(&node, &node_ops, &env, NULL);
	node_deliver(&node, 3, &message);
	ck_assert_uint_eq(received_link, 3);
	ck_assert_uint_eq(received.lamport, 40);
	ck_assert_uint_eq(node.clocks.lamport, 41);
	ck_assert_uint_gt(node.clocks.hlc, message.hlc);
	ck_assert_uint_eq(node.clock_rejected, 0);
	node_done(&node);
}
END_TEST

/*
 * A message with an absurd time is delivered, its time ignored, and that is counted where metrics
 * show it.
 */
START_TEST(an_absurd_time_is_ignored_and_counted)
{
	struct message message = {
		.kind = MESSAGE_ONEWAY, .method = 9, .lamport = 1, .hlc = UINT64_MAX};
	struct buffer out = {0};

	node_init(&node, &node_ops, &env, NULL);
	node_deliver(&node, 3, &message);
	ck_assert_uint_eq(received.method, 9);
	ck_assert_uint_eq(hlc_milliseconds(node.clocks.hlc), NOW_US / 1000);
	metrics_render(&node.metrics, &out);
	buffer_add_u8(&out, 0);
	ck_assert_ptr_nonnull(strstr((char *)out.data, "\nsynod_clock_rejected_total 1\n"));
	buffer_free(&out);
	node_done(&node);
}
END_TEST

/* A reply goes back along the link with the request's id and method. */
START_TEST(a_reply_goes_back_along_the_link)
{
	struct message request = {
		.kind = MESSAGE_REQUEST, .method = 12, .id = 77, .timeout_ms = 100};

	node_init(&node, &node_ops, &env, NULL);
	node_reply(&node, 8, &request, STATUS_NOT_FOUND, slice_string("detail"));
	ck_assert_uint_eq(sent_link, 8);
	ck_assert_int_eq((int)sent.kind, MESSAGE_REPLY);
	ck_assert_uint_eq(sent.method, 12);
	ck_assert_uint_eq(sent.id, 77);
	ck_assert_int_eq(sent.status, STATUS_NOT_FOUND);
	ck_assert_uint_eq(sent.timeout_ms, 0);
	ck_assert(slice_equal(sent.payload, slice_string("detail")));
	ck_assert_uint_eq(sent.lamport, 1);
	node_done(&node);
}
END_TEST

static struct trace_event noted[8];
static unsigned nnoted;

static void on_traced(void *context, const struct trace_event *event)
{
	ck_assert_ptr_eq(context, &node);
	noted[nnoted++] = *event;
}
static void answer(struct node *self, link_id from, const struct message *message)
{
	struct message more = {.kind = MESSAGE_ONEWAY, .method = 8};
	node_send(self, 9, &more);
	node_reply(self, from, message, 0, slice(NULL, 0));
}
static const struct node_ops answering_ops = {.message = answer};

/* With a sink every message is noted, with its clocks, and identified by who sent it when. */
START_TEST(with_a_sink_every_message_is_noted)
{
	const struct trace_detail detail = {.first = 3, .last = 4, .ballot = 5};
	struct message message = {.kind = MESSAGE_ONEWAY, .method = 7, .detail = &detail},
		       in = {.kind = MESSAGE_ONEWAY, .method = 6, .lamport = 40, .origin = 11};

	node_init(&node, &node_ops, &env, NULL);
	node.tracer = (struct tracer){.life = 10, .sink = on_traced, .context = &node};
	nnoted = 0;
	node_send(&node, 5, &message);
	node_deliver(&node, 3, &in);
	node_step(&node, TRACE_STEP_SYNC, 0, &detail);
	ck_assert_uint_eq(nnoted, 3);
	ck_assert_int_eq(noted[0].kind, TRACE_SEND);
	ck_assert(noted[0].origin == 10 && noted[0].sent == 1 && noted[0].lamport == 1 &&
		  noted[0].link == 5);
	ck_assert(noted[0].detail.first == 3 && noted[0].detail.ballot == 5 &&
		  noted[0].hlc == sent.hlc);
	ck_assert_uint_eq(sent.origin, 10);
	ck_assert_int_eq(noted[1].kind, TRACE_RECEIVE);
	ck_assert(noted[1].origin == 11 && noted[1].sent == 40 && noted[1].lamport == 41 &&
		  noted[1].link == 3);
	ck_assert_int_eq(noted[2].kind, TRACE_STEP);
	ck_assert(noted[2].step == TRACE_STEP_SYNC && noted[2].lamport == 42 &&
		  noted[2].detail.last == 4);
	ck_assert_ptr_null(node.tracer.ring);
	node_done(&node);
}
END_TEST

/*
 * Without a sink only traced requests are noted; what a node sends while it handles one belongs to
 * it too.
 */
START_TEST(without_a_sink_only_traced_requests_are_noted)
{
	struct message request = {
		.kind = MESSAGE_REQUEST, .method = 12, .id = 77, .lamport = 4, .origin = 2};
	uint64_t position = 0;

	node_init(&node, &answering_ops, &env, NULL);
	node_deliver(&node, 3, &request);
	ck_assert_uint_eq(sent.trace, 0);
	ck_assert_ptr_null(node.tracer.ring);
	request.trace = 99;
	node_deliver(&node, 3, &request);
	ck_assert_uint_eq(sent.trace, 99);
	ck_assert_uint_eq(node.tracer.current, 0);
	const struct trace_event *e = tracer_next(&node.tracer, 99, &position);
	ck_assert(e->kind == TRACE_RECEIVE && e->method == 12 && e->link == 3);
	e = tracer_next(&node.tracer, 99, &position);
	ck_assert(e->kind == TRACE_SEND && e->method == 8 && e->link == 9);
	e = tracer_next(&node.tracer, 99, &position);
	ck_assert(e->kind == TRACE_SEND && e->method == 12 && e->reply && e->link == 3);
	ck_assert_ptr_null(tracer_next(&node.tracer, 99, &position));
	position = 0;
	ck_assert_ptr_null(tracer_next(&node.tracer, 98, &position));
	node_done(&node);
}
END_TEST

/* The ring keeps the newest events, however many there are. */
START_TEST(ring_is_bounded)
{
	uint64_t position = 0, count = 0, expected = 0;

	node_init(&node, &node_ops, &env, NULL);
	for (uint64_t i = 0; i < 3 * TRACER_RING_MAX; i++)
		node_step(&node, TRACE_STEP_APPLY, 1 + i % 2,
			  &(struct trace_detail){.first = i + 1, .last = i + 1});
	for (const struct trace_event *e; (e = tracer_next(&node.tracer, 1, &position)) != NULL;
	     count++) {
		expected = expected == 0 ? 2 * TRACER_RING_MAX + 1 : expected + 2;
		ck_assert_uint_eq(e->detail.first, expected);
	}
	ck_assert_uint_eq(count, TRACER_RING_MAX / 2);
	node_done(&node);
}
END_TEST

static void end_node(void)
{
	node_init(&node, &node_ops, &env, NULL);
	node_fatal(&node, STATUS_IO, "sync of %s failed", "wal-1");
}

/* A node that cannot go on tells its world why, in words. */
START_TEST(a_node_that_cannot_go_on_says_why)
{
	ck_assert(check_aborts(end_node));
}
END_TEST
