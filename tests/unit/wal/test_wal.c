/* What the wal promises while serving: group commit, reading back, release, a full disk. */
#include "../support/check_main.h"
#include "fixture.h"

#define FIRST_SEGMENT "log-0000000000000001"

enum { SMALL = 64 + 10 * 64 }; /* ten records of 24 bytes payload */

static void begin_large(struct fixture *f)
{
	fixture_init(f, 1, 1 << 20);
	ck_assert_int_eq(fixture_open(f), 0);
	/* The reserve is made with the first flush: out of the way. */
	fixture_accept(f, 0, 24);
	fixture_flush(f);
}

static void begin_small(struct fixture *f)
{
	fixture_init(f, 1, SMALL);
	ck_assert_int_eq(fixture_open(f), 0);
}

static void reopen(struct fixture *f, wal_position released)
{
	fixture_crash(f, DISK_SIM_POWER);
	ck_assert_int_eq(fixture_open(f), 0);
	const char *wrong = fixture_compare(f, released);
	ck_assert_msg(wrong == NULL, "%s", wrong);
}

/* Appending only collects: no disk operation, nothing durable, all of it pending. */
START_TEST(nothing_is_written_before_the_flush)
{
	struct fixture f;
	begin_large(&f);
	uint64_t operations = disk_sim_operations(f.disk);
	fixture_accept(&f, 1, 100);
	fixture_accept(&f, 2, 7);
	ck_assert_uint_eq(disk_sim_operations(f.disk), operations);
	ck_assert_uint_eq(wal_durable(f.wal), 1);
	ck_assert_uint_eq(wal_pending_bytes(f.wal), wal_record_size(100) + wal_record_size(7));
	fixture_flush(&f);
	ck_assert_uint_eq(wal_durable(f.wal), 3);
	ck_assert_uint_eq(wal_pending_bytes(f.wal), 0);
	fixture_free(&f);
}
END_TEST

