/*
 * Which segments there are, in a file of its own: a log whose first or last segment has gone looks
 * like a shorter log, one that has gone altogether like none, and nothing else would tell. The file
 * is made when the first segment is durable. It names a segment as the newest before that holds a
 * record, and the one behind it as the oldest before a segment is released. So
 *
 *   no such file, no segment         nothing was ever written here: a new log
 *   no such file, segments           killed before it was made, or written by a version that did
 *                                    not make it: it is made
 *   a segment is missing that is     that has been lost: STATUS_CORRUPT
 *     not older than the oldest, and
 *     not newer than the newest
 *   there is a newer one             killed before it was named; it is empty, and is named
 *   there is an older one            killed before its release; it counts like the others
 *   a half does not verify           what it names is not known; the log counts as it is, unless
 *                                    there is none
 *
 * Two halves of one sector each, so that each is overwritten in place and on its own: the newest at
 * 0, the oldest at 512.
 *
 *   u64 magic "SYNODNEW" or "SYNODOLD"   u32 format version (2)
 *   u32 crc32c of bytes 8 … 11 and 16 … 63 (version 1: 16 … 63)
 *   u64 segment id    u64 group id    u64 replica (0: not known)    zeros to 512 bytes
 */
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "wal/internal.h"

#define VERSION 2u
#define HALF_BYTES_USED 64u

static const char magics[2][9] = {[WAL_NEWEST] = "SYNODNEW", [WAL_OLDEST] = "SYNODOLD"};

static uint32_t half_crc(const uint8_t *data, uint32_t version)
{
	uint8_t field[4];
	store_u32(field, version);
	return crc32c(version == 1 ? 0 : crc32c(0, field, sizeof field), data + 16,
		      HALF_BYTES_USED - 16);
}

static void encode(const struct wal *wal, enum wal_end which, uint64_t segment, uint8_t *out)
{
	memset(out, 0, WAL_RANGE_HALF_BYTES);
	memcpy(out, magics[which], 8);
	store_u32(out + 8, VERSION);
	store_u64(out + 16, segment);
	store_u64(out + 24, wal->options.group);
	store_u64(out + 32, wal->options.replica);
	store_u32(out + 12, half_crc(out, VERSION));
}

void wal_range_request(struct wal *wal, enum wal_end which, uint64_t segment,
		       struct disk_request *request)
{
	uint8_t *data = wal->range_data[which];
	encode(wal, which, segment, data);
	wal->range[which] = segment;
	request->file = wal->range_file;
	request->offset = which * WAL_RANGE_HALF_BYTES;
	request->data = data;
	request->len = WAL_RANGE_HALF_BYTES;
	request->npieces = 0;
	request->size_min = 0; /* what it said is said again */
}

/* What the half says; wal->range[which] stays 0 if it says nothing that can be relied on. */
static int decode(struct wal *wal, enum wal_end which, const uint8_t *data,
		  struct wal_recovery *info)
{
	const char *name = wal->range_name;
	uint32_t version = load_u32(data + 8);
	bool good = memcmp(data, magics[which], 8) == 0 && version != 0 &&
		    load_u32(data + 12) == half_crc(data, version);
	if (good && version > VERSION)
		return wal_newer(wal, info, "%s was written by a newer version of this program",
				 name);
	if (!good) {
		if (wal->options.log != NULL)
			log_event(wal->options.log, LOG_ERROR, "wal_range_damaged", "file=%s",
				  name);
		return 0;
	}
	uint64_t group = load_u64(data + 24), replica = load_u64(data + 32);
	if (group != wal->options.group ||
	    (replica != 0 && wal->options.replica != 0 && replica != wal->options.replica))
		return wal_problem(wal, info,
				   "%s belongs to group %" PRIu64 ", replica %" PRIu64
				   ", not to group %" PRIu64 ", replica %" PRIu64,
				   name, group, replica, wal->options.group, wal->options.replica);
	wal->range[which] = load_u64(data + 16);
	return 0;
}

static int read_range(struct wal *wal, struct wal_recovery *info)
{
	uint8_t data[WAL_RANGE_BYTES] = {0};
	uint64_t size;
	int status = wal->disk->ops->open(wal->disk, wal->range_name, &wal->range_file, &size);
	if (status == 0 && size > 0)
		status = wal->disk->ops->read_now(wal->disk, wal->range_file, 0, data,
						  size < sizeof data ? size : sizeof data);
	if (status == 0)
		status = decode(wal, WAL_NEWEST, data, info);
	if (status == 0)
		status = decode(wal, WAL_OLDEST, data + WAL_RANGE_HALF_BYTES, info);
	return status;
}

int wal_range_check(struct wal *wal, bool exists, struct wal_recovery *info)
{
	int status = exists ? read_range(wal, info) : 0;
	if (status != 0)
		return status;
	info->ranged = exists;
	if (wal->segment_count == 0) {
		if (exists || wal->options.begun)
			return wal_problem(wal, info,
					   "the log is missing: no name of a file begins with %s",
					   wal->log_prefix);
		return 0;
	}
	char name[WAL_NAME_BYTES], other[WAL_NAME_BYTES];
	if (wal->range[WAL_NEWEST] > wal_tail(wal)->id) {
		wal_name(name, wal->log_prefix, wal->range[WAL_NEWEST]);
		wal_name(other, wal->log_prefix, wal_tail(wal)->id);
		return wal_problem(
			wal, info,
			"the newest segment, %s, is missing: the last one that is there is %s",
			name, other);
	}
	if (wal->range[WAL_OLDEST] != 0 && wal->range[WAL_OLDEST] < wal->segments[0]->id) {
		wal_name(name, wal->log_prefix, wal->range[WAL_OLDEST]);
		wal_name(other, wal->log_prefix, wal->segments[0]->id);
		return wal_problem(
			wal, info,
			"the oldest segment, %s, is missing: the first one that is there is %s",
			name, other);
	}
	return 0;
}

static int run(struct wal *wal, struct disk_request request)
{
	int status = wal->disk->ops->run_now(wal->disk, &request);
	if (status == 0 && request.operation == DISK_CREATE)
		wal->range_file = request.file;
	return status;
}

/*
 * Also if it says so already: what the process before wrote may be in memory only, if its sync
 * failed.
 */
static int write_both(struct wal *wal)
{
	struct disk_request request = {.operation = DISK_WRITE_SYNC};
	wal_range_request(wal, WAL_NEWEST, wal_tail(wal)->id, &request);
	int status = run(wal, request);
	if (status != 0)
		return status;
	/*
	 * What it names as the oldest was to be so before an older one went, if one is still there.
	 */
	uint64_t oldest = wal->range[WAL_OLDEST];
	wal_range_request(wal, WAL_OLDEST, oldest == 0 ? wal->segments[0]->id : oldest, &request);
	return run(wal, request);
}

int wal_range_write(struct wal *wal)
{
	ASSERT(wal->range[WAL_NEWEST] <= wal_tail(wal)->id);
	if (wal->range_file != NULL)
		return write_both(wal);
	/* Whatever bears its name is whole. */
	int status = run(wal, (struct disk_request){.operation = DISK_CREATE,
						    .name = wal->range_new_name,
						    .len = WAL_RANGE_BYTES});
	if (status == 0)
		status = write_both(wal);
	if (status == 0)
		status = run(wal, (struct disk_request){.operation = DISK_RENAME,
							.name = wal->range_new_name,
							.new_name = wal->range_name});
	if (status == 0)
		status = run(wal, (struct disk_request){.operation = DISK_SYNC_DIRECTORY});
	return status;
}
