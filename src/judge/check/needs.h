/*
 * What calls need to find, and who can still bring it about: a dead end is seen where it is
 * entered.
 *
 * A call that returned and saw a certain value before it did anything needs a moment in which its
 * key holds that value. Once the value has been overwritten while such a call, called already or
 * not, has not been placed, and no call that could write the value is left either, no order can
 * follow. Where every value is written once, as good tests do, this leaves the search hardly a
 * wrong turn to take.
 *
 * Counters make any number of any other, so components that count have no needs.
 */
#ifndef SYNOD_CHECK_NEEDS_H
#define SYNOD_CHECK_NEEDS_H

#include "check/component.h"

struct need { /* that a cell holds a value */
	uint32_t cell;
	value_id value;
	uint32_t waiting; /* calls that have not been placed */
	uint32_t writers; /* calls that have not been placed and write it as a whole */
	/* what can be appended to make it: indices of appends_left */
	uint32_t tokens_first, ntokens;
};

/* Lists of numbers, one for each call: those of call i are at [first[i], first[i + 1]). */
struct need_lists {
	uint32_t *first, *items;
	uint32_t count, capacity;
};

struct needs {
	struct need *needs;
	uint32_t count, capacity;
	struct map by_cell_and_value; /* number + 1 */
	/* the last: of what, as indices of appends_left */
	struct need_lists waits, writes, appends;
	/* calls that append a certain string to a certain cell and have not been placed */
	uint32_t *appends_left;
	uint32_t nappends;
	uint32_t *tokens;
};

void needs_init(struct needs *n, const struct component *c);
void needs_free(struct needs *n);

/* Whether the empty store is a dead end already: something was seen that nobody wrote. */
bool needs_hopeless(const struct needs *n, const struct model_state *s);
void needs_place(struct needs *n, uint32_t call);
void needs_unplace(struct needs *n, uint32_t call);
/* Whether placing the call, which changed the state since mark, has led into a dead end. */
bool needs_spoilt(const struct needs *n, const struct model_state *s, uint32_t call, size_t mark);

#endif
