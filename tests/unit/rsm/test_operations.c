/*
 * A replica that ends at one of its disk operations, at each in turn: of its first start, of
 * catching up with its group, of installing its first snapshot or a later one, of its own snapshots
 * and of the log's next segments, of the repair of a log or a snapshot that was damaged. It is
 * killed, or loses its power, or that in the middle of a write. Whichever it was: it starts again,
 * has forgotten nothing that it told others (group.h checks that), and comes to the state of its
 * group, which has lost nothing meanwhile.
 */
#include <check.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "group.h"
#include "rsm/internal.h"
#include "sim/disk_sim.h"
#include "wal/format.h"

struct story {
	const char *name;
	uint32_t count; /* replicas; the last one is the victim */
	/* by the victim, without a fault */
	uint32_t snapshots_taken_min, snapshots_installed_min, segments_recycled_min;
	bool lives;                          /* a disk that has lost its promise is bound again */
	void (*before)(struct rsm_group *g); /* without faults; ends with the victim down, or up */
	void (*during)(struct rsm_group *g); /* the victim may be down at any moment */
};

/* Segments of a dozen records, and a snapshot for each. */
static void small(struct rsm_settings *settings)
{
	rsm_group_settings(settings);
	settings->wal_segment_bytes = 4 * KIB;
	settings->entry_bytes = 512;
	settings->snapshot_log_bytes = 2 * KIB;
	settings->log_cache_bytes = KIB;
}

static struct sim_process *victim(const struct rsm_group *g)
{
	return g->replicas[g->count - 1].process;
}

static const struct rsm *state(const struct rsm_group *g)
{
	return rsm_group_rsm(g, g->count - 1);
}

/* Starts the victim soon after its end, as its operator would. */
struct caretaker {
	struct rsm_group *g;
	struct timer timer;
};

static void look_after(void *data)
{
	struct caretaker *caretaker = data;
	struct rsm_group *g = caretaker->g;
	if (!sim_process_alive(victim(g)))
		sim_process_start(victim(g));
	sim_world_timer_set(g->world, &caretaker->timer, g->world->now_us + 5 * SIM_MILLISECOND);
}

static void append(struct rsm_group *g, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		rsm_group_append(g, 100);
}

static void empty(struct rsm_group *g)
{
	sim_process_crash(victim(g));
	sim_process_wipe(victim(g));
}

static void first_start(struct rsm_group *g)
{
	append(g, 120);
}

/* The others have dropped what it would need of the log. */
static void absent(struct rsm_group *g)
{
	empty(g);
	append(g, 60);
	ck_assert_uint_gt(rsm_group_rsm(g, rsm_group_elect(g))->index.first, 20);
}

static void install(struct rsm_group *g)
{
	for (uint32_t i = 0; i < 300; i++) {
		rsm_group_run(g, 10 * SIM_MILLISECOND);
		if (sim_process_alive(victim(g)) && state(g)->snapshot_slot != 0 &&
		    !state(g)->restoring && state(g)->applied >= g->appended)
			break;
	}
	append(g, 3);
	rsm_group_run(g, 100 * SIM_MILLISECOND);
}

static void left_behind(struct rsm_group *g)
{
	append(g, 20);
	sim_network_isolate(g->world, victim(g));
	append(g, 60);
	sim_network_rejoin(g->world, victim(g));
}

static void run_down(struct rsm_group *g)
{
	append(g, 30);
	sim_process_power_loss(victim(g));
}

static void damaged_log(struct rsm_group *g)
{
	char name[WAL_NAME_BYTES];
	append(g, 30);
	uint64_t oldest = wal_oldest_segment(state(g)->wal);
	sim_process_power_loss(victim(g));
	wal_name(name, WAL_LOG_PREFIX, oldest);
	ck_assert_int_eq(disk_sim_flip(victim(g)->disk, name, 1000, 3), 0);
}

static void damaged_snapshot(struct rsm_group *g)
{
	char name[SNAPSHOT_NAME_BYTES];
	append(g, 90);
	uint64_t slot = state(g)->snapshot_slot;
	sim_process_power_loss(victim(g));
	ck_assert_int_eq(disk_sim_flip(victim(g)->disk, snapshot_name(slot, name), 70, 3), 0);
}

static bool is_bound(const struct rsm_group *g)
{
	const struct consensus_members *m = sim_process_alive(victim(g))
						    ? consensus_members(rsm_core(state(g)))
						    : NULL;
	return m != NULL && m->count == g->count &&
	       m->list[g->count - 1].life == victim(g)->env.life &&
	       consensus_votes(rsm_core(state(g)));
}

static void run_until_bound(struct rsm_group *g)
{
	for (uint32_t i = 0; i < 2000 && !is_bound(g); i++)
		rsm_group_run(g, 10 * SIM_MILLISECOND);
	ck_assert(is_bound(g));
}

