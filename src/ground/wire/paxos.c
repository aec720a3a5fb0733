#include "wire/pb.h"
#include "wire/wire.h"

static int read_entry(struct slice in, struct wire_entry *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->slot); break;
		case 2: pb_get_u64(&r, &out->ballot); break;
		case 3: pb_get_bytes(&r, &out->value); break;
		}
	}
	return r.status;
}

static int read_range(struct slice in, struct wire_range *out)
{
	struct pb_reader r = pb_reader(in);

	while (pb_next(&r)) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->first); break;
		case 2: pb_get_u64(&r, &out->last); break;
		}
	}
	return r.status;
}

/* For how many more elements there is room. */
static uint32_t room(const struct wire_paxos *m)
{
	return MESSAGE_ELEMENTS_MAX - m->nentries - m->nranges - m->nimpaired - m->nknown;
}

/*
 * Counts an entry or a range, which begins at `field`; *rest then is all from the first of them on.
 */
static void count_element(struct pb_reader *r, const uint8_t *field, struct wire_paxos *m,
			  uint32_t *count, struct slice *rest)
{
	if (rest->len == 0)
		*rest = slice(field, (size_t)(r->end - field));
	pb_count(r, count, room(m) + *count);
}

/*
 * First walk: the plain fields, and how many entries and ranges there are; *rest: where the second
 * has to begin to find them all.
 */
static int read_plain(struct slice in, struct wire_paxos *out, struct slice *rest)
{
	struct pb_reader r = pb_reader(in);

	*rest = slice(NULL, 0);
	for (const uint8_t *field = r.at; pb_next(&r); field = r.at) {
		switch (r.number) {
		case 1: pb_get_u64(&r, &out->group); break;
		case 2: pb_get_u32(&r, &out->from); break;
		case 3: pb_get_u32(&r, &out->to); break;
		case 4: pb_get_u64(&r, &out->ballot); break;
		case 5: pb_get_u64(&r, &out->slot); break;
		case 6: pb_get_u64(&r, &out->chosen); break;
		case 7: pb_get_u64(&r, &out->sequence); break;
		case 8: pb_get_u32(&r, &out->flags); break;
		case 9: count_element(&r, field, out, &out->nentries, rest); break;
		case 10: count_element(&r, field, out, &out->nranges, rest); break;
		case 11: pb_get_u64(&r, &out->position); break;
		case 12: pb_get_u64(&r, &out->total); break;
		case 13: pb_get_bytes(&r, &out->data); break;
		case 14: pb_get_u64(&r, &out->lease_us); break;
		case 15: pb_get_u64(&r, &out->members); break;
		case 17: count_element(&r, field, out, &out->nimpaired, rest); break;
		case 18: count_element(&r, field, out, &out->nknown, rest); break;
		case 19: pb_get_u32(&r, &out->generation); break;
		case 40: pb_get_u64(&r, &out->stamp); break;
		case 41: pb_get_u64(&r, &out->vouched); break;
		case 44: pb_get_bytes(&r, &out->claim); break;
		case 45: pb_get_bytes(&r, &out->remembered); break;
		}
	}
	return r.status;
}

int wire_paxos_decode(struct slice in, struct arena *arena, struct wire_paxos *out)
{
	struct slice rest;
	*out = (struct wire_paxos){0};
	int status = read_plain(in, out, &rest);
	/* Votes, heartbeats and acknowledgements end here. */
	if (status != 0 || rest.len == 0)
		return status;

	struct pb_reader r = pb_reader(rest);
	if (!pb_allocate(&r, arena, out->nentries, sizeof *out->entries, &out->entries) ||
	    !pb_allocate(&r, arena, out->nranges, sizeof *out->ranges, &out->ranges) ||
	    (out->nimpaired > 0 &&
	     !pb_allocate(&r, arena, out->nimpaired, sizeof *out->impaired, &out->impaired)) ||
	    (out->nknown > 0 &&
	     !pb_allocate(&r, arena, out->nknown, sizeof *out->known, &out->known)))
		return r.status;
	struct wire_entry *entry = out->entries;
	struct wire_range *range = out->ranges, *impaired = out->impaired, *known = out->known;
	while (pb_next(&r)) {
		if (r.number == 9)
			pb_fail(&r, read_entry(r.bytes, entry++));
		else if (r.number == 10)
			pb_fail(&r, read_range(r.bytes, range++));
		else if (r.number == 17)
			pb_fail(&r, read_range(r.bytes, impaired++));
		else if (r.number == 18)
			pb_fail(&r, read_range(r.bytes, known++));
	}
	return r.status;
}

static void put_ranges(struct buffer *out, uint32_t number, const struct wire_range *ranges,
		       uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct pb_mark mark = pb_begin(out, number, 0);
		pb_put_u64(out, 1, ranges[i].first);
		pb_put_u64(out, 2, ranges[i].last);
		pb_end(out, mark);
	}
}

void wire_paxos_encode(const struct wire_paxos *in, struct buffer *out)
{
	pb_put_u64(out, 1, in->group);
	pb_put_u64(out, 2, in->from);
	pb_put_u64(out, 3, in->to);
	pb_put_u64(out, 4, in->ballot);
	pb_put_u64(out, 5, in->slot);
	pb_put_u64(out, 6, in->chosen);
	pb_put_u64(out, 7, in->sequence);
	pb_put_u64(out, 8, in->flags);
	for (uint32_t i = 0; i < in->nentries; i++) {
		const struct wire_entry *entry = &in->entries[i];
		struct pb_mark mark = pb_begin(out, 9, entry->value.len);
		pb_put_u64(out, 1, entry->slot);
		pb_put_u64(out, 2, entry->ballot);
		pb_put_bytes(out, 3, entry->value);
		pb_end(out, mark);
	}
	if (in->nranges > 0)
		put_ranges(out, 10, in->ranges, in->nranges);
	pb_put_u64(out, 11, in->position);
	pb_put_u64(out, 12, in->total);
	pb_put_bytes(out, 13, in->data);
	pb_put_u64(out, 14, in->lease_us);
	pb_put_u64(out, 15, in->members);
	if (__builtin_expect(in->nimpaired + in->nknown + in->generation > 0, 0)) {
		put_ranges(out, 17, in->impaired, in->nimpaired);
		put_ranges(out, 18, in->known, in->nknown);
		pb_put_u64(out, 19, in->generation);
	}
	pb_put_u64(out, 40, in->stamp);
	pb_put_u64(out, 41, in->vouched);
	if (__builtin_expect((in->claim.len | in->remembered.len) != 0, 0)) {
		pb_put_bytes(out, 44, in->claim);
		pb_put_bytes(out, 45, in->remembered);
	}
}
