/* What each operation does to one record. */
#include "kv/operation.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"

/* "-9223372036854775808" */
#define NUMBER_TEXT_BYTES 20

const char *kv_key_text(char out[KV_KEY_TEXT_BYTES], struct slice key)
{
	return log_quote(out, KV_KEY_TEXT_BYTES, key);
}

__attribute__((format(printf, 3, 4))) static int refuse(struct kv_evaluation *e, int status,
							const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(e->why, sizeof e->why, format, arguments);
	va_end(arguments);
	return status;
}

/* A decimal 64-bit integer in its only form: no sign but '-', no leading zeros, no "-0". */
static bool number_parse(struct slice text, int64_t *out)
{
	if (text.len == 0)
		return false;
	bool negative = text.data[0] == '-';
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
		/*
		 * Negative numbers reach one further than positive ones, so all are built downwards
		 * from 0.
		 */
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, digit, &value))
			return false;
	}
	if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
		return false;
	*out = value;
	return true;
}

/* Puts a value into the result, or refuses if the reply would become too large. */
static int return_value(struct kv_evaluation *e, struct wire_kv_result *result, struct slice value)
{
	e->result_bytes += value.len;
	if (e->result_bytes > KV_RESULT_BYTES_MAX)
		return refuse(e, STATUS_TOO_LARGE,
			      "the results together would exceed %u bytes, ask for less at a time",
			      KV_RESULT_BYTES_MAX);
	result->value = value;
	return 0;
}

static int return_record(struct kv_evaluation *e, struct wire_kv_result *result,
			 const struct store_record *record)
{
	result->version = record->version;
	result->modification = record->modification;
	return return_value(e, result, record->value);
}

static void put(struct kv_outcome *out, struct slice value)
{
	out->effect = KV_EFFECT_PUT;
	out->value = value;
}

static int check_new_value(struct kv_evaluation *e, struct slice key, size_t len)
{
	char text[KV_KEY_TEXT_BYTES];
	if (len <= e->value_bytes_max)
		return 0;
	return refuse(e, STATUS_TOO_LARGE,
		      "key %s: value would have %zu bytes, at most %u are allowed",
		      kv_key_text(text, key), len, e->value_bytes_max);
}

static int append(struct kv_evaluation *e, const struct wire_kv_op *op,
		  const struct store_record *before, struct kv_outcome *out)
{
	size_t old_len = before == NULL ? 0 : before->value.len;
	size_t len = old_len + op->value.len;
	int status = check_new_value(e, op->key, len);
	if (status == 0)
		/* before memory is taken for it */
		status = return_value(e, &out->result, slice(NULL, len));
	if (status != 0)
		return status;
	uint8_t *data = arena_get(e->arena, len);
	if (old_len > 0)
		memcpy(data, before->value.data, old_len);
	if (op->value.len > 0)
		memcpy(data + old_len, op->value.data, op->value.len);
	out->result.value = slice(data, len);
	put(out, out->result.value);
	return 0;
}

static int increment(struct kv_evaluation *e, const struct wire_kv_op *op,
		     const struct store_record *before, struct kv_outcome *out)
{
	int64_t number = 0;
	char text[KV_KEY_TEXT_BYTES];
	if (before != NULL && !number_parse(before->value, &number))
		return refuse(e, STATUS_NOT_NUMBER, "key %s: value is not a 64-bit integer",
			      kv_key_text(text, op->key));
	if (__builtin_add_overflow(number, op->delta, &number))
		return refuse(e, STATUS_NOT_NUMBER, "key %s: the sum does not fit a 64-bit integer",
			      kv_key_text(text, op->key));
	char *data = arena_get(e->arena, NUMBER_TEXT_BYTES + 1);
	int len = snprintf(data, NUMBER_TEXT_BYTES + 1, "%" PRId64, number);
	struct slice value = slice(data, (size_t)len);
	int status = check_new_value(e, op->key, value.len);
	if (status == 0)
		status = return_value(e, &out->result, value);
	if (status == 0)
		put(out, value);
	return status;
}

static int compare_and_swap(struct kv_evaluation *e, const struct wire_kv_op *op,
			    const struct store_record *before, struct kv_outcome *out)
{
	bool holds = op->absent ? before == NULL
				: before != NULL && slice_equal(before->value, op->expect);
	if (holds) {
		put(out, op->value);
		return 0;
	}
	out->result.status = before == NULL ? STATUS_NOT_FOUND : STATUS_COMPARE_FALSE;
	return before == NULL ? 0 : return_record(e, &out->result, before);
}

int kv_operation(struct kv_evaluation *e, const struct wire_kv_op *op,
		 const struct store_record *before, struct kv_outcome *out)
{
	*out = (struct kv_outcome){.effect = KV_EFFECT_NONE};
	switch (op->kind) {
	case WIRE_KV_GET:
		if (before != NULL)
			return return_record(e, &out->result, before);
		out->result.status = STATUS_NOT_FOUND;
		return 0;
	case WIRE_KV_PUT: put(out, op->value); return 0;
	case WIRE_KV_DELETE:
		if (before != NULL)
			out->effect = KV_EFFECT_DELETE;
		else
			out->result.status = STATUS_NOT_FOUND;
		return 0;
	case WIRE_KV_APPEND: return append(e, op, before, out);
	case WIRE_KV_CAS: return compare_and_swap(e, op, before, out);
	case WIRE_KV_INCR: return increment(e, op, before, out);
	case WIRE_KV_NONE: break;
	}
	ASSERT(op->kind != WIRE_KV_NONE); /* decoding refuses it */
	return STATUS_INTERNAL;
}
