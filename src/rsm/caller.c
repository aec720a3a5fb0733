#include "rsm/caller.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/map.h"
#include "rsm/confirm.h"
#include "wire/method.h"
#include "wire/wire.h"

/* Copies of one request that may still be answered. An older one is forgotten, and then counts as possibly executed. */
#define ATTEMPTS_MAX 8u
/* Addresses that hints may make of a few. */
#define ADOPTED_MAX 16u
/* An attempt is not given less than this, however near the deadline. */
#define ATTEMPT_MIN_US 100000u

struct server {
	char *address;
	link_id link;
	const char *outcome; /* of the last attempt there, for the error message; NULL: not asked yet */
};

struct caller {
	struct node *node;
	uint64_t attempt_timeout_us;
	uint64_t backoff_min_us, backoff_max_us;
	struct server *servers;
	uint32_t nservers;
	uint32_t preferred; /* the presumed leader: every attempt goes there */
	bool adopt_hints;
	uint64_t next_id;
	struct list calls; /* in the order of their start, so that retries keep it */
	struct map by_id;  /* request id of every open attempt, and of every BALLOT that is waited for → its call */
	bool confirm_reads;
	uint32_t queries; /* calls that are QUERYs */
	struct confirmation confirmation;
	struct arena arena;
};

struct attempt {
	uint64_t id;
	link_id link;
	uint64_t epoch; /* of the link when it was sent */
};

struct caller_call {
	struct list link;
	struct caller *caller;
	struct timer timer; /* end of the attempt, of the backoff, or of the call */
	uint64_t started_us, deadline_us;
	caller_done done;
	void *context;
	uint16_t method;
	uint64_t trace; /* what the node was tracing when the call began: all its attempts belong to that */
	bool waiting;   /* for the answer to attempts[nattempts - 1]; otherwise backing off */
	bool fresh;     /* no attempt has been sent yet */
	bool lost;      /* an attempt was lost after it may have reached a server */
	uint32_t tries; /* in this round over the servers */
	uint32_t rounds;
	uint32_t nattempts;
	struct attempt attempts[ATTEMPTS_MAX]; /* sent, neither answered nor lost; the newest last */
	size_t len;
	uint8_t payload[];
};

/* Requests that are silent by intention, until there is something to tell. */
static bool is_long_poll(uint16_t method)
{
	return method == METHOD_WATCH || method == METHOD_AGREEMENT_WAIT || method == METHOD_LOG_TAIL;
}

static void send_attempt(struct caller_call *call);
static void back_off(struct caller_call *call, const char *outcome);

struct caller *caller_create(const struct caller_options *options)
{
	struct caller *caller = ALLOC(struct caller);
	uint32_t backoff_min_ms = options->backoff_min_ms != 0 ? options->backoff_min_ms : 10;
	uint32_t backoff_max_ms = options->backoff_max_ms != 0 ? options->backoff_max_ms : 500;
	caller->node = options->node;
	caller->attempt_timeout_us = 1000ull *
				     (options->attempt_timeout_ms != 0 ? options->attempt_timeout_ms : 1000);
	caller->backoff_min_us = 1000ull * backoff_min_ms;
	caller->backoff_max_us = 1000ull * (backoff_max_ms > backoff_min_ms ? backoff_max_ms : backoff_min_ms);
	/*
	 * Several callers of a node may share a link, on which ids must be unique: each counts from a random start
	 * of its own. Shifting keeps the counter from wrapping.
	 */
	caller->next_id = node_random(caller->node) >> 1;
	caller->confirm_reads = options->confirm_reads;
	caller->confirmation.alone_min = options->confirm_alone != 0 ? options->confirm_alone : CONFIRM_ALONE_DEFAULT;
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

static uint32_t find_link(const struct caller *caller, link_id link)
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
		struct caller_call *call = LIST_ENTRY(link, struct caller_call, link);
		if (!call->waiting)
			send_attempt(call);
	}
}

