/* Messages to the other replicas. */
#include "rsm/internal.h"

/*
 * More than this unsent on a peer's link: what would be added is dropped; the protocol sends it
 * again.
 */
#define PEER_BACKLOG_MAX (16u * MIB)

void peers_send(struct rsm *rsm, uint32_t to, enum method method, union peer_message *message)
{
	uint32_t index = rsm_seat(rsm, to);
	struct env *env = rsm->node->env;
	if (index == UINT32_MAX ||
	    env->ops->backlog(env, rsm->seats[index].link) > PEER_BACKLOG_MAX)
		return;
	message->head.group = rsm->options.group;
	message->head.from = rsm->options.replica;
	message->head.to = to;
	message->head.generation = rsm->generation;
	buffer_clear(&rsm->out);
	peer_encode(method, message, &rsm->out);
	struct message m = {.kind = MESSAGE_ONEWAY,
			    .method = (uint16_t)method,
			    .payload = buffer_slice(&rsm->out)};
	struct trace_detail detail;
	if (rsm_traces(rsm))
		traced_sending(rsm, index, method, message, &m, &detail);
	node_send(rsm->node, rsm->seats[index].link, &m);
}
