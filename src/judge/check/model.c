/* What an operation does to a state, and answers. */
#include "check/model.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/mix.h"

/* Mixed from different starting points. */
uint64_t model_mix(uint64_t x, unsigned lane)
{
	return mix_u64(x + (lane == 0 ? MIX_STEP : 0x6a09e667f3bcc909u));
}

/* A missing cell counts nothing, so that states need not be hashed as a whole to begin with. */
static void toggle_hash(struct model_state *s, uint32_t cell)
{
	const struct model_cell *c = &s->cells[cell];
	if (c->value == VALUE_MISSING)
		return;
	for (unsigned lane = 0; lane < 2; lane++)
		s->hash[lane] ^= model_mix(
			model_mix((uint64_t)cell << 32 | c->value, lane) ^ c->version, lane);
}

void model_init(struct model_state *s, uint32_t ncells, bool versions, struct value_table *values)
{
	*s = (struct model_state){.ncells = ncells, .versions = versions, .values = values};
	s->cells = alloc_zeroed(ncells, sizeof *s->cells);
}

void model_free(struct model_state *s)
{
	free(s->cells);
	free(s->changes);
	*s = (struct model_state){0};
}

static void write_cell(struct model_state *s, uint32_t cell, value_id value)
{
	struct model_cell *c = &s->cells[cell];
	ALLOC_ROOM(s->changes, s->nchanges, s->capacity, 64);
	s->changes[s->nchanges++] = (struct model_change){.cell = cell, .before = *c};
	toggle_hash(s, cell);
	c->version = s->versions && value != VALUE_MISSING ? c->version + 1 : 0;
	c->value = s->versions ? values_at(s->values, value, c->version) : value;
	toggle_hash(s, cell);
}

void model_undo(struct model_state *s, size_t mark)
{
	while (s->nchanges > mark) {
		const struct model_change *change = &s->changes[--s->nchanges];
		toggle_hash(s, change->cell);
		s->cells[change->cell] = change->before;
		toggle_hash(s, change->cell);
	}
}

static bool saw_cell(const struct model_state *s, const struct model_op *op)
{
	const struct model_cell *c = &s->cells[op->cell];
	if ((op->saw & CHECK_SAW_VALUE) != 0 && c->value != op->result)
		return false;
	if ((op->saw & CHECK_SAW_MISSING) != 0 && c->value != VALUE_MISSING)
		return false;
	if ((op->saw & CHECK_SAW_PRESENT) != 0 && c->value == VALUE_MISSING)
		return false;
	return (op->saw & CHECK_SAW_VERSION) == 0 || c->version == op->version;
}

static bool apply_cas(struct model_state *s, const struct model_op *op)
{
	value_id before = s->cells[op->cell].value;
	bool done = op->absent ? before == VALUE_MISSING : before == op->expect;
	if (!done)
		return (op->saw & CHECK_SAW_DONE) == 0 && saw_cell(s, op);
	if ((op->saw & CHECK_SAW_REFUSED) != 0)
		return false;
	write_cell(s, op->cell, op->value);
	return (op->saw & CHECK_SAW_VERSION) == 0 || s->cells[op->cell].version == op->version;
}

static bool apply_op(struct model_state *s, const struct model_op *op)
{
	value_id before = s->cells[op->cell].value, sum;
	switch ((enum check_kind)op->kind) {
	case CHECK_GET: return saw_cell(s, op);
	case CHECK_PUT: write_cell(s, op->cell, op->value); return saw_cell(s, op);
	case CHECK_APPEND:
		write_cell(s, op->cell, values_append(s->values, before, op->value));
		return saw_cell(s, op);
	case CHECK_DELETE:
		if (!saw_cell(s, op))
			return false;
		if (before != VALUE_MISSING)
			write_cell(s, op->cell, VALUE_MISSING);
		return true;
	case CHECK_CAS: return apply_cas(s, op);
	case CHECK_INCR:
		if (!values_add(s->values, before, op->delta, &sum))
			return false;
		write_cell(s, op->cell, sum);
		return saw_cell(s, op);
	}
	assert_failed("op->kind exists", __FILE__, __LINE__);
}

static bool relation_holds(enum check_relation relation, int order)
{
	switch (relation) {
	case CHECK_EQUAL: return order == 0;
	case CHECK_NOT_EQUAL: return order != 0;
	case CHECK_LESS: return order < 0;
	case CHECK_GREATER: return order > 0;
	}
	return false;
}

static bool compare_holds(const struct model_state *s, const struct model_compare *compare)
{
	const struct model_cell *c = &s->cells[compare->cell];
	uint64_t number = c->version;
	if (compare->target == CHECK_VALUE) {
		if (c->value == VALUE_MISSING)
			return false;
		/*
		 * Values are dead only where nobody asks for their order, and a dead one is equal
		 * to none that is compared with.
		 */
		int order = c->value == compare->value ? 0
			    : c->value == VALUE_DEAD
				    ? 1
				    : values_compare(s->values, c->value, compare->value);
		return relation_holds(compare->relation, order);
	}
	if (compare->target == CHECK_EXISTS)
		number = c->value != VALUE_MISSING;
	return relation_holds(compare->relation,
			      number < compare->number ? -1 : number > compare->number);
}

bool model_apply(struct model_state *s, const struct model_call *call)
{
	bool holds = true;
	for (uint32_t i = 0; i < call->nwhen && holds; i++)
		holds = compare_holds(s, &call->when[i]);
	if (call->branch != CHECK_BRANCH_UNSEEN && (call->branch == CHECK_BRANCH_THEN) != holds)
		return false;
	const struct model_op *ops = holds ? call->then : call->otherwise;
	uint32_t count = holds ? call->nthen : call->notherwise;
	size_t mark = model_mark(s);
	for (uint32_t i = 0; i < count; i++) {
		if (!apply_op(s, &ops[i])) {
			model_undo(s, mark);
			return false;
		}
	}
	return true;
}
