/* What the nodes of all daemons have: the table of methods, STATUS, CLUSTER, refusals, kept strings. */
#include "server/server.h"

#include <inttypes.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "../support/fake_env.h"
#include "wire/method.h"

struct service {
	struct server server;
	uint64_t handled; /* id of the last request that came to handle() */
	bool without_masters;
};

static struct fake_env *fake;
static struct service *service;
static struct arena arena;
static const struct node_ops ops = {.message = server_request, .status_json = server_write_json};

static struct service *service_of(struct node *node)
{
	return (struct service *)(void *)node;
}

static void handle(struct node *node, link_id from, const struct message *request)
{
	service_of(node)->handled = request->id;
	buffer_clear(&service_of(node)->server.out);
	buffer_format(&service_of(node)->server.out, "handled");
	server_reply(&service_of(node)->server, from, request, 0);
}

static void otherwise(struct node *node, link_id from, const struct message *request)
{
	struct wire_error error = {.message = slice_string("ask another"),
				   .leader = slice_string("leader:1")};
	server_refuse_error(&service_of(node)->server, from, request, STATUS_NOT_LEADER, &error);
}

static void fill_status(struct node *node, struct wire_status *status)
{
	ck_assert(slice_equal(status->name, slice_string("node1")));
	status->state = slice_string("well");
	status->keys = service_of(node)->handled;
}

static void fill_cluster(struct node *node, struct wire_cluster *cluster)
{
	ck_assert_uint_eq(cluster->nmasters, 2);
	if (service_of(node)->without_masters)
		cluster->nmasters = 0;
}

static void write_json(struct node *node, struct buffer *out)
{
	buffer_format(out, ",\"handled\":%" PRIu64, service_of(node)->handled);
}

static const struct server_method methods[] = {
	{METHOD_WATCH, .handle = handle},
	{METHOD_FORCE, .denied = "it cannot be forced"},
	{METHOD_STATUS, .handle = server_answer_status},
	{METHOD_CLUSTER, .handle = server_answer_cluster},
	{0},
};

static const struct server_kind kind = {
	.role = "tester",
	.text = "a tester",
	.methods = methods,
	.fill_status = fill_status,
	.fill_cluster = fill_cluster,
	.write_json = write_json,
};

/* Without anything that a kind may leave out. */
static const struct server_kind plain_kind = {
	.role = "tester", .text = "a tester", .methods = methods, .otherwise = otherwise};

static void begin(const struct server_kind *of_kind)
{
	char cluster[] = "cluster1", name[] = "node1", version[] = "1.2", master[] = "m1:1";
	const char *masters[] = {master, "m2:2"};
	fake = fake_create();
	arena_init(&arena, ARENA_BYTES_MAX);
	service = ALLOC(struct service);
	server_init(&service->server, of_kind, &ops,
		    &(struct server_options){.env = &fake->env,
					     .log = &fake->log,
					     .cluster = cluster,
					     .name = name,
					     .version = version,
					     .nshards = 16,
					     .nmasters = 2,
					     .masters = masters});
	/* The server has copies. */
	cluster[0] = name[0] = version[0] = master[0] = '!';
}

static void finish(void)
{
	server_done(&service->server);
	free(service);
	arena_free(&arena);
	fake_destroy(fake);
}

/* Asks, and returns the answer. */
static const struct message *ask(uint16_t method)
{
	struct message request = {
		.kind = MESSAGE_REQUEST, .method = method, .id = 70 + method, .trace = 5};
	node_deliver(&service->server.node, 9, &request);
	const struct fake_sent *sent = fake_next(fake);
	ck_assert_ptr_nonnull(sent);
	ck_assert_uint_eq(sent->link, 9);
	ck_assert_uint_eq(sent->message.id, request.id);
	ck_assert_uint_eq(sent->message.method, method);
	ck_assert_uint_eq(sent->message.trace, 5);
	ck_assert_ptr_null(fake_next(fake));
	return &sent->message;
}

static struct wire_error error_of(const struct message *answer)
{
	struct wire_error error;
	ck_assert_int_eq(wire_error_decode(answer->payload, &arena, &error), 0);
	return error;
}

static void expect_text(struct slice text, const char *expected)
{
	ck_assert_msg(slice_equal(text, slice_string(expected)), "%.*s, not %s", (int)text.len,
		      (const char *)text.data, expected);
}

/* A request goes where its row says, and nowhere else. */
START_TEST(a_request_goes_where_its_row_says)
{
	begin(&kind);
	const struct message *answer = ask(METHOD_WATCH);
	ck_assert_int_eq(answer->status, 0);
	expect_text(answer->payload, "handled");
	ck_assert_uint_eq(service->handled, 70 + METHOD_WATCH);
	answer = ask(METHOD_FORCE);
	ck_assert_int_eq(answer->status, STATUS_DENIED);
	expect_text(error_of(answer).message, "it cannot be forced");
	ck_assert_uint_eq(service->handled, 70 + METHOD_WATCH);
	finish();
}
END_TEST

