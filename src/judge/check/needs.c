/* What an answer says about what must have happened before. */
#include "check/needs.h"

#include <stdlib.h>

#include "base/alloc.h"

#define TOKEN_LENGTHS_MAX 32u

struct builder {
	struct needs *n;
	const struct component *c;
	struct map appended; /* cell and token → index of appends_left + 1 */
	uint32_t appends_capacity;
	size_t lengths[TOKEN_LENGTHS_MAX]; /* of tokens */
	uint32_t nlengths;
	bool any_length; /* there are more lengths than that */
	uint32_t tokens_count, tokens_capacity;
};

static uint64_t pair(uint32_t cell, value_id value)
{
	return (uint64_t)cell << 32 | value;
}

static struct need *find_need(const struct needs *n, uint32_t cell, value_id value)
{
	uintptr_t number = (uintptr_t)map_get(&n->by_cell_and_value, pair(cell, value));
	return number == 0 ? NULL : &n->needs[number - 1];
}

/* ---- lists ---- */

static void list_init(struct need_lists *l, uint32_t ncalls)
{
	l->first = alloc_zeroed((size_t)ncalls + 1, sizeof *l->first);
}

static void list_add(struct need_lists *l, uint32_t item)
{
	ALLOC_ROOM(l->items, l->count, l->capacity, 64);
	l->items[l->count++] = item;
}

static void list_free(struct need_lists *l)
{
	free(l->first);
	free(l->items);
}

/* ---- what a call needs ---- */

static void add_need(struct builder *b, uint32_t cell, value_id value)
{
	struct needs *n = b->n;
	struct need *need = find_need(n, cell, value);
	if (need == NULL) {
		ALLOC_ROOM(n->needs, n->count, n->capacity, 64);
		need = &n->needs[n->count++];
		*need = (struct need){.cell = cell, .value = value};
		map_put(&n->by_cell_and_value, pair(cell, value), (void *)(uintptr_t)n->count);
	}
	need->waiting++;
	list_add(&n->waits, (uint32_t)(need - n->needs));
}

/* What was there before an append that gave `result`, unless that is as good as nothing. */
static void add_need_of_append(struct builder *b, const struct model_op *op)
{
	const struct value_table *values = &b->c->values;
	struct slice result = values_text(values, op->result),
		     token = values_text(values, op->value);
	if (result.len <= token.len)
		return;
	struct slice before = slice(result.data, result.len - token.len);
	value_id id = values_find(values, before);
	/*
	 * A text that has no number yet was written by nobody as a whole, but may come about by
	 * appending.
	 */
	if (id != VALUE_MISSING)
		add_need(b, op->cell, id);
}

static void add_need_of_op(struct builder *b, const struct model_op *op)
{
	bool saw_value = (op->saw & CHECK_SAW_VALUE) != 0;
	if ((op->saw & CHECK_SAW_MISSING) != 0 ||
	    (op->kind == CHECK_CAS && op->absent && (op->saw & CHECK_SAW_DONE) != 0))
		add_need(b, op->cell, VALUE_MISSING);
	else if (op->kind == CHECK_CAS && (op->saw & CHECK_SAW_DONE) != 0)
		add_need(b, op->cell, op->expect);
	else if (saw_value && (op->kind == CHECK_GET || op->kind == CHECK_CAS))
		add_need(b, op->cell, op->result);
	else if (saw_value && op->kind == CHECK_APPEND)
		add_need_of_append(b, op);
}

static bool touched_before(const struct model_op *ops, uint32_t i)
{
	for (uint32_t j = 0; j < i; j++)
		if (ops[j].cell == ops[i].cell)
			return true;
	return false;
}

static void add_needs_of_call(struct builder *b, const struct component_call *call)
{
	const struct model_call *m = &call->model;
	bool then = m->nwhen == 0 || m->branch == CHECK_BRANCH_THEN;
	if (!call->required || (m->nwhen > 0 && m->branch == CHECK_BRANCH_UNSEEN))
		return;
	for (uint32_t i = 0; i < m->nwhen && then; i++) {
		const struct model_compare *compare = &m->when[i];
		if (compare->target == CHECK_VALUE && compare->relation == CHECK_EQUAL)
			add_need(b, compare->cell, compare->value);
		if (compare->target == CHECK_EXISTS && compare->relation == CHECK_EQUAL &&
		    compare->number == 0)
			add_need(b, compare->cell, VALUE_MISSING);
	}
	const struct model_op *ops = then ? m->then : m->otherwise;
	for (uint32_t i = 0; i < (then ? m->nthen : m->notherwise); i++)
		if (!touched_before(ops, i))
			add_need_of_op(b, &ops[i]);
}

/* ---- what a call brings about ---- */

static uint32_t append_source(struct builder *b, uint32_t cell, value_id token)
{
	struct needs *n = b->n;
	uintptr_t known = (uintptr_t)map_get(&b->appended, pair(cell, token));
	if (known != 0)
		return (uint32_t)(known - 1);
	ALLOC_ROOM(n->appends_left, n->nappends, b->appends_capacity, 64);
	n->appends_left[n->nappends++] = 0;
	map_put(&b->appended, pair(cell, token), (void *)(uintptr_t)n->nappends);
	size_t len = values_text(&b->c->values, token).len;
	for (uint32_t i = 0; i < b->nlengths; i++)
		if (b->lengths[i] == len)
			return n->nappends - 1;
	if (b->nlengths < TOKEN_LENGTHS_MAX)
		b->lengths[b->nlengths++] = len;
	else
		b->any_length = true;
	return n->nappends - 1;
}

