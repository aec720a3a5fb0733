/*
 * libFuzzer: every message decoder. The first byte chooses the type. Whatever is accepted must
 * encode to bytes that decode again and encode to the same bytes: the decoder neither crashes nor
 * makes a message up.
 */
#include <stddef.h>
#include <stdint.h>

#include "fuzz.h"
#include "wire/paxosd.h"
#include "wire/peer.h"
#include "wire/wire.h"
#include "wire/wire_pb.h"
#include "wire/wire_view.h"

static struct arena arena;

/* clang-format off */
#define STRUCT_MAP(X) \
	X(hello) \
	X(error) \
	X(command) \
	X(status) \
	X(cluster) \
	X(peer_any) \
	X(config) \
	X(master_command) \
	X(master_reply) \
		X(kv_command) X(kv_reply) X(kv_query) X(kv_query_reply)
/* clang-format on */
/* clang-format off */
#define MORE_STRUCT_MAP(X) \
	X(master_query) \
	X(identity) \
	X(view_ping) \
	X(view_query) \
	X(view_reply) \
	X(view_command) \
	X(pb_forward) \
	X(pb_forward_reply) \
	X(agreement) \
	X(agreement_request) \
	X(agreement_state) \
	X(log_command) \
	X(log_reply) \
	X(log_query) \
	X(log_entries) \
	X(log_slot) \
	X(trace) \
	X(unconfirmed_reply) \
	X(stale_reply) \
	X(ballot_reply) \
	X(members) \
	X(change_members) \
				X(change_members_reply) X(welcome)
/* clang-format on */
#define NUMBER_MAP(X) X(register_reply, uint64_t) X(transfer, uint32_t)
/* Behind the others, so that the inputs of the corpus keep their meaning. */
#define LAST_STRUCT_MAP(X) X(force) X(force_reply)
#define LAST_NUMBER_MAP(X) X(trace_request, uint64_t)

#define DEFINE(name, type, encode_argument) \
	static void check_##name(struct slice in) \
	{ \
		struct buffer first = {0}, second = {0}; \
		type message; \
		if (wire_##name##_decode(in, &arena, &message) == 0) { \
			wire_##name##_encode(encode_argument, &first); \
			int status = wire_##name##_decode(buffer_slice(&first), &arena, &message); \
			ASSERT(status == 0); \
			wire_##name##_encode(encode_argument, &second); \
			ASSERT(slice_equal(buffer_slice(&first), buffer_slice(&second))); \
		} \
		buffer_free(&first); \
		buffer_free(&second); \
	}
#define DEFINE_STRUCT(name) DEFINE(name, struct wire_##name, &message)
#define DEFINE_NUMBER(name, type) DEFINE(name, type, message)
STRUCT_MAP(DEFINE_STRUCT)
MORE_STRUCT_MAP(DEFINE_STRUCT)
NUMBER_MAP(DEFINE_NUMBER)
LAST_STRUCT_MAP(DEFINE_STRUCT)
LAST_NUMBER_MAP(DEFINE_NUMBER)
#define DEFINE_KIND(method, kind) DEFINE_STRUCT(kind)
PEER_MAP(DEFINE_KIND)

#define ROW(name, ...) check_##name,
#define KIND_ROW(method, kind) ROW(kind)
static void (*const checks[])(struct slice) = {STRUCT_MAP(ROW) NUMBER_MAP(ROW) MORE_STRUCT_MAP(ROW)
						       LAST_STRUCT_MAP(ROW) LAST_NUMBER_MAP(ROW)
							       PEER_MAP(KIND_ROW)};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (arena.bytes_max == 0)
		arena_init(&arena, ARENA_BYTES_MAX);
	checks[data[0] % (sizeof checks / sizeof checks[0])](slice(data + 1, size - 1));
	arena_reset(&arena);
	return 0;
}
