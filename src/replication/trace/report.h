/* What one node answers TRACE with: the events of one request that its tracer has kept. */
#ifndef SYNOD_TRACE_REPORT_H
#define SYNOD_TRACE_REPORT_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/status.h"
#include "node/tracer.h"

/* The name of the other end of a link; "" if it is not known. */
typedef const char *(*trace_peer)(void *context, uint64_t link);

/*
 * Appends the payload of the reply to `query`, a TraceRequest, by the node of that name; of an
 * Error if the status that it returns is one: STATUS_BAD_REQUEST, malformed. The arena is for
 * decoding.
 */
int trace_report(const struct tracer *tracer, struct slice query, const char *node, trace_peer peer,
		 void *context, struct arena *arena, struct buffer *out) MUST_CHECK;

#endif
