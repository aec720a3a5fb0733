/*
 * What is left of a violation when everything that does not matter is taken away, and how that is
 * shown.
 */
#include "check/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "story.h"

/*
 * Checks a story that is impossible, and compares the lines that are left (from 1) with a text like
 * "1 3 4".
 */
static void expect_left(const char *const *lines, const char *expected)
{
	struct check_history h;
	struct check_report report;
	struct buffer left = {0};
	story_read(&h, lines);
	check_history(&h, NULL, &report);
	ck_assert_int_eq(report.verdict, CHECK_VIOLATION);
	for (uint32_t i = 0; i < report.violation.count; i++)
		buffer_format(&left, "%s%u", i == 0 ? "" : " ",
			      h.calls[report.violation.items[i].call].line);
	buffer_add_u8(&left, 0);
	ck_assert_str_eq((char *)left.data, expected);
	buffer_free(&left);
	check_report_free(&report);
	check_history_free(&h);
}

/* Calls on other keys are dropped. */
START_TEST(calls_on_other_keys_are_dropped)
{
	static const char *const lines[] = {"put y 1  |-|", "put x 1      |-|",
					    "get y 1          |-|", "get x -              |-|",
					    NULL};
	expect_left(lines, "2 4");
}
END_TEST

/* What came before, and was replaced, is dropped, and so is what came after. */
START_TEST(drops_before_and_after)
{
	static const char *const lines[] = {"put x 1  |-|",
					    "get x 1      |-|",
					    "put x 2          |-|",
					    "put x 3              |-|",
					    "get x 2                  |-|",
					    "put x 4                      |-|",
					    "get x 4                          |-|",
					    NULL};
	expect_left(lines, "3 4 5");
}
END_TEST

/* Reads that saw what they should are dropped, though they stand between the calls that matter. */
START_TEST(reads_that_saw_the_right_thing_are_dropped)
{
	static const char *const lines[] = {"put x 1  |-|",
					    "get x 1     |-|",
					    "put x 2         |-|",
					    "get x 2            |-|",
					    "get x 2              |-|",
					    "get x 1                 |-|",
					    NULL};
	expect_left(lines, "1 3 6");
}
END_TEST

/*
 * The writer of a value that was read stays, for without it the read would be wrong for another
 * reason.
 */
START_TEST(the_writer_of_a_value_that_was_read_stays)
{
	static const char *const lines[] = {"put x 1  |-|", "put x 2  |-|", "put x 3      |-|",
					    "get x 2          |-|", NULL};
	expect_left(lines, "2 3 4");
}
END_TEST

/* Of a transaction's key that has nothing to do with it, nothing stays but its name. */
START_TEST(drops_other_keys_of_transactions)
{
	static const char *const lines[] = {"put z 9                |-|",
					    "txn put x 1 ; put y 1      |-|",
					    "get z 9                        |-|",
					    "txn get x 1 ; get z 9               |-|",
					    "txn get x 1 ; get y -                    |-|",
					    NULL};
	expect_left(lines, "2 5");
}
END_TEST

/* When only the versions are wrong, they stay. */
START_TEST(wrong_versions_stay_versions)
{
	static const char *const lines[] = {"put x 1 v1  |-|", "put x 2 v1      |-|",
					    "get x 2             |-|", NULL};
	expect_left(lines, "1 2");
}
END_TEST

/*
 * The calls that are left are weaker than they were, and as a history of their own still have no
 * order.
 */
START_TEST(left_calls_are_a_violation)
{
	static const char *const lines[] = {
		"append x a = a       |-|",          "append x b = ab        |-|",
		"append x c = abc          |-|",     "append x d = abdd           |-|",
		"get x abcd                    |-|", NULL};
	struct check_history h, small;
	struct check_report report, again;
	story_read(&h, lines);
	check_history(&h, NULL, &report);
	ck_assert_int_eq(report.verdict, CHECK_VIOLATION);
	check_violation_history(&h, &report.violation, &small);
	ck_assert_uint_eq(small.count, report.violation.count);
	check_history(&small, NULL, &again);
	ck_assert_int_eq(again.verdict, CHECK_VIOLATION);
	check_report_free(&again);
	check_report_free(&report);
	check_history_free(&small);
	check_history_free(&h);
}
END_TEST

static char *show(const char *const *lines,
		  void (*how)(const struct check_history *, const struct check_report *,
			      const struct check_names *, struct buffer *))
{
	static const char *const files[] = {"h"};
	struct check_history h;
	struct check_report report;
	struct buffer out = {0};
	story_read(&h, lines);
	check_history(&h, NULL, &report);
	how(&h, &report, &(struct check_names){.files = files, .unit_us = 1}, &out);
	buffer_add_u8(&out, 0);
	check_report_free(&report);
	check_history_free(&h);
	return (char *)out.data;
}

static const char *const STALE[] = {"put x 1  |-|", "put x 2      |-|", "get x 1          |-|",
				    NULL};

/* The text shows places, calls, when they were, and which does not fit. */
START_TEST(the_text_shows_which_call_does_not_fit)
{
	char *out = show(STALE, check_show_text);
	ck_assert_str_eq(out, "not linearizable: \"x\"\n\n"
			      "  h:1  client 0  put \"x\" \"1\"    |-|\n"
			      "  h:2  client 1  put \"x\" \"2\"        |-|\n"
			      "  h:3  client 2  get \"x\" → \"1\"          |-|  <- does not fit\n"
			      "\nTime runs from left to right, 10 µs in all, and not to scale. \n"
			      "No order of these 3 calls (of 3 on the same keys) agrees with their "
			      "times and with what they saw. "
			      "The furthest that one gets is put \"x\" \"1\", then put \"x\" "
			      "\"2\". Then \"x\" is \"2\", and nothing that was "
			      "under way makes this fit: get \"x\" → \"1\" (h:3).\n");
	free(out);
}
END_TEST

/* Unknown outcomes are dotted, and what is too long is shortened in the middle. */
START_TEST(text_of_unusual_calls)
{
	static const char *const lines[] = {
		"put x abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz  |->",
		"get x abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz    |-|",
		"put x 2                                                            |-|",
		"get x abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz               |-|",
		NULL};
	char *out = show(lines, check_show_text);
	ck_assert_ptr_nonnull(
		strstr(out, "\"abcdefghijklmnop…cdefghijklmnopqrstuvwxyz\" (52 bytes)"));
	ck_assert_ptr_nonnull(strstr(out, "...>"));
	free(out);
}
END_TEST

/* The page is complete, refers to nothing outside itself, and shows text as text. */
START_TEST(the_page_is_complete_and_quotes_text)
{
	static const char *const lines[] = {"put x <b>&  |-|", "put x 2         |-|",
					    "get x <b>&         |-|", NULL};
	char *out = show(lines, check_show_html);
	ck_assert_ptr_nonnull(strstr(out, "<!DOCTYPE html>"));
	ck_assert_ptr_nonnull(strstr(out, "</html>"));
	ck_assert_ptr_nonnull(strstr(out, "&lt;b&gt;&amp;"));
	ck_assert_ptr_null(strstr(out, "<b>"));
	ck_assert_ptr_null(strstr(out, "http"));
	ck_assert_ptr_null(strstr(out, "src="));
	ck_assert_ptr_null(strstr(out, "url("));
	free(out);
}
END_TEST
