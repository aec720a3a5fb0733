#include "wal/internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"

/* Reading one segment: how far it goes, and what comes after. */
struct scan {
	const uint8_t *data;
	uint64_t segment;
	uint64_t capacity;
	uint64_t first_batch;
	uint64_t batch;      /* the last batch that counts */
	uint64_t last_begin; /* where it begins; equals end if none in this segment counts */
	uint64_t end;        /* x: where it ends */
	uint64_t torn_end;   /* end of the last other verifying record after x; end if there is none */
	uint64_t wrong_at;   /* a verifying record after x of a batch later than batch + 1; 0 if there is none */
	uint64_t newer_at;   /* a verifying record that this version does not know; 0 if there is none */
	unsigned newer_type;
};

static int tell_problem(const struct wal *wal, struct wal_recovery *info, int status, const char *format, va_list arguments)
{
	const size_t size = sizeof info->problem;
	bool newer = status == STATUS_NEWER;
	int len = vsnprintf(info->problem, size, format, arguments);
	if (len > 0 && (size_t)len < size)
		snprintf(info->problem + len, size - (size_t)len, "; %s", newer ? WAL_NEWER_ADVICE : WAL_LOST_ADVICE);
	if (wal->options.log != NULL) {
		char quoted[sizeof info->problem + 8];
		log_event(wal->options.log, LOG_ERROR, newer ? "wal_newer" : "wal_corrupt", "problem=%s",
			  log_quote(quoted, sizeof quoted, slice_string(info->problem)));
	}
	return status;
}

int wal_problem(const struct wal *wal, struct wal_recovery *info, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int status = tell_problem(wal, info, STATUS_CORRUPT, format, arguments);
	va_end(arguments);
	return status;
}

int wal_newer(const struct wal *wal, struct wal_recovery *info, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int status = tell_problem(wal, info, STATUS_NEWER, format, arguments);
	va_end(arguments);
	return status;
}

static struct scan scan_begin(const uint8_t *data, const struct wal_header *header)
{
	return (struct scan){
		.data = data,
		.segment = header->segment,
		.capacity = header->capacity,
		.first_batch = header->first_batch,
		.batch = header->first_batch - 1,
		.last_begin = WAL_HEADER_BYTES,
		.end = WAL_HEADER_BYTES,
	};
}

static bool scan_record(const struct scan *s, uint64_t offset, struct wal_frame *out)
{
	return wal_record_verify(s->data + offset, s->capacity - offset, s->segment, offset, out);
}

/* Notes a record of a newer version. What verifies by chance, in what a user has stored, hardly has a possible batch as well. */
static bool scan_newer(struct scan *s, uint64_t offset, const struct wal_frame *frame)
{
	uint64_t possible = s->batch + 1 + s->capacity / WAL_RECORD_BYTES;
	if (!frame->newer || frame->batch < s->first_batch || frame->batch > possible)
		return false;
	s->newer_at = offset;
	s->newer_type = (unsigned)frame->type;
	return true;
}

/* Goes forward over whole batches in sequence. */
static void scan_batches(struct scan *s)
{
	uint64_t offset = s->end;
	struct wal_frame frame;
	while (scan_record(s, offset, &frame) && frame.batch == s->batch + 1) {
		if (scan_newer(s, offset, &frame))
			return;
		offset += frame.size;
		if (frame.last) {
			s->batch++;
			s->last_begin = s->end;
			s->end = offset;
		}
	}
}

/*
 * Looks for anything that verifies after the end: a record may begin at every multiple of 8.
 * Remains may also be of an earlier batch: half a record that an earlier torn write left behind is made
 * whole when the same payload is written over it and that write is torn too.
 */
static void scan_beyond(struct scan *s)
{
	s->torn_end = s->end;
	uint64_t offset = s->end;
	while (offset + WAL_RECORD_BYTES <= s->capacity) {
		struct wal_frame frame;
		bool good = scan_record(s, offset, &frame);
		if (good && scan_newer(s, offset, &frame))
			return;
		if (!good || frame.newer) {
			offset += 8;
			continue;
		}
		if (frame.batch > s->batch + 1) {
			s->wrong_at = offset;
			return;
		}
		offset += frame.size;
		s->torn_end = offset;
	}
}

static void replay_segment(struct wal *wal, const struct scan *s,
			   void (*replay)(void *context, const struct wal_record *record), struct wal_recovery *info)
{
	for (uint64_t offset = WAL_HEADER_BYTES; offset < s->end;) {
		struct wal_frame frame;
		wal_record_view(s->data + offset, &frame);
		if ((frame.type == WAL_PROMISE || frame.type == WAL_ACCEPT) && frame.ballot > wal->promise)
			wal->promise = frame.ballot;
		struct wal_record record = {
			.type = frame.type,
			.slot = frame.slot,
			.ballot = frame.ballot,
			.payload = frame.payload,
			.position = wal_position_make(s->segment, offset),
		};
		replay(wal->options.context, &record);
		info->records++;
		offset += frame.size;
	}
}

/*
 * Zeroes the remains of a torn batch, writes the last batch once more (its pages may be clean and
 * not on disk, if the process before ended because of a failed sync), and syncs.
 */
static int repair_tail(struct wal *wal, struct wal_segment *segment, uint8_t *data, const struct scan *s,
		       struct wal_recovery *info)
{
	struct disk *disk = wal->disk;
	info->torn_bytes = s->torn_end - s->end;
	if (info->torn_bytes > 0) {
		memset(data + s->end, 0, info->torn_bytes);
		if (wal->options.log != NULL)
			log_event(wal->options.log, LOG_WARN, "wal_torn",
				  "segment=%" PRIu64 " offset=%" PRIu64 " bytes=%" PRIu64 " batch=%" PRIu64,
				  s->segment, s->end, info->torn_bytes, s->batch + 1);
	}
	if (s->torn_end > s->last_begin) {
		int status = disk->ops->write_now(disk, segment->file, s->last_begin, data + s->last_begin,
						  s->torn_end - s->last_begin);
		if (status != 0)
			return status;
	}
	return disk->ops->sync_now(disk, segment->file);
}

