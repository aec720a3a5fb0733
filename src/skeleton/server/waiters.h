/*
 * Requests that wait at one node, until something is there: a configuration, a slot, a decision.
 *
 * A waiter leaves when what it waits for is there, when its time is over, or when all are sent away:
 * its owner gets the request back, and answers it. With its link it is forgotten, for nobody would
 * hear the answer. What it waits for is a number that is reached, or whatever its owner looks at.
 *
 * Bounds. No more than `max` wait. Whose wait is over leaves in the order in which that was seen, and
 * in one turn as many as make bytes_per_turn of answers: the others stay until the next one, and are
 * answered meanwhile if their time is over.
 */
#ifndef SYNOD_SERVER_WAITERS_H
#define SYNOD_SERVER_WAITERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/status.h"
#include "node/node.h"

struct waiters;

struct waiter {
	struct list link; /* in waiting or leaving */
	struct waiters *owner;
	struct timer timeout;
	link_id from;
	struct message request; /* as it came, without its payload */
	uint64_t awaited;       /* the number that is to be reached, or looked at */
	uint64_t detail;        /* whatever else the owner needs for the answer */
};

struct waiters_options {
	struct node *node;
	uint64_t max;
	size_t bytes_per_turn; /* of answers; 0: no limit */
	/* Answers; returns how long the answer is. The waiter is valid until it returns. */
	size_t (*leave)(void *context, const struct waiter *waiter);
	void *context;
};

struct waiters {
	struct waiters_options options;
	struct list waiting; /* by the time of their arrival */
	struct list leaving; /* what they waited for is there */
	uint64_t count;      /* of both: a gauge */
};

void waiters_init(struct waiters *w, const struct waiters_options *options);
/* How long the request wants to wait: by default, and at most, so long. */
uint32_t waiters_timeout_ms(const struct message *request, uint32_t default_ms, uint32_t most_ms);
/* timeout_ms 0: as long as it takes. False: too many wait. */
bool waiters_add(struct waiters *w, link_id from, const struct message *request, uint64_t awaited,
		 uint64_t detail, uint32_t timeout_ms) MUST_CHECK;

/* What those have awaited who wait for a number ≤ reached is there … */
void waiters_reach(struct waiters *w, uint64_t reached);
/* … or what those have awaited for whom `there` is true. */
void waiters_pick(struct waiters *w, bool (*there)(void *context, const struct waiter *waiter));
/* They leave, as many as may in one turn; false: there are more, call again in the next one. */
bool waiters_let_go(struct waiters *w) MUST_CHECK;

/* All leave at once. */
void waiters_dismiss(struct waiters *w);
/* Those whose wait is not over are answered by `refuse` instead. */
void waiters_refuse(struct waiters *w, void (*refuse)(void *context, const struct waiter *waiter));
/* Forgets those of a lost link. */
void waiters_link_down(struct waiters *w, link_id link);
/* Forgets all. */
void waiters_done(struct waiters *w);

#endif
