/* When a replica stands for election. */
#include "core/election_timer.h"

void election_timer_draw(struct election_timer *t, const struct consensus_options *options,
			 uint64_t now_us)
{
	uint64_t base = options->election_timeout_us;
	t->at_us = now_us + base + options->random(options->context) % (base + 1);
}

void election_timer_soon(struct election_timer *t, const struct consensus_options *options,
			 uint64_t now_us)
{
	uint64_t soon = now_us + 1 + options->random(options->context) % options->heartbeat_us;
	if (soon < t->at_us)
		t->at_us = soon;
}

void election_timer_lost(struct election_timer *t, const struct consensus_options *options,
			 uint64_t now_us)
{
	uint64_t grace_us = options->heartbeat_us, timeout_us = options->election_timeout_us;
	uint64_t stand_us = now_us + grace_us + options->random(options->context) % (grace_us + 1);
	if (stand_us < t->at_us)
		t->at_us = stand_us;
	uint64_t heard_us = now_us + grace_us > timeout_us ? now_us + grace_us - timeout_us : 0;
	if (heard_us < t->heard_us)
		t->heard_us = heard_us;
}

bool election_timer_heard(const struct election_timer *t, const struct consensus_options *options,
			  uint64_t now_us)
{
	return now_us < t->heard_us + options->election_timeout_us;
}
