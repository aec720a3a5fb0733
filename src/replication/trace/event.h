/*
 * Events as text: what --trace FILE holds, what a daemon answers TRACE with, what the order of a
 * trace is made from.
 *
 * One event is two lines, as ShiViz reads them (Beschastnikh et al. 2016, "Debugging Distributed
 * Systems"):
 *
 *   g1a {"g1a":17,"g1b":4}
 *   send accept to=g1b message=5f3a09c11b27e6d4.123 slot=5 ballot=3.1 lamport=123
 *   hlc=1769860800123.0
 *
 * Host and vector clock, then what happened; the expression for the viewer is TRACE_EXPRESSION. A
 * daemon counts only its own events; what its past holds of other hosts follows from `message`, and
 * is filled in when traces are merged (trace/causal.h). The words of the second line:
 *
 *   send METHOD | receive METHOD | a step (node/tracer.h)
 *   reply | reply=STATUS   a message that is one, with what it says if that is not ok
 *   to= | from=            the other side, where its name is known
 *   message=LIFE.LAMPORT   which one: the life of its sender's process, in hexadecimal, and its
 *                          Lamport time
 *   slot=N | slots=N-M, ballot=ROUND.REPLICA, chosen=N (every slot up to it), request=ID (a traced
 *   request's)
 *   lamport=, hlc=MILLISECONDS.COUNTER   the event's own times
 *
 * Words that a reader does not know are passed on as they are.
 */
#ifndef SYNOD_TRACE_EVENT_H
#define SYNOD_TRACE_EVENT_H

#include <stdbool.h>

#include "base/bytes.h"
#include "node/tracer.h"

#define TRACE_EXPRESSION "(?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)"
/* A line of either kind is no longer. */
#define TRACE_LINE_BYTES_MAX (64u * 1024u)

/*
 * Appends the second line, without its newline. peer: the name of the other side; "" if it is not
 * known.
 */
void trace_event_format(struct buffer *out, const struct trace_event *event, const char *peer);
/* Appends both lines, with the clock of somebody who knows only of his own events. */
void trace_event_append(struct buffer *out, const char *host, uint64_t count, struct slice text);

/* What of the second line decides about order. Zero: not said. */
struct trace_words {
	enum trace_kind kind; /* TRACE_STEP for whatever is neither send nor receive */
	uint64_t origin, sent;
	uint64_t lamport;
	uint64_t hlc;
};
/* False: a word that should be one of those is malformed. */
bool trace_event_parse(struct slice text, struct trace_words *out);
/* The value of a word such as "slot="; false if it is not there. */
bool trace_word(struct slice text, const char *name, struct slice *value);
/* The host of a first line; false if that is not "HOST {…}". */
bool trace_host_parse(struct slice line, struct slice *host);
/*
 * Takes one line off the front, without its newline; false at the end, or when the last line has no
 * newline.
 */
bool trace_line_take(struct slice *text, struct slice *line);

#endif
