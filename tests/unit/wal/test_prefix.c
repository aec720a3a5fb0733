/*
 * Two logs in one directory, told apart by the prefix of their files. faults: 11, 23
 */
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
		.disk = second->f->disk, .group = 9, .segment_bytes = second->f->segment_bytes, .prefix = "other-",
		.durable = durable, .fatal = failed, .context = second,
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
		struct wal_record record = {.type = WAL_ACCEPT, .slot = 1000000 + i, .ballot = 1, .payload = slice_string("second")};
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

CHECK_MAIN("wal_prefix", two_logs_in_one_directory)
