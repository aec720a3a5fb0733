/*
 * Every byte of a small log of several segments, damaged in every way, before an owner that is told
 * of what was lost: what is replayed is true, everything that is missing lies in a hole, and
 * nothing else does.
 */
#include <stdio.h>

#include "../support/check_main.h"
#include "base/crc32c.h"
#include "fixture.h"

enum { SEGMENT_BYTES = 464 };

static void make_log_of(struct fixture *f, uint64_t group, uint64_t replica)
{
	fixture_init(f, 1, SEGMENT_BYTES);
	f->group = group;
	f->replica = replica;
	ck_assert_int_eq(fixture_open(f), 0);
	uint64_t slot = 0;
	for (int batch = 0; batch < 14; batch++) {
		for (int i = 0; i <= batch % 3; i++, slot++) {
			if (slot % 5 == 0)
				fixture_append(f, WAL_PROMISE, 0, slot + 2, NULL, 0);
			else
				fixture_accept(f, slot, (size_t)(slot * 5 % 23));
		}
		fixture_flush(f);
	}
	wal_close(f->wal);
	f->wal = NULL;
	ck_assert_uint_eq(fixture_count_files(f, "log-"), 4);
}

static void make_log(struct fixture *f)
{
	make_log_of(f, 7, 0);
}

/* What the owner hears, in its order. */
struct heard {
	struct wal_record records[256];
	bool hole[256];
	struct wal_hole holes[256];
	size_t count;
};

static struct heard heard;

static void hear_record(void *context, const struct wal_record *record)
{
	(void)context;
	ck_assert_uint_lt(heard.count, 256);
	heard.hole[heard.count] = false;
	heard.records[heard.count] = *record;
	heard.records[heard.count].payload = slice(NULL, record->payload.len);
	heard.records[heard.count++].payload.len = record->payload.len;
}

static void hear_hole(void *context, const struct wal_hole *hole)
{
	(void)context;
	ck_assert_uint_lt(heard.count, 256);
	heard.hole[heard.count] = true;
	heard.holes[heard.count++] = *hole;
}

static void no_durable(void *context, uint64_t sequence)
{
	(void)context;
	(void)sequence;
}

static void no_fatal(void *context, int status, const char *why)
{
	(void)context;
	ck_abort_msg("%d: %s", status, why);
}

static int open_told(struct fixture *f, struct wal **out)
{
	struct wal_options options = {.disk = f->disk,
				      .group = f->group,
				      .replica = f->replica,
				      .segment_bytes = SEGMENT_BYTES,
				      .lost = hear_hole,
				      .durable = no_durable,
				      .fatal = no_fatal,
				      .context = f};
	heard.count = 0;
	return wal_open(out, &options, hear_record, &f->info);
}

static wal_position scrub_found;
static bool scrub_answered, scrub_ended;

static void scrub_piece(void *context, const struct wal_scrubbed *piece)
{
	(void)context;
	scrub_answered = true;
	scrub_ended = piece->ended;
	if (piece->damaged != 0 && scrub_found == 0)
		scrub_found = piece->damaged;
}

/* The first damaged segment that a scrub tells of; 0: none. */
static uint64_t scrub(struct fixture *f, struct wal *wal)
{
	scrub_found = 0;
	wal_scrub_begin(wal);
	do {
		scrub_answered = false;
		wal_scrub(wal, scrub_piece, f);
		while (!scrub_answered)
			ck_assert(fixture_step(f));
	} while (!scrub_ended);
	return wal_position_segment(scrub_found);
}

static bool in_a_hole(wal_position position)
{
	for (size_t i = 0; i < heard.count; i++)
		if (heard.hole[i] && heard.holes[i].records && position >= heard.holes[i].begin &&
		    position < heard.holes[i].end)
			return true;
	return false;
}

/*
 * The first record that may go without a word: of the last batch; and if what is damaged reaches up
 * to there, so that nothing at all is left behind it, of all batches that are.
 */
static size_t first_that_may_go(const struct fixture *log, uint64_t segment, uint64_t begin,
				uint64_t end)
{
	size_t last = log->durable_before;
	const struct entry *e = &log->appended.items[last];
	if (segment != 4)
		return log->appended.count;
	if (end <= wal_position_offset(e->position))
		return last;
	while (last > 0 && wal_position_segment(log->appended.items[last - 1].position) == 4 &&
	       wal_position_offset(log->appended.items[last - 1].position) +
			       wal_record_size(log->appended.items[last - 1].len) >
		       begin)
		last--;
	return last < 2 ? 0 : last - 2; /* and of the batch that these belong to */
}

