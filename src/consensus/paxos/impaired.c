/* The sets, and what the core does with them: see the header. */
#include "paxos/impaired.h"

#include <string.h>

#include "paxos/internal.h"
#include "paxos/judge.h"

/* ---- sets ---- */

static void take_out(struct impaired *set, uint32_t index, uint32_t count)
{
	memmove(&set->ranges[index], &set->ranges[index + count],
		(set->count - index - count) * sizeof set->ranges[0]);
	set->count -= count;
}

/* Two ranges become one: those with the smallest gap between them. */
static void make_room(struct impaired *set)
{
	uint32_t best = 0;
	for (uint32_t i = 1; i + 1 < set->count; i++)
		if (set->ranges[i + 1].first - set->ranges[i].last <
		    set->ranges[best + 1].first - set->ranges[best].last)
			best = i;
	set->ranges[best].last = set->ranges[best + 1].last;
	take_out(set, best + 1, 1);
}

void impaired_add(struct impaired *set, uint64_t first, uint64_t last)
{
	ASSERT(first > 0 && first <= last && last <= SLOT_MAX);
	uint32_t at = 0;
	while (at < set->count && set->ranges[at].last + 1 < first)
		at++;
	uint32_t end = at;
	while (end < set->count && set->ranges[end].first <= last + 1) {
		if (set->ranges[end].first < first)
			first = set->ranges[end].first;
		if (set->ranges[end].last > last)
			last = set->ranges[end].last;
		end++;
	}
	ASSERT(at <= end && end <= set->count);
	if (end > at) {
		take_out(set, at + 1, end - at - 1);
		set->ranges[at] = (struct wire_range){first, last};
		return;
	}
	if (set->count == IMPAIRED_RANGES_MAX) {
		make_room(set);
		impaired_add(set, first, last);
		return;
	}
	memmove(&set->ranges[at + 1], &set->ranges[at], (set->count - at) * sizeof set->ranges[0]);
	set->ranges[at] = (struct wire_range){first, last};
	set->count++;
}

static uint32_t range_of(const struct impaired *set, uint64_t slot)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (slot <= set->ranges[i].last)
			return slot >= set->ranges[i].first ? i : UINT32_MAX;
	return UINT32_MAX;
}

bool impaired_has(const struct impaired *set, uint64_t slot)
{
	return range_of(set, slot) != UINT32_MAX;
}

void impaired_remove(struct impaired *set, uint64_t slot)
{
	uint32_t at = range_of(set, slot);
	if (at == UINT32_MAX)
		return;
	struct wire_range *range = &set->ranges[at];
	if (range->first == range->last) {
		take_out(set, at, 1);
	} else if (slot == range->first) {
		range->first++;
	} else if (slot == range->last) {
		range->last--;
	} else if (set->count < IMPAIRED_RANGES_MAX) {
		memmove(range + 1, range, (set->count - at) * sizeof *range);
		set->count++;
		range[0].last = slot - 1;
		range[1].first = slot + 1;
	}
}

void impaired_drop_below(struct impaired *set, uint64_t slot)
{
	uint32_t gone = 0;
	while (gone < set->count && set->ranges[gone].last < slot)
		gone++;
	take_out(set, 0, gone);
	if (set->count > 0 && set->ranges[0].first < slot)
		set->ranges[0].first = slot;
}

void impaired_drop_from(struct impaired *set, uint64_t slot)
{
	while (set->count > 0 && set->ranges[set->count - 1].first >= slot)
		set->count--;
	if (set->count > 0 && set->ranges[set->count - 1].last >= slot)
		set->ranges[set->count - 1].last = slot - 1;
}

uint64_t impaired_slots(const struct impaired *set)
{
	uint64_t slots = 0;
	for (uint32_t i = 0; i < set->count; i++)
		slots += set->ranges[i].last - set->ranges[i].first + 1;
	return set->count > 0 && set->ranges[set->count - 1].last == SLOT_MAX ? UINT64_MAX : slots;
}

/* ---- recovery ---- */

