/*
 * A replica that is started with an older copy of its directory: its group tells it, it gives up
 * its vote, catches up and is bound again. And who is not one is never taken for one. faults: 104
 */
#include <check.h>

#include "../support/check_main.h"
#include "group.h"
#include "rsm/internal.h"
#include "rsm/start_file.h"
#include "sim/disk_sim.h"

static void small(struct rsm_settings *settings)
{
	rsm_group_settings(settings);
	settings->wal_segment_bytes = 4 * KIB;
	settings->entry_bytes = 512;
	settings->snapshot_log_bytes = 2 * KIB;
	settings->log_cache_bytes = KIB;
}

static const struct consensus *core_of(const struct rsm_group *g, uint32_t i)
{
	struct rsm *rsm = rsm_group_rsm(g, i);
	return rsm == NULL ? NULL : rsm_core(rsm);
}

static bool counts(const struct rsm_group *g, uint32_t i)
{
	const struct consensus *core = core_of(g, i);
	return core != NULL && consensus_votes(core) && !consensus_is_held(core);
}

static void begin(struct rsm_group *g, uint32_t count, uint64_t seed)
{
	struct rsm_settings settings;
	small(&settings);
	rsm_group_init_lives(g, count, seed, &settings);
	rsm_group_until_bound(g);
}

static void append(struct rsm_group *g, int count)
{
	for (int i = 0; i < count; i++)
		rsm_group_append(g, 100);
}

struct copy {
	struct disk_sim_image *image;
	uint64_t life;
	uint32_t of;
};

static struct copy take_copy(const struct rsm_group *g, uint32_t i)
{
	struct sim_process *process = g->replicas[i].process;
	return (struct copy){
		.image = disk_sim_copy(process->disk), .life = process->env.life, .of = i};
}

/* Takes the place of the disk. */
static void put_back(struct rsm_group *g, struct copy *copy)
{
	struct sim_process *process = g->replicas[copy->of].process;
	sim_process_power_loss(process);
	sim_process_put_back(process, copy->image, copy->life, 0);
	disk_sim_image_free(copy->image);
	copy->image = NULL;
}

/* Started, it does not count with that life; then it counts with another one. */
static void must_be_recognised(struct rsm_group *g, const struct copy *copy)
{
	struct sim_process *process = g->replicas[copy->of].process;
	uint64_t until = g->world->now_us + 20 * SIM_SECOND;
	while (!counts(g, copy->of) || process->env.life == copy->life) {
		CHECK_THAT(process->env.life != copy->life || !counts(g, copy->of),
			   "a stale copy counts");
		CHECK_THAT(g->world->now_us < until,
			   "a stale copy does not vote again after twenty seconds");
		rsm_group_run(g, SIM_MILLISECOND);
	}
	ck_assert_uint_eq(rsm_group_rsm(g, copy->of)->stale.copies, 1);
}

static void must_be_whole(struct rsm_group *g)
{
	rsm_group_until_bound(g);
	append(g, 5);
	ck_assert_int_eq(rsm_group_read(g, rsm_group_elect(g), g->appended), 0);
	ck_assert(rsm_group_agree(g, 10 * SIM_SECOND));
	ck_assert_uint_eq(g->halts, 0);
}

/*
 * Made while it ran: the same starts, but less acknowledged. A follower's, a leader's; of three and
 * of five.
 */
START_TEST(a_copy_made_while_it_ran_is_recognised)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct rsm_group g;
		begin(&g, seed % 2 == 0 ? 3 : 5, seed);
		append(&g, 30);
		uint32_t leader = rsm_group_elect(&g),
			 of = seed % 3 == 0 ? leader : (leader + 1) % g.count;
		struct copy copy = take_copy(&g, of);
		append(&g, 40);
		rsm_group_run(&g, SIM_SECOND);
		put_back(&g, &copy);
		sim_process_start(g.replicas[of].process);
		must_be_recognised(&g, &copy);
		must_be_whole(&g);
		rsm_group_free(&g);
	}
}
END_TEST