/* Returns how many records of the log are missing. */
static size_t check_heard(const struct fixture *log, size_t may_go, const char *what)
{
	size_t next = 0, missing = 0;
	wal_position before = 0;
	for (size_t i = 0; i < heard.count; i++) {
		const struct wal_record *record = &heard.records[i];
		if (heard.hole[i]) {
			ck_assert_msg(heard.holes[i].begin >= before, "%s: a hole out of order",
				      what);
			before = heard.holes[i].begin;
			continue;
		}
		ck_assert_msg(record->position >= before, "%s: a record out of order", what);
		before = record->position;
		if (wal_position_offset(record->position) < WAL_HEADER_BYTES)
			continue;
		while (next < log->appended.count &&
		       log->appended.items[next].position != record->position)
			next++;
		ck_assert_msg(next < log->appended.count, "%s: a record that was never written",
			      what);
		const struct entry *e = &log->appended.items[next];
		ck_assert(e->type == record->type && e->slot == record->slot &&
			  e->ballot == record->ballot && e->len == record->payload.len);
	}
	for (size_t i = 0; i < log->appended.count; i++) {
		wal_position position = log->appended.items[i].position;
		bool replayed = false;
		for (size_t k = 0; k < heard.count && !replayed; k++)
			replayed = !heard.hole[k] && heard.records[k].position == position;
		missing += !replayed;
		bool told = replayed || in_a_hole(position) || i >= may_go;
		ck_assert_msg(told, "%s: record %d is missing, and nobody was told", what, (int)i);
		ck_assert_msg(!replayed || !in_a_hole(position), "%s: record %d is called lost",
			      what, (int)i);
	}
	return missing;
}

enum manner { FLIP, ZERO_SECTOR, CUT };

/* The first `aged` segments were written by the version before. */
static void damage_everywhere(enum manner manner, uint64_t aged)
{
	struct fixture log;
	make_log(&log);
	for (uint64_t segment = 1; segment <= aged; segment++) {
		char name[WAL_NAME_BYTES];
		wal_name(name, WAL_LOG_PREFIX, segment);
		fixture_age(&log, name, 3);
	}
	for (uint64_t segment = 1; segment <= 4; segment++)
		for (uint64_t offset = 0; offset < SEGMENT_BYTES; offset++) {
			static const uint8_t zeros[SEGMENT_BYTES];
			struct fixture copy;
			struct wal *wal;
			char name[WAL_NAME_BYTES], what[64];
			wal_name(name, WAL_LOG_PREFIX, segment);
			snprintf(what, sizeof what, "segment %d offset %d", (int)segment,
				 (int)offset);
			fixture_copy(&copy, &log);
			uint64_t end = offset + 100 < SEGMENT_BYTES ? offset + 100 : SEGMENT_BYTES;
			if (manner == FLIP)
				ck_assert_int_eq(disk_sim_flip(copy.disk, name, offset,
							       (unsigned)offset % 8),
						 0);
			else if (manner == ZERO_SECTOR)
				ck_assert_int_eq(
					disk_sim_poke(copy.disk, name, offset, zeros, end - offset),
					0);
			else
				ck_assert_int_eq(disk_sim_truncate(copy.disk, name, offset), 0);
			/*
			 * Opened, used, and opened again: the same is missing, and what was
			 * appended is there.
			 */
			ck_assert_msg(open_told(&copy, &wal) == 0, "%s: %s", what,
				      copy.info.problem);
			size_t may_go = first_that_may_go(&log, segment, offset,
							  manner == FLIP ? offset + 1 : end);
			if (manner == CUT)
				may_go = log.appended.count;
			size_t missing = check_heard(&log, may_go, what);
			ck_assert(missing <= 8 || manner == CUT);
			ck_assert_msg(manner != CUT || copy.info.last_damaged == segment,
				      "%s: it was cut, and nobody was told", what);
			ck_assert(missing == 0 || copy.info.holes > 0 || segment == 4);
			/*
			 * Whatever is left of a file is not read beyond its end; and no other one
			 * is called damaged.
			 */
			uint64_t found = scrub(&copy, wal);
			ck_assert_msg(found == segment || (found == 0 && manner != CUT),
				      "%s: a scrub finds segment %d", what, (int)found);
			struct wal_record record = {.type = WAL_ACCEPT,
						    .slot = 1000,
						    .ballot = 2000,
						    .payload = slice("new", 3)};
			wal_append(wal, &record, NULL);
			wal_flush(wal);
			fixture_run(&copy);
			ck_assert_uint_eq(wal_durable(wal), 1);
			wal_close(wal);
			ck_assert_msg(open_told(&copy, &wal) == 0, "%s: %s", what,
				      copy.info.problem);
			ck_assert(heard.count > 0 && !heard.hole[heard.count - 1] &&
				  heard.records[heard.count - 1].slot == 1000);
			heard.count--;
			ck_assert_uint_eq(check_heard(&log, may_go, what), missing);
			wal_close(wal);
			fixture_free(&copy);
		}
	fixture_free(&log);
}

