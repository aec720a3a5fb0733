/* What became of one request, node by node. */
#include "trace/report.h"

#include "trace/event.h"
#include "wire/wire.h"

int trace_report(const struct tracer *tracer, struct slice query, const char *node, trace_peer peer,
		 void *context, struct arena *arena, struct buffer *out)
{
	struct slice events[TRACER_RING_MAX];
	size_t lengths[TRACER_RING_MAX];
	struct wire_trace reply = {.node = slice_string(node), .events = events};
	struct buffer text = {0};
	const struct trace_event *event;
	uint64_t request, position = 0;
	int status = wire_trace_request_decode(query, arena, &request);
	if (status != 0) {
		wire_error_format(
			out, "malformed TRACE: it asks for the events of a trace id other than 0");
		return status;
	}
	while ((event = tracer_next(tracer, request, &position)) != NULL) {
		size_t before = text.len;
		trace_event_format(&text, event,
				   event->link == 0 ? "" : peer(context, event->link));
		lengths[reply.nevents++] = text.len - before;
	}
	/* Only now does the text stay where it is. */
	for (size_t i = 0, at = 0; i < reply.nevents; at += lengths[i++])
		events[i] = slice(text.data + at, lengths[i]);
	wire_trace_encode(&reply, out);
	buffer_free(&text);
	return 0;
}
