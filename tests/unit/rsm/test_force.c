/*
 * A group that has lost its majority goes on from one replica, with the whole replica around the
 * core. faults: 110
 */
#include <check.h>
#include <string.h>

#include "../support/check_main.h"
#include "group.h"
#include "rsm/internal.h"
#include "sim/disk_sim.h"
#include "sim/link.h"

static void begin_with(struct rsm_group *g, uint32_t count, uint64_t seed,
		       uint64_t snapshot_log_bytes)
{
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.wal_segment_bytes = 8 * KIB;
	settings.entry_bytes = 512;
	settings.snapshot_log_bytes = snapshot_log_bytes;
	settings.log_cache_bytes = KIB;
	rsm_group_init_masters(g, count, seed, &settings);
	uint64_t until = g->world->now_us + 20 * SIM_SECOND;
	while (rsm_group_leader(g) == UINT32_MAX ||
	       rsm_members(rsm_group_rsm(g, rsm_group_leader(g)))->slot == 0) {
		CHECK_THAT(g->world->now_us < until, "there is no list after twenty seconds");
		rsm_group_run(g, 10 * SIM_MILLISECOND);
	}
}

static void begin(struct rsm_group *g, uint32_t count, uint64_t seed)
{
	begin_with(g, count, seed, 16 * KIB);
}

static void append(struct rsm_group *g, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		rsm_group_append(g, 100);
}

static void kill_others(struct rsm_group *g, uint32_t survivor)
{
	for (uint32_t i = 0; i < g->count; i++)
		if (i != survivor && sim_process_alive(g->replicas[i].process))
			sim_process_crash(g->replicas[i].process);
}

/* FORCE at replica i; its status. generation 0: only asked. */
static int force(struct rsm_group *g, uint32_t i, uint32_t generation)
{
	struct buffer request = {0};
	wire_force_encode(
		&(struct wire_force){.confirmed = generation != 0, .generation = generation},
		&request);
	int status = LOST;
	/* A connection to a replica that has lost its power ends when it is used again. */
	for (int tries = 0; status == LOST && tries < 2; tries++)
		status = rsm_group_wait(g,
					rsm_group_ask(g, i, METHOD_FORCE, buffer_slice(&request)),
					10 * SIM_SECOND);
	buffer_free(&request);
	return status;
}

/* The one that is asked has ended: it is to be started anew. */
static void until_ended(struct rsm_group *g, uint32_t i, uint32_t generation)
{
	uint64_t until = g->world->now_us + 10 * SIM_SECOND;
	while (g->replicas[i].force != generation || sim_process_alive(g->replicas[i].process)) {
		CHECK_THAT(g->world->now_us < until,
			   "replica %u does not start anew with generation %u", i + 1, generation);
		rsm_group_run(g, SIM_MILLISECOND);
	}
}

static void until_leads(struct rsm_group *g, uint32_t i)
{
	uint64_t until = g->world->now_us + 10 * SIM_SECOND;
	while (rsm_group_leader(g) != i) {
		CHECK_THAT(g->world->now_us < until, "replica %u does not lead", i + 1);
		rsm_group_run(g, SIM_MILLISECOND);
	}
}

static void force_through(struct rsm_group *g, uint32_t i, uint32_t generation)
{
	ck_assert_int_eq(force(g, i, 0), 0);
	ck_assert_uint_eq(g->force.next, generation);
	ck_assert_int_eq(force(g, i, generation), 0);
	until_ended(g, i, generation);
	sim_process_start(g->replicas[i].process);
	until_leads(g, i);
}

static const struct group_members *members_at(const struct rsm_group *g, uint32_t i)
{
	return rsm_members(rsm_group_rsm(g, i));
}

static void check_alone(const struct rsm_group *g, uint32_t i, uint32_t generation)
{
	const struct group_members *members = members_at(g, i);
	ck_assert_uint_eq(members->generation, generation);
	ck_assert(!members->begins);
	ck_assert_uint_eq(members->count, 1);
	ck_assert_uint_eq(members->list[0].number, i + 1);
	ck_assert_uint_eq(members->next_number, g->count + 1);
	ck_assert_uint_eq(rsm_generation(rsm_group_rsm(g, i)), generation);
}

/* ---- the list ---- */

/*
 * The list of a group that was never forced is written as before; that of one that was has a
 * format that an older program refuses, and is read back.
 */
