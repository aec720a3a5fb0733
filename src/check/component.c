#include "check/component.h"

#include <stdlib.h>

#include "base/alloc.h"

bool component_single(const struct component_call *call)
{
	return call->model.nwhen == 0 && call->model.nthen == 1 && call->model.notherwise == 0 &&
	       call->model.branch != CHECK_BRANCH_OTHERWISE;
}

/* What the calls of a component do that decides which of them need not be tried. */
struct traits {
	bool order;   /* values are compared by their order, or counted with: each value matters */
	bool appends;
};

static bool saw_version(const struct check_op *op, uint32_t weakness)
{
	return (op->saw & CHECK_SAW_VERSION) != 0 && (weakness & (CHECK_NO_VERSION | CHECK_UNSEEN | CHECK_OPTIONAL)) == 0;
}

static uint32_t seen_by(const struct check_op *op, uint32_t weakness)
{
	if ((weakness & (CHECK_UNSEEN | CHECK_OPTIONAL)) != 0)
		return 0;
	return saw_version(op, weakness) ? op->saw : op->saw & ~(unsigned)CHECK_SAW_VERSION;
}

static uint32_t cell_of(struct component *c, struct component_keys *keys, uint32_t key)
{
	if (keys->cells[key] == 0) {
		c->keys[c->ncells] = key;
		keys->cells[key] = ++c->ncells;
	}
	return keys->cells[key] - 1;
}

static struct model_op *convert_ops(struct component *c, struct component_keys *keys, const struct check_op *ops, uint32_t count,
				    uint32_t weakness, struct traits *traits)
{
	struct model_op *out = arena_get_zeroed(&c->arena, (count + 1) * sizeof *out);
	for (uint32_t i = 0; i < count; i++) {
		const struct check_op *op = &ops[i];
		out[i].kind = op->kind;
		out[i].saw = seen_by(op, weakness);
		out[i].cell = cell_of(c, keys, op->key_number);
		if (op->kind == CHECK_PUT || op->kind == CHECK_APPEND || op->kind == CHECK_CAS)
			out[i].value = values_intern(&c->values, op->value);
		if (op->kind == CHECK_CAS && !op->absent)
			out[i].expect = values_intern_seen(&c->values, op->expect);
		out[i].absent = op->absent;
		if ((out[i].saw & CHECK_SAW_VERSION) != 0)
			out[i].version = op->version;
		if ((out[i].saw & CHECK_SAW_VALUE) != 0)
			out[i].result = (out[i].saw & CHECK_SAW_VERSION) != 0
						? values_intern_seen_at(&c->values, op->result, op->version)
						: values_intern_seen(&c->values, op->result);
		if (op->kind == CHECK_INCR)
			out[i].delta = op->delta;
		c->versions |= (out[i].saw & CHECK_SAW_VERSION) != 0;
		c->notices |= (out[i].saw & CHECK_SAW_PRESENT) != 0 ||
			      ((out[i].saw & CHECK_SAW_REFUSED) != 0 && (out[i].saw & (CHECK_SAW_VALUE | CHECK_SAW_MISSING)) == 0);
		traits->order |= op->kind == CHECK_INCR;
		traits->appends |= op->kind == CHECK_APPEND;
	}
	return out;
}

static void convert_compares(struct component *c, struct component_keys *keys, const struct check_call *call,
			     struct model_call *out, struct traits *traits)
{
	out->nwhen = call->nwhen;
	out->when = arena_get_zeroed(&c->arena, (call->nwhen + 1) * sizeof *out->when);
	c->notices |= call->nwhen > 0;
	for (uint32_t i = 0; i < call->nwhen; i++) {
		const struct check_compare *in = &call->when[i];
		struct model_compare *compare = &out->when[i];
		compare->cell = cell_of(c, keys, in->key_number);
		compare->target = in->target;
		compare->relation = in->relation;
		compare->number = in->number;
		if (in->target == CHECK_VALUE)
			compare->value = values_intern_seen(&c->values, in->value);
		c->versions |= in->target == CHECK_VERSION;
		traits->order |= in->target == CHECK_VALUE && (in->relation == CHECK_LESS || in->relation == CHECK_GREATER);
	}
}