static void add_writes(struct builder *b, const struct model_op *ops, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct model_op *op = &ops[i];
		if (op->kind == CHECK_APPEND) {
			uint32_t source = append_source(b, op->cell, op->value);
			b->n->appends_left[source]++;
			list_add(&b->n->appends, source);
			continue;
		}
		if (op->kind == CHECK_GET)
			continue;
		struct need *need = find_need(b->n, op->cell,
					      op->kind == CHECK_DELETE ? VALUE_MISSING : op->value);
		if (need != NULL) {
			need->writers++;
			list_add(&b->n->writes, (uint32_t)(need - b->n->needs));
		}
	}
}

/* By which appends a needed value can come about: those of which it is the end. */
static void add_tokens(struct builder *b, struct need *need)
{
	struct needs *n = b->n;
	struct slice text = values_text(&b->c->values, need->value);
	need->tokens_first = b->tokens_count;
	for (uint32_t i = 0; i < b->nlengths && need->value != VALUE_MISSING; i++) {
		if (b->lengths[i] > text.len)
			continue;
		struct slice end = slice(text.data + text.len - b->lengths[i], b->lengths[i]);
		uintptr_t source = (uintptr_t)map_get(
			&b->appended, pair(need->cell, values_find(&b->c->values, end)));
		if (source == 0)
			continue;
		ALLOC_ROOM(n->tokens, b->tokens_count, b->tokens_capacity, 64);
		n->tokens[b->tokens_count++] = (uint32_t)(source - 1);
		need->ntokens++;
	}
}

static void forget_all(struct needs *n, uint32_t ncalls)
{
	n->count = 0;
	memset(n->waits.first, 0, ((size_t)ncalls + 1) * sizeof *n->waits.first);
	memset(n->writes.first, 0, ((size_t)ncalls + 1) * sizeof *n->writes.first);
	memset(n->appends.first, 0, ((size_t)ncalls + 1) * sizeof *n->appends.first);
	map_free(&n->by_cell_and_value);
}

static bool counts(const struct component *c)
{
	for (uint32_t i = 0; i < c->ncalls; i++) {
		const struct model_call *m = &c->calls[i].model;
		for (uint32_t j = 0; j < m->nthen + m->notherwise; j++)
			if ((j < m->nthen ? m->then[j] : m->otherwise[j - m->nthen]).kind ==
			    CHECK_INCR)
				return true;
	}
	return false;
}

void needs_init(struct needs *n, const struct component *c)
{
	struct builder b = {.n = n, .c = c};
	*n = (struct needs){0};
	list_init(&n->waits, c->ncalls);
	list_init(&n->writes, c->ncalls);
	list_init(&n->appends, c->ncalls);
	if (counts(c))
		return;
	for (uint32_t i = 0; i < c->ncalls; i++) {
		add_needs_of_call(&b, &c->calls[i]);
		n->waits.first[i + 1] = n->waits.count;
	}
	for (uint32_t i = 0; i < c->ncalls; i++) {
		const struct model_call *m = &c->calls[i].model;
		add_writes(&b, m->then, m->nthen);
		add_writes(&b, m->otherwise, m->notherwise);
		n->writes.first[i + 1] = n->writes.count;
		n->appends.first[i + 1] = n->appends.count;
	}
	for (uint32_t i = 0; i < n->count; i++)
		add_tokens(&b, &n->needs[i]);
	if (b.any_length)
		forget_all(n, c->ncalls);
	map_free(&b.appended);
}

void needs_free(struct needs *n)
{
	list_free(&n->waits);
	list_free(&n->writes);
	list_free(&n->appends);
	map_free(&n->by_cell_and_value);
	free(n->needs);
	free(n->appends_left);
	free(n->tokens);
	*n = (struct needs){0};
}

/* ---- during the search ---- */

static void count_call(struct needs *n, uint32_t call, uint32_t by)
{
	for (uint32_t i = n->waits.first[call]; i < n->waits.first[call + 1]; i++)
		n->needs[n->waits.items[i]].waiting += by;
	for (uint32_t i = n->writes.first[call]; i < n->writes.first[call + 1]; i++)
		n->needs[n->writes.items[i]].writers += by;
	for (uint32_t i = n->appends.first[call]; i < n->appends.first[call + 1]; i++)
		n->appends_left[n->appends.items[i]] += by;
}

void needs_place(struct needs *n, uint32_t call)
{
	count_call(n, call, UINT32_MAX); /* one less */
}

void needs_unplace(struct needs *n, uint32_t call)
{
	count_call(n, call, 1);
}

static bool is_lost(const struct needs *n, const struct need *need, const struct model_state *s)
{
	if (need == NULL || need->waiting == 0 || need->writers > 0 ||
	    s->cells[need->cell].value == need->value)
		return false;
	for (uint32_t i = 0; i < need->ntokens; i++)
		if (n->appends_left[n->tokens[need->tokens_first + i]] > 0)
			return false;
	return true;
}

bool needs_hopeless(const struct needs *n, const struct model_state *s)
{
	for (uint32_t i = 0; i < n->count; i++)
		if (is_lost(n, &n->needs[i], s))
			return true;
	return false;
}

bool needs_spoilt(const struct needs *n, const struct model_state *s, uint32_t call, size_t mark)
{
	if (n->count == 0)
		return false;
	for (size_t i = mark; i < s->nchanges; i++)
		if (is_lost(n, find_need(n, s->changes[i].cell, s->changes[i].before.value), s))
			return true;
	/* What it wrote may be gone again, or be there as a version that nobody saw. */
	for (uint32_t i = n->writes.first[call]; i < n->writes.first[call + 1]; i++)
		if (is_lost(n, &n->needs[n->writes.items[i]], s))
			return true;
	return false;
}
