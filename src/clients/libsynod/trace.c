/* The tracing side of synod.h: requests that leave a trace, and what nodes have noted of them. */
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "client/reply.h"
#include "libsynod/handle.h"
#include "wire/wire.h"

/* As many at once as one call has under way. */
#define TRACE_BATCH 64u

struct trace_block {
	struct synod_trace trace; /* first: it is what the user holds */
	struct arena arena;
};

/* For when there is no memory for an answer: not to be freed. */
static struct synod_trace trace_no_memory = {
	.status = SYNOD_NO_MEMORY, .message = "out of memory", .node = ""};

static uint64_t draw_id(void)
{
	uint64_t id = 0;
	struct timespec now;
	if (getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		id = ((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) ^
		     (uint64_t)getpid() << 40;
	}
	return id != 0 ? id : 1;
}

struct synod_reply *synod_do_traced(struct synod *s, const struct synod_op *op, uint32_t timeout_ms,
				    uint64_t *id)
{
	struct client_request *request = NULL;
	int made = client_request_op(&request, op);
	*id = draw_id();
	if (made == 0)
		request->trace = *id;
	return handle_run(s, made, request, timeout_ms, NULL);
}

/* Terminated, in the arena. Without memory "", and arena->failed says so. */
static const char *text_of(struct slice in, struct arena *arena)
{
	struct synod_bytes text;
	return client_bytes_decode(&text, in, arena) == 0 ? text.data : "";
}

static void read_trace(struct trace_block *block, const struct synod_reply *reply,
		       struct slice payload)
{
	struct synod_trace *trace = &block->trace;
	struct wire_trace wire;
	trace->status = reply->status;
	trace->message = text_of(slice_string(reply->message), &block->arena);
	trace->node = "";
	if (reply->status != SYNOD_OK)
		return;
	if (wire_trace_decode(payload, &block->arena, &wire) != 0) {
		trace->status = SYNOD_UNAVAILABLE;
		trace->message = "the node's answer is malformed";
		return;
	}
	const char **events = arena_try(&block->arena, (wire.nevents + 1) * sizeof *events);
	if (events == NULL)
		return;
	for (uint32_t i = 0; i < wire.nevents; i++)
		events[i] = text_of(wire.events[i], &block->arena);
	trace->node = text_of(wire.node, &block->arena);
	trace->nevents = wire.nevents;
	trace->events = events;
}

static struct synod_trace *make_trace(const struct synod_reply *reply, struct slice payload)
{
	struct trace_block *block = calloc(1, sizeof *block);
	if (block == NULL)
		return &trace_no_memory;
	arena_init_fallible(&block->arena, ARENA_BYTES_MAX);
	read_trace(block, reply, payload);
	if (block->arena.failed) {
		synod_trace_free(&block->trace);
		return &trace_no_memory;
	}
	return &block->trace;
}

static void trace_batch(struct synod *s, uint64_t id, const char *const *addresses, size_t count,
			uint32_t timeout_ms, struct synod_trace **out)
{
	struct handle_wait waits[TRACE_BATCH];
	for (size_t i = 0; i < count; i++) {
		struct client_request *request = NULL;
		int made = client_request_trace(&request, addresses[i], id);
		handle_begin(s, made, request, timeout_ms, &waits[i]);
	}
	for (size_t i = 0; i < count; i++) {
		struct bytes *payload;
		struct synod_reply *reply = handle_end(s, &waits[i], &payload);
		out[i] = make_trace(reply, payload != NULL ? bytes_slice(payload) : slice(NULL, 0));
		bytes_unref(payload);
		synod_reply_free(reply);
	}
}

void synod_trace_all(struct synod *s, uint64_t id, const char *const *addresses, size_t count,
		     uint32_t timeout_ms, struct synod_trace **out)
{
	for (size_t i = 0; i < count; i += TRACE_BATCH)
		trace_batch(s, id, addresses + i, count - i < TRACE_BATCH ? count - i : TRACE_BATCH,
			    timeout_ms, out + i);
}

void synod_trace_free(struct synod_trace *trace)
{
	if (trace == NULL || trace == &trace_no_memory)
		return;
	struct trace_block *block = (struct trace_block *)(void *)trace;
	arena_free(&block->arena);
	free(block);
}
