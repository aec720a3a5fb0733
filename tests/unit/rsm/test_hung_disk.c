/*
 * Disks that hang: nothing that was asked of them ends, and nothing fails. A leader hands over,
 * nobody whose disk hangs takes over, and slow disks are no hung ones. faults: 99
 */
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

static void hang(const struct rsm_group *g, uint32_t i, bool hung)
{
	disk_sim_hang(disk_of(g, i), hung);
}

static void large(struct rsm_settings *settings)
{
	rsm_group_settings(settings);
	settings->wal_segment_bytes = 16 * MIB;
	settings->snapshot_log_bytes = 64 * MIB;
}

/* Elections won by all together. */
static uint64_t elections(const struct rsm_group *g)
{
	uint64_t won = 0;
	for (uint32_t i = 0; i < g->count; i++)
		won += rsm_group_rsm(g, i)->counters.elections_won;
	return won;
}

/* Appends one after the other for so long; the longest time that one took. */
static uint64_t append_for(struct rsm_group *g, uint64_t length_us)
{
	uint64_t until = g->world->now_us + length_us, worst = 0;
	while (g->world->now_us < until) {
		uint64_t began = g->world->now_us;
		rsm_group_append(g, 100);
		if (g->world->now_us - began > worst)
			worst = g->world->now_us - began;
		rsm_group_run(g, 10 * SIM_MILLISECOND);
	}
	return worst;
}

/*
 * Under load large enough to congest its log, a leader whose syncs do not end hands over before
 * that refuses everything.
 */
START_TEST(a_hung_leader_hands_over_under_load)
{
	struct rsm_group g;
	struct rsm_settings settings;
	large(&settings);
	rsm_group_init(&g, 3, 2, &settings);
	uint32_t leader = rsm_group_elect(&g);
	disk_sim_hold_syncs(disk_of(&g, leader), DISK_LANE_LOG, true);
	uint64_t open[64] = {0}, ok = 0, asked = 3000;
	for (uint32_t k = 0; k < asked; k++) {
		uint64_t *request = &open[k % 64];
		if (*request != 0)
			ok += rsm_group_wait(&g, *request, 20 * SIM_MILLISECOND) == 0;
		uint32_t at = rsm_group_leader(&g);
		*request = rsm_group_command(&g, at == UINT32_MAX ? leader : at, 0, 0, k,
					     128 * KIB);
	}
	ck_assert_uint_ne(rsm_group_leader(&g), leader);
	ck_assert_uint_gt(ok, asked / 2);
	int status = rsm_group_wait(&g, rsm_group_command(&g, rsm_group_elect(&g), 0, 0, 1, 8),
				    10 * SIM_SECOND);
	ck_assert_int_eq(status, 0);
	rsm_group_free(&g);
}
END_TEST

/*
 * Whatever hangs, in groups of three and five, with a load or with a single command: somebody else
 * leads soon, no acknowledged command is lost, and when the disk is back its replica is as good as
 * the others.
 */
START_TEST(another_leads_while_a_disk_hangs)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct rsm_group g;
		rsm_group_init(&g, seed % 2 == 0 ? 5 : 3, seed, NULL);
		rsm_group_append_many(&g, 20);
		uint32_t leader = rsm_group_elect(&g);
		hang(&g, leader, true);
		uint64_t began = g.world->now_us;
		rsm_group_append(&g, 100);
		while (rsm_group_leader(&g) == leader && g.world->now_us < began + 10 * SIM_SECOND)
			rsm_group_run(&g, 10 * SIM_MILLISECOND);
		ck_assert_uint_ne(rsm_group_leader(&g), leader);
		ck_assert(rsm_group_rsm(&g, leader)->disk_watch.hung);
		ck_assert(!rsm_ready(rsm_group_rsm(&g, leader)));
		append_for(&g, 5 * SIM_SECOND);
		ck_assert_uint_ne(rsm_group_leader(&g), leader);
		hang(&g, leader, false);
		ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
		ck_assert(!rsm_group_rsm(&g, leader)->disk_watch.hung);
		ck_assert_uint_eq(rsm_group_rsm(&g, leader)->disk_watch.hangs, 1);
		/* Also as the leader. */
		struct buffer transfer = {0};
		wire_transfer_encode(leader + 1, &transfer);
		rsm_group_wait(&g,
			       rsm_group_ask(&g, rsm_group_elect(&g), METHOD_TRANSFER,
					     buffer_slice(&transfer)),
			       SIM_SECOND);
		buffer_free(&transfer);
		rsm_group_run(&g, SIM_SECOND);
		ck_assert_uint_eq(rsm_group_leader(&g), leader);
		rsm_group_append(&g, 100);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * What is under way at the hung leader is answered, and truly: applied, or certainly not, or not at
 * all.
 */
