/* What causal.c, which gathers events, and causal_sort.c, which orders them, share. */
#ifndef SYNOD_TRACE_CAUSAL_INTERNAL_H
#define SYNOD_TRACE_CAUSAL_INTERNAL_H

#include "base/map.h"
#include "trace/causal.h"

struct text_place {
	size_t at, len;
};

struct host {
	char *name;
	uint32_t count, capacity;
	uint32_t *events; /* in the order of their addition */
	uint32_t next;    /* not yet placed */
	struct vector clock;
};

struct causal {
	struct causal_event *events;
	struct text_place *places;
	uint32_t count, capacity;
	struct buffer text;
	struct host *hosts;
	uint32_t nhosts;
	uint32_t last_host; /* whose event came last: mostly the next one's too */
	struct map sends;   /* a hash of (life, Lamport time) → event + 1 */
	uint32_t *order;    /* position → event */
	uint32_t *position; /* event → position; CAUSAL_NOBODY: not yet placed */
	uint64_t unmatched;
	char error[512];
};

/* Notes why, and returns the status. */
int causal_refuse(struct causal *c, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The key in c->sends of the send with this identity; if there is none, of the free slot for it. */
uint64_t causal_send_key(const struct causal *c, const struct trace_words *words);

#endif
