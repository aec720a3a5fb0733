/* Members of replicated groups: what is asked, told and changed (rpc.proto). */
#include "wire/pb.h"
#include "wire/unpack.h"
#include "wire/wire.h"

static void take_member(struct pb_reader *outer, struct wire_member *m)
{
	struct slice bytes = {0};
	pb_get_bytes(outer, &bytes);
	struct pb_reader r = pb_reader(bytes);
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u32(&r, &m->number); break;
		case 2: pb_get_bytes(&r, &m->name); break;
		case 3: pb_get_bytes(&r, &m->address); break;
		case 4: pb_get_u32(&r, &m->role); break;
		case 5: pb_get_u32(&r, &m->binding); break;
		case 6: pb_get_u64(&r, &m->life); break;
		case 7: pb_get_u32(&r, &m->in_place_of); break;
		case 8: pb_get_bool(&r, &m->up); break;
		case 9: pb_get_u64(&r, &m->matched); break;
		case 10: pb_get_u64(&r, &m->last_heard_ms); break;
		case 11: pb_get_bytes(&r, &m->waits_for); break;
		}
	}
	if (r.status != 0)
		pb_fail(outer, r.status);
}

/* One more of a list. */
static void take_listed(struct pb_reader *r, struct wire_member *members, uint32_t *count)
{
	if (*count == MEMBERS_MAX) {
		pb_fail(r, STATUS_TOO_LARGE);
		return;
	}
	members[*count] = (struct wire_member){0};
	take_member(r, &members[(*count)++]);
}

static int check_list(const struct wire_member *members, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct wire_member *m = &members[i];
		int status = text_check_name(m->name, NAME_BYTES_MAX);
		if (status == 0)
			status = text_check_address(m->address);
		if (status == 0)
			status = text_check_name(m->waits_for, MEMBER_WAITS_BYTES_MAX);
		if (status != 0)
			return status;
		if (m->name.len == 0 || m->address.len == 0 || m->role < 1 || m->role > 2 ||
		    m->number > MEMBER_NUMBER_MAX || m->in_place_of > MEMBER_NUMBER_MAX ||
		    m->number <= (i == 0 ? 0 : members[i - 1].number))
			return STATUS_BAD_REQUEST;
	}
	return 0;
}

static void put_list(struct buffer *out, uint32_t number, const struct wire_member *members,
		     uint32_t count)
{
	ASSERT(count <= MEMBERS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		const struct wire_member *m = &members[i];
		struct pb_mark mark = pb_begin(out, number, m->name.len + m->address.len);
		pb_put_u64(out, 1, m->number);
		pb_put_bytes(out, 2, m->name);
		pb_put_bytes(out, 3, m->address);
		pb_put_u64(out, 4, m->role);
		pb_put_u64(out, 5, m->binding);
		pb_put_u64(out, 6, m->life);
		pb_put_u64(out, 7, m->in_place_of);
		pb_put_u64(out, 8, m->up);
		pb_put_u64(out, 9, m->matched);
		pb_put_u64(out, 10, m->last_heard_ms);
		pb_put_bytes(out, 11, m->waits_for);
		pb_end(out, mark);
	}
}

int wire_members_decode(struct slice in, struct arena *arena, struct wire_members *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena;
	*out = (struct wire_members){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->group); break;
		case 2: pb_get_u64(&r, &out->group_id); break;
		case 3: pb_get_u32(&r, &out->replica); break;
		case 4: pb_get_bool(&r, &out->leads); break;
		case 5: pb_get_u32(&r, &out->leader); break;
		case 6: pb_get_u64(&r, &out->slot); break;
		case 7: pb_get_u32(&r, &out->next_number); break;
		case 8: pb_get_u64(&r, &out->chosen); break;
		case 9: take_listed(&r, out->members, &out->nmembers); break;
		case 10: pb_get_u32(&r, &out->generation); break;
		}
	}
	return r.status != 0 ? r.status : check_list(out->members, out->nmembers);
}

void wire_members_encode(const struct wire_members *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->group);
	pb_put_u64(out, 2, in->group_id);
	pb_put_u64(out, 3, in->replica);
	pb_put_u64(out, 4, in->leads);
	pb_put_u64(out, 5, in->leader);
	pb_put_u64(out, 6, in->slot);
	pb_put_u64(out, 7, in->next_number);
	pb_put_u64(out, 8, in->chosen);
	put_list(out, 9, in->members, in->nmembers);
	pb_put_u64(out, 10, in->generation);
}

