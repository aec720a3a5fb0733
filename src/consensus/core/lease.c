/*
 * Read leases: who may not be elected for a while (Ongaro 2014, section 6.4.1).
 */
#include "core/lease.h"

void lease_restarted(struct lease *l, uint64_t until_us)
{
	l->restart_until_us = until_us;
}

void lease_grant(struct lease *l, uint64_t until_us, uint64_t ballot)
{
	if (until_us > l->until_us)
		l->until_us = until_us;
	l->ballot = ballot;
}

bool lease_granted(const struct lease *l, uint64_t now_us)
{
	return now_us < l->until_us;
}

uint64_t lease_own_promise_us(const struct lease *l)
{
	return l->until_us > l->restart_until_us ? l->until_us : l->restart_until_us;
}

bool lease_refuses(const struct lease *l, uint64_t now_us, uint64_t over)
{
	if (now_us < l->restart_until_us)
		return true;
	bool given_up = over != 0 && l->ballot <= over;
	return lease_granted(l, now_us) && !given_up;
}

bool lease_taken_over(struct lease *l, uint64_t now_us, uint64_t ballot)
{
	if (now_us < l->restart_until_us || (lease_granted(l, now_us) && l->ballot != ballot))
		return false;
	l->until_us = 0;
	return true;
}
