/* Forward: calls become available, are placed, return. Back: the same in reverse. */
#include "check/search_internal.h"

#include "base/alloc.h"

/* ---- forward and back ---- */

static void note(struct search *s, enum trail_kind kind, uint32_t call)
{
	ALLOC_ROOM(s->trail, s->ntrail, s->trail_capacity, 256);
	s->trail[s->ntrail++] = (struct trail_entry){.call = call, .kind = kind};
}

/*
 * Required calls are in the hash from when they are placed until they return; unknown outcomes have
 * a set of their own.
 */
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
	needs_place(&s->needs, call);
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
		needs_unplace(&s->needs, call);
		if (c->required)
			toggle_placed(s, call);
		else
			s->taken[c->bit / 64] &= ~((uint64_t)1 << c->bit % 64);
		break;
	case TRAIL_RETURNED: toggle_placed(s, call); break;
	}
}

void search_back_to(struct search *s, const struct fork *fork)
{
	while (s->ntrail > fork->trail)
		undo_entry(s, &s->trail[--s->ntrail]);
	model_undo(&s->state, fork->state);
	s->event = fork->event;
}

/* ---- placing ---- */

bool search_count_step(struct search *s)
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
	} else if (!c->pure || !search_count_step(s) || !model_apply(&s->state, &c->model)) {
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

bool search_place(struct search *s, uint32_t call, const struct fork *fork)
{
	const struct component_call *c = &s->c->calls[call];
	uint64_t before[2] = {s->state.hash[0], s->state.hash[1]};
	if (c->overwrites && fork->fresh != NONE &&
	    s->c->calls[fork->fresh].model.then[0].cell == c->model.then[0].cell)
		return false;
	if (!search_count_step(s) || !model_apply(&s->state, &c->model))
		return false;
	bool useful = c->required || s->state.hash[0] != before[0] || s->state.hash[1] != before[1];
	if (c->overwrites)
		useful |= place_idle(s, c->model.then[0].cell, call);
	if (!useful)
		return false;
	mark_placed(s, call);
	s->fresh = !c->required && component_single(c) ? call : NONE;
	place_all_quietly(s);
	return s->want_order || !needs_spoilt(&s->needs, &s->state, call, fork->state);
}

uint32_t search_advance(struct search *s)
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
