/* Damage at rest, and how much of a log is whole. */
#include "sim/damage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "snapshot/snapshot_file.h"
#include "wal/format.h"

#define SEGMENTS_MAX 256u

enum manner { FLIP, ZERO, MISDIRECT, CUT, UNLINK, MANNERS };

static uint8_t *read_file(struct disk *disk, const char *name, uint64_t *size)
{
	if (disk_sim_size(disk, name, size) != 0)
		return NULL;
	uint8_t *data = alloc_bytes((size_t)*size + 1);
	if (disk_sim_peek(disk, name, 0, data, (size_t)*size) != 0) {
		free(data);
		return NULL;
	}
	return data;
}

/* Changes bytes of [begin, end) of the file. `size` is the file's. */
static void change_bytes(struct disk *disk, struct rng *rng, const char *name, uint64_t begin,
			 uint64_t end, uint64_t size, enum manner manner, struct buffer *what)
{
	uint64_t at = begin + rng_below(rng, end - begin);
	uint64_t sector = at / DISK_SIM_SECTOR_BYTES * DISK_SIM_SECTOR_BYTES;
	uint64_t first = sector < begin ? begin : sector;
	uint64_t last = sector + DISK_SIM_SECTOR_BYTES > end ? end : sector + DISK_SIM_SECTOR_BYTES;
	uint8_t bytes[DISK_SIM_SECTOR_BYTES] = {0};
	int status = 0;
	switch (manner) {
	case FLIP:
		status = disk_sim_flip(disk, name, at, (unsigned)rng_below(rng, 8));
		buffer_format(what, "a bit of byte %" PRIu64 " flips", at);
		break;
	case MISDIRECT: {
		uint64_t from = rng_below(rng, size / DISK_SIM_SECTOR_BYTES + 1) *
				DISK_SIM_SECTOR_BYTES;
		uint64_t len = size - from < sizeof bytes ? size - from : sizeof bytes;
		status = disk_sim_peek(disk, name, from, bytes, (size_t)len);
		if (status == 0)
			status = disk_sim_poke(disk, name, first, bytes + (first - sector),
					       (size_t)(last - first));
		buffer_format(what, "bytes %" PRIu64 " to %" PRIu64 " are those of %" PRIu64, first,
			      last, from);
		break;
	}
	default:
		status = disk_sim_poke(disk, name, first, bytes, (size_t)(last - first));
		buffer_format(what, "bytes %" PRIu64 " to %" PRIu64 " are zeros", first, last);
		break;
	}
	ASSERT(status == 0);
}

/* ---- logs ---- */

struct segments {
	uint64_t ids[SEGMENTS_MAX];
	size_t count;
};

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* "log-" behind the prefix. */
static void log_prefix(char out[WAL_NAME_BYTES], const char *prefix)
{
	snprintf(out, WAL_NAME_BYTES, "%s" WAL_LOG_PREFIX, prefix);
}

static void find_segments(struct disk *disk, const char *prefix, struct segments *s)
{
	const char *name;
	char names[WAL_NAME_BYTES];
	uint64_t id;
	log_prefix(names, prefix);
	s->count = 0;
	for (size_t i = 0; (name = disk_sim_file(disk, i)) != NULL; i++)
		if (s->count < SEGMENTS_MAX && wal_name_parse(name, names, &id))
			s->ids[s->count++] = id;
	qsort(s->ids, s->count, sizeof s->ids[0], by_id);
}

struct extent {
	uint64_t last_batch; /* where it begins */
	uint64_t end;        /* behind the last whole batch … */
	uint64_t batch;      /* … which has this number */
};

/* How far a segment is good. False if it is damaged at its very beginning. */
static bool walk(const uint8_t *data, uint64_t size, struct extent *out)
{
	struct wal_header header;
	if (size < WAL_HEADER_BYTES || !wal_header_decode(data, &header))
		return false;
	uint64_t offset = WAL_HEADER_BYTES, batch = header.first_batch;
	struct wal_frame frame;
	*out = (struct extent){.last_batch = offset, .end = offset, .batch = batch - 1};
	while (offset < size &&
	       wal_record_verify(data + offset, size - offset, header.place, offset, &frame) &&
	       frame.batch == batch) {
		offset += frame.size;
		if (frame.last) {
			out->last_batch = out->end;
			out->end = offset;
			out->batch = batch++;
		}
	}
	return true;
}

/* [*begin, *end): what may be damaged of the segment. */
static bool damageable(struct disk *disk, const char *name, bool is_last, uint64_t *end)
{
	uint64_t size;
	struct extent extent;
	uint8_t *data = read_file(disk, name, &size);
	bool good = data != NULL && walk(data, size, &extent);
	free(data);
	if (!good)
		return false;
	*end = is_last ? extent.last_batch : extent.end;
	return true;
}

