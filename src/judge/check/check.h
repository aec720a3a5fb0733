/*
 * Is what clients saw possible in a store that does one thing after another? A checker for
 * linearizability (Herlihy and Wing, "Linearizability: a correctness condition for concurrent
 * objects", 1990); with transactions over several keys that is strict serializability.
 *
 * A history is a set of calls. Each has a time before which it certainly had no effect and, unless
 * its outcome is unknown, one after which it certainly had it. The store begins empty. It is
 * linearizable if there is an order of the calls in which every call that ended before another
 * began stands before it, and in which each saw what it says it saw.
 *
 *   CHECK_OK        took effect exactly once, between call and return
 *   CHECK_FAILED    certainly had and will have no effect: says nothing, and is left out
 *   CHECK_UNKNOWN   took effect once, at any time after the call, or never
 *
 * Deciding this is NP-complete (Gibbons and Korach 1997), but histories of real stores are decided
 * in about linear time:
 *
 *   - Linearizability is local: keys are checked on their own (P-compositionality: Horn and
 *     Kroening, "Faster linearizability checking via P-compositionality", 2015). Keys that
 *     transactions connect are checked together.
 *   - The search (Wing and Gong 1993) places calls as late as possible: only when one returns must
 *     it have been placed ("just-in-time linearization": Lowe, "Testing for linearizability",
 *     2017), and what failed once is not tried again.
 *   - What cannot be told apart is not tried apart: see component.h and search.c.
 *
 * What cannot be decided within the limits is CHECK_GAVE_UP, never a guess.
 *
 * Pure: no clock, no files, no randomness; the same history gives the same answer. Everything given
 * to check_history_add() is copied. Out of memory ends the process; the search's own memory has a
 * limit.
 */
#ifndef SYNOD_CHECK_CHECK_H
#define SYNOD_CHECK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/operations.h"

enum check_kind {
#define X(name, number, ...) CHECK_##name = (number),
	OPERATION_MAP(X)
#undef X
};
enum check_outcome { CHECK_OK, CHECK_FAILED, CHECK_UNKNOWN };

/* What an operation saw. What it does not say it saw is not compared. */
enum check_saw {
	/*
	 * `result`: GET what was there; APPEND, INCR the new value; CAS that was not done: what was
	 * there
	 */
	CHECK_SAW_VALUE = 1,
	CHECK_SAW_MISSING = 2, /* GET, DELETE, CAS: there was no such key */
	CHECK_SAW_PRESENT = 4, /* DELETE: there was such a key */
	/* `version`: writes since the key was created, after this operation */
	CHECK_SAW_VERSION = 8,
	CHECK_SAW_DONE = 16,    /* CAS: replaced the value */
	CHECK_SAW_REFUSED = 32, /* CAS: did not, because the value was another */
};

#define CHECK_SAW_WHETHER_DONE (CHECK_SAW_DONE | CHECK_SAW_REFUSED)

struct check_op {
	enum check_kind kind;
	unsigned saw;
	bool absent;   /* CAS: done if there is no such key, instead of when it is `expect` */
	int64_t delta; /* INCR: of a decimal number; a missing key counts as 0 */
	struct slice key;
	struct slice value;  /* PUT, APPEND, CAS */
	struct slice expect; /* CAS */
	struct slice result;
	uint64_t version;
	uint32_t key_number; /* set by check_history_add() */
};

enum check_target { CHECK_VALUE, CHECK_VERSION, CHECK_EXISTS };
enum check_relation { CHECK_EQUAL, CHECK_NOT_EQUAL, CHECK_LESS, CHECK_GREATER };
struct check_compare {
	enum check_target target;
	/* a missing key's value stands in no relation to any; its version is 0 */
	enum check_relation relation;
	struct slice key, value;
	uint64_t number; /* VERSION; EXISTS: 1 or 0 */
	uint32_t key_number;
};

enum check_branch { CHECK_BRANCH_UNSEEN, CHECK_BRANCH_THEN, CHECK_BRANCH_OTHERWISE };

