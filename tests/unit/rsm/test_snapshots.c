/*
 * Snapshots of whole replicas: taken, fetched, installed, damaged, and interrupted at every step.
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

/* Appends until replica i has a snapshot newer than it has now. */
static void append_until_snapshot(struct rsm_group *g, uint32_t i)
{
	uint64_t before = rsm_group_rsm(g, i)->snapshot_slot;
	for (uint32_t k = 0; k < 3000 && rsm_group_rsm(g, i)->snapshot_slot == before; k++)
		rsm_group_append(g, 200);
	ck_assert_uint_gt(rsm_group_rsm(g, i)->snapshot_slot, before);
}

/*
 * Appends until replica i has given up its oldest log, so that the state cannot be had from the log
 * alone.
 */
static void append_until_log_is_dropped(struct rsm_group *g, uint32_t i)
{
	for (uint32_t k = 0;
	     k < 3000 && wal_counters(rsm_group_rsm(g, i)->wal)->segments_recycled == 0; k++)
		rsm_group_append(g, 200);
	ck_assert_uint_gt(wal_counters(rsm_group_rsm(g, i)->wal)->segments_recycled, 0);
}

/* Flips one bit in the middle of the snapshot file of `slot`. */
static void damage_snapshot(struct rsm_group *g, uint32_t i, uint64_t slot)
{
	char name[SNAPSHOT_NAME_BYTES];
	uint64_t size = 0;
	ck_assert_int_eq(disk_sim_size(disk_of(g, i), snapshot_name(slot, name), &size), 0);
	ck_assert_int_eq(disk_sim_flip(disk_of(g, i), name, size / 2, 3), 0);
}

/* Isolates replica i until only a snapshot can bring it back, then lets it return. */
static void leave_behind(struct rsm_group *g, uint32_t i)
{
	sim_network_isolate(g->world, g->replicas[i].process);
	uint64_t last = consensus_last_slot(rsm_core(rsm_group_rsm(g, i)));
	bool forgotten = false;
	for (uint32_t k = 0; k < 3000 && !forgotten; k++) {
		rsm_group_append(g, 900);
		forgotten = true;
		for (uint32_t j = 0; j < g->count; j++)
			forgotten = forgotten &&
				    (j == i || rsm_group_rsm(g, j)->index.first > last + 40);
	}
	ck_assert(forgotten);
	sim_network_rejoin(g->world, g->replicas[i].process);
}

/* faults: 34 */
/*
 * A replica whose snapshot has a flipped bit notices it at its start, fetches another from a peer,
 * and votes meanwhile.
 */
START_TEST(a_damaged_snapshot_is_fetched_anew)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct rsm_group g;
		rsm_group_init(&g, 3, seed, NULL);
		uint32_t i = (rsm_group_elect(&g) + 1) % 3;
		append_until_log_is_dropped(&g, i);
		uint64_t slot = rsm_group_rsm(&g, i)->snapshot_slot;
		sim_process_power_loss(g.replicas[i].process);
		damage_snapshot(&g, i, slot);
		sim_process_start(g.replicas[i].process);
		ck_assert_int_eq(g.replicas[i].process->state, SIM_RUNNING);
		ck_assert(rsm_group_rsm(&g, i)->state_lost);
		rsm_group_append_many(&g, 20);
		ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
		ck_assert(!rsm_group_rsm(&g, i)->state_lost);
		/*
		 * It is as good as the others: also as the only one left with one of them, and
		 * after another start.
		 */
		sim_process_power_loss(g.replicas[(i + 1) % 3].process);
		rsm_group_append_many(&g, 20);
		sim_process_power_loss(g.replicas[i].process);
		sim_process_start(g.replicas[i].process);
		rsm_group_append_many(&g, 20);
		ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
		rsm_group_free(&g);
	}
}
END_TEST

/* faults: 33, 34 */
/*
 * The only replica's snapshot is damaged while the log still reaches back to the beginning:
 * everything is applied anew from the log, and nothing of the damaged file, its sessions least of
 * all, gets into the state.
 */
