/*
 * What happened, in order: the record that makes a run comparable with itself.
 *
 * Every event of a world goes into a running hash; two runs of one seed are the
 * same run if and only if their hashes are equal. Text costs more than a simulated
 * turn, so lines are made only if somebody wants them:
 *
 *   12.345678 g1a send to=g1b method=accept bytes=120
 *
 * time in virtual seconds, process ("-" for the world), event, details. Event
 * names and the order of details are stable: scenario tests compare them.
 */
#ifndef SYNOD_SIM_TRACE_H
#define SYNOD_SIM_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "node/node.h"

/* clang-format off */
#define SIM_EVENT_MAP(X) \
	X(START, "start") \
	X(CRASH, "crash") \
	X(POWER, "power_loss") \
	X(HALT, "halt") \
	X(STOP, "stop") \
	X(STOPPED, "stopped") \
	X(PAUSE, "pause") X(RESUME, "resume") X(WIPE, "wipe") X(STALE, "stale") X(CLOCK, "clock") \
	X(CONNECT, "connect") \
	X(SEND, "send") \
	X(DELIVER, "deliver") \
	X(DROP, "drop") \
	X(HOLD, "hold") \
	X(DUPLICATE, "duplicate") \
	X(REFUSED, "refused") \
	X(RESET, "reset") \
	X(TIMEOUT, "timeout") \
	X(CLOSE, "close") \
	X(LINK_DOWN, "link_down") \
	X(TIMER, "timer") X(CUT, "cut") X(MEND, "mend") X(CLOG, "clog") X(UNCLOG, "unclog") \
	X(LOG, "log") X(NOTE, "note")
/* clang-format on */

enum sim_event {
#define X(name, text) SIM_EVENT_##name,
	SIM_EVENT_MAP(X)
#undef X
};

struct sim_trace {
	uint64_t hash;
	uint64_t events;
	const uint64_t *now_us; /* the world's clock */
	/* Receives one line, without its newline, for each event; NULL: only the hash is kept. */
	void (*line)(void *context, const char *line);
	void *context;
	struct buffer scratch;
};

/*
 * An event of `process` (NULL: the world) that concerns `other` (may be NULL). a and b: see the
 * lines in trace.c.
 */
struct sim_process;
void sim_trace_event(struct sim_trace *trace, enum sim_event event,
		     const struct sim_process *process, const struct sim_process *other, uint64_t a,
		     uint64_t b);
/* A message: SEND or DELIVER. `mark` goes into the hash, and is shown by no line. */
void sim_trace_message(struct sim_trace *trace, enum sim_event event,
		       const struct sim_process *process, const struct sim_process *other,
		       const struct message *message, uint32_t mark);
/*
 * What a message of the consensus protocol says: " ballot=3.1 entry=17 chosen=16". Nothing for
 * other methods.
 */
void sim_trace_describe(uint16_t method, struct slice payload, struct buffer *out);
/* Text: a node's log line, a note of the test. */
void sim_trace_text(struct sim_trace *trace, enum sim_event event,
		    const struct sim_process *process, struct slice text);
void sim_trace_note(struct sim_trace *trace, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A trace line function that writes to the FILE * context. */
void sim_trace_print(void *file, const char *line);
void sim_trace_free(struct sim_trace *trace);

#endif
