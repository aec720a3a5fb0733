/* Whole replicas: normal service, restarts, disks that are full, slow or lose their power. */
#include <check.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "group.h"
#include "rsm/internal.h"
#include "sim/disk_sim.h"

static struct disk *disk_of(const struct rsm_group *g, uint32_t i)
{
	return g->replicas[i].process->disk;
}

static void limit_space(struct rsm_group *g, uint32_t i, uint64_t bytes)
{
	struct disk_sim_faults faults = {.space_bytes = bytes};
	disk_sim_set_faults(disk_of(g, i), &faults);
}

static void count_bytes(void *context, const char *name, uint64_t size)
{
	(void)name;
	*(uint64_t *)context += size;
}

static uint64_t used_space(struct rsm_group *g, uint32_t i)
{
	uint64_t bytes = 0;
	struct disk *disk = disk_of(g, i);
	ck_assert_int_eq(disk->ops->list(disk, count_bytes, &bytes), 0);
	return bytes;
}

/* faults: 10, 46 */
/* One, three and five replicas serve appends and reads, and agree. */
START_TEST(groups_of_one_three_and_five_agree)
{
	const uint32_t counts[] = {1, 2, 3, 5, 7};
	for (uint32_t k = 0; k < 5; k++) {
		struct rsm_group g;
		rsm_group_init(&g, counts[k], k + 1, NULL);
		rsm_group_append_many(&g, 150);
		ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
		ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
		for (uint32_t i = 0; i < g.count; i++)
			ck_assert_uint_gt(rsm_group_rsm(&g, i)->counters.snapshots_taken, 0);
		rsm_group_free(&g);
	}
}
END_TEST

/* faults: 11, 12, 17, 23, 28, 30, 35 */
/*
 * Whatever was acknowledged is there after every replica has lost its power at once, again and
 * again.
 */
START_TEST(what_was_acknowledged_survives_a_power_loss_of_all)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct rsm_group g;
		rsm_group_init(&g, seed % 3 == 0 ? 1 : 3, seed, NULL);
		for (uint32_t round = 0; round < 12; round++) {
			rsm_group_append_many(&g,
					      5 + (uint32_t)rng_below(&g.world->rng_workload, 40));
			/* In flight while the power goes. */
			rsm_group_command(&g, rsm_group_elect(&g), g.session, g.sequence + 1,
					  g.appended + 1, 200);
			rsm_group_run(&g, rng_below(&g.world->rng_workload, 2000));
			for (uint32_t i = 0; i < g.count; i++)
				sim_process_power_loss(g.replicas[i].process);
			for (uint32_t i = 0; i < g.count; i++)
				sim_process_start(g.replicas[i].process);
			ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
		}
		ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
		ck_assert_uint_eq(g.halts, 0);
		rsm_group_free(&g);
	}
}
END_TEST

/* faults: 21 */
/*
 * A leader whose disk is full refuses writes with NO_SPACE and serves reads; it survives a restart
 * meanwhile; and when there is space again it takes writes without being told.
 */
START_TEST(a_leader_with_a_full_disk_serves_reads)
{
	const uint32_t counts[] = {1, 3};
	for (uint32_t k = 0; k < 2; k++) {
		struct rsm_group g;
		rsm_group_init(&g, counts[k], 5 + k, NULL);
		rsm_group_append_many(&g, 60);
		for (uint32_t i = 0; i < g.count; i++)
			limit_space(&g, i, used_space(&g, i) + 1000);
		int status = 0;
		for (uint32_t tries = 0; tries < 3000 && status != STATUS_NO_SPACE; tries++) {
			uint32_t leader = rsm_group_elect(&g);
			status = rsm_group_wait(&g,
						rsm_group_command(&g, leader, g.session,
								  g.sequence + 1, g.appended + 1,
								  200),
						SIM_SECOND);
			if (status == 0) {
				g.sequence++;
				g.appended++;
			}
		}
		ck_assert_int_eq(status, STATUS_NO_SPACE);
		ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
		rsm_group_run(&g, 5 * SIM_SECOND);
		ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
		for (uint32_t i = 0; i < g.count; i++)
			sim_process_power_loss(g.replicas[i].process);
		for (uint32_t i = 0; i < g.count; i++)
			sim_process_start(g.replicas[i].process);
		ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
		for (uint32_t i = 0; i < g.count; i++)
			limit_space(&g, i, 0);
		rsm_group_run(&g, 3 * SIM_SECOND);
		rsm_group_append_many(&g, 100);
		ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
		ck_assert_uint_eq(g.halts, 0);
		rsm_group_free(&g);
	}
}
END_TEST

