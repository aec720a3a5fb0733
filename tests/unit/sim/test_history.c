/* The checker of list histories: what it accepts, and each way in which a history can be wrong. */
#include <stdlib.h>
#include <string.h>

#include "../support/check_main.h"
#include "sim/history.h"

static struct sim_history history;
static struct buffer why;

static void setup(void)
{
	history = (struct sim_history){0};
	why = (struct buffer){0};
}

static void teardown(void)
{
	sim_history_free(&history);
	buffer_free(&why);
}

CHECK_FIXTURE(setup, teardown)

/* An append from call to end with this outcome; returns its value. */
static uint64_t append(uint64_t call, uint64_t end, enum sim_history_outcome outcome,
		       uint32_t length)
{
	size_t op = sim_history_call(&history, SIM_HISTORY_APPEND, 1, 3, call);
	if (outcome == SIM_HISTORY_OK)
		sim_history_return_append(&history, op, length, end);
	else if (outcome != SIM_HISTORY_OPEN)
		sim_history_return(&history, op, outcome, end);
	return history.operations[op].value;
}

static void read_list(uint64_t call, uint64_t end, const uint64_t *list, uint32_t length)
{
	size_t op = sim_history_call(&history, SIM_HISTORY_READ, 2, 3, call);
	sim_history_return_read(&history, op, list, length, end);
}

static bool check(void)
{
	buffer_clear(&why);
	return sim_history_check(&history, true, &why);
}

static bool says(const char *text)
{
	buffer_add_u8(&why, 0);
	return strstr((const char *)why.data, text) != NULL;
}

/*
 * Concurrent operations may take effect in either order; unknown ones may have happened, or
 * not, or late.
 */
START_TEST(a_fine_history_is_accepted)
{
	ck_assert(check());
	uint64_t a = append(0, 10, SIM_HISTORY_OK, 2);
	uint64_t b = append(5, 12, SIM_HISTORY_OK, 1);
	uint64_t c = append(6, 0, SIM_HISTORY_UNKNOWN, 0);
	append(7, 8, SIM_HISTORY_FAILED, 0);
	append(9, 0, SIM_HISTORY_OPEN, 0);
	read_list(11, 20, (uint64_t[]){b, a}, 2);
	read_list(11, 30, (uint64_t[]){b, a, c}, 3);
	read_list(13, 30, (uint64_t[]){b, a}, 2);
	ck_assert_msg(check(), "%.*s", (int)why.len, (const char *)why.data);
}
END_TEST

/*
 * An acknowledged append that the last read does not show is lost, but only if that read
 * was the last.
 */
START_TEST(a_lost_append_is_found)
{
	uint64_t a = append(0, 1, SIM_HISTORY_OK, 1);
	append(2, 3, SIM_HISTORY_OK, 2);
	read_list(2, 5, &a, 1);
	ck_assert(sim_history_check(&history, false, &why));
	ck_assert(!check());
	ck_assert(says("lost"));
}
END_TEST

/* faults: 49. A retry that is applied again shows as a value that stands there twice. */
START_TEST(append_applied_twice)
{
	uint64_t a = append(0, 1, SIM_HISTORY_OK, 1);
	read_list(2, 3, (uint64_t[]){a, a}, 2);
	ck_assert(!check());
	ck_assert(says("twice"));
}
END_TEST

/* faults: 50. What failed for certain must never show. */
START_TEST(failed_append_applied)
{
	uint64_t a = append(0, 1, SIM_HISTORY_FAILED, 0);
	read_list(2, 3, &a, 1);
	ck_assert(!check());
	ck_assert(says("failed for certain"));
}
END_TEST

/* Two reads of which neither is a beginning of the other cannot both be right. */
START_TEST(two_histories_cannot_both_be_right)
{
	uint64_t a = append(0, 9, SIM_HISTORY_OK, 1), b = append(0, 9, SIM_HISTORY_OK, 2);
	read_list(1, 8, &b, 1);
	read_list(10, 11, (uint64_t[]){a, b}, 2);
	ck_assert(!check());
	ck_assert(says("no beginning"));
}
END_TEST

