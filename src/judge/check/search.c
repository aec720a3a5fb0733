/*
 * The events of the history are passed in order of time. A call that begins becomes available; a
 * call that returns must have been placed in the order by then. If it has not, the search is at a
 * fork: one of the available calls must come next, and each is tried in turn. A fork is described
 * by the event, the state, and which available calls have been placed; one that failed is
 * remembered (memo.h).
 *
 * Not tried, because something else that is tried does as well:
 *
 *   - anything else, while a pure call fits: it can come first
 *   - an idle call, unless it is at once overwritten or leaves the state as it is: then it comes
 *     for nothing
 *   - of calls of one class, another than the first to return
 *   - what leads into a dead end that needs.h sees
 *   - an unknown outcome that neither changes anything nor hides an idle call, or that is
 *     overwritten before anybody has seen it: without it is as good
 *
 * Forward, every change leaves an entry in `trail`; backward, the entries are undone in reverse.
 * The available calls are two linked lists, and a placed call keeps its links, so that it can be
 * put back where it was (Knuth's dancing links).
 */
#include "check/search_internal.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "check/zones.h"

/* Keeps the order of now if none got further, or none as far with more calls in it. */
static void keep_order(struct search *s, uint32_t event)
{
	uint32_t count = 0;
	for (size_t i = 0; i < s->ntrail; i++)
		count += s->trail[i].kind == TRAIL_PLACED;
	struct search_result *out = s->out;
	if (out->order != NULL &&
	    (event < out->stuck_event || (event == out->stuck_event && count <= out->norder)))
		return;
	out->stuck_event = event;
	free(out->order);
	out->order = alloc_zeroed(count + 1, sizeof *out->order);
	out->norder = 0;
	for (size_t i = 0; i < s->ntrail; i++)
		if (s->trail[i].kind == TRAIL_PLACED)
			out->order[out->norder++] = s->trail[i].call;
}

static uint64_t bytes_used(const struct search *s)
{
	return memo_bytes(&s->memo) + values_bytes(&s->c->values) +
	       s->trail_capacity * sizeof *s->trail + s->fork_capacity * sizeof *s->forks +
	       s->candidate_capacity * sizeof *s->candidates +
	       s->state.capacity * sizeof *s->state.changes;
}

/* Leaves the innermost fork without success, because of the cells in `blame`. */
static void fail_fork(struct search *s, const struct cell_set *blame)
{
	struct fork *f = &s->forks[--s->nforks];
	s->ncandidates = f->candidates;
	s->blame = *blame;
	s->failed = true;
}

static void remember_and_fail_fork(struct search *s, const struct cell_set *blame)
{
	struct fork *f = &s->forks[s->nforks - 1];
	memo_add(&s->memo, f->key, s->taken, blame);
	s->gave_up |= bytes_used(s) > s->limits->bytes_max;
	fail_fork(s, blame);
}

/*
 * Looks at what has been learnt from the candidate tried last, if one was. True if that was not the
 * fork's fault: then neither will be what comes of its other candidates, and it need not try them
 * (conflict-directed backjumping: Prosser 1993).
 */
static bool learn(struct search *s, struct fork *f)
{
	if (!s->failed)
		return false;
	s->failed = false;
	if (!f->has_near)
		search_fork_look_around(s, f);
	cell_set_join(&f->blame, &s->blame);
	return !cell_set_meet(&f->near, &s->blame);
}

/*
 * Tries the next candidate of the innermost fork; leaves the fork when there is none. True when an
 * order was found.
 */
static bool try_next(struct search *s)
{
	struct fork *f = &s->forks[s->nforks - 1];
	const struct cell_set *known;
	search_back_to(s, f);
	if (f->stage == FORK_NEW) {
		if (s->want_order)
			keep_order(s, f->event);
		if ((known = memo_find(&s->memo, f->key, s->taken)) != NULL) {
			fail_fork(s, known);
			return false;
		}
	} else if (learn(s, f)) {
		struct cell_set blame = s->blame;
		remember_and_fail_fork(s, &blame);
		return false;
	}
	s->ncandidates = f->end;
	while (f->next == f->end && search_fork_list(s, f))
		continue;
	if (f->next == f->end) {
		struct cell_set blame = f->blame;
		cell_set_join(&blame, &f->near);
		remember_and_fail_fork(s, &blame);
		return false;
	}
	uint32_t call = s->candidates[f->next++];
	if (!search_place(s, call, f))
		return false;
	uint32_t wanted = search_advance(s);
	if (wanted == NONE)
		return true;
	search_fork_push(s, wanted);
	return false;
}

/* ---- the whole ---- */

static void search_init(struct search *s)
{
	uint32_t n = s->c->ncalls;
	s->required = n;
	s->unknown = n + 1;
	s->fresh = NONE;
	s->next = alloc_zeroed((size_t)n + 2, sizeof *s->next);
	s->prev = alloc_zeroed((size_t)n + 2, sizeof *s->prev);
	for (uint32_t head = n; head <= n + 1; head++)
		s->next[head] = s->prev[head] = head;
	s->placed = alloc_zeroed((size_t)n + 1, sizeof *s->placed);
	s->taken = alloc_zeroed(s->c->nunknown / 64 + 1, sizeof *s->taken);
	s->first_of_class = alloc_zeroed((size_t)s->c->nclasses + 1, sizeof *s->first_of_class);
	s->near = alloc_zeroed((size_t)s->c->ncells + 1, sizeof *s->near);
	model_init(&s->state, s->c->ncells, s->c->versions, &s->c->values);
	memo_init(&s->memo, s->c->nunknown);
	needs_init(&s->needs, s->c);
}

static void search_free(struct search *s)
{
	free(s->next);
	free(s->prev);
	free(s->placed);
	free(s->taken);
	free(s->first_of_class);
	free(s->near);
	free(s->trail);
	free(s->forks);
	free(s->candidates);
	model_free(&s->state);
	memo_free(&s->memo);
	needs_free(&s->needs);
}

void search_run(struct component *c, const struct search_limits *limits, bool want_order,
		struct search_result *out)
{
	struct search s = {.c = c, .limits = limits, .out = out, .want_order = want_order};
	*out = (struct search_result){0};
	search_init(&s);
	bool hopeless = !want_order &&
			(needs_hopeless(&s.needs, &s.state) || zones_conflict(c, &s.needs));
	uint32_t wanted = hopeless ? NONE : search_advance(&s);
	bool found = !hopeless && wanted == NONE;
	if (wanted != NONE)
		search_fork_push(&s, wanted);
	while (!found && s.nforks > 0 && !s.gave_up)
		found = try_next(&s);
	out->verdict = found ? CHECK_LINEARIZABLE : s.gave_up ? CHECK_GAVE_UP : CHECK_VIOLATION;
	search_free(&s);
}

void search_result_free(struct search_result *result)
{
	free(result->order);
	*result = (struct search_result){0};
}
