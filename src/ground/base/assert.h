/*
 * Assertions that stay in release builds: a broken invariant ends the process
 * before it can harm data. What the world can cause is an error, never an
 * assertion.
 */
#ifndef SYNOD_BASE_ASSERT_H
#define SYNOD_BASE_ASSERT_H

__attribute__((noreturn, cold)) void assert_failed(const char *expression, const char *file,
						   int line);

#define ASSERT(expression) \
	(__builtin_expect(!!(expression), 1) ? (void)0 \
					     : assert_failed(#expression, __FILE__, __LINE__))

#endif
