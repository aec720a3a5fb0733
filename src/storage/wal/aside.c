/* A damaged log is put aside: wal_put_aside(). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "wal/internal.h"

struct names {
	char log_prefix[WAL_PREFIX_BYTES_MAX + 8];
	char (*list)[WAL_NAME_BYTES];
	size_t count, capacity;
};

static void found(void *context, const char *name, uint64_t size)
{
	struct names *names = context;
	uint64_t number;
	(void)size;
	if (!wal_name_parse(name, names->log_prefix, &number))
		return;
	ALLOC_ROOM(names->list, names->count, names->capacity, 16);
	snprintf(names->list[names->count++], WAL_NAME_BYTES, "%s", name);
}

static int put_aside(struct disk *disk, const char *name)
{
	char aside[sizeof WAL_ASIDE_PREFIX + WAL_NAME_BYTES];
	snprintf(aside, sizeof aside, WAL_ASIDE_PREFIX "%s", name);
	struct disk_request request = {.operation = DISK_RENAME, .name = name, .new_name = aside};
	return disk->ops->run_now(disk, &request);
}

/*
 * As long as the file that names the segments is there, a log that lacks some of them is refused
 * (range.c): so that goes last.
 */
int wal_put_aside(struct disk *disk, const char *prefix)
{
	struct names names = {0};
	char range[WAL_NAME_BYTES];
	struct disk_file *file = NULL;
	uint64_t size;
	prefix = prefix == NULL ? "" : prefix;
	ASSERT(strlen(prefix) <= WAL_PREFIX_BYTES_MAX);
	snprintf(names.log_prefix, sizeof names.log_prefix, "%s" WAL_LOG_PREFIX, prefix);
	snprintf(range, sizeof range, "%s" WAL_RANGE_NAME, prefix);
	int status = disk->ops->list(disk, found, &names);
	for (size_t i = 0; status == 0 && i < names.count; i++)
		status = put_aside(disk, names.list[i]);
	free(names.list);
	struct disk_request sync = {.operation = DISK_SYNC_DIRECTORY};
	if (status == 0)
		status = disk->ops->run_now(disk, &sync);
	if (status != 0)
		return status;
	status = disk->ops->open(disk, range, &file, &size);
	if (status == STATUS_NOT_FOUND)
		return 0;
	struct disk_request close = {.operation = DISK_CLOSE, .file = file};
	if (status == 0)
		status = disk->ops->run_now(disk, &close);
	if (status == 0)
		status = put_aside(disk, range);
	return status == 0 ? disk->ops->run_now(disk, &sync) : status;
}
