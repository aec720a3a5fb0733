/*
 * What a lagging replica fetches: some pieces are under way at once, from the peer and to the disk;
 * whatever happens to one of them, all come.
 */
#include <check.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "group.h"
#include "rsm/internal.h"
#include "sim/disk_sim.h"

#define PIECES 12u /* about; more than a window has */

struct lag {
	struct rsm_group group;
	struct sim_rule rule; /* for the pieces */
	uint32_t i;           /* who lags */
	struct rsm *rsm;      /* the same */
	uint64_t began_us;
};

static struct disk *disk_of(const struct lag *l)
{
	return l->group.replicas[l->i].process->disk;
}

/*
 * A replica misses so much that only a snapshot of many pieces can bring it back, and then begins
 * to fetch it.
 */
static void begin(struct lag *l, struct sim_rule rule)
{
	*l = (struct lag){.rule = rule};
	struct rsm_group *g = &l->group;
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.wal_segment_bytes = MIB;
	settings.snapshot_log_bytes = 2 * MIB;
	rsm_group_init(g, 3, 1, &settings);
	uint32_t leader = rsm_group_elect(g);
	l->i = (leader + 1) % 3;
	l->rsm = rsm_group_rsm(g, l->i);
	sim_network_isolate(g->world, g->replicas[l->i].process);
	while (rsm_group_rsm(g, leader)->snapshot_bytes < PIECES * SNAPSHOT_CHUNK_BYTES)
		rsm_group_append(g, 40000);
	/* Nothing else is going on. */
	rsm_group_run(g, 5 * SIM_SECOND);
	l->rule.method = METHOD_SNAPSHOT_CHUNK;
	sim_network_add_rule(g->world, &l->rule);
	sim_network_rejoin(g->world, g->replicas[l->i].process);
	while (l->rsm->receive.slot == 0)
		ck_assert(sim_world_step(g->world));
	l->began_us = g->world->now_us;
}

/* It gets the snapshot, the first that it has begun to fetch. */
static void end(struct lag *l)
{
	while (l->rsm->counters.snapshots_installed == 0) {
		ck_assert(sim_world_step(l->group.world));
		ck_assert_uint_lt(l->group.world->now_us, l->began_us + 60 * SIM_SECOND);
	}
	ck_assert(rsm_group_agree(&l->group, 10 * SIM_SECOND));
	ck_assert_uint_eq(l->rsm->counters.snapshots_installed, 1);
	ck_assert_uint_eq(l->group.halts, 0);
	ck_assert_uint_eq(l->rsm->receive.under_way, 0);
	for (uint32_t k = 0; k < SNAPSHOT_WINDOW; k++)
		ck_assert_ptr_null(l->rsm->receive.pieces[k].data);
	sim_network_clear_rules(l->group.world);
	rsm_group_free(&l->group);
}

/* A long way is gone by a window of pieces at once. */
START_TEST(a_window_of_pieces_is_under_way_at_once)
{
	struct lag l;
	uint64_t way_us = 100 * SIM_MILLISECOND;
	begin(&l, (struct sim_rule){.verdict = SIM_PASS, .delay_us = way_us});
	uint32_t most = 0;
	while (l.rsm->receive.step == RECEIVE_FETCH) {
		ck_assert(sim_world_step(l.group.world));
		uint32_t count = 0;
		for (uint32_t k = 0; k < SNAPSHOT_WINDOW; k++)
			count += l.rsm->receive.pieces[k].state == PIECE_ASKED;
		most = count > most ? count : most;
	}
	ck_assert_uint_eq(most, SNAPSHOT_WINDOW);
	ck_assert_uint_lt(l.group.world->now_us, l.began_us + PIECES / 2 * way_us);
	end(&l);
}
END_TEST

/*
 * One in the middle of a window is lost, or comes twice, or late; the last one is lost; a whole
 * window is.
 */
