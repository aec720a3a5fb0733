/*
 * Calls on keys that belong together, made ready for the search: strings are numbers, keys are
 * cells, times are an order of events; and it is found out what need not be tried.
 *
 *   left out     calls that failed; unknown outcomes that change nothing, or leave nothing that
 *                anybody ever sees (such as a dead value: values.h): if an order has one, it is as
 *                good without, since nobody sees anything until the next write
 *   pure         never changes anything: placed as soon as it fits, because it can only fit and
 *                does not get in the way
 *   idle         writes a dead value and sees nothing: placed as soon as another single write hides
 *                it
 *   class        calls of one class differ in their times only: the one that returns first is
 *                placed first, and of unknown outcomes the one that was called first
 *
 * Leaving out writes and idle calls need that nobody notices a value that he does not see. Where
 * somebody does (counts versions, asks whether a key exists, compares in a transaction), `versions`
 * or `notices` is set and there are none. Nor are there idle calls among transactions, which hide
 * what they write over in too many ways.
 */
#ifndef SYNOD_CHECK_COMPONENT_H
#define SYNOD_CHECK_COMPONENT_H

#include "check/check.h"
#include "check/model.h"

struct component_call {
	struct model_call model;
	uint32_t item;
	uint32_t class;
	uint32_t bit;                      /* of unknown outcomes: 0 … nunknown - 1 */
	uint32_t call_event, return_event; /* the latter UINT32_MAX for unknown outcomes */
	uint32_t *cells, ncells;           /* that it touches, whatever happens */
	bool required, pure, idle;
	bool overwrites; /* whatever cell 0 of `then` held, it is gone, and nobody has seen it */
};

/*
 * Sets of cells, in which those whose numbers are equal modulo their size are taken for one
 * another.
 */
#define CELL_SET_WORDS 4
struct cell_set {
	uint64_t words[CELL_SET_WORDS];
};
static inline void cell_set_add(struct cell_set *set, uint32_t cell)
{
	set->words[cell / 64 % CELL_SET_WORDS] |= (uint64_t)1 << cell % 64;
}
static inline void cell_set_join(struct cell_set *into, const struct cell_set *from)
{
	for (unsigned i = 0; i < CELL_SET_WORDS; i++)
		into->words[i] |= from->words[i];
}
static inline bool cell_set_meet(const struct cell_set *a, const struct cell_set *b)
{
	for (unsigned i = 0; i < CELL_SET_WORDS; i++)
		if ((a->words[i] & b->words[i]) != 0)
			return true;
	return false;
}

/* The call of this number, or its return. */
struct component_event {
	uint32_t call;
	bool is_return;
};

struct component {
	struct component_call *calls; /* in order of their call */
	uint32_t ncalls;
	struct component_event *events;
	uint32_t nevents;
	uint32_t ncells, nunknown, nclasses;
	uint32_t *keys; /* key number of each cell */
	bool versions;  /* somebody sees versions */
	bool notices;   /* somebody tells values apart that he does not see */
	bool missing;   /* somebody sees that a key is missing, or acts on it */
	/* values are compared by their order, or counted with: each value matters */
	bool order;
	bool appends;
	bool transactions; /* there are calls that are not one operation */
	struct value_table values;
	struct arena arena;
};

/* Scratch that is shared by the components of one history: which cell a key is. */
struct component_keys {
	uint32_t *cells; /* by key number: cell + 1; 0 between two uses */
};

/* items: in any order. exact: every value counts, and none is dead. */
void component_init(struct component *c, const struct check_history *h,
		    const struct check_item *items, uint32_t count, struct component_keys *keys,
		    bool exact);
void component_free(struct component *c);

/* The second half of component_init(): finds what need not be tried. */
void component_reduce(struct component *c);

/* One operation, done whatever the state is. */
bool component_single(const struct component_call *call);

#endif
