/* What peers and clients ask of the agreement service. */
#include <inttypes.h>

#include "agreement/service_internal.h"
#include "wire/method.h"
#include "wire/wire.h"

/* ---- answers ---- */

static void answer_state(struct agreement_service *service, link_id from,
			 const struct message *request, uint64_t seq)
{
	static const enum wire_agreement_status statuses[] = {
		[AGREEMENT_STATE_PENDING] = WIRE_AGREEMENT_PENDING,
		[AGREEMENT_STATE_DECIDED] = WIRE_AGREEMENT_IS_DECIDED,
		[AGREEMENT_STATE_FORGOTTEN] = WIRE_AGREEMENT_IS_FORGOTTEN,
	};
	struct bytes *value = NULL;
	enum agreement_state state = agreement_status(service->core, seq, &value);
	struct wire_agreement_state wire = {
		.status = statuses[state],
		.min = agreement_min(service->core),
		.next = agreement_next(service->core),
		.peer = slice_string(service->server->name),
	};
	/* Whoever starts an instance has its value, and may be told another with its status. */
	if (state == AGREEMENT_STATE_DECIDED && (request->method == METHOD_AGREEMENT_STATUS ||
						 request->method == METHOD_AGREEMENT_WAIT))
		wire.value = bytes_slice(value);
	buffer_clear(&service->out);
	wire_agreement_state_encode(&wire, &service->out);
	node_reply(service->node, from, request, 0, buffer_slice(&service->out));
}

static void refuse_hung(struct agreement_service *service, link_id from,
			const struct message *request)
{
	server_refuse(service->server, from, request, STATUS_UNAVAILABLE,
		      "the disk of this peer does not answer: ask another one");
}

/*
 * More is not taken up while so much waits for the disk: whoever asks, peer or client, asks again.
 */
#define UNWRITTEN_BYTES_MAX (2 * OPEN_BYTES_MAX)

static bool is_congested(const struct agreement_service *service)
{
	return wal_pending_bytes(service->wal) > UNWRITTEN_BYTES_MAX;
}

/* ---- those who wait ---- */

static size_t leave_instance(void *context, const struct waiter *waiter)
{
	struct agreement_service *service = context;
	answer_state(service, waiter->from, &waiter->request, waiter->awaited);
	return service->out.len;
}

static size_t leave_done(void *context, const struct waiter *waiter)
{
	struct agreement_service *service = context;
	answer_state(service, waiter->from, &waiter->request, waiter->detail);
	return service->out.len;
}

void agreement_init_waiters(struct agreement_service *service)
{
	waiters_init(&service->waiting,
		     &(struct waiters_options){.node = service->node,
					       .max = AGREEMENT_WAITERS_MAX,
					       .bytes_per_turn = LEAVING_BYTES_PER_TURN,
					       .leave = leave_instance,
					       .context = service});
	waiters_init(&service->done, &(struct waiters_options){.node = service->node,
							       .max = AGREEMENT_WAITERS_MAX,
							       .leave = leave_done,
							       .context = service});
}

uint64_t agreement_count_waiters(const struct agreement_service *service)
{
	return service->waiting.count + service->done.count;
}

/* The limit is of both kinds together. */
static void add_waiter(struct agreement_service *service, struct waiters *waiters, link_id from,
		       const struct message *request, uint64_t awaited, uint64_t seq,
		       uint32_t timeout_ms)
{
	if (agreement_count_waiters(service) >= AGREEMENT_WAITERS_MAX ||
	    !waiters_add(waiters, from, request, awaited, seq, timeout_ms))
		server_refuse(service->server, from, request, STATUS_BUSY,
			      "too many requests are waiting here; try again");
}

static bool is_settled(void *context, const struct waiter *waiter)
{
	const struct agreement_service *service = context;
	struct bytes *value;
	return agreement_status(service->core, waiter->awaited, &value) != AGREEMENT_STATE_PENDING;
}

void agreement_wake(struct agreement_service *service)
{
	waiters_pick(&service->waiting, is_settled);
}

