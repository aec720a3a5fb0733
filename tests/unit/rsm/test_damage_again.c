/*
 * Damage at rest that does not come alone: while what an earlier one has cost is still being
 * fetched, while another replica's disk is replaced, to log and snapshot at once, with files of
 * another replica whose headers are gone. Nothing that was acknowledged is lost, nothing is made
 * up, nobody halts; and if too little is left to tell, that is said.
 */
#include <check.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "group.h"
#include "paxos/internal.h"
#include "rsm/internal.h"
#include "sim/damage.h"
#include "sim/disk_sim.h"
#include "sim/faults.h"
#include "wal/format.h"

static struct disk *disk_of(const struct rsm_group *g, uint32_t i)
{
	return g->replicas[i].process->disk;
}

/* SEEDS=N in the environment: more of them. */
static uint64_t seeds_or(uint64_t standard)
{
	const char *wanted = getenv("SEEDS");
	return wanted == NULL ? standard : strtoull(wanted, NULL, 10);
}

static void start(struct rsm_group *g, uint32_t i)
{
	sim_process_start(g->replicas[i].process);
	CHECK_THAT(g->replicas[i].process->state == SIM_RUNNING, "%s",
		   g->replicas[i].process->halt_reason);
}

static void power_loss(struct rsm_group *g, uint32_t i)
{
	sim_process_power_loss(g->replicas[i].process);
}

static bool is_bound(const struct rsm_group *g, uint32_t i)
{
	const struct rsm *rsm = rsm_group_rsm(g, i);
	const struct consensus_members *m = rsm == NULL ? NULL : consensus_members(rsm_core(rsm));
	for (uint32_t k = 0; m != NULL && k < m->count; k++)
		if (m->list[k].replica == i + 1)
			return m->list[k].life == g->replicas[i].process->env.life &&
			       consensus_votes(rsm_core(rsm));
	return false;
}

static bool run_until_bound(struct rsm_group *g, uint64_t limit_us)
{
	uint64_t end_us = g->world->now_us + limit_us;
	for (bool all = false; !all && g->world->now_us < end_us;) {
		rsm_group_run(g, 10 * SIM_MILLISECOND);
		all = true;
		for (uint32_t i = 0; i < g->count; i++)
			all = all && is_bound(g, i);
		if (all)
			return true;
	}
	return false;
}

/* Nothing is impaired any more; at most a minute. */
static bool run_until_repaired(struct rsm_group *g, uint32_t i)
{
	const struct rsm *rsm = rsm_group_rsm(g, i);
	for (uint32_t k = 0;
	     k < 6000 && (consensus_impaired(rsm_core(rsm)) > 0 || rsm->damage.first != 0); k++)
		rsm_group_run(g, 10 * SIM_MILLISECOND);
	return consensus_impaired(rsm_core(rsm)) == 0 && rsm->damage.first == 0;
}

static void set_up(struct rsm_group *g, uint64_t seed)
{
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.wal_segment_bytes = 4 * KIB;
	settings.entry_bytes = KIB;
	settings.snapshot_log_bytes = seed % 3 == 0 ? 64 * KIB : 6 * KIB;
	settings.scrub_interval_ms = seed % 4 == 0 ? 500 : 0;
	rsm_group_init_lives(g, 3, seed, &settings);
	rsm_group_elect(g);
	ck_assert(run_until_bound(g, 60 * SIM_SECOND));
	for (uint32_t k = 0; k < 30; k++)
		rsm_group_append(g, 20 + k * 7 % 150);
	rsm_group_run(g, SIM_SECOND);
}

/*
 * One to three damages of what the replica, which is down, has on its disk. False: the oldest
 * segment has gone, which it refuses to start without.
 */
static bool damage(struct rsm_group *g, uint32_t i, struct rng *rng, struct buffer *what)
{
	uint64_t times = rng_range(rng, 1, 3);
	for (uint64_t k = 0; k < times; k++) {
		enum sim_fault fault;
		uint64_t slot;
		if (rng_below(rng, 4) == 0)
			(void)sim_damage_snapshot(disk_of(g, i), rng, &fault, &slot, what);
		else
			(void)sim_damage_log(disk_of(g, i), SIM_LOG_OF_GROUP, rng, &fault, what);
		buffer_format(what, "; ");
		if (sim_damage_log_lost_its_beginning(disk_of(g, i)))
			return false;
	}
	return true;
}

static bool is_served(struct rsm_group *g, uint64_t limit_us)
{
	uint64_t end_us = g->world->now_us + limit_us;
	while (g->world->now_us < end_us) {
		uint32_t leader = rsm_group_leader(g);
		if (leader != UINT32_MAX && rsm_group_read(g, leader, g->appended) == 0)
			return true;
		rsm_group_run(g, 10 * SIM_MILLISECOND);
	}
	return false;
}

