/*
 * Nothing but the log and the snapshot decides a state: not the settings of a replica, not its
 * clock. faults: 45, 89, 94, 103
 */
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "group.h"
#include "rsm/internal.h"
#include "wire/method.h"

#define YEAR_US (365ll * 24 * 3600 * 1000000)

/* A registered client's id. */
static uint64_t enlist(struct rsm_group *g)
{
	/* What is sent along a connection that died with its process is lost. */
	for (uint32_t tries = 0; tries < 10; tries++) {
		uint64_t request = rsm_group_ask(g, rsm_group_elect(g), METHOD_REGISTER,
						 slice(NULL, 0));
		if (rsm_group_wait(g, request, 5 * SIM_SECOND) == 0)
			return rsm_registered(rsm_group_rsm(g, rsm_group_elect(g)));
	}
	ck_abort_msg("nobody registers clients");
	return 0;
}

static int command(struct rsm_group *g, uint64_t client, uint64_t sequence)
{
	int status = LOST;
	g->appended++;
	for (uint32_t tries = 0; status == LOST && tries < 10; tries++)
		status = rsm_group_wait(
			g,
			rsm_group_command(g, rsm_group_elect(g), client, sequence, g->appended, 0),
			5 * SIM_SECOND);
	return status;
}

static void lead(struct rsm_group *g, uint32_t i)
{
	for (uint32_t tries = 0; rsm_group_elect(g) != i; tries++) {
		struct buffer transfer = {0};
		ck_assert_uint_lt(tries, 20);
		wire_transfer_encode(i + 1, &transfer);
		uint64_t request = rsm_group_ask(g, rsm_group_elect(g), METHOD_TRANSFER,
						 buffer_slice(&transfer));
		rsm_group_wait(g, request, SIM_SECOND);
		rsm_group_run(g, SIM_SECOND / 2);
		buffer_free(&transfer);
	}
}

static void restart(struct rsm_group *g, uint32_t i)
{
	sim_process_power_loss(g->replicas[i].process);
	sim_process_start(g->replicas[i].process);
}

/*
 * Each replica has other settings, which change at every restart: all apply alike, by those of
 * whoever leads.
 */
START_TEST(all_apply_by_the_settings_of_the_leader)
{
	struct rsm_group g;
	struct rsm_settings settings[3];
	rsm_group_init(&g, 3, 5, NULL);
	rsm_group_elect(&g);
	for (uint32_t i = 0; i < 3; i++) {
		settings[i] = g.settings;
		settings[i].group.sessions_max = 4 + 3 * i;
		settings[i].group.session_idle_us = (1 + i) * SIM_SECOND;
		g.replicas[i].settings = &settings[i];
		restart(&g, i);
	}
	for (uint32_t round = 0; round < 6; round++) {
		uint32_t leader = round % 3;
		lead(&g, leader);
		for (uint32_t k = 0; k < 12; k++)
			ck_assert_int_eq(command(&g, enlist(&g), 1), 0);
		ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
		for (uint32_t i = 0; i < 3; i++) {
			ck_assert_uint_eq(rsm_settings_in_force(rsm_group_rsm(&g, i))->sessions_max,
					  settings[leader].group.sessions_max);
			ck_assert_uint_le(rsm_group_rsm(&g, i)->sessions.by_client.count,
					  settings[leader].group.sessions_max);
		}
		settings[(leader + 1) % 3].group.sessions_max = 5 + round;
		restart(&g, (leader + 1) % 3);
	}
	for (uint32_t i = 0; i < 3; i++)
		sim_process_power_loss(g.replicas[i].process);
	for (uint32_t i = 0; i < 3; i++)
		sim_process_start(g.replicas[i].process);
	ck_assert_int_eq(command(&g, enlist(&g), 1), 0);
	ck_assert(rsm_group_agree(&g, 10 * SIM_SECOND));
	ck_assert_uint_eq(g.halts, 0);
	rsm_group_free(&g);
}
END_TEST

