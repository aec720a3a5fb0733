/*
 * Appending and group commit.
 *
 * Idle until wal_flush() finds something collected. Then the buffer is written part
 * by part, each after the one before is durable; a part that opens a segment first takes
 * a free file (waiting for one if need be), writes and syncs the header in it, renames it, syncs
 * the directory and names it as the newest segment (range.c). After the last part the other buffer
 * follows, if it was flushed meanwhile; otherwise the writer is idle again.
 */
#include "wal/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* A buffer that has grown beyond this is given back after use. */
enum { BUFFER_KEEP_BYTES = 1024 * 1024, BUFFER_FIRST_BYTES = 64 * 1024 };
/* A payload that is not copied costs a list entry and two pieces of a write. */
enum { SHARED_BYTES_MIN = 4096 };

static void part_written(struct disk_request *request);
static void header_written(struct disk_request *request);
static void segment_renamed(struct disk_request *request);
static void directory_synced(struct disk_request *request);
static void newest_named(struct disk_request *request);
static void short_file_closed(struct disk_request *request);
static void short_file_removed(struct disk_request *request);
static void write_part(struct wal *wal);

static struct wal_part *last_part(struct wal_buffer *buffer)
{
	return &buffer->parts[buffer->part_count - 1];
}

/* The share that belongs before that byte of the buffer; NULL: none. */
static const struct wal_share *share_at(const struct wal_buffer *buffer, size_t at)
{
	/* Mostly it is asked for the last. */
	for (size_t i = buffer->share_count; i > 0 && buffer->shares[i - 1].at >= at; i--)
		if (buffer->shares[i - 1].at == at)
			return &buffer->shares[i - 1];
	return NULL;
}

/* The record that begins at that byte of the buffer. */
static void view(const struct wal_buffer *buffer, size_t begin, struct wal_frame *out)
{
	const struct wal_share *share = share_at(buffer, begin + WAL_RECORD_BYTES);
	wal_record_view(buffer->data + begin, out);
	if (share != NULL)
		out->payload = bytes_slice(share->bytes);
}

/* Completes the record that was appended last. Each record's checksum is computed once, here. */
static void seal_last_record(struct wal_buffer *buffer, bool last)
{
	const struct wal_part *part = last_part(buffer);
	ASSERT(buffer->last_record >= part->begin && buffer->last_record < part->end);
	uint8_t *record = buffer->data + buffer->last_record;
	const struct wal_share *share = share_at(buffer, buffer->last_record + WAL_RECORD_BYTES);
	if (share == NULL)
		wal_record_seal(record, part->segment->place, buffer->last_offset, last);
	else
		wal_record_seal_around(record, bytes_slice(share->bytes), part->segment->place,
				       buffer->last_offset, last);
}

static void begin_part(struct wal *wal)
{
	struct wal_buffer *buffer = wal->filling;
	struct wal_segment *segment = wal_tail(wal);
	/* Parts follow each other: in one segment, or at the beginning of the next. */
	ASSERT(wal->tail_offset >= WAL_HEADER_BYTES && wal->tail_offset <= segment->capacity);
	ASSERT(buffer->part_count == 0 || wal->tail_offset == WAL_HEADER_BYTES);
	ALLOC_ROOM(buffer->parts, buffer->part_count, buffer->part_capacity, 4);
	buffer->parts[buffer->part_count++] = (struct wal_part){
		.segment = segment,
		.offset = wal->tail_offset,
		.begin = buffer->len,
		.end = buffer->len,
		.share_begin = buffer->share_count,
		.share_end = buffer->share_count,
		.shared_before = buffer->shared,
		.batch = wal->next_batch++,
		.promise = wal->promise_unknown ? WAL_PROMISE_UNKNOWN : wal->promise,
	};
	if (wal->tail_offset == WAL_HEADER_BYTES)
		segment->first_batch = last_part(buffer)->batch;
	ASSERT(segment->first_batch <= last_part(buffer)->batch);
}

/*
 * Makes room for a record of `size` bytes at the tail: in the current part, a new part, or a new
 * segment. So many of them stand in the buffer.
 */
static void make_room(struct wal *wal, size_t size, size_t here)
{
	struct wal_buffer *buffer = wal->filling;
	struct wal_segment *tail = wal_tail(wal);
	bool begun = buffer->part_count > 0;
	bool fits = wal->tail_offset + size <= tail->capacity;
	if (begun)
		seal_last_record(buffer, !fits);
	if (!fits) {
		wal_add_segment(wal, tail->id + 1, wal_next_capacity(wal, size));
		wal->tail_offset = WAL_HEADER_BYTES;
	}
	if (!begun || !fits)
		begin_part(wal);
	if (buffer->len + here + WAL_BLOCK_BYTES > buffer->capacity) { /* and padding */
		size_t capacity = buffer->capacity == 0 ? BUFFER_FIRST_BYTES : buffer->capacity * 2;
		while (capacity < buffer->len + here + WAL_BLOCK_BYTES)
			capacity *= 2;
		buffer->data = alloc_resize(buffer->data, capacity, 1);
		buffer->capacity = capacity;
	}
}