/* Nothing was written since, but it has been started: the nonce tells. */
START_TEST(a_copy_from_before_a_start_is_recognised)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 10);
		uint32_t of = (rsm_group_elect(&g) + 1) % 3;
		rsm_group_run(&g, SIM_SECOND);
		struct copy copy = take_copy(&g, of);
		sim_process_restart(g.replicas[of].process);
		rsm_group_until_bound(&g);
		rsm_group_run(&g, SIM_SECOND);
		put_back(&g, &copy);
		sim_process_start(g.replicas[of].process);
		must_be_recognised(&g, &copy);
		must_be_whole(&g);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * The leader, to which it had acknowledged everything, is gone: the third one has been told, and
 * has it in its log. Nobody leads, rather than lose what was acknowledged; until the leader is
 * back.
 */
START_TEST(a_replica_that_was_told_tells_the_copy)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 20);
		uint32_t leader = rsm_group_elect(&g), of = (leader + 1) % 3,
			 third = (leader + 2) % 3;
		struct copy copy = take_copy(&g, of);
		append(&g, 30);
		rsm_group_run(&g, 2 * SIM_SECOND);
		leader = rsm_group_elect(&g);
		ck_assert_uint_ne(leader, of);
		sim_process_power_loss(g.replicas[3 - of - third].process);
		sim_process_power_loss(g.replicas[third].process);
		put_back(&g, &copy);
		uint64_t appended = g.appended;
		sim_process_start(g.replicas[of].process);
		sim_process_start(g.replicas[third].process);
		rsm_group_run(&g, 5 * SIM_SECOND);
		ck_assert_uint_eq(rsm_group_leader(&g), UINT32_MAX);
		ck_assert_uint_ne(g.replicas[of].process->env.life, copy.life);
		sim_process_start(g.replicas[3 - of - third].process);
		must_be_recognised(&g, &copy);
		ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), appended), 0);
		must_be_whole(&g);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * Of a bound life's second copy likewise; and of one that is older than the life that is bound now.
 */
START_TEST(a_second_copy_is_recognised_likewise)
{
	struct rsm_group g;
	begin(&g, 3, 5);
	append(&g, 10);
	uint32_t of = (rsm_group_elect(&g) + 1) % 3;
	struct copy first = take_copy(&g, of), second = take_copy(&g, of);
	for (int round = 0; round < 3; round++) {
		struct copy copy = take_copy(&g, of);
		append(&g, 20);
		rsm_group_run(&g, SIM_SECOND);
		put_back(&g, &copy);
		sim_process_start(g.replicas[of].process);
		must_be_recognised(&g, &copy);
		append(&g, 10);
	}
	rsm_group_until_bound(&g);
	disk_sim_image_free(second.image);
	/*
	 * That life is not bound any more, and nobody remembers it: the list of members tells. With
	 * it nothing would count, whatever it believes; but neither must it be bound again.
	 */
	put_back(&g, &first);
	sim_process_start(g.replicas[of].process);
	must_be_recognised(&g, &first);
	append(&g, 10);
	must_be_whole(&g);
	rsm_group_free(&g);
}
END_TEST

/*
 * A copy of a life that is bound no more, which has a former one in its memory and tells the others
 * of that.
 */
START_TEST(a_copy_that_remembers_another_life_is_recognised)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 10);
		uint32_t of = (rsm_group_elect(&g) + 1) % 3;
		struct copy first = take_copy(&g, of);
		append(&g, 20);
		rsm_group_run(&g, SIM_SECOND);
		put_back(&g, &first);
		sim_process_start(g.replicas[of].process);
		must_be_recognised(&g, &first);
		rsm_group_until_bound(&g);
		append(&g, 10);
		rsm_group_run(&g, SIM_SECOND);
		struct copy copy = take_copy(&g, of);
		append(&g, 20);
		rsm_group_run(&g, SIM_SECOND);
		/* The disk that has taken its place since has another life. */
		sim_process_power_loss(g.replicas[of].process);
		sim_process_wipe(g.replicas[of].process);
		sim_process_start(g.replicas[of].process);
		rsm_group_until_bound(&g);
		rsm_group_run(&g, SIM_SECOND);
		put_back(&g, &copy);
		sim_process_start(g.replicas[of].process);
		must_be_recognised(&g, &copy);
		must_be_whole(&g);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * What no sync had made durable was never acknowledged: power losses under load, of one and of all,
 * make no stale copy.
 */
