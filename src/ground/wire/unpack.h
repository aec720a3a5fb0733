/*
 * Unpacking with protobuf-c, safely: for the messages that are not on the hot path.
 *
 * protobuf-c 1.4.1 trusts its input: it recurses as deep as the bytes say, makes a 48-byte struct
 * out of a 2-byte empty submessage, notes every field before it looks at any, and cuts strings at a
 * zero byte. So the bytes are walked against the descriptor first, without any allocation: wire
 * types as in the schema, lengths in bounds, no zero byte in a string, nesting only where the
 * schema nests (no message type is recursive), and no more than
 *
 *   MESSAGE_ELEMENTS_MAX    repeated elements and submessages
 *   UNPACK_FIELDS_MAX       fields of any kind, known or unknown
 *   SHARDS_MAX              packed numbers, which cost their own size only
 *
 * in the whole message. After that an unpacked message is bounded by a small multiple of the input,
 * and the arena's ceiling holds on top.
 */
#ifndef SYNOD_WIRE_UNPACK_H
#define SYNOD_WIRE_UNPACK_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"

#define UNPACK_FIELDS_MAX (2u * MESSAGE_ELEMENTS_MAX)

/* The walk alone. 0, STATUS_BAD_REQUEST, STATUS_TOO_LARGE. */
int unpack_check(struct slice in, const ProtobufCMessageDescriptor *descriptor) MUST_CHECK;
/*
 * Checks and unpacks into the arena: *out is a struct of the descriptor's type, freed with the
 * arena.
 */
int unpack(struct slice in, const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
	   void *out) MUST_CHECK;

/* The slice of an unpacked string. */
static inline struct slice unpack_text(const char *text)
{
	return slice_string(text);
}
/* 0 if the text has at most bytes_max printable ASCII characters; spaces are allowed in names. */
int text_check_name(struct slice text, size_t bytes_max) MUST_CHECK;
/*
 * 0 if it is empty or could be a HOST:PORT: at most ADDRESS_BYTES_MAX printable ASCII characters,
 * no spaces.
 */
int text_check_address(struct slice text) MUST_CHECK;

#endif
