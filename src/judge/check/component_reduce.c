/* What need not be tried: see component.h. */
#include "check/component.h"

#include <stdlib.h>

#include "base/alloc.h"

bool component_single(const struct component_call *call)
{
	return call->model.nwhen == 0 && call->model.nthen == 1 && call->model.notherwise == 0 &&
	       call->model.branch != CHECK_BRANCH_OTHERWISE;
}

static void add_cell(struct component_call *call, uint32_t cell)
{
	for (uint32_t i = 0; i < call->ncells; i++)
		if (call->cells[i] == cell)
			return;
	call->cells[call->ncells++] = cell;
}

static void list_cells(struct component *c, struct component_call *call)
{
	const struct model_call *m = &call->model;
	call->cells = arena_get(&c->arena,
				(m->nwhen + m->nthen + m->notherwise + 1) * sizeof *call->cells);
	for (uint32_t i = 0; i < m->nwhen; i++)
		add_cell(call, m->when[i].cell);
	for (uint32_t i = 0; i < m->nthen; i++)
		add_cell(call, m->then[i].cell);
	for (uint32_t i = 0; i < m->notherwise; i++)
		add_cell(call, m->otherwise[i].cell);
}

static bool never_writes(const struct model_op *ops, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (ops[i].kind != CHECK_GET &&
		    !(ops[i].kind == CHECK_CAS && (ops[i].saw & CHECK_SAW_REFUSED) != 0) &&
		    !(ops[i].kind == CHECK_DELETE && (ops[i].saw & CHECK_SAW_MISSING) != 0))
			return false;
	return true;
}

/* Values can be named by their final numbers only when all have been seen. */
static void canonicalise(struct component *c, struct model_op *ops, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (ops[i].kind == CHECK_PUT || ops[i].kind == CHECK_CAS)
			ops[i].value = values_canonical(&c->values, ops[i].value);
}

static void finish_call(struct component *c, struct component_call *call)
{
	list_cells(c, call);
	canonicalise(c, call->model.then, call->model.nthen);
	canonicalise(c, call->model.otherwise, call->model.notherwise);
	const struct model_call *m = &call->model;
	call->pure = (m->branch == CHECK_BRANCH_OTHERWISE || never_writes(m->then, m->nthen)) &&
		     (m->branch == CHECK_BRANCH_THEN || never_writes(m->otherwise, m->notherwise));
	if (!component_single(call) || c->versions)
		return;
	const struct model_op *op = call->model.then;
	bool put = op->kind == CHECK_PUT && op->saw == 0;
	call->overwrites = put || (op->kind == CHECK_DELETE && op->saw == 0);
	call->idle = call->required && put && op->value == VALUE_DEAD && !c->notices &&
		     !c->transactions;
}

/* Whether nobody ever sees what the operation leaves behind, however it is done. */
static bool leaves_nothing(const struct component *c, const struct model_op *op)
{
	switch ((enum check_kind)op->kind) {
	case CHECK_GET: return true;
	case CHECK_PUT:
	case CHECK_CAS: return op->value == VALUE_DEAD;
	case CHECK_APPEND: return !values_occurs(&c->values, op->value);
	case CHECK_DELETE: return !c->missing && !c->appends && !c->order;
	case CHECK_INCR: break;
	}
	return false;
}

static bool leaves_nothing_at_all(const struct component *c, const struct model_call *m)
{
	for (uint32_t i = 0; i < m->nthen; i++)
		if (!leaves_nothing(c, &m->then[i]))
			return false;
	return m->nwhen == 0;
}

static bool left_out(const struct component *c, const struct component_call *call)
{
	if (call->required)
		return false;
	return call->pure ||
	       (!c->versions && !c->notices && leaves_nothing_at_all(c, &call->model));
}

/* ---- classes ---- */

static int by_content(const void *a, const void *b)
{
	const struct component_call *x = *(struct component_call *const *)a,
				    *y = *(struct component_call *const *)b;
	if (x->required != y->required)
		return x->required ? -1 : 1;
	return memcmp(x->model.then, y->model.then, sizeof *x->model.then);
}

static void classify(struct component *c)
{
	struct component_call **order = alloc_zeroed(c->ncalls + 1, sizeof *order);
	uint32_t count = 0;
	for (uint32_t i = 0; i < c->ncalls; i++) {
		if (component_single(&c->calls[i]))
			order[count++] = &c->calls[i];
		else
			c->calls[i].class = c->nclasses++;
	}
	qsort(order, count, sizeof *order, by_content);
	for (uint32_t i = 0; i < count; i++) {
		if (i == 0 || by_content(&order[i - 1], &order[i]) != 0)
			c->nclasses++;
		order[i]->class = c->nclasses - 1;
	}
	free(order);
}

static void forget_left_out(struct component *c)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < c->ncalls; i++) {
		if (left_out(c, &c->calls[i]))
			continue;
		c->calls[kept] = c->calls[i];
		if (!c->calls[kept].required)
			c->calls[kept].bit = c->nunknown++;
		kept++;
	}
	c->ncalls = kept;
}

void component_reduce(struct component *c)
{
	for (uint32_t i = 0; i < c->ncalls; i++)
		finish_call(c, &c->calls[i]);
	forget_left_out(c);
	classify(c);
}
