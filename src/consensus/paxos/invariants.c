/* What must hold after every step, of one replica and of all together. */
#include "paxos/invariants.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/map.h"
#include "paxos/internal.h"
#include "paxos/invariants_quorums.h"

/* Everything ≤ slot is durable when all records up to this one are. */
struct awaited {
	uint64_t slot, sequence;
};
#define AWAITED_MAX 32u

struct seen {
	struct awaited awaited[AWAITED_MAX]; /* ascending; of this life */
	uint32_t nawaited;
	uint64_t life;
	uint64_t promised, chosen;
	uint64_t durable_promised; /* highest promise whose record was durable */
	uint64_t checked;          /* I1 holds up to this slot */
	/* I2 holds for what was accepted with a sequence number below this */
	uint64_t accepted;
	bool running;
};

struct paxos_invariants {
	struct seen seen[PAXOS_INVARIANTS_MAX];
	struct map chosen;    /* slot → fingerprint */
	struct map proposals; /* hash of (slot, ballot) → fingerprint */
	struct map leaders;   /* ballot → replica id */
	struct map members;   /* slot → fingerprint of the list */
	struct map durable;   /* life → 1 + every slot ≤ it has been durable there */
	struct map in_force;  /* slot → it is known that its list has been acted upon */
	struct quorums quorums;
	/* the highest ballot that anybody of the latest generation (rsm/force.h) has led in */
	uint64_t latest;
	uint32_t generation;
	char problem[256];
};

struct paxos_invariants *paxos_invariants_create(void)
{
	return ALLOC(struct paxos_invariants);
}

void paxos_invariants_free(struct paxos_invariants *inv)
{
	if (inv == NULL)
		return;
	map_free(&inv->chosen);
	map_free(&inv->proposals);
	map_free(&inv->leaders);
	map_free(&inv->members);
	map_free(&inv->durable);
	map_free(&inv->in_force);
	quorums_free(&inv->quorums);
	free(inv);
}

/* Never NULL, so that a map can hold it: length and checksum of the value. */
static void *fingerprint(const struct ring_slot *s)
{
	struct slice value = ring_value(s);
	return (void *)(uintptr_t)((uint64_t)crc32c(0, value.data, value.len) << 24 |
				   ((value.len + 1) & 0xffffff));
}

/* What is recorded for the key, after recording `value` if nothing was. */
static void *first_of(struct map *m, uint64_t key, void *value)
{
	void *present = map_get(m, key);
	if (present == NULL)
		map_put(m, key, value);
	return present == NULL ? value : present;
}

static uint64_t mix(uint64_t slot, uint64_t ballot)
{
	uint64_t x = slot * 0x9e3779b97f4a7c15ull ^
		     (ballot + 0x7f4a7c15ull) * 0xbf58476d1ce4e5b9ull;
	return x ^ x >> 29;
}

static bool report(struct paxos_invariants *inv, const char *problem)
{
	if (problem != NULL)
		snprintf(inv->problem, sizeof inv->problem, "%s", problem);
	return problem == NULL;
}

static bool check_entries(struct paxos_invariants *inv, const struct paxos *p, struct seen *seen)
{
	for (uint64_t slot = p->chosen + 1; slot <= p->ring.last; slot++) {
		const struct ring_slot *s = ring_get(&p->ring, slot);
		if (s == NULL)
			continue;
		if (s->ballot > p->promised) {
			snprintf(inv->problem, sizeof inv->problem,
				 "I4: replica %u accepted slot %" PRIu64
				 " in a ballot above its promise",
				 p->options.self, slot);
			return false;
		}
		/*
		 * Every acceptance has a sequence number of its own: values need not be summed up
		 * again after every step.
		 */
		if (s->persist < seen->accepted)
			continue;
		void *value = fingerprint(s);
		if (first_of(&inv->proposals, mix(slot, s->ballot), value) != value) {
			snprintf(inv->problem, sizeof inv->problem,
				 "I2: slot %" PRIu64
				 " has two values in one ballot, one at replica %u",
				 slot, p->options.self);
			return false;
		}
		quorums_accepted(&inv->quorums, p, slot, (uint64_t)(uintptr_t)value);
	}
	uint64_t from = seen->checked + 1 > p->ring.first ? seen->checked + 1 : p->ring.first;
	for (uint64_t slot = from; slot <= p->chosen; slot++) {
		const struct ring_slot *s = ring_get(&p->ring, slot);
		if (s == NULL && slot > p->delivered) {
			snprintf(inv->problem, sizeof inv->problem,
				 "I6: replica %u does not hold chosen slot %" PRIu64,
				 p->options.self, slot);
			return false;
		}
		void *value = s == NULL ? NULL : fingerprint(s);
		if (s != NULL && first_of(&inv->chosen, slot, value) != value) {
			snprintf(inv->problem, sizeof inv->problem,
				 "I1: replica %u has another value chosen in slot %" PRIu64,
				 p->options.self, slot);
			return false;
		}
		/* Accepted once more in the step in which it is known to be chosen. */
		if (s != NULL && s->persist >= seen->accepted)
			quorums_accepted(&inv->quorums, p, slot, (uint64_t)(uintptr_t)value);
	}
	seen->checked = p->chosen;
	seen->accepted = p->persists.next;
	return true;
}

