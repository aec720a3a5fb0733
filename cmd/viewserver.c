/* viewserver: one replica of the view service. */
#include "daemon/daemon_rsm.h"
#include "view/node.h"

static struct node *create(const struct daemon *daemon)
{
	struct view_node_options options = {
		.env = daemon->env,
		.log = daemon->log,
		.cluster = daemon->conf->name,
		.name = daemon->self->name,
		.version = daemon->version,
		.nshards = daemon->conf->shards,
		.replica = daemon->identity->replica,
		.members_slot = daemon->identity->members.slot,
		.joining = identity_lacks_vote(daemon->identity) &&
			   daemon->identity->members.slot != 0,
		.settings = daemon_rsm_settings(daemon),
		.ping_interval_ms = (uint32_t)daemon->settings.ping_interval_ms,
		.dead_pings = (uint32_t)daemon->settings.dead_pings,
	};
	options.nmembers = daemon_rsm_members(daemon, options.members);
	options.nmasters = daemon_rsm_addresses(daemon, ROLE_SHARDMASTER, 0, options.masters);
	return view_node_create(&options);
}

int main(int argc, char **argv)
{
	static const struct daemon_kind kind = {
		.program = "viewserver",
		.summary = "One replica of the view service, which says who is primary and who is "
			   "backup.",
		.role = ROLE_VIEWSERVER,
		.create = create,
	};
	return daemon_main(&kind, argc, argv);
}
