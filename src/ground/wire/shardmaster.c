#include "shardmaster.pb-c.h"
#include "wire/pb.h"
#include "wire/unpack.h"
#include "wire/wire.h"

static int convert_group(const Synod__GroupEntry *in, struct wire_group *out)
{
	if (in->n_members > REPLICAS_MAX)
		return STATUS_TOO_LARGE;
	*out = (struct wire_group){.gid = in->gid, .nmembers = (uint32_t)in->n_members};
	for (uint32_t i = 0; i < out->nmembers; i++) {
		out->members[i] = unpack_text(in->members[i]);
		int status = text_check_address(out->members[i]);
		if (status != 0)
			return status;
	}
	return 0;
}

static int convert_groups(Synod__GroupEntry **in, size_t count, struct arena *arena,
			  uint32_t *ngroups, struct wire_group **groups)
{
	if (count > GROUPS_MAX)
		return STATUS_TOO_LARGE;
	*ngroups = (uint32_t)count;
	*groups = NULL;
	if (count == 0)
		return 0;
	*groups = arena_try(arena, count * sizeof **groups);
	if (*groups == NULL)
		return STATUS_TOO_LARGE;
	for (size_t i = 0; i < count; i++) {
		int status = convert_group(in[i], &(*groups)[i]);
		if (status != 0)
			return status;
	}
	return 0;
}

static void put_groups(struct buffer *out, uint32_t number, const struct wire_group *groups,
		       uint32_t ngroups)
{
	for (uint32_t i = 0; i < ngroups; i++) {
		ASSERT(groups[i].nmembers <= REPLICAS_MAX);
		struct pb_mark mark = pb_begin(out, number, 0);
		pb_put_u64(out, 1, groups[i].gid);
		for (uint32_t m = 0; m < groups[i].nmembers; m++)
			pb_put_element(out, 2, groups[i].members[m]);
		pb_end(out, mark);
	}
}

int wire_config_decode(struct slice in, struct arena *arena, struct wire_config *out)
{
	Synod__Config *config;

	int status = unpack(in, &synod__config__descriptor, arena, &config);
	if (status != 0)
		return status;
	if (config->n_shards > SHARDS_MAX)
		return STATUS_TOO_LARGE;
	/* Adopted, it would be the last one for good. */
	if (config->number > NUMBER_MAX)
		return STATUS_BAD_REQUEST;
	*out = (struct wire_config){
		.number = config->number,
		.nshards = (uint32_t)config->n_shards,
		.shards = config->shards,
		.clients = config->clients,
		.generation = config->generation,
		.generation_life = config->generation_life,
		.generation_begun = config->generation_begun != 0,
	};
	return convert_groups(config->groups, config->n_groups, arena, &out->ngroups, &out->groups);
}

void wire_config_encode(const struct wire_config *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->number);
	pb_put_u64s(out, 2, in->shards, in->nshards);
	put_groups(out, 3, in->groups, in->ngroups);
	pb_put_u64(out, 4, in->clients);
	pb_put_u64(out, 5, in->generation);
	pb_put_u64(out, 6, in->generation_life);
	pb_put_u64(out, 7, in->generation_begun);
}

int wire_master_command_decode(struct slice in, struct arena *arena,
			       struct wire_master_command *out)
{
	Synod__MasterCommand *command;

	int status = unpack(in, &synod__master_command__descriptor, arena, &command);
	if (status != 0)
		return status;
	if (command->op <= SYNOD__MASTER_OP__MASTER_NONE ||
	    command->op > SYNOD__MASTER_OP__MASTER_FORCE)
		return STATUS_BAD_REQUEST;
	if (command->config > NUMBER_MAX || command->slot > NUMBER_MAX ||
	    command->generation > GENERATION_MAX)
		return STATUS_BAD_REQUEST;
	if (command->n_shards > SHARDS_MAX || command->n_gids > GROUPS_MAX)
		return STATUS_TOO_LARGE;
	*out = (struct wire_master_command){
		.op = (enum wire_master_op)command->op,
		.ngids = (uint32_t)command->n_gids,
		.gids = command->gids,
		.shard = command->shard,
		.gid = command->gid,
		.nshards = (uint32_t)command->n_shards,
		.shards = command->shards,
		.config = command->config,
		.slot = command->slot,
		.group_id = command->group_id,
		.generation = command->generation,
		.life = command->life,
	};
	return convert_groups(command->groups, command->n_groups, arena, &out->ngroups,
			      &out->groups);
}

void wire_master_command_encode(const struct wire_master_command *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->op);
	put_groups(out, 2, in->groups, in->ngroups);
	pb_put_u64s(out, 3, in->gids, in->ngids);
	pb_put_u64(out, 4, in->shard);
	pb_put_u64(out, 5, in->gid);
	pb_put_u32s(out, 6, in->shards, in->nshards);
	pb_put_u64(out, 7, in->config);
	pb_put_u64(out, 8, in->slot);
	pb_put_u64(out, 9, in->group_id);
	pb_put_u64(out, 10, in->generation);
	pb_put_u64(out, 11, in->life);
}

int wire_master_reply_decode(struct slice in, struct arena *arena, struct wire_master_reply *out)
{
	Synod__MasterReply *reply;

	int status = unpack(in, &synod__master_reply__descriptor, arena, &reply);
	if (status != 0)
		return status;
	if (reply->n_granted > SHARDS_MAX)
		return STATUS_TOO_LARGE;
	if (reply->config > NUMBER_MAX)
		return STATUS_BAD_REQUEST;
	*out = (struct wire_master_reply){
		.config = reply->config,
		.ngranted = (uint32_t)reply->n_granted,
		.granted = reply->granted,
	};
	return 0;
}

void wire_master_reply_encode(const struct wire_master_reply *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->config);
	pb_put_u32s(out, 2, in->granted, in->ngranted);
}

int wire_master_query_decode(struct slice in, struct arena *arena, struct wire_master_query *out)
{
	Synod__MasterQuery *query;

	int status = unpack(in, &synod__master_query__descriptor, arena, &query);
	if (status != 0)
		return status;
	*out = (struct wire_master_query){.number = query->number,
					  .brief = query->brief,
					  .generation_of = query->generation_of};
	return 0;
}

void wire_master_query_encode(const struct wire_master_query *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->number);
	pb_put_u64(out, 2, in->brief);
	pb_put_u64(out, 3, in->generation_of);
}
