/* The search's own state, shared by its three files: search_place.c, search_fork.c, search.c. */
#ifndef SYNOD_CHECK_SEARCH_INTERNAL_H
#define SYNOD_CHECK_SEARCH_INTERNAL_H

#include "check/memo.h"
#include "check/needs.h"
#include "check/search.h"

#define NONE UINT32_MAX

enum trail_kind { TRAIL_CALLED, TRAIL_PLACED, TRAIL_RETURNED };
struct trail_entry {
	uint32_t call;
	enum trail_kind kind;
};

struct fork {
	uint32_t event;
	uint32_t wanted; /* the call that must be placed */
	/* the unknown outcome that was placed last, if nobody has seen it yet; or NONE */
	uint32_t fresh;
	size_t trail, state;                            /* marks */
	uint32_t candidates, next, end;                 /* in the stack of candidates */
	enum { FORK_NEW, FORK_WANTED, FORK_ALL } stage; /* which candidates have been listed */
	uint64_t key[2];
	bool has_near;
	struct cell_set near;  /* cells on which its decision bears, if has_near */
	struct cell_set blame; /* cells to which what was tried so far owes its failure */
};

struct search {
	struct component *c;
	const struct search_limits *limits;
	struct search_result *out;
	bool want_order; /* then dead ends are walked to their end */
	bool gave_up;
	struct model_state state;
	struct memo memo;
	struct needs needs;
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
	uint32_t *first_of_class;  /* scratch */
	uint32_t *near, near_mark; /* scratch, for each cell: is near if equal to the mark */
	bool failed;               /* a fork has just been left without success, */
	struct cell_set blame;     /* because of these cells */
};

/* ---- search_place.c ---- */

/* Counts an attempt to place a call; false when there were too many. */
bool search_count_step(struct search *s);
/*
 * Places the call, and all that then comes for free. False if it does not fit or must not be tried;
 * then the state is to be undone.
 */
bool search_place(struct search *s, uint32_t call, const struct fork *fork);
/* Passes events until a call returns that has not been placed; NONE at the end. */
uint32_t search_advance(struct search *s);
void search_back_to(struct search *s, const struct fork *fork);

/* ---- search_fork.c ---- */

void search_fork_push(struct search *s, uint32_t wanted);
/* Finds fork->near. */
void search_fork_look_around(struct search *s, struct fork *f);
/* Adds to the candidates of the innermost fork; false when all have been listed. */
bool search_fork_list(struct search *s, struct fork *f);

#endif
