/* The store over HTTP, in front of a node that answers what the test tells it to. */
#include <fcntl.h>

#include "../support/check_main.h"
#include "../support/raw.h"
#include "gate/http_kv.h"

static struct echo one; /* for its host only: the node is the one below */
static struct http *http;

/* ---- the node ---- */

static struct {
	uint64_t requests;
	uint16_t method;
	uint32_t timeout_ms;
	struct buffer payload; /* of the last request */
	bool silent;           /* keeps them */
	uint64_t kept[HTTP_KV_REQUESTS_MAX];
	size_t nkept;
	link_id link;
	int status;
	struct buffer reply;
	uint64_t stale_requests;
	int stale_status;
	struct buffer stale; /* the answer to QUERY_STALE */
} fake;

static void on_message(struct node *node, link_id from, const struct message *message)
{
	ck_assert_int_eq(message->kind, MESSAGE_REQUEST);
	fake.requests++;
	if (message->method == METHOD_QUERY_STALE &&
	    (fake.stale.len > 0 || fake.stale_status != 0)) {
		fake.stale_requests++;
		node_reply(node, from, message, fake.stale_status, buffer_slice(&fake.stale));
		return;
	}
	fake.method = message->method;
	fake.timeout_ms = message->timeout_ms;
	buffer_clear(&fake.payload);
	buffer_add_slice(&fake.payload, message->payload);
	fake.link = from;
	if (!fake.silent)
		node_reply(node, from, message, fake.status, buffer_slice(&fake.reply));
	else if (fake.nkept < HTTP_KV_REQUESTS_MAX)
		fake.kept[fake.nkept++] = message->id;
}

static void answer_kept(void)
{
	for (size_t i = 0; i < fake.nkept; i++) {
		struct message request = {
			.kind = MESSAGE_REQUEST, .method = fake.method, .id = fake.kept[i]};
		node_reply(&one.node, fake.link, &request, fake.status, buffer_slice(&fake.reply));
	}
}

static const struct node_ops FAKE_OPS = {.message = on_message};

static void node_answers(int status)
{
	fake.silent = false;
	fake.status = status;
	buffer_clear(&fake.reply);
}

static void node_answers_error(int status, const char *message, const char *leader)
{
	struct wire_error error = {.message = slice_string(message),
				   .leader = slice_string(leader)};
	node_answers(status);
	wire_error_encode(&error, &fake.reply);
}

static void node_answers_write(int status, uint64_t version)
{
	struct wire_kv_result result = {
		.status = status, .version = version, .modification = version + 10};
	struct wire_kv_reply reply = {.succeeded = true, .nresults = 1, .results = &result};
	node_answers(0);
	wire_kv_reply_encode(&reply, &fake.reply);
}

static void node_answers_read(int status, struct slice value)
{
	struct wire_kv_result result = {
		.status = status, .value = value, .version = 1, .modification = 2};
	struct wire_kv_query_reply reply = {.nresults = 1, .results = &result};
	node_answers(0);
	wire_kv_query_reply_encode(&reply, &fake.reply);
}

/*
 * What it answers when it is asked for what may be old; age_ms UINT64_MAX: it does not know how old
 * that is.
 */
static void node_has(int status, const char *value, uint64_t age_ms)
{
	struct wire_kv_result result = {
		.status = status, .value = slice_string(value), .version = 1, .modification = 2};
	struct buffer body = {0};
	bool known = age_ms != UINT64_MAX;
	wire_kv_query_reply_encode(&(struct wire_kv_query_reply){.nresults = 1, .results = &result},
				   &body);
	buffer_clear(&fake.stale);
	fake.stale_status = 0;
	wire_stale_reply_encode(&(struct wire_stale_reply){.replica = 1,
							   .slot = 9,
							   .age_known = known,
							   .age_us = known ? age_ms * 1000 : 0,
							   .body = buffer_slice(&body)},
				&fake.stale);
	buffer_free(&body);
}

/* ---- hints ---- */

static bool find_owner(void *context, struct slice key, struct http_kv_owner *out)
{
	(void)context;
	if (!slice_has_prefix(key, slice_string("theirs")))
		return false;
	*out = (struct http_kv_owner){.group = 2, .naddresses = 2, .addresses = {"c:1", "d:1"}};
	return true;
}

