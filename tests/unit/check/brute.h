/*
 * A judge of small histories so simple that it is obviously right: it tries every order, with a
 * store written down a second time, on strings.
 */
#ifndef SYNOD_TESTS_CHECK_BRUTE_H
#define SYNOD_TESTS_CHECK_BRUTE_H

#include <stdbool.h>

#include "check/check.h"

#define BRUTE_CALLS_MAX 8
#define BRUTE_KEYS_MAX 4

bool brute_linearizable(const struct check_history *h);

/*
 * What the calls see if they are done in this order; those that are not in it are not done and keep
 * what they saw.
 */
void brute_answer(struct check_history *h, const uint32_t *order, uint32_t count);

#endif
