/*
 * libFuzzer: a member that says anything.
 *
 * A group of three whole replicas (log, snapshots, sessions, lists) in the simulated world, and
 * somebody who speaks as one of them: messages that are plausible but for some numbers, and genuine
 * ones that the replicas have sent each other, with some numbers changed.
 *
 *   input: a program, one step after another: u8 what, then its arguments (see run_step)
 *
 * What must hold, whatever is said: no assertion, nobody halts, memory stays bounded, and a message
 * that was refused has changed nothing. As long as everything has been refused: the invariants of
 * paxos/invariants.h hold, and in the end the group elects a leader and has one state. Who is
 * believed lies within the possible; against that nothing is promised (paxos/judge.h).
 */
/* faults: 96 */
#include <stdio.h>
#include <stdlib.h>

#include "../../cmd/synod-sim/list_client.h"
#include "base/alloc.h"
#include "fuzz.h"
#include "paxos/internal.h"
#include "paxos/invariants.h"
#include "paxos/judge.h"
#include "rsm/internal.h"
#include "sim/link.h"
#include "sim/network.h"
#include "wire/wire.h"

#define REPLICAS 3u
#define STEPS_MAX 300u
#define HEARD_MAX 32u
/* Rings grow by doubling: twice what PROMISE_SPAN_MAX and the spans of followers may ask for. */
#define RING_SLOTS_MAX (4 * PROMISE_SPAN_MAX)

struct heard {
	uint32_t to;
	uint16_t method;
	struct buffer payload;
};

struct bench {
	struct sim_world *world;
	struct list_replica_options options[REPLICAS];
	struct sim_process *processes[REPLICAS];
	uint32_t incarnations[REPLICAS]; /* that the invariants know */
	struct paxos_invariants *invariants;
	struct heard heard[HEARD_MAX]; /* genuine messages, the newest ones */
	uint32_t nheard;
	bool believed;          /* something that was made up */
	uint64_t values;        /* proposed so far */
	struct message message; /* being handed over */
	struct arena arena;
	struct buffer value;
};

static struct bench b;

static struct rsm *rsm_of(uint32_t i)
{
	return list_replica_rsm(b.processes[i]->node);
}

static const struct paxos *core_of(uint32_t i)
{
	return paxos_of(rsm_core(rsm_of(i)));
}

/* ---- what is watched ---- */

static void after_turn(void *context, struct sim_process *process)
{
	(void)context;
	(void)process;
	const struct paxos *cores[REPLICAS];
	if (b.processes[REPLICAS - 1] == NULL)
		return;
	for (uint32_t i = 0; i < REPLICAS; i++) {
		cores[i] = sim_process_alive(b.processes[i]) ? core_of(i) : NULL;
		if (b.incarnations[i] != b.processes[i]->incarnation)
			paxos_invariants_crashed(b.invariants, i);
		b.incarnations[i] = b.processes[i]->incarnation;
		if (cores[i] != NULL)
			ASSERT(cores[i]->ring.capacity <= RING_SLOTS_MAX &&
			       cores[i]->recovered.capacity <= RING_SLOTS_MAX);
	}
	const char *problem = b.believed ? NULL
					 : paxos_invariants_check(b.invariants, cores, REPLICAS);
	if (problem != NULL)
		assert_failed(problem, __FILE__, __LINE__);
}

static void halted(void *context, struct sim_process *process)
{
	(void)context;
	assert_failed(process->halt_reason, process->name, 0);
}

static enum sim_verdict listen(void *context, const struct sim_process *from,
			       const struct sim_process *to, const struct message *message,
			       uint64_t *delay_us)
{
	(void)context;
	(void)from;
	(void)delay_us;
	struct heard *heard = &b.heard[b.nheard++ % HEARD_MAX];
	if (message->kind != MESSAGE_ONEWAY)
		return SIM_PASS;
	heard->to = to->index;
	heard->method = message->method;
	buffer_clear(&heard->payload);
	buffer_add_slice(&heard->payload, message->payload);
	return SIM_PASS;
}

/* ---- life ---- */