static bool find_http_address(void *context, struct slice address, char out[ADDRESS_BYTES_MAX + 1])
{
	(void)context;
	if (!slice_equal(address, slice_string("b:1")) &&
	    !slice_equal(address, slice_string("d:1")))
		return false;
	snprintf(out, ADDRESS_BYTES_MAX + 1, "%c:80", address.data[0]);
	return true;
}

static void set_up(void)
{
	char error[256];
	struct host_options options = {.cluster = "test", .node = "s1", .role = "echo"};
	const struct http_kv_options kv = {.owner = find_owner, .http_address = find_http_address};
	host_settings_default(&options.settings);
	echo_start(&one, &options);
	one.node.ops = &FAKE_OPS;
	ck_assert_int_eq(
		http_create(&http, one.host, &one.node, "127.0.0.1:0", error, sizeof error), 0);
	http_kv_serve(http, &kv);
	memset(&fake, 0, sizeof fake);
}

static void tear_down(void)
{
	http_destroy(http);
	echo_end(&one);
	buffer_free(&fake.payload);
	buffer_free(&fake.reply);
	buffer_free(&fake.stale);
}

/* ---- clients ---- */

static struct raw begin(const char *method, const char *path, const char *headers,
			struct slice body)
{
	struct buffer request = {0};
	struct raw raw = raw_connect(http_port(http));
	buffer_format(&request, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s", method,
		      path, headers);
	if (body.len > 0)
		buffer_format(&request, "Content-Length: %zu\r\n", body.len);
	buffer_format(&request, "\r\n");
	buffer_add_slice(&request, body);
	ck_assert(raw_send(&raw, buffer_slice(&request)));
	buffer_free(&request);
	return raw;
}

static const char *finish(struct raw *raw)
{
	static struct buffer answer;
	TURN_UNTIL(raw_is_closed(raw), one.host);
	buffer_free(&answer);
	answer = raw->in;
	raw->in = (struct buffer){0};
	buffer_add_u8(&answer, 0);
	raw_close(raw);
	return (const char *)answer.data;
}

static const char *ask(const char *method, const char *path, const char *body)
{
	struct raw raw = begin(method, path, "", slice_string(body));
	return finish(&raw);
}

#define HAS(answer, text) \
	ck_assert_msg(strstr(answer, text) != NULL, "no '%s' in: %s", text, answer)
#define HAS_NOT(answer, text) \
	ck_assert_msg(strstr(answer, text) == NULL, "'%s' in: %s", text, answer)

/* ---- what the node was asked ---- */

static struct arena arena;

static struct wire_kv_command asked_command(void)
{
	struct wire_command outer;
	struct wire_kv_command command;
	arena_init(&arena, ARENA_BYTES_MAX);
	ck_assert_int_eq(fake.method, METHOD_COMMAND);
	ck_assert_int_eq(wire_command_decode(buffer_slice(&fake.payload), &arena, &outer), 0);
	ck_assert_uint_eq(outer.client, 0);
	ck_assert_int_eq(wire_kv_command_decode(outer.body, &arena, &command), 0);
	return command;
}

static bool asked_key(const char *key, size_t len)
{
	struct wire_kv_query query;
	arena_init(&arena, ARENA_BYTES_MAX);
	ck_assert_int_eq(fake.method, METHOD_QUERY);
	ck_assert_int_eq(wire_kv_query_decode(buffer_slice(&fake.payload), &arena, &query), 0);
	bool equal = query.nkeys == 1 && !query.has_scan &&
		     slice_equal(query.keys[0], slice(key, len));
	arena_free(&arena);
	return equal;
}

/* ---- tests ---- */

