/* The table of sessions. */
#include "rsm/sessions.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/limits.h"

void sessions_init(struct sessions *s, uint64_t count_max, uint64_t idle_us)
{
	*s = (struct sessions){0};
	list_init(&s->once);
	list_init(&s->order);
	sessions_limit(s, count_max, idle_us);
}

static void reply_free(struct session *session, struct session_reply *r)
{
	session->reply_bytes -= r->len;
	session->table->reply_bytes -= r->len;
	if (r->len > SESSION_INLINE_BYTES)
		bytes_unref(r->body.bytes);
}

/* It is about to change, or to go. */
static void note(struct sessions *s, struct session *session)
{
	if (s->digest.under_way)
		sessions_digest_note(s, session);
	if (s->image.under_way)
		sessions_image_note(s, session);
}

/* At the back of its list. */
static void take_place(struct sessions *s, struct session *session)
{
	session->place = ++s->places;
	list_push_back(session->returned ? &s->order : &s->once, &session->order);
}

static void session_free(struct sessions *s, struct session *session)
{
	note(s, session);
	for (uint32_t i = 0; i < session->count; i++)
		reply_free(session, &session->replies[session->first + i]);
	map_remove(&s->by_client, session->client);
	list_remove(&session->order);
	ASSERT(session->reply_bytes == 0 && (session->returned || s->once_count > 0));
	s->once_count -= !session->returned;
	free(session->replies);
	free(session);
}

static void clear_list(struct sessions *s, struct list *list)
{
	LIST_FOR_SAFE (link, after, list)
		session_free(s, LIST_ITEM(link, struct session, order));
}

void sessions_clear(struct sessions *s)
{
	s->digest.under_way = false;
	sessions_image_end(s);
	clear_list(s, &s->once);
	clear_list(s, &s->order);
	id_ranges_free(&s->evicted);
	s->next_client = s->registered = 0;
}

void sessions_free(struct sessions *s)
{
	sessions_clear(s);
	map_free(&s->by_client);
}

/* ---- eviction ---- */

static struct session *first_of(struct list *list)
{
	struct list *link = list_first(list);
	return link == NULL ? NULL : LIST_ITEM(link, struct session, order);
}

static void evict(struct sessions *s, struct session *session)
{
	/* It must be remembered as evicted: else it would count as one that has never been. */
	ASSERT(session != NULL && session->table == s);
	if (s->first_version)
		id_ranges_raise(&s->evicted, session->client);
	else
		id_ranges_add(&s->evicted, session->client);
	session_free(s, session);
	s->evictions++;
}

static void evict_one(struct sessions *s)
{
	struct session *once = first_of(&s->once), *other = first_of(&s->order);
	bool crowded = s->once_count > s->count_max / 2;
	evict(s, once != NULL && (crowded || other == NULL) ? once : other);
}

void sessions_limit(struct sessions *s, uint64_t count_max, uint64_t idle_us)
{
	ASSERT(count_max > 0 && count_max <= UINT32_MAX);
	s->count_max = (uint32_t)count_max;
	s->idle_us = idle_us;
	s->first_version = false;
	while (s->by_client.count > s->count_max)
		evict_one(s);
	ASSERT(s->by_client.count <= s->count_max);
}

static void expire(struct sessions *s, struct list *list, uint64_t now_us)
{
	struct session *oldest;
	while ((oldest = first_of(list)) != NULL && oldest->used_us + s->idle_us < now_us)
		evict(s, oldest);
}

void sessions_expire(struct sessions *s, uint64_t now_us, uint32_t format)
{
	s->first_version = format == 2;
	expire(s, &s->once, now_us);
	expire(s, &s->order, now_us);
}

static struct session *create(struct sessions *s, uint64_t client)
{
	while (s->by_client.count >= s->count_max)
		evict_one(s);
	struct session *session = ALLOC(struct session);
	session->table = s;
	session->client = client;
	session->digest_round = s->digest.round;
	list_init(&session->order);
	map_put(&s->by_client, client, session);
	s->once_count++;
	ASSERT(s->by_client.count <= s->count_max && s->once_count <= s->by_client.count);
	return session;
}

/* ---- judging ---- */

/* The highest sequence that is known here. */
static uint64_t highest_of(const struct session *session)
{
	if (session == NULL)
		return 0;
	uint64_t newest = session->count > 0
				  ? session->replies[session->first + session->count - 1].sequence
				  : 0;
	return newest > session->acknowledged ? newest : session->acknowledged;
}

static bool is_absurd(const struct session *session, uint64_t sequence, uint64_t acknowledged)
{
	uint64_t highest = highest_of(session);
	return acknowledged > sequence || sequence - acknowledged > SESSION_SPREAD_MAX ||
	       (sequence > highest && sequence - highest > SESSION_JUMP_MAX);
}

