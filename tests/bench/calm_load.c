/*
 * A load whose every instruction repeats: one shard master, a group of three replicas and a client
 * of the client library in the simulated world, without faults, from a fixed seed.
 * tests/bench/instructions.sh counts the instructions of two lengths of it; the difference is what
 * the operations cost.
 *
 *   calm_load put|get OPERATIONS [BYTES]    of a value (256)
 *
 * The client keeps 16 requests under way, so that batches form as they do in a daemon.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "client/core.h"
#include "shardkv/node.h"
#include "shardmaster/node.h"
#include "sim/world.h"

#define REPLICAS 3u
#define SHARDS 256u
#define WINDOW 16u
#define KEYS 256u
#define KEY_BYTES 16u
#define VALUE_BYTES 256u
#define SEGMENT_BYTES (1u << 20) /* a first start writes and reads a whole one */

static const char *const MASTER = "m1:7000";
static const char *const NAMES[REPLICAS] = {"g1a", "g1b", "g1c"}, *const ADDRESSES[REPLICAS] = {
									  "g1a:7000", "g1b:7000",
									  "g1c:7000"};

struct load {
	struct sim_world *world;
	struct sim_process *process;
	struct client *client;
	enum synod_op_kind kind;
	uint64_t left;   /* operations to start */
	uint64_t open;   /* under way */
	uint64_t number; /* of the next one */
	char *value;
	size_t value_bytes;
};

/* ---- the processes ---- */

static struct node *build_master(void *context, struct sim_process *process)
{
	struct shardmaster_options options = {
		.env = &process->env,
		.log = &process->log,
		.cluster = "calm",
		.name = "m1",
		.version = "calm",
		.nshards = SHARDS,
		.replica = 1,
		.nmembers = 1,
		.members =
			{{.replica = 1, .name = "m1", .address = MASTER, .client_address = MASTER}},
	};
	(void)context;
	rsm_settings_default(&options.settings);
	options.settings.wal_segment_bytes = SEGMENT_BYTES;
	return shardmaster_create(&options);
}

/* context: which replica. */
static struct node *build_replica(void *context, struct sim_process *process)
{
	uint32_t self = *(const uint32_t *)context;
	struct shardkv_node_options options = {
		.env = &process->env,
		.log = &process->log,
		.cluster = "calm",
		.name = NAMES[self],
		.version = "calm",
		.gid = 1,
		.replica = self + 1,
		.nmembers = REPLICAS,
		.nshards = SHARDS,
		.nmasters = 1,
		.masters = {MASTER},
		.client_masters = {MASTER},
		.key_bytes_max = KEY_BYTES_MAX,
		.value_bytes_max = VALUE_BYTES_MAX,
	};
	for (uint32_t i = 0; i < REPLICAS; i++)
		options.members[i] = (struct rsm_member){.replica = i + 1,
							 .name = NAMES[i],
							 .address = ADDRESSES[i],
							 .client_address = ADDRESSES[i]};
	rsm_settings_default(&options.settings);
	options.settings.wal_segment_bytes = SEGMENT_BYTES;
	return shardkv_node_create(&options);
}

static struct node *build_client(void *context, struct sim_process *process)
{
	struct load *load = context;
	struct client_options options = {.masters = &MASTER, .nmasters = 1};
	load->client = client_create(&process->env, &process->log, &options);
	return client_node(load->client);
}

static void build_world(struct load *load)
{
	static const uint32_t selves[REPLICAS] = {0, 1, 2};
	struct sim_options options;
	sim_options_calm(&options);
	load->world = sim_world_create(1, &options);
	sim_process_add(load->world, &(struct sim_process_spec){.name = "m1",
								.address = MASTER,
								.build = build_master,
								.disk = true,
								.lives = true});
	for (uint32_t i = 0; i < REPLICAS; i++)
		sim_process_add(load->world,
				&(struct sim_process_spec){.name = NAMES[i],
							   .address = ADDRESSES[i],
							   .build = build_replica,
							   .context = (void *)(uintptr_t)&selves[i],
							   .disk = true,
							   .lives = true});
	load->process = sim_process_add(
		load->world,
		&(struct sim_process_spec){.name = "c", .build = build_client, .context = load});
	for (uint32_t i = 0; i < load->world->nprocesses; i++)
		sim_process_start(load->world->processes[i]);
}

