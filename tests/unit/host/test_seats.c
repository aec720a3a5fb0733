/*
 * Who may stay connected when there is no room for everybody; and what gives way when descriptors
 * run out.
 */
#include "../support/check_main.h"
#include "../support/raw.h"
#include "host/internal.h"

#include <sys/resource.h>
#include <unistd.h>

static struct echo server;

static void start(uint32_t connections_max)
{
	static const struct host_peer peers[] = {{.name = "m1", .address = "127.0.0.1:1"},
						 {.name = "m2", .address = "127.0.0.1:2"}};
	struct host_options options = {.cluster = "test",
				       .node = "s1",
				       .role = "echo",
				       .listen = "127.0.0.1:0",
				       .npeers = 2,
				       .peers = peers};
	host_settings_default(&options.settings);
	options.settings.connections_max = connections_max;
	echo_start(&server, &options);
}

/* Connects and says hello as `node`; the answer's status, and its payload in server-side words. */
static struct raw say_hello(const char *node, int *status, char *text, size_t size)
{
	struct raw raw = raw_connect(host_port(server.host));
	struct buffer out = {0};
	struct message message;
	size_t consumed;
	hello_of(&out, MESSAGE_REQUEST, PROTOCOL_VERSION, "test", node, "");
	ck_assert(raw_send(&raw, buffer_slice(&out)));
	TURN_UNTIL(raw_frame(&raw, &message, &consumed), server.host);
	*status = message.status;
	snprintf(text, size, "%.*s", (int)message.payload.len, (const char *)message.payload.data);
	buffer_consume(&raw.in, consumed);
	buffer_free(&out);
	return raw;
}

static struct raw open_as(const char *node)
{
	int status;
	char text[700];
	struct raw raw = say_hello(node, &status, text, sizeof text);
	ck_assert_int_eq(status, 0);
	return raw;
}

static void send_query(struct raw *raw)
{
	struct buffer out = {0};
	frame_of(&out, MESSAGE_REQUEST, METHOD_QUERY, 1, slice_string("x"));
	ck_assert(raw_send(raw, buffer_slice(&out)));
	uint64_t before = server.requests;
	TURN_UNTIL(server.requests > before, server.host);
	buffer_free(&out);
}

static void close_all(struct raw *raws, size_t count)
{
	for (size_t i = 0; i < count; i++)
		raw_close(&raws[i]);
	echo_end(&server);
}

/*
 * faults: 97. Strangers have said hello and are idle: who has been silent longest makes room for
 * the next.
 */
START_TEST(idle_strangers_make_room)
{
	struct raw raws[4];
	start(2);
	raws[0] = open_as("");
	raws[1] = open_as("");
	send_query(&raws[0]);
	raws[2] = open_as("");
	TURN_UNTIL(raw_is_closed(&raws[1]), server.host);
	ck_assert(!raw_is_closed(&raws[0]));
	raws[3] = open_as("somebody");
	TURN_UNTIL(raw_is_closed(&raws[0]), server.host);
	ck_assert(!raw_is_closed(&raws[2]));
	send_query(&raws[2]);
	send_query(&raws[3]);
	close_all(raws, 4);
}
END_TEST

/*
 * faults: 97. While all wait for answers a stranger is refused, and told why; a member comes in,
 * and costs nobody his seat.
 */
START_TEST(a_stranger_is_refused_while_all_wait)
{
	struct raw raws[5];
	int status;
	char text[700];
	start(2);
	server.silent = true;
	raws[0] = open_as("");
	raws[1] = open_as("");
	send_query(&raws[0]);
	send_query(&raws[1]);
	raws[2] = say_hello("", &status, text, sizeof text);
	ck_assert_int_eq(status, STATUS_BUSY);
	ck_assert_ptr_nonnull(strstr(text, "connections_max"));
	TURN_UNTIL(raw_is_closed(&raws[2]), server.host);
	raws[3] = open_as("m1");
	raws[4] = open_as("m2");
	ck_assert(!raw_is_closed(&raws[0]));
	ck_assert(!raw_is_closed(&raws[1]));
	close_all(raws, 5);
}
END_TEST

/*
 * faults: 97. Who says nothing makes room for others who say nothing yet, and is in nobody else's
 * way.
 */
