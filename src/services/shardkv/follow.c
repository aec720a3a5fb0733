/* The leader follows the shard master's configurations and brings them into the group's log. */
#include "shardkv/node_internal.h"

static void on_changed(void *context, struct shard_config *config)
{
	struct shardkv_node *n = context;
	(void)config; /* read from the watch when the work is done */
	shardkv_node_wake(n);
}

void follow_start(struct shardkv_node *n)
{
	ASSERT(n->watch == NULL);
	n->proposed_config = 0;
	if (n->options.nmasters == 0)
		return;
	struct master_watch_options options = {.node = &n->server.node,
					       .caller = n->masters,
					       .changed = on_changed,
					       .context = n,
					       .poll = true};
	n->watch = master_watch_create(&options);
	struct shard_config *adopted = shardkv_app_config(n->server.app);
	if (adopted != NULL)
		master_watch_offer(n->watch, adopted);
	master_watch_start(n->watch);
}

void follow_stop(struct shardkv_node *n)
{
	if (n->watch != NULL)
		master_watch_destroy(n->watch);
	n->watch = NULL;
}

static void tell_adopted(struct shardkv_node *n)
{
	const struct shard_config *config = shardkv_app_config(n->server.app);
	/* While a peer's snapshot replaces the state there is none. */
	if (config == NULL || config->number == n->logged_config)
		return;
	n->logged_config = config->number;
	log_event(n->server.node.log, LOG_INFO, "config_adopted",
		  "group=%llu config=%llu shards=%u unclaimed=%u",
		  (unsigned long long)n->options.gid, (unsigned long long)config->number,
		  shard_config_count(config, n->options.gid), shardkv_app_unclaimed(n->server.app));
}

void follow_work(struct shardkv_node *n)
{
	tell_adopted(n);
	struct shard_config *newest = n->watch == NULL ? NULL : master_watch_config(n->watch);
	if (!n->serving || newest == NULL ||
	    newest->number <= shardkv_app_config_number(n->server.app) ||
	    newest->number <= n->proposed_config)
		return;
	struct buffer config = {0};
	shard_config_encode(newest, &config);
	struct wire_kv_command command = {.has_internal = true,
					  .internal = {.config = buffer_slice(&config)}};
	buffer_clear(&n->server.out);
	wire_kv_command_encode(&command, &n->server.out);
	/* If the queues are full, the next applied entries bring us here again. */
	if (rsm_propose(n->server.rsm, buffer_slice(&n->server.out)))
		n->proposed_config = newest->number;
	buffer_free(&config);
}
