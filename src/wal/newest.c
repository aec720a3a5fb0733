/*
 * Which segment is the newest, in a file of its own: a log whose last segment, or all of it, has gone looks like a shorter
 * log, or like none, and nothing else would tell. The file is made when the first segment is durable, and says so before any
 * later one holds a record. So
 *
 *   no such file, no segment       nothing was ever written here: a new log
 *   no such file, segments         killed before it was made, or written by a version that did not make it: it is made
 *   it names one that is missing   that has been lost: STATUS_CORRUPT
 *   it names an older one          killed before the last one was noted, and that one is empty: it is noted
 *   it does not verify             what it names is not known; the log counts as it is, unless there is none
 *
 *   u64 magic "SYNODNEW"   u32 format version (1)   u32 crc32c of bytes 16 … 63
 *   u64 segment id         u64 group id             u64 replica (0: not known)     zeros to 64 bytes
 *
 * All of it lies in one sector, so that it is overwritten in place.
 */
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "wal/internal.h"

#define VERSION 1u

static const char magic[8] = {'S', 'Y', 'N', 'O', 'D', 'N', 'E', 'W'};

void wal_newest_encode(struct wal *wal, uint64_t segment)
{
	uint8_t *out = wal->newest_data;
	memset(out, 0, WAL_NEWEST_BYTES);
	memcpy(out, magic, sizeof magic);
	store_u32(out + 8, VERSION);
	store_u64(out + 16, segment);
	store_u64(out + 24, wal->options.group);
	store_u64(out + 32, wal->options.replica);
	store_u32(out + 12, crc32c(0, out + 16, WAL_NEWEST_BYTES - 16));
	wal->newest = segment;
}

static bool verifies(const uint8_t *data)
{
	return memcmp(data, magic, sizeof magic) == 0 && load_u32(data + 8) == VERSION &&
	       load_u32(data + 12) == crc32c(0, data + 16, WAL_NEWEST_BYTES - 16);
}

/* Opens the file and reads what it says; wal->newest stays 0 if it says nothing that can be relied on. */
static int read_note(struct wal *wal, struct wal_recovery *info)
{
	uint8_t data[WAL_NEWEST_BYTES];
	uint64_t size;
	int status = wal->disk->ops->open(wal->disk, wal->newest_name, &wal->newest_file, &size);
	if (status != 0)
		return status;
	if (size >= sizeof data) {
		status = wal->disk->ops->read_now(wal->disk, wal->newest_file, 0, data, sizeof data);
		if (status != 0)
			return status;
	}
	if (size >= sizeof data && memcmp(data, magic, sizeof magic) == 0 && load_u32(data + 8) > VERSION)
		return wal_problem(wal, info, "%s was written by a newer version of this program", wal->newest_name);
	if (size < sizeof data || !verifies(data)) {
		if (wal->options.log != NULL)
			log_event(wal->options.log, LOG_ERROR, "wal_note_damaged", "file=%s", wal->newest_name);
		return 0;
	}
	uint64_t group = load_u64(data + 24), replica = load_u64(data + 32);
	if (group != wal->options.group || (replica != 0 && wal->options.replica != 0 && replica != wal->options.replica))
		return wal_problem(wal, info, "%s belongs to group %" PRIu64 ", replica %" PRIu64 ", not to group %" PRIu64
				   ", replica %" PRIu64, wal->newest_name, group, replica, wal->options.group,
				   wal->options.replica);
	wal->newest = load_u64(data + 16);
	return 0;
}

int wal_newest_check(struct wal *wal, bool exists, struct wal_recovery *info)
{
	int status = exists ? read_note(wal, info) : 0;
	if (status != 0)
		return status;
	info->noted = exists;
	if (wal->segment_count == 0) {
		if (exists || wal->options.begun)
			return wal_problem(wal, info, "the log is missing: there is no file %s…", wal->log_prefix);
		return 0;
	}
	char name[WAL_NAME_BYTES], last[WAL_NAME_BYTES];
	if (wal->newest <= wal_tail(wal)->id)
		return 0;
	wal_name(name, wal->log_prefix, wal->newest);
	wal_name(last, wal->log_prefix, wal_tail(wal)->id);
	return wal_problem(wal, info, "the newest segment, %s, is missing: the last one that is there is %s", name, last);
}

static int run(struct wal *wal, struct disk_request request)
{
	int status = wal->disk->ops->run_now(wal->disk, &request);
	if (status == 0 && request.operation == DISK_CREATE)
		wal->newest_file = request.file;
	return status;
}

/* Whatever bears its name is whole. */
static int create_note(struct wal *wal)
{
	int status = run(wal, (struct disk_request){.operation = DISK_CREATE, .name = wal->newest_new_name});
	if (status == 0)
		status = wal->disk->ops->write_now(wal->disk, wal->newest_file, 0, wal->newest_data, WAL_NEWEST_BYTES);
	if (status == 0)
		status = wal->disk->ops->sync_now(wal->disk, wal->newest_file);
	if (status == 0)
		status = run(wal, (struct disk_request){
					  .operation = DISK_RENAME, .name = wal->newest_new_name, .new_name = wal->newest_name});
	if (status == 0)
		status = run(wal, (struct disk_request){.operation = DISK_SYNC_DIRECTORY});
	return status;
}

int wal_newest_write(struct wal *wal)
{
	uint64_t last = wal_tail(wal)->id;
	ASSERT(wal->newest <= last);
	wal_newest_encode(wal, last);
	if (wal->newest_file == NULL)
		return create_note(wal);
	/* Also if it says so already: what the process before wrote may be in memory only, if its sync failed. */
	int status = wal->disk->ops->write_now(wal->disk, wal->newest_file, 0, wal->newest_data, WAL_NEWEST_BYTES);
	return status != 0 ? status : wal->disk->ops->sync_now(wal->disk, wal->newest_file);
}
