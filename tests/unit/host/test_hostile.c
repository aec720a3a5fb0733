/* faults: 69, 70, 73, 74, 75, 78 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../support/check_main.h"
#include "../support/raw.h"

static struct echo server, client;

static struct host_options options_of(const char *listen)
{
	struct host_options options = {
		.cluster = "test", .node = "s1", .role = "echo", .listen = listen};
	host_settings_default(&options.settings);
	return options;
}

static void start_server(void)
{
	struct host_options options = options_of("127.0.0.1:0");
	echo_start(&server, &options);
}

/* The server still answers: one request over a connection of its own. */
static void check_serves(void)
{
	struct raw raw = raw_open(server.host);
	struct buffer out = {0};
	struct message message;
	size_t consumed;
	frame_of(&out, MESSAGE_REQUEST, METHOD_QUERY, 9, slice_string("hello"));
	ck_assert(raw_send(&raw, buffer_slice(&out)));
	TURN_UNTIL(raw_frame(&raw, &message, &consumed), server.host);
	ck_assert_uint_eq(message.id, 9);
	ck_assert(slice_equal(message.payload, slice_string("hello")));
	raw_close(&raw);
	buffer_free(&out);
}

/* Bytes that are no frame close the connection that sent them, at any point, and no other. */
START_TEST(garbage_closes_its_own_connection_only)
{
	struct rng rng;
	struct buffer frame = {0};
	start_server();
	rng_seed(&rng, 3);
	struct raw bystander = raw_open(server.host);
	frame_of(&frame, MESSAGE_REQUEST, METHOD_QUERY, 1, slice_string("some payload"));
	/* a changed length may be a longer frame that never comes */
	for (size_t i = 4; i < frame.len; i++) {
		struct raw raw = raw_open(server.host);
		frame.data[i] ^= (uint8_t)(1u << rng_below(&rng, 8));
		ck_assert(raw_send(&raw, buffer_slice(&frame)));
		TURN_UNTIL(raw_is_closed(&raw), server.host);
		raw_close(&raw);
		buffer_clear(&frame);
		frame_of(&frame, MESSAGE_REQUEST, METHOD_QUERY, 1, slice_string("some payload"));
	}
	ck_assert_uint_eq(server.requests, 0);
	ck_assert(raw_send(&bystander, buffer_slice(&frame)));
	TURN_UNTIL(server.requests == 1, server.host);
	ck_assert(!raw_is_closed(&bystander));
	check_serves();
	raw_close(&bystander);
	buffer_free(&frame);
	echo_end(&server);
}
END_TEST

/*
 * What comes before the hello, is longer than a hello may be, or is a second hello, ends the
 * connection.
 */
START_TEST(what_is_no_proper_hello_ends_the_connection)
{
	struct buffer frames[6] = {{0}};
	char large[HELLO_BYTES_MAX + 1] = {0};
	start_server();
	frame_of(&frames[0], MESSAGE_REQUEST, METHOD_QUERY, 1, slice_string("x"));
	frame_of(&frames[1], MESSAGE_REQUEST, METHOD_HELLO, 1, slice_string("")); /* id is not 0 */
	frame_of(&frames[2], MESSAGE_REQUEST, METHOD_HELLO, 0, slice(large, sizeof large));
	frame_of(&frames[3], MESSAGE_REQUEST, METHOD_HELLO, 0, slice_string("\x0a\xff\xff"));
	hello_of(&frames[4], MESSAGE_REPLY, PROTOCOL_VERSION, "test", "", "");
	hello_of(&frames[5], MESSAGE_REQUEST, PROTOCOL_VERSION, "test", "", "");
	hello_of(&frames[5], MESSAGE_REQUEST, PROTOCOL_VERSION, "test", "", "");
	for (size_t i = 0; i < 6; i++) {
		struct raw raw = raw_connect(host_port(server.host));
		ck_assert(raw_send(&raw, buffer_slice(&frames[i])));
		TURN_UNTIL(raw_is_closed(&raw), server.host);
		ck_assert_uint_eq(server.requests, 0);
		raw_close(&raw);
		buffer_free(&frames[i]);
	}
	check_serves();
	echo_end(&server);
}
END_TEST

