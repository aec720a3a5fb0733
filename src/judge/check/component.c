/* Histories fall into parts that have nothing to do with each other. */
#include "check/component.h"

#include <stdlib.h>

#include "base/alloc.h"

static uint32_t seen_by(const struct check_op *op, uint32_t weakness)
{
	if ((weakness & CHECK_OPTIONAL) != 0)
		return 0;
	if ((weakness & CHECK_UNSEEN) != 0)
		return op->saw & CHECK_SAW_WHETHER_DONE;
	return (weakness & CHECK_NO_VERSION) != 0 ? op->saw & ~(unsigned)CHECK_SAW_VERSION
						  : op->saw;
}

static uint32_t cell_of(struct component *c, struct component_keys *keys, uint32_t key)
{
	if (keys->cells[key] == 0) {
		c->keys[c->ncells] = key;
		keys->cells[key] = ++c->ncells;
	}
	return keys->cells[key] - 1;
}

static struct model_op *convert_ops(struct component *c, struct component_keys *keys,
				    const struct check_op *ops, uint32_t count, uint32_t weakness)
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
						? values_intern_seen_at(&c->values, op->result,
									op->version)
						: values_intern_seen(&c->values, op->result);
		if (op->kind == CHECK_INCR)
			out[i].delta = op->delta;
		c->versions |= (out[i].saw & CHECK_SAW_VERSION) != 0;
		c->missing |= (out[i].saw & CHECK_SAW_MISSING) != 0 ||
			      (op->kind == CHECK_CAS && op->absent);
		c->notices |= (out[i].saw & CHECK_SAW_PRESENT) != 0 ||
			      ((out[i].saw & CHECK_SAW_REFUSED) != 0 &&
			       (out[i].saw & (CHECK_SAW_VALUE | CHECK_SAW_MISSING)) == 0);
		c->order |= op->kind == CHECK_INCR;
		c->appends |= op->kind == CHECK_APPEND;
	}
	return out;
}

static void convert_compares(struct component *c, struct component_keys *keys,
			     const struct check_call *call, struct model_call *out)
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
		c->order |= in->target == CHECK_VALUE &&
			    (in->relation == CHECK_LESS || in->relation == CHECK_GREATER);
	}
}

static void convert_call(struct component *c, struct component_keys *keys,
			 const struct check_call *call, uint32_t weakness,
			 struct component_call *out)
{
	struct model_call *model = &out->model;
	c->transactions |= call->nwhen > 0 || call->nthen != 1 || call->notherwise > 0;
	if (call->outcome == CHECK_UNKNOWN)
		weakness |= CHECK_OPTIONAL;
	out->required = (weakness & CHECK_OPTIONAL) == 0;
	model->branch = (weakness & CHECK_OPTIONAL) != 0 ? CHECK_BRANCH_UNSEEN : call->branch;
	model->nthen = call->nthen;
	model->notherwise = call->notherwise;
	model->then = convert_ops(c, keys, call->then, call->nthen, weakness);
	model->otherwise = convert_ops(c, keys, call->otherwise, call->notherwise, weakness);
	convert_compares(c, keys, call, model);
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

static void order_events(struct component *c, const struct check_history *h,
			 const struct check_item *items)
{
	struct moment *moments = alloc_zeroed(2 * (size_t)c->ncalls + 1, sizeof *moments);
	for (uint32_t i = 0; i < c->ncalls; i++) {
		const struct check_call *call = &h->calls[items[c->calls[i].item].call];
		moments[c->nevents++] = (struct moment){.time = call->call, .event = {.call = i}};
		if (c->calls[i].required)
			moments[c->nevents++] = (struct moment){
				.time = call->ret, .event = {.call = i, .is_return = true}};
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
	uint32_t x = order->items[*(const uint32_t *)a].call,
		 y = order->items[*(const uint32_t *)b].call;
	uint64_t tx = order->h->calls[x].call, ty = order->h->calls[y].call;
	if (tx != ty)
		return tx < ty ? -1 : 1;
	return x < y ? -1 : x > y;
}

static uint32_t keys_at_most(const struct check_history *h, const struct check_item *items,
			     uint32_t count)
{
	uint32_t keys = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct check_call *call = &h->calls[items[i].call];
		keys += call->nwhen + call->nthen + call->notherwise;
	}
	return keys;
}

void component_init(struct component *c, const struct check_history *h,
		    const struct check_item *items, uint32_t count, struct component_keys *keys,
		    bool exact)
{
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
		convert_call(c, keys, &h->calls[item->call], item->weakness, call);
	}
	values_close(&c->values, !c->order && !exact, c->appends);
	component_reduce(c);
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
