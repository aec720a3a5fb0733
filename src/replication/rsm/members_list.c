/* The list of members as a value: looking things up in it, and its encoding (rsm/members.h). */
#include "core/consensus.h"
#include "rsm/members.h"

const struct group_member *members_find(const struct group_members *members, uint32_t number)
{
	for (uint32_t i = 0; i < members->count; i++)
		if (members->list[i].number == number)
			return &members->list[i];
	return NULL;
}

const struct group_member *members_find_name(const struct group_members *members, struct slice name)
{
	for (uint32_t i = 0; i < members->count; i++)
		if (slice_equal(slice_string(members->list[i].name), name))
			return &members->list[i];
	return NULL;
}

uint32_t members_voters(const struct group_members *members)
{
	uint32_t voters = 0;
	for (uint32_t i = 0; i < members->count; i++)
		voters += members->list[i].role == MEMBER_VOTER;
	return voters;
}

struct consensus_members members_core(const struct group_members *members)
{
	struct consensus_members core = {.slot = members->slot,
					 .base = members->base,
					 .generation = members->generation,
					 .next_number = members->next_number,
					 .count = members->count};
	for (uint32_t i = 0; i < members->count; i++) {
		const struct group_member *m = &members->list[i];
		core.list[i] = (struct consensus_binding){.replica = m->number,
							  .binding = m->binding,
							  .life = m->life,
							  .role = m->role};
	}
	return core;
}

static void put_text(struct buffer *out, const char *text)
{
	size_t len = strlen(text);
	ASSERT(len > 0 && len <= UINT8_MAX);
	buffer_add_u8(out, (uint8_t)len);
	buffer_add(out, (const uint8_t *)text, len);
}

/* Names and addresses are printable and without blanks, as cluster.conf demands. */
static bool take_text(struct slice *in, char *out, size_t max)
{
	uint8_t len;
	struct slice text;
	if (!slice_take_u8(in, &len) || len == 0 || len > max || !slice_take(in, len, &text))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return false;
		out[i] = (char)text.data[i];
	}
	out[len] = '\0';
	return true;
}

#define GENERATION_BEGINS (1u << 31)

static void encode(const struct group_members *members, struct buffer *out)
{
	if (members->generation != 0) {
		buffer_add_u32(out, 0);
		buffer_add_u32(out,
			       members->generation | (members->begins ? GENERATION_BEGINS : 0));
	}
	buffer_add_u32(out, members->next_number);
	for (uint32_t i = 0; i < members->count; i++) {
		const struct group_member *m = &members->list[i];
		buffer_add_u32(out, m->number);
		buffer_add_u32(out, m->binding);
		buffer_add_u64(out, m->life);
		buffer_add_u8(out, (uint8_t)m->role);
		buffer_add_u32(out, m->in_place_of);
		put_text(out, m->name);
		put_text(out, m->address);
	}
}

static bool take_member(struct slice *in, struct group_member *m)
{
	uint8_t role;
	*m = (struct group_member){0};
	if (!slice_take_u32(in, &m->number) || !slice_take_u32(in, &m->binding) ||
	    !slice_take_u64(in, &m->life) || !slice_take_u8(in, &role) ||
	    !slice_take_u32(in, &m->in_place_of) || !take_text(in, m->name, NAME_BYTES_MAX) ||
	    !take_text(in, m->address, ADDRESS_BYTES_MAX))
		return false;
	m->role = (enum member_role)role;
	if (m->role == MEMBER_VOTER)
		return m->life != 0 && m->in_place_of == 0;
	return m->role == MEMBER_LEARNER;
}

static int decode(struct group_members *members, struct slice in)
{
	uint32_t before = 0;
	bool generations = in.len >= 4 && load_u32(in.data) == 0;
	members->count = members->generation = 0;
	if (!slice_take_u32(&in, &members->next_number))
		return STATUS_CORRUPT;
	/* No list says 0 there; a program that knows no generations refuses it. */
	if (generations && (!slice_take_u32(&in, &members->generation) ||
			    !slice_take_u32(&in, &members->next_number)))
		return STATUS_CORRUPT;
	members->begins = (members->generation & GENERATION_BEGINS) != 0;
	members->generation &= ~GENERATION_BEGINS;
	if (generations == (members->generation == 0) || members->generation > GENERATION_MAX)
		return STATUS_CORRUPT;
	if (members->next_number == 0 || members->next_number > MEMBER_NUMBER_MAX + 1)
		return STATUS_CORRUPT;
	while (in.len > 0) {
		struct group_member m;
		if (members->count == MEMBERS_MAX || !take_member(&in, &m) || m.number <= before ||
		    m.number >= members->next_number || m.binding > BALLOT_BINDING_MAX ||
		    members_find_name(members, slice_string(m.name)) != NULL)
			return STATUS_CORRUPT;
		before = m.number;
		members->list[members->count++] = m;
	}
	uint32_t voters = members_voters(members);
	return voters > 0 && voters <= REPLICAS_MAX ? 0 : STATUS_CORRUPT;
}

void members_encode_body(const struct group_members *members, struct buffer *out)
{
	buffer_add_u64(out, members->base);
	encode(members, out);
}

int members_decode_body(struct group_members *members, struct slice in)
{
	*members = (struct group_members){0};
	if (!slice_take_u64(&in, &members->base) || members->base > SLOT_MAX)
		return STATUS_CORRUPT;
	return decode(members, in);
}

void members_encode_field(const struct group_members *members, struct buffer *out)
{
	if (members->slot == 0)
		return;
	buffer_add_u64(out, members->slot);
	encode(members, out);
}

int members_decode_field(struct group_members *members, struct slice in)
{
	*members = (struct group_members){0};
	if (!slice_take_u64(&in, &members->slot) || members->slot == 0 || members->slot > SLOT_MAX)
		return STATUS_CORRUPT;
	return decode(members, in);
}