/* A put is one command without a session; its answer has the key's new version. */
START_TEST(a_put_is_one_command_without_a_session)
{
	set_up();
	node_answers_write(0, 3);
	const char *answer = ask("PUT", "/put", "{\"key\":\"k\",\"value\":\"v\"}");
	HAS(answer, "HTTP/1.1 200 OK");
	HAS(answer, "Content-Type: application/json");
	HAS(answer, "\r\n\r\n{\"key\":\"k\",\"version\":3,\"modification\":13}\n");
	struct wire_kv_command command = asked_command();
	ck_assert(command.nthen == 1 && command.nwhen == 0 && !command.transaction);
	ck_assert_int_eq(command.then[0].kind, WIRE_KV_PUT);
	ck_assert(slice_equal(command.then[0].key, slice_string("k")));
	ck_assert(slice_equal(command.then[0].value, slice_string("v")));
	ck_assert_uint_eq(fake.timeout_ms, HTTP_KV_TIMEOUT_MS);
	arena_free(&arena);
	tear_down();
}
END_TEST

/* A get is one query; values that are no text come as base64. */
START_TEST(a_get_is_one_query)
{
	set_up();
	node_answers_read(0, slice_string("v"));
	HAS(ask("GET", "/get/k", ""),
	    "\r\n\r\n{\"key\":\"k\",\"value\":\"v\",\"version\":1,\"modification\":2}\n");
	ck_assert(asked_key("k", 1));
	HAS(ask("GET", "/get/k?encoding=base64", ""), "\"value\":\"dg==\",\"encoding\":\"base64\"");
	const char *head = ask("HEAD", "/get/k", "");
	HAS(head, "HTTP/1.1 200 OK");
	ck_assert_str_eq(strstr(head, "\r\n\r\n"), "\r\n\r\n");
	node_answers_read(0, slice("\xff", 1));
	HAS(ask("GET", "/get/k", ""), "\"value\":\"/w==\",\"encoding\":\"base64\"");
	node_answers_read(STATUS_NOT_FOUND, slice(NULL, 0));
	const char *missing = ask("GET", "/get/k", "");
	HAS(missing, "HTTP/1.1 404 Not Found");
	HAS(missing, "{\"error\":\"not found\",\"status\":\"NOT_FOUND\",\"key\":\"k\"}");
	tear_down();
}
END_TEST

/* The value of a header of an answer, as a number; -1: it has none, -2: it is none. */
static long header(const char *answer, const char *name)
{
	const char *at = strstr(answer, name);
	if (at == NULL)
		return -1;
	char *end;
	long value = strtol(at + strlen(name), &end, 10);
	return *end == '\r' ? value : -2;
}

/*
 * What may be old says how old, also when there is no such key; what is asked of the leader in the
 * usual way says nothing.
 */
START_TEST(an_old_answer_says_how_old_it_is)
{
	set_up();
	node_answers_read(0, slice_string("new"));
	node_has(0, "old", 1234);
	const char *answer = ask("GET", "/get/k?consistency=stale", "");
	HAS(answer, "{\"key\":\"k\",\"value\":\"old\",\"version\":1,\"modification\":2}");
	ck_assert_int_ge(header(answer, "\r\nSynod-Age-Ms: "), 1234);
	ck_assert_int_lt(header(answer, "\r\nSynod-Age-Ms: "), 60000);
	ck_assert_int_eq(header(answer, "\r\nSynod-Slot: "), 9);
	node_has(0, "old", UINT64_MAX);
	HAS(ask("GET", "/get/k?consistency=stale", ""), "\r\nSynod-Age-Ms: unknown\r\n");
	node_has(STATUS_NOT_FOUND, "", 5);
	answer = ask("GET", "/get/k?consistency=stale", "");
	HAS(answer, "HTTP/1.1 404 ");
	ck_assert_int_ge(header(answer, "\r\nSynod-Age-Ms: "), 5);
	ck_assert_uint_eq(fake.stale_requests, 3);
	answer = ask("GET", "/get/k?consistency=linearizable", "");
	HAS(answer, "\"value\":\"new\"");
	ck_assert_int_eq(header(answer, "\r\nSynod-Age-Ms: "), -1);
	ck_assert_uint_eq(fake.stale_requests, 3);
	tear_down();
}
END_TEST

/*
 * Too old, of unknown age, refused or malformed: the leader is asked, and if that is no use, so is
 * the answer.
 */
