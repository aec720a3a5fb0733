/* A binary heap counted from 1: the children of p are 2p and 2p+1. heap[0] holds position 1. */
#include "node/timer.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"

static bool before(const struct timer *a, const struct timer *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static struct timer *at(const struct timers *timers, size_t position)
{
	return timers->heap[position - 1];
}

static void place(struct timers *timers, struct timer *t, size_t position)
{
	timers->heap[position - 1] = t;
	t->position = position;
}

static void sift_up(struct timers *timers, struct timer *t, size_t position)
{
	while (position > 1 && before(t, at(timers, position / 2))) {
		place(timers, at(timers, position / 2), position);
		position /= 2;
	}
	place(timers, t, position);
}

static void sift_down(struct timers *timers, struct timer *t, size_t position)
{
	for (;;) {
		size_t child = position * 2;
		if (child > timers->count)
			break;
		if (child < timers->count && before(at(timers, child + 1), at(timers, child)))
			child++;
		if (!before(at(timers, child), t))
			break;
		place(timers, at(timers, child), position);
		position = child;
	}
	place(timers, t, position);
}

/* Puts t where it belongs, given that `position` is a hole and the rest is a heap. */
static void settle(struct timers *timers, struct timer *t, size_t position)
{
	if (position > 1 && before(t, at(timers, position / 2)))
		sift_up(timers, t, position);
	else
		sift_down(timers, t, position);
}

void timers_set(struct timers *timers, struct timer *t, uint64_t at_us)
{
	ASSERT(t->callback != NULL);
	t->at_us = at_us;
	t->order = ++timers->settings;
	if (timer_armed(t)) {
		ASSERT(t->position <= timers->count && at(timers, t->position) == t);
		settle(timers, t, t->position);
		return;
	}
	ALLOC_ROOM(timers->heap, timers->count, timers->capacity, 16);
	timers->count++;
	sift_up(timers, t, timers->count);
}

void timers_cancel(struct timers *timers, struct timer *t)
{
	size_t hole = t->position;

	if (!timer_armed(t))
		return;
	ASSERT(hole <= timers->count && at(timers, hole) == t);
	struct timer *last = at(timers, timers->count);
	timers->count--;
	t->position = 0;
	if (last != t)
		settle(timers, last, hole);
}

uint64_t timers_next_us(const struct timers *timers)
{
	return timers->count == 0 ? UINT64_MAX : at(timers, 1)->at_us;
}

struct timer *timers_take_due(struct timers *timers, uint64_t now_us)
{
	if (timers->count == 0 || at(timers, 1)->at_us > now_us)
		return NULL;
	struct timer *t = at(timers, 1);
	timers_cancel(timers, t);
	return t;
}

void timers_free(struct timers *timers)
{
	free(timers->heap);
	*timers = (struct timers){0};
}