static bool never_writes(const struct model_op *ops, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (ops[i].kind != CHECK_GET && !(ops[i].kind == CHECK_CAS && (ops[i].saw & CHECK_SAW_REFUSED) != 0) &&
		    !(ops[i].kind == CHECK_DELETE && (ops[i].saw & CHECK_SAW_MISSING) != 0))
			return false;
	return true;
}

static void convert_call(struct component *c, struct component_keys *keys, const struct check_call *call, uint32_t weakness,
			 struct component_call *out, struct traits *traits)
{
	struct model_call *model = &out->model;
	c->transactions |= call->nwhen > 0 || call->nthen != 1 || call->notherwise > 0;
	if (call->outcome == CHECK_UNKNOWN)
		weakness |= CHECK_OPTIONAL;
	out->required = (weakness & CHECK_OPTIONAL) == 0;
	model->branch = (weakness & (CHECK_OPTIONAL | CHECK_UNSEEN)) != 0 ? CHECK_BRANCH_UNSEEN : call->branch;
	model->nthen = call->nthen;
	model->notherwise = call->notherwise;
	model->then = convert_ops(c, keys, call->then, call->nthen, weakness, traits);
	model->otherwise = convert_ops(c, keys, call->otherwise, call->notherwise, weakness, traits);
	convert_compares(c, keys, call, model, traits);
	out->pure = (model->branch == CHECK_BRANCH_OTHERWISE || never_writes(model->then, model->nthen)) &&
		    (model->branch == CHECK_BRANCH_THEN || never_writes(model->otherwise, model->notherwise));
}

/* Values can be named by their final numbers only when all have been seen. */
static void canonicalise(struct component *c, struct model_op *ops, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (ops[i].kind == CHECK_PUT || ops[i].kind == CHECK_CAS)
			ops[i].value = values_canonical(&c->values, ops[i].value);
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
	call->cells = arena_get(&c->arena, (m->nwhen + m->nthen + m->notherwise + 1) * sizeof *call->cells);
	for (uint32_t i = 0; i < m->nwhen; i++)
		add_cell(call, m->when[i].cell);
	for (uint32_t i = 0; i < m->nthen; i++)
		add_cell(call, m->then[i].cell);
	for (uint32_t i = 0; i < m->notherwise; i++)
		add_cell(call, m->otherwise[i].cell);
}

static void finish_call(struct component *c, struct component_call *call)
{
	list_cells(c, call);
	canonicalise(c, call->model.then, call->model.nthen);
	canonicalise(c, call->model.otherwise, call->model.notherwise);
	if (!component_single(call) || c->versions)
		return;
	const struct model_op *op = call->model.then;
	bool put = op->kind == CHECK_PUT && op->saw == 0;
	call->overwrites = put || (op->kind == CHECK_DELETE && op->saw == 0);
	call->idle = call->required && put && op->value == VALUE_DEAD && !c->notices && !c->transactions;
}

/* Whether all that it can write is dead, and it does that without asking. */
static bool writes_dead(const struct model_call *m)
{
	for (uint32_t i = 0; i < m->nthen; i++) {
		const struct model_op *op = &m->then[i];
		if (op->kind != CHECK_GET && !((op->kind == CHECK_PUT || op->kind == CHECK_CAS) && op->value == VALUE_DEAD))
			return false;
	}
	return m->nwhen == 0;
}

static bool left_out(const struct component *c, const struct component_call *call)
{
	if (call->required)
		return false;
	return call->pure || (!c->versions && !c->notices && writes_dead(&call->model));
}

/* ---- classes ---- */

