/*
 * Random schedules over the consensus core. faults: 1, 2, 3, 5, 6, 8, 9, 10, 29, 30, 32
 *
 * SEED=n runs one seed, SEEDS=n as many from 1.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "../support/paxos_group.h"
#include "base/alloc.h"

#define VALUE_BYTES_SOME 3000u /* larger than the cores' caches */

struct proposal {
	uint32_t replica;
	uint64_t slot;
	char *value;
	bool acknowledged;
};

struct run {
	struct group g;
	struct rng rng;
	struct proposal *proposals;
	uint32_t count;
	bool large;     /* some values are */
	bool snapshots; /* are taken, and logs forgotten */
};

/* A value that no other proposal has; the caller's to free. */
static char *make_value(struct run *r)
{
	size_t padding = r->large ? rng_below(&r->rng, VALUE_BYTES_SOME) : 0;
	char *value = alloc_zeroed(padding + 24, 1);
	memset(value, '.', padding);
	snprintf(value + padding, 24, "v%u", r->count);
	return value;
}

/* A proposal is acknowledged when the replica that made it sees its value chosen in its slot. */
static void collect(struct run *r)
{
	for (uint32_t k = 0; k < r->count; k++) {
		struct proposal *p = &r->proposals[k];
		const struct group_replica *rep = &r->g.replicas[p->replica];
		if (p->acknowledged || rep->core == NULL || rep->applied_count < p->slot)
			continue;
		const struct bytes *v = rep->applied[p->slot - 1];
		p->acknowledged = v != NULL && slice_equal(bytes_slice(v), slice_string(p->value));
	}
}

static void disturb(struct run *r)
{
	struct group *g = &r->g;
	uint32_t i = (uint32_t)rng_below(&r->rng, g->count),
		 j = (uint32_t)rng_below(&r->rng, g->count);
	switch (rng_below(&r->rng, 13)) {
	case 0: group_crash(g, i); break;
	case 1:
	case 2: group_start(g, i); break;
	case 3: g->cut[i][j] = true; break;
	case 4:
	case 5: g->cut[i][j] = g->cut[j][i] = false; break;
	case 6:
		if (group_leader(g) != UINT32_MAX)
			group_crash(g, group_leader(g));
		break;
	case 7:
		if (r->snapshots)
			group_snapshot(g, i);
		break;
	case 8:
		for (uint32_t k = 0; k < g->count && r->snapshots; k++)
			if (k != i)
				group_snapshot(g, k);
		break;
	case 9:
		if (g->replicas[i].core != NULL)
			paxos_set_electable(g->replicas[i].core, rng_chance(&r->rng, 600000));
		break;
	case 10: g->replicas[i].hold = rng_chance(&r->rng, 300000); break;
	case 11:
		for (uint32_t k = 0; k < g->count; k++)
			g->cut[i][k] = g->cut[k][i] = k != i;
		break;
	case 12:
		if (group_leader(g) != UINT32_MAX) {
			uint32_t leader = group_leader(g);
			paxos_transfer(g->replicas[leader].core, g->now_us, i + 1);
			group_settle(g, leader);
		}
		break;
	}
}

static void work(struct run *r, uint32_t rounds)
{
	struct group *g = &r->g;
	for (uint32_t round = 0; round < rounds; round++) {
		group_run(g, rng_below(&r->rng, 20000));
		if (rng_chance(&r->rng, 100000))
			disturb(r);
		uint32_t i = (uint32_t)rng_below(&r->rng, g->count);
		if (rng_chance(&r->rng, 500000) && group_leader(g) != UINT32_MAX)
			i = group_leader(g);
		struct proposal *p = &r->proposals[r->count];
		p->value = make_value(r);
		p->replica = i;
		p->acknowledged = false;
		p->slot = group_propose(g, i, p->value);
		if (p->slot != 0)
			r->count++;
		else
			free(p->value);
		if (g->replicas[i].core != NULL && paxos_read(g->replicas[i].core, round))
			group_settle(g, i);
		collect(r);
	}
}