static bool check_leader(struct paxos_invariants *inv, const struct paxos *p)
{
	if (p->seam.role != CONSENSUS_LEADER)
		return true;
	void *self = (void *)(uintptr_t)p->options.self;
	if (map_get(&inv->leaders, p->ballot) == NULL &&
	    !report(inv, quorums_check_leader(&inv->quorums, p)))
		return false;
	if (ballot_replica(p->ballot) != p->options.self ||
	    first_of(&inv->leaders, p->ballot, self) != self) {
		snprintf(inv->problem, sizeof inv->problem,
			 "I5: replica %u leads in a ballot that is not its own", p->options.self);
		return false;
	}
	if (p->members.generation > inv->generation)
		inv->latest = 0;
	if (p->members.generation >= inv->generation) {
		inv->generation = p->members.generation;
		inv->latest = p->ballot > inv->latest ? p->ballot : inv->latest;
	}
	uint64_t first = p->own_first > p->chosen + 1 ? p->own_first : p->chosen + 1;
	for (uint64_t slot = first; slot < p->next_slot; slot++) {
		const struct ring_slot *s = ring_get(&p->ring, slot);
		if (s == NULL || s->ballot != p->ballot) {
			snprintf(inv->problem, sizeof inv->problem,
				 "I7: leader %u does not hold its own slot %" PRIu64,
				 p->options.self, slot);
			return false;
		}
	}
	return true;
}

static bool check_monotone(struct paxos_invariants *inv, const struct paxos *p, struct seen *seen)
{
	bool fell = seen->running && (p->promised < seen->promised || p->chosen < seen->chosen);
	/* Who has forgotten what it promised may do so if it has no vote. */
	bool forgot = p->promised < seen->durable_promised && paxos_votes(p) && !paxos_is_held(p);
	if (fell || forgot || p->delivered > p->chosen) {
		snprintf(inv->problem, sizeof inv->problem,
			 "%s: replica %u went backwards (promised %" PRIu64 " chosen %" PRIu64 ")",
			 p->delivered > p->chosen ? "I6" : "I3", p->options.self, p->promised,
			 p->chosen);
		return false;
	}
	seen->running = true;
	seen->promised = p->promised;
	seen->chosen = p->chosen;
	if (p->promise_persist <= p->persists.durable && p->promise_ballot > seen->durable_promised)
		seen->durable_promised = p->promise_ballot;
	return true;
}

static bool check_follower(struct paxos_invariants *inv, const struct paxos *p)
{
	if (p->seam.role != CONSENSUS_FOLLOWER || p->leader == 0 ||
	    ballot_replica(p->promised) == p->leader)
		return true;
	snprintf(inv->problem, sizeof inv->problem,
		 "I9: replica %u follows replica %u, and has promised a ballot of replica %u",
		 p->options.self, p->leader, ballot_replica(p->promised));
	return false;
}

static bool check_members(struct paxos_invariants *inv, const struct paxos *p)
{
	const struct consensus_members *m = &p->members;
	uint32_t sum = 0;
	if (p->learner && p->seam.role != CONSENSUS_FOLLOWER && !p->leaving &&
	    !leader_wall_is_chosen(p)) {
		snprintf(inv->problem, sizeof inv->problem,
			 "C3: replica %u is a %s, and its disk is not bound", p->options.self,
			 consensus_role_text(p->seam.role));
		return false;
	}
	if (m->slot == 0)
		return true;
	for (uint32_t i = 0; i < m->count; i++) {
		const uint64_t numbers[] = {m->list[i].replica, m->list[i].binding, m->list[i].life,
					    m->list[i].role};
		sum = crc32c(sum, (const uint8_t *)numbers, sizeof numbers);
	}
	void *list = (void *)(uintptr_t)(1 + (uint64_t)sum);
	if (map_get(&inv->members, m->slot) == NULL)
		quorums_list(&inv->quorums, m);
	if (first_of(&inv->members, m->slot, list) == list)
		return true;
	snprintf(inv->problem, sizeof inv->problem,
		 "C2: replica %u knows other members of slot %" PRIu64 " than another one",
		 p->options.self, m->slot);
	return false;
}

/*
 * The record with which everything that p knows to be chosen behind slot `after` is durable: known
 * it may be much later.
 */
static uint64_t durable_with(const struct paxos *p, uint64_t after)
{
	uint64_t sequence = 0;
	for (uint64_t slot = after + 1; slot <= p->chosen; slot++) {
		const struct ring_slot *s = ring_get(&p->ring, slot);
		if (s == NULL)
			return p->persists.next - 1;
		sequence = s->persist > sequence ? s->persist : sequence;
	}
	return sequence;
}

static void raise_durable(struct paxos_invariants *inv, uint64_t life, uint64_t slot)
{
	if ((uint64_t)(uintptr_t)map_get(&inv->durable, life) < slot + 1)
		map_put(&inv->durable, life, (void *)(uintptr_t)(slot + 1));
}

