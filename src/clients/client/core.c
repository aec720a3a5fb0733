/* The client as a node: its inputs, and what it does with them. */
#include "client/core.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "client/internal.h"

/*
 * A request this old makes the client look for a newer configuration, and so does every further
 * interval.
 */
#define TICK_US 1000000u

static const struct node_ops client_node_ops;

static struct client *of_node(struct node *node)
{
	return (struct client *)(void *)((char *)node - offsetof(struct client, node));
}

struct node *client_node(struct client *client)
{
	return &client->node;
}

uint64_t client_outstanding(const struct client *client)
{
	return client->nrequests;
}

struct client_group *client_group_create(struct client *client, uint64_t gid,
					 const char *const *addresses, uint32_t count)
{
	struct client_group *group = ALLOC(struct client_group);
	group->gid = gid;
	group->caller = caller_create(&(struct caller_options){
		.node = &client->node,
		.attempt_timeout_ms = client->attempt_timeout_ms,
		.backoff_max_ms = client->backoff_max_ms,
	});
	caller_set_addresses(group->caller, addresses, count);
	/* Members come and go, and a leader may be newer than what is known here. */
	caller_adopt_hints(group->caller);
	list_push_back(&client->groups, &group->link);
	if (gid != 0)
		map_put(&client->groups_by_gid, gid, group);
	return group;
}

void client_group_retire(struct client *client, struct client_group *group)
{
	ASSERT(!group->gone);
	group->gone = true;
	client->some_gone = true;
	if (group->gid != 0)
		map_remove(&client->groups_by_gid, group->gid);
}

static void destroy_group(struct client_group *group)
{
	list_remove(&group->link);
	caller_destroy(group->caller);
	free(group);
}

static void destroy_gone(struct client *client)
{
	if (!client->some_gone)
		return;
	client->some_gone = false;
	/* The hints may point at what is destroyed; they come back with the next messages. */
	map_free(&client->groups_by_link);
	client->groups_by_link = (struct map){0};
	LIST_FOR_SAFE (link, after, &client->groups) {
		struct client_group *group = LIST_ITEM(link, struct client_group, link);
		if (group->gone)
			destroy_group(group);
	}
}

/*
 * A request that nobody answers may be with a group that has left the cluster and will not even say
 * WRONG_GROUP, or whose members are all other ones by now. The list is in the order of the start,
 * so the first request is the oldest; those that end sooner have been noted.
 */
static void tick(void *data)
{
	struct client *client = data;
	struct list *first = list_first(&client->requests);
	if (client->unanswered)
		client_directory_refresh(client);
	if (client->unanswered_by_service)
		client_services_refresh(client);
	client->unanswered = client->unanswered_by_service = false;
	if (first == NULL)
		return;
	uint64_t now_us = node_now_us(&client->node);
	const struct client_request *oldest = LIST_ITEM(first, struct client_request, link);
	if (oldest->started_us + TICK_US <= now_us) {
		if (client_service_of(oldest) == NULL)
			client_directory_refresh(client);
		else
			client_services_refresh(client);
	}
	node_timer_after(&client->node, &client->tick, TICK_US);
}

struct client *client_create(struct env *env, struct log *log, const struct client_options *options)
{
	struct client *client = ALLOC(struct client);
	node_init(&client->node, &client_node_ops, env, log);
	client->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms
						      : CLIENT_TIMEOUT_MS_DEFAULT;
	client->attempt_timeout_ms = options->attempt_timeout_ms;
	client->backoff_max_ms = options->backoff_max_ms;
	list_init(&client->requests);
	list_init(&client->groups);
	list_init(&client->config_waiters);
	timer_init(&client->tick, tick, client);
	client->next_probe_id = node_random(&client->node) >> 1;
	arena_init_fallible(&client->arena, ARENA_BYTES_MAX);
	client_directory_init(client, options);
	client_services_init(client, options);
	return client;
}

void client_submit(struct client *client, struct client_request *request)
{
	request->client = client;
	request->started_us = node_now_us(&client->node);
	uint32_t timeout_ms = request->timeout_ms != 0 ? request->timeout_ms : client->timeout_ms;
	request->deadline_us = request->started_us + 1000ull * timeout_ms;
	list_push_back(&client->requests, &request->link);
	client->nrequests++;
	if (!timer_armed(&client->tick))
		node_timer_after(&client->node, &client->tick, TICK_US);
	client->submitting = true;
	client_route_start(request);
	client->submitting = false;
}

static int start(struct node *node)
{
	(void)node;
	return 0;
}

static bool try_group(struct client *client, struct client_group *group, link_id from,
		      const struct message *message)
{
	/* Afterwards the group may be gone, but it is not destroyed before the end of the turn. */
	if (!caller_message(group->caller, from, message))
		return false;
	map_put(&client->groups_by_link, from, group);
	return true;
}

static void on_message(struct node *node, link_id from, const struct message *message)
{
	struct client *client = of_node(node);
	if (message->kind != MESSAGE_REPLY)
		return;
	struct client_group *hint = map_get(&client->groups_by_link, from);
	if (hint != NULL && try_group(client, hint, from, message))
		return;
	LIST_FOR (link, &client->groups) {
		struct client_group *group = LIST_ITEM(link, struct client_group, link);
		if (group != hint && try_group(client, group, from, message))
			return;
	}
	client_probe_message(client, from, message);
}

static void on_link_down(struct node *node, link_id link)
{
	struct client *client = of_node(node);
	LIST_FOR (position, &client->groups)
		caller_link_down(LIST_ITEM(position, struct client_group, link)->caller, link);
	client_probe_link_down(client, link);
}

static void turn_end(struct node *node)
{
	destroy_gone(of_node(node));
}

static void end_requests(struct client *client)
{
	client->stopping = true;
	struct list *first;
	while ((first = list_first(&client->requests)) != NULL)
		client_finish(LIST_ITEM(first, struct client_request, link), STATUS_CLOSED,
			      slice(NULL, 0));
}

static void stop(struct node *node)
{
	end_requests(of_node(node));
	node->env->ops->stopped(node->env);
}

static void destroy(struct node *node)
{
	struct client *client = of_node(node);
	end_requests(client);
	node_timer_cancel(node, &client->tick);
	client_directory_done(client);
	client_services_done(client);
	while (!list_empty(&client->groups))
		destroy_group(LIST_ITEM(client->groups.next, struct client_group, link));
	map_free(&client->groups_by_gid);
	map_free(&client->groups_by_link);
	map_free(&client->probes);
	arena_free(&client->arena);
	node_done(node);
	free(client);
}

static bool ready(struct node *node)
{
	return client_config(of_node(node)) != NULL;
}

static void status_json(struct node *node, struct buffer *out)
{
	struct client *client = of_node(node);
	struct shard_config *config = client_config(client);
	buffer_format(out, "{\"role\":\"client\",\"requests\":%llu,\"config\":%llu}",
		      (unsigned long long)client->nrequests,
		      (unsigned long long)(config != NULL ? config->number : 0));
}

static const struct node_ops client_node_ops = {
	.start = start,
	.message = on_message,
	.link_down = on_link_down,
	.turn_end = turn_end,
	.stop = stop,
	.destroy = destroy,
	.ready = ready,
	.status_json = status_json,
};
