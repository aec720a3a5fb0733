/*
 * A shard master's app in a test: commands as plain calls, encoded and applied as the log would do
 * it.
 */
#ifndef SYNOD_TESTS_UNIT_SHARDMASTER_MASTER_H
#define SYNOD_TESTS_UNIT_SHARDMASTER_MASTER_H

#include <check.h>
#include <stdio.h>

#include "base/rng.h"
#include "shardmaster/app.h"
#include "wire/wire.h"

struct master {
	struct app *app;
	struct arena arena;
	struct buffer command, reply;
	uint64_t slot;
	uint32_t granted[64]; /* of the last claim */
	uint32_t ngranted;
	char message[2048]; /* of the last refusal */
};

static inline void master_open(struct master *m, uint32_t nshards)
{
	*m = (struct master){.app = shardmaster_app_create(nshards)};
	arena_init(&m->arena, ARENA_BYTES_MAX);
}
static inline void master_close(struct master *m)
{
	m->app->ops->destroy(m->app);
	arena_free(&m->arena);
	buffer_free(&m->command);
	buffer_free(&m->reply);
}
static inline struct shard_config *master_config(struct master *m)
{
	return shardmaster_app_newest(m->app);
}
static inline int master_take_error(struct master *m, int status)
{
	struct wire_error error;

	ck_assert_int_eq(wire_error_decode(buffer_slice(&m->reply), &m->arena, &error), 0);
	ck_assert_uint_gt(error.message.len, 0);
	snprintf(m->message, sizeof m->message, "%.*s", (int)error.message.len,
		 (const char *)error.message.data);
	return status;
}
/* Applies m->command. A refusal must leave configuration and hash as they were. */
static inline int master_apply(struct master *m)
{
	struct apply_context context = {.slot = ++m->slot, .arena = &m->arena};
	struct reply reply = {.body = &m->reply};
	uint64_t number = master_config(m)->number;
	uint64_t hash = m->app->ops->hash(m->app);

	buffer_clear(&m->reply);
	m->app->ops->apply(m->app, &context, buffer_slice(&m->command), &reply);
	arena_reset(&m->arena);
	if (reply.status != 0) {
		ck_assert_uint_eq(master_config(m)->number, number);
		ck_assert_uint_eq(m->app->ops->hash(m->app), hash);
		return master_take_error(m, reply.status);
	}
	struct wire_master_reply answer;
	ck_assert_int_eq(wire_master_reply_decode(buffer_slice(&m->reply), &m->arena, &answer), 0);
	ck_assert_uint_eq(answer.config, master_config(m)->number);
	m->ngranted = answer.ngranted;
	for (uint32_t i = 0; i < answer.ngranted && i < 64; i++)
		m->granted[i] = answer.granted[i];
	arena_reset(&m->arena);
	return 0;
}
static inline int master_command(struct master *m, const struct wire_master_command *command)
{
	buffer_clear(&m->command);
	wire_master_command_encode(command, &m->command);
	return master_apply(m);
}
/* Three members with addresses made of the gid. */
static inline struct wire_group master_group(uint64_t gid, char text[3][40])
{
	struct wire_group group = {.gid = gid, .nmembers = 3};
	for (uint32_t i = 0; i < 3; i++) {
		snprintf(text[i], 40, "g%u-%c:%u", (unsigned)gid, (char)('a' + i), 7000 + i);
		group.members[i] = slice_string(text[i]);
	}
	return group;
}
static inline int master_join(struct master *m, uint64_t gid)
{
	char text[3][40];
	struct wire_group group = master_group(gid, text);
	return master_command(m, &(struct wire_master_command){
					 .op = WIRE_MASTER_JOIN, .ngroups = 1, .groups = &group});
}
static inline int master_leave(struct master *m, uint64_t gid)
{
	return master_command(m, &(struct wire_master_command){
					 .op = WIRE_MASTER_LEAVE, .ngids = 1, .gids = &gid});
}
static inline int master_move(struct master *m, uint32_t shard, uint64_t gid)
{
	return master_command(m, &(struct wire_master_command){
					 .op = WIRE_MASTER_MOVE, .shard = shard, .gid = gid});
}
static inline int master_rebalance(struct master *m)
{
	return master_command(m, &(struct wire_master_command){.op = WIRE_MASTER_REBALANCE});
}
static inline int master_claim(struct master *m, uint64_t gid, uint32_t *shards, uint32_t nshards,
			       uint64_t config)
{
	return master_command(m, &(struct wire_master_command){.op = WIRE_MASTER_CLAIM,
							       .ngids = 1,
							       .gids = &gid,
							       .nshards = nshards,
							       .shards = shards,
							       .config = config});
}
/*
 * A report of the group with that id: members with the letters of `letters`, by the list of that
 * slot.
 */
