/* The recovery table of wal.h, row by row. */
#include <stdio.h>

#include "../support/check_main.h"
#include "base/crc32c.h"
#include "fixture.h"

#define SEGMENT_1 "log-0000000000000001"
#define SEGMENT_2 "log-0000000000000002"
#define SEGMENT_3 "log-0000000000000003"

enum { SMALL = 64 + 10 * 64 }; /* ten records of 24 bytes payload */

/* A log of batches of `per_batch` records of 64 bytes each; the wal is closed. */
static void seeded_log_of(struct fixture *f, uint64_t seed, int batches, int per_batch)
{
	fixture_init(f, seed, SMALL);
	ck_assert_int_eq(fixture_open(f), 0);
	uint64_t slot = 1;
	for (int batch = 0; batch < batches; batch++) {
		for (int i = 0; i < per_batch; i++)
			fixture_accept(f, slot++, 24);
		fixture_flush(f);
	}
	fixture_crash(f, DISK_SIM_POWER);
}

static void log_of(struct fixture *f, int batches, int per_batch)
{
	seeded_log_of(f, 1, batches, per_batch);
}

static uint64_t at(size_t record)
{
	return 64 + 64 * record;
}

static void damage(struct fixture *f, const char *name, uint64_t offset)
{
	ck_assert_int_eq(disk_sim_flip(f->disk, name, offset, 3), 0);
}

/* Opens and expects `count` records of the model. */
static void expect_records(struct fixture *f, size_t count)
{
	f->durable_count = 0;
	ck_assert_int_eq(fixture_open(f), 0);
	const char *wrong = fixture_compare(f, 1);
	ck_assert_msg(wrong == NULL, "%s", wrong);
	ck_assert_uint_eq(f->appended.count, count);
	ck_assert_str_eq(f->info.problem, "");
}

static void expect_corrupt(struct fixture *f, const char *file)
{
	ck_assert_int_eq(fixture_open(f), STATUS_CORRUPT);
	ck_assert_ptr_null(f->wal);
	ck_assert_msg(strstr(f->info.problem, file) != NULL, "%s", f->info.problem);
}

/* Appends, and expects that everything is there after a power loss. */
static void expect_usable(struct fixture *f)
{
	for (uint64_t slot = 100; slot < 115; slot++) {
		fixture_accept(f, slot, 24);
		fixture_flush(f);
	}
	size_t count = f->appended.count;
	fixture_crash(f, DISK_SIM_POWER);
	expect_records(f, count);
}

/*
 * An empty directory becomes a log of one segment that can be appended to and opened again.
 */
START_TEST(no_segment_is_a_new_log)
{
	struct fixture f;
	fixture_init(&f, 1, SMALL);
	expect_records(&f, 0);
	ck_assert_uint_eq(fixture_count_files(&f, SEGMENT_1), 1);
	ck_assert_uint_eq(fixture_count_files(&f, ""), 2); /* and what names it */
	fixture_crash(&f, DISK_SIM_POWER);
	expect_records(&f, 0);
	expect_usable(&f);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 18. Nothing that verifies after the last batch: the log ends there and nothing counts
 * as torn.
 */
START_TEST(zeros_after_the_last_record_are_the_end)
{
	struct fixture f;
	log_of(&f, 3, 2);
	expect_records(&f, 6);
	ck_assert_uint_eq(f.info.torn_bytes, 0);
	expect_usable(&f);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 13. Whichever record of the last batch is damaged, none of that batch is replayed, its
 * remains are zeroed, and the log is usable.
 */
START_TEST(a_torn_last_batch_is_dropped_whole)
{
	for (size_t record = 6; record < 9; record++) {
		struct fixture f;
		log_of(&f, 3, 3);
		damage(&f, SEGMENT_1, at(record) + 44);
		expect_records(&f, 6);
		/*
		 * What verifies after record 5 reaches to the end of record 8, or of 7 if 8 is the
		 * damaged one.
		 */
		ck_assert_uint_eq(f.info.torn_bytes, record == 8 ? 128 : 192);
		uint8_t rest[192], zeros[192] = {0};
		ck_assert_int_eq(disk_sim_peek(f.disk, SEGMENT_1, at(6), rest, sizeof rest), 0);
		ck_assert_int_eq(memcmp(rest, zeros, (size_t)f.info.torn_bytes), 0);
		expect_usable(&f);
		fixture_free(&f);
	}
}
END_TEST

/* A power loss right after the repair does not bring remains of the torn batch back. */
START_TEST(the_zeros_over_a_torn_batch_are_durable)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct fixture f;
		seeded_log_of(&f, seed, 3, 3);
		damage(&f, SEGMENT_1, at(6) + 44);
		expect_records(&f, 6);
		fixture_crash(&f, DISK_SIM_POWER);
		expect_records(&f, 6);
		ck_assert_uint_eq(f.info.torn_bytes, 0);
		fixture_free(&f);
	}
}
END_TEST

