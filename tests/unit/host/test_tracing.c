/* Tracing in the real world: the file of --trace, TRACE, and who is sent trace ids. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/check_main.h"
#include "../support/raw.h"
#include "trace/causal.h"

static struct echo server, client;
static char address[64], directory[] = "/tmp/synod-tracing.XXXXXX", file[2][64];
static struct host_peer peer;

static struct host_options options_of(const char *node, const char *listen, const char *trace)
{
	struct host_options options = {
		.cluster = "test", .node = node, .role = "echo", .listen = listen, .trace = trace};
	host_settings_default(&options.settings);
	options.settings.reconnect_max_ms = 20;
	return options;
}

static void make_directory(void)
{
	strcpy(directory, "/tmp/synod-tracing.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	for (int i = 0; i < 2; i++)
		snprintf(file[i], sizeof file[i], "%s/%d", directory, i);
}

static void remove_directory(void)
{
	unlink(file[0]);
	unlink(file[1]);
	ck_assert_int_eq(rmdir(directory), 0);
}

static link_id start_both(const char *server_trace, const char *client_trace)
{
	struct host_options options = options_of("s1", "127.0.0.1:0", server_trace);
	echo_start(&server, &options);
	snprintf(address, sizeof address, "127.0.0.1:%u", host_port(server.host));
	peer = (struct host_peer){.name = "s1", .address = address};
	options = options_of("c1", NULL, client_trace);
	options.npeers = 1;
	options.peers = &peer;
	echo_start(&client, &options);
	return node_dial(&client.node, address);
}

static void end_both(void)
{
	echo_end(&client);
	echo_end(&server);
}

static char *content_of(const char *name)
{
	static char content[1 << 16];
	FILE *in = fopen(name, "r");
	ck_assert_ptr_nonnull(in);
	content[fread(content, 1, sizeof content - 1, in)] = '\0';
	fclose(in);
	return content;
}

static uint32_t lines_of(const char *name)
{
	uint32_t lines = 0;
	for (const char *at = content_of(name); *at != '\0'; at++)
		lines += *at == '\n';
	return lines;
}

/* Two processes' files together are a trace in causal order, over a restart of one of them. */
START_TEST(files_of_two_processes_are_one_trace)
{
	make_directory();
	for (uint64_t life = 1; life <= 2; life++) {
		link_id to = start_both(file[0], file[1]);
		for (uint64_t i = 1; i <= 3; i++) {
			echo_send(&client, to, MESSAGE_REQUEST, i, slice_string("x"));
			TURN_UNTIL(client.replies == i, client.host, server.host);
		}
		end_both();
		ck_assert_uint_eq(lines_of(file[0]), life * 14);
		ck_assert_uint_eq(lines_of(file[1]), life * 14);
	}
	struct causal *c = causal_create();
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(causal_add_file(c, file[i], slice_string(content_of(file[i]))), 0);
	ck_assert_msg(causal_sort(c) == 0, "%s", causal_error(c));
	ck_assert_uint_eq(causal_count(c), 28);
	ck_assert_uint_eq(causal_unmatched(c), 0);
	ck_assert_ptr_nonnull(
		strstr(content_of(file[0]), "s1 {\"s1\":14}\nsend query reply to=client message="));
	ck_assert_ptr_nonnull(
		strstr(content_of(file[1]), "c1 {\"c1\":9}\nsend query to=s1 message="));
	causal_destroy(c);
	remove_directory();
}
END_TEST

/*
 * What a power loss has left of the last event is cut off, and another process's file is not
 * touched.
 */
START_TEST(torn_and_taken)
{
	char error[256];
	make_directory();
	FILE *out = fopen(file[0], "w");
	fputs("s1 {\"s1\":1}\nstart\ns1 {\"s1\":2}\nsend acc", out);
	fclose(out);
	struct host_options options = options_of("s1", NULL, file[0]);
	echo_start(&server, &options);
	host_turn(server.host, false);
	ck_assert(slice_has_prefix(
		slice_string(content_of(file[0])),
		slice_string("s1 {\"s1\":1}\nstart\ns1 {\"s1\":2}\nstart lamport=1 ")));

	struct host *other;
	options.log = &server.log;
	ck_assert_int_eq(host_create(&other, &options, error, sizeof error), STATUS_IO);
	ck_assert_ptr_nonnull(strstr(error, "another process writes it: give each its own file"));
	options.trace = "/nowhere/at/all";
	ck_assert_int_eq(host_create(&other, &options, error, sizeof error), STATUS_IO);
	ck_assert_ptr_nonnull(
		strstr(error, "cannot write the trace /nowhere/at/all: No such file"));
	options.trace = directory;
	ck_assert_int_eq(host_create(&other, &options, error, sizeof error), STATUS_IO);
	echo_end(&server);
	remove_directory();
}
END_TEST

/* A file that is no trace is neither cut nor written to: somebody has mistaken its name. */
START_TEST(some_other_file)
{
	static const char text[] = "[cluster]\nname = test\nshards = 4\n";
	char error[256];
	struct host *host;
	struct log log;
	make_directory();
	FILE *out = fopen(file[0], "w");
	fputs(text, out);
	fclose(out);
	struct host_options options = options_of("s1", NULL, file[0]);
	log_init_fd(&log, STDERR_FILENO, "s1");
	options.log = &log;
	ck_assert_int_eq(host_create(&host, &options, error, sizeof error), STATUS_IO);
	ck_assert_ptr_nonnull(strstr(error, "holds something else"));
	ck_assert_str_eq(content_of(file[0]), text);
	remove_directory();
}
END_TEST