START_TEST(a_lost_tail_is_no_stale_copy)
{
	for (uint64_t seed = 1; seed <= 25; seed++) {
		struct rsm_group g;
		struct rng rng;
		begin(&g, 3, seed);
		rng_seed(&rng, seed);
		for (int round = 0; round < 8; round++) {
			uint32_t leader = rsm_group_elect(&g);
			for (uint32_t k = 0; k < 20; k++)
				rsm_group_command(&g, leader, g.session, g.sequence + 1 + k,
						  g.appended + 1 + k, 100);
			rsm_group_run(&g, rng_below(&rng, 3 * SIM_MILLISECOND));
			for (uint32_t i = 0; i < 3; i++)
				if (round % 3 == 0 || i == (uint32_t)round % 3)
					sim_process_power_loss(g.replicas[i].process);
			rsm_group_run(&g, rng_below(&rng, 300 * SIM_MILLISECOND));
			for (uint32_t i = 0; i < 3; i++)
				if (!sim_process_alive(g.replicas[i].process))
					sim_process_start(g.replicas[i].process);
			rsm_group_until_bound(&g);
			for (uint32_t i = 0; i < 3; i++)
				ck_assert_uint_eq(rsm_group_rsm(&g, i)->stale.copies, 0);
			rsm_group_elect(&g);
			rsm_group_run(&g, SIM_SECOND);
			g.sequence += 20;
			g.appended = 0;
		}
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * It had accepted more than its log holds: damage took that, its group decided that nothing had
 * been chosen there, and the damaged part of the log is gone. The others remember that it was
 * acknowledged, and so does it, from its own log or since they have told it.
 */
START_TEST(what_damage_took_is_not_missed)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 20);
		uint32_t of = (rsm_group_elect(&g) + (uint32_t)(seed / 2) % 3) % 3;
		uint64_t life = g.replicas[of].process->env.life;
		for (uint32_t i = 0; i < 3; i++) {
			struct stale *s = &rsm_group_rsm(&g, i)->stale;
			struct start_memory *memory = starts_find(&s->starts, of + 1, life);
			ck_assert_ptr_nonnull(memory);
			if (seed % 2 == 0 || i != of)
				memory->last = consensus_slots_end(core_of(&g, of)) + 5;
			s->changed = true;
		}
		/* As at the start that finds the damage. */
		stale_ask_all(rsm_group_rsm(&g, of));
		rsm_group_run(&g, 2 * SIM_SECOND);
		sim_process_power_loss(g.replicas[of].process);
		sim_process_start(g.replicas[of].process);
		rsm_group_run(&g, 2 * SIM_SECOND);
		ck_assert(counts(&g, of));
		ck_assert_uint_eq(g.replicas[of].process->env.life, life);
		must_be_whole(&g);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * All at once: each counts as soon as the others have answered, long before anybody stands; and one
 * alone does not.
 */
START_TEST(all_may_start_at_once)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct rsm_group g;
		begin(&g, seed % 2 == 0 ? 3 : 5, seed);
		append(&g, 10);
		for (uint32_t i = 0; i < g.count; i++)
			sim_process_power_loss(g.replicas[i].process);
		sim_process_start(g.replicas[0].process);
		rsm_group_run(&g, 2 * SIM_SECOND);
		ck_assert(!counts(&g, 0));
		sim_process_power_loss(g.replicas[0].process);
		for (uint32_t i = 0; i < g.count; i++)
			sim_process_start(g.replicas[i].process);
		rsm_group_run(&g, 40 * SIM_MILLISECOND);
		for (uint32_t i = 0; i < g.count; i++)
			ck_assert(counts(&g, i));
		must_be_whole(&g);
		rsm_group_free(&g);
	}
}
END_TEST

