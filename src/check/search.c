/*
 * The events of the history are passed in order of time. A call that begins becomes available; a call that returns must have been
 * placed in the order by then. If it has not, the search is at a fork: one of the available calls must come next, and each
 * is tried in turn. A fork is described by the event, the state, and which available calls have been placed; one that failed
 * is remembered (memo.h).
 *
 * Not tried, because something else that is tried does as well:
 *
 *   - anything else, while a pure call fits: it can come first
 *   - an idle call, unless it is at once overwritten or leaves the state as it is: then it comes for nothing
 *   - of calls of one class, another than the first to return
 *   - an unknown outcome that neither changes anything nor hides an idle call, or that is overwritten before anybody has
 *     seen it: without it is as good
 *
 * Forward, every change leaves an entry in `trail`; backward, the entries are undone in reverse. The available calls are two
 * linked lists, and a placed call keeps its links, so that it can be put back where it was (Knuth's dancing links).
 */
#include "check/search.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "check/memo.h"

#define NONE UINT32_MAX

enum trail_kind { TRAIL_CALLED, TRAIL_PLACED, TRAIL_RETURNED };
struct trail_entry {
	uint32_t call;
	enum trail_kind kind;
};

struct fork {
	uint32_t event;
	uint32_t wanted; /* the call that must be placed */
	uint32_t fresh;  /* the unknown outcome that was placed last, if nobody has seen it yet; or NONE */
	size_t trail, state; /* marks */
	uint32_t candidates, next, end; /* in the stack of candidates */
	enum { FORK_NEW, FORK_WANTED, FORK_ALL } stage; /* which candidates have been listed */
	uint64_t key[2];
};

struct search {
	struct component *c;
	const struct search_limits *limits;
	struct search_result *out;
	bool want_order;
	struct model_state state;
	struct memo memo;
	uint32_t event;
	uint32_t fresh;
	uint32_t *next, *prev; /* of available calls; the heads are `required` and `unknown` */
	uint32_t required, unknown;
	bool *placed;
	uint64_t set_hash[2]; /* of placed calls that have not returned */
	uint64_t *taken;      /* set of unknown outcomes */
	struct trail_entry *trail;
	size_t ntrail, trail_capacity;
	struct fork *forks;
	size_t nforks, fork_capacity;
	uint32_t *candidates;
	size_t ncandidates, candidate_capacity;
	uint32_t *first_of_class; /* scratch */
	bool gave_up;
};

/* ---- forward and back ---- */

static void note(struct search *s, enum trail_kind kind, uint32_t call)
{
	if (s->ntrail == s->trail_capacity) {
		s->trail_capacity = s->trail_capacity == 0 ? 256 : s->trail_capacity * 2;
		s->trail = alloc_resize(s->trail, s->trail_capacity, sizeof *s->trail);
	}
	s->trail[s->ntrail++] = (struct trail_entry){.call = call, .kind = kind};
}

/* Required calls are in the hash from when they are placed until they return; unknown outcomes have a set of their own. */
static void toggle_placed(struct search *s, uint32_t call)
{
	for (unsigned lane = 0; lane < 2; lane++)
		s->set_hash[lane] ^= model_mix(call + 1, lane);
}

static void make_available(struct search *s, uint32_t call)
{
	uint32_t head = s->c->calls[call].required ? s->required : s->unknown;
	s->next[call] = head;
	s->prev[call] = s->prev[head];
	s->next[s->prev[head]] = call;
	s->prev[head] = call;
	note(s, TRAIL_CALLED, call);
}

static void mark_placed(struct search *s, uint32_t call)
{
	const struct component_call *c = &s->c->calls[call];
	s->next[s->prev[call]] = s->next[call];
	s->prev[s->next[call]] = s->prev[call];
	s->placed[call] = true;
	if (c->required)
		toggle_placed(s, call);
	else
		s->taken[c->bit / 64] |= (uint64_t)1 << c->bit % 64;
	note(s, TRAIL_PLACED, call);
}

