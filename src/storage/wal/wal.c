/* Opening and closing, and what does not fit elsewhere. */
#include "wal/wal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wal/internal.h"

/* A file with a strange name is no reason to look for millions of others. */
#define SEGMENTS_MISSING_MAX 65536u

enum { SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024, RECYCLE_MAX_DEFAULT = 2 };

/* What the directory holds, as the listing tells it. */
struct found {
	const struct wal *wal;
	struct {
		uint64_t number;
		uint64_t size;
		bool is_log;
	} * files;
	size_t count, capacity;
	bool range; /* the file that says which segments there are, is there */
};

static void found_file(void *context, const char *name, uint64_t size)
{
	struct found *found = context;
	uint64_t number;
	if (strcmp(name, found->wal->range_name) == 0)
		found->range = true;
	bool is_log = wal_name_parse(name, found->wal->log_prefix, &number);
	if (!is_log && !wal_name_parse(name, found->wal->free_prefix, &number))
		return;
	ALLOC_ROOM(found->files, found->count, found->capacity, 16);
	found->files[found->count].number = number;
	found->files[found->count].size = size;
	found->files[found->count].is_log = is_log;
	found->count++;
}

static int run_name(struct wal *wal, enum disk_operation operation, const char *name,
		    const char *new_name)
{
	struct disk_request request = {.operation = operation, .name = name, .new_name = new_name};
	return wal->disk->ops->run_now(wal->disk, &request);
}

static void close_file(struct wal *wal, struct disk_file *file)
{
	if (file == NULL)
		return;
	struct disk_request request = {.operation = DISK_CLOSE, .file = file};
	int status = wal->disk->ops->run_now(wal->disk, &request);
	(void)status; /* Nothing that matters is unsynced, and there is nothing to be done. */
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return left < right ? -1 : left > right;
}

/* Opens every segment, oldest first. */
static int open_segments(struct wal *wal, const struct found *found, struct wal_recovery *info)
{
	uint64_t *ids = alloc_zeroed(found->count + 1, sizeof *ids);
	size_t count = 0;
	int status = 0;
	for (size_t i = 0; i < found->count; i++)
		if (found->files[i].is_log)
			ids[count++] = found->files[i].number;
	qsort(ids, count, sizeof *ids, compare_numbers);
	for (size_t i = 0; status == 0 && i < count; i++) {
		char name[WAL_NAME_BYTES];
		struct disk_file *file;
		uint64_t size;
		wal_name(name, wal->log_prefix, ids[i]);
		status = wal->disk->ops->open(wal->disk, name, &file, &size);
		if (status != 0)
			break;
		if (ids[i] > UINT32_MAX || size > UINT32_MAX) {
			close_file(wal, file);
			snprintf(info->problem, sizeof info->problem,
				 "%s cannot be a segment of the log, which never gets that far: "
				 "move it away",
				 name);
			status = STATUS_CORRUPT;
			break;
		}
		while (wal->segment_count > 0 && wal_tail(wal)->id + 1 < ids[i] &&
		       wal->segment_count < SEGMENTS_MISSING_MAX) {
			struct wal_segment *missing = wal_add_segment(wal, wal_tail(wal)->id + 1,
								      0);
			missing->missing = missing->ready = missing->damaged = true;
		}
		if (wal->segment_count > 0 && wal_tail(wal)->id + 1 != ids[i]) {
			close_file(wal, file);
			status = wal_problem(wal, info, "the segments before %s are missing", name);
			break;
		}
		struct wal_segment *segment = wal_add_segment(wal, ids[i], size);
		segment->file = file;
		segment->ready = true;
	}
	free(ids);
	return status;
}

/* Keeps free files of the right size up to the limit, and removes the others. */
static int open_free_files(struct wal *wal, const struct found *found)
{
	for (size_t i = 0; i < found->count; i++) {
		if (found->files[i].is_log)
			continue;
		uint64_t number = found->files[i].number;
		char name[WAL_NAME_BYTES];
		wal_name(name, wal->free_prefix, number);
		if (number >= wal->next_free_number)
			wal->next_free_number = number + 1;
		int status;
		if (found->files[i].size == wal->options.segment_bytes &&
		    wal->free_count < wal->options.recycle_max) {
			struct wal_free file = {.number = number,
						.capacity = wal->options.segment_bytes};
			uint64_t size;
			status = wal->disk->ops->open(wal->disk, name, &file.file, &size);
			if (status == 0)
				wal_free_add(wal, file);
		} else {
			status = run_name(wal, DISK_REMOVE, name, NULL);
		}
		if (status != 0)
			return status;
	}
	return 0;
}

