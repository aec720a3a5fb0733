/* The invariants that count disks. */
#include "paxos/invariants_quorums.h"

#include <inttypes.h>
#include <stdio.h>

#define AGAIN (1ull << 63)

void quorums_free(struct quorums *q)
{
	map_free(&q->accepted);
	map_free(&q->promised);
}

void quorums_list(struct quorums *q, const struct consensus_members *members)
{
	uint32_t at = 0;
	while (at < q->nlists && q->lists[at].slot > members->slot)
		at++;
	if (at == QUORUM_LISTS)
		return;
	if (q->nlists < QUORUM_LISTS)
		q->nlists++;
	memmove(&q->lists[at + 1], &q->lists[at], (q->nlists - at - 1) * sizeof q->lists[0]);
	q->lists[at] = *members;
}

/* By which the slot was chosen; NULL: it is not known, or there was none yet. */
static const struct consensus_members *list_of(const struct quorums *q, uint64_t slot)
{
	for (uint32_t i = 0; i < q->nlists; i++)
		if (q->lists[i].slot < slot)
			return &q->lists[i];
	return NULL;
}

static uint64_t key_of(uint64_t slot, uint64_t life)
{
	return life ^ (slot * 0x9e3779b97f4a7c15ull);
}

static uint64_t get(const struct map *map, uint64_t key)
{
	return (uint64_t)(uintptr_t)map_get(map, key);
}

static void put(struct map *map, uint64_t key, uint64_t value)
{
	map_put(map, key, (void *)(uintptr_t)value);
}

void quorums_promised(struct quorums *q, const struct paxos *p)
{
	if (p->options.life != 0 && p->promised > get(&q->promised, p->options.life))
		put(&q->promised, p->options.life, p->promised);
}

void quorums_accepted(struct quorums *q, const struct paxos *p, uint64_t slot, uint64_t fingerprint)
{
	uint64_t life = p->options.life, key = key_of(slot, life);
	if (life == 0)
		return;
	uint64_t before = get(&q->accepted, key) & ~AGAIN;
	put(&q->accepted, key, fingerprint | (before == fingerprint ? AGAIN : 0));
}

const char *quorums_check_leader(struct quorums *q, const struct paxos *p)
{
	uint32_t voters = 0, promised = 0;
	if (p->members.slot == 0)
		return NULL;
	for (uint32_t i = 0; i < p->members.count; i++) {
		const struct consensus_binding *b = &p->members.list[i];
		voters += b->role == MEMBER_VOTER;
		promised += b->role == MEMBER_VOTER && get(&q->promised, b->life) >= p->ballot;
	}
	if (2 * promised > voters)
		return NULL;
	snprintf(q->problem, sizeof q->problem,
		 "C3: replica %u leads, and of the %u disks that have votes only %u have promised "
		 "it anything",
		 p->options.self, voters, promised);
	return q->problem;
}

/* Now, or it is a dead one's, or was before. */
static bool is_durable(const struct paxos *const *replicas, uint32_t count, uint64_t life,
		       uint64_t slot, uint64_t accepted)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct paxos *p = replicas[i];
		if (p == NULL || p->options.life != life || (accepted & AGAIN) != 0)
			continue;
		const struct ring_slot *s = ring_get(&p->ring, slot);
		return s == NULL || s->persist <= p->persists.durable;
	}
	return true;
}

const char *quorums_check_chosen(struct quorums *q, const struct paxos *const *replicas,
				 uint32_t count, const struct paxos *p, uint64_t slot,
				 uint64_t fingerprint)
{
	const struct consensus_members *members = list_of(q, slot);
	uint32_t voters = 0, holders = 0;
	/*
	 * What the survivor of a majority holds is chosen because an operator says so
	 * (rsm/force.h).
	 */
	if (members == NULL || members->generation < p->members.generation)
		return NULL;
	for (uint32_t i = 0; i < members->count; i++) {
		const struct consensus_binding *b = &members->list[i];
		if (b->role != MEMBER_VOTER)
			continue;
		uint64_t accepted = get(&q->accepted, key_of(slot, b->life));
		voters++;
		holders += (accepted & ~AGAIN) == fingerprint &&
			   is_durable(replicas, count, b->life, slot, accepted);
	}
	if (2 * holders > voters)
		return NULL;
	snprintf(q->problem, sizeof q->problem,
		 "C1: replica %u takes slot %" PRIu64
		 " for chosen, and of the %u disks that have votes only %u hold it",
		 p->options.self, slot, voters, holders);
	return q->problem;
}
