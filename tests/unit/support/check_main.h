/*
 * The main() of a test program: CHECK_MAIN("map", first_test, second_test) runs the
 * tests of one suite and says by its exit status whether all passed. CHECK_MAIN_LOOPS("map",
 * {first_test, 0, 1}, {second_test, 0, 3}) runs each test with _i from the first number to below
 * the second.
 */
#ifndef SYNOD_TESTS_CHECK_MAIN_H
#define SYNOD_TESTS_CHECK_MAIN_H

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * As ck_assert_msg(), but costs nothing when it holds; the library's writes a line to a file each
 * time: for inner loops.
 */
#define CHECK_THAT(condition, ...) \
	do { \
		if (!(condition)) \
			ck_abort_msg(__VA_ARGS__); \
	} while (0)

struct check_loop {
	const TTest *test;
	int from, to;
};

static inline int check_main_run_loops(const char *name, const struct check_loop *loops,
				       size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner = srunner_create(suite);

	for (size_t i = 0; i < count; i++)
		tcase_add_loop_test(tcase, loops[i].test, loops[i].from, loops[i].to);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static inline int check_main_run(const char *name, const TTest *const *tests, size_t count)
{
	struct check_loop *loops = calloc(count, sizeof *loops);

	for (size_t i = 0; loops != NULL && i < count; i++)
		loops[i] = (struct check_loop){.test = tests[i], .to = 1};
	int status = loops == NULL ? EXIT_FAILURE : check_main_run_loops(name, loops, count);
	free(loops);
	return status;
}

#define CHECK_MAIN_LOOPS(name, ...) \
	int main(void) \
	{ \
		const struct check_loop loops[] = {__VA_ARGS__}; \
		return check_main_run_loops(name, loops, sizeof loops / sizeof loops[0]); \
	}

#define CHECK_MAIN(name, ...) \
	int main(void) \
	{ \
		const TTest *const tests[] = {__VA_ARGS__}; \
		return check_main_run(name, tests, sizeof tests / sizeof tests[0]); \
	}

/* True if `action` aborts the process, as a failed ASSERT does. Works with CK_FORK=no too. */
static inline bool check_aborts(void (*action)(void))
{
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		int null = open("/dev/null", O_WRONLY);
		if (null >= 0)
			dup2(null, STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		action();
		_exit(0);
	}
	int status = 0;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#endif
