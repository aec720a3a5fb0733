/* One request to a group: who leads it, again and again, until somebody has answered. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "call/caller_internal.h"
#include "wire/method.h"
#include "wire/wire.h"

/* Addresses that hints may make of a few. */
#define ADOPTED_MAX 16u
/* An attempt is not given less than this, however near the deadline. */
#define ATTEMPT_MIN_US 100000u
/* It is given more and more when nobody answers, up to this. */
#define ATTEMPT_MAX_US 4000000u
#define HEDGE_DEFAULT_MS 150u
/* A payload takes its time on the way: this much of it in a microsecond. */
#define PAYLOAD_BYTES_PER_US 10u

/* Requests that are silent by intention, until there is something to tell. */
static bool is_long_poll(uint16_t method)
{
	return method == METHOD_WATCH || method == METHOD_AGREEMENT_WAIT ||
	       method == METHOD_LOG_TAIL;
}

static void back_off(struct caller_call *call, const char *outcome);

struct caller *caller_create(const struct caller_options *options)
{
	struct caller *caller = ALLOC(struct caller);
	uint32_t backoff_min_ms = options->backoff_min_ms != 0 ? options->backoff_min_ms : 10;
	uint32_t backoff_max_ms = options->backoff_max_ms != 0 ? options->backoff_max_ms : 500;
	caller->node = options->node;
	caller->attempt_timeout_us = 1000ull * (options->attempt_timeout_ms != 0
							? options->attempt_timeout_ms
							: 1000);
	caller->hedge_us = 1000ull *
			   (options->hedge_ms != 0 ? options->hedge_ms : HEDGE_DEFAULT_MS);
	if (caller->hedge_us > caller->attempt_timeout_us)
		caller->hedge_us = caller->attempt_timeout_us;
	caller->backoff_min_us = 1000ull * backoff_min_ms;
	caller->backoff_max_us = 1000ull * (backoff_max_ms > backoff_min_ms ? backoff_max_ms
									    : backoff_min_ms);
	/*
	 * Several callers of a node may share a link, on which ids must be unique: each counts from
	 * a random start of its own. Shifting keeps the counter from wrapping.
	 */
	caller->next_id = node_random(caller->node) >> 1;
	confirm_init(&caller->confirmation, options->confirm_alone,
		     (uint32_t)node_random(caller->node));
	/* Not all callers begin with the same replica. */
	caller->reader = caller->confirmation.first % (UINT32_MAX / 2);
	list_init(&caller->calls);
	arena_init(&caller->arena, ARENA_BYTES_MAX);
	return caller;
}

static void free_servers(struct server *servers, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		free(servers[i].address);
	free(servers);
}

static uint32_t find_address(const struct server *servers, uint32_t count, struct slice address)
{
	for (uint32_t i = 0; i < count; i++)
		if (slice_equal(slice_string(servers[i].address), address))
			return i;
	return UINT32_MAX;
}

uint32_t caller_find_link(const struct caller *caller, link_id link)
{
	for (uint32_t i = 0; i < caller->nservers; i++)
		if (caller->servers[i].link == link)
			return i;
	return UINT32_MAX;
}

void caller_set_addresses(struct caller *caller, const char *const *addresses, uint32_t count)
{
	struct server *old = caller->servers;
	uint32_t nold = caller->nservers;
	const char *leader = nold > 0 ? old[caller->preferred].address : "";
	caller->servers = count > 0 ? alloc_zeroed(count, sizeof *caller->servers) : NULL;
	caller->nservers = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct slice address = slice_string(addresses[i]);
		if (find_address(caller->servers, caller->nservers, address) != UINT32_MAX)
			continue;
		struct server *server = &caller->servers[caller->nservers++];
		server->address = alloc_string(addresses[i]);
		server->link = node_dial(caller->node, addresses[i]);
		uint32_t before = find_address(old, nold, address);
		server->outcome = before != UINT32_MAX ? old[before].outcome : NULL;
	}
	uint32_t preferred = find_address(caller->servers, caller->nservers, slice_string(leader));
	caller->preferred = preferred != UINT32_MAX ? preferred : 0;
	free_servers(old, nold);
	if (nold != 0 || caller->nservers == 0)
		return;
	/* Until now nobody could be asked. */
	LIST_FOR (link, &caller->calls) {
		struct caller_call *call = LIST_ITEM(link, struct caller_call, link);
		if (!call->waiting)
			caller_send_attempt(call);
	}
}

