/*
 * Damage that the scrub finds while the replica serves: files are replaced, and nothing is missed
 * at the next start.
 */
#include <check.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "group.h"
#include "paxos/internal.h"
#include "rsm/internal.h"
#include "sim/disk_sim.h"

static void settings_of(struct rsm_settings *settings)
{
	rsm_group_settings(settings);
	settings->wal_segment_bytes = 8 * KIB;
	settings->scrub_interval_ms = 1000;
	settings->scrub_bytes_per_s = 64 * MIB;
}

static struct disk *disk_of(const struct rsm_group *g, uint32_t i)
{
	return g->replicas[i].process->disk;
}

static void set_up(struct rsm_group *g, uint32_t count, uint64_t seed)
{
	struct rsm_settings settings;
	settings_of(&settings);
	rsm_group_init(g, count, seed, &settings);
	rsm_group_elect(g);
}

static void append_until_snapshot(struct rsm_group *g, uint32_t i)
{
	uint64_t before = rsm_group_rsm(g, i)->snapshot_slot;
	for (uint32_t k = 0; k < 3000 && rsm_group_rsm(g, i)->snapshot_slot == before; k++)
		rsm_group_append(g, 200);
	rsm_group_run(g, 200 * SIM_MILLISECOND);
	ck_assert_uint_gt(rsm_group_rsm(g, i)->snapshot_slot, before);
}

static void run_until_found(struct rsm_group *g, uint32_t i, uint64_t before)
{
	for (uint32_t k = 0; k < 4000 && rsm_group_rsm(g, i)->scrub.damaged == before; k++)
		rsm_group_run(g, SIM_MILLISECOND);
	ck_assert_uint_eq(rsm_group_rsm(g, i)->scrub.damaged, before + 1);
}

/* Everything is whole again, though nobody writes; and stays so. */
static void run_until_healed(struct rsm_group *g, uint32_t i)
{
	const struct rsm *rsm = rsm_group_rsm(g, i);
	for (uint32_t k = 0; k < 2000 && (rsm->scrub.damaged_segment != 0 || rsm->snapshot_renew ||
					  rsm->take.step != TAKE_IDLE);
	     k++)
		rsm_group_run(g, SIM_MILLISECOND);
	ck_assert_uint_eq(rsm->scrub.damaged_segment, 0);
	ck_assert(!rsm->snapshot_renew);
	uint64_t damaged = rsm->scrub.damaged, passes = rsm->scrub.passes;
	while (rsm->scrub.passes < passes + 2)
		rsm_group_run(g, 10 * SIM_MILLISECOND);
	ck_assert_uint_eq(rsm->scrub.damaged, damaged);
}

/* As good as new: also after a loss of power. */
static void restart(struct rsm_group *g, uint32_t i)
{
	sim_process_power_loss(g->replicas[i].process);
	sim_process_start(g->replicas[i].process);
	ck_assert_int_eq(g->replicas[i].process->state, SIM_RUNNING);
	ck_assert(!rsm_group_rsm(g, i)->state_lost);
	rsm_group_append_many(g, 3);
	ck_assert(rsm_group_agree(g, 20 * SIM_SECOND));
	ck_assert_uint_eq(g->halts, 0);
}

/*
 * faults: 34. Wherever the bit flips, with three replicas and with one, and though nothing has
 * been applied since it was taken.
 */
START_TEST(a_damaged_snapshot_is_replaced)
{
	for (uint32_t count = 1; count <= 3; count += 2)
		for (uint32_t part = 0; part < 8; part++) {
			struct rsm_group g;
			char name[SNAPSHOT_NAME_BYTES];
			uint64_t size = 0;
			set_up(&g, count, part + 1);
			uint32_t i = part % count;
			append_until_snapshot(&g, i);
			if (part % 2 == 0) {
				rsm_group_rsm(&g, i)->snapshot_wanted = true;
				rsm_group_run(&g, 300 * SIM_MILLISECOND);
				ck_assert_uint_eq(rsm_group_rsm(&g, i)->snapshot_slot,
						  rsm_group_rsm(&g, i)->applied);
			}
			uint64_t before = rsm_group_rsm(&g, i)->scrub.damaged;
			snapshot_name(rsm_group_rsm(&g, i)->snapshot_slot, name);
			ck_assert_int_eq(disk_sim_size(disk_of(&g, i), name, &size), 0);
			if (part == 7)
				ck_assert_int_eq(disk_sim_truncate(disk_of(&g, i), name, size / 2),
						 0);
			else
				ck_assert_int_eq(
					disk_sim_flip(disk_of(&g, i), name, size * part / 7, part),
					0);
			run_until_found(&g, i, before);
			run_until_healed(&g, i);
			restart(&g, i);
			rsm_group_free(&g);
		}
}
END_TEST

/*
 * faults: 14, 15, 22. In any segment, the newest too, of the leader and of a follower, though
 * nobody writes any more.
 */
