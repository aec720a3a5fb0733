/* Where things are: shard masters, the newest configuration, the groups. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hashslot.h"
#include "client/kinds.h"
#include "wire/method.h"
#include "wire/wire.h"

/*
 * What the client asks on its own account; when it fails and requests still wait for it, it is
 * asked again.
 */
#define BACKGROUND_TIMEOUT_US 5000000u
/* Pauses between fetches of a configuration that does not yet help the requests that wait. */
#define FETCH_PAUSE_MIN_US 20000u
#define FETCH_PAUSE_MAX_US 500000u

uint64_t client_background_deadline_us(struct client *client)
{
	return node_now_us(&client->node) + BACKGROUND_TIMEOUT_US;
}

bool client_masters_known(const struct client *client)
{
	return caller_address_count(client->masters->caller) > 0;
}

struct client_request *client_first_waiting(struct list *waiters)
{
	struct list *first = list_first(waiters);
	return first != NULL ? LIST_ITEM(first, struct client_request, waiting) : NULL;
}

bool client_hopeless(int status)
{
	return status_class(status) == STATUS_CLASS_REFUSED;
}

/*
 * Moves all of `from` to `round`: who joins the list while its members are being served has to wait
 * for the next time.
 */
static void take_all(struct list *from, struct list *round)
{
	list_init(round);
	while (!list_empty(from)) {
		struct list *first = from->next;
		list_remove(first);
		list_push_back(round, first);
	}
}

void client_fail_waiters(struct client *client, struct list *waiters, int status,
			 struct slice payload)
{
	struct synod_reply reply = {0};
	arena_reset(&client->arena);
	client_reply_decode_error(&reply, status, payload, &client->arena);
	char *text = alloc_string(reply.message);
	struct list round;
	take_all(waiters, &round);
	struct client_request *request;
	while ((request = client_first_waiting(&round)) != NULL)
		client_finish_text(request, status, "%s", text);
	free(text);
}

static void fail_all_waiters(struct client *client, int status, struct slice payload)
{
	client_fail_waiters(client, &client->config_waiters, status, payload);
	client_fail_waiters(client, &client->registrar.waiters, status, payload);
}

static void add_config_waiter(struct client_request *request)
{
	struct client *client = request->client;
	request->wait = WAIT_CONFIG;
	list_push_back(&client->config_waiters, &request->waiting);
	node_timer_at(&client->node, &request->timer, request->deadline_us);
}

/* Requests that want a newer configuration than `number` stay. */
static void wake_config_waiters(struct client *client, uint64_t number)
{
	struct list round;
	take_all(&client->config_waiters, &round);
	struct client_request *request;
	while ((request = client_first_waiting(&round)) != NULL) {
		if (request->config_wanted > number) {
			list_remove(&request->waiting);
			list_push_back(&client->config_waiters, &request->waiting);
		} else {
			client_stop_waiting(request);
			client_route_step(request);
		}
	}
}

/* ---- the shard masters' addresses ---- */

static void found_masters(struct client *client, const struct wire_cluster *cluster)
{
	char *addresses[REPLICAS_MAX];
	for (uint32_t i = 0; i < cluster->nmasters; i++)
		addresses[i] = alloc_format("%.*s", (int)cluster->masters[i].len,
					    (const char *)cluster->masters[i].data);
	free(client->asked);
	client->asked = alloc_join((const char *const *)addresses, cluster->nmasters, ", ");
	caller_set_addresses(client->masters->caller, (const char *const *)addresses,
			     cluster->nmasters);
	for (uint32_t i = 0; i < cluster->nmasters; i++)
		free(addresses[i]);
	/* Those who only need a shard master, and want no configuration. */
	wake_config_waiters(client, 0);
}

static void entrance_done(void *context, int status, struct slice payload)
{
	struct client *client = context;
	client->entrance_call = NULL;
	struct wire_cluster cluster;
	arena_reset(&client->arena);
	if (status == 0)
		status = wire_cluster_decode(payload, &client->arena, &cluster);
	if (status == 0 && cluster.nmasters > 0) {
		found_masters(client, &cluster);
	} else if (status == 0) {
		struct buffer error = {0};
		wire_error_format(&error,
				  "the endpoints (%s) know of no shard master: give --endpoints of "
				  "a sharded cluster",
				  client->asked);
		fail_all_waiters(client, STATUS_CONFIG, buffer_slice(&error));
		buffer_free(&error);
	} else if (client_hopeless(status)) {
		fail_all_waiters(client, status, payload);
	} else if (client->nrequests > 0 && !client->stopping) {
		client_find_masters(client);
	}
}