START_TEST(behind_a_damaged_snapshot_a_whole_log_is_applied)
{
	struct rsm_group g;
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.wal_segment_bytes = 4 * MIB;
	rsm_group_init(&g, 1, 1, &settings);
	append_until_snapshot(&g, 0);
	rsm_group_append_many(&g, 5);
	uint64_t slot = rsm_group_rsm(&g, 0)->snapshot_slot;
	rsm_group_run(&g, SIM_SECOND);
	uint64_t hash = rsm_state_hash(rsm_group_rsm(&g, 0)),
		 applied = rsm_applied(rsm_group_rsm(&g, 0));
	sim_process_power_loss(g.replicas[0].process);
	damage_snapshot(&g, 0, slot);
	sim_process_start(g.replicas[0].process);
	ck_assert_int_eq(g.replicas[0].process->state, SIM_RUNNING);
	for (uint32_t k = 0; k < 1000 && rsm_applied(rsm_group_rsm(&g, 0)) < applied; k++)
		rsm_group_run(&g, SIM_MILLISECOND);
	ck_assert_uint_ge(rsm_applied(rsm_group_rsm(&g, 0)), applied);
	if (rsm_applied(rsm_group_rsm(&g, 0)) == applied)
		ck_assert_uint_eq(rsm_state_hash(rsm_group_rsm(&g, 0)), hash);
	ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
	rsm_group_free(&g);
}
END_TEST

/* faults: 15, 28, 34 */
/*
 * A snapshot from a peer carried a replica over slots in which it had accepted what was not chosen.
 * When that snapshot turns out to be damaged, the log, though it has an entry for every slot, must
 * not be taken for the state. Nor if the power went before the log had noted the snapshot.
 */
START_TEST(a_log_under_a_foreign_snapshot_is_not_trusted)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		bool unnoted = seed % 2 == 0;
		struct rsm_group g;
		struct rsm_settings lazy;
		rsm_group_settings(&lazy);
		lazy.snapshot_log_bytes = 64 * MIB;
		lazy.wal_segment_bytes = 4 * MIB;
		rsm_group_init(&g, 3, seed, NULL);
		uint32_t i = rsm_group_elect(&g);
		/* From now on this one takes no snapshots of its own. */
		g.replicas[i].settings = &lazy;
		rsm_group_append_many(&g, 10);
		sim_process_restart(g.replicas[i].process);
		while (rsm_group_elect(&g) != i) {
			rsm_group_run(&g, 500 * SIM_MILLISECOND);
			uint32_t leader = rsm_group_elect(&g);
			struct buffer transfer = {0};
			wire_transfer_encode(i + 1, &transfer);
			if (leader != i)
				rsm_group_wait(&g,
					       rsm_group_ask(&g, leader, METHOD_TRANSFER,
							     buffer_slice(&transfer)),
					       SIM_SECOND);
			buffer_free(&transfer);
		}
		/* Alone it accepts hundreds of entries that nobody else sees. */
		sim_network_isolate(g.world, g.replicas[i].process);
		sim_network_mend(g.world, g.client, g.replicas[i].process);
		sim_network_mend(g.world, g.replicas[i].process, g.client);
		for (uint32_t k = 0; k < 400; k++) {
			rsm_group_command(&g, i, 0, 0, 1000000 + k, 100);
			if (consensus_role(rsm_core(rsm_group_rsm(&g, i))) == CONSENSUS_LEADER)
				rsm_group_run(&g, 500);
		}
		uint64_t stale = consensus_last_slot(rsm_core(rsm_group_rsm(&g, i)));
		ck_assert_uint_gt(stale, 200);
		while (consensus_role(rsm_core(rsm_group_rsm(&g, i))) == CONSENSUS_LEADER)
			rsm_group_run(&g, SIM_MILLISECOND);
		sim_network_isolate(g.world, g.replicas[i].process);
		/* The others go on, and forget their logs. */
		while (rsm_group_leader(&g) == i || rsm_group_leader(&g) == UINT32_MAX)
			rsm_group_run(&g, SIM_MILLISECOND);
		rsm_group_append_many(&g, 120);
		ck_assert_uint_gt(rsm_group_rsm(&g, (i + 1) % 3)->index.first, 20);
		sim_network_heal(g.world);
		if (unnoted) {
			while (rsm_group_rsm(&g, i)->snapshot_slot <= 20)
				ck_assert(sim_world_step(g.world));
			sim_process_power_loss(g.replicas[i].process);
			sim_process_start(g.replicas[i].process);
			ck_assert_uint_gt(rsm_group_rsm(&g, i)->snapshot_slot, 20);
			rsm_group_append_many(&g, 5);
		}
		ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
		rsm_group_run(&g, SIM_SECOND); /* until what is chosen has been written down */
		uint64_t slot = rsm_group_rsm(&g, i)->snapshot_slot;
		ck_assert_uint_gt(slot, 20);
		ck_assert_uint_le(slot, stale);
		sim_process_power_loss(g.replicas[i].process);
		damage_snapshot(&g, i, slot);
		sim_process_start(g.replicas[i].process);
		ck_assert_int_eq(g.replicas[i].process->state, SIM_RUNNING);
		ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
		rsm_group_append_many(&g, 5);
		ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
		rsm_group_free(&g);
	}
}
END_TEST