/*
 * A refusal says why and arrives even when the sender has sent more than was read; then the
 * connection ends.
 */
START_TEST(a_refusal_says_why_and_arrives)
{
	static const struct {
		uint32_t version;
		const char *node, *cluster, *target;
		int status;
		const char *text;
	} cases[] = {
		{PROTOCOL_VERSION + 1, "n", "test", "", STATUS_WRONG_VERSION,
		 "speaks protocol version 4, not 5"},
		{PROTOCOL_VERSION + 1, "", "test", "", STATUS_WRONG_VERSION,
		 "speaks protocol version 4, not 5"},
		/* Clients of the versions before are welcome, nodes are not. */
		{CLIENT_VERSION_MIN, "n", "test", "", STATUS_WRONG_VERSION,
		 "speaks protocol version 4, not 1"},
		{CLIENT_VERSION_MIN - 1, "", "test", "", STATUS_WRONG_VERSION,
		 "speaks protocol version 4, not 0"},
		{CLIENT_VERSION_MIN, "", "prod", "", STATUS_WRONG_CLUSTER,
		 "belongs to cluster 'test', not to 'prod'"},
		{PROTOCOL_VERSION, "n", "prod", "", STATUS_WRONG_CLUSTER,
		 "belongs to cluster 'test', not to 'prod'"},
		{PROTOCOL_VERSION, "n", "test", "s2", STATUS_WRONG_NODE,
		 "this is node s1, not 's2'"},
	};
	start_server();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct raw raw = raw_connect(host_port(server.host));
		struct buffer out = {0};
		struct message message;
		struct wire_error wire_error;
		struct arena arena;
		size_t consumed;
		hello_of(&out, MESSAGE_REQUEST, cases[i].version, cases[i].cluster, cases[i].node,
			 cases[i].target);
		for (int k = 0; k < 100; k++)
			frame_of(&out, MESSAGE_REQUEST, METHOD_QUERY, 1,
				 slice_string("never seen"));
		ck_assert(raw_send(&raw, buffer_slice(&out)));
		TURN_UNTIL(raw_frame(&raw, &message, &consumed), server.host);
		ck_assert_int_eq(message.kind, MESSAGE_REPLY);
		ck_assert_uint_eq(message.method, METHOD_HELLO);
		ck_assert_int_eq(message.status, cases[i].status);
		arena_init(&arena, 1 << 20);
		ck_assert_int_eq(wire_error_decode(message.payload, &arena, &wire_error), 0);
		ck_assert_ptr_nonnull(memmem(wire_error.message.data, wire_error.message.len,
					     cases[i].text, strlen(cases[i].text)));
		TURN_UNTIL(raw_is_closed(&raw), server.host);
		arena_free(&arena);
		raw_close(&raw);
		buffer_free(&out);
	}
	ck_assert_uint_eq(server.requests, 0);
	echo_end(&server);
}
END_TEST

/* A length beyond the limit is refused from its four bytes, before anything is kept for it. */
START_TEST(a_length_beyond_the_limit_is_refused_at_once)
{
	start_server();
	for (int i = 0; i < 3; i++) {
		const uint32_t lengths[3] = {FRAME_BYTES_MAX + 1, INT32_MAX, UINT32_MAX};
		struct raw raw = raw_open(server.host);
		ck_assert(raw_send(&raw, slice(&lengths[i], 4)));
		TURN_UNTIL(raw_is_closed(&raw), server.host);
		raw_close(&raw);
	}
	check_serves();
	echo_end(&server);
}
END_TEST

/*
 * Answers of somebody who was never asked end his connection; whatever number they bear, the node
 * does not hear of them.
 */
/*
 * faults: 96. A reply to what was never asked, of any method, ends its connection and reaches no
 * node.
 */
