/* Operations as they were called and answered. */
#include <stdlib.h>

#include "base/alloc.h"
#include "check/check.h"
#include "check/values.h"

void check_history_init(struct check_history *h)
{
	*h = (struct check_history){0};
	arena_init(&h->arena, SIZE_MAX);
	h->keys = ALLOC(struct value_table);
	values_init(h->keys);
}

void check_history_free(struct check_history *h)
{
	if (h->keys != NULL)
		values_free(h->keys);
	free(h->keys);
	free(h->calls);
	arena_free(&h->arena);
	*h = (struct check_history){0};
}

static struct slice copy(struct check_history *h, struct slice s)
{
	return s.len == 0 ? slice(NULL, 0) : arena_copy(&h->arena, s);
}

/* Each key is kept once. */
static uint32_t add_key(struct check_history *h, struct slice *key)
{
	uint32_t count = h->keys->count;
	uint32_t number = values_intern(h->keys, *key);
	if (number == count)
		h->keys->values[number].text = copy(h, *key);
	*key = h->keys->values[number].text;
	return number;
}

static struct check_op *copy_ops(struct check_history *h, const struct check_op *ops,
				 uint32_t count)
{
	if (count == 0)
		return NULL;
	struct check_op *out = arena_get(&h->arena, count * sizeof *out);
	memcpy(out, ops, count * sizeof *out);
	for (uint32_t i = 0; i < count; i++) {
		out[i].key_number = add_key(h, &out[i].key);
		out[i].value = copy(h, ops[i].value);
		out[i].expect = copy(h, ops[i].expect);
		out[i].result = copy(h, ops[i].result);
	}
	return out;
}

static struct check_compare *copy_compares(struct check_history *h,
					   const struct check_compare *when, uint32_t count)
{
	if (count == 0)
		return NULL;
	struct check_compare *out = arena_get(&h->arena, count * sizeof *out);
	memcpy(out, when, count * sizeof *out);
	for (uint32_t i = 0; i < count; i++) {
		out[i].key_number = add_key(h, &out[i].key);
		out[i].value = copy(h, when[i].value);
	}
	return out;
}

void check_history_add(struct check_history *h, const struct check_call *call)
{
	ASSERT(call->outcome != CHECK_OK || call->ret >= call->call);
	ALLOC_ROOM(h->calls, h->count, h->capacity, 256);
	struct check_call *out = &h->calls[h->count++];
	*out = *call;
	out->when = copy_compares(h, call->when, call->nwhen);
	out->then = copy_ops(h, call->then, call->nthen);
	out->otherwise = copy_ops(h, call->otherwise, call->notherwise);
}

/* ---- the part of a history that a violation is made of ---- */

static void weaken_ops(struct check_op *ops, uint32_t count, uint32_t weakness)
{
	for (uint32_t i = 0; i < count; i++) {
		if ((weakness & CHECK_UNSEEN) != 0)
			ops[i].saw &= CHECK_SAW_WHETHER_DONE;
		if ((weakness & CHECK_NO_VERSION) != 0)
			ops[i].saw &= ~(unsigned)CHECK_SAW_VERSION;
	}
}

void check_violation_history(const struct check_history *h, const struct check_violation *v,
			     struct check_history *out)
{
	check_history_init(out);
	for (uint32_t i = 0; i < v->count; i++) {
		uint32_t weakness = v->items[i].weakness;
		check_history_add(out, &h->calls[v->items[i].call]);
		struct check_call *call = &out->calls[i];
		weaken_ops(call->then, call->nthen, weakness);
		weaken_ops(call->otherwise, call->notherwise, weakness);
		if ((weakness & CHECK_OPTIONAL) != 0)
			call->outcome = CHECK_UNKNOWN;
	}
}