START_TEST(a_forced_group_is_refused_by_an_older_program)
{
	struct group_members members = {.slot = 9, .base = 7, .next_number = 4, .count = 1}, read;
	struct buffer plain = {0}, later = {0}, field = {0};
	members.list[0] = (struct group_member){
		.number = 2, .life = 77, .role = MEMBER_VOTER, .name = "r2", .address = "r2:1"};
	members_encode_body(&members, &plain);
	members.generation = 3;
	members.begins = true;
	members_encode_body(&members, &later);
	/*
	 * Nothing is different for a group that was never forced, and an older program refuses one
	 * that was.
	 */
	ck_assert_uint_eq(load_u32(plain.data + 8), 4);
	ck_assert_uint_eq(load_u32(later.data + 8), 0);
	ck_assert_int_eq(members_decode_body(&read, buffer_slice(&plain)), 0);
	ck_assert_uint_eq(read.generation, 0);
	ck_assert_int_eq(members_decode_body(&read, buffer_slice(&later)), 0);
	ck_assert_uint_eq(read.generation, 3);
	ck_assert(read.begins);
	ck_assert_uint_eq(read.next_number, 4);
	members.begins = false;
	members_encode_field(&members, &field);
	ck_assert_int_eq(members_decode_field(&read, buffer_slice(&field)), 0);
	ck_assert_uint_eq(read.generation, 3);
	ck_assert(!read.begins);
	static const uint32_t impossible[] = {0, 1u << 31, GENERATION_MAX + 1,
					      GENERATION_MAX + 1 + (1u << 31), UINT32_MAX};
	for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
		store_u32(later.data + 12, impossible[i]);
		ck_assert_int_eq(members_decode_body(&read, buffer_slice(&later)), STATUS_CORRUPT);
	}
	for (size_t len = 8; len < 24; len++)
		ck_assert_int_eq(members_decode_body(&read, slice(later.data, len)),
				 STATUS_CORRUPT);
	buffer_free(&plain);
	buffer_free(&later);
	buffer_free(&field);
}
END_TEST

/* ---- going on ---- */

/*
 * From the one survivor, also after a start, the group goes on with everything; forcing it once
 * more to the same is done already.
 */
START_TEST(a_group_goes_on_from_its_survivor)
{
	for (uint64_t seed = 1; seed <= 15; seed++) {
		struct rsm_group g;
		begin_with(&g, 3, seed, seed % 2 == 0 ? 2 * KIB : 16 * KIB);
		append(&g, 30);
		uint32_t i = (uint32_t)seed % 3;
		ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
		kill_others(&g, i);
		if (seed % 5 == 0) {
			/* Or after it was started again, with nobody who could compare it. */
			sim_process_power_loss(g.replicas[i].process);
			sim_process_start(g.replicas[i].process);
		}
		rsm_group_run(&g, SIM_SECOND);
		ck_assert_uint_eq(rsm_group_leader(&g), UINT32_MAX);
		force_through(&g, i, 1);
		check_alone(&g, i, 1);
		append(&g, 30);
		ck_assert_int_eq(rsm_group_read(&g, i, 60), 0);
		ck_assert(g.masters.begun);
		/* Asked again: it is so already; and there is nothing to be forced. */
		ck_assert_int_eq(force(&g, i, 1), 0);
		ck_assert_int_eq(force(&g, i, 0), STATUS_DENIED);
		ck_assert_int_eq(force(&g, i, 2), STATUS_DENIED);
		/* So it stays. */
		sim_process_power_loss(g.replicas[i].process);
		sim_process_start(g.replicas[i].process);
		append(&g, 5);
		check_alone(&g, i, 1);
		ck_assert_int_eq(rsm_group_read(&g, i, 65), 0);
		rsm_group_free(&g);
	}
}
END_TEST

/* What the survivor has accepted, and nobody knows to be chosen, is kept. */
START_TEST(what_the_survivor_has_accepted_is_kept)
{
	struct rsm_group g;
	begin(&g, 3, 1);
	append(&g, 10);
	uint32_t i = rsm_group_elect(&g);
	uint64_t session = g.session;
	kill_others(&g, i);
	/* Nobody acknowledges it. */
	uint64_t asked = rsm_group_command(&g, i, session, g.sequence + 1, 11, 100);
	ck_assert_int_ne(rsm_group_wait(&g, asked, SIM_SECOND), 0);
	ck_assert_int_eq(force(&g, i, 0), 0);
	ck_assert_uint_gt(g.force.slot, g.force.chosen);
	ck_assert_ptr_nonnull(strstr(g.refusal, "accepted here and not known to be chosen"));
	force_through(&g, i, 1);
	g.sequence++;
	g.appended = 11;
	ck_assert_int_eq(rsm_group_read(&g, i, 11), 0);
	append(&g, 3);
	rsm_group_free(&g);
}
END_TEST

