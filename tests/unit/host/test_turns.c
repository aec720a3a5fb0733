/*
 * One connection's burst: turns stay short, others get their share. The clock is this file's: the
 * node's work takes the time that the test says, and nothing depends on how fast the machine is.
 */
#include "../support/check_main.h"
#include "../support/raw.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>

static uint64_t spent_us; /* by the node, beyond the real time */

int clock_gettime(clockid_t id, struct timespec *now)
{
	if (syscall(SYS_clock_gettime, id, now) != 0)
		return -1;
	now->tv_sec += (time_t)(spent_us / 1000000);
	now->tv_nsec += (long)(spent_us % 1000000) * 1000;
	if (now->tv_nsec >= 1000000000) {
		now->tv_nsec -= 1000000000;
		now->tv_sec++;
	}
	return 0;
}

static struct echo server;
static struct node_ops slow_ops;
static uint64_t request_us;
static uint64_t order[4096]; /* ids of requests as they reached the node */

static void slow_message(struct node *node, link_id from, const struct message *message)
{
	struct echo *e = echo_of(node);
	if (message->kind == MESSAGE_REQUEST && e->requests < 4096)
		order[e->requests] = message->id;
	spent_us += request_us;
	echo_message(node, from, message);
}

static void start(uint64_t us)
{
	struct host_options options = {
		.cluster = "test", .node = "s1", .role = "echo", .listen = "127.0.0.1:0"};
	host_settings_default(&options.settings);
	echo_start(&server, &options);
	slow_ops = ECHO_OPS;
	slow_ops.message = slow_message;
	server.node.ops = &slow_ops;
	request_us = us;
}

/* Sends `count` requests with ids from `first` on, as one burst that the kernel takes. */
static void burst(struct raw *raw, uint64_t first, uint32_t count, size_t payload)
{
	struct buffer out = {0};
	uint8_t *bytes = calloc(1, payload + 1);
	for (uint32_t i = 0; i < count; i++)
		frame_of(&out, MESSAGE_REQUEST, METHOD_QUERY, first + i, slice(bytes, payload));
	ck_assert_uint_lt(out.len, 200000);
	ck_assert_int_eq(send(raw->fd, out.data, out.len, MSG_NOSIGNAL), (ssize_t)out.len);
	buffer_free(&out);
	free(bytes);
}

static uint32_t take_replies(struct raw *raw)
{
	struct message message;
	size_t consumed;
	uint32_t count = 0;
	while (raw_frame(raw, &message, &consumed)) {
		buffer_consume(&raw->in, consumed);
		count++;
	}
	return count;
}

/*
 * faults: 98. Two bursts of a thousand slow requests, and one request beside them: it waits for a
 * few of theirs.
 */
START_TEST(one_request_waits_for_a_few_of_many)
{
	start(1000);
	struct raw a = raw_open(server.host), b = raw_open(server.host), c = raw_open(server.host);
	burst(&a, 10000, 1000, 0);
	burst(&b, 20000, 1000, 0);
	host_turn(server.host, false);
	burst(&c, 30000, 1, 0);
	uint64_t most = 0;
	while (server.requests < 2001) {
		uint64_t before = server.requests;
		host_turn(server.host, false);
		most = server.requests - before > most ? server.requests - before : most;
	}
	ck_assert_uint_ge(most, 1);
	ck_assert_uint_le(most, 2 * 4 + 1); /* each looks at the clock after four of its own */
	uint64_t position = 0, of_a = 0, of_b = 0;
	while (order[position] != 30000)
		position++;
	ck_assert_uint_le(position, 40);
	for (uint64_t i = 0; i < 2001; i++) {
		if (order[i] / 10000 == 1)
			ck_assert_uint_eq(order[i], 10000 + of_a++);
		else if (order[i] / 10000 == 2)
			ck_assert_uint_eq(order[i], 20000 + of_b++);
		ck_assert_uint_le(of_a > of_b ? of_a - of_b : of_b - of_a, 16);
	}
	uint32_t replies = 0;
	TURN_UNTIL((replies += take_replies(&a)) == 1000, server.host);
	raw_close(&a);
	raw_close(&b);
	raw_close(&c);
	echo_end(&server);
}
END_TEST

/* faults: 98. Requests that take no time are not spread over many turns. */
START_TEST(quick_requests_are_not_spread_over_turns)
{
	start(0);
	struct raw a = raw_open(server.host);
	burst(&a, 1, 1000, 0);
	uint64_t turns = server.turns;
	uint32_t replies = 0;
	TURN_UNTIL((replies += take_replies(&a)) == 1000, server.host);
	ck_assert_uint_lt(server.turns - turns, 1000 / 4);
	raw_close(&a);
	echo_end(&server);
}
END_TEST

/*
 * faults: 98. Who has sent a burst and goes, or sends rubbish in its middle, leaves nothing behind.
 */
START_TEST(burst_that_ends)
{
	start(1000);
	struct raw a = raw_open(server.host), b = raw_open(server.host);
	burst(&a, 1, 1000, 0);
	burst(&b, 1, 100, 0);
	ck_assert_int_eq(send(b.fd,
			      "rubbish that is no frame, and long enough to be a header of one", 60,
			      MSG_NOSIGNAL),
			 60);
	host_turn(server.host, false);
	host_turn(server.host, false);
	raw_close(&a);
	TURN_UNTIL(raw_is_closed(&b) && server.downs == 2, server.host);
	ck_assert_uint_ge(server.requests, 100);
	raw_close(&b);
	echo_end(&server);
}
END_TEST

/*
 * faults: 98. Who does not take the answers gets no further requests served, is not cut for it, and
 * goes on when he reads.
 */
START_TEST(answers_are_not_taken)
{
	start(1000);
	struct raw a = raw_open(server.host), b = raw_open(server.host);
	server.silent = true;
	burst(&a, 1, 3000, 0);
	TURN_UNTIL(server.requests > 0, server.host);
	/* Large answers, by hand: as for pages of a scan. */
	static uint8_t page[1u << 20];
	uint64_t answered = 0;
	for (int idle = 0; server.requests < 3000 && idle < 100; idle++) {
		host_turn(server.host, false);
		for (; answered < server.requests; answered++, idle = 0) {
			struct message request = {.kind = MESSAGE_REQUEST,
						  .method = METHOD_QUERY,
						  .id = answered + 1};
			node_reply(&server.node, server.last_from, &request, 0,
				   slice(page, sizeof page));
		}
	}
	ck_assert_uint_lt(server.requests, 100);
	uint64_t stuck = server.requests;
	ck_assert_uint_eq(server.downs, 0);
	burst(&b, 1, 1, 0);
	TURN_UNTIL(server.requests == stuck + 1, server.host);
	TURN_UNTIL((take_replies(&a), server.requests == 3001), server.host);
	raw_close(&a);
	raw_close(&b);
	echo_end(&server);
}
END_TEST
