/*
 * Damage at rest to the logs and snapshots of whole groups: what one replica has lost comes back
 * from the others while they serve, and what too many have lost is not made up.
 */
#include <check.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "group.h"
#include "paxos/internal.h"
#include "rsm/internal.h"
#include "sim/damage.h"
#include "sim/disk_sim.h"
#include "wal/format.h"

static void settings_of(struct rsm_settings *settings)
{
	rsm_group_settings(settings);
	settings->wal_segment_bytes = 4 * KIB;
	settings->entry_bytes = KIB;
	settings->snapshot_log_bytes = 6 * KIB;
	settings->scrub_interval_ms = 0;
}

static struct disk *disk_of(const struct rsm_group *g, uint32_t i)
{
	return g->replicas[i].process->disk;
}

static void set_up(struct rsm_group *g, uint64_t seed, const struct rsm_settings *settings)
{
	struct rsm_settings small;
	settings_of(&small);
	rsm_group_init(g, 3, seed, settings == NULL ? &small : settings);
	rsm_group_elect(g);
	for (uint32_t k = 0; k < 50; k++)
		rsm_group_append(g, 20 + k * 7 % 150);
	rsm_group_run(g, SIM_SECOND);
}

static void power_loss(struct rsm_group *g, uint32_t i)
{
	sim_process_power_loss(g->replicas[i].process);
}

static void start(struct rsm_group *g, uint32_t i)
{
	sim_process_start(g->replicas[i].process);
	ck_assert_msg(g->replicas[i].process->state == SIM_RUNNING, "%s",
		      g->replicas[i].process->halt_reason);
}

/* Nothing is impaired, and the damaged files are gone. */
static void run_until_repaired(struct rsm_group *g, uint32_t i)
{
	const struct rsm *rsm = rsm_group_rsm(g, i);
	for (uint32_t k = 0;
	     k < 20000 && (rsm->damage.first != 0 || rsm->scrub.damaged_segment != 0 ||
			   rsm->snapshot_renew || rsm->take.step != TAKE_IDLE || rsm->state_lost);
	     k++)
		rsm_group_run(g, SIM_MILLISECOND);
	ck_assert_uint_eq(consensus_impaired(rsm->core), 0);
	ck_assert_uint_eq(rsm->damage.first, 0);
	ck_assert_uint_eq(rsm->scrub.damaged_segment, 0);
	rsm_group_run(g, 100 * SIM_MILLISECOND);
	ck_assert(sim_damage_log_is_whole(disk_of(g, i), SIM_LOG_OF_GROUP));
}

static void check_all_there(struct rsm_group *g)
{
	ck_assert(rsm_group_agree(g, 20 * SIM_SECOND));
	ck_assert_int_eq(rsm_group_read(g, rsm_group_elect(g), g->appended), 0);
	ck_assert_uint_eq(g->halts, 0);
}

/* ---- one replica ---- */

/* Where the last batch of the newest segment begins. */
static uint64_t last_batch(struct disk *disk, const char *name)
{
	static uint8_t data[64 * KIB];
	uint64_t size = 0, begin = WAL_HEADER_BYTES;
	struct wal_frame frame;
	struct wal_header header;
	bool first = true;
	ck_assert_int_eq(disk_sim_size(disk, name, &size), 0);
	ck_assert_int_eq(disk_sim_peek(disk, name, 0, data, size), 0);
	ck_assert(wal_header_decode(data, &header));
	for (uint64_t at = WAL_HEADER_BYTES;
	     wal_record_verify(data + at, size - at, header.place, at, &frame); at += frame.size) {
		if (first)
			begin = at;
		first = frame.last;
	}
	return begin;
}

enum { FLIP, ZERO_SECTOR };

/*
 * Damages byte `at` of the sequence of all log files, but for the last batch, and the snapshot.
 * False: there are not so many.
 */
static bool damage_byte(struct disk *disk, uint64_t at, int kind, char *what, size_t size_of_what)
{
	char names[64][32];
	uint32_t count = 0;
	const char *name;
	uint64_t newest = 0, number;
	for (size_t i = 0; (name = disk_sim_file(disk, i)) != NULL; i++)
		if (wal_name_parse(name, WAL_LOG_PREFIX, &number) ||
		    snapshot_name_parse(name, &number))
			snprintf(names[count++], sizeof names[0], "%s", name);
	for (uint32_t i = 0; i < count; i++)
		if (wal_name_parse(names[i], WAL_LOG_PREFIX, &number) && number > newest)
			newest = number;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t size = 0;
		ck_assert_int_eq(disk_sim_size(disk, names[i], &size), 0);
		if (wal_name_parse(names[i], WAL_LOG_PREFIX, &number) && number == newest)
			size = last_batch(disk, names[i]);
		if (at >= size) {
			at -= size;
			continue;
		}
		snprintf(what, size_of_what, "%.31s byte %u", names[i], (unsigned)at);
		if (kind == FLIP) {
			ck_assert_int_eq(disk_sim_flip(disk, names[i], at, (unsigned)at % 8), 0);
		} else {
			static const uint8_t zeros[512];
			uint64_t begin = at / 512 * 512,
				 end = begin + 512 < size ? begin + 512 : size;
			ck_assert_int_eq(disk_sim_poke(disk, names[i], begin, zeros, end - begin),
					 0);
		}
		return true;
	}
	return false;
}

