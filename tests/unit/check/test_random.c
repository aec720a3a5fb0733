/*
 * Small random histories of every kind, judged by the checker and by a judge that tries every
 * order. SEEDS=n tries more.
 */
#include "check/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/check_main.h"
#include "base/rng.h"
#include "brute.h"

/* What a family of histories is made of. */
struct family {
	const char *name;
	unsigned kinds; /* set of enum check_kind */
	uint32_t calls, keys, values;
	unsigned unknown_percent, failed_percent, version_percent, txn_percent;
	bool order; /* compares by order */
	unsigned seeds;
};

#define BIT(kind) (1u << (kind))
#define REGISTER (BIT(CHECK_GET) | BIT(CHECK_PUT))

static const struct family FAMILIES[] = {
	{"register", REGISTER, 7, 1, 3, 0, 0, 0, 0, false, 3000},
	{"register with unknown outcomes", REGISTER, 7, 1, 3, 40, 10, 0, 0, false, 3000},
	{"puts mostly unseen", BIT(CHECK_PUT) | BIT(CHECK_GET), 8, 1, 9, 30, 0, 0, 0, false, 2000},
	{"register with versions", REGISTER | BIT(CHECK_DELETE), 7, 1, 3, 30, 0, 40, 0, false,
	 2000},
	{"append", BIT(CHECK_APPEND) | BIT(CHECK_GET), 7, 1, 3, 30, 0, 0, 0, false, 3000},
	{"append and put", BIT(CHECK_APPEND) | REGISTER, 7, 1, 3, 30, 0, 10, 0, false, 3000},
	{"delete", REGISTER | BIT(CHECK_DELETE), 7, 1, 3, 30, 10, 0, 0, false, 3000},
	{"cas", REGISTER | BIT(CHECK_CAS) | BIT(CHECK_DELETE), 7, 1, 3, 30, 0, 0, 0, false, 3000},
	{"incr", BIT(CHECK_INCR) | BIT(CHECK_GET) | BIT(CHECK_PUT), 7, 1, 2, 30, 0, 0, 0, false,
	 2000},
	{"everything", 0x7e, 7, 2, 3, 30, 5, 15, 0, false, 3000},
	{"transactions", REGISTER, 6, 2, 2, 20, 0, 0, 60, false, 3000},
	{"transactions with everything", 0x7e, 6, 3, 3, 30, 5, 15, 60, false, 3000},
	{"transactions by order", REGISTER | BIT(CHECK_APPEND), 6, 2, 3, 20, 0, 10, 70, true, 2000},
};

static const char *const KEYS[] = {"x", "y", "z", "w"};
/* Numbers, so that they can be counted with, and short, so that they can be built by appending. */
static const char *const VALUES[] = {"1", "2", "12", "3", "4", "5", "6", "7", "8"};

struct maker {
	const struct family *family;
	struct rng rng;
	struct check_op ops[2 * BRUTE_CALLS_MAX][3];
	struct check_compare when[BRUTE_CALLS_MAX];
	unsigned used;
};

static bool percent(struct maker *m, unsigned p)
{
	return rng_below(&m->rng, 100) < p;
}

static struct slice any_value(struct maker *m)
{
	return slice_string(VALUES[rng_below(&m->rng, m->family->values)]);
}

/* Now and then a value that takes two or three operations. */
static struct slice any_result(struct maker *m)
{
	static const char *const long_values[] = {"11", "21", "112", "121", "13",
						  "23", "-1", "0",   "3",   "123"};
	return percent(m, 70) ? any_value(m) : slice_string(long_values[rng_below(&m->rng, 10)]);
}

