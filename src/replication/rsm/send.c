/* Messages to the other replicas. */
#include "rsm/internal.h"

/*
 * More than this unsent on a peer's link: what would be added is dropped; the protocol sends it
 * again.
 */
#define PEER_BACKLOG_MAX (16u * MIB)

/* What was left out are values of the message's entries: whose bytes they are. */
static void find_parts(struct peer_entries entries, struct bytes *const *held,
		       const struct buffer_gaps *gaps, struct message_part *parts)
{
	uint32_t entry = 0;
	for (uint32_t i = 0; i < gaps->count; i++, entry++) {
		const struct buffer_gap *gap = &gaps->items[i];
		while (entry < entries.count && entries.list[entry].value.data != gap->value.data)
			entry++;
		ASSERT(entry < entries.count);
		struct bytes *bytes = held[entry];
		ASSERT(bytes->data == gap->value.data && bytes->len == gap->value.len);
		parts[i] = (struct message_part){.at = gap->at, .bytes = bytes};
	}
}

/* Encodes the message without those of its values that are shared: how many these are. */
static __attribute__((noinline)) uint16_t encode_held(struct rsm *rsm, enum method method,
						      const union peer_message *message,
						      struct bytes *const *held)
{
	struct buffer_gap left_out[PARTS_MAX];
	struct buffer_gaps gaps = {
		.len_min = CONSENSUS_SHARED_BYTES, .items = left_out, .capacity = PARTS_MAX};
	rsm->out.gaps = &gaps;
	peer_encode(method, message, &rsm->out);
	rsm->out.gaps = NULL;
	find_parts(peer_entries(method, message), held, &gaps, rsm->parts);
	return (uint16_t)gaps.count;
}

void peers_send_held(struct rsm *rsm, uint32_t to, enum method method, union peer_message *message,
		     struct bytes *const *held)
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
	uint16_t nparts = 0;
	if (held == NULL)
		peer_encode(method, message, &rsm->out);
	else
		nparts = encode_held(rsm, method, message, held);
	struct message m = {.kind = MESSAGE_ONEWAY,
			    .method = (uint16_t)method,
			    .payload = buffer_slice(&rsm->out),
			    .parts = rsm->parts,
			    .nparts = nparts};
	struct trace_detail detail;
	if (rsm_traces(rsm))
		traced_sending(rsm, index, method, message, &m, &detail);
	node_send(rsm->node, rsm->seats[index].link, &m);
}

void peers_send(struct rsm *rsm, uint32_t to, enum method method, union peer_message *message)
{
	peers_send_held(rsm, to, method, message, NULL);
}