/* ---- what is refused ---- */

/*
 * With its majority, under a wrong number, or against the masters' word a group is not forced,
 * and goes on as it was.
 */
START_TEST(what_cannot_be_forced_is_refused)
{
	struct rsm_group g;
	begin(&g, 3, 1);
	append(&g, 10);
	/* With its majority, with leader or without. */
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_int_eq(force(&g, i, 0), STATUS_DENIED);
		ck_assert_ptr_nonnull(strstr(g.refusal, "the group has its majority"));
		ck_assert_int_eq(force(&g, i, 1), STATUS_DENIED);
	}
	ck_assert_uint_eq(g.masters.generation, 0);
	uint32_t i = (rsm_group_elect(&g) + 1) % 3, other = (i + 1) % 3;
	sim_process_crash(g.replicas[other].process);
	ck_assert_int_eq(force(&g, i, 1), STATUS_DENIED);
	kill_others(&g, i);
	/* Another generation than the next one. */
	ck_assert_int_eq(force(&g, i, 2), STATUS_DENIED);
	ck_assert_ptr_nonnull(strstr(g.refusal, "the next one is 1, not 2"));
	/* Not recorded: nothing has changed, and when the others are back they go on. */
	g.masters.deny = true;
	ck_assert_int_eq(force(&g, i, 1), STATUS_DENIED);
	g.masters.deny = false;
	g.masters.down = true;
	ck_assert_int_eq(force(&g, i, 1), STATUS_UNKNOWN);
	ck_assert_ptr_nonnull(strstr(g.refusal, "it is not known whether"));
	ck_assert_ptr_nonnull(strstr(g.refusal, "start none of the others before"));
	ck_assert_uint_eq(g.replicas[i].force, 0);
	g.masters.down = false;
	sim_process_start(g.replicas[other].process);
	append(&g, 5);
	ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), 15), 0);
	rsm_group_free(&g);
}
END_TEST

/*
 * Nobody keeps the generation of a group without shard masters: those who were lost would serve
 * beside it.
 */
START_TEST(without_masters_a_group_is_not_forced)
{
	struct rsm_group g;
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	rsm_group_init_lives(&g, 3, 1, &settings);
	append(&g, 10);
	uint32_t i = rsm_group_elect(&g);
	kill_others(&g, i);
	rsm_group_run(&g, SIM_SECOND);
	ck_assert_int_eq(force(&g, i, 0), STATUS_DENIED);
	ck_assert_int_eq(force(&g, i, 1), STATUS_DENIED);
	ck_assert_ptr_nonnull(strstr(g.refusal, "cannot be forced"));
	/* Nor does a start of such a group wait for any. */
	for (uint32_t k = 0; k < 3; k++)
		if (k != i)
			sim_process_start(g.replicas[k].process);
	append(&g, 2);
	rsm_group_free(&g);
}
END_TEST

/* A replica whose disk was lost, and has no vote yet, is nobody to go on from. */
START_TEST(a_replica_without_a_vote_is_not_gone_on_from)
{
	struct rsm_group g;
	begin(&g, 3, 2);
	append(&g, 10);
	uint32_t i = (rsm_group_elect(&g) + 1) % 3;
	rsm_group_lose(&g, i);
	kill_others(&g, i);
	sim_process_start(g.replicas[i].process);
	rsm_group_run(&g, SIM_SECOND);
	ck_assert_int_eq(force(&g, i, 1), STATUS_DENIED);
	ck_assert_uint_eq(g.masters.generation, 0);
	rsm_group_free(&g);
}
END_TEST

/* Accepted, in the ballot of the last one: the list without this replica, in the next slot. */
static void write_removal(void *data, struct node *node)
{
	struct rsm *rsm = data;
	struct group_members list = rsm->members;
	struct buffer body = {0}, entry = {0};
	uint32_t kept = 0;
	for (uint32_t i = 0; i < list.count; i++)
		if (list.list[i].number != rsm->options.replica)
			list.list[kept++] = list.list[i];
	list.count = kept;
	list.base = list.slot;
	members_encode_body(&list, &body);
	entry_begin(&entry);
	entry_add(&entry,
		  &(struct entry_command){.kind = ENTRY_MEMBERS, .body = buffer_slice(&body)});
	entry_finish(&entry, 1, 1, 1, consensus_epoch(rsm->core));
	store_u32(entry.data, ENTRY_FORMAT_MEMBERS);
	wal_append(rsm->wal,
		   &(struct wal_record){.type = WAL_ACCEPT,
					.slot = force_last_slot(rsm) + 1,
					.ballot = consensus_epoch(rsm->core),
					.payload = buffer_slice(&entry)},
		   NULL);
	wal_flush(rsm->wal);
	buffer_free(&body);
	buffer_free(&entry);
	(void)node;
}