START_TEST(silent_newcomers_make_room_for_each_other)
{
	struct raw raws[8];
	start(2);
	raws[0] = open_as("");
	raws[1] = open_as("m1");
	for (int i = 2; i < 7; i++) {
		raws[i] = raw_connect(host_port(server.host));
		turn_some(server.host, NULL);
	}
	TURN_UNTIL(raw_is_closed(&raws[2]), server.host);
	for (int i = 3; i < 7; i++)
		ck_assert(!raw_is_closed(&raws[i]));
	raws[7] = open_as("");
	ck_assert(raw_is_closed(&raws[3]));
	ck_assert(!raw_is_closed(&raws[0]));
	ck_assert(!raw_is_closed(&raws[1]));
	close_all(raws, 8);
}
END_TEST

/* faults: 97. A member has a few seats; what claims its name beyond that is one stranger more. */
START_TEST(a_member_has_a_few_seats)
{
	struct raw raws[8];
	start(1);
	raws[0] = open_as("");
	for (int i = 1; i < 5; i++)
		raws[i] = open_as("m1");
	turn_some(server.host, NULL);
	ck_assert(!raw_is_closed(&raws[0]));
	raws[5] = open_as("m1");
	TURN_UNTIL(raw_is_closed(&raws[0]), server.host);
	raws[6] = open_as("m2");
	raws[7] = open_as("");
	TURN_UNTIL(raw_is_closed(&raws[5]), server.host);
	for (int i = 1; i < 5; i++)
		ck_assert(!raw_is_closed(&raws[i]));
	ck_assert(!raw_is_closed(&raws[6]));
	close_all(raws, 8);
}
END_TEST

/*
 * faults: 97. A member whose machine went away without a word, again and again: who has been silent
 * for long makes room.
 */
START_TEST(silent_members_make_room)
{
	struct raw raws[6];
	size_t position = 0;
	uint64_t id;
	void *value;
	int status;
	char text[700];
	start(1);
	server.silent = true;
	raws[0] = open_as("");
	send_query(&raws[0]);
	for (int i = 1; i < 5; i++)
		raws[i] = open_as("m1");
	raws[5] = say_hello("m1", &status, text, sizeof text);
	ck_assert_int_eq(status, STATUS_BUSY);
	raw_close(&raws[5]);
	while (map_next(&server.host->links, &position, &id, &value)) {
		struct link *link = value;
		if (link->seat == SEAT_MEMBER)
			link->heard_us -= 11000000;
	}
	raws[5] = open_as("m1");
	TURN_UNTIL(raw_is_closed(&raws[1]), server.host);
	for (int i = 2; i < 6; i++)
		ck_assert(!raw_is_closed(&raws[i]));
	close_all(raws, 6);
}
END_TEST

/* Takes every descriptor but `left`. */
static void take_descriptors(int left, struct rlimit *before)
{
	int spare[8];
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, before), 0);
	for (int i = 0; i < 8; i++)
		spare[i] = dup(0);
	struct rlimit small = *before;
	small.rlim_cur = (rlim_t)spare[7] + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &small), 0);
	for (int i = 0; i < left; i++)
		close(spare[i]);
}

/*
 * faults: 97. No descriptor is left: an idle stranger gives his back for whoever comes, and for a
 * node that we dial.
 */
START_TEST(an_idle_stranger_gives_its_descriptor_back)
{
	struct raw raws[4];
	struct rlimit before;
	start(100);
	raws[0] = open_as("m1");
	raws[1] = open_as("");
	raws[2] = open_as("");
	take_descriptors(1, &before);
	raws[3] = open_as(""); /* our own end takes the last one */
	TURN_UNTIL(raw_is_closed(&raws[1]), server.host);
	send_query(&raws[3]);
	/* A node at an address where somebody listens: ourselves, under another name. */
	char address[64];
	snprintf(address, sizeof address, "127.0.0.1:%u", host_port(server.host));
	link_id to = node_dial(&server.node, address);
	echo_send(&server, to, MESSAGE_REQUEST, 1, slice_string("x"));
	TURN_UNTIL(raw_is_closed(&raws[2]), server.host);
	ck_assert(!raw_is_closed(&raws[0]));
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	TURN_UNTIL(
		(echo_send(&server, to, MESSAGE_REQUEST, 1, slice_string("x")), server.replies > 0),
		server.host);
	close_all(raws, 4);
}
END_TEST
