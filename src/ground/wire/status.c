#include "rpc.pb-c.h"
#include "wire/pb.h"
#include "wire/unpack.h"
#include "wire/wire.h"

static int check_texts(const struct wire_status *status)
{
	const struct slice names[] = {status->name, status->role, status->state,
				      status->leader_name, status->version};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int result = text_check_name(names[i], NAME_BYTES_MAX);
		if (result != 0)
			return result;
	}
	for (uint32_t i = 0; i < status->npeers; i++) {
		int result = text_check_address(status->peers[i].address);
		if (result != 0)
			return result;
	}
	return text_check_address(status->leader);
}

int wire_status_decode(struct slice in, struct arena *arena, struct wire_status *out)
{
	Synod__StatusReply *reply;

	int status = unpack(in, &synod__status_reply__descriptor, arena, &reply);
	if (status != 0)
		return status;
	if (reply->n_peers > MEMBERS_MAX)
		return STATUS_TOO_LARGE;
	*out = (struct wire_status){
		.name = unpack_text(reply->name),
		.role = unpack_text(reply->role),
		.state = unpack_text(reply->state),
		.leader = unpack_text(reply->leader),
		.leader_name = unpack_text(reply->leader_name),
		.version = unpack_text(reply->version),
		.replica = reply->replica,
		.group = reply->group,
		.ballot = reply->ballot,
		.chosen = reply->chosen,
		.applied = reply->applied,
		.log_first = reply->log_first,
		.log_last = reply->log_last,
		.snapshot = reply->snapshot,
		.data_bytes = reply->data_bytes,
		.disk_bytes = reply->disk_bytes,
		.keys = reply->keys,
		.config = reply->config,
		.sessions = reply->sessions,
		.uptime_ms = reply->uptime_ms,
		.state_hash_slot = reply->state_hash_slot,
		.state_diverged = reply->state_diverged,
		.state_undecided = reply->state_undecided,
		.npeers = (uint32_t)reply->n_peers,
	};
	for (uint32_t i = 0; i < out->npeers; i++) {
		const Synod__PeerStatus *peer = reply->peers[i];
		out->peers[i] = (struct wire_peer_status){
			.replica = peer->replica,
			.address = unpack_text(peer->address),
			.matched = peer->matched,
			.last_heard_ms = peer->last_heard_ms,
		};
	}
	return check_texts(out);
}

static void put_peer(struct buffer *out, uint32_t number, const struct wire_peer_status *peer)
{
	struct pb_mark mark = pb_begin(out, number, peer->address.len);

	pb_put_u64(out, 1, peer->replica);
	pb_put_bytes(out, 2, peer->address);
	pb_put_u64(out, 3, peer->matched);
	pb_put_u64(out, 4, peer->last_heard_ms);
	pb_end(out, mark);
}

void wire_status_encode(const struct wire_status *in, struct buffer *out)
{
	ASSERT(in->npeers <= MEMBERS_MAX);
	pb_put_bytes(out, 1, in->name);
	pb_put_bytes(out, 2, in->role);
	pb_put_u64(out, 3, in->group);
	pb_put_u64(out, 4, in->replica);
	pb_put_bytes(out, 5, in->state);
	pb_put_bytes(out, 6, in->leader);
	pb_put_u64(out, 7, in->ballot);
	pb_put_u64(out, 8, in->chosen);
	pb_put_u64(out, 9, in->applied);
	pb_put_u64(out, 10, in->log_first);
	pb_put_u64(out, 11, in->log_last);
	pb_put_u64(out, 12, in->snapshot);
	pb_put_u64(out, 13, in->data_bytes);
	pb_put_u64(out, 14, in->disk_bytes);
	pb_put_u64(out, 15, in->keys);
	pb_put_u64(out, 16, in->config);
	pb_put_u64(out, 17, in->sessions);
	pb_put_u64(out, 18, in->uptime_ms);
	pb_put_bytes(out, 19, in->version);
	pb_put_bytes(out, 20, in->leader_name);
	for (uint32_t i = 0; i < in->npeers; i++)
		put_peer(out, 21, &in->peers[i]);
	pb_put_u64(out, 40, in->state_hash_slot);
	pb_put_u64(out, 41, in->state_diverged);
	pb_put_u64(out, 42, in->state_undecided);
}