/* A group whose leader has its settings needs no entry to say so. */
START_TEST(settings_are_told_once)
{
	struct rsm_group g;
	rsm_group_init(&g, 1, 5, NULL);
	rsm_group_elect(&g);
	rsm_group_append(&g, 0);
	ck_assert(!rsm_group_rsm(&g, 0)->group.settled);
	struct rsm_settings settings = g.settings;
	settings.group.value_bytes_max = 1000;
	g.replicas[0].settings = &settings;
	restart(&g, 0);
	rsm_group_append(&g, 0);
	ck_assert(rsm_group_rsm(&g, 0)->group.settled);
	ck_assert_uint_eq(rsm_settings_in_force(rsm_group_rsm(&g, 0))->value_bytes_max, 1000);
	uint64_t ballot = rsm_group_rsm(&g, 0)->settings_ballot;
	ck_assert_uint_ne(ballot, 0);
	restart(&g, 0);
	rsm_group_append(&g, 0);
	ck_assert_uint_eq(rsm_group_rsm(&g, 0)->settings_ballot, 0);
	ck_assert_uint_eq(rsm_settings_in_force(rsm_group_rsm(&g, 0))->value_bytes_max, 1000);
	rsm_group_free(&g);
}
END_TEST

/* A leader's clock is set ahead by hours, by years, and back: no session grows old by it. */
START_TEST(a_clock_that_steps_ages_no_session)
{
	struct rsm_group g;
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.group.session_idle_us = 60 * SIM_SECOND;
	rsm_group_init(&g, 3, 6, &settings);
	uint64_t client = enlist(&g), other = enlist(&g);
	ck_assert_int_eq(command(&g, client, 1), 0);
	static const int64_t steps[] = {3600 * 1000000ll, 80 * YEAR_US, -100 * YEAR_US,
					30 * YEAR_US};
	for (uint32_t k = 0; k < 4; k++) {
		sim_process_wall_jump(g.replicas[rsm_group_elect(&g)].process, steps[k]);
		ck_assert_int_eq(command(&g, other, 1 + k), 0);
		lead(&g, (rsm_group_elect(&g) + 1) % 3);
		ck_assert_int_eq(command(&g, client, 2 + k), 0);
	}
	ck_assert_uint_eq(rsm_group_rsm(&g, rsm_group_elect(&g))->sessions.evictions, 0);
	ck_assert_uint_lt(rsm_lived_us(rsm_group_rsm(&g, rsm_group_elect(&g))), 60 * SIM_SECOND);
	rsm_group_free(&g);
}
END_TEST

/* A process that stood still, with its whole group or alone, has not lived through that time. */
START_TEST(a_pause_is_not_lived_through)
{
	struct rsm_group g;
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.group.session_idle_us = 60 * SIM_SECOND;
	rsm_group_init(&g, 1, 6, &settings);
	uint64_t client = enlist(&g);
	ck_assert_int_eq(command(&g, client, 1), 0);
	for (uint32_t k = 0; k < 5; k++) {
		sim_process_pause(g.replicas[0].process);
		sim_world_run_for(g.world, 3600 * SIM_SECOND);
		sim_process_resume(g.replicas[0].process);
		ck_assert_int_eq(command(&g, client, 2 + k), 0);
	}
	/* Nor has one that did not run. */
	sim_process_power_loss(g.replicas[0].process);
	sim_world_run_for(g.world, 3600 * SIM_SECOND);
	sim_process_start(g.replicas[0].process);
	ck_assert_int_eq(command(&g, client, 7), 0);
	ck_assert_uint_eq(rsm_group_rsm(&g, 0)->sessions.evictions, 0);
	rsm_group_free(&g);
}
END_TEST

