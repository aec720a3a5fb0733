/*
 * Messages between replicas as tests write and read them: every field in one struct (PeerAny of
 * proto/peer.proto), turned into the kind's own and back as between processes: by its bytes. So a
 * field that the kind does not have is lost on the way.
 */
#ifndef SYNOD_TESTS_PEER_ANY_H
#define SYNOD_TESTS_PEER_ANY_H

#include "base/assert.h"
#include "wire/peer.h"

/* What has been turned is valid until so many others have been. */
#define PEER_ANY_KEPT 64u

struct peer_any_kept {
	struct buffer payload;
	struct arena arena;
	union peer_message message;
};

static inline struct peer_any_kept *peer_any_next(void)
{
	static struct peer_any_kept kept[PEER_ANY_KEPT];
	static uint32_t next;
	struct peer_any_kept *k = &kept[next++ % PEER_ANY_KEPT];
	if (k->arena.bytes_max == 0)
		arena_init(&k->arena, ARENA_BYTES_MAX);
	arena_reset(&k->arena);
	buffer_clear(&k->payload);
	return k;
}

static inline union peer_message *peer_of_any(enum method method, const struct wire_peer_any *any)
{
	struct peer_any_kept *k = peer_any_next();
	wire_peer_any_encode(any, &k->payload);
	int status = peer_decode(method, buffer_slice(&k->payload), &k->arena, &k->message);
	ASSERT(status == 0);
	k->message.head.life = any->life;
	return &k->message;
}

static inline struct wire_peer_any peer_to_any(enum method method, const union peer_message *m)
{
	struct peer_any_kept *k = peer_any_next();
	struct wire_peer_any any;
	peer_encode(method, m, &k->payload);
	int status = wire_peer_any_decode(buffer_slice(&k->payload), &k->arena, &any);
	ASSERT(status == 0);
	any.life = m->head.life;
	return any;
}

#endif
