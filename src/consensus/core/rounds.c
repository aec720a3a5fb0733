/* Heartbeat rounds: who has echoed which, and what that proves. */
#include "core/rounds.h"

#include <string.h>

#include "base/assert.h"

void rounds_restart(struct rounds *r)
{
	r->newest = r->watched = 0;
	memset(r->answers, 0, sizeof r->answers);
}

void rounds_forget_seat(struct rounds *r, uint32_t seat)
{
	r->answers[seat] = (struct round_answers){0};
}

void rounds_hear(struct rounds *r, uint32_t seat, uint64_t round)
{
	if (round > r->answers[seat].heard)
		r->answers[seat].heard = round < r->newest ? round : r->newest;
}

void rounds_count(struct rounds *r, uint32_t seat, uint64_t round, bool leased)
{
	struct round_answers *answers = &r->answers[seat];
	round = round < r->newest ? round : r->newest;
	if (round > answers->acked)
		answers->acked = round;
	if (leased && round > answers->leased)
		answers->leased = round;
	ASSERT(answers->leased <= answers->acked && answers->acked <= r->newest);
}

void rounds_watch(struct rounds *r, uint64_t until_us)
{
	ASSERT(r->newest > 0);
	r->watched = r->newest;
	r->watched_until_us = until_us;
}

bool rounds_lose_patience(struct rounds *r, uint64_t confirmed, uint64_t until_us)
{
	ASSERT(confirmed <= r->newest && r->watched <= r->newest);
	if (confirmed < r->watched)
		return true;
	if (confirmed < r->newest)
		rounds_watch(r, until_us);
	else
		r->watched = 0;
	return false;
}