void paxos_restore_impaired(struct paxos *p, uint64_t first, uint64_t last)
{
	if (first <= p->chosen)
		first = p->chosen + 1;
	if (first <= last)
		impaired_add(&p->impaired, first, last);
}

void paxos_restore_impaired_below(struct paxos *p, uint64_t ballot)
{
	if (ballot > p->impaired_below)
		p->impaired_below = ballot;
}

void paxos_restore_known(struct paxos *p, uint64_t first, uint64_t last)
{
	for (uint64_t slot = first > p->chosen ? first : p->chosen + 1;
	     slot <= last && slot <= p->ring.last; slot++) {
		struct ring_slot *s = ring_get(&p->ring, slot);
		if (s != NULL && !impaired_has(&p->impaired, slot))
			s->chosen = true;
	}
}

void paxos_forget_promise(struct paxos *p, uint64_t life)
{
	p->voteless = life == 0;
	p->lost = true;
	p->options.life = life != 0 ? life : p->options.life;
	members_set_learner(p);
	/* Nobody will ask what it has accepted. */
	p->impaired.count = 0;
}

uint64_t paxos_impaired(const struct paxos *p)
{
	return impaired_slots(&p->impaired);
}

const struct wire_range *paxos_impaired_ranges(const struct paxos *p, uint32_t *count)
{
	*count = p->impaired.count;
	return p->impaired.ranges;
}

/* ---- while it runs ---- */

void paxos_log_again(struct paxos *p, uint64_t slot)
{
	const struct ring_slot *s = slot > p->chosen ? ring_get(&p->ring, slot) : NULL;
	if (s == NULL)
		return;
	struct bytes *value = s->value == NULL ? NULL : bytes_ref(s->value);
	bool chosen = s->chosen;
	accept_entry(p, slot, s->ballot, value);
	ring_get(&p->ring, slot)->chosen = chosen;
}

void impaired_chosen(struct paxos *p, uint64_t slot)
{
	/* Again, so that the next start finds it behind the damage. */
	if (impaired_has(&p->impaired, slot))
		paxos_log_again(p, slot);
}

void impaired_led(struct paxos *p, const struct wire_accept *m)
{
	if (m->sequence != 0 && m->slot != 0 && m->ballot >= p->impaired_below)
		impaired_drop_from(&p->impaired, m->slot + 1);
}

/* ---- Promises ---- */

static struct wire_range *add_range(struct arena *arena, struct wire_range **ranges,
				    uint32_t *count)
{
	if (*ranges == NULL)
		*ranges = arena_get(arena, IMPAIRED_RANGES_MAX * sizeof **ranges);
	return &(*ranges)[(*count)++];
}

void impaired_report(struct paxos *p, struct wire_promise *m)
{
	for (uint32_t i = 0; i < p->impaired.count; i++) {
		struct wire_range range = p->impaired.ranges[i];
		if (range.first < m->slot)
			range.first = m->slot;
		if (range.first <= range.last)
			*add_range(&p->arena, &m->impaired, &m->nimpaired) = range;
	}
	struct wire_range known = {0};
	for (uint32_t i = 0; i < m->nentries; i++) {
		uint64_t slot = m->entries[i].slot;
		if (!ring_get(&p->ring, slot)->chosen)
			continue;
		if (known.last != 0 && known.last + 1 == slot) {
			known.last = m->known[m->nknown - 1].last = slot;
			continue;
		}
		if (m->nknown == IMPAIRED_RANGES_MAX)
			break;
		known = (struct wire_range){slot, slot};
		*add_range(&p->arena, &m->known, &m->nknown) = known;
	}
}