uint32_t caller_address_count(const struct caller *caller)
{
	return caller->nservers;
}

uint64_t caller_link_epoch(struct caller *caller, link_id link)
{
	struct env *env = caller->node->env;
	return env->ops->link_epoch != NULL ? env->ops->link_epoch(env, link) : 1;
}

void caller_forget_attempt(struct caller_call *call, uint32_t index)
{
	ASSERT(index < call->nattempts);
	map_remove(&call->caller->by_id, call->attempts[index].id);
	call->nattempts--;
	memmove(&call->attempts[index], &call->attempts[index + 1],
		(call->nattempts - index) * sizeof call->attempts[0]);
}

static void end_call(struct caller_call *call)
{
	call->caller->queries -= call->method == METHOD_QUERY;
	node_timer_cancel(call->caller->node, &call->timer);
	list_remove(&call->link);
}

static void free_call(struct caller_call *call)
{
	if (is_confirming(call))
		caller_end_confirmation(call, confirm_dropped);
	while (call->nattempts > 0)
		caller_forget_attempt(call, call->nattempts - 1);
	free(call->reading);
	free(call);
}

void caller_finish(struct caller_call *call, int status, struct slice payload)
{
	end_call(call);
	/* `done` may still ask caller_may_be_executed(). */
	call->done(call->context, status, payload);
	free_call(call);
}

/* The deadline has passed: the error names every server and what came of asking it. */
static void give_up(struct caller_call *call)
{
	struct caller *caller = call->caller;
	struct buffer tried = {0};
	for (uint32_t i = 0; i < caller->nservers; i++) {
		const struct server *server = &caller->servers[i];
		buffer_format(&tried, "%s%s (%s)", i == 0 ? "" : ", ", server->address,
			      server->outcome != NULL ? server->outcome : "not asked");
	}
	struct buffer error = {0};
	uint64_t waited_ms = (call->deadline_us - call->started_us) / 1000;
	uint64_t age_us_max = call->reading != NULL ? call->reading->wanted.age_us_max : 0;
	if (caller->nservers == 0)
		wire_error_format(&error, "no server is known to ask for this after %" PRIu64 " ms",
				  waited_ms);
	else if (age_us_max != 0)
		wire_error_format(
			&error,
			"no answer that is at most %" PRIu64 " ms old within %" PRIu64 " ms: %.*s",
			age_us_max / 1000, waited_ms, (int)tried.len, (const char *)tried.data);
	else
		wire_error_format(&error, "no leader answered within %" PRIu64 " ms: %.*s%s%.*s",
				  waited_ms, (int)tried.len, (const char *)tried.data,
				  caller->stranger.len > 0 ? "; " : "", (int)caller->stranger.len,
				  (const char *)caller->stranger.data);
	caller_finish(call, caller_may_be_executed(call) ? STATUS_UNKNOWN : STATUS_UNAVAILABLE,
		      buffer_slice(&error));
	buffer_free(&error);
	buffer_free(&tried);
}

/* Server `index` did not serve a request: look elsewhere, unless somebody already does. */
static void doubt(struct caller *caller, uint32_t index, const char *outcome)
{
	if (index == UINT32_MAX)
		return;
	caller->servers[index].outcome = outcome;
	if (caller->preferred == index)
		caller->preferred = (index + 1) % caller->nservers;
}

static const char stranger[] = "belongs to another cluster";

static bool all_strangers(const struct caller *caller)
{
	for (uint32_t i = 0; i < caller->nservers; i++) {
		if (caller->servers[i].outcome != stranger)
			return false;
	}
	return true;
}

/* What it says of itself, for the error message. */
static void note_stranger(struct caller *caller, struct slice payload)
{
	struct wire_error error;
	arena_reset(&caller->arena);
	buffer_clear(&caller->stranger);
	if (wire_error_decode(payload, &caller->arena, &error) == 0)
		buffer_add_slice(&caller->stranger, error.message);
}

/* Tries the preferred server, or waits when every server has had its turn in this round. */
static void try_again(struct caller_call *call)
{
	call->waiting = false;
	if (is_anywhere(call))
		caller_anywhere_next(call);
	else if (call->tries < call->caller->nservers)
		caller_send_attempt(call);
	else
		back_off(call, NULL);
}