START_TEST(a_damaged_log_is_released)
{
	for (uint32_t count = 1; count <= 3; count += 2)
		for (uint64_t seed = 1; seed <= 12; seed++) {
			struct rsm_group g;
			set_up(&g, count, seed);
			uint32_t i = (uint32_t)seed % count;
			append_until_snapshot(&g, i);
			rsm_group_append_many(&g, 40);
			rsm_group_run(&g, 300 * SIM_MILLISECOND);
			struct rsm *rsm = rsm_group_rsm(&g, i);
			uint64_t oldest = wal_oldest_segment(rsm->wal),
				 newest = wal_newest_segment(rsm->wal);
			uint64_t segment = oldest + seed % (newest - oldest + 1),
				 before = rsm->scrub.damaged;
			char name[WAL_FILE_NAME_BYTES];
			wal_file_name(rsm->wal, segment << 32, name);
			ck_assert_int_eq(
				disk_sim_flip(disk_of(&g, i), name, seed % 3 == 0 ? 20 : 70, 1), 0);
			run_until_found(&g, i, before);
			run_until_healed(&g, i);
			ck_assert_uint_gt(wal_oldest_segment(rsm->wal), segment);
			restart(&g, i);
			rsm_group_free(&g);
		}
}
END_TEST

static void accept_for_ever(void *data, struct node *node)
{
	struct paxos *core = (struct paxos *)(void *)((struct rsm *)data)->core;
	(void)node;
	accept_entry(core, paxos_chosen_slot(core) + 2, UINT64_C(1) << 24 | core->options.self,
		     NULL);
}

/*
 * faults: 14, 15. A follower has accepted what its leader lost again, and nobody writes any more:
 * it keeps no damaged segment for ever.
 */
START_TEST(what_is_never_chosen_does_not_keep_it)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		set_up(&g, 3, seed);
		/* There has been an earlier ballot. */
		sim_process_restart(g.replicas[rsm_group_elect(&g)].process);
		rsm_group_append_many(&g, 10);
		uint32_t i = (rsm_group_elect(&g) + 1) % 3;
		rsm_group_run(&g, SIM_SECOND);
		struct rsm *rsm = rsm_group_rsm(&g, i);
		sim_process_call(g.replicas[i].process, accept_for_ever, rsm);
		rsm_group_run(&g, 50 * SIM_MILLISECOND);
		uint64_t segment = wal_newest_segment(rsm->wal),
			 slot = consensus_chosen_slot(rsm->core) + 2;
		ck_assert_uint_eq(wal_position_segment(log_index_get(&rsm->index, slot)), segment);
		char name[WAL_FILE_NAME_BYTES];
		wal_file_name(rsm->wal, segment << 32, name);
		uint64_t before = rsm->scrub.damaged;
		ck_assert_int_eq(disk_sim_flip(disk_of(&g, i), name, 70, 1), 0);
		run_until_found(&g, i, before);
		rsm_group_run(&g, 30 * SIM_SECOND);
		ck_assert_uint_gt(wal_oldest_segment(rsm->wal), segment);
		sim_process_restart(g.replicas[i].process);
		rsm = rsm_group_rsm(&g, i);
		ck_assert_uint_ne(log_index_get(&rsm->index, slot), 0);
		restart(&g, i);
		rsm_group_free(&g);
	}
}
END_TEST

/* Whatever goes on meanwhile: snapshots, segments and releases in every pass. */
START_TEST(nothing_is_found_in_whole_files)
{
	struct rsm_group g;
	set_up(&g, 3, 7);
	for (uint32_t k = 0; k < 40; k++) {
		rsm_group_append_many(&g, 30);
		rsm_group_run(&g, 100 * SIM_MILLISECOND);
	}
	for (uint32_t i = 0; i < 3; i++) {
		const struct scrub *s = &rsm_group_rsm(&g, i)->scrub;
		ck_assert_uint_ge(s->passes, 3);
		ck_assert_uint_gt(s->bytes, 0);
		ck_assert_uint_eq(s->damaged, 0);
	}
	rsm_group_free(&g);
}
END_TEST

/*
 * Scrubbing reads as many bytes a second as it may, whatever there is to read; with an interval
 * of 0 it reads nothing.
 */
START_TEST(it_is_slow_and_can_be_turned_off)
{
	struct rsm_group g;
	struct rsm_settings settings, off;
	settings_of(&settings);
	settings.scrub_bytes_per_s = 10 * KIB;
	off = settings;
	off.scrub_interval_ms = 0;
	rsm_group_init(&g, 3, 1, &settings);
	g.replicas[2].settings = &off;
	sim_process_restart(g.replicas[2].process);
	rsm_group_elect(&g);
	rsm_group_append_many(&g, 300);
	uint64_t before = rsm_group_rsm(&g, 0)->scrub.bytes;
	rsm_group_run(&g, 100 * SIM_SECOND);
	uint64_t bytes = rsm_group_rsm(&g, 0)->scrub.bytes - before;
	ck_assert_uint_gt(bytes, 700 * KIB);
	ck_assert_uint_lt(bytes, 1000 * KIB + SNAPSHOT_CHUNK_BYTES);
	ck_assert_uint_eq(rsm_group_rsm(&g, 2)->scrub.bytes, 0);
	rsm_group_free(&g);
}
END_TEST
