/*
 * wire: protobuf ⇄ plain structs. The only room that sees protobuf.
 *
 * A message is written once, in proto/; protoc-c describes it, and proto/generate.c makes of that
 * its struct, its decoder and its encoder (wire/NAME.gen.h and .c in the build directory). By hand
 * stands here only what is no description of a message: the encoding itself (pb.h), checks that
 * need a thought (check.h), a formatted error, and looking ahead for keys, which decodes nothing.
 *
 * Decoding: wire_x_decode(slice, arena, &out) validates while it reads. More than
 * MESSAGE_ELEMENTS_MAX elements, a count above the limit of its own field (TXN_OPS_MAX,
 * SCAN_LIMIT_MAX, SHARDS_MAX, GROUPS_MAX, REPLICAS_MAX), or wire types other than the schema's are
 * refused before anything is allocated, and nesting is followed where the schema nests, no deeper.
 * 0, STATUS_BAD_REQUEST (malformed), STATUS_TOO_LARGE (a limit). After an error *out is undefined.
 * Unknown fields are skipped: they come from a newer version.
 *
 * Lifetime: what is decoded lives as long as the input AND the arena: arrays are in the arena, byte
 * strings and texts point into the input. So keep it no longer than the shorter-lived of the two.
 *
 * Encoding: wire_x_encode(&in, buffer) appends to the buffer and cannot fail. The bytes are the
 * canonical ones: equal structs have equal encodings.
 *
 * Strings are slices: not terminated, without zero bytes; names (NAME_BYTES_MAX) and addresses
 * (ADDRESS_BYTES_MAX) were checked to be no longer than their limit and printable ASCII.
 */
#ifndef SYNOD_WIRE_WIRE_H
#define SYNOD_WIRE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/operations.h"
#include "base/status.h"

/*
 * What counts one after another (views, frames, configurations) never comes so far: decoding
 * refuses more, so that the next number exists wherever one is wanted.
 */
#define NUMBER_MAX (UINT64_C(1) << 48)

#define TRACE_EVENT_BYTES_MAX 1024u /* of one event in a reply */

#include "wire/kv.gen.h"
#include "wire/peer.gen.h"
#include "wire/rpc.gen.h"
#include "wire/shardmaster.gen.h"

/* The common case of an error: a formatted message. */
void wire_error_format(struct buffer *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * For looking ahead: the keys of the operations and compares of a command, or of a query, at most
 * `max`, without decoding the rest. Return how many. What is malformed, or not the key, is passed
 * over in silence: the decoder will say so.
 */
uint32_t wire_kv_command_keys(struct slice in, struct slice keys[], uint32_t max);
uint32_t wire_kv_query_keys(struct slice in, struct slice keys[], uint32_t max);

#endif
