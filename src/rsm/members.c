#include "rsm/members.h"

#include <inttypes.h>

#include "base/id.h"
#include "paxos/judge.h"
#include "rsm/internal.h"

/* ---- the encoding ---- */

void members_encode(const struct paxos_members *members, struct buffer *out)
{
	for (uint32_t i = 0; i < members->count; i++) {
		buffer_add_u32(out, members->list[i].replica);
		buffer_add_u32(out, members->list[i].binding);
		buffer_add_u64(out, members->list[i].life);
	}
}

int members_decode(struct paxos_members *members, struct slice in)
{
	uint32_t before = 0;
	members->count = 0;
	while (in.len > 0) {
		struct paxos_binding b;
		if (members->count == REPLICAS_MAX || !slice_take_u32(&in, &b.replica) || !slice_take_u32(&in, &b.binding) ||
		    !slice_take_u64(&in, &b.life) || b.replica <= before || b.binding > BALLOT_BINDING_MAX || b.life == 0)
			return STATUS_CORRUPT;
		before = b.replica;
		members->list[members->count++] = b;
	}
	return members->count > 0 ? 0 : STATUS_CORRUPT;
}

void members_encode_body(const struct paxos_members *members, struct buffer *out)
{
	buffer_add_u64(out, members->base);
	members_encode(members, out);
}

int members_decode_body(struct paxos_members *members, struct slice in)
{
	*members = (struct paxos_members){0};
	if (!slice_take_u64(&in, &members->base) || members->base > SLOT_MAX)
		return STATUS_CORRUPT;
	return members_decode(members, in);
}

void members_encode_field(const struct paxos_members *members, struct buffer *out)
{
	if (members->slot == 0)
		return;
	buffer_add_u64(out, members->slot);
	members_encode(members, out);
}

int members_decode_field(struct paxos_members *members, struct slice in)
{
	*members = (struct paxos_members){0};
	if (!slice_take_u64(&in, &members->slot) || members->slot == 0 || members->slot > SLOT_MAX)
		return STATUS_CORRUPT;
	return members_decode(members, in);
}

bool members_of_value(struct slice value, struct paxos_members *out)
{
	struct entry_reader reader;
	struct entry_command command;
	if (value.len < 4 || load_u32(value.data) != ENTRY_FORMAT_MEMBERS)
		return false;
	return entry_read(&reader, value) == 0 && entry_next(&reader, &command) == 1 && command.kind == ENTRY_MEMBERS &&
	       members_decode_body(out, command.body) == 0;
}

/* ---- applying ---- */

static uint64_t bound_life(const struct paxos_members *members, uint32_t replica)
{
	for (uint32_t i = 0; i < members->count; i++)
		if (members->list[i].replica == replica)
			return members->list[i].life;
	return 0;
}

int members_apply(struct rsm *rsm, struct slice body, uint64_t slot)
{
	struct paxos_members members;
	char life[ID_TEXT_BYTES];
	int status = members_decode_body(&members, body);
	if (status != 0)
		return status;
	if (members.base != rsm->group.bound.slot)
		return 0;
	for (uint32_t i = 0; i < members.count; i++) {
		const struct paxos_binding *b = &members.list[i];
		if (bound_life(&rsm->group.bound, b->replica) != b->life)
			log_event(rsm->log, LOG_INFO, "member_bound", "replica=%u binding=%u life=%s slot=%" PRIu64, b->replica,
				  b->binding, id_text(b->life, life), slot);
	}
	members.slot = slot;
	rsm->group.bound = members;
	return 0;
}

/* ---- before there is a leader ---- */

void members_await_birth(struct rsm *rsm)
{
	uint64_t now_us = node_now_us(rsm->node);
	uint32_t missing;
	struct buffer names = {0};
	if (now_us < rsm->birth_told_us + MEMBERS_BIRTH_PATIENCE_MS * 1000ull || now_us < rsm->started_us + MEMBERS_BIRTH_PATIENCE_MS * 1000ull ||
	    !paxos_awaits_birth(rsm->paxos, &missing))
		return;
	rsm->birth_told_us = now_us;
	for (uint32_t i = 0; i < rsm->options.nmembers; i++)
		if ((missing & 1u << i) != 0)
			buffer_format(&names, "%s%s", names.len == 0 ? "" : ",", rsm->options.members[i].name);
	buffer_add_u8(&names, 0);
	log_event(rsm->log, LOG_WARN, "birth_waits",
		  "group=%" PRIu64 " missing=%s meaning=\"a group begins when all its members have met: start them, or take those out of "
		  "the configuration that do not exist\"", rsm->options.group, (const char *)names.data);
	buffer_free(&names);
}

/* ---- as the leader ---- */

