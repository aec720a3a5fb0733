/* Client ids, which the view service hands out, and the time by which sessions expire. */
#include <inttypes.h>

#include "pb/internal.h"

void clients_live(struct pb_node *n)
{
	uint64_t now_us = node_now_us(&n->server.node);
	uint64_t step_us = now_us - n->lived_at_us;
	uint64_t most_us = 1000ull * n->options.ping_interval_ms * n->options.dead_pings;
	n->lived_at_us = now_us;
	/*
	 * Who stood still for longer has not lived through it, and would not be primary any more.
	 */
	if (pb_is_primary(n))
		n->lived_us += step_us < most_us ? step_us : most_us;
	if (!pb_is_primary(n) || n->lived_us < n->state.time_us)
		n->lived_us = n->state.time_us;
}

static void put_question(struct buffer *out)
{
	wire_view_query_encode(&(struct wire_view_query){0}, out);
}

static int read_answer(struct slice payload, struct arena *arena, uint64_t *highest)
{
	struct wire_view_reply reply;
	int status = wire_view_reply_decode(payload, arena, &reply);
	if (status == 0)
		*highest = reply.clients;
	return status;
}

static bool known(void *context, uint64_t highest)
{
	struct pb_node *n = context;
	if (highest > n->clients && highest <= ENTRY_CLIENT_MAX)
		n->clients = highest;
	return true;
}

static void again(void *context, link_id from, const struct message *message)
{
	struct pb_node *n = context;
	server_request(&n->server.node, from, message);
}

static void refuse(void *context, link_id from, const struct message *message, int status,
		   const char *why)
{
	pb_refuse(context, from, message, status, "%s", why);
}

void clients_start(struct pb_node *n)
{
	struct registrar_options options = {
		.node = &n->server.node,
		.caller = n->views,
		.service = "viewservers",
		.question = put_question,
		.answer = read_answer,
		.known = known,
		.again = again,
		.refuse = refuse,
		.context = n,
	};
	registrar_init(&n->registrar, &options);
}

bool clients_admit(struct pb_node *n, link_id from, const struct message *request,
		   const struct wire_command *command)
{
	enum session_judgement judgement = sessions_judge(&n->state.sessions, command->client,
							  command->sequence, command->acknowledged);
	if (judgement == SESSION_FINE ||
	    (judgement == SESSION_UNKNOWN && command->client <= n->clients))
		return true;
	if (judgement != SESSION_UNKNOWN)
		pb_refuse(n, from, request, STATUS_SESSION_EXPIRED,
			  "client %" PRIu64 " sequence %" PRIu64 ": %s", command->client,
			  command->sequence, session_judgement_text(judgement));
	else
		registrar_hold(&n->registrar, from, request, command->client);
	return false;
}
