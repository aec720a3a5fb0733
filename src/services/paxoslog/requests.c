/* What a replica answers from its own state: LOG_TAIL, LOG_SLOT. */
#include "core/consensus.h"
#include "paxoslog/internal.h"
#include "rsm/entry.h"
#include "wire/wire.h"

/* ---- LOG_TAIL ---- */

static size_t answer_tail(struct paxosd *d, link_id from, const struct message *request,
			  const struct wire_log_query *query)
{
	/* A replica without a leader may be behind for long: another one may know more. */
	if (!rsm_ready(d->server.rsm) || paxoslog_app_slots(d->server.app) == NULL) {
		server_refuse(&d->server, from, request, STATUS_UNAVAILABLE,
			      "this replica knows no leader, or is catching up");
		return 0;
	}
	struct reply reply = {.body = &d->server.out};
	buffer_clear(&d->server.out);
	arena_reset(&d->server.arena);
	paxoslog_app_read(d->server.app, query, &d->server.arena, &reply);
	node_reply(&d->server.node, from, request, reply.status, buffer_slice(&d->server.out));
	return d->server.out.len;
}

void paxosd_tail(struct node *node, link_id from, const struct message *request)
{
	struct paxosd *d = paxosd_of(node);
	const struct slots *slots = paxoslog_app_slots(d->server.app);
	uint32_t timeout_ms = waiters_timeout_ms(request, LOG_TAIL_DEFAULT_MS, LOG_TAIL_MAX_MS);
	struct wire_log_query query;
	arena_reset(&d->server.arena);
	int status = wire_log_query_decode(request->payload, &d->server.arena, &query);
	if (status != 0) {
		server_refuse(&d->server, from, request, status, "not a query of the log");
		return;
	}
	if (query.from == 0 && slots != NULL)
		query.from = slots->first;
	if (slots == NULL || query.from <= slots->last || !rsm_ready(d->server.rsm))
		answer_tail(d, from, request, &query);
	else if (!waiters_add(&d->tailers, from, request, query.from, query.limit, timeout_ms))
		server_refuse(&d->server, from, request, STATUS_BUSY,
			      "too many readers are waiting here; try again");
}

static size_t leave(void *context, const struct waiter *waiter)
{
	struct wire_log_query query = {.from = waiter->awaited, .limit = (uint32_t)waiter->detail};
	return answer_tail(context, waiter->from, &waiter->request, &query);
}

static void attend(void *data)
{
	struct paxosd *d = data;
	const struct slots *slots = paxoslog_app_slots(d->server.app);
	if (slots == NULL)
		return;
	waiters_reach(&d->tailers, slots->last);
	if (!waiters_let_go(&d->tailers))
		node_timer_after(&d->server.node, &d->attend, 0);
}

void paxosd_applied(void *context)
{
	struct paxosd *d = context;
	if (d->tailers.count > 0 && !timer_armed(&d->attend))
		node_timer_after(&d->server.node, &d->attend, 0);
}

void paxosd_requests_init(struct paxosd *d)
{
	timer_init(&d->attend, attend, d);
	waiters_init(&d->tailers,
		     &(struct waiters_options){.node = &d->server.node,
					       .max = TAILERS_MAX,
					       .bytes_per_turn = TAILERS_BYTES_PER_TURN,
					       .leave = leave,
					       .context = d});
}

/* ---- LOG_SLOT ---- */

/* Looking for the value that will stand in `slot` if everything accepted here is chosen. */
struct search {
	struct paxosd *d;
	uint64_t slot, next; /* next: of the value that comes next */
	bool found;
	struct slice value;
};

static void search_command(struct search *search, struct slice body)
{
	struct wire_log_command command;
	arena_reset(&search->d->server.arena);
	if (wire_log_command_decode(body, &search->d->server.arena, &command) != 0 ||
	    command.nvalues == 0 || (command.at != 0 && command.at != search->next))
		return;
	if (search->slot < search->next + command.nvalues) {
		search->found = true;
		search->value = command.values[search->slot - search->next];
	}
	search->next += command.nvalues;
}

static void search_entry(struct search *search, struct slice value)
{
	struct entry_reader reader;
	struct entry_command command;
	if (entry_read(&reader, value) != 0)
		return;
	while (!search->found && entry_next(&reader, &command) == 1)
		if (command.kind == ENTRY_APP)
			search_command(search, command.body);
}

static void search_accepted(struct search *search)
{
	const struct consensus *core = rsm_core(search->d->server.rsm);
	struct bytes *value;
	for (uint64_t slot = rsm_applied(search->d->server.rsm) + 1; core != NULL && !search->found;
	     slot++) {
		if (!consensus_accepted(core, slot, &value))
			return;
		if (value != NULL)
			search_entry(search, bytes_slice(value));
	}
}

void paxosd_slot(struct node *node, link_id from, const struct message *request)
{
	struct paxosd *d = paxosd_of(node);
	const struct slots *slots = paxoslog_app_slots(d->server.app);
	struct wire_log_query query;
	arena_reset(&d->server.arena);
	int status = wire_log_query_decode(request->payload, &d->server.arena, &query);
	if (status == 0 && query.from == 0)
		status = STATUS_BAD_REQUEST;
	if (status == 0 && slots == NULL)
		status = STATUS_UNAVAILABLE;
	if (status != 0) {
		server_refuse(&d->server, from, request, status,
			      slots == NULL ? "this replica is replacing its state"
					    : "slots are numbered from 1");
		return;
	}
	struct wire_log_slot answer = {.first = slots->first, .last = slots->last};
	struct search search = {.d = d, .slot = query.from, .next = slots->last + 1};
	if (query.from < slots->first) {
		answer.state = WIRE_LOG_CLEARED;
	} else if (query.from <= slots->last) {
		answer.state = WIRE_LOG_CHOSEN;
		answer.value = slots_get(slots, query.from);
	} else {
		search_accepted(&search);
		answer.state = search.found ? WIRE_LOG_ACCEPTED : WIRE_LOG_EMPTY;
		answer.value = search.value;
	}
	buffer_clear(&d->server.out);
	wire_log_slot_encode(&answer, &d->server.out);
	node_reply(&d->server.node, from, request, 0, buffer_slice(&d->server.out));
}