/* What it has promised is lost with the end of its log. */
static void cut_log(struct rsm_group *g)
{
	char name[WAL_NAME_BYTES];
	run_until_bound(g);
	append(g, 30);
	wal_name(name, WAL_LOG_PREFIX, wal_newest_segment(state(g)->wal));
	sim_process_power_loss(victim(g));
	ck_assert_int_eq(disk_sim_truncate(victim(g)->disk, name, 100), 0);
}

static void repair(struct rsm_group *g)
{
	append(g, 10);
	rsm_group_run(g, SIM_SECOND);
}

static void bind_again(struct rsm_group *g)
{
	append(g, 3);
	run_until_bound(g);
	append(g, 3);
}

static const struct story stories[] = {
	{"first start, log and snapshots of its own", 3, 2, 0, 1, false, empty, first_start},
	{"its first snapshot comes from a peer", 3, 0, 1, 0, false, absent, install},
	{"a later snapshot comes from a peer", 3, 0, 1, 1, false, left_behind, install},
	{"recovery", 3, 0, 0, 0, false, run_down, install},
	{"the only replica", 1, 2, 0, 1, false, empty, first_start},
	{"recovery from a damaged log", 3, 1, 0, 0, false, damaged_log, repair},
	{"recovery from a damaged snapshot", 3, 0, 1, 0, false, damaged_snapshot, repair},
	{"recovery from a log that was cut", 3, 0, 0, 0, true, cut_log, bind_again},
};

/*
 * The story with a fault at the victim's `at`-th operation from its beginning; UINT64_MAX: none.
 * How many there were.
 */
static uint64_t tell(const struct story *story, uint64_t seed, uint64_t at,
		     enum disk_sim_fault fault)
{
	struct rsm_group g;
	struct rsm_settings settings;
	small(&settings);
	if (story->lives)
		rsm_group_init_lives(&g, story->count, seed, &settings);
	else
		rsm_group_init(&g, story->count, seed, &settings);
	story->before(&g);
	uint64_t begin = disk_sim_operations(victim(&g)->disk);
	if (at != UINT64_MAX)
		disk_sim_fault_at(victim(&g)->disk, begin + at, fault);
	struct caretaker caretaker = {.g = &g};
	timer_init(&caretaker.timer, look_after, &caretaker);
	look_after(&caretaker);
	story->during(&g);
	uint64_t count = disk_sim_operations(victim(&g)->disk) - begin;
	disk_sim_fault_at(victim(&g)->disk, UINT64_MAX, DISK_SIM_NO_FAULT);
	if (at == UINT64_MAX) {
		ck_assert_uint_ge(state(&g)->counters.snapshots_taken, story->snapshots_taken_min);
		ck_assert_uint_ge(state(&g)->counters.snapshots_installed,
				  story->snapshots_installed_min);
		ck_assert_uint_ge(wal_counters(state(&g)->wal)->segments_recycled,
				  story->segments_recycled_min);
	}
	append(&g, 5);
	look_after(&caretaker);
	sim_world_timer_cancel(g.world, &caretaker.timer);
	CHECK_THAT(rsm_group_agree(&g, 20 * SIM_SECOND), "%s: operation %u: it does not catch up",
		   story->name, (unsigned)at);
	/* It can be relied on: what it has acknowledged outlives a loss of power of all. */
	for (uint32_t i = 0; i < g.count; i++)
		sim_process_power_loss(g.replicas[i].process);
	for (uint32_t i = 0; i < g.count; i++)
		sim_process_start(g.replicas[i].process);
	ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
	CHECK_THAT(rsm_group_agree(&g, 20 * SIM_SECOND), "%s: operation %u: they do not agree",
		   story->name, (unsigned)at);
	CHECK_THAT(g.halts == 0, "%s: operation %u: %s", story->name, (unsigned)at,
		   status_name(g.halt_status));
	rsm_group_free(&g);
	return count;
}

static void end_at_every_operation(enum disk_sim_fault fault)
{
	for (size_t i = 0; i < sizeof stories / sizeof stories[0]; i++) {
		uint64_t count = tell(&stories[i], 1, UINT64_MAX, DISK_SIM_NO_FAULT);
		ck_assert_uint_gt(count, 10);
		for (uint64_t at = 0; at < count; at++)
			tell(&stories[i], 1, at, fault);
	}
}

/*
 * faults: 11, 14, 23, 30, 34, 93. Killed at any single operation of its disk, a replica starts
 * again with everything.
 */
START_TEST(a_replica_may_be_killed_at_every_operation)
{
	end_at_every_operation(DISK_SIM_KILLED);
}
END_TEST

/* faults: 11, 23, 24, 30, 93. The same when its machine loses power there. */
START_TEST(a_replica_may_lose_power_at_every_operation)
{
	end_at_every_operation(DISK_SIM_STOP);
}
END_TEST

/* faults: 13, 23, 93. The same when what is being written there arrives in part. */
START_TEST(a_write_may_be_torn_at_every_operation)
{
	end_at_every_operation(DISK_SIM_TORN_WRITE);
}
END_TEST
