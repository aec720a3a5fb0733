/* Random numbers from a seed (xoshiro256**). */
#include "base/rng.h"

#include "base/assert.h"
#include "base/mix.h"

static uint64_t splitmix64(uint64_t *state)
{
	return mix_u64(*state += MIX_STEP);
}

static uint64_t rotate_left(uint64_t v, unsigned bits)
{
	return v << bits | v >> (64 - bits);
}

/*
 * splitmix64 is a bijection of a counter, so the four words are never all zero, the one state
 * xoshiro cannot leave.
 */
void rng_seed(struct rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->state[i] = splitmix64(&seed);
}

uint64_t rng_next(struct rng *r)
{
	uint64_t *s = r->state;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate_left(s[3], 45);
	return result;
}

/*
 * Draws again while the number lies in the incomplete last run of `bound`
 * numbers; counted from the low end, that run is 2^64 mod bound long.
 */
uint64_t rng_below(struct rng *r, uint64_t bound)
{
	ASSERT(bound > 0);
	uint64_t incomplete = -bound % bound;
	uint64_t drawn;
	do
		drawn = rng_next(r);
	while (drawn < incomplete);
	return drawn % bound;
}

uint64_t rng_range(struct rng *r, uint64_t low, uint64_t high)
{
	ASSERT(low <= high);
	uint64_t span = high - low;
	return span == UINT64_MAX ? rng_next(r) : low + rng_below(r, span + 1);
}

bool rng_chance(struct rng *r, uint32_t parts_per_million)
{
	return rng_below(r, 1000000) < parts_per_million;
}

double rng_unit(struct rng *r)
{
	return (double)(rng_next(r) >> 11) * 0x1.0p-53;
}
