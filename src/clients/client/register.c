/* Client sessions: who has a sequence number, and who waits for one. */
#include "client/kinds.h"
#include "wire/method.h"
#include "wire/wire.h"

static void get_session(struct client_registrar *registrar);

static struct client_registrar *registrar_of(const struct client_request *request)
{
	struct client_service *service = client_service_of(request);
	return service != NULL ? &service->registrar : &request->client->registrar;
}

void client_registrar_init(struct client_registrar *registrar, struct client *client,
			   struct client_group *group)
{
	*registrar = (struct client_registrar){
		.client = client, .group = group, .method = METHOD_REGISTER};
	list_init(&registrar->waiters);
}

void client_registrar_done(struct client_registrar *registrar)
{
	if (registrar->call != NULL)
		caller_cancel(registrar->call);
	if (registrar->session != NULL)
		client_session_unref(registrar->session);
}

/* Window places are given to those who wait, in their order. */
static void wake_waiters(struct client_registrar *registrar)
{
	struct client_request *request;
	while (registrar->session != NULL &&
	       (request = client_first_waiting(&registrar->waiters)) != NULL) {
		uint64_t sequence = client_session_take(registrar->session);
		if (sequence == 0)
			return;
		request->session = registrar->session;
		request->sequence = sequence;
		client_stop_waiting(request);
		client_route_step(request);
	}
}

static void registered(void *context, int status, struct slice payload)
{
	struct client_registrar *registrar = context;
	struct client *client = registrar->client;
	uint64_t id = 0;
	registrar->call = NULL;
	arena_reset(&client->arena);
	if (status == 0 &&
	    (wire_register_reply_decode(payload, &client->arena, &id) != 0 || id == 0))
		status = STATUS_INTERNAL;
	if (status == 0) {
		registrar->session = client_session_create(id);
		wake_waiters(registrar);
	} else if (client_hopeless(status)) {
		client_fail_waiters(client, &registrar->waiters, status, payload);
	} else {
		get_session(registrar);
	}
}

static void get_session(struct client_registrar *registrar)
{
	struct client *client = registrar->client;
	if (registrar->session != NULL || registrar->call != NULL ||
	    list_empty(&registrar->waiters) || client->stopping)
		return;
	if (registrar == &client->registrar)
		client_find_masters(client);
	registrar->call = caller_start(registrar->group->caller, registrar->method, slice(NULL, 0),
				       client_background_deadline_us(client), registered,
				       registrar);
}

bool client_take_sequence(struct client_request *request)
{
	struct client_registrar *registrar = registrar_of(request);
	ASSERT(request->sequence == 0);
	/*
	 * Nobody overtakes those who wait: requests to one key start in the order of their
	 * submission.
	 */
	if (registrar->session != NULL && list_empty(&registrar->waiters)) {
		request->sequence = client_session_take(registrar->session);
		if (request->sequence != 0) {
			request->session = registrar->session;
			return true;
		}
	}
	request->wait = WAIT_SESSION;
	list_push_back(&registrar->waiters, &request->waiting);
	node_timer_at(&request->client->node, &request->timer, request->deadline_us);
	get_session(registrar);
	return false;
}

void client_session_lost(struct client_request *request)
{
	struct client_registrar *registrar = registrar_of(request);
	struct client_session *session = request->session;
	ASSERT(session != NULL);
	/*
	 * Others that are under way keep their numbers, and learn on their own whether the session
	 * still helps them.
	 */
	if (registrar->session == session) {
		registrar->session = NULL;
		client_session_unref(session);
	}
	client_session_give_back(session, request->sequence);
	request->session = NULL;
	request->sequence = 0;
}

/* A request has ended: its number is settled. */
void client_session_settled(struct client_request *request)
{
	struct client_registrar *registrar = registrar_of(request);
	struct client_session *session = request->session;
	if (session == NULL)
		return;
	bool moved = client_session_give_back(session, request->sequence);
	request->session = NULL;
	request->sequence = 0;
	if (moved && registrar->session == session && !request->client->stopping)
		wake_waiters(registrar);
}