/* faults: 9, 29, 31, 32, 77 */
/*
 * A replica that lags too far gets a snapshot while everybody goes on writing and taking snapshots,
 * it too; pieces that arrive twice and late harm nothing.
 */
START_TEST(a_lagging_replica_gets_a_snapshot)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct rsm_group g;
		rsm_group_init(&g, 3, seed, NULL);
		struct sim_rule rule = {.method = METHOD_SNAPSHOT_CHUNK, .verdict = SIM_TWICE};
		sim_network_add_rule(g.world, &rule);
		g.world->options.network.duplicate_delay_max_us = 3 * SIM_SECOND;
		rsm_group_append_many(&g, 100);
		uint32_t i = (rsm_group_elect(&g) + 1) % 3;
		for (uint32_t round = 0; round < 3; round++) {
			uint64_t installed = rsm_group_rsm(&g, i)->counters.snapshots_installed;
			leave_behind(&g, i);
			for (uint32_t k = 0;
			     k < 2000 &&
			     rsm_group_rsm(&g, i)->counters.snapshots_installed == installed;
			     k++)
				rsm_group_append(&g, 900);
			ck_assert_uint_gt(rsm_group_rsm(&g, i)->counters.snapshots_installed,
					  installed);
			ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
			rsm_group_run(&g, 4 * SIM_SECOND);
		}
		ck_assert_uint_eq(g.halts, 0);
		sim_network_clear_rules(g.world);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * faults: 99. Whom the snapshot is wanted from does not answer, its disk hangs, say; somebody else
 * has one, too.
 */
START_TEST(after_silence_another_is_asked_for_the_snapshot)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 4, NULL);
	rsm_group_append_many(&g, 50);
	uint32_t leader = rsm_group_elect(&g), i = (leader + 1) % 3;
	struct sim_rule rule = {.to = g.replicas[leader].process,
				.method = METHOD_SNAPSHOT_FETCH,
				.verdict = SIM_DROP};
	sim_network_add_rule(g.world, &rule);
	leave_behind(&g, i);
	ck_assert(rsm_group_agree(&g, 60 * SIM_SECOND));
	ck_assert_uint_gt(rule.matched, 0);
	ck_assert_uint_gt(rsm_group_rsm(&g, i)->counters.snapshots_installed, 0);
	ck_assert_uint_eq(rsm_group_leader(&g), leader);
	sim_network_clear_rules(g.world);
	rsm_group_free(&g);
}
END_TEST

struct old_entries {
	struct rsm_group *g;
	uint32_t from, to;
};

/* As if an old question of replica `to` had only now arrived. */
static void send_old_entries(void *data, struct node *node)
{
	const struct old_entries *o = data;
	struct rsm *rsm = rsm_group_rsm(o->g, o->from);
	(void)node;
	peers_old_fetch(rsm, &(struct consensus_old_fetch){
				     .to = o->to + 1,
				     .first = rsm_applied(rsm_group_rsm(o->g, o->to)) + 1,
				     .last = rsm_applied(rsm)});
}

/*
 * Replica 0 of the pair lags, and the leader's log does not reach back; the other one has the whole
 * log.
 */