/* Reads and checks the headers of all segments. */
static int read_headers(struct wal *wal, struct wal_header *headers, struct wal_recovery *info)
{
	struct disk *disk = wal->disk;
	for (size_t i = 0; i < wal->segment_count; i++) {
		struct wal_segment *segment = wal->segments[i];
		struct wal_header *header = &headers[i];
		uint8_t data[WAL_HEADER_BYTES];
		char name[WAL_NAME_BYTES];
		wal_name(name, wal->log_prefix, segment->id);
		if (i > 0 && segment->id != wal->segments[i - 1]->id + 1)
			return wal_problem(wal, info, "the segment before %s is missing", name);
		if (segment->capacity < WAL_HEADER_BYTES)
			return wal_problem(wal, info, "%s is cut short: %" PRIu64 " bytes", name, segment->capacity);
		int status = disk->ops->read_now(disk, segment->file, 0, data, sizeof data);
		if (status != 0)
			return status;
		if (!wal_header_decode(data, header))
			return wal_header_is_newer(data) ?
				       wal_newer(wal, info, "%s was written by a newer version of this program", name) :
				       wal_problem(wal, info, "the header of %s does not verify", name);
		if (header->segment != segment->id)
			return wal_problem(wal, info, "%s holds segment %" PRIu64, name, header->segment);
		if (header->group != wal->options.group)
			return wal_problem(wal, info, "%s belongs to group %" PRIu64 ", not to group %" PRIu64, name,
				       header->group, wal->options.group);
		if (header->replica != 0 && wal->options.replica != 0 && header->replica != wal->options.replica)
			return wal_problem(wal, info, "%s belongs to replica %" PRIu64 " of the group, not to replica %" PRIu64,
					   name, header->replica, wal->options.replica);
		segment->first_batch = header->first_batch;
		if (header->capacity != segment->capacity)
			return wal_problem(wal, info, "%s has %" PRIu64 " bytes, its header says %" PRIu64, name,
				       segment->capacity, header->capacity);
	}
	return 0;
}

static int recover_segment(struct wal *wal, size_t index, const struct wal_header *headers, uint8_t *data,
			   void (*replay)(void *context, const struct wal_record *record), struct wal_recovery *info)
{
	struct wal_segment *segment = wal->segments[index];
	bool is_last = index + 1 == wal->segment_count;
	char name[WAL_NAME_BYTES];
	wal_name(name, wal->log_prefix, segment->id);
	int status = wal->disk->ops->read_now(wal->disk, segment->file, 0, data, segment->capacity);
	if (status != 0)
		return status;
	struct scan scan = scan_begin(data, &headers[index]);
	scan_batches(&scan);
	if (is_last && scan.newer_at == 0)
		scan_beyond(&scan);
	if (scan.newer_at != 0)
		return wal_newer(wal, info,
				 "%s was written by a newer version of this program: the record at offset %" PRIu64
				 " is of type %u, which this version does not know",
				 name, scan.newer_at, scan.newer_type);
	if (!is_last) {
		if (headers[index + 1].first_batch != scan.batch + 1)
			return wal_problem(wal, info,
				       "%s: no good record at offset %" PRIu64 " after batch %" PRIu64
				       ", but the next segment begins with batch %" PRIu64,
				       name, scan.end, scan.batch, headers[index + 1].first_batch);
		replay_segment(wal, &scan, replay, info);
		return 0;
	}
	if (scan.wrong_at != 0)
		return wal_problem(wal, info,
			       "%s: damaged at or after offset %" PRIu64 " (after batch %" PRIu64
			       "), but a later batch was written at offset %" PRIu64,
			       name, scan.end, scan.batch, scan.wrong_at);
	status = repair_tail(wal, segment, data, &scan, info);
	if (status != 0)
		return status;
	replay_segment(wal, &scan, replay, info);
	wal->tail_offset = wal->durable_offset = scan.end;
	wal->durable_segment = segment->id;
	wal->next_batch = scan.batch + 1;
	return 0;
}

int wal_recover(struct wal *wal, void (*replay)(void *context, const struct wal_record *record),
		struct wal_recovery *info)
{
	ASSERT(wal->segment_count > 0);
	struct wal_header *headers = alloc_zeroed(wal->segment_count, sizeof *headers);
	uint8_t *data = NULL;
	info->segments = wal->segment_count;
	info->oldest_segment = wal->segments[0]->id;
	int status = read_headers(wal, headers, info);
	if (status != 0)
		goto out;
	uint64_t capacity_max = 0;
	for (size_t i = 0; i < wal->segment_count; i++)
		if (wal->segments[i]->capacity > capacity_max)
			capacity_max = wal->segments[i]->capacity;
	data = alloc_bytes(capacity_max);

	wal->promise = headers[0].promise;
	if (wal->promise != 0) {
		struct wal_record record = {
			.type = WAL_PROMISE,
			.ballot = wal->promise,
			.position = wal_position_make(wal->segments[0]->id, 0),
		};
		replay(wal->options.context, &record);
		info->records++;
	}
	for (size_t i = 0; status == 0 && i < wal->segment_count; i++)
		status = recover_segment(wal, i, headers, data, replay, info);
out:
	free(data);
	free(headers);
	return status;
}