/* faults: 1, 11. Everything that was collected goes to the disk as one request. */
START_TEST(a_flush_is_one_write_and_one_sync)
{
	struct fixture f;
	begin_large(&f);
	uint64_t writes = disk_sim_counters(f.disk)->writes,
		 syncs = disk_sim_counters(f.disk)->syncs;
	for (uint64_t slot = 1; slot <= 100; slot++)
		fixture_accept(&f, slot, 50);
	fixture_flush(&f);
	ck_assert_uint_eq(disk_sim_counters(f.disk)->writes, writes + 1);
	ck_assert_uint_eq(disk_sim_counters(f.disk)->syncs, syncs + 1);
	ck_assert_uint_eq(f.durable, 101);
	ck_assert_uint_eq(wal_counters(f.wal)->batches, 2);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 3, 12, 75. While batch k syncs, batch k+1 collects; it is written, as one, only after k
 * is durable.
 */
START_TEST(the_next_batch_waits_for_the_one_under_way)
{
	struct fixture f;
	begin_large(&f);
	uint64_t writes = disk_sim_counters(f.disk)->writes;
	disk_sim_hold_syncs(f.disk, DISK_LANE_LOG, true);
	fixture_accept(&f, 1, 10);
	wal_flush(f.wal);
	for (uint64_t slot = 2; slot <= 5; slot++) {
		fixture_accept(&f, slot, 10);
		wal_flush(f.wal);
	}
	fixture_run(&f);
	ck_assert_uint_eq(wal_durable(f.wal), 1);
	ck_assert_uint_eq(disk_sim_counters(f.disk)->writes, writes + 1);
	ck_assert_uint_eq(wal_pending_bytes(f.wal), 5 * wal_record_size(10));

	disk_sim_hold_syncs(f.disk, DISK_LANE_LOG, false);
	ck_assert(fixture_step(&f));
	ck_assert_uint_eq(wal_durable(f.wal), 2);
	ck_assert_uint_eq(disk_sim_counters(f.disk)->writes, writes + 2);
	ck_assert_uint_eq(wal_pending_bytes(f.wal), 4 * wal_record_size(10));
	fixture_run(&f);
	ck_assert_uint_eq(wal_durable(f.wal), 6);
	fixture_free(&f);
}
END_TEST

/* Records appended after the last flush wait for the next one. */
START_TEST(what_was_not_flushed_does_not_follow_by_itself)
{
	struct fixture f;
	begin_large(&f);
	fixture_accept(&f, 1, 10);
	wal_flush(f.wal);
	fixture_accept(&f, 2, 10);
	fixture_run(&f);
	ck_assert_uint_eq(wal_durable(f.wal), 2);
	fixture_flush(&f);
	ck_assert_uint_eq(wal_durable(f.wal), 3);
	fixture_free(&f);
}
END_TEST

/* Positions ascend, also from one segment to the next, and replay gives the same ones. */
START_TEST(positions_ascend_over_segments)
{
	struct fixture f;
	begin_small(&f);
	wal_position last = 0;
	for (uint64_t slot = 1; slot <= 45; slot++) {
		wal_position position = fixture_accept(&f, slot, 24);
		ck_assert_uint_gt(position, last);
		last = position;
	}
	ck_assert_uint_eq(wal_position_segment(last), 5);
	fixture_flush(&f);
	ck_assert_uint_eq(f.durable, 45);
	reopen(&f, 1);
	ck_assert_uint_eq(f.appended.count, 45);
	fixture_free(&f);
}
END_TEST

/* A payload of wal_payload_max() bytes fills a segment of its own, and comes back. */
START_TEST(the_largest_record_of_the_usual_segment_fits)
{
	struct fixture f;
	begin_small(&f);
	ck_assert_uint_eq(wal_payload_max(f.wal), SMALL - 104);
	fixture_accept(&f, 1, 3);
	fixture_accept(&f, 2, wal_payload_max(f.wal));
	fixture_accept(&f, 3, wal_payload_max(f.wal));
	fixture_accept(&f, 4, 0);
	fixture_flush(&f);
	reopen(&f, 1);
	ck_assert_uint_eq(f.appended.count, 4);
	ck_assert_uint_eq(f.info.segments, 4);
	fixture_free(&f);
}
END_TEST

/*
 * It comes back, from the buffer, the disk and the next start; the segments beside it are
 * of the usual size.
 */
START_TEST(a_record_larger_than_a_segment_gets_one_of_its_own)
{
	struct fixture f;
	begin_small(&f);
	const size_t lengths[] = {3, SMALL - 103, 100000, 4000, 2 * 4096 - 104, 2 * 4096 - 103};
	const uint64_t sizes[] = {SMALL, 4096, 102400, 8192, 8192, 12288};
	enum { COUNT = sizeof lengths / sizeof *lengths };
	for (uint64_t i = 0; i < COUNT; i++) {
		wal_position position = fixture_accept(&f, i + 1, lengths[i]);
		ck_assert_uint_eq(wal_position_segment(position), i + 1);
		ck_assert_int_eq(fixture_read(&f, position), 0);
	}
	fixture_flush(&f);
	for (size_t i = 0; i < COUNT; i++) {
		ck_assert_int_eq(fixture_read(&f, f.appended.items[i].position), 0);
		ck_assert(entry_equal(&f.read, &f.appended.items[i]));
	}
	struct file_list files = fixture_files(&f);
	uint64_t bytes = 0;
	for (size_t i = 0; i < COUNT; i++)
		bytes += sizes[i];
	uint64_t found = 0;
	for (size_t i = 0; i < files.count; i++)
		if (strncmp(files.items[i].name, "log-", 4) == 0)
			found += files.items[i].size;
	ck_assert_uint_eq(found, bytes);
	reopen(&f, 1);
	ck_assert_uint_eq(f.appended.count, COUNT);
	/* Of those that are let go only the ones of the usual size are kept. */
	fixture_accept(&f, 100, 8000);
	wal_position last = fixture_accept(&f, 101, wal_payload_max(f.wal));
	fixture_flush(&f);
	wal_release(f.wal, last);
	fixture_run(&f);
	files = fixture_files(&f);
	for (size_t i = 0; i < files.count; i++)
		ck_assert_msg(strcmp(files.items[i].name, "segment-range") == 0 ||
				      files.items[i].size == SMALL,
			      "%s", files.items[i].name);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 21. Room for usual segments, but not for the one that a long record needs: it says
 * full, and goes on when there is.
 */
START_TEST(a_record_that_the_disk_has_no_room_for_waits)
{
	struct fixture f;
	begin_small(&f);
	fixture_accept(&f, 1, 24);
	fixture_flush(&f);
	struct disk_sim_faults faults = {.space_bytes = 8000};
	disk_sim_set_faults(f.disk, &faults);
	fixture_accept(&f, 2, 100000);
	fixture_accept(&f, 3, 24);
	fixture_flush(&f);
	ck_assert(wal_full(f.wal));
	ck_assert(!wal_busy(f.wal));
	ck_assert_uint_eq(f.durable, 1);
	wal_retry_space(f.wal);
	fixture_run(&f);
	ck_assert(wal_full(f.wal));
	disk_sim_set_faults(f.disk, NULL);
	wal_retry_space(f.wal);
	fixture_run(&f);
	ck_assert(!wal_full(f.wal));
	ck_assert_uint_eq(f.durable, 3);
	reopen(&f, 1);
	ck_assert_uint_eq(f.appended.count, 3);
	fixture_free(&f);
}
END_TEST

/* What a configuration says need not be a multiple of anything. */
START_TEST(any_number_of_bytes_will_do_for_a_segment)
{
	for (uint64_t more = 0; more < 16; more++) {
		struct fixture f;
		fixture_init(&f, 1, SMALL + more);
		ck_assert_int_eq(fixture_open(&f), 0);
		for (uint64_t slot = 1; slot <= 30; slot++)
			fixture_accept(&f, slot, 24);
		fixture_flush(&f);
		ck_assert_uint_ge(f.info.segments, 1);
		reopen(&f, 1);
		ck_assert_uint_eq(f.appended.count, 30);
		fixture_free(&f);
	}
}
END_TEST

/* The number of files grows with the logarithm of the log, up to segments of 16 MiB. */
START_TEST(a_long_log_has_larger_segments)
{
	struct fixture f;
	begin_small(&f);
	for (uint64_t slot = 1; slot <= 20000; slot++) {
		fixture_accept(&f, slot, 24);
		if (slot % 1000 == 0)
			fixture_flush(&f);
	}
	/* 32 segments of 10 records, 32 of 21, of 43, … */
	size_t files = fixture_count_files(&f, "log-");
	ck_assert_uint_ge(files, 5 * 32);
	ck_assert_uint_le(files, 6 * 32);
	reopen(&f, 1);
	ck_assert_uint_eq(f.appended.count, 20000);
	fixture_free(&f);
}
END_TEST

/*
 * Released segments are kept while, with the segments, there are no more than files_max;
 * one is always in reserve.
 */
START_TEST(as_many_files_are_kept_as_the_log_takes)
{
	struct fixture f;
	fixture_init(&f, 1, SMALL);
	f.recycle_max = f.files_max = 4;
	ck_assert_int_eq(fixture_open(&f), 0);
	for (uint64_t round = 1; round <= 5; round++) {
		wal_position last = 0;
		for (uint64_t i = 0; i < 100; i++)
			last = fixture_accept(&f, 100 * round + i, 24);
		fixture_flush(&f);
		wal_release(f.wal, last);
		fixture_run(&f);
		size_t logs = fixture_count_files(&f, "log-"),
		       spare = fixture_count_files(&f, "free-");
		ck_assert_uint_le(logs, 2);
		ck_assert_uint_ge(spare, 1);
		ck_assert_uint_le(logs + spare, 4);
	}
	fixture_free(&f);
}
END_TEST

/*
 * A record reads the same from the buffer that fills, from the one under way, and from the
 * disk; long ones too.
 */
START_TEST(records_are_read_back_from_wherever_they_are)
{
	struct fixture f;
	begin_large(&f);
	size_t lengths[] = {0, 1, 8, 5000, 8152, 8153, 300000};
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		wal_position position = fixture_accept(&f, i, lengths[i]);
		const struct entry *e = &f.appended.items[f.appended.count - 1];
		ck_assert_int_eq(fixture_read(&f, position), 0);
		ck_assert(entry_equal(&f.read, e));
		wal_flush(f.wal);
		uint64_t reads = disk_sim_counters(f.disk)->reads;
		ck_assert_int_eq(fixture_read(&f, position), 0);
		ck_assert(entry_equal(&f.read, e));
		ck_assert_uint_eq(disk_sim_counters(f.disk)->reads, reads);
		fixture_run(&f);
		ck_assert_int_eq(fixture_read(&f, position), 0);
		ck_assert(entry_equal(&f.read, e));
		ck_assert_uint_gt(disk_sim_counters(f.disk)->reads, reads);
	}
	reopen(&f, 1);
	for (size_t i = 0; i < f.appended.count; i++) {
		ck_assert_int_eq(fixture_read(&f, f.appended.items[i].position), 0);
		ck_assert(entry_equal(&f.read, &f.appended.items[i]));
	}
	fixture_free(&f);
}
END_TEST

/*
 * One that the log may keep is held until it is written, among others that are copied; what
 * is pending counts it, and all are read back from wherever they are.
 */
START_TEST(a_long_payload_is_kept_and_not_copied)
{
	static const size_t lengths[] = {24, 4095, 4096, 4097, 0, 5001, 70000, 4096, 13};
	enum { COUNT = sizeof lengths / sizeof *lengths };
	struct fixture f;
	struct bytes *kept[COUNT];
	wal_position positions[COUNT];
	uint64_t pending = 0;
	begin_large(&f);
	for (size_t i = 0; i < COUNT; i++) {
		kept[i] = bytes_new(lengths[i]);
		memset(kept[i]->data, (int)('a' + i), lengths[i]);
		positions[i] = fixture_lend(&f, i + 1, kept[i]);
		pending += wal_record_size(lengths[i]);
		ck_assert_uint_eq(wal_pending_bytes(f.wal), pending);
		ck_assert_uint_eq(kept[i]->refs, lengths[i] >= 4096 ? 2 : 1);
	}
	uint64_t bytes = wal_counters(f.wal)->bytes, writes = disk_sim_counters(f.disk)->writes;
	for (int when = 0; when < 3; when++) {
		for (size_t i = 0; i < COUNT; i++) {
			ck_assert_int_eq(fixture_read(&f, positions[i]), 0);
			ck_assert(entry_equal(&f.read, &f.appended.items[i + 1]));
		}
		if (when == 0) {
			disk_sim_hold_syncs(f.disk, DISK_LANE_LOG, true);
			wal_flush(f.wal);
			ck_assert_uint_eq(wal_pending_bytes(f.wal), pending);
			ck_assert_uint_eq(kept[2]->refs, 2);
		} else if (when == 1) {
			disk_sim_hold_syncs(f.disk, DISK_LANE_LOG, false);
			fixture_run(&f);
			ck_assert_uint_eq(wal_pending_bytes(f.wal), 0);
			ck_assert_uint_eq(kept[2]->refs, 1);
		}
	}
	ck_assert_uint_eq(disk_sim_counters(f.disk)->writes, writes + 1);
	ck_assert_uint_eq(wal_counters(f.wal)->bytes, bytes + pending);
	reopen(&f, 1);
	for (size_t i = 0; i < COUNT; i++)
		bytes_unref(kept[i]);
	fixture_free(&f);
}
END_TEST

/* Closed with records in both buffers, the log lets go of what it has kept. */
START_TEST(what_is_kept_for_a_log_that_ends_is_given_back)
{
	struct fixture f;
	struct bytes *first = bytes_new(5000), *second = bytes_new(6000);
	memset(first->data, 1, first->len);
	memset(second->data, 2, second->len);
	begin_large(&f);
	disk_sim_hold_syncs(f.disk, DISK_LANE_LOG, true);
	fixture_lend(&f, 1, first);
	wal_flush(f.wal);
	fixture_lend(&f, 2, second);
	ck_assert(first->refs == 2 && second->refs == 2);
	fixture_crash(&f, DISK_SIM_KILL);
	ck_assert(first->refs == 1 && second->refs == 1);
	bytes_unref(first);
	bytes_unref(second);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 14. Reading notices damage that happened after opening; positions at which no record is
 * are no record.
 */
START_TEST(a_damaged_record_reads_as_corrupt)
{
	struct fixture f;
	begin_large(&f);
	wal_position position = fixture_accept(&f, 1, 100);
	fixture_flush(&f);
	ck_assert_int_eq(fixture_read(&f, position + 8), STATUS_CORRUPT);
	ck_assert_int_eq(fixture_read(&f, position + 4096), STATUS_NOT_FOUND);
	ck_assert_int_eq(fixture_read(&f, wal_position_make(1, 0)), STATUS_NOT_FOUND);
	ck_assert_int_eq(fixture_read(&f, wal_position_make(9, 64)), STATUS_NOT_FOUND);
	ck_assert_int_eq(
		disk_sim_flip(f.disk, FIRST_SEGMENT, wal_position_offset(position) + 50, 0), 0);
	ck_assert_int_eq(fixture_read(&f, position), STATUS_CORRUPT);
	ck_assert_int_eq(f.fatal_status, 0);
	fixture_free(&f);
}
END_TEST

/* A read error goes to the reader and ends nothing. */
START_TEST(a_failed_read_is_an_answer)
{
	struct fixture f;
	begin_large(&f);
	wal_position position = fixture_accept(&f, 1, 100);
	fixture_flush(&f);
	disk_sim_set_faults(f.disk, &(struct disk_sim_faults){.read_error_ppm = 1000000});
	ck_assert_int_eq(fixture_read(&f, position), STATUS_IO);
	disk_sim_set_faults(f.disk, NULL);
	ck_assert_int_eq(fixture_read(&f, position), 0);
	fixture_free(&f);
}
END_TEST

/*
 * Segments wholly before the released position go, reading them is NOT_FOUND, and the disk
 * does not grow.
 */
START_TEST(released_segments_are_recycled)
{
	struct fixture f;
	begin_small(&f);
	uint64_t disk_bytes_max = 0;
	for (uint64_t slot = 1; slot <= 400; slot++) {
		wal_position position = fixture_accept(&f, slot, 24);
		fixture_flush(&f);
		wal_release(f.wal, position);
		fixture_run(&f);
		if (slot > 10)
			ck_assert_int_eq(fixture_read(&f, f.appended.items[slot - 11].position),
					 STATUS_NOT_FOUND);
		ck_assert_int_eq(fixture_read(&f, position), 0);
		if (wal_disk_bytes(f.wal) > disk_bytes_max)
			disk_bytes_max = wal_disk_bytes(f.wal);
	}
	ck_assert_uint_le(disk_bytes_max, 4 * SMALL);
	ck_assert_uint_eq(fixture_count_files(&f, "log-"), 1);
	ck_assert_uint_le(fixture_count_files(&f, "free-"), 2);
	ck_assert_uint_ge(wal_counters(f.wal)->segments_recycled, 37);
	ck_assert_uint_le(wal_counters(f.wal)->segments_created, 3);
	reopen(&f, f.appended.items[399].position);
	fixture_free(&f);
}
END_TEST

/* Releasing up to a record in the middle of a segment keeps that segment whole. */
START_TEST(a_segment_with_a_needed_record_is_kept)
{
	struct fixture f;
	begin_small(&f);
	for (uint64_t slot = 1; slot <= 25; slot++)
		fixture_accept(&f, slot, 24);
	fixture_flush(&f);
	wal_release(f.wal, f.appended.items[14].position);
	fixture_run(&f);
	ck_assert_int_eq(fixture_read(&f, f.appended.items[9].position), STATUS_NOT_FOUND);
	ck_assert_int_eq(fixture_read(&f, f.appended.items[10].position), 0);
	reopen(&f, f.appended.items[10].position);
	fixture_free(&f);
}
END_TEST

/* A release ahead of the disk waits until the next segment is durable with its header. */
START_TEST(what_is_under_way_is_not_released)
{
	struct fixture f;
	begin_small(&f);
	for (uint64_t slot = 1; slot <= 15; slot++)
		fixture_accept(&f, slot, 24);
	wal_position released = f.appended.items[14].position;
	disk_sim_hold_syncs(f.disk, DISK_LANE_LOG, true);
	wal_flush(f.wal);
	wal_release(f.wal, released);
	fixture_run(&f);
	ck_assert_uint_eq(fixture_count_files(&f, FIRST_SEGMENT), 1);
	ck_assert_int_eq(fixture_read(&f, f.appended.items[0].position), 0);
	disk_sim_hold_syncs(f.disk, DISK_LANE_LOG, false);
	fixture_run(&f);
	ck_assert_uint_eq(wal_durable(f.wal), 15);
	ck_assert_uint_eq(fixture_count_files(&f, FIRST_SEGMENT), 0);
	reopen(&f, released);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 28. Old segments go only when the record that made them unnecessary, appended just
 * before the release, is durable.
 */
START_TEST(a_release_waits_for_what_was_appended_before_it)
{
	struct fixture f;
	begin_small(&f);
	for (uint64_t slot = 1; slot <= 25; slot++)
		fixture_accept(&f, slot, 24);
	fixture_flush(&f);
	wal_position snapshot = fixture_append(&f, WAL_SNAPSHOT, 25, 1, NULL, 0);
	wal_release(f.wal, snapshot);
	fixture_run(&f);
	ck_assert_uint_eq(fixture_count_files(&f, FIRST_SEGMENT), 1);
	fixture_flush(&f);
	ck_assert_uint_eq(fixture_count_files(&f, "log-"), 1);
	reopen(&f, snapshot);
	fixture_free(&f);
}
END_TEST

/*
 * A segment that is released while a record of it is being read goes when the read has
 * ended, not between its steps.
 */
START_TEST(a_reader_keeps_its_segment)
{
	struct fixture f;
	fixture_init(&f, 1, 32768);
	ck_assert_int_eq(fixture_open(&f), 0);
	for (uint64_t slot = 1; slot <= 3; slot++)
		fixture_accept(&f, slot, 20000);
	fixture_flush(&f);
	fixture_read_begin(&f, f.appended.items[0].position);
	wal_release(f.wal, f.appended.items[2].position);
	while (!f.read_done) {
		ck_assert_uint_eq(fixture_count_files(&f, FIRST_SEGMENT), 1);
		ck_assert(fixture_step(&f));
	}
	ck_assert_int_eq(f.read_status, 0);
	ck_assert(entry_equal(&f.read, &f.appended.items[0]));
	fixture_run(&f);
	ck_assert_uint_eq(fixture_count_files(&f, FIRST_SEGMENT), 0);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 16. A recycled file is full of old records; none of them comes back, however little was
 * written over them.
 */
START_TEST(recycling_never_resurrects_old_records)
{
	for (uint64_t kept = 1; kept <= 10; kept++) {
		struct fixture f;
		begin_small(&f);
		for (uint64_t slot = 1; slot <= 50 + kept; slot++) {
			wal_position position = fixture_accept(&f, slot, 24);
			fixture_flush(&f);
			wal_release(f.wal, position);
			fixture_run(&f);
		}
		ck_assert_uint_gt(wal_counters(f.wal)->segments_recycled, 3);
		reopen(&f, f.appended.items[49 + kept].position);
		ck_assert_uint_eq(f.info.records, kept + 1);
		ck_assert_uint_eq(f.recovered.items[0].type, WAL_PROMISE);
		ck_assert_uint_eq(f.info.torn_bytes, 0);
		fixture_free(&f);
	}
}
END_TEST

/*
 * faults: 1, 2, 30. After the segment with the promise is gone, replay still begins with it: the
 * highest ballot promised or accepted.
 */
START_TEST(the_promise_survives_its_segment)
{
	struct fixture f;
	begin_small(&f);
	fixture_append(&f, WAL_PROMISE, 0, 77, NULL, 0);
	fixture_append(&f, WAL_PROMISE, 0, 70, NULL, 0);
	for (uint64_t slot = 1; slot <= 30; slot++)
		fixture_accept(&f, slot, 24);
	fixture_flush(&f);
	wal_release(f.wal, f.appended.items[31].position);
	fixture_run(&f);
	reopen(&f, f.appended.items[31].position);
	ck_assert_int_eq(f.recovered.items[0].type, WAL_PROMISE);
	ck_assert_uint_eq(f.recovered.items[0].ballot, 77);

	fixture_append(&f, WAL_ACCEPT, 99, 80, NULL, 0);
	for (uint64_t slot = 1; slot <= 30; slot++)
		fixture_accept(&f, slot, 24);
	fixture_flush(&f);
	wal_position released = f.appended.items[f.appended.count - 1].position;
	wal_release(f.wal, released);
	fixture_run(&f);
	reopen(&f, released);
	ck_assert_uint_eq(f.recovered.items[0].ballot, 80);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 21, 75. Without room for a reserve the wal is full; what is appended still fits the
 * segment, then waits; space ends it.
 */
START_TEST(a_full_disk_is_said_and_survived)
{
	struct fixture f;
	fixture_init(&f, 1, SMALL);
	disk_sim_set_faults(f.disk, &(struct disk_sim_faults){.space_bytes = SMALL + SMALL / 2 +
									     WAL_RANGE_BYTES});
	ck_assert_int_eq(fixture_open(&f), 0);
	fixture_append(&f, WAL_PROMISE, 0, 5, NULL, 0);
	ck_assert(!wal_full(f.wal));
	fixture_flush(&f);
	ck_assert(wal_full(f.wal));
	ck_assert_uint_eq(wal_durable(f.wal), 1);
	ck_assert_uint_eq(fixture_count_files(&f, "free-"), 0);
	for (uint64_t slot = 1; slot <= 15; slot++) {
		fixture_accept(&f, slot, 24);
		fixture_flush(&f);
	}
	uint64_t durable = wal_durable(f.wal);
	ck_assert_uint_ge(durable, 10);
	ck_assert_uint_lt(durable, 16);
	ck_assert_int_eq(fixture_read(&f, f.appended.items[15].position), 0);
	wal_retry_space(f.wal);
	fixture_run(&f);
	ck_assert(wal_full(f.wal));
	ck_assert_uint_eq(wal_durable(f.wal), durable);

	disk_sim_set_faults(f.disk, NULL);
	wal_retry_space(f.wal);
	fixture_run(&f);
	ck_assert(!wal_full(f.wal));
	ck_assert_uint_eq(wal_durable(f.wal), 16);
	reopen(&f, 1);
	ck_assert_uint_eq(f.appended.count, 16);
	fixture_free(&f);
}
END_TEST

/* faults: 21. On a full disk the segment that a release frees becomes the next one. */
START_TEST(a_release_ends_full)
{
	struct fixture f;
	begin_small(&f);
	for (uint64_t slot = 1; slot <= 12; slot++)
		fixture_accept(&f, slot, 24);
	fixture_flush(&f);
	struct disk_sim_faults faults = {.space_bytes = 3 * SMALL};
	disk_sim_set_faults(f.disk, &faults);
	for (uint64_t slot = 13; slot <= 22; slot++)
		fixture_accept(&f, slot, 24);
	fixture_flush(&f);
	ck_assert(wal_full(f.wal));
	ck_assert_uint_eq(wal_durable(f.wal), 22);
	wal_release(f.wal, f.appended.items[21].position);
	fixture_run(&f);
	ck_assert(!wal_full(f.wal));
	for (uint64_t slot = 23; slot <= 35; slot++)
		fixture_accept(&f, slot, 24);
	fixture_flush(&f);
	ck_assert_uint_eq(wal_durable(f.wal), 35);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 21. Without room for the first segment opening says NO_SPACE, leaves nothing behind,
 * and works once there is room.
 */
START_TEST(a_new_log_on_a_full_disk_is_an_error)
{
	struct fixture f;
	fixture_init(&f, 1, SMALL);
	disk_sim_set_faults(f.disk, &(struct disk_sim_faults){.space_bytes = SMALL - 1});
	ck_assert_int_eq(fixture_open(&f), STATUS_NO_SPACE);
	ck_assert_ptr_nonnull(strstr(f.info.problem, "the disk is full"));
	ck_assert_ptr_nonnull(strstr(f.info.problem, "free some space"));
	ck_assert_uint_eq(fixture_count_files(&f, ""), 0);
	disk_sim_set_faults(f.disk, NULL);
	ck_assert_int_eq(fixture_open(&f), 0);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 19, 20. After a failed sync options.fatal is called once, nothing is reported durable
 * and no request follows.
 */
START_TEST(a_failed_sync_is_the_end)
{
	struct fixture f;
	begin_large(&f);
	disk_sim_set_faults(f.disk, &(struct disk_sim_faults){.sync_error_ppm = 1000000});
	fixture_accept(&f, 1, 10);
	wal_flush(f.wal);
	fixture_accept(&f, 2, 10);
	wal_flush(f.wal);
	fixture_run(&f);
	ck_assert_int_eq(f.fatal_status, STATUS_IO);
	disk_sim_set_faults(f.disk, NULL);
	uint64_t operations = disk_sim_operations(f.disk);
	fixture_accept(&f, 3, 10);
	fixture_flush(&f);
	wal_release(f.wal, f.appended.items[2].position);
	wal_retry_space(f.wal);
	fixture_run(&f);
	ck_assert_uint_eq(disk_sim_operations(f.disk), operations);
	ck_assert_uint_eq(wal_durable(f.wal), 1);
	fixture_free(&f);
}
END_TEST

/* Appends and batches are counted, and the bytes are those of the records. */
START_TEST(counters_add_up)
{
	struct fixture f;
	begin_large(&f);
	uint64_t bytes = wal_counters(f.wal)->bytes;
	for (uint64_t slot = 1; slot <= 1000; slot++) {
		fixture_accept(&f, slot, 16);
		if (slot % 10 == 0)
			fixture_flush(&f);
	}
	ck_assert_uint_eq(wal_counters(f.wal)->appends, 1001);
	ck_assert_uint_eq(wal_counters(f.wal)->batches, 101);
	ck_assert_uint_eq(wal_counters(f.wal)->bytes - bytes, 1000 * wal_record_size(16));
	fixture_free(&f);
}
END_TEST

/*
 * What a recycled file held before gives way to zeros up to the end of the block, and not beyond.
 */
START_TEST(a_write_ends_with_its_block)
{
	struct fixture f;
	begin_large(&f);
	fixture_accept(&f, 1, 24);
	fixture_flush(&f);
	struct file_list files = fixture_files(&f);
	const char *name = NULL;
	for (size_t i = 0; i < files.count; i++)
		if (strncmp(files.items[i].name, "log-", 4) == 0)
			name = files.items[i].name;
	ck_assert_ptr_nonnull(name);
	uint8_t old[8192], now[8192];
	uint64_t end = WAL_HEADER_BYTES + wal_counters(f.wal)->bytes;
	memset(old, 0xa5, sizeof old);
	ck_assert_int_eq(disk_sim_poke(f.disk, name, end, old, sizeof old - end), 0);
	fixture_accept(&f, 2, 24);
	fixture_flush(&f);
	end = WAL_HEADER_BYTES + wal_counters(f.wal)->bytes;
	ck_assert_int_eq(disk_sim_peek(f.disk, name, 0, now, sizeof now), 0);
	for (size_t i = end; i < sizeof now; i++)
		ck_assert_uint_eq(now[i], i < 4096 ? 0 : 0xa5);
	reopen(&f, 0);
	fixture_free(&f);
}
END_TEST
