/*
 * Short histories, each with the sentence that says why it is possible or not. The notation stands
 * in story.h.
 */
#include "check/check.h"

#include <stdio.h>

#include "../support/check_main.h"
#include "brute.h"
#include "story.h"

struct story {
	const char *why;
	const char *lines[9];
};

static const struct story POSSIBLE[] = {
	{"nothing happened", {NULL}},
	{"a key that nobody wrote is missing", {"get x -      |-|"}},
	{"what was put is read", {"put x 1  |-|", "get x 1      |-|"}},
	{"a read beside a put may come before it", {"put x 1  |---|", "get x -    |-|"}},
	{"a read beside a put may come after it", {"put x 1  |---|", "get x 1    |-|"}},
	{"of two puts side by side either may be last",
	 {"put x 1  |----|", "put x 2  |----|", "get x 1         |-|"}},
	{"of two puts side by side the other may be last",
	 {"put x 1  |----|", "put x 2  |----|", "get x 2         |-|"}},
	{"two reads beside a put may see the old and then the new value",
	 {"put x 1  |-|", "put x 2      |---------|", "get x 1       |-|",
	  "get x 2            |-|"}},
	{"a call that begins in the moment in which another returns overlaps it",
	 {"put x 1  |--|", "get x -     |--|"}},
	{"keys have nothing to do with each other",
	 {"put x 1  |-|", "get y -      |-|", "put y 1           |-|",
	  "get x 1                |-|"}},
	{"an unknown put may have had its effect", {"put x 1  |->", "get x 1      |-|"}},
	{"an unknown put may have had none", {"put x 1  |->", "get x -      |-|"}},
	{"an unknown put may have its effect late",
	 {"put x 1  |->", "get x -      |-|", "get x 1           |-|"}},
	{"an unknown put may have its effect after a later put",
	 {"put x 1  |->", "put x 2      |-|", "get x 2           |-|",
	  "get x 1                |-|"}},
	{"an unknown put hides a later one only for whoever reads after it",
	 {"put x 1  |->", "put x 2      |-|", "put x 3          |-|", "get x 1              |-|",
	  "get x 1                  |-|"}},
	{"a put that failed was not done", {"put x 1  |-x", "get x -      |-|"}},
	{"of many unknown puts one may have won",
	 {"put x 1  |->", "put x 2  |->", "put x 3  |->", "get x 2      |-|",
	  "get x 1           |-|"}},
	{"a deleted key is missing", {"put x 1  |-|", "del x        |-|", "get x -          |-|"}},
	{"an unknown delete may come between two reads",
	 {"put x 1  |-|", "del x        |->", "get x 1          |-|", "get x -              |-|"}},
	{"a delete that says the key was there came after the put",
	 {"put x 1  |---|", "del x was  |---|", "get x -           |-|"}},
	{"a delete that says the key was missing came before the put",
	 {"put x 1      |---|", "del x missing  |---|", "get x 1               |-|"}},
	{"appends are in the order that the results tell",
	 {"append x a = ba  |---|", "append x b = b   |---|", "get x ba               |-|"}},
	{"an append whose result was not seen stands where a later read shows it",
	 {"append x a  |-------|", "append x b   |-|", "append x c        |-|",
	  "get x bac             |-|"}},
	{"an unknown append shows in a later one's result",
	 {"append x a        |->", "append x b = ab       |-|"}},
	{"an unknown append may come between two others",
	 {"append x a = a     |-|", "append x z            |->", "append x b = ab          |-|",
	  "append x c = abzc            |-|"}},
	{"a put starts the string again",
	 {"append x a = a  |-|", "put x z             |-|", "append x b = zb         |-|"}},
	{"a cas replaces the value that it expects",
	 {"put x 1         |-|", "cas x 1 2 done      |-|", "get x 2                 |-|"}},
	{"a cas that was refused saw another value",
	 {"put x 1             |-|", "cas x 3 2 refused 1     |-|",
	  "get x 1                      |-|"}},
	{"a refused cas may have seen a value that was there for a moment only",
	 {"put x 1             |-|", "cas x 1 2 refused 3     |--------|",
	  "put x 3                   |-|", "put x 1                       |-|"}},
	{"a cas for a missing key is done once",
	 {"cas x - 1 done       |----|", "cas x - 2 refused 1  |----|",
	  "get x 1                     |-|"}},
	{"of two cas from the same value one may win",
	 {"put x 1         |-|", "cas x 1 2 done      |---|", "cas x 1 3 refused   |---|",
	  "get x 2                   |-|"}},
	{"an unknown cas may have been done",
	 {"put x 1   |-|", "cas x 1 2     |->", "get x 2           |-|"}},
	{"an unknown cas may be done when the value that it expects comes",
	 {"cas x 1 2  |->", "put x 1        |-|", "get x 2            |-|"}},
	{"counters count",
	 {"incr x 1 = 1  |-|", "incr x 2 = 3      |-|", "get x 3               |-|"}},
	{"an unknown incr shows in a later result", {"incr x 5      |->", "incr x 1 = 6      |-|"}},
	{"counters go below zero", {"incr x -2 = -2  |-|", "get x -2            |-|"}},
	{"versions count the writes since the key was created",
	 {"put x 1 v1     |-|", "append x a v2      |-|", "get x 1a v2            |-|",
	  "del x                      |-|", "put x 2 v1                     |-|"}},
	{"versions tell the order of puts that nobody else can tell",
	 {"put x 1 v2  |----|", "put x 2 v1  |----|", "get x 1             |-|"}},
	{"a gap in the versions may be an unknown put",
	 {"put x 1 v1  |-|", "put x 2         |->", "put x 3 v3          |-|"}},
	{"a transaction reads what another has written, all of it",
	 {"txn put x 1 ; put y 1  |-|", "txn get x 1 ; get y 1      |-|"}},
	{"transactions side by side have an order",
	 {"txn put x 1 ; put y 1  |----|", "txn put x 2 ; put y 2  |----|",
	  "txn get x 1 ; get y 1         |-|"}},
	{"an unknown transaction is done as a whole, late",
	 {"txn put x 1 ; put y 1  |->", "get x -                    |-|",
	  "get y 1                         |-|"}},
	{"a transaction takes the branch that its compares say",
	 {"put x 1                                       |-|",
	  "txn if x=1 then put x 2 else get x ? took then    |-|",
	  "get x 2                                               |-|"}},
	{"a transaction whose compares do not hold does the other branch",
	 {"put x 1                                       |-|",
	  "txn if x=3 then put x 2 else get x 1 took else    |-|",
	  "get x 1                                               |-|"}},
	{"a compare of values is false for a missing key",
	 {"txn if x!=1 then put x 2 else get x - took else  |-|"}},
	{"an operation of a transaction sees those before it",
	 {"txn put x 1 ; append x 2 ; get x 12  |-|"}},
	{"compares ask for versions and existence",
	 {"put x 1                                |-|",
	  "txn if x#1 +x !y then put y 2 took then    |-|",
	  "get y 2                                        |-|"}},
	{"values compare by their bytes",
	 {"put x b                                  |-|",
	  "txn if x>a x<c then put x z took then         |-|",
	  "get x z                                            |-|"}},
};

