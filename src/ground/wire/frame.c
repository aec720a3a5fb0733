#include "wire/frame.h"

#include "base/crc32c.h"
#include "base/limits.h"

enum frame_offset {
	OFFSET_LENGTH = 0,
	OFFSET_CHECKSUM = 4,
	OFFSET_KIND = 8, /* first byte under the checksum */
	OFFSET_ZERO = 9,
	OFFSET_METHOD = 10,
	OFFSET_TIMEOUT_OR_STATUS = 12,
	OFFSET_ID = 16,
	OFFSET_LAMPORT = 24,
	OFFSET_HLC = 32,
	OFFSET_TRACE = 40,
};

static uint32_t timeout_or_status(const struct message *message)
{
	switch (message->kind) {
	case MESSAGE_REQUEST: return message->timeout_ms;
	case MESSAGE_REPLY: return status_to_wire(message->status);
	case MESSAGE_ONEWAY: break;
	}
	return 0;
}

/* Of all that is under it, `crc` being that of the header. */
static uint32_t checksum(uint32_t crc, const struct message *message)
{
	struct slice payload = message->payload;
	size_t done = 0;

	for (uint32_t i = 0; i < message->nparts; i++) {
		const struct message_part *part = &message->parts[i];
		ASSERT(part->at >= done && part->at <= payload.len);
		crc = crc32c(crc, payload.data + done, part->at - done);
		crc = crc32c(crc, part->bytes->data, part->bytes->len);
		done = part->at;
	}
	return crc32c(crc, payload.data + done, payload.len - done);
}

void frame_append(struct buffer *out, const struct message *message)
{
	struct slice payload = message->payload;
	size_t len = message_bytes(message);

	ASSERT(len <= FRAME_BYTES_MAX);
	ASSERT(message->kind >= MESSAGE_ONEWAY && message->kind <= MESSAGE_REPLY);
	buffer_reserve(out, FRAME_HEADER_BYTES + payload.len);
	uint8_t *frame = out->data + out->len;
	memset(frame, 0, FRAME_HEADER_BYTES);
	store_u32(frame + OFFSET_LENGTH, (uint32_t)len);
	frame[OFFSET_KIND] = (uint8_t)message->kind;
	store_u16(frame + OFFSET_METHOD, message->method);
	store_u32(frame + OFFSET_TIMEOUT_OR_STATUS, timeout_or_status(message));
	store_u64(frame + OFFSET_ID, message->id);
	store_u64(frame + OFFSET_LAMPORT, message->lamport);
	store_u64(frame + OFFSET_HLC, message->hlc);
	store_u64(frame + OFFSET_TRACE, message->trace);
	if (payload.len > 0)
		memcpy(frame + FRAME_HEADER_BYTES, payload.data, payload.len);
	/* What stands there in one piece is read in one go. */
	size_t covered = FRAME_HEADER_BYTES - OFFSET_KIND;
	uint32_t crc = crc32c(0, frame + OFFSET_KIND,
			      covered + (message->nparts == 0 ? payload.len : 0));
	if (__builtin_expect(message->nparts > 0, 0))
		crc = checksum(crc, message);
	store_u32(frame + OFFSET_CHECKSUM, crc);
	out->len += FRAME_HEADER_BYTES + payload.len;
}

static int parse_fields(const uint8_t *frame, struct message *message)
{
	uint8_t kind = frame[OFFSET_KIND];
	uint32_t word = load_u32(frame + OFFSET_TIMEOUT_OR_STATUS);

	if (kind < MESSAGE_ONEWAY || kind > MESSAGE_REPLY || frame[OFFSET_ZERO] != 0)
		return STATUS_CORRUPT;
	message->kind = (enum message_kind)kind;
	message->method = load_u16(frame + OFFSET_METHOD);
	message->timeout_ms = kind == MESSAGE_REQUEST ? word : 0;
	message->status = kind == MESSAGE_REPLY ? status_from_wire(word) : 0;
	message->id = load_u64(frame + OFFSET_ID);
	message->lamport = load_u64(frame + OFFSET_LAMPORT);
	message->hlc = load_u64(frame + OFFSET_HLC);
	message->trace = load_u64(frame + OFFSET_TRACE);
	return 0;
}

int frame_parse(struct slice in, size_t payload_max, struct message *message, size_t *consumed,
		size_t *needed)
{
	*needed = FRAME_HEADER_BYTES;
	if (in.len < sizeof(uint32_t))
		return STATUS_TRUNCATED;
	/*
	 * The length alone decides, so that nothing is buffered for a frame that will be refused.
	 */
	size_t payload_len = load_u32(in.data + OFFSET_LENGTH);
	if (payload_len > payload_max)
		return STATUS_TOO_LARGE;
	*needed += payload_len;
	if (in.len < *needed)
		return STATUS_TRUNCATED;

	uint32_t sum = crc32c(0, in.data + OFFSET_KIND, *needed - OFFSET_KIND);
	if (sum != load_u32(in.data + OFFSET_CHECKSUM))
		return STATUS_CORRUPT;
	int status = parse_fields(in.data, message);
	if (status != 0)
		return status;
	message->payload = slice(in.data + FRAME_HEADER_BYTES, payload_len);
	*consumed = *needed;
	return 0;
}