static int create_free(struct wal *wal, struct wal_free *out)
{
	char name[WAL_NAME_BYTES];
	out->number = wal->next_free_number++;
	wal_name(name, wal->free_prefix, out->number);
	struct disk_request request = {
		.operation = DISK_CREATE, .name = name, .len = wal->options.segment_bytes};
	int status = wal->disk->ops->run_now(wal->disk, &request);
	if (status != 0) {
		/* What was filled so far would only take up the space that is missing. */
		int removed = run_name(wal, DISK_REMOVE, name, NULL);
		(void)removed;
		return status;
	}
	out->file = request.file;
	return 0;
}

/* A new log: segment 1, empty. The file gets its name only when its header is durable. */
static int create_first(struct wal *wal)
{
	struct wal_free file;
	ASSERT(wal->segment_count == 0 && wal->sequence == 0);
	if (!wal_free_take(wal, wal->options.segment_bytes, &file)) {
		int status = create_free(wal, &file);
		if (status != 0)
			return status;
	}
	struct wal_segment *segment = wal_add_segment(wal, 1, wal->options.segment_bytes);
	segment->file = file.file;
	segment->ready = true;
	segment->first_batch = 1;

	struct wal_header header = {
		.segment = 1,
		.capacity = segment->capacity,
		.first_batch = 1,
		.group = wal->options.group,
		.replica = wal->options.replica,
	};
	uint8_t data[WAL_HEADER_BYTES];
	wal_header_encode(data, &header);
	int status = wal->disk->ops->write_now(wal->disk, segment->file, 0, data, sizeof data);
	if (status == 0)
		status = wal->disk->ops->sync_now(wal->disk, segment->file);
	if (status != 0)
		return status;
	char free_name[WAL_NAME_BYTES], name[WAL_NAME_BYTES];
	wal_name(free_name, wal->free_prefix, file.number);
	wal_name(name, wal->log_prefix, 1);
	wal->counters.segments_created++;
	return run_name(wal, DISK_RENAME, free_name, name);
}

static int open_directory(struct wal *wal,
			  void (*replay)(void *context, const struct wal_record *record),
			  struct wal_recovery *info)
{
	struct found found = {.wal = wal};
	int status = wal->disk->ops->list(wal->disk, found_file, &found);
	if (status == 0)
		status = open_segments(wal, &found, info);
	if (status == 0)
		status = open_free_files(wal, &found);
	free(found.files);
	if (status == 0)
		status = wal_range_check(wal, found.range, info);
	if (status == 0 && wal->segment_count == 0)
		status = create_first(wal);
	if (status == 0)
		status = wal_recover(wal, replay, info);
	/* A name that the process before did not come to sync may be in memory only. */
	if (status == 0)
		status = run_name(wal, DISK_SYNC_DIRECTORY, NULL, NULL);
	if (status == 0)
		status = wal_range_write(wal);
	if (status == STATUS_NO_SPACE && info->problem[0] == '\0')
		snprintf(info->problem, sizeof info->problem,
			 "the disk is full: a segment of the log takes %" PRIu64
			 " bytes; free some space and start again",
			 wal->options.segment_bytes);
	else if (status != 0 && info->problem[0] == '\0')
		snprintf(info->problem, sizeof info->problem, "its log cannot be opened: %s",
			 disk_problem(wal->disk, status));
	return status;
}

static void set_names(struct wal *wal)
{
	const char *prefix = wal->options.prefix == NULL ? "" : wal->options.prefix;
	ASSERT(strlen(prefix) <= WAL_PREFIX_BYTES_MAX);
	snprintf(wal->log_prefix, sizeof wal->log_prefix, "%s" WAL_LOG_PREFIX, prefix);
	snprintf(wal->free_prefix, sizeof wal->free_prefix, "%s" WAL_FREE_PREFIX, prefix);
	snprintf(wal->range_name, sizeof wal->range_name, "%s" WAL_RANGE_NAME, prefix);
	snprintf(wal->range_new_name, sizeof wal->range_new_name, "%s" WAL_RANGE_NAME "-new",
		 prefix);
}

