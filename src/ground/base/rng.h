/*
 * Seeded random numbers: xoshiro256** seeded by splitmix64 (Blackman and Vigna,
 * "Scrambled linear pseudorandom number generators"). Not for secrets. Same
 * seed, same sequence, on every machine.
 */
#ifndef SYNOD_BASE_RNG_H
#define SYNOD_BASE_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* Uniform in [0, bound), bound > 0, without modulo bias. */
uint64_t rng_below(struct rng *r, uint64_t bound);
/* Uniform in [low, high]. */
uint64_t rng_range(struct rng *r, uint64_t low, uint64_t high);
/* True with probability `parts` in a million. */
bool rng_chance(struct rng *r, uint32_t parts_per_million);
/* Uniform in [0, 1). */
double rng_unit(struct rng *r);

#endif
