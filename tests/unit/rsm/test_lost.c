/*
 * A replica whose directory was lost under load: without a vote it catches up by a snapshot, goes
 * on with its group, and makes up no quorum.
 */
#include <check.h>

#include "../support/check_main.h"
#include "group.h"
#include "rsm/internal.h"

static void small(struct rsm_settings *settings)
{
	rsm_group_settings(settings);
	settings->wal_segment_bytes = 4 * KIB;
	settings->entry_bytes = 512;
	settings->snapshot_log_bytes = 2 * KIB;
	settings->log_cache_bytes = KIB;
}

/*
 * Three replicas with a history that only a snapshot can tell; the index of one that does not lead,
 * and loses its disk.
 */
static uint32_t begin(struct rsm_group *g, uint64_t seed)
{
	struct rsm_settings settings;
	small(&settings);
	rsm_group_init(g, 3, seed, &settings);
	for (int i = 0; i < 40; i++)
		rsm_group_append(g, 100);
	uint32_t lost = (rsm_group_elect(g) + 1 + (uint32_t)seed % 2) % 3;
	rsm_group_lose(g, lost);
	for (int i = 0; i < 60; i++)
		rsm_group_append(g, 100);
	sim_process_start(g->replicas[lost].process);
	return lost;
}

static const char *state_of(const struct rsm_group *g, uint32_t i)
{
	static struct wire_status status;
	rsm_status(rsm_group_rsm(g, i), &status);
	return (const char *)status.state.data;
}

/*
 * faults: 92. A replica that was told that it is lost gets snapshots and log, is not ready, and
 * stays so after a start.
 */
START_TEST(a_lost_replica_follows)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct rsm_group g;
		uint32_t lost = begin(&g, seed);
		for (int i = 0; i < 40; i++)
			rsm_group_append(&g, 100);
		ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
		const struct rsm *rsm = rsm_group_rsm(&g, lost);
		ck_assert_uint_ge(rsm_snapshots_installed(rsm), 1);
		ck_assert(!rsm_ready(rsm));
		ck_assert_str_eq(state_of(&g, lost), "lost");
		/* Killed and started again, now with a history: it is what it was. */
		sim_process_crash(g.replicas[lost].process);
		sim_process_start(g.replicas[lost].process);
		rsm_group_append(&g, 100);
		ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
		ck_assert_str_eq(state_of(&g, lost), "lost");
		rsm_group_free(&g);
	}
}
END_TEST

static bool leads_within(struct rsm_group *g, uint64_t limit_us)
{
	uint64_t until = g->world->now_us + limit_us;
	while (rsm_group_leader(g) == UINT32_MAX && g->world->now_us < until)
		rsm_group_run(g, SIM_MILLISECOND);
	return rsm_group_leader(g) != UINT32_MAX;
}

/*
 * With it and one other alive nobody leads, whichever of the two others is down; when that is back,
 * all is well.
 */
START_TEST(a_lost_replica_makes_up_no_quorum)
{
	uint32_t led = 0;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct rsm_group g;
		uint32_t lost = begin(&g, seed);
		ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
		for (uint32_t down = 0; down < 3; down++) {
			if (down == lost)
				continue;
			uint32_t alone = 3 - lost - down;
			uint64_t chosen = consensus_chosen_slot(rsm_core(rsm_group_rsm(&g, alone)));
			if (rsm_group_leader(&g) == alone)
				led++;
			sim_process_crash(g.replicas[down].process);
			/*
			 * As the next append will: if this one leads, it writes the command down,
			 * and so does the lost one.
			 */
			rsm_group_command(&g, alone, g.session, g.sequence + 1, g.appended + 1,
					  100);
			rsm_group_run(&g, SIM_SECOND); /* until check-quorum has looked */
			ck_assert(!leads_within(&g, 5 * SIM_SECOND));
			ck_assert_uint_eq(consensus_chosen_slot(rsm_core(rsm_group_rsm(&g, alone))),
					  chosen);
			sim_process_start(g.replicas[down].process);
			uint32_t leader = rsm_group_elect(&g);
			ck_assert_uint_ne(leader, lost);
			rsm_group_append(&g, 100);
			ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
			ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
		}
		rsm_group_free(&g);
	}
	ck_assert_uint_ge(led, 5);
}
END_TEST

/* Who confirms a read itself does not count its answer. */
START_TEST(a_lost_replica_confirms_no_read)
{
	struct rsm_group g;
	uint32_t lost = begin(&g, 1);
	ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
	uint64_t asked = rsm_group_ask(&g, lost, METHOD_BALLOT, (struct slice){0});
	ck_assert_int_eq(rsm_group_wait(&g, asked, SIM_SECOND), 0);
	ck_assert_uint_eq(g.answers[asked].ballot.ballot, 0);
	ck_assert_uint_ne(consensus_epoch(rsm_core(rsm_group_rsm(&g, lost))), 0);
	rsm_group_free(&g);
}
END_TEST

/* Told while it runs, and leads: the others go on. */
START_TEST(a_leader_may_be_told_that_it_is_lost)
{
	struct rsm_settings settings;
	struct rsm_group g;
	small(&settings);
	rsm_group_init(&g, 3, 7, &settings);
	rsm_group_append(&g, 100);
	uint32_t leader = rsm_group_elect(&g);
	rsm_stop_voting(rsm_group_rsm(&g, leader));
	for (int i = 0; i < 10; i++)
		rsm_group_append(&g, 100);
	ck_assert_uint_ne(rsm_group_elect(&g), leader);
	ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
	rsm_group_free(&g);
}
END_TEST
