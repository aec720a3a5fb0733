/* Keys that another server has: who is asked, how often, and what is said when nobody answers. */
#include "../support/check_main.h"

#include <event2/event_struct.h>
#include <stdlib.h>
#include <unistd.h>

#include "../support/raw.h"
#include "base/alloc.h"
#include "gate/forward.h"
#include "gate/http_kv.h"
#include "host/internal.h"

/* ---- servers: node 0 serves HTTP, all of them RPC ---- */

#define SERVERS 3u

struct server {
	struct echo echo; /* for its host; the node's ops are those below */
	char address[64];
	uint64_t requests;
	struct buffer payload; /* of the last one */
	uint16_t method;
	bool silent; /* answers nothing */
	bool cuts;   /* closes the connection instead */
	int status;
	struct buffer reply;
};

static struct server servers[SERVERS];
static struct http *http;

static struct server *server_of(struct node *node)
{
	return LIST_ITEM(echo_of(node), struct server, echo);
}

static void on_message(struct node *node, link_id from, const struct message *message)
{
	struct server *s = server_of(node);
	ck_assert_int_eq(message->kind, MESSAGE_REQUEST);
	s->requests++;
	s->method = message->method;
	buffer_clear(&s->payload);
	buffer_add_slice(&s->payload, message->payload);
	if (s->cuts)
		node->env->ops->close(node->env, from);
	else if (!s->silent)
		node_reply(node, from, message, s->status, buffer_slice(&s->reply));
}

static const struct node_ops SERVER_OPS = {.message = on_message};

static void answers_error(struct server *s, int status, const char *leader)
{
	struct wire_error error = {.message = slice_string("why"), .leader = slice_string(leader)};
	s->status = status;
	buffer_clear(&s->reply);
	wire_error_encode(&error, &s->reply);
}

static void answers_write(struct server *s, uint64_t version)
{
	struct wire_kv_result result = {.version = version, .modification = version};
	struct wire_kv_reply reply = {.succeeded = true, .nresults = 1, .results = &result};
	s->status = 0;
	buffer_clear(&s->reply);
	wire_kv_reply_encode(&reply, &s->reply);
}

static void answers_read(struct server *s, const char *value)
{
	struct wire_kv_result result = {
		.value = slice_string(value), .version = 1, .modification = 1};
	struct wire_kv_query_reply reply = {.nresults = 1, .results = &result};
	s->status = 0;
	buffer_clear(&s->reply);
	wire_kv_query_reply_encode(&reply, &s->reply);
}

/* ---- the configuration: "theirs…" belongs to group 2 ---- */

static struct http_kv_owner group_2;

static bool find_owner(void *context, struct slice key, struct http_kv_owner *out)
{
	(void)context;
	*out = group_2;
	return slice_has_prefix(key, slice_string("theirs"));
}

static bool find_http_address(void *context, struct slice address, char out[ADDRESS_BYTES_MAX + 1])
{
	(void)context;
	(void)address;
	snprintf(out, ADDRESS_BYTES_MAX + 1, "elsewhere:80");
	return true;
}

static void set_up_clusters(const char *const clusters[SERVERS])
{
	static const char *const names[SERVERS] = {"s0", "s1", "s2"};
	const struct http_kv_options kv = {.owner = find_owner, .http_address = find_http_address};
	char error[256];
	memset(servers, 0, sizeof servers);
	for (size_t i = 0; i < SERVERS; i++) {
		struct host_options options = {.cluster = clusters[i],
					       .node = names[i],
					       .role = "echo",
					       .listen = "127.0.0.1:0"};
		host_settings_default(&options.settings);
		options.settings.reconnect_max_ms = 10;
		echo_start(&servers[i].echo, &options);
		servers[i].echo.node.ops = &SERVER_OPS;
		snprintf(servers[i].address, sizeof servers[i].address, "127.0.0.1:%u",
			 host_port(servers[i].echo.host));
		answers_error(&servers[i], STATUS_NOT_LEADER, "");
	}
	group_2 = (struct http_kv_owner){
		.group = 2, .naddresses = 2, .addresses = {servers[1].address, servers[2].address}};
	ck_assert_int_eq(http_create(&http, servers[0].echo.host, &servers[0].echo.node,
				     "127.0.0.1:0", error, sizeof error),
			 0);
	http_kv_serve(http, &kv);
}

