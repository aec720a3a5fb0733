/*
 * From calls that fit into no order to few of them that still do not.
 *
 * Leaving out calls at random would invent violations: a value that was read was then written by
 * nobody. So calls are only made weaker (enum check_weakness), which permits more orders and never
 * fewer, and only those are left out that claim nothing any more: reads that need not be compared,
 * and unknown outcomes that component.h leaves out. First the end of the history is cut off, then
 * it is found by trying ever smaller runs of calls, as in delta debugging (Zeller and Hildebrandt
 * 2002), what can be weaker.
 */
#ifndef SYNOD_CHECK_SHRINK_H
#define SYNOD_CHECK_SHRINK_H

#include "check/search.h"

/*
 * items fit into no order. Changes them in place to what is left and returns how many that are.
 * Stops early when its own limit of steps is used up.
 */
uint32_t shrink(const struct check_history *h, struct check_item *items, uint32_t count,
		const struct search_limits *limits, struct component_keys *keys);

#endif
