/* From settings to the options of a replica. */
#include "daemon/daemon_rsm.h"

/* Routes are the host's business: it dials another address where it is told to. */
uint32_t daemon_rsm_members(const struct daemon *daemon, struct rsm_member members[MEMBERS_MAX])
{
	const struct identity_members *from = &daemon->identity->members;
	for (uint32_t i = 0; i < from->count; i++) {
		const struct identity_member *m = &from->list[i];
		const struct clusterconf_node *node = clusterconf_find(daemon->conf, m->name);
		const char *address = node == NULL ? m->address : node->listen;
		members[i] = (struct rsm_member){
			.replica = m->replica,
			.name = m->name,
			.address = address,
			.client_address = address,
		};
	}
	return from->count;
}

uint32_t daemon_rsm_addresses(const struct daemon *daemon, enum node_role role, uint64_t group,
			      const char *addresses[REPLICAS_MAX])
{
	const struct clusterconf_node *node = NULL;
	uint32_t count = 0;
	while (count < REPLICAS_MAX &&
	       (node = clusterconf_next(daemon->conf, role, group, node)) != NULL)
		addresses[count++] = node->listen;
	return count;
}

struct rsm_settings daemon_rsm_settings(const struct daemon *daemon)
{
	const struct settings *from = &daemon->settings;
	struct rsm_settings settings;
	rsm_settings_default(&settings);
	settings.election_timeout_ms = (uint32_t)from->election_timeout_ms;
	settings.heartbeat_interval_ms = (uint32_t)from->heartbeat_interval_ms;
	settings.read_lease_ms = (uint32_t)from->read_lease_ms;
	settings.wal_segment_bytes = from->wal_segment_bytes;
	settings.snapshot_log_bytes = from->snapshot_log_bytes;
	settings.scrub_interval_ms = from->scrub_interval_ms;
	settings.scrub_bytes_per_s = from->scrub_bytes_per_s;
	settings.log_cache_bytes = from->log_cache_bytes;
	settings.state_hash_interval_ms = from->state_hash_interval_ms;
	settings.group = (struct group_settings){
		.sessions_max = from->sessions_max,
		.session_idle_us = from->session_idle_ms * 1000,
		.value_bytes_max = from->value_bytes_max,
	};
	return settings;
}
