/*
 * Frames: how messages are cut out of a TCP stream.
 *
 *   offset  size  field (little-endian)
 *   0       4     payload length, 0 … FRAME_BYTES_MAX
 *   4       4     crc32c of bytes 8 … 47 and the payload
 *   8       1     kind: 1 one-way, 2 request, 3 reply (enum message_kind)
 *   9       1     0
 *   10      2     method
 *   12      4     request: timeout in ms, 0 none; reply: status code; one-way: 0
 *   16      8     request id
 *   24      8     Lamport time of the sender
 *   32      8     hybrid logical time of the sender
 *   40      8     trace id of the request that the message belongs to; 0: none (node/tracer.h)
 *   48      …     payload (protobuf)
 *
 * The length is checked against the limit before anything is buffered for it.
 */
#ifndef SYNOD_WIRE_FRAME_H
#define SYNOD_WIRE_FRAME_H

#include "base/bytes.h"
#include "base/status.h"
#include "node/node.h"

#define FRAME_HEADER_BYTES 48u

/*
 * Appends the frame of `message` to `out`: without the message's parts, which belong behind
 * FRAME_HEADER_BYTES and their `at` in it, and which length and checksum cover.
 */
void frame_append(struct buffer *out, const struct message *message);

/*
 * Looks at the front of `in`. 0: *message is filled (its payload points into `in`) and *consumed
 * says how many bytes it took. STATUS_TRUNCATED: more bytes are needed (*needed: how many in all,
 * for sizing the buffer). STATUS_TOO_LARGE: longer than payload_max. STATUS_CORRUPT: checksum or
 * field wrong; the stream is lost.
 */
int frame_parse(struct slice in, size_t payload_max, struct message *message, size_t *consumed,
		size_t *needed) MUST_CHECK;

#endif