/* Time that leaders do live through counts, one after the other, and idle sessions end. */
START_TEST(sessions_do_expire_by_lived_time)
{
	struct rsm_group g;
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.group.session_idle_us = 10 * SIM_SECOND;
	rsm_group_init(&g, 3, 7, &settings);
	uint64_t idle = enlist(&g), busy = enlist(&g);
	ck_assert_int_eq(command(&g, idle, 1), 0);
	for (uint32_t k = 0; k < 12; k++) {
		rsm_group_run(&g, SIM_SECOND);
		ck_assert_int_eq(command(&g, busy, 1 + k), 0);
		lead(&g, k % 3);
	}
	ck_assert_uint_gt(rsm_lived_us(rsm_group_rsm(&g, rsm_group_elect(&g))), 10 * SIM_SECOND);
	ck_assert_int_eq(command(&g, idle, 2), STATUS_SESSION_EXPIRED);
	ck_assert_int_eq(command(&g, busy, 13), 0);
	rsm_group_free(&g);
}
END_TEST

/*
 * An id that nobody was given, and numbers that nobody can have sent, are refused before anything
 * is logged.
 */
START_TEST(strays_are_not_logged)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 8, NULL);
	uint64_t client = enlist(&g);
	ck_assert_int_eq(command(&g, client, 1), 0);
	ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
	uint64_t applied = rsm_applied(rsm_group_rsm(&g, 0));
	ck_assert_int_eq(command(&g, 1ull << 63, 1), STATUS_SESSION_EXPIRED);
	ck_assert_int_eq(command(&g, client + 1, 1), STATUS_SESSION_EXPIRED);
	ck_assert_int_eq(command(&g, client, UINT64_MAX), STATUS_SESSION_EXPIRED);
	ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
	ck_assert_uint_eq(rsm_applied(rsm_group_rsm(&g, 0)), applied);
	ck_assert_int_eq(command(&g, client, 2), 0);
	ck_assert_int_eq(command(&g, enlist(&g), 1), 0);
	rsm_group_free(&g);
}
END_TEST

/* ---- a state of the first version ---- */

/* Its log time, by which its sessions expired, goes on as lived time. */
#define FIRST_VERSION_US (100 * SIM_SECOND)

struct rewriting {
	struct buffer out;
	uint64_t chunks;
};

/* The table as the first version wrote it: u64 floor, u64 next_client, u64 sessions, then these. */
static void put_first_version(struct rewriting *r, struct slice payload)
{
	struct id_ranges evicted = {0};
	struct buffer table = {0};
	uint64_t next_client, registered, count, once;
	ck_assert(slice_take_u64(&payload, &next_client) && slice_take_u64(&payload, &registered));
	ck_assert_int_eq(id_ranges_decode(&evicted, &payload), 0);
	ck_assert(slice_take_u64(&payload, &count) && slice_take_u64(&payload, &once));
	buffer_add_u64(&table, 1ull << 62); /* an invented id has raised the floor */
	buffer_add_u64(&table, next_client);
	buffer_add_u64(&table, count);
	buffer_add_slice(&table, payload);
	snapshot_put_chunk(&r->out, r->chunks++, SNAPSHOT_SESSIONS, buffer_slice(&table));
	buffer_free(&table);
	id_ranges_free(&evicted);
}

static int rewrite_chunk(void *context, enum snapshot_chunk_kind kind, struct slice payload)
{
	struct rewriting *r = context;
	if (kind == SNAPSHOT_SESSIONS)
		put_first_version(r, payload);
	else if (kind == SNAPSHOT_APP)
		snapshot_put_chunk(&r->out, r->chunks++, SNAPSHOT_APP, payload);
	return 0;
}