/*
 * Whom the last list that it has accepted removes could not begin what has been recorded: 5 takes
 * that list for chosen.
 */
START_TEST(a_survivor_removed_by_what_it_accepted_is_not_forced)
{
	struct rsm_group g;
	begin(&g, 3, 2);
	append(&g, 10);
	ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
	uint32_t i = (rsm_group_elect(&g) + 1) % 3;
	kill_others(&g, i);
	sim_process_call(g.replicas[i].process, write_removal, rsm_group_rsm(&g, i));
	rsm_group_run(&g, SIM_SECOND);
	sim_process_restart(g.replicas[i].process);
	rsm_group_run(&g, SIM_SECOND);
	ck_assert_int_eq(force(&g, i, 0), STATUS_DENIED);
	ck_assert_ptr_nonnull(strstr(g.refusal, "takes its vote away"));
	ck_assert_int_eq(force(&g, i, 1), STATUS_DENIED);
	ck_assert_uint_eq(g.masters.generation, 0);
	rsm_group_free(&g);
}
END_TEST

/*
 * Of two from which it is forced, cut off from each other, the masters take one; the other is
 * superseded.
 */
START_TEST(the_masters_take_one_survivor)
{
	struct rsm_group g;
	begin(&g, 5, 3);
	append(&g, 10);
	ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
	for (uint32_t i = 2; i < 5; i++)
		sim_process_crash(g.replicas[i].process);
	force_through(&g, 0, 1);
	/* The second one knows nothing of it, and is asked before it hears of it. */
	append(&g, 5);
	uint64_t until = g.world->now_us + 10 * SIM_SECOND;
	while (g.replicas[1].superseded == 0) {
		CHECK_THAT(g.world->now_us < until, "it is not superseded");
		rsm_group_run(&g, 10 * SIM_MILLISECOND);
	}
	ck_assert_uint_eq(g.replicas[1].superseded, 1);
	ck_assert(!sim_process_alive(g.replicas[1].process));
	append(&g, 5);
	rsm_group_free(&g);
}
END_TEST

/* ---- those who were lost come back ---- */

static void until_superseded(struct rsm_group *g, uint32_t i)
{
	uint64_t until = g->world->now_us + 20 * SIM_SECOND;
	while (g->replicas[i].superseded == 0) {
		CHECK_THAT(g->world->now_us < until, "replica %u is not superseded", i + 1);
		CHECK_THAT(rsm_group_rsm(g, i) == NULL || !rsm_is_leader(rsm_group_rsm(g, i)),
			   "replica %u leads", i + 1);
		rsm_group_run(g, SIM_MILLISECOND);
	}
}

/*
 * Those who were given up come back, as a majority: the survivor or the masters tell them, and
 * until then they do not lead.
 */
START_TEST(the_lost_majority_that_comes_back_is_superseded)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 20);
		ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
		uint32_t i = (uint32_t)seed % 3;
		kill_others(&g, i);
		force_through(&g, i, 1);
		/*
		 * Who answers them: the survivor alone, the masters alone, or for a while nobody.
		 */
		bool survivor = seed % 4 < 2;
		g.masters.down = seed % 2 == 0;
		if (!survivor)
			sim_process_crash(g.replicas[i].process);
		for (uint32_t k = 0; k < 3; k++)
			if (k != i)
				sim_process_start(g.replicas[k].process);
		if (!survivor && g.masters.down) {
			for (int n = 0; n < 5000; n++) {
				rsm_group_run(&g, SIM_MILLISECOND);
				ck_assert_uint_eq(rsm_group_leader(&g), UINT32_MAX);
			}
			g.masters.down = false;
		}
		for (uint32_t k = 0; k < 3; k++)
			if (k != i)
				until_superseded(&g, k);
		g.masters.down = false;
		if (!survivor)
			sim_process_start(g.replicas[i].process);
		append(&g, 5);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * A majority that was cut off, not lost, and has never stopped: it hears of it from the masters, or
 * from the survivor.
 */
