#include "check/shrink.h"

#include <stdlib.h>

#include "base/alloc.h"

struct shrink {
	const struct check_history *h;
	struct component_keys *keys;
	struct search_limits limits; /* steps_max: what is left */
	struct check_item *items;    /* fit into no order */
	uint32_t count;
	struct check_item *trial;
};

/* Whether the items still fit into no order; then what claims nothing any more is dropped from them. */
static bool still_fails(struct shrink *s, struct check_item *items, uint32_t *count)
{
	struct component c;
	struct search_result result;
	component_init(&c, s->h, items, *count, s->keys);
	/* Making a component ready costs as much as a step for each of its calls. */
	uint64_t cost = c.ncalls;
	search_run(&c, &s->limits, false, &result);
	cost += result.steps;
	s->limits.steps_max -= cost < s->limits.steps_max ? cost : s->limits.steps_max;
	bool fails = result.verdict == CHECK_VIOLATION;
	if (fails) {
		struct check_item *kept = alloc_zeroed(c.ncalls + 1, sizeof *kept);
		for (uint32_t i = 0; i < c.ncalls; i++)
			kept[i] = items[c.calls[i].item];
		memcpy(items, kept, c.ncalls * sizeof *kept);
		*count = c.ncalls;
		free(kept);
	}
	search_result_free(&result);
	component_free(&c);
	return fails;
}

/* Tries to make items [from, to) weaker; true if that is possible. */
static bool weaken(struct shrink *s, uint32_t from, uint32_t to, uint32_t weakness)
{
	uint32_t count = s->count;
	bool changed = false;
	memcpy(s->trial, s->items, count * sizeof *s->trial);
	for (uint32_t i = from; i < to; i++) {
		changed |= (s->trial[i].weakness & weakness) != weakness;
		s->trial[i].weakness |= weakness;
	}
	if (!changed || s->limits.steps_max == 0 || !still_fails(s, s->trial, &count))
		return false;
	memcpy(s->items, s->trial, count * sizeof *s->trial);
	s->count = count;
	return true;
}

/* Runs of half of the items, then of a quarter, and so on to single ones; from the front, where most is unneeded. */
static void weaken_runs(struct shrink *s, uint32_t weakness)
{
	for (uint32_t run = (s->count + 1) / 2; run > 0 && s->limits.steps_max > 0; run /= 2) {
		for (uint32_t from = 0; from < s->count;) {
			uint32_t before = s->count, to = from + run < before ? from + run : before;
			weaken(s, from, to, weakness);
			/* What was dropped was mostly in the run, and what follows has moved up. */
			uint32_t dropped = before - s->count;
			from = to - from > dropped ? to - dropped : from;
		}
	}
}

/*
 * Nobody got beyond the return at stuck_event, so what was called later does not matter, and what returned later might as well
 * never have.
 */
static void cut_after(struct shrink *s, const struct component *c, uint32_t stuck_event)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < stuck_event; i++) {
		const struct component_event *e = &c->events[i];
		if (e->is_return)
			continue;
		const struct component_call *call = &c->calls[e->call];
		s->trial[kept] = s->items[call->item];
		if (call->required && call->return_event > stuck_event)
			s->trial[kept].weakness |= CHECK_OPTIONAL;
		kept++;
	}
	if (still_fails(s, s->trial, &kept)) {
		memcpy(s->items, s->trial, kept * sizeof *s->trial);
		s->count = kept;
	}
}

uint32_t shrink(const struct check_history *h, struct check_item *items, uint32_t count, const struct component *c,
		uint32_t stuck_event, const struct search_limits *limits, struct component_keys *keys)
{
	struct shrink s = {.h = h, .keys = keys, .limits = *limits, .items = items, .count = count};
	s.trial = alloc_zeroed(count + 1, sizeof *s.trial);
	cut_after(&s, c, stuck_event);
	weaken(&s, 0, s.count, CHECK_NO_VERSION);
	weaken_runs(&s, CHECK_OPTIONAL);
	weaken_runs(&s, CHECK_UNSEEN);
	weaken_runs(&s, CHECK_NO_VERSION);
	/* With less to see, more may have become superfluous. */
	weaken_runs(&s, CHECK_OPTIONAL);
	free(s.trial);
	return s.count;
}
