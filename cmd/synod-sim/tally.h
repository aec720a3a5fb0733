/*
 * What many seeds came to: speed, verdicts, and the faults that they went through.
 */
#ifndef SYNOD_SIM_TALLY_H
#define SYNOD_SIM_TALLY_H

#include "runner.h"

struct tally_seed {
	uint32_t faults[SIM_FAULTS];
};

struct tally {
	uint64_t seeds;
	/* ok, then those from CRASH on */
	uint64_t verdicts[VERDICT_LINEARIZABILITY - VERDICT_CRASH + 2];
	uint64_t undecided;
	uint64_t excused;
	double cpu_s, simulated_s;
	uint64_t ok, failed, unknown, mixed, events;
	struct tally_seed *by_seed; /* of those that did not crash */
	size_t nby_seed, capacity;
};

const char *verdict_text(enum verdict verdict);
void tally_add(struct tally *tally, const struct run *run);
void tally_print(const struct tally *tally, double wall_s);
void tally_free(struct tally *tally);

#endif
