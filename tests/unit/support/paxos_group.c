#include "paxos_group.h"

#include "paxos_words.h"
#include "peer_any.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "check_main.h"
#include "paxos/internal.h"
#include "paxos/judge.h"

static uint64_t group_random(void *context)
{
	struct group *g = context;
	return rng_next(&g->rng);
}

static uint64_t group_clock(void *context)
{
	return ((struct group *)context)->now_us;
}

__attribute__((format(printf, 2, 3))) static void trace(struct group *g, const char *format, ...)
{
	if (g->trace == NULL)
		return;
	char line[512];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	g->trace(g->trace_context, line);
}

static struct paxos *make_core(struct group *g, uint32_t i, uint64_t base)
{
	struct consensus_options options = {
		.group = 1,
		.self = i + 1,
		.nmembers = g->count,
		.election_timeout_us = 150000,
		.heartbeat_us = 30000,
		.lease_us = g->lease_us,
		.cache_bytes = g->cache_bytes,
		.random = group_random,
		.clock_us = group_clock,
		.context = g,
	};
	for (uint32_t j = 0; j < g->count; j++)
		options.members[j] = j + 1;
	return paxos_create(&options, base);
}

static void check(struct group *g)
{
	const struct paxos *cores[REPLICAS_MAX];
	for (uint32_t i = 0; i < g->count; i++)
		cores[i] = g->replicas[i].core;
	const char *problem = paxos_invariants_check(g->invariants, cores, g->count);
	CHECK_THAT(problem == NULL, "%s", problem);
}

void group_init(struct group *g, uint32_t count, uint64_t seed)
{
	*g = (struct group){
		.count = count,
		.delay_min_us = 100,
		.delay_max_us = 1000,
		.sync_min_us = 100,
		.sync_max_us = 500,
		.cache_bytes = 2048,
		.invariants = paxos_invariants_create(),
	};
	rng_seed(&g->rng, seed);
	for (uint32_t i = 0; i < count; i++)
		group_start(g, i);
}

void group_free(struct group *g)
{
	for (uint32_t i = 0; i < g->count; i++) {
		struct group_replica *r = &g->replicas[i];
		paxos_destroy(r->core);
		for (uint32_t k = 0; k < r->records; k++)
			bytes_unref(r->log[k].value);
		for (uint64_t k = 0; k < r->applied_count; k++)
			bytes_unref(r->applied[k]);
		free(r->log);
		free(r->applied);
		free(r->durable_accepted);
	}
	for (uint32_t k = 0; k < g->nmessages; k++)
		buffer_free(&g->messages[k].payload);
	free(g->messages);
	paxos_invariants_free(g->invariants);
}

/* ---- network ---- */

