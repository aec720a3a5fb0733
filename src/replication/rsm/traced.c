/*
 * Where traced requests are: which entries and reads of the moment belong to one, so that the
 * messages about them bear its trace id and the steps in between are noted (node/tracer.h).
 *
 * An id travels with the frame and not in the entry: logs and states are the same with and without
 * tracing. A follower takes the entries of a message that bears an id for those of the request;
 * under load there may be a few more than the one. What is remembered is bounded, and forgetting
 * some of it makes a trace shorter and nothing else.
 */
#include "rsm/internal.h"

static const struct traced_entry *find(const struct traced *t, uint64_t first, uint64_t last)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (t->entries[i].first <= last && first <= t->entries[i].last)
			return &t->entries[i];
	return NULL;
}

static uint64_t request_of(const struct traced *t, uint64_t first, uint64_t last)
{
	const struct traced_entry *entry = find(t, first, last);
	return entry == NULL ? 0 : entry->request;
}

static void forget(struct traced *t, uint32_t i)
{
	t->count--;
	memmove(&t->entries[i], &t->entries[i + 1], (t->count - i) * sizeof t->entries[0]);
}

static void remember(struct rsm *rsm, uint64_t request, uint64_t first, uint64_t last)
{
	struct traced *t = &rsm->traced;
	/* A message that is sent again; or one that comes late, of what has been applied. */
	if (find(t, first, last) != NULL || last <= rsm->applied)
		return;
	if (t->count == TRACED_ENTRIES_MAX)
		forget(t, 0);
	t->entries[t->count++] = (struct traced_entry){
		.request = request, .first = first, .last = last};
}

void traced_proposed(struct rsm *rsm, const struct batch *batch)
{
	const struct trace_detail detail = {
		.first = batch->slot, .last = batch->slot, .ballot = consensus_epoch(rsm->core)};
	if (batch->trace != 0)
		remember(rsm, batch->trace, batch->slot, batch->slot);
	node_step(rsm->node, TRACE_STEP_PROPOSE, batch->trace, &detail);
}

void traced_received(struct rsm *rsm, const struct message *message, enum consensus_kind kind,
		     const union peer_message *m)
{
	if (kind != CONSENSUS_KIND_ENTRIES)
		return;
	rsm->traced.echo = message->trace;
	struct peer_entries entries = peer_entries((enum method)message->method, m);
	if (entries.count > 0)
		remember(rsm, message->trace, entries.list[0].slot,
			 entries.list[entries.count - 1].slot);
}

void traced_written(struct rsm *rsm, const struct consensus_output *out, struct durable_mark *mark)
{
	struct trace_detail detail = {0};
	for (uint32_t i = 0; i < out->npersists; i++) {
		const struct consensus_persist *p = &out->persists[i];
		if (p->kind != CONSENSUS_PERSIST_ACCEPT)
			continue;
		if (detail.first == 0 || p->slot < detail.first)
			detail.first = p->slot;
		if (p->slot > detail.last)
			detail.last = p->slot;
		detail.ballot = p->ballot;
	}
	mark->detail = detail;
	if (detail.first != 0)
		node_step(rsm->node, TRACE_STEP_WRITE,
			  request_of(&rsm->traced, detail.first, detail.last), &detail);
}

void traced_synced(struct rsm *rsm, const struct durable_mark *mark)
{
	const struct trace_detail *d = &mark->detail;
	node_step(rsm->node, TRACE_STEP_SYNC, request_of(&rsm->traced, d->first, d->last), d);
}

/* Nobody needs to hear of the entry any more. */
static bool is_over(const struct rsm *rsm, const struct traced_entry *entry)
{
	uint32_t everybody = 0;
	for (uint32_t i = 0; i < rsm->nseats; i++)
		if (rsm->seats[i].listed && i != rsm->self)
			everybody |= 1u << i;
	return entry->last <= rsm->applied &&
	       (!rsm->leading || (entry->told & everybody) == everybody);
}

/*
 * The request of a traced entry of which this message tells the peer, for the first time, that it
 * is chosen; 0: none.
 */
static uint64_t newly_told(struct rsm *rsm, uint64_t chosen, uint32_t peer)
{
	struct traced *t = &rsm->traced;
	for (uint32_t i = 0; i < t->count; i++) {
		struct traced_entry *entry = &t->entries[i];
		uint64_t request = entry->request;
		if (entry->last > chosen || (entry->told & 1u << peer) != 0)
			continue;
		entry->told |= 1u << peer;
		if (is_over(rsm, entry))
			forget(t, i);
		return request;
	}
	return 0;
}

void traced_sending(struct rsm *rsm, uint32_t peer, enum method method, const union peer_message *m,
		    struct message *message, struct trace_detail *detail)
{
	struct traced *t = &rsm->traced;
	struct peer_entries entries = peer_entries(method, m);
	struct peer_ranges ranges = peer_ranges(method, m);
	*detail = (struct trace_detail){.ballot = m->head.ballot, .chosen = m->head.chosen};
	if (entries.count > 0) {
		detail->first = entries.list[0].slot;
		detail->last = entries.list[entries.count - 1].slot;
	} else if (ranges.count > 0) {
		detail->first = ranges.list[0].first;
		detail->last = ranges.list[ranges.count - 1].last;
	}
	message->detail = detail;
	enum consensus_kind kind = consensus_kind(rsm->core, method);
	if (kind == CONSENSUS_KIND_ENTRIES || method == METHOD_CHOSEN) {
		uint64_t told = newly_told(rsm, m->head.chosen, peer);
		message->trace = detail->first != 0 ? request_of(t, detail->first, detail->last)
						    : 0;
		if (message->trace == 0 && kind == CONSENSUS_KIND_ENTRIES)
			message->trace = t->read;
		if (message->trace == 0)
			message->trace = told;
	} else if (kind == CONSENSUS_KIND_ACCEPTED) {
		message->trace = detail->first != 0 ? request_of(t, detail->first, detail->last)
						    : 0;
		if (message->trace == 0)
			message->trace = t->echo;
		t->echo = 0;
	}
}

void traced_applying(struct rsm *rsm, const struct consensus_chosen *chosen)
{
	const struct trace_detail detail = {
		.first = chosen->slot, .last = chosen->slot, .ballot = chosen->ballot};
	uint64_t request = request_of(&rsm->traced, chosen->slot, chosen->slot);
	node_step(rsm->node, TRACE_STEP_CHOSEN, request, &detail);
	node_step(rsm->node, TRACE_STEP_APPLY, request, &detail);
}

void traced_applied(struct rsm *rsm)
{
	struct traced *t = &rsm->traced;
	for (uint32_t i = t->count; i-- > 0;)
		if (is_over(rsm, &t->entries[i]))
			forget(t, i);
}

void traced_reading(struct rsm *rsm, uint64_t request)
{
	const struct trace_detail detail = {.ballot = consensus_epoch(rsm->core)};
	if (request != 0)
		rsm->traced.read = request;
	node_step(rsm->node, TRACE_STEP_READ, request, &detail);
}

void traced_confirmed(struct rsm *rsm, uint64_t request, uint64_t slot)
{
	const struct trace_detail detail = {
		.first = slot, .last = slot, .ballot = consensus_epoch(rsm->core)};
	if (request == rsm->traced.read)
		rsm->traced.read = 0;
	node_step(rsm->node, TRACE_STEP_CONFIRM, request, &detail);
}
