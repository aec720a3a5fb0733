#include "rpc.pb-c.h"
#include "wire/pb.h"
#include "wire/unpack.h"
#include "wire/wire.h"

int wire_trace_request_decode(struct slice in, struct arena *arena, uint64_t *request)
{
	Synod__TraceRequest *decoded;

	int status = unpack(in, &synod__trace_request__descriptor, arena, &decoded);
	if (status != 0)
		return status;
	*request = decoded->request;
	return *request == 0 ? STATUS_BAD_REQUEST : 0;
}

void wire_trace_request_encode(uint64_t request, struct buffer *out)
{
	pb_put_u64(out, 1, request);
}

int wire_trace_decode(struct slice in, struct arena *arena, struct wire_trace *out)
{
	Synod__TraceReply *reply;

	int status = unpack(in, &synod__trace_reply__descriptor, arena, &reply);
	if (status != 0)
		return status;
	*out = (struct wire_trace){.node = unpack_text(reply->node),
				   .nevents = (uint32_t)reply->n_events};
	out->events = arena_try(arena, (out->nevents + 1) * sizeof *out->events);
	if (out->events == NULL)
		return STATUS_TOO_LARGE;
	for (uint32_t i = 0; i < out->nevents; i++) {
		out->events[i] = unpack_text(reply->events[i]);
		if (text_check_name(out->events[i], TRACE_EVENT_BYTES_MAX) != 0)
			return STATUS_BAD_REQUEST;
	}
	return text_check_name(out->node, NAME_BYTES_MAX);
}

void wire_trace_encode(const struct wire_trace *in, struct buffer *out)
{
	pb_put_bytes(out, 1, in->node);
	for (uint32_t i = 0; i < in->nevents; i++)
		pb_put_element(out, 2, in->events[i]);
}