static void make_saw(struct maker *m, struct check_op *op)
{
	switch (op->kind) {
	case CHECK_GET: op->saw = percent(m, 80) ? CHECK_SAW_VALUE : CHECK_SAW_MISSING; break;
	case CHECK_APPEND:
	case CHECK_INCR: op->saw = percent(m, 40) ? CHECK_SAW_VALUE : 0; break;
	case CHECK_DELETE:
		op->saw = percent(m, 40)   ? CHECK_SAW_PRESENT
			  : percent(m, 30) ? CHECK_SAW_MISSING
					   : 0;
		break;
	case CHECK_CAS:
		op->saw = percent(m, 60) ? CHECK_SAW_DONE : percent(m, 60) ? CHECK_SAW_REFUSED : 0;
		if (op->saw == CHECK_SAW_REFUSED && percent(m, 60))
			op->saw |= percent(m, 50) ? CHECK_SAW_VALUE : CHECK_SAW_MISSING;
		break;
	case CHECK_PUT: break;
	}
	if (percent(m, m->family->version_percent))
		op->saw |= CHECK_SAW_VERSION;
	op->result = any_result(m);
	op->version = (op->saw & CHECK_SAW_MISSING) != 0 ? 0 : 1 + rng_below(&m->rng, 3);
}

static void make_op(struct maker *m, struct check_op *op)
{
	*op = (struct check_op){
		.value = any_value(m), .expect = any_value(m), .absent = percent(m, 20)};
	do
		op->kind = (enum check_kind)(1 + rng_below(&m->rng, 6));
	while ((m->family->kinds & BIT(op->kind)) == 0);
	op->key = slice_string(KEYS[rng_below(&m->rng, m->family->keys)]);
	op->delta = (int64_t)rng_below(&m->rng, 3) - 1;
	make_saw(m, op);
}

static void make_transaction(struct maker *m, struct check_call *call, uint32_t i)
{
	call->transaction = true;
	call->nthen = 1 + (uint32_t)rng_below(&m->rng, 3);
	for (uint32_t j = 0; j < call->nthen; j++)
		make_op(m, &call->then[j]);
	if (percent(m, 50))
		return;
	call->nwhen = 1;
	call->when = &m->when[i];
	m->when[i] = (struct check_compare){
		.target = (enum check_target)rng_below(&m->rng, 3),
		.relation = (enum check_relation)rng_below(&m->rng, m->family->order ? 4 : 2),
		.key = slice_string(KEYS[rng_below(&m->rng, m->family->keys)]),
		.value = any_value(m),
		.number = rng_below(&m->rng, 3),
	};
	if (m->when[i].target == CHECK_VERSION && m->family->version_percent == 0)
		m->when[i].target = CHECK_EXISTS;
	call->branch = (enum check_branch)rng_below(&m->rng, 3);
	call->notherwise = (uint32_t)rng_below(&m->rng, 3);
	call->otherwise = m->ops[BRUTE_CALLS_MAX + i];
	for (uint32_t j = 0; j < call->notherwise; j++)
		make_op(m, &call->otherwise[j]);
}

static void make_history(struct maker *m, const struct family *family, uint64_t seed,
			 struct check_history *h)
{
	m->family = family;
	rng_seed(&m->rng, seed);
	check_history_init(h);
	uint64_t width = 1 + rng_below(&m->rng, 12), now = 0;
	for (uint32_t i = 0; i < family->calls; i++) {
		struct check_call call = {.client = i, .id = i, .then = m->ops[i], .nthen = 1};
		call.call = now += rng_below(&m->rng, 3);
		call.ret = call.call + rng_below(&m->rng, width);
		call.outcome = percent(m, family->unknown_percent)  ? CHECK_UNKNOWN
			       : percent(m, family->failed_percent) ? CHECK_FAILED
								    : CHECK_OK;
		if (percent(m, family->txn_percent))
			make_transaction(m, &call, i);
		else
			make_op(m, &call.then[0]);
		check_history_add(h, &call);
	}
}

/*
 * Gives the history answers that are right, or all but one: each call is done at a moment between
 * its call and its return, or for unknown outcomes at any later one, or never.
 */
