/*
 * Who may speak, and who belongs to what, over real connections: two members of a group, a shard
 * master, clients and strangers. faults: 90, 91, 96
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support/check_main.h"
#include "../support/raw.h"
#include "host/internal.h"

static struct echo s1, s2;
static char addresses[2][32];
static struct host_peer peers[2];
static uint32_t hello_timeout_ms = 300, connections_max; /* 0: as many as by default */

static uint16_t free_port(void)
{
	uint16_t port;
	close(raw_listen(&port));
	return port;
}

static void choose_addresses(void)
{
	for (size_t i = 0; i < 2; i++)
		snprintf(addresses[i], sizeof addresses[i], "127.0.0.1:%u", free_port());
	peers[0] = (struct host_peer){
		.name = "s1", .address = addresses[0], .speaks = SENDER_REPLICA};
	peers[1] = (struct host_peer){
		.name = "s2", .address = addresses[1], .speaks = SENDER_REPLICA};
}

/* Member `number` of two, of group 1. */
static struct identity member(uint32_t number)
{
	struct identity id = {
		.cluster = "test", .role = "shardkv", .group = 1, .replica = number, .shards = 16};
	snprintf(id.node, sizeof id.node, "s%u", number);
	identity_add_member(&id.members, 1, "s1", addresses[0]);
	identity_add_member(&id.members, 2, "s2", addresses[1]);
	return id;
}

static void start(struct echo *e, const struct identity *id)
{
	struct host_options options = {.cluster = "test",
				       .node = id->node,
				       .role = id->role,
				       .identity = id,
				       .listen = addresses[id->replica - 1],
				       .npeers = 2,
				       .peers = peers};
	host_settings_default(&options.settings);
	options.settings.reconnect_max_ms = 20;
	options.settings.hello_timeout_ms = hello_timeout_ms;
	if (connections_max > 0)
		options.settings.connections_max = connections_max;
	echo_start(e, &options);
}

static void start_member(struct echo *e, uint32_t number)
{
	struct identity id = member(number);
	start(e, &id);
}

static void send_accept(struct echo *from, link_id to)
{
	struct message message = {
		.kind = MESSAGE_ONEWAY, .method = METHOD_ACCEPT, .payload = slice_string("x")};
	node_send(&from->node, to, &message);
}

/* The hello of who says to be that node; with the right list of members. */
static void member_hello(struct buffer *out, const char *node, uint64_t group_id)
{
	struct buffer payload = {0};
	struct wire_hello hello = {.version = PROTOCOL_VERSION,
				   .cluster = slice_string("test"),
				   .node = slice_string(node),
				   .role = slice_string("shardkv"),
				   .group = 1,
				   .group_id = group_id,
				   .replica = node[1] == '1' ? 1 : 2,
				   .nonce = 7,
				   .nmembers = 2,
				   .members = {{1, slice_string("s1")}, {2, slice_string("s2")}}};
	wire_hello_encode(&hello, &payload);
	frame_of(out, MESSAGE_REQUEST, METHOD_HELLO, 0, buffer_slice(&payload));
	buffer_free(&payload);
}

/*
 * What a member sends is delivered, in the order in which it was sent, once the other has asked it
 * whether the connection is its own.
 */
START_TEST(members_hear_each_other)
{
	choose_addresses();
	start_member(&s1, 1);
	start_member(&s2, 2);
	link_id to = node_dial(&s1.node, addresses[1]);
	for (int i = 0; i < 5; i++)
		send_accept(&s1, to);
	TURN_UNTIL(s2.oneways == 5, s1.host, s2.host);
	send_accept(&s1, to);
	TURN_UNTIL(s2.oneways == 6, s1.host, s2.host);
	link_id back = node_dial(&s2.node, addresses[0]);
	send_accept(&s2, back);
	TURN_UNTIL(s1.oneways == 1, s1.host, s2.host);
	ck_assert_uint_eq(s1.host->denied_total + s2.host->denied_total, 0);
	echo_end(&s1);
	echo_end(&s2);
}
END_TEST