static void open_bench(uint64_t seed)
{
	static const char *const names[] = {"r1", "r2", "r3"};
	static const char *const addresses[] = {"r1:7000", "r2:7000", "r3:7000"};
	struct sim_options options;
	b = (struct bench){0};
	arena_init(&b.arena, ARENA_BYTES_MAX);
	sim_options_calm(&options);
	b.world = sim_world_create(seed, &options);
	b.world->after_turn = after_turn;
	b.world->halted = halted;
	b.invariants = paxos_invariants_create();
	sim_network_set_filter(b.world, listen, NULL);
	for (uint32_t i = 0; i < REPLICAS; i++) {
		struct list_replica_options *o = &b.options[i];
		*o = (struct list_replica_options){
			.group = 7, .replica = i + 1, .nmembers = REPLICAS};
		rsm_settings_default(&o->settings);
		o->settings.wal_segment_bytes = 64 * KIB;
		o->settings.entry_bytes = 1 * KIB;
		o->settings.snapshot_log_bytes = 8 * KIB;
		o->settings.log_cache_bytes = 1 * KIB;
		o->settings.read_lease_ms = seed % 2 == 0 ? 0 : 100;
		for (uint32_t k = 0; k < REPLICAS; k++)
			o->members[k] = (struct rsm_member){.replica = k + 1,
							    .name = names[k],
							    .address = addresses[k],
							    .client_address = addresses[k]};
		b.processes[i] = sim_process_add(
			b.world, &(struct sim_process_spec){.name = names[i],
							    .address = addresses[i],
							    .build = list_replica_build,
							    .context = o,
							    .disk = true});
	}
	for (uint32_t i = 0; i < REPLICAS; i++)
		sim_process_start(b.processes[i]);
}

static void close_bench(void)
{
	sim_world_destroy(b.world);
	paxos_invariants_free(b.invariants);
	for (uint32_t i = 0; i < HEARD_MAX; i++)
		buffer_free(&b.heard[i].payload);
	arena_free(&b.arena);
	buffer_free(&b.value);
}

static uint32_t leader(void)
{
	uint32_t best = UINT32_MAX;
	for (uint32_t i = 0; i < REPLICAS; i++)
		if (sim_process_alive(b.processes[i]) && rsm_is_leader(rsm_of(i)) &&
		    (best == UINT32_MAX || paxos_epoch(core_of(i)) > paxos_epoch(core_of(best))))
			best = i;
	return best;
}

/* ---- clients ---- */

static void hand_over(void *data, struct node *node)
{
	(void)data;
	node->ops->message(node, 0, &b.message);
}

static void request(uint32_t i, uint16_t method, struct slice payload)
{
	b.message = (struct message){
		.kind = MESSAGE_REQUEST, .method = method, .id = 1, .payload = payload};
	sim_process_call(b.processes[i], hand_over, NULL);
}

static void append(uint32_t i, uint64_t client, uint64_t sequence)
{
	uint8_t body[12];
	struct buffer command = {0};
	store_u32(body, 1);
	store_u64(body + 4, ++b.values);
	wire_command_encode(&(struct wire_command){.client = client,
						   .sequence = sequence,
						   .body = slice(body, sizeof body)},
			    &command);
	request(i, METHOD_COMMAND, buffer_slice(&command));
	buffer_free(&command);
}

/* ---- the member ---- */

/* Numbers near what is expected, at the ends of their types, and any. */
static uint64_t number(struct slice *in, uint64_t near)
{
	switch (input_u8(in) % 8) {
	case 0:
	case 1: return near + input_u8(in) - 8;
	case 2: return input_u64(in);
	case 3: return UINT64_MAX - input_u8(in);
	case 4: return UINT64_C(1) << input_u8(in) % 64;
	case 5: return SLOT_MAX - 2 + input_u8(in) % 5;
	case 6: return ballot_make(input_u8(in), input_u8(in) % 5);
	default: return ballot_make(UINT64_C(1) << input_u8(in) % 56, input_u8(in) % 5);
	}
}

