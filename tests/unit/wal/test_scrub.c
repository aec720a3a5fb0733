/*
 * Reading the log once more while it is in use: what is damaged is found, what is not is never
 * told.
 */
#include "../support/check_main.h"
#include "fixture.h"

enum { SEGMENT_BYTES = 464 };

struct found {
	uint64_t bytes, damaged[16];
	size_t count;
	bool answered, ended;
};

static void scrubbed(void *context, const struct wal_scrubbed *piece)
{
	struct found *found = context;
	found->answered = true;
	found->ended = piece->ended;
	found->bytes += piece->bytes;
	if (piece->damaged != 0)
		found->damaged[found->count++] = piece->damaged;
}

static struct found pass(struct fixture *f)
{
	struct found found = {0};
	wal_scrub_begin(f->wal);
	while (!found.ended) {
		found.answered = false;
		wal_scrub(f->wal, scrubbed, &found);
		while (!found.answered)
			ck_assert(fixture_step(f));
	}
	return found;
}

static void append_some(struct fixture *f, int batches)
{
	static uint64_t slot;
	for (int batch = 0; batch < batches; batch++) {
		for (int i = 0; i <= batch % 3; i++, slot++)
			fixture_accept(f, slot + 1, (size_t)(slot * 5 % 23));
		fixture_flush(f);
	}
}

static void open_log(struct fixture *f, int batches)
{
	fixture_init(f, 1, SEGMENT_BYTES);
	ck_assert_int_eq(fixture_open(f), 0);
	append_some(f, batches);
}

/*
 * Whatever its length, also when it is empty, has just begun a segment, and after a
 * restart.
 */
START_TEST(a_whole_log_is_found_whole)
{
	for (int batches = 0; batches < 30; batches++) {
		struct fixture f;
		open_log(&f, batches);
		ck_assert_uint_eq(pass(&f).count, 0);
		fixture_crash(&f, DISK_SIM_POWER);
		ck_assert_int_eq(fixture_open(&f), 0);
		ck_assert_uint_eq(pass(&f).count, 0);
		append_some(&f, 3);
		ck_assert_uint_eq(pass(&f).count, 0);
		fixture_free(&f);
	}
}
END_TEST

/* Appends, new segments and releases between two pieces, and while one is being read. */
START_TEST(what_is_under_way_is_no_damage)
{
	struct fixture f;
	struct found found = {0};
	open_log(&f, 12);
	wal_scrub_begin(f.wal);
	for (int i = 0; !found.ended; i++) {
		found.answered = false;
		wal_scrub(f.wal, scrubbed, &found);
		if (i < 6) {
			wal_position position = fixture_accept(&f, 1000 + (uint64_t)i, 200);
			wal_flush(f.wal);
			if (i == 2)
				wal_release(f.wal, position);
		}
		while (!found.answered)
			ck_assert(fixture_step(&f));
	}
	ck_assert_uint_eq(found.count, 0);
	fixture_run(&f);
	ck_assert_uint_gt(wal_oldest_segment(f.wal), 1);
	fixture_free(&f);
}
END_TEST

/* A record longer than a piece is read whole, and a flipped bit far inside it is found. */
START_TEST(a_long_record_is_read_whole)
{
	struct fixture f;
	static uint8_t payload[700 * 1024];
	fixture_init(&f, 1, 1 << 20);
	ck_assert_int_eq(fixture_open(&f), 0);
	fixture_append(&f, WAL_ACCEPT, 1, 1, "a", 1);
	fixture_append(&f, WAL_ACCEPT, 2, 1, payload, sizeof payload);
	fixture_append(&f, WAL_ACCEPT, 3, 1, "b", 1);
	fixture_flush(&f);
	struct found found = pass(&f);
	ck_assert_uint_eq(found.count, 0);
	ck_assert_uint_gt(found.bytes, sizeof payload);
	ck_assert_int_eq(disk_sim_flip(f.disk, "log-0000000000000001", 600 * 1024, 0), 0);
	ck_assert_uint_eq(pass(&f).count, 1);
	fixture_free(&f);
}
END_TEST

static bool is_of_a_record(const struct fixture *f, uint64_t segment, uint64_t offset)
{
	if (offset < WAL_HEADER_BYTES)
		return true;
	for (size_t i = 0; i < f->appended.count; i++) {
		const struct entry *e = &f->appended.items[i];
		uint64_t begin = wal_position_offset(e->position);
		if (wal_position_segment(e->position) == segment && offset >= begin &&
		    offset < begin + WAL_RECORD_BYTES + e->len)
			return true;
	}
	return false;
}

/*
 * Of each segment, the newest included: one byte less, and all that no record has been
 * written to.
 */
