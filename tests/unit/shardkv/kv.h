/*
 * Drives the key-value app directly: builds commands, applies them as a log would, and decodes the
 * replies.
 */
#ifndef SYNOD_TESTS_SHARDKV_KV_H
#define SYNOD_TESTS_SHARDKV_KV_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hashslot.h"
#include "base/rng.h"
#include "shardkv/app.h"
#include "store/memory.h"

#define KV_SHARDS 8u
#define KV_GID 1u
#define KV_KEY_MAX 64u
#define KV_VALUE_MAX 1000u

struct kv {
	struct app *app;
	struct arena arena;       /* what the app gets, reset before each call as the rsm does */
	struct arena reply_arena; /* the decoded reply */
	struct buffer command;
	struct buffer body;
	uint64_t slot;
	/* Of the last call: */
	uint64_t admitted_work; /* that the last command let in will take */
	int status;
	struct wire_kv_reply reply;
	struct wire_kv_query_reply page;
	struct wire_error error;
};

/* Only the app, without any configuration. */
static inline struct kv kv_bare(uint32_t nshards)
{
	struct kv kv = {0};
	struct shardkv_app_options options = {
		.store = store_memory_create(nshards),
		.gid = KV_GID,
		.nshards = nshards,
		.key_bytes_max = KV_KEY_MAX,
		.value_bytes_max = KV_VALUE_MAX,
	};
	kv.app = shardkv_app_create(&options);
	arena_init(&kv.arena, ARENA_BYTES_MAX);
	arena_init(&kv.reply_arena, ARENA_BYTES_MAX);
	return kv;
}

static inline void kv_free(struct kv *kv)
{
	kv->app->ops->destroy(kv->app);
	arena_free(&kv->arena);
	arena_free(&kv->reply_arena);
	buffer_free(&kv->command);
	buffer_free(&kv->body);
}

static inline void kv_decode_error(struct kv *kv)
{
	ck_assert_int_eq(wire_error_decode(buffer_slice(&kv->body), &kv->reply_arena, &kv->error),
			 0);
	ck_assert(kv->error.message.len > 0);
}

/* Applies what stands in kv->command. */
static inline int kv_apply_bytes(struct kv *kv, uint64_t client)
{
	struct reply reply = {.body = &kv->body};
	struct group_settings settings = {.value_bytes_max = KV_VALUE_MAX};
	struct apply_context context = {.slot = ++kv->slot,
					.time_us = kv->slot,
					.settings = &settings,
					.client = client,
					.arena = &kv->arena};
	buffer_clear(&kv->body);
	arena_reset(&kv->arena);
	arena_reset(&kv->reply_arena);
	kv->app->ops->apply(kv->app, &context, buffer_slice(&kv->command), &reply);
	kv->status = reply.status;
	if (reply.status != 0)
		kv_decode_error(kv);
	else
		ck_assert_int_eq(
			wire_kv_reply_decode(buffer_slice(&kv->body), &kv->reply_arena, &kv->reply),
			0);
	return kv->status;
}

static inline int kv_apply_as(struct kv *kv, const struct wire_kv_command *command, uint64_t client)
{
	buffer_clear(&kv->command);
	wire_kv_command_encode(command, &kv->command);
	return kv_apply_bytes(kv, client);
}

static inline int kv_apply(struct kv *kv, const struct wire_kv_command *command)
{
	return kv_apply_as(kv, command, 0);
}

static inline int kv_admit(struct kv *kv, const struct wire_kv_command *command)
{
	struct reply reply = {.body = &kv->body};
	buffer_clear(&kv->command);
	buffer_clear(&kv->body);
	wire_kv_command_encode(command, &kv->command);
	arena_reset(&kv->arena);
	arena_reset(&kv->reply_arena);
	int status = kv->app->ops->admit(kv->app, buffer_slice(&kv->command), &kv->arena, &reply);
	ck_assert_int_eq(status, reply.status);
	kv->admitted_work = reply.work;
	if (status != 0)
		kv_decode_error(kv);
	return status;
}

static inline int kv_query(struct kv *kv, const struct wire_kv_query *query)
{
	struct reply reply = {.body = &kv->body};
	buffer_clear(&kv->command);
	buffer_clear(&kv->body);
	wire_kv_query_encode(query, &kv->command);
	arena_reset(&kv->arena);
	arena_reset(&kv->reply_arena);
	kv->app->ops->query(kv->app, buffer_slice(&kv->command), &kv->arena, &reply);
	kv->status = reply.status;
	if (reply.status != 0)
		kv_decode_error(kv);
	else
		ck_assert_int_eq(wire_kv_query_reply_decode(buffer_slice(&kv->body),
							    &kv->reply_arena, &kv->page),
				 0);
	return kv->status;
}

