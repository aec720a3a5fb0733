#include "wire/pb.h"
#include "wire/wire.h"

static int read_op(struct slice in, struct wire_kv_op *out)
{
	struct pb_reader r = pb_reader(in);
	uint32_t kind = WIRE_KV_NONE;

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u32(&r, &kind); break;
		case 2: pb_get_bytes(&r, &out->key); break;
		case 3: pb_get_bytes(&r, &out->value); break;
		case 4: pb_get_bytes(&r, &out->expect); break;
		case 5: pb_get_bool(&r, &out->absent); break;
		case 6: pb_get_s64(&r, &out->delta); break;
		}
	}
	if (!operation_exists(kind))
		pb_fail(&r, STATUS_BAD_REQUEST);
	out->kind = (enum wire_kv_kind)kind;
	return r.status;
}

static int read_compare(struct slice in, struct wire_kv_compare *out)
{
	struct pb_reader r = pb_reader(in);
	uint32_t target = WIRE_KV_VALUE;
	uint32_t relation = WIRE_KV_EQUAL;

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u32(&r, &target); break;
		case 2: pb_get_u32(&r, &relation); break;
		case 3: pb_get_bytes(&r, &out->key); break;
		case 4: pb_get_bytes(&r, &out->value); break;
		case 5: pb_get_u64(&r, &out->number); break;
		}
	}
	if (target > WIRE_KV_EXISTS || relation > WIRE_KV_GREATER)
		pb_fail(&r, STATUS_BAD_REQUEST);
	out->target = (enum wire_kv_target)target;
	out->relation = (enum wire_kv_relation)relation;
	return r.status;
}

/*
 * The shards of an internal message are counted in the first walk over the command and read in the
 * second, in each occurrence of the field: a submessage that occurs twice is merged.
 */
static int count_internal(struct slice in, struct wire_kv_internal *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_bytes(&r, &out->config); break;
		case 2: pb_count_u32s(&r, &out->ngranted, SHARDS_MAX); break;
		case 3: pb_get_u64(&r, &out->granted_config); break;
		}
	}
	return r.status;
}

static int read_internal(struct slice in, struct wire_kv_internal *out, uint32_t *used)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r))
		if (r.number == 2)
			pb_get_u32s(&r, out->granted, used, out->ngranted);
	return r.status;
}

static int count_elements(struct slice in, struct wire_kv_command *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_count(&r, &out->nthen, TXN_OPS_MAX); break;
		case 2: pb_count(&r, &out->nwhen, TXN_OPS_MAX); break;
		case 3: pb_count(&r, &out->notherwise, TXN_OPS_MAX); break;
		case 4: pb_get_bool(&r, &out->transaction); break;
		case 5:
			if (pb_expect(&r, PB_BYTES))
				pb_fail(&r, count_internal(r.bytes, &out->internal));
			out->has_internal = true;
			break;
		}
	}
	return r.status;
}

int wire_kv_command_decode(struct slice in, struct arena *arena, struct wire_kv_command *out)
{
	*out = (struct wire_kv_command){0};
	int status = count_elements(in, out);
	if (status != 0)
		return status;

	struct pb_reader r = pb_reader(in);
	struct wire_kv_internal *internal = &out->internal;
	if (!pb_allocate(&r, arena, out->nthen, sizeof *out->then, &out->then) ||
	    !pb_allocate(&r, arena, out->nwhen, sizeof *out->when, &out->when) ||
	    !pb_allocate(&r, arena, out->notherwise, sizeof *out->otherwise, &out->otherwise) ||
	    !pb_allocate(&r, arena, internal->ngranted, sizeof *internal->granted,
			 &internal->granted))
		return r.status;
	struct wire_kv_op *then = out->then;
	struct wire_kv_compare *when = out->when;
	struct wire_kv_op *otherwise = out->otherwise;
	uint32_t granted = 0;
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_fail(&r, read_op(r.bytes, then++)); break;
		case 2: pb_fail(&r, read_compare(r.bytes, when++)); break;
		case 3: pb_fail(&r, read_op(r.bytes, otherwise++)); break;
		case 5: pb_fail(&r, read_internal(r.bytes, internal, &granted)); break;
		}
	}
	return r.status;
}

/* The first field `number` of a message, if it is of bytes; false if there is none. */
static bool find_bytes(struct slice in, uint32_t number, struct slice *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r))
		if (r.number == number && r.type == PB_BYTES) {
			*out = r.bytes;
			return true;
		}
	return false;
}

uint32_t wire_kv_command_keys(struct slice in, struct slice keys[], uint32_t max)
{
	struct pb_reader r = pb_reader(in);
	uint32_t count = 0;

	while (count < max && pb_next(&r)) {
		if (r.type != PB_BYTES)
			continue;
		switch (r.number) {
		case 1:
		case 3: count += find_bytes(r.bytes, 2, &keys[count]); break;
		case 2: count += find_bytes(r.bytes, 3, &keys[count]); break;
		}
	}
	return count;
}

static void put_op(struct buffer *out, uint32_t number, const struct wire_kv_op *op)
{
	struct pb_mark mark = pb_begin(out, number, op->key.len + op->value.len + op->expect.len);

	pb_put_u64(out, 1, op->kind);
	pb_put_bytes(out, 2, op->key);
	pb_put_bytes(out, 3, op->value);
	pb_put_bytes(out, 4, op->expect);
	pb_put_u64(out, 5, op->absent);
	pb_put_s64(out, 6, op->delta);
	pb_end(out, mark);
}

static void put_compare(struct buffer *out, uint32_t number, const struct wire_kv_compare *compare)
{
	struct pb_mark mark = pb_begin(out, number, compare->key.len + compare->value.len);

	pb_put_u64(out, 1, compare->target);
	pb_put_u64(out, 2, compare->relation);
	pb_put_bytes(out, 3, compare->key);
	pb_put_bytes(out, 4, compare->value);
	pb_put_u64(out, 5, compare->number);
	pb_end(out, mark);
}

static void put_internal(struct buffer *out, uint32_t number,
			 const struct wire_kv_internal *internal)
{
	struct pb_mark mark = pb_begin(out, number, internal->config.len + internal->ngranted);

	pb_put_bytes(out, 1, internal->config);
	pb_put_u32s(out, 2, internal->granted, internal->ngranted);
	pb_put_u64(out, 3, internal->granted_config);
	pb_end(out, mark);
}

void wire_kv_command_encode(const struct wire_kv_command *in, struct buffer *out)
{
	for (uint32_t i = 0; i < in->nthen; i++)
		put_op(out, 1, &in->then[i]);
	for (uint32_t i = 0; i < in->nwhen; i++)
		put_compare(out, 2, &in->when[i]);
	for (uint32_t i = 0; i < in->notherwise; i++)
		put_op(out, 3, &in->otherwise[i]);
	pb_put_u64(out, 4, in->transaction);
	if (in->has_internal)
		put_internal(out, 5, &in->internal);
}
