/* The keys of commands and queries, found without decoding the rest. */
#include "base/operations.h"
#include "wire/pb.h"
#include "wire/wire.h"

#define X(name, number, ...) \
	_Static_assert((int)WIRE_KV_##name == (number), "kv.proto says it too");
OPERATION_MAP(X)
#undef X

/* The first field `number` of a message, if it is of bytes; false if there is none. */
static bool find_bytes(struct slice in, uint32_t number, struct slice *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r))
		if (r.number == number && r.type == PB_BYTES) {
			*out = r.bytes;
			return true;
		}
	return false;
}

uint32_t wire_kv_command_keys(struct slice in, struct slice keys[], uint32_t max)
{
	struct pb_reader r = pb_reader(in);
	uint32_t count = 0;

	while (count < max && pb_next(&r)) {
		if (r.type != PB_BYTES)
			continue;
		switch (r.number) {
		case WIRE_KV_COMMAND_FIELD_THEN:
		case WIRE_KV_COMMAND_FIELD_OTHERWISE:
			count += find_bytes(r.bytes, WIRE_KV_OP_FIELD_KEY, &keys[count]);
			break;
		case WIRE_KV_COMMAND_FIELD_WHEN:
			count += find_bytes(r.bytes, WIRE_KV_COMPARE_FIELD_KEY, &keys[count]);
			break;
		default: break;
		}
	}
	return count;
}

uint32_t wire_kv_query_keys(struct slice in, struct slice keys[], uint32_t max)
{
	struct pb_reader r = pb_reader(in);
	uint32_t count = 0;

	while (count < max && pb_next(&r))
		if (r.number == WIRE_KV_QUERY_FIELD_KEYS && r.type == PB_BYTES)
			keys[count++] = r.bytes;
	return count;
}
