/*
 * Long histories are decided in a number of steps that grows with their length and not with what
 * could be tried. Steps are counted, not time.
 */
#include "check/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "generate.h"

struct load {
	const char *name;
	struct generate g;
	uint64_t steps_per_call;
};

static const struct load LOADS[] = {
	{"many keys",
	 {.calls = 100000,
	  .clients = 64,
	  .keys = 1000,
	  .get_percent = 50,
	  .unknown_per_thousand = 5},
	 4},
	{"few keys",
	 {.calls = 30000, .clients = 64, .keys = 3, .get_percent = 50, .unknown_per_thousand = 5},
	 400},
	{"one key, versions",
	 {.calls = 20000,
	  .clients = 64,
	  .keys = 1,
	  .get_percent = 50,
	  .unknown_per_thousand = 5,
	  .versions = true},
	 400},
	{"everything but transactions",
	 {.calls = 50000,
	  .clients = 32,
	  .keys = 200,
	  .get_percent = 30,
	  .delete_percent = 10,
	  .cas_percent = 30,
	  .unknown_per_thousand = 10},
	 10},
	{"appends",
	 {.calls = 20000,
	  .clients = 32,
	  .keys = 50,
	  .append_percent = 70,
	  .get_percent = 20,
	  .delete_percent = 2,
	  .unknown_per_thousand = 20},
	 20},
	{"transactions on pairs",
	 {.calls = 30000,
	  .clients = 32,
	  .keys = 200,
	  .get_percent = 50,
	  .txn_percent = 50,
	  .txn_keys = 2,
	  .unknown_per_thousand = 5},
	 60},
	{"transactions with versions",
	 {.calls = 30000,
	  .clients = 32,
	  .keys = 500,
	  .get_percent = 50,
	  .txn_percent = 50,
	  .txn_keys = 3,
	  .unknown_per_thousand = 5,
	  .versions = true},
	 60},
};

/* A history of a correct store is accepted in few steps a call. */
START_TEST(a_correct_history_is_accepted_in_few_steps)
{
	for (size_t i = 0; i < sizeof LOADS / sizeof LOADS[0]; i++) {
		for (uint64_t seed = 1; seed <= 3; seed++) {
			struct check_history h;
			struct check_report report;
			struct generate g = LOADS[i].g;
			g.seed = seed;
			generate(&h, &g);
			check_history(&h, NULL, &report);
			printf("%s, seed %" PRIu64
			       ": verdict %d, %.1f steps a call, largest part %u\n",
			       LOADS[i].name, seed, report.verdict, (double)report.steps / h.count,
			       report.largest);
			ck_assert_int_eq(report.verdict, CHECK_LINEARIZABLE);
			ck_assert_uint_le(report.steps, LOADS[i].steps_per_call * h.count);
			check_report_free(&report);
			check_history_free(&h);
		}
	}
}
END_TEST

/*
 * Changes what one read saw to what an earlier call on the same key wrote; false if there is no
 * such read near the middle.
 */
static bool make_stale(struct check_history *h)
{
	for (uint32_t i = h->count / 2; i < h->count; i++) {
		struct check_call *read = &h->calls[i];
		if (read->outcome != CHECK_OK || read->then[0].kind != CHECK_GET ||
		    (read->then[0].saw & CHECK_SAW_VALUE) == 0)
			continue;
		for (uint32_t j = 0; j < i; j++) {
			const struct check_call *write = &h->calls[j];
			if (write->then[0].kind != CHECK_PUT || write->outcome != CHECK_OK ||
			    write->ret + 100000 > read->call ||
			    write->then[0].key_number != read->then[0].key_number)
				continue;
			read->then[0].result = write->then[0].value;
			read->then[0].saw &= ~(unsigned)CHECK_SAW_VERSION;
			return true;
		}
	}
	return false;
}

/*
 * One stale read among many calls is found, in few steps a call, and shown with a handful of calls.
 */
START_TEST(one_stale_read_is_found_in_few_steps)
{
	for (size_t i = 0; i < sizeof LOADS / sizeof LOADS[0]; i++) {
		struct check_history h;
		struct check_report report;
		struct generate g = LOADS[i].g;
		g.seed = 7;
		generate(&h, &g);
		if (!make_stale(&h)) {
			check_history_free(&h);
			continue;
		}
		check_history(&h, NULL, &report);
		printf("%s: verdict %d, %.1f steps a call, shown %u of %u\n", LOADS[i].name,
		       report.verdict, (double)report.steps / h.count, report.violation.count,
		       report.violation.component_calls);
		ck_assert_int_eq(report.verdict, CHECK_VIOLATION);
		ck_assert_uint_le(report.steps, LOADS[i].steps_per_call * h.count);
		ck_assert_uint_le(report.violation.count, 6);
		check_report_free(&report);
		check_history_free(&h);
	}
}
END_TEST
