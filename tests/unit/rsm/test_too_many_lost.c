/*
 * C4 (paxos/invariants.h): more disks are lost at once than a group can do without. It answers
 * nothing, and never with another value: not when the others are there, not when they come back,
 * not when the lost ones are started again and again. faults: 38
 */
#include <check.h>

#include "../support/check_main.h"
#include "group.h"
#include "rsm/internal.h"

static void begin(struct rsm_group *g, uint32_t count, uint64_t seed)
{
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.wal_segment_bytes = 4 * KIB;
	settings.entry_bytes = 512;
	settings.snapshot_log_bytes = 2 * KIB;
	settings.log_cache_bytes = KIB;
	rsm_group_init_lives(g, count, seed, &settings);
	for (int i = 0; i < 40; i++)
		rsm_group_append(g, 100);
	ck_assert(rsm_group_agree(g, 10 * SIM_SECOND));
}

static uint64_t chosen_at(const struct rsm_group *g, uint32_t i)
{
	const struct rsm *rsm = rsm_group_rsm(g, i);
	return rsm == NULL ? 0 : consensus_chosen_slot(rsm_core(rsm));
}

/*
 * Everybody who is up is asked to append and to read; nobody does, and nothing is chosen beyond
 * what was.
 */
static void must_be_silent(struct rsm_group *g, uint64_t chosen, uint64_t length_us)
{
	uint64_t until = g->world->now_us + length_us;
	while (g->world->now_us < until) {
		uint64_t asked[2 * REPLICAS_MAX];
		uint32_t count = 0;
		for (uint32_t i = 0; i < g->count; i++) {
			if (rsm_group_rsm(g, i) == NULL)
				continue;
			asked[count++] = rsm_group_command(g, i, g->session, g->sequence + 1,
							   g->appended + 1, 100);
			asked[count++] = rsm_group_ask(g, i, METHOD_QUERY, slice(NULL, 0));
		}
		rsm_group_run(g, SIM_SECOND);
		for (uint32_t i = 0; i < count; i++)
			CHECK_THAT(g->answers[asked[i]].status != 0, "request %u is answered", i);
		CHECK_THAT(rsm_group_leader(g) == UINT32_MAX, "replica %u serves",
			   rsm_group_leader(g));
		for (uint32_t i = 0; i < g->count; i++)
			CHECK_THAT(chosen_at(g, i) <= chosen,
				   "replica %u takes something for chosen that was not", i);
	}
}

/* Of three two, of five three, of seven four, while the others go on, or are down until later. */
START_TEST(too_many_lost_are_silent_for_ever)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		uint32_t n = 3 + 2 * (uint32_t)(seed % 3), lost = n / 2 + 1;
		begin(&g, n, seed);
		uint32_t first = (uint32_t)(seed * 7 % n);
		uint64_t chosen = 0;
		for (uint32_t i = 0; i < n; i++)
			chosen = chosen_at(&g, i) > chosen ? chosen_at(&g, i) : chosen;
		for (uint32_t k = 0; k < lost; k++)
			rsm_group_lose(&g, (first + k) % n);
		for (uint32_t k = lost; seed % 2 == 0 && k < n; k++)
			sim_process_crash(g.replicas[(first + k) % n].process);
		for (uint32_t k = 0; k < lost; k++)
			sim_process_start(g.replicas[(first + k) % n].process);
		must_be_silent(&g, chosen, 5 * SIM_SECOND);
		for (uint32_t i = 0; i < n; i++)
			sim_process_restart(g.replicas[i].process);
		must_be_silent(&g, chosen, 5 * SIM_SECOND);
		/* Once more: the disks that took their places have been started before. */
		for (uint32_t k = 0; k < lost; k++)
			sim_process_restart(g.replicas[(first + k) % n].process);
		must_be_silent(&g, chosen, 5 * SIM_SECOND);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * Five replicas: the first has missed much, the next two lose their disks, the last two are down.
 * Until these come back nobody answers, and then all is there.
 */
START_TEST(too_many_lost_are_silent_until_others_return)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		begin(&g, 5, seed);
		uint32_t first = (uint32_t)seed % 5;
		sim_process_crash(g.replicas[first].process);
		uint64_t chosen = 0;
		for (int i = 0; i < 40; i++)
			rsm_group_append(&g, 100);
		for (uint32_t i = 0; i < 5; i++)
			chosen = chosen_at(&g, i) > chosen ? chosen_at(&g, i) : chosen;
		for (uint32_t k = 3; k < 5; k++)
			sim_process_crash(g.replicas[(first + k) % 5].process);
		for (uint32_t k = 1; k < 3; k++)
			rsm_group_lose(&g, (first + k) % 5);
		for (uint32_t k = 0; k < 3; k++)
			sim_process_start(g.replicas[(first + k) % 5].process);
		must_be_silent(&g, chosen, 5 * SIM_SECOND);
		for (uint32_t k = 3; k < 5; k++)
			sim_process_start(g.replicas[(first + k) % 5].process);
		for (int i = 0; i < 10; i++)
			rsm_group_append(&g, 100);
		ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
		ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
		rsm_group_free(&g);
	}
}
END_TEST
