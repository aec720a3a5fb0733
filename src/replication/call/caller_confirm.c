/*
 * The caller's part in confirming a read: what is sent to whom, and what becomes of the call.
 * call/confirm.h
 */
#include "call/caller_internal.h"
#include "wire/method.h"

static bool is_up(struct caller *caller, uint32_t index)
{
	return caller_link_epoch(caller, caller->servers[index].link) % 2 == 1;
}

/*
 * The others that a quorum needs beside the preferred server: their number, or 0 if not all of
 * these are connected.
 */
static uint32_t others_to_ask(struct caller *caller, uint32_t others[CONFIRM_ASKED_MAX])
{
	uint32_t wanted = caller->nservers / 2, count = 0;
	if (wanted > CONFIRM_ASKED_MAX || !is_up(caller, caller->preferred))
		return 0;
	for (uint32_t i = 0; i < caller->nservers && count < wanted; i++) {
		uint32_t index = (caller->confirmation.first + i) % caller->nservers;
		if (index != caller->preferred && is_up(caller, index))
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
		if (i != caller->preferred && !is_up(caller, i))
			send_ballot(call, caller->next_id++, caller->servers[i].link);
}

/* A short deadline leaves time to ask in the usual way, and then somebody else. */
static uint64_t timeout_us(const struct caller_call *call, uint64_t left_us)
{
	uint64_t timeout_us = left_us / 3 < CONFIRM_TIMEOUT_US ? left_us / 3 : CONFIRM_TIMEOUT_US;
	return timeout_us < call->caller->attempt_timeout_us ? timeout_us
							     : call->caller->attempt_timeout_us;
}

bool caller_send_unconfirmed(struct caller_call *call, uint64_t left_us)
{
	struct caller *caller = call->caller;
	struct confirmation *c = &caller->confirmation;
	uint32_t others[CONFIRM_ASKED_MAX];
	if (caller->nservers < 2 || !confirm_worth(c))
		return false;
	uint32_t count = others_to_ask(caller, others);
	if (count == 0) {
		if (confirm_connects(c))
			connect_others(call);
		return false;
	}
	uint64_t limit_us = timeout_us(call, left_us);
	link_id leader = caller->servers[caller->preferred].link;
	confirm_begin(c, call, leader, caller_open_attempt(call, leader, limit_us, limit_us),
		      node_now_us(caller->node), limit_us);
	struct message message = {
		.kind = MESSAGE_REQUEST,
		.method = METHOD_QUERY_UNCONFIRMED,
		.timeout_ms = CONFIRM_TIMEOUT_US / 1000,
		.id = c->id,
		.trace = call->trace,
		.payload = call->payload,
	};
	node_send(caller->node, leader, &message);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t id = caller->next_id++;
		link_id link = caller->servers[others[i]].link;
		map_put(&caller->by_id, id, call);
		confirm_ask(c, id, link);
		send_ballot(call, id, link);
	}
	return true;
}

void caller_end_confirmation(struct caller_call *call, void (*outcome)(struct confirmation *))
{
	struct confirmation *c = &call->caller->confirmation;
	for (uint32_t i = 0; i < c->nasked; i++)
		map_remove(&call->caller->by_id, c->asked[i].id);
	ASSERT(call->nattempts == 1 && call->attempts[0].id == c->id);
	caller_forget_attempt(call, 0);
	outcome(c);
}

void caller_fall_back(struct caller_call *call)
{
	caller_end_confirmation(call, confirm_failed);
	call->waiting = false;
	caller_send_attempt(call);
}

/* `done` may begin the next confirmation. */
static void finish_confirmed(struct caller_call *call)
{
	struct caller *caller = call->caller;
	struct slice answer = caller->confirmation.answer.body;
	struct buffer body = confirm_take_body(&caller->confirmation);
	caller_served_by(caller, caller_find_link(caller, caller->confirmation.link));
	caller_end_confirmation(call, confirm_succeeded);
	caller_finish(call, 0, answer);
	confirm_give_body(&caller->confirmation, body);
}

static void act_on(struct caller_call *call, enum confirm_verdict verdict)
{
	if (verdict == CONFIRM_FAILED)
		caller_fall_back(call);
	else if (verdict == CONFIRM_GOOD)
		finish_confirmed(call);
}

static void leader_message(struct caller_call *call, const struct message *message)
{
	struct caller *caller = call->caller;
	struct confirmation *c = &caller->confirmation;
	uint64_t now_us = node_now_us(caller->node);
	/*
	 * A refusal is not confirmed either: perhaps it is not for this server to say. But a hint
	 * is a hint.
	 */
	if (message->status == STATUS_NOT_LEADER)
		caller_follow_hint(caller, caller_find_link(caller, c->link), message->payload);
	enum confirm_verdict verdict = message->status != 0 ? CONFIRM_FAILED
							    : confirm_answer(c, message->payload,
									     &caller->arena);
	if (verdict == CONFIRM_WAITS)
		caller_arm(call, confirm_patience_us(c, now_us));
	act_on(call, verdict);
}

bool caller_confirmation_message(struct caller_call *call, link_id from,
				 const struct message *message)
{
	struct caller *caller = call->caller;
	struct confirmation *c = &caller->confirmation;
	arena_reset(&caller->arena);
	if (message->id == c->id && from == c->link && !c->answered) {
		leader_message(call, message);
		return true;
	}
	for (uint32_t i = 0; i < c->nasked; i++) {
		struct confirm_asked *asked = &c->asked[i];
		if (asked->id != message->id || asked->link != from || asked->answered)
			continue;
		act_on(call, message->status != 0
				     ? CONFIRM_FAILED
				     : confirm_ballot(c, asked, message->payload, &caller->arena));
		return true;
	}
	return false;
}