static int by_content(const void *a, const void *b)
{
	const struct component_call *x = *(struct component_call *const *)a, *y = *(struct component_call *const *)b;
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

/* ---- events ---- */

struct moment {
	uint64_t time;
	struct component_event event;
};

/* What is called when another returns overlaps it. Equal moments stay in the order of the calls. */
static int by_time(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	if (x->event.is_return != y->event.is_return)
		return x->event.is_return ? 1 : -1;
	return x->event.call < y->event.call ? -1 : x->event.call > y->event.call;
}

static void order_events(struct component *c, const struct check_history *h, const struct check_item *items)
{
	struct moment *moments = alloc_zeroed(2 * (size_t)c->ncalls + 1, sizeof *moments);
	for (uint32_t i = 0; i < c->ncalls; i++) {
		const struct check_call *call = &h->calls[items[c->calls[i].item].call];
		moments[c->nevents++] = (struct moment){.time = call->call, .event = {.call = i}};
		if (c->calls[i].required)
			moments[c->nevents++] = (struct moment){.time = call->ret, .event = {.call = i, .is_return = true}};
	}
	qsort(moments, c->nevents, sizeof *moments, by_time);
	c->events = alloc_zeroed(c->nevents + 1, sizeof *c->events);
	for (uint32_t i = 0; i < c->nevents; i++) {
		c->events[i] = moments[i].event;
		struct component_call *call = &c->calls[moments[i].event.call];
		*(moments[i].event.is_return ? &call->return_event : &call->call_event) = i;
	}
	free(moments);
}

/* ---- all together ---- */

struct by_call {
	const struct check_history *h;
	const struct check_item *items;
};

static int by_call_time(const void *a, const void *b, void *context)
{
	const struct by_call *order = context;
	uint32_t x = order->items[*(const uint32_t *)a].call, y = order->items[*(const uint32_t *)b].call;
	uint64_t tx = order->h->calls[x].call, ty = order->h->calls[y].call;
	if (tx != ty)
		return tx < ty ? -1 : 1;
	return x < y ? -1 : x > y;
}

static uint32_t keys_at_most(const struct check_history *h, const struct check_item *items, uint32_t count)
{
	uint32_t keys = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct check_call *call = &h->calls[items[i].call];
		keys += call->nwhen + call->nthen + call->notherwise;
	}
	return keys;
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

void component_init(struct component *c, const struct check_history *h, const struct check_item *items, uint32_t count,
		    struct component_keys *keys)
{
	struct traits traits = {0};
	struct by_call order = {.h = h, .items = items};
	uint32_t *sorted = alloc_zeroed(count + 1, sizeof *sorted);
	*c = (struct component){0};
	arena_init(&c->arena, SIZE_MAX);
	values_init(&c->values);
	c->calls = alloc_zeroed(count + 1, sizeof *c->calls);
	c->keys = alloc_zeroed(keys_at_most(h, items, count) + 1, sizeof *c->keys);
	for (uint32_t i = 0; i < count; i++)
		sorted[i] = i;
	qsort_r(sorted, count, sizeof *sorted, by_call_time, &order);
	for (uint32_t i = 0; i < count; i++) {
		const struct check_item *item = &items[sorted[i]];
		struct component_call *call = &c->calls[c->ncalls];
		if (h->calls[item->call].outcome == CHECK_FAILED)
			continue;
		c->ncalls++;
		call->item = sorted[i];
		call->return_event = UINT32_MAX;
		convert_call(c, keys, &h->calls[item->call], item->weakness, call, &traits);
	}
	values_close(&c->values, !traits.order, traits.appends);
	for (uint32_t i = 0; i < c->ncalls; i++)
		finish_call(c, &c->calls[i]);
	forget_left_out(c);
	classify(c);
	order_events(c, h, items);
	for (uint32_t i = 0; i < c->ncells; i++)
		keys->cells[c->keys[i]] = 0;
	free(sorted);
}

void component_free(struct component *c)
{
	free(c->calls);
	free(c->events);
	free(c->keys);
	values_free(&c->values);
	arena_free(&c->arena);
	*c = (struct component){0};
}