static void set_up(void)
{
	static const char *const clusters[SERVERS] = {"test", "test", "test"};
	set_up_clusters(clusters);
}

static void tear_down(void)
{
	if (http != NULL)
		http_destroy(http);
	http = NULL;
	for (size_t i = 0; i < SERVERS; i++) {
		if (servers[i].echo.host != NULL)
			echo_end(&servers[i].echo);
		buffer_free(&servers[i].payload);
		buffer_free(&servers[i].reply);
	}
}

/* It is gone: nobody listens at its address any more. */
static void stop(struct server *s)
{
	echo_end(&s->echo);
	s->echo.host = NULL;
}

static void turn(void)
{
	for (size_t i = 0; i < SERVERS; i++)
		if (servers[i].echo.host != NULL)
			host_turn(servers[i].echo.host, false);
	usleep(100);
}

/* ---- clients ---- */

static struct raw begin(const char *method, const char *path, const char *body)
{
	struct buffer request = {0};
	struct raw raw = raw_connect(http_port(http));
	buffer_format(
		&request,
		"%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
		method, path, strlen(body), body);
	ck_assert(raw_send(&raw, buffer_slice(&request)));
	buffer_free(&request);
	return raw;
}

static const char *finish(struct raw *raw)
{
	static struct buffer answer;
	while (!raw_is_closed(raw))
		turn();
	buffer_free(&answer);
	answer = raw->in;
	raw->in = (struct buffer){0};
	buffer_add_u8(&answer, 0);
	raw_close(raw);
	return (const char *)answer.data;
}

static const char *ask(const char *method, const char *path, const char *body)
{
	struct raw raw = begin(method, path, body);
	return finish(&raw);
}

#define HAS(answer, text) \
	ck_assert_msg(strstr(answer, text) != NULL, "no '%s' in: %s", text, answer)
#define PUT_OURS "{\"key\":\"ours\",\"value\":\"v\"}"
#define PUT_THEIRS "{\"key\":\"theirs\",\"value\":\"v\"}"
#define INCR "{\"then\":[{\"op\":\"incr\",\"key\":\"theirs\"}]}"

/* ---- tests ---- */

/* A replica that does not lead asks the one that does, and the answer is that one's. */
START_TEST(to_the_leader)
{
	set_up();
	answers_error(&servers[0], STATUS_NOT_LEADER, servers[1].address);
	answers_write(&servers[1], 7);
	HAS(ask("PUT", "/put", PUT_OURS), "{\"key\":\"ours\",\"version\":7,\"modification\":7}");
	ck_assert_uint_eq(servers[1].requests, 1);
	ck_assert(
		slice_equal(buffer_slice(&servers[0].payload), buffer_slice(&servers[1].payload)));
	answers_read(&servers[1], "v");
	HAS(ask("GET", "/get/ours", ""), "\"value\":\"v\"");
	answers_write(&servers[1], 0);
	HAS(ask("DELETE", "/get/ours", ""), "HTTP/1.1 200 ");
	HAS(ask("POST", "/txn", "{\"then\":[{\"op\":\"put\",\"key\":\"ours\",\"value\":\"1\"}]}"),
	    "\"succeeded\":true");
	ck_assert_uint_eq(servers[1].requests, 4);
	answers_error(&servers[1], STATUS_NOT_NUMBER, "");
	HAS(ask("POST", "/txn", "{\"then\":[{\"op\":\"incr\",\"key\":\"ours\"}]}"),
	    "HTTP/1.1 409 ");
	HAS(ask("GET", "/metrics", ""), "\nsynod_http_kv_forwarded_total 5\n");
	tear_down();
}
END_TEST

/*
 * A key of another group goes straight to a member of that, and on to whom that one names; later
 * ones go there at once.
 */
