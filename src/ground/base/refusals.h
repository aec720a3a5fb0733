/*
 * Messages that were refused because nobody who keeps to the protocol can have sent them: counted,
 * and said in the log at most once a second, so that whoever sends them cannot fill it.
 */
#ifndef SYNOD_BASE_REFUSALS_H
#define SYNOD_BASE_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

#define REFUSALS_SAY_EVERY_US 1000000u

struct refusals {
	uint64_t count;   /* a metric */
	uint64_t said;    /* `count` when it was last said … */
	uint64_t said_us; /* … and when; 0: never */
};

/*
 * Counts one. 0: nothing is to be said now; otherwise how many there have been since it was last
 * said, with this one.
 */
static inline uint64_t refusals_add(struct refusals *r, uint64_t now_us)
{
	r->count++;
	if (r->said_us != 0 && now_us < r->said_us + REFUSALS_SAY_EVERY_US)
		return 0;
	uint64_t since = r->count - r->said;
	r->said = r->count;
	r->said_us = now_us;
	return since;
}

#endif
