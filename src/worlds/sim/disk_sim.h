/*
 * The simulated struct disk (node/disk.h): files in memory, failing on purpose.
 *
 * WHAT A FILE IS. Durable contents (sparse pages) and, on top, the writes that have not
 * been synced, in order. Reads see both. A sync makes the writes that came before it
 * durable. Names likewise: a durable directory and the name operations not synced yet.
 *
 * TIME. The disk has no clock: when a request starts, its delay is drawn from the
 * seeded generator and options.schedule is told; the world calls
 * disk_sim_complete(disk, ticket) when that much virtual time has passed, which ends the
 * request, runs its callback and starts the lane's next one. Tickets are
 * never reused, and one from before a crash is ignored. Same seed and same calls: same run.
 *
 * CRASH. disk_sim_crash() ends the "process": requests under way never complete,
 * and the same struct disk then serves the next process. DISK_SIM_KILL (kill -9)
 * leaves what was written in the cache, unsynced as it was. DISK_SIM_POWER loses it:
 * of the unsynced writes some state remains that a disk with atomic 512-byte
 * sectors can leave (nothing, all, the first few and one torn, or each sector at any of
 * its versions); of the unsynced name operations nothing, all, the first few, or a subset.
 * A write that was under way counts as unsynced.
 *
 * FAULTS are of three kinds: at random with a probability (struct disk_sim_faults),
 * at one numbered operation (disk_sim_fault_at), and by hand on what is at rest
 * (disk_sim_flip, …). Operations are counted from 0: every blocking call and
 * every request that is carried out is one, except list, DISK_CLOSE. After a failed
 * sync the writes that it covered stay visible and are never made durable, as with
 * a kernel that marks failed pages clean: only writing them again helps.
 *
 * Ownership: file handles of a dead process may still be closed, nothing else.
 */
#ifndef SYNOD_SIM_DISK_SIM_H
#define SYNOD_SIM_DISK_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "node/disk.h"

#define DISK_SIM_SECTOR_BYTES 512u

/* Probabilities in parts per million, for each operation of the kind; 0: never. */
struct disk_sim_faults {
	uint32_t read_error_ppm;
	uint32_t write_error_ppm; /* STATUS_IO, any part of the bytes may be written */
	uint32_t sync_error_ppm;
	uint32_t name_error_ppm; /* creating, renaming, removing */
	/* the write lands at another sector-aligned offset of the file, and reports success */
	uint32_t misdirect_ppm;
	uint32_t lost_write_ppm; /* reports success, writes nothing */
	uint32_t slow_ppm;       /* the operation takes slow_us longer */
	uint64_t slow_us;
	/* NO_SPACE when all files together would pass it; 0: no limit */
	uint64_t space_bytes;
};

struct disk_sim_options {
	uint64_t seed;
	/*
	 * Virtual time an operation takes: low … high, and for each KiB. Zeros: 20 … 60, 80 … 200,
	 * 1.
	 */
	uint64_t write_us_low, write_us_high; /* also reads and name operations */
	uint64_t sync_us_low, sync_us_high;   /* added for syncs */
	uint64_t us_per_kib;
	struct disk_sim_faults faults;
	/* Calls disk_sim_complete(disk, ticket) after delay_us; never from within schedule. */
	void (*schedule)(void *context, uint64_t delay_us, uint64_t ticket);
	void *context;
};

/* What happens at one numbered operation. */
enum disk_sim_fault {
	DISK_SIM_NO_FAULT,
	/*
	 * the process is dead from here on: blocking calls return STATUS_IO, requests never
	 * complete
	 */
	DISK_SIM_STOP,
	DISK_SIM_IO_ERROR,
	DISK_SIM_NO_SPACE,  /* writes and creations; others are unharmed */
	DISK_SIM_MISDIRECT, /* writes */
	DISK_SIM_LOSE_WRITE,
	DISK_SIM_TORN_WRITE, /* part of the write happens, then as STOP */
	/* as STOP, but the machine goes on: what had been written is in its cache */
	DISK_SIM_KILLED,
};

enum disk_sim_crash { DISK_SIM_KILL, DISK_SIM_POWER };

struct disk *disk_sim_create(const struct disk_sim_options *options);
/* Frees the disk with its files and all handles. */
void disk_sim_destroy(struct disk *disk);

