#include "wire/unpack.h"

#include "wire/pb.h"

/* Deeper than any message of proto/: a bug in the schema, as types are not recursive. */
#define SCHEMA_DEPTH_MAX 8u

struct tally {
	uint32_t elements;
	uint32_t fields;
	uint32_t packed;
};

/* Field numbers are ascending in a descriptor, and mostly without gaps from 1. */
static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *descriptor,
						  uint32_t number)
{
	if (number >= 1 && number <= descriptor->n_fields &&
	    descriptor->fields[number - 1].id == number)
		return &descriptor->fields[number - 1];
	for (unsigned i = 0; i < descriptor->n_fields; i++)
		if (descriptor->fields[i].id == number)
			return &descriptor->fields[i];
	return NULL;
}

static enum pb_type wire_type(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE: return PB_BYTES;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT: return PB_FIXED32;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE: return PB_FIXED64;
	default: return PB_VARINT;
	}
}

static int check_packed(struct slice packed, enum pb_type type, struct tally *tally)
{
	const uint8_t *at = packed.data;
	const uint8_t *end = at + packed.len;
	uint64_t value;

	if (type != PB_VARINT) {
		size_t size = type == PB_FIXED32 ? 4 : 8;
		if (packed.len % size != 0)
			return STATUS_BAD_REQUEST;
		if (packed.len / size > SHARDS_MAX - tally->packed)
			return STATUS_TOO_LARGE;
		tally->packed += (uint32_t)(packed.len / size);
		return 0;
	}
	while (at < end) {
		if (!pb_varint(&at, end, &value))
			return STATUS_BAD_REQUEST;
		if (tally->packed == SHARDS_MAX)
			return STATUS_TOO_LARGE;
		tally->packed++;
	}
	return 0;
}

static int check_message(struct slice in, const ProtobufCMessageDescriptor *descriptor,
			 unsigned depth, struct tally *tally);

static int check_field(const struct pb_reader *r, const ProtobufCFieldDescriptor *field,
		       unsigned depth, struct tally *tally)
{
	enum pb_type expected = wire_type(field->type);
	bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;

	if (repeated && expected != PB_BYTES && r->type == PB_BYTES)
		return check_packed(r->bytes, expected, tally);
	if (r->type != expected)
		return STATUS_BAD_REQUEST;
	if (repeated || field->type == PROTOBUF_C_TYPE_MESSAGE)
		if (++tally->elements > MESSAGE_ELEMENTS_MAX)
			return STATUS_TOO_LARGE;
	if (field->type == PROTOBUF_C_TYPE_STRING && r->bytes.len > 0 &&
	    memchr(r->bytes.data, 0, r->bytes.len) != NULL)
		return STATUS_BAD_REQUEST;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return check_message(r->bytes, field->descriptor, depth + 1, tally);
	return 0;
}

static int check_message(struct slice in, const ProtobufCMessageDescriptor *descriptor,
			 unsigned depth, struct tally *tally)
{
	struct pb_reader r = pb_reader(in);

	ASSERT(depth <= SCHEMA_DEPTH_MAX);
	while (pb_next(&r)) {
		if (++tally->fields > UNPACK_FIELDS_MAX)
			return STATUS_TOO_LARGE;
		const ProtobufCFieldDescriptor *field = find_field(descriptor, r.number);
		if (field == NULL)
			continue;
		int status = check_field(&r, field, depth, tally);
		if (status != 0)
			return status;
	}
	return r.status;
}

int unpack_check(struct slice in, const ProtobufCMessageDescriptor *descriptor)
{
	struct tally tally = {0};

	return check_message(in, descriptor, 1, &tally);
}

struct arena_allocator {
	struct arena *arena;
	bool exhausted;
};

static void *allocate(void *data, size_t size)
{
	struct arena_allocator *a = data;
	void *memory = arena_try(a->arena, size);

	if (memory == NULL)
		a->exhausted = true;
	return memory;
}

static void release(void *data, void *memory)
{
	(void)data;
	(void)memory;
}

int unpack(struct slice in, const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
	   void *out)
{
	struct arena_allocator a = {.arena = arena};
	ProtobufCAllocator allocator = {.alloc = allocate, .free = release, .allocator_data = &a};
	ProtobufCMessage *message;

	int status = unpack_check(in, descriptor);
	if (status != 0)
		return status;
	message = protobuf_c_message_unpack(descriptor, &allocator, in.len, in.data);
	if (message == NULL)
		return a.exhausted ? STATUS_TOO_LARGE : STATUS_BAD_REQUEST;
	memcpy(out, &message, sizeof message);
	return 0;
}

static int check_text(struct slice text, size_t bytes_max, uint8_t first)
{
	if (text.len > bytes_max)
		return STATUS_TOO_LARGE;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < first || text.data[i] > '~')
			return STATUS_BAD_REQUEST;
	return 0;
}

int text_check_name(struct slice text, size_t bytes_max)
{
	return check_text(text, bytes_max, ' ');
}

int text_check_address(struct slice text)
{
	return check_text(text, ADDRESS_BYTES_MAX, '!');
}