/* After a change: is it one that recovery can see? (Zeros over zeros are none.) */
static bool is_seen(struct disk *disk, const char *name, uint64_t end, bool is_last)
{
	uint64_t now;
	return !damageable(disk, name, is_last, &now) || now < end;
}

/*
 * The slot of the newest record of a snapshot, 0: there is none; and by that the oldest segment
 * that the log still needs (rsm/recover.c): those before it may be there because a crash came
 * before they could be recycled. Nobody misses them.
 */
static uint64_t newest_record(struct disk *disk, const struct segments *s, uint64_t *needed)
{
	uint64_t slot = 0;
	*needed = 1;
	for (size_t i = 0; i < s->count; i++) {
		char name[WAL_NAME_BYTES];
		uint64_t size;
		struct extent extent = {0};
		struct wal_frame frame;
		wal_name(name, WAL_LOG_PREFIX, s->ids[i]);
		uint8_t *data = read_file(disk, name, &size);
		if (data != NULL && walk(data, size, &extent)) {
			for (uint64_t at = WAL_HEADER_BYTES; at < extent.end; at += frame.size) {
				uint64_t kept_from = 0;
				wal_record_view(data + at, &frame);
				if (frame.type != WAL_SNAPSHOT)
					continue;
				slot = frame.slot;
				if (slice_take_u64(&frame.payload, &kept_from))
					*needed = kept_from == 0 ? s->ids[i]
								 : wal_position_segment(kept_from);
			}
		}
		free(data);
	}
	return slot;
}

static uint64_t oldest_needed(struct disk *disk, const struct segments *s)
{
	uint64_t needed;
	newest_record(disk, s, &needed);
	return needed;
}

uint64_t sim_damage_snapshot_known(struct disk *disk)
{
	struct segments s;
	uint64_t needed;
	find_segments(disk, SIM_LOG_OF_GROUP, &s);
	return newest_record(disk, &s, &needed);
}

bool sim_damage_log_lost_its_beginning(struct disk *disk)
{
	struct segments s;
	uint8_t oldest[8];
	find_segments(disk, SIM_LOG_OF_GROUP, &s);
	if (s.count == 0)
		return true;
	/* wal/range.c */
	bool named = disk_sim_peek(disk, WAL_RANGE_NAME, WAL_RANGE_HALF_BYTES + 16, oldest,
				   sizeof oldest) == 0;
	return s.ids[0] > (named ? load_u64(oldest) : oldest_needed(disk, &s));
}

/* faults: 14, 15, 28 */
bool sim_damage_log(struct disk *disk, const char *prefix, struct rng *rng, enum sim_fault *fault,
		    struct buffer *what)
{
	static const enum sim_fault faults[] = {SIM_FAULT_LOG_FLIP, SIM_FAULT_LOG_ZERO,
						SIM_FAULT_LOG_MISDIRECT, SIM_FAULT_LOG_CUT,
						SIM_FAULT_LOG_UNLINK};
	struct segments s;
	char names[WAL_NAME_BYTES], name[WAL_NAME_BYTES], next[WAL_NAME_BYTES];
	enum manner manner = (enum manner)rng_below(rng, MANNERS);
	uint64_t drawn = rng_next(rng), size, end;
	log_prefix(names, prefix);
	find_segments(disk, prefix, &s);
	if (s.count == 0)
		return false;
	if (manner == UNLINK && s.count == 1)
		manner = FLIP;
	size_t chosen = manner == UNLINK ? drawn % (s.count - 1) : drawn % s.count;
	bool is_last = chosen + 1 == s.count;
	wal_name(name, names, s.ids[chosen]);
	if (!disk_sim_is_synced(disk, name) || !damageable(disk, name, is_last, &end) ||
	    disk_sim_size(disk, name, &size) != 0)
		return false;
	/* The next one must be there for good: it is what shows that this one was longer. */
	if (!is_last) {
		wal_name(next, names, s.ids[chosen + 1]);
		if (!disk_sim_name_is_synced(disk, next))
			return false;
	}
	*fault = faults[manner];
	buffer_format(what, "%s of %" PRIu64 " bytes: ", name, size);
	/* Which one another log still needs does not stand in it. */
	if (manner == UNLINK && chosen == 0 &&
	    (prefix[0] != '\0' || s.ids[0] < oldest_needed(disk, &s)))
		return false;
	if (manner == UNLINK) {
		buffer_format(what, "the name is lost");
		return disk_sim_remove(disk, name) == 0;
	}
	if (manner == CUT) {
		uint64_t left = rng_below(rng, size);
		buffer_format(what, "cut to %" PRIu64 " bytes", left);
		return disk_sim_truncate(disk, name, left) == 0;
	}
	change_bytes(disk, rng, name, 0, end, size, manner, what);
	return is_seen(disk, name, end, is_last);
}