uint32_t caller_address_count(const struct caller *caller)
{
	return caller->nservers;
}

/* The link's number of ups and downs; odd while it is up, and always where the world does not tell. */
static uint64_t link_epoch(struct caller *caller, link_id link)
{
	struct env *env = caller->node->env;
	return env->ops->link_epoch != NULL ? env->ops->link_epoch(env, link) : 1;
}

static void forget_attempt(struct caller_call *call, uint32_t index)
{
	ASSERT(index < call->nattempts);
	map_remove(&call->caller->by_id, call->attempts[index].id);
	call->nattempts--;
	memmove(&call->attempts[index], &call->attempts[index + 1],
		(call->nattempts - index) * sizeof call->attempts[0]);
}

static bool is_confirming(const struct caller_call *call)
{
	return call->caller->confirmation.call == call;
}

/* Nothing of it is waited for any more; an answer that still comes is not known. */
static void end_confirmation(struct caller_call *call, void (*outcome)(struct confirmation *))
{
	struct confirmation *c = &call->caller->confirmation;
	for (uint32_t i = 0; i < c->nasked; i++)
		map_remove(&call->caller->by_id, c->asked[i].id);
	for (uint32_t i = call->nattempts; i-- > 0;)
		if (call->attempts[i].id == c->id)
			forget_attempt(call, i);
	outcome(c);
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
		end_confirmation(call, confirm_dropped);
	while (call->nattempts > 0)
		forget_attempt(call, call->nattempts - 1);
	free(call);
}

static void finish(struct caller_call *call, int status, struct slice payload)
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
	if (caller->nservers == 0)
		wire_error_format(&error, "no server is known to ask for this after %" PRIu64 " ms", waited_ms);
	else
		wire_error_format(&error, "no leader answered within %" PRIu64 " ms: %.*s", waited_ms,
				  (int)tried.len, (const char *)tried.data);
	finish(call, caller_may_be_executed(call) ? STATUS_UNKNOWN : STATUS_UNAVAILABLE, buffer_slice(&error));
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

/* Tries the preferred server, or waits when every server has had its turn in this round. */
static void try_again(struct caller_call *call)
{
	call->waiting = false;
	if (call->tries < call->caller->nservers)
		send_attempt(call);
	else
		back_off(call, NULL);
}

static void arm(struct caller_call *call, uint64_t delay_us)
{
	uint64_t at_us = node_now_us(call->caller->node) + delay_us;
	node_timer_at(call->caller->node, &call->timer, at_us < call->deadline_us ? at_us : call->deadline_us);
}

/* The short cut has led nowhere: the leader is asked to confirm the read itself. */
static void fall_back(struct caller_call *call)
{
	end_confirmation(call, confirm_failed);
	call->waiting = false;
	send_attempt(call);
}