static void answer_history(struct maker *m, struct check_history *h)
{
	uint64_t moments[BRUTE_CALLS_MAX];
	uint32_t order[BRUTE_CALLS_MAX], count = 0;
	for (uint32_t i = 0; i < h->count; i++) {
		struct check_call *call = &h->calls[i];
		bool unknown = call->outcome == CHECK_UNKNOWN;
		if (call->outcome == CHECK_FAILED || (unknown && percent(m, 40)))
			continue;
		moments[i] = rng_range(&m->rng, call->call * 100,
				       (unknown ? call->call + 20 : call->ret) * 100);
		uint32_t position = count++;
		for (; position > 0 && moments[order[position - 1]] > moments[i]; position--)
			order[position] = order[position - 1];
		order[position] = i;
	}
	brute_answer(h, order, count);
	if (count > 0 && percent(m, 50)) {
		struct check_call *call = &h->calls[order[rng_below(&m->rng, count)]];
		if (call->nthen > 0)
			call->then[rng_below(&m->rng, call->nthen)].result = any_result(m);
	}
}

static void complain(const struct family *family, uint64_t seed, const struct check_history *h,
		     const char *what)
{
	struct buffer text = {0};
	static const char *const outcomes[] = {"ok", "failed", "unknown"};
	for (uint32_t i = 0; i < h->count; i++) {
		buffer_format(&text, "%" PRIu64 "-%" PRIu64 " %s: ", h->calls[i].call,
			      h->calls[i].ret, outcomes[h->calls[i].outcome]);
		check_describe(&h->calls[i], 0, &text);
		buffer_format(&text, "\n");
	}
	buffer_add_u8(&text, 0);
	fprintf(stderr, "%s, seed %" PRIu64 ": %s\n%s", family->name, seed, what,
		(char *)text.data);
	buffer_free(&text);
	ck_abort_msg("%s, seed %" PRIu64 ": %s", family->name, seed, what);
}

static void check_violation(const struct family *family, uint64_t seed,
			    const struct check_history *h, const struct check_report *report)
{
	struct check_history small;
	struct check_report again;
	const struct check_violation *v = &report->violation;
	check_violation_history(h, v, &small);
	if (v->count == 0 || v->stuck >= v->count || v->norder >= v->count || v->state.len == 0)
		complain(family, seed, h, "the violation is not complete");
	if (brute_linearizable(&small))
		complain(family, seed, &small, "what it was shrunk to can be ordered");
	check_history(&small, NULL, &again);
	if (again.verdict != CHECK_VIOLATION)
		complain(family, seed, &small,
			 "what it was shrunk to is no violation to the checker");
	check_report_free(&again);
	check_history_free(&small);
}

static unsigned long seeds_of(const struct family *family)
{
	const char *more = getenv("SEEDS");
	return more != NULL ? strtoul(more, NULL, 10) : family->seeds;
}

/*
 * The checker and the judge agree on every history, and what a violation is shrunk to is one too.
 */
START_TEST(agrees_with_brute_force)
{
	static struct maker maker;
	for (size_t f = 0; f < sizeof FAMILIES / sizeof FAMILIES[0]; f++) {
		const struct family *family = &FAMILIES[f];
		unsigned long good = 0, count = seeds_of(family);
		for (uint64_t seed = 0; seed < count; seed++) {
			struct check_history h;
			struct check_report report;
			make_history(&maker, family, seed * 1000 + f, &h);
			if (seed % 4 != 0)
				answer_history(&maker, &h);
			check_history(&h, NULL, &report);
			bool possible = brute_linearizable(&h);
			good += possible;
			if (report.verdict != (possible ? CHECK_LINEARIZABLE : CHECK_VIOLATION))
				complain(family, seed, &h,
					 possible ? "possible, but refused"
						  : "impossible, but accepted");
			if (report.verdict == CHECK_VIOLATION)
				check_violation(family, seed, &h, &report);
			check_report_free(&report);
			check_history_free(&h);
		}
		/* A family of which nearly all are the same would test little. */
		printf("%s: %lu of %lu are linearizable\n", family->name, good, count);
		ck_assert_uint_gt(good, count / 50);
		ck_assert_uint_lt(good, count - count / 50);
	}
}
END_TEST
