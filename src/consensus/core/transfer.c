/* Handing over: to whom, and for how long it is tried. */
#include "core/transfer.h"

#include <stddef.h>

#include "base/assert.h"

void transfer_begin(struct transfer *t, uint32_t replica, uint64_t deadline_us)
{
	ASSERT(t->to == 0 && replica != 0);
	t->to = replica;
	t->deadline_us = deadline_us;
	t->sent = false;
}

void transfer_tick(struct transfer *t, uint64_t now_us)
{
	if (t->to != 0 && now_us >= t->deadline_us)
		t->to = 0;
}

const struct successor *transfer_choose(const struct successor *list, uint32_t count)
{
	const struct successor *best = NULL;
	for (uint32_t i = 0; i < count; i++)
		if (best == NULL || list[i].matched > best->matched)
			best = &list[i];
	return best;
}

const struct successor *transfer_choose_relief(const struct transfer *t,
					       const struct successor *list, uint32_t count,
					       uint64_t chosen)
{
	const struct successor *best = NULL;
	for (uint32_t i = 0; i < count; i++) {
		const struct successor *s = &list[i];
		bool better = best == NULL || s->matched > best->matched;
		if (best != NULL && best->replica == t->relieved_by && s->matched >= chosen)
			better = true;
		if (best != NULL && s->replica == t->relieved_by && best->matched >= chosen)
			better = false;
		if (better)
			best = s;
	}
	return best;
}
