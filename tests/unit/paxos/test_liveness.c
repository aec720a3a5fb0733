/*
 * Groups that can make progress do: what used to, or easily could, leave them without a leader that
 * serves.
 */
#include <check.h>

#include "../support/check_main.h"
#include "../support/paxos_group.h"

static void fixed(struct group *g, uint32_t count, uint64_t seed, uint64_t sync_us)
{
	group_init(g, count, seed);
	g->delay_min_us = g->delay_max_us = 1000;
	g->sync_min_us = g->sync_max_us = sync_us;
}

/*
 * Runs until a value proposed at the leader is applied everywhere that is up; false if that takes
 * longer than limit_us.
 */
static bool serves(struct group *g, uint64_t limit_us)
{
	uint64_t until = g->now_us + limit_us;
	uint64_t slot = 0;
	while (g->now_us < until) {
		uint32_t leader = group_leader(g), done = 0, up = 0;
		if (slot == 0 && leader != UINT32_MAX)
			slot = group_propose(g, leader, "alive");
		group_run(g, 100000);
		for (uint32_t i = 0; i < g->count; i++) {
			up += g->replicas[i].core != NULL;
			done += g->replicas[i].core != NULL && slot != 0 &&
				g->replicas[i].applied_count >= slot;
		}
		if (done == up)
			return true;
	}
	return false;
}

/* faults: 75, 76 */
/*
 * Disks that take several election timeouts for a sync delay an election, and do not prevent it;
 * the leader then stays.
 */
START_TEST(slow_disks_do_not_prevent_an_election)
{
	const uint32_t counts[] = {1, 2, 3, 5, 7};
	for (uint32_t k = 0; k < 5; k++) {
		for (uint64_t seed = 1; seed <= 10; seed++) {
			struct group g;
			fixed(&g, counts[k], seed, 1000000);
			group_run(&g, 20000000);
			uint32_t leader = group_leader(&g);
			ck_assert_msg(leader != UINT32_MAX, "%u replicas, seed %u: no leader",
				      counts[k], (unsigned)seed);
			uint64_t ballot = paxos_epoch(g.replicas[leader].core);
			ck_assert(serves(&g, 20000000));
			ck_assert_uint_eq(paxos_epoch(g.replicas[leader].core), ballot);
			group_free(&g);
		}
	}
}
END_TEST

/* One disk that does not finish syncs at all does not keep the others from electing a leader. */
START_TEST(a_hung_disk_does_not_prevent_an_election)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct group g;
		fixed(&g, 3, seed, 1000);
		g.replicas[seed % 3].hold = true;
		group_run(&g, 5000000);
		ck_assert_uint_ne(group_leader(&g), UINT32_MAX);
		ck_assert_uint_ne(group_leader(&g), seed % 3);
		group_free(&g);
	}
}
END_TEST

/* faults: 8, 9 */
/*
 * The only replica that knew which entries are chosen dies after it has told so to a candidate that
 * misses the knowledge: the other two, which together hold those entries, go on without it.
 */
START_TEST(knowledge_may_die_with_its_owner)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct group g;
		fixed(&g, 3, seed, 1000);
		while (group_leader(&g) == UINT32_MAX)
			group_run(&g, 10000);
		uint32_t one = group_leader(&g), two = (one + 1) % 3, three = (one + 2) % 3;
		group_run(&g, 100000);
		uint64_t slot = group_propose(&g, one, "a");
		ck_assert_uint_ne(slot, 0);
		group_run(&g, 1500);
		/* The entry has reached the others; that it is chosen does not. */
		g.cut[one][two] = g.cut[one][three] = true;
		paxos_set_electable(g.replicas[two].core, false);
		paxos_set_electable(g.replicas[three].core, false);
		group_run(&g, 200000);
		ck_assert_uint_eq(paxos_chosen_slot(g.replicas[one].core), slot);
		ck_assert_uint_lt(paxos_chosen_slot(g.replicas[two].core), slot);
		while (paxos_role(g.replicas[one].core) == CONSENSUS_LEADER)
			group_run(&g, 10000);
		/*
		 * Number two stands with the consent of number three, and is elected with the
		 * promise of number one, which then dies.
		 */
		paxos_set_electable(g.replicas[one].core, false);
		paxos_set_electable(g.replicas[two].core, true);
		while (paxos_role(g.replicas[two].core) != CONSENSUS_CANDIDATE)
			ck_assert(group_step(&g, g.now_us + 1000000));
		g.cut[one][two] = false;
		g.cut[three][two] = true;
		while (paxos_role(g.replicas[two].core) != CONSENSUS_LEADER)
			ck_assert(group_step(&g, g.now_us + 1000000));
		group_crash(&g, one);
		paxos_set_electable(g.replicas[three].core, true);
		g.cut[three][two] = false;
		ck_assert_uint_lt(paxos_chosen_slot(g.replicas[two].core), slot);
		ck_assert(serves(&g, 10000000));
		const struct bytes *kept = g.replicas[three].applied[slot - 1];
		ck_assert(kept != NULL && slice_equal(bytes_slice(kept), slice_string("a")));
		group_free(&g);
	}
}
END_TEST