START_TEST(to_the_group)
{
	set_up();
	answers_error(&servers[1], STATUS_NOT_LEADER, servers[2].address);
	answers_write(&servers[2], 7);
	HAS(ask("PUT", "/put", PUT_THEIRS), "\"version\":7");
	ck_assert_uint_eq(servers[0].requests, 0);
	ck_assert_uint_eq(servers[1].requests, 1);
	ck_assert_uint_eq(servers[2].requests, 1);
	HAS(ask("PUT", "/put", PUT_THEIRS), "\"version\":7");
	ck_assert_uint_eq(servers[1].requests, 1);
	ck_assert_uint_eq(servers[2].requests, 2);
	/* A member that knows no leader, or cannot be reached, is not the last word. */
	answers_write(&servers[1], 8);
	answers_error(&servers[2], STATUS_NOT_LEADER, "");
	HAS(ask("PUT", "/put", PUT_THEIRS), "\"version\":8");
	stop(&servers[1]);
	answers_write(&servers[2], 9);
	HAS(ask("PUT", "/put", PUT_THEIRS), "\"version\":9");
	tear_down();
}
END_TEST

/* The node itself finds out that it has not got the key. */
START_TEST(a_node_finds_out_that_it_lacks_the_key)
{
	set_up();
	group_2.group = 0;
	answers_error(&servers[0], STATUS_WRONG_GROUP, "");
	HAS(ask("PUT", "/put", PUT_OURS), "HTTP/1.1 503 ");
	ck_assert_uint_eq(servers[0].requests, 1);
	ck_assert_uint_eq(servers[1].requests, 0);
	/*
	 * Another one, whom our configuration names, says so: asked again until the time is over;
	 * one of both will learn.
	 */
	group_2.group = 2;
	answers_error(&servers[1], STATUS_WRONG_GROUP, "");
	HAS(ask("PUT", "/put?timeout_ms=200", PUT_THEIRS), "HTTP/1.1 421 ");
	ck_assert_uint_gt(servers[1].requests, 1);
	tear_down();
}
END_TEST

/*
 * Who asks for a redirect gets one, who asks for no forwarding gets hints; nobody else is asked
 * then.
 */
START_TEST(a_client_may_have_hints_instead_of_forwarding)
{
	set_up();
	answers_error(&servers[0], STATUS_NOT_LEADER, servers[1].address);
	HAS(ask("PUT", "/put?redirect=true", PUT_OURS), "HTTP/1.1 307 ");
	HAS(ask("PUT", "/put?forward=false", PUT_OURS), "HTTP/1.1 503 ");
	answers_error(&servers[0], STATUS_WRONG_GROUP, "");
	HAS(ask("PUT", "/put?redirect=true", PUT_THEIRS), "HTTP/1.1 307 ");
	HAS(ask("PUT", "/put?forward=false", PUT_THEIRS), "HTTP/1.1 421 ");
	ck_assert_uint_eq(servers[1].requests + servers[2].requests, 0);
	tear_down();
}
END_TEST

/*
 * A write without an answer is never sent a second time: what has become of it is unknown, and that
 * is said.
 */
START_TEST(a_write_without_an_answer_is_not_sent_again)
{
	set_up();
	servers[1].silent = servers[2].silent = true;
	const char *answer = ask("POST", "/txn?timeout_ms=300", INCR);
	HAS(answer, "HTTP/1.1 504 ");
	HAS(answer, "\"status\":\"UNKNOWN\"");
	HAS(answer, "outcome unknown: the server that has the key did not answer in time");
	ck_assert_uint_eq(servers[1].requests + servers[2].requests, 1);
	HAS(ask("GET", "/get/theirs?timeout_ms=100", ""), "HTTP/1.1 504 ");
	tear_down();
}
END_TEST

/*
 * A member that is silent (a paused leader, whose connections stay) costs a read a part of its
 * time, not all of it; and a write that comes after one without an answer goes to another member
 * first.
 */