static const struct story IMPOSSIBLE[] = {
	{"a value that nobody wrote is read", {"get x 1  |-|"}},
	{"a stale read: the old value after the new one was acknowledged",
	 {"put x 1  |-|", "put x 2      |-|", "get x 1          |-|"}},
	{"a lost write: the key is missing after a put", {"put x 1  |-|", "get x -      |-|"}},
	{"a read of the future", {"get x 1  |-|", "put x 1      |-|"}},
	{"two reads beside a put see the new and then the old value",
	 {"put x 1  |-|", "put x 2      |---------|", "get x 2       |-|",
	  "get x 1            |-|"}},
	{"a put that failed for certain is read", {"put x 1  |-x", "get x 1      |-|"}},
	{"an unknown put has its effect before it was called",
	 {"get x 1  |-|", "put x 1      |->"}},
	{"an unknown put has its effect twice",
	 {"put x 1  |->", "get x 1      |-|", "put x 2          |-|", "get x 1              |-|"}},
	{"two puts in turn, and readers that disagree about their order",
	 {"put x 1  |-------|", "put x 2  |-------|", "get x 1            |-|",
	  "get x 2                |-|"}},
	{"a deleted key comes back", {"put x 1  |-|", "del x        |-|", "get x 1          |-|"}},
	{"a delete that says the key was missing, after a put",
	 {"put x 1        |-|", "del x missing      |-|"}},
	{"a delete that says there was a key that nobody put", {"del x was  |-|"}},
	{"an append is done twice", {"append x a = aa  |-|"}},
	{"an append is lost", {"append x a = a  |-|", "append x b = b      |-|"}},
	{"two appends tell two orders", {"append x a = a   |---|", "append x b = b   |---|"}},
	{"a read loses the end of the string",
	 {"append x a = a   |-|", "append x b = ab      |-|", "get x a                  |-|"}},
	{"an unknown append stands in the string twice",
	 {"append x z         |->", "append x a = za        |-|",
	  "append x b = zazb          |-|"}},
	{"a cas that was done did not find what it expected",
	 {"put x 1         |-|", "cas x 3 2 done      |-|"}},
	{"two cas from the same value are both done",
	 {"put x 1         |-|", "cas x 1 2 done      |---|", "cas x 1 3 done      |---|"}},
	{"a cas is refused though the value was the one it expected",
	 {"put x 1            |-|", "cas x 1 2 refused      |-|"}},
	{"a refused cas saw a value that was never there",
	 {"put x 1              |-|", "cas x 3 2 refused 4      |-|"}},
	{"two cas for a missing key are both done",
	 {"cas x - 1 done  |----|", "cas x - 2 done  |----|"}},
	{"a counter misses one", {"incr x 1 = 1  |-|", "incr x 1 = 1      |-|"}},
	{"an incr is done twice", {"incr x 1 = 2  |-|"}},
	{"a number is made of what is none", {"put x a       |-|", "incr x 1 = 1      |-|"}},
	{"a version that is too low: a put is lost", {"put x 1 v1  |-|", "put x 2 v1      |-|"}},
	{"a version that is too high: a put is done twice",
	 {"put x 1 v1  |-|", "put x 2 v3      |-|"}},
	{"half of a transaction is read",
	 {"txn put x 1 ; put y 1  |-|", "txn get x 1 ; get y -      |-|"}},
	{"single reads see half of a transaction",
	 {"txn put x 1 ; put y 1  |-----|", "get x 1                 |-|",
	  "get y -                     |-|"}},
	{"two transactions each see the other missing: write skew",
	 {"txn if !y then put x 1 took then  |----|", "txn if !x then put y 1 took then  |----|"}},
	{"readers see two transactions in two orders: the long fork",
	 {"put x 1                |------------|", "put y 1                |------------|",
	  "txn get x 1 ; get y -    |-|", "txn get x - ; get y 1       |-|"}},
	{"each key for itself is right, both together are not",
	 {"txn put x 1 ; put y 1  |-|", "txn put x 2 ; put y 2      |---|",
	  "get x 2                      |-|", "txn get x 2 ; get y 1                |-|"}},
	{"a transaction took the branch that its compares forbid",
	 {"put x 1                           |-|", "txn if x=3 then put x 2 took then     |-|"}},
	{"a transaction that did not hold wrote all the same",
	 {"put x 1                                     |-|",
	  "txn if x=3 then put x 2 else get x 1 took else  |-|",
	  "get x 2                                             |-|"}},
	{"an unknown transaction is done by halves",
	 {"txn put x 1 ; put y 1  |->", "get x 1                    |-|",
	  "get y -                         |-|"}},
	{"a violation that shows only through a third transaction",
	 {"txn put x 1 ; put y 1  |-|", "txn get x 1 ; put z 1      |-|",
	  "txn get z 1 ; get y -          |-|"}},
};