START_TEST(a_majority_that_was_cut_off_is_superseded)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 10);
		ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
		/* Their leader proposes nothing new. */
		uint32_t i = (rsm_group_elect(&g) + 1 + (uint32_t)seed % 2) % 3;
		for (uint32_t k = 0; k < 3; k++) {
			if (k == i)
				continue;
			sim_network_cut(g.world, g.replicas[k].process, g.replicas[i].process);
			sim_network_cut(g.world, g.replicas[i].process, g.replicas[k].process);
		}
		rsm_group_run(&g, 2 * SIM_SECOND);
		ck_assert_int_eq(force(&g, i, 1), 0);
		/* They lead, and ask. */
		for (uint32_t k = 0; k < 3; k++)
			if (k != i && rsm_group_leader(&g) == k) {
				uint64_t until = g.world->now_us + 10 * SIM_SECOND;
				while (g.replicas[k].superseded == 0 && g.world->now_us < until)
					rsm_group_run(&g, SIM_MILLISECOND);
				ck_assert_uint_eq(g.replicas[k].superseded, 1);
			}
		until_ended(&g, i, 1);
		sim_network_heal(g.world);
		sim_process_start(g.replicas[i].process);
		for (uint32_t k = 0; k < 3; k++)
			if (k != i)
				until_superseded(&g, k);
		until_leads(&g, i);
		append(&g, 5);
		rsm_group_free(&g);
	}
}
END_TEST

/* A start waits for the masters only if the rest of its group does not run. */
START_TEST(a_start_waits_for_masters_only_if_it_must)
{
	struct rsm_group g;
	begin(&g, 3, 1);
	append(&g, 5);
	g.masters.down = true;
	uint32_t i = (rsm_group_elect(&g) + 1) % 3;
	sim_process_power_loss(g.replicas[i].process);
	sim_process_start(g.replicas[i].process);
	uint64_t until = g.world->now_us + 5 * SIM_SECOND;
	while (!rsm_ready(rsm_group_rsm(&g, i)) && g.world->now_us < until)
		rsm_group_run(&g, SIM_MILLISECOND);
	ck_assert(rsm_ready(rsm_group_rsm(&g, i)));
	/* All at once: nobody may know of another generation. */
	for (uint32_t k = 0; k < 3; k++)
		sim_process_power_loss(g.replicas[k].process);
	for (uint32_t k = 0; k < 3; k++)
		sim_process_start(g.replicas[k].process);
	rsm_group_run(&g, 5 * SIM_SECOND);
	ck_assert_uint_eq(rsm_group_leader(&g), UINT32_MAX);
	ck_assert(rsm_awaits_generation(rsm_group_rsm(&g, i)));
	g.masters.down = false;
	append(&g, 5);
	rsm_group_free(&g);
}
END_TEST

static bool votes(const struct rsm_group *g, uint32_t i)
{
	return rsm_group_rsm(g, i) != NULL && consensus_votes(rsm_core(rsm_group_rsm(g, i))) &&
	       rsm_ready(rsm_group_rsm(g, i));
}

static void until_votes(struct rsm_group *g, uint32_t i)
{
	uint64_t until = g->world->now_us + 20 * SIM_SECOND;
	while (!votes(g, i)) {
		CHECK_THAT(g->world->now_us < until, "replica %u does not vote", i + 1);
		rsm_group_run(g, SIM_MILLISECOND);
	}
}

/*
 * Those who have lost a disk once, and vote again, are members like others: their starts wait, and
 * one of them can be gone on from.
 */
START_TEST(members_that_are_bound_again_are_like_others)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		append(&g, 10);
		for (uint32_t i = 0; i < 2; i++) {
			rsm_group_lose(&g, i);
			append(&g, 2);
			sim_process_start(g.replicas[i].process);
			until_votes(&g, i);
		}
		append(&g, 5);
		ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
		for (uint32_t i = 0; i < 3; i++)
			sim_process_power_loss(g.replicas[i].process);
		g.masters.down = true;
		for (uint32_t i = 0; i < 2; i++)
			sim_process_start(g.replicas[i].process);
		for (int n = 0; n < 4000; n++) {
			rsm_group_run(&g, SIM_MILLISECOND);
			ck_assert_uint_eq(rsm_group_leader(&g), UINT32_MAX);
		}
		sim_process_crash(g.replicas[1].process);
		g.masters.down = false;
		if (seed % 2 == 0) {
			force_through(&g, 0, 1);
		} else {
			/* Recorded, and the answer was lost. */
			g.masters.generation = 1;
			g.masters.life = g.replicas[0].process->env.life;
			until_ended(&g, 0, 1);
			sim_process_start(g.replicas[0].process);
			until_leads(&g, 0);
		}
		append(&g, 5);
		sim_process_start(g.replicas[1].process);
		until_superseded(&g, 1);
		rsm_group_free(&g);
	}
}
END_TEST

