/*
 * Numbers for byte strings, so that states are compared and hashed as numbers.
 *
 * VALUE_MISSING stands for no value at all. VALUE_DEAD stands for every value that nobody ever saw
 * or compared with, and that cannot become such a value by appending: no call can tell two of these
 * apart. values_close() decides which those are; from then on values_canonical() and
 * values_append() give VALUE_DEAD for them.
 *
 * Where every sighting of a value names a version, the value is dead at any other version, too:
 * values_at().
 *
 * Strings that are interned are borrowed and must outlive the table; those made by appending and
 * counting belong to it.
 */
#ifndef SYNOD_CHECK_VALUES_H
#define SYNOD_CHECK_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/map.h"

typedef uint32_t value_id;
#define VALUE_MISSING 0u
#define VALUE_DEAD 1u

struct value {
	struct slice text;
	uint64_t hash;
	bool seen;        /* at all */
	bool seen_at_any; /* by somebody who did not see the version */
};

struct value_table {
	struct value *values;
	uint32_t count, capacity;
	uint32_t *slots;  /* 0: free */
	uint32_t nslots;  /* power of two */
	value_id *sorted; /* the seen ones, by their bytes; only with merge_dead and appends */
	uint32_t nsorted;
	uint64_t maximal_bytes; /* of those that are not the beginning of the next one */
	bool merge_dead, appends;
	struct map sightings; /* of values together with versions */
	struct map sums;      /* left and right number → number of both together + 1 */
	struct buffer scratch;
	struct arena arena;
};

void values_init(struct value_table *t);
void values_free(struct value_table *t);

value_id values_intern(struct value_table *t, struct slice text);
/* The number of the text; VALUE_MISSING if it has none. */
value_id values_find(const struct value_table *t, struct slice text);
/* As values_intern, for a value that somebody saw or compared with. */
value_id values_intern_seen(struct value_table *t, struct slice text);
value_id values_intern_seen_at(struct value_table *t, struct slice text, uint64_t version);
/*
 * merge_dead: values may be called dead at all (nobody compares by order or counts).
 * appends: a beginning of a seen value is not dead.
 */
void values_close(struct value_table *t, bool merge_dead, bool appends);
value_id values_canonical(const struct value_table *t, value_id id);
/* The same for a value that is written as this version. */
value_id values_at(const struct value_table *t, value_id id, uint64_t version);

/*
 * Whether the text stands anywhere in a seen value. True also if it would take too long to find
 * out.
 */
bool values_occurs(const struct value_table *t, value_id id);

/* What appending `right` to `left` gives; left may be VALUE_MISSING or VALUE_DEAD. */
value_id values_append(struct value_table *t, value_id left, value_id right);
/* What adding delta gives; false if left is no decimal 64-bit number, or the sum is not. */
bool values_add(struct value_table *t, value_id left, int64_t delta, value_id *sum);
/* In byte order; neither may be VALUE_MISSING or VALUE_DEAD. */
int values_compare(const struct value_table *t, value_id a, value_id b);
static inline struct slice values_text(const struct value_table *t, value_id id)
{
	return t->values[id].text;
}
/* Memory that grows during a search. */
uint64_t values_bytes(const struct value_table *t);

#endif
