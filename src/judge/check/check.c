/*
 * The whole check: which keys belong together, each such part in turn, and the first violation made
 * small.
 */
#include "check/check.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "check/search.h"
#include "check/show.h"
#include "check/shrink.h"

struct part {                  /* calls on keys that belong together */
	uint32_t first, count; /* in `items` */
};

struct checker {
	const struct check_history *h;
	struct check_report *report;
	struct search_limits limits;
	struct component_keys keys;
	uint32_t *parent; /* of each key, in the forest of those that belong together */
	struct check_item *items;
	struct part *parts;
	uint32_t nparts;
};

/* ---- keys that belong together ---- */

static uint32_t root_of(uint32_t *parent, uint32_t key)
{
	while (parent[key] != key) {
		parent[key] = parent[parent[key]];
		key = parent[key];
	}
	return key;
}

static uint32_t first_key(const struct check_call *call)
{
	if (call->nthen > 0)
		return call->then[0].key_number;
	return call->notherwise > 0 ? call->otherwise[0].key_number : call->when[0].key_number;
}

static void connect_keys(struct checker *k, const struct check_call *call)
{
	uint32_t root = root_of(k->parent, first_key(call));
	for (uint32_t i = 0; i < call->nwhen; i++)
		k->parent[root_of(k->parent, call->when[i].key_number)] = root;
	for (uint32_t i = 0; i < call->nthen; i++)
		k->parent[root_of(k->parent, call->then[i].key_number)] = root;
	for (uint32_t i = 0; i < call->notherwise; i++)
		k->parent[root_of(k->parent, call->otherwise[i].key_number)] = root;
}

/* What failed says nothing, and neither does a transaction of nothing. */
static bool says_something(const struct check_call *call)
{
	return call->outcome != CHECK_FAILED && call->nwhen + call->nthen + call->notherwise > 0;
}

