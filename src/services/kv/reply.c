/* Results of operations, as a reply. */
#include "kv/reply.h"

#include "wire/wire.h"

/* Not worth leaving out: the numbers beside it are as long. */
#define VALUE_KEPT_BYTES 32u

bool kv_reply_shorten(struct slice reply, struct arena *arena, struct buffer *out)
{
	struct wire_kv_reply wire;
	bool shorter = false;
	if (wire_kv_reply_decode(reply, arena, &wire) != 0)
		return false;
	for (uint32_t i = 0; i < wire.nresults; i++) {
		struct wire_kv_result *result = &wire.results[i];
		if (result->value.len <= VALUE_KEPT_BYTES)
			continue;
		result->omitted = result->value.len;
		result->value = slice(NULL, 0);
		shorter = true;
	}
	if (shorter)
		wire_kv_reply_encode(&wire, out);
	return shorter;
}

static bool is_short(const struct wire_kv_reply *reply)
{
	for (uint32_t i = 0; i < reply->nresults; i++)
		if (reply->results[i].omitted > 0)
			return true;
	return false;
}

bool kv_reply_complete(struct slice kept, struct slice command, struct arena *arena,
		       bool (*get)(void *context, struct slice key, struct store_record *record),
		       void *context, struct buffer *out)
{
	struct wire_kv_reply reply;
	struct wire_kv_command wire;
	if (wire_kv_reply_decode(kept, arena, &reply) != 0 || !is_short(&reply) ||
	    wire_kv_command_decode(command, arena, &wire) != 0)
		return false;
	/* The compares hold in a command without any. */
	const struct wire_kv_op *ops = reply.succeeded ? wire.then : wire.otherwise;
	uint32_t count = reply.succeeded ? wire.nthen : wire.notherwise;
	for (uint32_t i = 0; i < reply.nresults && i < count; i++) {
		struct wire_kv_result *result = &reply.results[i];
		struct store_record record;
		if (result->omitted == 0 || !get(context, ops[i].key, &record) ||
		    record.modification != result->modification ||
		    record.value.len != result->omitted)
			continue;
		result->value = record.value;
		result->omitted = 0;
	}
	wire_kv_reply_encode(&reply, out);
	return true;
}