/* ---- the power fails ---- */

/*
 * Recorded, and then it ends: its next start hears of it, and goes on. A copy of it that is started
 * later does not.
 */
START_TEST(a_recorded_generation_goes_on_after_a_start)
{
	struct rsm_group g;
	begin(&g, 3, 4);
	append(&g, 10);
	ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
	kill_others(&g, 1);
	g.masters.generation = 1;
	g.masters.life = g.replicas[1].process->env.life;
	sim_process_power_loss(g.replicas[1].process);
	sim_process_start(g.replicas[1].process);
	until_ended(&g, 1, 1);
	sim_process_start(g.replicas[1].process);
	until_leads(&g, 1);
	check_alone(&g, 1, 1);
	append(&g, 5);
	rsm_group_free(&g);
}
END_TEST

/* A copy of the survivor from before the generation that has begun does not go on from there. */
START_TEST(a_stale_copy_of_the_survivor_is_superseded)
{
	struct rsm_group g;
	begin(&g, 3, 4);
	append(&g, 10);
	ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
	kill_others(&g, 1);
	sim_process_power_loss(g.replicas[1].process);
	/* The group has begun the generation, says its leader; here is a log of the one before. */
	g.masters.generation = 1;
	g.masters.life = g.replicas[1].process->env.life;
	g.masters.begun = true;
	sim_process_start(g.replicas[1].process);
	until_superseded(&g, 1);
	rsm_group_free(&g);
}
END_TEST

/*
 * An entry behind a gap, as a leader's later ballot leaves it: slot `last` + 3 of the log, and
 * nothing right before it. It must not come back, however often the power fails.
 */
struct behind_gap {
	uint64_t slot, ballot;
};

static void write_behind_gap(void *data, struct node *node)
{
	const struct behind_gap *gap = data;
	const struct sim_process *process = (void *)((char *)node->env -
						     offsetof(struct sim_process, env));
	const struct rsm_replica *replica = process->context;
	struct wal *wal = rsm_group_rsm(replica->group, replica->id - 1)->wal;
	struct buffer entry = {0};
	uint8_t value[16] = {0};
	store_u64(value, 666);
	entry_begin(&entry);
	entry_add(&entry,
		  &(struct entry_command){.kind = ENTRY_APP, .body = slice(value, sizeof value)});
	entry_finish(&entry, 1, 1, 1, gap->ballot);
	wal_append(wal,
		   &(struct wal_record){.type = WAL_ACCEPT,
					.slot = gap->slot,
					.ballot = gap->ballot,
					.payload = buffer_slice(&entry)},
		   NULL);
	wal_flush(wal);
	buffer_free(&entry);
}

/*
 * The survivor's start in its new generation, with a fault at its disk's `at`-th operation; how
 * many there were.
 */
static uint64_t survive(uint64_t at, enum disk_sim_fault fault, bool gap)
{
	struct rsm_group g;
	begin(&g, 3, 7);
	append(&g, 12);
	ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
	kill_others(&g, 0);
	struct sim_process *process = g.replicas[0].process;
	const struct rsm *rsm = rsm_group_rsm(&g, 0);
	struct behind_gap behind = {.slot = force_last_slot(rsm) + 3,
				    .ballot = consensus_epoch(rsm_core(rsm))};
	if (gap)
		sim_process_call(process, write_behind_gap, &behind);
	ck_assert_int_eq(force(&g, 0, 1), 0);
	until_ended(&g, 0, 1);
	uint64_t begun = disk_sim_operations(process->disk);
	if (at != UINT64_MAX)
		disk_sim_fault_at(process->disk, begun + at, fault);
	sim_process_start(process);
	uint64_t until = g.world->now_us + 20 * SIM_SECOND;
	while (rsm_group_leader(&g) != 0) {
		CHECK_THAT(g.world->now_us < until, "operation %u: it does not go on: %s",
			   (unsigned)at, process->halt_reason);
		rsm_group_run(&g, SIM_MILLISECOND);
		if (!sim_process_alive(process))
			sim_process_start(process);
	}
	uint64_t count = disk_sim_operations(process->disk) - begun;
	disk_sim_fault_at(process->disk, UINT64_MAX, DISK_SIM_NO_FAULT);
	check_alone(&g, 0, 1);
	append(&g, 8);
	for (int n = 0; n < 2; n++) {
		sim_process_power_loss(process);
		sim_process_start(process);
		until_leads(&g, 0);
		check_alone(&g, 0, 1);
		ck_assert_int_eq(rsm_group_read(&g, 0, 20), 0);
		append(&g, 1);
	}
	rsm_group_free(&g);
	return count;
}

