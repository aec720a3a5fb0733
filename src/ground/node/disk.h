/*
 * struct disk: a node's data directory, as the protocol code sees it.
 *
 * Names are plain file names inside the directory (no '/'). The blocking calls
 * are for start-up only. While serving, everything goes through struct disk_request:
 * requests of one lane are carried out one after another, in the order of
 * submission; lanes are independent of each other, so that a long snapshot write
 * does not delay the log. What is made and written in DISK_LANE_BACKGROUND gives way to everything
 * else that wants a processor. A completion is an input of the node: the callback runs
 * on the node's thread, in order within a lane, never from within disk_submit().
 *
 * Durability. A write is durable after a later sync of the same file has
 * completed without error. A created, renamed or removed name is durable after a
 * later sync of the directory. Before that, a crash may leave any part of a write,
 * any subset of unsynced writes, and the old or the new name.
 *
 * Errors. status is 0, STATUS_NO_SPACE, STATUS_SHORTAGE (of DISK_CREATE and open: no descriptor or
 * memory for it now; nothing has happened, and another try is worth while), STATUS_CORRUPT (see
 * size_min) or STATUS_IO; after a failed or short write nothing is known about the bytes. After a
 * failed sync the caller must end the process (node_fatal): the kernel may have dropped the dirty
 * pages and will report the next sync as good (Rebello et al. 2020, "Can Applications Recover from
 * fsync Failures?").
 */
#ifndef SYNOD_NODE_DISK_H
#define SYNOD_NODE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

struct disk;
struct disk_file; /* an open file; defined by the world */

enum disk_lane { DISK_LANE_LOG, DISK_LANE_BULK, DISK_LANE_BACKGROUND, DISK_LANES };

enum disk_operation {
	/*
	 * data[0 … len), or the pieces, at offset; these buffers belong to the disk until
	 * completion
	 */
	DISK_WRITE,
	DISK_READ,       /* len bytes at offset into data; TRUNCATED if the file ends before */
	DISK_SYNC,       /* file contents (and size) */
	DISK_WRITE_SYNC, /* DISK_WRITE then DISK_SYNC, one request */
	/*
	 * opens name for reading and writing, created empty (truncated if it exists); then, if len
	 * > 0, fills it with len zero bytes
	 */
	DISK_CREATE,
	DISK_CLOSE,  /* releases file; no request may follow for it */
	DISK_RENAME, /* name to new_name, replacing it; open files stay open */
	DISK_REMOVE, /* name; no error if it does not exist */
	DISK_SYNC_DIRECTORY,
};

struct disk_request {
	enum disk_operation operation;
	enum disk_lane lane;
	struct disk_file *file; /* in; for DISK_CREATE out */
	const char *name;       /* must stay valid until completion */
	const char *new_name;
	uint64_t offset;
	uint8_t *data;
	size_t len;
	/* a write: instead of data, npieces of them, one behind the other, of len bytes together */
	const struct slice *pieces;
	uint32_t npieces; /* 0: none */
	/*
	 * Of a DISK_WRITE in the background; NULL: data and len are given. Called once, before the
	 * write and perhaps by another thread than the node's: sets them, and touches nothing but
	 * what its owner has set apart for it. False: nothing is written, STATUS_CORRUPT.
	 */
	bool (*make)(struct disk_request *request);
	bool fresh; /* DISK_READ: as it is on the medium, not as the system remembers it */
	/*
	 * Of the file, before a write: STATUS_CORRUPT, and nothing is written, if it is shorter. It
	 * was made so long.
	 */
	uint64_t size_min;
	int status; /* out */
	/* out: the errno behind STATUS_SHORTAGE, for log lines; 0: not known */
	int error;
	void (*callback)(struct disk_request *request);
	void *owner;               /* for the callback */
	struct disk_request *next; /* for the disk */
	uint64_t order;            /* for the disk */
};

struct disk_ops {
	/* Start-up only, blocking. */
	int (*list)(struct disk *disk, void (*each)(void *context, const char *name, uint64_t size),
		    void *context);
	/* Opens an existing file for reading and writing: STATUS_NOT_FOUND if there is none. */
	int (*open)(struct disk *disk, const char *name, struct disk_file **out, uint64_t *size);
	int (*read_now)(struct disk *disk, struct disk_file *file, uint64_t offset, uint8_t *data,
			size_t len);
	int (*write_now)(struct disk *disk, struct disk_file *file, uint64_t offset,
			 const uint8_t *data, size_t len);
	int (*sync_now)(struct disk *disk, struct disk_file *file);
	/*
	 * Carries out one request at once, without its callback (creation, rename, removal at
	 * start-up).
	 */
	int (*run_now)(struct disk *disk, struct disk_request *request);

	/* While serving. The request belongs to the disk until its callback runs. */
	void (*submit)(struct disk *disk, struct disk_request *request);
};

#define DISK_PROBLEM_BYTES 160u

struct disk {
	const struct disk_ops *ops;
	/*
	 * Of the last blocking call that has failed, for a person: which file, and why. Empty: this
	 * world does not tell.
	 */
	char problem[DISK_PROBLEM_BYTES];
};

/* … if `status` is what it returned. */
static inline const char *disk_problem(const struct disk *disk, int status)
{
	return disk->problem[0] != '\0' ? disk->problem : status_text(status);
}

static inline void disk_submit(struct disk *disk, struct disk_request *request)
{
	disk->ops->submit(disk, request);
}

#endif
