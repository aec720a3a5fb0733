/* Peers that lie: messages that a broken program might send, among the genuine ones. */
#include "liars.h"

#include <inttypes.h>

#include "paxos/internal.h"
#include "paxos/judge.h"
#include "rsm/entry.h"
#include "sim/link.h"
#include "wire/method.h"
#include "wire/wire.h"

/* Of so many seeds one has liars, and there of so many turns one is followed by a lie. */
#define LIARS_PPM 400000u
#define LIES_PPM 4000u

/* The lie that is being made. The message begins as a plausible one. */
struct lie {
	struct rng *rng;
	const struct paxos *core;
	uint16_t method;
	struct wire_peer_any message;
	struct wire_entry entries[4];
	struct wire_range ranges[4];
	struct buffer value; /* an entry */
	bool cut;            /* its encoding is cut short */
};

static uint32_t others(const struct paxos *p)
{
	return (uint32_t)__builtin_popcount(p->listed & ~member_bit(p->self));
}

static uint32_t other_member(struct lie *lie)
{
	const struct paxos *p = lie->core;
	uint64_t skip = rng_below(lie->rng, others(p));
	for (uint32_t i = 0;; i++)
		if (i != p->self && is_listed(p, i) && skip-- == 0)
			return p->peers[i].replica;
}

/* Far, but never within the possible; often just outside. */
static uint64_t beyond(struct lie *lie, uint64_t possible)
{
	switch (rng_below(lie->rng, 3)) {
	case 0: return possible + 1 + rng_below(lie->rng, 1000);
	case 1: return UINT64_MAX - rng_below(lie->rng, 1000);
	default: return rng_range(lie->rng, possible + 1, UINT64_MAX);
	}
}

static uint64_t ballot_of(const struct lie *lie, uint32_t replica)
{
	return ballot_make(ballot_round(lie->core->promised) + 1, replica);
}

static uint64_t impossible_ballot(struct lie *lie, uint32_t replica)
{
	if (rng_chance(lie->rng, 200000))
		return ballot_make(0, replica);
	uint64_t round = rng_chance(lie->rng, 300000)
				 ? UINT64_MAX >> BALLOT_ROUND_SHIFT
				 : BALLOT_ROUND_FREE + BALLOT_ROUND_STEP + 1 +
					   rng_below(lie->rng, BALLOT_ROUND_MAX);
	return ballot_make(round, replica);
}

static void a_good_entry(struct lie *lie)
{
	entry_begin(&lie->value);
	entry_add(&lie->value, &(struct entry_command){.kind = ENTRY_REGISTER});
	entry_finish(&lie->value, 1, 1, 1, lie->message.ballot);
}

static void entries_from(struct lie *lie, uint64_t slot)
{
	a_good_entry(lie);
	lie->message.nentries = 1 + (uint32_t)rng_below(lie->rng, 4);
	for (uint32_t i = 0; i < lie->message.nentries; i++)
		lie->entries[i] = (struct wire_entry){.slot = slot + i,
						      .value = buffer_slice(&lie->value)};
	lie->message.entries = lie->entries;
}

/* faults: 96 */
static void spoil_value(struct lie *lie)
{
	switch (rng_below(lie->rng, 5)) {
	case 4:
		store_u64(lie->value.data + 24, UINT64_MAX - rng_below(lie->rng, 1000));
		break; /* lived time */
	case 0: lie->value.len -= 1 + rng_below(lie->rng, lie->value.len - 1); break;
	case 1: buffer_add_u8(&lie->value, 0); break;
	case 2: lie->value.data[0] = 200; break; /* format */
	default:
		store_u64(lie->value.data + 8, UINT64_MAX - rng_below(lie->rng, 1000));
		break; /* time */
	}
	uint64_t spoilt = rng_below(lie->rng, lie->message.nentries);
	lie->entries[spoilt].value = buffer_slice(&lie->value);
	/* The good ones beside it are no-ops: the bytes are the same. */
	for (uint32_t i = 0; i < lie->message.nentries; i++)
		if (i != spoilt)
			lie->entries[i].value = slice(NULL, 0);
}