static void change(struct slice *in, struct wire_peer_any *m)
{
	uint8_t which = input_u8(in);
	struct wire_entry *e = m->nentries > 0 ? &m->entries[which / 18 % m->nentries] : NULL;
	struct wire_range *r = m->nranges > 0 ? &m->ranges[which / 18 % m->nranges] : NULL;
	switch (which % 18) {
	case 0: m->group = number(in, m->group); break;
	case 1: m->from = input_u8(in) % 5; break;
	case 2: m->to = input_u8(in) % 5; break;
	case 3: m->ballot = number(in, m->ballot); break;
	case 4: m->slot = number(in, m->slot); break;
	case 5: m->chosen = number(in, m->chosen); break;
	case 6: m->sequence = number(in, m->sequence); break;
	case 7: m->flags = input_u8(in); break;
	case 8: m->position = number(in, m->position); break;
	case 9: m->total = number(in, m->total); break;
	case 10: m->lease_us = number(in, m->lease_us); break;
	case 11:
		if (e != NULL)
			e->slot = number(in, e->slot);
		break;
	case 12:
		if (e != NULL)
			e->ballot = number(in, e->ballot);
		break;
	case 13:
		if (e != NULL)
			e->value = input_bytes(in, input_u8(in) % 64);
		break;
	case 14:
		if (r != NULL)
			r->first = number(in, r->first);
		break;
	case 15: m->stamp = number(in, m->stamp); break;
	case 16: m->vouched = number(in, m->vouched); break;
	default:
		if (r != NULL)
			r->last = number(in, r->last);
		break;
	}
}

static void make_value(struct slice *in)
{
	uint8_t body[12];
	store_u32(body, 1);
	store_u64(body + 4, input_u8(in));
	entry_begin(&b.value);
	entry_add(&b.value, &(struct entry_command){.kind = ENTRY_APP,
						    .client = input_u8(in) % 3,
						    .sequence = 1,
						    .body = slice(body, 12)});
	entry_finish(&b.value, 1, sim_process_wall_us(b.processes[0]), 1, 1);
}

/* What a member in the victim's place would find plausible. */
static void invent(struct slice *in, uint32_t victim, uint16_t method, struct wire_peer_any *m)
{
	const struct paxos *p = core_of(victim);
	uint32_t from = (victim + 1 + input_u8(in) % 2) % REPLICAS;
	uint8_t how = input_u8(in);
	uint64_t round = ballot_round(p->promised) + how % 3;
	*m = (struct wire_peer_any){.group = 7,
				    .from = from + 1,
				    .to = victim + 1,
				    .chosen = p->chosen,
				    .slot = p->chosen + 1};
	m->entries = arena_get(&b.arena, 4 * sizeof *m->entries);
	m->ranges = arena_get(&b.arena, 4 * sizeof *m->ranges);
	switch (method) {
	case METHOD_PROMISE:
	case METHOD_ACCEPTED:
		m->ballot = p->ballot != 0 ? p->ballot : ballot_make(round, m->to);
		break;
	case METHOD_FETCH:
	case METHOD_CHOSEN: break;
	default: m->ballot = ballot_make(round, m->from); break;
	}
	if (method == METHOD_PRE_VOTE_REPLY)
		m->sequence = p->ballot;
	if (method == METHOD_ACCEPT)
		m->sequence = p->peers[from].accepted_round + 1;
	if (method == METHOD_ACCEPTED) {
		m->sequence = p->rounds.newest;
		m->nranges = how / 8 % 3;
		for (uint32_t i = 0; i < m->nranges; i++)
			m->ranges[i] = (struct wire_range){.first = p->chosen + 1 + 2 * i,
							   .last = p->chosen + 1 + 2 * i};
	}
	if (method == METHOD_ACCEPT || method == METHOD_CHOSEN || method == METHOD_PROMISE) {
		make_value(in);
		m->nentries = how / 8 % 5;
		for (uint32_t i = 0; i < m->nentries; i++)
			m->entries[i] = (struct wire_entry){
				.slot = p->chosen + 1 + i,
				.ballot = method == METHOD_ACCEPT
						  ? 0
						  : ballot_make(round > 0 ? round - how / 64 % 2
									  : 1,
								m->from),
				.value = how / 32 % 2 == 0 ? buffer_slice(&b.value)
							   : slice(NULL, 0)};
		if (method == METHOD_CHOSEN)
			m->chosen += m->nentries;
	}
}

/* Everything that a refused message must not have touched. */
struct print {
	uint64_t promised, chosen, known, round_seen, last, bytes, ballot, persist_next, elections,
		role;
};

static struct print print_of(uint32_t i)
{
	const struct paxos *p = core_of(i);
	return (struct print){.promised = p->promised,
			      .chosen = p->chosen,
			      .known = p->catch_up.known,
			      .round_seen = p->round_seen,
			      .last = p->ring.last,
			      .bytes = p->ring.bytes,
			      .ballot = p->ballot,
			      .persist_next = p->persists.next,
			      .elections = p->timer.at_us,
			      .role = p->seam.role};
}