static void check_end(struct run *r, uint64_t seed)
{
	struct group *g = &r->g;
	group_heal(g);
	group_run(g, 3000000);
	uint32_t leader = group_leader(g);
	CHECK_THAT(leader != UINT32_MAX, "seed %" PRIu64 ": no leader after healing", seed);
	uint64_t last = group_propose(g, leader, "last");
	CHECK_THAT(last != 0, "seed %" PRIu64 ": the leader cannot propose", seed);
	group_run(g, 1000000);
	collect(r);
	for (uint32_t i = 0; i < g->count; i++)
		CHECK_THAT(g->replicas[i].applied_count >= last,
			   "seed %" PRIu64 ": replica %u applied %" PRIu64 " of %" PRIu64, seed,
			   i + 1, g->replicas[i].applied_count, last);
	for (uint32_t i = 1; i < g->count; i++)
		for (uint64_t slot = 1; slot <= last; slot++) {
			const struct bytes *a = g->replicas[0].applied[slot - 1],
					   *b = g->replicas[i].applied[slot - 1];
			CHECK_THAT(a == NULL ? b == NULL
					     : b != NULL &&
						       slice_equal(bytes_slice(a), bytes_slice(b)),
				   "seed %" PRIu64
				   ": replica %u applied something else in slot %" PRIu64,
				   seed, i + 1, slot);
		}
	for (uint32_t k = 0; k < r->count; k++) {
		const struct proposal *p = &r->proposals[k];
		for (uint32_t i = 0; i < g->count && p->acknowledged; i++) {
			const struct bytes *v = g->replicas[i].applied[p->slot - 1];
			CHECK_THAT(v != NULL && slice_equal(bytes_slice(v), slice_string(p->value)),
				   "seed %" PRIu64 ": %s acknowledged in slot %" PRIu64
				   " is not at replica %u",
				   seed, p->value, p->slot, i + 1);
		}
	}
}

static uint32_t run_seed(uint64_t seed, uint64_t *installed)
{
	struct run *r = ALLOC(struct run);
	const uint32_t rounds = 400;
	rng_seed(&r->rng, seed * 7919);
	group_init(&r->g, (uint32_t[]){1, 2, 3, 3, 3, 5, 5, 7}[rng_below(&r->rng, 8)], seed);
	r->g.lease_us = rng_chance(&r->rng, 500000) ? rng_range(&r->rng, 40000, 150000) : 0;
	r->g.loss_ppm = rng_chance(&r->rng, 500000) ? (uint32_t)rng_below(&r->rng, 300000) : 0;
	r->g.duplicate_ppm = rng_chance(&r->rng, 500000) ? (uint32_t)rng_below(&r->rng, 200000) : 0;
	r->g.delay_max_us = rng_chance(&r->rng, 300000) ? 50000 : 1000;
	r->g.replay_ppm = rng_chance(&r->rng, 300000) ? 50000 : 0;
	r->g.cache_bytes = rng_chance(&r->rng, 500000) ? 40 : 2048;
	r->large = rng_chance(&r->rng, 300000);
	r->snapshots = rng_chance(&r->rng, 600000);
	r->g.sync_max_us = rng_chance(&r->rng, 300000) ? 40000 : 500;
	r->proposals = alloc_zeroed(rounds, sizeof *r->proposals);
	work(r, rounds);
	check_end(r, seed);
	uint32_t acknowledged = 0;
	for (uint32_t k = 0; k < r->count; k++) {
		acknowledged += r->proposals[k].acknowledged;
		free(r->proposals[k].value);
	}
	*installed += r->g.installed;
	group_free(&r->g);
	free(r->proposals);
	free(r);
	return acknowledged;
}

/*
 * Whatever is lost, repeated, reordered, cut or crashed, one value is chosen a slot, what was
 * acknowledged stays, and healing brings progress.
 */
START_TEST(random_schedules_choose_one_value_a_slot)
{
	const char *one = getenv("SEED"), *many = getenv("SEEDS");
	uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1;
	uint64_t last = one != NULL ? first : many != NULL ? strtoull(many, NULL, 10) : 150;
	uint64_t acknowledged = 0, installed = 0;
	for (uint64_t seed = first; seed <= last; seed++) {
		if (one != NULL || many != NULL)
			fprintf(stderr, "seed %" PRIu64 "\n", seed);
		acknowledged += run_seed(seed, &installed);
	}
	/* The schedules must not be so hard that nothing happens. */
	if (one == NULL) {
		ck_assert_uint_gt(acknowledged, 40 * (last - first + 1));
		ck_assert_uint_gt(installed, (last - first + 1) / 4);
	}
}
END_TEST
