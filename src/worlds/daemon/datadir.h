/*
 * A node's data directory: created when missing (mode 0700, parents too), used by one process at a
 * time, and marked with the node that it belongs to (node/identity.h).
 *
 * A relative path counts from the working directory. Started from another one, the node would find
 * nothing there and begin a second life, in which it denies what it has promised in the first. So
 * if there is no identity at the path, but one of this node at the same path below a directory that
 * holds the configuration (or one above that), the start is refused.
 *
 * The node's own files are regular ones. A symbolic link would not be seen where files are listed,
 * and a rename would put a file in its place: so one with such a name is refused, as is whatever
 * else stands there.
 */
#ifndef SYNOD_DAEMON_DATADIR_H
#define SYNOD_DAEMON_DATADIR_H

#include "base/status.h"
#include "node/disk.h"
#include "node/identity.h"

/*
 * Opens, locks and checks `path` for the node that *identity describes, and completes *identity by
 * what the directory knows better. *claim says by what it is judged (its `directory` is filled in).
 * 0; STATUS_IDENTITY, STATUS_REMOVED, STATUS_LOCKED, STATUS_READ_ONLY, STATUS_NO_SPACE,
 * STATUS_CORRUPT, STATUS_IO: then `error` is one line that says what is wrong and what to do. *out
 * is a disk_posix; destroying it releases the lock.
 */
int datadir_open(struct disk **out, const char *path, struct identity *identity,
		 struct identity_claim *claim, char *error, size_t error_size) MUST_CHECK;

#endif
