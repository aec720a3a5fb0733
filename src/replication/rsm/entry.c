/* Entries of the log, as bytes. */
#include "rsm/entry.h"

#include "rsm/group_fields.h"
#include "rsm/group_identity.h"
#include "rsm/hash_entry.h"
#include "rsm/members.h"

void entry_begin(struct buffer *b)
{
	buffer_clear(b);
	buffer_add_u64(b, ENTRY_FORMAT);
	buffer_add_u64(b, 0);
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

void entry_finish(struct buffer *b, uint32_t count, uint64_t time_us, uint64_t lived_us,
		  uint64_t origin)
{
	ASSERT(b->len >= ENTRY_HEADER_BYTES && count > 0);
	store_u32(b->data + 4, count);
	store_u64(b->data + 8, time_us);
	store_u64(b->data + 16, origin);
	store_u64(b->data + 24, lived_us);
}

int entry_read(struct entry_reader *r, struct slice value)
{
	r->rest = value;
	if (!slice_take_u32(&r->rest, &r->format) || r->format < 2)
		return STATUS_CORRUPT;
	if (r->format > ENTRY_FORMAT_MEMBERS)
		return STATUS_NEWER;
	if (!slice_take_u32(&r->rest, &r->left) || !slice_take_u64(&r->rest, &r->time_us) ||
	    !slice_take_u64(&r->rest, &r->origin))
		return STATUS_CORRUPT;
	r->lived_us = r->time_us;
	return r->format == 2 || slice_take_u64(&r->rest, &r->lived_us) ? 0 : STATUS_CORRUPT;
}

static bool is_known(uint32_t format, uint32_t kind)
{
	switch (kind) {
	case ENTRY_APP:
	case ENTRY_REGISTER: return true;
	case ENTRY_SETTINGS:
	case ENTRY_IDENTITY:
	case ENTRY_CLIENTS:
	case ENTRY_HASH: return format == 3;
	case ENTRY_MEMBERS: return format == ENTRY_FORMAT_MEMBERS;
	default: return false;
	}
}

int entry_next(struct entry_reader *r, struct entry_command *out)
{
	if (r->left == 0)
		return r->rest.len == 0 ? 0 : STATUS_CORRUPT;
	if (r->rest.len < ENTRY_COMMAND_BYTES)
		return STATUS_CORRUPT;
	const uint8_t *p = r->rest.data;
	uint32_t len = load_u32(p), kind = load_u32(p + 4);
	if (len > r->rest.len - ENTRY_COMMAND_BYTES)
		return STATUS_CORRUPT;
	out->client = load_u64(p + 8);
	out->sequence = load_u64(p + 16);
	out->acknowledged = load_u64(p + 24);
	out->body = slice(p + ENTRY_COMMAND_BYTES, len);
	r->rest = slice(out->body.data + len, r->rest.len - ENTRY_COMMAND_BYTES - len);
	if (!is_known(r->format, kind) ||
	    (r->format == ENTRY_FORMAT_MEMBERS && (kind != ENTRY_MEMBERS || r->left != 1)))
		return STATUS_NEWER;
	out->kind = (enum entry_kind)kind;
	r->left--;
	return 1;
}

/*
 * Bodies that are not the app's: one that cannot be read would stop every replica that applies it.
 */
static bool body_fits(uint32_t kind, struct slice body)
{
	struct group_settings settings;
	struct identity_members members;
	struct group_members bound;
	struct hash_verdict verdict;
	enum hash_kind what;
	uint64_t id;
	switch (kind) {
	case ENTRY_SETTINGS: return group_settings_decode(&settings, body) == 0;
	case ENTRY_IDENTITY: return group_identity_decode(&id, &members, body) == 0;
	case ENTRY_MEMBERS: return members_decode_body(&bound, body) == 0;
	case ENTRY_CLIENTS: return body.len == 8 && load_u64(body.data) <= ENTRY_CLIENT_MAX;
	case ENTRY_HASH: return hash_entry_decode(body, &what, &verdict) == 0;
	default: return false;
	}
}

bool entry_is_whole(const struct entry_reader *r)
{
	const uint8_t *at = r->rest.data;
	size_t rest = r->rest.len;
	if (r->format == ENTRY_FORMAT_MEMBERS &&
	    (r->left != 1 || rest < 8 || load_u32(at + 4) != ENTRY_MEMBERS))
		return false;
	for (uint32_t left = r->left; left > 0; left--) {
		if (rest < ENTRY_COMMAND_BYTES)
			return false;
		size_t body = load_u32(at);
		uint32_t kind = load_u32(at + 4);
		rest -= ENTRY_COMMAND_BYTES;
		if (body > rest)
			return false;
		if (kind > ENTRY_REGISTER &&
		    !(is_known(r->format, kind) &&
		      body_fits(kind, slice(at + ENTRY_COMMAND_BYTES, body))))
			return false;
		rest -= body;
		at += ENTRY_COMMAND_BYTES + body;
	}
	return rest == 0;
}
