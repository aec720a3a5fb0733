#include "rsm/sessions.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/limits.h"

void sessions_init(struct sessions *s, uint32_t count_max, uint64_t idle_us)
{
	ASSERT(count_max > 0);
	*s = (struct sessions){.count_max = count_max, .idle_us = idle_us};
	list_init(&s->order);
}

static void reply_free(struct session *session, struct session_reply *r)
{
	session->reply_bytes -= r->len;
	session->table->reply_bytes -= r->len;
	if (r->len > SESSION_INLINE_BYTES)
		bytes_unref(r->body.bytes);
}

static void session_free(struct sessions *s, struct session *session)
{
	for (uint32_t i = 0; i < session->count; i++)
		reply_free(session, &session->replies[session->first + i]);
	map_remove(&s->by_client, session->client);
	list_remove(&session->order);
	free(session->replies);
	free(session);
}

void sessions_clear(struct sessions *s)
{
	LIST_FOR_SAFE(link, after, &s->order)
		session_free(s, LIST_ENTRY(link, struct session, order));
	s->floor = s->next_client = 0;
}

void sessions_free(struct sessions *s)
{
	sessions_clear(s);
	map_free(&s->by_client);
}

static void evict_oldest(struct sessions *s)
{
	struct session *oldest = LIST_ENTRY(list_first(&s->order), struct session, order);
	if (oldest->client > s->floor)
		s->floor = oldest->client;
	session_free(s, oldest);
	s->evicted++;
}

void sessions_expire(struct sessions *s, uint64_t now_us)
{
	while (!list_empty(&s->order)) {
		const struct session *oldest = LIST_ENTRY(list_first(&s->order), struct session, order);
		if (oldest->used_us + s->idle_us >= now_us)
			return;
		evict_oldest(s);
	}
}

static struct session *create(struct sessions *s, uint64_t client)
{
	while (s->by_client.count >= s->count_max)
		evict_oldest(s);
	struct session *session = ALLOC(struct session);
	session->table = s;
	session->client = client;
	list_init(&session->order);
	map_put(&s->by_client, client, session);
	return session;
}

static void acknowledge(struct session *session, uint64_t acknowledged)
{
	if (acknowledged <= session->acknowledged)
		return;
	session->acknowledged = acknowledged;
	while (session->count > 0 && session->replies[session->first].sequence < acknowledged) {
		reply_free(session, &session->replies[session->first]);
		session->first++;
		session->count--;
	}
	if (session->count == 0)
		session->first = 0;
}

