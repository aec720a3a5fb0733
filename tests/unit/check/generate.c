#include "generate.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/rng.h"

struct cell {
	bool exists;
	uint64_t version;
	struct buffer text;
};

struct plan { /* of a call */
	uint64_t call, point, ret;
	uint32_t client, id;
	bool unknown, never;
};

struct maker {
	const struct generate *g;
	struct rng rng;
	struct cell *cells;
	struct arena arena;
	uint32_t next_value;
};

static bool percent(struct maker *m, uint32_t p)
{
	return rng_below(&m->rng, 100) < p;
}

static struct slice text(struct maker *m, char letter, uint32_t number)
{
	char out[32];
	int len = snprintf(out, sizeof out, "%c%u", letter, number);
	return arena_copy(&m->arena, slice(out, (size_t)len));
}

static struct slice now_in(struct maker *m, const struct cell *c)
{
	return arena_copy(&m->arena, buffer_slice(&c->text));
}

static void put(struct cell *c, struct slice value)
{
	buffer_clear(&c->text);
	buffer_add_slice(&c->text, value);
	c->version = c->exists ? c->version + 1 : 1;
	c->exists = true;
}

static void see(struct maker *m, struct check_op *op, const struct cell *c)
{
	op->saw |= c->exists ? CHECK_SAW_VALUE : CHECK_SAW_MISSING;
	op->result = now_in(m, c);
}

static void do_cas(struct maker *m, struct check_op *op, struct cell *c)
{
	op->absent = !c->exists || percent(m, 20);
	op->expect = percent(m, 50) && c->exists
			     ? now_in(m, c)
			     : text(m, 'v', (uint32_t)rng_below(&m->rng, m->next_value + 1));
	if (op->absent ? !c->exists
		       : c->exists && slice_equal(buffer_slice(&c->text), op->expect)) {
		put(c, op->value);
		op->saw |= CHECK_SAW_DONE;
	} else {
		op->saw |= CHECK_SAW_REFUSED;
		see(m, op, c);
	}
}

/* Does one operation and notes what it saw. */
static void do_op(struct maker *m, struct check_op *op, uint32_t key)
{
	const struct generate *g = m->g;
	struct cell *c = &m->cells[key];
	uint32_t dice = (uint32_t)rng_below(&m->rng, 100);
	*op = (struct check_op){.key = text(m, 'k', key),
				.value = text(m, 'v', m->next_value++),
				.kind = CHECK_PUT};
	if (dice < g->get_percent) {
		op->kind = CHECK_GET;
		see(m, op, c);
	} else if ((dice -= g->get_percent) < g->append_percent) {
		op->kind = CHECK_APPEND;
		struct slice old = c->exists ? now_in(m, c) : slice(NULL, 0);
		struct buffer both = {0};
		buffer_add_slice(&both, old);
		buffer_add_slice(&both, op->value);
		put(c, buffer_slice(&both));
		buffer_free(&both);
		see(m, op, c);
	} else if ((dice -= g->append_percent) < g->delete_percent) {
		op->kind = CHECK_DELETE;
		op->saw = c->exists ? CHECK_SAW_PRESENT : CHECK_SAW_MISSING;
		c->exists = false;
		c->version = 0;
	} else if ((dice -= g->delete_percent) < g->cas_percent) {
		op->kind = CHECK_CAS;
		do_cas(m, op, c);
	} else {
		put(c, op->value);
	}
	if (g->versions && op->kind != CHECK_DELETE) {
		op->saw |= CHECK_SAW_VERSION;
		op->version = c->version;
	}
}

static int by_point(const void *a, const void *b)
{
	const struct plan *x = a, *y = b;
	if (x->point != y->point)
		return x->point < y->point ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static struct plan *make_plans(struct maker *m)
{
	const struct generate *g = m->g;
	struct plan *plans = alloc_zeroed(g->calls, sizeof *plans);
	uint64_t *free_at = alloc_zeroed(g->clients, sizeof *free_at);
	for (uint32_t i = 0; i < g->calls; i++) {
		struct plan *p = &plans[i];
		p->client = i % g->clients;
		p->id = i;
		p->call = free_at[p->client] + rng_below(&m->rng, 100);
		p->point = p->call + rng_below(&m->rng, 1000);
		p->ret = p->point + rng_below(&m->rng, 1000);
		p->unknown = rng_below(&m->rng, 1000) < g->unknown_per_thousand;
		p->never = p->unknown && percent(m, 50);
		if (p->unknown && percent(m, 20))
			p->point += rng_below(&m->rng, 100000);
		free_at[p->client] = p->ret + 1;
	}
	free(free_at);
	qsort(plans, g->calls, sizeof *plans, by_point);
	return plans;
}

void generate(struct check_history *h, const struct generate *g)
{
	struct maker m = {.g = g};
	struct check_op ops[8];
	rng_seed(&m.rng, g->seed);
	arena_init(&m.arena, SIZE_MAX);
	m.cells = alloc_zeroed(g->keys + g->txn_keys + 1, sizeof *m.cells);
	check_history_init(h);
	struct plan *plans = make_plans(&m);
	for (uint32_t i = 0; i < g->calls; i++) {
		const struct plan *p = &plans[i];
		struct check_call call = {.client = p->client,
					  .id = p->id,
					  .call = p->call,
					  .ret = p->ret,
					  .then = ops,
					  .nthen = 1};
		uint32_t key = (uint32_t)rng_below(&m.rng, g->keys);
		call.outcome = p->unknown ? CHECK_UNKNOWN : CHECK_OK;
		call.transaction = percent(&m, g->txn_percent);
		call.nthen = call.transaction ? g->txn_keys : 1;
		for (uint32_t j = 0; j < call.nthen; j++) {
			struct cell *cell = &m.cells[key + j], before = *cell;
			struct slice old = now_in(&m, cell);
			do_op(&m, &ops[j], key + j);
			if (p->never) {
				cell->exists = before.exists;
				cell->version = before.version;
				buffer_clear(&cell->text);
				buffer_add_slice(&cell->text, old);
			}
		}
		check_history_add(h, &call);
		arena_reset(&m.arena);
	}
	for (uint32_t i = 0; i < g->keys + g->txn_keys + 1; i++)
		buffer_free(&m.cells[i].text);
	free(m.cells);
	free(plans);
	arena_free(&m.arena);
}
