/*
 * The hash of the table as it is at one moment, made over many turns while commands go on. A
 * session that is about to change, or to go, before it has been looked at is looked at first. Those
 * that have not been are the front of each list: whatever is used goes to the back.
 */
#include "base/digest.h"
#include "rsm/sessions.h"

/* What a session takes to be looked at, as bytes that might be copied in that time. */
#define SESSION_WORK 128u

static uint64_t digest_of(const struct session *session)
{
	uint64_t digest = digest_mix(session->client, session->acknowledged);
	digest = digest_mix(digest, session->used_us << 1 | session->returned);
	for (uint32_t i = 0; i < session->count; i++) {
		const struct session_reply *r = &session->replies[session->first + i];
		digest = digest_mix(digest, r->sequence);
		digest = digest_mix(digest, (uint64_t)r->crc << 32 | (uint32_t)r->status);
		digest = digest_bytes(digest, session_reply_body(r));
	}
	return digest;
}

static struct session *session_at(const struct list *head, struct list *link)
{
	return link == head ? NULL : LIST_ITEM(link, struct session, order);
}

void sessions_digest_note(struct sessions *s, struct session *session)
{
	struct sessions_digest *d = &s->digest;
	/* It may move, or go. */
	if (d->at == &session->order)
		d->at = session->order.next;
	if (session->digest_round == d->round)
		return;
	session->digest_round = d->round;
	d->sum += digest_of(session);
}

void sessions_digest_begin(struct sessions *s)
{
	struct buffer evicted = {0};
	struct sessions_digest *d = &s->digest;
	id_ranges_encode(&s->evicted, &evicted);
	d->round++;
	d->sum = digest_bytes(digest_mix(s->next_client, s->registered), buffer_slice(&evicted));
	buffer_free(&evicted);
	d->under_way = true;
	d->list = &s->once;
	d->at = d->list->next;
}

bool sessions_digest_next(struct sessions *s, uint64_t work)
{
	struct sessions_digest *d = &s->digest;
	ASSERT(d->under_way);
	for (uint64_t done = 0; done < work; done += SESSION_WORK) {
		struct session *session = session_at(d->list, d->at);
		if (session != NULL && session->digest_round != d->round) {
			done += session->reply_bytes;
			sessions_digest_note(s, session);
		} else if (d->list == &s->once) {
			d->list = &s->order;
			d->at = d->list->next;
		} else {
			d->under_way = false;
			return false;
		}
	}
	return true;
}