/*
 * faults: 13, 14, 15, 22. Whatever byte is flipped, salvage finds the rest, and says where
 * something may be missing.
 */
START_TEST(every_flipped_byte_can_be_salvaged)
{
	damage_everywhere(FLIP, 0);
}
END_TEST

/* faults: 13, 14, 15. The same in a log of the version before. */
START_TEST(every_flipped_byte_of_the_version_before_can_be_salvaged)
{
	damage_everywhere(FLIP, 4);
	damage_everywhere(FLIP, 2);
}
END_TEST

/*
 * faults: 14, 15, 22, 81. It looks like this one's in all but whose it is: nothing of it is
 * believed.
 */
START_TEST(a_segment_of_another_replica_whose_header_is_damaged)
{
	for (uint64_t segment = 1; segment <= 4; segment++)
		for (unsigned other_group = 0; other_group <= 1; other_group++) {
			struct fixture log, other;
			struct wal *wal;
			uint8_t data[SEGMENT_BYTES];
			char name[WAL_NAME_BYTES];
			wal_name(name, WAL_LOG_PREFIX, segment);
			make_log_of(&other, 7 + other_group, 2 - other_group);
			make_log_of(&log, 7, 1);
			ck_assert_int_eq(disk_sim_peek(other.disk, name, 0, data, sizeof data), 0);
			data[20] ^= 1;
			ck_assert_int_eq(disk_sim_poke(log.disk, name, 0, data, sizeof data), 0);
			ck_assert_int_eq(open_told(&log, &wal), 0);
			ck_assert_uint_ge(log.info.holes, 1);
			for (size_t i = 0; i < heard.count; i++)
				ck_assert(heard.hole[i] ||
					  wal_position_segment(heard.records[i].position) !=
						  segment);
			if (segment != 4)
				check_heard(&log, log.appended.count, "another's segment");
			wal_close(wal);
			fixture_free(&log);
			fixture_free(&other);
		}
}
END_TEST

/* faults: 14, 15, 18. Wherever a hundred bytes become zeros, salvage finds the rest. */
START_TEST(a_hundred_zeros_anywhere_can_be_salvaged)
{
	damage_everywhere(ZERO_SECTOR, 0);
}
END_TEST

/* faults: 14, 15. Of the version before: what stands behind the header is read all the same. */
START_TEST(a_damaged_header_behind_a_missing_segment)
{
	struct fixture f;
	struct wal *wal;
	make_log(&f);
	for (uint64_t segment = 1; segment <= 4; segment++) {
		char name[WAL_NAME_BYTES];
		wal_name(name, WAL_LOG_PREFIX, segment);
		fixture_age(&f, name, 3);
	}
	ck_assert_int_eq(disk_sim_remove(f.disk, "log-0000000000000002"), 0);
	ck_assert_int_eq(disk_sim_flip(f.disk, "log-0000000000000003", 30, 1), 0);
	ck_assert_int_eq(open_told(&f, &wal), 0);
	size_t records = 0;
	for (size_t i = 0; i < heard.count; i++)
		records += !heard.hole[i] && wal_position_segment(heard.records[i].position) == 3;
	ck_assert_uint_gt(records, 2);
	check_heard(&f, f.appended.count, "missing");
	wal_close(wal);
	fixture_free(&f);
}
END_TEST

/*
 * faults: 14. Wherever a segment is cut off, salvage finds what is before and in the other
 * segments.
 */
START_TEST(every_truncation_can_be_salvaged)
{
	damage_everywhere(CUT, 0);
}
END_TEST

/*
 * faults: 14, 28. Between others: they are holes, and go with the segments before them. At an end
 * they are missed, as before.
 */
