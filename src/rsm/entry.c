#include "rsm/entry.h"

void entry_begin(struct buffer *b)
{
	buffer_clear(b);
	buffer_add_u64(b, ENTRY_FORMAT);
	buffer_add_u64(b, 0);
	buffer_add_u64(b, 0);
}

void entry_add(struct buffer *b, const struct entry_command *command)
{
	ASSERT(command->body.len <= UINT32_MAX);
	buffer_reserve(b, ENTRY_COMMAND_BYTES + command->body.len);
	uint8_t *p = b->data + b->len;
	store_u32(p, (uint32_t)command->body.len);
	store_u32(p + 4, command->kind);
	store_u64(p + 8, command->client);
	store_u64(p + 16, command->sequence);
	store_u64(p + 24, command->acknowledged);
	b->len += ENTRY_COMMAND_BYTES;
	buffer_add_slice(b, command->body);
}

void entry_finish(struct buffer *b, uint32_t count, uint64_t time_us, uint64_t origin)
{
	ASSERT(b->len >= ENTRY_HEADER_BYTES && count > 0);
	store_u32(b->data + 4, count);
	store_u64(b->data + 8, time_us);
	store_u64(b->data + 16, origin);
}

int entry_read(struct entry_reader *r, struct slice value)
{
	r->rest = value;
	if (!slice_take_u32(&r->rest, &r->format) || !slice_take_u32(&r->rest, &r->left) ||
	    !slice_take_u64(&r->rest, &r->time_us) || !slice_take_u64(&r->rest, &r->origin) || r->format != ENTRY_FORMAT)
		return STATUS_CORRUPT;
	return 0;
}

int entry_next(struct entry_reader *r, struct entry_command *out)
{
	uint32_t len, kind;
	if (r->left == 0)
		return r->rest.len == 0 ? 0 : STATUS_CORRUPT;
	if (!slice_take_u32(&r->rest, &len) || !slice_take_u32(&r->rest, &kind) ||
	    !slice_take_u64(&r->rest, &out->client) || !slice_take_u64(&r->rest, &out->sequence) ||
	    !slice_take_u64(&r->rest, &out->acknowledged) || !slice_take(&r->rest, len, &out->body) ||
	    (kind > ENTRY_REGISTER && kind != ENTRY_IDENTITY))
		return STATUS_CORRUPT;
	out->kind = (enum entry_kind)kind;
	r->left--;
	return 1;
}

bool entry_is_whole(const struct entry_reader *r)
{
	const uint8_t *at = r->rest.data;
	size_t rest = r->rest.len;
	for (uint32_t left = r->left; left > 0; left--) {
		if (rest < ENTRY_COMMAND_BYTES || load_u32(at + 4) > ENTRY_KIND_LAST)
			return false;
		size_t body = load_u32(at);
		rest -= ENTRY_COMMAND_BYTES;
		if (body > rest)
			return false;
		rest -= body;
		at += ENTRY_COMMAND_BYTES + body;
	}
	return rest == 0;
}