START_TEST(a_lost_piece_is_fetched_again)
{
	const struct sim_rule rules[] = {
		{.verdict = SIM_DROP, .skip = 4, .count = 1},
		{.verdict = SIM_TWICE, .skip = 4, .count = 1},
		{.verdict = SIM_PASS, .delay_us = 300 * SIM_MILLISECOND, .skip = 4, .count = 1},
		{.verdict = SIM_DROP, .skip = PIECES, .count = 1},
		{.verdict = SIM_DROP, .skip = 1, .count = SNAPSHOT_WINDOW},
	};
	for (size_t k = 0; k < sizeof rules / sizeof rules[0]; k++) {
		struct lag l;
		begin(&l, rules[k]);
		end(&l);
	}
}
END_TEST

/* faults: 21 */
/*
 * The disk is full when it has some pieces to write: nothing of them is waited for when it is tried
 * anew.
 */
START_TEST(without_space_the_fetch_is_tried_anew)
{
	struct lag l;
	begin(&l, (struct sim_rule){.verdict = SIM_PASS});
	disk_sim_set_faults(disk_of(&l),
			    &(struct disk_sim_faults){.slow_ppm = 1000000, .slow_us = 5000});
	while (l.rsm->receive.under_way < 3)
		ck_assert(sim_world_step(l.group.world));
	ck_assert_int_eq(l.rsm->receive.step, RECEIVE_FETCH);
	disk_sim_set_faults(
		disk_of(&l),
		&(struct disk_sim_faults){.space_bytes = 1, .slow_ppm = 1000000, .slow_us = 5000});
	bool waited = false;
	while (l.rsm->receive.step != RECEIVE_IDLE) {
		ck_assert(sim_world_step(l.group.world));
		waited |= l.rsm->receive.then != NULL;
	}
	ck_assert(waited);
	disk_sim_set_faults(disk_of(&l), NULL);
	end(&l);
}
END_TEST

/*
 * A large one is synced in parts: what waits for the same disk is not kept waiting for all of it.
 */
START_TEST(a_large_snapshot_is_synced_in_parts)
{
	struct lag l;
	begin(&l, (struct sim_rule){.verdict = SIM_PASS});
	l.rsm->receive.sync_bytes = SNAPSHOT_CHUNK_BYTES;
	while (l.rsm->receive.step == RECEIVE_FETCH)
		ck_assert(sim_world_step(l.group.world));
	ck_assert_uint_gt(l.rsm->receive.synced, 0);
	ck_assert(!l.rsm->receive.syncing);
	end(&l);
}
END_TEST

/* faults: 9 */
/*
 * Entries that are no longer in memory are read from the log some at a time, small and large ones,
 * and sent in their order.
 */
START_TEST(old_entries_are_read_some_at_a_time)
{
	struct rsm_group g;
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.wal_segment_bytes = MIB;
	settings.snapshot_log_bytes = 64 * MIB;
	rsm_group_init(&g, 3, 1, &settings);
	uint32_t leader = rsm_group_elect(&g), i = (leader + 1) % 3, most = 0;
	sim_network_isolate(g.world, g.replicas[i].process);
	for (uint32_t k = 0; k < 150; k++)
		rsm_group_append(&g, k % 5 == 4 ? 40000 : 10 * k);
	sim_network_rejoin(g.world, g.replicas[i].process);
	const struct rsm *rsm = rsm_group_rsm(&g, i);
	while (rsm_applied(rsm) < rsm_applied(rsm_group_rsm(&g, leader))) {
		ck_assert(sim_world_step(g.world));
		for (uint32_t from = 0; from < g.count; from++) {
			uint32_t count = rsm_group_rsm(&g, from)->old[i].under_way;
			most = count > most ? count : most;
		}
	}
	ck_assert_uint_eq(most, OLD_READS);
	ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
	ck_assert_uint_eq(rsm->counters.snapshots_installed, 0);
	rsm_group_free(&g);
}
END_TEST