static void lag(struct rsm_group *g, struct old_entries *old, const struct rsm_settings *lazy)
{
	rsm_group_init(g, 3, 2, NULL);
	uint32_t leader = rsm_group_elect(g);
	*old = (struct old_entries){.g = g, .from = (leader + 1) % 3, .to = (leader + 2) % 3};
	g->replicas[old->from].settings = lazy;
	sim_process_restart(g->replicas[old->from].process);
	ck_assert(rsm_group_agree(g, 5 * SIM_SECOND));
	sim_network_isolate(g->world, g->replicas[old->to].process);
	for (uint32_t k = 0; k < 400; k++)
		rsm_group_append(g, 1000);
	ck_assert_uint_eq(rsm_group_elect(g), leader);
	ck_assert_uint_gt(rsm_group_rsm(g, leader)->snapshot_slot,
			  rsm_applied(rsm_group_rsm(g, old->to)) + 10);
}

/* … and it begins to fetch a snapshot, slowly. */
static void begin_slow_fetch(struct rsm_group *g, struct old_entries *old,
			     const struct rsm_settings *lazy)
{
	static struct sim_rule rule;
	lag(g, old, lazy);
	rule = (struct sim_rule){.method = METHOD_SNAPSHOT_CHUNK,
				 .verdict = SIM_PASS,
				 .delay_us = 100 * SIM_MILLISECOND};
	sim_network_add_rule(g->world, &rule);
	sim_network_rejoin(g->world, g->replicas[old->to].process);
	while (rsm_group_rsm(g, old->to)->receive.step != RECEIVE_FETCH ||
	       rsm_group_rsm(g, old->to)->receive.slot == 0)
		ck_assert(sim_world_step(g->world));
}

static struct rsm_settings whole_log(void)
{
	struct rsm_settings lazy;
	rsm_group_settings(&lazy);
	lazy.snapshot_log_bytes = 64 * MIB;
	lazy.wal_segment_bytes = 4 * MIB;
	return lazy;
}

/* faults: 99 */
/*
 * Who knows most offers a snapshot and does not hand it out. Another one need not have any: its log
 * is enough.
 */
START_TEST(a_log_serves_instead_of_a_withheld_snapshot)
{
	struct rsm_group g;
	struct rsm_settings lazy = whole_log();
	struct old_entries old;
	lag(&g, &old, &lazy);
	uint32_t leader = rsm_group_elect(&g);
	struct sim_rule rule = {.to = g.replicas[leader].process,
				.method = METHOD_SNAPSHOT_FETCH,
				.verdict = SIM_DROP};
	sim_network_add_rule(g.world, &rule);
	sim_network_rejoin(g.world, g.replicas[old.to].process);
	ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
	ck_assert_uint_gt(rule.matched, 0);
	ck_assert_uint_eq(rsm_group_rsm(&g, old.to)->counters.snapshots_installed, 0);
	ck_assert_uint_eq(rsm_group_rsm(&g, old.from)->snapshot_slot, 0);
	sim_network_clear_rules(g.world);
	rsm_group_free(&g);
}
END_TEST

/* faults: 29 */
/*
 * While a replica fetches a snapshot, the log brings it further than that snapshot: it is not
 * installed when it is complete.
 */
START_TEST(a_late_snapshot_is_ignored)
{
	struct rsm_group g;
	struct rsm_settings lazy = whole_log();
	struct old_entries old;
	begin_slow_fetch(&g, &old, &lazy);
	uint64_t offered = rsm_group_rsm(&g, old.to)->receive.slot;
	for (uint32_t k = 0; k < 100 && rsm_applied(rsm_group_rsm(&g, old.to)) <= offered; k++) {
		sim_process_call(g.replicas[old.from].process, send_old_entries, &old);
		rsm_group_run(&g, 5 * SIM_MILLISECOND);
	}
	ck_assert_uint_gt(rsm_applied(rsm_group_rsm(&g, old.to)), offered);
	ck_assert_int_ne(rsm_group_rsm(&g, old.to)->receive.step, RECEIVE_IDLE);
	rsm_group_run(&g, 10 * SIM_SECOND);
	ck_assert_uint_eq(rsm_group_rsm(&g, old.to)->counters.snapshots_installed, 0);
	rsm_group_append_many(&g, 10);
	ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
	sim_network_clear_rules(g.world);
	rsm_group_free(&g);
}
END_TEST

/* faults: 29, 32 */
/*
 * The same, but the log arrives while the snapshot is being restored: it is applied when that is
 * done.
 */