START_TEST(a_reply_to_nothing_ends_the_connection)
{
	static const uint16_t methods[] = {
		METHOD_PING,      METHOD_HELLO,    METHOD_QUERY, METHOD_PB_FORWARD,
		METHOD_AGREEMENT, METHOD_ACCEPTED, 60000};
	start_server();
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		for (uint64_t id = 0; id < 3; id++) {
			struct buffer out = {0};
			struct raw raw = raw_open(server.host);
			frame_of(&out, MESSAGE_REPLY, methods[i], id * UINT64_C(0x7fffffffffffffff),
				 slice_string("x"));
			ck_assert(raw_send(&raw, buffer_slice(&out)));
			TURN_UNTIL(raw_is_closed(&raw), server.host);
			raw_close(&raw);
			buffer_free(&out);
		}
	}
	ck_assert_uint_eq(server.replies, 0);
	check_serves();
	echo_end(&server);
}
END_TEST

/* Frames that arrive byte by byte, or in any other portions, are the same frames. */
START_TEST(frames_arrive_in_any_portions)
{
	struct rng rng;
	struct buffer out = {0};
	static uint8_t payload[3000];
	start_server();
	rng_seed(&rng, 11);
	struct raw raw = raw_open(server.host);
	for (uint64_t id = 1; id <= 40; id++)
		frame_of(&out, MESSAGE_REQUEST, METHOD_QUERY, id,
			 slice(payload, rng_below(&rng, sizeof payload)));
	for (size_t position = 0; position < out.len;) {
		size_t len = position < 300 ? 1 : 1 + rng_below(&rng, 2000);
		if (len > out.len - position)
			len = out.len - position;
		ck_assert(raw_send(&raw, slice(out.data + position, len)));
		position += len;
		host_turn(server.host, false);
	}
	TURN_UNTIL(server.requests == 40, server.host);
	raw_close(&raw);
	buffer_free(&out);
	echo_end(&server);
}
END_TEST

/*
 * A connection that never says hello, or never ends a frame however busily it sends, is cut by its
 * time limit.
 */
START_TEST(a_slow_sender_is_cut_by_its_time_limit)
{
	struct host_options options = options_of("127.0.0.1:0");
	options.settings.hello_timeout_ms = 60;
	options.settings.frame_timeout_ms = 60;
	echo_start(&server, &options);
	struct raw mute = raw_connect(host_port(server.host));
	TURN_UNTIL(raw_is_closed(&mute), server.host);

	struct buffer hello = {0};
	struct raw hesitant = raw_connect(host_port(server.host));
	hello_of(&hello, MESSAGE_REQUEST, PROTOCOL_VERSION, "test", "", "");
	raw_send(&hesitant, slice(hello.data, hello.len - 1));
	TURN_UNTIL(raw_is_closed(&hesitant), server.host);

	struct raw trickle = raw_open(server.host);
	const uint32_t announced = 1000000;
	ck_assert(raw_send(&trickle, slice(&announced, 4)));
	TURN_UNTIL(!raw_send(&trickle, slice_string("x")) || raw_is_closed(&trickle), server.host);
	ck_assert_uint_eq(server.requests, 0);
	raw_close(&mute);
	raw_close(&hesitant);
	raw_close(&trickle);
	buffer_free(&hello);
	echo_end(&server);
}
END_TEST

static uint64_t buffered(void)
{
	struct buffer text = {0};
	metrics_render(&server.node.metrics, &text);
	buffer_add_u8(&text, 0);
	const char *line = strstr((char *)text.data, "\nsynod_network_buffered_bytes ");
	uint64_t value = strtoull(line + strlen("\nsynod_network_buffered_bytes "), NULL, 10);
	buffer_free(&text);
	return value;
}

/*
 * A client that sends without reading its replies is no longer read, so that what is kept for it
 * stays bounded, and is then cut.
 */
