/* Standard output of the tools: nothing that cannot be written is lost in silence. */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES 65536u

static int first_error; /* errno of the first write that failed */

/* Waits until a descriptor that does not block takes more; whoever gave it to us has made it so. */
static int wait_writable(int fd)
{
	struct pollfd wanted = {.fd = fd, .events = POLLOUT};
	return poll(&wanted, 1, -1) < 0 && errno != EINTR ? -1 : 0;
}

/*
 * Always takes everything: the stream stays usable, and its buffer empty, whatever happens below.
 */
static ssize_t take(void *cookie, const char *data, size_t size)
{
	(void)cookie;
	for (size_t done = 0; done < size && first_error == 0;) {
		ssize_t written = write(STDOUT_FILENO, data + done, size - done);
		if (written >= 0)
			done += (size_t)written;
		else if ((errno == EAGAIN || errno == EWOULDBLOCK) &&
			 wait_writable(STDOUT_FILENO) == 0)
			continue;
		else if (errno != EINTR)
			first_error = errno;
	}
	return (ssize_t)size;
}

static void open_standard_descriptors(void)
{
	static const int wrong_way[] = {O_WRONLY, O_RDONLY, O_RDWR};
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		/* The lowest free number is this one: those below are open by now. */
		int opened = open("/dev/null", wrong_way[fd]);
		if (opened >= 0 && opened != fd) {
			dup2(opened, fd);
			close(opened);
		}
	}
}

void output_begin(void)
{
	open_standard_descriptors();
	/* Errors of the write, and not the end of the process. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = take});
	if (stream == NULL)
		return; /* no memory: stdio's own stream, whose errors show less well */
	bool terminal = isatty(STDOUT_FILENO) == 1;
	setvbuf(stream, NULL, terminal ? _IOLBF : _IOFBF, BUFFER_BYTES);
	stdout = stream;
}

int output_error(void)
{
	return first_error;
}

void output_failed(int error)
{
	if (first_error == 0)
		first_error = error;
}

int output_end(void)
{
	if (fflush(stdout) != 0 && first_error == 0)
		first_error = errno;
	int error = first_error;
	first_error = 0;
	clearerr(stdout);
	return error;
}

int output_close(void)
{
	int error = output_end();
	if (close(STDOUT_FILENO) != 0 && error == 0 && errno != EINTR)
		error = errno;
	return error;
}

int output_exit_code(int exit_code, const char *program, const char *what)
{
	int error = output_close();
	if (error == 0 || error == EPIPE)
		return exit_code;
	fprintf(stderr, "%s: %s: %s\n", program, what, strerror(error));
	return exit_code == 0 ? EXIT_NOT_PRINTED : exit_code;
}
