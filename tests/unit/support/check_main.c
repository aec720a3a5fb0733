/* The main() of every test program: runs what the tests of its file have registered. */
#include "check_main.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* By line: constructors run in no order that C would promise. */
static struct check_entry *entries;
static int timeout_s = CHECK_TIMEOUT_S;

void check_register(struct check_entry *entry)
{
	struct check_entry **at = &entries;

	while (*at != NULL && (*at)->line < entry->line)
		at = &(*at)->next;
	entry->next = *at;
	*at = entry;
}

void check_set_timeout(int seconds)
{
	timeout_s = seconds;
}

/* "tests/unit/rsm/test_force.c" is "rsm/force". */
static void name_of(const char *file, char *name, size_t size)
{
	static const char unit[] = "unit/", test[] = "test_";
	const char *room = strstr(file, unit);
	const char *base = strrchr(file, '/');

	room = room == NULL ? file : room + strlen(unit);
	base = base == NULL ? file : base + 1;
	int len = (int)(base - room);
	if (strncmp(base, test, strlen(test)) == 0)
		base += strlen(test);
	snprintf(name, size, "%.*s%.*s", len < 0 ? 0 : len, room, (int)strcspn(base, "."), base);
}

static TCase *case_of(const char *name, const struct check_entry *fixture)
{
	TCase *tcase = tcase_create(name);

	/* What is set here is stronger than CK_DEFAULT_TIMEOUT, and shall not be. */
	if (getenv("CK_DEFAULT_TIMEOUT") == NULL || timeout_s > CHECK_TIMEOUT_S)
		tcase_set_timeout(tcase, timeout_s);
	if (fixture != NULL)
		tcase_add_checked_fixture(tcase, fixture->setup, fixture->teardown);
	return tcase;
}

int main(void)
{
	char name[128] = "nothing";

	if (entries != NULL)
		name_of(entries->file, name, sizeof name);
	Suite *suite = suite_create(name);
	TCase *tcase = case_of(name, NULL);
	suite_add_tcase(suite, tcase);
	for (const struct check_entry *entry = entries; entry != NULL; entry = entry->next) {
		if (entry->test != NULL) {
			tcase_add_loop_test(tcase, entry->test, entry->from, entry->to);
		} else {
			tcase = case_of(name, entry);
			suite_add_tcase(suite, tcase);
		}
	}
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int run = srunner_ntests_run(runner), failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return run > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

bool check_aborts(void (*action)(void))
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
