/*
 * Every byte of a small log of several segments, damaged in every way. Allowed
 * are: all records; all but the last batch; STATUS_CORRUPT. Wrong data, or a batch
 * dropped although another followed it, never.
 */
#include <stdlib.h>

#include "../support/check_main.h"
#include "fixture.h"

enum { SEGMENT_BYTES = 464 };

/* What a byte of the log is, by what its loss may lead to. */
enum meaning {
	UNUSED,     /* nothing is lost */
	PADDING,    /* nor here: not covered by the checksum */
	LAST_BATCH, /* the last batch may be dropped */
	VITAL,      /* must be STATUS_CORRUPT */
};

/* Fourteen batches of one to three records of various lengths: four segments. */
static void make_log(struct fixture *f)
{
	fixture_init(f, 1, SEGMENT_BYTES);
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
	ck_assert_uint_eq(f->durable_count, f->appended.count);
	ck_assert_uint_gt(f->durable_count - f->durable_before, 1);
	wal_close(f->wal);
	f->wal = NULL;
	ck_assert_uint_eq(fixture_count_files(f, "log-"), 4);
}

static enum meaning meaning_of(const struct fixture *f, uint64_t segment, uint64_t offset)
{
	if (offset < WAL_HEADER_BYTES)
		return VITAL;
	for (size_t i = 0; i < f->appended.count; i++) {
		const struct entry *e = &f->appended.items[i];
		uint64_t begin = wal_position_offset(e->position);
		if (wal_position_segment(e->position) != segment || offset < begin ||
		    offset >= begin + wal_record_size(e->len))
			continue;
		if (offset >= begin + WAL_RECORD_BYTES + e->len)
			return PADDING;
		return i >= f->durable_before ? LAST_BATCH : VITAL;
	}
	return UNUSED;
}

/* Opens the damaged copy of a log and checks the outcome. */
static void check_outcome(const struct fixture *log, struct fixture *copy, enum meaning meaning,
			  uint64_t segment, uint64_t offset)
{
	const char *wrong = NULL;
	for (size_t i = 0; i < log->appended.count; i++) {
		const struct entry *e = &log->appended.items[i];
		struct entries *to = &copy->appended;
		if (to->count == to->capacity) {
			to->capacity = to->capacity * 2 + 64;
			to->items = realloc(to->items, to->capacity * sizeof *to->items);
		}
		to->items[to->count] = *e;
		to->items[to->count].data = malloc(e->len + 1);
		memcpy(to->items[to->count++].data, e->data, e->len);
	}
	copy->durable_count = meaning == LAST_BATCH ? log->durable_before : log->durable_count;
	int status = fixture_open(copy);
	if (meaning == VITAL) {
		if (status != STATUS_CORRUPT || copy->info.problem[0] == '\0')
			wrong = "damage that is none of a torn write was not reported";
	} else if (status != 0) {
		wrong = "the log does not open";
	} else {
		wrong = fixture_compare(copy, 1);
		if (wrong == NULL && meaning == LAST_BATCH &&
		    copy->appended.count != log->durable_before)
			wrong = "part of a damaged batch was replayed";
	}
	ck_assert_msg(wrong == NULL, "segment %llu offset %llu: %s (%s)",
		      (unsigned long long)segment, (unsigned long long)offset, wrong,
		      copy->info.problem);
	fixture_free(copy);
}

enum damage { FLIP, ZERO, ONES };

/* False if the damage changes nothing here. */
static bool damage_byte(struct fixture *f, const char *name, uint64_t offset, enum damage kind)
{
	uint8_t byte, damaged;
	ck_assert_int_eq(disk_sim_peek(f->disk, name, offset, &byte, 1), 0);
	if (kind == FLIP)
		damaged = (uint8_t)(byte ^ (1u << (offset % 8)));
	else
		damaged = kind == ZERO ? 0 : 0xff;
	ck_assert_int_eq(disk_sim_poke(f->disk, name, offset, &damaged, 1), 0);
	return damaged != byte;
}

static void damage_every_byte(enum damage kind)
{
	struct fixture log;
	make_log(&log);
	size_t seen[VITAL + 1] = {0};
	for (uint64_t segment = 1; segment <= 4; segment++) {
		char name[WAL_NAME_BYTES];
		wal_name(name, WAL_LOG_PREFIX, segment);
		for (uint64_t offset = 0; offset < SEGMENT_BYTES; offset++) {
			struct fixture copy;
			fixture_copy(&copy, &log);
			enum meaning meaning = meaning_of(&log, segment, offset);
			if (!damage_byte(&copy, name, offset, kind))
				meaning = UNUSED;
			seen[meaning]++;
			check_outcome(&log, &copy, meaning, segment, offset);
		}
	}
	for (int meaning = UNUSED; meaning <= VITAL; meaning++)
		ck_assert(seen[meaning] > 0 || (kind == ZERO && meaning == PADDING));
	fixture_free(&log);
}

/*
 * faults: 13, 14, 15. One flipped bit in any byte is corruption, a dropped last batch, or
 * harmless, according to where it is.
 */
START_TEST(every_byte_flipped)
{
	damage_every_byte(FLIP);
}
END_TEST

/* faults: 13, 14, 18. The same for a byte that became zero. */
START_TEST(every_byte_zeroed)
{
	damage_every_byte(ZERO);
}
END_TEST

/*
 * faults: 14, 25. The same for a byte with all its bits set: lengths, batch numbers and types
 * become absurd.
 */
START_TEST(every_byte_set)
{
	damage_every_byte(ONES);
}
END_TEST

/*
 * faults: 13, 14. Whatever a segment is truncated to, it is reported: no crash makes a segment
 * shorter.
 */
START_TEST(every_truncation_is_noticed)
{
	struct fixture log;
	make_log(&log);
	for (uint64_t segment = 1; segment <= 4; segment++) {
		char name[WAL_NAME_BYTES];
		wal_name(name, WAL_LOG_PREFIX, segment);
		for (uint64_t size = 0; size < SEGMENT_BYTES; size++) {
			struct fixture copy;
			fixture_copy(&copy, &log);
			ck_assert_int_eq(disk_sim_truncate(copy.disk, name, size), 0);
			check_outcome(&log, &copy, VITAL, segment, size);
		}
	}
	fixture_free(&log);
}
END_TEST

/*
 * faults: 13, 14, 18. Zeros from any byte on, to the end of any segment but the last, are noticed
 * if they cover part of a record.
 */
START_TEST(every_range_of_zeros_in_an_older_segment)
{
	struct fixture log;
	make_log(&log);
	for (uint64_t segment = 1; segment <= 3; segment++) {
		char name[WAL_NAME_BYTES];
		wal_name(name, WAL_LOG_PREFIX, segment);
		enum meaning meaning = UNUSED;
		for (uint64_t offset = SEGMENT_BYTES; offset-- > 0;) {
			struct fixture copy;
			fixture_copy(&copy, &log);
			if (meaning_of(&log, segment, offset) == VITAL) {
				uint8_t byte;
				ck_assert_int_eq(disk_sim_peek(log.disk, name, offset, &byte, 1),
						 0);
				if (byte != 0)
					meaning = VITAL;
			}
			ck_assert_int_eq(
				disk_sim_zero(copy.disk, name, offset, SEGMENT_BYTES - offset), 0);
			check_outcome(&log, &copy, meaning, segment, offset);
		}
	}
	fixture_free(&log);
}
END_TEST
