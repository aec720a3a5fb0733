#include "rsm/members.h"

#include <inttypes.h>

#include "base/id.h"
#include "paxos/judge.h"
#include "rsm/internal.h"

/* ---- the list ---- */

const struct group_member *members_find(const struct group_members *members, uint32_t number)
{
	for (uint32_t i = 0; i < members->count; i++)
		if (members->list[i].number == number)
			return &members->list[i];
	return NULL;
}

const struct group_member *members_find_name(const struct group_members *members, struct slice name)
{
	for (uint32_t i = 0; i < members->count; i++)
		if (slice_equal(slice_string(members->list[i].name), name))
			return &members->list[i];
	return NULL;
}

uint32_t members_voters(const struct group_members *members)
{
	uint32_t voters = 0;
	for (uint32_t i = 0; i < members->count; i++)
		voters += members->list[i].role == MEMBER_VOTER;
	return voters;
}

struct paxos_members members_core(const struct group_members *members)
{
	struct paxos_members core = {
		.slot = members->slot, .base = members->base, .next_number = members->next_number, .count = members->count};
	for (uint32_t i = 0; i < members->count; i++) {
		const struct group_member *m = &members->list[i];
		core.list[i] = (struct paxos_binding){.replica = m->number, .binding = m->binding, .life = m->life, .role = m->role};
	}
	return core;
}

/* ---- the encoding ---- */

static void put_text(struct buffer *out, const char *text)
{
	size_t len = strlen(text);
	ASSERT(len > 0 && len <= UINT8_MAX);
	buffer_add_u8(out, (uint8_t)len);
	buffer_add(out, (const uint8_t *)text, len);
}

/* Names and addresses are printable and without blanks, as cluster.conf demands. */
static bool take_text(struct slice *in, char *out, size_t max)
{
	uint8_t len;
	struct slice text;
	if (!slice_take_u8(in, &len) || len == 0 || len > max || !slice_take(in, len, &text))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return false;
		out[i] = (char)text.data[i];
	}
	out[len] = '\0';
	return true;
}

static void encode(const struct group_members *members, struct buffer *out)
{
	buffer_add_u32(out, members->next_number);
	for (uint32_t i = 0; i < members->count; i++) {
		const struct group_member *m = &members->list[i];
		buffer_add_u32(out, m->number);
		buffer_add_u32(out, m->binding);
		buffer_add_u64(out, m->life);
		buffer_add_u8(out, (uint8_t)m->role);
		buffer_add_u32(out, m->in_place_of);
		put_text(out, m->name);
		put_text(out, m->address);
	}
}

static bool take_member(struct slice *in, struct group_member *m)
{
	uint8_t role;
	*m = (struct group_member){0};
	if (!slice_take_u32(in, &m->number) || !slice_take_u32(in, &m->binding) || !slice_take_u64(in, &m->life) ||
	    !slice_take_u8(in, &role) || !slice_take_u32(in, &m->in_place_of) || !take_text(in, m->name, NAME_BYTES_MAX) ||
	    !take_text(in, m->address, ADDRESS_BYTES_MAX))
		return false;
	m->role = (enum member_role)role;
	if (m->role == MEMBER_VOTER)
		return m->life != 0 && m->in_place_of == 0;
	return m->role == MEMBER_LEARNER;
}

static int decode(struct group_members *members, struct slice in)
{
	uint32_t before = 0;
	members->count = 0;
	if (!slice_take_u32(&in, &members->next_number) || members->next_number == 0 || members->next_number > MEMBER_NUMBER_MAX + 1)
		return STATUS_CORRUPT;
	while (in.len > 0) {
		struct group_member m;
		if (members->count == MEMBERS_MAX || !take_member(&in, &m) || m.number <= before || m.number >= members->next_number ||
		    m.binding > BALLOT_BINDING_MAX || members_find_name(members, slice_string(m.name)) != NULL)
			return STATUS_CORRUPT;
		before = m.number;
		members->list[members->count++] = m;
	}
	uint32_t voters = members_voters(members);
	return voters > 0 && voters <= REPLICAS_MAX ? 0 : STATUS_CORRUPT;
}

void members_encode_body(const struct group_members *members, struct buffer *out)
{
	buffer_add_u64(out, members->base);
	encode(members, out);
}

int members_decode_body(struct group_members *members, struct slice in)
{
	*members = (struct group_members){0};
	if (!slice_take_u64(&in, &members->base) || members->base > SLOT_MAX)
		return STATUS_CORRUPT;
	return decode(members, in);
}

