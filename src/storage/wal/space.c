/*
 * Files in reserve, and segments that are no longer needed.
 *
 *   making a free file:  create and fill ─▶ sync ─▶ into the reserve
 *                        (disk full: remove, wal_full)
 *   recycling a segment: name the next one as the oldest (range.c) ─▶ rename log-… to free-… ─▶
 *                        sync directory ─▶ into the reserve
 *   or, enough in it:    the same ─▶ remove log-… ─▶ sync directory ─▶ close
 *
 * Both run on the BULK lane. One segment at a time is recycled, oldest first, each step
 * durable before the next: a crash must not leave a gap in the ids. A file
 * is used again only after the sync of the directory; otherwise a crash could bring its old
 * name back over its new contents.
 */
#include "wal/internal.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"

static void free_file_created(struct disk_request *request);
static void free_file_synced(struct disk_request *request);
static void free_file_removed(struct disk_request *request);
static void oldest_named(struct disk_request *request);
static void segment_unlinked(struct disk_request *request);
static void release_synced(struct disk_request *request);
static void released_closed(struct disk_request *request);

void wal_free_add(struct wal *wal, struct wal_free file)
{
	ALLOC_ROOM(wal->free_files, wal->free_count, wal->free_capacity, 4);
	wal->free_files[wal->free_count++] = file;
}

bool wal_free_take(struct wal *wal, uint64_t capacity, struct wal_free *out)
{
	for (size_t i = wal->free_count; i-- > 0;) {
		if (wal->free_files[i].capacity != capacity)
			continue;
		*out = wal->free_files[i];
		wal->free_files[i] = wal->free_files[--wal->free_count];
		return true;
	}
	return false;
}

uint64_t wal_next_capacity(const struct wal *wal, size_t size)
{
	uint64_t capacity = wal->options.segment_bytes;
	for (size_t many = wal->segment_count / WAL_GROWTH_SEGMENTS;
	     many > 0 && capacity <= WAL_GROWN_BYTES_MAX / 2; many--)
		capacity *= 2;
	uint64_t needed = WAL_HEADER_BYTES + (uint64_t)size;
	if (needed > capacity)
		capacity = (needed + WAL_BLOCK_BYTES - 1) / WAL_BLOCK_BYTES * WAL_BLOCK_BYTES;
	return capacity;
}

/*
 * The size of the file that is missing: one in reserve, of the usual size, or the one that the
 * writer waits for. 0: none is.
 */
static uint64_t missing_file(const struct wal *wal)
{
	if (wal->opening_waits != 0)
		return wal->opening_waits;
	return wal->free_count == 0 ? wal->options.segment_bytes : 0;
}

/* A file has been made or recycled. */
static void free_file_arrived(struct wal *wal, struct wal_free file)
{
	if ((wal->full || wal->starved) && wal->options.log != NULL)
		log_event(wal->options.log, LOG_INFO, "wal_space_found", "bytes=%llu",
			  (unsigned long long)file.capacity);
	wal->full = wal->starved = false;
	wal_free_add(wal, file);
	wal_write_continue(wal);
}

static void submit(struct wal *wal, struct disk_request *request, enum disk_operation operation,
		   void (*callback)(struct disk_request *request))
{
	request->operation = operation;
	request->lane = DISK_LANE_BULK;
	request->callback = callback;
	request->owner = wal;
	request->status = 0;
	disk_submit(wal->disk, request);
}

static void create_free_file(struct wal *wal, uint64_t capacity)
{
	/* One at a time: there is one request for it, and one place for what it makes. */
	ASSERT(!wal->creating && wal->created.file == NULL && capacity >= WAL_HEADER_BYTES);
	wal->creating = true;
	wal->created = (struct wal_free){.number = wal->next_free_number++, .capacity = capacity};
	wal_name(wal->create_name, wal->free_prefix, wal->created.number);
	wal->create_request = (struct disk_request){.name = wal->create_name, .len = capacity};
	submit(wal, &wal->create_request, DISK_CREATE, free_file_created);
}

void wal_space_prepare(struct wal *wal)
{
	uint64_t capacity = missing_file(wal);
	if (capacity != 0 && !wal->creating && !wal->full && !wal->starved && !wal->failed)
		create_free_file(wal, capacity);
}

void wal_retry_space(struct wal *wal)
{
	uint64_t capacity = missing_file(wal);
	if (wal_wants_space(wal) && !wal->creating && !wal->failed)
		create_free_file(wal, capacity != 0 ? capacity : wal->options.segment_bytes);
}

bool wal_wants_space(const struct wal *wal)
{
	return wal->full || wal->starved;
}

bool wal_starved(const struct wal *wal)
{
	return wal->starved && wal->opening_waits != 0;
}

bool wal_full(const struct wal *wal)
{
	return wal->full;
}

uint64_t wal_room(const struct wal *wal)
{
	const struct wal_segment *tail = wal_tail(wal);
	ASSERT(wal->tail_offset <= tail->capacity);
	if (!tail->ready && wal->free_count == 0)
		return 0;
	return tail->capacity - wal->tail_offset;
}

/* Nothing has been created; somebody will give back a descriptor. */
static void note_shortage(struct wal *wal, int error)
{
	wal->creating = false;
	if (!wal->starved && wal->options.log != NULL)
		log_event(wal->options.log, LOG_ERROR, "wal_shortage",
			  "errno=%s action=\"tried again every second\" "
			  "hint=\"raise the limit of open files (LimitNOFILE=, ulimit -n)\"",
			  errno_name(error));
	wal->starved = true;
}

