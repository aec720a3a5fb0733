/*
 * Full disks: of one replica, of most, of all; with crashes, hand-overs and snapshots. Writes are
 * refused with the reason when no quorum has space, reads always go on, and with space everything
 * goes on by itself. And slow ones: memory is bounded. faults: 21, 75
 */
#include <check.h>
#include <malloc.h>

#include "../support/check_main.h"
#include "group.h"
#include "rsm/internal.h"
#include "sim/disk_sim.h"
#include "wal/internal.h"

static struct disk *disk_of(const struct rsm_group *g, uint32_t i)
{
	return g->replicas[i].process->disk;
}

/* It has so many bytes left; UINT64_MAX: it is as it was. */
static void leave(struct rsm_group *g, uint32_t i, uint64_t bytes)
{
	struct disk_sim_faults faults = {.space_bytes = disk_sim_space_used(disk_of(g, i)) + bytes};
	disk_sim_set_faults(disk_of(g, i), bytes == UINT64_MAX ? NULL : &faults);
}

static bool is_full(const struct rsm_group *g, uint32_t i)
{
	const struct rsm *rsm = rsm_group_rsm(g, i);
	return rsm != NULL && wal_full(rsm->wal);
}

/*
 * Appends until a write is refused with NO_SPACE. What was appended before is counted; nothing else
 * may be answered.
 */
static void append_until_full(struct rsm_group *g, size_t extra)
{
	for (uint32_t tries = 0; tries < 3000; tries++) {
		uint32_t leader = rsm_group_elect(g);
		int status = rsm_group_wait(g,
					    rsm_group_command(g, leader, g->session,
							      g->sequence + 1, g->appended + 1,
							      extra),
					    2 * SIM_SECOND);
		if (status == STATUS_NO_SPACE)
			return;
		if (status != 0)
			continue;
		g->sequence++;
		g->appended++;
	}
	ck_abort_msg("nothing was refused");
}

static void power_loss_of_all(struct rsm_group *g)
{
	for (uint32_t i = 0; i < g->count; i++)
		sim_process_power_loss(g->replicas[i].process);
	for (uint32_t i = 0; i < g->count; i++)
		sim_process_start(g->replicas[i].process);
}

static void space_for_all(struct rsm_group *g)
{
	for (uint32_t i = 0; i < g->count; i++)
		leave(g, i, UINT64_MAX);
	rsm_group_append_many(g, 100);
	ck_assert(rsm_group_agree(g, 30 * SIM_SECOND));
	ck_assert_uint_eq(g->halts, 0);
}

/*
 * A leader whose disk alone is full hands over: writes go on, and none of them is refused for want
 * of space.
 */