static void undo_entry(struct search *s, const struct trail_entry *entry)
{
	uint32_t call = entry->call;
	const struct component_call *c = &s->c->calls[call];
	switch (entry->kind) {
	case TRAIL_CALLED:
		s->next[s->prev[call]] = s->next[call];
		s->prev[s->next[call]] = s->prev[call];
		break;
	case TRAIL_PLACED:
		s->next[s->prev[call]] = call;
		s->prev[s->next[call]] = call;
		s->placed[call] = false;
		if (c->required)
			toggle_placed(s, call);
		else
			s->taken[c->bit / 64] &= ~((uint64_t)1 << c->bit % 64);
		break;
	case TRAIL_RETURNED:
		toggle_placed(s, call);
		break;
	}
}

static void back_to(struct search *s, const struct fork *fork)
{
	while (s->ntrail > fork->trail)
		undo_entry(s, &s->trail[--s->ntrail]);
	model_undo(&s->state, fork->state);
	s->event = fork->event;
}

/* ---- placing ---- */

static bool count_step(struct search *s)
{
	if (s->out->steps >= s->limits->steps_max)
		s->gave_up = true;
	s->out->steps++;
	return !s->gave_up;
}

/* Places a call that can only fit and is in nobody's way, if it fits. */
static bool place_quietly(struct search *s, uint32_t call)
{
	const struct component_call *c = &s->c->calls[call];
	if (c->idle) {
		if (s->state.cells[c->model.then[0].cell].value != VALUE_DEAD)
			return false;
	} else if (!c->pure || !count_step(s) || !model_apply(&s->state, &c->model)) {
		return false;
	}
	mark_placed(s, call);
	return true;
}

static void place_all_quietly(struct search *s)
{
	for (uint32_t call = s->next[s->required], after; call != s->required; call = after) {
		after = s->next[call];
		if (place_quietly(s, call) && s->c->calls[call].pure)
			s->fresh = NONE;
	}
}

/* Places what is about to be overwritten anyway; false if there is nothing. */
static bool place_idle(struct search *s, uint32_t cell, uint32_t except)
{
	bool any = false;
	for (uint32_t call = s->next[s->required], after; call != s->required; call = after) {
		const struct component_call *c = &s->c->calls[call];
		after = s->next[call];
		if (call == except || !c->idle || c->model.then[0].cell != cell)
			continue;
		mark_placed(s, call);
		any = true;
	}
	return any;
}

static bool place(struct search *s, uint32_t call, const struct fork *fork)
{
	const struct component_call *c = &s->c->calls[call];
	uint64_t before[2] = {s->state.hash[0], s->state.hash[1]};
	if (c->overwrites && fork->fresh != NONE && s->c->calls[fork->fresh].model.then[0].cell == c->model.then[0].cell)
		return false;
	if (!count_step(s) || !model_apply(&s->state, &c->model))
		return false;
	bool useful = c->required || s->state.hash[0] != before[0] || s->state.hash[1] != before[1];
	if (c->overwrites)
		useful |= place_idle(s, c->model.then[0].cell, call);
	if (!useful)
		return false;
	mark_placed(s, call);
	s->fresh = !c->required && component_single(c) ? call : NONE;
	place_all_quietly(s);
	return true;
}

/* Passes events until a call returns that has not been placed; NONE at the end. */
static uint32_t advance(struct search *s)
{
	for (; s->event < s->c->nevents; s->event++) {
		uint32_t call = s->c->events[s->event].call;
		if (!s->c->events[s->event].is_return) {
			make_available(s, call);
			if (s->c->calls[call].required)
				place_quietly(s, call);
		} else if (s->placed[call]) {
			toggle_placed(s, call);
			note(s, TRAIL_RETURNED, call);
		} else {
			return call;
		}
	}
	return NONE;
}

