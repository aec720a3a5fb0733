#include <stdlib.h>

#include "../support/check_main.h"
#include "../support/raw.h"

static struct echo server, client;
static char address[64];
static struct host_peer peer;

static struct host_options server_options(void)
{
	struct host_options options = {
		.cluster = "test", .node = "s1", .role = "echo", .listen = "127.0.0.1:0"};
	host_settings_default(&options.settings);
	options.settings.reconnect_max_ms = 20;
	return options;
}

static struct host_options client_options(void)
{
	struct host_options options = server_options();
	peer = (struct host_peer){.name = "s1", .address = address};
	options.node = "c1";
	options.listen = NULL;
	options.npeers = 1;
	options.peers = &peer;
	return options;
}

static void start_server(const struct host_options *changed)
{
	struct host_options options = changed == NULL ? server_options() : *changed;
	echo_start(&server, &options);
	snprintf(address, sizeof address, "127.0.0.1:%u", host_port(server.host));
}

static link_id start_client(const struct host_options *changed)
{
	struct host_options options = changed == NULL ? client_options() : *changed;
	echo_start(&client, &options);
	return node_dial(&client.node, address);
}

static void end_both(void)
{
	echo_end(&client);
	echo_end(&server);
}

/* Requests of all sizes, sent before the connection exists, are answered in full and in order. */
START_TEST(requests_of_all_sizes_are_answered_in_order)
{
	static const size_t sizes[] = {
		0,     1,      47,     48,     49,      4096,           65535,
		65536, 262143, 262144, 262145, 1000000, FRAME_BYTES_MAX};
	start_server(NULL);
	link_id to = start_client(NULL);
	uint8_t *payload = malloc(FRAME_BYTES_MAX);
	for (size_t i = 0; i < FRAME_BYTES_MAX; i++)
		payload[i] = (uint8_t)(i * 2654435761u >> 13);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		echo_send(&client, to, MESSAGE_REQUEST, i + 1, slice(payload, sizes[i]));
		TURN_UNTIL(client.replies == i + 1, client.host, server.host);
		ck_assert(
			slice_equal(buffer_slice(&client.last_payload), slice(payload, sizes[i])));
	}
	ck_assert_uint_eq(client.downs, 0);
	free(payload);
	end_both();
}
END_TEST

/*
 * Thousands of frames of mixed lengths in flight at once all come back; a turn reads and answers
 * many of them.
 */
START_TEST(thousands_of_frames_in_flight_come_back)
{
	static uint8_t payload[20000];
	struct rng rng;
	uint64_t bytes = 0;
	start_server(NULL);
	link_id to = start_client(NULL);
	rng_seed(&rng, 7);
	for (uint64_t id = 1; id <= 5000; id++) {
		size_t len = rng_chance(&rng, 100000) ? rng_below(&rng, sizeof payload)
						      : rng_below(&rng, 100);
		bytes += len;
		echo_send(&client, to, MESSAGE_REQUEST, id, slice(payload, len));
	}
	TURN_UNTIL(client.replies == 5000, client.host, server.host);
	ck_assert_uint_eq(client.reply_bytes, bytes);
	ck_assert_uint_eq(server.requests, 5000);
	ck_assert_uint_eq(client.node.env->ops->backlog(client.node.env, to), 0);
	end_both();
}
END_TEST

static void send_in_parts(link_id to, uint64_t id, struct slice payload,
			  const struct message_part *parts, uint16_t nparts)
{
	struct message message = {.kind = MESSAGE_REQUEST,
				  .method = METHOD_QUERY,
				  .id = id,
				  .payload = payload,
				  .parts = parts,
				  .nparts = nparts};
	node_send(&client.node, to, &message);
}

/*
 * Messages in parts arrive whole and in order among others, before the link is open and after that,
 * more than the network takes at once, and more parts than one call sends. What was kept for them
 * is given back.
 */