START_TEST(after_a_too_old_answer_the_leader_is_asked)
{
	set_up();
	node_answers_read(0, slice_string("new"));
	for (int i = 0; i < 8; i++) {
		static const int refusals[] = {STATUS_UNAVAILABLE, STATUS_BUSY, STATUS_NOT_LEADER,
					       STATUS_WRONG_GROUP, STATUS_UNKNOWN_METHOD};
		node_has(0, "old", i == 0 ? 5000 : UINT64_MAX);
		if (i == 2) {
			buffer_clear(&fake.stale);
			buffer_format(&fake.stale, "\xff\xff");
		}
		if (i > 2)
			fake.stale_status = refusals[i - 3];
		const char *answer = ask("GET", "/get/k?consistency=stale&max_age_ms=4000", "");
		HAS(answer, "\"value\":\"new\"");
		ck_assert_int_ge(header(answer, "\r\nSynod-Age-Ms: "), 0);
		ck_assert_int_le(header(answer, "\r\nSynod-Age-Ms: "), 4000);
		ck_assert_int_eq(header(answer, "\r\nSynod-Slot: "), -1);
		ck_assert_uint_eq(fake.stale_requests, (uint64_t)i + 1);
	}
	node_answers_error(STATUS_NOT_LEADER, "no", "");
	HAS(ask("GET", "/get/k?consistency=stale&max_age_ms=4000&timeout_ms=50", ""),
	    "HTTP/1.1 503 ");
	node_has(0, "old", 3000);
	HAS(ask("GET", "/get/k?consistency=stale&max_age_ms=4000&timeout_ms=50", ""),
	    "\"value\":\"old\"");
	/* A refusal of the service's own is the answer. */
	fake.stale_status = STATUS_TOO_LARGE;
	HAS(ask("GET", "/get/k?consistency=stale", ""), "HTTP/1.1 413 ");
	tear_down();
}
END_TEST

/* The key is everything behind /get/, decoded; it may hold any byte. */
START_TEST(a_key_may_hold_any_byte)
{
	set_up();
	node_answers_read(0, slice_string("v"));
	ask("GET", "/get/a/b//c+d", "");
	ck_assert(asked_key("a/b//c+d", 8));
	ask("GET", "/get/%2Fa%3Fb%00%ff%20", "");
	ck_assert(asked_key("/a?b\0\xff ", 7));
	ask("GET", "/get//usr?timeout_ms=100", "");
	ck_assert(asked_key("/usr", 4));
	ask("GET", "/get/%7Btag%7D{x}", "");
	ck_assert(asked_key("{tag}{x}", 8));
	ask("GET", "/get//wA%3D?key_encoding=base64", "");
	ck_assert(asked_key("\xff\0", 2));
	uint64_t requests = fake.requests;
	HAS(ask("GET", "/get/", ""), "400 Bad Request");
	HAS(ask("GET", "/get/%", ""), "400 Bad Request");
	HAS(ask("GET", "/get/%4", ""), "400 Bad Request");
	HAS(ask("GET", "/get/%4g", ""), "400 Bad Request");
	HAS(ask("GET", "/get/A?key_encoding=base64", ""), "400 Bad Request");
	HAS(ask("GET", "/get", ""), "404 Not Found");
	ck_assert_uint_eq(fake.requests, requests);
	tear_down();
}
END_TEST

/* A delete is one command; there being nothing to delete is 404. */
START_TEST(a_delete_is_one_command)
{
	set_up();
	node_answers_write(0, 0);
	HAS(ask("DELETE", "/get/k", ""), "HTTP/1.1 200 OK");
	struct wire_kv_command command = asked_command();
	ck_assert(command.nthen == 1 && command.then[0].kind == WIRE_KV_DELETE &&
		  !command.transaction);
	ck_assert(slice_equal(command.then[0].key, slice_string("k")));
	arena_free(&arena);
	node_answers_write(STATUS_NOT_FOUND, 0);
	HAS(ask("DELETE", "/get/k", ""), "HTTP/1.1 404 Not Found");
	tear_down();
}
END_TEST

