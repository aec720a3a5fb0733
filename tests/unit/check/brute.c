#include "brute.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 64

struct record {
	bool exists;
	uint64_t version;
	size_t len;
	char text[TEXT_MAX];
};

struct store {
	struct record records[BRUTE_KEYS_MAX];
};

static void put(struct record *r, const void *text, size_t len)
{
	char copy[TEXT_MAX];
	ASSERT(len <= TEXT_MAX);
	memcpy(copy, text, len);
	r->version = r->exists ? r->version + 1 : 1;
	r->exists = true;
	r->len = len;
	memcpy(r->text, copy, len);
}

static bool is(const struct record *r, struct slice text)
{
	return r->exists && slice_equal(slice(r->text, r->len), text);
}

static bool saw(const struct record *r, const struct check_op *op)
{
	if ((op->saw & CHECK_SAW_VALUE) != 0 && !is(r, op->result))
		return false;
	if ((op->saw & CHECK_SAW_MISSING) != 0 && r->exists)
		return false;
	if ((op->saw & CHECK_SAW_PRESENT) != 0 && !r->exists)
		return false;
	return (op->saw & CHECK_SAW_VERSION) == 0 || op->version == (r->exists ? r->version : 0);
}

static bool increment(struct record *r, int64_t delta)
{
	char text[TEXT_MAX + 1] = "", again[TEXT_MAX + 1];
	int64_t number = 0;
	if (r->exists) {
		memcpy(text, r->text, r->len);
		number = strtoll(text, NULL, 10);
		snprintf(again, sizeof again, "%" PRId64, number);
		if (!is(r, slice_string(again)))
			return false;
	}
	int len = snprintf(text, sizeof text, "%" PRId64, number + delta);
	put(r, text, (size_t)len);
	return true;
}

static bool do_op(struct store *s, const struct check_op *op)
{
	struct record *r = &s->records[op->key_number - 2];
	char text[2 * TEXT_MAX];
	switch (op->kind) {
	case CHECK_GET: return saw(r, op);
	case CHECK_PUT: put(r, op->value.data, op->value.len); return saw(r, op);
	case CHECK_APPEND:
		memcpy(text, r->text, r->exists ? r->len : 0);
		memcpy(text + (r->exists ? r->len : 0), op->value.data, op->value.len);
		put(r, text, (r->exists ? r->len : 0) + op->value.len);
		return saw(r, op);
	case CHECK_DELETE:
		if (!saw(r, op))
			return false;
		*r = (struct record){0};
		return true;
	case CHECK_CAS:
		if (op->absent ? r->exists : !is(r, op->expect))
			return (op->saw & CHECK_SAW_DONE) == 0 && saw(r, op);
		put(r, op->value.data, op->value.len);
		return (op->saw & CHECK_SAW_REFUSED) == 0 &&
		       ((op->saw & CHECK_SAW_VERSION) == 0 || op->version == r->version);
	case CHECK_INCR: return increment(r, op->delta) && saw(r, op);
	}
	return false;
}

static bool holds(const struct store *s, const struct check_compare *c)
{
	const struct record *r = &s->records[c->key_number - 2];
	uint64_t number = c->target == CHECK_EXISTS ? r->exists : r->exists ? r->version : 0;
	int order = number < c->number ? -1 : number > c->number;
	if (c->target == CHECK_VALUE) {
		if (!r->exists)
			return false;
		order = slice_compare(slice(r->text, r->len), c->value);
	}
	switch (c->relation) {
	case CHECK_EQUAL: return order == 0;
	case CHECK_NOT_EQUAL: return order != 0;
	case CHECK_LESS: return order < 0;
	case CHECK_GREATER: return order > 0;
	}
	return false;
}

static bool do_call(struct store *s, const struct check_call *call)
{
	bool then = true;
	for (uint32_t i = 0; i < call->nwhen; i++)
		then = then && holds(s, &call->when[i]);
	if ((call->branch == CHECK_BRANCH_THEN && !then) ||
	    (call->branch == CHECK_BRANCH_OTHERWISE && then))
		return false;
	for (uint32_t i = 0; i < (then ? call->nthen : call->notherwise); i++) {
		struct check_op op = (then ? call->then : call->otherwise)[i];
		if (call->outcome == CHECK_UNKNOWN)
			op.saw = 0;
		if (!do_op(s, &op))
			return false;
	}
	return true;
}

