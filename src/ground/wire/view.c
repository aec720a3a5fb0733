#include "wire/wire_view.h"

#include "wire/pb.h"
#include "wire/unpack.h"

static int read_server(struct slice in, struct wire_view_server *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_bytes(&r, &out->name); break;
		case 2: pb_get_bytes(&r, &out->address); break;
		case 3: pb_get_u64(&r, &out->incarnation); break;
		}
	}
	if (r.status != 0)
		return r.status;
	/* Somebody has a name and an address, nobody has neither. */
	if ((out->incarnation == 0) != (out->name.len == 0) ||
	    (out->incarnation == 0) != (out->address.len == 0))
		return STATUS_BAD_REQUEST;
	int status = text_check_name(out->name, NAME_BYTES_MAX);
	return status != 0 ? status : text_check_address(out->address);
}

static void get_server(struct pb_reader *r, struct wire_view_server *out)
{
	if (pb_expect(r, PB_BYTES))
		pb_fail(r, read_server(r->bytes, out));
}

static void put_server(struct buffer *out, uint32_t number, const struct wire_view_server *in)
{
	if (wire_view_nobody(in))
		return;
	struct pb_mark mark = pb_begin(out, number, in->name.len + in->address.len);
	pb_put_bytes(out, 1, in->name);
	pb_put_bytes(out, 2, in->address);
	pb_put_u64(out, 3, in->incarnation);
	pb_end(out, mark);
}

static int read_view(struct slice in, struct wire_view *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->number); break;
		case 2: get_server(&r, &out->primary); break;
		case 3: get_server(&r, &out->backup); break;
		case 4: pb_get_bool(&r, &out->acknowledged); break;
		case 5: pb_get_bool(&r, &out->synced); break;
		case 6: pb_get_bool(&r, &out->fresh); break;
		}
	}
	if (out->number > NUMBER_MAX)
		pb_fail(&r, STATUS_BAD_REQUEST);
	return r.status;
}

static void put_view(struct buffer *out, uint32_t number, const struct wire_view *in)
{
	if (in->number == 0 && wire_view_nobody(&in->primary) && wire_view_nobody(&in->backup) &&
	    !in->acknowledged && !in->synced && !in->fresh)
		return;
	struct pb_mark mark = pb_begin(out, number,
				       in->primary.name.len + in->primary.address.len +
					       in->backup.name.len + in->backup.address.len);
	pb_put_u64(out, 1, in->number);
	put_server(out, 2, &in->primary);
	put_server(out, 3, &in->backup);
	pb_put_u64(out, 4, in->acknowledged);
	pb_put_u64(out, 5, in->synced);
	pb_put_u64(out, 6, in->fresh);
	pb_end(out, mark);
}

int wire_view_ping_decode(struct slice in, struct arena *arena, struct wire_view_ping *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena;
	*out = (struct wire_view_ping){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: get_server(&r, &out->server); break;
		case 2: pb_get_u64(&r, &out->number); break;
		case 3: pb_get_bool(&r, &out->synced); break;
		case 4: pb_get_bool(&r, &out->leaving); break;
		}
	}
	if (wire_view_nobody(&out->server) || out->number > NUMBER_MAX)
		pb_fail(&r, STATUS_BAD_REQUEST);
	return r.status;
}

void wire_view_ping_encode(const struct wire_view_ping *in, struct buffer *out)
{
	put_server(out, 1, &in->server);
	pb_put_u64(out, 2, in->number);
	pb_put_u64(out, 3, in->synced);
	pb_put_u64(out, 4, in->leaving);
}

int wire_view_query_decode(struct slice in, struct arena *arena, struct wire_view_query *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena;
	*out = (struct wire_view_query){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_bool(&r, &out->history); break;
		case 2: pb_get_bool(&r, &out->servers); break;
		}
	}
	return r.status;
}

void wire_view_query_encode(const struct wire_view_query *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->history);
	pb_put_u64(out, 2, in->servers);
}