/* A transaction is one command, and its answer is 200 whichever branch was taken. */
START_TEST(a_transaction_is_one_command)
{
	static const char text[] = "{\"if\":[{\"target\":\"exists\",\"key\":\"a\"}],"
				   "\"then\":[{\"op\":\"get\",\"key\":\"a\"}],"
				   "\"else\":[{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\"},{"
				   "\"op\":\"get\",\"key\":\"a\"}]}";
	struct wire_kv_result results[2] = {
		{.version = 1, .modification = 1},
		{.value = slice_string("1"), .version = 1, .modification = 1}};
	struct wire_kv_reply reply = {.nresults = 2, .results = results};
	set_up();
	node_answers(0);
	wire_kv_reply_encode(&reply, &fake.reply);
	const char *answer = ask("POST", "/txn", text);
	HAS(answer, "HTTP/1.1 200 OK");
	HAS(answer, "{\"succeeded\":false,\"results\":[{\"op\":\"put\",\"key\":\"a\",\"ok\":true,"
		    "\"version\":1,");
	HAS(answer, "{\"op\":\"get\",\"key\":\"a\",\"ok\":true,\"value\":\"1\",");
	struct wire_kv_command command = asked_command();
	ck_assert(command.transaction && command.nwhen == 1 && command.nthen == 1 &&
		  command.notherwise == 2);
	arena_free(&arena);
	/* A reply that does not fit the request is the server's mistake, not the end of it. */
	reply.succeeded = true;
	node_answers(0);
	wire_kv_reply_encode(&reply, &fake.reply);
	HAS(ask("POST", "/txn", text), "HTTP/1.1 500 ");
	buffer_clear(&fake.reply);
	buffer_format(&fake.reply, "\xff\xff\xff");
	HAS(ask("POST", "/txn", text), "HTTP/1.1 500 ");
	HAS(ask("PUT", "/put", "{\"key\":\"k\",\"value\":\"v\"}"), "HTTP/1.1 500 ");
	HAS(ask("GET", "/get/k", ""), "HTTP/1.1 500 ");
	tear_down();
}
END_TEST

/* Mistakes of the client never reach the node. */
START_TEST(mistakes_of_the_client_never_reach_the_node)
{
	set_up();
	node_answers_write(0, 1);
	HAS(ask("PUT", "/put", "{\"key\":\"k\"}"), "HTTP/1.1 400 Bad Request");
	HAS(ask("PUT", "/put", ""), "HTTP/1.1 400 Bad Request");
	HAS(ask("POST", "/txn", "[]"), "HTTP/1.1 400 Bad Request");
	HAS(ask("PUT", "/put?timeout_ms=0", "{\"key\":\"k\",\"value\":\"v\"}"),
	    "HTTP/1.1 400 Bad Request");
	HAS(ask("PUT", "/put?timeout_ms=60001", "{\"key\":\"k\",\"value\":\"v\"}"),
	    "HTTP/1.1 400 Bad Request");
	HAS(ask("PUT", "/put?timeout_ms=-1", "{\"key\":\"k\",\"value\":\"v\"}"),
	    "HTTP/1.1 400 Bad Request");
	HAS(ask("GET", "/get/k?encoding=hex", ""), "HTTP/1.1 400 Bad Request");
	HAS(ask("GET", "/get/k?redirect=maybe", ""), "HTTP/1.1 400 Bad Request");
	HAS(ask("GET", "/get/k?bogus=1", ""), "'bogus' is no parameter");
	HAS(ask("GET", "/get/k?timeout_ms=1&timeout_ms=2", ""), "'timeout_ms' stands twice");
	HAS(ask("GET", "/get/k?timeout_ms", ""), "malformed parameters");
	HAS(ask("GET", "/get/k?timeout_ms=1%002", ""), "malformed parameters");
	HAS(ask("GET", "/get/k?forward=no", ""), "'forward' must be true or false");
	HAS(ask("GET", "/get/k?consistency=eventual", ""),
	    "'consistency' must be linearizable or stale");
	HAS(ask("GET", "/get/k?consistency=stale&max_age_ms=0", ""),
	    "'max_age_ms' must be 1 to 86400000");
	HAS(ask("GET", "/get/k?consistency=stale&max_age_ms=86400001", ""),
	    "'max_age_ms' must be 1 to 86400000");
	HAS(ask("GET", "/get/k?max_age_ms=5", ""), "'max_age_ms' goes with consistency=stale");
	HAS(ask("PUT", "/put?consistency=stale", "{\"key\":\"k\",\"value\":\"v\"}"),
	    "'consistency' is for reads");
	HAS(ask("DELETE", "/get/k?consistency=stale", ""), "'consistency' is for reads");
	HAS(ask("POST", "/txn?consistency=stale", "{}"), "'consistency' is for reads");
	HAS(ask("GET", "/put", ""), "HTTP/1.1 405 Method Not Allowed");
	HAS(ask("GET", "/put", ""), "{\"error\":\"this page does not know the method, only "
				    "PUT\",\"status\":\"BAD_REQUEST\"}");
	HAS(ask("GET", "/keys", ""), "HTTP/1.1 404 ");
	HAS(ask("GET", "/keys", ""), "{\"error\":\"there is no such page: try /livez ");
	HAS(ask("GET", "/put", ""), "\r\nAllow: PUT\r\n");
	HAS(ask("POST", "/put", "x"), "HTTP/1.1 405 ");
	HAS(ask("PUT", "/get/k", "x"), "\r\nAllow: GET, HEAD, DELETE\r\n");
	HAS(ask("OPTIONS", "/txn", ""), "\r\nAllow: POST\r\n");
	HAS(ask("POST", "/livez", "x"), "\r\nAllow: GET, HEAD\r\n");
	struct raw raw = begin("POST", "/txn", "Origin: http://elsewhere\r\n", slice_string("{}"));
	HAS(finish(&raw), "HTTP/1.1 403 Forbidden");
	ck_assert_uint_eq(fake.requests, 0);
	HAS(ask("GET", "/metrics", ""), "\nsynod_http_kv_replies_total{code=\"400\"} 20\n");
	tear_down();
}
END_TEST

