/* The client's session with the cluster: who has a sequence number, and who waits for one. */
#include "client/internal.h"
#include "wire/method.h"
#include "wire/wire.h"

static void get_session(struct client *client);

/* Window places are given to those who wait, in their order. */
static void wake_session_waiters(struct client *client)
{
	struct client_request *request;
	while (client->session != NULL && (request = client_first_waiting(&client->session_waiters)) != NULL) {
		uint64_t sequence = client_session_take(client->session);
		if (sequence == 0)
			return;
		request->session = client->session;
		request->sequence = sequence;
		client_stop_waiting(request);
		client_route_step(request);
	}
}

static void registered(void *context, int status, struct slice payload)
{
	struct client *client = context;
	uint64_t id = 0;
	client->register_call = NULL;
	arena_reset(&client->arena);
	if (status == 0 && (wire_register_reply_decode(payload, &client->arena, &id) != 0 || id == 0))
		status = STATUS_INTERNAL;
	if (status == 0) {
		client->session = client_session_create(id);
		wake_session_waiters(client);
	} else if (client_hopeless(status)) {
		client_fail_waiters(client, &client->session_waiters, status, payload);
	} else {
		get_session(client);
	}
}

static void get_session(struct client *client)
{
	if (client->session != NULL || client->register_call != NULL || list_empty(&client->session_waiters) ||
	    client->stopping)
		return;
	client_find_masters(client);
	client->register_call = caller_start(client->masters->caller, METHOD_REGISTER, slice(NULL, 0),
					     client_background_deadline_us(client), registered, client);
}

bool client_take_sequence(struct client_request *request)
{
	struct client *client = request->client;
	ASSERT(request->sequence == 0);
	/* Nobody overtakes those who wait: requests to one key start in the order of their submission. */
	if (client->session != NULL && list_empty(&client->session_waiters)) {
		request->sequence = client_session_take(client->session);
		if (request->sequence != 0) {
			request->session = client->session;
			return true;
		}
	}
	request->wait = WAIT_SESSION;
	list_push_back(&client->session_waiters, &request->waiting);
	node_timer_at(&client->node, &request->timer, request->deadline_us);
	get_session(client);
	return false;
}

void client_session_lost(struct client_request *request)
{
	struct client *client = request->client;
	struct client_session *session = request->session;
	ASSERT(session != NULL);
	/* Others that are under way keep their numbers, and learn on their own whether the session still helps them. */
	if (client->session == session) {
		client->session = NULL;
		client_session_unref(session);
	}
	client_session_give_back(session, request->sequence);
	request->session = NULL;
	request->sequence = 0;
}

/* A request has ended: its number is settled. */
void client_session_settled(struct client_request *request)
{
	struct client *client = request->client;
	struct client_session *session = request->session;
	if (session == NULL)
		return;
	bool moved = client_session_give_back(session, request->sequence);
	request->session = NULL;
	request->sequence = 0;
	if (moved && client->session == session && !client->stopping)
		wake_session_waiters(client);
}
