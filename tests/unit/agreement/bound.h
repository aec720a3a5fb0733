/*
 * Members of which every peer's first disk is bound, as a peer's log holds them: peer i has life
 * BOUND_LIFE(i).
 */
#ifndef SYNOD_TESTS_AGREEMENT_BOUND_H
#define SYNOD_TESTS_AGREEMENT_BOUND_H

#include "agreement/agreement.h"

#define BOUND_LIFE(replica) (100ull + (replica))

static inline void bound_members(struct agreement_members *members, uint32_t count)
{
	*members = (struct agreement_members){.slot = 1, .count = count};
	for (uint32_t i = 0; i < count; i++)
		members->list[i] = (struct agreement_binding){.replica = i + 1,
							      .life = BOUND_LIFE(i + 1)};
}

/* As if it had been read from the log. */
static inline void bound_restore(struct agreement *a, uint32_t count)
{
	struct agreement_members members;
	struct buffer record = {0};
	bound_members(&members, count);
	agreement_members_encode(&members, 0, &record);
	int status = agreement_restore_members(a, buffer_slice(&record), 0);
	ASSERT(status == 0);
	buffer_free(&record);
}

#endif
