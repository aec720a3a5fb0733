/* The list of segments, and what ends everything: a request of the disk that has failed. */
#include "base/alloc.h"
#include "base/assert.h"
#include "wal/internal.h"

struct wal_segment *wal_add_segment(struct wal *wal, uint64_t id, uint64_t capacity)
{
	ASSERT(id <= UINT32_MAX && capacity <= UINT32_MAX);
	ASSERT(wal->segment_count == 0 || wal_tail(wal)->id < id);
	ALLOC_ROOM(wal->segments, wal->segment_count, wal->segment_capacity, 8);
	struct wal_segment *segment = ALLOC(struct wal_segment);
	segment->id = id;
	segment->capacity = capacity;
	segment->place = wal_place(id, wal->options.group, wal->options.replica);
	wal->segments[wal->segment_count++] = segment;
	return segment;
}

bool wal_went_well(struct wal *wal, int status, const char *why)
{
	wal->operations++;
	if (wal->failed)
		return false;
	if (status == 0)
		return true;
	wal->failed = true;
	wal->options.fatal(wal->options.context, status, why);
	return false;
}