/* Also when the member can be asked only later: what has come by then is kept. */
START_TEST(what_came_before_the_confirmation_is_kept)
{
	choose_addresses();
	start_member(&s2, 2);
	struct raw raw = raw_connect(host_port(s2.host));
	struct buffer out = {0};
	member_hello(&out, "s1", 0);
	frame_of(&out, MESSAGE_ONEWAY, METHOD_ACCEPT, 0, slice_string("x"));
	ck_assert(raw_send(&raw, buffer_slice(&out)));
	struct message message;
	size_t consumed;
	TURN_UNTIL(raw_frame(&raw, &message, &consumed), s2.host);
	ck_assert_int_eq(message.status, 0);
	/* s1 is us: it says that the nonce is its own. */
	int listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)atoi(strchr(addresses[0], ':') + 1)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	ck_assert_int_eq(bind(listen_fd, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(listen_fd, 5), 0);
	struct raw asked = raw_accept(listen_fd, s2.host);
	TURN_UNTIL(raw_frame(&asked, &message, &consumed), s2.host);
	ck_assert_uint_eq(message.method, METHOD_HELLO);
	buffer_consume(&asked.in, consumed);
	buffer_clear(&out);
	struct buffer payload = {0};
	wire_hello_encode(
		&(struct wire_hello){.version = PROTOCOL_VERSION,
				     .cluster = slice_string("test"),
				     .node = slice_string("s1"),
				     .role = slice_string("shardkv"),
				     .group = 1,
				     .replica = 1,
				     .nmembers = 2,
				     .members = {{1, slice_string("s1")}, {2, slice_string("s2")}}},
		&payload);
	frame_of(&out, MESSAGE_REPLY, METHOD_HELLO, 0, buffer_slice(&payload));
	ck_assert(raw_send(&asked, buffer_slice(&out)));
	TURN_UNTIL(raw_frame(&asked, &message, &consumed), s2.host);
	ck_assert_uint_eq(message.method, METHOD_IDENTITY);
	ck_assert_uint_eq(s2.oneways, 0);
	buffer_clear(&out);
	buffer_clear(&payload);
	wire_identity_encode(&(struct wire_identity){.nonce = 7, .opened = true}, &payload);
	frame_of(&out, MESSAGE_REPLY, METHOD_IDENTITY, 0, buffer_slice(&payload));
	ck_assert(raw_send(&asked, buffer_slice(&out)));
	TURN_UNTIL(s2.oneways == 1, s2.host);
	buffer_free(&payload);
	buffer_free(&out);
	raw_close(&raw);
	raw_close(&asked);
	close(listen_fd);
	echo_end(&s2);
}
END_TEST

/*
 * A connection in the name of a member: while the member is down nothing comes of it, and it ends;
 * when it is up, it says no.
 */
START_TEST(an_impostor_is_not_heard)
{
	choose_addresses();
	start_member(&s2, 2);
	for (int round = 0; round < 2; round++) {
		if (round == 1)
			start_member(&s1, 1);
		struct raw raw = raw_connect(host_port(s2.host));
		struct buffer out = {0};
		member_hello(&out, "s1", 0);
		for (int i = 0; i < 100; i++)
			frame_of(&out, MESSAGE_ONEWAY, METHOD_ACCEPT, 0, slice_string("x"));
		frame_of(&out, MESSAGE_REQUEST, METHOD_AGREEMENT, 1, slice_string("x"));
		ck_assert(raw_send(&raw, buffer_slice(&out)));
		if (round == 0)
			TURN_UNTIL(raw_is_closed(&raw), s2.host);
		else
			TURN_UNTIL(raw_is_closed(&raw), s2.host, s1.host);
		ck_assert_uint_eq(s2.oneways + s2.requests, 0);
		buffer_free(&out);
		raw_close(&raw);
	}
	ck_assert_uint_gt(s2.host->rejected_total, 0);
	echo_end(&s1);
	echo_end(&s2);
}
END_TEST