START_TEST(a_log_that_arrives_while_restoring_is_applied)
{
	struct rsm_group g;
	struct rsm_settings lazy = whole_log();
	struct old_entries old;
	begin_slow_fetch(&g, &old, &lazy);
	struct rsm *rsm = rsm_group_rsm(&g, old.to);
	while (rsm->receive.step != RECEIVE_VERIFY)
		ck_assert(sim_world_step(g.world));
	disk_sim_set_faults(disk_of(&g, old.to),
			    &(struct disk_sim_faults){.slow_ppm = 1000000, .slow_us = 20000});
	while (!rsm->restoring)
		ck_assert(sim_world_step(g.world));
	uint64_t before = rsm_applied(rsm);
	sim_process_call(g.replicas[old.from].process, send_old_entries, &old);
	while (rsm->restoring && consensus_chosen_slot(rsm->core) == before)
		ck_assert(sim_world_step(g.world));
	ck_assert(rsm->restoring);
	ck_assert_uint_eq(rsm_applied(rsm), before);
	disk_sim_set_faults(disk_of(&g, old.to), NULL);
	ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
	ck_assert_uint_eq(rsm->counters.snapshots_installed, 1);
	sim_network_clear_rules(g.world);
	rsm_group_free(&g);
}
END_TEST

static void count_snapshots(void *context, const char *name, uint64_t size)
{
	(void)size;
	*(uint32_t *)context += strncmp(name, "snapshot-", 9) == 0;
}

/* faults: 31, 32 */
/*
 * A peer's snapshot is installed while an own one is being written, at any step of that: the own
 * one is given up, and nothing of it stays on the disk.
 */
START_TEST(an_own_snapshot_gives_way_to_a_peers)
{
	for (enum take_step step = TAKE_WRITE; step <= TAKE_SYNC_DIRECTORY; step++) {
		struct rsm_group g;
		struct rsm_settings lazy;
		struct old_entries old;
		rsm_group_settings(&lazy);
		lazy.snapshot_log_bytes = 64 * MIB;
		lazy.wal_segment_bytes = 4 * MIB;
		begin_slow_fetch(&g, &old, &lazy);
		struct rsm *rsm = rsm_group_rsm(&g, old.to);
		struct disk *disk = disk_of(&g, old.to);
		rsm->snapshot_wanted = true;
		while (rsm->take.step != step)
			ck_assert(sim_world_step(g.world));
		disk_sim_hang_lane(disk, DISK_LANE_BACKGROUND, true);
		while (!rsm->restoring)
			ck_assert(sim_world_step(g.world));
		ck_assert_uint_eq(rsm->take.step, step);
		disk_sim_hang_lane(disk, DISK_LANE_BACKGROUND, false);
		ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
		ck_assert_uint_eq(rsm->counters.snapshots_installed, 1);
		rsm_group_run(&g, SIM_SECOND);
		uint32_t files = 0;
		ck_assert_int_eq(disk->ops->list(disk, count_snapshots, &files), 0);
		ck_assert_uint_eq(files, 1u + (rsm->take.step != TAKE_IDLE));
		sim_network_clear_rules(g.world);
		rsm_group_free(&g);
	}
}
END_TEST

/* faults: 27, 28, 32 */
/* Power is lost at every single operation of the disk while a snapshot is fetched and installed. */
START_TEST(power_may_be_lost_at_each_step_of_receiving)
{
	uint64_t operation = 0;
	bool finished = false;
	while (!finished) {
		struct rsm_group g;
		rsm_group_init(&g, 3, 7, NULL);
		rsm_group_append_many(&g, 80);
		uint32_t i = (rsm_group_elect(&g) + 1) % 3;
		leave_behind(&g, i);
		uint64_t installed = rsm_group_rsm(&g, i)->counters.snapshots_installed;
		disk_sim_fault_at(disk_of(&g, i), disk_sim_operations(disk_of(&g, i)) + operation,
				  operation % 2 == 0 ? DISK_SIM_STOP : DISK_SIM_TORN_WRITE);
		for (uint32_t k = 0; k < 100 && sim_process_alive(g.replicas[i].process); k++) {
			rsm_group_append(&g, 200);
			if (sim_process_alive(g.replicas[i].process) &&
			    rsm_group_rsm(&g, i)->counters.snapshots_installed > installed &&
			    rsm_group_rsm(&g, i)->receive.step == RECEIVE_IDLE)
				finished = true;
		}
		if (!sim_process_alive(g.replicas[i].process)) {
			sim_process_start(g.replicas[i].process);
			finished = false;
		}
		ck_assert_int_eq(g.replicas[i].process->state, SIM_RUNNING);
		rsm_group_append_many(&g, 3);
		ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
		ck_assert_uint_eq(g.halts, 0);
		rsm_group_free(&g);
		operation += operation < 40 ? 1 : 7;
		ck_assert_uint_lt(operation, 5000);
	}
}
END_TEST

