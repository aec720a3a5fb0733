/* The primary/backup side of synod.h: operations at the primary, and what the view service says. */
#include <stdlib.h>

#include "libsynod/handle.h"
#include "wire/wire_view.h"

/* ---- operations ---- */

int synod_pb_op_async(struct synod *s, const struct synod_op *op, uint32_t timeout_ms,
		      synod_callback done, void *context)
{
	struct client_request *request = NULL;
	int made = client_request_pb(&request, op);
	return handle_submit_async(s, made, request, timeout_ms, done, context);
}

struct synod_reply *synod_pb_do(struct synod *s, const struct synod_op *op, uint32_t timeout_ms)
{
	struct client_request *request = NULL;
	int made = client_request_pb(&request, op);
	return handle_run(s, made, request, timeout_ms, NULL);
}

static struct synod_bytes bytes_of(const void *data, size_t len)
{
	return (struct synod_bytes){.data = data, .len = len};
}

struct synod_reply *synod_pb_get(struct synod *s, const void *key, size_t key_len)
{
	return synod_pb_do(
		s, &(struct synod_op){.kind = SYNOD_OP_GET, .key = bytes_of(key, key_len)}, 0);
}

struct synod_reply *synod_pb_put(struct synod *s, const void *key, size_t key_len,
				 const void *value, size_t value_len)
{
	struct synod_op op = {.kind = SYNOD_OP_PUT,
			      .key = bytes_of(key, key_len),
			      .value = bytes_of(value, value_len)};
	return synod_pb_do(s, &op, 0);
}

struct synod_reply *synod_pb_append(struct synod *s, const void *key, size_t key_len,
				    const void *value, size_t value_len)
{
	struct synod_op op = {.kind = SYNOD_OP_APPEND,
			      .key = bytes_of(key, key_len),
			      .value = bytes_of(value, value_len)};
	return synod_pb_do(s, &op, 0);
}

struct synod_reply *synod_pb_delete(struct synod *s, const void *key, size_t key_len)
{
	return synod_pb_do(
		s, &(struct synod_op){.kind = SYNOD_OP_DELETE, .key = bytes_of(key, key_len)}, 0);
}

struct synod_reply *synod_pb_cas(struct synod *s, const void *key, size_t key_len,
				 const void *expect, size_t expect_len, const void *value,
				 size_t value_len)
{
	struct synod_op op = {
		.kind = SYNOD_OP_CAS,
		.key = bytes_of(key, key_len),
		.value = bytes_of(value, value_len),
		.expect = bytes_of(expect, expect == NULL ? 0 : expect_len),
		.absent = expect == NULL,
	};
	return synod_pb_do(s, &op, 0);
}

/* ---- views ---- */

/* For when there is no memory for an answer: not to be freed. */
static struct synod_view view_no_memory = {.status = SYNOD_NO_MEMORY, .message = "out of memory"};

struct view_block {
	struct synod_view view; /* first: it is what the user holds */
	struct arena arena;
};

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

static struct synod_view_server server_of(const struct wire_view_server *in, struct arena *arena)
{
	return (struct synod_view_server){
		.name = text_of(in->name, arena),
		.address = text_of(in->address, arena),
		.incarnation = in->incarnation,
	};
}

static void fill_history(struct synod_view *view, const struct wire_view_reply *in,
			 struct arena *arena)
{
	struct synod_view_past *history = arena_try(arena, (in->nhistory + 1) * sizeof *history);
	if (history == NULL)
		return;
	for (uint32_t i = 0; i < in->nhistory; i++) {
		const struct wire_view *past = &in->history[i].view;
		history[i] = (struct synod_view_past){
			.number = past->number,
			.time_us = in->history[i].time_us,
			.primary = server_of(&past->primary, arena),
			.backup = server_of(&past->backup, arena),
			.acknowledged = past->acknowledged,
			.synced = past->synced,
		};
	}
	view->history = history;
	view->nhistory = in->nhistory;
}

static void fill_servers(struct synod_view *view, const struct wire_view_reply *in,
			 struct arena *arena)
{
	struct synod_view_liveness *servers = arena_try(arena,
							(in->nservers + 1) * sizeof *servers);
	if (servers == NULL)
		return;
	for (uint32_t i = 0; i < in->nservers; i++)
		servers[i] = (struct synod_view_liveness){
			.server = server_of(&in->servers[i].server, arena),
			.number = in->servers[i].number,
			.silent_ms = in->servers[i].silent_ms,
			.alive = in->servers[i].alive,
		};
	view->servers = servers;
	view->nservers = in->nservers;
}

static void read_view(struct view_block *block, const struct synod_reply *reply,
		      struct slice payload)
{
	struct wire_view_reply wire;
	struct arena *arena = &block->arena;
	struct synod_view *view = &block->view;
	view->status = reply->status;
	view->message = text_of(slice_string(reply->message), arena);
	view->primary = view->backup = (struct synod_view_server){.name = "", .address = ""};
	if (reply->status != SYNOD_OK)
		return;
	if (wire_view_reply_decode(payload, arena, &wire) != 0) {
		view->status = SYNOD_UNAVAILABLE;
		view->message = "the view service's answer is malformed";
		return;
	}
	view->number = wire.view.number;
	view->primary = server_of(&wire.view.primary, arena);
	view->backup = server_of(&wire.view.backup, arena);
	view->acknowledged = wire.view.acknowledged;
	view->synced = wire.view.synced;
	fill_history(view, &wire, arena);
	fill_servers(view, &wire, arena);
}

struct synod_view *synod_view(struct synod *s, uint32_t timeout_ms)
{
	struct view_block *block = calloc(1, sizeof *block);
	if (block == NULL)
		return &view_no_memory;
	struct client_request *request = NULL;
	struct bytes *payload;
	int made = client_request_view(&request, true, true);
	struct synod_reply *reply = handle_run(s, made, request, timeout_ms, &payload);
	arena_init_fallible(&block->arena, 2 * ARENA_BYTES_MAX);
	read_view(block, reply, payload != NULL ? bytes_slice(payload) : slice(NULL, 0));
	/* Everything has been copied. */
	bytes_unref(payload);
	synod_reply_free(reply);
	if (block->arena.failed) {
		synod_view_free(&block->view);
		return &view_no_memory;
	}
	return &block->view;
}

void synod_view_free(struct synod_view *view)
{
	if (view == NULL || view == &view_no_memory)
		return;
	struct view_block *block = (struct view_block *)(void *)view;
	arena_free(&block->arena);
	free(block);
}

struct synod_reply *synod_view_reset(struct synod *s, uint64_t number)
{
	struct client_request *request = NULL;
	int made = client_request_view_reset(&request, number);
	return handle_run(s, made, request, 0, NULL);
}
