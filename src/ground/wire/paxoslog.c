#include "wire/paxosd.h"
#include "wire/pb.h"

/* Fills `values` with every element of the repeated field; the first walk has counted them. */
static int get_values(struct slice in, uint32_t number, uint32_t count, struct arena *arena,
		      struct slice **values)
{
	struct pb_reader r = pb_reader(in);

	if (!pb_allocate(&r, arena, count, sizeof **values, values))
		return r.status;
	struct slice *value = *values;
	while (pb_next(&r))
		if (r.number == number)
			*value++ = r.bytes;
	return r.status;
}

int wire_log_command_decode(struct slice in, struct arena *arena, struct wire_log_command *out)
{
	struct pb_reader r = pb_reader(in);

	*out = (struct wire_log_command){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_count(&r, &out->nvalues, WIRE_LOG_VALUES_MAX); break;
		case 2: pb_get_u64(&r, &out->at); break;
		case 3: pb_get_u64(&r, &out->trim); break;
		}
	}
	return r.status != 0 ? r.status : get_values(in, 1, out->nvalues, arena, &out->values);
}

void wire_log_command_encode(const struct wire_log_command *in, struct buffer *out)
{
	for (uint32_t i = 0; i < in->nvalues; i++)
		pb_put_element(out, 1, in->values[i]);
	pb_put_u64(out, 2, in->at);
	pb_put_u64(out, 3, in->trim);
}

int wire_log_reply_decode(struct slice in, struct arena *arena, struct wire_log_reply *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena; /* Numbers only. */
	*out = (struct wire_log_reply){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->slot); break;
		case 2: pb_get_u64(&r, &out->first); break;
		case 3: pb_get_u64(&r, &out->last); break;
		}
	}
	return r.status;
}

void wire_log_reply_encode(const struct wire_log_reply *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->slot);
	pb_put_u64(out, 2, in->first);
	pb_put_u64(out, 3, in->last);
}

int wire_log_query_decode(struct slice in, struct arena *arena, struct wire_log_query *out)
{
	struct pb_reader r = pb_reader(in);

	(void)arena; /* Numbers only. */
	*out = (struct wire_log_query){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->from); break;
		case 2: pb_get_u32(&r, &out->limit); break;
		}
	}
	return r.status;
}

void wire_log_query_encode(const struct wire_log_query *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->from);
	pb_put_u64(out, 2, in->limit);
}

int wire_log_entries_decode(struct slice in, struct arena *arena, struct wire_log_entries *out)
{
	struct pb_reader r = pb_reader(in);

	*out = (struct wire_log_entries){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->from); break;
		case 2: pb_get_u64(&r, &out->first); break;
		case 3: pb_get_u64(&r, &out->last); break;
		case 4: pb_count(&r, &out->nvalues, WIRE_LOG_VALUES_MAX); break;
		}
	}
	return r.status != 0 ? r.status : get_values(in, 4, out->nvalues, arena, &out->values);
}

void wire_log_entries_encode(const struct wire_log_entries *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->from);
	pb_put_u64(out, 2, in->first);
	pb_put_u64(out, 3, in->last);
	for (uint32_t i = 0; i < in->nvalues; i++)
		pb_put_element(out, 4, in->values[i]);
}

int wire_log_slot_decode(struct slice in, struct arena *arena, struct wire_log_slot *out)
{
	struct pb_reader r = pb_reader(in);
	uint32_t state = 0;

	(void)arena; /* The value points into the input. */
	*out = (struct wire_log_slot){0};
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u32(&r, &state); break;
		case 2: pb_get_bytes(&r, &out->value); break;
		case 3: pb_get_u64(&r, &out->first); break;
		case 4: pb_get_u64(&r, &out->last); break;
		}
	}
	if (r.status == 0 && state > WIRE_LOG_CLEARED)
		return STATUS_BAD_REQUEST;
	out->state = (enum wire_log_state)state;
	return r.status;
}

void wire_log_slot_encode(const struct wire_log_slot *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->state);
	pb_put_bytes(out, 2, in->value);
	pb_put_u64(out, 3, in->first);
	pb_put_u64(out, 4, in->last);
}
