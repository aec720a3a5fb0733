#include "rpc.pb-c.h"
#include "wire/pb.h"
#include "wire/unpack.h"
#include "wire/wire.h"

static int check_hello(const struct wire_hello *hello)
{
	const struct slice names[] = {hello->cluster, hello->node, hello->target, hello->role};

	if (text_check_address(hello->address) != 0 || hello->replica > MEMBER_NUMBER_MAX)
		return STATUS_BAD_REQUEST;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int status = text_check_name(names[i], NAME_BYTES_MAX);
		if (status != 0)
			return status;
	}
	for (uint32_t i = 0; i < hello->nmembers; i++) {
		const struct wire_hello_member *m = &hello->members[i];
		int status = text_check_name(m->name, NAME_BYTES_MAX);
		if (status != 0)
			return status;
		if (m->name.len == 0 || m->replica <= (i == 0 ? 0 : hello->members[i - 1].replica))
			return STATUS_BAD_REQUEST;
	}
	return 0;
}

int wire_hello_decode(struct slice in, struct arena *arena, struct wire_hello *out)
{
	Synod__Hello *hello;

	int status = unpack(in, &synod__hello__descriptor, arena, &hello);
	if (status != 0)
		return status;
	if (hello->n_members > MEMBERS_MAX)
		return STATUS_TOO_LARGE;
	*out = (struct wire_hello){
		.version = hello->version,
		.cluster = unpack_text(hello->cluster),
		.node = unpack_text(hello->node),
		.target = unpack_text(hello->target),
		.role = unpack_text(hello->role),
		.life = hello->life,
		.nonce = hello->nonce,
		.cluster_id = hello->cluster_id,
		.group_id = hello->group_id,
		.group = hello->group,
		.lost = hello->lost != 0,
		.disk_life = hello->disk_life,
		.replica = hello->replica,
		.members_slot = hello->members_slot,
		.generation = hello->generation,
		.address = unpack_text(hello->address),
		.nmembers = (uint32_t)hello->n_members,
	};
	for (uint32_t i = 0; i < out->nmembers; i++)
		out->members[i] = (struct wire_hello_member){
			.replica = hello->members[i]->replica,
			.name = unpack_text(hello->members[i]->name)};
	return check_hello(out);
}

void wire_hello_encode(const struct wire_hello *in, struct buffer *out)
{
	ASSERT(in->nmembers <= MEMBERS_MAX);
	pb_put_u64(out, 1, in->version);
	pb_put_bytes(out, 2, in->cluster);
	pb_put_bytes(out, 3, in->node);
	pb_put_bytes(out, 4, in->target);
	pb_put_bytes(out, 5, in->role);
	pb_put_u64(out, 6, in->life);
	pb_put_u64(out, 7, in->nonce);
	pb_put_u64(out, 8, in->cluster_id);
	pb_put_u64(out, 9, in->group_id);
	pb_put_u64(out, 10, in->group);
	for (uint32_t i = 0; i < in->nmembers; i++) {
		struct pb_mark mark = pb_begin(out, 11, 0);
		pb_put_u64(out, 1, in->members[i].replica);
		pb_put_bytes(out, 2, in->members[i].name);
		pb_end(out, mark);
	}
	pb_put_u64(out, 12, in->lost);
	pb_put_u64(out, 13, in->disk_life);
	pb_put_u64(out, 14, in->replica);
	pb_put_u64(out, 15, in->members_slot);
	pb_put_bytes(out, 16, in->address);
	pb_put_u64(out, 17, in->generation);
}

int wire_identity_decode(struct slice in, struct arena *arena, struct wire_identity *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena;
	*out = (struct wire_identity){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->nonce); break;
		case 2: pb_get_bool(&r, &out->opened); break;
		case 3: pb_get_u64(&r, &out->cluster_id); break;
		case 4: pb_get_u64(&r, &out->group_id); break;
		case 5: pb_get_u32(&r, &out->seen); break;
		case 6: pb_get_u64(&r, &out->members_slot); break;
		case 7: pb_get_u32(&r, &out->generation); break;
		default: break;
		}
	}
	return r.status;
}

void wire_identity_encode(const struct wire_identity *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->nonce);
	pb_put_u64(out, 2, in->opened);
	pb_put_u64(out, 3, in->cluster_id);
	pb_put_u64(out, 4, in->group_id);
	pb_put_u64(out, 5, in->seen);
	pb_put_u64(out, 6, in->members_slot);
	pb_put_u64(out, 7, in->generation);
}
