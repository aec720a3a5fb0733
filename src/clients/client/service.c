/*
 * Requests to the view service and to the primary that it names. Both are found as any group's
 * leader is: a server that is not the one answers NOT_LEADER, with a hint (call/caller.h). The
 * primary's sessions get their ids from the view service.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "client/kinds.h"
#include "wire/method.h"
#include "wire/wire_view.h"

static void init(struct client *client, enum client_service_id id, const char *what,
		 const char *const *addresses, uint32_t count)
{
	struct client_service *service = &client->services[id];
	service->what = what;
	service->known = count > 0;
	service->asked = alloc_join(addresses, count, ", ");
	service->group = client_group_create(client, 0, addresses, count);
}

static void init_log(struct client *client, const struct client_options *options)
{
	bool told = options->npaxosds > 0 || options->nmasters > 0;
	const char *const *addresses = told ? options->paxosds : options->endpoints;
	uint32_t count = told ? options->npaxosds : options->nendpoints;
	const char *rotated[REPLICAS_MAX];
	if (count > REPLICAS_MAX)
		count = REPLICAS_MAX;
	uint64_t first = node_random(&client->node);
	for (uint32_t i = 0; i < count; i++)
		rotated[i] = addresses[(first + i) % count];
	init(client, CLIENT_LOG, "paxosd", addresses, count);
	init(client, CLIENT_LOG_READERS, "paxosd", rotated, count);
	for (enum client_service_id id = CLIENT_LOG; id <= CLIENT_LOG_READERS; id++) {
		struct client_service *service = &client->services[id];
		client_registrar_init(&service->registrar, client, service->group);
		service->registrar.method = METHOD_LOG_REGISTER;
	}
}

void client_services_init(struct client *client, const struct client_options *options)
{
	bool told = options->nviews > 0 || options->nmasters > 0;
	init(client, CLIENT_VIEWS, "viewserver", told ? options->views : options->endpoints,
	     told ? options->nviews : options->nendpoints);
	init(client, CLIENT_PB, "primary", options->pbs, options->npbs);
	struct client_service *views = &client->services[CLIENT_VIEWS],
			      *pb = &client->services[CLIENT_PB];
	client_registrar_init(&views->registrar, client, views->group);
	client_registrar_init(&pb->registrar, client, views->group);
	init_log(client, options);
	pb->searched = !pb->known;
	pb->known |= views->known;
}

void client_services_done(struct client *client)
{
	for (uint32_t i = CLIENT_NO_SERVICE + 1; i < CLIENT_SERVICES; i++) {
		struct client_service *service = &client->services[i];
		client_registrar_done(&service->registrar);
		if (service->find != NULL)
			caller_cancel(service->find);
		free(service->asked);
	}
}

struct client_service *client_service_of(const struct client_request *request)
{
	enum client_service_id id = client_kind(request)->service;
	return id == CLIENT_NO_SERVICE ? NULL : &request->client->services[id];
}

/* ---- finding the pbservers ---- */

static void add_address(char **addresses, uint32_t *count, struct slice address)
{
	if (address.len == 0 || *count == REPLICAS_MAX)
		return;
	for (uint32_t i = 0; i < *count; i++)
		if (slice_equal(slice_string(addresses[i]), address))
			return;
	addresses[(*count)++] = alloc_format("%.*s", (int)address.len, (const char *)address.data);
}

static void found(void *context, int status, struct slice payload)
{
	struct client *client = context;
	struct client_service *pb = &client->services[CLIENT_PB];
	struct wire_view_reply reply;
	char *addresses[REPLICAS_MAX];
	uint32_t count = 0;
	pb->find = NULL;
	arena_reset(&client->arena);
	if (status != 0 || wire_view_reply_decode(payload, &client->arena, &reply) != 0)
		return; /* whoever still waits asks again with the next request */
	add_address(addresses, &count, reply.view.primary.address);
	add_address(addresses, &count, reply.view.backup.address);
	for (uint32_t i = 0; i < reply.nservers; i++)
		if (reply.servers[i].alive)
			add_address(addresses, &count, reply.servers[i].server.address);
	free(pb->asked);
	pb->asked = alloc_join((const char *const *)addresses, count, ", ");
	/*
	 * Requests that wait in the caller go on with this. Nobody is not more than who was known
	 * before.
	 */
	if (count > 0)
		caller_set_addresses(pb->group->caller, (const char *const *)addresses, count);
	for (uint32_t i = 0; i < count; i++)
		free(addresses[i]);
}

static void find_pbs(struct client *client)
{
	struct client_service *pb = &client->services[CLIENT_PB];
	if (pb->find != NULL || client->stopping)
		return;
	struct buffer body = {0};
	wire_view_query_encode(&(struct wire_view_query){.servers = true}, &body);
	pb->find = caller_start(client->services[CLIENT_VIEWS].group->caller, METHOD_QUERY,
				buffer_slice(&body), client_background_deadline_us(client), found,
				client);
	buffer_free(&body);
}

void client_services_refresh(struct client *client)
{
	if (client->services[CLIENT_PB].searched && client->services[CLIENT_PB].known)
		find_pbs(client);
}

/* ---- the way ---- */

void client_service_step(struct client_request *request)
{
	struct client *client = request->client;
	struct client_service *service = client_service_of(request);
	if (!service->known) {
		/* Nothing ends from within its submission. */
		if (!client->submitting) {
			client_finish_text(request, STATUS_UNAVAILABLE, "cluster.conf names no %s",
					   service == &client->services[CLIENT_PB] ? "pbserver"
										   : service->what);
			return;
		}
		request->wait = WAIT_PAUSE;
		node_timer_after(&client->node, &request->timer, 0);
		return;
	}
	if (service == &client->services[CLIENT_PB] &&
	    caller_address_count(service->group->caller) == 0)
		find_pbs(client);
	client_route_send(request, service->group);
}

void client_service_to_peer(struct client_request *request)
{
	if (request->naddresses > 0)
		client_route_to_named(request);
	else
		client_service_step(request);
}