/* Every status of the node becomes the code that says the same. */
START_TEST(every_status_has_its_code)
{
	static const struct {
		int status;
		const char *code;
	} pairs[] = {
		{STATUS_BAD_REQUEST, "400"},
		{STATUS_CROSS_GROUP, "400"},
		{STATUS_DENIED, "403"},
		{STATUS_NOT_NUMBER, "409"},
		{STATUS_TOO_LARGE, "413"},
		{STATUS_NOT_LEADER, "503"},
		{STATUS_BUSY, "503"},
		{STATUS_UNAVAILABLE, "503"},
		{STATUS_DEADLINE, "503"},
		{STATUS_UNKNOWN, "504"},
		{STATUS_NO_SPACE, "507"},
		{STATUS_INTERNAL, "500"},
		{STATUS_SESSION_EXPIRED, "500"},
	};
	char expected[64];
	set_up();
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		node_answers_error(pairs[i].status, "a reason", "");
		const char *answer = ask("PUT", "/put", "{\"key\":\"k\",\"value\":\"v\"}");
		snprintf(expected, sizeof expected, "HTTP/1.1 %s ", pairs[i].code);
		HAS(answer, expected);
		snprintf(expected, sizeof expected, "\"status\":\"%s\"",
			 status_name(pairs[i].status));
		HAS(answer, expected);
		HAS(answer, "\"error\":\"a reason\"");
	}
	/* Without an Error, or with one that is damaged, the status has to do. */
	node_answers(STATUS_BUSY);
	HAS(ask("GET", "/get/k", ""),
	    "{\"error\":\"too busy, not applied\",\"status\":\"BUSY\",\"key\":\"k\"}");
	HAS(ask("GET", "/get/k", ""), "\r\nRetry-After: 1\r\n");
	buffer_format(&fake.reply, "\xff\xff\xff");
	HAS(ask("GET", "/get/k", ""), "{\"error\":\"too busy, not applied\"");
	tear_down();
}
END_TEST

