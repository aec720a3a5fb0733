/*
 * persists: the records that a core wants in the log, numbered 1, 2, 3, …, and up to which number
 * they are durable. Those of a step are collected; persists_take() hands them out with an output,
 * and they, and what their values point into, live until the next time.
 */
#ifndef SYNOD_CORE_PERSISTS_H
#define SYNOD_CORE_PERSISTS_H

#include "base/assert.h"
#include "core/consensus.h"
#include "core/vector.h"

struct persists {
	struct vector collecting; /* struct consensus_persist */
	struct vector out;        /* in the output that the caller is carrying out */
	uint64_t next;            /* next sequence number */
	uint64_t durable;         /* all up to here */
};

void persists_init(struct persists *p);
void persists_free(struct persists *p);
/* A record of that kind, the rest of which is to be filled in. Valid until the next. */
struct consensus_persist *persists_add(struct persists *p, enum consensus_persist_kind kind);
/* Those in `out` are carried out, or given up. */
void persists_release(struct persists *p);

/* What was collected is now `out`; what was before is released. */
static inline void persists_take(struct persists *p)
{
	if (p->out.count > 0)
		persists_release(p);
	struct vector collected = p->collecting;
	p->collecting = p->out;
	p->out = collected;
}

/* False: that is known already. */
static inline bool persists_are_durable(struct persists *p, uint64_t sequence)
{
	ASSERT(sequence < p->next);
	if (sequence <= p->durable)
		return false;
	p->durable = sequence;
	return true;
}

#endif
