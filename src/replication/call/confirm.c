/* The rule of the header. */
#include "call/confirm.h"

#include "core/ballot.h"

/*
 * Reads that do not try after the first failure, and after the leader has said that it would rather
 * be asked; twice as many each further time.
 */
#define SKIP_FAILURE 16u
#define SKIP_RATHER_QUERY 64u
#define SKIP_MAX 4096u
/*
 * Of so many reads one finds it time to connect, and the first time is earlier: who reads once or
 * twice is no reason.
 */
#define CONNECT_FIRST 8u
#define CONNECT_EVERY 128u
#define BODY_KEPT_BYTES_MAX (64u * KIB)

void confirm_init(struct confirmation *c, uint32_t alone_min, uint32_t first)
{
	*c = (struct confirmation){.alone_min = alone_min != 0 ? alone_min : CONFIRM_ALONE_DEFAULT,
				   .first = first};
}

static uint32_t skip_after(uint32_t first, uint32_t times)
{
	uint32_t skip = first;
	while (times-- > 0 && skip < SKIP_MAX)
		skip *= 2;
	return skip;
}

void confirm_read_begins(struct confirmation *c, bool alone)
{
	c->alone = alone ? c->alone + 1 : 0;
}

bool confirm_worth(struct confirmation *c)
{
	if (c->call != NULL || c->alone < c->alone_min)
		return false;
	if (c->skip == 0)
		return true;
	c->skip--;
	return false;
}

bool confirm_connects(struct confirmation *c)
{
	return ++c->reads % CONNECT_EVERY == CONNECT_FIRST;
}

void confirm_begin(struct confirmation *c, struct caller_call *call, link_id link, uint64_t id,
		   uint64_t now_us, uint64_t timeout_us)
{
	ASSERT(c->call == NULL);
	c->call = call;
	c->link = link;
	c->id = id;
	c->started_us = now_us;
	c->end_us = now_us + timeout_us;
	c->nasked = 0;
	c->answered = false;
}

void confirm_ask(struct confirmation *c, uint64_t id, link_id link)
{
	ASSERT(c->nasked < CONFIRM_ASKED_MAX);
	c->asked[c->nasked++] = (struct confirm_asked){.id = id, .link = link};
}

/* Does this one name the leader's ballot, and is nobody that has been counted? */
static bool confirms(const struct confirmation *c, uint32_t index)
{
	const struct wire_ballot_reply *reply = &c->asked[index].reply;
	if (reply->group != c->answer.group || reply->ballot != c->answer.ballot ||
	    reply->replica == ballot_replica(c->answer.ballot))
		return false;
	for (uint32_t i = 0; i < index; i++)
		if (c->asked[i].answered && c->asked[i].reply.replica == reply->replica)
			return false;
	return true;
}

/* Is it one of those whose word counts? A learner may be asked, or one that has been removed. */
static bool has_vote(const struct confirmation *c, const struct wire_ballot_reply *reply)
{
	struct slice voters = c->answer.voters;
	uint64_t life;
	if (reply->ballot == 0)
		return false;
	while (slice_take_u64(&voters, &life))
		if (life == reply->life)
			return true;
	return c->answer.voters.len == 0;
}

static enum confirm_verdict judge(const struct confirmation *c)
{
	uint32_t confirmed = 0, waited_for = 0;
	if (!c->answered)
		return CONFIRM_WAITS;
	for (uint32_t i = 0; i < c->nasked; i++) {
		if (!c->asked[i].answered) {
			waited_for++;
			continue;
		}
		if (!has_vote(c, &c->asked[i].reply))
			continue;
		if (!confirms(c, i))
			return CONFIRM_FAILED;
		confirmed++;
	}
	if (confirmed >= c->answer.confirmations)
		return CONFIRM_GOOD;
	return confirmed + waited_for < c->answer.confirmations ? CONFIRM_FAILED : CONFIRM_WAITS;
}

enum confirm_verdict confirm_answer(struct confirmation *c, struct slice payload,
				    struct arena *arena)
{
	/* Nobody leads in ballot 0: an empty message is no answer. */
	if (wire_unconfirmed_reply_decode(payload, arena, &c->answer) != 0 || c->answer.ballot == 0)
		return CONFIRM_FAILED;
	c->answered = true;
	enum confirm_verdict verdict = judge(c);
	if (verdict != CONFIRM_WAITS)
		return verdict;
	/* Both outlive the message. */
	size_t len = c->answer.body.len, voters = c->answer.voters.len;
	buffer_clear(&c->body);
	if (!buffer_try_reserve(&c->body, len + voters))
		return CONFIRM_FAILED;
	buffer_add_slice(&c->body, c->answer.body);
	buffer_add_slice(&c->body, c->answer.voters);
	c->answer.body = slice(c->body.data, len);
	c->answer.voters = slice(c->body.data + len, voters);
	return CONFIRM_WAITS;
}

enum confirm_verdict confirm_ballot(struct confirmation *c, struct confirm_asked *asked,
				    struct slice payload, struct arena *arena)
{
	if (wire_ballot_reply_decode(payload, arena, &asked->reply) != 0)
		return CONFIRM_FAILED;
	asked->answered = true;
	return judge(c);
}

uint64_t confirm_patience_us(const struct confirmation *c, uint64_t now_us)
{
	uint64_t patience_us = 2 * (now_us - c->started_us);
	if (patience_us < CONFIRM_PATIENCE_US)
		patience_us = CONFIRM_PATIENCE_US;
	uint64_t left_us = c->end_us > now_us ? c->end_us - now_us : 0;
	return patience_us < left_us ? patience_us : left_us;
}

bool confirm_waits_for(const struct confirmation *c, link_id link)
{
	for (uint32_t i = 0; i < c->nasked; i++)
		if (c->asked[i].link == link && !c->asked[i].answered)
			return true;
	return c->link == link;
}

struct buffer confirm_take_body(struct confirmation *c)
{
	struct buffer body = c->body;
	c->body = (struct buffer){0};
	return body;
}

void confirm_give_body(struct confirmation *c, struct buffer body)
{
	/* An answer may be large; the next need not be. */
	if (c->body.data != NULL || body.capacity > BODY_KEPT_BYTES_MAX)
		buffer_free(&body);
	else
		c->body = body;
}

void confirm_succeeded(struct confirmation *c)
{
	c->failures = 0;
	if (c->answer.rather_query)
		c->skip = skip_after(SKIP_RATHER_QUERY, c->refusals++);
	else
		c->refusals = 0;
	confirm_dropped(c);
}

void confirm_failed(struct confirmation *c)
{
	c->skip = skip_after(SKIP_FAILURE, c->failures++);
	c->first++;
	confirm_dropped(c);
}

void confirm_dropped(struct confirmation *c)
{
	c->call = NULL;
	confirm_give_body(c, confirm_take_body(c));
}

void confirm_free(struct confirmation *c)
{
	buffer_free(&c->body);
}
