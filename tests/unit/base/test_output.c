/*
 * stdout that cannot be written: the exit code and stderr say so, whichever function printed, and
 * how much.
 */
/* faults: 95 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/check_main.h"
#include "base/output.h"

/* Which stdout a child gets. */
enum target { FULL, CLOSED, CLOSED_PIPE, GOOD, NONBLOCKING_PIPE };

static void become(enum target target)
{
	int ends[2];
	switch (target) {
	case FULL: dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO); break;
	case CLOSED: close(STDOUT_FILENO); break;
	case GOOD: dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO); break;
	case CLOSED_PIPE:
		if (pipe(ends) == 0) {
			dup2(ends[1], STDOUT_FILENO);
			close(ends[0]);
		}
		break;
	case NONBLOCKING_PIPE:
		if (pipe(ends) != 0)
			_exit(99);
		if (fork() == 0) { /* a slow reader */
			char byte[4096];
			close(ends[1]);
			while (read(ends[0], byte, sizeof byte) > 0)
				usleep(100);
			_exit(0);
		}
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
	}
}

/*
 * The exit code of a program that prints `count` bytes and ends with `code`, and what it has said
 * on stderr.
 */
static int outcome(enum target target, size_t count, int code, char *said, size_t size)
{
	int ends[2];
	ck_assert_int_eq(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		become(target);
		output_begin();
		for (size_t i = 0; i < count; i++)
			putchar('x');
		_exit(output_exit_code(code, "program", "cannot write"));
	}
	close(ends[1]);
	size_t len = 0;
	ssize_t got;
	while ((got = read(ends[0], said + len, size - 1 - len)) > 0)
		len += (size_t)got;
	said[len] = '\0';
	close(ends[0]);
	int status = 0;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Less than stdio's buffer, so that only the end shows it, and much more. */
static const size_t counts[] = {1, 100, 1000000};

/*
 * Output that could not be written makes success an exit code of its own, and says why, however
 * much it was.
 */
START_TEST(what_could_not_be_written_is_not_success)
{
	char said[256];
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		ck_assert_int_eq(outcome(FULL, counts[i], 0, said, sizeof said), EXIT_NOT_PRINTED);
		ck_assert_str_eq(said, "program: cannot write: No space left on device\n");
		ck_assert_int_eq(outcome(CLOSED, counts[i], 0, said, sizeof said),
				 EXIT_NOT_PRINTED);
		ck_assert_str_eq(said, "program: cannot write: Bad file descriptor\n");
	}
}
END_TEST

/*
 * A command that has failed anyhow keeps its exit code; that the output is missing is said as
 * well.
 */
START_TEST(a_failure_keeps_its_code)
{
	char said[256];
	ck_assert_int_eq(outcome(FULL, 100, 2, said, sizeof said), 2);
	ck_assert_str_eq(said, "program: cannot write: No space left on device\n");
}
END_TEST

/*
 * A reader that has seen enough closes its pipe: that changes no exit code, and nothing is said.
 */
START_TEST(a_reader_that_has_gone_is_no_failure)
{
	char said[256];
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		ck_assert_int_eq(outcome(CLOSED_PIPE, counts[i], 0, said, sizeof said), 0);
		ck_assert_str_eq(said, "");
		ck_assert_int_eq(outcome(CLOSED_PIPE, counts[i], 1, said, sizeof said), 1);
		ck_assert_str_eq(said, "");
	}
}
END_TEST

/*
 * Output that arrives is success, on a pipe that does not block too; where nothing is printed,
 * nothing can be missing.
 */
START_TEST(what_is_written_is_success)
{
	char said[256];
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		ck_assert_int_eq(outcome(GOOD, counts[i], 0, said, sizeof said), 0);
		ck_assert_int_eq(outcome(NONBLOCKING_PIPE, counts[i], 0, said, sizeof said), 0);
		ck_assert_str_eq(said, "");
	}
	/* Nothing printed: nothing is missing, wherever it would have gone. */
	ck_assert_int_eq(outcome(FULL, 0, 0, said, sizeof said), 0);
	ck_assert_int_eq(outcome(CLOSED, 0, 0, said, sizeof said), 0);
	ck_assert_str_eq(said, "");
}
END_TEST

/* A descriptor that was closed is not given to the next file, or what is printed would go there. */
START_TEST(closed_descriptors_are_not_given_away)
{
	pid_t child = fork();
	if (child == 0) {
		close(STDIN_FILENO);
		close(STDOUT_FILENO);
		close(STDERR_FILENO);
		output_begin();
		char byte;
		bool good = open("/dev/null", O_RDWR) > STDERR_FILENO;
		good &= read(STDIN_FILENO, &byte, 1) < 0 && errno == EBADF;
		good &= write(STDOUT_FILENO, "x", 1) < 0 && errno == EBADF;
		_exit(good ? 0 : 1);
	}
	int status = 0;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

/* After an error nothing more is written, until the program has asked: then it starts over. */
START_TEST(nothing_stands_behind_a_gap)
{
	pid_t child = fork();
	if (child == 0) {
		int ends[2], full = open("/dev/full", O_WRONLY);
		char got[16] = "";
		bool good = pipe(ends) == 0 && dup2(full, STDOUT_FILENO) == STDOUT_FILENO;
		output_begin();
		printf("lost");
		fflush(stdout);
		good &= output_error() == ENOSPC && dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO;
		printf("dropped");
		fflush(stdout);
		good &= output_end() == ENOSPC && output_error() == 0;
		printf("kept");
		good &= output_end() == 0;
		good &= read(ends[0], got, sizeof got - 1) == 4 && strcmp(got, "kept") == 0;
		output_failed(EIO);
		output_failed(ENOSPC);
		good &= output_end() == EIO;
		_exit(good ? 0 : 1);
	}
	int status = 0;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST
