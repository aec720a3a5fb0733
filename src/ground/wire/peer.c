/* The messages between replicas, each in the struct of its kind. */
#include "wire/peer.h"

#include <stddef.h>

#define X(method, kind) \
	_Static_assert(offsetof(union peer_message, kind.head) == 0, "what all have is in front");
PEER_MAP(X)
#undef X

int peer_decode(enum method method, struct slice in, struct arena *arena, union peer_message *out)
{
	switch (method) {
#define X(name, kind) \
	case METHOD_##name: return wire_##kind##_decode(in, arena, &out->kind);
		PEER_MAP(X)
#undef X
	default: return wire_peer_decode(in, arena, &out->head);
	}
}

void peer_encode(enum method method, const union peer_message *in, struct buffer *out)
{
	switch (method) {
#define X(name, kind) \
	case METHOD_##name: wire_##kind##_encode(&in->kind, out); return;
		PEER_MAP(X)
#undef X
	default: ASSERT(false);
	}
}
