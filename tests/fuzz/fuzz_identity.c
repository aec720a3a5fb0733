/*
 * libFuzzer: whose directory this is, and which group. The first byte says what follows: the file
 * identity as it is (0) or with its checksum yet to be added (1); the members of a group (2). What
 * is accepted must be what would be written, and come back.
 */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "node/identity.h"
#include "rsm/group_identity.h"

static void parse_text(const char *text)
{
	struct identity identity, again;
	struct buffer out = {0};
	uint32_t version;
	if (identity_parse(text, &identity, &version) != 0 || version > 4)
		return;
	identity_format(&identity, &out);
	buffer_add_u8(&out, 0);
	ASSERT(identity_parse((const char *)out.data, &again, &version) == 0 && version == 4);
	ASSERT(identity_members_equal(&identity.members, &again.members));
	ASSERT(strcmp(identity.node, again.node) == 0 && identity.group_id == again.group_id &&
	       identity.cluster_id == again.cluster_id && identity.life == again.life &&
	       identity.log == again.log);
	buffer_free(&out);
}

static void decode_group(struct slice in)
{
	struct identity_members members;
	struct buffer out = {0};
	uint64_t id;
	if (group_identity_decode(&id, &members, in) != 0)
		return;
	group_identity_encode(id, &members, &out);
	ASSERT(slice_equal(buffer_slice(&out), in));
	buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[IDENTITY_BYTES_MAX + 32];
	struct slice in = slice(data, size);
	uint8_t what = input_u8(&in);
	if (what >= 2) {
		decode_group(in);
		return 0;
	}
	size_t len = in.len < IDENTITY_BYTES_MAX ? in.len : IDENTITY_BYTES_MAX - 1;
	if (len > 0)
		memcpy(text, in.data, len);
	text[len] = '\0';
	len = strlen(text);
	if (what == 1)
		snprintf(text + len, sizeof text - len, "checksum = %08x\n", crc32c(0, text, len));
	parse_text(text);
	return 0;
}