static void timer_fired(void *data)
{
	struct caller_call *call = data;
	struct caller *caller = call->caller;
	if (is_confirming(call) && node_now_us(caller->node) < call->deadline_us) {
		fall_back(call);
		return;
	}
	if (node_now_us(caller->node) >= call->deadline_us) {
		/*
		 * The next call must not begin with the one that was silent, or calls with short deadlines never get past it. A
		 * long poll, too, should have had its answer by now.
		 */
		if (call->waiting)
			doubt(caller, find_link(caller, call->attempts[call->nattempts - 1].link), "no answer");
		give_up(call);
	} else if (call->waiting) {
		/* The attempt stays open: its answer, should it still come, is as good as any. */
		doubt(caller, find_link(caller, call->attempts[call->nattempts - 1].link), "no answer");
		try_again(call);
	} else {
		send_attempt(call);
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
	/* Between half and all of it, so that clients that failed together do not come back together. */
	arm(call, delay_us / 2 + node_random(caller->node) % (delay_us / 2 + 1));
}

/* The others that a quorum needs beside the preferred server, if they are connected: their number, or 0. */
static uint32_t others_to_ask(struct caller *caller, uint32_t others[CONFIRM_ASKED_MAX])
{
	uint32_t wanted = caller->nservers / 2, count = 0;
	if (wanted > CONFIRM_ASKED_MAX)
		return 0;
	for (uint32_t i = 0; i < caller->nservers && count < wanted; i++) {
		uint32_t index = (caller->confirmation.first + i) % caller->nservers;
		if (index != caller->preferred && link_epoch(caller, caller->servers[index].link) % 2 == 1)
			others[count++] = index;
	}
	return count == wanted ? count : 0;
}

static void send_ballot(struct caller_call *call, uint64_t id, link_id link)
{
	struct message message = {
		.kind = MESSAGE_REQUEST,
		.method = METHOD_BALLOT,
		.timeout_ms = CONFIRM_TIMEOUT_US / 1000,
		.id = id,
		.trace = call->trace,
	};
	node_send(call->caller->node, link, &message);
}

/* Connects to everybody, for reads to come: their answers are of no interest. */
static void connect_others(struct caller_call *call)
{
	struct caller *caller = call->caller;
	for (uint32_t i = 0; i < caller->nservers; i++)
		if (link_epoch(caller, caller->servers[i].link) % 2 == 0)
			send_ballot(call, caller->next_id++, caller->servers[i].link);
}

/* Sends a read in a way that we confirm ourselves; false if that is not the way for it now. */
static bool send_unconfirmed(struct caller_call *call)
{
	struct caller *caller = call->caller;
	struct confirmation *c = &caller->confirmation;
	uint32_t others[CONFIRM_ASKED_MAX];
	bool fresh = call->fresh;
	call->fresh = false;
	if (!fresh || !caller->confirm_reads || call->method != METHOD_QUERY || caller->nservers < 2 || !confirm_worth(c))
		return false;
	uint32_t count = others_to_ask(caller, others);
	if (count == 0) {
		if (confirm_connects(c))
			connect_others(call);
		return false;
	}
	uint64_t now_us = node_now_us(caller->node);
	const struct server *leader = &caller->servers[caller->preferred];
	confirm_begin(c, call, now_us);
	c->id = caller->next_id++;
	c->link = leader->link;
	call->attempts[call->nattempts++] = (struct attempt){.id = c->id, .link = c->link, .epoch = link_epoch(caller, c->link)};
	map_put(&caller->by_id, c->id, call);
	call->waiting = true;
	arm(call, CONFIRM_TIMEOUT_US);
	struct message message = {
		.kind = MESSAGE_REQUEST,
		.method = METHOD_QUERY_UNCONFIRMED,
		.timeout_ms = CONFIRM_TIMEOUT_US / 1000,
		.id = c->id,
		.trace = call->trace,
		.payload = slice(call->payload, call->len),
	};
	node_send(caller->node, c->link, &message);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t id = caller->next_id++;
		link_id link = caller->servers[others[i]].link;
		map_put(&caller->by_id, id, call);
		confirm_ask(c, id, link);
		send_ballot(call, id, link);
	}
	return true;
}