START_TEST(what_is_under_way_at_a_hung_leader_is_answered)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct rsm_group g;
		rsm_group_init(&g, 3, seed, NULL);
		rsm_group_append_many(&g, 20);
		uint32_t leader = rsm_group_elect(&g);
		uint64_t first = g.asked + 1, applied = 0, before = g.appended;
		hang(&g, leader, true);
		for (uint32_t k = 0; k < 300; k++) {
			rsm_group_command(&g, leader, 0, 0, 1000000 + k, 100);
			rsm_group_run(&g, 10 * SIM_MILLISECOND);
		}
		rsm_group_run(&g, 5 * SIM_SECOND);
		for (uint64_t k = first; k <= g.asked; k++) {
			int status = g.answers[k].status;
			ck_assert_msg(status == 0 || status == STATUS_NOT_LEADER ||
					      status == STATUS_BUSY,
				      "%d", status);
			applied += status == 0;
		}
		ck_assert_uint_gt(applied, 50);
		/*
		 * Nothing that was refused has been applied, and nothing that was acknowledged is
		 * missing.
		 */
		g.appended = 0; /* the values are not 1, 2, … */
		uint64_t request = rsm_group_ask(&g, rsm_group_elect(&g), METHOD_QUERY,
						 slice(NULL, 0));
		ck_assert_int_eq(rsm_group_wait(&g, request, 5 * SIM_SECOND), 0);
		ck_assert_uint_eq(g.answers[request].number, before + applied);
		rsm_group_free(&g);
	}
}
END_TEST

/* A follower whose disk hangs is not handed over to, by nobody; and does not disturb. */
START_TEST(a_hung_follower_is_passed_over)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct rsm_group g;
		rsm_group_init(&g, 5, seed, NULL);
		rsm_group_append_many(&g, 20);
		uint32_t leader = rsm_group_elect(&g), hung = (leader + 1 + (uint32_t)seed % 4) % 5;
		hang(&g, hung, true);
		append_for(&g, 5 * SIM_SECOND);
		ck_assert(rsm_group_rsm(&g, hung)->disk_watch.hung);
		uint64_t won = elections(&g);
		hang(&g, leader, true);
		append_for(&g, 10 * SIM_SECOND);
		uint32_t successor = rsm_group_leader(&g);
		ck_assert_uint_ne(successor, leader);
		ck_assert_uint_ne(successor, hung);
		ck_assert_uint_eq(elections(&g), won + 1);
		/* Not even by an operator. */
		struct buffer transfer = {0};
		wire_transfer_encode(hung + 1, &transfer);
		uint64_t request = rsm_group_ask(&g, successor, METHOD_TRANSFER,
						 buffer_slice(&transfer));
		ck_assert_int_ne(rsm_group_wait(&g, request, SIM_SECOND), 0);
		buffer_free(&transfer);
		append_for(&g, 2 * SIM_SECOND);
		ck_assert_uint_eq(elections(&g), won + 1);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * Without a quorum of disks that answer nobody could do better: the leader stays, and goes on when
 * they do.
 */
START_TEST(without_a_better_disk_the_leader_stays)
{
	for (uint32_t count = 1; count <= 3; count++) {
		struct rsm_group g;
		rsm_group_init(&g, count, count, NULL);
		rsm_group_append_many(&g, 20);
		uint32_t leader = rsm_group_elect(&g);
		uint64_t won = elections(&g);
		hang(&g, leader, true);
		if (count == 3)
			hang(&g, (leader + 1) % 3, true);
		uint64_t request = rsm_group_command(&g, leader, g.session, ++g.sequence,
						     ++g.appended, 100);
		ck_assert_int_eq(rsm_group_wait(&g, request, 20 * SIM_SECOND), PENDING);
		ck_assert_uint_eq(rsm_group_leader(&g), leader);
		hang(&g, leader, false);
		ck_assert_int_eq(rsm_group_wait(&g, request, 5 * SIM_SECOND), 0);
		append_for(&g, SIM_SECOND);
		ck_assert_uint_eq(elections(&g), won);
		rsm_group_free(&g);
	}
}
END_TEST