static void free_file_created(struct disk_request *request)
{
	struct wal *wal = request->owner;
	bool no_space = request->status == STATUS_NO_SPACE;
	if (request->status == STATUS_SHORTAGE) {
		note_shortage(wal, request->error);
		return;
	}
	if (!wal_went_well(wal, no_space ? 0 : request->status, "creating a log segment failed"))
		return;
	if (!no_space) {
		wal->created.file = request->file;
		submit(wal, request, DISK_SYNC, free_file_synced);
		return;
	}
	if (!wal->full && wal->options.log != NULL)
		log_event(wal->options.log, LOG_ERROR, "wal_full", "needed_bytes=%llu",
			  (unsigned long long)wal->created.capacity);
	wal->full = true;
	/*
	 * Gives back what was filled. A file left behind by a crash is removed at the next start.
	 */
	submit(wal, request, DISK_REMOVE, free_file_removed);
}

static void free_file_removed(struct disk_request *request)
{
	struct wal *wal = request->owner;
	wal->creating = false;
	if (!wal_went_well(wal, request->status, "removing an unfinished log segment failed"))
		return;
	/* A segment may have been recycled and used up meanwhile. */
	wal_space_prepare(wal);
}

static void free_file_synced(struct disk_request *request)
{
	struct wal *wal = request->owner;
	if (!wal_went_well(wal, request->status, "syncing a new log segment failed"))
		return;
	ASSERT(wal->creating && wal->created.file != NULL);
	struct wal_free file = wal->created;
	wal->created.file = NULL;
	wal->creating = false;
	wal->counters.segments_created++;
	free_file_arrived(wal, file);
}

void wal_release(struct wal *wal, wal_position before)
{
	uint64_t segment = wal_position_segment(before);
	ASSERT(before == UINT64_MAX || segment <= wal_tail(wal)->id);
	if (segment > wal->release_before) {
		wal->release_before = segment;
		wal->release_sequence = wal->sequence;
	}
	wal_release_step(wal);
}

void wal_release_step(struct wal *wal)
{
	if (wal->releasing != NULL || wal->failed || wal->segment_count < 2)
		return;
	/*
	 * What was appended before the release (a record of the snapshot, say) may be the reason
	 * for it.
	 */
	if (wal->durable < wal->release_sequence)
		return;
	struct wal_segment *segment = wal->segments[0];
	if (segment->id >= wal->release_before || segment->readers > 0)
		return;
	/*
	 * Those that are missing behind it go with it: the one that is named as the oldest must be
	 * there.
	 */
	size_t gone = 1;
	while (wal->segments[gone]->missing)
		gone++;
	/* Once it has its header, with the promise in it, every record of this one is durable. */
	if (wal->segments[gone - 1]->id >= wal->release_before || !wal->segments[gone]->ready)
		return;
	ASSERT(segment->ready && !segment->missing);
	for (size_t i = 1; i < gone; i++)
		free(wal->segments[i]);
	wal->segment_count -= gone;
	memmove(wal->segments, wal->segments + gone, wal->segment_count * sizeof *wal->segments);
	/* What is left begins with a segment that a start will find, and nothing of it was to go. */
	ASSERT(wal->segment_count > 0 && wal->segments[0]->ready && !wal->segments[0]->missing);
	ASSERT(segment->id < wal->segments[0]->id && wal->segments[0]->id <= wal->durable_segment);
	wal->releasing = segment;
	wal->release_request = (struct disk_request){0};
	wal_range_request(wal, WAL_OLDEST, wal->segments[0]->id, &wal->release_request);
	submit(wal, &wal->release_request, DISK_WRITE_SYNC, oldest_named);
}

static void oldest_named(struct disk_request *request)
{
	struct wal *wal = request->owner;
	if (!wal_went_well(wal, request->status, "naming the oldest log segment failed"))
		return;
	struct wal_segment *segment = wal->releasing;
	wal_name(wal->release_name, wal->log_prefix, segment->id);
	*request = (struct disk_request){.name = wal->release_name, .file = segment->file};
	size_t free_files = wal->free_count + (wal->creating ? 1 : 0);
	wal->release_keeps = segment->capacity == wal->options.segment_bytes && !segment->damaged &&
			     free_files < wal->options.recycle_max &&
			     (free_files == 0 ||
			      wal->segment_count + free_files < wal->options.files_max);
	if (wal->release_keeps) {
		wal->release_number = wal->next_free_number++;
		wal_name(wal->release_new_name, wal->free_prefix, wal->release_number);
		request->new_name = wal->release_new_name;
		submit(wal, request, DISK_RENAME, segment_unlinked);
	} else {
		submit(wal, request, DISK_REMOVE, segment_unlinked);
	}
}

static void segment_unlinked(struct disk_request *request)
{
	struct wal *wal = request->owner;
	if (!wal_went_well(wal, request->status, "recycling a log segment failed"))
		return;
	ASSERT(wal->releasing != NULL && wal->releasing->readers == 0);
	submit(wal, request, DISK_SYNC_DIRECTORY, release_synced);
}

static void release_done(struct wal *wal)
{
	free(wal->releasing);
	wal->releasing = NULL;
}

static void release_synced(struct disk_request *request)
{
	struct wal *wal = request->owner;
	if (!wal_went_well(wal, request->status, "syncing the log's directory failed"))
		return;
	if (!wal->release_keeps) {
		wal->releasing->file = NULL;
		submit(wal, request, DISK_CLOSE, released_closed);
		return;
	}
	struct wal_free file = {.number = wal->release_number,
				.capacity = wal->releasing->capacity,
				.file = wal->releasing->file};
	release_done(wal);
	wal->counters.segments_recycled++;
	free_file_arrived(wal, file);
	wal_release_step(wal);
}

static void released_closed(struct disk_request *request)
{
	struct wal *wal = request->owner;
	release_done(wal);
	/* The space is back: what could not be made before may be made now. */
	wal_retry_space(wal);
	wal_release_step(wal);
}