/* Only replica i may lead, and does. */
static void lead_by(struct group *g, uint32_t i)
{
	for (uint32_t k = 0; k < g->count; k++)
		paxos_set_electable(g->replicas[k].core, k == i);
	while (group_leader(g) != i || paxos_role(g->replicas[i].core) != CONSENSUS_LEADER)
		ck_assert(group_step(g, g->now_us + 1000000));
}

/* Between replica i and those of the set. */
static void cut_off(struct group *g, uint32_t i, uint32_t set, bool cut)
{
	for (uint32_t k = 0; k < g->count; k++)
		if ((set & 1u << k) != 0)
			g->cut[i][k] = g->cut[k][i] = cut;
}

/* Snapshots cover what the replica knows to be chosen, and nobody gets to see them. */
static void withhold(struct group *g, uint32_t i)
{
	group_snapshot(g, i);
	g->replicas[i].withholds = true;
}

/* faults: 8, 9, 34 */
/*
 * Of five replicas two know that a slot is chosen, and have lost the state that they would tell it
 * with: damaged snapshots. The others have all accepted it. They are a majority, and go on, whoever
 * promises first.
 */
START_TEST(two_may_know_and_be_unable_to_tell)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct group g;
		fixed(&g, 5, seed, 1000);
		lead_by(&g, 0);
		group_run(&g, 100000);
		uint64_t slot = group_propose(&g, 0, "a");
		ck_assert_uint_ne(slot, 0);
		group_run(&g, 1500);
		/* They answer, and are not told. */
		g.cut[0][2] = g.cut[0][3] = g.cut[0][4] = true;
		paxos_set_electable(g.replicas[0].core, false);
		while (paxos_chosen_slot(g.replicas[1].core) < slot)
			ck_assert(group_step(&g, g.now_us + 1000000));
		for (uint32_t i = 0; i < 2; i++) {
			withhold(&g, i);
			group_crash(&g, i);
		}
		ck_assert_uint_lt(paxos_chosen_slot(g.replicas[2].core), slot);
		/*
		 * Number three is elected with the promises of these two; four and five hear of it,
		 * and cannot lead.
		 */
		cut_off(&g, 2, 0x18, true);
		for (uint32_t i = 0; i < 2; i++) {
			group_start(&g, i);
			paxos_set_electable(g.replicas[i].core, false);
		}
		cut_off(&g, 0, 0x1c, false);
		lead_by(&g, 2);
		ck_assert_uint_lt(paxos_chosen_slot(g.replicas[2].core), slot);
		cut_off(&g, 2, 0x18, false);
		uint64_t until = g.now_us + 10000000;
		while (g.replicas[2].applied_count < slot && g.now_us < until)
			group_run(&g, 10000);
		ck_assert_uint_ge(g.replicas[2].applied_count, slot);
		const struct bytes *kept = g.replicas[2].applied[slot - 1];
		ck_assert(kept != NULL && slice_equal(bytes_slice(kept), slice_string("a")));
		group_free(&g);
	}
}
END_TEST