static void spoil_slots(struct lie *lie)
{
	uint32_t last = lie->message.nentries - 1;
	if (last == 0 || rng_chance(lie->rng, 500000))
		lie->entries[last].slot = beyond(lie, SLOT_MAX);
	else
		lie->entries[last].slot = lie->entries[0].slot;
}

/* ---- of each method ---- */

static void lie_of_ballot(struct lie *lie)
{
	static const uint16_t methods[] = {METHOD_PRE_VOTE,  METHOD_PREPARE,        METHOD_ACCEPT,
					   METHOD_TAKE_OVER, METHOD_REJECT,         METHOD_PROMISE,
					   METHOD_ACCEPTED,  METHOD_PRE_VOTE_REPLY, METHOD_FETCH};
	struct wire_peer_any *m = &lie->message;
	lie->method = methods[rng_below(lie->rng, sizeof methods / sizeof methods[0])];
	m->slot = m->chosen + 1;
	m->sequence = lie->method == METHOD_PRE_VOTE_REPLY ? ballot_of(lie, m->to) : 0;
	uint32_t whose = lie->method == METHOD_PROMISE || lie->method == METHOD_ACCEPTED ? m->to
											 : m->from;
	if (rng_chance(lie->rng, 300000))
		m->ballot = ballot_of(lie, 0); /* of nobody */
	else
		m->ballot = impossible_ballot(lie, whose);
}

static void lie_of_another_ballot(struct lie *lie)
{
	static const uint16_t methods[] = {METHOD_PRE_VOTE, METHOD_PREPARE, METHOD_ACCEPT,
					   METHOD_TAKE_OVER};
	lie->method = methods[rng_below(lie->rng, 4)];
	lie->message.slot = lie->message.chosen + 1;
	lie->message.ballot = ballot_of(lie, lie->message.to);
}

static void lie_of_slot(struct lie *lie)
{
	static const uint16_t methods[] = {
		METHOD_PREPARE,  METHOD_PROMISE,        METHOD_FETCH,         METHOD_CHOSEN,
		METHOD_ACCEPTED, METHOD_SNAPSHOT_FETCH, METHOD_SNAPSHOT_CHUNK};
	struct wire_peer_any *m = &lie->message;
	lie->method = methods[rng_below(lie->rng, sizeof methods / sizeof methods[0])];
	bool ours = lie->method == METHOD_PROMISE || lie->method == METHOD_ACCEPTED;
	bool none = lie->method == METHOD_FETCH || lie->method == METHOD_CHOSEN;
	m->ballot = none ? 0 : ballot_of(lie, ours ? m->to : m->from);
	m->slot = lie->method == METHOD_ACCEPTED ? m->chosen + SLOT_MAX + 1 : beyond(lie, SLOT_MAX);
}

static void lie_of_chosen(struct lie *lie)
{
	lie->method = (uint16_t)rng_range(lie->rng, METHOD_PRE_VOTE, METHOD_TAKE_OVER);
	lie->message.ballot = ballot_of(lie, lie->message.from);
	lie->message.chosen = beyond(lie, SLOT_MAX);
	lie->message.slot = lie->message.chosen + 1;
}

/* Entries with an Accept as of a leader. */
static void lie_of_accept(struct lie *lie)
{
	lie->method = METHOD_ACCEPT;
	lie->message.ballot = ballot_of(lie, lie->message.from);
	entries_from(lie, lie->message.chosen + 1);
	switch (rng_below(lie->rng, 4)) {
	case 0:
	case 1: spoil_value(lie); break;
	case 2: spoil_slots(lie); break;
	default: lie->message.sequence = beyond(lie, CONSENSUS_SEQUENCE_MAX); break;
	}
}

static void lie_of_learning(struct lie *lie)
{
	struct wire_peer_any *m = &lie->message;
	lie->method = METHOD_CHOSEN;
	m->slot = m->chosen + 1;
	entries_from(lie, m->slot);
	m->chosen = m->slot + m->nentries - 1;
	for (uint32_t i = 0; i < m->nentries; i++)
		lie->entries[i].ballot = ballot_of(lie, m->from);
	switch (rng_below(lie->rng, 4)) {
	case 0: lie->entries[m->nentries - 1].ballot = impossible_ballot(lie, m->from); break;
	case 1: m->chosen--; break;
	case 2: spoil_slots(lie); break;
	default: spoil_value(lie); break;
	}
}

