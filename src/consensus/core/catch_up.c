/* Getting hold of what has been chosen and was missed. */
#include "core/catch_up.h"

#include "base/assert.h"

uint32_t catch_up_tick(struct catch_up *c, uint64_t now_us, uint64_t chosen, uint32_t nseats,
		       seat_set others)
{
	if (c->retry_us == 0 || now_us < c->retry_us)
		return CATCH_UP_NOBODY;
	c->retry_us = 0;
	if (c->known <= chosen || !c->heard || c->need_snapshot)
		return CATCH_UP_NOBODY;
	/*
	 * Whoever knew may be gone, so every second time somebody else is asked, in turn; whoever
	 * knows most is asked in between, since the others may lag as we do.
	 */
	ASSERT(c->known > chosen && nseats > 0);
	uint32_t ask = c->known_from;
	if (c->attempts++ % 2 == 0) {
		c->turn = (c->turn + 1) % nseats;
		ask = c->turn;
	}
	if ((others & member_bit(ask)) == 0)
		ask = c->known_from;
	return (others & member_bit(ask)) == 0 ? CATCH_UP_NOBODY : ask;
}

uint32_t catch_up_turn(struct catch_up *c, uint32_t nseats, seat_set others)
{
	for (uint32_t k = 0; k < nseats; k++) {
		c->turn = (c->turn + 1) % nseats;
		if ((others & member_bit(c->turn)) != 0)
			return c->turn;
	}
	return CATCH_UP_NOBODY;
}

void catch_up_offered(struct catch_up *c, uint32_t replica, uint64_t slot)
{
	ASSERT(slot > 0);
	c->retry_us = 0;
	c->need_snapshot = true;
	c->snapshot_from = replica;
	c->snapshot_slot = slot;
}

void catch_up_installed(struct catch_up *c, uint64_t slot)
{
	c->need_snapshot = false;
	c->retry_us = 0;
	if (slot > c->known)
		c->known = slot;
}
