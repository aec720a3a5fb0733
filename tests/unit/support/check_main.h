/*
 * What every suite has: the main() of check_main.c, which runs the tests of its file in the order
 * in which they stand there, and says by its exit status whether all passed. Nothing lists them:
 *
 *   START_TEST(name)                       registers itself
 *   START_LOOP_TEST(name, from, to)        is run with _i from `from` to below `to`
 *   CHECK_FIXTURE(setup, teardown)         around each test behind it in the file
 *   CHECK_TIMEOUT(seconds)                 for suites with a test that takes longer than the others
 *
 * Each test has a limit of CHECK_TIMEOUT_S, unless CK_DEFAULT_TIMEOUT says something else. The suite
 * is called after its file: CK_RUN_SUITE=rsm/force.
 */
#ifndef SYNOD_TESTS_CHECK_MAIN_H
#define SYNOD_TESTS_CHECK_MAIN_H

#include <check.h>
#include <stdbool.h>

enum { CHECK_TIMEOUT_S = 120 };

/* A test, or, without one, what surrounds those behind it. Static: it is never freed. */
struct check_entry {
	const char *file;
	int line;
	const TTest *test;
	int from, to;
	SFun setup, teardown;
	struct check_entry *next;
};

/* Both are called before main(). */
void check_register(struct check_entry *entry);
void check_set_timeout(int seconds);

#undef START_TEST
#define START_TEST(name) START_LOOP_TEST(name, 0, 1)

#define START_LOOP_TEST(name, first, end) \
	static void name##_test(int _i); \
	__attribute__((constructor)) static void name##_register(void) \
	{ \
		static const TTest test = {#name, name##_test, __FILE__, __LINE__}; \
		static struct check_entry entry = {.file = __FILE__, .line = __LINE__}; \
		entry.test = &test; \
		entry.from = (first); \
		entry.to = (end); \
		check_register(&entry); \
	} \
	static void name##_test(int _i CK_ATTRIBUTE_UNUSED)

#define CHECK_FIXTURE(begin, end) \
	__attribute__((constructor)) static void begin##_register(void) \
	{ \
		static struct check_entry entry = {.file = __FILE__, .line = __LINE__}; \
		entry.setup = (begin); \
		entry.teardown = (end); \
		check_register(&entry); \
	}

#define CHECK_TIMEOUT(seconds) \
	__attribute__((constructor)) static void check_timeout_register(void) \
	{ \
		check_set_timeout(seconds); \
	}

/*
 * As ck_assert_msg(), but costs nothing when it holds; the library's writes a line to a file each
 * time: for inner loops.
 */
#define CHECK_THAT(condition, ...) \
	do { \
		if (!(condition)) \
			ck_abort_msg(__VA_ARGS__); \
	} while (0)

/* True if `action` aborts the process, as a failed ASSERT does. Works with CK_FORK=no too. */
bool check_aborts(void (*action)(void));

#endif
