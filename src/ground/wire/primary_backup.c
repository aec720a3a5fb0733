#include "wire/pb.h"
#include "wire/wire_pb.h"

#define FLAGS (WIRE_PB_RESET | WIRE_PB_TRANSFER | WIRE_PB_COMPLETE)

int wire_pb_forward_decode(struct slice in, struct arena *arena, struct wire_pb_forward *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena;
	*out = (struct wire_pb_forward){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->view); break;
		case 2: pb_get_u64(&r, &out->frame); break;
		case 3: pb_get_u32(&r, &out->flags); break;
		case 4: pb_get_u32(&r, &out->value_bytes_max); break;
		case 5: pb_get_bytes(&r, &out->batch); break;
		case 6: pb_get_bytes(&r, &out->records); break;
		case 7: pb_get_bytes(&r, &out->sessions); break;
		case 8: pb_get_u64(&r, &out->counter); break;
		case 9: pb_get_u64(&r, &out->time_us); break;
		case 10: pb_get_u64(&r, &out->digest); break;
		case 11: pb_get_u64(&r, &out->commands); break;
		case 12: pb_get_u64(&r, &out->sessions_max); break;
		case 13: pb_get_u64(&r, &out->session_idle_us); break;
		case 14: pb_get_u64(&r, &out->registered); break;
		}
	}
	if (out->view == 0 || out->frame == 0 || out->view > NUMBER_MAX ||
	    out->frame > NUMBER_MAX || (out->flags & ~(uint32_t)FLAGS) != 0)
		pb_fail(&r, STATUS_BAD_REQUEST);
	if (out->sessions_max == 0 || out->sessions_max > UINT32_MAX ||
	    out->session_idle_us > UINT64_MAX / 4)
		pb_fail(&r, STATUS_BAD_REQUEST);
	return r.status;
}

void wire_pb_forward_encode(const struct wire_pb_forward *in, struct buffer *out)
{
	buffer_reserve(out, in->batch.len + in->records.len + in->sessions.len + 128);
	pb_put_u64(out, 1, in->view);
	pb_put_u64(out, 2, in->frame);
	pb_put_u64(out, 3, in->flags);
	pb_put_u64(out, 4, in->value_bytes_max);
	pb_put_bytes(out, 5, in->batch);
	pb_put_bytes(out, 6, in->records);
	pb_put_bytes(out, 7, in->sessions);
	pb_put_u64(out, 8, in->counter);
	pb_put_u64(out, 9, in->time_us);
	pb_put_u64(out, 10, in->digest);
	pb_put_u64(out, 11, in->commands);
	pb_put_u64(out, 12, in->sessions_max);
	pb_put_u64(out, 13, in->session_idle_us);
	pb_put_u64(out, 14, in->registered);
}

int wire_pb_forward_reply_decode(struct slice in, struct arena *arena,
				 struct wire_pb_forward_reply *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena;
	*out = (struct wire_pb_forward_reply){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->view); break;
		case 2: pb_get_u64(&r, &out->received); break;
		case 3: pb_get_bool(&r, &out->backup); break;
		}
	}
	if (out->view > NUMBER_MAX || out->received > NUMBER_MAX)
		pb_fail(&r, STATUS_BAD_REQUEST);
	return r.status;
}

void wire_pb_forward_reply_encode(const struct wire_pb_forward_reply *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->view);
	pb_put_u64(out, 2, in->received);
	pb_put_u64(out, 3, in->backup);
}
