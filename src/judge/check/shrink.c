/* The smallest part of a history that is still wrong. */
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

/*
 * Weaker calls permit more orders, and so many sometimes that to find none among them takes too
 * long. A trial that takes much longer than one step a call is as good as a failed one.
 */
#define TRIAL_STEPS_PER_CALL 50u
#define TRIAL_STEPS_MIN 100000u

/*
 * Whether the items still fit into no order; then what claims nothing any more is dropped from
 * them.
 */
static bool still_fails(struct shrink *s, struct check_item *items, uint32_t *count)
{
	struct component c;
	struct search_result result;
	component_init(&c, s->h, items, *count, s->keys, false);
	/* Making a component ready costs as much as a step for each of its calls. */
	uint64_t cost = c.ncalls;
	struct search_limits limits = s->limits;
	uint64_t trial_max = TRIAL_STEPS_MIN + TRIAL_STEPS_PER_CALL * (uint64_t)*count;
	limits.steps_max = trial_max < limits.steps_max ? trial_max : limits.steps_max;
	search_run(&c, &limits, false, &result);
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

/* Whether the call, as it says, has changed nothing. */
static bool only_reads(const struct check_call *call)
{
	for (uint32_t i = 0; i < call->nthen + call->notherwise; i++) {
		const struct check_op *op = i < call->nthen ? &call->then[i]
							    : &call->otherwise[i - call->nthen];
		if (op->kind != CHECK_GET &&
		    !(op->kind == CHECK_CAS && (op->saw & CHECK_SAW_REFUSED) != 0) &&
		    !(op->kind == CHECK_DELETE && (op->saw & CHECK_SAW_MISSING) != 0))
			return false;
	}
	return true;
}

/* Tries to make items [from, to) weaker; true if that is possible. */
static bool weaken(struct shrink *s, uint32_t from, uint32_t to, uint32_t weakness, bool reads)
{
	uint32_t count = s->count;
	bool changed = false;
	memcpy(s->trial, s->items, count * sizeof *s->trial);
	for (uint32_t i = from; i < to; i++) {
		if (reads && !only_reads(&s->h->calls[s->trial[i].call]))
			continue;
		changed |= (s->trial[i].weakness & weakness) != weakness;
		s->trial[i].weakness |= weakness;
	}
	if (!changed || s->limits.steps_max == 0 || !still_fails(s, s->trial, &count))
		return false;
	memcpy(s->items, s->trial, count * sizeof *s->trial);
	s->count = count;
	return true;
}

/*
 * Runs of half of the items, then of a quarter, and so on to single ones; from the front, where
 * most is unneeded. `reads`: only those.
 */
static void weaken_runs(struct shrink *s, uint32_t weakness, bool reads)
{
	for (uint32_t run = (s->count + 1) / 2; run > 0 && s->limits.steps_max > 0; run /= 2) {
		for (uint32_t from = 0; from < s->count;) {
			uint32_t before = s->count, to = from + run < before ? from + run : before;
			weaken(s, from, to, weakness, reads);
			/* What was dropped was mostly in the run, and what follows has moved up. */
			uint32_t dropped = before - s->count;
			from = to - from > dropped ? to - dropped : from;
		}
	}
}

/*
 * The calls as they were after the first `nevents` events: what had not been called is not there,
 * and what had not returned may never have had an effect. Whatever has an order as a whole has one
 * after each event.
 */
static uint32_t cut(const struct shrink *s, const struct component *c, uint32_t nevents)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < nevents; i++) {
		if (c->events[i].is_return)
			continue;
		const struct component_call *call = &c->calls[c->events[i].call];
		s->trial[kept] = s->items[call->item];
		if (call->required && call->return_event >= nevents)
			s->trial[kept].weakness |= CHECK_OPTIONAL;
		kept++;
	}
	return kept;
}

/* Drops all that came after the first event at which it was too late. */
static void cut_after(struct shrink *s)
{
	struct component c;
	component_init(&c, s->h, s->items, s->count, s->keys, false);
	uint32_t low = 0, high = c.nevents; /* fine after `low` events, not after `high` */
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2, count = cut(s, &c, middle);
		if (still_fails(s, s->trial, &count))
			high = middle;
		else
			low = middle;
	}
	uint32_t count = cut(s, &c, high);
	if (still_fails(s, s->trial, &count)) {
		memcpy(s->items, s->trial, count * sizeof *s->trial);
		s->count = count;
	}
	component_free(&c);
}

uint32_t shrink(const struct check_history *h, struct check_item *items, uint32_t count,
		const struct search_limits *limits, struct component_keys *keys)
{
	struct shrink s = {.h = h, .keys = keys, .limits = *limits, .items = items, .count = count};
	s.trial = alloc_zeroed(count + 1, sizeof *s.trial);
	cut_after(&s);
	weaken(&s, 0, s.count, CHECK_NO_VERSION, false);
	/*
	 * Reads first: what is left is easier to understand if writes are certain and few have seen
	 * them.
	 */
	weaken_runs(&s, CHECK_OPTIONAL, true);
	weaken_runs(&s, CHECK_OPTIONAL, false);
	weaken_runs(&s, CHECK_UNSEEN, false);
	weaken_runs(&s, CHECK_NO_VERSION, false);
	/* With less to see, more may have become superfluous. */
	weaken_runs(&s, CHECK_OPTIONAL, false);
	free(s.trial);
	return s.count;
}