/* Says hello in the name of a node, or of nobody; the answer's status. */
static struct raw greet(const char *node, int *status)
{
	struct raw raw = raw_connect(host_port(s2.host));
	struct buffer out = {0};
	struct message message;
	size_t consumed;
	if (node[0] != '\0')
		member_hello(&out, node, 0);
	else
		hello_of(&out, MESSAGE_REQUEST, PROTOCOL_VERSION, "test", "", "");
	ck_assert(raw_send(&raw, buffer_slice(&out)));
	TURN_UNTIL(raw_frame(&raw, &message, &consumed), s2.host);
	*status = message.status;
	buffer_consume(&raw.in, consumed);
	buffer_free(&out);
	return raw;
}

/* faults: 97 */
/*
 * All seats are taken, those of a member that is down by impostors: they make room for each other,
 * and for the member when it comes. A client still finds none.
 */
START_TEST(impostors_make_room)
{
	struct raw raws[8];
	struct buffer out = {0};
	int status;
	choose_addresses();
	hello_timeout_ms = 60000;
	connections_max = 1;
	start_member(&s2, 2);
	s2.silent = true;
	raws[0] = greet("", &status);
	ck_assert_int_eq(status, 0);
	frame_of(&out, MESSAGE_REQUEST, METHOD_QUERY, 1, slice_string("x"));
	ck_assert(raw_send(&raws[0], buffer_slice(&out)));
	TURN_UNTIL(s2.requests > 0, s2.host);
	for (int i = 1; i < 7; i++) {
		raws[i] = greet("s1", &status);
		ck_assert_int_eq(status, 0);
	}
	TURN_UNTIL(raw_is_closed(&raws[1]) && raw_is_closed(&raws[2]), s2.host);
	for (int i = 3; i < 7; i++)
		ck_assert(!raw_is_closed(&raws[i]));
	raws[7] = greet("", &status);
	ck_assert_int_eq(status, STATUS_BUSY);
	start_member(&s1, 1);
	send_accept(&s1, dial_link(s1.host, addresses[1]));
	TURN_UNTIL(s2.oneways > 0, s1.host, s2.host);
	for (int i = 0; i < 8; i++)
		raw_close(&raws[i]);
	buffer_free(&out);
	hello_timeout_ms = 300;
	connections_max = 0;
	echo_end(&s1);
	echo_end(&s2);
}
END_TEST

