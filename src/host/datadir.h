/*
 * A node's data directory: created when missing (mode 0700, parents too), used by one process at a time, and
 * marked with the node that it belongs to.
 *
 * The file "identity" is written once, before anything else, and synced:
 *
 *   synod-identity 1
 *   cluster = demo
 *   node = g1a
 *   role = shardkv
 *   group = 1
 *   replica = 1
 *   shards = 256
 *
 * A replica that starts with another's directory would deny promises that it has made. So a directory with
 * another identity, or one with a log but without an identity, is refused.
 */
#ifndef SYNOD_HOST_DATADIR_H
#define SYNOD_HOST_DATADIR_H

#include "base/status.h"
#include "node/disk.h"

struct datadir_identity {
	const char *cluster, *node, *role;
	uint64_t group;
	uint32_t replica;
	uint32_t shards;
};

/*
 * Opens, locks and checks `path`. 0; STATUS_IDENTITY, STATUS_LOCKED, STATUS_READ_ONLY, STATUS_NO_SPACE,
 * STATUS_CORRUPT, STATUS_IO: then `error` is one line that says what is wrong and what to do. *out is a
 * disk_posix; destroying it releases the lock.
 */
int datadir_open(struct disk **out, const char *path, const struct datadir_identity *identity, char *error,
		 size_t error_size) MUST_CHECK;

#endif
