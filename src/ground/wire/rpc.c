#include <stdarg.h>
#include <stdio.h>

#include "rpc.pb-c.h"
#include "wire/pb.h"
#include "wire/unpack.h"
#include "wire/wire.h"

/* A formatted error message is cut to this. */
#define ERROR_TEXT_BYTES_MAX 1024u

int wire_error_decode(struct slice in, struct arena *arena, struct wire_error *out)
{
	Synod__Error *error;

	int status = unpack(in, &synod__error__descriptor, arena, &error);
	if (status != 0)
		return status;
	*out = (struct wire_error){
		.message = unpack_text(error->message),
		.leader = unpack_text(error->leader),
		.config = error->config,
		.generation = error->generation,
	};
	return text_check_address(out->leader);
}

void wire_error_encode(const struct wire_error *in, struct buffer *out)
{
	pb_put_bytes(out, 1, in->message);
	pb_put_bytes(out, 2, in->leader);
	pb_put_u64(out, 3, in->config);
	pb_put_u64(out, 4, in->generation);
}

void wire_error_format(struct buffer *out, const char *format, ...)
{
	/* one byte more than is kept, to see where a cut falls */
	char text[ERROR_TEXT_BYTES_MAX + 2];
	va_list arguments;

	va_start(arguments, format);
	int len = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	ASSERT(len >= 0);
	size_t kept = (size_t)len;
	if (kept > ERROR_TEXT_BYTES_MAX) {
		kept = ERROR_TEXT_BYTES_MAX;
		/* Do not cut a UTF-8 sequence in two. */
		while (kept > 0 && ((uint8_t)text[kept] & 0xc0) == 0x80)
			kept--;
	}
	wire_error_encode(&(struct wire_error){.message = slice(text, kept)}, out);
}

int wire_command_decode(struct slice in, struct arena *arena, struct wire_command *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena; /* The body points into the input. */
	*out = (struct wire_command){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->client); break;
		case 2: pb_get_u64(&r, &out->sequence); break;
		case 3: pb_get_u64(&r, &out->acknowledged); break;
		case 4: pb_get_bytes(&r, &out->body); break;
		}
	}
	return r.status;
}

void wire_command_encode(const struct wire_command *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->client);
	pb_put_u64(out, 2, in->sequence);
	pb_put_u64(out, 3, in->acknowledged);
	pb_put_bytes(out, 4, in->body);
}

int wire_unconfirmed_reply_decode(struct slice in, struct arena *arena,
				  struct wire_unconfirmed_reply *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena; /* The body points into the input. */
	*out = (struct wire_unconfirmed_reply){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->group); break;
		case 2: pb_get_u64(&r, &out->ballot); break;
		case 3: pb_get_u32(&r, &out->confirmations); break;
		case 4: pb_get_bool(&r, &out->rather_query); break;
		case 5: pb_get_bytes(&r, &out->body); break;
		case 6: pb_get_bytes(&r, &out->voters); break;
		}
	}
	if (out->voters.len % sizeof(uint64_t) != 0)
		pb_fail(&r, STATUS_BAD_REQUEST);
	return r.status;
}

void wire_unconfirmed_reply_encode(const struct wire_unconfirmed_reply *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->group);
	pb_put_u64(out, 2, in->ballot);
	pb_put_u64(out, 3, in->confirmations);
	pb_put_u64(out, 4, in->rather_query);
	pb_put_bytes(out, 5, in->body);
	pb_put_bytes(out, 6, in->voters);
}

int wire_stale_reply_decode(struct slice in, struct arena *arena, struct wire_stale_reply *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena; /* The body points into the input. */
	*out = (struct wire_stale_reply){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->group); break;
		case 2: pb_get_u32(&r, &out->replica); break;
		case 3: pb_get_u64(&r, &out->slot); break;
		case 4: pb_get_bool(&r, &out->age_known); break;
		case 5: pb_get_u64(&r, &out->age_us); break;
		case 6: pb_get_bytes(&r, &out->body); break;
		}
	}
	return r.status;
}

void wire_stale_reply_encode(const struct wire_stale_reply *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->group);
	pb_put_u64(out, 2, in->replica);
	pb_put_u64(out, 3, in->slot);
	pb_put_u64(out, 4, in->age_known);
	pb_put_u64(out, 5, in->age_us);
	pb_put_bytes(out, 6, in->body);
}

int wire_ballot_reply_decode(struct slice in, struct arena *arena, struct wire_ballot_reply *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena;
	*out = (struct wire_ballot_reply){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->group); break;
		case 2: pb_get_u32(&r, &out->replica); break;
		case 3: pb_get_u64(&r, &out->ballot); break;
		case 4: pb_get_u64(&r, &out->life); break;
		}
	}
	return r.status;
}

void wire_ballot_reply_encode(const struct wire_ballot_reply *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->group);
	pb_put_u64(out, 2, in->replica);
	pb_put_u64(out, 3, in->ballot);
	pb_put_u64(out, 4, in->life);
}

int wire_register_reply_decode(struct slice in, struct arena *arena, uint64_t *client)
{
	Synod__RegisterReply *reply;

	int status = unpack(in, &synod__register_reply__descriptor, arena, &reply);
	if (status != 0)
		return status;
	*client = reply->client;
	return 0;
}

void wire_register_reply_encode(uint64_t client, struct buffer *out)
{
	pb_put_u64(out, 1, client);
}

int wire_transfer_decode(struct slice in, struct arena *arena, uint32_t *replica)
{
	Synod__TransferRequest *request;

	int status = unpack(in, &synod__transfer_request__descriptor, arena, &request);
	if (status != 0)
		return status;
	*replica = request->replica;
	return 0;
}

void wire_transfer_encode(uint32_t replica, struct buffer *out)
{
	pb_put_u64(out, 1, replica);
}

int wire_cluster_decode(struct slice in, struct arena *arena, struct wire_cluster *out)
{
	Synod__ClusterReply *reply;

	int status = unpack(in, &synod__cluster_reply__descriptor, arena, &reply);
	if (status != 0)
		return status;
	if (reply->n_masters > REPLICAS_MAX || reply->shards > SHARDS_MAX)
		return STATUS_TOO_LARGE;
	*out = (struct wire_cluster){
		.cluster = unpack_text(reply->cluster),
		.shards = reply->shards,
		.nmasters = (uint32_t)reply->n_masters,
	};
	for (uint32_t i = 0; i < out->nmasters; i++) {
		out->masters[i] = unpack_text(reply->masters[i]);
		status = text_check_address(out->masters[i]);
		if (status != 0)
			return status;
	}
	return text_check_name(out->cluster, NAME_BYTES_MAX);
}

void wire_cluster_encode(const struct wire_cluster *in, struct buffer *out)
{
	ASSERT(in->nmasters <= REPLICAS_MAX);
	pb_put_bytes(out, 1, in->cluster);
	pb_put_u64(out, 2, in->shards);
	for (uint32_t i = 0; i < in->nmasters; i++)
		pb_put_element(out, 3, in->masters[i]);
}