static void send_attempt(struct caller_call *call)
{
	struct caller *caller = call->caller;
	uint64_t now_us = node_now_us(caller->node);
	if (caller->nservers == 0 || now_us >= call->deadline_us) {
		arm(call, call->deadline_us > now_us ? call->deadline_us - now_us : 0);
		return;
	}
	if (send_unconfirmed(call))
		return;
	if (call->nattempts == ATTEMPTS_MAX) {
		call->lost = true;
		forget_attempt(call, 0);
	}
	const struct server *server = &caller->servers[caller->preferred];
	struct attempt *attempt = &call->attempts[call->nattempts++];
	*attempt = (struct attempt){
		.id = caller->next_id++,
		.link = server->link,
		.epoch = link_epoch(caller, server->link),
	};
	map_put(&caller->by_id, attempt->id, call);
	call->waiting = true;
	call->tries++;

	uint64_t left_us = call->deadline_us - now_us;
	uint64_t server_us = left_us, attempt_us = caller->attempt_timeout_us;
	/* A short deadline leaves time to ask others, too. */
	uint64_t share_us = left_us / 3 > ATTEMPT_MIN_US ? left_us / 3 : ATTEMPT_MIN_US;
	if (attempt_us > share_us)
		attempt_us = share_us;
	if (is_long_poll(call->method)) {
		/* A long poll is silent by intention. The server stops early enough for its answer to reach us in time. */
		attempt_us = left_us;
		server_us = left_us - left_us / 4;
	}
	uint64_t timeout_ms = (server_us + 999) / 1000;
	struct message message = {
		.kind = MESSAGE_REQUEST,
		.method = call->method,
		.timeout_ms = timeout_ms < UINT32_MAX ? (uint32_t)timeout_ms : UINT32_MAX,
		.id = attempt->id,
		.trace = call->trace,
		.payload = slice(call->payload, call->len),
	};
	arm(call, attempt_us);
	node_send(caller->node, server->link, &message);
}

/* In memory that has room for the payload. */
static struct caller_call *start_in(struct caller_call *call, struct caller *caller, uint16_t method,
				    struct slice payload, uint64_t deadline_us, caller_done done, void *context)
{
	*call = (struct caller_call){
		.caller = caller,
		.started_us = node_now_us(caller->node),
		.deadline_us = deadline_us,
		.done = done,
		.context = context,
		.method = method,
		.trace = caller->node->tracer.current,
		.fresh = true,
		.len = payload.len,
	};
	if (call->deadline_us < call->started_us)
		call->deadline_us = call->started_us;
	if (payload.len > 0)
		memcpy(call->payload, payload.data, payload.len);
	timer_init(&call->timer, timer_fired, call);
	list_push_back(&caller->calls, &call->link);
	if (method == METHOD_QUERY)
		confirm_read_begins(&caller->confirmation, caller->queries++ == 0);
	send_attempt(call);
	return call;
}

struct caller_call *caller_start(struct caller *caller, uint16_t method, struct slice payload,
				 uint64_t deadline_us, caller_done done, void *context)
{
	struct caller_call *call = alloc_bytes(sizeof *call + payload.len);
	return start_in(call, caller, method, payload, deadline_us, done, context);
}

