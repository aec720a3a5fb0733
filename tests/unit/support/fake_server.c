#include "fake_server.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/host.h"
#include "wire/method.h"
#include "wire/wire.h"

#define NSHARDS 16u

struct fake_node {
	struct node node;
	struct arena arena;
	const char *group_address;
	uint64_t clients;
};

static void encode_config(const struct fake_node *fake, struct buffer *out)
{
	uint64_t shards[NSHARDS];
	struct wire_group group = {
		.gid = 1, .nmembers = 1, .members = {slice_string(fake->group_address)}};
	for (uint32_t i = 0; i < NSHARDS; i++)
		shards[i] = 1;
	struct wire_config config = {
		.number = 1, .nshards = NSHARDS, .shards = shards, .ngroups = 1, .groups = &group};
	wire_config_encode(&config, out);
}

static void answer_master(struct fake_node *fake, const struct message *message, struct buffer *out)
{
	if (message->method == METHOD_QUERY)
		encode_config(fake, out);
	else if (message->method == METHOD_REGISTER)
		wire_register_reply_encode(++fake->clients, out);
	else
		wire_master_reply_encode(&(struct wire_master_reply){.config = 1}, out);
}

static void answer_query(struct fake_node *fake, const struct message *message, struct buffer *out)
{
	struct wire_kv_query query;
	struct wire_kv_result result = {
		.value = slice_string("value"), .version = 1, .modification = 1};
	struct wire_kv_record records[3];
	struct wire_kv_query_reply reply = {.records = records, .results = &result};
	ck_assert_int_eq(wire_kv_query_decode(message->payload, &fake->arena, &query), 0);
	reply.nresults = query.nkeys;
	reply.nrecords = query.has_scan ? 3 : 0;
	for (uint32_t i = 0; i < reply.nrecords; i++)
		records[i] = (struct wire_kv_record){
			.key = slice(&"abc"[i], 1), .value = slice_string("value"), .version = 1};
	wire_kv_query_reply_encode(&reply, out);
}

static void answer_stale(struct fake_node *fake, const struct message *message, struct buffer *out)
{
	struct buffer body = {0};
	answer_query(fake, message, &body);
	wire_stale_reply_encode(
		&(struct wire_stale_reply){
			.slot = 1, .age_known = true, .age_us = 1, .body = buffer_slice(&body)},
		out);
	buffer_free(&body);
}

/* One result for each operation. */
static void answer_command(struct fake_node *fake, const struct message *message,
			   struct buffer *out)
{
	struct wire_command command;
	struct wire_kv_command kv;
	struct wire_kv_result results[TXN_OPS_MAX];
	ck_assert_int_eq(wire_command_decode(message->payload, &fake->arena, &command), 0);
	ck_assert_int_eq(wire_kv_command_decode(command.body, &fake->arena, &kv), 0);
	for (uint32_t i = 0; i < kv.nthen; i++)
		results[i] = (struct wire_kv_result){
			.value = slice_string("value"), .version = 2, .modification = 7};
	wire_kv_reply_encode(&(struct wire_kv_reply){.succeeded = true,
						     .nresults = kv.nthen,
						     .results = results},
			     out);
}

static void on_message(struct node *node, link_id from, const struct message *message)
{
	struct fake_node *fake = (struct fake_node *)(void *)node;
	struct buffer out = {0};
	if (message->kind != MESSAGE_REQUEST)
		return;
	arena_reset(&fake->arena);
	if (message->method == METHOD_STATUS)
		wire_status_encode(&(struct wire_status){.name = slice_string("fake"),
							 .role = slice_string("shardkv")},
				   &out);
	else if (fake->group_address != NULL)
		answer_master(fake, message, &out);
	else if (message->method == METHOD_QUERY)
		answer_query(fake, message, &out);
	else if (message->method == METHOD_QUERY_STALE)
		answer_stale(fake, message, &out);
	else
		answer_command(fake, message, &out);
	node_reply(node, from, message, 0, buffer_slice(&out));
	buffer_free(&out);
}

static void log_nothing(void *context, const char *line, size_t len)
{
	(void)context;
	(void)line;
	(void)len;
}

static uint64_t no_time(void *context)
{
	(void)context;
	return 0;
}

static _Noreturn void serve(int ready, const char *group_address)
{
	static const struct node_ops ops = {.message = on_message};
	static struct fake_node fake;
	static struct log log = {
		.level = LOG_OFF, .node = "fake", .wall_us = no_time, .write = log_nothing};
	struct host_options options = {.cluster = "demo",
				       .node = "fake",
				       .role = "shardkv",
				       .listen = "127.0.0.1:0",
				       .log = &log};
	struct host *host;
	char error[256];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	host_settings_default(&options.settings);
	if (host_create(&host, &options, error, sizeof error) != 0)
		_exit(1);
	node_init(&fake.node, &ops, host_env(host), &log);
	arena_init(&fake.arena, ARENA_BYTES_MAX);
	fake.group_address = group_address;
	uint16_t port = host_port(host);
	if (host_start(host, &fake.node, error, sizeof error) != 0 ||
	    write(ready, &port, sizeof port) != sizeof port)
		_exit(1);
	host_run(host);
	_exit(1);
}

void fake_server_start(struct fake_server *server, const char *group_address)
{
	int ends[2];
	uint16_t port = 0;
	ck_assert_int_eq(pipe(ends), 0);
	server->pid = fork();
	ck_assert_int_ge(server->pid, 0);
	if (server->pid == 0)
		serve(ends[1], group_address);
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], &port, sizeof port), sizeof port);
	close(ends[0]);
	snprintf(server->address, sizeof server->address, "127.0.0.1:%u", port);
}

void fake_server_stop(struct fake_server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
}

void fake_cluster_start(struct fake_cluster *cluster)
{
	char text[512];
	fake_server_start(&cluster->group, NULL);
	fake_server_start(&cluster->master, cluster->group.address);
	snprintf(text, sizeof text,
		 "[cluster]\nname = demo\n[node fake]\nrole = shardmaster\nlisten = %s\ndir = m\n"
		 "[node other]\nrole = shardkv\ngroup = 1\nlisten = 127.0.0.1:1\ndir = g\n",
		 cluster->master.address);
	snprintf(cluster->config_file, sizeof cluster->config_file, "/tmp/test-cluster-XXXXXX");
	int fd = mkstemp(cluster->config_file);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

void fake_cluster_stop(struct fake_cluster *cluster)
{
	fake_server_stop(&cluster->master);
	fake_server_stop(&cluster->group);
	unlink(cluster->config_file);
}
