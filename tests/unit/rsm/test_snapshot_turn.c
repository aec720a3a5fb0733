/* Of a group one replica at a time takes a snapshot (rsm/snapshot_turn.h). */
#include <check.h>

#include "../support/check_main.h"
#include "group.h"
#include "rsm/internal.h"
#include "sim/disk_sim.h"

/* What has been seen, from one event of the world to the next. */
struct seen {
	uint64_t asked;   /* request of the value that is being appended; 0: none is */
	uint32_t at_once; /* most replicas that took one */
	uint32_t first;   /* the first one that did; UINT32_MAX: none yet */
	bool taking[REPLICAS_MAX];
	uint32_t taken[REPLICAS_MAX];
};

static void look(const struct rsm_group *g, struct seen *seen)
{
	uint32_t at_once = 0;
	for (uint32_t i = 0; i < g->count; i++) {
		const struct rsm *rsm = rsm_group_rsm(g, i);
		bool taking = rsm != NULL && rsm->take.step != TAKE_IDLE;
		if (taking && !seen->taking[i]) {
			seen->taken[i]++;
			seen->first = seen->first == UINT32_MAX ? i : seen->first;
		}
		seen->taking[i] = taking;
		at_once += taking;
	}
	if (at_once > seen->at_once)
		seen->at_once = at_once;
}

/*
 * One value after the other is appended, for so long or until a replica takes a snapshot; that one,
 * or UINT32_MAX.
 */
static uint32_t load_until(struct rsm_group *g, struct seen *seen, uint64_t length_us, bool take)
{
	uint64_t end_us = g->world->now_us + length_us;
	while (g->world->now_us < end_us) {
		uint32_t leader = rsm_group_leader(g);
		int status = seen->asked == 0 ? LOST : g->answers[seen->asked].status;
		if (status == 0) {
			g->appended++;
			g->sequence++;
			seen->asked = 0;
		}
		if (status != PENDING && leader != UINT32_MAX)
			seen->asked = rsm_group_command(g, leader, g->session, g->sequence + 1,
							g->appended + 1, 400);
		ck_assert(sim_world_step(g->world));
		look(g, seen);
		for (uint32_t i = 0; take && i < g->count; i++)
			if (seen->taking[i])
				return i;
	}
	return UINT32_MAX;
}

static void load(struct rsm_group *g, struct seen *seen, uint64_t length_us)
{
	load_until(g, seen, length_us, false);
}

static uint32_t await_take(struct rsm_group *g, struct seen *seen)
{
	uint32_t taker = load_until(g, seen, 10 * SIM_SECOND, true);
	ck_assert_uint_ne(taker, UINT32_MAX);
	return taker;
}

/* Until each replica that is up has begun so many; at most forty seconds. */
static void load_until_all_have(struct rsm_group *g, struct seen *seen, uint32_t takes)
{
	uint64_t limit_us = g->world->now_us + 40 * SIM_SECOND;
	for (uint32_t i = 0; i < g->count;) {
		ck_assert_uint_lt(g->world->now_us, limit_us);
		if (rsm_group_rsm(g, i) == NULL || seen->taken[i] >= takes)
			i++;
		else
			load(g, seen, 20 * SIM_MILLISECOND);
	}
}

/* What is seen from now on. */
static void look_anew(struct seen *seen)
{
	struct seen anew = {.asked = seen->asked, .first = UINT32_MAX};
	memcpy(anew.taking, seen->taking, sizeof anew.taking);
	*seen = anew;
}

static void begin(struct rsm_group *g, struct seen *seen, uint32_t count, uint64_t seed)
{
	*seen = (struct seen){.first = UINT32_MAX};
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	/* Many heartbeats' worth of log. */
	settings.wal_segment_bytes = 256 * KIB;
	settings.snapshot_log_bytes = 256 * KIB;
	settings.snapshot_turn_bytes = 0;
	rsm_group_init(g, count, seed, &settings);
	rsm_group_append(g, 10);
	/* A new leader gives no turn at first. */
	rsm_group_run(g, SIM_SECOND);
}

