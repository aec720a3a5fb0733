/*
 * libFuzzer: the consensus core under any schedule.
 *
 * Three or five replicas, a pool of the genuine messages that they have sent, a disk each. The
 * input is the schedule: which message is delivered next, whether it stays in the pool (to be
 * delivered again, however late), is thrown away, when a disk has synced how much, how time passes
 * for each replica, who crashes losing what was not synced, who is proposed to and read from.
 * Networks and disks may do nothing else: messages are never made up: that is what fuzz_member.c
 * does.
 *
 * What must hold: the invariants of paxos/invariants.h after each step; all replicas apply the same
 * values; a confirmed read sees whatever anybody knew to be chosen when it was asked for.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "fuzz.h"
#include "paxos/invariants.h"
#include "paxos/judge.h"
#include "paxos/multipaxos.h"

#define REPLICAS 5u /* at most */
#define POOL_MAX 96u
#define SLOTS_MAX 4096u
#define STEPS_MAX 2000u

struct record {
	enum consensus_persist_kind kind;
	uint64_t sequence, slot, ballot;
	struct bytes *value; /* NULL: empty */
};

struct packet {
	uint32_t to;
	enum method method;
	struct buffer payload;
};

struct replica {
	struct paxos *core;
	uint64_t now_us;
	struct record *log;
	uint32_t records, capacity, durable;
	uint64_t applied;
	uint64_t read_id, read_floor; /* the newest read, and what it must see; 0: none */
};

struct group {
	uint32_t count;
	struct replica replicas[REPLICAS];
	struct packet pool[POOL_MAX];
	uint32_t npool;
	struct bytes *chosen[SLOTS_MAX]; /* [slot - 1]: what was applied first */
	uint64_t nchosen;
	uint64_t reads;
	struct paxos_invariants *invariants;
	struct rng rng;
	struct arena arena;
};

static uint64_t group_random(void *context)
{
	struct group *g = context;
	return rng_next(&g->rng);
}

static void check(struct group *g)
{
	const struct paxos *cores[REPLICAS];
	for (uint32_t i = 0; i < g->count; i++)
		cores[i] = g->replicas[i].core;
	const char *problem = paxos_invariants_check(g->invariants, cores, g->count);
	if (problem != NULL)
		assert_failed(problem, __FILE__, __LINE__);
}

/* ---- what a core puts out ---- */

static void drop_packet(struct group *g, uint32_t index)
{
	buffer_free(&g->pool[index].payload);
	g->pool[index] = g->pool[--g->npool];
}

static void post(struct group *g, uint32_t to, enum method method,
		 const union peer_message *message)
{
	if (g->npool == POOL_MAX)
		drop_packet(g, (uint32_t)rng_below(&g->rng, POOL_MAX));
	struct packet *packet = &g->pool[g->npool++];
	*packet = (struct packet){.to = to, .method = method};
	peer_encode(method, message, &packet->payload);
}

static void append(struct replica *r, const struct consensus_persist *p)
{
	if (r->records == r->capacity) {
		r->capacity = r->capacity == 0 ? 64 : r->capacity * 2;
		r->log = alloc_resize(r->log, r->capacity, sizeof *r->log);
	}
	r->log[r->records++] = (struct record){.kind = p->kind,
					       .sequence = p->sequence,
					       .slot = p->slot,
					       .ballot = p->ballot,
					       .value = p->value.len == 0 ? NULL
									  : bytes_copy(p->value)};
}

static bool same_value(const struct bytes *a, const struct bytes *b)
{
	return a == NULL || b == NULL ? a == b : slice_equal(bytes_slice(a), bytes_slice(b));
}

static void apply(struct group *g, struct replica *r)
{
	struct consensus_chosen c;
	while (paxos_next_chosen(r->core, &c)) {
		ASSERT(c.slot == r->applied + 1);
		r->applied = c.slot;
		if (c.slot > SLOTS_MAX)
			continue;
		if (c.slot == g->nchosen + 1)
			g->chosen[g->nchosen++] = c.value == NULL ? NULL : bytes_ref(c.value);
		ASSERT(same_value(g->chosen[c.slot - 1], c.value));
	}
	paxos_applied(r->core, r->applied);
}

