/*
 * What the load costs the daemons: processor time and memory, from the system, while kvbench
 * runs.
 */
#include "daemons.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

#define ANSWER_TIMEOUT_MS 1000
#define ANSWER_BYTES_MAX (1u << 20)

static void read_config(struct bench_daemons *d, const char *path)
{
	char error[200], piece[4096];
	struct buffer text = {0};
	FILE *in = fopen(path, "r");
	if (in == NULL)
		return;
	for (size_t len; (len = fread(piece, 1, sizeof piece, in)) > 0;)
		buffer_add(&text, piece, len);
	fclose(in);
	d->known = clusterconf_parse(&d->conf, path, buffer_slice(&text), error, sizeof error) == 0;
	buffer_free(&text);
}

void bench_daemons_init(struct bench_daemons *d, const char *config_file)
{
	*d = (struct bench_daemons){0};
	if (config_file != NULL)
		read_config(d, config_file);
	if (!d->known)
		return;
	d->count = d->conf.nnodes;
	d->daemons = alloc_zeroed(d->count + 1, sizeof *d->daemons);
	for (uint32_t i = 0; i < d->count; i++) {
		const struct clusterconf_node *node = &d->conf.nodes[i];
		d->daemons[i] = (struct bench_daemon){
			.name = node->name, .role = node_role_text(node->role), .http = node->http};
	}
}

void bench_daemons_free(struct bench_daemons *d)
{
	if (d->known)
		clusterconf_free(&d->conf);
	free(d->daemons);
	*d = (struct bench_daemons){0};
}

/* ---- one question ---- */

struct question {
	struct bench_usage *usage;
	struct buffer answer;
};

/* A connection that is being made, or -1. The address is HOST:PORT or [IPv6]:PORT. */
static int dial(const char *address)
{
	char host[256];
	const char *colon = strrchr(address, ':');
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	if (colon == NULL)
		return -1;
	bool brackets = address[0] == '[';
	snprintf(host, sizeof host, "%.*s", (int)(colon - address) - 2 * brackets,
		 address + brackets);
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return -1;
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0 &&
	    errno != EINPROGRESS) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

/* The value of an unlabelled metric; false if it is not there. */
static bool metric(const char *text, const char *name, double *value)
{
	size_t len = strlen(name);
	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ' ') {
			*value = strtod(line + len, NULL);
			return true;
		}
	}
	return false;
}

static void understand(struct question *q)
{
	double resident = 0, heap = 0;
	buffer_add_u8(&q->answer, 0);
	const char *text = (const char *)q->answer.data;
	q->usage->known = strncmp(text, "HTTP/1.", 7) == 0 &&
			  metric(text, "process_cpu_seconds_total", &q->usage->cpu_s);
	metric(text, "process_resident_memory_bytes", &resident);
	metric(text, "synod_heap_bytes", &heap);
	q->usage->resident_bytes = (uint64_t)resident;
	q->usage->heap_bytes = (uint64_t)heap;
}

/* Goes on with one connection; true when it has ended. */
static bool progress(struct pollfd *p, struct question *q)
{
	static const char request[] =
		"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	char piece[16384];
	if ((p->events & POLLOUT) != 0) {
		/* So short a request fits into an empty socket buffer as a whole. */
		if (send(p->fd, request, sizeof request - 1, MSG_NOSIGNAL) !=
		    (ssize_t)sizeof request - 1)
			return true;
		p->events = POLLIN;
		return false;
	}
	ssize_t len = recv(p->fd, piece, sizeof piece, 0);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (len > 0 && q->answer.len < ANSWER_BYTES_MAX) {
		buffer_add(&q->answer, piece, (size_t)len);
		return false;
	}
	if (len == 0)
		understand(q);
	return true;
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void bench_daemons_ask(struct bench_daemons *d, bool after)
{
	struct pollfd *polls = alloc_zeroed(d->count + 1, sizeof *polls);
	struct question *questions = alloc_zeroed(d->count + 1, sizeof *questions);
	int64_t deadline = now_ms() + ANSWER_TIMEOUT_MS, left;
	uint32_t open = 0;
	for (uint32_t i = 0; i < d->count; i++) {
		polls[i] = (struct pollfd){
			.fd = d->daemons[i].http == NULL ? -1 : dial(d->daemons[i].http),
			.events = POLLOUT};
		questions[i].usage = after ? &d->daemons[i].after : &d->daemons[i].before;
		open += polls[i].fd >= 0;
	}
	while (open > 0 && (left = deadline - now_ms()) > 0 &&
	       poll(polls, d->count, (int)left) > 0) {
		for (uint32_t i = 0; i < d->count; i++) {
			if (polls[i].fd < 0 || polls[i].revents == 0 ||
			    !progress(&polls[i], &questions[i]))
				continue;
			close(polls[i].fd);
			polls[i].fd = -1;
			open--;
		}
	}
	for (uint32_t i = 0; i < d->count; i++) {
		if (polls[i].fd >= 0)
			close(polls[i].fd);
		buffer_free(&questions[i].answer);
	}
	free(polls);
	free(questions);
}