START_TEST(segments_that_are_missing)
{
	for (uint64_t first = 1; first <= 4; first++)
		for (uint64_t last = first; last <= 4; last++) {
			struct fixture f;
			struct wal *wal;
			make_log(&f);
			for (uint64_t segment = first; segment <= last; segment++) {
				char name[WAL_NAME_BYTES];
				wal_name(name, WAL_LOG_PREFIX, segment);
				ck_assert_int_eq(disk_sim_remove(f.disk, name), 0);
			}
			int status = open_told(&f, &wal);
			ck_assert_int_eq(status, first == 1 || last == 4 ? STATUS_CORRUPT : 0);
			if (status == 0) {
				check_heard(&f, f.appended.count, "missing");
				ck_assert_uint_ge(f.info.holes, 1);
				wal_position position;
				struct wal_record record = {
					.type = WAL_ACCEPT, .slot = 1000, .ballot = 2000};
				/*
				 * Up to the missing ones nothing can go: the oldest must be there.
				 */
				wal_release(wal, first << 32);
				for (int i = 0; i < 9; i++)
					wal_append(wal, &record, &position);
				wal_flush(wal);
				fixture_run(&f);
				ck_assert_uint_eq(wal_oldest_segment(wal),
						  first == 2 ? 1 : first - 1);
				wal_close(wal);
				ck_assert_int_eq(open_told(&f, &wal), 0);
				wal_release(wal, (last + 1) << 32);
				wal_append(wal, &record, &position);
				wal_flush(wal);
				fixture_run(&f);
				ck_assert_uint_eq(wal_oldest_segment(wal), last + 1);
				wal_close(wal);
				ck_assert_int_eq(open_told(&f, &wal), 0);
				ck_assert_uint_eq(f.info.holes, 0);
				wal_close(wal);
			}
			fixture_free(&f);
		}
}
END_TEST

/* faults: 2, 14. In the headers of later segments, until another one is written down. */
START_TEST(a_promise_that_is_forgotten_stays_so)
{
	struct fixture f;
	struct wal *wal;
	struct wal_record accept = {
		.type = WAL_ACCEPT, .slot = 1, .ballot = 7, .payload = slice("0123456789", 10)};
	struct wal_record promise = {.type = WAL_PROMISE, .ballot = 9};
	make_log(&f);
	ck_assert_int_eq(open_told(&f, &wal), 0);
	wal_forget_promise(wal);
	for (int round = 0; round < 2; round++) {
		wal_position position = 0;
		for (int i = 0; i < 20; i++)
			wal_append(wal, &accept, &position);
		wal_release(wal, position);
		wal_flush(wal);
		fixture_run(&f);
		wal_close(wal);
		ck_assert_int_eq(open_told(&f, &wal), 0);
		ck_assert(heard.count > 0 && heard.records[0].type == WAL_PROMISE);
		if (round == 0)
			ck_assert_uint_eq(heard.records[0].ballot, WAL_PROMISE_UNKNOWN);
		else
			ck_assert_uint_ge(heard.records[0].ballot, 9);
		wal_forget_promise(wal);
		wal_append(wal, &promise, NULL);
	}
	wal_close(wal);
	fixture_free(&f);
}
END_TEST

/* faults: 13, 14, 15. Damage before a newer version's segment does not hide that it is one. */
START_TEST(a_newer_version_is_refused_behind_damage_too)
{
	struct fixture f;
	struct wal *wal;
	make_log(&f);
	uint8_t data[64];
	const struct entry *e = &f.appended.items[3];
	size_t size = wal_record_size(e->len);
	uint64_t offset = wal_position_offset(e->position),
		 place[2] = {wal_place(1, f.group, f.replica), offset};
	ck_assert_uint_eq(wal_position_segment(e->position), 1);
	ck_assert_int_eq(disk_sim_peek(f.disk, "log-0000000000000001", offset, data, size), 0);
	data[8] = WAL_STARTS + 1;
	store_u32(data,
		  crc32c(crc32c(0, place, sizeof place), data + 4, WAL_RECORD_BYTES - 4 + e->len));
	ck_assert_int_eq(disk_sim_poke(f.disk, "log-0000000000000001", offset, data, size), 0);
	ck_assert_int_eq(disk_sim_flip(f.disk, "log-0000000000000001", 70, 1), 0);
	ck_assert_int_eq(open_told(&f, &wal), STATUS_NEWER);
	fixture_free(&f);
}
END_TEST