/* With as many as a quorum and no more: at the latest after an election time-out. */
START_TEST(a_quorum_is_enough_to_start)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct rsm_group g;
		begin(&g, seed % 2 == 0 ? 3 : 5, seed);
		append(&g, 10);
		for (uint32_t i = 0; i < g.count; i++)
			sim_process_power_loss(g.replicas[i].process);
		for (uint32_t i = 0; i <= g.count / 2; i++)
			sim_process_start(g.replicas[i].process);
		uint64_t limit_ms = g.settings.election_timeout_ms +
				    2 * g.settings.heartbeat_interval_ms;
		rsm_group_run(&g, limit_ms * SIM_MILLISECOND);
		for (uint32_t i = 0; i <= g.count / 2; i++)
			ck_assert(counts(&g, i));
		append(&g, 5);
		ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
		rsm_group_free(&g);
	}
}
END_TEST

static uint64_t file_size(const struct rsm_group *g, uint32_t i)
{
	uint64_t size = 0;
	return disk_sim_size(g->replicas[i].process->disk, START_FILE, &size) == 0 ? size : 0;
}

/* A directory of the version before has no such file: it starts as it did then, once. */
START_TEST(a_directory_of_the_version_before_starts_once)
{
	struct rsm_group g;
	begin(&g, 3, 3);
	append(&g, 10);
	rsm_group_run(&g, SIM_SECOND);
	for (uint32_t i = 0; i < 3; i++) {
		sim_process_crash(g.replicas[i].process);
		ck_assert_uint_gt(file_size(&g, i), 0);
		ck_assert_int_eq(disk_sim_remove(g.replicas[i].process->disk, START_FILE), 0);
		sim_process_start(g.replicas[i].process);
		rsm_group_until_bound(&g);
		ck_assert_uint_gt(file_size(&g, i), 0);
		ck_assert_uint_eq(rsm_group_rsm(&g, i)->stale.copies, 0);
		append(&g, 10);
	}
	struct copy copy = take_copy(&g, 1);
	append(&g, 20);
	rsm_group_run(&g, SIM_SECOND);
	put_back(&g, &copy);
	sim_process_start(g.replicas[1].process);
	must_be_recognised(&g, &copy);
	must_be_whole(&g);
	rsm_group_free(&g);
}
END_TEST

/* A full disk does not keep it from starting, with the file or, for the first time, without. */
START_TEST(a_full_disk_keeps_no_replica_from_starting)
{
	struct rsm_group g;
	begin(&g, 3, 4);
	append(&g, 10);
	for (int without = 0; without < 2; without++) {
		struct sim_process *process = g.replicas[1].process;
		sim_process_crash(process);
		if (without)
			ck_assert_int_eq(disk_sim_remove(process->disk, START_FILE), 0);
		struct disk_sim_faults full = {.space_bytes = disk_sim_space_used(process->disk) +
							      1};
		disk_sim_set_faults(process->disk, &full);
		sim_process_start(process);
		ck_assert(sim_process_alive(process));
		ck_assert((rsm_group_rsm(&g, 1)->stale.own.chain.root == 0) == without);
		rsm_group_until_bound(&g);
		disk_sim_set_faults(process->disk, NULL);
		append(&g, 10);
	}
	ck_assert_uint_eq(rsm_group_rsm(&g, 1)->stale.copies, 0);
	must_be_whole(&g);
	rsm_group_free(&g);
}
END_TEST

/*
 * Whatever of the log has been released, at its next start a replica knows what it knew of the
 * others.
 */
START_TEST(memory_of_others_outlives_snapshots)
{
	uint64_t snapshots = 0;
	struct rsm_group g;
	begin(&g, 3, 6);
	rsm_group_run(&g, 2 * SIM_SECOND);
	for (uint32_t round = 0; round < 80; round++) {
		uint32_t i = (rsm_group_elect(&g) + 1 + round % 2) % 3;
		append(&g, (int)(round % 7) * 8);
		snapshots += rsm_group_rsm(&g, i)->counters.snapshots_taken;
		sim_process_power_loss(g.replicas[i].process);
		sim_process_start(g.replicas[i].process);
		for (uint32_t k = 0; k < 3; k++)
			ck_assert_ptr_nonnull(starts_find(&rsm_group_rsm(&g, i)->stale.starts,
							  k + 1, g.replicas[k].process->env.life));
	}
	ck_assert_uint_ge(snapshots, 5);
	must_be_whole(&g);
	rsm_group_free(&g);
}
END_TEST

