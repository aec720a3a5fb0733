/*
 * Long histories as a correct store makes them: clients that make one call after another, each done
 * at a moment of its own between call and return. Some outcomes are unknown: done at any later
 * moment, or never.
 */
#ifndef SYNOD_TESTS_CHECK_GENERATE_H
#define SYNOD_TESTS_CHECK_GENERATE_H

#include "check/check.h"

struct generate {
	uint32_t calls, clients, keys;
	/* the rest are puts */
	uint32_t get_percent, append_percent, delete_percent, cas_percent, txn_percent;
	uint32_t unknown_per_thousand;
	uint32_t txn_keys; /* keys of one transaction; they are neighbours */
	bool versions;
	uint64_t seed;
};

void generate(struct check_history *h, const struct generate *g);

#endif