/*
 * The records of a batch count only up to a record flagged as its last: a zeroed end drops
 * the whole batch.
 */
START_TEST(a_batch_whose_end_is_missing_is_dropped)
{
	struct fixture f;
	log_of(&f, 3, 3);
	ck_assert_int_eq(disk_sim_zero(f.disk, SEGMENT_1, at(8), 64), 0);
	expect_records(&f, 6);
	expect_usable(&f);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 14, 15. A damaged record whose batch was followed by another is reported with file and
 * offset, never cut off.
 */
START_TEST(damage_before_a_later_batch_is_corruption)
{
	for (size_t record = 0; record < 6; record++) {
		struct fixture f;
		log_of(&f, 3, 3);
		damage(&f, SEGMENT_1, at(record));
		expect_corrupt(&f, SEGMENT_1);
		char offset[32];
		snprintf(offset, sizeof offset, "offset %llu ",
			 (unsigned long long)at(record / 3 * 3));
		ck_assert_ptr_nonnull(strstr(f.info.problem, offset));
		fixture_free(&f);
	}
}
END_TEST

/* Puts a whole batch of one record into segment 1. */
static void put_record(struct fixture *f, uint64_t offset, uint64_t batch)
{
	uint8_t data[64];
	struct wal_record record = {
		.type = WAL_ACCEPT, .slot = 9, .ballot = 1, .payload = slice("old", 3)};
	wal_record_encode(data, &record, batch);
	wal_record_seal(data, wal_place(1, f->group, f->replica), offset, true);
	ck_assert_int_eq(disk_sim_poke(f->disk, SEGMENT_1, offset, data, wal_record_size(3)), 0);
}

/*
 * A record of an earlier batch that verifies after the end, even right there, comes from an
 * older torn write: it is zeroed.
 */
START_TEST(remains_of_earlier_batches_are_no_corruption)
{
	for (size_t record = 3; record < 6; record++) {
		struct fixture f;
		log_of(&f, 3, 1);
		put_record(&f, at(record), 2);
		expect_records(&f, 3);
		ck_assert_uint_eq(f.info.torn_bytes, at(record) - at(3) + wal_record_size(3));
		expect_usable(&f);
		fixture_free(&f);
	}
}
END_TEST

/*
 * faults: 14, 15. A later batch that stands where the next one should be means that one is lost.
 */
START_TEST(a_batch_out_of_sequence_is_corruption)
{
	struct fixture f;
	log_of(&f, 3, 1);
	put_record(&f, at(3), 5);
	expect_corrupt(&f, SEGMENT_1);
	fixture_free(&f);
}
END_TEST

/* Several segments are replayed in the order of their ids as one sequence. */
START_TEST(a_full_segment_goes_on_in_the_next)
{
	struct fixture f;
	log_of(&f, 25, 1);
	ck_assert_uint_eq(fixture_count_files(&f, "log-"), 3);
	expect_records(&f, 25);
	ck_assert_uint_eq(f.info.segments, 3);
	expect_usable(&f);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 14, 15. Records missing at the end of a segment that is not the last are noticed by the
 * next segment's first batch.
 */
START_TEST(a_segment_that_ends_early_is_corruption)
{
	for (size_t first = 0; first < 10; first++) {
		struct fixture f;
		log_of(&f, 25, 1);
		ck_assert_int_eq(disk_sim_zero(f.disk, SEGMENT_1, at(first), SMALL - at(first)), 0);
		expect_corrupt(&f, SEGMENT_1);
		fixture_free(&f);
	}
}
END_TEST

/*
 * The same when only the last record of a batch is missing, although the batch's number is
 * the one expected.
 */
START_TEST(half_a_batch_at_the_end_of_a_segment_is_corruption)
{
	struct fixture f;
	log_of(&f, 5, 5);
	ck_assert_uint_eq(fixture_count_files(&f, "log-"), 3);
	ck_assert_int_eq(disk_sim_zero(f.disk, SEGMENT_1, at(9), 64), 0);
	expect_corrupt(&f, SEGMENT_1);
	fixture_free(&f);
}
END_TEST

/* A gap in the ids is reported with the segment after it. */
START_TEST(a_missing_segment_is_corruption)
{
	struct fixture f;
	log_of(&f, 25, 1);
	ck_assert_int_eq(disk_sim_remove(f.disk, SEGMENT_2), 0);
	expect_corrupt(&f, SEGMENT_3);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 14. A header with any byte changed is refused, in every segment, the last and empty one
 * too.
 */
START_TEST(a_damaged_header_is_corruption)
{
	for (int segment = 1; segment <= 3; segment++) {
		char name[WAL_NAME_BYTES];
		wal_name(name, WAL_LOG_PREFIX, (uint64_t)segment);
		for (uint64_t offset = 0; offset < WAL_HEADER_BYTES; offset++) {
			struct fixture f;
			log_of(&f, 21, 1);
			damage(&f, name, offset);
			expect_corrupt(&f, name);
			fixture_free(&f);
		}
	}
}
END_TEST

/* faults: 22. A file that holds another segment's bytes is refused. */
START_TEST(a_header_of_another_segment_is_corruption)
{
	struct fixture f;
	log_of(&f, 25, 1);
	uint8_t other[SMALL];
	ck_assert_int_eq(disk_sim_peek(f.disk, SEGMENT_2, 0, other, sizeof other), 0);
	ck_assert_int_eq(disk_sim_poke(f.disk, SEGMENT_3, 0, other, sizeof other), 0);
	expect_corrupt(&f, SEGMENT_3);
	fixture_free(&f);
}
END_TEST

/* faults: 81. The header's group must be the one that is opened. */
START_TEST(a_log_of_another_group_is_refused)
{
	struct fixture f;
	log_of(&f, 3, 1);
	f.group = 8;
	expect_corrupt(&f, "belongs to group 7");
	fixture_free(&f);
}
END_TEST

/*
 * No crash leaves a segment shorter than its header says, so whatever is missing is
 * reported.
 */
START_TEST(a_file_that_is_too_short_is_corruption)
{
	for (int segment = 1; segment <= 3; segment++) {
		char name[WAL_NAME_BYTES];
		wal_name(name, WAL_LOG_PREFIX, (uint64_t)segment);
		for (uint64_t size = 0; size < SMALL; size += 8) {
			struct fixture f;
			log_of(&f, 25, 1);
			ck_assert_int_eq(disk_sim_truncate(f.disk, name, size), 0);
			expect_corrupt(&f, name);
			fixture_free(&f);
		}
	}
}
END_TEST

/*
 * faults: 22. Records that a misdirected write put at another offset or into another segment
 * count as nothing.
 */
START_TEST(records_in_another_place_do_not_verify)
{
	struct fixture f;
	log_of(&f, 13, 1);
	uint8_t records[192];
	ck_assert_int_eq(disk_sim_peek(f.disk, SEGMENT_2, at(0), records, sizeof records), 0);
	ck_assert_int_eq(disk_sim_poke(f.disk, SEGMENT_2, at(3), records, sizeof records), 0);
	ck_assert_int_eq(disk_sim_peek(f.disk, SEGMENT_1, at(6), records, sizeof records), 0);
	ck_assert_int_eq(disk_sim_poke(f.disk, SEGMENT_2, at(6), records, sizeof records), 0);
	expect_records(&f, 13);
	ck_assert_uint_eq(f.info.torn_bytes, 0);
	expect_usable(&f);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 25. A record that claims to be larger than its segment is a bad record, whatever its
 * length says.
 */
START_TEST(a_huge_length_is_bounded)
{
	const uint32_t lengths[] = {SMALL, SMALL - 64 - 40 - 4 * 64 + 1, 1u << 31, UINT32_MAX - 47,
				    UINT32_MAX};
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		struct fixture f;
		log_of(&f, 5, 1);
		uint8_t bytes[4];
		store_u32(bytes, lengths[i]);
		ck_assert_int_eq(disk_sim_poke(f.disk, SEGMENT_1, at(4) + 4, bytes, sizeof bytes),
				 0);
		expect_records(&f, 4);
		expect_usable(&f);
		fixture_free(&f);
	}
}
END_TEST

/*
 * faults: 19, 20. After a failed sync the bytes may be in a cache that believes them written:
 * opening writes them again.
 */
START_TEST(a_batch_whose_sync_failed_is_made_durable_before_it_is_replayed)
{
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct fixture f;
		fixture_init(&f, seed, SMALL);
		expect_records(&f, 0);
		fixture_accept(&f, 1, 24);
		fixture_flush(&f);
		fixture_accept(&f, 2, 24);
		disk_sim_set_faults(f.disk, &(struct disk_sim_faults){.sync_error_ppm = 1000000});
		fixture_flush(&f);
		ck_assert_int_eq(f.fatal_status, STATUS_IO);
		disk_sim_set_faults(f.disk, NULL);
		fixture_crash(&f, DISK_SIM_KILL);
		ck_assert_int_eq(fixture_open(&f), 0);
		ck_assert(fixture_compare(&f, 1) == NULL);
		size_t replayed = f.appended.count;
		fixture_crash(&f, DISK_SIM_POWER);
		expect_records(&f, replayed);
		fixture_free(&f);
	}
}
END_TEST

/*
 * Opening keeps free files of the right size up to the limit, removes the others, and
 * ignores other names.
 */
START_TEST(free_files_are_kept_or_removed)
{
	struct fixture f;
	log_of(&f, 3, 1);
	uint8_t zeros[SMALL] = {0};
	struct file_list before = fixture_files(&f);
	for (size_t i = 0; i < before.count; i++)
		if (strncmp(before.items[i].name, "free-", 5) == 0)
			ck_assert_int_eq(disk_sim_remove(f.disk, before.items[i].name), 0);
	ck_assert_int_eq(disk_sim_poke(f.disk, "free-00000000000000a0", 0, zeros, SMALL), 0);
	ck_assert_int_eq(disk_sim_poke(f.disk, "free-00000000000000a1", 0, zeros, SMALL / 2), 0);
	ck_assert_int_eq(disk_sim_poke(f.disk, "free-00000000000000a2", 0, zeros, SMALL), 0);
	ck_assert_int_eq(disk_sim_poke(f.disk, "free-00000000000000a3", 0, zeros, SMALL), 0);
	ck_assert_int_eq(disk_sim_poke(f.disk, "log-1", 0, zeros, 8), 0);
	ck_assert_int_eq(disk_sim_poke(f.disk, "identity", 0, zeros, 8), 0);
	expect_records(&f, 3);
	ck_assert_uint_eq(fixture_count_files(&f, "free-"), 2);
	ck_assert_uint_eq(fixture_count_files(&f, "free-00000000000000a1"), 0);
	ck_assert_uint_eq(fixture_count_files(&f, "log-1"), 1);
	ck_assert_uint_eq(fixture_count_files(&f, "identity"), 1);
	expect_usable(&f);
	fixture_free(&f);
}
END_TEST

/*
 * Segments of an older size setting are read and appended to; new ones have the new size.
 */
START_TEST(the_segment_size_may_change)
{
	struct fixture f;
	log_of(&f, 13, 1);
	f.segment_bytes = 2 * SMALL;
	expect_records(&f, 13);
	expect_usable(&f);
	struct file_list files = fixture_files(&f);
	size_t larger = 0;
	for (size_t i = 0; i < files.count; i++)
		larger += strncmp(files.items[i].name, "log-", 4) == 0 &&
			  files.items[i].size == 2 * SMALL;
	ck_assert_uint_gt(larger, 0);
	fixture_free(&f);
}
END_TEST

/*
 * A read, write or sync that fails while opening is an error of its own, not corruption,
 * and harms nothing.
 */
START_TEST(opening_reports_errors_of_the_disk)
{
	struct fixture f;
	log_of(&f, 25, 2);
	uint64_t before = disk_sim_operations(f.disk);
	expect_records(&f, 50);
	uint64_t operations = disk_sim_operations(f.disk) - before;
	ck_assert_uint_gt(operations, 8);
	fixture_crash(&f, DISK_SIM_KILL);
	for (uint64_t i = 0; i < operations; i++) {
		disk_sim_fault_at(f.disk, disk_sim_operations(f.disk) + i, DISK_SIM_IO_ERROR);
		ck_assert_int_eq(fixture_open(&f), STATUS_IO);
		ck_assert_ptr_null(f.wal);
	}
	expect_records(&f, 50);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 15, 31. What is left looks like a whole, shorter log; so it is another file that tells.
 */
START_TEST(the_newest_segment_is_missed)
{
	struct fixture f;
	log_of(&f, 25, 1);
	size_t segments = fixture_count_files(&f, "log-");
	char name[WAL_NAME_BYTES];
	wal_name(name, WAL_LOG_PREFIX, segments);
	ck_assert_int_eq(disk_sim_remove(f.disk, name), 0);
	expect_corrupt(&f, name);
	ck_assert_ptr_nonnull(strstr(f.info.problem, "is missing"));
	/* Refusing changes nothing: so it is the next time. */
	expect_corrupt(&f, name);
	fixture_free(&f);
}
END_TEST

/* faults: 15. So does a log without its beginning; what has been released is another matter. */
START_TEST(the_oldest_segment_is_missed)
{
	struct fixture f;
	log_of(&f, 25, 1);
	ck_assert_int_eq(disk_sim_remove(f.disk, SEGMENT_1), 0);
	expect_corrupt(&f, "the oldest segment, " SEGMENT_1 ", is missing");
	fixture_free(&f);

	log_of(&f, 25, 1);
	expect_records(&f, 25);
	wal_position released = f.appended.items[12].position;
	wal_release(f.wal, released);
	fixture_run(&f);
	uint64_t oldest = wal_position_segment(released);
	ck_assert_uint_eq(oldest, 2);
	fixture_crash(&f, DISK_SIM_POWER);
	ck_assert_int_eq(fixture_open(&f), 0);
	ck_assert_uint_eq(f.info.oldest_segment, oldest);
	fixture_crash(&f, DISK_SIM_POWER);
	char name[WAL_NAME_BYTES];
	wal_name(name, WAL_LOG_PREFIX, oldest);
	ck_assert_int_eq(disk_sim_remove(f.disk, name), 0);
	expect_corrupt(&f, name);
	fixture_free(&f);
}
END_TEST

static void remove_log(struct fixture *f)
{
	for (uint64_t id = 1; fixture_count_files(f, "log-") > 0; id++) {
		char name[WAL_NAME_BYTES];
		wal_name(name, WAL_LOG_PREFIX, id);
		ck_assert_int_eq(disk_sim_remove(f->disk, name), 0);
	}
}

/*
 * faults: 15, 31. A directory without a segment is a new log only if there has never been one;
 * and it stays refused.
 */
START_TEST(a_lost_log_is_missed)
{
	struct fixture f;
	log_of(&f, 25, 1);
	remove_log(&f);
	for (int i = 0; i < 3; i++) {
		expect_corrupt(&f, "the log is missing");
		ck_assert_uint_eq(fixture_count_files(&f, "log-"), 0);
	}
	fixture_free(&f);
	/* The owner may know it better than the log. */
	fixture_init(&f, 1, SMALL);
	f.begun = true;
	expect_corrupt(&f, "the log is missing");
	ck_assert_uint_eq(fixture_count_files(&f, ""), 0);
	fixture_free(&f);
}
END_TEST

/*
 * Files of another replica of the same group are refused, be it one segment or what names
 * it; those that say nothing are not.
 */
START_TEST(a_log_of_another_replica_is_refused)
{
	struct fixture f;
	uint8_t header[WAL_HEADER_BYTES];
	struct wal_header h;
	fixture_init(&f, 1, SMALL);
	f.replica = 2;
	ck_assert_int_eq(fixture_open(&f), 0);
	fixture_accept(&f, 1, 24);
	fixture_flush(&f);
	fixture_crash(&f, DISK_SIM_POWER);
	f.replica = 3;
	expect_corrupt(&f, "replica 2, not to group 7, replica 3");
	f.replica = 2;
	expect_records(&f, 1);
	fixture_crash(&f, DISK_SIM_POWER);
	ck_assert_int_eq(disk_sim_peek(f.disk, SEGMENT_1, 0, header, sizeof header), 0);
	ck_assert(wal_header_decode(header, &h));
	ck_assert_uint_eq(h.replica, 2);
	h.replica = 1;
	wal_header_encode(header, &h);
	ck_assert_int_eq(disk_sim_poke(f.disk, SEGMENT_1, 0, header, sizeof header), 0);
	expect_corrupt(&f, SEGMENT_1 " belongs to replica 1 of the group, not to replica 2");
	h.replica = 2;
	wal_header_encode(header, &h);
	ck_assert_int_eq(disk_sim_poke(f.disk, SEGMENT_1, 0, header, sizeof header), 0);
	fixture_age(&f, SEGMENT_1, 1);
	expect_records(&f, 1);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 14. The log says itself what it holds: without the note only what is missing at its end
 * would not be missed. It is written anew.
 */
START_TEST(a_damaged_range_costs_nothing)
{
	for (uint64_t i = 0; i < 128; i++) {
		uint64_t at = i < 64 ? i : WAL_RANGE_HALF_BYTES + i - 64;
		struct fixture f;
		log_of(&f, 25, 1);
		damage(&f, WAL_RANGE_NAME, at);
		expect_records(&f, 25);
		fixture_crash(&f, DISK_SIM_POWER);
		remove_log(&f);
		expect_corrupt(&f, "the log is missing");
		fixture_free(&f);
	}
}
END_TEST

/* As the version before left it: header of format 1, and no range. */
START_TEST(a_log_without_a_range_gets_one)
{
	struct fixture f;
	log_of(&f, 3, 1);
	fixture_age(&f, SEGMENT_1, 1);
	ck_assert_int_eq(disk_sim_remove(f.disk, WAL_RANGE_NAME), 0);
	expect_records(&f, 3);
	ck_assert(!f.info.ranged);
	expect_usable(&f);
	ck_assert(f.info.ranged);
	fixture_crash(&f, DISK_SIM_POWER);
	remove_log(&f);
	expect_corrupt(&f, "the log is missing");
	fixture_free(&f);
}
END_TEST

static void expect_newer(struct fixture *f, const char *what)
{
	ck_assert_int_eq(fixture_open(f), STATUS_NEWER);
	ck_assert_ptr_null(f->wal);
	ck_assert_msg(strstr(f->info.problem, what) != NULL, "%s", f->info.problem);
	ck_assert_ptr_nonnull(strstr(f->info.problem, "newer version"));
}

/* The version, and a checksum that covers it as every later version's does. */
static void make_newer(struct fixture *f, const char *name, uint64_t begin, uint32_t version,
		       size_t size)
{
	uint8_t data[WAL_HEADER_BYTES];
	ck_assert_int_eq(disk_sim_peek(f->disk, name, begin, data, size), 0);
	store_u32(data + 8, version);
	store_u32(data + 12, crc32c(crc32c(0, data + 8, 4), data + 16, size - 16));
	ck_assert_int_eq(disk_sim_poke(f->disk, name, begin, data, size), 0);
}

/* A segment or range file of a newer version is refused with its name, not taken for damage. */
START_TEST(what_a_newer_version_wrote_is_refused_by_name)
{
	struct fixture f;
	log_of(&f, 3, 1);
	make_newer(&f, SEGMENT_1, 0, 5, WAL_HEADER_BYTES);
	expect_newer(&f, SEGMENT_1 " was written by a newer version");
	fixture_free(&f);
	log_of(&f, 3, 1);
	make_newer(&f, WAL_RANGE_NAME, WAL_RANGE_HALF_BYTES, 3, 64);
	expect_newer(&f, WAL_RANGE_NAME " was written by a newer version");
	fixture_free(&f);
}
END_TEST

/*
 * faults: 14, 15. A bit that flips must not make a segment a newer version's, which would never
 * be repaired.
 */
START_TEST(a_version_that_does_not_fit_its_checksum_is_damage)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		struct fixture f;
		log_of(&f, 3, 1);
		ck_assert_int_eq(disk_sim_flip(f.disk, SEGMENT_1, 8 + bit / 8, bit % 8), 0);
		expect_corrupt(&f, "the header of " SEGMENT_1 " does not verify");
		fixture_free(&f);
	}
}
END_TEST

/* Segments of each version before are read whole, and the log can be appended to. */
START_TEST(the_versions_before_are_read)
{
	for (uint32_t version = 1; version <= 3; version++) {
		struct fixture f;
		log_of(&f, 25, 1);
		fixture_age(&f, SEGMENT_1, version);
		fixture_age(&f, SEGMENT_2, version);
		expect_records(&f, 25);
		expect_usable(&f);
		fixture_free(&f);
	}
}
END_TEST

/*
 * Makes record `index` of segment 1 one of another type, or with other flags, as a newer version
 * would write it.
 */
static void make_record_newer(struct fixture *f, size_t index, uint8_t type, uint8_t flags)
{
	uint8_t data[64];
	uint64_t place[2] = {wal_place(1, f->group, f->replica), at(index)};
	ck_assert_int_eq(disk_sim_peek(f->disk, SEGMENT_1, at(index), data, sizeof data), 0);
	data[8] = type;
	data[9] |= flags;
	store_u32(data, crc32c(crc32c(0, place, sizeof place), data + 4, sizeof data - 4));
	ck_assert_int_eq(disk_sim_poke(f->disk, SEGMENT_1, at(index), data, sizeof data), 0);
}

static void expect_untouched(struct fixture *f, uint64_t offset)
{
	uint8_t before[2 * 64], after[2 * 64];
	ck_assert_int_eq(disk_sim_peek(f->disk, SEGMENT_1, offset, before, sizeof before), 0);
	expect_newer(f, SEGMENT_1 " was written by a newer version");
	ck_assert_int_eq(disk_sim_peek(f->disk, SEGMENT_1, offset, after, sizeof after), 0);
	ck_assert_mem_eq(before, after, sizeof before);
}

/*
 * faults: 13, 14, 15, 101. Wherever it stands, alone in its batch or among others, in the last
 * batch or before: refused, and nothing is zeroed.
 */
START_TEST(a_record_of_a_newer_version_is_no_torn_tail)
{
	for (int per_batch = 1; per_batch <= 3; per_batch++)
		for (size_t record = 0; record < 6; record++)
			for (int flags = 0; flags <= 1; flags++) {
				struct fixture f;
				log_of(&f, 6 / per_batch, per_batch);
				make_record_newer(&f, record, flags ? WAL_ACCEPT : WAL_STARTS + 1,
						  flags ? 0x80 : 0);
				expect_untouched(&f, record < 5 ? at(record) : at(4));
				fixture_free(&f);
			}
	/* In an older segment, and every type that there may be one day. */
	for (unsigned type = WAL_STARTS + 1; type <= UINT8_MAX; type++) {
		struct fixture f;
		log_of(&f, 25, 1);
		make_record_newer(&f, type % 10, (uint8_t)type, 0);
		expect_newer(&f, SEGMENT_1);
		fixture_free(&f);
	}
}
END_TEST

/*
 * faults: 13, 14. Its first record is not on disk, the second is: whether anybody was told of it
 * cannot be known here.
 */
START_TEST(a_torn_write_of_a_newer_version_is_refused_too)
{
	struct fixture f;
	uint8_t zeros[64] = {0};
	log_of(&f, 3, 3);
	make_record_newer(&f, 7, WAL_STARTS + 1, 0);
	ck_assert_int_eq(disk_sim_poke(f.disk, SEGMENT_1, at(6), zeros, sizeof zeros), 0);
	expect_untouched(&f, at(7));
	fixture_free(&f);
}
END_TEST

/*
 * Remains behind the end that look like a record of another type, of an absurd batch,
 * though their checksum holds.
 */
START_TEST(what_a_user_stored_is_no_newer_version)
{
	struct fixture f;
	uint8_t data[64];
	struct wal_record record = {
		.type = WAL_ACCEPT, .slot = 9, .ballot = 1, .payload = slice("old", 3)};
	log_of(&f, 3, 1);
	wal_record_encode(data, &record, UINT64_C(1) << 40);
	data[8] = 0x55;
	wal_record_seal(data, wal_place(1, f.group, f.replica), at(5), true);
	ck_assert_int_eq(disk_sim_poke(f.disk, SEGMENT_1, at(5), data, wal_record_size(3)), 0);
	expect_records(&f, 3);
	fixture_free(&f);
}
END_TEST
