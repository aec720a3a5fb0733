/* What is shown of a violation, where, and with which words. */
#include "check/show.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "check/values.h"

/* ---- rows ---- */

static bool value_ends_with(struct slice value, struct slice end)
{
	return end.len <= value.len &&
	       slice_equal(slice(value.data + value.len - end.len, end.len), end);
}

/* Whether `seen`, of a call that certainly had an effect, may be what `write` has left behind. */
static bool may_have_written(const struct check_op *write, const struct check_op *seen)
{
	bool compared = seen->kind == CHECK_CAS && (seen->saw & CHECK_SAW_DONE) != 0;
	if (write->key_number != seen->key_number || write->kind == CHECK_GET)
		return false;
	if (write->kind == CHECK_DELETE)
		return (seen->saw & CHECK_SAW_MISSING) != 0 || (compared && seen->absent);
	if (write->kind == CHECK_INCR)
		return true;
	struct slice value = compared ? seen->expect : seen->result;
	if ((seen->saw & CHECK_SAW_VALUE) == 0 && !(compared && !seen->absent))
		return false;
	return write->kind == CHECK_APPEND ? value_ends_with(value, write->value)
					   : slice_equal(value, write->value);
}

static const struct check_op *op_of(const struct check_call *call, uint32_t i)
{
	return i < call->nthen ? &call->then[i] : &call->otherwise[i - call->nthen];
}

static bool is_seen_by(const struct check_call *write, const struct check_call *reader)
{
	for (uint32_t i = 0; i < write->nthen + write->notherwise; i++)
		for (uint32_t j = 0; j < reader->nthen + reader->notherwise; j++)
			if (may_have_written(op_of(write, i), op_of(reader, j)))
				return true;
	return false;
}

void show_rows_init(struct show_rows *r, const struct check_history *h,
		    const struct check_violation *v)
{
	*r = (struct show_rows){0};
	r->items = alloc_zeroed(v->count + 1, sizeof *r->items);
	r->shown = alloc_zeroed(v->count + 1, sizeof *r->shown);
	for (uint32_t i = 0; i < v->count; i++) {
		const struct check_call *call = &h->calls[v->items[i].call];
		r->shown[i] = !show_is_open(call, v->items[i].weakness) || i == v->stuck;
		for (uint32_t j = 0; j < v->count && !r->shown[i]; j++) {
			const struct check_call *reader = &h->calls[v->items[j].call];
			bool sees = !show_is_open(reader, v->items[j].weakness) &&
				    (v->items[j].weakness & CHECK_UNSEEN) == 0;
			r->shown[i] = sees && is_seen_by(call, reader);
		}
		if (r->shown[i])
			r->items[r->count++] = i;
	}
}

void show_rows_free(struct show_rows *r)
{
	free(r->items);
	free(r->shown);
	*r = (struct show_rows){0};
}

/* ---- sentences ---- */

void show_keys(const struct check_history *h, const struct check_violation *v,
	       const struct show_rows *rows, struct buffer *out)
{
	bool *named = alloc_zeroed(h->keys->count, sizeof *named);
	uint32_t count = 0;
	for (uint32_t i = 0; i < rows->count; i++) {
		const struct check_call *call = &h->calls[v->items[rows->items[i]].call];
		for (uint32_t j = 0; j < call->nthen + call->notherwise; j++) {
			const struct check_op *op = op_of(call, j);
			if (named[op->key_number])
				continue;
			named[op->key_number] = true;
			buffer_format(out, "%s", count++ == 0 ? "" : ", ");
			show_value(op->key, out);
		}
	}
	free(named);
}

#define ORDER_SHOWN_MAX 8u

/* The end of the order, of what is shown. */
static void show_order(const struct check_history *h, const struct check_violation *v,
		       const struct show_rows *rows, struct buffer *out)
{
	uint32_t total = 0, position = 0;
	for (uint32_t i = 0; i < v->norder; i++)
		total += rows->shown[v->order[i]];
	if (total == 0) {
		buffer_format(out, "None of them can come first. ");
		return;
	}
	buffer_format(out, "The furthest that one gets is ");
	for (uint32_t i = 0; i < v->norder; i++) {
		const struct check_item *item = &v->items[v->order[i]];
		if (!rows->shown[v->order[i]] || total - position++ > ORDER_SHOWN_MAX)
			continue;
		buffer_format(out, "%s",
			      position == 1 ? ""
			      : position > total - ORDER_SHOWN_MAX + 1 || total <= ORDER_SHOWN_MAX
				      ? ", then "
				      : "… then ");
		check_describe(&h->calls[item->call], item->weakness, out);
	}
	buffer_format(out, ". ");
}

void show_explanation(const struct check_history *h, const struct check_violation *v,
		      const struct show_rows *rows, const struct check_names *names,
		      struct buffer *out)
{
	const struct check_call *stuck = &h->calls[v->items[v->stuck].call];
	buffer_format(out,
		      "No order of these %u calls (of %u on the same keys) agrees with their times "
		      "and with what they saw",
		      rows->count, v->component_calls);
	if (rows->count < v->count)
		buffer_format(out, ", with or without any of %u more calls that are not shown",
			      v->count - rows->count);
	buffer_format(out, ". ");
	show_order(h, v, rows, out);
	buffer_format(out, "Then ");
	buffer_add_slice(out, buffer_slice(&v->state));
	buffer_format(out, ", and nothing that was under way makes this fit: ");
	check_describe(stuck, v->items[v->stuck].weakness, out);
	buffer_format(out, " (");
	show_place(stuck, names, out);
	buffer_format(out, ").");
}

/* ---- columns ---- */

struct instant {
	uint64_t time;
	uint32_t row;
	bool is_return;
};

static int by_time(const void *a, const void *b)
{
	const struct instant *x = a, *y = b;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->is_return - y->is_return;
}

void show_columns_init(struct show_columns *c, const struct check_history *h,
		       const struct check_violation *v, const struct show_rows *rows)
{
	struct instant *instants = alloc_zeroed(2 * (size_t)rows->count + 1, sizeof *instants);
	size_t count = 0;
	*c = (struct show_columns){0};
	c->call = alloc_zeroed(rows->count + 1, sizeof *c->call);
	c->ret = alloc_zeroed(rows->count + 1, sizeof *c->ret);
	for (uint32_t row = 0; row < rows->count; row++) {
		const struct check_item *item = &v->items[rows->items[row]];
		const struct check_call *call = &h->calls[item->call];
		instants[count++] = (struct instant){.time = call->call, .row = row};
		c->ret[row] = UINT32_MAX;
		if (!show_is_open(call, item->weakness))
			instants[count++] = (struct instant){
				.time = call->ret, .row = row, .is_return = true};
	}
	qsort(instants, count, sizeof *instants, by_time);
	c->first = instants[0].time;
	c->last = instants[count - 1].time;
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || instants[i].is_return != instants[i - 1].is_return)
			c->count++;
		(instants[i].is_return ? c->ret : c->call)[instants[i].row] = c->count - 1;
	}
	for (uint32_t row = 0; row < rows->count; row++)
		if (c->ret[row] == UINT32_MAX)
			c->ret[row] = c->count;
	free(instants);
}

void show_columns_free(struct show_columns *c)
{
	free(c->call);
	free(c->ret);
	*c = (struct show_columns){0};
}
