/* Forks: what can come next, and in which order it is tried. */
#include "check/search_internal.h"

#include "base/alloc.h"

void search_fork_push(struct search *s, uint32_t wanted)
{
	ALLOC_ROOM(s->forks, s->nforks, s->fork_capacity, 64);
	struct fork *f = &s->forks[s->nforks++];
	*f = (struct fork){
		.event = s->event, .wanted = wanted, .fresh = s->fresh, .trail = s->ntrail};
	f->state = model_mark(&s->state);
	f->candidates = f->next = f->end = (uint32_t)s->ncandidates;
	for (unsigned lane = 0; lane < 2; lane++)
		f->key[lane] = model_mix(
			s->state.hash[lane] ^ model_mix(s->set_hash[lane] + s->event, lane), lane);
}

static bool is_near(const struct search *s, uint32_t call)
{
	const struct component_call *c = &s->c->calls[call];
	for (uint32_t i = 0; i < c->ncells; i++)
		if (s->near[c->cells[i]] == s->near_mark)
			return true;
	return false;
}

static bool mark_near(struct search *s, struct fork *f, uint32_t call)
{
	const struct component_call *c = &s->c->calls[call];
	bool new = false;
	for (uint32_t i = 0; i < c->ncells; i++) {
		new |= s->near[c->cells[i]] != s->near_mark;
		s->near[c->cells[i]] = s->near_mark;
		cell_set_add(&f->near, c->cells[i]);
	}
	return new;
}

/*
 * The cells that have to do with the wanted call: its own, those of available calls that touch one
 * of them, and so on. What touches none of them can as well be placed later (it commutes with all
 * that does), so it is no candidate here; and whatever is decided here cannot be what makes calls
 * on other cells fail.
 */
void search_fork_look_around(struct search *s, struct fork *f)
{
	const uint32_t heads[] = {s->required, s->unknown};
	s->near_mark++;
	mark_near(s, f, f->wanted);
	for (bool grown = s->c->ncells > 1; grown;) {
		grown = false;
		for (unsigned i = 0; i < 2; i++)
			for (uint32_t call = s->next[heads[i]]; call != heads[i];
			     call = s->next[call])
				if (is_near(s, call))
					grown |= mark_near(s, f, call);
	}
	f->has_near = true;
}

/*
 * Whether the call may stand for its class: no available one of the class returns, or was called,
 * before it.
 */
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
		if (*first == NONE ||
		    s->c->calls[call].return_event < s->c->calls[*first].return_event)
			*first = call;
	}
}

/*
 * How good a call looks as the next one, best first: the wanted call would fit behind it; somebody
 * sees what it writes where it writes it; nobody ever sees what it writes; somebody sees it, but
 * not here, so that it would be missing there.
 */
#define RANKS 6
static int rank_of(struct search *s, uint32_t call, uint32_t wanted)
{
	const struct component_call *c = &s->c->calls[call];
	size_t mark = model_mark(&s->state);
	int rank = RANKS - 1;
	if (search_count_step(s) && model_apply(&s->state, &c->model)) {
		const struct model_op *op = c->model.then;
		bool dead = component_single(c) && s->state.cells[op->cell].value == VALUE_DEAD;
		rank = !dead ? 0 : op->value == VALUE_DEAD ? 1 : 2;
		if (!model_apply(&s->state, &s->c->calls[wanted].model))
			rank += RANKS / 2;
	}
	model_undo(&s->state, mark);
	return rank;
}

static void candidate_push(struct search *s, uint32_t call)
{
	ALLOC_ROOM(s->candidates, s->ncandidates, s->candidate_capacity, 256);
	s->candidates[s->ncandidates++] = call;
}

static bool fits_now(struct search *s, uint32_t call)
{
	size_t mark = model_mark(&s->state);
	bool fits = search_count_step(s) && model_apply(&s->state, &s->c->calls[call].model);
	model_undo(&s->state, mark);
	return fits;
}

/* All but the wanted call, in the given order of preference. */
static void list_others(struct search *s, struct fork *f)
{
	const uint32_t heads[] = {s->required, s->unknown};
	bool fits = f->end > f->candidates;
	search_fork_look_around(s, f);
	for (unsigned i = 0; i < 2; i++)
		find_leaders(s, heads[i]);
	for (int pass = fits ? RANKS - 1 : 0; pass < RANKS; pass++) {
		for (unsigned i = 0; i < 2; i++) {
			for (uint32_t call = s->next[heads[i]]; call != heads[i];
			     call = s->next[call]) {
				const struct component_call *c = &s->c->calls[call];
				if (call == f->wanted || c->pure || c->idle ||
				    !leads_class(s, call) || !is_near(s, call))
					continue;
				if (fits || rank_of(s, call, f->wanted) == pass)
					candidate_push(s, call);
			}
		}
	}
}

/*
 * The order in which candidates are tried decides how soon an order is found, not which answer
 * comes out: the wanted call, then what lets it follow, then the others, unknown outcomes after
 * what certainly happened. Usually the first one is right, so the others are listed when it was
 * not. False when all have been listed.
 */
bool search_fork_list(struct search *s, struct fork *f)
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
