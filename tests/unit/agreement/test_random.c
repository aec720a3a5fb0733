/*
 * Random histories of the agreement cores: crashes, restarts, partitions, deaf peers, losses,
 * cleaned logs, lost disks. SEEDS=n runs more. faults: 1, 2, 5, 6, 7, 8, 9, 11, 16, 38
 */
#include "../support/check_main.h"
#include "peers.h"

#include <stdio.h>
#include <stdlib.h>

#define SEQS 40u

static void draw_network(struct peers *p)
{
	static const char *const sides[] = {"aaaaa", "aabbb", "abbba", "ababa", "abcde", "aaaab"};
	peers_heal(p);
	peers_partition(p, sides[rng_below(&p->rng, sizeof sides / sizeof sides[0])]);
	if (rng_chance(&p->rng, 200000))
		peers_deafen(p, (uint32_t)rng_below(&p->rng, p->count));
	p->loss_ppm = rng_chance(&p->rng, 500000) ? (uint32_t)rng_below(&p->rng, 300000) : 0;
	p->repeat_ppm = rng_chance(&p->rng, 500000) ? (uint32_t)rng_below(&p->rng, 200000) : 0;
	for (uint32_t i = 0; i < p->count; i++)
		p->peers[i].sync_max_us = rng_chance(&p->rng, 300000) ? 20000 : 300;
	p->delay_max_us = p->delay_min_us +
			  rng_below(&p->rng, rng_chance(&p->rng, 300000) ? 300000 : 2000);
}

/*
 * Another disk may be lost: those that are lost already, and are not whole again, are less than a
 * minority.
 */
static bool may_wipe(const struct peers *p, uint32_t i)
{
	uint32_t lost = 0;
	for (uint32_t k = 0; k < p->count; k++)
		lost += k != i && p->peers[k].wiped;
	return lost < (p->count - 1) / 2;
}

static void do_something(struct peers *p, uint64_t low)
{
	uint32_t i = (uint32_t)rng_below(&p->rng, p->count);
	uint64_t choice = rng_below(&p->rng, 100);
	char value[32];
	if (p->peers[i].core == NULL) {
		if (choice < 10 && may_wipe(p, i))
			peers_wipe(p, i);
		if (choice < 30)
			peers_restart(p, i);
	} else if (!peers_is_bound(p, i) && choice < 60) {
		if (choice < 20)
			peers_bind(p, i);
	} else if (choice < 3) {
		peers_crash(p, i);
	} else if (choice < 8) {
		draw_network(p);
	} else if (choice < 12 && low > 0) {
		peers_done(p, i, rng_below(&p->rng, low));
	} else if (choice < 50) {
		snprintf(value, sizeof value, "%u.%u", i, (unsigned)rng_below(&p->rng, 1000));
		int status = peers_start(p, i, low + rng_below(&p->rng, SEQS / 4), value);
		ASSERT(status == 0 || status == STATUS_COMPACTED ||
		       (status == STATUS_UNAVAILABLE && !peers_inside(p, i)));
	}
	peers_run(p, rng_below(&p->rng, rng_chance(&p->rng, 100000) ? 500000 : 5000));
}

static bool everybody_knows(struct peers *p)
{
	size_t position = 0;
	uint64_t seq;
	void *value;
	while (map_next(&p->decided, &position, &seq, &value)) {
		for (uint32_t i = 0; i < p->count; i++) {
			struct bytes *known;
			if (agreement_status(p->peers[i].core, seq, &known) ==
			    AGREEMENT_STATE_PENDING)
				return false;
		}
	}
	return true;
}

/*
 * After the troubles: what is started gets decided, everybody learns everything, and Done values
 * reach everybody.
 */
static void settle_down(struct peers *p, uint64_t low)
{
	peers_heal(p);
	p->repeat_ppm = 0;
	p->delay_max_us = 1000;
	for (uint32_t i = 0; i < p->count; i++)
		if (p->peers[i].core == NULL)
			peers_restart(p, i);
	for (uint32_t i = 0; i < p->count; i++) {
		if (!peers_is_bound(p, i))
			peers_bind(p, i);
		ASSERT(peers_wait_inside(p, i, 10 * 1000000ull));
	}
	for (uint64_t seq = low; seq < low + SEQS / 4; seq++)
		peers_start(p, (uint32_t)(seq % 2), seq, "last");
	uint64_t until_us = p->now_us + 30 * 1000000ull;
	while ((p->decided.count < low || !everybody_knows(p)) && peers_step(p, until_us))
		continue;
	ASSERT(everybody_knows(p));
	for (uint64_t seq = low; seq < low + SEQS / 4; seq++)
		ASSERT(peers_wait(p, seq, p->count, 10 * 1000000ull));
	for (uint32_t i = 0; i < p->count; i++)
		peers_done(p, i, low + SEQS);
	peers_run(p, 12 * 1000000ull);
	for (uint32_t i = 0; i < p->count; i++) {
		ASSERT(agreement_min(p->peers[i].core) == low + SEQS + 1);
		ASSERT(agreement_instances(p->peers[i].core) == 0 &&
		       agreement_bytes(p->peers[i].core) == 0);
	}
}

static void run(uint64_t seed)
{
	struct peers p;
	peers_init(&p, seed % 3 == 0 ? 5 : 3, seed);
	for (uint64_t low = 0; low < SEQS; low += 1 + rng_below(&p.rng, 8))
		for (uint32_t step = 0; step < 60; step++)
			do_something(&p, low);
	settle_down(&p, SEQS);
	peers_free(&p);
}

/*
 * Whatever happens, an instance has one value, what was shown stays, nothing is forgotten too
 * early; and peace heals all.
 */
START_TEST(an_instance_has_one_value_whatever_happens)
{
	uint64_t seeds = getenv("SEEDS") != NULL ? strtoull(getenv("SEEDS"), NULL, 10) : 200;
	uint64_t first = getenv("SEED") != NULL ? strtoull(getenv("SEED"), NULL, 10) : 1;
	for (uint64_t seed = first; seed < first + seeds; seed++) {
		if (getenv("VERBOSE") != NULL)
			fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
		run(seed);
	}
}
END_TEST