static inline int master_members_of(struct master *m, uint64_t gid, uint64_t group_id,
				    uint32_t generation, uint64_t slot, const char *letters,
				    uint64_t life)
{
	char text[REPLICAS_MAX][40];
	struct wire_group group = {.gid = gid, .nmembers = (uint32_t)strlen(letters)};
	for (uint32_t i = 0; i < group.nmembers; i++) {
		snprintf(text[i], 40, "g%u-%c:%u", (unsigned)gid, letters[i],
			 7000 + (unsigned)(letters[i] - 'a'));
		group.members[i] = slice_string(text[i]);
	}
	return master_command(m, &(struct wire_master_command){
					 .op = life != 0 ? WIRE_MASTER_FORCE : WIRE_MASTER_MEMBERS,
					 .ngroups = 1,
					 .groups = &group,
					 .slot = slot,
					 .group_id = group_id,
					 .generation = generation,
					 .life = life});
}
static inline int master_members(struct master *m, uint64_t gid, uint64_t group_id, uint64_t slot,
				 const char *letters)
{
	return master_members_of(m, gid, group_id, 0, slot, letters, 0);
}
static inline int master_force(struct master *m, uint64_t gid, uint64_t group_id,
			       uint32_t generation, uint64_t life, const char *letter)
{
	return master_members_of(m, gid, group_id, generation, 0, letter, life);
}
/* What is answered of a group's generation. */
static inline struct wire_config master_generation(struct master *m, uint64_t gid)
{
	struct reply reply = {.body = &m->reply};
	struct wire_config answer;
	buffer_clear(&m->command);
	buffer_clear(&m->reply);
	wire_master_query_encode(&(struct wire_master_query){.number = UINT64_MAX,
							     .brief = true,
							     .generation_of = gid},
				 &m->command);
	m->app->ops->query(m->app, buffer_slice(&m->command), &m->arena, &reply);
	ck_assert_int_eq(reply.status, 0);
	ck_assert_int_eq(wire_config_decode(buffer_slice(&m->reply), &m->arena, &answer), 0);
	return answer;
}
/* Claims the first `count` shards that the group owns. */
static inline void master_claim_some(struct master *m, uint64_t gid, uint32_t count)
{
	uint32_t shards[SHARDS_MAX];
	uint32_t n = 0;
	for (uint32_t s = 0; s < master_config(m)->nshards && n < count; s++)
		if (shard_config_gid(master_config(m), s) == gid)
			shards[n++] = s;
	ck_assert_int_eq(master_claim(m, gid, shards, n, master_config(m)->number), 0);
	ck_assert_uint_eq(m->ngranted, n);
}
/* 0 and a reference, or the refusal's status. */
static inline int master_query(struct master *m, uint64_t number, struct shard_config **out)
{
	struct reply reply = {.body = &m->reply};
	buffer_clear(&m->command);
	buffer_clear(&m->reply);
	wire_master_query_encode(&(struct wire_master_query){.number = number}, &m->command);
	m->app->ops->query(m->app, buffer_slice(&m->command), &m->arena, &reply);
	if (reply.status != 0)
		return master_take_error(m, reply.status);
	ck_assert_int_eq(shard_config_decode(buffer_slice(&m->reply), &m->arena, out), 0);
	arena_reset(&m->arena);
	return 0;
}
/* max − min ≤ 1 over the groups, and nothing unassigned if there are groups. */
static inline void assert_balanced(const struct shard_config *config)
{
	uint32_t low = UINT32_MAX, high = 0;
	for (uint32_t g = 0; g < config->ngroups; g++) {
		uint32_t count = shard_config_count(config, config->groups[g]->gid);
		low = count < low ? count : low;
		high = count > high ? count : high;
	}
	for (uint32_t s = 0; s < config->nshards; s++)
		ck_assert_int_eq(shard_config_gid(config, s) == 0, config->ngroups == 0);
	if (config->ngroups > 0)
		ck_assert_uint_le(high - low, 1);
}

/* Shards whose owner differs. */
static inline uint32_t moved(const struct shard_config *a, const struct shard_config *b)
{
	uint32_t count = 0;
	for (uint32_t s = 0; s < a->nshards; s++)
		count += shard_config_gid(a, s) != shard_config_gid(b, s);
	return count;
}

#endif