static bool earlier(const struct group_message *a, const struct group_message *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void push_message(struct group *g, struct group_message m)
{
	if (g->nmessages == g->capacity) {
		g->capacity = g->capacity == 0 ? 64 : g->capacity * 2;
		g->messages = alloc_resize(g->messages, g->capacity, sizeof m);
	}
	uint32_t at = g->nmessages++;
	while (at > 0 && earlier(&m, &g->messages[(at - 1) / 2])) {
		g->messages[at] = g->messages[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	g->messages[at] = m;
}

static struct group_message pop_message(struct group *g)
{
	struct group_message top = g->messages[0];
	struct group_message last = g->messages[--g->nmessages];
	uint32_t at = 0;
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= g->nmessages)
			break;
		if (child + 1 < g->nmessages &&
		    earlier(&g->messages[child + 1], &g->messages[child]))
			child++;
		if (!earlier(&g->messages[child], &last))
			break;
		g->messages[at] = g->messages[child];
		at = child;
	}
	if (g->nmessages > 0)
		g->messages[at] = last;
	return top;
}

static uint64_t durable_accepted(const struct group_replica *r, uint64_t slot)
{
	return slot < r->durable_accepted_count ? r->durable_accepted[slot] : 0;
}

/* What others may rely on from now on must survive every crash. */
static void check_told(const struct group_replica *r, enum method method,
		       const struct wire_peer_any *m)
{
	if (method == METHOD_PREPARE ||
	    (method == METHOD_PROMISE && paxos_role(r->core) != CONSENSUS_LEADER))
		CHECK_THAT(m->ballot <= r->durable_ballot, "a %s leaves before it is durable",
			   method_text((uint16_t)method));
	for (uint32_t k = 0; k < m->nranges; k++)
		for (uint64_t slot = m->ranges[k].first; slot <= m->ranges[k].last; slot++)
			CHECK_THAT(durable_accepted(r, slot) == m->ballot,
				   "slot %" PRIu64 " is told to be accepted and not durable", slot);
}

/* After a restart: everything that was durable is known again. */
static void check_restored(const struct group_replica *r)
{
	CHECK_THAT(paxos_epoch(r->core) >= r->durable_ballot, "a promise is forgotten");
	for (uint64_t slot = r->base + 1; slot < r->durable_accepted_count; slot++) {
		const struct ring_slot *s = ring_get(&r->core->ring, slot);
		CHECK_THAT(durable_accepted(r, slot) == 0 ||
				   (s != NULL && s->ballot >= durable_accepted(r, slot)),
			   "slot %" PRIu64 " is forgotten", slot);
	}
}

static void send(struct group *g, uint32_t from, uint32_t to, enum method method,
		 const union peer_message *message)
{
	g->sent[method]++;
	struct wire_peer_any any = peer_to_any(method, message);
	check_told(&g->replicas[from], method, &any);
	if (g->cut[from][to] || rng_chance(&g->rng, g->loss_ppm))
		return;
	uint32_t copies = 1 + rng_chance(&g->rng, g->duplicate_ppm);
	for (uint32_t k = 0; k < copies; k++) {
		struct group_message m = {
			.at_us = g->now_us + rng_range(&g->rng, g->delay_min_us, g->delay_max_us),
			.order = g->order++,
			.from = from,
			.to = to,
			.method = method,
		};
		peer_encode(method, message, &m.payload);
		push_message(g, m);
	}
}

static void trace_message(struct group *g, const struct group_message *m,
			  const union peer_message *p)
{
	if (g->trace == NULL)
		return;
	struct buffer words = {0};
	struct wire_peer_any any = peer_to_any(m->method, p);
	paxos_words(&any, m->method, m->from + 1, m->to + 1, &words);
	trace(g, "%.*s", (int)words.len, (const char *)words.data);
	buffer_free(&words);
}

static void deliver(struct group *g, struct group_message *m)
{
	struct group_replica *r = &g->replicas[m->to];
	if (r->core != NULL) {
		struct arena arena;
		union peer_message p;
		arena_init(&arena, ARENA_BYTES_MAX);
		CHECK_THAT(peer_decode(m->method, buffer_slice(&m->payload), &arena, &p) == 0,
			   "a message cannot be decoded");
		trace_message(g, m, &p);
		const char *refused = paxos_judge(r->core, m->method, &p);
		CHECK_THAT(refused == NULL, "a genuine message is refused: %s", refused);
		paxos_receive(r->core, g->now_us, m->method, &p);
		g->delivered_messages++;
		group_settle(g, m->to);
		arena_free(&arena);
	}
	if (g->replay_ppm != 0 && rng_chance(&g->rng, g->replay_ppm)) {
		m->at_us = g->now_us + rng_below(&g->rng, 5000000);
		m->order = g->order++;
		push_message(g, *m);
		return;
	}
	buffer_free(&m->payload);
}

/* ---- disk ---- */

static void append(struct group *g, uint32_t i, const struct consensus_persist *p)
{
	struct group_replica *r = &g->replicas[i];
	if (r->records == r->capacity) {
		r->capacity = r->capacity == 0 ? 64 : r->capacity * 2;
		r->log = alloc_resize(r->log, r->capacity, sizeof *r->log);
	}
	r->log[r->records++] = (struct group_record){
		.persist = *p, .value = p->value.len == 0 ? NULL : bytes_copy(p->value)};
}

/* The first `records` records are durable now. */
static void make_durable(struct group_replica *r, uint32_t records)
{
	for (; r->durable < records; r->durable++) {
		const struct consensus_persist *p = &r->log[r->durable].persist;
		if (p->kind != CONSENSUS_PERSIST_CHOSEN && p->ballot > r->durable_ballot)
			r->durable_ballot = p->ballot;
		if (p->kind != CONSENSUS_PERSIST_ACCEPT)
			continue;
		if (p->slot >= r->durable_accepted_count) {
			uint64_t count = 2 * p->slot + 64;
			r->durable_accepted = alloc_resize(r->durable_accepted, count,
							   sizeof *r->durable_accepted);
			memset(r->durable_accepted + r->durable_accepted_count, 0,
			       (count - r->durable_accepted_count) * sizeof *r->durable_accepted);
			r->durable_accepted_count = count;
		}
		r->durable_accepted[p->slot] = p->ballot;
	}
}

static void start_sync(struct group *g, uint32_t i)
{
	struct group_replica *r = &g->replicas[i];
	if (r->syncing != 0 || r->durable == r->records)
		return;
	r->syncing = r->records;
	r->sync_done_us = g->now_us + rng_range(&g->rng, g->sync_min_us, g->sync_max_us);
}

static void sync_done(struct group *g, uint32_t i)
{
	struct group_replica *r = &g->replicas[i];
	make_durable(r, r->syncing);
	r->syncing = 0;
	paxos_persisted(r->core, g->now_us, r->log[r->durable - 1].persist.sequence);
	group_settle(g, i);
}

void group_crash(struct group *g, uint32_t i)
{
	struct group_replica *r = &g->replicas[i];
	if (r->core == NULL)
		return;
	trace(g, "%u crashes", i + 1);
	paxos_destroy(r->core);
	r->core = NULL;
	paxos_invariants_crashed(g->invariants, i);
	/* Any prefix of what was not synced may have reached the disk. */
	uint32_t keep = r->durable + (uint32_t)rng_below(&g->rng, r->records - r->durable + 1);
	while (r->records > keep)
		bytes_unref(r->log[--r->records].value);
	make_durable(r, r->records);
	r->syncing = 0;
	while (r->applied_count > r->base)
		bytes_unref(r->applied[--r->applied_count]);
	r->install_from = 0;
	r->blocked = false;
}

void group_start(struct group *g, uint32_t i)
{
	struct group_replica *r = &g->replicas[i];
	if (r->core != NULL)
		return;
	r->core = make_core(g, i, r->base);
	uint64_t chosen = r->base;
	for (uint32_t k = 0; k < r->records; k++) {
		const struct consensus_persist *p = &r->log[k].persist;
		if (p->kind == CONSENSUS_PERSIST_PROMISE)
			paxos_restore_promise(r->core, p->ballot);
		else if (p->kind == CONSENSUS_PERSIST_ACCEPT)
			paxos_restore_entry(r->core, p->slot, p->ballot,
					    r->log[k].value == NULL ? slice(NULL, 0)
								    : bytes_slice(r->log[k].value));
		else if (p->slot > chosen)
			chosen = p->slot;
	}
	paxos_restore_chosen(r->core, chosen);
	check_restored(r);
	paxos_start(r->core, g->now_us);
	trace(g, "%u starts", i + 1);
	group_settle(g, i);
}

/* ---- stepping ---- */

static void push_applied(struct group_replica *r, struct bytes *value)
{
	if (r->applied_count == r->applied_capacity) {
		r->applied_capacity = r->applied_capacity == 0 ? 64 : r->applied_capacity * 2;
		r->applied = alloc_resize(r->applied, r->applied_capacity, sizeof *r->applied);
	}
	r->applied[r->applied_count++] = value == NULL ? NULL : bytes_ref(value);
}

static void apply(struct group *g, uint32_t i)
{
	struct group_replica *r = &g->replicas[i];
	struct consensus_chosen c;
	uint64_t before = r->applied_count;
	while (!r->blocked && paxos_next_chosen(r->core, &c)) {
		CHECK_THAT(c.slot == r->applied_count + 1, "a slot is applied out of order");
		push_applied(r, c.value);
		trace(g, "%u applies slot %" PRIu64 " = %.*s", i + 1, c.slot,
		      c.value == NULL ? 5 : (int)c.value->len,
		      c.value == NULL ? "no-op" : (const char *)c.value->data);
	}
	if (r->applied_count != before)
		paxos_applied(r->core, r->applied_count);
}

static void answer_old(struct group *g, uint32_t i, const struct consensus_old_fetch *want)
{
	struct group_replica *r = &g->replicas[i];
	struct wire_entry entries[64];
	union peer_message message = {.chosen = {.group = 1,
						 .from = i + 1,
						 .to = want->to,
						 .slot = want->first,
						 .chosen = paxos_chosen_slot(r->core),
						 .entries = entries}};
	struct wire_chosen *m = &message.chosen;
	if (want->first <= r->base) {
		m->slot = r->base;
		m->flags = PEER_SNAPSHOT;
		send(g, i, want->to - 1, METHOD_CHOSEN, &message);
		return;
	}
	for (uint64_t slot = want->first;
	     slot <= want->last && slot <= r->applied_count && m->nentries < 64; slot++) {
		const struct bytes *v = r->applied[slot - 1];
		/* The ballot of the newest record that the log has for the slot. */
		uint64_t ballot = 0;
		for (uint32_t k = r->records; k > 0 && ballot == 0; k--)
			if (r->log[k - 1].persist.kind == CONSENSUS_PERSIST_ACCEPT &&
			    r->log[k - 1].persist.slot == slot)
				ballot = r->log[k - 1].persist.ballot;
		entries[m->nentries++] = (struct wire_entry){.slot = slot,
							     .ballot = ballot,
							     .value = v == NULL ? slice(NULL, 0)
										: bytes_slice(v)};
	}
	if (m->nentries > 0)
		send(g, i, want->to - 1, METHOD_CHOSEN, &message);
}

void group_snapshot(struct group *g, uint32_t i)
{
	struct group_replica *r = &g->replicas[i];
	if (r->core != NULL && !r->blocked)
		r->base = r->applied_count;
}

static void start_install(struct group *g, uint32_t i, const struct consensus_output *out)
{
	struct group_replica *r = &g->replicas[i];
	r->install_from = out->snapshot_from;
	r->install_at_us = g->now_us + rng_below(&g->rng, 200000);
	r->blocked = rng_chance(&g->rng, 500000);
}

/* The snapshot has been fetched, or its source is gone, or it has become superfluous. */
static void install(struct group *g, uint32_t i)
{
	struct group_replica *r = &g->replicas[i];
	const struct group_replica *source = &g->replicas[r->install_from - 1];
	r->install_from = 0;
	r->blocked = false;
	if (source->withholds && source->base > r->applied_count) {
		paxos_abandon_snapshot(r->core, g->now_us, (uint32_t)(source - g->replicas) + 1);
	} else if (source->core == NULL || source->base <= r->applied_count) {
		paxos_abandon_snapshot(r->core, g->now_us, 0);
	} else {
		while (r->applied_count > 0)
			bytes_unref(r->applied[--r->applied_count]);
		while (r->applied_count < source->base)
			push_applied(r, source->applied[r->applied_count]);
		r->base = source->base;
		g->installed++;
		trace(g, "%u installs a snapshot up to slot %" PRIu64, i + 1, r->base);
		paxos_install_snapshot(r->core, g->now_us, r->base, NULL);
	}
	group_settle(g, i);
}

void group_settle(struct group *g, uint32_t i)
{
	struct group_replica *r = &g->replicas[i];
	const struct consensus_output *out = paxos_output(r->core, g->now_us);
	for (uint32_t k = 0; k < out->npersists; k++)
		append(g, i, &out->persists[k]);
	for (uint32_t k = 0; k < out->nsends; k++)
		send(g, i, out->sends[k].to - 1, out->sends[k].method, &out->sends[k].message);
	for (uint32_t k = 0; k < out->nreads; k++) {
		r->reads_confirmed++;
		r->last_read_slot = out->reads[k].slot;
		trace(g, "%u read %" PRIu64 " confirmed at slot %" PRIu64, i + 1, out->reads[k].id,
		      out->reads[k].slot);
	}
	for (uint32_t k = 0; k < out->nold; k++)
		answer_old(g, i, &out->old[k]);
	if (out->need_snapshot && r->install_from == 0)
		start_install(g, i, out);
	apply(g, i);
	if (paxos_role(r->core) != r->role_told)
		trace(g, "%u is a %s now", i + 1, consensus_role_text(paxos_role(r->core)));
	r->role_told = paxos_role(r->core);
	start_sync(g, i);
	check(g);
}

static void tick(struct group *g, uint32_t i)
{
	paxos_tick(g->replicas[i].core, g->now_us);
	group_settle(g, i);
}

bool group_step(struct group *g, uint64_t until_us)
{
	uint64_t best = g->nmessages > 0 ? g->messages[0].at_us : UINT64_MAX;
	uint32_t who = UINT32_MAX;
	void (*event)(struct group *, uint32_t) = NULL;
	for (uint32_t i = 0; i < g->count; i++) {
		const struct group_replica *r = &g->replicas[i];
		if (r->core == NULL)
			continue;
		if (r->syncing != 0 && !r->hold && r->sync_done_us < best) {
			best = r->sync_done_us;
			who = i;
			event = sync_done;
		}
		if (r->install_from != 0 && r->install_at_us < best) {
			best = r->install_at_us;
			who = i;
			event = install;
		}
		if (paxos_deadline_us(r->core) < best) {
			best = paxos_deadline_us(r->core);
			who = i;
			event = tick;
		}
	}
	if (best > until_us) {
		g->now_us = until_us;
		return false;
	}
	if (best > g->now_us)
		g->now_us = best;
	if (who == UINT32_MAX) {
		struct group_message m = pop_message(g);
		deliver(g, &m);
	} else {
		event(g, who);
	}
	return true;
}

void group_run(struct group *g, uint64_t duration_us)
{
	uint64_t until = g->now_us + duration_us;
	while (group_step(g, until))
		continue;
}

uint32_t group_leader(const struct group *g)
{
	uint32_t best = UINT32_MAX;
	for (uint32_t i = 0; i < g->count; i++) {
		const struct paxos *core = g->replicas[i].core;
		if (core != NULL && paxos_role(core) == CONSENSUS_LEADER &&
		    (best == UINT32_MAX || paxos_epoch(core) > paxos_epoch(g->replicas[best].core)))
			best = i;
	}
	return best;
}

uint64_t group_propose(struct group *g, uint32_t i, const char *value)
{
	struct paxos *core = g->replicas[i].core;
	if (core == NULL || !paxos_can_propose(core))
		return 0;
	uint64_t slot = paxos_propose(core, bytes_copy(slice_string(value)));
	trace(g, "%u proposes slot %" PRIu64 " = %s", i + 1, slot, value);
	group_settle(g, i);
	return slot;
}

void group_heal(struct group *g)
{
	memset(g->cut, 0, sizeof g->cut);
	g->loss_ppm = g->duplicate_ppm = g->replay_ppm = 0;
	for (uint32_t i = 0; i < g->count; i++) {
		group_start(g, i);
		paxos_set_electable(g->replicas[i].core, true);
		g->replicas[i].hold = false;
	}
}
