/* A quick check of reads and writes by the times between which a value was there. */
#include "check/zones.h"

#include <stdlib.h>

#include "base/alloc.h"

/* Numbers of events stand for times. Empty unless from < to. */
struct zone {
	uint32_t cell;
	value_id value;
	uint32_t from, to;
};

static int by_cell_and_time(const void *a, const void *b)
{
	const struct zone *x = a, *y = b;
	if (x->cell != y->cell)
		return x->cell < y->cell ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

/* The zone of each need. A need that can be met in several ways gets an empty one. */
static struct zone *find_zones(const struct component *c, const struct needs *n)
{
	struct zone *zones = alloc_zeroed((size_t)n->count + 1, sizeof *zones);
	for (uint32_t i = 0; i < n->count; i++) {
		const struct need *need = &n->needs[i];
		bool initial = need->value == VALUE_MISSING;
		bool one_way = need->ntokens == 0 && need->writers == (initial ? 0 : 1);
		zones[i] = (struct zone){.cell = need->cell,
					 .value = need->value,
					 .from = initial && one_way ? 0 : UINT32_MAX};
	}
	for (uint32_t call = 0; call < c->ncalls; call++) {
		for (uint32_t i = n->writes.first[call]; i < n->writes.first[call + 1]; i++) {
			uint32_t need = n->writes.items[i];
			if (n->needs[need].writers == 1 && n->needs[need].ntokens == 0 &&
			    n->needs[need].value != VALUE_MISSING)
				zones[need].from = c->calls[call].return_event;
		}
		for (uint32_t i = n->waits.first[call]; i < n->waits.first[call + 1]; i++) {
			struct zone *zone = &zones[n->waits.items[i]];
			if (c->calls[call].call_event > zone->to)
				zone->to = c->calls[call].call_event;
		}
	}
	return zones;
}

/* Drops the empty ones. */
static uint32_t sort_zones(struct zone *zones, uint32_t count)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < count; i++)
		if (zones[i].from < zones[i].to)
			zones[kept++] = zones[i];
	qsort(zones, kept, sizeof *zones, by_cell_and_time);
	return kept;
}

/* Whether the operation, done, leaves another value in its cell than this one. */
static bool replaces(const struct model_op *op, value_id value)
{
	switch ((enum check_kind)op->kind) {
	case CHECK_PUT: return op->value != value;
	case CHECK_CAS: return (op->saw & CHECK_SAW_DONE) != 0 && op->value != value;
	case CHECK_DELETE: return value != VALUE_MISSING;
	case CHECK_APPEND: return value == VALUE_MISSING;
	case CHECK_GET:
	case CHECK_INCR: break;
	}
	return false;
}

/* The last zone of the cell that begins before the event. */
static const struct zone *zone_before(const struct zone *zones, uint32_t count, uint32_t cell,
				      uint32_t event)
{
	uint32_t low = 0, high = count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct zone *z = &zones[middle];
		if (z->cell < cell || (z->cell == cell && z->from <= event))
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && zones[low - 1].cell == cell ? &zones[low - 1] : NULL;
}

static bool writes_within_zone(const struct component_call *call, const struct zone *zones,
			       uint32_t count)
{
	const struct model_call *m = &call->model;
	bool then = m->nwhen == 0 || m->branch == CHECK_BRANCH_THEN;
	if (!call->required || (m->nwhen > 0 && m->branch == CHECK_BRANCH_UNSEEN))
		return false;
	for (uint32_t i = 0; i < (then ? m->nthen : m->notherwise); i++) {
		const struct model_op *op = &(then ? m->then : m->otherwise)[i];
		const struct zone *zone = zone_before(zones, count, op->cell, call->call_event);
		if (zone != NULL && call->return_event <= zone->to && replaces(op, zone->value))
			return true;
	}
	return false;
}

bool zones_conflict(const struct component *c, const struct needs *n)
{
	struct zone *zones = find_zones(c, n);
	uint32_t count = sort_zones(zones, n->count);
	bool conflict = false;
	for (uint32_t i = 1; i < count && !conflict; i++)
		conflict = zones[i].cell == zones[i - 1].cell && zones[i].from < zones[i - 1].to;
	for (uint32_t i = 0; i < c->ncalls && !conflict; i++)
		conflict = writes_within_zone(&c->calls[i], zones, count);
	free(zones);
	return conflict;
}