struct caller_call *caller_try_start(struct caller *caller, uint16_t method, struct slice payload,
				     uint64_t deadline_us, caller_done done, void *context)
{
	struct caller_call *call = malloc(sizeof *call + payload.len);
	return call == NULL ? NULL : start_in(call, caller, method, payload, deadline_us, done, context);
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

/* Takes the hint of a NOT_LEADER answer. A server that the caller does not know is nobody to follow, unless it was told so. */
static void follow_hint(struct caller *caller, uint32_t index, struct slice payload)
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
static void refused(struct caller_call *call, bool current, uint32_t index, const struct message *message)
{
	struct caller *caller = call->caller;
	if (message->status == STATUS_NOT_LEADER)
		follow_hint(caller, index, message->payload);
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

static void served_by(struct caller *caller, uint32_t index)
{
	if (index == UINT32_MAX)
		return;
	caller->preferred = index;
	caller->servers[index].outcome = "answered";
}

/* `done` may begin the next confirmation. */
static void finish_confirmed(struct caller_call *call)
{
	struct caller *caller = call->caller;
	struct slice answer = caller->confirmation.answer.body;
	struct buffer body = confirm_take_body(&caller->confirmation);
	served_by(caller, find_link(caller, caller->confirmation.link));
	end_confirmation(call, confirm_succeeded);
	finish(call, 0, answer);
	confirm_give_body(&caller->confirmation, body);
}

static void act_on(struct caller_call *call, enum confirm_verdict verdict)
{
	struct confirmation *c = &call->caller->confirmation;
	uint64_t now_us = node_now_us(call->caller->node);
	if (verdict == CONFIRM_FAILED)
		fall_back(call);
	else if (verdict == CONFIRM_GOOD)
		finish_confirmed(call);
	else if (c->answered)
		arm(call, confirm_patience_us(c, now_us) - now_us);
}

/* The reply to a message of the confirmation; false if it is none, or a second one: those of a call that confirms know nothing else. */
static bool confirmation_message(struct caller_call *call, link_id from, const struct message *message)
{
	struct caller *caller = call->caller;
	struct confirmation *c = &caller->confirmation;
	arena_reset(&caller->arena);
	if (message->id == c->id && from == c->link && !c->answered) {
		/* A refusal is not confirmed either: perhaps it is not for this server to say. */
		act_on(call, message->status != 0 ? CONFIRM_FAILED : confirm_answer(c, message->payload, &caller->arena));
		return true;
	}
	for (uint32_t i = 0; i < c->nasked; i++) {
		struct confirm_asked *asked = &c->asked[i];
		if (asked->id != message->id || asked->link != from || asked->answered)
			continue;
		act_on(call, message->status != 0 ? CONFIRM_FAILED
						  : confirm_ballot(c, asked, message->payload, &caller->arena));
		return true;
	}
	return false;
}

bool caller_message(struct caller *caller, link_id from, const struct message *message)
{
	if (message->kind != MESSAGE_REPLY)
		return false;
	struct caller_call *call = map_get(&caller->by_id, message->id);
	if (call == NULL)
		return false;
	if (is_confirming(call))
		return confirmation_message(call, from, message);
	uint32_t index = 0;
	while (call->attempts[index].id != message->id)
		index++;
	ASSERT(index < call->nattempts);
	/* Ids of another link's requests are not ours. */
	if (call->attempts[index].link != from)
		return false;

	bool current = call->waiting && index == call->nattempts - 1;
	uint32_t server = find_link(caller, from);
	forget_attempt(call, index);
	switch (message->status) {
	case STATUS_NOT_LEADER:
	case STATUS_BUSY:
	case STATUS_UNAVAILABLE:
	case STATUS_DEADLINE:
		refused(call, current, server, message);
		break;
	default:
		served_by(caller, server);
		finish(call, message->status, message->payload);
		break;
	}
	return true;
}

/* Forgets the call's attempts on a link that is down; true if the one that is being waited for was among them. */
static bool lose_attempts(struct caller_call *call, link_id link)
{
	bool current = call->waiting && call->attempts[call->nattempts - 1].link == link;
	for (uint32_t i = call->nattempts; i-- > 0;) {
		if (call->attempts[i].link != link)
			continue;
		/* What was queued on a link that never came up has not left this machine. */
		uint64_t epoch = link_epoch(call->caller, link);
		if (epoch % 2 == 1 || call->attempts[i].epoch != epoch)
			call->lost = true;
		forget_attempt(call, i);
	}
	return current;
}

void caller_link_down(struct caller *caller, link_id link)
{
	doubt(caller, find_link(caller, link), "connection failed or was lost");
	LIST_FOR_SAFE (position, after, &caller->calls) {
		struct caller_call *call = LIST_ENTRY(position, struct caller_call, link);
		if (is_confirming(call) && confirm_waits_for(&caller->confirmation, link))
			fall_back(call);
		else if (lose_attempts(call, link))
			try_again(call);
	}
}

void caller_destroy(struct caller *caller)
{
	while (!list_empty(&caller->calls)) {
		struct caller_call *call = LIST_ENTRY(caller->calls.next, struct caller_call, link);
		finish(call, STATUS_CANCELLED, slice(NULL, 0));
	}
	free_servers(caller->servers, caller->nservers);
	confirm_free(&caller->confirmation);
	map_free(&caller->by_id);
	arena_free(&caller->arena);
	free(caller);
}