static int by_size(const void *a, const void *b)
{
	const struct part *x = a, *y = b;
	if (x->count != y->count)
		return x->count < y->count ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* Sorts the calls into parts by counting. */
static void divide(struct checker *k)
{
	const struct check_history *h = k->h;
	uint32_t nkeys = h->keys->count, position = 0;
	uint32_t *part_of = alloc_zeroed(nkeys, sizeof *part_of); /* of each root: number + 1 */
	k->parent = alloc_zeroed(nkeys, sizeof *k->parent);
	for (uint32_t key = 0; key < nkeys; key++)
		k->parent[key] = key;
	for (uint32_t i = 0; i < h->count; i++)
		if (says_something(&h->calls[i]))
			connect_keys(k, &h->calls[i]);
	k->parts = alloc_zeroed(nkeys, sizeof *k->parts);
	k->items = alloc_zeroed(h->count + 1, sizeof *k->items);
	for (uint32_t i = 0; i < h->count; i++) {
		if (!says_something(&h->calls[i]))
			continue;
		uint32_t root = root_of(k->parent, first_key(&h->calls[i]));
		if (part_of[root] == 0)
			part_of[root] = ++k->nparts;
		k->parts[part_of[root] - 1].count++;
	}
	for (uint32_t i = 0; i < k->nparts; i++) {
		k->parts[i].first = position;
		position += k->parts[i].count;
		k->parts[i].count = 0;
	}
	for (uint32_t i = 0; i < h->count; i++) {
		if (!says_something(&h->calls[i]))
			continue;
		struct part *part =
			&k->parts[part_of[root_of(k->parent, first_key(&h->calls[i]))] - 1];
		k->items[part->first + part->count++].call = i;
	}
	/* Small ones first: a hard one cannot use up the steps that decide the others. */
	qsort(k->parts, k->nparts, sizeof *k->parts, by_size);
	free(part_of);
}

/* ---- a violation ---- */

static bool touches(const struct component_call *call, uint32_t cell)
{
	for (uint32_t i = 0; i < call->ncells; i++)
		if (call->cells[i] == cell)
			return true;
	return false;
}

static const struct component_call *call_of_item(const struct component *c, uint32_t item)
{
	for (uint32_t i = 0; i < c->ncalls; i++)
		if (c->calls[i].item == item)
			return &c->calls[i];
	return NULL;
}

/*
 * What the keys of the stuck call hold behind the order; with all values, also those that do not
 * matter.
 */
static void describe_state(struct checker *k, struct check_violation *v)
{
	struct component c;
	struct model_state state;
	component_init(&c, k->h, v->items, v->count, &k->keys, true);
	model_init(&state, c.ncells, c.versions, &c.values);
	const struct component_call *stuck = call_of_item(&c, v->stuck);
	for (uint32_t i = 0; i < v->norder; i++) {
		const struct component_call *call = call_of_item(&c, v->order[i]);
		bool fits = call != NULL && model_apply(&state, &call->model);
		ASSERT(fits);
	}
	for (uint32_t cell = 0; cell < c.ncells; cell++) {
		const struct model_cell *now = &state.cells[cell];
		if (touches(stuck, cell))
			show_state(k->h->keys->values[c.keys[cell]].text,
				   now->value == VALUE_MISSING, values_text(&c.values, now->value),
				   c.versions ? now->version : 0, &v->state);
	}
	model_free(&state);
	component_free(&c);
}

/* Enough to try everything with the few calls that usually are left. */
#define EXPLAIN_STEPS_MAX 1000000u

/* Once more, on the calls that are left, to say how far one gets. */
static void explain(struct checker *k, struct check_violation *v)
{
	struct component c;
	struct search_result result;
	component_init(&c, k->h, v->items, v->count, &k->keys, false);
	struct search_limits limits = {.steps_max = EXPLAIN_STEPS_MAX,
				       .bytes_max = k->limits.bytes_max};
	search_run(&c, &limits, true, &result);
	ASSERT(result.verdict != CHECK_LINEARIZABLE && result.order != NULL);
	v->order = alloc_zeroed(result.norder + 1, sizeof *v->order);
	v->norder = result.norder;
	for (uint32_t i = 0; i < result.norder; i++)
		v->order[i] = c.calls[result.order[i]].item;
	v->stuck = c.calls[c.events[result.stuck_event].call].item;
	search_result_free(&result);
	component_free(&c);
	describe_state(k, v);
}

static void keep_violation(struct checker *k, const struct part *part)
{
	struct check_violation *v = &k->report->violation;
	/* Shrinking has steps of its own, so that a violation found late is made small too. */
	struct search_limits limits = {.steps_max = k->limits.steps_max / 8 + 1000,
				       .bytes_max = k->limits.bytes_max};
	v->component_calls = part->count;
	v->items = alloc_zeroed(part->count + 1, sizeof *v->items);
	memcpy(v->items, &k->items[part->first], part->count * sizeof *v->items);
	v->count = shrink(k->h, v->items, part->count, &limits, &k->keys);
	explain(k, v);
}

/* ---- the whole ---- */

static void check_part(struct checker *k, const struct part *part,
		       const struct search_limits *limits)
{
	struct component c;
	struct search_result result;
	struct check_report *report = k->report;
	component_init(&c, k->h, &k->items[part->first], part->count, &k->keys, false);
	search_run(&c, limits, false, &result);
	report->steps += result.steps;
	report->undecided += result.verdict == CHECK_GAVE_UP;
	if (result.verdict == CHECK_VIOLATION) {
		report->verdict = CHECK_VIOLATION;
		keep_violation(k, part);
	}
	search_result_free(&result);
	component_free(&c);
}

static void count_calls(const struct check_history *h, struct check_report *report)
{
	report->calls = h->count;
	report->keys = h->keys->count - 2; /* but for the two special numbers */
	for (uint32_t i = 0; i < h->count; i++) {
		report->ok += h->calls[i].outcome == CHECK_OK;
		report->failed += h->calls[i].outcome == CHECK_FAILED;
		report->unknown += h->calls[i].outcome == CHECK_UNKNOWN;
		report->transactions += h->calls[i].transaction;
	}
}

void check_history(const struct check_history *h, const struct check_limits *limits,
		   struct check_report *report)
{
	struct checker k = {.h = h, .report = report};
	*report = (struct check_report){.verdict = CHECK_LINEARIZABLE};
	k.limits.steps_max = limits != NULL && limits->steps_max != 0 ? limits->steps_max
								      : CHECK_STEPS_MAX;
	k.limits.bytes_max = limits != NULL && limits->bytes_max != 0 ? limits->bytes_max
								      : CHECK_BYTES_MAX;
	k.keys.cells = alloc_zeroed(h->keys->count, sizeof *k.keys.cells);
	count_calls(h, report);
	divide(&k);
	report->components = k.nparts;
	report->largest = k.nparts > 0 ? k.parts[k.nparts - 1].count : 0;
	for (uint32_t i = 0; i < k.nparts && report->verdict != CHECK_VIOLATION; i++) {
		struct search_limits left = k.limits;
		left.steps_max -= report->steps < left.steps_max ? report->steps : left.steps_max;
		check_part(&k, &k.parts[i], &left);
	}
	if (report->verdict != CHECK_VIOLATION && report->undecided > 0)
		report->verdict = CHECK_GAVE_UP;
	free(k.parent);
	free(k.items);
	free(k.parts);
	free(k.keys.cells);
}

void check_report_free(struct check_report *report)
{
	free(report->violation.items);
	free(report->violation.order);
	buffer_free(&report->violation.state);
	*report = (struct check_report){0};
}