START_TEST(a_client_that_never_reads_is_bounded_and_cut)
{
	static uint8_t payload[60000];
	struct host_options options = options_of("127.0.0.1:0");
	options.settings.write_timeout_ms = 200;
	struct buffer frame = {0};
	uint64_t most = 0;
	echo_start(&server, &options);
	struct raw raw = raw_open(server.host);
	frame_of(&frame, MESSAGE_REQUEST, METHOD_QUERY, 1, slice(payload, sizeof payload));
	size_t position = 0;
	while (server.downs == 0) {
		ssize_t sent = send(raw.fd, frame.data + position, frame.len - position,
				    MSG_NOSIGNAL);
		position = sent > 0 ? (position + (size_t)sent) % frame.len : position;
		host_turn(server.host, false);
		uint64_t now = buffered();
		most = now > most ? now : most;
		if (sent < 0)
			usleep(1000);
	}
	ck_assert_uint_gt(most, 0);
	ck_assert_uint_lt(most, 3u << 20);
	ck_assert_uint_eq(buffered(), 0);
	check_serves();
	raw_close(&raw);
	buffer_free(&frame);
	echo_end(&server);
}
END_TEST

/* A link whose unsent output passes its budget is cut at once. */
START_TEST(a_link_beyond_its_budget_is_cut)
{
	static uint8_t payload[1 << 20];
	struct host_options options = options_of("127.0.0.1:0");
	options.settings.link_output_bytes_max = 16u << 20;
	echo_start(&server, &options);
	struct raw raw = raw_open(server.host);
	struct buffer frame = {0};
	frame_of(&frame, MESSAGE_REQUEST, METHOD_QUERY, 1, slice_string("x"));
	ck_assert(raw_send(&raw, buffer_slice(&frame)));
	TURN_UNTIL(server.requests == 1, server.host);
	for (int i = 0; i < 100; i++) {
		echo_send(&server, server.last_from, MESSAGE_REPLY, 1,
			  slice(payload, sizeof payload));
		ck_assert_uint_le(buffered(), 18u << 20);
	}
	TURN_UNTIL(server.downs == 1, server.host);
	ck_assert_uint_eq(buffered(), 0);
	raw_close(&raw);
	buffer_free(&frame);
	echo_end(&server);
}
END_TEST

/* When all buffers together pass their budget, the largest holder is cut and the others are not. */
START_TEST(beyond_the_total_the_largest_holder_is_cut)
{
	static uint8_t payload[1 << 20];
	struct host_options options = options_of("127.0.0.1:0");
	options.settings.network_bytes_max = 20u << 20;
	echo_start(&server, &options);
	struct raw raws[2];
	link_id links[2];
	struct buffer frame = {0};
	frame_of(&frame, MESSAGE_REQUEST, METHOD_QUERY, 1, slice_string("x"));
	for (uint64_t i = 0; i < 2; i++) {
		raws[i] = raw_open(server.host);
		ck_assert(raw_send(&raws[i], buffer_slice(&frame)));
		TURN_UNTIL(server.requests == i + 1, server.host);
		links[i] = server.last_from;
	}
	for (int i = 0; i < 12; i++)
		echo_send(&server, links[0], MESSAGE_REPLY, 1, slice(payload, sizeof payload));
	for (int i = 0; i < 10; i++)
		echo_send(&server, links[1], MESSAGE_REPLY, 1, slice(payload, sizeof payload));
	TURN_UNTIL(server.downs == 1, server.host);
	ck_assert_uint_eq(server.last_down, links[0]);
	struct message message;
	size_t consumed;
	buffer_clear(&raws[1].in);
	TURN_UNTIL(raw_frame(&raws[1], &message, &consumed), server.host);
	raw_close(&raws[0]);
	raw_close(&raws[1]);
	buffer_free(&frame);
	echo_end(&server);
}
END_TEST

/*
 * A client that leaves too many requests unanswered is told BUSY by the transport; the node does
 * not see them.
 */