/* A replica that does not lead says who does, and where; a redirect is for those who ask for it. */
START_TEST(a_follower_says_where_the_leader_is)
{
	set_up();
	node_answers_error(STATUS_NOT_LEADER, "why", "b:1");
	const char *answer = ask("GET", "/get/a%20b?forward=false", "");
	HAS(answer, "HTTP/1.1 503 Service Unavailable");
	HAS(answer, "\r\nLocation: http://b:80/get/a%20b?forward=false\r\n");
	HAS(answer, "\"leader\":\"b:1\",\"location\":\"http://b:80/get/a%20b?forward=false\"");
	HAS_NOT(answer, "Retry-After");
	answer = ask("PUT", "/put?redirect=true", "{\"key\":\"k\",\"value\":\"v\"}");
	HAS(answer, "HTTP/1.1 307 Temporary Redirect");
	HAS(answer, "\r\nLocation: http://b:80/put?redirect=true\r\n");
	HAS(ask("GET", "/get/k?redirect=false&forward=false", ""), "HTTP/1.1 503 ");
	/* Where the leader answers HTTP is not known, or the leader is not. */
	node_answers_error(STATUS_NOT_LEADER, "why", "x:1");
	answer = ask("GET", "/get/k?redirect=true", "");
	HAS(answer, "HTTP/1.1 503 ");
	HAS(answer, "\"leader\":\"x:1\"}");
	HAS_NOT(answer, "Location");
	node_answers_error(STATUS_NOT_LEADER, "why", "");
	answer = ask("GET", "/get/k?redirect=true", "");
	HAS(answer, "HTTP/1.1 503 ");
	HAS(answer, "\r\nRetry-After: 1\r\n");
	tear_down();
}
END_TEST

/* A key of another group is 421 with the group's addresses; one that waits for a group is 503. */
START_TEST(a_key_of_another_group_is_421)
{
	set_up();
	node_answers_error(STATUS_WRONG_GROUP, "why", "");
	const char *answer = ask("GET", "/get/theirs?forward=false", "");
	HAS(answer, "HTTP/1.1 421 Misdirected Request");
	HAS(answer, "\"group\":2,\"addresses\":[\"c:1\",\"d:1\"],\"location\":\"http://d:80/get/"
		    "theirs?forward=false\"");
	HAS(answer, "\r\nLocation: http://d:80/get/theirs?forward=false\r\n");
	HAS(ask("POST", "/txn?redirect=true", "{\"then\":[{\"op\":\"get\",\"key\":\"theirs\"}]}"),
	    "\r\nLocation: http://d:80/txn?redirect=true\r\n");
	HAS(ask("PUT", "/put?forward=false", "{\"key\":\"theirs\",\"value\":\"v\"}"),
	    "HTTP/1.1 421 ");
	HAS(ask("GET", "/get/nobodys", ""), "HTTP/1.1 503 ");
	tear_down();
}
END_TEST

/*
 * What the URL of a request holds never ends up in a header if it could be anything but a part of
 * it.
 */
START_TEST(a_strange_url_never_ends_up_in_a_header)
{
	set_up();
	node_answers_error(STATUS_NOT_LEADER, "why", "b:1");
	const char *answer = ask("GET", "/get/\x80?forward=false", "");
	HAS(answer, "HTTP/1.1 503 ");
	HAS_NOT(answer, "Location");
	answer = ask("GET", "/get/k\rX-Injected: y", "");
	HAS(answer, "HTTP/1.1 400 ");
	HAS_NOT(answer, "X-Injected");
	tear_down();
}
END_TEST

/* No answer in time: unknown for a write; the time is the client's. */
START_TEST(a_write_without_an_answer_in_time_is_unknown)
{
	set_up();
	fake.silent = true;
	const char *answer = ask("PUT", "/put?timeout_ms=1", "{\"key\":\"k\",\"value\":\"v\"}");
	HAS(answer, "HTTP/1.1 504 Gateway Timeout");
	HAS(answer, "\"status\":\"UNKNOWN\"");
	HAS(answer, "may or may not");
	ck_assert_uint_eq(fake.timeout_ms, 1);
	answer = ask("GET", "/get/k?timeout_ms=1", "");
	HAS(answer, "HTTP/1.1 504 Gateway Timeout");
	HAS(answer, "no answer in time");
	tear_down();
}
END_TEST

/*
 * Requests under way are bounded: one more is told to come back, and those that were there are
 * served.
 */