static int read_past(struct slice in, struct wire_view_past *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r)) {
		switch (r.number) {
		case 1:
			if (pb_expect(&r, PB_BYTES))
				pb_fail(&r, read_view(r.bytes, &out->view));
			break;
		case 2: pb_get_u64(&r, &out->time_us); break;
		}
	}
	return r.status;
}

static int read_liveness(struct slice in, struct wire_view_liveness *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: get_server(&r, &out->server); break;
		case 2: pb_get_u64(&r, &out->number); break;
		case 3: pb_get_u64(&r, &out->silent_ms); break;
		case 4: pb_get_bool(&r, &out->alive); break;
		}
	}
	if (out->number > NUMBER_MAX)
		pb_fail(&r, STATUS_BAD_REQUEST);
	return r.status;
}

int wire_view_reply_decode(struct slice in, struct arena *arena, struct wire_view_reply *out)
{
	struct pb_reader count = pb_reader(in);

	*out = (struct wire_view_reply){0};
	while (pb_next(&count)) {
		switch (count.number) {
		case 1:
			if (pb_expect(&count, PB_BYTES))
				pb_fail(&count, read_view(count.bytes, &out->view));
			break;
		case 2:
			pb_count(&count, &out->nhistory, MESSAGE_ELEMENTS_MAX - out->nservers);
			break;
		case 3:
			pb_count(&count, &out->nservers, MESSAGE_ELEMENTS_MAX - out->nhistory);
			break;
		case 4: pb_get_u64(&count, &out->clients); break;
		}
	}
	if (count.status != 0 || (out->nhistory == 0 && out->nservers == 0))
		return count.status;

	struct pb_reader r = pb_reader(in);
	if (!pb_allocate(&r, arena, out->nhistory, sizeof *out->history, &out->history) ||
	    !pb_allocate(&r, arena, out->nservers, sizeof *out->servers, &out->servers))
		return r.status;
	struct wire_view_past *past = out->history;
	struct wire_view_liveness *server = out->servers;
	while (pb_next(&r)) {
		switch (r.number) {
		case 2: pb_fail(&r, read_past(r.bytes, past++)); break;
		case 3: pb_fail(&r, read_liveness(r.bytes, server++)); break;
		}
	}
	return r.status;
}

void wire_view_reply_encode(const struct wire_view_reply *in, struct buffer *out)
{
	put_view(out, 1, &in->view);
	for (uint32_t i = 0; i < in->nhistory; i++) {
		struct pb_mark mark = pb_begin(out, 2, 0);
		put_view(out, 1, &in->history[i].view);
		pb_put_u64(out, 2, in->history[i].time_us);
		pb_end(out, mark);
	}
	for (uint32_t i = 0; i < in->nservers; i++) {
		struct pb_mark mark = pb_begin(out, 3, 0);
		put_server(out, 1, &in->servers[i].server);
		pb_put_u64(out, 2, in->servers[i].number);
		pb_put_u64(out, 3, in->servers[i].silent_ms);
		pb_put_u64(out, 4, in->servers[i].alive);
		pb_end(out, mark);
	}
	pb_put_u64(out, 4, in->clients);
}

int wire_view_command_decode(struct slice in, struct arena *arena, struct wire_view_command *out)
{
	struct pb_reader r = pb_reader(in);
	uint32_t op = WIRE_VIEW_NONE;

	(void)arena;
	*out = (struct wire_view_command){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u32(&r, &op); break;
		case 2: pb_get_u64(&r, &out->number); break;
		case 3: get_server(&r, &out->primary); break;
		case 4: get_server(&r, &out->backup); break;
		}
	}
	if (op <= WIRE_VIEW_NONE || op > WIRE_VIEW_RESET || out->number > NUMBER_MAX)
		pb_fail(&r, STATUS_BAD_REQUEST);
	out->op = (enum wire_view_op)op;
	return r.status;
}

void wire_view_command_encode(const struct wire_view_command *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->op);
	pb_put_u64(out, 2, in->number);
	put_server(out, 3, &in->primary);
	put_server(out, 4, &in->backup);
}
