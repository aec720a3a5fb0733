/*
 * Disks that are lost and bound again: a replica whose directory is gone follows without a vote,
 * catches up, and votes again, without an operator and without the loss of anything. faults: 38
 */
#include <check.h>

#include "../support/check_main.h"
#include "group.h"
#include "rsm/internal.h"
#include "sim/disk_sim.h"

static void small(struct rsm_settings *settings)
{
	rsm_group_settings(settings);
	settings->wal_segment_bytes = 4 * KIB;
	settings->entry_bytes = 512;
	settings->snapshot_log_bytes = 2 * KIB;
	settings->log_cache_bytes = KIB;
}

static const struct consensus_members *members_at(const struct rsm_group *g, uint32_t i)
{
	return consensus_members(rsm_core(rsm_group_rsm(g, i)));
}

static void begin(struct rsm_group *g, uint32_t count, uint64_t seed)
{
	struct rsm_settings settings;
	small(&settings);
	rsm_group_init_lives(g, count, seed, &settings);
	rsm_group_until_bound(g);
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < count; k++)
			ck_assert_uint_eq(members_at(g, i)->list[k].binding, 0);
}

/*
 * Each in turn loses its disk, under load. What was acknowledged is there in the end, though no
 * disk is left of those that had it.
 */
START_TEST(every_disk_may_be_lost_in_turn)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		uint32_t count = seed % 2 == 0 ? 3 : 5;
		begin(&g, count, seed);
		for (int i = 0; i < 30; i++)
			rsm_group_append(&g, 100);
		for (uint32_t i = 0; i < count; i++) {
			uint32_t lost = (i + (uint32_t)seed) % count;
			rsm_group_lose(&g, lost);
			for (int k = 0; k < 20; k++)
				rsm_group_append(&g, 100);
			sim_process_start(g.replicas[lost].process);
			for (int k = 0; k < 10; k++)
				rsm_group_append(&g, 100);
			rsm_group_until_bound(&g);
			ck_assert_uint_eq(members_at(&g, lost)->list[lost].binding, 1);
			ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
		}
		ck_assert_uint_eq(g.halts, 0);
		rsm_group_free(&g);
	}
}
END_TEST

/* It makes up a quorum with one other; restarted as well, all at once. */
START_TEST(the_vote_of_a_new_disk_counts)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		for (int i = 0; i < 40; i++)
			rsm_group_append(&g, 100);
		uint32_t lost = (uint32_t)seed % 3, down = (lost + 1 + (uint32_t)seed / 3 % 2) % 3;
		rsm_group_lose(&g, lost);
		sim_process_start(g.replicas[lost].process);
		rsm_group_until_bound(&g);
		if (seed % 2 == 0) {
			for (uint32_t i = 0; i < 3; i++)
				sim_process_power_loss(g.replicas[i].process);
			for (uint32_t i = 0; i < 3; i++)
				if (i != down)
					sim_process_start(g.replicas[i].process);
		} else {
			sim_process_crash(g.replicas[down].process);
		}
		for (int i = 0; i < 20; i++)
			rsm_group_append(&g, 100);
		uint32_t leader = rsm_group_elect(&g);
		ck_assert_int_eq(rsm_group_read(&g, leader, g.appended), 0);
		sim_process_start(g.replicas[down].process);
		ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
		ck_assert_uint_eq(g.halts, 0);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * In a group that does nothing, what the lost disk had does not count for the new one: it is bound
 * when it has it.
 */
START_TEST(in_an_idle_group_a_new_disk_is_bound_when_complete)
{
	struct rsm_group g;
	begin(&g, 3, 2);
	for (int i = 0; i < 40; i++)
		rsm_group_append(&g, 100);
	ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
	uint32_t leader = rsm_group_elect(&g), lost = (leader + 1) % 3;
	struct sim_rule chunks = {.to = NULL, .method = METHOD_SNAPSHOT_CHUNK, .verdict = SIM_DROP};
	struct sim_rule chosen = {.to = NULL, .method = METHOD_CHOSEN, .verdict = SIM_DROP};
	sim_network_add_rule(g.world, &chunks);
	sim_network_add_rule(g.world, &chosen);
	rsm_group_lose(&g, lost);
	sim_process_start(g.replicas[lost].process);
	rsm_group_run(&g, 10 * SIM_SECOND);
	ck_assert_uint_eq(members_at(&g, leader)->list[lost].binding, 0);
	sim_network_clear_rules(g.world);
	rsm_group_until_bound(&g);
	ck_assert_uint_eq(members_at(&g, leader)->list[lost].binding, 1);
	rsm_group_free(&g);
}
END_TEST

/* The new life leads, too; its ballots bear its binding. */
START_TEST(a_new_life_leads_too)
{
	struct rsm_group g;
	begin(&g, 3, 3);
	for (int i = 0; i < 40; i++)
		rsm_group_append(&g, 100);
	uint32_t lost = rsm_group_elect(&g);
	rsm_group_lose(&g, lost);
	sim_process_start(g.replicas[lost].process);
	rsm_group_until_bound(&g);
	for (uint32_t i = 0; i < 3; i++)
		if (i != lost)
			consensus_set_electable(rsm_group_rsm(&g, i)->core, false);
	while (rsm_group_leader(&g) != lost) {
		if (rsm_group_leader(&g) != UINT32_MAX)
			sim_process_restart(g.replicas[rsm_group_leader(&g)].process);
		for (uint32_t i = 0; i < 3; i++)
			if (i != lost)
				consensus_set_electable(rsm_group_rsm(&g, i)->core, false);
		rsm_group_run(&g, 20 * SIM_MILLISECOND);
	}
	ck_assert_uint_eq(ballot_binding(consensus_epoch(rsm_core(rsm_group_rsm(&g, lost)))), 1);
	for (int i = 0; i < 20; i++)
		rsm_group_append(&g, 100);
	ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
	rsm_group_free(&g);
}
END_TEST

