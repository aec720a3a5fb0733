/*
 * descriptors: how the file descriptors of a daemon are shared out when it starts, so that
 * connections never take what files, other nodes and the endpoints need.
 *
 *   own       standard streams, the loop, signals, listening sockets, /proc, reserves
 *   files     log segments and snapshots: some, and a sixteenth of the limit (a large state has a
 *             long log)
 *   nodes     one for each other node, two for those of the same group (either side dials)
 *   joiners   the same for members that a group may yet get, up to MEMBERS_MAX: at most a quarter
 *             of the rest (with fewer, strangers give way for them)
 *   http      a quarter of the rest, at most DESCRIPTORS_HTTP_MAX
 *   others    the rest: connections_max of them, and an eighth for those who have not said hello
 *             (seats.c)
 */
#ifndef SYNOD_HOST_DESCRIPTORS_H
#define SYNOD_HOST_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/clusterconf.h"
#include "base/status.h"

#define DESCRIPTORS_HTTP_MAX 128u

struct descriptor_plan {
	uint64_t limit;
	uint32_t http;            /* connections to the HTTP endpoint; 0 without one */
	uint32_t connections_max; /* what `wanted` comes to */
};

/* 0, or STATUS_CONFIG with a sentence that says how many are needed at least. */
int descriptors_plan(struct descriptor_plan *plan, uint64_t limit, const struct clusterconf *conf,
		     const struct clusterconf_node *self, uint64_t wanted, char *error,
		     size_t error_size) MUST_CHECK;

#endif
