/*
 * One request from its start to its end.
 *
 *                  ┌───────────── WRONG_GROUP, SESSION_EXPIRED ◄──────┐
 *   start ──► step ┴─► configuration? ─► sequence? ─► caller or scan ─┴─► finish
 *                        │ waits           │ waits        │
 *                        └────────┬────────┘              └ recalled when its shard moves
 *                             deadline ──► finish
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashslot.h"
#include "client/kinds.h"
#include "wire/method.h"
#include "wire/wire.h"

#define PAUSE_MIN_US 10000u
#define PAUSE_MAX_US 500000u

static void called(void *context, int status, struct slice payload);

void client_stop_waiting(struct client_request *request)
{
	list_remove(&request->waiting);
	node_timer_cancel(&request->client->node, &request->timer);
	request->wait = WAIT_NOTHING;
}

/* ---- the end ---- */

void client_route_forget_named(struct client_request *request)
{
	/* A group of servers that only this request asked. */
	if (request->naddresses > 0 && request->group != NULL)
		client_group_retire(request->client, request->group);
}

void client_finish_reply(struct client_request *request, const struct synod_reply *reply,
			 struct slice payload)
{
	struct client *client = request->client;
	const struct client_kind_row *kind = client_kind(request);
	client_stop_waiting(request);
	if (request->call != NULL)
		caller_cancel(request->call);
	if (kind->end != NULL)
		kind->end(request);
	list_remove(&request->link);
	client->nrequests--;
	request->done(request, reply, payload);
	/*
	 * Only now: the reply lives in the scan, or in the arena, which a write that takes the
	 * freed place may reuse.
	 */
	if (kind->release != NULL)
		kind->release(request);
	client_session_settled(request);
	client_request_free(request);
}

void client_route_tell_masters(const struct client_request *request, struct synod_reply *reply)
{
	const char *asked = request->client->asked;
	reply->value = (struct synod_bytes){.data = asked, .len = strlen(asked)};
}

static int decode(struct client_request *request, struct slice payload, struct synod_reply *reply)
{
	const struct client_kind_row *kind = client_kind(request);
	reply->message = "";
	int status = kind->decode == NULL ? 0
					  : kind->decode(reply, payload, &request->client->arena);
	if (status == 0 && kind->tell != NULL)
		kind->tell(request, reply);
	return status;
}

/* What the outside is told: statuses of the way become statuses of the outcome. */
static int public_status(const struct client_request *request, int status)
{
	switch (status) {
	case STATUS_INTERNAL:
	case STATUS_SEQUENCE_REUSED:
		return client_request_writes(request) ? STATUS_UNKNOWN : STATUS_UNAVAILABLE;
	case STATUS_UNKNOWN: return client_kind(request)->changes ? status : STATUS_UNAVAILABLE;
	case STATUS_CANCELLED: return STATUS_CLOSED;
	default:
		/* Refusals to which the caller (call/caller.h) found no way round. */
		return status_class(status) == STATUS_CLASS_RETRY ? STATUS_UNAVAILABLE : status;
	}
}

void client_finish(struct client_request *request, int status, struct slice payload)
{
	struct client *client = request->client;
	struct synod_reply reply = {0};
	arena_reset(&client->arena);
	if (status == 0) {
		bool good = decode(request, payload, &reply) == 0;
		if (!good && client->arena.failed) {
			client_finish_text(request,
					   client_request_writes(request) ? STATUS_UNKNOWN
									  : STATUS_NO_MEMORY,
					   "no memory for the server's answer");
			return;
		}
		if (!good) {
			client_finish_text(request, STATUS_INTERNAL,
					   "the server's answer is malformed: are client and "
					   "server of the same version?");
			return;
		}
		client_age_tell(request, request->age.heard_us, &reply);
	} else {
		client_reply_decode_error(&reply, status, payload, &client->arena);
		reply.status = -public_status(request, status);
		payload = slice(NULL, 0);
	}
	client_finish_reply(request, &reply, payload);
}

/* It may be with nobody who is there any more: see the tick of core.c. */
void client_note_unanswered(const struct client_request *request, int status)
{
	if (status != STATUS_UNAVAILABLE && status != STATUS_UNKNOWN)
		return;
	if (client_service_of(request) == NULL)
		request->client->unanswered = true;
	else
		request->client->unanswered_by_service = true;
}

void client_finish_text(struct client_request *request, int status, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	struct synod_reply reply = {.status = -public_status(request, status), .message = text};
	client_finish_reply(request, &reply, slice(NULL, 0));
}