/* Old entries come from the log, as a lagging peer gets them. */
static void answer_old(struct group *g, uint32_t i, const struct consensus_old_fetch *want)
{
	struct replica *r = &g->replicas[i];
	struct wire_entry entries[16];
	union peer_message message = {.chosen = {.group = 1,
						 .from = i + 1,
						 .to = want->to,
						 .slot = want->first,
						 .chosen = paxos_chosen_slot(r->core),
						 .entries = entries}};
	struct wire_chosen *m = &message.chosen;
	for (uint64_t slot = want->first;
	     slot <= want->last && slot <= r->applied && slot <= SLOTS_MAX && m->nentries < 16;
	     slot++) {
		uint64_t ballot = 0;
		for (uint32_t k = r->records; k > 0 && ballot == 0; k--)
			if (r->log[k - 1].kind == CONSENSUS_PERSIST_ACCEPT &&
			    r->log[k - 1].slot == slot)
				ballot = r->log[k - 1].ballot;
		const struct bytes *value = g->chosen[slot - 1];
		entries[m->nentries++] = (struct wire_entry){
			.slot = slot,
			.ballot = ballot,
			.value = value == NULL ? slice(NULL, 0) : bytes_slice(value)};
	}
	if (m->nentries > 0)
		post(g, want->to - 1, METHOD_CHOSEN, &message);
}

static void settle(struct group *g, uint32_t i)
{
	struct replica *r = &g->replicas[i];
	const struct consensus_output *out = paxos_output(r->core, r->now_us);
	for (uint32_t k = 0; k < out->npersists; k++)
		append(r, &out->persists[k]);
	for (uint32_t k = 0; k < out->nsends; k++)
		post(g, out->sends[k].to - 1, out->sends[k].method, &out->sends[k].message);
	for (uint32_t k = 0; k < out->nreads; k++)
		if (out->reads[k].id == r->read_id)
			ASSERT(out->reads[k].slot >= r->read_floor);
	for (uint32_t k = 0; k < out->nold; k++)
		answer_old(g, i, &out->old[k]);
	apply(g, r);
	check(g);
}

/* ---- the life of a replica ---- */

static void start(struct group *g, uint32_t i)
{
	struct replica *r = &g->replicas[i];
	struct consensus_options options = {.group = 1,
					    .self = i + 1,
					    .nmembers = g->count,
					    .members = {1, 2, 3, 4, 5},
					    .election_timeout_us = 150000,
					    .heartbeat_us = 30000,
					    .cache_bytes = 256,
					    .random = group_random,
					    .context = g};
	uint64_t chosen = 0;
	r->core = paxos_create(&options, 0);
	for (uint32_t k = 0; k < r->records; k++) {
		const struct record *record = &r->log[k];
		if (record->kind == CONSENSUS_PERSIST_PROMISE)
			paxos_restore_promise(r->core, record->ballot);
		else if (record->kind == CONSENSUS_PERSIST_ACCEPT)
			paxos_restore_entry(r->core, record->slot, record->ballot,
					    record->value == NULL ? slice(NULL, 0)
								  : bytes_slice(record->value));
		else if (record->slot > chosen)
			chosen = record->slot;
	}
	paxos_restore_chosen(r->core, chosen);
	paxos_start(r->core, r->now_us);
	settle(g, i);
}

static void crash(struct group *g, uint32_t i, uint8_t survives)
{
	struct replica *r = &g->replicas[i];
	paxos_destroy(r->core);
	r->core = NULL;
	paxos_invariants_crashed(g->invariants, i);
	uint32_t keep = r->durable + survives % (r->records - r->durable + 1);
	while (r->records > keep)
		bytes_unref(r->log[--r->records].value);
	/* Sequences are counted anew by the next core; what is in the log is durable. */
	r->durable = r->records;
	r->applied = 0;
	r->read_id = 0;
	start(g, i);
}

/* ---- steps ---- */

static void deliver(struct group *g, uint8_t which, bool keep)
{
	if (g->npool == 0)
		return;
	uint32_t index = which % g->npool;
	struct packet *packet = &g->pool[index];
	uint32_t to = packet->to;
	struct replica *r = &g->replicas[to];
	struct buffer payload = {0};
	union peer_message message;
	enum method method = packet->method;
	buffer_add_slice(&payload, buffer_slice(&packet->payload));
	if (!keep)
		drop_packet(g, index);
	arena_reset(&g->arena);
	int status = peer_decode(method, buffer_slice(&payload), &g->arena, &message);
	ASSERT(status == 0);
	/* Whatever the network does to it, what a replica has sent is believed. */
	const char *refused = paxos_judge(r->core, method, &message);
	if (refused != NULL)
		assert_failed(refused, __FILE__, __LINE__);
	paxos_receive(r->core, r->now_us, method, &message);
	settle(g, to);
	buffer_free(&payload);
}

