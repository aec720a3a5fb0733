/*
 * Reading records back. The length of a record is not known beforehand: the first
 * read takes READ_FIRST_BYTES, a second one what is missing for a longer record.
 */
#include "wal/internal.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { READ_FIRST_BYTES = 8 * 1024, READER_KEEP_BYTES = 64 * 1024 };

struct wal_reader {
	struct disk_request request;
	struct wal *wal;
	struct wal_segment *segment;
	uint64_t offset;
	uint8_t *data;
	size_t capacity;
	void (*done)(void *context, int status, const struct wal_record *record);
	void *context;
	struct wal_reader *next;        /* while idle */
	struct wal_reader *next_of_all; /* idle or busy: a crash may find a read under way */
};

static void read_done(struct disk_request *request);

static struct wal_reader *reader_get(struct wal *wal)
{
	struct wal_reader *reader = wal->idle_readers;
	if (reader != NULL) {
		wal->idle_readers = reader->next;
		return reader;
	}
	reader = ALLOC(struct wal_reader);
	reader->next_of_all = wal->readers;
	wal->readers = reader;
	return reader;
}

static void reader_put(struct wal *wal, struct wal_reader *reader)
{
	if (reader->capacity > READER_KEEP_BYTES) {
		free(reader->data);
		reader->data = NULL;
		reader->capacity = 0;
	}
	reader->next = wal->idle_readers;
	wal->idle_readers = reader;
}

void wal_readers_free(struct wal *wal)
{
	while (wal->readers != NULL) {
		struct wal_reader *reader = wal->readers;
		wal->readers = reader->next_of_all;
		free(reader->data);
		free(reader);
	}
}

static struct wal_record record_of(const struct wal_frame *frame, uint64_t segment, uint64_t offset)
{
	return (struct wal_record){
		.type = frame->type,
		.slot = frame->slot,
		.ballot = frame->ballot,
		.payload = frame->payload,
		.position = wal_position_make(segment, offset),
	};
}

static void submit(struct wal_reader *reader, size_t len)
{
	if (reader->capacity < len) {
		reader->data = alloc_resize(reader->data, len, 1);
		reader->capacity = len;
	}
	reader->request = (struct disk_request){
		.operation = DISK_READ,
		.lane = DISK_LANE_BULK,
		.file = reader->segment->file,
		.offset = reader->offset,
		.data = reader->data,
		.len = len,
		.callback = read_done,
		.owner = reader,
	};
	disk_submit(reader->wal->disk, &reader->request);
}

static void finish(struct wal_reader *reader, int status, const struct wal_record *record)
{
	struct wal *wal = reader->wal;
	reader->segment->readers--;
	reader->done(reader->context, status, record);
	reader_put(wal, reader);
	wal_release_step(wal);
}

static void read_done(struct disk_request *request)
{
	struct wal_reader *reader = request->owner;
	uint64_t available = reader->segment->capacity - reader->offset;
	if (request->status != 0) {
		/* The file is shorter than its header says. */
		finish(reader,
		       request->status == STATUS_TRUNCATED ? STATUS_CORRUPT : request->status,
		       NULL);
		return;
	}
	size_t size = wal_record_peek(reader->data, request->len);
	if (size > request->len && size <= available) {
		submit(reader, size);
		return;
	}
	struct wal_frame frame;
	if (!wal_record_verify(reader->data, request->len, reader->segment->place, reader->offset,
			       &frame)) {
		finish(reader, STATUS_CORRUPT, NULL);
		return;
	}
	struct wal_record record = record_of(&frame, reader->segment->id, reader->offset);
	finish(reader, 0, &record);
}

void wal_read(struct wal *wal, wal_position position,
	      void (*done)(void *context, int status, const struct wal_record *record),
	      void *context)
{
	uint64_t id = wal_position_segment(position), offset = wal_position_offset(position);
	const struct wal_segment *first = wal->segments[0], *tail = wal_tail(wal);
	if (id < first->id || id > tail->id || offset < WAL_HEADER_BYTES) {
		done(context, STATUS_NOT_FOUND, NULL);
		return;
	}
	struct wal_frame frame;
	if (wal_buffered(wal, id, offset, &frame)) {
		struct wal_record record = record_of(&frame, id, offset);
		done(context, 0, &record);
		return;
	}
	struct wal_segment *segment = wal->segments[id - first->id];
	ASSERT(segment->id == id);
	uint64_t end = segment == tail ? wal->tail_offset : segment->capacity;
	if (offset + WAL_RECORD_BYTES > end || !segment->ready) {
		done(context, STATUS_NOT_FOUND, NULL);
		return;
	}
	struct wal_reader *reader = reader_get(wal);
	reader->wal = wal;
	reader->segment = segment;
	reader->offset = offset;
	reader->done = done;
	reader->context = context;
	segment->readers++;
	uint64_t available = segment->capacity - offset;
	submit(reader, available < READ_FIRST_BYTES ? (size_t)available : READ_FIRST_BYTES);
}