void agreement_answer_done(struct agreement_service *service, uint64_t sequence)
{
	waiters_reach(&service->done, sequence);
	bool all_left = waiters_let_go(&service->done);
	ASSERT(all_left);
}

static void refuse_waiter(void *context, const struct waiter *waiter)
{
	refuse_hung(context, waiter->from, &waiter->request);
}

void agreement_refuse_waiters(struct agreement_service *service)
{
	waiters_refuse(&service->waiting, refuse_waiter);
	waiters_refuse(&service->done, refuse_waiter);
}

void agreement_service_link_down(struct agreement_service *service, link_id link)
{
	waiters_link_down(&service->waiting, link);
	waiters_link_down(&service->done, link);
}

/* ---- clients ---- */

static void start_request(struct agreement_service *service, link_id from,
			  const struct message *request, const struct wire_agreement_request *asked)
{
	struct agreement *core = service->core;
	uint32_t value_bytes_max = service->options.settings.value_bytes_max;
	if (asked->value.len > value_bytes_max) {
		server_refuse(service->server, from, request, STATUS_TOO_LARGE,
			      "a value of %zu bytes; the limit is %u (value_bytes_max)",
			      asked->value.len, value_bytes_max);
		return;
	}
	if (wal_full(service->wal)) {
		server_refuse(service->server, from, request, STATUS_NO_SPACE,
			      "this peer's disk is full: free some space");
		return;
	}
	if (service->disk_watch.hung) {
		refuse_hung(service, from, request);
		return;
	}
	if (is_congested(service)) {
		server_refuse(service->server, from, request, STATUS_BUSY,
			      "the disk of this peer is behind; try again");
		return;
	}
	struct bytes *value = bytes_copy(asked->value);
	int status = agreement_start(core, node_now_us(service->node), asked->seq, value);
	bytes_unref(value);
	if (status == 0)
		answer_state(service, from, request, asked->seq);
	else if (status == STATUS_UNAVAILABLE)
		server_refuse(
			service->server, from, request, status,
			agreement_standing(core) == AGREEMENT_ENTERING
				? "the disk of this peer has taken the place of another one, and "
				  "has been told what it must know by %u of %u other peers: ask "
				  "another one"
				: "the disk of this peer is not bound by the log of the paxosds "
				  "(told by %u of %u): ask another one",
			agreement_told_by(core), agreement_told_needed(core));
	else if (status == STATUS_COMPACTED)
		server_refuse(service->server, from, request, status,
			      "instance %" PRIu64 " is forgotten: min is %" PRIu64, asked->seq,
			      agreement_min(core));
	else
		server_refuse(
			service->server, from, request, status,
			"%" PRIu64 " instances with %" PRIu64 " bytes are kept here, %" PRIu64
			" are being proposed: no more before the applications are done with old "
			"ones (min is "
			"%" PRIu64 ")",
			agreement_instances(core), agreement_bytes(core), agreement_proposing(core),
			agreement_min(core));
}

static void wait_request(struct agreement_service *service, link_id from,
			 const struct message *request, const struct wire_agreement_request *asked)
{
	struct bytes *value;
	if (agreement_status(service->core, asked->seq, &value) != AGREEMENT_STATE_PENDING) {
		answer_state(service, from, request, asked->seq);
		return;
	}
	if (service->disk_watch.hung) {
		refuse_hung(service, from, request);
		return;
	}
	add_waiter(service, &service->waiting, from, request, asked->seq, asked->seq,
		   waiters_timeout_ms(request, AGREEMENT_WAIT_DEFAULT_MS, AGREEMENT_WAIT_MAX_MS));
}

static void done_request(struct agreement_service *service, link_id from,
			 const struct message *request, const struct wire_agreement_request *asked)
{
	if (service->disk_watch.hung) {
		refuse_hung(service, from, request);
		return;
	}
	if (service->doubted) {
		server_refuse(
			service->server, from, request, STATUS_UNAVAILABLE,
			"this peer has just been started, and its group has not compared its disk "
			"yet: ask another one, or again");
		return;
	}
	uint64_t sequence = agreement_done(service->core, node_now_us(service->node), asked->seq);
	if (sequence == 0) {
		answer_state(service, from, request, asked->seq);
		return;
	}
	add_waiter(service, &service->done, from, request, sequence, asked->seq, 0);
}

