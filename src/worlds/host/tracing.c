/*
 * What the world does with the node's tracer (node/tracer.h): the trace file, and the answer to
 * TRACE.
 *
 * Events are gathered in memory and written once a turn, before the turn's messages leave: so a
 * process that is killed has written of every message that a peer can have received. The file grows
 * at its end, also over restarts; writing blocks the loop, and is not synced.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/internal.h"
#include "trace/event.h"
#include "trace/report.h"

#define BYTES_MAX_DEFAULT (1024ull * MIB)
#define PENDING_BYTES_MAX (1u * MIB) /* a long turn writes in between */

/* ---- the file ---- */

static const char *peer_name(void *context, uint64_t id)
{
	const struct host *host = context;
	const struct link *link = map_get(&host->links, id);
	if (link == NULL)
		return id == host->own_link ? "http" : "";
	return link->dialled ? link->name : link->peer->name;
}

/*
 * Reads a file that exists already: counts this host's events, and finds the end of the last whole
 * one; what a power loss left behind it is cut off. STATUS_BAD_REQUEST: it is some other file,
 * which is left alone.
 */
static int continue_file(struct trace_file *file)
{
	int status = 0;
	char *line = NULL;
	size_t capacity = 0, name_len = strlen(file->name);
	uint64_t lines = 0, at = 0, whole = 0, ours = 0;
	int copy = dup(file->fd);
	FILE *in = copy < 0 ? NULL : fdopen(copy, "r");
	if (in == NULL) {
		if (copy >= 0)
			close(copy);
		return STATUS_IO;
	}
	for (ssize_t len; (len = getline(&line, &capacity, in)) > 0 && line[len - 1] == '\n';) {
		struct slice host;
		if (lines == 0 &&
		    !trace_host_parse(slice((const uint8_t *)line, (size_t)len - 1), &host)) {
			status = STATUS_BAD_REQUEST;
			break;
		}
		at += (uint64_t)len;
		bool is_host = lines++ % 2 == 0;
		ours += is_host && (size_t)len > name_len &&
			memcmp(line, file->name, name_len) == 0 && line[name_len] == ' ';
		if (!is_host) {
			whole = at;
			file->events = ours;
		}
	}
	if (status == 0 && (ferror(in) || ftruncate(file->fd, (off_t)whole) != 0))
		status = STATUS_IO;
	file->bytes = whole;
	free(line);
	fclose(in);
	return status;
}

static int open_file(struct trace_file *file, char *error, size_t error_size)
{
	struct stat st;
	file->fd = open(file->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (file->fd < 0 || fstat(file->fd, &st) != 0) {
		snprintf(error, error_size, "cannot write the trace %s: %s", file->path,
			 strerror(errno));
		return STATUS_IO;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(error, error_size, "cannot write the trace %s: not a regular file",
			 file->path);
		return STATUS_IO;
	}
	if (flock(file->fd, LOCK_EX | LOCK_NB) != 0) {
		snprintf(error, error_size,
			 "cannot write the trace %s: another process writes it: give each its own "
			 "file",
			 file->path);
		return STATUS_IO;
	}
	int status = continue_file(file);
	if (status == STATUS_BAD_REQUEST) {
		snprintf(error, error_size,
			 "cannot write the trace %s: the file holds something else", file->path);
		return STATUS_IO;
	}
	if (status != 0) {
		snprintf(error, error_size, "cannot read the trace %s: %s", file->path,
			 strerror(errno));
		return STATUS_IO;
	}
	return 0;
}

int tracing_open(struct host *host, const struct host_options *options, char *error,
		 size_t error_size)
{
	struct trace_file *file = &host->trace;
	if (options->trace == NULL)
		return 0;
	file->path = alloc_string(options->trace);
	if (options->trace_name != NULL)
		file->name = alloc_string(options->trace_name);
	else if (host->name[0] != '\0')
		file->name = alloc_string(host->name);
	else
		file->name = alloc_format("client-%08x", (unsigned)(host->life >> 32));
	file->bytes_max = options->trace_bytes_max != 0 ? options->trace_bytes_max
							: BYTES_MAX_DEFAULT;
	return open_file(file, error, error_size);
}

/* Tracing is over; the node goes on. */
static void give_up(struct host *host, const char *event, const char *why)
{
	struct trace_file *file = &host->trace;
	log_event(host->log, LOG_WARN, event, "file=%s why=\"%s\"", file->path, why);
	host->node->tracer.sink = NULL;
	buffer_free(&file->pending);
	close(file->fd);
	file->fd = -1;
}

void tracing_flush(struct host *host)
{
	struct trace_file *file = &host->trace;
	struct slice rest = buffer_slice(&file->pending);
	if (__builtin_expect(rest.len == 0, 1))
		return;
	if (file->bytes + rest.len > file->bytes_max) {
		give_up(host, "trace_full",
			"trace_bytes_max is reached: no more events are written");
		return;
	}
	while (rest.len > 0) {
		ssize_t written = write(file->fd, rest.data, rest.len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			give_up(host, "trace_failed", strerror(errno));
			return;
		}
		rest = slice(rest.data + written, rest.len - (size_t)written);
		file->bytes += (uint64_t)written;
	}
	buffer_clear(&file->pending);
}

static void take_event(void *context, const struct trace_event *event)
{
	struct host *host = context;
	struct trace_file *file = &host->trace;
	struct buffer *out = &file->pending;
	buffer_format(out, "%s {\"%s\":%" PRIu64 "}\n", file->name, file->name, ++file->events);
	trace_event_format(out, event, event->link == 0 ? "" : peer_name(host, event->link));
	buffer_add_u8(out, '\n');
	if (out->len >= PENDING_BYTES_MAX)
		tracing_flush(host);
}

void tracing_begin(struct host *host)
{
	struct tracer *tracer = &host->node->tracer;
	tracer->life = host->life;
	if (host->trace.fd < 0)
		return;
	tracer->sink = take_event;
	tracer->context = host;
	node_step(host->node, TRACE_STEP_START, 0, NULL);
	log_event(host->log, LOG_INFO, "tracing", "file=%s events=%" PRIu64, host->trace.path,
		  host->trace.events - 1);
}

void tracing_close(struct host *host)
{
	struct trace_file *file = &host->trace;
	/*
	 * The node may be gone. What it noted while it was being destroyed is of no great interest.
	 */
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	buffer_free(&file->pending);
	free(file->path);
	free(file->name);
}

/* ---- TRACE ---- */

int tracing_answer(struct host *host, struct slice query, struct buffer *out)
{
	arena_reset(&host->arena);
	return trace_report(&host->node->tracer, query, host->name, peer_name, host, &host->arena,
			    out);
}
