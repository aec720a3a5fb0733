/* pbserver: primary, backup or idle, as the view service says. */
#include "daemon/daemon_rsm.h"
#include "pb/node.h"

static struct node *create(const struct daemon *daemon)
{
	struct pb_node_options options = {
		.env = daemon->env,
		.log = daemon->log,
		.cluster = daemon->conf->name,
		.name = daemon->self->name,
		.address = daemon->self->listen,
		.version = daemon->version,
		.nshards = daemon->conf->shards,
		.ping_interval_ms = (uint32_t)daemon->settings.ping_interval_ms,
		.dead_pings = (uint32_t)daemon->settings.dead_pings,
		.key_bytes_max = (uint32_t)daemon->settings.key_bytes_max,
		.value_bytes_max = (uint32_t)daemon->settings.value_bytes_max,
		.sessions_max = (uint32_t)daemon->settings.sessions_max,
		.session_idle_us = daemon->settings.session_idle_ms * 1000,
	};
	options.nviews = daemon_rsm_addresses(daemon, ROLE_VIEWSERVER, 0, options.views);
	options.nmasters = daemon_rsm_addresses(daemon, ROLE_SHARDMASTER, 0, options.masters);
	return pb_node_create(&options);
}

int main(int argc, char **argv)
{
	static const struct daemon_kind kind = {
		.program = "pbserver",
		.summary = "A primary/backup server.",
		.role = ROLE_PBSERVER,
		.create = create,
	};
	return daemon_main(&kind, argc, argv);
}