/* Makes of a snapshot file what the first version would have written. */
static void rewrite_snapshot(struct rsm_group *g, uint32_t i, uint64_t slot)
{
	struct disk *disk = g->replicas[i].process->disk;
	struct snapshot_parser parser = {0};
	struct rewriting r = {0};
	char name[SNAPSHOT_NAME_BYTES];
	uint64_t size;
	ck_assert_int_eq(disk_sim_size(disk, snapshot_name(slot, name), &size), 0);
	uint8_t *data = alloc_bytes((size_t)size);
	ck_assert_int_eq(disk_sim_peek(disk, name, 0, data, (size_t)size), 0);
	ck_assert_int_eq(snapshot_parse(&parser, slice(data, SNAPSHOT_HEADER_BYTES), NULL, NULL),
			 0);
	struct snapshot_header header = parser.header;
	header.format = 1;
	header.time_us = FIRST_VERSION_US;
	snapshot_put_header(&r.out, &header);
	ck_assert_int_eq(snapshot_parse(&parser,
					slice(data + SNAPSHOT_HEADER_BYTES,
					      (size_t)size - SNAPSHOT_HEADER_BYTES),
					rewrite_chunk, &r),
			 0);
	snapshot_put_chunk(&r.out, r.chunks++, SNAPSHOT_END, slice(NULL, 0));
	ck_assert_uint_le(r.out.len, size);
	ck_assert_int_eq(disk_sim_poke(disk, name, 0, r.out.data, r.out.len), 0);
	ck_assert_int_eq(disk_sim_truncate(disk, name, r.out.len), 0);
	snapshot_parser_free(&parser);
	buffer_free(&r.out);
	free(data);
}

/*
 * A snapshot of the first version starts with equal contents: values, sessions, and the settings
 * that this node has, until a leader says by which the group goes on. Clients that were shut out by
 * an invented id are let in again.
 */
START_TEST(a_state_of_the_first_version_starts_equal)
{
	struct rsm_group g;
	struct rsm_settings settings;
	rsm_group_init(&g, 1, 9, NULL);
	uint64_t client = enlist(&g);
	while (rsm_group_rsm(&g, 0)->snapshot_slot == 0)
		rsm_group_append(&g, 0);
	uint64_t before = rsm_group_rsm(&g, 0)->snapshot_slot;
	ck_assert_int_eq(command(&g, client, 1), 0);
	uint64_t value = g.appended;
	while (rsm_group_rsm(&g, 0)->snapshot_slot == before)
		rsm_group_append(&g, 0);
	uint64_t slot = rsm_group_rsm(&g, 0)->snapshot_slot;
	sim_process_power_loss(g.replicas[0].process);
	rewrite_snapshot(&g, 0, slot);
	/*
	 * It is another state than the one that was there, and the first version's groups had no
	 * ids.
	 */
	g.replicas[0].process->group_id = 0;
	map_free(&g.hashes);
	g.hashes = (struct map){0};
	settings = g.settings;
	settings.group.sessions_max = 7;
	settings.group.value_bytes_max = 12345;
	g.replicas[0].settings = &settings;
	sim_process_start(g.replicas[0].process);
	const struct rsm *rsm = rsm_group_rsm(&g, 0);
	ck_assert_ptr_nonnull(rsm);
	ck_assert(rsm->group.inherited);
	ck_assert_uint_ge(rsm_lived_us(rsm), FIRST_VERSION_US);
	ck_assert_uint_eq(rsm_settings_in_force(rsm)->value_bytes_max, 12345);
	ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
	/* A late copy gets its first answer and is not applied again. */
	int status = LOST;
	for (uint32_t tries = 0; status == LOST && tries < 10; tries++)
		status = rsm_group_wait(
			&g, rsm_group_command(&g, rsm_group_elect(&g), client, 1, value, 0),
			5 * SIM_SECOND);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(command(&g, enlist(&g), 1), 0);
	ck_assert(rsm_group_rsm(&g, 0)->group.settled);
	ck_assert_uint_eq(rsm_settings_in_force(rsm)->sessions_max, 7);
	uint64_t hash = rsm_state_hash(rsm_group_rsm(&g, 0)),
		 applied = rsm_applied(rsm_group_rsm(&g, 0));
	restart(&g, 0);
	ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
	ck_assert(rsm_applied(rsm_group_rsm(&g, 0)) != applied ||
		  rsm_state_hash(rsm_group_rsm(&g, 0)) == hash);
	ck_assert_uint_eq(g.halts, 0);
	rsm_group_free(&g);
}
END_TEST
