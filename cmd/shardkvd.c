/* shardkvd: one replica of a group of the sharded key-value store. */
#include <stdio.h>
#include <string.h>

#include "daemon/daemon_rsm.h"
#include "gate/http_kv.h"
#include "shardkv/app.h"
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
		.replica = daemon->identity->replica,
		.members_slot = daemon->identity->members.slot,
		.generation = daemon->identity->members.generation,
		.force = daemon->force,
		.joining = identity_lacks_vote(daemon->identity) &&
			   daemon->identity->members.slot != 0,
		.nshards = daemon->conf->shards,
		.settings = daemon_rsm_settings(daemon),
		.key_bytes_max = (uint32_t)daemon->settings.key_bytes_max,
		.value_bytes_max = (uint32_t)daemon->settings.value_bytes_max,
	};
	options.nmembers = daemon_rsm_members(daemon, options.members);
	options.nmasters = daemon_rsm_addresses(daemon, ROLE_SHARDMASTER, 0, options.masters);
	return shardkv_node_create(&options);
}

/* ---- hints for HTTP clients ---- */

static struct {
	const struct daemon *daemon;
	struct node *node;
} hints;

static bool find_owner(void *context, struct slice key, struct http_kv_owner *out)
{
	const struct shard_config *config = shardkv_app_config(shardkv_node_app(hints.node));
	const struct shard_group *group = config == NULL ? NULL
							 : shard_config_owner_of_key(config, key);
	(void)context;
	if (group == NULL || group->gid == hints.daemon->self->group)
		return false;
	out->group = group->gid;
	out->naddresses = group->nmembers;
	for (uint32_t i = 0; i < group->nmembers; i++)
		out->addresses[i] = group->members[i];
	return true;
}

/*
 * The same machine answers HTTP: an address that stands for all of its own is no hint, the one for
 * RPC is.
 */
static bool find_http_address(void *context, struct slice address, char out[ADDRESS_BYTES_MAX + 1])
{
	const struct clusterconf *conf = hints.daemon->conf;
	(void)context;
	for (uint32_t i = 0; i < conf->nnodes; i++) {
		const struct clusterconf_node *node = &conf->nodes[i];
		if (node->http == NULL || !slice_equal(slice_string(node->listen), address))
			continue;
		const char *port = strrchr(node->http, ':');
		bool any = strncmp(node->http, "0.0.0.0:", 8) == 0 ||
			   strncmp(node->http, "[::]:", 5) == 0;
		int host_len = any ? (int)(strrchr(node->listen, ':') - node->listen)
				   : (int)(port - node->http);
		int len = snprintf(out, ADDRESS_BYTES_MAX + 1, "%.*s%s", host_len,
				   any ? node->listen : node->http, port);
		return len > 0 && len <= (int)ADDRESS_BYTES_MAX;
	}
	return false;
}

static void serve_http(const struct daemon *daemon, struct node *node, struct http *http)
{
	const struct http_kv_options options = {.owner = find_owner,
						.http_address = find_http_address};
	hints.daemon = daemon;
	hints.node = node;
	http_kv_serve(http, &options);
}

int main(int argc, char **argv)
{
	static const struct daemon_kind kind = {
		.program = "shardkvd",
		.summary = "One replica of a group of the sharded key-value store.",
		.role = ROLE_SHARDKV,
		.create = create,
		.serve_http = serve_http,
	};
	return daemon_main(&kind, argc, argv);
}