START_TEST(parts_are_sent_from_where_they_are)
{
	static uint8_t payload[300];
	enum { SENT = 400, PARTS = 3 };
	struct bytes *bytes[PARTS] = {bytes_new(5000), bytes_new(1), bytes_new(120000)};
	struct rng rng;
	uint64_t received = 0;
	start_server(NULL);
	link_id to = start_client(NULL);
	rng_seed(&rng, 5);
	for (size_t i = 0; i < sizeof payload; i++)
		payload[i] = (uint8_t)rng_next(&rng);
	for (uint32_t i = 0; i < PARTS; i++)
		for (size_t j = 0; j < bytes[i]->len; j++)
			bytes[i]->data[j] = (uint8_t)rng_next(&rng);
	for (uint64_t id = 1; id <= SENT; id++) {
		struct message_part parts[PARTS];
		uint16_t nparts = (uint16_t)rng_below(&rng, PARTS + 1);
		struct slice rest = slice(payload, rng_below(&rng, sizeof payload));
		struct buffer room = {0};
		for (uint32_t i = 0; i < nparts; i++)
			parts[i] = (struct message_part){
				.at = i == 0 ? 0 : rng_range(&rng, parts[i - 1].at, rest.len),
				.bytes = bytes[id % 50 == 0 ? i : rng_below(&rng, 2)]};
		struct message whole = {.payload = rest, .parts = parts, .nparts = nparts};
		struct slice expected = message_whole(&whole, &room);
		received += expected.len;
		send_in_parts(to, id, rest, parts, nparts);
		/* Some alone, so that what comes back can be compared; the others in a crowd. */
		if (id % 20 == 1) {
			TURN_UNTIL(client.replies == id, client.host, server.host);
			ck_assert(slice_equal(buffer_slice(&client.last_payload), expected));
		}
		buffer_free(&room);
	}
	TURN_UNTIL(client.replies == SENT, client.host, server.host);
	ck_assert_uint_eq(client.reply_bytes, received);
	ck_assert_uint_eq(client.node.env->ops->backlog(client.node.env, to), 0);
	for (uint32_t i = 0; i < PARTS; i++) {
		ck_assert_uint_eq(bytes[i]->refs, 1);
		bytes_unref(bytes[i]);
	}
	end_both();
}
END_TEST

/* What a link has kept of messages that it will not send is given back when it ends. */
START_TEST(parts_of_a_lost_link_are_given_back)
{
	struct bytes *bytes = bytes_new(1000000);
	memset(bytes->data, 7, bytes->len);
	start_server(NULL);
	link_id to = start_client(NULL);
	echo_send(&client, to, MESSAGE_REQUEST, 1, slice("x", 1));
	TURN_UNTIL(client.replies == 1, client.host, server.host);
	struct message_part part = {.at = 1, .bytes = bytes};
	/* More than the network takes while nobody reads. */
	for (uint64_t id = 2; id < 14; id++)
		send_in_parts(to, id, slice("xy", 2), &part, 1);
	ck_assert_uint_gt(client.node.env->ops->backlog(client.node.env, to), 12 * bytes->len);
	ck_assert_uint_eq(bytes->refs, 13);
	for (int i = 0; i < 5; i++)
		host_turn(client.host, false);
	ck_assert_uint_gt(bytes->refs, 1);
	echo_end(&server);
	TURN_UNTIL(client.downs == 1, client.host);
	ck_assert_uint_eq(bytes->refs, 1);
	bytes_unref(bytes);
	echo_end(&client);
}
END_TEST

/*
 * One-way messages that are sent while the link connects arrive in order behind the hello; the same
 * address is the same link.
 */
START_TEST(one_way_messages_wait_for_the_connection)
{
	start_server(NULL);
	link_id to = start_client(NULL);
	ck_assert_uint_eq(node_dial(&client.node, address), to);
	for (int i = 0; i < 100; i++)
		echo_send(&client, to, MESSAGE_ONEWAY, 0, slice_string("x"));
	TURN_UNTIL(server.oneways == 100, client.host, server.host);
	end_both();
}
END_TEST

/*
 * What waits for a connection is limited: one-way messages beyond it are dropped, and the link
 * works afterwards.
 */
START_TEST(waiting_is_limited)
{
	static uint8_t payload[1 << 20];
	start_server(NULL);
	link_id to = start_client(NULL);
	for (int i = 0; i < 64; i++)
		echo_send(&client, to, MESSAGE_ONEWAY, 0, slice(payload, sizeof payload));
	ck_assert_uint_lt(client.node.env->ops->backlog(client.node.env, to), 5u << 20);
	echo_send(&client, to, MESSAGE_REQUEST, 1, slice_string("x"));
	TURN_UNTIL(client.replies == 1, client.host, server.host);
	ck_assert_uint_ge(server.oneways, 3);
	ck_assert_uint_lt(server.oneways, 5);
	end_both();
}
END_TEST

/* A node that is dialled under one address is reached at another when a route says so. */
START_TEST(a_route_leads_to_another_address)
{
	start_server(NULL);
	struct host_options options = client_options();
	peer.address = "elsewhere:1";
	peer.route = address;
	(void)start_client(&options);
	link_id to = node_dial(&client.node, "elsewhere:1");
	echo_send(&client, to, MESSAGE_REQUEST, 1, slice_string("x"));
	TURN_UNTIL(client.replies == 1, client.host, server.host);
	end_both();
}
END_TEST