static void survive_every_operation(enum disk_sim_fault fault, bool gap)
{
	uint64_t count = survive(UINT64_MAX, DISK_SIM_NO_FAULT, gap);
	ck_assert_uint_gt(count, 5);
	for (uint64_t at = 0; at < count; at++)
		survive(at, fault, gap);
}

/*
 * Power is lost at each operation of the disk while a group is forced: it is either as before or
 * goes on.
 */
START_TEST(forcing_survives_a_power_loss_at_every_operation)
{
	survive_every_operation(DISK_SIM_STOP, false);
}
END_TEST

/* The same when the survivor's log has a gap. */
START_TEST(forcing_with_a_gap_survives_a_power_loss)
{
	survive_every_operation(DISK_SIM_STOP, true);
}
END_TEST

/* The same when the process is killed at each operation, and the caches survive. */
START_TEST(forcing_survives_a_kill_at_every_operation)
{
	survive_every_operation(DISK_SIM_KILLED, true);
}
END_TEST

/* ---- and then ---- */

static int add(struct rsm_group *g, uint32_t number)
{
	static const char *const names[] = {"", "r1", "r2", "r3", "r4", "r5", "r6", "r7"};
	static const char *const addresses[] = {"",     "r1:1", "r2:1", "r3:1",
						"r4:1", "r5:1", "r6:1", "r7:1"};
	struct buffer request = {0};
	wire_change_members_encode(
		&(struct wire_change_members){.op = WIRE_CHANGE_ADD,
					      .name = slice_string(names[number]),
					      .address = slice_string(addresses[number])},
		&request);
	uint64_t id = rsm_group_ask(g, rsm_group_elect(g), METHOD_CHANGE_MEMBERS,
				    buffer_slice(&request));
	int status = rsm_group_wait(g, id, 5 * SIM_SECOND);
	buffer_free(&request);
	return status;
}

/*
 * New members come, by the log or by a snapshot; one takes over, and the group is forced once more.
 */
START_TEST(a_forced_group_may_grow_and_be_forced_again)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct rsm_group g;
		begin_with(&g, 3, seed, seed % 2 == 0 ? 2 * KIB : 16 * KIB);
		append(&g, 20);
		ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
		kill_others(&g, 0);
		force_through(&g, 0, 1);
		append(&g, 20);
		for (uint32_t k = 0; k < 2; k++) {
			ck_assert_int_eq(add(&g, 4 + k), 0);
			uint32_t i = rsm_group_join_generation(&g, 1); /* as WELCOME tells it */
			until_votes(&g, i);
		}
		append(&g, 20);
		ck_assert_uint_eq(members_at(&g, 3)->generation, 1);
		/* Those that were lost at first are strangers to all of them. */
		sim_process_start(g.replicas[1].process);
		until_superseded(&g, 1);
		ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
		sim_process_crash(g.replicas[0].process);
		append(&g, 5);
		sim_process_crash(g.replicas[4].process);
		ck_assert_int_eq(force(&g, 3, 1), 0); /* it is so already */
		force_through(&g, 3, 2);
		ck_assert_uint_eq(members_at(&g, 3)->generation, 2);
		append(&g, 5);
		ck_assert_int_eq(rsm_group_read(&g, 3, 70), 0);
		sim_process_start(g.replicas[0].process);
		until_superseded(&g, 0);
		ck_assert_uint_eq(g.replicas[0].superseded, 2);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * The disk of the one that the group went on from is lost, when others have a vote, too. With an
 * empty one it is the same member, of the generation that its directory has been told
 * (daemon/lobby.h), and not one of those that were turned away.
 */
START_TEST(the_survivor_may_lose_its_disk_afterwards)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		begin_with(&g, 3, seed, seed % 2 == 0 ? 2 * KIB : 16 * KIB);
		append(&g, 20);
		ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
		kill_others(&g, 0);
		force_through(&g, 0, 1);
		for (uint32_t k = 0; k < 2; k++) {
			ck_assert_int_eq(add(&g, 4 + k), 0);
			until_votes(&g, rsm_group_join_generation(&g, 1));
		}
		append(&g, 5);
		rsm_group_lose(&g, 0);
		append(&g, 5);
		g.replicas[0].joining = true;
		g.replicas[0].generation = 1;
		sim_process_start(g.replicas[0].process);
		until_votes(&g, 0);
		ck_assert_uint_eq(g.replicas[0].superseded, 0);
		/* It counts: one of the others may go. */
		sim_process_crash(g.replicas[4].process);
		append(&g, 5);
		ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), 35), 0);
		rsm_group_free(&g);
	}
}
END_TEST