/*
 * Damages the byte at replica i, which is down meanwhile; everything is as before, and its vote
 * counts: the third is down in the end, with the leader among those who stay or not.
 */
static bool damage_and_repair(uint64_t seed, uint64_t at, int kind, char what[80])
{
	struct rsm_group g;
	set_up(&g, seed, NULL);
	uint32_t i = (rsm_group_leader(&g) + (uint32_t)seed) % 3,
		 third = (i + 1 + (uint32_t)(at / 3 % 2)) % 3;
	power_loss(&g, i);
	bool more = damage_byte(disk_of(&g, i), at, kind, what, 80);
	if (at % 2 == 0)
		rsm_group_append_many(&g, 3);
	start(&g, i);
	ck_assert_msg(consensus_votes(rsm_core(rsm_group_rsm(&g, i))), "%s: it has lost its vote",
		      what);
	rsm_group_append_many(&g, 3);
	check_all_there(&g);
	run_until_repaired(&g, i);
	power_loss(&g, third);
	rsm_group_append_many(&g, 3);
	power_loss(&g, i);
	start(&g, i);
	rsm_group_append_many(&g, 3);
	start(&g, third);
	check_all_there(&g);
	rsm_group_free(&g);
	return more;
}

/*
 * faults: 14, 15, 22, 34. Not each of them, since each is a life of a group: in a snapshot, where
 * all are alike, the fewest.
 */
START_TEST(every_flipped_byte_is_repaired)
{
	char what[80] = "";
	uint64_t count = 0;
	for (uint64_t at = 0; damage_and_repair(1, at, FLIP, what);
	     at += strncmp(what, "log-", 4) == 0 ? 23 : 997)
		count++;
	ck_assert_uint_gt(count, 200);
}
END_TEST

/*
 * faults: 14, 15, 18, 22, 34. Wherever a sector becomes zeros, the replica starts and has
 * everything again.
 */
START_TEST(every_zeroed_sector_is_repaired)
{
	char what[80] = "";
	for (uint64_t seed = 1; seed <= 6; seed++)
		for (uint64_t at = 0; damage_and_repair(seed, at, ZERO_SECTOR, what);
		     at += strncmp(what, "log-", 4) == 0 ? 509 : 5003)
			;
}
END_TEST

/*
 * faults: 14, 15, 81. Its header would say so; where that is damaged, its records do. What this
 * one had in its own is asked of the others.
 */
START_TEST(a_segment_of_another_replica_is_no_replica_s_own)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct rsm_group g;
		struct rsm_settings settings;
		char name[WAL_NAME_BYTES];
		static uint8_t data[4 * KIB];
		settings_of(&settings);
		settings.snapshot_log_bytes = 64 * KIB;
		set_up(&g, seed, &settings);
		uint32_t i = (uint32_t)seed % 3, other = (i + 1) % 3;
		const struct wal *own = rsm_group_rsm(&g, i)->wal,
				 *theirs = rsm_group_rsm(&g, other)->wal;
		uint64_t first = wal_oldest_segment(own), last = wal_newest_segment(own);
		uint64_t end = wal_newest_segment(theirs);
		ck_assert_uint_eq(first, wal_oldest_segment(theirs));
		ck_assert(last > first + 1 && end > first + 1);
		wal_name(name, WAL_LOG_PREFIX, first + seed % ((last < end ? last : end) - first));
		power_loss(&g, i);
		ck_assert_int_eq(disk_sim_peek(disk_of(&g, other), name, 0, data, sizeof data), 0);
		ck_assert_int_eq(disk_sim_poke(disk_of(&g, i), name, 0, data, sizeof data), 0);
		sim_process_start(g.replicas[i].process);
		ck_assert_int_ne(g.replicas[i].process->state, SIM_RUNNING);
		g.halts = 0;
		ck_assert_int_eq(disk_sim_flip(disk_of(&g, i), name, seed * 5, 1), 0);
		start(&g, i);
		ck_assert_uint_ne(rsm_group_rsm(&g, i)->damage.last_segment, 0);
		rsm_group_append_many(&g, 3);
		check_all_there(&g);
		run_until_repaired(&g, i);
		power_loss(&g, other);
		rsm_group_append_many(&g, 3);
		start(&g, other);
		check_all_there(&g);
		rsm_group_free(&g);
	}
}
END_TEST