const char *impaired_judge(const struct wire_promise *m)
{
	uint64_t next = m->slot;
	if (m->nimpaired > IMPAIRED_RANGES_MAX || m->nknown > IMPAIRED_RANGES_MAX)
		return "impaired, known: too many";
	for (uint32_t i = 0; i < m->nimpaired; i++) {
		const struct wire_range *range = &m->impaired[i];
		if (range->first < next || range->last < range->first || range->last > SLOT_MAX)
			return "impaired: out of order, or beyond every possible slot";
		next = range->last + 1;
	}
	next = m->slot;
	for (uint32_t i = 0; i < m->nknown; i++) {
		const struct wire_range *range = &m->known[i];
		if (range->first < next || range->last < range->first || range->last > SLOT_MAX)
			return "known: out of order, or beyond every possible slot";
		next = range->last + 1;
	}
	return NULL;
}

bool impaired_knows(const struct wire_promise *m, uint64_t slot)
{
	for (uint32_t i = 0; i < m->nknown; i++)
		if (slot >= m->known[i].first && slot <= m->known[i].last)
			return true;
	return false;
}

void impaired_hear(struct paxos_peer *peer, const struct wire_promise *m)
{
	/* The first part of a report has all of it. */
	if (peer->promise_begun)
		return;
	ASSERT(!peer->promise_done && m->nimpaired <= IMPAIRED_RANGES_MAX);
	peer->promise_begun = true;
	peer->impaired.count = 0;
	for (uint32_t i = 0; i < m->nimpaired; i++)
		impaired_add(&peer->impaired, m->impaired[i].first, m->impaired[i].last);
}

/*
 * The promises of a majority say what may have been chosen in the slot (Lamport, section 2.2: P2c);
 * of those who cannot answer for it none counts.
 */
static bool is_decided(const struct paxos *p, uint64_t slot)
{
	synod_set counted = 0;
	for (uint32_t i = 0; i < p->npeers; i++)
		if ((p->votes & member_bit(i)) != 0 && !impaired_has(&p->peers[i].impaired, slot))
			counted |= member_bit(i);
	if (is_quorum(p, slot, counted))
		return true;
	const struct ring_slot *best = ring_get(&p->recovered, slot);
	return best != NULL && best->chosen;
}

/* The first slot after `slot` in which another set of members may be impaired; 0: there is none. */
static uint64_t next_boundary(const struct paxos *p, uint64_t slot)
{
	uint64_t next = 0;
	if (slot < p->recovered.last)
		return slot + 1;
	for (uint32_t i = 0; i < p->npeers; i++) {
		const struct impaired *set = &p->peers[i].impaired;
		for (uint32_t k = 0; (p->votes & member_bit(i)) != 0 && k < set->count; k++) {
			uint64_t first = set->ranges[k].first, after = set->ranges[k].last + 1;
			if (first > slot && (next == 0 || first < next))
				next = first;
			if (after > slot && after <= SLOT_MAX && (next == 0 || after < next))
				next = after;
		}
	}
	return next;
}

bool impaired_undecided(struct paxos *p)
{
	uint32_t ranges = 0;
	for (uint32_t i = 0; i < p->npeers; i++)
		ranges += (p->votes & member_bit(i)) != 0 ? p->peers[i].impaired.count : 0;
	if (ranges == 0)
		return false;
	ASSERT(p->seam.role == CONSENSUS_CANDIDATE);
	uint64_t slot = (p->prepare_chosen > p->chosen ? p->prepare_chosen : p->chosen) + 1;
	for (; slot != 0; slot = next_boundary(p, slot)) {
		if (is_decided(p, slot))
			continue;
		p->undecided_slot = slot;
		p->undecided_votes = p->votes;
		return true;
	}
	return false;
}

uint64_t paxos_undecided(const struct paxos *p, uint32_t *impaired, uint32_t *silent)
{
	*impaired = *silent = 0;
	if (p->leader != 0 || p->undecided_slot <= p->chosen)
		return 0;
	for (uint32_t i = 0; i < p->npeers; i++) {
		if (is_voter(p, i) && (p->undecided_votes & member_bit(i)) == 0)
			*silent |= member_bit(i);
		else if (is_voter(p, i) && impaired_has(&p->peers[i].impaired, p->undecided_slot))
			*impaired |= member_bit(i);
	}
	return p->undecided_slot;
}
