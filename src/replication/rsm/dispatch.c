/*
 * What clients ask of a replica, and who sees to it: commands and reads are requests.c's, reads of
 * other replicas than the leader read_index.c's, members members_change.c's.
 */
#include <inttypes.h>

#include "rsm/internal.h"

static void transfer_request(struct rsm *rsm, const struct requester *from,
			     const struct message *message)
{
	uint32_t replica;
	/* One that has ended earlier in this turn is answered before the next begins. */
	dispatch_end_transfer(rsm);
	arena_reset(&rsm->arena);
	int status = wire_transfer_decode(message->payload, &rsm->arena, &replica);
	if (status != 0)
		answer_error(rsm, from, status, "malformed TRANSFER");
	else if (replica == rsm->options.replica)
		answer(rsm, from, 0, slice(NULL, 0));
	else if (replica != 0 && !known_has_member(rsm, replica))
		answer_error(rsm, from, STATUS_BAD_REQUEST,
			     "replica %u is not a member of group %" PRIu64, replica,
			     rsm->options.group);
	else if (!consensus_transfer(rsm->core, node_now_us(rsm->node), replica))
		answer_error(rsm, from, STATUS_UNAVAILABLE,
			     "no live replica can take over, or a transfer is under way");
	else
		rsm->transfer = (struct pending_transfer){
			.waits = true, .requester = *from, .replica = replica};
}

/*
 * OK says that the replica asked for leads. When another one has taken over meanwhile the asker
 * finds it by itself, and is told by it.
 */
void dispatch_end_transfer(struct rsm *rsm)
{
	struct pending_transfer *transfer = &rsm->transfer;
	if (!transfer->waits || consensus_transferring(rsm->core))
		return;
	transfer->waits = false;
	if (consensus_role(rsm->core) == CONSENSUS_LEADER)
		answer_error(
			rsm, &transfer->requester, STATUS_UNAVAILABLE,
			"the successor did not take over in time: this replica goes on leading");
	else if (transfer->replica == 0)
		answer(rsm, &transfer->requester, 0, slice(NULL, 0));
	else
		answer_error(rsm, &transfer->requester, STATUS_NOT_LEADER,
			     "handed over: ask the new leader");
}

/*
 * Somebody confirms a read with this. What has been promised but is not durable yet counts: it may
 * be in a moment. A learner confirms nothing: nobody leads in ballot 0.
 */
static void ballot_request(struct rsm *rsm, const struct requester *from)
{
	rsm->counters.ballots_told++;
	buffer_clear(&rsm->out);
	wire_ballot_reply_encode(
		&(struct wire_ballot_reply){
			.group = rsm->options.group,
			.replica = rsm->options.replica,
			.ballot = consensus_votes(rsm->core) && !consensus_is_held(rsm->core)
					  ? consensus_epoch(rsm->core)
					  : 0,
			.life = rsm->node->env->life,
		},
		&rsm->out);
	answer(rsm, from, 0, buffer_slice(&rsm->out));
}

static void leader_request(struct rsm *rsm, const struct requester *from,
			   const struct message *message)
{
	if (message->method == METHOD_COMMAND)
		requests_command(rsm, from, message);
	else if (message->method == METHOD_REGISTER)
		requests_register(rsm, from);
	else if (message->method == METHOD_TRANSFER)
		transfer_request(rsm, from, message);
	else if (message->method == METHOD_CHANGE_MEMBERS)
		members_change(rsm, from, message);
	else
		requests_query(rsm, from, message);
}

bool dispatch_message(struct rsm *rsm, link_id from, const struct message *message)
{
	if (message->kind != MESSAGE_REQUEST)
		return false;
	struct requester requester = requester_of(from, message);
	switch (message->method) {
	case METHOD_BALLOT: ballot_request(rsm, &requester); return true;
	case METHOD_QUERY_STALE: read_index_request(rsm, &requester, message); return true;
	case METHOD_MEMBERS: members_answer(rsm, from, message); return true;
	case METHOD_FORCE: force_message(rsm, from, message); return true;
	case METHOD_REGISTER:
		/* Where ids come from elsewhere they must not come from here, too. */
		if (rsm->options.unregistered != NULL)
			return false;
		/* fall through */
	case METHOD_COMMAND:
	case METHOD_QUERY:
	case METHOD_QUERY_UNCONFIRMED:
	case METHOD_QUERY_INDEXED:
	case METHOD_TRANSFER:
	case METHOD_CHANGE_MEMBERS:
		if (consensus_role(rsm->core) == CONSENSUS_LEADER && !rsm->stopping)
			leader_request(rsm, &requester, message);
		else if (message->method == METHOD_QUERY_INDEXED)
			read_index_request(rsm, &requester, message);
		else
			rsm_reply_not_leader(rsm, from, message);
		return true;
	default: return false;
	}
}