/* Another value than what the victim has accepted, and in its ballot. */
static void lie_of_values(struct lie *lie)
{
	const struct paxos *p = lie->core;
	const struct ring_slot *present = ring_get(&p->ring, p->chosen + 1);
	uint32_t from = present == NULL ? 0 : ballot_replica(present->ballot);
	if (from == 0 || from == lie->message.to) {
		lie_of_learning(lie);
		return;
	}
	lie->message.from = from;
	entries_from(lie, p->chosen + 1);
	lie->message.nentries = 1;
	if (rng_chance(lie->rng, 500000) && present->ballot == p->promised) {
		lie->method = METHOD_ACCEPT;
		lie->message.ballot = present->ballot;
		return;
	}
	lie->method = METHOD_CHOSEN;
	lie->message.slot = lie->message.chosen = p->chosen + 1;
	lie->entries[0].ballot = present->ballot;
}

static void lie_of_promise(struct lie *lie)
{
	struct wire_peer_any *m = &lie->message;
	lie->method = METHOD_PROMISE;
	/* The candidate's own, where there is one. */
	m->ballot = lie->core->seam.role == CONSENSUS_CANDIDATE ? lie->core->ballot
								: ballot_of(lie, m->to);
	m->slot = m->chosen + 1;
	entries_from(lie, m->slot);
	for (uint32_t i = 0; i < m->nentries; i++)
		lie->entries[i].ballot = ballot_make(1, m->from);
	switch (rng_below(lie->rng, 4)) {
	case 0: lie->entries[0].ballot = m->ballot + 1; break;
	case 1:
		lie->entries[m->nentries - 1].slot = m->chosen + PROMISE_SPAN_MAX + 1 +
						     rng_below(lie->rng, SLOT_MAX);
		break;
	case 2: spoil_slots(lie); break;
	default: spoil_value(lie); break;
	}
}

/* Slots and rounds that the leader has not sent. */
static void lie_of_accepted(struct lie *lie)
{
	const struct paxos *p = lie->core;
	struct wire_peer_any *m = &lie->message;
	bool leads = p->seam.role == CONSENSUS_LEADER;
	uint64_t end = leads ? p->next_slot : SLOT_MAX + 1;
	lie->method = METHOD_ACCEPTED;
	m->ballot = leads ? p->ballot : ballot_of(lie, m->to);
	m->slot = m->chosen;
	lie->ranges[0] = (struct wire_range){.first = m->chosen + 1, .last = m->chosen + 1};
	m->ranges = lie->ranges;
	switch (rng_below(lie->rng, 3)) {
	case 0:
		m->nranges = 1;
		lie->ranges[0].last = beyond(lie, end - 1);
		break;
	case 1: m->sequence = beyond(lie, leads ? p->rounds.newest : CONSENSUS_SEQUENCE_MAX); break;
	default: m->slot = beyond(lie, end > m->chosen ? end : m->chosen); break;
	}
}

static void lie_of_piece(struct lie *lie)
{
	struct wire_peer_any *m = &lie->message;
	lie->method = METHOD_SNAPSHOT_CHUNK;
	m->slot = m->chosen + 1;
	a_good_entry(lie);
	m->data = buffer_slice(&lie->value);
	m->total = rng_below(lie->rng, m->data.len);
	if (rng_chance(lie->rng, 500000)) {
		m->position = UINT64_MAX - rng_below(lie->rng, m->data.len);
		m->total = UINT64_MAX;
	}
}

static void lie_of_address(struct lie *lie)
{
	lie->method = METHOD_ACCEPT;
	lie->message.ballot = ballot_of(lie, lie->message.from);
	switch (rng_below(lie->rng, 5)) {
	case 0: lie->message.group++; break;
	case 1: lie->message.to += MEMBER_NUMBER_MAX; break;
	case 2: lie->message.from = lie->message.to; break;
	case 3: lie->message.from = MEMBER_NUMBER_MAX + 1; break;
	default: lie->cut = true; break;
	}
}