void caller_arm(struct caller_call *call, uint64_t delay_us)
{
	uint64_t at_us = node_now_us(call->caller->node) + delay_us;
	node_timer_at(call->caller->node, &call->timer,
		      at_us < call->deadline_us ? at_us : call->deadline_us);
}

/* The call's open attempt on that link; UINT32_MAX: none. */
static uint32_t find_attempt(const struct caller_call *call, link_id link)
{
	for (uint32_t i = 0; i < call->nattempts; i++)
		if (call->attempts[i].link == link)
			return i;
	return UINT32_MAX;
}

/* Goes on waiting for an attempt that is open already: it becomes the newest. */
static void wait_for(struct caller_call *call, uint32_t index)
{
	struct attempt attempt = call->attempts[index];
	uint64_t now_us = node_now_us(call->caller->node);
	memmove(&call->attempts[index], &call->attempts[index + 1],
		(call->nattempts - index - 1) * sizeof call->attempts[0]);
	call->attempts[call->nattempts - 1] = attempt;
	call->waiting = true;
	uint64_t at_us = attempt.until_us < call->hedge_at_us ? attempt.until_us
							      : call->hedge_at_us;
	caller_arm(call, at_us > now_us ? at_us - now_us : 0);
}

/*
 * What the next attempt is given: twice as much with every round of silence. Otherwise no answer
 * would ever be waited for long enough where the way is longer than the last attempts are given
 * together, and the copies would make it longer still.
 */
static uint64_t attempt_us_of(const struct caller_call *call)
{
	uint64_t attempt_us = call->caller->attempt_timeout_us;
	for (uint32_t i = call->silences / call->caller->nservers;
	     i > 0 && attempt_us * 2 <= ATTEMPT_MAX_US; i--)
		attempt_us *= 2;
	return attempt_us;
}

static void send_to(struct caller_call *call, uint32_t index)
{
	struct caller *caller = call->caller;
	const struct server *server = &caller->servers[index];
	uint64_t left_us = call->deadline_us - node_now_us(caller->node);
	uint64_t server_us = left_us, attempt_us = attempt_us_of(call),
		 patience_us = call->patience_us;
	/* A short deadline leaves time to ask others, too. */
	uint64_t share_us = left_us / 3 > ATTEMPT_MIN_US ? left_us / 3 : ATTEMPT_MIN_US;
	if (attempt_us > share_us)
		attempt_us = share_us;
	if (is_long_poll(call->method)) {
		/*
		 * A long poll is silent by intention. The server stops early enough for its answer
		 * to reach us in time.
		 */
		attempt_us = patience_us = left_us;
		server_us = left_us - left_us / 4;
	}
	call->hedge_at_us = node_now_us(caller->node) + patience_us;
	uint64_t timeout_ms = (server_us + 999) / 1000;
	struct message message = {
		.kind = MESSAGE_REQUEST,
		.method = call->method,
		.timeout_ms = timeout_ms < UINT32_MAX ? (uint32_t)timeout_ms : UINT32_MAX,
		.id = caller_open_attempt(call, server->link, attempt_us, patience_us),
		.trace = call->trace,
		.payload = call->payload,
	};
	node_send(caller->node, server->link, &message);
}

/* Those that have had their time. */
static void doubt_silent(const struct caller_call *call)
{
	struct caller *caller = call->caller;
	uint64_t now_us = node_now_us(caller->node);
	for (uint32_t i = 0; i < call->nattempts; i++)
		if (now_us >= call->attempts[i].until_us && !is_anywhere(call))
			doubt(caller, caller_find_link(caller, call->attempts[i].link),
			      "no answer");
}

/*
 * The server that is being asked takes its time: the next one that has not been asked may know
 * more. Nobody is doubted for that, and no round of tries begins or ends.
 */
static void hedge(struct caller_call *call)
{
	struct caller *caller = call->caller;
	uint32_t waited_for = call->nattempts - 1;
	call->patience_us *= 2;
	if (call->patience_us > caller->attempt_timeout_us)
		call->patience_us = caller->attempt_timeout_us;
	uint32_t from = caller_find_link(caller, call->attempts[waited_for].link);
	for (uint32_t i = 0; from != UINT32_MAX && i < caller->nservers; i++) {
		uint32_t index = (from + call->hedges + 1 + i) % caller->nservers;
		if (index == from || find_attempt(call, caller->servers[index].link) != UINT32_MAX)
			continue;
		call->hedges++;
		send_to(call, index);
		return;
	}
	call->hedge_at_us = node_now_us(caller->node) + call->patience_us;
	wait_for(call, waited_for);
}