START_TEST(requests_under_way_are_bounded)
{
	static struct raw raws[HTTP_KV_REQUESTS_MAX];
	set_up();
	fake.silent = true;
	for (size_t i = 0; i < HTTP_KV_REQUESTS_MAX; i++) {
		raws[i] = begin("GET", "/get/k?timeout_ms=60000", "", slice(NULL, 0));
		TURN_UNTIL(fake.requests == i + 1, one.host);
	}
	const char *answer = ask("GET", "/get/k", "");
	HAS(answer, "HTTP/1.1 503 ");
	HAS(answer, "\"status\":\"BUSY\"");
	HAS(ask("GET", "/livez", ""), "HTTP/1.1 200 ");
	HAS(ask("GET", "/metrics", ""), "\nsynod_http_kv_pending 96\n");
	node_answers_read(0, slice_string("v"));
	answer_kept();
	for (size_t i = 0; i < HTTP_KV_REQUESTS_MAX; i++)
		HAS(finish(&raws[i]), "HTTP/1.1 200 ");
	HAS(ask("GET", "/get/k", ""), "HTTP/1.1 200 ");
	tear_down();
}
END_TEST

/*
 * A client that goes away while its request is under way harms nobody; nor does the end of the
 * server.
 */
START_TEST(a_client_that_goes_away_harms_no_other)
{
	set_up();
	fake.silent = true;
	struct raw gone = begin("GET", "/get/k?timeout_ms=50", "", slice(NULL, 0));
	TURN_UNTIL(fake.requests == 1, one.host);
	raw_close(&gone);
	HAS(ask("GET", "/get/k?timeout_ms=100", ""), "HTTP/1.1 504 ");
	struct raw left = begin("GET", "/get/k", "", slice(NULL, 0));
	TURN_UNTIL(fake.requests == 3, one.host);
	http_destroy(http);
	turn_some(one.host, NULL);
	raw_close(&left);
	echo_end(&one);
	buffer_free(&fake.payload);
	buffer_free(&fake.reply);
}
END_TEST

/* A connection serves one request after the other, also when they are sent together. */
START_TEST(a_connection_serves_requests_one_after_the_other)
{
	set_up();
	node_answers_read(0, slice_string("v"));
	struct raw raw = raw_connect(http_port(http));
	ck_assert(raw_send(
		&raw, slice_string("GET /get/a HTTP/1.1\r\nHost: x\r\n\r\nGET /get/b "
				   "HTTP/1.1\r\nHost: x\r\n\r\n"
				   "GET /get/c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")));
	const char *answers = finish(&raw);
	const char *a = strstr(answers, "\"key\":\"a\""), *b = strstr(answers, "\"key\":\"b\"");
	ck_assert(a != NULL && b != NULL && strstr(b, "\"key\":\"c\"") != NULL && a < b);
	tear_down();
}
END_TEST

/*
 * The largest command fits as base64; a longer body is 413 before anything looks at it, also
 * without its length.
 */
START_TEST(the_largest_command_fits_and_more_is_413)
{
	struct buffer body = {0};
	set_up();
	node_answers_write(0, 1);
	buffer_format(&body, "{\"key\":\"k\",\"encoding\":\"base64\",\"value\":\"");
	for (size_t i = 0; i < (COMMAND_BYTES_MAX - 100) / 3; i++)
		buffer_format(&body, "AAAA");
	buffer_format(&body, "\"}");
	struct raw raw = raw_connect(http_port(http));
	struct buffer request = {0};
	buffer_format(
		&request,
		"PUT /put HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
		body.len);
	buffer_add_slice(&request, buffer_slice(&body));
	fcntl(raw.fd, F_SETFL, O_NONBLOCK);
	size_t sent = 0;
	while (sent < request.len) {
		ssize_t part = send(raw.fd, request.data + sent, request.len - sent, MSG_NOSIGNAL);
		if (part > 0)
			sent += (size_t)part;
		host_turn(one.host, false);
	}
	HAS(finish(&raw), "HTTP/1.1 200 OK");
	ck_assert_uint_eq(asked_command().then[0].value.len, (COMMAND_BYTES_MAX - 100) / 3 * 3);
	arena_free(&arena);
	raw = raw_connect(http_port(http));
	ck_assert(raw_send(&raw, slice_string("PUT /put HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
					      "chunked\r\n\r\n5000000\r\nx")));
	HAS(finish(&raw), "HTTP/1.1 413 ");
	ck_assert_uint_eq(fake.requests, 1);
	buffer_free(&body);
	buffer_free(&request);
	tear_down();
}
END_TEST