static uint64_t end_of(const struct check_call *call)
{
	return call->outcome == CHECK_UNKNOWN ? UINT64_MAX : call->ret;
}

/* Whether the calls that are not in `done` can follow, each but the unknown ones exactly once. */
static bool can_follow(const struct check_history *h, unsigned done, const struct store *before)
{
	bool complete = true;
	for (uint32_t i = 0; i < h->count; i++) {
		const struct check_call *call = &h->calls[i];
		bool first = true;
		if ((done & 1u << i) != 0 || call->outcome == CHECK_FAILED)
			continue;
		complete = complete && call->outcome == CHECK_UNKNOWN;
		for (uint32_t j = 0; j < h->count; j++)
			if ((done & 1u << j) == 0 && h->calls[j].outcome == CHECK_OK &&
			    end_of(&h->calls[j]) < call->call)
				first = false;
		struct store after = *before;
		struct check_call seen = *call;
		if (call->outcome == CHECK_UNKNOWN)
			seen.branch = CHECK_BRANCH_UNSEEN;
		if (first && do_call(&after, &seen) && can_follow(h, done | 1u << i, &after))
			return true;
	}
	return complete;
}

bool brute_linearizable(const struct check_history *h)
{
	struct store empty = {0};
	ASSERT(h->count <= BRUTE_CALLS_MAX);
	return can_follow(h, 0, &empty);
}

/* ---- answers ---- */

static struct slice copy_text(struct check_history *h, const struct record *r)
{
	return arena_copy(&h->arena, slice(r->text, r->len));
}

/* Keeps which kinds of things it saw, but for what the kind of result decides. */
static void answer_op(struct check_history *h, struct store *s, struct check_op *op)
{
	struct record *r = &s->records[op->key_number - 2], before = *r;
	unsigned wanted = op->saw;
	op->saw = 0;
	do_op(s, op);
	bool existed = before.exists, changes = op->kind != CHECK_GET;
	if (op->kind == CHECK_GET || (op->kind == CHECK_DELETE && wanted != 0))
		op->saw = !existed  ? CHECK_SAW_MISSING
			  : changes ? CHECK_SAW_PRESENT
				    : CHECK_SAW_VALUE;
	if (op->kind == CHECK_CAS) {
		bool done = op->absent ? !existed : is(&before, op->expect);
		op->saw = done ? CHECK_SAW_DONE
			       : CHECK_SAW_REFUSED |
					  (existed ? CHECK_SAW_VALUE : CHECK_SAW_MISSING);
	}
	if (op->kind == CHECK_APPEND || op->kind == CHECK_INCR)
		op->saw = wanted & CHECK_SAW_VALUE;
	op->saw |= wanted & CHECK_SAW_VERSION;
	if (op->kind == CHECK_DELETE)
		op->saw &= ~(unsigned)CHECK_SAW_VERSION;
	op->result = copy_text(h, r);
	op->version = r->exists ? r->version : 0;
}

void brute_answer(struct check_history *h, const uint32_t *order, uint32_t count)
{
	struct store store = {0};
	for (uint32_t i = 0; i < count; i++) {
		struct check_call *call = &h->calls[order[i]];
		struct store before = store;
		struct check_call unseen = *call;
		unseen.outcome = CHECK_UNKNOWN;
		unseen.branch = CHECK_BRANCH_UNSEEN;
		if (!do_call(&store, &unseen)) {
			call->outcome = CHECK_FAILED;
			store = before;
			continue;
		}
		store = before;
		bool then = true;
		for (uint32_t j = 0; j < call->nwhen; j++)
			then = then && holds(&store, &call->when[j]);
		if (call->branch != CHECK_BRANCH_UNSEEN)
			call->branch = then ? CHECK_BRANCH_THEN : CHECK_BRANCH_OTHERWISE;
		for (uint32_t j = 0; j < (then ? call->nthen : call->notherwise); j++)
			answer_op(h, &store, &(then ? call->then : call->otherwise)[j]);
	}
}