/* faults: 21 */
/* One follower's full disk does not hinder the group; with space it catches up. */
START_TEST(a_followers_full_disk_hinders_no_group)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 9, NULL);
	rsm_group_append_many(&g, 60);
	uint32_t i = (rsm_group_elect(&g) + 1) % 3;
	limit_space(&g, i, used_space(&g, i) + 1000);
	rsm_group_append_many(&g, 700);
	ck_assert(wal_full(rsm_group_rsm(&g, i)->wal));
	limit_space(&g, i, 0);
	ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
	ck_assert_uint_eq(g.halts, 0);
	rsm_group_free(&g);
}
END_TEST

static void take_descriptors(struct rsm_group *g, uint32_t i, bool none)
{
	disk_sim_short_of_descriptors(disk_of(g, i), none ? 1000000 : 0, false);
}

/* faults: 97 */
/*
 * No replica has a descriptor for the next segment or snapshot: nobody ends. Writes go on while the
 * segments last, are then refused with BUSY or wait, and nothing that was acknowledged is lost;
 * when there are descriptors again, all goes on by itself.
 */
START_TEST(without_a_descriptor_no_replica_ends)
{
	const uint32_t counts[] = {1, 3};
	for (uint32_t k = 0; k < 2; k++) {
		struct rsm_group g;
		rsm_group_init(&g, counts[k], 15 + k, NULL);
		rsm_group_append_many(&g, 60);
		for (uint32_t i = 0; i < g.count; i++)
			take_descriptors(&g, i, true);
		uint32_t busy = 0, written = 0;
		for (uint32_t tries = 0; tries < 3000 && busy < 5; tries++) {
			uint64_t request = rsm_group_command(&g, rsm_group_elect(&g), 0, 0, tries,
							     2000);
			int status = rsm_group_wait(&g, request, 100 * SIM_MILLISECOND);
			busy += status == STATUS_BUSY;
			written += status == 0;
		}
		ck_assert_uint_eq(busy, 5);
		ck_assert_uint_gt(written, 0);
		rsm_group_run(&g, 5 * SIM_SECOND);
		uint64_t shortages = 0;
		for (uint32_t i = 0; i < g.count; i++)
			shortages += disk_sim_counters(disk_of(&g, i))->shortages;
		ck_assert_uint_ge(shortages, 2 * g.count);
		/* of segments and snapshots: one a second */
		ck_assert_uint_lt(shortages, 40 * g.count);
		for (uint32_t i = 0; i < g.count; i++)
			take_descriptors(&g, i, false);
		rsm_group_run(&g, 3 * SIM_SECOND);
		for (uint32_t n = 0; n < 200; n++)
			ck_assert_int_eq(rsm_group_wait(&g,
							rsm_group_command(&g, rsm_group_elect(&g),
									  0, 0, n, 200),
							SIM_SECOND),
					 0);
		ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
		for (uint32_t i = 0; i < g.count; i++)
			ck_assert_uint_gt(rsm_group_rsm(&g, i)->snapshot_slot, 0);
		ck_assert_uint_eq(g.halts, 0);
		rsm_group_free(&g);
	}
}
END_TEST

/* faults: 97 */
/* A replica that is to get a snapshot has no descriptor for it: later it gets one. */
START_TEST(without_a_descriptor_a_snapshot_comes_later)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 21, NULL);
	rsm_group_append_many(&g, 60);
	uint32_t i = (rsm_group_elect(&g) + 1) % 3;
	sim_process_power_loss(g.replicas[i].process);
	rsm_group_append_many(&g, 900);
	sim_process_start(g.replicas[i].process);
	take_descriptors(&g, i, true);
	rsm_group_run(&g, 10 * SIM_SECOND);
	ck_assert_uint_eq(rsm_group_rsm(&g, i)->counters.snapshots_installed, 0);
	ck_assert_uint_gt(disk_sim_counters(disk_of(&g, i))->shortages, 1);
	take_descriptors(&g, i, false);
	ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
	ck_assert_uint_gt(rsm_group_rsm(&g, i)->counters.snapshots_installed, 0);
	ck_assert_uint_eq(g.halts, 0);
	rsm_group_free(&g);
}
END_TEST