/* The deadline has passed while nobody was being asked on this request's account. */
static void time_out(struct client_request *request)
{
	struct client *client = request->client;
	int status = client_request_writes(request) && request->may_be_executed
			     ? STATUS_UNKNOWN
			     : STATUS_UNAVAILABLE;
	uint64_t waited_ms = (request->deadline_us - request->started_us) / 1000;
	struct shard_config *config = client_config(client);
	const struct client_service *service = client_service_of(request);
	if (request->expired > 1)
		client_finish_text(request, status,
				   "%u new sessions were refused within %" PRIu64
				   " ms, the last with \"%s\": is there "
				   "room for all clients (sessions_max), and do all servers belong "
				   "to one cluster?",
				   request->expired, waited_ms,
				   request->expired_why != NULL ? request->expired_why : "");
	else if (service != NULL)
		client_finish_text(request, status,
				   service->known
					   ? "no %s answered within %" PRIu64 " ms (asked %s)"
					   : "there is no %s to ask (waited %" PRIu64 " ms%s)",
				   service->what, waited_ms, service->asked);
	else if (!client_masters_known(client))
		client_finish_text(
			request, status,
			"no endpoint answered within %" PRIu64 " ms (asked %s): check that the "
			"cluster runs and that --endpoints or cluster.conf name its nodes",
			waited_ms, client->asked);
	else if (request->wait == WAIT_SESSION && client->registrar.session != NULL)
		client_finish_text(request, status,
				   "too many writes were under way for %" PRIu64 " ms", waited_ms);
	else if (config == NULL || request->wait == WAIT_SESSION)
		client_finish_text(request, status,
				   "no shard master answered within %" PRIu64 " ms (asked %s)",
				   waited_ms, client->asked);
	else if (config->ngroups == 0)
		client_finish_text(request, status,
				   "the cluster has no groups yet (configuration %" PRIu64
				   "): add one with "
				   "kvctl join GID HOST:PORT,…",
				   config->number);
	else
		client_finish_text(request, status,
				   "the group that configuration %" PRIu64
				   " names did not take the key's "
				   "shard over within %" PRIu64 " ms: see kvctl status",
				   config->number, waited_ms);
}

static void timer_fired(void *data)
{
	struct client_request *request = data;
	if (node_now_us(&request->client->node) >= request->deadline_us) {
		time_out(request);
		return;
	}
	client_stop_waiting(request);
	client_route_step(request);
}

void client_route_pause(struct client_request *request)
{
	struct node *node = &request->client->node;
	uint64_t pause_us = PAUSE_MAX_US;
	if (request->rounds < 16 && (uint64_t)PAUSE_MIN_US << request->rounds < pause_us)
		pause_us = (uint64_t)PAUSE_MIN_US << request->rounds;
	request->rounds++;
	uint64_t at_us = node_now_us(node) + pause_us / 2 + node_random(node) % (pause_us / 2 + 1);
	request->wait = WAIT_PAUSE;
	node_timer_at(node, &request->timer,
		      at_us < request->deadline_us ? at_us : request->deadline_us);
}

/* ---- the way ---- */

/* The payload is the request's, which stays as long as the call. */
static void call(struct client_request *request, struct client_group *group, uint16_t method,
		 struct slice payload)
{
	struct tracer *tracer = &request->client->node.tracer;
	uint64_t outer = tracer->current;
	request->group = group;
	tracer->current = request->trace;
	request->call = caller_start_lent(group->caller, method, payload, request->deadline_us,
					  request->reads ? &request->read : NULL, called, request);
	tracer->current = outer;
}

static void query(struct client_request *request, struct client_group *group)
{
	call(request, group, client_request_method(request), request->body);
}

/* The COMMAND whose body is the request's: its head is written before the body, which stays. */
static struct slice command_around(struct client_request *request,
				   const struct wire_command *command)
{
	uint8_t head[CLIENT_HEAD_BYTES];
	struct buffer_gap gap;
	struct buffer_gaps gaps = {.len_min = 1, .items = &gap, .capacity = 1};
	struct buffer out = {.data = head, .capacity = sizeof head, .gaps = &gaps};
	ASSERT(request->call == NULL && request->body.data == request->block + CLIENT_HEAD_BYTES);
	wire_command_encode(command, &out);
	ASSERT(out.data == head);
	/* The body is the last field: nothing stands behind it. */
	ASSERT(request->body.len == 0 || (gaps.count == 1 && gap.at == out.len));
	uint8_t *begin = request->block + CLIENT_HEAD_BYTES - out.len;
	memcpy(begin, head, out.len);
	return slice(begin, out.len + request->body.len);
}

static void command(struct client_request *request, struct client_group *group)
{
	struct wire_command wire = {.body = request->body};
	if (request->session != NULL) {
		wire.client = request->session->client;
		wire.sequence = request->sequence;
		wire.acknowledged = request->session->acknowledged;
	}
	call(request, group, client_request_method(request), command_around(request, &wire));
}

void client_route_send(struct client_request *request, struct client_group *group)
{
	switch (client_kind(request)->form) {
	case FORM_PLAIN: query(request, group); break;
	case FORM_COMMAND: command(request, group); break;
	case FORM_SESSION:
		if (request->sequence != 0 || client_take_sequence(request))
			command(request, group);
		break;
	}
}

