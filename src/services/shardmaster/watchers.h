/*
 * The waiters of WATCH at one replica: which requests wait for which configuration, until when.
 *
 * A waiter leaves when a newer configuration is there, when its timeout has passed, when its link
 * is lost, or when all are sent away. The owner decides what leaving means: it gets the request
 * back through `leave`.
 */
#ifndef SYNOD_SHARDMASTER_WATCHERS_H
#define SYNOD_SHARDMASTER_WATCHERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "node/node.h"

struct watchers {
	struct node *node;
	struct list waiting; /* by the time of their arrival */
	uint64_t count;      /* a gauge */
	uint32_t max;
	/*
	 * The request's payload is empty; its timeout is what the requester still waits for the
	 * answer.
	 */
	void (*leave)(void *context, link_id from, const struct message *request);
	void *context;
};

void watchers_init(struct watchers *w, struct node *node, uint32_t max,
		   void (*leave)(void *context, link_id from, const struct message *request),
		   void *context);
/* Waits for a configuration above `number`, for timeout_ms at most. False if there are too many. */
bool watchers_add(struct watchers *w, link_id from, const struct message *request, uint64_t number,
		  uint32_t timeout_ms);
/* Those who wait for something above a number below `newest` leave; UINT64_MAX: all do. */
void watchers_wake(struct watchers *w, uint64_t newest);
/* Forgets those of a lost link. */
void watchers_link_down(struct watchers *w, link_id link);
/* Forgets all. */
void watchers_done(struct watchers *w);

#endif
