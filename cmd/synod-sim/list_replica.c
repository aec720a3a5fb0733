/* A replica of that app, as a node. */
#include <stdlib.h>

#include "base/alloc.h"
#include "cores/cores.h"
#include "joiner.h"
#include "list_app.h"
#include "list_client.h"
#include "scene.h"

struct list_replica {
	struct node node;
	struct app *app;
	struct rsm *rsm;
};

static struct list_replica *replica_of(struct node *node)
{
	return (struct list_replica *)(void *)node;
}

static int replica_start(struct node *node)
{
	return rsm_start(replica_of(node)->rsm);
}

static void replica_message(struct node *node, link_id from, const struct message *message)
{
	if (!rsm_message(replica_of(node)->rsm, from, message) && message->kind == MESSAGE_REQUEST)
		node_reply(node, from, message, STATUS_UNKNOWN_METHOD, slice(NULL, 0));
}

static void replica_link_down(struct node *node, link_id link)
{
	rsm_link_down(replica_of(node)->rsm, link);
}

static void replica_turn_end(struct node *node)
{
	rsm_turn_end(replica_of(node)->rsm);
}

static void replica_stop_voting(struct node *node)
{
	rsm_stop_voting(replica_of(node)->rsm);
}

static void replica_stop(struct node *node)
{
	rsm_stop(replica_of(node)->rsm);
}

static void replica_destroy(struct node *node)
{
	struct list_replica *replica = replica_of(node);
	rsm_destroy(replica->rsm);
	replica->app->ops->destroy(replica->app);
	node_done(node);
	free(replica);
}

static bool replica_ready(struct node *node)
{
	return rsm_ready(replica_of(node)->rsm);
}

static void replica_status_json(struct node *node, struct buffer *out)
{
	(void)node;
	buffer_format(out, "{}");
}

static const struct node_ops replica_ops = {
	.start = replica_start,
	.message = replica_message,
	.link_down = replica_link_down,
	.turn_end = replica_turn_end,
	.stop = replica_stop,
	.destroy = replica_destroy,
	.ready = replica_ready,
	.stop_voting = replica_stop_voting,
	.status_json = replica_status_json,
};

struct node *list_replica_build(void *context, struct sim_process *process)
{
	const struct list_replica_options *options = context;
	if (options->place != NULL && options->place->replica == 0)
		return joiner_build(options->place, process);
	struct list_replica *replica = ALLOC(struct list_replica);
	node_init(&replica->node, &replica_ops, &process->env, &process->log);
	replica->app = list_app_create();
	struct rsm_options rsm_options = {
		.node = &replica->node,
		.app = replica->app,
		.consensus = consensus_default(),
		.group = options->group,
		.replica = options->replica,
		.nmembers = options->nmembers,
		.settings = options->settings,
	};
	if (options->scene != NULL)
		scene_vary_settings(options->scene, process, &rsm_options.settings.group);
	for (uint32_t i = 0; i < options->nmembers; i++)
		rsm_options.members[i] = options->members[i];
	if (options->place != NULL)
		joiner_apply(options->place, process, &rsm_options);
	replica->rsm = rsm_create(&rsm_options);
	return &replica->node;
}

struct rsm *list_replica_rsm(struct node *node)
{
	return replica_of(node)->rsm;
}

uint64_t list_replica_hash(struct node *node)
{
	struct app *app = replica_of(node)->app;
	return app->ops->hash(app);
}

struct app *list_replica_app(struct node *node)
{
	return replica_of(node)->app;
}
