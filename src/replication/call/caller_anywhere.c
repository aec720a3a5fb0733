/*
 * Reads that need not go to the leader (rsm/read_index.h): which server is asked, and whether its
 * answer will do.
 *
 * First each server gets its turn, from the one on that has answered the last such read, so that a
 * reader stays with one replica while that serves it. When all have refused, or have nothing young
 * enough, the leader is asked with the QUERY that the read stands for, and all is as with any
 * other. Here nobody is doubted as a leader: a replica that cannot serve a read may lead all the
 * same.
 */
#include "base/alloc.h"
#include "call/caller_internal.h"
#include "wire/method.h"
#include "wire/wire.h"

static const struct {
	uint16_t query, indexed, stale;
} methods[] = {
	{METHOD_QUERY, METHOD_QUERY_INDEXED, METHOD_QUERY_STALE},
	{METHOD_QUERY_UNCONFIRMED, METHOD_QUERY_INDEXED, METHOD_QUERY_STALE},
	{METHOD_LOG_QUERY, METHOD_LOG_QUERY_INDEXED, METHOD_LOG_QUERY_STALE},
};

/*
 * The next server from `from` on that the call would rather ask; the presumed leader only if there
 * is no other.
 */
static uint32_t choose(const struct caller_call *call, uint32_t from)
{
	const struct caller *caller = call->caller;
	uint32_t index = from % caller->nservers;
	if (call->reading->wanted.prefer == CALLER_PREFER_FOLLOWER && index == caller->preferred)
		index = (index + 1) % caller->nservers;
	return index;
}

void caller_anywhere_begin(struct caller_call *call, const struct caller_read *read)
{
	call->reading = ALLOC(struct caller_reading);
	call->reading->wanted = *read;
	/* The leader answers a linearizable read in the usual way. */
	if (!read->stale && read->prefer != CALLER_PREFER_FOLLOWER)
		return;
	uint32_t i = 0, count = sizeof methods / sizeof methods[0];
	while (i < count && methods[i].query != call->method)
		i++;
	ASSERT(i < count);
	call->reading->leader_method = call->method == METHOD_QUERY_UNCONFIRMED ? METHOD_QUERY
										: call->method;
	call->method = read->stale ? methods[i].stale : methods[i].indexed;
	call->confirmable = false;
	call->reading->anywhere = true;
}

/* The leader is asked, as for any other read. */
static void ask_leader(struct caller_call *call)
{
	call->reading->anywhere = call->waiting = false;
	call->method = call->reading->leader_method;
	call->caller->queries += call->method == METHOD_QUERY;
	call->tries = 0;
	caller_send_attempt(call);
}

uint32_t caller_anywhere_target(struct caller_call *call)
{
	struct caller *caller = call->caller;
	if (call->tries++ == 0)
		call->reading->target = choose(call,
					       call->reading->wanted.prefer == CALLER_PREFER_LEADER
						       ? caller->preferred
						       : caller->reader);
	return call->reading->target % caller->nservers;
}

void caller_anywhere_next(struct caller_call *call)
{
	struct caller *caller = call->caller;
	uint32_t others = caller->nservers -
			  (call->reading->wanted.prefer == CALLER_PREFER_FOLLOWER &&
			   caller->nservers > 1);
	call->waiting = false;
	if (call->tries >= others) {
		ask_leader(call);
		return;
	}
	call->reading->target = choose(call, call->reading->target + 1);
	caller->reader = call->reading->target;
	caller_send_attempt(call);
}

void caller_note_sent(struct caller_call *call, uint64_t id)
{
	struct caller_reading *reading = call->reading;
	uint32_t i = 0;
	/* In the place of one that is no longer open. */
	while (reading->sent[i].id != 0 &&
	       map_get(&call->caller->by_id, reading->sent[i].id) == call) {
		i++;
		ASSERT(i < ATTEMPTS_MAX);
	}
	reading->sent[i] = (struct caller_sent){.id = id,
						.at_us = node_now_us(call->caller->node),
						.method = call->method,
						.anywhere = reading->anywhere};
}

