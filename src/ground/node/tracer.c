/* A node's events, for whoever traces them. */
#include "node/tracer.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"

void tracer_note(struct tracer *tracer, const struct trace_event *event)
{
	ASSERT(tracer_wants(tracer, event->request));
	if (tracer->sink != NULL)
		tracer->sink(tracer->context, event);
	if (event->request == 0)
		return;
	if (tracer->ring == NULL)
		tracer->ring = alloc_zeroed(TRACER_RING_MAX, sizeof *tracer->ring);
	tracer->ring[tracer->noted++ % TRACER_RING_MAX] = *event;
}

const struct trace_event *tracer_next(const struct tracer *tracer, uint64_t request,
				      uint64_t *position)
{
	uint64_t oldest = tracer->noted > TRACER_RING_MAX ? tracer->noted - TRACER_RING_MAX : 0;
	if (*position < oldest)
		*position = oldest;
	while (*position < tracer->noted) {
		const struct trace_event *event = &tracer->ring[(*position)++ % TRACER_RING_MAX];
		if (event->request == request)
			return event;
	}
	return NULL;
}

void tracer_free(struct tracer *tracer)
{
	free(tracer->ring);
	tracer->ring = NULL;
	tracer->noted = 0;
}