/* One operation as a plain command; the status of its result, or of the refusal. */
static inline int kv_op(struct kv *kv, struct wire_kv_op op)
{
	struct wire_kv_command command = {.nthen = 1, .then = &op};
	if (kv_apply(kv, &command) != 0)
		return kv->status;
	ck_assert_uint_eq(kv->reply.nresults, 1);
	return kv->reply.results[0].status;
}

static inline struct wire_kv_op op_get(const char *key)
{
	return (struct wire_kv_op){.kind = WIRE_KV_GET, .key = slice_string(key)};
}
static inline struct wire_kv_op op_put(const char *key, const char *value)
{
	return (struct wire_kv_op){
		.kind = WIRE_KV_PUT, .key = slice_string(key), .value = slice_string(value)};
}
static inline struct wire_kv_op op_append(const char *key, const char *value)
{
	return (struct wire_kv_op){
		.kind = WIRE_KV_APPEND, .key = slice_string(key), .value = slice_string(value)};
}
static inline struct wire_kv_op op_delete(const char *key)
{
	return (struct wire_kv_op){.kind = WIRE_KV_DELETE, .key = slice_string(key)};
}
static inline struct wire_kv_op op_cas(const char *key, const char *expect, const char *value)
{
	return (struct wire_kv_op){.kind = WIRE_KV_CAS,
				   .key = slice_string(key),
				   .expect = slice_string(expect),
				   .value = slice_string(value)};
}
static inline struct wire_kv_op op_create(const char *key, const char *value)
{
	return (struct wire_kv_op){.kind = WIRE_KV_CAS,
				   .key = slice_string(key),
				   .absent = true,
				   .value = slice_string(value)};
}
static inline struct wire_kv_op op_incr(const char *key, int64_t delta)
{
	return (struct wire_kv_op){.kind = WIRE_KV_INCR, .key = slice_string(key), .delta = delta};
}

/* The value of result `i` of the last reply. */
static inline bool kv_value_is(const struct kv *kv, uint32_t i, const char *value)
{
	ck_assert_uint_lt(i, kv->reply.nresults);
	return slice_equal(kv->reply.results[i].value, slice_string(value));
}

/* True if the key has this value now (NULL: does not exist). Reads through the query path. */
static inline bool kv_holds(struct kv *kv, const char *key, const char *value)
{
	struct slice keys[1] = {slice_string(key)};
	struct wire_kv_query query = {.nkeys = 1, .keys = keys};
	ck_assert_int_eq(kv_query(kv, &query), 0);
	ck_assert_uint_eq(kv->page.nresults, 1);
	if (value == NULL)
		return kv->page.results[0].status == STATUS_NOT_FOUND;
	return kv->page.results[0].status == 0 &&
	       slice_equal(kv->page.results[0].value, slice_string(value));
}

/* Adopts configuration `number` with gids[shard]; groups 1 … 3 exist. */
static inline int kv_adopt(struct kv *kv, uint64_t number, const uint64_t *gids, uint32_t nshards)
{
	struct buffer encoded = {0};
	struct wire_group groups[3];
	struct wire_config config = {
		.number = number, .nshards = nshards, .ngroups = 3, .groups = groups};
	uint64_t shards[64];
	ck_assert_uint_le(nshards, 64);
	memcpy(shards, gids, nshards * sizeof gids[0]);
	config.shards = shards;
	for (uint32_t i = 0; i < 3; i++)
		groups[i] = (struct wire_group){
			.gid = i + 1, .nmembers = 1, .members = {slice_string("127.0.0.1:7000")}};
	wire_config_encode(&config, &encoded);
	struct wire_kv_command command = {.has_internal = true,
					  .internal = {.config = buffer_slice(&encoded)}};
	int status = kv_apply(kv, &command);
	buffer_free(&encoded);
	return status;
}

static inline int kv_grant(struct kv *kv, uint32_t *shards, uint32_t count)
{
	struct wire_kv_command command = {
		.has_internal = true,
		.internal = {.ngranted = count, .granted = shards, .granted_config = 1}};
	return kv_apply(kv, &command);
}

/* An app that owns every shard. */
static inline struct kv kv_create(void)
{
	struct kv kv = kv_bare(KV_SHARDS);
	uint64_t gids[KV_SHARDS];
	uint32_t shards[KV_SHARDS];
	for (uint32_t i = 0; i < KV_SHARDS; i++) {
		gids[i] = KV_GID;
		shards[i] = i;
	}
	ck_assert_int_eq(kv_adopt(&kv, 1, gids, KV_SHARDS), 0);
	ck_assert_int_eq(kv_grant(&kv, shards, KV_SHARDS), 0);
	return kv;
}

static inline uint64_t kv_hash(struct kv *kv)
{
	return kv->app->ops->hash(kv->app);
}

/* A key "kN" of that shard. */
static inline const char *kv_key_in(char out[16], uint32_t shard, uint32_t nshards)
{
	for (unsigned i = 0;; i++) {
		snprintf(out, 16, "k%u", i);
		if (shard_of_key(slice_string(out), nshards) == shard)
			return out;
	}
}

#endif
