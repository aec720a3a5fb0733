/* The shard master as an app: what each command does. */
#include "shardmaster/app.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "shardmaster/hash.h"
#include "shardmaster/internal.h"
#include "wire/wire.h"

static struct shardmaster_app *master_of(const struct app *app)
{
	return shardmaster_of(app);
}

void shardmaster_append_take(struct shardmaster_app *master, struct shard_config *config)
{
	if (master->kept == 0) {
		master->oldest = config->number;
	} else {
		ASSERT(config->number == shardmaster_newest(master)->number + 1);
	}
	if (master->kept == CONFIG_HISTORY_MAX) {
		shard_config_unref(shardmaster_kept(master, master->oldest));
		master->oldest++;
		master->kept--;
	}
	master->history[config->number % CONFIG_HISTORY_MAX] = config;
	master->kept++;
}

void shardmaster_clear(struct shardmaster_app *master)
{
	for (uint32_t i = 0; i < CONFIG_HISTORY_MAX; i++) {
		shard_config_unref(master->history[i]);
		master->history[i] = NULL;
	}
	master->kept = 0;
	master->oldest = 0;
	master->claimed = (struct shard_set){0};
	master->nreports = 0;
}

static int decode_command(struct slice command, struct arena *arena,
			  struct wire_master_command *out, struct buffer *error)
{
	int status = wire_master_command_decode(command, arena, out);

	if (status != 0)
		wire_error_format(error, "not a command of the shard master: %s",
				  status_text(status));
	return status;
}

/* Of making a configuration, as of app.h: every shard is looked at some times, and every group. */
static uint64_t reconfiguration_work(const struct shardmaster_app *master)
{
	return 32ull * master->nshards + 256ull * shardmaster_newest(master)->ngroups;
}

static int admit(struct app *app, struct slice command, struct arena *arena, struct reply *reply)
{
	struct wire_master_command decoded;
	int status = decode_command(command, arena, &decoded, reply->body);

	if (status == 0)
		reply->work = command.len +
			      (decoded.op == WIRE_MASTER_CLAIM || decoded.op == WIRE_MASTER_FORCE
				       ? 0
				       : reconfiguration_work(master_of(app)));
	return status;
}

static int reconfigure(struct shardmaster_app *master, const struct wire_master_command *command,
		       struct buffer *error)
{
	struct shard_config *old = shardmaster_newest(master);
	struct shard_config *config = NULL;
	int status = STATUS_INTERNAL;

	switch (command->op) {
	case WIRE_MASTER_JOIN:
		status = config_join(old, &master->claimed, command->groups, command->ngroups,
				     &config, error);
		break;
	case WIRE_MASTER_LEAVE:
		status = config_leave(old, &master->claimed, command->gids, command->ngids, &config,
				      error);
		break;
	case WIRE_MASTER_MOVE:
		status = config_move(old, &master->claimed, command->shard, command->gid, &config,
				     error);
		break;
	case WIRE_MASTER_REBALANCE:
		status = config_rebalance(old, &master->claimed, &config, error);
		break;
	case WIRE_MASTER_MEMBERS: status = reports_judge(master, command, &config, error); break;
	case WIRE_MASTER_FORCE:
		status = reports_force(master, command, error);
		config = shard_config_ref(old);
		break;
	case WIRE_MASTER_NONE:
	case WIRE_MASTER_CLAIM: break;
	}
	if (status != 0) {
		shard_config_unref(config);
		return status;
	}
	if (config == old)
		shard_config_unref(config);
	else
		shardmaster_append_take(master, config);
	if (command->op == WIRE_MASTER_MEMBERS)
		reports_note(master, command);
	else if (command->op == WIRE_MASTER_LEAVE)
		reports_prune(master);
	return 0;
}

static int check_claim(const struct shardmaster_app *master,
		       const struct wire_master_command *command, struct buffer *error)
{
	uint64_t newest = shardmaster_newest(master)->number;

	if (command->ngids != 1 || command->gids[0] == 0) {
		wire_error_format(error, "a claim names the one group that makes it");
		return STATUS_BAD_REQUEST;
	}
	if (command->config > newest) {
		wire_error_format(error,
				  "there is no configuration %" PRIu64 ", the newest is %" PRIu64,
				  command->config, newest);
		return STATUS_BAD_REQUEST;
	}
	for (uint32_t i = 0; i < command->nshards; i++) {
		if (command->shards[i] < master->nshards)
			continue;
		wire_error_format(error,
				  "there is no shard %" PRIu32
				  ": shards are numbered from 0 to %" PRIu32,
				  command->shards[i], master->nshards - 1);
		return STATUS_BAD_REQUEST;
	}
	return 0;
}

/*
 * Grants what the newest configuration gives to the group; granted[] has room for all that was
 * asked for.
 */
static int claim(struct shardmaster_app *master, const struct wire_master_command *command,
		 struct wire_master_reply *reply, struct buffer *error)
{
	const struct shard_config *newest = shardmaster_newest(master);

	int status = check_claim(master, command, error);
	if (status != 0)
		return status;
	for (uint32_t i = 0; i < command->nshards; i++) {
		uint32_t shard = command->shards[i];
		if (shard_config_gid(newest, shard) != command->gids[0])
			continue;
		shard_set_add(&master->claimed, shard);
		reply->granted[reply->ngranted++] = shard;
	}
	return 0;
}