int wire_change_members_decode(struct slice in, struct arena *arena,
			       struct wire_change_members *out)
{
	struct pb_reader r = pb_reader(in);
	uint32_t op = 0;

	(void)arena;
	*out = (struct wire_change_members){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u32(&r, &op); break;
		case 2: pb_get_bytes(&r, &out->name); break;
		case 3: pb_get_bytes(&r, &out->address); break;
		case 4: pb_get_u32(&r, &out->number); break;
		case 5: pb_get_u64(&r, &out->base); break;
		}
	}
	if (r.status != 0)
		return r.status;
	if (op < WIRE_CHANGE_ADD || op > WIRE_CHANGE_PROMOTE)
		return STATUS_BAD_REQUEST;
	out->op = (enum wire_change_op)op;
	int status = text_check_name(out->name, NAME_BYTES_MAX);
	return status != 0 ? status : text_check_address(out->address);
}

void wire_change_members_encode(const struct wire_change_members *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->op);
	pb_put_bytes(out, 2, in->name);
	pb_put_bytes(out, 3, in->address);
	pb_put_u64(out, 4, in->number);
	pb_put_u64(out, 5, in->base);
}

int wire_change_members_reply_decode(struct slice in, struct arena *arena,
				     struct wire_change_members_reply *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena;
	*out = (struct wire_change_members_reply){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->slot); break;
		case 2: pb_get_u32(&r, &out->number); break;
		}
	}
	return r.status;
}

void wire_change_members_reply_encode(const struct wire_change_members_reply *in,
				      struct buffer *out)
{
	pb_put_u64(out, 1, in->slot);
	pb_put_u64(out, 2, in->number);
}

int wire_force_decode(struct slice in, struct arena *arena, struct wire_force *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena;
	*out = (struct wire_force){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_bool(&r, &out->confirmed); break;
		case 2: pb_get_u32(&r, &out->generation); break;
		}
	}
	return r.status;
}

void wire_force_encode(const struct wire_force *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->confirmed);
	pb_put_u64(out, 2, in->generation);
}

int wire_force_reply_decode(struct slice in, struct arena *arena, struct wire_force_reply *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena;
	*out = (struct wire_force_reply){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u32(&r, &out->generation); break;
		case 2: pb_get_u32(&r, &out->next); break;
		case 3: pb_get_u64(&r, &out->slot); break;
		case 4: pb_get_u64(&r, &out->chosen); break;
		case 5: pb_get_bytes(&r, &out->text); break;
		}
	}
	return r.status;
}

void wire_force_reply_encode(const struct wire_force_reply *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->generation);
	pb_put_u64(out, 2, in->next);
	pb_put_u64(out, 3, in->slot);
	pb_put_u64(out, 4, in->chosen);
	pb_put_bytes(out, 5, in->text);
}

int wire_welcome_decode(struct slice in, struct arena *arena, struct wire_welcome *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena;
	*out = (struct wire_welcome){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->group); break;
		case 2: pb_get_u64(&r, &out->group_id); break;
		case 3: pb_get_u32(&r, &out->number); break;
		case 4: pb_get_u64(&r, &out->slot); break;
		case 5: pb_get_u32(&r, &out->next_number); break;
		case 6: take_listed(&r, out->members, &out->nmembers); break;
		case 7: pb_get_u32(&r, &out->generation); break;
		}
	}
	int status = r.status != 0 ? r.status : check_list(out->members, out->nmembers);
	if (status != 0)
		return status;
	for (uint32_t i = 0; i < out->nmembers; i++)
		if (out->members[i].number == out->number)
			return 0;
	return STATUS_BAD_REQUEST;
}

void wire_welcome_encode(const struct wire_welcome *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->group);
	pb_put_u64(out, 2, in->group_id);
	pb_put_u64(out, 3, in->number);
	pb_put_u64(out, 4, in->slot);
	pb_put_u64(out, 5, in->next_number);
	put_list(out, 6, in->members, in->nmembers);
	pb_put_u64(out, 7, in->generation);
}