static void note_durable(struct paxos_invariants *inv, const struct paxos *p, struct seen *seen)
{
	uint32_t done = 0;
	uint64_t slot = (uint64_t)(uintptr_t)map_get(&inv->durable, p->options.life), sequence = 0;
	if (p->options.life == 0)
		return;
	slot -= slot > 0;
	if (seen->nawaited == AWAITED_MAX)
		seen->nawaited--; /* the last one takes its place */
	if (seen->nawaited > 0) {
		slot = seen->awaited[seen->nawaited - 1].slot;
		sequence = seen->awaited[seen->nawaited - 1].sequence;
	}
	if (slot < p->chosen) {
		uint64_t with = durable_with(p, slot);
		seen->awaited[seen->nawaited++] = (struct awaited){
			.slot = p->chosen, .sequence = with > sequence ? with : sequence};
	}
	slot = 0;
	seen->life = p->options.life;
	while (done < seen->nawaited && seen->awaited[done].sequence <= p->persists.durable)
		slot = seen->awaited[done++].slot;
	if (done == 0)
		return;
	seen->nawaited -= done;
	memmove(seen->awaited, seen->awaited + done, seen->nawaited * sizeof seen->awaited[0]);
	raise_durable(inv, p->options.life, slot);
}

/*
 * A slot behind that of the list is chosen: the list's voters have been prepared, and those before
 * may go.
 */
static bool check_nothing_lost(struct paxos_invariants *inv, const struct paxos *p)
{
	const struct consensus_members *m = &p->members;
	uint32_t voters = 0, holders = 0;
	if (m->slot == 0 || p->chosen <= m->slot || map_get(&inv->in_force, m->slot) != NULL)
		return true;
	map_put(&inv->in_force, m->slot, inv);
	for (uint32_t i = 0; i < m->count; i++) {
		bool voter = m->list[i].role == MEMBER_VOTER;
		voters += voter;
		holders += voter &&
			   (uint64_t)(uintptr_t)map_get(&inv->durable, m->list[i].life) > m->slot;
	}
	if (2 * holders > voters)
		return true;
	snprintf(inv->problem, sizeof inv->problem,
		 "C1: the members of slot %" PRIu64
		 " count, and only %u of %u voters have ever had all up to there",
		 m->slot, holders, voters);
	return false;
}

/* When all have been looked at: what is chosen now, and was not known to be so before. */
static bool check_chosen(struct paxos_invariants *inv, const struct paxos *const *replicas,
			 uint32_t count, const struct paxos *p)
{
	struct quorums *q = &inv->quorums;
	while (q->chosen < p->chosen) {
		const struct ring_slot *s = ring_get(&p->ring, ++q->chosen);
		uint64_t value = s == NULL ? 0 : (uint64_t)(uintptr_t)fingerprint(s);
		if (s != NULL &&
		    !report(inv, quorums_check_chosen(q, replicas, count, p, q->chosen, value)))
			return false;
	}
	return true;
}

/* Likewise. */
static bool check_lease(struct paxos_invariants *inv, const struct paxos *p)
{
	if (p->members.generation != inv->generation || p->ballot >= inv->latest ||
	    !paxos_lease_holds(p))
		return true;
	snprintf(inv->problem, sizeof inv->problem,
		 "I8: leader %u relies on its lease though there is a later ballot's leader",
		 p->options.self);
	return false;
}

const char *paxos_invariants_check(struct paxos_invariants *inv,
				   const struct paxos *const *replicas, uint32_t count)
{
	ASSERT(count <= PAXOS_INVARIANTS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		const struct paxos *p = replicas[i];
		if (p == NULL)
			continue;
		struct seen *seen = &inv->seen[i];
		note_durable(inv, p, seen);
		if (!check_nothing_lost(inv, p))
			return inv->problem;
		quorums_promised(&inv->quorums, p);
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct paxos *p = replicas[i];
		if (p == NULL)
			continue;
		struct seen *seen = &inv->seen[i];
		if (!check_monotone(inv, p, seen) || !check_leader(inv, p) ||
		    !check_follower(inv, p) || !check_members(inv, p) ||
		    !check_entries(inv, p, seen))
			return inv->problem;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct paxos *p = replicas[i];
		if (p != NULL && (!check_chosen(inv, replicas, count, p) || !check_lease(inv, p)))
			return inv->problem;
	}
	return NULL;
}

void paxos_invariants_crashed(struct paxos_invariants *inv, uint32_t i)
{
	struct seen *seen = &inv->seen[i];
	/*
	 * Its last turn, in which it may have learnt that it is durable, and said so, nobody has
	 * seen.
	 */
	if (seen->nawaited > 0)
		raise_durable(inv, seen->life, seen->awaited[seen->nawaited - 1].slot);
	seen->running = false;
	seen->checked = 0;
	seen->accepted = 0;
	seen->nawaited = 0;
}

void paxos_invariants_wiped(struct paxos_invariants *inv, uint32_t i)
{
	inv->seen[i] = (struct seen){0};
}