void members_heard(struct rsm *rsm, uint32_t from, uint64_t life)
{
	uint32_t index = rsm_member_index(rsm, from);
	struct member_watch *w = &rsm->watches[index];
	if (w->life != life) {
		w->life = life;
		w->steady = 0;
		paxos_peer_is_another(rsm->paxos, index);
	}
	w->heard_us = node_now_us(rsm->node);
	if (bound_life(paxos_members(rsm->paxos), from) == life)
		w->bound_heard_us = w->heard_us;
}

/* Member i has had, this many heartbeats in a row, what was chosen at the one before. */
static bool is_steady(struct rsm *rsm, uint32_t i)
{
	struct member_watch *w = &rsm->watches[i];
	uint64_t matched, ago_us;
	paxos_peer(rsm->paxos, i, node_now_us(rsm->node), &matched, &ago_us);
	w->steady = matched >= w->chosen_before ? w->steady + 1 : 0;
	w->chosen_before = paxos_chosen_slot(rsm->paxos);
	return w->steady >= MEMBERS_STEADY;
}

static bool bound_is_silent(const struct rsm *rsm, uint32_t i)
{
	uint64_t silence_us = MEMBERS_SILENCE_MS * 1000ull, timeouts_us = rsm->settings.election_timeout_ms * 4000ull;
	uint64_t since_us = rsm->watches[i].bound_heard_us > rsm->led_since_us ? rsm->watches[i].bound_heard_us : rsm->led_since_us;
	return node_now_us(rsm->node) - since_us >= (silence_us > timeouts_us ? silence_us : timeouts_us);
}

/* What is bound to member i from now on. False: it is not known yet. */
static bool bind_member(struct rsm *rsm, uint32_t i, struct paxos_binding *b)
{
	const struct member_watch *w = &rsm->watches[i];
	bool steady = i == rsm->self || is_steady(rsm, i);
	uint64_t life = i == rsm->self ? rsm->node->env->life : w->life;
	bool here = i == rsm->self || node_now_us(rsm->node) - w->heard_us < rsm->settings.election_timeout_ms * 1000ull;
	bool first = paxos_members(rsm->paxos)->slot == 0;
	b->replica = rsm->options.members[i].replica;
	if (first) {
		/* Before its first answer it has not said whether it has lost another disk: its ballots depend on that. */
		bool answered = i == rsm->self || paxos_peer_has_answered(rsm->paxos, i);
		bool learner = i != rsm->self && paxos_peer_is_learner(rsm->paxos, i);
		b->life = life;
		b->binding = learner;
		return life != 0 && here && answered && (steady || !learner);
	}
	const struct paxos_binding *bound = NULL;
	for (uint32_t k = 0; k < paxos_members(rsm->paxos)->count; k++)
		if (paxos_members(rsm->paxos)->list[k].replica == b->replica)
			bound = &paxos_members(rsm->paxos)->list[k];
	ASSERT(bound != NULL);
	*b = *bound;
	if (life != 0 && life != bound->life && here && steady && bound->binding < BALLOT_BINDING_MAX && bound_is_silent(rsm, i)) {
		b->life = life;
		b->binding++;
	}
	return true;
}

static void propose_members(struct rsm *rsm, const struct paxos_members *members)
{
	struct buffer entry = {0}, body = {0};
	settle_lived(rsm);
	members_encode_body(members, &body);
	entry_begin(&entry);
	entry_add(&entry, &(struct entry_command){.kind = ENTRY_MEMBERS, .body = buffer_slice(&body)});
	entry_finish(&entry, 1, rsm_entry_wall_us(rsm), rsm->lived_us, paxos_ballot(rsm->paxos));
	store_u32(entry.data, ENTRY_FORMAT_MEMBERS);
	uint64_t slot = paxos_propose(rsm->paxos, bytes_copy(buffer_slice(&entry)));
	log_event(rsm->log, LOG_INFO, "members_proposed", "slot=%" PRIu64 " base=%" PRIu64, slot, members->base);
	buffer_free(&entry);
	buffer_free(&body);
}

void members_propose(struct rsm *rsm)
{
	uint64_t now_us = node_now_us(rsm->node);
	struct paxos_members members = {.count = rsm->options.nmembers};
	const struct paxos_members *current = paxos_members(rsm->paxos);
	if (!rsm->serving || rsm->stopping || rsm->group.id == 0 || now_us < rsm->members_at_us)
		return;
	rsm->members_at_us = now_us + rsm->settings.heartbeat_interval_ms * 1000ull;
	bool known = true, other = current->slot == 0;
	for (uint32_t i = 0; i < rsm->options.nmembers; i++) {
		known &= bind_member(rsm, i, &members.list[i]);
		other |= bound_life(current, members.list[i].replica) != members.list[i].life;
	}
	members.base = current->slot;
	if (known && other && paxos_can_propose(rsm->paxos) && !wal_full(rsm->wal))
		propose_members(rsm, &members);
}