void members_encode_field(const struct group_members *members, struct buffer *out)
{
	if (members->slot == 0)
		return;
	buffer_add_u64(out, members->slot);
	encode(members, out);
}

int members_decode_field(struct group_members *members, struct slice in)
{
	*members = (struct group_members){0};
	if (!slice_take_u64(&in, &members->slot) || members->slot == 0 || members->slot > SLOT_MAX)
		return STATUS_CORRUPT;
	return decode(members, in);
}

static bool list_of_value(struct slice value, struct group_members *out)
{
	struct entry_reader reader;
	struct entry_command command;
	if (value.len < 4 || load_u32(value.data) != ENTRY_FORMAT_MEMBERS)
		return false;
	return entry_read(&reader, value) == 0 && entry_next(&reader, &command) == 1 && command.kind == ENTRY_MEMBERS &&
	       members_decode_body(out, command.body) == 0;
}

bool members_of_value(struct slice value, struct paxos_members *out)
{
	struct group_members members;
	if (!list_of_value(value, &members))
		return false;
	*out = members_core(&members);
	return true;
}

/* ---- applying ---- */

static void tell_changes(struct rsm *rsm, const struct group_members *before, const struct group_members *after)
{
	char life[ID_TEXT_BYTES];
	for (uint32_t i = 0; i < after->count; i++) {
		const struct group_member *m = &after->list[i], *was = members_find(before, m->number);
		if (was == NULL && m->role == MEMBER_LEARNER)
			log_event(rsm->log, LOG_INFO, "member_added", "replica=%u name=%s address=%s slot=%" PRIu64, m->number, m->name,
				  m->address, after->slot);
		if (m->role == MEMBER_VOTER && (was == NULL || was->life != m->life))
			log_event(rsm->log, LOG_INFO, "member_bound", "replica=%u binding=%u life=%s slot=%" PRIu64, m->number,
				  m->binding, id_text(m->life, life), after->slot);
		if (m->role == MEMBER_VOTER && was != NULL && was->role == MEMBER_LEARNER)
			log_event(rsm->log, LOG_INFO, "member_promoted", "replica=%u name=%s slot=%" PRIu64, m->number, m->name, after->slot);
	}
	for (uint32_t i = 0; i < before->count; i++)
		if (members_find(after, before->list[i].number) == NULL)
			log_event(rsm->log, LOG_INFO, "member_removed", "replica=%u name=%s slot=%" PRIu64, before->list[i].number,
				  before->list[i].name, after->slot);
}

int members_apply(struct rsm *rsm, struct slice body, uint64_t slot)
{
	struct group_members members;
	int status = members_decode_body(&members, body);
	if (status != 0)
		return status;
	if (members.base != rsm->group.bound.slot)
		return 0;
	members.slot = slot;
	tell_changes(rsm, &rsm->group.bound, &members);
	rsm->group.bound = members;
	return 0;
}

const struct group_members *rsm_members(const struct rsm *rsm)
{
	return &rsm->group.bound;
}

