#include "wire/pb.h"
#include "wire/wire.h"

static int read_scan(struct slice in, struct wire_kv_scan *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_bytes(&r, &out->start); break;
		case 2: pb_get_bytes(&r, &out->end); break;
		case 3: pb_get_u32(&r, &out->limit); break;
		case 4: pb_get_bool(&r, &out->keys_only); break;
		case 5: pb_get_u64(&r, &out->config); break;
		case 6: pb_get_bool(&r, &out->count_only); break;
		case 7: pb_get_bool(&r, &out->reverse); break;
		}
	}
	return r.status;
}

int wire_kv_query_decode(struct slice in, struct arena *arena, struct wire_kv_query *out)
{
	struct pb_reader count = pb_reader(in);
	struct pb_reader r = pb_reader(in);

	*out = (struct wire_kv_query){0};
	while (pb_next(&count)) {
		switch (count.number) {
		case 1: pb_count(&count, &out->nkeys, MESSAGE_ELEMENTS_MAX); break;
		case 2:
			if (pb_expect(&count, PB_BYTES))
				pb_fail(&count, read_scan(count.bytes, &out->scan));
			out->has_scan = true;
			break;
		}
	}
	if (count.status != 0)
		return count.status;
	if (!pb_allocate(&r, arena, out->nkeys, sizeof *out->keys, &out->keys))
		return r.status;
	struct slice *key = out->keys;
	while (pb_next(&r))
		if (r.number == 1)
			*key++ = r.bytes;
	return r.status;
}

uint32_t wire_kv_query_keys(struct slice in, struct slice keys[], uint32_t max)
{
	struct pb_reader r = pb_reader(in);
	uint32_t count = 0;

	while (count < max && pb_next(&r))
		if (r.number == 1 && r.type == PB_BYTES)
			keys[count++] = r.bytes;
	return count;
}

static void put_scan(struct buffer *out, uint32_t number, const struct wire_kv_scan *scan)
{
	struct pb_mark mark = pb_begin(out, number, scan->start.len + scan->end.len);

	pb_put_bytes(out, 1, scan->start);
	pb_put_bytes(out, 2, scan->end);
	pb_put_u64(out, 3, scan->limit);
	pb_put_u64(out, 4, scan->keys_only);
	pb_put_u64(out, 5, scan->config);
	pb_put_u64(out, 6, scan->count_only);
	pb_put_u64(out, 7, scan->reverse);
	pb_end(out, mark);
}

void wire_kv_query_encode(const struct wire_kv_query *in, struct buffer *out)
{
	for (uint32_t i = 0; i < in->nkeys; i++)
		pb_put_element(out, 1, in->keys[i]);
	if (in->has_scan)
		put_scan(out, 2, &in->scan);
}