/*
 * A single operation is a call with one op in `then`. A transaction is atomic: if every compare of
 * `when` holds in the state before it, it does `then`, otherwise `otherwise`, in order. It has no
 * effect if one of the operations cannot be done (INCR of what is no number).
 */
struct check_call {
	uint64_t client, id; /* shown, not interpreted */
	/* times in any unit; equal times overlap; ret is ignored for CHECK_UNKNOWN */
	uint64_t call, ret;
	enum check_outcome outcome;
	enum check_branch branch; /* that was taken */
	bool transaction;         /* shown as one */
	uint32_t nwhen, nthen, notherwise;
	struct check_compare *when;
	struct check_op *then, *otherwise;
	uint32_t file, line; /* where it was read; shown, not interpreted */
};

struct value_table;

struct check_history {
	struct check_call *calls;
	uint32_t count, capacity;
	struct value_table *keys;
	struct arena arena;
};

void check_history_init(struct check_history *h);
/* Copies the call and everything it points to. Asserts ret >= call for CHECK_OK. */
void check_history_add(struct check_history *h, const struct check_call *call);
void check_history_free(struct check_history *h);

/* 0: the default */
struct check_limits {
	uint64_t steps_max; /* attempts to place a call, for the whole history */
	uint64_t bytes_max; /* of memory for one search */
};
#define CHECK_STEPS_MAX 200000000u
#define CHECK_BYTES_MAX (1024ull * 1024 * 1024)

enum check_verdict { CHECK_LINEARIZABLE, CHECK_VIOLATION, CHECK_GAVE_UP };

/*
 * A part of a call's claims. A weaker call permits every order that the full one permits, so a set
 * of weakened calls that cannot be ordered proves that the whole history cannot.
 */
enum check_weakness {
	CHECK_NO_VERSION = 1, /* the versions that it saw are not compared */
	/*
	 * nothing that it saw is compared, but for whether it was done (CAS), and which branch was
	 * taken
	 */
	CHECK_UNSEEN = 2,
	CHECK_OPTIONAL = 4, /* like an unknown outcome */
};
struct check_item {
	uint32_t call;     /* in the history */
	uint32_t weakness; /* of enum check_weakness */
};

/* Calls that fit into no order, as few and as weak as could be found, in order of their call. */
struct check_violation {
	struct check_item *items;
	uint32_t count;
	uint32_t component_calls; /* of how many calls on the same keys */
	/*
	 * A longest order that fits, as positions in items, and the item that does not fit behind
	 * it (nor anything that would help).
	 */
	uint32_t *order;
	uint32_t norder;
	uint32_t stuck;
	/* Behind that order: what the keys of the stuck item hold, as text for people. */
	struct buffer state;
};

struct check_report {
	enum check_verdict verdict;
	uint32_t calls, ok, failed, unknown, transactions;
	uint32_t keys, components, largest; /* largest: calls of the largest component */
	uint32_t undecided;                 /* components on which the search gave up */
	uint64_t steps;
	/* of CHECK_VIOLATION: the first one found; smaller components are checked first */
	struct check_violation violation;
};

/* limits may be NULL. Free the report with check_report_free(). */
void check_history(const struct check_history *h, const struct check_limits *limits,
		   struct check_report *report);
void check_report_free(struct check_report *report);

/* A history of its own that holds only what the violation claims; `out` is initialised here. */
void check_violation_history(const struct check_history *h, const struct check_violation *v,
			     struct check_history *out);

/* ---- for people ---- */

/* A call on one line: get "k" → "v" */
void check_describe(const struct check_call *call, uint32_t weakness, struct buffer *out);

struct check_names {
	/* by check_call.file; NULL: calls are named by client and id only */
	const char *const *files;
	double unit_us; /* how many µs one unit of the times is */
};
/* The violation as an aligned timeline with an explanation. */
void check_show_text(const struct check_history *h, const struct check_report *report,
		     const struct check_names *names, struct buffer *out);
/* The same as an HTML page that needs nothing else. */
void check_show_html(const struct check_history *h, const struct check_report *report,
		     const struct check_names *names, struct buffer *out);

#endif