/* ---- all together ---- */

static void sometimes_flip_masters(struct rsm_group *g, struct rng *rng)
{
	if (rng_below(rng, 4) == 0)
		g->masters.down = !g->masters.down;
}

/*
 * Power may fail, the answer may get lost, the masters may not be there: it is asked for until the
 * group goes on.
 */
static void force_somehow(struct rsm_group *g, struct rng *rng, uint32_t i, uint32_t generation)
{
	struct sim_process *process = g->replicas[i].process;
	uint64_t until = g->world->now_us + 60 * SIM_SECOND;
	while (rsm_group_leader(g) != i || rsm_generation(rsm_group_rsm(g, i)) != generation) {
		CHECK_THAT(g->world->now_us < until, "replica %u does not go on", i + 1);
		CHECK_THAT(process->state != SIM_HALTED, "replica %u does not start: %s", i + 1,
			   process->halt_reason);
		sometimes_flip_masters(g, rng);
		if (!sim_process_alive(process))
			sim_process_start(process);
		else if (rng_below(rng, 3) == 0)
			(void)force(g, i, generation);
		else if (rng_below(rng, 4) == 0)
			sim_process_power_loss(process);
		rsm_group_run(g, rng_below(rng, 300 * SIM_MILLISECOND));
	}
}

/*
 * Those of `old` come back one after the other, at any time, and must not get anything
 * acknowledged.
 */
static void come_back_somehow(struct rsm_group *g, struct rng *rng, uint32_t old)
{
	uint64_t until = g->world->now_us + 60 * SIM_SECOND;
	for (uint32_t left = old; left != 0;) {
		CHECK_THAT(g->world->now_us < until, "somebody is not superseded");
		left = 0;
		for (uint32_t k = 0; k < g->count; k++) {
			if ((old >> k & 1) == 0 || g->replicas[k].superseded != 0)
				continue;
			left |= 1u << k;
			if (!sim_process_alive(g->replicas[k].process))
				sim_process_start(g->replicas[k].process);
			else if (rng_below(rng, 4) == 0)
				sim_process_power_loss(g->replicas[k].process);
		}
		sometimes_flip_masters(g, rng);
		if (rng_below(rng, 3) == 0)
			rsm_group_append(g, 50);
		rsm_group_run(g, rng_below(rng, 200 * SIM_MILLISECOND));
	}
}

static void live_through(uint64_t seed)
{
	struct rsm_group g;
	struct rng rng;
	uint32_t count = seed % 3 == 0 ? 5 : 3, rounds = count == 5 ? 2 : 3, generation = 0;
	uint32_t living = (1u << count) - 1; /* a set of indexes */
	rng_seed(&rng, seed);
	begin_with(&g, count, seed, seed % 2 == 0 ? 2 * KIB : 16 * KIB);
	for (uint32_t round = 0; round < rounds; round++) {
		append(&g, 5 + (uint32_t)rng_below(&rng, 20));
		ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
		uint32_t i = 0, old = 0;
		bool left = false;
		do
			i = (uint32_t)rng_below(&rng, g.count);
		while ((living >> i & 1) == 0);
		for (uint32_t k = 0; k < g.count; k++) {
			if (k == i || (living >> k & 1) == 0)
				continue;
			old |= 1u << k;
			/* Of five one may go on, which is no majority with the survivor. */
			if (!left && count == 5 && round == 0 && rng_below(&rng, 2) == 0)
				left = true;
			else if (rng_below(&rng, 2) == 0)
				sim_process_crash(g.replicas[k].process);
			else
				sim_process_power_loss(g.replicas[k].process);
		}
		force_somehow(&g, &rng, i, ++generation);
		come_back_somehow(&g, &rng, old);
		g.masters.down = false;
		living = 1u << i;
		for (uint32_t k = 0; k < 2 && round + 1 < rounds; k++) {
			append(&g, 3);
			ck_assert_int_eq(add(&g, g.count + 1), 0);
			uint32_t joined = rsm_group_join_generation(&g, generation);
			until_votes(&g, joined);
			living |= 1u << joined;
		}
	}
	append(&g, 5);
	ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
	rsm_group_free(&g);
}

/* Random lives of a group, forced again and again from whatever replica is left. */
START_TEST(a_group_may_be_forced_again_and_again)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		live_through(seed);
}
END_TEST