/* A request's time is over. True if it was of this process and its callback has run. */
bool disk_sim_complete(struct disk *disk, uint64_t ticket);
/* Ends the process. */
void disk_sim_crash(struct disk *disk, enum disk_sim_crash kind);
/* Ends the process and empties the disk (the machine is replaced). */
void disk_sim_wipe(struct disk *disk);

/* All files as the process sees them at this moment. */
struct disk_sim_image;
struct disk_sim_image *disk_sim_copy(const struct disk *disk);
/* Ends the process; then the disk holds what the image does, durably. */
void disk_sim_put_back(struct disk *disk, const struct disk_sim_image *image);
void disk_sim_image_free(struct disk_sim_image *image);

/* Faults at random from here on; NULL: none. */
void disk_sim_set_faults(struct disk *disk, const struct disk_sim_faults *faults);
/*
 * A creation or opening fails with STATUS_SHORTAGE in `ppm` of the cases, others are unharmed: 0
 * ends it. What only the process is short of, another process has again; `machine`: it has not.
 */
void disk_sim_short_of_descriptors(struct disk *disk, uint32_t ppm, bool machine);
/* One fault at operation number `operation` (counted from creation, see disk_sim_operations). */
void disk_sim_fault_at(struct disk *disk, uint64_t operation, enum disk_sim_fault fault);
uint64_t disk_sim_operations(const struct disk *disk);
/*
 * The process was stopped by DISK_SIM_STOP, DISK_SIM_TORN_WRITE or DISK_SIM_KILLED and waits for
 * disk_sim_crash().
 */
bool disk_sim_stopped(const struct disk *disk);
/* … and the machine goes on (DISK_SIM_KILLED). */
bool disk_sim_killed(const struct disk *disk);
/* Nothing that is under way or comes later happens: as STOP, at once. */
void disk_sim_stop(struct disk *disk);
/*
 * While held, requests of the lane that include a sync do not finish (their ticket is asked for
 * again on release).
 */
void disk_sim_hold_syncs(struct disk *disk, enum disk_lane lane, bool hold);
/* While it hangs no request of the lane finishes, nor fails. Ended by a crash. */
void disk_sim_hang_lane(struct disk *disk, enum disk_lane lane, bool hang);
/* Every lane. */
void disk_sim_hang(struct disk *disk, bool hang);

/*
 * Looking at files, and damaging them at rest (durable contents and cache alike); by name
 * as the process sees it. STATUS_NOT_FOUND; STATUS_TRUNCATED beyond the end. Poke also
 * creates and extends, durably: with list and peek it makes a copy of a disk.
 */
int disk_sim_size(struct disk *disk, const char *name, uint64_t *size) MUST_CHECK;
int disk_sim_peek(struct disk *disk, const char *name, uint64_t offset, uint8_t *data,
		  size_t len) MUST_CHECK;
int disk_sim_poke(struct disk *disk, const char *name, uint64_t offset, const uint8_t *data,
		  size_t len) MUST_CHECK;
int disk_sim_flip(struct disk *disk, const char *name, uint64_t offset, unsigned bit) MUST_CHECK;
int disk_sim_zero(struct disk *disk, const char *name, uint64_t offset, uint64_t len) MUST_CHECK;
int disk_sim_truncate(struct disk *disk, const char *name, uint64_t size) MUST_CHECK;
int disk_sim_remove(struct disk *disk, const char *name) MUST_CHECK;
/*
 * Flips a random bit of a random durable byte that is not zero, in a file whose name begins with
 * `prefix`; false if there is none.
 */
bool disk_sim_flip_random(struct disk *disk, const char *prefix);
/*
 * The name of file number `index` as the process sees it, in no particular order; NULL beyond the
 * last.
 */
const char *disk_sim_file(const struct disk *disk, size_t index);
/* A power loss would leave this name where it is; and, for is_synced, its file as it is. */
bool disk_sim_name_is_synced(const struct disk *disk, const char *name);
bool disk_sim_is_synced(const struct disk *disk, const char *name);
/* Of all files together, by their sizes. */
uint64_t disk_sim_space_used(const struct disk *disk);

struct disk_sim_counters {
	uint64_t reads, writes, syncs, bytes_written, crashes;
	uint64_t faults; /* of operations */
	/* The same by kind; full: operations refused for want of space; lost: by power losses. */
	uint64_t read_errors, write_errors, sync_errors, name_errors, stops, torn_writes, slow,
		full, shortages, lost_writes, lost_names;
};
const struct disk_sim_counters *disk_sim_counters(const struct disk *disk);

#endif