int wal_open(struct wal **out, const struct wal_options *options,
	     void (*replay)(void *context, const struct wal_record *record),
	     struct wal_recovery *info)
{
	struct wal *wal = ALLOC(struct wal);
	*out = NULL;
	memset(info, 0, sizeof *info);
	wal->options = *options;
	set_names(wal);
	wal->disk = options->disk;
	if (wal->options.segment_bytes == 0)
		wal->options.segment_bytes = SEGMENT_BYTES_DEFAULT;
	wal->options.segment_bytes = (wal->options.segment_bytes + 7) / 8 * 8;
	if (wal->options.recycle_max == 0)
		wal->options.recycle_max = RECYCLE_MAX_DEFAULT;
	if (wal->options.files_max == 0)
		wal->options.files_max = UINT32_MAX;
	ASSERT(wal->options.segment_bytes <= UINT32_MAX);
	ASSERT(wal->options.segment_bytes >= WAL_HEADER_BYTES + 2 * WAL_RECORD_BYTES);
	wal->filling = &wal->buffers[0];
	wal->next_free_number = 1;

	int status = open_directory(wal, replay, info);
	if (status != 0) {
		wal_close(wal);
		return status;
	}
	/* What is appended next goes behind all that was found, into a file that is there. */
	ASSERT(wal->segment_count > 0 && wal_tail(wal)->file != NULL && wal_tail(wal)->ready);
	*out = wal;
	return 0;
}

void wal_close(struct wal *wal)
{
	wal_readers_free(wal);
	free(wal->scrubber.data);
	for (size_t i = 0; i < wal->segment_count; i++) {
		close_file(wal, wal->segments[i]->file);
		free(wal->segments[i]);
	}
	free(wal->segments);
	for (size_t i = 0; i < wal->free_count; i++)
		close_file(wal, wal->free_files[i].file);
	free(wal->free_files);
	close_file(wal, wal->created.file);
	close_file(wal, wal->range_file);
	if (wal->releasing != NULL) {
		close_file(wal, wal->releasing->file);
		free(wal->releasing);
	}
	for (size_t i = 0; i < 2; i++) {
		wal_shares_release(&wal->buffers[i]);
		free(wal->buffers[i].shares);
		free(wal->buffers[i].data);
		free(wal->buffers[i].parts);
	}
	free(wal->pieces);
	free(wal);
}

void wal_forget_promise(struct wal *wal)
{
	wal->promise_unknown = true;
}

uint64_t wal_oldest_segment(const struct wal *wal)
{
	return wal->segments[0]->id;
}

uint64_t wal_newest_segment(const struct wal *wal)
{
	return wal_tail(wal)->id;
}

const char *wal_file_name(const struct wal *wal, wal_position position,
			  char name[WAL_FILE_NAME_BYTES])
{
	wal_name(name, wal->log_prefix, wal_position_segment(position));
	return name;
}

size_t wal_payload_max(const struct wal *wal)
{
	return (size_t)wal->options.segment_bytes - WAL_HEADER_BYTES - WAL_RECORD_BYTES;
}

uint64_t wal_durable(const struct wal *wal)
{
	return wal->durable;
}

uint64_t wal_disk_bytes(const struct wal *wal)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < wal->free_count; i++)
		bytes += wal->free_files[i].capacity;
	for (size_t i = 0; i < wal->segment_count; i++)
		if (wal->segments[i]->ready)
			bytes += wal->segments[i]->capacity;
	return bytes;
}

uint64_t wal_bytes_from(const struct wal *wal, wal_position position)
{
	uint64_t bytes = 0, id = wal_position_segment(position);
	for (size_t i = wal->segment_count - 1; i > 0 && wal->segments[i - 1]->id >= id; i--)
		bytes += wal->segments[i - 1]->capacity;
	return bytes;
}

bool wal_busy(const struct wal *wal)
{
	return wal->writing != NULL && !(wal->opening_waits && wal->full);
}

uint64_t wal_operations(const struct wal *wal)
{
	return wal->operations;
}

const struct wal_counters *wal_counters(const struct wal *wal)
{
	return &wal->counters;
}