/* A file that has become as large as it may gets no more, and the node goes on. */
START_TEST(a_full_trace_file_gets_no_more)
{
	struct stat st;
	make_directory();
	struct host_options options = options_of("s1", NULL, file[0]);
	options.trace_bytes_max = 4096;
	echo_start(&server, &options);
	for (int i = 0; i < 200; i++) {
		node_step(&server.node, TRACE_STEP_SYNC, 0, NULL);
		host_turn(server.host, false);
	}
	ck_assert_int_eq(stat(file[0], &st), 0);
	ck_assert_int_le(st.st_size, 4096);
	ck_assert_int_gt(st.st_size, 3900);
	ck_assert_ptr_null(server.node.tracer.sink);
	echo_end(&server);
	remove_directory();
}
END_TEST

/* A traced request is noted on both sides; TRACE tells of it and of no other. */
START_TEST(trace_tells_of_the_traced_request_only)
{
	link_id to = start_both(NULL, NULL);
	struct buffer query = {0};
	struct arena arena;
	struct wire_trace trace;
	struct message message = {.kind = MESSAGE_REQUEST, .method = METHOD_QUERY, .id = 1};
	/*
	 * Before the hello nobody knows what the other side understands: the first request is sent
	 * without its id.
	 */
	message.trace = 7;
	node_send(&client.node, to, &message);
	TURN_UNTIL(client.replies == 1, client.host, server.host);
	ck_assert_uint_eq(server.node.tracer.noted, 0);
	message.id = 2;
	message.trace = 8;
	node_send(&client.node, to, &message);
	TURN_UNTIL(client.replies == 2, client.host, server.host);
	ck_assert_uint_eq(server.node.tracer.noted, 2);

	arena_init(&arena, ARENA_BYTES_MAX);
	for (uint64_t id = 0; id <= 8; id += 4) {
		buffer_clear(&query);
		wire_trace_request_encode(id, &query);
		message = (struct message){.kind = MESSAGE_REQUEST,
					   .method = METHOD_TRACE,
					   .id = 10 + id,
					   .payload = buffer_slice(&query)};
		uint64_t before = client.replies;
		node_send(&client.node, to, &message);
		TURN_UNTIL(client.replies == before + 1, client.host, server.host);
		ck_assert_int_eq(client.last_status, id == 0 ? STATUS_BAD_REQUEST : 0);
		if (id == 0)
			continue;
		ck_assert_int_eq(
			wire_trace_decode(buffer_slice(&client.last_payload), &arena, &trace), 0);
		ck_assert(slice_equal(trace.node, slice_string("s1")));
		ck_assert_uint_eq(trace.nevents, id == 8 ? 2 : 0);
		if (id != 8)
			continue;
		ck_assert(slice_has_prefix(trace.events[0],
					   slice_string("receive query from=client message=")));
		ck_assert(slice_has_prefix(trace.events[1],
					   slice_string("send query reply to=client message=")));
	}
	arena_free(&arena);
	buffer_free(&query);
	end_both();
}
END_TEST

/* Sends one message and waits for the next that comes; its trace id. */
static uint64_t exchange(struct raw *raw, const struct message *message)
{
	struct buffer out = {0};
	struct message got;
	size_t consumed;
	frame_append(&out, message);
	ck_assert(raw_send(raw, buffer_slice(&out)));
	TURN_UNTIL(raw_frame(raw, &got, &consumed), server.host);
	ck_assert_int_eq(got.status, 0);
	uint64_t trace = got.trace;
	buffer_consume(&raw->in, consumed);
	buffer_free(&out);
	return trace;
}

/* The trace id of the reply to a traced request of a peer with this life in its hello. */
static uint64_t trace_sent_to(uint64_t life)
{
	struct host_options options = options_of("s1", "127.0.0.1:0", NULL);
	struct wire_hello hello = {
		.version = PROTOCOL_VERSION, .cluster = slice_string("test"), .life = life};
	struct buffer payload = {0};
	echo_start(&server, &options);
	struct raw raw = raw_connect(host_port(server.host));
	wire_hello_encode(&hello, &payload);
	exchange(&raw, &(struct message){.kind = MESSAGE_REQUEST,
					 .method = METHOD_HELLO,
					 .payload = buffer_slice(&payload)});
	uint64_t trace = exchange(&raw, &(struct message){.kind = MESSAGE_REQUEST,
							  .method = METHOD_QUERY,
							  .id = 1,
							  .trace = 99});
	raw_close(&raw);
	buffer_free(&payload);
	echo_end(&server);
	return trace;
}

/*
 * Who does not say in its hello that it knows trace ids is not sent any: it would take the frame
 * for damaged.
 */
START_TEST(older_peers_are_sent_no_trace_ids)
{
	ck_assert_uint_eq(trace_sent_to(5), 99);
	ck_assert_uint_eq(trace_sent_to(0), 0);
}
END_TEST