static void sync_some(struct group *g, uint32_t i, uint8_t amount)
{
	struct replica *r = &g->replicas[i];
	uint32_t waiting = r->records - r->durable;
	if (waiting == 0)
		return;
	r->durable += amount >= 128 ? waiting : 1 + amount % waiting;
	paxos_persisted(r->core, r->now_us, r->log[r->durable - 1].sequence);
	settle(g, i);
}

static void pass_time(struct group *g, uint32_t i, uint8_t amount)
{
	struct replica *r = &g->replicas[i];
	uint64_t due = paxos_deadline_us(r->core);
	uint64_t at = amount >= 64 ? due : r->now_us + amount * UINT64_C(4000);
	r->now_us = at > r->now_us && at != UINT64_MAX ? at : r->now_us;
	if (due <= r->now_us) {
		paxos_tick(r->core, r->now_us);
		settle(g, i);
	}
}

static void propose(struct group *g, uint32_t i, uint8_t value)
{
	struct replica *r = &g->replicas[i];
	if (!paxos_can_propose(r->core))
		return;
	char text[16];
	snprintf(text, sizeof text, "%u.%u", i, value);
	paxos_propose(r->core, bytes_copy(slice_string(text)));
	if (value % 2 != 0) /* Otherwise the turn goes on. */
		settle(g, i);
}

static void read_index(struct group *g, uint32_t i)
{
	struct replica *r = &g->replicas[i];
	uint64_t floor = 0;
	for (uint32_t k = 0; k < g->count; k++)
		if (paxos_chosen_slot(g->replicas[k].core) > floor)
			floor = paxos_chosen_slot(g->replicas[k].core);
	if (!paxos_read(r->core, ++g->reads))
		return;
	r->read_id = g->reads;
	r->read_floor = floor;
	settle(g, i);
}

static void step(struct group *g, uint8_t what, uint8_t argument)
{
	uint32_t i = what / 16 % g->count;
	switch (what % 16) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4: deliver(g, argument, false); break;
	case 5: deliver(g, argument, true); break;
	case 6:
		if (g->npool > 0)
			drop_packet(g, argument % g->npool);
		break;
	case 7:
	case 8:
	case 9: sync_some(g, i, argument); break;
	case 10:
	case 11: pass_time(g, i, argument); break;
	case 12: propose(g, i, argument); break;
	case 13: read_index(g, i); break;
	case 14: crash(g, i, argument); break;
	default:
		if (paxos_transfer(g->replicas[i].core, g->replicas[i].now_us,
				   argument % (g->count + 1)))
			settle(g, i);
	}
}

static void group_free(struct group *g)
{
	for (uint32_t i = 0; i < g->count; i++) {
		struct replica *r = &g->replicas[i];
		paxos_destroy(r->core);
		for (uint32_t k = 0; k < r->records; k++)
			bytes_unref(r->log[k].value);
		free(r->log);
	}
	while (g->npool > 0)
		drop_packet(g, 0);
	for (uint64_t k = 0; k < g->nchosen; k++)
		bytes_unref(g->chosen[k]);
	paxos_invariants_free(g->invariants);
	arena_free(&g->arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct group g;
	struct slice in = slice(data, size);

	memset(&g, 0, sizeof g);
	g.invariants = paxos_invariants_create();
	uint8_t seed = input_u8(&in);
	g.count = seed >= 128 ? 5 : 3;
	rng_seed(&g.rng, seed);
	arena_init(&g.arena, ARENA_BYTES_MAX);
	for (uint32_t i = 0; i < g.count; i++)
		start(&g, i);
	for (uint32_t steps = 0; in.len > 0 && steps < STEPS_MAX; steps++) {
		uint8_t what = input_u8(&in);
		step(&g, what, input_u8(&in));
	}
	group_free(&g);
	return 0;
}
