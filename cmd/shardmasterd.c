/* shardmasterd: one replica of the shard master. */
#include "daemon/daemon_rsm.h"
#include "shardmaster/node.h"

static struct node *create(const struct daemon *daemon)
{
	struct shardmaster_options options = {
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
	};
	options.nmembers = daemon_rsm_members(daemon, options.members);
	return shardmaster_create(&options);
}

int main(int argc, char **argv)
{
	static const struct daemon_kind kind = {
		.program = "shardmasterd",
		.summary = "One replica of the shard master, which says which group serves which "
			   "shard.",
		.role = ROLE_SHARDMASTER,
		.create = create,
	};
	return daemon_main(&kind, argc, argv);
}
