/* Why a history cannot be true, in words and as a picture. */
#include "check/show.h"

#include <inttypes.h>

#include "base/utf8.h"

#define VALUE_HEAD_BYTES 16u
#define VALUE_TAIL_BYTES 24u

static void show_escaped(struct slice s, struct buffer *out)
{
	while (s.len > 0) {
		size_t len = utf8_length(s.data, s.len);
		if (len == 0 || *s.data < 0x20 || *s.data == 0x7f) {
			buffer_format(out, "\\x%02x", *s.data);
			len = 1;
		} else {
			if (*s.data == '"' || *s.data == '\\')
				buffer_add_u8(out, '\\');
			buffer_add(out, s.data, len);
		}
		s = slice(s.data + len, s.len - len);
	}
}

void show_value(struct slice value, struct buffer *out)
{
	buffer_add_u8(out, '"');
	if (value.len <= VALUE_HEAD_BYTES + VALUE_TAIL_BYTES) {
		show_escaped(value, out);
		buffer_add_u8(out, '"');
		return;
	}
	size_t head = VALUE_HEAD_BYTES, tail = value.len - VALUE_TAIL_BYTES;
	/* Not within a character: its later bytes begin with the bits 10. */
	while (head > 0 && (value.data[head] & 0xc0) == 0x80)
		head--;
	while (tail < value.len && (value.data[tail] & 0xc0) == 0x80)
		tail++;
	show_escaped(slice(value.data, head), out);
	buffer_format(out, "…");
	show_escaped(slice(value.data + tail, value.len - tail), out);
	buffer_format(out, "\" (%zu bytes)", value.len);
}

void show_state(struct slice key, bool missing, struct slice value, uint64_t version,
		struct buffer *out)
{
	if (out->len > 0)
		buffer_format(out, ", ");
	show_value(key, out);
	if (missing) {
		buffer_format(out, " is missing");
		return;
	}
	buffer_format(out, " is ");
	show_value(value, out);
	if (version > 0)
		buffer_format(out, " version %" PRIu64, version);
}

void show_place(const struct check_call *call, const struct check_names *names, struct buffer *out)
{
	if (names->files != NULL)
		buffer_format(out, "%s:%u", names->files[call->file], call->line);
	else
		buffer_format(out, "client %" PRIu64 " call %" PRIu64, call->client, call->id);
}

bool show_is_open(const struct check_call *call, uint32_t weakness)
{
	return call->outcome == CHECK_UNKNOWN || (weakness & CHECK_OPTIONAL) != 0;
}

/* ---- calls ---- */

static void describe_result(const struct check_op *op, uint32_t weakness, struct buffer *out)
{
	unsigned saw = op->saw;
	if ((weakness & CHECK_UNSEEN) != 0)
		saw &= CHECK_SAW_WHETHER_DONE;
	if ((weakness & CHECK_NO_VERSION) != 0)
		saw &= ~(unsigned)CHECK_SAW_VERSION;
	if ((saw & CHECK_SAW_DONE) != 0)
		buffer_format(out, " → done");
	if ((saw & CHECK_SAW_REFUSED) != 0)
		buffer_format(out, " → refused");
	if ((saw & CHECK_SAW_VALUE) != 0) {
		buffer_format(out, (saw & CHECK_SAW_REFUSED) != 0 ? ", it was " : " → ");
		show_value(op->result, out);
	}
	if ((saw & CHECK_SAW_MISSING) != 0)
		buffer_format(out, " → missing");
	if ((saw & CHECK_SAW_PRESENT) != 0)
		buffer_format(out, " → was there");
	if ((saw & CHECK_SAW_VERSION) != 0)
		buffer_format(out, " (version %" PRIu64 ")", op->version);
}

static void describe_op(const struct check_op *op, uint32_t weakness, bool result,
			struct buffer *out)
{
	buffer_format(out, "%s ", operation_row(op->kind)->long_word);
	show_value(op->key, out);
	if (op->kind == CHECK_CAS && !op->absent) {
		buffer_format(out, " from ");
		show_value(op->expect, out);
		buffer_format(out, " to");
	} else if (op->kind == CHECK_CAS) {
		buffer_format(out, " if missing to");
	}
	if (op->kind == CHECK_PUT || op->kind == CHECK_APPEND || op->kind == CHECK_CAS) {
		buffer_format(out, " ");
		show_value(op->value, out);
	}
	if (op->kind == CHECK_INCR)
		buffer_format(out, " by %" PRId64, op->delta);
	if (result)
		describe_result(op, weakness, out);
}

static void describe_compare(const struct check_compare *compare, struct buffer *out)
{
	static const char *const targets[] = {
		[CHECK_VALUE] = "value", [CHECK_VERSION] = "version", [CHECK_EXISTS] = "exists"};
	static const char *const relations[] = {[CHECK_EQUAL] = "=",
						[CHECK_NOT_EQUAL] = "≠",
						[CHECK_LESS] = "<",
						[CHECK_GREATER] = ">"};
	buffer_format(out, "%s(", targets[compare->target]);
	show_value(compare->key, out);
	buffer_format(out, ") %s ", relations[compare->relation]);
	if (compare->target == CHECK_VALUE)
		show_value(compare->value, out);
	else
		buffer_format(out, "%" PRIu64, compare->number);
}

static void describe_ops(const char *head, const struct check_op *ops, uint32_t count,
			 uint32_t weakness, bool taken, struct buffer *out)
{
	for (uint32_t i = 0; i < count; i++) {
		buffer_format(out, "%s", i == 0 ? head : "; ");
		describe_op(&ops[i], weakness, taken, out);
	}
}

void check_describe(const struct check_call *call, uint32_t weakness, struct buffer *out)
{
	bool open = show_is_open(call, weakness);
	if (!call->transaction && call->nthen == 1) {
		describe_op(&call->then[0], weakness, !open, out);
		return;
	}
	buffer_format(out, "txn");
	for (uint32_t i = 0; i < call->nwhen; i++) {
		buffer_format(out, "%s", i == 0 ? " if " : " and ");
		describe_compare(&call->when[i], out);
	}
	describe_ops(call->nwhen > 0 ? " then " : " ", call->then, call->nthen, weakness,
		     !open && call->branch != CHECK_BRANCH_OTHERWISE, out);
	describe_ops(" else ", call->otherwise, call->notherwise, weakness,
		     !open && call->branch != CHECK_BRANCH_THEN, out);
	if (call->nwhen > 0 && !open && call->branch != CHECK_BRANCH_UNSEEN)
		buffer_format(out, " → %s", call->branch == CHECK_BRANCH_THEN ? "then" : "else");
}