/* faults: 43, 44. A read may not miss what was acknowledged, or read, before it began. */
START_TEST(a_stale_read_is_found)
{
	uint64_t a = append(0, 1, SIM_HISTORY_OK, 1);
	read_list(2, 3, NULL, 0);
	read_list(4, 5, &a, 1);
	ck_assert(!check());
	ck_assert(says("stale"));
	teardown();
	setup();
	a = append(0, 100, SIM_HISTORY_OK, 1);
	read_list(2, 3, &a, 1);
	read_list(4, 5, NULL, 0);
	ck_assert(!check());
	ck_assert(says("stale"));
}
END_TEST

static void read_old(uint64_t since, uint64_t call, uint64_t end, const uint64_t *list,
		     uint32_t length)
{
	size_t op = sim_history_call(&history, SIM_HISTORY_READ, 2, 3, call);
	sim_history_read_since(&history, op, since);
	sim_history_return_read(&history, op, list, length, end);
}

/*
 * faults: 43. It may miss what has been acknowledged since a moment that it names, in
 * whatever order that is recorded.
 */
START_TEST(read_that_may_be_old)
{
	for (uint64_t since = 4; since <= 7; since++) {
		uint64_t a = append(0, 1, SIM_HISTORY_OK, 1);
		uint64_t b = append(2, 5, SIM_HISTORY_OK, 2);
		read_list(6, 7, (uint64_t[]){a, b}, 2);
		read_old(since, 10, 11, &a, 1);
		ck_assert_int_eq(check(), since <= 5);
		ck_assert(since <= 5 || says("stale"));
		teardown();
		setup();
	}
	/* What it has seen, others see that begin later, if they say nothing of the kind. */
	uint64_t a = append(0, 100, SIM_HISTORY_OK, 1);
	read_old(0, 2, 3, &a, 1);
	read_old(2, 4, 5, NULL, 0);
	read_list(6, 7, &a, 1);
	ck_assert(check());
	read_list(8, 9, NULL, 0);
	ck_assert(!check());
	/* It sees nothing that nobody appended. */
	teardown();
	setup();
	append(0, 1, SIM_HISTORY_FAILED, 1);
	read_old(0, 2, 3, (uint64_t[]){1}, 1);
	ck_assert(!check());
}
END_TEST

/*
 * An append that began after another had ended stands behind it, also if its own outcome is
 * unknown.
 */
START_TEST(appends_out_of_order)
{
	uint64_t a = append(0, 1, SIM_HISTORY_OK, 2);
	uint64_t b = append(2, 0, SIM_HISTORY_UNKNOWN, 0);
	read_list(5, 6, (uint64_t[]){b, a}, 2);
	ck_assert(!check());
	ck_assert(says("stands before"));
}
END_TEST

/*
 * An append that began after a read had ended cannot have been seen by it: it stands behind
 * what was seen.
 */
START_TEST(read_from_the_future)
{
	uint64_t a = append(0, 1, SIM_HISTORY_OK, 1);
	read_list(2, 3, (uint64_t[]){a, 3}, 2);
	append(4, 5, SIM_HISTORY_OK, 2); /* its value is 3 */
	ck_assert(!check());
	ck_assert(says("stands before"));
}
END_TEST

/* An append is told the length of the list after it. */
START_TEST(an_append_at_a_wrong_place_is_found)
{
	uint64_t a = append(0, 5, SIM_HISTORY_OK, 2), b = append(0, 5, SIM_HISTORY_OK, 2);
	read_list(6, 7, (uint64_t[]){a, b}, 2);
	ck_assert(!check());
	ck_assert(says("another place"));
}
END_TEST

/* A value that nobody appended, or that was appended to another key. */
START_TEST(an_invented_value_is_found)
{
	uint64_t a = append(0, 5, SIM_HISTORY_OK, 1);
	read_list(6, 7, (uint64_t[]){a, 77}, 2);
	ck_assert(!check());
	ck_assert(says("nobody appended"));
	teardown();
	setup();
	size_t other = sim_history_call(&history, SIM_HISTORY_APPEND, 1, 4, 0);
	read_list(6, 7, &history.operations[other].value, 1);
	ck_assert(!check());
	ck_assert(says("nobody appended"));
}
END_TEST
