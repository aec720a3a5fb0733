/* The system's clocks, as a turn of the loop sees them, and how long a turn may work at one thing. */
#include <time.h>

#include "host/internal.h"

uint64_t host_clock_us(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void allowance_begin(struct allowance *allowance, uint64_t us)
{
	allowance->real_until_us = host_clock_us(HOST_CLOCK) + us;
	allowance->own_until_us = host_clock_us(CLOCK_THREAD_CPUTIME_ID) + us;
}

bool allowance_spent(struct allowance *allowance)
{
	uint64_t now_us = host_clock_us(HOST_CLOCK);
	if (now_us < allowance->real_until_us)
		return false;
	uint64_t own_us = host_clock_us(CLOCK_THREAD_CPUTIME_ID);
	if (own_us >= allowance->own_until_us)
		return true;
	allowance->real_until_us = now_us + (allowance->own_until_us - own_us);
	return false;
}

uint64_t loop_now_us(struct host_loop *loop)
{
	if (loop->now_us == 0) {
		loop->now_us = host_clock_us(HOST_CLOCK);
		loop->wall_us = host_clock_us(CLOCK_REALTIME);
	}
	return loop->now_us;
}

uint64_t host_now_us(struct host *host)
{
	return loop_now_us(host->loop);
}