/* What has no row is refused by its number and its name, also a method that nobody has. */
START_TEST(what_has_no_row_is_refused_by_its_name)
{
	begin(&kind);
	const struct message *answer = ask(METHOD_COMMAND);
	ck_assert_int_eq(answer->status, STATUS_UNKNOWN_METHOD);
	expect_text(error_of(answer).message, "a tester has no method 16 (command)");
	answer = ask(0);
	ck_assert_int_eq(answer->status, STATUS_UNKNOWN_METHOD);
	answer = ask(UINT16_MAX);
	ck_assert_int_eq(answer->status, STATUS_UNKNOWN_METHOD);
	finish();
}
END_TEST

/* A service may have an answer of its own to what has no row, with more than a text. */
START_TEST(a_service_may_answer_the_rest_itself)
{
	begin(&plain_kind);
	const struct message *answer = ask(METHOD_COMMAND);
	ck_assert_int_eq(answer->status, STATUS_NOT_LEADER);
	struct wire_error error = error_of(answer);
	expect_text(error.message, "ask another");
	expect_text(error.leader, "leader:1");
	ck_assert_int_eq(ask(METHOD_FORCE)->status, STATUS_DENIED);
	finish();
}
END_TEST

/* STATUS tells what the server knows of itself, and what the service adds to it. */
START_TEST(status_is_the_servers_and_the_services)
{
	struct wire_status status;
	begin(&kind);
	ask(METHOD_WATCH);
	const struct message *answer = ask(METHOD_STATUS);
	ck_assert_int_eq(answer->status, 0);
	ck_assert_int_eq(wire_status_decode(answer->payload, &arena, &status), 0);
	expect_text(status.name, "node1");
	expect_text(status.role, "tester");
	expect_text(status.version, "1.2");
	expect_text(status.state, "well");
	ck_assert_uint_eq(status.keys, 70 + METHOD_WATCH);
	finish();
	begin(&plain_kind);
	ck_assert_int_eq(wire_status_decode(ask(METHOD_STATUS)->payload, &arena, &status), 0);
	expect_text(status.name, "node1");
	ck_assert_uint_eq(status.keys, 0);
	finish();
}
END_TEST

/* CLUSTER tells the shard masters of the options, unless the service knows better. */
START_TEST(cluster_tells_the_masters)
{
	struct wire_cluster cluster;
	begin(&kind);
	const struct message *answer = ask(METHOD_CLUSTER);
	ck_assert_int_eq(answer->status, 0);
	ck_assert_int_eq(wire_cluster_decode(answer->payload, &arena, &cluster), 0);
	expect_text(cluster.cluster, "cluster1");
	ck_assert_uint_eq(cluster.shards, 16);
	ck_assert_uint_eq(cluster.nmasters, 2);
	expect_text(cluster.masters[0], "m1:1");
	expect_text(cluster.masters[1], "m2:2");
	service->without_masters = true;
	ck_assert_int_eq(wire_cluster_decode(ask(METHOD_CLUSTER)->payload, &arena, &cluster), 0);
	ck_assert_uint_eq(cluster.nmasters, 0);
	finish();
}
END_TEST

/* The status as JSON is one object, with the service's members at its end. */
START_TEST(json_is_one_object)
{
	struct buffer out = {0};
	begin(&kind);
	ask(METHOD_WATCH);
	server_write_json(&service->server.node, &out);
	buffer_add_u8(&out, 0);
	const char *text = (const char *)out.data;
	const char *end = ",\"handled\":90}";
	ck_assert_int_eq(text[0], '{');
	ck_assert_ptr_nonnull(strstr(text, "\"state\":\"well\""));
	ck_assert_str_eq(text + strlen(text) - strlen(end), end);
	buffer_free(&out);
	finish();
}
END_TEST

/* A refusal that is too long for an error is cut, and arrives. */
START_TEST(a_long_refusal_is_cut)
{
	char text[5000];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	begin(&kind);
	struct message request = {.kind = MESSAGE_REQUEST, .method = METHOD_WATCH, .id = 1};
	server_refuse(&service->server, 9, &request, STATUS_BUSY, "%s %u", text, 1u);
	const struct fake_sent *sent = fake_next(fake);
	ck_assert_int_eq(sent->message.status, STATUS_BUSY);
	struct slice told = error_of(&sent->message).message;
	ck_assert_uint_ge(told.len, 500);
	ck_assert_uint_lt(told.len, sizeof text);
	server_refuse(&service->server, 9, &request, STATUS_BUSY, "%u of %s", 3u, "four");
	expect_text(error_of(&fake_next(fake)->message).message, "3 of four");
	finish();
}
END_TEST

/* Kept strings are copies, and NULL stays what it is. */
START_TEST(kept_strings_are_copies)
{
	char text[] = "text";
	begin(&kind);
	const char *kept = server_keep(&service->server, text);
	text[0] = '!';
	ck_assert_str_eq(kept, "text");
	ck_assert_str_eq(server_keep(&service->server, ""), "");
	ck_assert_ptr_null(server_keep(&service->server, NULL));
	ck_assert_str_eq(service->server.masters[0], "m1:1");
	finish();
}
END_TEST
