/* Records on their way to a new backup; the format stands in pb/state.h. */
#include "kv/digest.h"
#include "kv/operation.h"
#include "pb/state.h"

enum { RECORD_PUT = 1, RECORD_DELETE = 2 };

static void put_record(const struct store_record *record, struct buffer *out)
{
	buffer_add_u8(out, RECORD_PUT);
	buffer_add_u32(out, (uint32_t)record->key.len);
	buffer_add_u32(out, (uint32_t)record->value.len);
	buffer_add_u64(out, record->version);
	buffer_add_u64(out, record->modification);
	buffer_add_slice(out, record->key);
	buffer_add_slice(out, record->value);
}

void pb_state_put_record(const struct pb_state *s, struct slice key, struct buffer *out)
{
	struct store_record record;
	if (pb_state_get(s, key, &record)) {
		put_record(&record, out);
		return;
	}
	buffer_add_u8(out, RECORD_DELETE);
	buffer_add_u32(out, (uint32_t)key.len);
	buffer_add_slice(out, key);
}

bool pb_state_put_records(const struct pb_state *s, struct buffer *cursor, bool begun, size_t bytes,
			  struct buffer *out)
{
	struct store_record record;
	size_t start = out->len;
	/* The first key behind the cursor is the cursor with a zero byte added. */
	if (begun)
		buffer_add_u8(cursor, 0);
	struct store_iterator *iterator = s->store->ops->iterate(s->store, NULL, PB_STATE_SPACE,
								 buffer_slice(cursor));
	bool more = false;
	while ((more = s->store->ops->next(iterator, &record))) {
		put_record(&record, out);
		if (out->len - start >= bytes) {
			buffer_clear(cursor);
			buffer_add_slice(cursor, record.key);
			break;
		}
	}
	s->store->ops->iterate_end(iterator);
	return more;
}

static void drop_digest(struct pb_state *s, struct slice key)
{
	struct store_record old;
	if (pb_state_get(s, key, &old))
		s->digest -= digest_record(&old);
}

/* What follows the kind RECORD_PUT. */
static int read_put(struct slice *in, struct store_record *record)
{
	uint32_t key_len, value_len;
	if (!slice_take_u32(in, &key_len) || !slice_take_u32(in, &value_len) ||
	    !slice_take_u64(in, &record->version) || !slice_take_u64(in, &record->modification) ||
	    !slice_take(in, key_len, &record->key) || !slice_take(in, value_len, &record->value))
		return STATUS_CORRUPT;
	/* Half of the versions are left, and a value that is sent on fits a frame. */
	return key_len == 0 || key_len > STORE_KEY_BYTES_MAX || value_len > KV_RESULT_BYTES_MAX ||
			       record->version > STORE_VERSION_MAX / 2
		       ? STATUS_CORRUPT
		       : 0;
}

static int read_delete(struct slice *in, struct slice *key)
{
	uint32_t key_len;
	return slice_take_u32(in, &key_len) && slice_take(in, key_len, key) ? 0 : STATUS_CORRUPT;
}

int pb_state_check_records(struct slice in)
{
	struct store_record record;
	uint8_t kind;
	int status = 0;
	while (status == 0 && slice_take_u8(&in, &kind)) {
		if (kind == RECORD_PUT)
			status = read_put(&in, &record);
		else if (kind == RECORD_DELETE)
			status = read_delete(&in, &record.key);
		else
			status = STATUS_CORRUPT;
	}
	return status;
}

static int take_put(struct pb_state *s, struct slice *in)
{
	struct store_record record;
	int status = read_put(in, &record);
	if (status != 0)
		return status;
	drop_digest(s, record.key);
	s->digest += digest_record(&record);
	s->store->ops->put(s->store, PB_STATE_SPACE, &record);
	return 0;
}

static int take_delete(struct pb_state *s, struct slice *in)
{
	struct slice key;
	int status = read_delete(in, &key);
	if (status != 0)
		return status;
	drop_digest(s, key);
	s->store->ops->remove(s->store, PB_STATE_SPACE, key);
	return 0;
}

int pb_state_take_records(struct pb_state *s, struct slice in)
{
	uint8_t kind;
	int status = 0;
	while (status == 0 && slice_take_u8(&in, &kind)) {
		if (kind == RECORD_PUT)
			status = take_put(s, &in);
		else if (kind == RECORD_DELETE)
			status = take_delete(s, &in);
		else
			status = STATUS_CORRUPT;
	}
	return status;
}
