/* Logs that go, or come from another replica. */
#include "sim/exchange.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "wal/format.h"

/* The newest segment's id, 0: there is none; and how many there are. */
static uint64_t newest_segment(struct disk *disk, size_t *count)
{
	const char *name;
	uint64_t id, newest = 0;
	*count = 0;
	for (size_t i = 0; (name = disk_sim_file(disk, i)) != NULL; i++) {
		if (!wal_name_parse(name, WAL_LOG_PREFIX, &id))
			continue;
		++*count;
		newest = id > newest ? id : newest;
	}
	return newest;
}

static bool is_log_file(const char *name)
{
	uint64_t id;
	return wal_name_parse(name, WAL_LOG_PREFIX, &id);
}

static void remove_log(struct disk *disk)
{
	const char *name;
	for (size_t i = 0; (name = disk_sim_file(disk, i)) != NULL;) {
		if (!is_log_file(name)) {
			i++;
			continue;
		}
		int status = disk_sim_remove(disk, name);
		ASSERT(status == 0);
	}
}

static void copy_file(struct disk *to, struct disk *from, const char *name)
{
	uint64_t size;
	int status = disk_sim_size(from, name, &size);
	uint8_t *data = alloc_bytes((size_t)size + 1);
	if (status == 0)
		status = disk_sim_peek(from, name, 0, data, (size_t)size);
	int removed = disk_sim_remove(to, name); /* if it is there */
	(void)removed;
	if (status == 0)
		status = disk_sim_poke(to, name, 0, data, (size_t)size);
	ASSERT(status == 0);
	free(data);
}

static void copy_log(struct disk *to, struct disk *from)
{
	const char *name;
	for (size_t i = 0; (name = disk_sim_file(from, i)) != NULL; i++)
		if (is_log_file(name))
			copy_file(to, from, name);
}

/* Its owner sees that the file is none of its own: damage to the header may hide that. */
static bool is_of_another(struct disk *disk, const char *name, uint64_t owner)
{
	uint8_t data[WAL_HEADER_BYTES];
	struct wal_header header;
	return disk_sim_peek(disk, name, 0, data, sizeof data) == 0 &&
	       wal_header_decode(data, &header) && header.replica != owner;
}

static bool is_log_of_another(struct disk *disk, uint64_t owner)
{
	const char *name;
	for (size_t i = 0; (name = disk_sim_file(disk, i)) != NULL; i++)
		if (is_log_file(name) && is_of_another(disk, name, owner))
			return true;
	return false;
}

/* The range file says durably that the newest segment is this one. */
static bool is_named(struct disk *disk, uint64_t newest)
{
	uint8_t half[24];
	return disk_sim_is_synced(disk, WAL_RANGE_NAME) &&
	       disk_sim_name_is_synced(disk, WAL_RANGE_NAME) &&
	       disk_sim_peek(disk, WAL_RANGE_NAME, 0, half, sizeof half) == 0 &&
	       load_u64(half + 16) == newest;
}

/* faults: 15, 31, 93 */
bool sim_exchange_log(struct disk *disk, uint64_t owner, struct disk *other, struct rng *rng,
		      enum sim_fault *fault, struct buffer *what)
{
	char name[WAL_NAME_BYTES];
	size_t count, others;
	uint64_t newest = newest_segment(disk, &count),
		 others_newest = newest_segment(other, &others);
	uint64_t manner = rng_below(rng, 4);
	uint64_t size;
	bool range_too = rng_chance(rng, 500000) &&
			 disk_sim_size(other, WAL_RANGE_NAME, &size) == 0;
	if (newest == 0 || !is_named(disk, newest))
		return false;
	wal_name(name, WAL_LOG_PREFIX, newest);
	if (!disk_sim_name_is_synced(disk, name) || (manner >= 2 && others_newest == 0))
		return false;
	if (manner == 2 ? !is_log_of_another(other, owner)
			: manner == 3 && !is_of_another(other, name, owner))
		return false;
	switch (manner) {
	case 0:
		*fault = SIM_FAULT_LOG_MISSING;
		buffer_format(what, "all %zu segments of the log are gone", count);
		remove_log(disk);
		return true;
	case 1:
		*fault = SIM_FAULT_LOG_MISSING;
		buffer_format(what, "the newest of %zu segments, %s, is gone", count, name);
		return disk_sim_remove(disk, name) == 0;
	case 2:
		*fault = SIM_FAULT_LOG_EXCHANGED;
		buffer_format(what, "its log is that of another replica, %zu segments%s", others,
			      range_too ? ", and what names them" : "");
		remove_log(disk);
		copy_log(disk, other);
		if (range_too)
			copy_file(disk, other, WAL_RANGE_NAME);
		return true;
	default:
		*fault = SIM_FAULT_LOG_EXCHANGED;
		if (disk_sim_size(other, name, &others_newest) != 0)
			return false;
		buffer_format(what, "%s is that of another replica", name);
		copy_file(disk, other, name);
		return true;
	}
}