/*
 * More disks than the group can do without: nobody serves until one of those that know comes back.
 */
START_TEST(more_lost_disks_than_allowed_mean_silence)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		for (int i = 0; i < 40; i++)
			rsm_group_append(&g, 100);
		uint32_t kept = (uint32_t)seed % 3, a = (kept + 1) % 3, b = (kept + 2) % 3;
		sim_process_crash(g.replicas[kept].process);
		rsm_group_lose(&g, a);
		rsm_group_lose(&g, b);
		sim_process_start(g.replicas[a].process);
		sim_process_start(g.replicas[b].process);
		if (seed % 2 == 0)
			sim_process_start(g.replicas[kept].process);
		rsm_group_run(&g, 20 * SIM_SECOND);
		ck_assert_uint_eq(rsm_group_leader(&g), UINT32_MAX);
		ck_assert_uint_eq(rsm_applied(rsm_group_rsm(&g, a)) > 0 && seed % 2 == 1, 0);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * Two of three have lost their disks and do not know it, for nobody is there who could tell them:
 * they are not a new group. When the third comes, whose disk is whole, it tells them, and all is
 * there.
 */
START_TEST(two_lost_disks_are_no_new_group)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		for (int i = 0; i < 40; i++)
			rsm_group_append(&g, 100);
		uint32_t kept = (uint32_t)seed % 3;
		sim_process_crash(g.replicas[kept].process);
		for (uint32_t i = 0; i < 3; i++) {
			if (i == kept)
				continue;
			rsm_group_lose(&g, i);
			g.replicas[i].lost = false;
			g.replicas[i].process->wipes = 0;
			sim_process_start(g.replicas[i].process);
		}
		rsm_group_run(&g, 10 * SIM_SECOND);
		ck_assert_uint_eq(rsm_group_leader(&g), UINT32_MAX);
		for (uint32_t i = 0; i < 3; i++)
			if (i != kept)
				ck_assert_uint_eq(
					consensus_last_slot(rsm_core(rsm_group_rsm(&g, i))), 0);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * A disk was bound while this replica was away. It gets a peer's snapshot, loses power before its
 * log has noted that, and the file is damaged: it does not know whose disk counts, and must not go
 * by what it knew. With the next snapshot it does, and votes.
 */
START_TEST(with_unknown_members_a_replica_does_not_vote)
{
	uint32_t unknown = 0;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		for (int i = 0; i < 40; i++)
			rsm_group_append(&g, 100);
		uint32_t away = (rsm_group_elect(&g) + 1) % 3, lost = (away + 1) % 3;
		rsm_group_lose(&g, lost);
		sim_process_start(g.replicas[lost].process);
		rsm_group_until_bound(&g);
		uint64_t last = consensus_last_slot(rsm_core(rsm_group_rsm(&g, away)));
		sim_process_crash(g.replicas[away].process);
		for (uint32_t i = 0; i < 3; i++)
			while (i != away && rsm_group_rsm(&g, i)->index.first <= last + 40)
				rsm_group_append(&g, 900);
		sim_process_start(g.replicas[away].process);
		uint64_t before = rsm_group_rsm(&g, away)->snapshot_slot,
			 until = g.world->now_us + 20 * SIM_SECOND;
		while (rsm_group_rsm(&g, away)->snapshot_slot <= before && g.world->now_us < until)
			ck_assert(sim_world_step(g.world));
		uint64_t slot = rsm_group_rsm(&g, away)->snapshot_slot;
		struct disk *disk = g.replicas[away].process->disk;
		char name[SNAPSHOT_NAME_BYTES];
		uint64_t size;
		sim_process_power_loss(g.replicas[away].process);
		ck_assert_int_eq(disk_sim_size(disk, snapshot_name(slot, name), &size), 0);
		ck_assert_int_eq(disk_sim_flip(disk, name, size / 2, 3), 0);
		for (int start = 0; start < 2; start++) {
			sim_process_start(g.replicas[away].process);
			ck_assert(rsm_group_rsm(&g, away)->state_lost);
			if (consensus_votes(rsm_core(rsm_group_rsm(&g, away))))
				break; /* the record had come to the disk */
			unknown++;
			ck_assert_uint_eq(members_at(&g, away)->slot, 0);
			rsm_group_run(&g, SIM_MILLISECOND);
			if (start == 0)
				sim_process_power_loss(g.replicas[away].process);
		}
		rsm_group_until_bound(&g);
		ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
		rsm_group_append(&g, 100);
		rsm_group_free(&g);
	}
	ck_assert_uint_gt(unknown, 0);
}
END_TEST

/*
 * A group of before: its disks draw lives at their next start, one after the other, and are bound
 * when all have.
 */
START_TEST(a_group_of_before_draws_its_lives)
{
	struct rsm_group g;
	struct rsm_settings settings;
	small(&settings);
	rsm_group_init(&g, 3, 5, &settings);
	for (int i = 0; i < 40; i++)
		rsm_group_append(&g, 100);
	for (uint32_t i = 0; i < 3; i++) {
		sim_process_crash(g.replicas[i].process);
		g.replicas[i].process->env.life = 1000 + i;
		sim_process_start(g.replicas[i].process);
		for (int k = 0; k < 10; k++)
			rsm_group_append(&g, 100);
		ck_assert_uint_eq(members_at(&g, i)->slot != 0 && i < 2, 0);
	}
	rsm_group_until_bound(&g);
	ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
	rsm_group_free(&g);
}
END_TEST