static void slow_down(const struct rsm_group *g, uint32_t i, uint64_t slow_us)
{
	disk_sim_set_faults(disk_of(g, i),
			    &(struct disk_sim_faults){.slow_ppm = 1000000, .slow_us = slow_us});
}

/* One command after the other, however long it takes; how many have been acknowledged. */
static uint64_t append_slowly(struct rsm_group *g, uint64_t length_us)
{
	uint64_t until = g->world->now_us + length_us, ok = 0;
	while (g->world->now_us < until) {
		uint64_t request = rsm_group_command(g, rsm_group_elect(g), 0, 0, 1, 100),
			 began = g->world->now_us;
		while (g->answers[request].status == PENDING &&
		       g->world->now_us < began + 30 * SIM_SECOND)
			rsm_group_run(g, 10 * SIM_MILLISECOND);
		ok += g->answers[request].status == 0;
	}
	return ok;
}

/*
 * Disks that take a second for every write are slow, one of them or all: nobody hands over. If they
 * take longer than what counts as hung, leadership moves a few times at most, and not on and on.
 * faults: 75, 99
 */
START_TEST(a_slow_disk_is_not_hung)
{
	for (uint32_t seed = 1; seed <= 2; seed++) {
		struct rsm_group g;
		rsm_group_init(&g, 3, seed, NULL);
		rsm_group_append_many(&g, 20);
		uint32_t leader = rsm_group_elect(&g);
		uint64_t won = elections(&g);
		for (uint32_t i = 0; i < 3; i++)
			if (i == leader || seed % 2 == 0)
				slow_down(&g, i, SIM_SECOND);
		ck_assert_uint_gt(append_slowly(&g, 60 * SIM_SECOND), 20);
		ck_assert_uint_eq(rsm_group_leader(&g), leader);
		ck_assert_uint_eq(elections(&g), won);
		for (uint32_t i = 0; i < 3; i++)
			slow_down(&g, i, 2 * SIM_SECOND);
		ck_assert_uint_gt(append_slowly(&g, 120 * SIM_SECOND), 10);
		ck_assert_uint_le(elections(&g), won + 3);
		won = elections(&g);
		ck_assert_uint_gt(append_slowly(&g, 120 * SIM_SECOND), 10);
		ck_assert_uint_eq(elections(&g), won);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * Files of snapshots are another queue of the disk: when that hangs, the log goes on until it needs
 * another file; and then, what waits for that hangs as well.
 */
START_TEST(a_hung_snapshot_leaves_the_log_going_on)
{
	struct rsm_group g;
	struct rsm_settings settings;
	large(&settings);
	settings.wal_segment_bytes = MIB;
	settings.snapshot_log_bytes = 16 * KIB;
	rsm_group_init(&g, 3, 3, &settings);
	rsm_group_append_many(&g, 5);
	uint32_t leader = rsm_group_elect(&g);
	disk_sim_hang_lane(disk_of(&g, leader), DISK_LANE_BULK, true);
	ck_assert_uint_le(append_for(&g, 4 * SIM_SECOND), 100 * SIM_MILLISECOND);
	ck_assert(rsm_group_rsm(&g, leader)->take.step != TAKE_IDLE);
	ck_assert(!rsm_group_rsm(&g, leader)->disk_watch.hung);
	ck_assert_uint_eq(rsm_group_leader(&g), leader);
	for (uint32_t k = 0; k < 100 && rsm_group_leader(&g) == leader; k++) {
		rsm_group_append(&g, 100 * KIB);
		rsm_group_run(&g, 100 * SIM_MILLISECOND);
	}
	ck_assert_uint_ne(rsm_group_leader(&g), leader);
	disk_sim_hang_lane(disk_of(&g, leader), DISK_LANE_BULK, false);
	ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
	rsm_group_free(&g);
}
END_TEST

/*
 * A disk that hangs as its replica is killed: the next life finds what is on it, and has forgotten
 * nothing (group.h).
 */
START_TEST(a_replica_may_be_killed_while_its_disk_hangs)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct rsm_group g;
		rsm_group_init(&g, 3, seed, NULL);
		rsm_group_append_many(&g, 20);
		uint32_t leader = rsm_group_elect(&g);
		hang(&g, leader, true);
		append_for(&g, 3 * SIM_SECOND);
		if (seed % 2 == 0)
			sim_process_crash(g.replicas[leader].process);
		else
			sim_process_power_loss(g.replicas[leader].process);
		sim_process_start(g.replicas[leader].process);
		append_for(&g, SIM_SECOND);
		ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
		ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
		rsm_group_free(&g);
	}
}
END_TEST