START_TEST(a_file_that_has_become_shorter_is_found)
{
	struct fixture f;
	open_log(&f, 14);
	uint64_t last = wal_newest_segment(f.wal), short_ones = 0;
	for (uint64_t segment = 1; segment <= last; segment++) {
		char name[WAL_NAME_BYTES];
		bool is_short = false;
		uint64_t end = SEGMENT_BYTES;
		wal_name(name, WAL_LOG_PREFIX, segment);
		while (end > 0 && !is_of_a_record(&f, segment, end - 1))
			end--;
		for (uint64_t cut = 0; cut < 2; cut++) {
			uint64_t size = cut == 0 ? SEGMENT_BYTES - 1 : end;
			if (size >= SEGMENT_BYTES || size < end)
				continue;
			ck_assert_int_eq(disk_sim_truncate(f.disk, name, size), 0);
			short_ones += !is_short;
			is_short = true;
			struct found found = pass(&f);
			ck_assert_uint_eq(found.count, short_ones);
			ck_assert_uint_eq(wal_position_segment(found.damaged[found.count - 1]),
					  segment);
		}
	}
	ck_assert_uint_ge(short_ones, 2);
	fixture_free(&f);
}
END_TEST

/* faults: 14, 22. The last batch too: this process knows that it is durable. */
START_TEST(every_damaged_byte_is_found)
{
	struct fixture f;
	open_log(&f, 14);
	uint64_t last = wal_newest_segment(f.wal);
	ck_assert_uint_ge(last, 3);
	for (uint64_t segment = 1; segment <= last; segment++) {
		char name[WAL_NAME_BYTES];
		wal_name(name, WAL_LOG_PREFIX, segment);
		for (uint64_t offset = 0; offset < SEGMENT_BYTES; offset++) {
			bool vital = is_of_a_record(&f, segment, offset);
			ck_assert_int_eq(disk_sim_flip(f.disk, name, offset, (unsigned)offset % 8),
					 0);
			struct found found = pass(&f);
			ck_assert_int_eq(disk_sim_flip(f.disk, name, offset, (unsigned)offset % 8),
					 0);
			ck_assert_msg(found.count == (vital ? 1 : 0), "segment %d offset %d",
				      (int)segment, (int)offset);
			if (!vital)
				continue;
			ck_assert_uint_eq(wal_position_segment(found.damaged[0]), segment);
			ck_assert_uint_le(wal_position_offset(found.damaged[0]), offset);
		}
	}
	fixture_free(&f);
}
END_TEST

/* faults: 14. A segment that has been cut since it was written is found, and named. */
START_TEST(a_segment_that_was_cut_is_found)
{
	struct fixture f;
	open_log(&f, 14);
	ck_assert_int_eq(disk_sim_truncate(f.disk, "log-0000000000000002", 100), 0);
	struct found found = pass(&f);
	ck_assert_uint_eq(found.count, 1);
	ck_assert_uint_eq(wal_position_segment(found.damaged[0]), 2);
	fixture_free(&f);
}
END_TEST

/*
 * So that the newest can be released as well; and what was collected before stays where it
 * is.
 */
START_TEST(the_log_goes_on_in_another_segment)
{
	struct fixture f;
	open_log(&f, 2);
	wal_position before = fixture_accept(&f, 100, 20);
	ck_assert(wal_rotate(f.wal));
	wal_position after = fixture_accept(&f, 101, 20);
	ck_assert_uint_eq(wal_position_segment(before), 1);
	ck_assert_uint_eq(wal_position_segment(after), 2);
	fixture_flush(&f);
	ck_assert_uint_eq(pass(&f).count, 0);
	size_t count = f.appended.count;
	fixture_crash(&f, DISK_SIM_POWER);
	ck_assert_int_eq(fixture_open(&f), 0);
	ck_assert_ptr_null(fixture_compare(&f, 1));
	ck_assert_uint_eq(f.appended.count, count);
	wal_release(f.wal, after);
	fixture_run(&f);
	ck_assert_uint_eq(wal_oldest_segment(f.wal), 2);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 14. Nothing is in it yet: the log goes on in another one. The file of a damaged segment
 * is not used again either.
 */
START_TEST(a_file_in_reserve_that_was_cut_is_not_used)
{
	struct fixture f;
	open_log(&f, 1);
	size_t cut = 0;
	const char *name;
	for (size_t i = 0; (name = disk_sim_file(f.disk, i)) != NULL; i++)
		if (strncmp(name, WAL_FREE_PREFIX, strlen(WAL_FREE_PREFIX)) == 0) {
			ck_assert_int_eq(disk_sim_truncate(f.disk, name, 100), 0);
			cut++;
		}
	ck_assert_uint_gt(cut, 0);
	append_some(&f, 14);
	ck_assert_int_eq(f.fatal_status, 0);
	ck_assert_uint_gt(wal_newest_segment(f.wal), 2);
	ck_assert_uint_eq(pass(&f).count, 0);
	ck_assert_int_eq(disk_sim_truncate(f.disk, "log-0000000000000001", 200), 0);
	ck_assert_uint_eq(pass(&f).count, 1);
	wal_release(f.wal, fixture_accept(&f, 1000, 20));
	fixture_flush(&f);
	fixture_run(&f);
	ck_assert_uint_gt(wal_oldest_segment(f.wal), 2);
	append_some(&f, 30);
	ck_assert_int_eq(f.fatal_status, 0);
	size_t count = f.appended.count;
	wal_position first = (wal_position)wal_oldest_segment(f.wal) << 32;
	fixture_crash(&f, DISK_SIM_POWER);
	ck_assert_int_eq(fixture_open(&f), 0);
	ck_assert_ptr_null(fixture_compare(&f, first));
	ck_assert_uint_le(f.appended.count, count);
	fixture_free(&f);
}
END_TEST