void members_tell(struct rsm *rsm)
{
	if (rsm->members_told == rsm->group.bound.slot)
		return;
	rsm->members_told = rsm->group.bound.slot;
	if (rsm->options.members_changed != NULL)
		rsm->options.members_changed(rsm->options.context, &rsm->group.bound);
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

static uint64_t bound_life(const struct paxos_members *members, uint32_t replica)
{
	for (uint32_t i = 0; i < members->count; i++)
		if (members->list[i].replica == replica)
			return members->list[i].life;
	return 0;
}

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

/* The list that the configuration names, before the group has one of its own. */
static void configured(const struct rsm *rsm, struct group_members *members)
{
	*members = (struct group_members){.count = rsm->options.nmembers};
	for (uint32_t i = 0; i < members->count; i++) {
		const struct rsm_member *own = &rsm->options.members[i];
		struct group_member *m = &members->list[i];
		m->number = own->replica;
		m->role = MEMBER_VOTER;
		snprintf(m->name, sizeof m->name, "%s", own->name);
		snprintf(m->address, sizeof m->address, "%s", own->address);
		if (m->number >= members->next_number)
			members->next_number = m->number + 1;
	}
}

/* What is bound to member i from now on. False: it is not known yet. */
static bool bind_member(struct rsm *rsm, uint32_t i, struct group_member *b, bool first)
{
	const struct member_watch *w = &rsm->watches[i];
	bool steady = i == rsm->self || is_steady(rsm, i);
	uint64_t life = i == rsm->self ? rsm->node->env->life : w->life;
	bool here = i == rsm->self || node_now_us(rsm->node) - w->heard_us < rsm->settings.election_timeout_ms * 1000ull;
	if (first) {
		/* Before its first answer it has not said whether it has lost another disk: its ballots depend on that. */
		bool answered = i == rsm->self || paxos_peer_has_answered(rsm->paxos, i);
		bool learner = i != rsm->self && paxos_peer_is_learner(rsm->paxos, i);
		b->life = life;
		b->binding = learner;
		return life != 0 && here && answered && (steady || !learner);
	}
	if (life != 0 && life != b->life && here && steady && b->binding < BALLOT_BINDING_MAX && bound_is_silent(rsm, i)) {
		b->life = life;
		b->binding++;
	}
	return true;
}

static void propose_members(struct rsm *rsm, const struct group_members *members)
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
	struct group_members members;
	const struct paxos_members *current = paxos_members(rsm->paxos);
	if (!rsm->serving || rsm->stopping || rsm->group.id == 0 || now_us < rsm->members_at_us || current->slot != rsm->group.bound.slot)
		return;
	rsm->members_at_us = now_us + rsm->settings.heartbeat_interval_ms * 1000ull;
	bool first = current->slot == 0, known = true, other = first;
	if (first)
		configured(rsm, &members);
	else
		members = rsm->group.bound;
	for (uint32_t i = 0; i < members.count; i++) {
		struct group_member *m = &members.list[i];
		known &= bind_member(rsm, rsm_member_index(rsm, m->number), m, first);
		other |= bound_life(current, m->number) != m->life;
	}
	members.base = current->slot;
	if (known && other && paxos_can_propose(rsm->paxos) && !wal_full(rsm->wal))
		propose_members(rsm, &members);
}

/* ---- what others ask ---- */

static void list_members(const struct rsm *rsm, const struct group_members *members, struct wire_members *out)
{
	uint64_t now_us = node_now_us(rsm->node);
	for (uint32_t i = 0; i < members->count; i++) {
		const struct group_member *m = &members->list[i];
		struct wire_member *w = &out->members[out->nmembers++];
		uint32_t index = rsm_member_index(rsm, m->number);
		*w = (struct wire_member){.number = m->number, .role = m->role, .binding = m->binding, .in_place_of = m->in_place_of,
					  .name = slice_string(m->name), .address = slice_string(m->address), .life = m->life};
		if (!rsm->leading || index == UINT32_MAX)
			continue;
		uint64_t ago_us;
		paxos_peer(rsm->paxos, index, now_us, &w->matched, &ago_us);
		w->last_heard_ms = ago_us / 1000;
		w->up = ago_us < rsm->settings.election_timeout_ms * 2000ull;
	}
}

void members_answer(struct rsm *rsm, link_id from, const struct message *request)
{
	struct group_members born;
	struct wire_members reply = {
		.group = rsm->options.group,
		.group_id = rsm->group.id,
		.replica = rsm->options.replica,
		.leads = rsm->serving,
		.leader = paxos_leader(rsm->paxos),
		.slot = rsm->group.bound.slot,
		.next_number = rsm->group.bound.next_number,
		.chosen = paxos_chosen_slot(rsm->paxos),
	};
	configured(rsm, &born);
	list_members(rsm, reply.slot == 0 ? &born : &rsm->group.bound, &reply);
	if (reply.slot == 0)
		reply.next_number = born.next_number;
	struct buffer body = {0};
	wire_members_encode(&reply, &body);
	node_reply(rsm->node, from, request, 0, buffer_slice(&body));
	buffer_free(&body);
}

void members_change(struct rsm *rsm, link_id from, const struct message *request)
{
	struct wire_change_members change;
	arena_reset(&rsm->arena);
	int status = wire_change_members_decode(request->payload, &rsm->arena, &change);
	if (status != 0)
		rsm_reply_error(rsm, from, request, status, "malformed CHANGE_MEMBERS");
	else if (!rsm->serving)
		rsm_reply_not_leader(rsm, from, request);
	else
		rsm_reply_error(rsm, from, request, STATUS_UNAVAILABLE, "the members cannot be changed yet");
}
