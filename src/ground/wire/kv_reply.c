#include "wire/pb.h"
#include "wire/wire.h"

static int read_result(struct slice in, struct wire_kv_result *out)
{
	struct pb_reader r = pb_reader(in);
	uint32_t code = 0;

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u32(&r, &code); break;
		case 2: pb_get_bytes(&r, &out->value); break;
		case 3: pb_get_u64(&r, &out->version); break;
		case 4: pb_get_u64(&r, &out->modification); break;
		case 5: pb_get_u64(&r, &out->omitted); break;
		}
	}
	out->status = status_from_wire(code);
	return r.status;
}

static void put_result(struct buffer *out, uint32_t number, const struct wire_kv_result *result)
{
	struct pb_mark mark = pb_begin(out, number, result->value.len);

	pb_put_u64(out, 1, status_to_wire(result->status));
	pb_put_bytes(out, 2, result->value);
	pb_put_u64(out, 3, result->version);
	pb_put_u64(out, 4, result->modification);
	pb_put_u64(out, 5, result->omitted);
	pb_end(out, mark);
}

int wire_kv_reply_decode(struct slice in, struct arena *arena, struct wire_kv_reply *out)
{
	struct pb_reader count = pb_reader(in);
	struct pb_reader r = pb_reader(in);

	*out = (struct wire_kv_reply){0};
	while (pb_next(&count)) {
		switch (count.number) {
		case 1: pb_get_bool(&count, &out->succeeded); break;
		case 2: pb_count(&count, &out->nresults, MESSAGE_ELEMENTS_MAX); break;
		}
	}
	if (count.status != 0)
		return count.status;
	if (!pb_allocate(&r, arena, out->nresults, sizeof *out->results, &out->results))
		return r.status;
	struct wire_kv_result *result = out->results;
	while (pb_next(&r))
		if (r.number == 2)
			pb_fail(&r, read_result(r.bytes, result++));
	return r.status;
}

void wire_kv_reply_encode(const struct wire_kv_reply *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->succeeded);
	for (uint32_t i = 0; i < in->nresults; i++)
		put_result(out, 2, &in->results[i]);
}

static int read_record(struct slice in, struct wire_kv_record *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_bytes(&r, &out->key); break;
		case 2: pb_get_bytes(&r, &out->value); break;
		case 3: pb_get_u64(&r, &out->version); break;
		case 4: pb_get_u64(&r, &out->modification); break;
		}
	}
	return r.status;
}

static void put_record(struct buffer *out, uint32_t number, const struct wire_kv_record *record)
{
	struct pb_mark mark = pb_begin(out, number, record->key.len + record->value.len);

	pb_put_bytes(out, 1, record->key);
	pb_put_bytes(out, 2, record->value);
	pb_put_u64(out, 3, record->version);
	pb_put_u64(out, 4, record->modification);
	pb_end(out, mark);
}

static int count_query_reply(struct slice in, struct wire_kv_query_reply *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_count(&r, &out->nresults, MESSAGE_ELEMENTS_MAX); break;
		case 2: pb_count(&r, &out->nrecords, SCAN_LIMIT_MAX); break;
		case 3: pb_get_bool(&r, &out->more); break;
		case 4: pb_get_bytes(&r, &out->resume); break;
		case 5: pb_get_u64(&r, &out->count); break;
		}
	}
	return r.status;
}

int wire_kv_query_reply_decode(struct slice in, struct arena *arena,
			       struct wire_kv_query_reply *out)
{
	*out = (struct wire_kv_query_reply){0};
	int status = count_query_reply(in, out);
	if (status != 0)
		return status;

	struct pb_reader r = pb_reader(in);
	if (!pb_allocate(&r, arena, out->nresults, sizeof *out->results, &out->results) ||
	    !pb_allocate(&r, arena, out->nrecords, sizeof *out->records, &out->records))
		return r.status;
	struct wire_kv_result *result = out->results;
	struct wire_kv_record *record = out->records;
	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_fail(&r, read_result(r.bytes, result++)); break;
		case 2: pb_fail(&r, read_record(r.bytes, record++)); break;
		}
	}
	return r.status;
}

void wire_kv_query_reply_encode(const struct wire_kv_query_reply *in, struct buffer *out)
{
	for (uint32_t i = 0; i < in->nresults; i++)
		put_result(out, 1, &in->results[i]);
	for (uint32_t i = 0; i < in->nrecords; i++)
		put_record(out, 2, &in->records[i]);
	pb_put_u64(out, 3, in->more);
	pb_put_bytes(out, 4, in->resume);
	pb_put_u64(out, 5, in->count);
}
