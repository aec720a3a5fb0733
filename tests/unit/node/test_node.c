#include "../support/check_main.h"
#include "base/status.h"
#include "node/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Every message that leaves carries a later logical time than the one before, whoever fills in the message. */
START_TEST(stamps)
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
START_TEST(delivery)
{
	struct message message = {
		.kind = MESSAGE_ONEWAY, .lamport = 40, .hlc = (NOW_US / 1000 + 10) << HLC_COUNTER_BITS};

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

/* A message with an absurd time is delivered, its time ignored, and that is counted where metrics show it. */
START_TEST(absurd_time)
{
	struct message message = {.kind = MESSAGE_ONEWAY, .method = 9, .lamport = 1, .hlc = UINT64_MAX};
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
START_TEST(reply)
{
	struct message request = {.kind = MESSAGE_REQUEST, .method = 12, .id = 77, .timeout_ms = 100};

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

static void end_node(void)
{
	node_init(&node, &node_ops, &env, NULL);
	node_fatal(&node, STATUS_IO, "sync of %s failed", "wal-1");
}

/* A node that cannot go on tells its world why, in words. */
START_TEST(fatal)
{
	ck_assert(check_aborts(end_node));
}
END_TEST

CHECK_MAIN("node", stamps, delivery, absurd_time, reply, fatal)
