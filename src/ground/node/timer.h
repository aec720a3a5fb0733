/*
 * Timers and the heap that both worlds keep them in.
 *
 * A struct timer is embedded in its owner, which zeroes it and sets callback and
 * data once. Setting an armed timer moves it. It fires once, no earlier than
 * at_us; timers due at the same microsecond fire in the order in which they were
 * set. The owner cancels its timers before it goes away.
 */
#ifndef SYNOD_NODE_TIMER_H
#define SYNOD_NODE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
	void (*callback)(void *data);
	void *data;
	uint64_t at_us;
	uint64_t order;  /* when it was set, among all settings */
	size_t position; /* in the heap, counted from 1; 0: not armed */
};

struct timers {
	struct timer **heap;
	size_t count;
	size_t capacity;
	uint64_t settings;
};

static inline void timer_init(struct timer *t, void (*callback)(void *), void *data)
{
	*t = (struct timer){.callback = callback, .data = data};
}
static inline bool timer_armed(const struct timer *t)
{
	return t->position != 0;
}

/* A zeroed struct timers is empty and valid. */
void timers_set(struct timers *timers, struct timer *t, uint64_t at_us);
void timers_cancel(struct timers *timers, struct timer *t);
/* When the earliest timer is due; UINT64_MAX when none is armed. */
uint64_t timers_next_us(const struct timers *timers);
/* Takes out one timer that is due at now_us, or returns NULL. The caller runs its callback. */
struct timer *timers_take_due(struct timers *timers, uint64_t now_us);
void timers_free(struct timers *timers);

#endif
