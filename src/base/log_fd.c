#include <errno.h>
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

/* A log that cannot be written is given up line by line: there is nowhere to report it, and serving goes on. */
static void write_fd(void *context, const char *line, size_t len)
{
	int fd = (int)(intptr_t)context;

	while (len > 0) {
		ssize_t written = write(fd, line, len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		line += written;
		len -= (size_t)written;
	}
}

void log_init_fd(struct log *log, int fd, const char *node)
{
	*log = (struct log){
		.level = LOG_INFO,
		.format = LOG_LOGFMT,
		.node = node,
		.wall_us = system_wall_us,
		.write = write_fd,
		.context = (void *)(intptr_t)fd,
	};
}