/* A host name is resolved. */
START_TEST(a_host_name_is_resolved)
{
	start_server(NULL);
	struct host_options options = client_options();
	char named[64];
	snprintf(named, sizeof named, "localhost:%u", host_port(server.host));
	(void)start_client(&options);
	link_id to = node_dial(&client.node, named);
	echo_send(&client, to, MESSAGE_REQUEST, 1, slice_string("x"));
	TURN_UNTIL(client.replies == 1, client.host, server.host);
	end_both();
}
END_TEST

/*
 * A request to another cluster is answered with WRONG_CLUSTER and a text that names both; nothing
 * reaches the other node.
 */
START_TEST(a_request_to_another_cluster_is_refused)
{
	start_server(NULL);
	struct host_options options = client_options();
	options.cluster = "other";
	link_id to = start_client(&options);
	echo_send(&client, to, MESSAGE_REQUEST, 1, slice_string("x"));
	TURN_UNTIL(client.replies == 1 && client.downs == 1, client.host, server.host);
	ck_assert_int_eq(client.last_status, STATUS_WRONG_CLUSTER);
	struct arena arena;
	struct wire_error wire_error;
	arena_init(&arena, 1 << 20);
	ck_assert_int_eq(wire_error_decode(buffer_slice(&client.last_payload), &arena, &wire_error),
			 0);
	ck_assert_ptr_nonnull(memmem(wire_error.message.data, wire_error.message.len, "'test'", 6));
	ck_assert_ptr_nonnull(
		memmem(wire_error.message.data, wire_error.message.len, "'other'", 7));
	ck_assert_uint_eq(server.requests, 0);
	arena_free(&arena);
	end_both();
}
END_TEST

/*
 * A node that is not the one that was dialled gets nothing; the sender is told that the link is
 * down.
 */
START_TEST(another_node_than_the_dialled_one_gets_nothing)
{
	start_server(NULL);
	struct host_options options = client_options();
	peer.name = "s2";
	link_id to = start_client(&options);
	echo_send(&client, to, MESSAGE_REQUEST, 1, slice_string("x"));
	TURN_UNTIL(client.downs == 1, client.host, server.host);
	ck_assert_uint_eq(client.last_down, to);
	ck_assert_uint_eq(client.replies, 0);
	ck_assert_uint_eq(server.requests, 0);
	end_both();
}
END_TEST

/* A client without a cluster name may ask anybody. */
START_TEST(a_client_without_a_cluster_may_ask_any)
{
	start_server(NULL);
	struct host_options options = {.cluster = "", .node = "", .role = ""};
	host_settings_default(&options.settings);
	link_id to = start_client(&options);
	echo_send(&client, to, MESSAGE_REQUEST, 1, slice_string("x"));
	TURN_UNTIL(client.replies == 1, client.host, server.host);
	ck_assert_int_eq(client.last_status, 0);
	end_both();
}
END_TEST

/*
 * A server that dies is reported once; the link connects again by itself when the server is back.
 */
START_TEST(a_link_connects_again_by_itself)
{
	start_server(NULL);
	link_id to = start_client(NULL);
	echo_send(&client, to, MESSAGE_REQUEST, 1, slice_string("x"));
	TURN_UNTIL(client.replies == 1, client.host, server.host);

	echo_end(&server);
	echo_send(&client, to, MESSAGE_REQUEST, 2, slice_string("x"));
	TURN_UNTIL(client.downs == 1, client.host);
	ck_assert_uint_eq(client.last_down, to);
	ck_assert_uint_eq(client.replies, 1);

	/* While nobody is there every request is told so, in one way or another. */
	for (uint64_t id = 3; id < 10; id++) {
		echo_send(&client, to, MESSAGE_REQUEST, id, slice_string("x"));
		TURN_UNTIL(client.downs == id - 1, client.host);
	}
	struct host_options options = server_options();
	options.listen = address;
	start_server(&options);
	uint64_t id = 10;
	TURN_UNTIL((echo_send(&client, to, MESSAGE_REQUEST, id++, slice_string("x")),
		    client.replies > 1),
		   client.host, server.host);
	end_both();
}
END_TEST