const struct caller_sent *caller_sent(const struct caller_call *call, uint64_t id)
{
	uint32_t i = 0;
	while (i < ATTEMPTS_MAX && call->reading->sent[i].id != id)
		i++;
	ASSERT(i < ATTEMPTS_MAX);
	return &call->reading->sent[i];
}

static uint64_t elapsed_us(const struct caller_call *call, const struct caller_sent *sent)
{
	uint64_t now_us = node_clock_us(call->caller->node);
	return now_us > sent->at_us ? now_us - sent->at_us : 0;
}

bool caller_young_enough(struct caller_call *call, const struct caller_sent *sent)
{
	/* It was read after the question had left. */
	call->reading->age = (struct caller_age){.known = true, .us = elapsed_us(call, sent)};
	return call->reading->wanted.age_us_max == 0 ||
	       call->reading->age.us <= call->reading->wanted.age_us_max;
}

/* 0, and call->reading->age and *body are those of the answer; or STATUS_BAD_REQUEST. */
static int take_stale(struct caller_call *call, const struct caller_sent *sent,
		      struct slice payload, struct slice *body)
{
	struct wire_stale_reply reply;
	int status = wire_stale_reply_decode(payload, &call->caller->arena, &reply);
	uint64_t elapsed = elapsed_us(call, sent);
	if (status != 0)
		return status;
	call->reading->age = (struct caller_age){.stale = true,
						 .known = reply.age_known &&
							  reply.age_us < UINT64_MAX - elapsed,
						 .slot = reply.slot,
						 .replica = reply.replica};
	call->reading->age.us = call->reading->age.known ? reply.age_us + elapsed : 0;
	*body = reply.body;
	return 0;
}

static bool will_do(const struct caller_call *call)
{
	uint64_t max_us = call->reading->wanted.age_us_max;
	return max_us == 0 || (call->reading->age.known && call->reading->age.us <= max_us);
}

static void answered(struct caller_call *call, const struct caller_sent *sent, bool current,
		     uint32_t index, struct slice payload)
{
	struct caller *caller = call->caller;
	struct slice body = payload;
	const char *outcome = "answered";
	bool stale = sent->method == METHOD_QUERY_STALE || sent->method == METHOD_LOG_QUERY_STALE;
	arena_reset(&caller->arena);
	if (!stale)
		caller_young_enough(call, sent);
	else if (take_stale(call, sent, payload, &body) != 0)
		outcome = "malformed answer";
	else if (!will_do(call))
		outcome = call->reading->age.known ? "what it has may be older than asked for"
						   : "it does not know how old what it has is";
	bool good = outcome[0] == 'a';
	if (index != UINT32_MAX)
		caller->servers[index].outcome = outcome;
	if (good && index != UINT32_MAX)
		caller->reader = index;
	if (good)
		caller_finish(call, 0, body);
	else if (current)
		caller_anywhere_next(call);
}

void caller_anywhere_message(struct caller_call *call, const struct caller_sent *sent, bool current,
			     uint32_t index, const struct message *message)
{
	struct caller *caller = call->caller;
	const char *outcome = NULL;
	bool leader_may = false;
	switch (message->status) {
	case STATUS_OK: answered(call, sent, current, index, message->payload); return;
	case STATUS_NOT_LEADER:
	case STATUS_UNAVAILABLE: outcome = "unavailable"; break;
	case STATUS_BUSY:
	case STATUS_DEADLINE: outcome = "busy"; break;
	case STATUS_WRONG_GROUP:
		/*
		 * It may lag behind in this, too; or a shard may have to be claimed, which the
		 * leader does.
		 */
		outcome = "does not serve that yet";
		leader_may = true;
		break;
	case STATUS_UNKNOWN_METHOD:
		outcome = "does not know such reads";
		leader_may = true;
		break;
	default:
		call->reading->age = (struct caller_age){0};
		caller_finish(call, message->status, message->payload);
		return;
	}
	if (index != UINT32_MAX)
		caller->servers[index].outcome = outcome;
	if (!current)
		return;
	if (leader_may)
		ask_leader(call);
	else
		caller_anywhere_next(call);
}
