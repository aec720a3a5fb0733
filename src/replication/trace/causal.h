/*
 * Many hosts' events, put into causal order, each with its vector clock.
 *
 * What is known of each host is only the order of its own events; that a message is received after
 * it was sent makes one partial order of them all: happens-before (Lamport 1978). causal_sort()
 * extends it to a total one, in which concurrent events stand in the order of their hybrid times,
 * and computes every event's vector clock (node/vector.h).
 *
 * A receive whose send is in nobody's trace (its sender was not traced, or the ring has overwritten
 * it) is an event like others, and counted: what its sender did before is then missing from its
 * past.
 *
 * Ownership: texts are copied. What causal_at() returns is valid until causal_destroy(). Errors,
 * with a sentence in causal_error(): STATUS_BAD_REQUEST for text that is no trace, STATUS_TOO_LARGE
 * for more than CAUSAL_EVENTS_MAX events, CAUSAL_TEXT_BYTES_MAX of text or VECTOR_HOSTS_MAX hosts,
 * STATUS_CORRUPT for traces that contradict each other: a message sent twice (one trace was given
 * twice), or received before it can have been sent.
 */
#ifndef SYNOD_TRACE_CAUSAL_H
#define SYNOD_TRACE_CAUSAL_H

#include "base/bytes.h"
#include "base/status.h"
#include "node/vector.h"
#include "trace/event.h"

#define CAUSAL_EVENTS_MAX (8u << 20)
#define CAUSAL_TEXT_BYTES_MAX (2048ull * 1024 * 1024)
#define CAUSAL_NOBODY UINT32_MAX

struct causal;

struct causal_event {
	uint32_t host;   /* causal_host() */
	uint64_t number; /* among the events of its host, from 1 */
	/* receive: position of the send; CAUSAL_NOBODY: none, or not in the trace */
	uint32_t cause;
	struct slice text;
	struct trace_words words;
	struct vector clock;
};

struct causal *causal_create(void);
void causal_destroy(struct causal *c);

/* The next event of a host. */
int causal_add(struct causal *c, struct slice host, struct slice text) MUST_CHECK;
/* All events of a file; its name is for the error. */
int causal_add_file(struct causal *c, const char *name, struct slice content) MUST_CHECK;
/* Once, after everything has been added. */
int causal_sort(struct causal *c) MUST_CHECK;
const char *causal_error(const struct causal *c);

/* After causal_sort(): event number i of the order. */
uint32_t causal_count(const struct causal *c);
const struct causal_event *causal_at(const struct causal *c, uint32_t i);
uint32_t causal_hosts(const struct causal *c);
const char *causal_host(const struct causal *c, uint32_t host);
/* Receives without a send. */
uint64_t causal_unmatched(const struct causal *c);
/* Appends event i as two lines, with its whole clock. */
void causal_append(const struct causal *c, uint32_t i, struct buffer *out);

#endif