static void apply(struct app *app, const struct apply_context *context, struct slice command,
		  struct reply *reply)
{
	struct shardmaster_app *master = master_of(app);
	struct wire_master_command decoded;
	struct wire_master_reply answer = {0};

	reply->status = decode_command(command, context->arena, &decoded, reply->body);
	if (reply->status != 0)
		return;
	if (decoded.op == WIRE_MASTER_CLAIM) {
		/*
		 * One number for each that was asked for; the arena has just held as many, decoded.
		 */
		answer.granted = arena_get(context->arena,
					   decoded.nshards * sizeof *answer.granted);
		reply->status = claim(master, &decoded, &answer, reply->body);
	} else {
		reply->work = reconfiguration_work(master);
		reply->status = reconfigure(master, &decoded, reply->body);
	}
	if (reply->status != 0)
		return;
	answer.config = shardmaster_newest(master)->number;
	wire_master_reply_encode(&answer, reply->body);
}

/* More fields, behind the configuration's own. */
static void tell_generation(const struct shardmaster_app *master, uint64_t gid, struct buffer *out)
{
	const struct group_report *report = reports_of(master, gid);

	if (report != NULL && report->generation != 0)
		wire_config_encode(&(struct wire_config){.generation = report->generation,
							 .generation_life = report->life,
							 .generation_begun = report->slot != 0},
				   out);
}

static void query(struct app *app, struct slice request, struct arena *arena, struct reply *reply)
{
	struct shardmaster_app *master = master_of(app);
	uint64_t newest = shardmaster_newest(master)->number;
	struct wire_master_query decoded = {0};

	reply->status = wire_master_query_decode(request, arena, &decoded);
	if (reply->status != 0) {
		wire_error_format(reply->body, "not a query of the shard master: %s",
				  status_text(reply->status));
		return;
	}
	uint64_t number = decoded.number == UINT64_MAX ? newest : decoded.number;
	if (number > newest) {
		wire_error_format(reply->body,
				  "there is no configuration %" PRIu64
				  " yet, the newest is %" PRIu64,
				  number, newest);
		reply->status = STATUS_NOT_FOUND;
	} else if (number < master->oldest) {
		wire_error_format(reply->body,
				  "configuration %" PRIu64
				  " is no longer kept, the oldest is %" PRIu64,
				  number, master->oldest);
		reply->status = STATUS_COMPACTED;
	} else {
		struct wire_config brief = {.number = number};
		if (decoded.brief) {
			wire_config_encode(&brief, reply->body);
		} else {
			shard_config_encode(shardmaster_kept(master, number), reply->body);
			reply->work = 4ull * master->nshards;
		}
		if (decoded.generation_of != 0)
			tell_generation(master, decoded.generation_of, reply->body);
		/* A field more, behind the configuration's own. */
		if (master->clients != NULL)
			wire_config_encode(&(struct wire_config){.clients = master->clients(
									 master->clients_context)},
					   reply->body);
	}
}

static uint64_t hash(struct app *app)
{
	const struct shardmaster_app *master = master_of(app);
	uint64_t h = hash_u64(HASH_START, master->nshards);

	h = hash_u64(h, master->oldest);
	h = hash_u64(h, master->kept);
	for (uint32_t i = 0; i < master->kept; i++)
		h = hash_u64(h, shardmaster_kept(master, master->oldest + i)->hash);
	for (uint32_t w = 0; w < SHARDS_MAX / 64; w++)
		h = hash_u64(h, master->claimed.words[w]);
	return hash_u64(h, reports_hash(master));
}

static void destroy(struct app *app)
{
	struct shardmaster_app *master = master_of(app);

	shardmaster_clear(master);
	free(master);
}

static const struct app_ops ops = {
	.admit = admit,
	.apply = apply,
	.query = query,
	.snapshot_begin = shardmaster_snapshot_begin,
	.snapshot_next = shardmaster_snapshot_next,
	.snapshot_end = shardmaster_snapshot_end,
	.restore_begin = shardmaster_restore_begin,
	.restore_chunk = shardmaster_restore_chunk,
	.restore_end = shardmaster_restore_end,
	.hash = hash,
	.audit_begin = shardmaster_audit_begin,
	.audit_next = shardmaster_audit_next,
	.audit_parts = shardmaster_audit_parts,
	.audit_end = shardmaster_audit_end,
	.part_name = shardmaster_part_name,
	.destroy = destroy,
};

struct app *shardmaster_app_create(uint32_t nshards)
{
	struct shardmaster_app *master = ALLOC(struct shardmaster_app);

	master->app.ops = &ops;
	master->nshards = nshards;
	shardmaster_append_take(master, shard_config_initial(nshards));
	return &master->app;
}

void shardmaster_app_tell_clients(struct app *app, uint64_t (*clients)(void *context),
				  void *context)
{
	struct shardmaster_app *master = master_of(app);

	master->clients = clients;
	master->clients_context = context;
}

struct shard_config *shardmaster_app_newest(const struct app *app)
{
	return shardmaster_newest(master_of(app));
}

uint32_t shardmaster_app_claimed(const struct app *app)
{
	const struct shardmaster_app *master = master_of(app);
	uint32_t count = 0;

	for (uint32_t w = 0; w < SHARDS_MAX / 64; w++)
		count += (uint32_t)__builtin_popcountll(master->claimed.words[w]);
	return count;
}