/* ---- all of them ---- */

/*
 * faults: 14, 15, 34. Every replica has damage in another place: together they still have everything.
 */
START_TEST(different_damage_on_all_replicas_is_survived)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct rsm_group g;
		struct rsm_settings settings;
		settings_of(&settings);
		settings.snapshot_log_bytes = 64 * KIB;
		set_up(&g, seed, &settings);
		for (uint32_t i = 0; i < 3; i++)
			power_loss(&g, i);
		for (uint32_t i = 0; i < 3; i++) {
			/*
			 * The same slots stand at about the same places: so these are other ones.
			 */
			char what[80];
			ck_assert(damage_byte(disk_of(&g, i), 300 + 2000 * i + seed * 37 % 700,
					      seed % 2 == 0 ? FLIP : ZERO_SECTOR, what,
					      sizeof what));
		}
		for (uint32_t i = 0; i < 3; i++)
			start(&g, (i + (uint32_t)seed) % 3);
		rsm_group_append_many(&g, 3);
		check_all_there(&g);
		for (uint32_t i = 0; i < 3; i++)
			run_until_repaired(&g, i);
		rsm_group_free(&g);
	}
}
END_TEST

/* Damages the record of `slot`. */
static void damage_slot(struct rsm_group *g, uint32_t i, uint64_t slot, wal_position position)
{
	char name[WAL_NAME_BYTES];
	(void)slot;
	wal_name(name, WAL_LOG_PREFIX, wal_position_segment(position));
	ck_assert_int_eq(disk_sim_flip(disk_of(g, i), name, wal_position_offset(position) + 20, 1),
			 0);
}

/*
 * faults: 14, 15. One slot on all, or on two: the third alone knows, and nothing is decided
 * without it.
 */
START_TEST(what_all_have_lost_is_not_made_up)
{
	for (uint32_t lost = 2; lost <= 3; lost++) {
		struct rsm_group g;
		struct rsm_settings settings;
		settings_of(&settings);
		settings.snapshot_log_bytes = 64 * KIB;
		set_up(&g, lost, &settings);
		wal_position positions[3];
		for (uint32_t i = 0; i < 3; i++) {
			positions[i] = log_index_get(&rsm_group_rsm(&g, i)->index, 20);
			ck_assert_uint_ne(positions[i], 0);
		}
		for (uint32_t i = 0; i < 3; i++)
			power_loss(&g, i);
		for (uint32_t i = 0; i < lost; i++)
			damage_slot(&g, i, 20, positions[i]);
		for (uint32_t i = 0; i < lost; i++)
			start(&g, i);
		rsm_group_run(&g, 20 * SIM_SECOND);
		uint32_t impaired = 0, silent = 0;
		bool said = false;
		for (uint32_t k = 0; k < 2000 && !said; k++) {
			rsm_group_run(&g, SIM_MILLISECOND);
			for (uint32_t i = 0; i < lost; i++) {
				ck_assert(!rsm_is_leader(rsm_group_rsm(&g, i)));
				ck_assert_uint_lt(rsm_applied(rsm_group_rsm(&g, i)), 20);
				uint64_t slot = consensus_undecided(rsm_core(rsm_group_rsm(&g, i)),
								    &impaired, &silent);
				/* Or the one before: that it is chosen was noted later. */
				said = said || (slot >= 18 && slot <= 20 && (impaired & 3) == 3);
			}
		}
		ck_assert(said);
		if (lost == 2) {
			start(&g, 2);
			rsm_group_append_many(&g, 3);
			check_all_there(&g);
		}
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * faults: 14, 15. What was written last before the damage ends the log, which is cut off there: a
 * ballot may have been promised behind it.
 */
START_TEST(a_promise_that_is_lost_costs_the_vote)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct rsm_group g;
		set_up(&g, seed, NULL);
		uint32_t i = (rsm_group_leader(&g) + 1) % 3;
		uint64_t newest = wal_newest_segment(rsm_group_rsm(&g, i)->wal);
		char name[WAL_NAME_BYTES];
		wal_name(name, WAL_LOG_PREFIX, newest);
		power_loss(&g, i);
		ck_assert_int_eq(disk_sim_truncate(disk_of(&g, i), name, 64 + seed * 16), 0);
		g.replicas[i].promise_told = 0;
		for (int round = 0; round < 3; round++) {
			start(&g, i);
			ck_assert(!consensus_votes(rsm_core(rsm_group_rsm(&g, i))));
			rsm_group_append_many(&g, 60);
			check_all_there(&g);
			/* And so after the damaged file has been released. */
			power_loss(&g, i);
		}
		rsm_group_free(&g);
	}
}
END_TEST