START_TEST(a_silent_member_costs_a_read_part_of_its_time)
{
	set_up();
	servers[1].silent = true;
	answers_read(&servers[2], "v");
	HAS(ask("GET", "/get/theirs?timeout_ms=2000", ""), "\"value\":\"v\"");
	ck_assert_uint_eq(servers[1].requests, 1);
	ck_assert_uint_eq(servers[2].requests, 1);
	servers[2].silent = true; /* it leads, as far as is known */
	servers[1].silent = false;
	HAS(ask("POST", "/txn?timeout_ms=100", INCR), "HTTP/1.1 504 ");
	ck_assert_uint_eq(servers[2].requests, 2);
	answers_write(&servers[1], 1);
	HAS(ask("POST", "/txn", INCR), "HTTP/1.1 200 ");
	ck_assert_uint_eq(servers[1].requests, 2);
	ck_assert_uint_eq(servers[2].requests, 2);
	/* Its own group's leader: the node is asked again who that is. */
	answers_error(&servers[0], STATUS_NOT_LEADER, servers[2].address);
	struct raw raw = begin("GET", "/get/ours?timeout_ms=1000", "");
	while (servers[2].requests == 2)
		turn();
	answers_read(&servers[0], "mine");
	HAS(finish(&raw), "\"value\":\"mine\"");
	tear_down();
}
END_TEST

/* The same if the connection is lost meanwhile; a read is asked again elsewhere. */
START_TEST(a_read_whose_connection_is_lost_is_asked_elsewhere)
{
	set_up();
	servers[1].cuts = true;
	answers_write(&servers[2], 1);
	const char *answer = ask("POST", "/txn", INCR);
	HAS(answer, "HTTP/1.1 504 ");
	HAS(answer, "the connection to the server that has the key was lost");
	ck_assert_uint_eq(servers[1].requests, 1);
	ck_assert_uint_eq(servers[2].requests, 0);
	/* The other one is the first to be asked from now on. */
	servers[1].cuts = false;
	servers[2].cuts = true;
	answers_read(&servers[1], "v");
	while (servers[1].echo.host->accepted_count >
	       0) /* until it has been let go of, and may be dialled again */
		turn();
	for (int i = 0; i < 200; i++)
		turn();
	HAS(ask("GET", "/get/theirs", ""), "\"value\":\"v\"");
	ck_assert_uint_eq(servers[2].requests, 1);
	ck_assert_uint_eq(servers[1].requests, 2);
	tear_down();
}
END_TEST

/*
 * Nobody can be reached: certainly not applied. Then somebody is back within the time, and it is
 * applied once.
 */
START_TEST(without_a_reachable_member_nothing_is_applied)
{
	set_up();
	group_2.addresses[0] = group_2.addresses[1] = "127.0.0.1:1";
	const char *answer = ask("POST", "/txn?timeout_ms=200", INCR);
	HAS(answer, "HTTP/1.1 503 ");
	HAS(answer, "cannot be reached, not applied");
	HAS(answer, "\"leader\":\"127.0.0.1:1\"");
	struct raw raw = begin("POST", "/txn", INCR);
	for (int i = 0; i < 500; i++)
		turn();
	ck_assert(!raw_is_closed(&raw));
	group_2.addresses[1] = servers[2].address;
	answers_write(&servers[2], 1);
	HAS(finish(&raw), "HTTP/1.1 200 ");
	ck_assert_uint_eq(servers[2].requests, 1);
	tear_down();
}
END_TEST

/* While no leader is known the server waits for one, for a while. */
START_TEST(the_server_waits_a_while_for_a_leader)
{
	set_up();
	struct raw raw = begin("PUT", "/put", PUT_OURS);
	while (servers[0].requests < 3)
		turn();
	ck_assert(!raw_is_closed(&raw));
	answers_write(&servers[0], 1);
	HAS(finish(&raw), "HTTP/1.1 200 ");
	answers_error(&servers[0], STATUS_NOT_LEADER, "");
	const char *answer = ask("PUT", "/put?timeout_ms=100", PUT_OURS);
	HAS(answer, "HTTP/1.1 503 ");
	HAS(answer, "\"status\":\"NOT_LEADER\"");
	HAS(answer, "\r\nRetry-After: 1\r\n");
	tear_down();
}
END_TEST

