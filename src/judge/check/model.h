/*
 * The store as the specification says it is: some keys (cells), each missing or with a value and a
 * version, and calls that change them one after another.
 *
 * A state remembers what it was, back to any mark: the search goes forth and back in it.
 */
#ifndef SYNOD_CHECK_MODEL_H
#define SYNOD_CHECK_MODEL_H

#include "check/check.h"
#include "check/values.h"

/* Compared by their bytes: zero them before filling in. */
struct model_op {
	uint32_t kind; /* enum check_kind */
	uint32_t saw;
	uint32_t cell;
	uint32_t absent;
	value_id value; /* PUT, CAS: canonical; APPEND: what is appended, as it is */
	value_id expect;
	value_id result;
	uint32_t unused;
	int64_t delta;
	uint64_t version;
};

struct model_compare {
	uint32_t cell;
	enum check_target target;
	enum check_relation relation;
	value_id value;
	uint64_t number;
};

struct model_call {
	enum check_branch branch;
	uint32_t nwhen, nthen, notherwise;
	struct model_compare *when;
	struct model_op *then, *otherwise;
};

struct model_cell {
	uint64_t version; /* 0 throughout if nobody ever sees versions */
	value_id value;
};

struct model_change {
	uint32_t cell;
	struct model_cell before;
};

struct model_state {
	struct model_cell *cells;
	uint32_t ncells;
	bool versions; /* counted */
	struct value_table *values;
	/*
	 * of all cells; what is equal has equal hashes, and 128 bits make the reverse true in
	 * practice
	 */
	uint64_t hash[2];
	struct model_change *changes;
	size_t nchanges, capacity;
};

void model_init(struct model_state *s, uint32_t ncells, bool versions, struct value_table *values);
void model_free(struct model_state *s);

/*
 * Does the call if it can be done now and would see what it saw; otherwise false, and the state is
 * as it was.
 */
bool model_apply(struct model_state *s, const struct model_call *call);

static inline size_t model_mark(const struct model_state *s)
{
	return s->nchanges;
}
void model_undo(struct model_state *s, size_t mark);

/* Spreads the bits of a number; the second lane is independent of the first. */
uint64_t model_mix(uint64_t x, unsigned lane);

#endif
