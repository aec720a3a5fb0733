/*
 * peer: what replicas of a group say to each other (proto/peer.proto), of whatever kind: the method
 * is the kind, and each kind has a struct of its own. Who carries messages looks at what all have
 * (`head`), and at the entries or ranges that some bear; who sends a kind, and who receives it,
 * uses its struct.
 *
 * A new kind is a message in proto/peer.proto, with the fields of Peer, and a line in PEER_MAP; and
 * one below, if it bears entries or ranges.
 */
#ifndef SYNOD_WIRE_PEER_H
#define SYNOD_WIRE_PEER_H

#include "wire/method.h"
#include "wire/wire.h"

/* clang-format off */
#define PEER_MAP(X) \
	/* method, struct wire_… */ \
	X(PRE_VOTE, pre_vote) \
	X(PRE_VOTE_REPLY, pre_vote_reply) \
	X(PREPARE, prepare) \
	X(PROMISE, promise) \
	X(ACCEPT, accept) \
	X(ACCEPTED, accepted) \
	X(REJECT, reject) \
	X(FETCH, fetch) \
	X(CHOSEN, chosen) \
	X(TAKE_OVER, take_over) \
	X(SNAPSHOT_FETCH, snapshot_fetch) \
	X(SNAPSHOT_CHUNK, snapshot_chunk) \
	X(READ_INDEX, read_index) \
	X(READ_INDEX_REPLY, read_index_reply) \
	X(STATE_HASH, state_hash) \
	X(STARTED, started) \
	X(SNAPSHOT_TURN, snapshot_turn)
/* clang-format on */

/* Which one it is says the method that goes with it. */
union peer_message {
	struct wire_peer head; /* of every kind */
#define X(method, kind) struct wire_##kind kind;
	PEER_MAP(X)
#undef X
};

/* As wire_x_decode(). Of a method that is none of PEER_MAP only the head is decoded. */
int peer_decode(enum method method, struct slice in, struct arena *arena,
		union peer_message *out) MUST_CHECK;
/* The method is one of PEER_MAP. */
void peer_encode(enum method method, const union peer_message *in, struct buffer *out);

struct peer_entries {
	const struct wire_entry *list;
	uint32_t count;
};
struct peer_ranges {
	const struct wire_range *list;
	uint32_t count;
};

/* Its entries; none, if its kind bears none. */
static inline struct peer_entries peer_entries(enum method method, const union peer_message *m)
{
	switch (method) {
	case METHOD_ACCEPT: return (struct peer_entries){m->accept.entries, m->accept.nentries};
	case METHOD_CHOSEN: return (struct peer_entries){m->chosen.entries, m->chosen.nentries};
	case METHOD_PROMISE: return (struct peer_entries){m->promise.entries, m->promise.nentries};
	default: return (struct peer_entries){0};
	}
}

/* Likewise the ranges of slots that are durable with its sender. */
static inline struct peer_ranges peer_ranges(enum method method, const union peer_message *m)
{
	if (method == METHOD_ACCEPTED)
		return (struct peer_ranges){m->accepted.ranges, m->accepted.nranges};
	return (struct peer_ranges){0};
}

#endif