/* An accepted link that the node closes is gone for both sides, and the node is told. */
START_TEST(a_link_that_the_node_closes_is_gone_for_both)
{
	start_server(NULL);
	link_id to = start_client(NULL);
	echo_send(&client, to, MESSAGE_REQUEST, 1, slice_string("x"));
	TURN_UNTIL(client.replies == 1, client.host, server.host);
	server.node.env->ops->close(server.node.env, server.last_from);
	server.node.env->ops->close(server.node.env, server.last_from);
	echo_send(&server, server.last_from, MESSAGE_REPLY, 1, slice_string("lost"));
	TURN_UNTIL(client.downs == 1 && server.downs == 1, client.host, server.host);
	ck_assert_uint_eq(server.last_down, server.last_from);
	echo_send(&server, server.last_from, MESSAGE_REPLY, 1, slice_string("lost"));
	turn_some(server.host, client.host);
	ck_assert_uint_eq(client.replies, 1);
	end_both();
}
END_TEST

/* An address that is taken is an error that names it and says what to do. */
START_TEST(address_in_use)
{
	char error[256], text[128];
	struct host *second;
	struct log log;
	start_server(NULL);
	log_init_fd(&log, 2, "x");
	struct host_options options = server_options();
	options.listen = address;
	options.log = &log;
	int status = host_create(&second, &options, error, sizeof error);
	ck_assert_int_eq(status, STATUS_ADDRESS_IN_USE);
	ck_assert_ptr_null(second);
	snprintf(text, sizeof text, "cannot listen on %s: address already in use", address);
	ck_assert_msg(strstr(error, text) != NULL, "%s", error);
	options.listen = "127.0.0.1";
	ck_assert_int_eq(host_create(&second, &options, error, sizeof error), STATUS_CONFIG);
	options.listen = "192.0.2.1:7001";
	ck_assert_int_eq(host_create(&second, &options, error, sizeof error), STATUS_IO);
	ck_assert_ptr_nonnull(strstr(error, "192.0.2.1:7001"));
	echo_end(&server);
}
END_TEST

/* Traffic is counted by method, peer and direction; series that count nothing are not shown. */
START_TEST(traffic_is_counted_by_method_and_peer)
{
	struct buffer text = {0};
	start_server(NULL);
	link_id to = start_client(NULL);
	for (uint64_t id = 1; id <= 3; id++)
		echo_send(&client, to, MESSAGE_REQUEST, id, slice_string("abc"));
	TURN_UNTIL(client.replies == 3, client.host, server.host);
	metrics_render(&client.node.metrics, &text);
	buffer_add_u8(&text, 0);
	ck_assert_ptr_nonnull(
		strstr((char *)text.data,
		       "synod_rpc_frames_sent_total{method=\"query\",peer=\"s1\"} 3\n"));
	ck_assert_ptr_nonnull(
		strstr((char *)text.data,
		       "synod_rpc_bytes_sent_total{method=\"query\",peer=\"s1\"} 153\n"));
	ck_assert_ptr_nonnull(
		strstr((char *)text.data,
		       "synod_rpc_frames_received_total{method=\"hello\",peer=\"s1\"} 1\n"));
	ck_assert_ptr_null(strstr((char *)text.data, "method=\"accept\""));
	buffer_clear(&text);
	metrics_render(&server.node.metrics, &text);
	buffer_add_u8(&text, 0);
	ck_assert_ptr_nonnull(
		strstr((char *)text.data,
		       "synod_rpc_frames_received_total{method=\"query\",peer=\"client\"} 3\n"));
	ck_assert_ptr_nonnull(strstr((char *)text.data, "synod_connections_accepted 1\n"));
	buffer_free(&text);
	end_both();
}
END_TEST

static void send_again(struct node *node, link_id link)
{
	echo_link_down(node, link);
	echo_send(&client, link, MESSAGE_REQUEST, 1, slice_string("x"));
}

/*
 * A node that answers every link_down() by sending again keeps the loop busy, but not from turning.
 */
START_TEST(an_impatient_node_does_not_stop_the_loop)
{
	struct host_options options = client_options();
	options.settings.reconnect_min_ms = options.settings.reconnect_max_ms = 60000;
	snprintf(address, sizeof address, "127.0.0.1:1");
	link_id to = start_client(&options);
	struct node_ops ops = ECHO_OPS;
	ops.link_down = send_again;
	client.node.ops = &ops;
	echo_send(&client, to, MESSAGE_REQUEST, 1, slice_string("x"));
	for (int i = 0; i < 1000; i++)
		host_turn(client.host, true);
	ck_assert_uint_gt(client.downs, 100);
	ck_assert_uint_eq(client.turns, 1000);
	echo_end(&client);
}
END_TEST
