/*
 * From many hosts' orders to one: every event stands behind its causes, and gets its vector clock.
 */
#include <inttypes.h>

#include "base/alloc.h"
#include "node/clock.h"
#include "trace/causal_internal.h"

static void find_causes(struct causal *c)
{
	for (uint32_t i = 0; i < c->count; i++) {
		struct causal_event *e = &c->events[i];
		e->text = slice(c->text.data + c->places[i].at, c->places[i].len);
		if (e->words.kind != TRACE_RECEIVE)
			continue;
		uintptr_t send = (uintptr_t)map_get(&c->sends, causal_send_key(c, &e->words));
		if (send == 0)
			c->unmatched++;
		else
			e->cause = (uint32_t)send - 1;
	}
}

static bool earlier(const struct causal_event *a, const struct causal_event *b)
{
	if (a->words.hlc != b->words.hlc)
		return a->words.hlc < b->words.hlc;
	if (a->words.lamport != b->words.lamport)
		return a->words.lamport < b->words.lamport;
	return a->host < b->host;
}

/* The host whose next event may stand next: its causes are placed, and it is the earliest such. */
static struct host *choose(const struct causal *c)
{
	struct host *chosen = NULL;
	for (uint32_t i = 0; i < c->nhosts; i++) {
		struct host *h = &c->hosts[i];
		if (h->next == h->count)
			continue;
		const struct causal_event *e = &c->events[h->events[h->next]];
		if (e->cause != CAUSAL_NOBODY && c->position[e->cause] == CAUSAL_NOBODY)
			continue;
		if (chosen == NULL || earlier(e, &c->events[chosen->events[chosen->next]]))
			chosen = h;
	}
	return chosen;
}

/*
 * Every host's next event waits for another's: somebody received what, as it seems, was sent later.
 */
static int refuse_circle(struct causal *c)
{
	for (uint32_t i = 0; i < c->nhosts; i++) {
		const struct host *h = &c->hosts[i];
		if (h->next == h->count)
			continue;
		const struct causal_event *e = &c->events[h->events[h->next]];
		return causal_refuse(c, STATUS_CORRUPT,
				     "the traces contradict each other: event %" PRIu64
				     " of %s receives message %" PRIx64 ".%" PRIu64
				     ", which %s sends only after it",
				     e->number, h->name, e->words.origin, e->words.sent,
				     c->hosts[c->events[e->cause].host].name);
	}
	return causal_refuse(c, STATUS_CORRUPT, "the traces contradict each other");
}

/* A receive's Lamport time is past its send's, or one of the two is not what was traced. */
static int check_times(struct causal *c, const struct causal_event *e)
{
	const struct causal_event *send = &c->events[e->cause];
	if (e->words.lamport > send->words.lamport || send->words.lamport > LAMPORT_MAX)
		return 0;
	return causal_refuse(c, STATUS_CORRUPT,
			     "the traces contradict each other: event %" PRIu64
			     " of %s has Lamport time %" PRIu64
			     ", but the message that it receives was sent at %" PRIu64,
			     e->number, c->hosts[e->host].name, e->words.lamport,
			     send->words.lamport);
}

static int place(struct causal *c, struct host *h, uint32_t position)
{
	uint32_t index = h->events[h->next++];
	struct causal_event *e = &c->events[index];
	int status = 0;
	c->order[position] = index;
	c->position[index] = position;
	if (e->cause != CAUSAL_NOBODY) {
		status = check_times(c, e);
		if (status == 0)
			status = vector_merge(&h->clock, &c->events[e->cause].clock);
	}
	if (status == 0)
		status = vector_tick(&h->clock, e->host);
	ASSERT(status != STATUS_TOO_LARGE); /* there are no more hosts than fit */
	e->clock = vector_copy(&h->clock);
	return status;
}

int causal_sort(struct causal *c)
{
	ASSERT(c->order == NULL);
	c->order = alloc_zeroed((size_t)c->count + 1, sizeof *c->order);
	c->position = alloc_zeroed((size_t)c->count + 1, sizeof *c->position);
	for (uint32_t i = 0; i < c->count; i++)
		c->position[i] = CAUSAL_NOBODY;
	find_causes(c);
	for (uint32_t position = 0; position < c->count; position++) {
		struct host *h = choose(c);
		int status = h == NULL ? refuse_circle(c) : place(c, h, position);
		if (status != 0)
			return status;
	}
	/* From here on causes are positions, as the header says. */
	for (uint32_t i = 0; i < c->count; i++)
		if (c->events[i].cause != CAUSAL_NOBODY)
			c->events[i].cause = c->position[c->events[i].cause];
	return 0;
}