/* faults: 102. Every replica takes its snapshots, never two at a time, and the leader not first. */
START_TEST(replicas_take_their_snapshots_in_turn)
{
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct rsm_group g;
		struct seen seen;
		begin(&g, &seen, seed % 2 == 0 ? 3 : 5, seed);
		uint32_t leader = rsm_group_elect(&g);
		load_until_all_have(&g, &seen, 2);
		ck_assert_uint_eq(rsm_group_leader(&g), leader);
		ck_assert_uint_eq(seen.at_once, 1);
		ck_assert_uint_ne(seen.first, leader);
		rsm_group_free(&g);
	}
}
END_TEST

/* faults: 102. Who has the turn dies, or its disk hangs: the others do not wait for it for long. */
START_TEST(a_silent_holder_loses_the_turn)
{
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct rsm_group g;
		struct seen seen;
		begin(&g, &seen, 3, seed);
		uint32_t holder = await_take(&g, &seen);
		sim_process_power_loss(g.replicas[holder].process);
		look_anew(&seen);
		load_until_all_have(&g, &seen, 2);
		ck_assert_uint_eq(seen.at_once, 1);
		sim_process_start(g.replicas[holder].process);
		look_anew(&seen);
		load_until_all_have(&g, &seen, 1);
		ck_assert_uint_eq(seen.at_once, 1);
		ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * faults: 102. A new leader gives no turn while one of before it is being taken, however long that takes; as
 * soon as it is done the others have theirs.
 */
START_TEST(a_new_leader_hears_of_the_turn)
{
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct rsm_group g;
		struct seen seen;
		uint32_t holder;
		begin(&g, &seen, 3, seed);
		do
			holder = await_take(&g, &seen);
		while (holder == rsm_group_leader(&g));
		disk_sim_hang_lane(g.replicas[holder].process->disk, DISK_LANE_BACKGROUND, true);
		uint32_t leader = rsm_group_elect(&g);
		consensus_transfer(rsm_group_rsm(&g, leader)->core, g.world->now_us,
				   (3 - holder - leader) + 1);
		/* Not so long that the others are late. */
		load(&g, &seen, 300 * SIM_MILLISECOND);
		ck_assert_uint_ne(rsm_group_elect(&g), leader);
		ck_assert(seen.taking[holder]);
		ck_assert_uint_eq(seen.at_once, 1);
		disk_sim_hang_lane(g.replicas[holder].process->disk, DISK_LANE_BACKGROUND, false);
		look_anew(&seen);
		load_until_all_have(&g, &seen, 1);
		ck_assert_uint_eq(seen.at_once, 1);
		rsm_group_free(&g);
	}
}
END_TEST

/* faults: 21, 102. No word of turns arrives: each takes its snapshot when it has twice the log. */
START_TEST(who_hears_nothing_is_late_and_takes_one)
{
	struct rsm_group g;
	struct seen seen;
	begin(&g, &seen, 3, 1);
	struct sim_rule rule = {
		.method = METHOD_SNAPSHOT_TURN, .verdict = SIM_DROP, .count = UINT64_MAX};
	sim_network_add_rule(g.world, &rule);
	load_until_all_have(&g, &seen, 2);
	/* And nobody's log has grown further than that. */
	for (uint32_t i = 0; i < 3; i++) {
		const struct rsm *rsm = rsm_group_rsm(&g, i);
		uint64_t due = rsm->settings.snapshot_log_bytes;
		due = rsm->snapshot_bytes > due ? rsm->snapshot_bytes : due;
		ck_assert_uint_lt(rsm->log_bytes, TURN_LATE * due);
	}
	ck_assert_uint_gt(rule.matched, 0);
	sim_network_clear_rules(g.world);
	rsm_group_free(&g);
}
END_TEST
