/*
 * What a replicated service takes from a daemon's configuration: its group's members and the
 * consensus settings.
 */
#ifndef SYNOD_DAEMON_DAEMON_RSM_H
#define SYNOD_DAEMON_DAEMON_RSM_H

#include "daemon/daemon.h"
#include "rsm/rsm.h"

/*
 * Fills in the members of this node's group, this one among them, as the directory knows them; with
 * the addresses of the configuration, if it has them. They point into both. Returns how many. The
 * own number: daemon->identity->replica.
 */
uint32_t daemon_rsm_members(const struct daemon *daemon, struct rsm_member members[MEMBERS_MAX]);
/*
 * Fills in the addresses of another group's nodes, in the order of the file; they point into the
 * configuration. Returns how many: the first REPLICAS_MAX.
 */
uint32_t daemon_rsm_addresses(const struct daemon *daemon, enum node_role role, uint64_t group,
			      const char *addresses[REPLICAS_MAX]);
struct rsm_settings daemon_rsm_settings(const struct daemon *daemon);

#endif