/* The payload of the record that is about to be encoded is not copied. */
static void share_payload(struct wal_buffer *buffer, struct wal_part *part, struct bytes *bytes)
{
	ALLOC_ROOM(buffer->shares, buffer->share_count, buffer->share_capacity, 16);
	buffer->shares[buffer->share_count++] = (struct wal_share){
		.at = buffer->len + WAL_RECORD_BYTES,
		.bytes = bytes_ref(bytes),
	};
	buffer->shared += bytes->len;
	part->shared += bytes->len;
	part->share_end = buffer->share_count;
}

void wal_shares_release(struct wal_buffer *buffer)
{
	for (size_t i = 0; i < buffer->share_count; i++)
		bytes_unref(buffer->shares[i].bytes);
	buffer->share_count = 0;
	buffer->shared = 0;
}

uint64_t wal_append(struct wal *wal, const struct wal_record *record, wal_position *position)
{
	ASSERT(record->type >= WAL_PROMISE && record->type <= WAL_STARTS);
	ASSERT(record->payload.len <= WAL_PAYLOAD_BYTES_MAX);
	struct wal_buffer *buffer = wal->filling;
	size_t size = wal_record_size(record->payload.len), here = size;
	bool shared = record->held != NULL && record->payload.len >= SHARED_BYTES_MIN;
	if (shared)
		here = wal_record_size_around(record->payload.len);
	make_room(wal, size, here);

	struct wal_part *part = last_part(buffer);
	ASSERT(part->offset + wal_part_len(part) == wal->tail_offset && part->end == buffer->len);
	if (shared) {
		ASSERT(record->held->data == record->payload.data &&
		       record->held->len == record->payload.len);
		wal_record_encode_around(buffer->data + buffer->len, record, part->batch);
		share_payload(buffer, part, record->held);
	} else {
		wal_record_encode(buffer->data + buffer->len, record, part->batch);
	}
	if (position != NULL)
		*position = wal_position_make(part->segment->id, wal->tail_offset);
	buffer->last_record = buffer->len;
	buffer->last_offset = wal->tail_offset;
	buffer->len += here;
	part->end = buffer->len;
	part->last_sequence = ++wal->sequence;
	wal->tail_offset += size;
	ASSERT(wal->tail_offset <= part->segment->capacity);
	if (record->type != WAL_SNAPSHOT && record->ballot > wal->promise)
		wal->promise = record->ballot;
	if (record->type == WAL_PROMISE)
		wal->promise_unknown = false;
	wal->counters.appends++;
	return wal->sequence;
}

static void submit(struct wal *wal, enum disk_operation operation,
		   void (*callback)(struct disk_request *request))
{
	struct disk_request *request = &wal->write_request;
	request->operation = operation;
	request->lane = DISK_LANE_LOG;
	request->callback = callback;
	request->owner = wal;
	request->status = 0;
	disk_submit(wal->disk, request);
}

static const char *write_problem(const struct disk_request *request, const char *otherwise)
{
	if (request->status != STATUS_CORRUPT)
		return otherwise;
	return "a log segment was cut short while it was in use; " WAL_LOST_ADVICE;
}

/* Opens the segment of a part: the header goes into a file that is still called free-…. */
static void open_segment(struct wal *wal, const struct wal_part *part)
{
	struct wal_segment *segment = part->segment;
	struct wal_free file;
	/* Only at its beginning: what is behind a header that is written now would be lost. */
	ASSERT(part->offset == WAL_HEADER_BYTES && segment->file == NULL);
	if (!wal_free_take(wal, segment->capacity, &file)) {
		wal->opening_waits = segment->capacity;
		wal_space_prepare(wal);
		return;
	}
	wal->opening_waits = 0;
	segment->file = file.file;
	wal_name(wal->write_name, wal->free_prefix, file.number);
	wal_name(wal->write_new_name, wal->log_prefix, segment->id);
	struct wal_header header = {
		.segment = segment->id,
		.capacity = segment->capacity,
		.first_batch = part->batch,
		.promise = part->promise,
		.group = wal->options.group,
		.replica = wal->options.replica,
	};
	wal_header_encode(wal->header, &header);
	wal->write_request.file = segment->file;
	wal->write_request.offset = 0;
	wal->write_request.data = wal->header;
	wal->write_request.len = sizeof wal->header;
	wal->write_request.npieces = 0;
	wal->write_request.size_min = segment->capacity;
	submit(wal, DISK_WRITE_SYNC, header_written);
}