static void timer_fired(void *data)
{
	struct caller_call *call = data;
	struct caller *caller = call->caller;
	bool late = node_now_us(caller->node) >= call->deadline_us;
	if (is_confirming(call) && !late) {
		caller_fall_back(call);
		return;
	}
	if (is_confirming(call)) {
		caller_end_confirmation(call, confirm_failed);
		call->waiting = false;
	}
	if (late) {
		/*
		 * The next call must not begin with the one that was silent, or calls with short
		 * deadlines never get past it. A long poll, too, should have had its answer by now.
		 */
		if (call->waiting && !is_anywhere(call))
			doubt(caller,
			      caller_find_link(caller, call->attempts[call->nattempts - 1].link),
			      "no answer");
		give_up(call);
	} else if (call->waiting) {
		/* Attempts stay open: an answer, should it still come, is as good as any. */
		doubt_silent(call);
		if (node_now_us(caller->node) < call->attempts[call->nattempts - 1].until_us) {
			hedge(call);
		} else {
			call->silences++;
			try_again(call);
		}
	} else {
		caller_send_attempt(call);
	}
}

static void back_off(struct caller_call *call, const char *outcome)
{
	struct caller *caller = call->caller;
	if (outcome != NULL && caller->nservers > 0)
		caller->servers[caller->preferred].outcome = outcome;
	uint64_t delay_us = caller->backoff_max_us;
	if (call->rounds < 32 && caller->backoff_min_us << call->rounds < delay_us)
		delay_us = caller->backoff_min_us << call->rounds;
	call->rounds++;
	call->tries = 0;
	call->waiting = false;
	/*
	 * Between half and all of it, so that clients that failed together do not come back
	 * together.
	 */
	caller_arm(call, delay_us / 2 + node_random(caller->node) % (delay_us / 2 + 1));
}

uint64_t caller_open_attempt(struct caller_call *call, link_id link, uint64_t timeout_us,
			     uint64_t patience_us)
{
	struct caller *caller = call->caller;
	if (call->nattempts == ATTEMPTS_MAX) {
		call->lost = true;
		caller_forget_attempt(call, 0);
	}
	struct attempt *attempt = &call->attempts[call->nattempts++];
	*attempt = (struct attempt){.id = caller->next_id++,
				    .link = link,
				    .epoch = caller_link_epoch(caller, link),
				    .until_us = node_now_us(caller->node) + timeout_us};
	if (call->reading != NULL)
		caller_note_sent(call, attempt->id);
	map_put(&caller->by_id, attempt->id, call);
	call->waiting = true;
	caller_arm(call, patience_us < timeout_us ? patience_us : timeout_us);
	return attempt->id;
}

void caller_send_attempt(struct caller_call *call)
{
	struct caller *caller = call->caller;
	uint64_t now_us = node_now_us(caller->node);
	if (caller->nservers == 0 || now_us >= call->deadline_us) {
		caller_arm(call, call->deadline_us > now_us ? call->deadline_us - now_us : 0);
		return;
	}
	bool confirmable = call->confirmable;
	call->confirmable = false;
	if (confirmable && caller_send_unconfirmed(call, call->deadline_us - now_us))
		return;
	if (is_anywhere(call)) {
		send_to(call, caller_anywhere_target(call));
		return;
	}
	uint32_t open = find_attempt(call, caller->servers[caller->preferred].link);
	if (open != UINT32_MAX && now_us < call->attempts[open].until_us) {
		wait_for(call, open);
		return;
	}
	call->tries++;
	send_to(call, caller->preferred);
}

/* The payload stays as long as the call. */
static struct caller_call *start_in(struct caller_call *call, struct caller *caller,
				    uint16_t method, struct slice payload, uint64_t deadline_us,
				    const struct caller_read *read, caller_done done, void *context)
{
	*call = (struct caller_call){
		.caller = caller,
		.started_us = node_now_us(caller->node),
		.deadline_us = deadline_us,
		.done = done,
		.context = context,
		.method = method == METHOD_QUERY_UNCONFIRMED ? METHOD_QUERY : method,
		.trace = caller->node->tracer.current,
		.confirmable = method == METHOD_QUERY_UNCONFIRMED,
		.patience_us = caller->hedge_us + payload.len / PAYLOAD_BYTES_PER_US,
		.payload = payload,
	};
	if (call->deadline_us < call->started_us)
		call->deadline_us = call->started_us;
	timer_init(&call->timer, timer_fired, call);
	list_push_back(&caller->calls, &call->link);
	if (read != NULL)
		caller_anywhere_begin(call, read);
	if (call->method == METHOD_QUERY)
		confirm_read_begins(&caller->confirmation, caller->queries++ == 0);
	caller_send_attempt(call);
	return call;
}