START_TEST(a_leader_with_a_full_disk_hands_over)
{
	for (uint32_t seed = 1; seed <= 5; seed++) {
		struct rsm_group g;
		rsm_group_init(&g, 3, seed, NULL);
		rsm_group_append_many(&g, 60);
		uint32_t full = rsm_group_elect(&g);
		leave(&g, full, 1000);
		for (uint32_t k = 0; k < 3000 && !is_full(&g, full); k++) {
			uint64_t request = rsm_group_command(&g, full, g.session, g.sequence + 1,
							     g.appended + 1, 200);
			int status = rsm_group_wait(&g, request, SIM_SECOND);
			ck_assert_int_ne(status, STATUS_NO_SPACE);
			if (status != 0)
				break;
			g.sequence++;
			g.appended++;
		}
		rsm_group_append_many(&g, 600);
		ck_assert(is_full(&g, full));
		ck_assert_uint_ne(rsm_group_elect(&g), full);
		/* As long as it is, leadership does not come back, nor go round. */
		uint64_t ballot = consensus_epoch(rsm_core(rsm_group_rsm(&g, rsm_group_elect(&g))));
		rsm_group_run(&g, 5 * SIM_SECOND);
		ck_assert_uint_eq(consensus_epoch(rsm_core(rsm_group_rsm(&g, rsm_group_elect(&g)))),
				  ballot);
		space_for_all(&g);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * The disks of most replicas, or of all, are full, whoever of them leads: writes are refused with
 * the reason, reads go on, also after all have lost power, and after leadership has gone to each of
 * them; with space there is writing again.
 */
START_TEST(with_most_disks_full_writes_are_refused)
{
	for (uint32_t seed = 1; seed <= 12; seed++) {
		struct rsm_group g;
		rsm_group_init(&g, 3, seed, NULL);
		rsm_group_append_many(&g, 60);
		uint32_t spared = seed % 4; /* 3: nobody */
		for (uint32_t i = 0; i < g.count; i++)
			if (i != spared)
				leave(&g, i, 1000 + 100 * seed);
		append_until_full(&g, 200);
		ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
		rsm_group_run(&g, 5 * SIM_SECOND);
		ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
		for (uint32_t round = 0; round < 6; round++) {
			if (round % 2 == 0)
				power_loss_of_all(&g);
			else
				sim_process_power_loss(g.replicas[rsm_group_elect(&g)].process);
			ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
			for (uint32_t i = 0; i < g.count; i++)
				if (rsm_group_rsm(&g, i) == NULL)
					sim_process_start(g.replicas[i].process);
		}
		space_for_all(&g);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * Two followers whose disks are full and a leader whose disk is not: it says so, and does not
 * propose what cannot be chosen.
 */
START_TEST(with_full_followers_the_leader_proposes_nothing)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 7, NULL);
	rsm_group_append_many(&g, 60);
	uint32_t leader = rsm_group_elect(&g);
	for (uint32_t i = 0; i < g.count; i++)
		if (i != leader)
			leave(&g, i, 1000);
	append_until_full(&g, 200);
	ck_assert_uint_eq(rsm_group_elect(&g), leader);
	ck_assert(!is_full(&g, leader));
	const struct consensus *core = rsm_core(rsm_group_rsm(&g, leader));
	rsm_group_run(&g, SIM_SECOND);
	ck_assert_uint_eq(consensus_last_slot(core), consensus_chosen_slot(core));
	ck_assert_int_eq(rsm_group_read(&g, leader, g.appended), 0);
	/* One of them has space: that is a quorum. */
	leave(&g, (leader + 1) % 3, UINT64_MAX);
	rsm_group_append_many(&g, 100);
	space_for_all(&g);
	rsm_group_free(&g);
}
END_TEST

/*
 * Of an Accept for which there is no room only the no-ops are taken; but one behind an entry that
 * is not taken is not the first of its ballot, though the message said so of that entry: it would
 * leave a gap. faults: 37
 */
START_TEST(what_is_left_out_leaves_no_gap)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 5, NULL);
	rsm_group_append_many(&g, 20);
	ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
	uint32_t leader = rsm_group_elect(&g), follower = (leader + 1) % 3;
	struct rsm *rsm = rsm_group_rsm(&g, follower);
	uint64_t last = consensus_last_slot(rsm->core);
	struct bytes *value = NULL;
	ck_assert(consensus_accepted(rsm->core, last, &value) && value != NULL);
	struct wire_entry entries[] = {
		{.slot = last + 1, .value = bytes_slice(value)},
		{.slot = last + 2},
	};
	struct wire_peer_any m = {
		.group = 1,
		.from = g.replicas[leader].id,
		.to = g.replicas[follower].id,
		.ballot = consensus_epoch(rsm->core),
		.chosen = last,
		.flags = PEER_FIRST,
		.entries = entries,
		.nentries = 2,
	};
	struct buffer payload = {0};
	wire_peer_any_encode(&m, &payload);
	struct message message = {
		.kind = MESSAGE_ONEWAY, .method = METHOD_ACCEPT, .payload = buffer_slice(&payload)};
	/* Its disk is full, and so is the last file of its log. */
	uint64_t tail = rsm->wal->tail_offset;
	rsm->wal->full = true;
	rsm->wal->tail_offset = wal_tail(rsm->wal)->capacity - 100;
	ck_assert(peers_message(rsm, 0, &message));
	rsm->wal->full = false;
	rsm->wal->tail_offset = tail;
	ck_assert_uint_eq(rsm_refused(rsm), 0);
	ck_assert_uint_eq(consensus_last_slot(rsm->core), last);
	ck_assert(!consensus_accepted(rsm->core, last + 1, &value));
	ck_assert(!consensus_accepted(rsm->core, last + 2, &value));
	buffer_free(&payload);
	rsm_group_free(&g);
}
END_TEST

/*
 * A disk that is full of log: a snapshot takes less than it frees, and is taken though it is not
 * due.
 */