/* faults: 75 */
/*
 * Disks that do not get done with their work cost a bounded amount of memory, at a leader and at a
 * follower whose peers make up the quorum without it; then everybody catches up.
 */
START_TEST(a_stuck_disk_takes_bounded_memory)
{
	for (uint32_t which = 0; which < 2; which++) {
		struct rsm_group g;
		struct rsm_settings settings;
		rsm_group_settings(&settings);
		settings.wal_segment_bytes = 16 * MIB;
		settings.snapshot_log_bytes = 64 * MIB;
		rsm_group_init(&g, 3, 2, &settings);
		uint32_t leader = rsm_group_elect(&g);
		uint32_t stuck = which == 0 ? leader : (leader + 1) % 3;
		disk_sim_hold_syncs(disk_of(&g, stuck), DISK_LANE_LOG, true);
		uint64_t most = 0, refused = 0, ok = 0;
		uint64_t open[64] = {0};
		for (uint32_t k = 0; k < 1200; k++) {
			uint64_t *request = &open[k % 64];
			if (*request != 0) {
				int status = rsm_group_wait(&g, *request, 20 * SIM_MILLISECOND);
				refused += status == STATUS_BUSY || status == STATUS_NOT_LEADER;
				ok += status == 0;
			}
			*request = rsm_group_command(&g, leader, 0, 0, k, 128 * KIB);
			uint64_t pending = wal_pending_bytes(rsm_group_rsm(&g, stuck)->wal);
			most = pending > most ? pending : most;
		}
		ck_assert_uint_gt(most, 8 * MIB);
		ck_assert_uint_lt(most, 3 * OPEN_BYTES_MAX);
		if (stuck == leader)
			/* until it has handed over: test_hung_disk.c */
			ck_assert_uint_gt(refused, 0);
		else
			ck_assert_uint_gt(ok, 1000);
		disk_sim_hold_syncs(disk_of(&g, stuck), DISK_LANE_LOG, false);
		ck_assert(rsm_group_agree(&g, 60 * SIM_SECOND));
		rsm_group_free(&g);
	}
}
END_TEST

/* Commands of the largest size, many at once, through restarts and to a replica that lags. */
START_TEST(the_largest_commands_survive_restarts)
{
	struct rsm_group g;
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.wal_segment_bytes = 4 * MIB;
	settings.snapshot_log_bytes = 16 * MIB;
	settings.log_cache_bytes = MIB;
	rsm_group_init(&g, 3, 4, &settings);
	uint32_t leader = rsm_group_elect(&g), behind = (leader + 1) % 3;
	sim_process_power_loss(g.replicas[behind].process);
	uint64_t requests[24];
	for (uint32_t k = 0; k < 24; k++)
		requests[k] = rsm_group_command(&g, leader, 0, 0, k, COMMAND_BYTES_MAX - 8);
	for (uint32_t k = 0; k < 24; k++)
		ck_assert_int_eq(rsm_group_wait(&g, requests[k], 20 * SIM_SECOND), 0);
	ck_assert_int_eq(rsm_group_wait(&g,
					rsm_group_command(&g, leader, 0, 0, 99, COMMAND_BYTES_MAX),
					SIM_SECOND),
			 STATUS_TOO_LARGE);
	sim_process_start(g.replicas[behind].process);
	ck_assert(rsm_group_agree(&g, 60 * SIM_SECOND));
	sim_process_power_loss(g.replicas[leader].process);
	uint64_t request = rsm_group_command(&g, rsm_group_elect(&g), 0, 0, 100,
					     COMMAND_BYTES_MAX - 8);
	ck_assert_int_eq(rsm_group_wait(&g, request, 20 * SIM_SECOND), 0);
	sim_process_start(g.replicas[leader].process);
	ck_assert(rsm_group_agree(&g, 60 * SIM_SECOND));
	rsm_group_free(&g);
}
END_TEST
