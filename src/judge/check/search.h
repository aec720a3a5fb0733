/*
 * Looks for an order of the calls of one component: depth first, with what failed remembered. The
 * rules stand in search.c.
 */
#ifndef SYNOD_CHECK_SEARCH_H
#define SYNOD_CHECK_SEARCH_H

#include "check/component.h"

struct search_limits {
	uint64_t steps_max;
	uint64_t bytes_max;
};

struct search_result {
	enum check_verdict verdict;
	uint64_t steps;
	/*
	 * If asked for: the return that no order gets beyond, and the calls of a longest order that
	 * gets there.
	 */
	uint32_t stuck_event;
	uint32_t *order;
	uint32_t norder;
};

/* Free the result with search_result_free(). */
void search_run(struct component *c, const struct search_limits *limits, bool want_order,
		struct search_result *out);
void search_result_free(struct search_result *result);

#endif
