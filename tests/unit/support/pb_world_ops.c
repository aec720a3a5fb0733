/* Operations of the clients of pb_world.h. */
#include <check.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "pb_world.h"

#define WAIT_TICKS 300u

static void done(struct client_request *request, const struct synod_reply *reply,
		 struct slice payload)
{
	struct pb_op *op = request->context;
	(void)payload;
	op->done = true;
	op->status = reply->status;
	op->version = reply->version;
	op->ended_us = op->w->world->now_us;
	op->result_len = reply->value.len;
	op->result = alloc_zeroed(reply->value.len + 1, 1);
	if (reply->value.len > 0)
		memcpy(op->result, reply->value.data, reply->value.len);
}

static void submit(void *data, struct node *node)
{
	struct pb_op *op = data;
	struct client_request *request = NULL;
	(void)node;
	int status = client_request_pb(&request, &op->op);
	ck_assert_int_eq(status, 0);
	request->timeout_ms = op->timeout_ms;
	request->done = done;
	request->context = op;
	client_submit(op->w->nodes[op->client], request);
}

static char *copy_bytes(struct synod_bytes in)
{
	char *copy = alloc_zeroed(in.len + 1, 1);
	if (in.len > 0)
		memcpy(copy, in.data, in.len);
	return copy;
}

struct pb_op *pb_start_bytes(struct pb_world *w, uint32_t client, const struct synod_op *given,
			     uint32_t timeout_ms)
{
	struct pb_op *op = ALLOC(struct pb_op);
	ck_assert_uint_lt(client, PB_CLIENTS_LIMIT);
	op->w = w;
	op->client = client;
	op->process = w->clients[client];
	op->op = *given;
	op->timeout_ms = timeout_ms;
	op->op.key.data = op->key = copy_bytes(given->key);
	op->op.value.data = op->value = copy_bytes(given->value);
	op->op.expect.data = op->expect = copy_bytes(given->expect);
	op->started_us = w->world->now_us;
	/* One call at a time goes into a process. */
	for (int i = 0; op->process->call != NULL && i < 1000; i++)
		sim_world_run_for(w->world, 10);
	sim_process_call(op->process, submit, op);
	return op;
}

struct pb_op *pb_start(struct pb_world *w, uint32_t client, enum synod_op_kind kind,
		       const char *key, const char *value, uint32_t timeout_ms)
{
	struct synod_op op = {
		.kind = kind,
		.key = {.data = key, .len = strlen(key)},
		.value = {.data = value, .len = value == NULL ? 0 : strlen(value)},
	};
	return pb_start_bytes(w, client, &op, timeout_ms);
}

static bool is_done(void *context)
{
	return ((const struct pb_op *)context)->done;
}

bool pb_wait(struct pb_world *w, const struct pb_op *op, uint32_t ticks)
{
	return sim_world_run_until_true(w->world, is_done, (void *)(uintptr_t)op,
					ticks * PB_TICK_US);
}

void pb_op_free(struct pb_op *op)
{
	free(op->key);
	free(op->value);
	free(op->expect);
	free(op->result);
	free(op);
}

static void run_op(struct pb_world *w, uint32_t client, enum synod_op_kind kind, const char *key,
		   const char *value)
{
	struct pb_op *op = pb_start(w, client, kind, key, value, WAIT_TICKS * PB_PING_MS);
	ck_assert(pb_wait(w, op, WAIT_TICKS + 10));
	ck_assert_int_eq(op->status, SYNOD_OK);
	pb_op_free(op);
}

void pb_put(struct pb_world *w, uint32_t client, const char *key, const char *value)
{
	run_op(w, client, SYNOD_OP_PUT, key, value);
}

void pb_append(struct pb_world *w, uint32_t client, const char *key, const char *value)
{
	run_op(w, client, SYNOD_OP_APPEND, key, value);
}

const char *pb_get(struct pb_world *w, uint32_t client, const char *key)
{
	static char *value;
	struct pb_op *op = pb_start(w, client, SYNOD_OP_GET, key, NULL, WAIT_TICKS * PB_PING_MS);
	ck_assert(pb_wait(w, op, WAIT_TICKS + 10));
	ck_assert(op->status == SYNOD_OK || op->status == SYNOD_NOT_FOUND);
	free(value);
	value = NULL;
	if (op->status == SYNOD_OK)
		value = alloc_string(op->result);
	pb_op_free(op);
	return value;
}
