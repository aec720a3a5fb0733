/*
 * Two logs in one directory, told apart by the prefix of their files. faults: 11, 23
 */
#include "../support/check_main.h"
#include "fixture.h"

struct second {
	struct fixture *f;
	struct wal *wal;
	struct wal_recovery info;
	uint64_t records, wrong, durable;
};

static void replay(void *context, const struct wal_record *record)
{
	struct second *second = context;
	/* Its slots begin where the other log's never get. */
	second->wrong += record->slot != 0 && record->slot < 1000000;
	second->records += record->slot >= 1000000;
}

static void durable(void *context, uint64_t sequence)
{
	((struct second *)context)->durable = sequence;
}

static void failed(void *context, int status, const char *why)
{
	(void)context;
	ck_abort_msg("status %d: %s", status, why);
}

static void open_second(struct second *second)
{
	struct wal_options options = {
		.disk = second->f->disk,
		.group = 9,
		.segment_bytes = second->f->segment_bytes,
		.prefix = "other-",
		.durable = durable,
		.fatal = failed,
		.context = second,
	};
	second->records = second->wrong = 0;
	ck_assert_int_eq(wal_open(&second->wal, &options, replay, &second->info), 0);
	ck_assert_uint_eq(second->wrong, 0);
}

/* Each log keeps its own segments, recycles its own files, and finds its own records again. */
START_TEST(two_logs_in_one_directory)
{
	struct fixture f;
	struct second second = {.f = &f};
	fixture_init(&f, 3, 4096);
	ck_assert_int_eq(fixture_open(&f), 0);
	open_second(&second);
	wal_position last = 0;
	for (uint64_t i = 0; i < 100; i++) {
		fixture_accept(&f, i + 1, 300);
		struct wal_record record = {.type = WAL_ACCEPT,
					    .slot = 1000000 + i,
					    .ballot = 1,
					    .payload = slice_string("second")};
		wal_append(second.wal, &record, &last);
		wal_flush(second.wal);
		fixture_flush(&f);
	}
	ck_assert_uint_eq(second.durable, 100);
	ck_assert_uint_gt(fixture_count_files(&f, "log-"), 3);
	ck_assert_uint_eq(fixture_count_files(&f, "other-log-"), 2);
	wal_release(second.wal, last);
	fixture_run(&f);
	ck_assert_uint_eq(fixture_count_files(&f, "other-log-"), 1);
	struct wal *before = second.wal;
	fixture_crash(&f, DISK_SIM_POWER);
	wal_close(before);
	ck_assert_int_eq(fixture_open(&f), 0);
	ck_assert_ptr_null(fixture_compare(&f, 0));
	open_second(&second);
	ck_assert_uint_gt(second.records, 0);
	ck_assert_uint_lt(second.records, 100);
	wal_close(second.wal);
	fixture_free(&f);
}
END_TEST

static int open_of(struct second *second)
{
	struct wal_options options = {
		.disk = second->f->disk,
		.group = 9,
		.segment_bytes = second->f->segment_bytes,
		.prefix = "other-",
		.durable = durable,
		.fatal = failed,
		.context = second,
	};
	second->wal = NULL;
	second->records = 0;
	return wal_open(&second->wal, &options, replay, &second->info);
}

/*
 * A log that is refused is put aside, wherever that is interrupted: until it is done, what is left
 * is refused. The other log stays.
 */
START_TEST(a_damaged_log_is_put_aside)
{
	uint64_t at = 0;
	bool interrupted = true;
	for (; interrupted; at++) {
		struct fixture f;
		struct second second = {.f = &f};
		fixture_init(&f, 5 + at, 4096);
		ck_assert_int_eq(fixture_open(&f), 0);
		open_second(&second);
		for (uint64_t i = 0; i < 60; i++) {
			uint8_t payload[150] = {1};
			struct wal_record record = {.type = WAL_ACCEPT,
						    .slot = 1000000 + i,
						    .ballot = 1,
						    .payload = slice(payload, sizeof payload)};
			wal_position position;
			wal_append(second.wal, &record, &position);
			wal_flush(second.wal);
			fixture_accept(&f, i + 1, 300);
			fixture_flush(&f);
		}
		wal_close(second.wal);
		size_t segments = fixture_count_files(&f, "other-log-");
		ck_assert_uint_gt(segments, 1);
		fixture_crash(&f, DISK_SIM_POWER);
		ck_assert_int_eq(disk_sim_flip(f.disk, "other-log-0000000000000001", 100, 3), 0);
		ck_assert_int_eq(open_of(&second), STATUS_CORRUPT);
		disk_sim_fault_at(f.disk, disk_sim_operations(f.disk) + at, DISK_SIM_STOP);
		int status = wal_put_aside(f.disk, "other-");
		interrupted = disk_sim_stopped(f.disk);
		disk_sim_fault_at(f.disk, UINT64_MAX, DISK_SIM_NO_FAULT);
		if (interrupted) {
			fixture_crash(&f, at % 2 == 0 ? DISK_SIM_POWER : DISK_SIM_KILL);
			status = open_of(&second);
			ck_assert(status == 0 || status == STATUS_CORRUPT);
			ck_assert_uint_eq(status == 0 ? second.records : 0, 0);
			if (status == 0)
				wal_close(second.wal);
			status = status == 0 ? 0 : wal_put_aside(f.disk, "other-");
		}
		ck_assert_int_eq(status, 0);
		ck_assert_int_eq(open_of(&second), 0);
		ck_assert_uint_eq(second.records, 0);
		ck_assert_uint_eq(fixture_count_files(&f, "other-log-"), 1);
		ck_assert_uint_eq(fixture_count_files(&f, WAL_ASIDE_PREFIX "other-log-"), segments);
		wal_close(second.wal);
		ck_assert_int_eq(fixture_open(&f), 0);
		ck_assert_uint_eq(f.recovered.count, 60);
		fixture_free(&f);
	}
	ck_assert_uint_gt(at, 4);
}
END_TEST