START_TEST(too_many_requests)
{
	struct buffer out = {0};
	struct message message;
	size_t consumed;
	start_server();
	server.silent = true;
	struct raw raw = raw_open(server.host);
	for (uint64_t id = 1; id <= LINK_REQUESTS_MAX + 1; id++)
		frame_of(&out, MESSAGE_REQUEST, METHOD_QUERY, id, slice_string(""));
	for (size_t position = 0; position < out.len;) {
		ssize_t sent = send(raw.fd, out.data + position, out.len - position, MSG_NOSIGNAL);
		position += sent > 0 ? (size_t)sent : 0;
		host_turn(server.host, false);
	}
	TURN_UNTIL(raw_frame(&raw, &message, &consumed), server.host);
	ck_assert_int_eq(message.status, STATUS_BUSY);
	ck_assert_uint_eq(message.id, LINK_REQUESTS_MAX + 1);
	ck_assert_uint_eq(server.requests, LINK_REQUESTS_MAX);
	raw_close(&raw);
	buffer_free(&out);
	echo_end(&server);
}
END_TEST

/* PING is answered by the transport, whatever the node does. */
START_TEST(the_transport_answers_a_ping)
{
	struct buffer out = {0};
	struct message message;
	size_t consumed;
	start_server();
	server.silent = true;
	struct raw raw = raw_open(server.host);
	frame_of(&out, MESSAGE_REQUEST, METHOD_PING, 77, slice_string(""));
	ck_assert(raw_send(&raw, buffer_slice(&out)));
	TURN_UNTIL(raw_frame(&raw, &message, &consumed), server.host);
	ck_assert_int_eq(message.kind, MESSAGE_REPLY);
	ck_assert_uint_eq(message.method, METHOD_PING);
	ck_assert_uint_eq(message.id, 77);
	ck_assert_uint_eq(server.requests, 0);
	raw_close(&raw);
	buffer_free(&out);
	echo_end(&server);
}
END_TEST

static void start_client(uint16_t port, link_id *link)
{
	char address[64];
	struct host_options options = options_of(NULL);
	options.node = "c1";
	options.settings.ping_interval_ms = 20;
	options.settings.ping_timeout_ms = 60;
	options.settings.hello_timeout_ms = 60;
	snprintf(address, sizeof address, "127.0.0.1:%u", port);
	echo_start(&client, &options);
	*link = node_dial(&client.node, address);
}

/* Accepts the client's connection as node s1. */
static struct raw accept_client(int listen_fd)
{
	struct buffer out = {0};
	struct message message;
	size_t consumed;
	struct raw raw = raw_accept(listen_fd, client.host);
	TURN_UNTIL(raw_frame(&raw, &message, &consumed), client.host);
	ck_assert_uint_eq(message.method, METHOD_HELLO);
	buffer_consume(&raw.in, consumed);
	hello_of(&out, MESSAGE_REPLY, PROTOCOL_VERSION, "test", "s1", "");
	ck_assert(raw_send(&raw, buffer_slice(&out)));
	buffer_free(&out);
	return raw;
}

/*
 * A dialled peer that falls silent is probed; if it answers the link stays, if not it is cut and
 * the node is told.
 */
START_TEST(a_silent_peer_is_probed)
{
	uint16_t port;
	link_id link;
	struct message message;
	struct buffer out = {0};
	size_t consumed;
	int listen_fd = raw_listen(&port);
	start_client(port, &link);
	echo_send(&client, link, MESSAGE_REQUEST, 1, slice_string("x"));
	struct raw raw = accept_client(listen_fd);
	TURN_UNTIL(raw_frame(&raw, &message, &consumed), client.host);
	ck_assert_uint_eq(message.method, METHOD_QUERY);
	buffer_consume(&raw.in, consumed);
	for (int i = 0; i < 5; i++) {
		TURN_UNTIL(raw_frame(&raw, &message, &consumed), client.host);
		ck_assert_uint_eq(message.method, METHOD_PING);
		buffer_consume(&raw.in, consumed);
		buffer_clear(&out);
		frame_of(&out, MESSAGE_REPLY, METHOD_PING, 0, slice_string(""));
		ck_assert(raw_send(&raw, buffer_slice(&out)));
	}
	ck_assert_uint_eq(client.downs, 0);
	TURN_UNTIL(client.downs == 1, client.host);
	ck_assert_uint_eq(client.last_down, link);
	ck_assert_uint_eq(client.replies, 0);
	raw_close(&raw);
	buffer_free(&out);
	close(listen_fd);
	echo_end(&client);
}
END_TEST

