/*
 * libFuzzer: JSON from HTTP clients. The first byte says whether it is a record or a transaction.
 * What is accepted is within the limits and can be sent; results for it are written as JSON that
 * can be read.
 */
#include <jansson.h>
#include <stdlib.h>

#include "base/limits.h"
#include "fuzz.h"
#include "gate/kv_json.h"

static void check_ops(const struct wire_kv_op *ops, uint32_t count)
{
	ASSERT(count <= TXN_OPS_MAX);
	for (uint32_t i = 0; i < count; i++)
		ASSERT(ops[i].kind != WIRE_KV_NONE && ops[i].key.len > 0);
}

static void check_readable(struct buffer *out)
{
	json_error_t error;
	json_t *json = json_loadb((const char *)out->data, out->len,
				  JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
	ASSERT(json != NULL);
	json_decref(json);
	buffer_clear(out);
}

/* The values of the results are those that the client sent: any bytes. */
static void write_results(const struct wire_kv_command *command, struct arena *arena)
{
	struct buffer out = {0};
	struct wire_kv_reply reply = {0};
	for (int branch = 0; branch < 2; branch++) {
		const struct wire_kv_op *ops = branch == 0 ? command->otherwise : command->then;
		reply.succeeded = branch == 1;
		reply.nresults = branch == 0 ? command->notherwise : command->nthen;
		reply.results = arena_get_zeroed(arena,
						 (reply.nresults + 1) * sizeof *reply.results);
		for (uint32_t i = 0; i < reply.nresults; i++)
			reply.results[i].value = ops[i].value;
		kv_json_txn(&out, command, &reply, 0);
		check_readable(&out);
	}
	if (command->nthen > 0) {
		struct kv_json_error error = {.status = STATUS_BUSY,
					      .message = command->then[0].value,
					      .key = command->then[0].key};
		kv_json_record(&out, command->then[0].key, &reply.results[0], KV_JSON_VALUE);
		check_readable(&out);
		kv_json_error(&out, &error);
		check_readable(&out);
	}
	buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct wire_kv_command command, again;
	struct buffer encoded = {0};
	struct slice in = slice(data, size);
	char error[KV_JSON_ERROR_BYTES] = "";
	bool record = input_u8(&in) % 2 == 0;
	if (in.len > 1u * MIB)
		return 0;
	arena_init(&arena, ARENA_BYTES_MAX);
	/* An exact allocation, so that reading one byte too far is seen. */
	uint8_t *copy = malloc(in.len > 0 ? in.len : 1);
	ASSERT(copy != NULL);
	if (in.len > 0)
		memcpy(copy, in.data, in.len);
	struct slice text = slice(copy, in.len);
	int status = record ? kv_json_parse_record(text, &arena, &command, error)
			    : kv_json_parse_txn(text, &arena, &command, error);
	free(copy);
	ASSERT((status == 0) == (error[0] == '\0'));
	if (status == 0) {
		ASSERT(command.nwhen <= TXN_OPS_MAX &&
		       command.nwhen + command.nthen + command.notherwise > 0);
		check_ops(command.then, command.nthen);
		check_ops(command.otherwise, command.notherwise);
		wire_kv_command_encode(&command, &encoded);
		status = wire_kv_command_decode(buffer_slice(&encoded), &arena, &again);
		ASSERT(status == 0 && again.nthen == command.nthen && again.nwhen == command.nwhen);
		write_results(&command, &arena);
	}
	buffer_free(&encoded);
	arena_free(&arena);
	return 0;
}
