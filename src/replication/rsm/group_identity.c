/* The encoding of which group this is. */
#include "rsm/group_identity.h"

#include <string.h>

static void put_text(struct buffer *out, const char *text)
{
	buffer_add_u16(out, (uint16_t)strlen(text));
	buffer_add(out, (const uint8_t *)text, strlen(text));
}

/* Names and addresses are printable and without blanks, as cluster.conf demands. */
static bool take_text(struct slice *in, char *out, size_t max)
{
	uint16_t len;
	struct slice text;
	if (!slice_take_u16(in, &len) || len == 0 || len > max || !slice_take(in, len, &text))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return false;
		out[i] = (char)text.data[i];
	}
	out[len] = '\0';
	return true;
}

void group_members_encode(const struct identity_members *members, struct buffer *out)
{
	for (uint32_t i = 0; i < members->count; i++) {
		buffer_add_u32(out, members->list[i].replica);
		put_text(out, members->list[i].name);
		put_text(out, members->list[i].address);
	}
}

int group_members_decode(struct identity_members *members, struct slice in)
{
	members->count = 0;
	while (in.len > 0) {
		uint32_t before = members->count == 0 ? 0
						      : members->list[members->count - 1].replica,
			 replica;
		char name[NAME_BYTES_MAX + 1], address[ADDRESS_BYTES_MAX + 1];
		if (members->count == REPLICAS_MAX || !slice_take_u32(&in, &replica) ||
		    replica <= before || !take_text(&in, name, NAME_BYTES_MAX) ||
		    !take_text(&in, address, ADDRESS_BYTES_MAX))
			return STATUS_CORRUPT;
		identity_add_member(members, replica, name, address);
	}
	return members->count > 0 ? 0 : STATUS_CORRUPT;
}

void group_identity_encode(uint64_t id, const struct identity_members *members, struct buffer *out)
{
	buffer_add_u64(out, id);
	group_members_encode(members, out);
}

int group_identity_decode(uint64_t *id, struct identity_members *members, struct slice in)
{
	if (!slice_take_u64(&in, id) || *id == 0)
		return STATUS_CORRUPT;
	return group_members_decode(members, in);
}
