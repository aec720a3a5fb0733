/* Single operations, against the state as the command at hand sees it. */
#include "shardkv/internal.h"

#include <inttypes.h>
#include <stdio.h>

/* "-9223372036854775808" */
#define NUMBER_TEXT_BYTES 20

/* A decimal 64-bit integer in its only form: no sign but '-', no leading zeros, no "-0". */
static bool number_parse(struct slice text, int64_t *out)
{
	bool negative = text.len > 0 && text.data[0] == '-';
	struct slice digits = slice(text.data + negative, text.len - negative);
	if (digits.len == 0 || digits.len > NUMBER_TEXT_BYTES)
		return false;
	if (digits.data[0] == '0' && (digits.len > 1 || negative))
		return false;
	int64_t value = 0;
	for (size_t i = 0; i < digits.len; i++) {
		int digit = digits.data[i] - '0';
		if (digit < 0 || digit > 9)
			return false;
		/* Negative numbers reach one further than positive ones, so all are built downwards from 0. */
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit, &value))
			return false;
	}
	if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
		return false;
	*out = value;
	return true;
}

/* Puts a value into the result, or refuses if the reply would become too large. */
static int return_value(struct shardkv_app *a, struct wire_kv_result *result, struct slice value, struct reply *reply)
{
	a->txn.result_bytes += value.len;
	if (a->txn.result_bytes > RESULT_BYTES_MAX) {
		shardkv_refuse(reply, STATUS_TOO_LARGE, 0, "the results together would exceed %u bytes, ask for less at a time",
			       RESULT_BYTES_MAX);
		return reply->status;
	}
	result->value = value;
	return 0;
}

static int return_record(struct shardkv_app *a, struct wire_kv_result *result, const struct store_record *record,
			 struct reply *reply)
{
	result->version = record->version;
	result->modification = record->modification;
	return return_value(a, result, record->value, reply);
}

static int append(struct shardkv_app *a, const struct wire_kv_op *op, uint32_t shard, const struct store_record *before,
		  struct wire_kv_result *result, struct reply *reply)
{
	size_t old_len = before == NULL ? 0 : before->value.len;
	size_t len = old_len + op->value.len;
	char text[KEY_TEXT_BYTES];
	if (len > a->value_bytes_max) {
		shardkv_refuse(reply, STATUS_TOO_LARGE, 0, "key %s: value would have %zu bytes, at most %u are allowed",
			       key_text(text, op->key), len, a->value_bytes_max);
		return reply->status;
	}
	if (return_value(a, result, slice(NULL, len), reply) != 0) /* before memory is taken for it */
		return reply->status;
	uint8_t *data = arena_get(a->txn.arena, len);
	if (old_len > 0)
		memcpy(data, before->value.data, old_len);
	if (op->value.len > 0)
		memcpy(data + old_len, op->value.data, op->value.len);
	result->value = slice(data, len);
	txn_put(a, shard, op->key, before, &result->value, result);
	return 0;
}

static int increment(struct shardkv_app *a, const struct wire_kv_op *op, uint32_t shard,
		     const struct store_record *before, struct wire_kv_result *result, struct reply *reply)
{
	int64_t number = 0;
	char text[KEY_TEXT_BYTES];
	if (before != NULL && !number_parse(before->value, &number)) {
		shardkv_refuse(reply, STATUS_NOT_NUMBER, 0, "key %s: value is not a 64-bit integer", key_text(text, op->key));
		return reply->status;
	}
	if (__builtin_add_overflow(number, op->delta, &number)) {
		shardkv_refuse(reply, STATUS_NOT_NUMBER, 0, "key %s: the sum does not fit a 64-bit integer",
			       key_text(text, op->key));
		return reply->status;
	}
	char *data = arena_get(a->txn.arena, NUMBER_TEXT_BYTES + 1);
	int len = snprintf(data, NUMBER_TEXT_BYTES + 1, "%" PRId64, number);
	struct slice value = slice(data, (size_t)len);
	if (value.len > a->value_bytes_max) {
		shardkv_refuse(reply, STATUS_TOO_LARGE, 0, "key %s: value would have %zu bytes, at most %u are allowed",
			       key_text(text, op->key), value.len, a->value_bytes_max);
		return reply->status;
	}
	if (return_value(a, result, value, reply) != 0)
		return reply->status;
	txn_put(a, shard, op->key, before, &value, result);
	return 0;
}

static int compare_and_swap(struct shardkv_app *a, const struct wire_kv_op *op, uint32_t shard,
			    const struct store_record *before, struct wire_kv_result *result, struct reply *reply)
{
	bool holds = op->absent ? before == NULL : before != NULL && slice_equal(before->value, op->expect);
	if (holds) {
		txn_put(a, shard, op->key, before, &op->value, result);
		return 0;
	}
	if (before == NULL) {
		result->status = STATUS_NOT_FOUND;
		return 0;
	}
	result->status = STATUS_COMPARE_FALSE;
	return return_record(a, result, before, reply);
}

int op_execute(struct shardkv_app *a, const struct wire_kv_op *op, uint32_t shard, struct wire_kv_result *result,
	       struct reply *reply)
{
	struct store_record record;
	const struct store_record *before = txn_get(a, shard, op->key, &record) ? &record : NULL;
	*result = (struct wire_kv_result){0};
	switch (op->kind) {
	case WIRE_KV_GET:
		if (before != NULL)
			return return_record(a, result, before, reply);
		result->status = STATUS_NOT_FOUND;
		return 0;
	case WIRE_KV_PUT:
		txn_put(a, shard, op->key, before, &op->value, result);
		return 0;
	case WIRE_KV_DELETE:
		if (before != NULL)
			txn_put(a, shard, op->key, before, NULL, result);
		else
			result->status = STATUS_NOT_FOUND;
		return 0;
	case WIRE_KV_APPEND:
		return append(a, op, shard, before, result, reply);
	case WIRE_KV_CAS:
		return compare_and_swap(a, op, shard, before, result, reply);
	case WIRE_KV_INCR:
		return increment(a, op, shard, before, result, reply);
	case WIRE_KV_NONE:
		break;
	}
	ASSERT(op->kind != WIRE_KV_NONE); /* decoding refuses it */
	return STATUS_INTERNAL;
}
