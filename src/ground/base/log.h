/*
 * Log lines: logfmt or JSON on a file descriptor, one write a line.
 *
 *   level=info time=2026-01-31T12:00:00.123456Z node=g1a event=leader_elected ballot=7.2 group=1
 *
 * The caller gives the event's stable name and a printf format whose text is
 * itself logfmt: log_event(log, LOG_INFO, "leader_elected", "ballot=%s group=%u", …).
 * String values that may hold anything go through log_quote(). In JSON the same
 * line is parsed back into members (base/log_json.h), so both formats come from one call.
 *
 * The clock is passed in as a function, so that a simulated node logs simulated time.
 *
 * A log on a descriptor never waits for its reader: a line that a pipe, a terminal or a socket does
 * not take at once is given up and counted, and the next line that gets through comes after one
 * that says how many are missing (event=log_lines_dropped lines=N). A full disk, a broken pipe or
 * an I/O error cost the lines of their time, nothing else.
 */
#ifndef SYNOD_BASE_LOG_H
#define SYNOD_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* Of a log on a descriptor. */
struct log_output {
	int fd;
	bool (*ready)(const struct log_output *output); /* it would take a line now */
	bool torn;           /* the last line was cut short: the next one begins with a newline */
	uint64_t lost;       /* lines given up since the last one that got through */
	uint64_t lost_total; /* and ever */
};

struct log {
	enum log_level level; /* lines below it cost one comparison */
	enum log_format format;
	const char *node;
	/* Microseconds since the epoch. */
	uint64_t (*wall_us)(void *context);
	/* Receives one whole line with its newline. */
	void (*write)(void *context, const char *line, size_t len);
	void *context;
	struct log_output output; /* log_init_fd(): the struct must stay where it is */
	bool has_output;
};

/* A log that writes to `fd` with the system clock. */
void log_init_fd(struct log *log, int fd, const char *node);
bool log_level_parse(const char *text, enum log_level *out);
/*
 * Says how many lines have been given up, if there are any and it can be said: for calling every
 * now and then.
 */
void log_tell_lost(const struct log *log);

void log_write(const struct log *log, enum log_level level, const char *event, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));
#define log_event(log, lvl, event, ...) \
	((lvl) >= (log)->level ? log_write((log), (lvl), (event), __VA_ARGS__) : (void)0)

/*
 * Writes `s` as a logfmt value into `out` (quoted and escaped if it has to be,
 * cut with "…" if it does not fit) and returns out.
 */
const char *log_quote(char *out, size_t size, struct slice s);

#endif
