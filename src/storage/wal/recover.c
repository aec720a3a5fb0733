/* Reading the segments at the start: the table of wal.h. */
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
	uint64_t segment, place;
	uint64_t capacity;
	uint64_t first_batch;
	uint64_t batch;      /* the last batch that counts */
	uint64_t last_begin; /* where it begins; equals end if none in this segment counts */
	uint64_t end;        /* x: where it ends */
	/* end of the last other verifying record after x; end if there is none */
	uint64_t torn_end;
	/* a verifying record after x of a batch later than batch + 1; 0 if there is none */
	uint64_t wrong_at;
	/* a verifying record that this version does not know; 0 if there is none */
	uint64_t newer_at;
	unsigned newer_type;
};

static int tell_problem(const struct wal *wal, struct wal_recovery *info, int status,
			const char *format, va_list arguments)
{
	const size_t size = sizeof info->problem;
	bool newer = status == STATUS_NEWER;
	int len = vsnprintf(info->problem, size, format, arguments);
	if (len > 0 && (size_t)len < size)
		snprintf(info->problem + len, size - (size_t)len, "; %s",
			 newer ? WAL_NEWER_ADVICE : WAL_LOST_ADVICE);
	if (wal->options.log != NULL) {
		char quoted[sizeof info->problem + 8];
		log_event(wal->options.log, LOG_ERROR, newer ? "wal_newer" : "wal_corrupt",
			  "problem=%s",
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
		.place = header->place,
		.capacity = header->capacity,
		.first_batch = header->first_batch,
		.batch = header->first_batch - 1,
		.last_begin = WAL_HEADER_BYTES,
		.end = WAL_HEADER_BYTES,
	};
}

static bool scan_record(const struct scan *s, uint64_t offset, struct wal_frame *out)
{
	return wal_record_verify(s->data + offset, s->capacity - offset, s->place, offset, out);
}

/*
 * Notes a record of a newer version. What verifies by chance, in what a user has stored, hardly has
 * a possible batch as well.
 */
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
 * Remains may also be of an earlier batch: half a record that an earlier torn write left behind is
 * made whole when the same payload is written over it and that write is torn too.
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

void wal_replay_frame(struct wal *wal, const struct wal_replay *replay, uint64_t segment,
		      uint64_t offset, const struct wal_frame *frame, struct wal_recovery *info)
{
	if (frame->type != WAL_SNAPSHOT && frame->ballot > wal->promise)
		wal->promise = frame->ballot;
	struct wal_record record = {
		.type = frame->type,
		.slot = frame->slot,
		.ballot = frame->ballot,
		.payload = frame->payload,
		.position = wal_position_make(segment, offset),
	};
	replay->record(wal->options.context, &record);
	info->records++;
}

static void replay_segment(struct wal *wal, const struct scan *s, const struct wal_replay *replay,
			   struct wal_recovery *info)
{
	for (uint64_t offset = WAL_HEADER_BYTES; offset < s->end;) {
		struct wal_frame frame;
		wal_record_view(s->data + offset, &frame);
		wal_replay_frame(wal, replay, s->segment, offset, &frame, info);
		offset += frame.size;
	}
}

int wal_newer_record(const struct wal *wal, struct wal_recovery *info, uint64_t segment,
		     uint64_t offset, unsigned type)
{
	char name[WAL_NAME_BYTES];
	wal_name(name, wal->log_prefix, segment);
	return wal_newer(
		wal, info,
		"%s was written by a newer version of this program: the record at offset %" PRIu64
		" is of type %u, which this version does not know",
		name, offset, type);
}

void wal_tell_hole(struct wal *wal, struct wal_recovery *info, const struct wal_hole *hole)
{
	char name[WAL_NAME_BYTES];
	wal_name(name, wal->log_prefix, wal_position_segment(hole->begin));
	if (wal->options.log != NULL)
		log_event(wal->options.log, LOG_ERROR, "wal_damaged",
			  "file=%s offset=%" PRIu64 " bytes=%" PRIu64
			  " action=\"what it held is asked of the other replicas\" "
			  "hint=\"look after the disk\"",
			  name, wal_position_offset(hole->begin), hole->end - hole->begin);
	info->holes++;
	if (info->first_hole == 0)
		info->first_hole = hole->begin;
	info->last_damaged = wal_position_segment(hole->begin);
	wal->options.lost(wal->options.context, hole);
}

/*
 * Zeroes the remains of a torn batch, writes the last batch once more (its pages may be clean and
 * not on disk, if the process before ended because of a failed sync), and syncs.
 */
static int repair_tail(struct wal *wal, struct wal_segment *segment, uint8_t *data,
		       const struct scan *s, struct wal_recovery *info)
{
	struct disk *disk = wal->disk;
	info->torn_bytes = s->torn_end - s->end;
	if (info->torn_bytes > 0) {
		memset(data + s->end, 0, info->torn_bytes);
		if (wal->options.log != NULL)
			log_event(wal->options.log, LOG_WARN, "wal_torn",
				  "segment=%" PRIu64 " offset=%" PRIu64 " bytes=%" PRIu64
				  " batch=%" PRIu64,
				  s->segment, s->end, info->torn_bytes, s->batch + 1);
	}
	if (s->torn_end > s->last_begin) {
		int status = disk->ops->write_now(disk, segment->file, s->last_begin,
						  data + s->last_begin,
						  s->torn_end - s->last_begin);
		if (status != 0)
			return status;
	}
	return disk->ops->sync_now(disk, segment->file);
}

/* A header, as far as it can be believed. */
struct head {
	struct wal_header header; /* first_batch 0: not known */
	bool good;
	bool cut; /* the file is not so long as it says */
};

static uint64_t next_present(const struct wal *wal, uint64_t id)
{
	while (wal->segments[id - wal->segments[0]->id]->missing)
		id++;
	return id;
}

/*
 * What is wrong with it is STATUS_CORRUPT only if that is no damage, or the owner cannot live with
 * damage.
 */
static int read_header(struct wal *wal, struct wal_segment *segment, struct head *head,
		       struct wal_recovery *info)
{
	struct wal_header *header = &head->header;
	uint8_t data[WAL_HEADER_BYTES];
	char name[WAL_NAME_BYTES];
	bool strict = wal->options.lost == NULL;
	wal_name(name, wal->log_prefix, segment->id);
	/* Without it, a file of another size than others may have been cut. */
	*head = (struct head){.header = {.segment = segment->id, .capacity = segment->capacity},
			      .cut = segment->capacity != wal->options.segment_bytes};
	if (segment->missing && !strict)
		return 0;
	if (segment->missing) {
		wal_name(name, wal->log_prefix, next_present(wal, segment->id));
		return wal_problem(wal, info, "the segment before %s is missing", name);
	}
	if (segment->capacity < WAL_HEADER_BYTES)
		return strict ? wal_problem(wal, info, "%s is cut short: %" PRIu64 " bytes", name,
					    segment->capacity)
			      : 0;
	int status = wal->disk->ops->read_now(wal->disk, segment->file, 0, data, sizeof data);
	if (status != 0)
		return status;
	struct wal_header read;
	if (!wal_header_decode(data, &read)) {
		if (wal_header_is_newer(data))
			return wal_newer(wal, info,
					 "%s was written by a newer version of this program", name);
		return strict ? wal_problem(wal, info, "the header of %s does not verify", name)
			      : 0;
	}
	if (read.group != wal->options.group)
		return wal_problem(wal, info,
				   "%s belongs to group %" PRIu64 ", not to group %" PRIu64, name,
				   read.group, wal->options.group);
	if (read.replica != 0 && wal->options.replica != 0 && read.replica != wal->options.replica)
		return wal_problem(wal, info,
				   "%s belongs to replica %" PRIu64
				   " of the group, not to replica %" PRIu64,
				   name, read.replica, wal->options.replica);
	if (read.segment != segment->id)
		return strict ? wal_problem(wal, info, "%s holds segment %" PRIu64, name,
					    read.segment)
			      : 0;
	*header = read;
	segment->place = read.place;
	head->good = true;
	head->cut = read.capacity != segment->capacity;
	if (head->cut && strict)
		return wal_problem(wal, info, "%s has %" PRIu64 " bytes, its header says %" PRIu64,
				   name, segment->capacity, read.capacity);
	return 0;
}

/* `data` is what stands behind the header. */
static bool any_verifies(const uint8_t *data, uint64_t size, uint64_t place)
{
	struct wal_frame frame;
	for (uint64_t at = 0; at + WAL_RECORD_BYTES <= size; at += 8)
		if (wal_record_verify(data + at, size - at, place, WAL_HEADER_BYTES + at, &frame))
			return true;
	return false;
}

/*
 * With the header gone: were its records written as this log's own, or by a version whose checksums
 * do not say? Those come first. In doubt, by what verifies: what is neither is another log's, or no
 * record.
 */
static uint64_t place_without_header(const struct wal *wal, size_t index, const struct head *heads,
				     const uint8_t *data, uint64_t size)
{
	uint64_t id = wal->segments[index]->id,
		 own = wal_place(id, wal->options.group, wal->options.replica);
	for (size_t i = 0; i < index; i++)
		if (heads[i].good && heads[i].header.place > UINT32_MAX)
			return own;
	for (size_t i = index + 1; i < wal->segment_count; i++)
		if (heads[i].good && heads[i].header.place <= UINT32_MAX)
			return id;
	return !any_verifies(data, size, own) && any_verifies(data, size, id) ? id : own;
}

/*
 * With the header gone, the first record tells with which batch the segment begins, if it is whole.
 */
static int find_first_batch(struct wal *wal, size_t index, struct head *heads)
{
	struct wal_segment *segment = wal->segments[index];
	struct head *head = &heads[index];
	struct wal_frame frame;
	if (head->good || segment->missing || segment->capacity <= WAL_HEADER_BYTES)
		return 0;
	uint64_t size = segment->capacity - WAL_HEADER_BYTES;
	uint8_t *data = alloc_bytes(size);
	int status = wal->disk->ops->read_now(wal->disk, segment->file, WAL_HEADER_BYTES, data,
					      size);
	if (status == 0)
		segment->place = place_without_header(wal, index, heads, data, size);
	if (status == 0 && wal_record_verify(data, size, segment->place, WAL_HEADER_BYTES, &frame))
		head->header.first_batch = frame.batch;
	free(data);
	return status;
}

/* Reads and checks the headers of all segments. */
static int read_headers(struct wal *wal, struct head *heads, struct wal_recovery *info)
{
	int status = 0;
	for (size_t i = 0; status == 0 && i < wal->segment_count; i++)
		status = read_header(wal, wal->segments[i], &heads[i], info);
	for (size_t i = 0; status == 0 && i < wal->segment_count; i++) {
		status = find_first_batch(wal, i, heads);
		wal->segments[i]->first_batch = heads[i].header.first_batch;
	}
	return status;
}

static struct wal_record header_record(const struct wal_segment *segment, uint64_t promise)
{
	return (struct wal_record){.type = WAL_PROMISE,
				   .ballot = promise,
				   .position = wal_position_make(segment->id, 0)};
}

/*
 * What the header says of the segments before it: all there is of those that have been released, or
 * were damaged.
 */
static void replay_header(struct wal *wal, size_t index, const struct head *head,
			  const struct wal_replay *replay, struct wal_recovery *info)
{
	struct wal_segment *segment = wal->segments[index];
	uint64_t promise = head->header.promise;
	/* It may also have said that this was no longer known. */
	if (!head->good) {
		if (!segment->missing)
			wal_tell_hole(wal, info,
				      &(struct wal_hole){.begin = wal_position_make(segment->id, 0),
							 .end = wal_position_make(
								 segment->id, WAL_HEADER_BYTES)});
		return;
	}
	if (promise != WAL_PROMISE_UNKNOWN && promise > wal->promise)
		wal->promise = promise;
	if (info->holes == 0 && (index > 0 || promise == 0))
		return;
	struct wal_record record = header_record(segment, promise);
	replay->record(wal->options.context, &record);
	info->records++;
}

/* Whole segments take this way, and only they. *damaged: it is none; nothing has been replayed. */
static int recover_whole(struct wal *wal, const struct wal_piece *piece, const struct head *head,
			 const struct wal_replay *replay, struct wal_recovery *info, bool *damaged)
{
	struct wal_segment *segment = piece->segment;
	char name[WAL_NAME_BYTES];
	wal_name(name, wal->log_prefix, segment->id);
	struct scan scan = scan_begin(piece->data, &head->header);
	scan_batches(&scan);
	bool next_known = piece->is_last || piece->batch_end != 0;
	if ((piece->is_last || !next_known) && scan.newer_at == 0)
		scan_beyond(&scan);
	if (scan.newer_at != 0)
		return wal_newer_record(wal, info, segment->id, scan.newer_at, scan.newer_type);
	/* With the next header gone, what may be missing here is told of there. */
	if (!next_known)
		*damaged = scan.wrong_at != 0 || scan.torn_end > scan.end;
	else
		*damaged = piece->is_last ? scan.wrong_at != 0 : piece->batch_end != scan.batch + 1;
	if (*damaged && wal->options.lost != NULL)
		return 0;
	if (*damaged && piece->is_last)
		return wal_problem(wal, info,
				   "%s: damaged at or after offset %" PRIu64
				   " (after batch %" PRIu64
				   "), but a later batch was written at offset %" PRIu64,
				   name, scan.end, scan.batch, scan.wrong_at);
	if (*damaged)
		return wal_problem(wal, info,
				   "%s: no good record at offset %" PRIu64 " after batch %" PRIu64
				   ", but the next segment begins with batch %" PRIu64,
				   name, scan.end, scan.batch, piece->batch_end);
	if (piece->is_last) {
		int status = repair_tail(wal, segment, piece->data, &scan, info);
		if (status != 0)
			return status;
		wal->tail_offset = wal->durable_offset = scan.end;
		wal->durable_segment = segment->id;
		wal->next_batch = scan.batch + 1;
	}
	replay_segment(wal, &scan, replay, info);
	wal->recovered_batch = scan.batch;
	wal->recovered_ended = true;
	return 0;
}

static int recover_segment(struct wal *wal, size_t index, const struct head *heads, uint8_t *data,
			   const struct wal_replay *replay, struct wal_recovery *info)
{
	struct wal_segment *segment = wal->segments[index];
	const struct head *head = &heads[index];
	bool is_last = index + 1 == wal->segment_count, damaged = true;
	struct wal_piece piece = {
		.segment = segment,
		.data = data,
		.size = segment->capacity,
		.batch_end = is_last ? 0 : heads[index + 1].header.first_batch,
		.is_last = is_last,
		.has_header = head->good,
		.is_cut = head->cut,
	};
	int status = 0;
	if (!segment->missing)
		status = wal->disk->ops->read_now(wal->disk, segment->file, 0, data,
						  segment->capacity);
	replay_header(wal, index, head, replay, info);
	if (head->header.first_batch != 0 && index == 0)
		wal->recovered_batch = head->header.first_batch - 1;
	if (status == 0 && head->good && !head->cut)
		status = recover_whole(wal, &piece, head, replay, info, &damaged);
	if (status == 0 && damaged)
		status = wal_salvage(wal, &piece, replay, info);
	return status;
}

int wal_recover(struct wal *wal, void (*replay)(void *context, const struct wal_record *record),
		struct wal_recovery *info)
{
	ASSERT(wal->segment_count > 0);
	const struct wal_replay replayer = {replay};
	struct head *heads = alloc_zeroed(wal->segment_count, sizeof *heads);
	uint8_t *data = NULL;
	info->segments = wal->segment_count;
	info->oldest_segment = wal->segments[0]->id;
	int status = read_headers(wal, heads, info);
	if (status != 0)
		goto out;
	uint64_t capacity_max = 1;
	for (size_t i = 0; i < wal->segment_count; i++)
		if (wal->segments[i]->capacity > capacity_max)
			capacity_max = wal->segments[i]->capacity;
	data = alloc_bytes(capacity_max);
	wal->recovered_ended = true;
	for (size_t i = 0; status == 0 && i < wal->segment_count; i++)
		status = recover_segment(wal, i, heads, data, &replayer, info);
out:
	free(data);
	free(heads);
	return status;
}