/* The group of all keys: NULL when the request has been put aside or ended. */
static struct client_group *find_group(struct client_request *request)
{
	struct client *client = request->client;
	struct shard_config *config = client_config(client);
	if (config == NULL || config->number < request->config_wanted) {
		client_wait_config(request);
		return NULL;
	}
	struct client_group *group = client_group_of_slot(client, request->slots[0]);
	if (group == NULL) {
		request->config_wanted = config->number + 1;
		client_wait_config(request);
		return NULL;
	}
	for (uint32_t i = 1; i < request->nslots; i++) {
		if (client_group_of_slot(client, request->slots[i]) == group)
			continue;
		if (client->submitting) {
			/* Nothing ends from within its submission: it comes here once more. */
			request->wait = WAIT_PAUSE;
			node_timer_after(&client->node, &request->timer, 0);
			return NULL;
		}
		client_finish_text(
			request, STATUS_CROSS_GROUP,
			"the keys belong to different groups, and transactions across "
			"groups are not supported yet: a common hash tag, as in user:{42}:name and "
			"user:{42}:mail, "
			"keeps keys together");
		return NULL;
	}
	return group;
}

void client_route_to_keys(struct client_request *request)
{
	struct client_group *group = find_group(request);
	if (group != NULL)
		client_route_send(request, group);
}

void client_route_to_masters(struct client_request *request)
{
	struct client *client = request->client;
	/* Who needs a session waits for that. */
	if (!client_request_writes(request) && !client_masters_known(client))
		client_wait_config(request);
	else
		client_route_send(request, client->masters);
}

void client_route_to_named(struct client_request *request)
{
	if (request->group == NULL)
		request->group = client_group_create(request->client, 0, request->addresses,
						     request->naddresses);
	client_route_send(request, request->group);
}

bool client_route_recall(struct client_request *request)
{
	if (request->call == NULL ||
	    client_group_of_slot(request->client, request->slots[0]) == request->group)
		return false;
	request->may_be_executed |= caller_may_be_executed(request->call);
	caller_cancel(request->call);
	request->call = NULL;
	request->group = NULL;
	return true;
}

void client_route_step(struct client_request *request)
{
	ASSERT(request->call == NULL && request->wait == WAIT_NOTHING);
	client_kind(request)->step(request);
}

void client_route_start(struct client_request *request)
{
	const struct client_kind_row *kind = client_kind(request);
	timer_init(&request->timer, timer_fired, request);
	if (kind->start != NULL)
		kind->start(request);
	else
		client_route_step(request);
}

/* The group does not serve the key's shard: either we are behind, or the group is. */
static void wrong_group(struct client_request *request, struct slice payload)
{
	struct client *client = request->client;
	struct synod_reply reply = {0};
	arena_reset(&client->arena);
	uint64_t number = client_reply_decode_error(&reply, STATUS_WRONG_GROUP, payload,
						    &client->arena);
	if (number > client_config(client)->number) {
		request->config_wanted = number;
		client_wait_config(request);
		return;
	}
	client_directory_refresh(client);
	client_route_pause(request);
}

/*
 * The server no longer knows our session, or somebody else has used it. Once in a while that is as
 * it should be, and a new one helps at once; if it happens again there is something that a flood of
 * registrations would only make worse.
 */
static void session_expired(struct client_request *request, int status, struct slice payload)
{
	struct synod_reply reply = {0};
	client_session_lost(request);
	if (request->may_be_executed) {
		client_finish(request, STATUS_UNKNOWN, payload);
		return;
	}
	arena_reset(&request->client->arena);
	client_reply_decode_error(&reply, status, payload, &request->client->arena);
	free(request->expired_why);
	request->expired_why = strdup(reply.message);
	if (++request->expired > 1)
		client_route_pause(request);
	else
		client_route_step(request);
}

/*
 * Refusals that speak of the way or of the moment say nothing of an earlier attempt; those that
 * speak of the data are final.
 */
static bool settles(int status)
{
	switch (status) {
	case STATUS_UNAVAILABLE:
	/* By the settings of the leader that was asked last; an earlier one may have had others. */
	case STATUS_TOO_LARGE:
	case STATUS_NO_SPACE:
	case STATUS_DENIED:
	case STATUS_UNKNOWN_METHOD:
	case STATUS_WRONG_CLUSTER:
	case STATUS_WRONG_VERSION:
	case STATUS_WRONG_NODE: return false;
	default: return true;
	}
}

static void called(void *context, int status, struct slice payload)
{
	struct client_request *request = context;
	client_note_unanswered(request, status);
	if (client_request_writes(request))
		request->may_be_executed |= caller_may_be_executed(request->call);
	if (request->reads && status == 0)
		client_age_add(&request->age, caller_answer_age(request->call),
			       node_clock_us(&request->client->node));
	request->call = NULL;
	if (request->client->stopping || status == 0)
		client_finish(request, status, payload);
	else if (status == STATUS_WRONG_GROUP && request->nslots > 0)
		wrong_group(request, payload);
	else if ((status == STATUS_SESSION_EXPIRED ||
		  (status == STATUS_SEQUENCE_REUSED && !request->may_be_executed)) &&
		 request->session != NULL)
		session_expired(request, status, payload);
	else if (request->may_be_executed && !settles(status))
		client_finish(request, STATUS_UNKNOWN, payload);
	else
		client_finish(request, status, payload);
}
