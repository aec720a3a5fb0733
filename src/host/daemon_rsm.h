/*
 * What a replicated service takes from a daemon's configuration: its group's members and the consensus settings.
 */
#ifndef SYNOD_HOST_DAEMON_RSM_H
#define SYNOD_HOST_DAEMON_RSM_H

#include "host/daemon.h"
#include "rsm/rsm.h"

/*
 * Fills in the members of one role and group, in the order of the file; they point into the configuration.
 * Returns how many.
 */
uint32_t daemon_rsm_members(const struct daemon *daemon, enum node_role role, uint64_t group,
			    struct rsm_member members[REPLICAS_MAX]);
struct rsm_settings daemon_rsm_settings(const struct daemon *daemon);

#endif