/*
 * Wherever in a segment that is when a snapshot is in place: what is remembered may be the last in
 * one that is released.
 */
START_TEST(memory_at_the_end_of_a_segment_is_kept)
{
	uint32_t crossed = 0;
	struct rsm_group g;
	begin(&g, 3, 7);
	rsm_group_run(&g, 2 * SIM_SECOND);
	for (uint64_t room = 64; room < 640; room += 24) {
		uint32_t i = (rsm_group_elect(&g) + 1) % 3;
		struct rsm *rsm = rsm_group_rsm(&g, i);
		append(&g, 1);
		rsm_group_run(&g, 20 * SIM_MILLISECOND);
		struct wal_record filler = {.type = WAL_CHOSEN,
					    .slot = consensus_chosen_slot(rsm->core)};
		wal_position before, after;
		do
			wal_append(rsm->wal, &filler, &before);
		while (wal_room(rsm->wal) < room);
		while (wal_room(rsm->wal) >= room + WAL_RECORD_BYTES)
			wal_append(rsm->wal, &filler, &before);
		uint64_t taken = rsm->counters.snapshots_taken;
		rsm->snapshot_wanted = true;
		snapshot_maybe_take(rsm);
		while (rsm->counters.snapshots_taken == taken)
			rsm_group_run(&g, SIM_MILLISECOND);
		wal_append(rsm->wal, &filler, &after);
		crossed += wal_position_segment(after) != wal_position_segment(before);
		rsm_group_run(&g, 100 * SIM_MILLISECOND);
		sim_process_power_loss(g.replicas[i].process);
		sim_process_start(g.replicas[i].process);
		for (uint32_t k = 0; k < 3; k++)
			ck_assert_ptr_nonnull(starts_find(&rsm_group_rsm(&g, i)->stale.starts,
							  k + 1, g.replicas[k].process->env.life));
		rsm_group_until_bound(&g);
	}
	ck_assert_uint_ge(crossed, 5);
	must_be_whole(&g);
	rsm_group_free(&g);
}
END_TEST

/*
 * A disk has been bound, and its replica has lost the power before it wrote that down: it takes
 * itself for a learner. With one other, which knows, it is a majority; neither waits for the other.
 */
START_TEST(a_disk_may_be_bound_and_not_know_it)
{
	uint32_t ignorant = 0;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 10);
		uint32_t leader = rsm_group_elect(&g), lost = (leader + 1) % 3,
			 third = (leader + 2) % 3;
		rsm_group_lose(&g, lost);
		sim_process_start(g.replicas[lost].process);
		uint64_t life = g.replicas[lost].process->env.life,
			 until = g.world->now_us + 10 * SIM_SECOND;
		const struct consensus_members *known = consensus_members(core_of(&g, third));
		while (known->list[lost].life != life && g.world->now_us < until)
			rsm_group_run(&g, 50);
		ck_assert_uint_eq(known->list[lost].life, life);
		for (uint32_t i = 0; i < 3; i++)
			sim_process_power_loss(g.replicas[i].process);
		sim_process_start(g.replicas[lost].process);
		sim_process_start(g.replicas[third].process);
		ignorant += !consensus_votes(core_of(&g, lost)) &&
			    consensus_votes(core_of(&g, third)) &&
			    consensus_members(core_of(&g, third))->list[lost].life == life;
		if (consensus_members(core_of(&g, third))->list[lost].life == life)
			append(&g, 5);
		sim_process_start(g.replicas[leader].process);
		must_be_whole(&g);
		rsm_group_free(&g);
	}
	ck_assert_uint_ge(ignorant, 3);
}
END_TEST

