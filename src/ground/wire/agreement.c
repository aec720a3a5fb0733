#include "wire/paxosd.h"
#include "wire/pb.h"
#include "wire/unpack.h"

static int read_item(struct slice in, struct wire_agreement_item *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u32(&r, &out->kind); break;
		case 2: pb_get_u64(&r, &out->seq); break;
		case 3: pb_get_u64(&r, &out->ballot); break;
		case 4: pb_get_u64(&r, &out->other); break;
		case 5: pb_get_bytes(&r, &out->value); break;
		}
	}
	return r.status;
}

/* A repeated uint64, packed or not, of no more than one number for each replica. */
static void get_dones(struct pb_reader *r, struct wire_agreement *out)
{
	uint64_t value = r->value;

	if (r->type == PB_VARINT) {
		if (out->ndones == REPLICAS_MAX)
			pb_fail(r, STATUS_TOO_LARGE);
		else
			out->dones[out->ndones++] = value;
		return;
	}
	if (!pb_expect(r, PB_BYTES))
		return;
	const uint8_t *at = r->bytes.data, *end = at + r->bytes.len;
	while (at < end) {
		if (!pb_varint(&at, end, &value)) {
			pb_fail(r, STATUS_BAD_REQUEST);
			return;
		}
		if (out->ndones == REPLICAS_MAX) {
			pb_fail(r, STATUS_TOO_LARGE);
			return;
		}
		out->dones[out->ndones++] = value;
	}
}

/* First walk: the plain fields, and how many items there are. */
static int read_plain(struct slice in, struct wire_agreement *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u32(&r, &out->from); break;
		case 2: pb_get_u32(&r, &out->to); break;
		case 3: get_dones(&r, out); break;
		case 4: pb_get_u64(&r, &out->next); break;
		case 5: pb_count(&r, &out->nitems, MESSAGE_ELEMENTS_MAX); break;
		case 6: pb_get_u64(&r, &out->life); break;
		case 7: pb_get_u32(&r, &out->binding); break;
		case 8: pb_get_u64(&r, &out->members); break;
		}
	}
	return r.status;
}

int wire_agreement_decode(struct slice in, struct arena *arena, struct wire_agreement *out)
{
	*out = (struct wire_agreement){0};
	int status = read_plain(in, out);
	if (status != 0 || out->nitems == 0)
		return status;

	struct pb_reader r = pb_reader(in);
	if (!pb_allocate(&r, arena, out->nitems, sizeof *out->items, &out->items))
		return r.status;
	struct wire_agreement_item *item = out->items;
	while (pb_next(&r))
		if (r.number == 5)
			pb_fail(&r, read_item(r.bytes, item++));
	return r.status;
}

void wire_agreement_encode(const struct wire_agreement *in, struct buffer *out)
{
	ASSERT(in->ndones <= REPLICAS_MAX && in->nitems <= MESSAGE_ELEMENTS_MAX);
	pb_put_u64(out, 1, in->from);
	pb_put_u64(out, 2, in->to);
	pb_put_u64s(out, 3, in->dones, in->ndones);
	pb_put_u64(out, 4, in->next);
	for (uint32_t i = 0; i < in->nitems; i++) {
		const struct wire_agreement_item *item = &in->items[i];
		struct pb_mark mark = pb_begin(out, 5, item->value.len);
		pb_put_u64(out, 1, item->kind);
		pb_put_u64(out, 2, item->seq);
		pb_put_u64(out, 3, item->ballot);
		pb_put_u64(out, 4, item->other);
		pb_put_bytes(out, 5, item->value);
		pb_end(out, mark);
	}
	pb_put_u64(out, 6, in->life);
	pb_put_u64(out, 7, in->binding);
	pb_put_u64(out, 8, in->members);
}

int wire_agreement_request_decode(struct slice in, struct arena *arena,
				  struct wire_agreement_request *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena; /* The value points into the input. */
	*out = (struct wire_agreement_request){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->seq); break;
		case 2: pb_get_bytes(&r, &out->value); break;
		}
	}
	return r.status;
}

void wire_agreement_request_encode(const struct wire_agreement_request *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->seq);
	pb_put_bytes(out, 2, in->value);
}

int wire_agreement_state_decode(struct slice in, struct arena *arena,
				struct wire_agreement_state *out)
{
	struct pb_reader r = pb_reader(in);
	uint32_t state = 0;

	(void)arena; /* The strings point into the input. */
	*out = (struct wire_agreement_state){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u32(&r, &state); break;
		case 2: pb_get_bytes(&r, &out->value); break;
		case 3: pb_get_u64(&r, &out->min); break;
		case 4: pb_get_u64(&r, &out->next); break;
		case 5: pb_get_bytes(&r, &out->peer); break;
		}
	}
	if (r.status != 0)
		return r.status;
	if (state > WIRE_AGREEMENT_IS_FORGOTTEN)
		return STATUS_BAD_REQUEST;
	out->status = (enum wire_agreement_status)state;
	return text_check_name(out->peer, NAME_BYTES_MAX);
}

void wire_agreement_state_encode(const struct wire_agreement_state *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->status);
	pb_put_bytes(out, 2, in->value);
	pb_put_u64(out, 3, in->min);
	pb_put_u64(out, 4, in->next);
	pb_put_bytes(out, 5, in->peer);
}