static void client_request(struct agreement_service *service, link_id from,
			   const struct message *request)
{
	struct wire_agreement_request asked;
	arena_reset(&service->arena);
	int status = wire_agreement_request_decode(request->payload, &service->arena, &asked);
	if (status != 0) {
		server_refuse(service->server, from, request, status,
			      "not a request of the agreement service");
		return;
	}
	if (asked.seq >= AGREEMENT_SEQ_MAX) {
		server_refuse(service->server, from, request, STATUS_BAD_REQUEST,
			      "instances are numbered from 0 to %" PRIu64, AGREEMENT_SEQ_MAX - 1);
		return;
	}
	switch (request->method) {
	case METHOD_AGREEMENT_START: start_request(service, from, request, &asked); break;
	case METHOD_AGREEMENT_WAIT: wait_request(service, from, request, &asked); break;
	case METHOD_AGREEMENT_DONE: done_request(service, from, request, &asked); break;
	default: answer_state(service, from, request, asked.seq); break;
	}
}

/* ---- peers ---- */

/* A reply comes along the link of its request: what comes along another is nobody's answer. */
static bool comes_from_its_peer(const struct agreement_service *service, link_id from,
				uint32_t replica)
{
	for (uint32_t i = 0; i < service->options.nmembers; i++)
		if (service->options.members[i].replica == replica)
			return service->links[i] == from;
	return false;
}

static void peer_message(struct agreement_service *service, link_id from,
			 const struct message *message)
{
	struct wire_agreement m;
	uint64_t now_us = node_now_us(service->node);
	bool reply = message->kind == MESSAGE_REPLY;
	arena_reset(&service->arena);
	int status = wire_agreement_decode(message->payload, &service->arena, &m);
	const char *why = status != 0 ? "all: malformed"
				      : agreement_judge(service->core, reply, &m);
	if (why == NULL && reply && !comes_from_its_peer(service, from, m.from))
		why = "from: not the peer that was asked";
	if (why == NULL && reply && is_congested(service) && m.nitems > 0 &&
	    m.items[0].kind == WIRE_AGREEMENT_TOLD) {
		service->dropped++; /* it is asked for again */
	} else if (why == NULL && reply) {
		agreement_reply(service->core, now_us, &m);
	} else if (why == NULL && is_congested(service)) {
		server_refuse(service->server, from, message, STATUS_BUSY,
			      "the disk of this peer is behind");
	} else if (why == NULL) {
		agreement_request(service->core, now_us, from, message->id, &m);
	} else {
		uint64_t refused = refusals_add(&service->refused, now_us);
		if (refused != 0)
			log_event(service->node->log, LOG_ERROR, "agreement_message_refused",
				  "from=%u to=%u field=\"%s\" refused=%" PRIu64, m.from, m.to, why,
				  refused);
		if (!reply)
			server_refuse(service->server, from, message,
				      status != 0 ? status : STATUS_DENIED,
				      "no peer can have sent this: %s", why);
	}
}

bool agreement_service_message(struct agreement_service *service, link_id from,
			       const struct message *message)
{
	if (!service->started || message->method < METHOD_AGREEMENT ||
	    message->method > METHOD_AGREEMENT_WAIT)
		return false;
	if (message->kind == MESSAGE_REQUEST && message->method != METHOD_AGREEMENT)
		client_request(service, from, message);
	/*
	 * What it learnt while it is doubted would stand in its log, and the next start could not
	 * be told from the right one.
	 */
	else if (!service->doubted && (message->kind == MESSAGE_REQUEST ||
				       (message->kind == MESSAGE_REPLY && message->status == 0)))
		peer_message(service, from, message);
	return true;
}
