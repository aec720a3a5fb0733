/*
 * A log on a descriptor that may not be one of ours alone: a shell, a service manager and other
 * daemons may share it. So it is never made non-blocking itself (the flag belongs to the open file,
 * which all of them share), and yet no write may wait:
 *
 *   pipe, terminal   opened once more for the line, without waiting: an open file of our own
 *   socket           send() with MSG_DONTWAIT
 *   anything else    a file: written as it is
 *
 * Where the second opening is not possible (no descriptor is left, the pipe is another user's) the
 * descriptor is asked whether it has room, which a pipe has for PIPE_BUF bytes if it has any: no
 * longer piece is written at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

static uint64_t system_wall_us(void *context)
{
	struct timespec now;

	(void)context;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static bool has_room(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};

	return poll(&wait, 1, 0) == 1 && (wait.revents & POLLOUT) != 0;
}

static bool is_ready(const struct log_output *output)
{
	return has_room(output->fd);
}

/* Writes as much as can be written without waiting. */
static size_t write_pieces(int fd, bool ask, const char *line, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t piece = len - done;
		if (ask && piece > PIPE_BUF)
			piece = PIPE_BUF;
		if (ask && !has_room(fd))
			break;
		ssize_t written = write(fd, line + done, piece);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			break;
		done += (size_t)written;
	}
	return done;
}

static size_t write_waiting_file(int fd, const char *line, size_t len)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return write_pieces(fd, true, line, len);
	size_t done = write_pieces(own, false, line, len);
	close(own);
	return done;
}

static size_t write_socket(int fd, const char *line, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t written = send(fd, line + done, len - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			break;
		done += (size_t)written;
	}
	return done;
}

static size_t write_some(int fd, const char *line, size_t len)
{
	struct stat info;

	if (fstat(fd, &info) != 0)
		return 0;
	if (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode))
		return write_waiting_file(fd, line, len);
	return S_ISSOCK(info.st_mode) ? write_socket(fd, line, len)
				      : write_pieces(fd, false, line, len);
}

/* A line that cannot be written is given up: serving goes on. */
static void write_fd(void *context, const char *line, size_t len)
{
	struct log_output *output = context;
	size_t done = 0;

	if (output->torn && write_some(output->fd, "\n", 1) == 1)
		output->torn = false;
	if (!output->torn)
		done = write_some(output->fd, line, len);
	if (done == len)
		return;
	output->torn |= done > 0;
	output->lost++;
	output->lost_total++;
}

void log_init_fd(struct log *log, int fd, const char *node)
{
	*log = (struct log){
		.level = LOG_INFO,
		.format = LOG_LOGFMT,
		.node = node,
		.wall_us = system_wall_us,
		.write = write_fd,
		.context = &log->output,
		.output = {.fd = fd, .ready = is_ready},
		.has_output = true,
	};
}