/* A call with the bytes of the payload behind it. */
static struct caller_call *with_copy(struct slice *payload)
{
	struct caller_call *call = alloc_bytes(sizeof *call + payload->len);
	if (payload->len > 0)
		memcpy(call->copy, payload->data, payload->len);
	*payload = slice(call->copy, payload->len);
	return call;
}

struct caller_call *caller_start(struct caller *caller, uint16_t method, struct slice payload,
				 uint64_t deadline_us, caller_done done, void *context)
{
	struct caller_call *call = with_copy(&payload);
	return start_in(call, caller, method, payload, deadline_us, NULL, done, context);
}

struct caller_call *caller_start_read(struct caller *caller, uint16_t method, struct slice payload,
				      uint64_t deadline_us, const struct caller_read *read,
				      caller_done done, void *context)
{
	struct caller_call *call = with_copy(&payload);
	return start_in(call, caller, method, payload, deadline_us, read, done, context);
}

struct caller_call *caller_start_lent(struct caller *caller, uint16_t method, struct slice payload,
				      uint64_t deadline_us, const struct caller_read *read,
				      caller_done done, void *context)
{
	struct caller_call *call = alloc_bytes(sizeof *call);
	return start_in(call, caller, method, payload, deadline_us, read, done, context);
}

const struct caller_age *caller_answer_age(const struct caller_call *call)
{
	return &call->reading->age;
}

void caller_cancel(struct caller_call *call)
{
	end_call(call);
	free_call(call);
}

bool caller_may_be_executed(const struct caller_call *call)
{
	return call->lost || call->nattempts > 0;
}

void caller_adopt_hints(struct caller *caller)
{
	caller->adopt_hints = true;
}

/* Adds a server behind those that are known; its index. */
static uint32_t adopt(struct caller *caller, struct slice address)
{
	const char *addresses[ADOPTED_MAX];
	uint32_t count = caller->nservers;
	if (count >= ADOPTED_MAX)
		return UINT32_MAX;
	for (uint32_t i = 0; i < count; i++)
		addresses[i] = caller->servers[i].address;
	char *text = alloc_format("%.*s", (int)address.len, (const char *)address.data);
	addresses[count] = text;
	caller_set_addresses(caller, addresses, count + 1);
	free(text);
	return count;
}

/*
 * Takes the hint of a NOT_LEADER answer. A server that the caller does not know is nobody to
 * follow, unless it was told so.
 */
void caller_follow_hint(struct caller *caller, uint32_t index, struct slice payload)
{
	struct wire_error error;
	arena_reset(&caller->arena);
	doubt(caller, index, "not the leader");
	if (wire_error_decode(payload, &caller->arena, &error) != 0 || error.leader.len == 0)
		return;
	uint32_t leader = find_address(caller->servers, caller->nservers, error.leader);
	if (leader == UINT32_MAX && caller->adopt_hints)
		leader = adopt(caller, error.leader);
	if (leader != UINT32_MAX && leader != index)
		caller->preferred = leader;
}

/* A server has definitely not executed an attempt, and another try may succeed. */
static void refused(struct caller_call *call, bool current, uint32_t index,
		    const struct message *message)
{
	struct caller *caller = call->caller;
	if (message->status == STATUS_NOT_LEADER)
		caller_follow_hint(caller, index, message->payload);
	else if (message->status == STATUS_UNAVAILABLE)
		doubt(caller, index, "unavailable");
	/* An old attempt's refusal says nothing about the one that is being waited for. */
	if (!current)
		return;
	if (message->status == STATUS_BUSY || message->status == STATUS_DEADLINE)
		back_off(call, "busy");
	else
		try_again(call);
}

/* The leader's answer has taken too long on its way. */
static void too_old(struct caller_call *call, bool current, uint32_t index)
{
	caller_served_by(call->caller, index);
	if (index != UINT32_MAX)
		call->caller->servers[index].outcome = "its answer took longer than it may be old";
	if (current)
		back_off(call, NULL);
}

