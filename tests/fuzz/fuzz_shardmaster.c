/* libFuzzer: the shard master's app (fuzz_app.h), with few shards and groups. */
#include <stdio.h>

#include "fuzz_app.h"
#include "shardmaster/app.h"
#include "wire/wire.h"

#define SHARDS 10u
#define GROUPS_AT_ONCE 4u

static struct app *create(void)
{
	return shardmaster_app_create(SHARDS);
}

static void build_command(struct slice *in, struct buffer *out)
{
	struct wire_group groups[GROUPS_AT_ONCE];
	char addresses[GROUPS_AT_ONCE][16];
	uint64_t gids[GROUPS_AT_ONCE];
	uint32_t shards[SHARDS];
	struct wire_master_command command = {.groups = groups, .gids = gids, .shards = shards};
	command.op = (enum wire_master_op)(WIRE_MASTER_JOIN + input_u8(in) % WIRE_MASTER_CLAIM);
	command.shard = input_u8(in) % (SHARDS + 1);
	command.gid = input_u8(in) % 8;
	command.config = input_u8(in);
	command.ngroups = command.op == WIRE_MASTER_JOIN ? input_u8(in) % (GROUPS_AT_ONCE + 1) : 0;
	for (uint32_t i = 0; i < command.ngroups; i++) {
		groups[i] = (struct wire_group){.gid = input_u8(in) % 8, .nmembers = 1};
		snprintf(addresses[i], sizeof addresses[i], "h%u:1", input_u8(in) % 16u);
		groups[i].members[0] = slice_string(addresses[i]);
	}
	command.ngids = input_u8(in) % (GROUPS_AT_ONCE + 1);
	for (uint32_t i = 0; i < command.ngids; i++)
		gids[i] = input_u8(in) % 8;
	command.nshards = command.op == WIRE_MASTER_CLAIM ? input_u8(in) % (SHARDS + 1) : 0;
	for (uint32_t i = 0; i < command.nshards; i++)
		shards[i] = input_u8(in) % (SHARDS + 1);
	wire_master_command_encode(&command, out);
}

static void build_query(struct slice *in, struct buffer *out)
{
	uint8_t number = input_u8(in);
	wire_master_query_encode(
		&(struct wire_master_query){.number = number == 255 ? UINT64_MAX : number}, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_app f = {
		.create = create, .build_command = build_command, .build_query = build_query};
	fuzz_app_run(&f, slice(data, size));
	return 0;
}