START_TEST(a_snapshot_frees_a_full_disk)
{
	struct rsm_group g;
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.snapshot_log_bytes = 64 * MIB;
	rsm_group_init(&g, 1, 3, &settings);
	/* Of long commands, that take up much less in the state than in the log. */
	for (uint32_t i = 0; i < 20; i++)
		rsm_group_append(&g, 20000);
	ck_assert_uint_eq(rsm_group_rsm(&g, 0)->counters.snapshots_taken, 0);
	uint64_t log = wal_disk_bytes(rsm_group_rsm(&g, 0)->wal);
	ck_assert_uint_gt(log, 4 * settings.wal_segment_bytes);
	/* Not enough for another file of the log, but for a snapshot. */
	leave(&g, 0, settings.wal_segment_bytes - 1);
	for (uint32_t i = 0; i < 10; i++)
		rsm_group_append(&g, 20000);
	ck_assert_uint_ge(rsm_group_rsm(&g, 0)->counters.snapshots_taken, 1);
	ck_assert(!is_full(&g, 0));
	/* Not even for that; then there is. */
	leave(&g, 0, 0);
	append_until_full(&g, 200);
	rsm_group_run(&g, 30 * SIM_SECOND);
	ck_assert_int_eq(rsm_group_read(&g, 0, g.appended), 0);
	space_for_all(&g);
	rsm_group_free(&g);
}
END_TEST

/*
 * Every operation of every disk takes a second, and clients do not stop: what waits anywhere is
 * bounded, also in bytes of the heap; writes go on at the pace of the disks. Then everybody catches
 * up.
 */
START_TEST(slow_disks_bound_memory)
{
	struct rsm_group g;
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.wal_segment_bytes = 16 * MIB;
	settings.snapshot_log_bytes = 64 * MIB;
	rsm_group_init(&g, 3, 2, &settings);
	uint32_t leader = rsm_group_elect(&g);
	const struct disk_sim_faults slow = {.slow_ppm = 1000000, .slow_us = SIM_SECOND};
	for (uint32_t i = 0; i < g.count; i++)
		disk_sim_set_faults(disk_of(&g, i), &slow);
	uint64_t busy = 0, ok = 0, open[1024] = {0}, wal_most = 0, proposed_most = 0,
		 ready_most = 0;
	size_t before = mallinfo2().uordblks, heap_most = 0;
	for (uint32_t k = 0; k < 6000; k++) {
		uint64_t *request = &open[k % 1024];
		if (*request != 0) {
			int status = g.answers[*request].status;
			busy += status == STATUS_BUSY;
			ok += status == 0;
		}
		rsm_group_run(&g, 10 * SIM_MILLISECOND);
		if (rsm_group_leader(&g) != UINT32_MAX)
			leader = rsm_group_leader(&g);
		*request = rsm_group_command(&g, leader, 0, 0, k, 128 * KIB);
		for (uint32_t i = 0; i < g.count; i++) {
			const struct rsm *rsm = rsm_group_rsm(&g, i);
			uint64_t pending = wal_pending_bytes(rsm->wal), ready = 0;
			LIST_FOR (link, &rsm->ready)
				ready += LIST_ITEM(link, struct batch, link)->encoding.len;
			wal_most = pending > wal_most ? pending : wal_most;
			ready_most = ready > ready_most ? ready : ready_most;
			proposed_most = rsm->proposed_bytes > proposed_most ? rsm->proposed_bytes
									    : proposed_most;
		}
		size_t heap = mallinfo2().uordblks;
		heap_most = heap > heap_most ? heap : heap_most;
	}
	ck_assert_uint_gt(busy, 0);
	ck_assert_uint_gt(ok, 0);
	ck_assert_uint_lt(wal_most, UNWRITTEN_BYTES_MAX + OPEN_BYTES_MAX);
	ck_assert_uint_lt(proposed_most, UNAPPLIED_BYTES_MAX + 4 * MIB);
	ck_assert_uint_lt(ready_most, 64 * MIB);
	/*
	 * Three replicas and a client, with what is on its way between them, in buffers that have
	 * grown by doubling.
	 */
	ck_assert_msg(heap_most - before < 800 * (size_t)MIB, "%zu MiB",
		      (heap_most - before) / MIB);
	for (uint32_t i = 0; i < g.count; i++)
		disk_sim_set_faults(disk_of(&g, i), NULL);
	ck_assert(rsm_group_agree(&g, 60 * SIM_SECOND));
	ck_assert_uint_eq(g.halts, 0);
	rsm_group_free(&g);
}
END_TEST