/*
 * A server that takes the connection and says nothing, or not what a server says, is a failed
 * attempt.
 */
START_TEST(a_server_that_speaks_nonsense_is_a_failed_attempt)
{
	uint16_t port;
	link_id link;
	struct buffer answers[5] = {{0}};
	int listen_fd = raw_listen(&port);
	start_client(port, &link);
	hello_of(&answers[1], MESSAGE_REPLY, PROTOCOL_VERSION, "prod", "s1", "");
	hello_of(&answers[2], MESSAGE_REQUEST, PROTOCOL_VERSION, "test", "s1", "");
	frame_of(&answers[3], MESSAGE_REPLY, METHOD_QUERY, 1, slice_string(""));
	buffer_add(&answers[4], "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	for (uint64_t i = 0; i < 5; i++) {
		/* After the pause a new request connects again. */
		struct raw raw = {.fd = -1};
		uint64_t before = 0;
		TURN_UNTIL((before = client.downs,
			    echo_send(&client, link, MESSAGE_REQUEST, i + 1, slice_string("x")),
			    (raw.fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK)) >= 0),
			   client.host);
		raw_send(&raw, buffer_slice(&answers[i]));
		TURN_UNTIL(client.downs > before, client.host);
		raw_close(&raw);
		buffer_free(&answers[i]);
	}
	ck_assert_uint_eq(client.replies, 0);
	close(listen_fd);
	echo_end(&client);
}
END_TEST

/*
 * Out of descriptors the server stops accepting, goes on serving, and accepts again when there are
 * some.
 */
START_TEST(out_of_descriptors)
{
	struct rlimit old, small;
	struct buffer out = {0};
	struct message message;
	size_t consumed;
	int spare[8];
	start_server();
	struct raw first = raw_open(server.host);
	struct raw second = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
	/* It waits for an answer, and so is not idle: nobody gives way. */
	server.silent = true;
	frame_of(&out, MESSAGE_REQUEST, METHOD_QUERY, 1, slice_string("x"));
	ck_assert(raw_send(&first, buffer_slice(&out)));
	TURN_UNTIL(server.requests == 1, server.host);
	server.silent = false;
	buffer_clear(&out);
	for (int i = 0; i < 8; i++)
		spare[i] = dup(0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	small = old;
	small.rlim_cur = (rlim_t)spare[7] + 1; /* every number below is taken */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &small), 0);
	int none = dup(0);
	ck_assert_int_eq(none, -1);

	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(host_port(server.host)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	ck_assert_int_eq(connect(second.fd, (struct sockaddr *)&to, sizeof to), 0);
	fcntl(second.fd, F_SETFL, O_NONBLOCK);
	hello_of(&out, MESSAGE_REQUEST, PROTOCOL_VERSION, "test", "", "");
	ck_assert(raw_send(&second, buffer_slice(&out)));
	uint64_t turns = server.turns;
	turn_some(server.host, NULL);
	ck_assert_uint_le(server.turns - turns, 100);
	ck_assert(!raw_frame(&second, &message, &consumed));
	buffer_clear(&out);
	frame_of(&out, MESSAGE_REQUEST, METHOD_QUERY, 1, slice_string("x"));
	ck_assert(raw_send(&first, buffer_slice(&out)));
	TURN_UNTIL(raw_frame(&first, &message, &consumed), server.host);

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	for (int i = 0; i < 8; i++)
		close(spare[i]);
	TURN_UNTIL(raw_frame(&second, &message, &consumed), server.host);
	ck_assert_uint_eq(message.method, METHOD_HELLO);
	raw_close(&first);
	raw_close(&second);
	buffer_free(&out);
	echo_end(&server);
}
END_TEST