/*
 * Two that take each other for the leader do not send a request round in circles: it ends in time,
 * and neither of them forwards it.
 */
START_TEST(a_request_does_not_go_round_in_circles)
{
	set_up();
	answers_error(&servers[1], STATUS_NOT_LEADER, servers[2].address);
	answers_error(&servers[2], STATUS_NOT_LEADER, servers[1].address);
	HAS(ask("PUT", "/put?timeout_ms=300", PUT_THEIRS), "HTTP/1.1 503 ");
	/* Fourteen a round of at least 50 ms. */
	ck_assert_uint_le(servers[1].requests + servers[2].requests, 14 * 7);
	/* One that takes itself for it, but does not lead, is not asked without a pause. */
	servers[1].requests = servers[2].requests = 0;
	answers_error(&servers[1], STATUS_NOT_LEADER, servers[1].address);
	answers_error(&servers[2], STATUS_NOT_LEADER, servers[2].address);
	HAS(ask("PUT", "/put?timeout_ms=300", PUT_THEIRS), "HTTP/1.1 503 ");
	ck_assert_uint_le(servers[1].requests + servers[2].requests, 2 * 7);
	tear_down();
}
END_TEST

/* A server of another cluster at the address is a mistake of the configuration, and says so. */
START_TEST(a_server_of_another_cluster_is_said_to_be_one)
{
	static const char *const clusters[SERVERS] = {"test", "other", "other"};
	set_up_clusters(clusters);
	const char *answer = ask("PUT", "/put", PUT_THEIRS);
	HAS(answer, "HTTP/1.1 502 ");
	HAS(answer, "belongs to cluster 'other'");
	ck_assert_uint_eq(servers[1].requests + servers[2].requests, 0);
	tear_down();
}
END_TEST

/* The end of the endpoint is the end of what is under way. */
START_TEST(the_end_of_the_endpoint_ends_what_is_under_way)
{
	set_up();
	servers[1].silent = true;
	struct raw elsewhere = begin("PUT", "/put", PUT_THEIRS);
	struct raw waiting = begin("PUT", "/put", PUT_OURS);
	while (servers[1].requests == 0 || servers[0].requests == 0)
		turn();
	http_destroy(http);
	http = NULL;
	for (int i = 0; i < 100; i++)
		turn();
	raw_close(&elsewhere);
	raw_close(&waiting);
	tear_down();
}
END_TEST

static uint64_t answered;

static void count_answer(void *context, int status, struct slice payload)
{
	(void)context;
	(void)payload;
	answered += status == 0;
}

/* What is under way is bounded by its bytes, and there is room again when it has been answered. */
START_TEST(what_is_under_way_is_bounded_by_its_bytes)
{
	set_up();
	struct forwarder *forwarder = forwarder_create(servers[0].echo.host);
	ck_assert_ptr_nonnull(forwarder);
	struct slice megabyte = slice(alloc_zeroed(MIB, 1), MIB);
	struct forward *last = NULL;
	answered = 0;
	answers_write(&servers[1], 1);
	for (unsigned i = 0; i < FORWARD_BYTES_MAX / MIB; i++) {
		last = forward_start(forwarder, servers[1].address, METHOD_COMMAND, megabyte, 5000,
				     count_answer, NULL);
		ck_assert_ptr_nonnull(last);
	}
	ck_assert_ptr_null(forward_start(forwarder, servers[1].address, METHOD_COMMAND, megabyte,
					 5000, count_answer, NULL));
	/* Nobody waits for it any more, but it is still going to be sent. */
	forward_cancel(last);
	ck_assert_ptr_null(forward_start(forwarder, servers[1].address, METHOD_COMMAND, megabyte,
					 5000, count_answer, NULL));
	while (answered < FORWARD_BYTES_MAX / MIB - 1)
		turn();
	ck_assert_ptr_nonnull(forward_start(forwarder, servers[1].address, METHOD_COMMAND, megabyte,
					    5000, count_answer, NULL));
	forwarder_destroy(forwarder);
	free((void *)megabyte.data);
	tear_down();
}
END_TEST