/*
 * Too few of those lives that count are left, and whose is another one knows it; or an election
 * cannot decide a slot, which is told.
 */
static bool is_said(struct rsm_group *g)
{
	uint32_t impaired, silent, votes = 0;
	for (uint32_t i = 0; i < g->count; i++)
		votes += is_bound(g, i);
	if (votes <= g->count / 2)
		return true;
	for (uint64_t k = 0; k < 3000; k++) {
		for (uint32_t i = 0; i < g->count; i++) {
			const struct rsm *rsm = rsm_group_rsm(g, i);
			if (rsm != NULL &&
			    consensus_undecided(rsm_core(rsm), &impaired, &silent) != 0)
				return true;
		}
		rsm_group_run(g, 5 * SIM_MILLISECOND);
	}
	return false;
}

/*
 * faults: 14, 15, 34. The damaged replica loses its power and is damaged again before it is
 * whole: nothing is lost.
 */
START_TEST(damage_may_come_again_while_it_is_repaired)
{
	for (uint64_t seed = 1; seed <= seeds_or(25); seed++) {
		struct rsm_group g;
		struct rng rng;
		struct buffer what = {0};
		rng_seed(&rng, seed);
		set_up(&g, seed);
		uint32_t i = (uint32_t)rng_below(&rng, 3);
		for (int round = 0; round < 4; round++) {
			power_loss(&g, i);
			if (!damage(&g, i, &rng, &what))
				goto out;
			if (rng_below(&rng, 2) == 0)
				rsm_group_append_many(&g, 3);
			start(&g, i);
			rsm_group_run(&g, rng_below(&rng, 200 * SIM_MILLISECOND));
		}
		rsm_group_append_many(&g, 3);
		ck_assert_msg(rsm_group_agree(&g, 60 * SIM_SECOND), "seed %d: %.*s", (int)seed,
			      (int)what.len, (const char *)what.data);
		ck_assert_msg(run_until_bound(&g, 60 * SIM_SECOND), "seed %d", (int)seed);
		ck_assert_msg(run_until_repaired(&g, i), "seed %d: %.*s", (int)seed, (int)what.len,
			      (const char *)what.data);
		/* Its vote counts, and what it says is whole. */
		uint32_t other = (i + 1) % 3;
		power_loss(&g, other);
		rsm_group_append_many(&g, 3);
		ck_assert(is_served(&g, 60 * SIM_SECOND));
		ck_assert_uint_eq(g.halts, 0);
	out:
		rsm_group_free(&g);
		buffer_free(&what);
	}
}
END_TEST

/*
 * faults: 14, 15, 38. One is damaged, another one's disk is new: nothing acknowledged is lost,
 * though the group may wait for the third.
 */
START_TEST(damage_may_come_while_another_disk_is_replaced)
{
	uint64_t seeds = seeds_or(40), undecided = 0;
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct rsm_group g;
		struct rng rng;
		struct buffer what = {0};
		rng_seed(&rng, seed ^ 0x77);
		set_up(&g, seed);
		uint32_t hurt = (uint32_t)rng_below(&rng, 3),
			 gone = (hurt + 1 + (uint32_t)rng_below(&rng, 2)) % 3,
			 whole = 3 - hurt - gone;
		power_loss(&g, hurt);
		if (rng_below(&rng, 2) == 0)
			rsm_group_append_many(&g, 3);
		if (!damage(&g, hurt, &rng, &what))
			goto out;
		power_loss(&g, gone);
		sim_process_wipe(g.replicas[gone].process);
		if (rng_below(&rng, 2) == 0)
			power_loss(&g, whole);
		uint32_t order = (uint32_t)rng_below(&rng, 3);
		for (uint32_t k = 0; k < 3; k++)
			if (g.replicas[(order + k) % 3].process->state != SIM_RUNNING)
				start(&g, (order + k) % 3);
		if (is_served(&g, 30 * SIM_SECOND)) {
			rsm_group_append_many(&g, 3);
			ck_assert_msg(rsm_group_agree(&g, 60 * SIM_SECOND), "seed %d: %.*s",
				      (int)seed, (int)what.len, (const char *)what.data);
			ck_assert_msg(run_until_bound(&g, 60 * SIM_SECOND), "seed %d: %.*s",
				      (int)seed, (int)what.len, (const char *)what.data);
			ck_assert(is_served(&g, 60 * SIM_SECOND));
		} else {
			ck_assert_msg(is_said(&g),
				      "seed %d: nobody serves, and nobody says why: %.*s",
				      (int)seed, (int)what.len, (const char *)what.data);
			undecided++;
		}
		ck_assert_uint_eq(g.halts, 0);
	out:
		rsm_group_free(&g);
		buffer_free(&what);
	}
	ck_assert_uint_lt(undecided, seeds / 4);
}
END_TEST
