/*
 * Reading the segments once more, piece by piece, while the log is in use: damage is found while
 * the state that the records led to is still in memory, and the other replicas are well.
 *
 * A pass goes from the oldest segment to what was durable when it came to the newest. What is read
 * comes from the medium, not from the system's cache (DISK_READ with `fresh`). A segment that is
 * released meanwhile is skipped. In a damaged segment the first place is told, and the pass goes on
 * with the next one: behind it little can be said. A file that has become shorter is damaged as
 * well, though its records are all there: what is preallocated is gone, and a start would refuse
 * its header.
 */
#include "wal/internal.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"

static void piece_read(struct disk_request *request);

static struct wal_segment *segment_of(const struct wal *wal, uint64_t id)
{
	const struct wal_segment *first = wal->segments[0];
	return id < first->id || id > wal_tail(wal)->id ? NULL : wal->segments[id - first->id];
}

/* Nothing durable lies behind: where the records of the segment end, as far as that is known. */
static uint64_t limit_of(const struct wal *wal, const struct wal_segment *segment)
{
	return segment->id == wal->durable_segment ? wal->durable_offset : segment->capacity;
}

void wal_scrub_begin(struct wal *wal)
{
	struct wal_scrubber *s = &wal->scrubber;
	ASSERT(!s->busy);
	s->segment = wal->segments[0]->id;
	s->offset = 0;
	s->at_end = false;
}

static void next_segment(struct wal_scrubber *s)
{
	s->segment++;
	s->offset = 0;
	s->at_end = false;
}

static void tell(struct wal *wal, struct wal_scrubbed scrubbed)
{
	struct wal_scrubber *s = &wal->scrubber;
	s->done(s->context, &scrubbed);
}

/*
 * All of the segment has been looked at up to here, and there is nothing more that verifies. Is
 * that where it ought to end?
 */
static bool ends_here(const struct wal *wal, const struct wal_segment *segment)
{
	const struct wal_scrubber *s = &wal->scrubber;
	if (segment->id >= wal->durable_segment)
		return s->offset >= wal->durable_offset;
	return segment_of(wal, segment->id + 1)->first_batch == s->batch + 1;
}

/*
 * Where a segment ends says the one behind it. If that is damaged, or missing, nothing says so: the
 * records end where the next one does not verify, and all up to the damaged one goes together.
 */
static bool end_is_known(const struct wal *wal, const struct wal_segment *segment)
{
	return segment->id >= wal->durable_segment ||
	       segment_of(wal, segment->id + 1)->first_batch != 0;
}

static bool header_is_good(const struct wal *wal, const struct wal_segment *segment,
			   const uint8_t *data)
{
	struct wal_header header;
	return wal_header_decode(data, &header) && header.segment == segment->id &&
	       header.capacity == segment->capacity && header.group == wal->options.group &&
	       header.first_batch == segment->first_batch;
}

/* Goes over the records in the piece. False: there is one that is not what was written. */
static bool verify(struct wal *wal, const struct wal_segment *segment, const uint8_t *data,
		   size_t len, size_t *wanted)
{
	struct wal_scrubber *s = &wal->scrubber;
	size_t at = 0;
	*wanted = 0;
	if (s->offset == 0) {
		/* One that was cut before it was opened need not have a whole header. */
		if (len < WAL_HEADER_BYTES || !header_is_good(wal, segment, data))
			return false;
		s->batch = segment->first_batch - 1;
		s->offset = at = WAL_HEADER_BYTES;
	}
	while (!ends_here(wal, segment)) {
		struct wal_frame frame;
		size_t available = (size_t)(limit_of(wal, segment) - s->offset);
		size_t size = len - at < WAL_RECORD_BYTES ? WAL_RECORD_BYTES
							  : wal_record_peek(data + at, len - at);
		bool good = size != 0 && size <= available;
		if (good && size > len - at) {
			*wanted = size;
			return true;
		}
		good = good &&
		       wal_record_verify(data + at, len - at, segment->place, s->offset, &frame) &&
		       frame.batch == s->batch + 1;
		if (!good && end_is_known(wal, segment))
			return false;
		if (!good)
			break;
		s->batch += frame.last ? 1 : 0;
		s->offset += size;
		at += size;
	}
	s->at_end = true;
	return true;
}

static void submit(struct wal *wal, struct wal_segment *segment, size_t len)
{
	struct wal_scrubber *s = &wal->scrubber;
	uint64_t offset = s->at_end ? segment->capacity - 1 : s->offset;
	uint64_t left = s->at_end ? 1 : limit_of(wal, segment) - s->offset;
	if (len > left)
		len = (size_t)left;
	if (s->capacity < len) {
		s->data = alloc_resize(s->data, len, 1);
		s->capacity = len;
	}
	s->busy = true;
	segment->readers++;
	s->request = (struct disk_request){
		.operation = DISK_READ,
		.lane = DISK_LANE_BULK,
		.file = segment->file,
		.fresh = true,
		.offset = offset,
		.data = s->data,
		.len = len,
		.callback = piece_read,
		.owner = wal,
	};
	disk_submit(wal->disk, &s->request);
}

static void piece_read(struct disk_request *request)
{
	struct wal *wal = request->owner;
	struct wal_scrubber *s = &wal->scrubber;
	/* The oldest ones may have gone, but not this one: it has a reader. */
	struct wal_segment *segment = segment_of(wal, s->segment);
	struct wal_scrubbed scrubbed = {.bytes = request->len};
	s->busy = false;
	segment->readers--;
	bool good = request->status == 0;
	if (good && s->at_end)
		next_segment(s);
	else if (good)
		good = verify(wal, segment, request->data, request->len, &s->wanted);
	if (!good) {
		scrubbed.damaged = wal_position_make(segment->id, s->offset);
		scrubbed.status = request->status;
		segment->damaged = true;
		s->wanted = 0;
		next_segment(s);
	}
	if (s->capacity > WAL_SCRUB_BYTES && s->wanted == 0) {
		free(s->data);
		s->data = NULL;
		s->capacity = 0;
	}
	tell(wal, scrubbed);
	wal_release_step(wal);
}

void wal_scrub(struct wal *wal, void (*done)(void *context, const struct wal_scrubbed *scrubbed),
	       void *context)
{
	struct wal_scrubber *s = &wal->scrubber;
	ASSERT(!s->busy);
	s->done = done;
	s->context = context;
	if (s->segment < wal->segments[0]->id) {
		s->segment = wal->segments[0]->id;
		s->offset = 0;
		s->wanted = 0;
		s->at_end = false;
	}
	struct wal_segment *segment = segment_of(wal, s->segment);
	while (segment != NULL && segment->missing) {
		next_segment(s);
		segment = segment_of(wal, s->segment);
	}
	/* One that is about to become the newest has nothing in it that is durable. */
	if (segment == NULL || !segment->ready || segment->id > wal->durable_segment ||
	    (segment->id == wal->durable_segment && !s->at_end &&
	     s->offset >= wal->durable_offset)) {
		tell(wal, (struct wal_scrubbed){.ended = true});
		return;
	}
	size_t wanted = s->wanted > WAL_SCRUB_BYTES ? s->wanted : WAL_SCRUB_BYTES;
	s->wanted = 0;
	submit(wal, segment, wanted);
}