/*
 * Zeros behind the last part of the buffer, up to the end of the block. Behind the parts before it
 * the segment ends.
 */
static size_t pad(struct wal_buffer *buffer)
{
	const struct wal_part *part = last_part(buffer);
	uint64_t end = part->offset + wal_part_len(part);
	uint64_t padding = -end % WAL_BLOCK_BYTES;
	if (padding > part->segment->capacity - end)
		padding = part->segment->capacity - end;
	memset(buffer->data + part->end, 0, padding);
	return padding;
}

/* The part and so many zeros behind it, in turn from the buffer and from its shares. */
static void write_pieces(struct wal *wal, const struct wal_part *part, size_t padding)
{
	const struct wal_buffer *buffer = wal->writing;
	size_t count = 2 * (part->share_end - part->share_begin) + 1, used = 0;
	size_t position = part->begin;
	if (count > wal->piece_capacity) {
		wal->pieces = alloc_resize(wal->pieces, count, sizeof *wal->pieces);
		wal->piece_capacity = count;
	}
	for (size_t i = part->share_begin; i < part->share_end; i++) {
		const struct wal_share *share = &buffer->shares[i];
		wal->pieces[used++] = slice(buffer->data + position, share->at - position);
		wal->pieces[used++] = bytes_slice(share->bytes);
		position = share->at;
	}
	if (part->end + padding > position)
		wal->pieces[used++] = slice(buffer->data + position,
					    part->end + padding - position);
	wal->write_request.pieces = wal->pieces;
	wal->write_request.npieces = (uint32_t)used;
}

/* Writes the next part of the buffer that is under way. */
static void write_part(struct wal *wal)
{
	struct wal_buffer *buffer = wal->writing;
	const struct wal_part *part = &buffer->parts[wal->writing_part];
	if (!part->segment->ready) {
		open_segment(wal, part);
		return;
	}
	/* In the order of positions: what is durable is a beginning of the log. */
	ASSERT(wal->durable_segment < part->segment->id ||
	       (wal->durable_segment == part->segment->id && wal->durable_offset <= part->offset));
	wal->write_request.file = part->segment->file;
	wal->write_request.offset = part->offset;
	wal->write_request.data = buffer->data + part->begin;
	wal->write_request.npieces = 0;
	wal->write_request.size_min = part->segment->capacity;
	size_t padding = part == last_part(buffer) ? pad(buffer) : 0;
	wal->write_request.len = wal_part_len(part) + padding;
	if (part->shared > 0)
		write_pieces(wal, part, padding);
	submit(wal, DISK_WRITE_SYNC, part_written);
}

/*
 * It has become shorter since it was put into the reserve: nothing is in it yet, so another one
 * will do.
 */
static void drop_short_file(struct wal *wal)
{
	if (wal->options.log != NULL)
		log_event(wal->options.log, LOG_ERROR, "wal_free_file_cut",
			  "file=%s action=\"another one is taken\"", wal->write_name);
	submit(wal, DISK_CLOSE, short_file_closed);
}

static void short_file_closed(struct disk_request *request)
{
	struct wal *wal = request->owner;
	wal->writing->parts[wal->writing_part].segment->file = NULL;
	if (!wal_went_well(wal, 0, NULL))
		return;
	request->name = wal->write_name;
	submit(wal, DISK_REMOVE, short_file_removed);
}

static void short_file_removed(struct disk_request *request)
{
	struct wal *wal = request->owner;
	if (wal_went_well(wal, request->status, "removing a file that was cut short failed"))
		write_part(wal);
}

static void header_written(struct disk_request *request)
{
	struct wal *wal = request->owner;
	if (request->status == STATUS_CORRUPT && wal_went_well(wal, 0, NULL)) {
		drop_short_file(wal);
		return;
	}
	if (!wal_went_well(wal, request->status,
			   write_problem(request, "writing the header of a log segment failed")))
		return;
	request->name = wal->write_name;
	request->new_name = wal->write_new_name;
	submit(wal, DISK_RENAME, segment_renamed);
}

static void segment_renamed(struct disk_request *request)
{
	struct wal *wal = request->owner;
	if (!wal_went_well(wal, request->status, "renaming a log segment failed"))
		return;
	submit(wal, DISK_SYNC_DIRECTORY, directory_synced);
}

static void directory_synced(struct disk_request *request)
{
	struct wal *wal = request->owner;
	if (!wal_went_well(wal, request->status, "syncing the log's directory failed"))
		return;
	/* Before it holds a record: were it missing at the next start, it would be missed. */
	wal_range_request(wal, WAL_NEWEST, wal->writing->parts[wal->writing_part].segment->id,
			  request);
	submit(wal, DISK_WRITE_SYNC, newest_named);
}