static void check_all(const struct story *stories, size_t count, enum check_verdict verdict)
{
	for (size_t i = 0; i < count; i++) {
		struct check_history h;
		struct check_report report;
		story_read(&h, stories[i].lines);
		check_history(&h, NULL, &report);
		ck_assert_msg(report.verdict == verdict, "%s: verdict %d", stories[i].why,
			      report.verdict);
		/* So that the stories check the judge of the random tests, too. */
		ck_assert_msg(brute_linearizable(&h) == (verdict == CHECK_LINEARIZABLE),
			      "%s: judged otherwise", stories[i].why);
		check_report_free(&report);
		check_history_free(&h);
	}
}

/* What can have happened is accepted. */
START_TEST(what_can_have_happened_is_accepted)
{
	check_all(POSSIBLE, sizeof POSSIBLE / sizeof POSSIBLE[0], CHECK_LINEARIZABLE);
}
END_TEST

/* What cannot have happened is refused. */
START_TEST(what_cannot_have_happened_is_refused)
{
	check_all(IMPOSSIBLE, sizeof IMPOSSIBLE / sizeof IMPOSSIBLE[0], CHECK_VIOLATION);
}
END_TEST

/* The report counts calls by outcome, keys, and keys that belong together. */
START_TEST(the_report_counts_calls_and_keys)
{
	static const char *const lines[] = {
		"put x 1                |-|",      "put y 1                 |-x",
		"get z -                 |->",     "txn put a 1 ; put b 2   |-|",
		"get b 2                     |-|", NULL};
	struct check_history h;
	struct check_report report;
	story_read(&h, lines);
	check_history(&h, NULL, &report);
	ck_assert_uint_eq(report.calls, 5);
	ck_assert_uint_eq(report.ok, 3);
	ck_assert_uint_eq(report.failed, 1);
	ck_assert_uint_eq(report.unknown, 1);
	ck_assert_uint_eq(report.transactions, 1);
	ck_assert_uint_eq(report.keys, 5);
	ck_assert_uint_eq(report.components, 3);
	ck_assert_uint_eq(report.largest, 2);
	check_report_free(&report);
	check_history_free(&h);
}
END_TEST

/*
 * A check that may not take enough steps, or memory, says so instead of guessing, and decides what
 * it can.
 */
START_TEST(a_check_without_enough_steps_says_so)
{
	static const char *const lines[] = {"append x a  |-------|",
					    "append x b  |-------|",
					    "append x c  |-------|",
					    "get x cab              |-|",
					    "put y 1  |-|",
					    "get y 2      |-|",
					    NULL};
	struct check_history h;
	struct check_report report;
	story_read(&h, lines);
	h.count = 4;
	check_history(&h, &(struct check_limits){.steps_max = 1}, &report);
	ck_assert_int_eq(report.verdict, CHECK_GAVE_UP);
	ck_assert_uint_eq(report.undecided, 1);
	check_report_free(&report);
	check_history(&h, &(struct check_limits){.bytes_max = 1}, &report);
	ck_assert_int_eq(report.verdict, CHECK_GAVE_UP);
	check_report_free(&report);
	h.count = 6;
	check_history(&h, &(struct check_limits){.steps_max = 4}, &report);
	ck_assert_int_eq(report.verdict, CHECK_VIOLATION);
	check_report_free(&report);
	check_history_free(&h);
}
END_TEST