static void lie_of_flags(struct lie *lie)
{
	static const uint16_t methods[] = {METHOD_PREPARE, METHOD_PROMISE, METHOD_ACCEPTED,
					   METHOD_CHOSEN, METHOD_PRE_VOTE_REPLY};
	struct wire_peer_any *m = &lie->message;
	lie->method = methods[rng_below(lie->rng, sizeof methods / sizeof methods[0])];
	bool ours = lie->method == METHOD_PROMISE || lie->method == METHOD_ACCEPTED;
	m->ballot = lie->method == METHOD_CHOSEN ? 0 : ballot_of(lie, ours ? m->to : m->from);
	m->slot = m->chosen + 1;
	m->sequence = lie->method == METHOD_PRE_VOTE_REPLY ? ballot_of(lie, m->to) : 0;
	m->flags = 512u << rng_below(lie->rng, 20);
}

static void make(struct lie *lie)
{
	static void (*const kinds[])(struct lie * lie) = {
		lie_of_ballot,   lie_of_another_ballot, lie_of_slot,    lie_of_chosen,
		lie_of_accept,   lie_of_learning,       lie_of_values,  lie_of_promise,
		lie_of_accepted, lie_of_piece,          lie_of_address, lie_of_flags};
	const struct paxos *p = lie->core;
	lie->message = (struct wire_peer_any){.group = p->options.group,
					      .from = other_member(lie),
					      .to = p->options.self,
					      .chosen = p->chosen};
	kinds[rng_below(lie->rng, sizeof kinds / sizeof kinds[0])](lie);
}

/* ---- telling it ---- */

static void whisper(struct sim_process *process)
{
	const struct scene *scene = process->world->context;
	process->node->ops->message(process->node, 0, &scene->lie);
}

static void tell(struct scene *scene, struct scene_replica *replica)
{
	struct lie lie = {.rng = &scene->liars,
			  .core = paxos_of(rsm_core(scene_rsm_of(scene, replica)))};
	struct buffer payload = {0};
	make(&lie);
	/* What is said of another generation is not even looked at (rsm/force.h). */
	lie.message.generation = rsm_generation(scene_rsm_of(scene, replica));
	wire_peer_any_encode(&lie.message, &payload);
	if (lie.cut)
		payload.len -= 1 + rng_below(&scene->liars, payload.len - 1);
	/* What is left of it may be whole by chance; then it is at least of no round. */
	if (lie.cut && payload.len > 0)
		payload.data[payload.len - 1] |= 0x80;
	scene->lie = (struct message){
		.kind = MESSAGE_ONEWAY, .method = lie.method, .payload = buffer_slice(&payload)};
	uint64_t before = rsm_refused(scene_rsm_of(scene, replica));
	bool lives = sim_process_guarded(replica->process, whisper);
	scene->world->faults.of[SIM_FAULT_LIE]++;
	replica->lies++;
	if (!lives || rsm_refused(scene_rsm_of(scene, replica)) == before)
		scene_fail(scene, VERDICT_SAFETY,
			   "%s believed a lie: %s from=%u ballot=%" PRIu64 " slot=%" PRIu64
			   " chosen=%" PRIu64 " sequence=%" PRIu64 " entries=%u",
			   replica->process->name, method_text(lie.method), lie.message.from,
			   lie.message.ballot, lie.message.slot, lie.message.chosen,
			   lie.message.sequence, lie.message.nentries);
	buffer_free(&payload);
	buffer_free(&lie.value);
}

void liars_draw(struct scene *scene)
{
	rng_seed(&scene->liars, scene->options->seed ^ 0x6c69617273ull);
	scene->lying = rng_chance(&scene->liars, LIARS_PPM) && !scene->options->calm;
}

void liars_after_turn(struct scene *scene, struct scene_replica *replica)
{
	const struct rsm *rsm = scene_rsm_of(scene, replica);
	if (rsm_core(rsm) == NULL || scene->over)
		return;
	if (replica->lied_to != replica->process->incarnation) {
		replica->lied_to = replica->process->incarnation;
		replica->lies = 0;
	}
	if (rsm_refused(rsm) != replica->lies)
		scene_fail(scene, VERDICT_SAFETY, "%s refused a genuine message of another replica",
			   replica->process->name);
	if (scene->lying && others(paxos_of(rsm_core(rsm))) > 0 &&
	    rng_chance(&scene->liars, LIES_PPM))
		tell(scene, replica);
}