static void newest_named(struct disk_request *request)
{
	struct wal *wal = request->owner;
	if (!wal_went_well(wal, request->status, "naming the newest log segment failed"))
		return;
	wal->writing->parts[wal->writing_part].segment->ready = true;
	write_part(wal);
	wal_space_prepare(wal);
	wal_release_step(wal);
}

void wal_write_continue(struct wal *wal)
{
	if (wal->opening_waits != 0 && !wal->failed)
		write_part(wal);
}

/* The buffer that fills becomes the one that is written. */
static void start_writing(struct wal *wal)
{
	ASSERT(wal->writing == NULL && wal->filling->len > 0);
	seal_last_record(wal->filling, true);
	wal->flush_wanted = false;
	wal->writing = wal->filling;
	wal->filling = wal->writing == &wal->buffers[0] ? &wal->buffers[1] : &wal->buffers[0];
	wal->writing_part = 0;
	write_part(wal);
}

static void buffer_reset(struct wal_buffer *buffer)
{
	buffer->len = 0;
	buffer->part_count = 0;
	wal_shares_release(buffer);
	if (buffer->capacity > BUFFER_KEEP_BYTES) {
		free(buffer->data);
		buffer->data = NULL;
		buffer->capacity = 0;
	}
}

static void part_written(struct disk_request *request)
{
	struct wal *wal = request->owner;
	if (!wal_went_well(wal, request->status, write_problem(request, "writing the log failed")))
		return;
	struct wal_buffer *buffer = wal->writing;
	const struct wal_part *part = &buffer->parts[wal->writing_part];
	ASSERT(part->last_sequence > wal->durable && part->last_sequence <= wal->sequence);
	wal->durable = part->last_sequence;
	wal->durable_segment = part->segment->id;
	wal->durable_offset = part->offset + wal_part_len(part);
	wal->counters.batches++;
	wal->counters.bytes += wal_part_len(part);

	/* The disk goes on first; the owner hears about it while the next batch is on its way. */
	uint64_t durable = wal->durable;
	wal->writing_part++;
	if (wal->writing_part < buffer->part_count) {
		write_part(wal);
	} else {
		wal->writing = NULL;
		buffer_reset(buffer);
		if (wal->flush_wanted)
			start_writing(wal);
	}
	wal_release_step(wal);
	wal->options.durable(wal->options.context, durable);
}

void wal_flush(struct wal *wal)
{
	if (wal->failed)
		return;
	if (wal->filling->len > 0) {
		if (wal->writing != NULL)
			wal->flush_wanted = true;
		else
			start_writing(wal);
	}
	wal_space_prepare(wal);
}

bool wal_rotate(struct wal *wal)
{
	struct wal_segment *tail = wal_tail(wal);
	/* On a full disk, what is appended would have to wait for the new one. */
	if (wal->free_count == 0 || wal->opening_waits || wal->full || !tail->ready)
		return false;
	wal->tail_offset = tail->capacity;
	return true;
}

uint64_t wal_pending_bytes(const struct wal *wal)
{
	uint64_t bytes = wal->filling->len + wal->filling->shared;
	if (wal->writing != NULL) {
		const struct wal_part *next = &wal->writing->parts[wal->writing_part];
		bytes += wal->writing->len - next->begin;
		bytes += wal->writing->shared - next->shared_before;
	}
	return bytes;
}

/* Where in the buffer a record begins that begins so far behind the part's beginning. */
static size_t place_in_buffer(const struct wal_buffer *buffer, const struct wal_part *part,
			      uint64_t distance)
{
	uint64_t shared = 0;
	for (size_t i = part->share_begin; i < part->share_end; i++) {
		const struct wal_share *share = &buffer->shares[i];
		/* It and what is before it lie in between. */
		if (share->at - part->begin + shared >= distance)
			break;
		shared += share->bytes->len;
	}
	return part->begin + (size_t)(distance - shared);
}

static bool find_in_buffer(const struct wal_buffer *buffer, uint64_t segment, uint64_t offset,
			   struct wal_frame *out)
{
	for (size_t i = 0; i < buffer->part_count; i++) {
		const struct wal_part *part = &buffer->parts[i];
		if (part->segment->id != segment || offset < part->offset ||
		    offset >= part->offset + wal_part_len(part))
			continue;
		view(buffer, place_in_buffer(buffer, part, offset - part->offset), out);
		return true;
	}
	return false;
}

bool wal_buffered(const struct wal *wal, uint64_t segment, uint64_t offset, struct wal_frame *out)
{
	return find_in_buffer(wal->filling, segment, offset, out) ||
	       (wal->writing != NULL && find_in_buffer(wal->writing, segment, offset, out));
}