/* ---- the load ---- */

static void start_operation(struct load *load);

static void ended(struct client_request *request, const struct synod_reply *reply,
		  struct slice payload)
{
	struct load *load = request->context;
	(void)payload;
	if (reply->status != SYNOD_OK)
		errx(1, "an operation ended with %s: %s", synod_status_text(reply->status),
		     reply->message);
	load->open--;
	if (load->left > 0)
		start_operation(load);
}

static void submit(struct load *load, struct client_request *request)
{
	request->done = ended;
	request->context = load;
	request->timeout_ms = 60000;
	load->open++;
	client_submit(load->client, request);
}

static void start_operation(struct load *load)
{
	char key[KEY_BYTES] = "k00000000000000";
	struct client_request *request;
	/* By hand: what printf costs is nothing that this is about. */
	for (uint64_t i = KEY_BYTES, rest = load->number++ * 7919 % KEYS; i-- > 1; rest /= 10)
		key[i] = (char)('0' + rest % 10);
	struct synod_op op = {.kind = load->kind, .key = {key, sizeof key}};
	if (load->kind == SYNOD_OP_PUT)
		op.value = (struct synod_bytes){load->value, load->value_bytes};
	load->left--;
	if (client_request_op(&request, &op) != 0)
		errx(1, "no memory");
	submit(load, request);
}

static void start_window(void *data, struct node *node)
{
	struct load *load = data;
	(void)node;
	while (load->left > 0 && load->open < WINDOW)
		start_operation(load);
}

static void start_join(void *data, struct node *node)
{
	const char *members[REPLICAS];
	struct client_request *request;
	(void)node;
	memcpy(members, ADDRESSES, sizeof members);
	struct synod_group group = {.gid = 1, .nmembers = REPLICAS, .members = members};
	if (client_request_join(&request, &group, 1) != 0)
		errx(1, "no memory");
	submit(data, request);
}

static bool idle(void *context)
{
	const struct load *load = context;
	return load->open == 0 && load->left == 0;
}

/* Has the function called as an input of the client, and lets all end that comes of it. */
static void run(struct load *load, void (*start)(void *data, struct node *node))
{
	sim_process_call(load->process, start, load);
	if (!sim_world_run_until_true(load->world, idle, load, 600 * SIM_SECOND))
		errx(1, "the operations do not end");
}

static void run_operations(struct load *load, enum synod_op_kind kind, uint64_t count)
{
	load->kind = kind;
	load->left = count;
	run(load, start_window);
}

int main(int argc, char **argv)
{
	struct load *load = ALLOC(struct load);
	if (argc < 3 || argc > 4 || (strcmp(argv[1], "put") != 0 && strcmp(argv[1], "get") != 0))
		errx(64, "usage: calm_load put|get OPERATIONS [BYTES]");
	load->value_bytes = argc > 3 ? strtoull(argv[3], NULL, 10) : VALUE_BYTES;
	load->value = alloc_bytes(load->value_bytes + 1);
	memset(load->value, 'v', load->value_bytes);
	build_world(load);
	sim_world_run_for(load->world, SIM_SECOND);
	run(load, start_join);
	run_operations(load, SYNOD_OP_PUT, KEYS);
	uint64_t start_us = load->world->now_us;
	run_operations(load, strcmp(argv[1], "put") == 0 ? SYNOD_OP_PUT : SYNOD_OP_GET,
		       strtoull(argv[2], NULL, 10));
	printf("%s: %s operations in %" PRIu64 " µs of simulated time\n", argv[1], argv[2],
	       load->world->now_us - start_us);
	sim_world_destroy(load->world);
	free(load->value);
	free(load);
	return 0;
}