static enum session_judgement judge(const struct sessions *s, const struct session *session,
				    uint64_t client, uint64_t sequence, uint64_t acknowledged)
{
	if (is_absurd(session, sequence, acknowledged))
		return SESSION_ABSURD;
	if (session != NULL)
		return SESSION_FINE;
	if (client > sessions_mark(s))
		return SESSION_UNKNOWN;
	return id_ranges_has(&s->evicted, client) ? SESSION_EVICTED : SESSION_FINE;
}

enum session_judgement sessions_judge(const struct sessions *s, uint64_t client, uint64_t sequence,
				      uint64_t acknowledged)
{
	return judge(s, map_get(&s->by_client, client), client, sequence, acknowledged);
}

const char *session_judgement_text(enum session_judgement judgement)
{
	switch (judgement) {
	case SESSION_ABSURD:
		return "its numbers do not follow from what is known of this client: a client "
		       "counts its commands from 1, and acknowledges what it has been answered; "
		       "register anew";
	case SESSION_UNKNOWN:
		return "nobody was given this client id: ask for one with REGISTER first";
	case SESSION_EVICTED:
		return "the session has ended (it was idle for long, or others took its place): "
		       "register anew";
	case SESSION_FINE: break;
	}
	return "";
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
	/* What is kept has not been acknowledged. */
	ASSERT(session->count == 0 || session->replies[session->first].sequence >= acknowledged);
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

bool sessions_answered(const struct sessions *s, uint64_t client, uint64_t sequence)
{
	const struct session *session = map_get(&s->by_client, client);
	uint32_t at = session == NULL ? 0 : position(session, sequence);
	return session != NULL && at < session->count &&
	       session->replies[session->first + at].sequence == sequence;
}

static struct session *touch(struct sessions *s, struct session *session, uint64_t now_us)
{
	if (session->place != 0)
		note(s, session);
	list_remove(&session->order);
	take_place(s, session);
	session->used_us = now_us;
	return session;
}

/* The session has sent another command than its first. */
static void returns(struct sessions *s, struct session *session)
{
	if (session->returned)
		return;
	session->returned = true;
	s->once_count--;
	list_remove(&session->order);
	take_place(s, session);
}

enum session_verdict sessions_begin(struct sessions *s, uint64_t now_us, uint32_t format,
				    const struct entry_command *command,
				    struct session **session_out,
				    const struct session_reply **repeat, int *status)
{
	struct session *session = map_get(&s->by_client, command->client);
	uint64_t sequence = command->sequence;
	bool first = session == NULL;
	s->first_version = format == 2;
	bool refused = first && id_ranges_has(&s->evicted, command->client);
	if (!s->first_version)
		refused = judge(s, session, command->client, sequence, command->acknowledged) !=
			  SESSION_FINE;
	if (refused) {
		*status = STATUS_SESSION_EXPIRED;
		return SESSION_REFUSED;
	}
	session = touch(s, first ? create(s, command->client) : session, now_us);
	/*
	 * It had one list, in its snapshots, too: who starts from one must go on like who replays
	 * its entries.
	 */
	if (s->first_version)
		returns(s, session);
	acknowledge(session, command->acknowledged);
	uint32_t at = position(session, sequence);
	const struct session_reply *kept = at < session->count
						   ? &session->replies[session->first + at]
						   : NULL;
	if (kept != NULL && kept->sequence == sequence &&
	    kept->crc == crc32c(0, command->body.data, command->body.len)) {
		*repeat = kept;
		return SESSION_REPEAT;
	}
	if (sequence < session->acknowledged || (kept != NULL && kept->sequence == sequence)) {
		*status = STATUS_SEQUENCE_REUSED;
		return SESSION_REFUSED;
	}
	if (session->count >= SESSION_WINDOW_MAX ||
	    session->reply_bytes >= SESSION_REPLY_BYTES_MAX) {
		*status = STATUS_BUSY;
		return SESSION_REFUSED;
	}
	/*
	 * Else a few clients that acknowledge nothing would fill every server's memory, and each
	 * snapshot.
	 */
	if (!s->first_version && s->reply_bytes >= SESSIONS_CROWDED_BYTES &&
	    session->reply_bytes >= SESSION_CROWDED_SHARE_BYTES) {
		*status = STATUS_BUSY;
		return SESSION_REFUSED;
	}
	if (!first)
		returns(s, session);
	*session_out = session;
	return SESSION_NEW;
}

/* Makes room for one more reply at the end of the array. */
static void make_room(struct session *session)
{
	if (session->first + session->count < session->capacity)
		return;
	if (session->first > session->count) {
		memmove(session->replies, session->replies + session->first,
			session->count * sizeof *session->replies);
		session->first = 0;
		return;
	}
	session->capacity = session->capacity == 0 ? 2 : session->capacity * 2;
	session->replies = alloc_resize(session->replies, session->capacity,
					sizeof *session->replies);
}

/* Those that have sent one command go first, the one that has just been answered never. */
static void make_room_for_replies(struct sessions *s, const struct session *keep)
{
	while (s->reply_bytes > SESSIONS_REPLY_BYTES_MAX) {
		struct session *victim = first_of(&s->once);
		if (victim == NULL || victim == keep)
			victim = first_of(&s->order);
		if (victim == NULL || victim == keep)
			return;
		evict(s, victim);
	}
}

void sessions_record(struct session *session, uint64_t sequence, struct slice body, int status,
		     struct slice reply)
{
	make_room(session);
	uint32_t at = position(session, sequence);
	/* sessions_begin() has let it pass: there is room, and it has no answer yet. */
	ASSERT(session->count < SESSION_WINDOW_MAX);
	ASSERT(at == session->count || session->replies[session->first + at].sequence > sequence);
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
	make_room_for_replies(s, session);
}

uint64_t sessions_register(struct sessions *s)
{
	return ++s->next_client;
}

static void forget_above(struct sessions *s, struct list *list, uint64_t mark)
{
	LIST_FOR_SAFE (link, after, list) {
		struct session *session = LIST_ITEM(link, struct session, order);
		if (session->client > mark)
			session_free(s, session);
	}
}

void sessions_registered(struct sessions *s, uint64_t client)
{
	if (client <= s->registered)
		return;
	bool first = s->registered == 0;
	s->registered = client;
	if (!first)
		return;
	forget_above(s, &s->once, sessions_mark(s));
	forget_above(s, &s->order, sessions_mark(s));
	id_ranges_cut(&s->evicted, sessions_mark(s));
}

/* ---- snapshots ---- */

void session_encode(const struct session *session, struct buffer *out)
{
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

static void encode_list(const struct list *list, struct buffer *out)
{
	LIST_FOR (link, list)
		session_encode(LIST_ITEM(link, struct session, order), out);
}

void sessions_encode_head(const struct sessions *s, struct buffer *out)
{
	buffer_add_u64(out, s->next_client);
	buffer_add_u64(out, s->registered);
	id_ranges_encode(&s->evicted, out);
	buffer_add_u64(out, s->by_client.count);
	buffer_add_u64(out, s->once_count);
}

void sessions_encode(const struct sessions *s, struct buffer *out)
{
	sessions_encode_head(s, out);
	encode_list(&s->once, out);
	encode_list(&s->order, out);
}

static int decode_reply(struct session *session, struct slice *in)
{
	uint64_t sequence;
	uint32_t crc, status, len;
	struct slice body;
	if (!slice_take_u64(in, &sequence) || !slice_take_u32(in, &crc) ||
	    !slice_take_u32(in, &status) || !slice_take_u32(in, &len) ||
	    !slice_take(in, len, &body) || status > INT32_MAX)
		return STATUS_CORRUPT;
	if (session->count > 0 && session->replies[session->count - 1].sequence >= sequence)
		return STATUS_CORRUPT;
	sessions_record(session, sequence, slice(NULL, 0), -(int)status, body);
	session->replies[session->count - 1].crc = crc;
	return 0;
}

static int decode_session(struct sessions *s, struct slice *in, bool returned)
{
	uint64_t client, acknowledged, used_us;
	uint32_t count;
	if (!slice_take_u64(in, &client) || !slice_take_u64(in, &acknowledged) ||
	    !slice_take_u64(in, &used_us) || !slice_take_u32(in, &count) ||
	    count > SESSION_WINDOW_MAX || map_get(&s->by_client, client) != NULL)
		return STATUS_CORRUPT;
	struct session *session = ALLOC(struct session);
	session->table = s;
	session->client = client;
	session->acknowledged = acknowledged;
	session->used_us = used_us;
	session->returned = returned;
	s->once_count += !returned;
	take_place(s, session);
	map_put(&s->by_client, client, session);
	for (uint32_t i = 0; i < count; i++)
		if (decode_reply(session, in) != 0)
			return STATUS_CORRUPT;
	return 0;
}

int sessions_decode(struct sessions *s, struct slice in)
{
	uint64_t count, once;
	sessions_clear(s);
	if (!slice_take_u64(&in, &s->next_client) || !slice_take_u64(&in, &s->registered) ||
	    id_ranges_decode(&s->evicted, &in) != 0 || !slice_take_u64(&in, &count) ||
	    !slice_take_u64(&in, &once) || once > count)
		return STATUS_CORRUPT;
	for (uint64_t i = 0; i < count; i++)
		if (decode_session(s, &in, i >= once) != 0)
			return STATUS_CORRUPT;
	return in.len == 0 ? 0 : STATUS_CORRUPT;
}

int sessions_decode_first_version(struct sessions *s, struct slice in)
{
	uint64_t count;
	sessions_clear(s);
	if (!slice_take_u64(&in, &s->evicted.floor) || !slice_take_u64(&in, &s->next_client) ||
	    !slice_take_u64(&in, &count))
		return STATUS_CORRUPT;
	for (uint64_t i = 0; i < count; i++)
		if (decode_session(s, &in, true) != 0)
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