/* ---- forks ---- */

static void fork_push(struct search *s, uint32_t wanted)
{
	if (s->nforks == s->fork_capacity) {
		s->fork_capacity = s->fork_capacity == 0 ? 64 : s->fork_capacity * 2;
		s->forks = alloc_resize(s->forks, s->fork_capacity, sizeof *s->forks);
	}
	struct fork *f = &s->forks[s->nforks++];
	*f = (struct fork){.event = s->event, .wanted = wanted, .fresh = s->fresh, .trail = s->ntrail};
	f->state = model_mark(&s->state);
	f->candidates = f->next = f->end = (uint32_t)s->ncandidates;
	for (unsigned lane = 0; lane < 2; lane++)
		f->key[lane] = model_mix(s->state.hash[lane] ^ model_mix(s->set_hash[lane] + s->event, lane), lane);
}

/* Whether the call may stand for its class: no available one of the class returns, or was called, before it. */
static bool leads_class(const struct search *s, uint32_t call)
{
	return s->first_of_class[s->c->calls[call].class] == call;
}

static void find_leaders(struct search *s, uint32_t head)
{
	for (uint32_t call = s->next[head]; call != head; call = s->next[call])
		s->first_of_class[s->c->calls[call].class] = NONE;
	for (uint32_t call = s->next[head]; call != head; call = s->next[call]) {
		uint32_t *first = &s->first_of_class[s->c->calls[call].class];
		if (*first == NONE || s->c->calls[call].return_event < s->c->calls[*first].return_event)
			*first = call;
	}
}

/* Whether the wanted call would fit directly behind this one. */
static bool makes_way(struct search *s, uint32_t call, uint32_t wanted)
{
	size_t mark = model_mark(&s->state);
	bool fits = count_step(s) && model_apply(&s->state, &s->c->calls[call].model) &&
		    model_apply(&s->state, &s->c->calls[wanted].model);
	model_undo(&s->state, mark);
	return fits;
}

static void candidate_push(struct search *s, uint32_t call)
{
	if (s->ncandidates == s->candidate_capacity) {
		s->candidate_capacity = s->candidate_capacity == 0 ? 256 : s->candidate_capacity * 2;
		s->candidates = alloc_resize(s->candidates, s->candidate_capacity, sizeof *s->candidates);
	}
	s->candidates[s->ncandidates++] = call;
}

static bool fits_now(struct search *s, uint32_t call)
{
	size_t mark = model_mark(&s->state);
	bool fits = count_step(s) && model_apply(&s->state, &s->c->calls[call].model);
	model_undo(&s->state, mark);
	return fits;
}

/* All but the wanted call, in the given order of preference. */
static void list_others(struct search *s, struct fork *f)
{
	const uint32_t heads[] = {s->required, s->unknown};
	bool fits = f->end > f->candidates;
	for (unsigned i = 0; i < 2; i++)
		find_leaders(s, heads[i]);
	for (int pass = fits ? 1 : 0; pass < 2; pass++) {
		for (unsigned i = 0; i < 2; i++) {
			for (uint32_t call = s->next[heads[i]]; call != heads[i]; call = s->next[call]) {
				const struct component_call *c = &s->c->calls[call];
				if (call == f->wanted || c->pure || c->idle || !leads_class(s, call))
					continue;
				if (fits || makes_way(s, call, f->wanted) == (pass == 0))
					candidate_push(s, call);
			}
		}
	}
}

/*
 * The order in which candidates are tried decides how soon an order is found, not which answer comes out: the wanted call,
 * then what lets it follow, then the others, unknown outcomes after what certainly happened. Usually the first one is right, so the
 * others are listed when it was not. False when all have been listed.
 */
static bool list_more(struct search *s, struct fork *f)
{
	if (f->stage == FORK_ALL)
		return false;
	f->stage++;
	if (f->stage == FORK_ALL)
		list_others(s, f);
	else if (fits_now(s, f->wanted))
		candidate_push(s, f->wanted);
	f->end = (uint32_t)s->ncandidates;
	return true;
}