/* faults: 13, 17, 23, 24, 27, 28 */
/*
 * Power is lost at every single operation of the disk of an only replica while it writes, takes
 * snapshots and recycles its log.
 */
START_TEST(power_may_be_lost_at_each_step_of_taking)
{
	for (uint64_t operation = 0; operation < 300; operation++) {
		struct rsm_group g;
		rsm_group_init(&g, 1, 3, NULL);
		rsm_group_append_many(&g, 50);
		struct disk *disk = disk_of(&g, 0);
		disk_sim_fault_at(disk, disk_sim_operations(disk) + operation,
				  operation % 2 == 0 ? DISK_SIM_STOP : DISK_SIM_TORN_WRITE);
		uint64_t request = 0;
		for (uint32_t k = 0; k < 2000 && sim_process_alive(g.replicas[0].process); k++) {
			request = rsm_group_command(&g, 0, g.session, g.sequence + 1,
						    g.appended + 1, 200);
			int status = rsm_group_wait(&g, request, 500 * SIM_MILLISECOND);
			if (status == 0) {
				g.sequence++;
				g.appended++;
			}
		}
		ck_assert(!sim_process_alive(g.replicas[0].process));
		sim_process_start(g.replicas[0].process);
		ck_assert_int_eq(g.replicas[0].process->state, SIM_RUNNING);
		ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
		rsm_group_append_many(&g, 3);
		ck_assert_uint_eq(g.halts, 0);
		rsm_group_free(&g);
	}
}
END_TEST

/* faults: 21 */
/*
 * A lagging replica without space for the snapshot that it needs does not have it sent over and
 * over at full speed; when it has space, it gets it.
 */
START_TEST(without_space_a_snapshot_is_not_sent_over_and_over)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 6, NULL);
	rsm_group_append_many(&g, 100);
	uint32_t i = (rsm_group_elect(&g) + 1) % 3;
	uint64_t installed = rsm_group_rsm(&g, i)->counters.snapshots_installed;
	struct disk_sim_faults faults = {.space_bytes = 1};
	disk_sim_set_faults(disk_of(&g, i), &faults);
	leave_behind(&g, i);
	rsm_group_run(&g, 20 * SIM_SECOND);
	uint64_t pieces = 0;
	for (uint32_t j = 0; j < g.count; j++)
		pieces += rsm_group_rsm(&g, j)->counters.snapshot_pieces_sent;
	ck_assert_uint_le(pieces, 50);
	ck_assert_uint_eq(rsm_group_rsm(&g, i)->counters.snapshots_installed, installed);
	disk_sim_set_faults(disk_of(&g, i), NULL);
	ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
	ck_assert_uint_gt(rsm_group_rsm(&g, i)->counters.snapshots_installed, installed);
	ck_assert_uint_eq(g.halts, 0);
	rsm_group_free(&g);
}
END_TEST

/*
 * Under load the files of the log go round: as many are filled with zeros as are ever in use, and
 * no more.
 */
START_TEST(log_files_go_round_under_load)
{
	struct rsm_group g;
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.snapshot_log_bytes = 4 * settings.wal_segment_bytes;
	rsm_group_init(&g, 3, 1, &settings);
	const struct rsm *rsm = rsm_group_rsm(&g, rsm_group_elect(&g));
	const struct wal_counters *counters = wal_counters(rsm->wal);
	while (rsm->counters.snapshots_taken < 8)
		rsm_group_append(&g, 10000);
	ck_assert_uint_ge(counters->segments_recycled, 7 * 4);
	/*
	 * Four between two snapshots, one begun before, one gone on with meanwhile, one in reserve.
	 */
	ck_assert_uint_le(counters->segments_created, 7);
	rsm_group_free(&g);
}
END_TEST