static bool is_bound(const struct rsm_group *g, uint32_t i)
{
	const struct consensus *core = rsm_core(rsm_group_rsm(g, i));
	const struct consensus_members *m = consensus_members(core);
	for (uint32_t k = 0; k < m->count; k++)
		if (m->list[k].replica == i + 1)
			return m->list[k].life == g->replicas[i].process->env.life &&
			       consensus_votes(core);
	return false;
}

static void run_until_bound(struct rsm_group *g, uint32_t i)
{
	for (uint32_t k = 0; k < 2000 && !is_bound(g, i); k++)
		rsm_group_run(g, 10 * SIM_MILLISECOND);
	ck_assert(is_bound(g, i));
}

/*
 * faults: 14, 15, 38. As if its disk had been lost: it is bound anew, votes, and keeps the new
 * life when it starts again.
 */
START_TEST(a_promise_that_is_lost_is_another_life)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct rsm_group g;
		struct rsm_settings settings;
		settings_of(&settings);
		rsm_group_init_lives(&g, 3, seed, &settings);
		rsm_group_elect(&g);
		for (uint32_t i = 0; i < 3; i++)
			run_until_bound(&g, i);
		rsm_group_append_many(&g, 20);
		rsm_group_run(&g, SIM_SECOND);
		uint32_t i = (rsm_group_leader(&g) + (uint32_t)seed) % 3;
		char name[WAL_NAME_BYTES];
		wal_name(name, WAL_LOG_PREFIX, wal_newest_segment(rsm_group_rsm(&g, i)->wal));
		power_loss(&g, i);
		uint64_t before = g.replicas[i].process->env.life;
		ck_assert_int_eq(disk_sim_truncate(disk_of(&g, i), name, 64 + seed * 16), 0);
		start(&g, i);
		uint64_t after = g.replicas[i].process->env.life;
		ck_assert_uint_ne(after, before);
		ck_assert(!consensus_votes(rsm_core(rsm_group_rsm(&g, i))));
		if (seed % 3 == 0) {
			/* What it has begun is durable, if it came so far. */
			rsm_group_run(&g, 100 * SIM_MILLISECOND);
			power_loss(&g, i);
			start(&g, i);
			ck_assert_uint_eq(g.replicas[i].process->env.life, after);
			ck_assert(!consensus_votes(rsm_core(rsm_group_rsm(&g, i))));
		}
		run_until_bound(&g, i);
		rsm_group_append_many(&g, 20);
		check_all_there(&g);
		/* Its vote counts. */
		power_loss(&g, (i + 1) % 3);
		rsm_group_append_many(&g, 5);
		power_loss(&g, i);
		start(&g, i);
		ck_assert_uint_eq(g.replicas[i].process->env.life, after);
		rsm_group_append_many(&g, 5);
		start(&g, (i + 1) % 3);
		check_all_there(&g);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * faults: 14, 15, 28. Nothing behind shows what had been promised or accepted in it. Also where
 * nothing says which segments there were, as before.
 */
START_TEST(a_log_that_has_lost_its_beginning_is_refused)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		char name[WAL_NAME_BYTES];
		set_up(&g, seed, NULL);
		uint32_t i = (rsm_group_leader(&g) + (uint32_t)seed) % 3;
		const struct wal *log = rsm_group_rsm(&g, i)->wal;
		ck_assert_uint_gt(wal_newest_segment(log), wal_oldest_segment(log));
		ck_assert_uint_gt(wal_oldest_segment(log), 1);
		wal_name(name, WAL_LOG_PREFIX, wal_oldest_segment(log));
		power_loss(&g, i);
		ck_assert_int_eq(disk_sim_remove(disk_of(&g, i), name), 0);
		if (seed % 2 == 0)
			ck_assert_int_eq(disk_sim_remove(disk_of(&g, i), WAL_RANGE_NAME), 0);
		sim_process_start(g.replicas[i].process);
		ck_assert_int_ne(g.replicas[i].process->state, SIM_RUNNING);
		ck_assert_int_eq(g.replicas[i].process->halt_status, STATUS_CORRUPT);
		rsm_group_append_many(&g, 3);
		rsm_group_free(&g);
	}
}
END_TEST
