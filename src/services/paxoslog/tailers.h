/*
 * Those who wait at one replica for a slot of the log (LOG_TAIL), until when.
 *
 * One leaves when its slot is there or has been trimmed, when its time is over, when its link is
 * lost, or when all are sent away. The owner decides what leaving means.
 */
#ifndef SYNOD_PAXOSLOG_TAILERS_H
#define SYNOD_PAXOSLOG_TAILERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/list.h"
#include "node/node.h"
#include "wire/paxosd.h"

#define TAILERS_MAX 8192u
/* of answers, before others have their turn of the loop */
#define TAILERS_BYTES_PER_TURN (1u * MIB)

struct tailers {
	struct node *node;
	struct list waiting;
	uint64_t count; /* a gauge */
	/* request: as it came, without its payload. Returns how long the answer is. */
	size_t (*leave)(void *context, link_id from, const struct message *request,
			const struct wire_log_query *query);
	void *context;
};

void tailers_init(struct tailers *t, struct node *node,
		  size_t (*leave)(void *context, link_id from, const struct message *request,
				  const struct wire_log_query *query),
		  void *context);
/* False if too many wait. */
bool tailers_add(struct tailers *t, link_id from, const struct message *request,
		 const struct wire_log_query *query, uint64_t timeout_ms);
/*
 * Those who wait for a slot ≤ last leave; UINT64_MAX: all. False: that is more than one turn should
 * answer, call again.
 */
bool tailers_wake(struct tailers *t, uint64_t last);
void tailers_link_down(struct tailers *t, link_id link);
/* Forgets all. */
void tailers_done(struct tailers *t);

#endif
