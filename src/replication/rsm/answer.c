/* Answers to requests, and refusals. */
#include <stdarg.h>
#include <stdio.h>

#include "rsm/internal.h"

void answer(struct rsm *rsm, const struct requester *to, int status, struct slice body)
{
	if (to->link == 0)
		return;
	struct message request = {
		.kind = MESSAGE_REQUEST, .method = to->method, .id = to->id, .trace = to->trace};
	node_reply(rsm->node, to->link, &request, status, body);
}

void answer_error(struct rsm *rsm, const struct requester *to, int status, const char *format, ...)
{
	char text[1000];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	struct wire_error error = {.message = slice_string(text)};
	if (status == STATUS_NOT_LEADER)
		error.leader = slice_string(rsm_leader_address(rsm));
	buffer_clear(&rsm->out);
	wire_error_encode(&error, &rsm->out);
	answer(rsm, to, status, buffer_slice(&rsm->out));
}

void rsm_reply_not_leader(struct rsm *rsm, link_id link, const struct message *request)
{
	struct requester to = requester_of(link, request);
	const char *leader = rsm_leader_address(rsm);
	if (*leader != '\0' && consensus_role(rsm->core) != CONSENSUS_LEADER)
		answer_error(rsm, &to, STATUS_NOT_LEADER, "this replica is not the leader; %s is",
			     leader);
	else
		answer_error(rsm, &to, STATUS_NOT_LEADER,
			     "this replica is not the leader, and no leader is known: no majority, "
			     "or an election");
}

void rsm_reply_error(struct rsm *rsm, link_id link, const struct message *request, int status,
		     const char *why)
{
	struct requester to = requester_of(link, request);
	answer_error(rsm, &to, status, "%s", why);
}