static void whisper(struct sim_process *process)
{
	process->node->ops->message(process->node, 0, &b.message);
}

static void nothing(void *data, struct node *node)
{
	(void)data;
	(void)node;
}

static void say(uint32_t victim, uint16_t method, const struct wire_peer_any *m)
{
	struct buffer payload = {0};
	wire_peer_any_encode(m, &payload);
	b.message = (struct message){
		.kind = MESSAGE_ONEWAY, .method = method, .payload = buffer_slice(&payload)};
	struct print before = print_of(victim);
	uint64_t refused = rsm_refused(rsm_of(victim));
	sim_process_guarded(b.processes[victim], whisper);
	if (rsm_refused(rsm_of(victim)) == refused) {
		b.believed = true;
	} else {
		struct print after = print_of(victim);
		ASSERT(memcmp(&before, &after, sizeof before) == 0);
	}
	buffer_free(&payload);
	/* What follows from it. */
	sim_process_call(b.processes[victim], nothing, NULL);
}

static void speak(struct slice *in, bool genuine)
{
	struct wire_peer_any m;
	uint32_t victim = input_u8(in) % REPLICAS;
	uint8_t which = input_u8(in);
	uint16_t method = (uint16_t)(METHOD_PRE_VOTE +
				     which % (METHOD_STATE_HASH + 2 - METHOD_PRE_VOTE));
	if (method > METHOD_STATE_HASH)
		method = METHOD_STARTED;
	arena_reset(&b.arena);
	if (genuine && b.nheard > 0) {
		const struct heard *heard =
			&b.heard[which % (b.nheard < HEARD_MAX ? b.nheard : HEARD_MAX)];
		victim = heard->to;
		method = heard->method;
		if (heard->payload.len == 0 ||
		    wire_peer_any_decode(buffer_slice(&heard->payload), &b.arena, &m) != 0)
			return;
	} else {
		invent(in, victim, method, &m);
	}
	for (uint32_t changes = input_u8(in) % 4; changes > 0; changes--)
		change(in, &m);
	say(victim, method, &m);
}

static void run_step(struct slice *in)
{
	uint8_t what = input_u8(in), argument;
	uint32_t i = leader();
	switch (what % 8) {
	case 0: sim_world_run_for(b.world, input_u8(in) * UINT64_C(2000)); break;
	case 1:
		argument = input_u8(in);
		append(i != UINT32_MAX ? i : argument % REPLICAS, argument / 16 % 4,
		       argument / 4 % 4 + 1);
		break;
	case 2:
		argument = input_u8(in);
		if (i != UINT32_MAX && argument % 2 == 0)
			request(i, argument % 4 == 0 ? METHOD_TRANSFER : METHOD_QUERY,
				slice("\0\0\0\1", argument % 4 == 0 ? 0 : 4));
		else
			sim_process_restart(b.processes[argument % REPLICAS]);
		break;
	case 3:
	case 4: speak(in, true); break;
	default: speak(in, false); break;
	}
}

/* ---- the end ---- */

static bool agree(void *context)
{
	(void)context;
	for (uint32_t i = 0; i < REPLICAS; i++) {
		if (rsm_applied(rsm_of(i)) != rsm_applied(rsm_of(0)) ||
		    list_replica_hash(b.processes[i]->node) !=
			    list_replica_hash(b.processes[0]->node))
			return false;
	}
	return leader() != UINT32_MAX;
}

static bool is_led(void *context)
{
	(void)context;
	return leader() != UINT32_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice(data, size);
	uint8_t seed = input_u8(&in);
	open_bench(seed);
	sim_world_run_for(b.world, (uint64_t)seed * 4000);
	for (uint32_t steps = 0; in.len > 0 && steps < STEPS_MAX; steps++)
		run_step(&in);
	if (b.believed) {
		sim_world_run_for(b.world, SIM_SECOND);
	} else {
		bool led = sim_world_run_until_true(b.world, is_led, NULL, 20 * SIM_SECOND);
		ASSERT(led);
		append(leader(), 0, 0);
		bool one_state = sim_world_run_until_true(b.world, agree, NULL, 20 * SIM_SECOND);
		ASSERT(one_state);
	}
	close_bench();
	return 0;
}