struct spoken {
	struct rsm *rsm;
	uint32_t from;
	uint64_t life, origin;
};

static void hear_prepare(void *data, struct node *node)
{
	struct spoken *spoken = data;
	struct wire_peer_any m = {
		.group = 1, .from = spoken->from, .to = spoken->rsm->options.replica, .slot = 1};
	struct buffer payload = {0};
	m.ballot = ballot_make(ballot_round(consensus_epoch(spoken->rsm->core)) + 1, spoken->from);
	m.members = consensus_members(spoken->rsm->core)->slot;
	m.chosen = consensus_chosen_slot(spoken->rsm->core);
	wire_peer_any_encode(&m, &payload);
	node->env->sender_life = spoken->life;
	ck_assert(rsm_message(spoken->rsm, 0,
			      &(struct message){.kind = MESSAGE_ONEWAY,
						.method = METHOD_PREPARE,
						.origin = spoken->origin,
						.payload = buffer_slice(&payload)}));
	node->env->sender_life = 0;
	buffer_free(&payload);
}

/*
 * Of the process whose start is known a Prepare makes the leader promise; of any other one of the
 * same directory it does nothing.
 */
START_TEST(another_start_of_a_directory_is_not_heard)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 5);
		rsm_group_run(&g, SIM_SECOND);
		uint32_t leader = rsm_group_elect(&g), from = (leader + 1) % 3;
		struct sim_process *speaker = g.replicas[from].process;
		struct spoken spoken = {.rsm = rsm_group_rsm(&g, leader),
					.from = from + 1,
					.life = speaker->env.life};
		uint64_t ballot = consensus_epoch(core_of(&g, leader));
		for (spoken.origin = 1; spoken.origin < 4; spoken.origin++) {
			sim_process_call(g.replicas[leader].process, hear_prepare, &spoken);
			ck_assert_uint_eq(consensus_epoch(core_of(&g, leader)), ballot);
		}
		spoken.origin = speaker->node->tracer.life;
		sim_process_call(g.replicas[leader].process, hear_prepare, &spoken);
		ck_assert_uint_gt(consensus_epoch(core_of(&g, leader)), ballot);
		rsm_group_free(&g);
	}
}
END_TEST

static bool process_counts(struct rsm_group *g, uint32_t of, struct sim_process *process)
{
	struct sim_process *own = g->replicas[of].process;
	g->replicas[of].process = process;
	bool does = sim_process_alive(process) && counts(g, of);
	g->replicas[of].process = own;
	return does;
}

/*
 * A copy of the directory is started beside the original, and connects to the others (which find
 * only the original at the address that they know). At no moment do both count; and when the copy
 * has gone, the original does.
 */
START_TEST(two_processes_of_one_directory_do_no_harm)
{
	uint32_t renewed = 0;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 10);
		uint32_t of = (rsm_group_elect(&g) + (uint32_t)seed % 3) % 3;
		struct sim_process *own = g.replicas[of].process;
		struct copy copy = take_copy(&g, of);
		if (seed % 2 == 0)
			append(&g, 10);
		struct sim_process *other = sim_process_add(
			g.world, &(struct sim_process_spec){.name = "copy",
							    .address = "copy:1",
							    .build = own->build,
							    .context = own->context,
							    .disk = true,
							    .lives = true});
		sim_process_put_back(other, copy.image, copy.life, 0);
		disk_sim_image_free(copy.image);
		sim_process_start(other);
		uint64_t until = g.world->now_us + 8 * SIM_SECOND;
		while (g.world->now_us < until) {
			rsm_group_run(&g, SIM_MILLISECOND);
			CHECK_THAT(!process_counts(&g, of, own) || !process_counts(&g, of, other),
				   "two processes of one directory count");
		}
		append(&g, 10);
		renewed += own->env.life != copy.life;
		sim_process_crash(other);
		must_be_whole(&g);
		ck_assert(counts(&g, of));
		rsm_group_free(&g);
	}
	/* The copies that held as much were taken for the later start. */
	ck_assert_uint_ge(renewed, 3);
}
END_TEST