/* Keeps the order of now if none got further, or none as far with more calls in it. */
static void keep_order(struct search *s, uint32_t event)
{
	uint32_t count = 0;
	for (size_t i = 0; i < s->ntrail; i++)
		count += s->trail[i].kind == TRAIL_PLACED;
	struct search_result *out = s->out;
	if (out->cells != NULL && (event < out->stuck_event || (event == out->stuck_event && count <= out->norder)))
		return;
	free(out->order);
	out->order = alloc_zeroed(count + 1, sizeof *out->order);
	out->norder = 0;
	for (size_t i = 0; i < s->ntrail; i++)
		if (s->trail[i].kind == TRAIL_PLACED)
			out->order[out->norder++] = s->trail[i].call;
	if (out->cells == NULL)
		out->cells = alloc_zeroed(s->state.ncells + 1, sizeof *out->cells);
	memcpy(out->cells, s->state.cells, s->state.ncells * sizeof *out->cells);
}

/* True if the fork need not be looked into, because a like one has failed. */
static bool fork_enter(struct search *s, struct fork *f)
{
	if (s->want_order)
		keep_order(s, f->event);
	if (f->event > s->out->stuck_event)
		s->out->stuck_event = f->event;
	return memo_has(&s->memo, f->key, s->taken);
}

static uint64_t bytes_used(const struct search *s)
{
	return memo_bytes(&s->memo) + values_bytes(&s->c->values) + s->trail_capacity * sizeof *s->trail +
	       s->fork_capacity * sizeof *s->forks + s->candidate_capacity * sizeof *s->candidates +
	       s->state.capacity * sizeof *s->state.changes;
}

/* Tries the next candidate of the innermost fork; leaves the fork when there is none. True when an order was found. */
static bool try_next(struct search *s)
{
	struct fork *f = &s->forks[s->nforks - 1];
	back_to(s, f);
	if (f->stage == FORK_NEW && fork_enter(s, f)) {
		s->nforks--;
		return false;
	}
	s->ncandidates = f->end;
	while (f->next == f->end && list_more(s, f))
		continue;
	if (f->next == f->end) {
		memo_add(&s->memo, f->key, s->taken);
		s->gave_up |= bytes_used(s) > s->limits->bytes_max;
		s->ncandidates = f->candidates;
		s->nforks--;
		return false;
	}
	uint32_t call = s->candidates[f->next++];
	if (!place(s, call, f))
		return false;
	uint32_t wanted = advance(s);
	if (wanted == NONE)
		return true;
	fork_push(s, wanted);
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
	model_init(&s->state, s->c->ncells, s->c->versions, &s->c->values);
	memo_init(&s->memo, s->c->nunknown);
}

static void search_free(struct search *s)
{
	free(s->next);
	free(s->prev);
	free(s->placed);
	free(s->taken);
	free(s->first_of_class);
	free(s->trail);
	free(s->forks);
	free(s->candidates);
	model_free(&s->state);
	memo_free(&s->memo);
}

void search_run(struct component *c, const struct search_limits *limits, bool want_order, struct search_result *out)
{
	struct search s = {.c = c, .limits = limits, .out = out, .want_order = want_order};
	*out = (struct search_result){0};
	search_init(&s);
	uint32_t wanted = advance(&s);
	bool found = wanted == NONE;
	if (!found)
		fork_push(&s, wanted);
	while (!found && s.nforks > 0 && !s.gave_up)
		found = try_next(&s);
	out->verdict = found ? CHECK_LINEARIZABLE : s.gave_up ? CHECK_GAVE_UP : CHECK_VIOLATION;
	search_free(&s);
}

void search_result_free(struct search_result *result)
{
	free(result->order);
	free(result->cells);
	*result = (struct search_result){0};
}