/* Of an unconfirmed connection only so much is kept. */
START_TEST(an_unconfirmed_connection_is_bounded)
{
	static uint8_t large[256 * 1024];
	choose_addresses();
	start_member(&s2, 2);
	struct raw raw = raw_connect(host_port(s2.host));
	struct buffer out = {0};
	member_hello(&out, "s1", 0);
	for (int i = 0; i < 16; i++)
		frame_of(&out, MESSAGE_ONEWAY, METHOD_ACCEPT, 0, slice(large, sizeof large));
	size_t sent = 0;
	while (sent < out.len) {
		ssize_t some = send(raw.fd, out.data + sent, out.len - sent,
				    MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += some > 0 ? (size_t)some : 0;
		host_turn(s2.host, false);
		ck_assert_uint_le(s2.host->buffered_bytes,
				  UNCONFIRMED_BYTES_MAX + 2 * sizeof large);
		if (some < 0 && errno != EAGAIN)
			break; /* it was too slow, and cut off */
	}
	ck_assert_uint_eq(s2.oneways, 0);
	buffer_free(&out);
	raw_close(&raw);
	echo_end(&s2);
}
END_TEST

/*
 * A client's one-way message that is a replica's is dropped, its request answered; an unknown
 * method is nobody's.
 */
START_TEST(clients_are_denied)
{
	choose_addresses();
	start_member(&s2, 2);
	struct raw raw = raw_open(s2.host);
	struct buffer out = {0};
	struct message message;
	size_t consumed;
	frame_of(&out, MESSAGE_ONEWAY, METHOD_PREPARE, 0, slice_string("x"));
	frame_of(&out, MESSAGE_REQUEST, METHOD_AGREEMENT, 1, slice_string("x"));
	frame_of(&out, MESSAGE_REQUEST, METHOD_VIEW_PING, 2, slice_string("x"));
	frame_of(&out, MESSAGE_REQUEST, 126, 3, slice_string("x"));
	frame_of(&out, MESSAGE_REQUEST, METHOD_QUERY, 4, slice_string("x"));
	ck_assert(raw_send(&raw, buffer_slice(&out)));
	static const int statuses[] = {STATUS_DENIED, STATUS_DENIED, STATUS_UNKNOWN_METHOD, 0};
	for (uint64_t i = 0; i < 4; i++) {
		TURN_UNTIL(raw_frame(&raw, &message, &consumed), s2.host);
		ck_assert_uint_eq(message.id, i + 1);
		ck_assert_int_eq(message.status, statuses[i]);
		buffer_consume(&raw.in, consumed);
	}
	ck_assert_uint_eq(s2.oneways, 0);
	ck_assert_uint_eq(s2.requests, 1);
	ck_assert_uint_eq(s2.host->denied_total, 4);
	buffer_free(&out);
	raw_close(&raw);
	echo_end(&s2);
}
END_TEST

/* The status and the text of the refusal of a hello. */
static void expect_refusal(struct echo *e, const struct buffer *hello, int status, const char *text)
{
	struct raw raw = raw_connect(host_port(e->host));
	struct message message;
	struct wire_error error;
	struct arena arena;
	size_t consumed;
	arena_init(&arena, 1 << 20);
	ck_assert(raw_send(&raw, buffer_slice(hello)));
	TURN_UNTIL(raw_frame(&raw, &message, &consumed), e->host);
	ck_assert_int_eq(message.status, status);
	ck_assert_int_eq(wire_error_decode(message.payload, &arena, &error), 0);
	ck_assert_msg(memmem(error.message.data, error.message.len, text, strlen(text)) != NULL,
		      "%.*s", (int)error.message.len, (const char *)error.message.data);
	TURN_UNTIL(raw_is_closed(&raw), e->host);
	arena_free(&arena);
	raw_close(&raw);
}

static void add_hello(struct buffer *out, const struct wire_hello *hello)
{
	struct buffer payload = {0};
	buffer_clear(out);
	wire_hello_encode(hello, &payload);
	frame_of(out, MESSAGE_REQUEST, METHOD_HELLO, 0, buffer_slice(&payload));
	buffer_free(&payload);
}

/* Whatever both know must agree; what one does not know agrees with everything. */
START_TEST(what_both_know_must_agree)
{
	struct buffer out = {0};
	choose_addresses();
	struct identity id = member(2);
	id.cluster_id = 0xc1;
	id.group_id = 0x91;
	id.members.list[0].seen = true;
	start(&s2, &id);
	struct wire_hello hello = {.version = PROTOCOL_VERSION,
				   .cluster = slice_string("test"),
				   .node = slice_string("s1"),
				   .role = slice_string("shardkv"),
				   .group = 1,
				   .replica = 1,
				   .cluster_id = 0xc2,
				   .group_id = 0x91,
				   .nmembers = 2,
				   .members = {{1, slice_string("s1")}, {2, slice_string("s2")}}};
	add_hello(&out, &hello);
	expect_refusal(&s2, &out, STATUS_WRONG_CLUSTER,
		       "with id 00000000000000c1, node s1 to the one with id 00000000000000c2");
	hello.cluster_id = 0;
	hello.group_id = 0x92;
	add_hello(&out, &hello);
	expect_refusal(
		&s2, &out, STATUS_WRONG_CLUSTER,
		"the group with id 0000000000000091, node s1 to the one with id 0000000000000092");
	hello.group_id = 0;
	add_hello(&out, &hello);
	expect_refusal(&s2, &out, STATUS_LOST_DIRECTORY,
		       "node s1 has come without its data directory");
	/*
	 * Before it has noted that it does not vote; then it is welcome. What else is wrong with it
	 * still is.
	 */
	hello.lost = true;
	hello.cluster_id = 0xc2;
	add_hello(&out, &hello);
	expect_refusal(&s2, &out, STATUS_WRONG_CLUSTER,
		       "node s1 to the one with id 00000000000000c2");
	hello.cluster_id = 0;
	hello.lost = false;
	hello.group_id = 0x91;
	hello.replica = 2;
	hello.members[0].replica = 2;
	hello.members[1].replica = 3;
	add_hello(&out, &hello);
	expect_refusal(
		&s2, &out, STATUS_WRONG_MEMBERS,
		"node s2 has the members (1 s1, 2 s2) in its group, node s1 has (2 s1, 3 s2)");
	hello.nmembers = 1;
	add_hello(&out, &hello);
	expect_refusal(&s2, &out, STATUS_WRONG_MEMBERS, "node s1 has (2 s1)");
	/* A client that knows another cluster's id. */
	add_hello(&out, &(struct wire_hello){.version = PROTOCOL_VERSION, .cluster_id = 0xc3});
	expect_refusal(&s2, &out, STATUS_WRONG_CLUSTER,
		       "the client to the one with id 00000000000000c3");
	/* Of another group of the cluster: its members are its own affair. */
	hello.group = 2;
	hello.node = slice_string("t1");
	add_hello(&out, &hello);
	struct raw raw = raw_connect(host_port(s2.host));
	struct message message;
	size_t consumed;
	ck_assert(raw_send(&raw, buffer_slice(&out)));
	TURN_UNTIL(raw_frame(&raw, &message, &consumed), s2.host);
	ck_assert_int_eq(message.status, 0);
	raw_close(&raw);
	buffer_free(&out);
	echo_end(&s2);
}
END_TEST

/*
 * A client without an id keeps to the one that it meets first; requests to others are answered with
 * both ids.
 */
START_TEST(client_keeps_to_the_first)
{
	struct echo client;
	choose_addresses();
	struct identity one = member(1), two = member(2);
	one.cluster_id = 0xc1;
	two.cluster_id = 0xc2;
	start(&s1, &one);
	start(&s2, &two);
	struct host_options options = {.cluster = "test", .node = "", .role = ""};
	host_settings_default(&options.settings);
	echo_start(&client, &options);
	ck_assert_uint_eq(host_cluster_id(client.host), 0);
	echo_send(&client, node_dial(&client.node, addresses[0]), MESSAGE_REQUEST, 1,
		  slice_string("x"));
	TURN_UNTIL(client.replies == 1, client.host, s1.host);
	ck_assert_int_eq(client.last_status, 0);
	ck_assert_uint_eq(host_cluster_id(client.host), 0xc1);
	echo_send(&client, node_dial(&client.node, addresses[1]), MESSAGE_REQUEST, 2,
		  slice_string("x"));
	TURN_UNTIL(client.replies == 2, client.host, s2.host);
	ck_assert_int_eq(client.last_status, STATUS_WRONG_CLUSTER);
	ck_assert_ptr_nonnull(
		memmem(client.last_payload.data, client.last_payload.len, "00000000000000c1", 16));
	ck_assert_ptr_nonnull(
		memmem(client.last_payload.data, client.last_payload.len, "00000000000000c2", 16));
	echo_end(&client);
	echo_end(&s1);
	echo_end(&s2);
}
END_TEST

/* Members tell each other what they know as soon as they do, and note who has taken part. */
START_TEST(members_are_seen)
{
	choose_addresses();
	start_member(&s1, 1);
	start_member(&s2, 2);
	struct identity_members *seen_by_1 = host_identity_members(s1.host),
				*seen_by_2 = host_identity_members(s2.host);
	ck_assert_int_eq(host_env(s1.host)->ops->identified(host_env(s1.host), 0x91), 0);
	for (int i = 0; i < 50; i++)
		turn_some(s1.host, s2.host);
	ck_assert(!seen_by_1->list[1].seen && !seen_by_2->list[0].seen); /* s2 has no id yet */
	ck_assert_int_eq(host_env(s2.host)->ops->identified(host_env(s2.host), 0x91), 0);
	TURN_UNTIL(seen_by_1->list[1].seen && seen_by_2->list[0].seen, s1.host, s2.host);
	ck_assert(!seen_by_1->list[0].seen && !seen_by_2->list[1].seen); /* themselves */
	/* Another id is another group's state. */
	ck_assert_int_eq(host_env(s2.host)->ops->identified(host_env(s2.host), 0x92),
			 STATUS_IDENTITY);
	echo_end(&s1);
	echo_end(&s2);
}
END_TEST
