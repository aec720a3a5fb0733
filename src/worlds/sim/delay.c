/*
 * How long the network takes. Integer arithmetic only, so that a seed gives the same
 * run on every machine and with every compiler.
 */
#include "sim/link.h"

#define ONE 65536ull /* fixed point, 16 bits of fraction */

/*
 * -log2(u) for a uniform u in (0, 1), linear between powers of two: u = 2^-k × m with k ≥ 1
 * geometric and m uniform in [1, 2), so k + 1 - m. Its mean is exactly 1.5: nearly an exponential
 * distribution.
 */
static uint64_t negative_log2(struct rng *rng)
{
	uint64_t random = rng_next(rng) | 1; /* at most 64 halvings */
	uint64_t k = (uint64_t)__builtin_clzll(random) + 1;
	return k * ONE - (rng_next(rng) & (ONE - 1));
}

/* 2^x, linear between powers of two. */
static uint64_t power_of_two(uint64_t x)
{
	uint64_t whole = x / ONE, fraction = x % ONE;
	return (ONE + fraction) << (whole < 32 ? whole : 32);
}

uint64_t sim_network_delay(struct sim_network *network)
{
	const struct sim_network_options *o = &network->world->options.network;
	struct rng *rng = &network->world->rng_network;
	uint64_t spread_us = o->delay_mean_us - o->delay_min_us;
	uint64_t delay_us = o->delay_min_us;
	switch (o->delay) {
	case SIM_DELAY_UNIFORM: delay_us += rng_below(rng, 2 * spread_us + 1); break;
	case SIM_DELAY_EXPONENTIAL:
		delay_us += spread_us * negative_log2(rng) / (ONE + ONE / 2);
		break;
	case SIM_DELAY_HEAVY_TAIL:
		/*
		 * Pareto with exponent 1.5: minimum × u^(-1/1.5), whose mean is three times its
		 * minimum.
		 */
		delay_us += spread_us * power_of_two(negative_log2(rng) * 2 / 3) / (3 * ONE);
		break;
	}
	return delay_us < o->delay_max_us ? delay_us : o->delay_max_us;
}