void caller_served_by(struct caller *caller, uint32_t index)
{
	if (index == UINT32_MAX)
		return;
	caller->preferred = index;
	caller->servers[index].outcome = "answered";
}

/*
 * Of a read for which it counts who answers, or when. False: it is to be dealt with like any
 * other's.
 */
static bool read_message(struct caller_call *call, uint32_t index, bool current, uint32_t server,
			 const struct message *message)
{
	struct caller_sent sent = *caller_sent(call, call->attempts[index].id);
	bool anywhere = sent.anywhere && message->status != STATUS_WRONG_CLUSTER;
	bool old = !anywhere && message->status == 0 && !caller_young_enough(call, &sent);
	if (!anywhere && !old)
		return false;
	caller_forget_attempt(call, index);
	if (anywhere)
		caller_anywhere_message(call, &sent, current, server, message);
	else
		too_old(call, current, server);
	return true;
}

bool caller_message(struct caller *caller, link_id from, const struct message *message)
{
	if (message->kind != MESSAGE_REPLY)
		return false;
	struct caller_call *call = map_get(&caller->by_id, message->id);
	if (call == NULL)
		return false;
	if (is_confirming(call))
		return caller_confirmation_message(call, from, message);
	uint32_t index = 0;
	while (call->attempts[index].id != message->id)
		index++;
	ASSERT(index < call->nattempts);
	/* Ids of another link's requests are not ours. */
	if (call->attempts[index].link != from)
		return false;

	bool current = call->waiting && index == call->nattempts - 1;
	uint32_t server = caller_find_link(caller, from);
	if (call->reading != NULL && read_message(call, index, current, server, message))
		return true;
	caller_forget_attempt(call, index);
	switch (message->status) {
	case STATUS_NOT_LEADER:
	case STATUS_BUSY:
	case STATUS_UNAVAILABLE:
	case STATUS_DEADLINE: refused(call, current, server, message); break;
	case STATUS_WRONG_CLUSTER:
		/*
		 * Somebody else's node at one of the addresses; the others may be who they should
		 * be.
		 */
		doubt(caller, server, stranger);
		note_stranger(caller, message->payload);
		if (all_strangers(caller))
			caller_finish(call, message->status, message->payload);
		else if (current)
			try_again(call);
		break;
	default:
		caller_served_by(caller, server);
		caller_finish(call, message->status, message->payload);
		break;
	}
	return true;
}

/*
 * Forgets the call's attempts on a link that is down; true if the one that is being waited for was
 * among them.
 */
static bool lose_attempts(struct caller_call *call, link_id link)
{
	bool current = call->waiting && call->attempts[call->nattempts - 1].link == link;
	for (uint32_t i = call->nattempts; i-- > 0;) {
		if (call->attempts[i].link != link)
			continue;
		/* What was queued on a link that never came up has not left this machine. */
		uint64_t epoch = caller_link_epoch(call->caller, link);
		if (epoch % 2 == 1 || call->attempts[i].epoch != epoch)
			call->lost = true;
		caller_forget_attempt(call, i);
	}
	return current;
}

void caller_link_down(struct caller *caller, link_id link)
{
	uint32_t server = caller_find_link(caller, link);
	/* A stranger has been told so, and then cut off: that is what there is to say of it. */
	bool known = server != UINT32_MAX && caller->servers[server].outcome == stranger;
	doubt(caller, server, known ? stranger : "connection failed or was lost");
	LIST_FOR_SAFE (position, after, &caller->calls) {
		struct caller_call *call = LIST_ITEM(position, struct caller_call, link);
		if (is_confirming(call) && confirm_waits_for(&caller->confirmation, link))
			caller_fall_back(call);
		else if (lose_attempts(call, link))
			try_again(call);
	}
}

void caller_destroy(struct caller *caller)
{
	while (!list_empty(&caller->calls)) {
		struct caller_call *call = LIST_ITEM(caller->calls.next, struct caller_call, link);
		caller_finish(call, STATUS_CANCELLED, slice(NULL, 0));
	}
	free_servers(caller->servers, caller->nservers);
	confirm_free(&caller->confirmation);
	map_free(&caller->by_id);
	arena_free(&caller->arena);
	buffer_free(&caller->stranger);
	free(caller);
}
