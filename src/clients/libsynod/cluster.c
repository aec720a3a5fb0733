/*
 * The cluster's side of synod.h: configurations, changes of the configuration, what a node says of
 * itself.
 */
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "client/reply.h"
#include "libsynod/handle.h"
#include "wire/wire.h"

/* For when there is no memory for an answer: not to be freed. */
static struct synod_config config_no_memory = {.status = SYNOD_NO_MEMORY,
					       .message = "out of memory"};
static struct synod_node_status status_no_memory = {.status = SYNOD_NO_MEMORY,
						    .message = "out of memory"};

/* Terminated, in the arena. Without memory "", and arena->failed says so. */
static const char *text_of(struct slice in, struct arena *arena)
{
	char *text = arena_try(arena, in.len + 1);
	if (text == NULL)
		return "";
	if (in.len > 0)
		memcpy(text, in.data, in.len);
	text[in.len] = '\0';
	return text;
}

/* ---- configurations ---- */

struct config_block {
	struct synod_config config; /* first: it is what the user holds */
	struct arena arena;
};

static int fill_config(struct config_block *block, struct slice payload)
{
	struct arena *arena = &block->arena;
	struct synod_config *config = &block->config;
	struct wire_config wire;
	int status = wire_config_decode(payload, arena, &wire);
	if (status != 0)
		return status;
	config->number = wire.number;
	config->nshards = wire.nshards;
	config->shards = wire.shards;
	struct synod_group *groups = arena_try(arena, (wire.ngroups + 1) * sizeof *groups);
	if (groups == NULL)
		return STATUS_TOO_LARGE;
	for (uint32_t i = 0; i < wire.ngroups; i++) {
		const char **members = arena_try(arena, REPLICAS_MAX * sizeof *members);
		if (members == NULL)
			return STATUS_TOO_LARGE;
		for (uint32_t j = 0; j < wire.groups[i].nmembers; j++)
			members[j] = text_of(wire.groups[i].members[j], arena);
		groups[i] = (struct synod_group){
			.gid = wire.groups[i].gid,
			.nmembers = wire.groups[i].nmembers,
			.members = members,
		};
	}
	config->groups = groups;
	config->ngroups = wire.ngroups;
	return 0;
}

/* "a, b, c" → the addresses. */
static void fill_masters(struct config_block *block, const char *joined)
{
	const char **masters = arena_try(&block->arena, REPLICAS_MAX * sizeof *masters);
	if (masters == NULL)
		return;
	block->config.masters = masters;
	while (joined[0] != '\0' && block->config.nmasters < REPLICAS_MAX) {
		size_t len = strcspn(joined, ", ");
		masters[block->config.nmasters++] = text_of(slice(joined, len), &block->arena);
		joined += len + strspn(joined + len, ", ");
	}
}

struct synod_config *synod_config(struct synod *s, uint64_t number)
{
	struct config_block *block = calloc(1, sizeof *block);
	if (block == NULL)
		return &config_no_memory;
	struct client_request *request = NULL;
	struct bytes *payload;
	int made = client_request_config(&request, number);
	struct synod_reply *reply = handle_run(s, made, request, 0, &payload);
	arena_init_fallible(&block->arena, 2 * ARENA_BYTES_MAX);
	block->config.status = reply->status;
	block->config.message = text_of(slice_string(reply->message), &block->arena);
	if (reply->status == SYNOD_OK)
		fill_masters(block, reply->value.data);
	if (reply->status == SYNOD_OK &&
	    fill_config(block, payload != NULL ? bytes_slice(payload) : slice(NULL, 0)) != 0) {
		block->config = (struct synod_config){
			.status = SYNOD_UNAVAILABLE,
			.message = "the shard master's answer is malformed"};
	}
	/* The numbers of the shards are in the arena; the payload is not needed any more. */
	bytes_unref(payload);
	synod_reply_free(reply);
	if (block->arena.failed) {
		synod_config_free(&block->config);
		return &config_no_memory;
	}
	return &block->config;
}

void synod_config_free(struct synod_config *config)
{
	if (config == NULL || config == &config_no_memory)
		return;
	struct config_block *block = (struct config_block *)(void *)config;
	arena_free(&block->arena);
	free(block);
}

struct synod_reply *synod_join(struct synod *s, const struct synod_group *groups, size_t ngroups)
{
	struct client_request *request = NULL;
	int made = client_request_join(&request, groups, ngroups);
	return handle_run(s, made, request, 0, NULL);
}

struct synod_reply *synod_leave(struct synod *s, const uint64_t *gids, size_t ngids)
{
	struct client_request *request = NULL;
	int made = client_request_leave(&request, gids, ngids);
	return handle_run(s, made, request, 0, NULL);
}

struct synod_reply *synod_move(struct synod *s, uint32_t shard, uint64_t gid)
{
	struct client_request *request = NULL;
	int made = client_request_move(&request, shard, gid);
	return handle_run(s, made, request, 0, NULL);
}

struct synod_reply *synod_rebalance(struct synod *s)
{
	struct client_request *request = NULL;
	int made = client_request_rebalance(&request);
	return handle_run(s, made, request, 0, NULL);
}

/* ---- single nodes ---- */