void client_find_masters(struct client *client)
{
	if (client_masters_known(client) || client->entrance == NULL ||
	    client->entrance_call != NULL)
		return;
	client->entrance_call = caller_start(client->entrance->caller, METHOD_CLUSTER,
					     slice(NULL, 0), client_background_deadline_us(client),
					     entrance_done, client);
}

/* ---- the configuration ---- */

struct shard_config *client_config(const struct client *client)
{
	return master_watch_config(client->watch);
}

struct client_group *client_group_of_slot(struct client *client, uint32_t slot)
{
	struct shard_config *config = client_config(client);
	ASSERT(config != NULL && slot < HASH_SLOTS);
	/* The formula of base/hashslot.h. */
	const struct shard_group *group = shard_config_owner(config,
							     slot * config->nshards / HASH_SLOTS);
	return group != NULL ? map_get(&client->groups_by_gid, group->gid) : NULL;
}

/*
 * A config is new: the callers of its groups get their addresses, those of groups that have left
 * are retired.
 */
static void adopt_groups(struct client *client, const struct shard_config *config)
{
	for (uint32_t i = 0; i < config->ngroups; i++) {
		const struct shard_group *entry = config->groups[i];
		struct client_group *group = map_get(&client->groups_by_gid, entry->gid);
		const char *const *members = (const char *const *)entry->members;
		if (group == NULL)
			client_group_create(client, entry->gid, members, entry->nmembers);
		else
			caller_set_addresses(group->caller, members, entry->nmembers);
	}
	LIST_FOR (link, &client->groups) {
		struct client_group *group = LIST_ITEM(link, struct client_group, link);
		if (group->gid != 0 && !group->gone &&
		    shard_config_group(config, group->gid) == NULL)
			client_group_retire(client, group);
	}
}

/*
 * Nothing ends in here, so that the list can be walked: whoever has to go elsewhere joins those who
 * wait.
 */
static void recall_misrouted(struct client *client)
{
	LIST_FOR (link, &client->requests) {
		struct client_request *request = LIST_ITEM(link, struct client_request, link);
		const struct client_kind_row *kind = client_kind(request);
		if (kind->recall != NULL && kind->recall(request))
			add_config_waiter(request);
	}
}

static void config_changed(void *context, struct shard_config *config)
{
	struct client *client = context;
	adopt_groups(client, config);
	recall_misrouted(client);
	wake_config_waiters(client, config->number);
}

static void fetch(void *data)
{
	struct client *client = data;
	if (client->fetching || client->stopping)
		return;
	client->fetching = true;
	master_watch_refresh(client->watch);
}

static void fetched(void *context, int status, struct slice error)
{
	struct client *client = context;
	client->fetching = false;
	if (client_hopeless(status))
		client_fail_waiters(client, &client->config_waiters, status, error);
	if (list_empty(&client->config_waiters) || client->stopping) {
		client->fetch_rounds = 0;
		return;
	}
	uint64_t pause_us = FETCH_PAUSE_MAX_US;
	if (client->fetch_rounds < 16 &&
	    (uint64_t)FETCH_PAUSE_MIN_US << client->fetch_rounds < pause_us)
		pause_us = (uint64_t)FETCH_PAUSE_MIN_US << client->fetch_rounds;
	client->fetch_rounds++;
	node_timer_after(&client->node, &client->fetch_timer, pause_us);
}

void client_directory_refresh(struct client *client)
{
	client_find_masters(client);
	if (!timer_armed(&client->fetch_timer))
		fetch(client);
}

void client_wait_config(struct client_request *request)
{
	add_config_waiter(request);
	client_directory_refresh(request->client);
}

/* ---- life ---- */

void client_directory_init(struct client *client, const struct client_options *options)
{
	client->masters = client_group_create(client, 0, options->masters, options->nmasters);
	client_registrar_init(&client->registrar, client, client->masters);
	client->asked = alloc_join(options->masters, options->nmasters, ", ");
	if (options->nmasters == 0) {
		free(client->asked);
		client->asked = alloc_join(options->endpoints, options->nendpoints, ", ");
		client->entrance = client_group_create(client, 0, options->endpoints,
						       options->nendpoints);
	}
	timer_init(&client->fetch_timer, fetch, client);
	client->watch = master_watch_create(&(struct master_watch_options){
		.node = &client->node,
		.caller = client->masters->caller,
		.changed = config_changed,
		.refreshed = fetched,
		.context = client,
	});
}

void client_directory_done(struct client *client)
{
	node_timer_cancel(&client->node, &client->fetch_timer);
	master_watch_destroy(client->watch);
	if (client->entrance_call != NULL)
		caller_cancel(client->entrance_call);
	client_registrar_done(&client->registrar);
	free(client->asked);
}
