/* shardkvd: one replica of a group of the sharded key-value store. */
#include "host/daemon_rsm.h"
#include "shardkv/node.h"

static struct node *create(const struct daemon *daemon)
{
	struct shardkv_node_options options = {
		.env = daemon->env,
		.log = daemon->log,
		.cluster = daemon->conf->name,
		.name = daemon->self->name,
		.version = daemon->version,
		.gid = daemon->self->group,
		.replica = daemon->self->replica,
		.nshards = daemon->conf->shards,
		.settings = daemon_rsm_settings(daemon),
		.key_bytes_max = (uint32_t)daemon->settings.key_bytes_max,
		.value_bytes_max = (uint32_t)daemon->settings.value_bytes_max,
	};
	struct rsm_member masters[REPLICAS_MAX];
	options.nmembers = daemon_rsm_members(daemon, ROLE_SHARDKV, daemon->self->group, options.members);
	options.nmasters = daemon_rsm_members(daemon, ROLE_SHARDMASTER, 0, masters);
	for (uint32_t i = 0; i < options.nmasters; i++) {
		options.masters[i] = masters[i].address;
		options.client_masters[i] = masters[i].client_address;
	}
	return shardkv_node_create(&options);
}

int main(int argc, char **argv)
{
	static const struct daemon_kind kind = {
		.program = "shardkvd",
		.summary = "One replica of a group of the sharded key-value store.",
		.role = ROLE_SHARDKV,
		.create = create,
	};
	return daemon_main(&kind, argc, argv);
}