/* The position of the first kept reply with a sequence ≥ sequence. */
static uint32_t position(const struct session *session, uint64_t sequence)
{
	uint32_t low = 0, high = session->count;
	/* Nearly always the newest. */
	if (high > 0 && session->replies[session->first + high - 1].sequence < sequence)
		return high;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (session->replies[session->first + middle].sequence < sequence)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

enum session_verdict sessions_begin(struct sessions *s, uint64_t now_us, uint64_t client, uint64_t sequence,
				    uint64_t acknowledged, struct slice body, struct session **session_out,
				    const struct session_reply **repeat, int *status)
{
	struct session *session = map_get(&s->by_client, client);
	if (session == NULL) {
		if (client <= s->floor) {
			*status = STATUS_SESSION_EXPIRED;
			return SESSION_REFUSED;
		}
		session = create(s, client);
	}
	list_remove(&session->order);
	list_push_back(&s->order, &session->order);
	session->used_us = now_us;
	acknowledge(session, acknowledged);
	uint32_t at = position(session, sequence);
	const struct session_reply *kept = at < session->count ? &session->replies[session->first + at] : NULL;
	if (kept != NULL && kept->sequence == sequence && kept->crc == crc32c(0, body.data, body.len)) {
		*repeat = kept;
		return SESSION_REPEAT;
	}
	if (sequence < session->acknowledged || (kept != NULL && kept->sequence == sequence)) {
		*status = STATUS_SEQUENCE_REUSED;
		return SESSION_REFUSED;
	}
	if (session->count >= SESSION_WINDOW_MAX || session->reply_bytes >= SESSION_REPLY_BYTES_MAX) {
		*status = STATUS_BUSY;
		return SESSION_REFUSED;
	}
	*session_out = session;
	return SESSION_NEW;
}

/* Makes room for one more reply at the end of the array. */
static void make_room(struct session *session)
{
	if (session->first + session->count < session->capacity)
		return;
	if (session->first > session->count) {
		memmove(session->replies, session->replies + session->first, session->count * sizeof *session->replies);
		session->first = 0;
		return;
	}
	session->capacity = session->capacity == 0 ? 2 : session->capacity * 2;
	session->replies = alloc_resize(session->replies, session->capacity, sizeof *session->replies);
}

void sessions_record(struct session *session, uint64_t sequence, struct slice body, int status, struct slice reply)
{
	make_room(session);
	uint32_t at = position(session, sequence);
	struct session_reply *r = &session->replies[session->first + at];
	memmove(r + 1, r, (session->count - at) * sizeof *r);
	session->count++;
	*r = (struct session_reply){
		.sequence = sequence,
		.crc = crc32c(0, body.data, body.len),
		.status = status,
		.len = (uint32_t)reply.len,
	};
	if (reply.len > SESSION_INLINE_BYTES)
		r->body.bytes = bytes_copy(reply);
	else if (reply.len > 0)
		memcpy(r->body.data, reply.data, reply.len);
	struct sessions *s = session->table;
	session->reply_bytes += reply.len;
	s->reply_bytes += reply.len;
	while (s->reply_bytes > SESSIONS_REPLY_BYTES_MAX && list_first(&s->order) != &session->order)
		evict_oldest(s);
}

uint64_t sessions_register(struct sessions *s)
{
	return ++s->next_client;
}

/* ---- snapshots ---- */

void sessions_encode(const struct sessions *s, struct buffer *out)
{
	buffer_add_u64(out, s->floor);
	buffer_add_u64(out, s->next_client);
	buffer_add_u64(out, s->by_client.count);
	LIST_FOR(link, &s->order) {
		const struct session *session = LIST_ENTRY(link, struct session, order);
		buffer_add_u64(out, session->client);
		buffer_add_u64(out, session->acknowledged);
		buffer_add_u64(out, session->used_us);
		buffer_add_u32(out, session->count);
		for (uint32_t i = 0; i < session->count; i++) {
			const struct session_reply *r = &session->replies[session->first + i];
			buffer_add_u64(out, r->sequence);
			buffer_add_u32(out, r->crc);
			buffer_add_u32(out, (uint32_t)-r->status);
			buffer_add_u32(out, r->len);
			buffer_add_slice(out, session_reply_body(r));
		}
	}
}

static int decode_reply(struct session *session, struct slice *in)
{
	uint64_t sequence;
	uint32_t crc, status, len;
	struct slice body;
	if (!slice_take_u64(in, &sequence) || !slice_take_u32(in, &crc) || !slice_take_u32(in, &status) ||
	    !slice_take_u32(in, &len) || !slice_take(in, len, &body) || status > INT32_MAX)
		return STATUS_CORRUPT;
	if (session->count > 0 && session->replies[session->count - 1].sequence >= sequence)
		return STATUS_CORRUPT;
	sessions_record(session, sequence, slice(NULL, 0), -(int)status, body);
	session->replies[session->count - 1].crc = crc;
	return 0;
}

static int decode_session(struct sessions *s, struct slice *in)
{
	uint64_t client, acknowledged, used_us;
	uint32_t count;
	if (!slice_take_u64(in, &client) || !slice_take_u64(in, &acknowledged) || !slice_take_u64(in, &used_us) ||
	    !slice_take_u32(in, &count) || count > SESSION_WINDOW_MAX || map_get(&s->by_client, client) != NULL)
		return STATUS_CORRUPT;
	struct session *session = ALLOC(struct session);
	session->table = s;
	session->client = client;
	session->acknowledged = acknowledged;
	session->used_us = used_us;
	list_push_back(&s->order, &session->order);
	map_put(&s->by_client, client, session);
	for (uint32_t i = 0; i < count; i++)
		if (decode_reply(session, in) != 0)
			return STATUS_CORRUPT;
	return 0;
}

int sessions_decode(struct sessions *s, struct slice in)
{
	uint64_t count;
	sessions_clear(s);
	if (!slice_take_u64(&in, &s->floor) || !slice_take_u64(&in, &s->next_client) || !slice_take_u64(&in, &count))
		return STATUS_CORRUPT;
	for (uint64_t i = 0; i < count; i++)
		if (decode_session(s, &in) != 0)
			return STATUS_CORRUPT;
	return in.len == 0 ? 0 : STATUS_CORRUPT;
}

uint32_t sessions_hash(const struct sessions *s)
{
	struct buffer b = {0};
	sessions_encode(s, &b);
	uint32_t hash = crc32c(0, b.data, b.len);
	buffer_free(&b);
	return hash;
}