/*
 * Behind the end: a record of a later batch than the next, which a torn write cannot leave
 * (wal/wal.h).
 */
static bool has_later(const uint8_t *data, uint64_t size, uint64_t place, uint64_t offset,
		      uint64_t batch)
{
	struct wal_frame frame;
	for (; offset + WAL_RECORD_BYTES <= size; offset += 8)
		if (wal_record_verify(data + offset, size - offset, place, offset, &frame) &&
		    frame.batch > batch + 1)
			return true;
	return false;
}

bool sim_damage_log_exists(struct disk *disk, const char *prefix)
{
	struct segments s;
	find_segments(disk, prefix, &s);
	return s.count > 0;
}

bool sim_damage_log_is_whole(struct disk *disk, const char *prefix)
{
	struct segments s;
	char names[WAL_NAME_BYTES];
	uint64_t batch = 0;
	log_prefix(names, prefix);
	find_segments(disk, prefix, &s);
	for (size_t i = 0; i < s.count; i++) {
		char name[WAL_NAME_BYTES];
		uint64_t size;
		struct wal_header header;
		struct extent extent;
		wal_name(name, names, s.ids[i]);
		uint8_t *data = read_file(disk, name, &size);
		bool good = data != NULL && walk(data, size, &extent) &&
			    wal_header_decode(data, &header) && header.segment == s.ids[i] &&
			    header.capacity == size;
		good = good && (i == 0 ||
				(s.ids[i] == s.ids[i - 1] + 1 && header.first_batch == batch + 1));
		batch = good ? extent.batch : 0;
		good = good &&
		       (i + 1 < s.count || !has_later(data, size, header.place, extent.end, batch));
		free(data);
		if (!good)
			return false;
	}
	return s.count > 0;
}

/* ---- snapshots ---- */

static bool newest_snapshot(struct disk *disk, uint64_t *slot)
{
	const char *name;
	uint64_t found;
	bool any = false;
	for (size_t i = 0; (name = disk_sim_file(disk, i)) != NULL; i++) {
		if (!snapshot_name_parse(name, &found))
			continue;
		if (!any || found > *slot)
			*slot = found;
		any = true;
	}
	return any;
}

static bool is_whole(struct disk *disk, const char *name)
{
	struct snapshot_parser parser = {0};
	uint64_t size;
	uint8_t *data = read_file(disk, name, &size);
	if (data == NULL)
		return false;
	bool whole = snapshot_parse(&parser, slice(data, (size_t)size), NULL, NULL) == 0 &&
		     snapshot_parse_end(&parser) == 0;
	snapshot_parser_free(&parser);
	free(data);
	return whole && disk_sim_is_synced(disk, name);
}

bool sim_damage_snapshot_is_whole(struct disk *disk, uint64_t slot)
{
	char name[SNAPSHOT_NAME_BYTES];
	uint64_t newest;
	return newest_snapshot(disk, &newest) && newest >= slot &&
	       is_whole(disk, snapshot_name(newest, name));
}

/* faults: 34 */
bool sim_damage_snapshot(struct disk *disk, struct rng *rng, enum sim_fault *fault, uint64_t *slot,
			 struct buffer *what)
{
	static const enum sim_fault faults[] = {SIM_FAULT_SNAPSHOT_FLIP, SIM_FAULT_SNAPSHOT_ZERO,
						SIM_FAULT_SNAPSHOT_MISDIRECT,
						SIM_FAULT_SNAPSHOT_CUT, SIM_FAULT_SNAPSHOT_UNLINK};
	char name[SNAPSHOT_NAME_BYTES];
	enum manner manner = (enum manner)rng_below(rng, MANNERS);
	uint64_t size;
	if (!newest_snapshot(disk, slot) || !is_whole(disk, snapshot_name(*slot, name)) ||
	    disk_sim_size(disk, name, &size) != 0)
		return false;
	*fault = faults[manner];
	buffer_format(what, "%s of %" PRIu64 " bytes: ", name, size);
	if (manner == UNLINK) {
		buffer_format(what, "the name is lost");
		return disk_sim_remove(disk, name) == 0;
	}
	if (manner == CUT) {
		uint64_t left = rng_below(rng, size);
		buffer_format(what, "cut to %" PRIu64 " bytes", left);
		return disk_sim_truncate(disk, name, left) == 0;
	}
	change_bytes(disk, rng, name, 0, size, size, manner, what);
	return !is_whole(disk, name);
}