struct status_block {
	struct synod_node_status status; /* first */
	struct arena arena;
};

static void fill_status(struct synod_node_status *out, const struct wire_status *in,
			struct arena *arena)
{
	struct synod_peer_status *peers = arena_try(arena, MEMBERS_MAX * sizeof *peers);
	for (uint32_t i = 0; peers != NULL && i < in->npeers; i++)
		peers[i] = (struct synod_peer_status){
			.replica = in->peers[i].replica,
			.address = text_of(in->peers[i].address, arena),
			.matched = in->peers[i].matched,
			.last_heard_ms = in->peers[i].last_heard_ms,
		};
	*out = (struct synod_node_status){
		.status = out->status,
		.message = out->message,
		.address = out->address,
		.name = text_of(in->name, arena),
		.role = text_of(in->role, arena),
		.state = text_of(in->state, arena),
		.leader = text_of(in->leader, arena),
		.leader_name = text_of(in->leader_name, arena),
		.version = text_of(in->version, arena),
		.replica = in->replica,
		.group = in->group,
		.ballot = in->ballot,
		.chosen = in->chosen,
		.applied = in->applied,
		.log_first = in->log_first,
		.log_last = in->log_last,
		.snapshot = in->snapshot,
		.data_bytes = in->data_bytes,
		.disk_bytes = in->disk_bytes,
		.keys = in->keys,
		.config = in->config,
		.sessions = in->sessions,
		.uptime_ms = in->uptime_ms,
		.state_hash_slot = in->state_hash_slot,
		.state_diverged = in->state_diverged,
		.state_undecided = in->state_undecided,
		.npeers = in->npeers,
		.peers = peers,
	};
}

/*
 * The answer's hybrid clock against ours. The half of the round trip that the answer was under way
 * is not counted.
 */
static int64_t clock_ahead_ms(uint64_t hlc)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)hlc_milliseconds(hlc) -
	       ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

static void read_status(struct status_block *block, const char *address,
			const struct synod_reply *reply, struct slice payload)
{
	struct wire_status wire;
	struct synod_node_status *status = &block->status;
	status->status = reply->status;
	status->message = text_of(slice_string(reply->message), &block->arena);
	status->address = text_of(slice_string(address), &block->arena);
	status->name = status->role = status->state = status->leader = status->leader_name =
		status->version = "";
	if (reply->status != SYNOD_OK)
		return;
	if (wire_status_decode(payload, &block->arena, &wire) != 0) {
		status->status = SYNOD_UNAVAILABLE;
		status->message = "the node's answer is malformed";
		return;
	}
	fill_status(status, &wire, &block->arena);
	status->round_trip_us = reply->version;
	status->clock_ahead_ms = clock_ahead_ms(reply->modification);
}

static struct synod_node_status *make_status(const char *address, const struct synod_reply *reply,
					     struct slice payload)
{
	struct status_block *block = calloc(1, sizeof *block);
	if (block == NULL)
		return &status_no_memory;
	arena_init_fallible(&block->arena, ARENA_BYTES_MAX);
	read_status(block, address, reply, payload);
	if (block->arena.failed) {
		synod_node_status_free(&block->status);
		return &status_no_memory;
	}
	return &block->status;
}

/* As many at once as one call of synod_node_status_all() has under way. */
#define STATUS_BATCH 256u

static void status_batch(struct synod *s, const char *const *addresses, size_t count,
			 uint32_t timeout_ms, struct synod_node_status **out)
{
	struct handle_wait waits[STATUS_BATCH];
	for (size_t i = 0; i < count; i++) {
		struct client_request *request = NULL;
		int made = client_request_status(&request, addresses[i]);
		handle_begin(s, made, request, timeout_ms, &waits[i]);
	}
	for (size_t i = 0; i < count; i++) {
		struct bytes *payload;
		struct synod_reply *reply = handle_end(s, &waits[i], &payload);
		out[i] = make_status(addresses[i], reply,
				     payload != NULL ? bytes_slice(payload) : slice(NULL, 0));
		bytes_unref(payload);
		synod_reply_free(reply);
	}
}

void synod_node_status_all(struct synod *s, const char *const *addresses, size_t count,
			   uint32_t timeout_ms, struct synod_node_status **out)
{
	for (size_t i = 0; i < count; i += STATUS_BATCH)
		status_batch(s, addresses + i, count - i < STATUS_BATCH ? count - i : STATUS_BATCH,
			     timeout_ms, out + i);
}

struct synod_node_status *synod_node_status(struct synod *s, const char *address,
					    uint32_t timeout_ms)
{
	struct synod_node_status *status;
	synod_node_status_all(s, &address, 1, timeout_ms, &status);
	return status;
}

void synod_node_status_free(struct synod_node_status *status)
{
	if (status == NULL || status == &status_no_memory)
		return;
	struct status_block *block = (struct status_block *)(void *)status;
	arena_free(&block->arena);
	free(block);
}

struct synod_reply *synod_transfer(struct synod *s, const char *const *members, size_t nmembers,
				   uint32_t replica)
{
	struct client_request *request = NULL;
	int made = client_request_transfer(&request, members, nmembers, replica);
	return handle_run(s, made, request, 0, NULL);
}
