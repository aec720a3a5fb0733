/* The list of members: its encoding, its entries, and when the leader proposes one. */
#include "rsm/members.h"

#include <inttypes.h>

#include "base/id.h"
#include "core/consensus.h"
#include "rsm/internal.h"

/* ---- applying ---- */

static void tell_changes(struct rsm *rsm, const struct group_members *before,
			 const struct group_members *after)
{
	char life[ID_TEXT_BYTES];
	for (uint32_t i = 0; i < after->count; i++) {
		const struct group_member *m = &after->list[i],
					  *was = members_find(before, m->number);
		if (was == NULL && m->role == MEMBER_LEARNER)
			log_event(rsm->log, LOG_INFO, "member_added",
				  "replica=%u name=%s address=%s slot=%" PRIu64, m->number, m->name,
				  m->address, after->slot);
		if (m->role == MEMBER_VOTER && (was == NULL || was->life != m->life))
			log_event(rsm->log, LOG_INFO, "member_bound",
				  "replica=%u binding=%u life=%s slot=%" PRIu64, m->number,
				  m->binding, id_text(m->life, life), after->slot);
		if (was != NULL && strcmp(was->address, m->address) != 0)
			log_event(rsm->log, LOG_INFO, "member_moved",
				  "replica=%u name=%s address=%s before=%s slot=%" PRIu64,
				  m->number, m->name, m->address, was->address, after->slot);
		if (m->role == MEMBER_VOTER && was != NULL && was->role == MEMBER_LEARNER)
			log_event(rsm->log, LOG_INFO, "member_promoted",
				  "replica=%u name=%s slot=%" PRIu64, m->number, m->name,
				  after->slot);
	}
	for (uint32_t i = 0; i < before->count; i++)
		if (members_find(after, before->list[i].number) == NULL)
			log_event(rsm->log, LOG_INFO, "member_removed",
				  "replica=%u name=%s slot=%" PRIu64, before->list[i].number,
				  before->list[i].name, after->slot);
}

static void answer_change(struct rsm *rsm, const struct requester *to, uint64_t slot,
			  uint32_t number)
{
	buffer_clear(&rsm->out);
	wire_change_members_reply_encode(
		&(struct wire_change_members_reply){.slot = slot, .number = number}, &rsm->out);
	answer(rsm, to, 0, buffer_slice(&rsm->out));
}

int members_apply(struct rsm *rsm, struct slice body, uint64_t slot,
		  const struct requester *requester)
{
	struct group_members members;
	int status = members_decode_body(&members, body);
	if (status != 0)
		return status;
	bool counts = members.base == rsm->group.bound.slot &&
		      members.generation >= rsm->group.bound.generation;
	if (counts) {
		members.slot = slot;
		members.begins = false;
		tell_changes(rsm, &rsm->group.bound, &members);
		rsm->group.bound = members;
	}
	if (requester == NULL)
		return 0;
	if (counts)
		answer_change(rsm, requester, slot, rsm->change_number);
	else
		answer_error(rsm, requester, STATUS_BUSY,
			     "the list of members has been changed meanwhile: ask again");
	return 0;
}

const struct group_members *rsm_members(const struct rsm *rsm)
{
	return &rsm->group.bound;
}

uint64_t rsm_group_id(const struct rsm *rsm)
{
	return rsm->group.id;
}

const char *members_voteless_text(const struct rsm *rsm)
{
	const struct group_member *own = members_find(&rsm->members, rsm->options.replica);
	if (rsm->removed || (own == NULL && rsm->options.replica < rsm->members.next_number))
		return "removed";
	if (own != NULL && own->role == MEMBER_LEARNER)
		return "learner";
	return rsm->members.slot == 0 && rsm->options.joining && !rsm->lost ? "joining" : "lost";
}

static void tell_removed(struct rsm *rsm)
{
	rsm->removed_told = true;
	log_event(rsm->log, LOG_WARN, "removed",
		  "group=%" PRIu64 " replica=%u slot=%" PRIu64
		  " meaning=\"this replica is no member of its group any more, and nothing that it "
		  "holds is needed: its data directory may be deleted\"",
		  rsm->options.group, rsm->options.replica, consensus_chosen_slot(rsm->core));
	if (rsm->options.removed != NULL)
		rsm->options.removed(rsm->options.context);
	if (rsm->node->env->ops->removed != NULL)
		rsm->node->env->ops->removed(rsm->node->env);
}

void members_tell_now(struct rsm *rsm)
{
	if (rsm->members_told != rsm->group.bound.slot && !force_is_beginning(rsm)) {
		rsm->members_told = rsm->group.bound.slot;
		members_tell_world(rsm);
		if (rsm->options.members_changed != NULL)
			rsm->options.members_changed(rsm->options.context, &rsm->group.bound);
	}
	if (rsm->removed && !rsm->removed_told)
		tell_removed(rsm);
}

/* ---- before there is a leader ---- */

void members_await_birth(struct rsm *rsm)
{
	uint64_t now_us = node_now_us(rsm->node);
	uint32_t missing;
	struct buffer names = {0};
	if (now_us < rsm->birth_told_us + MEMBERS_BIRTH_PATIENCE_MS * 1000ull ||
	    now_us < rsm->started_us + MEMBERS_BIRTH_PATIENCE_MS * 1000ull ||
	    !consensus_awaits_birth(rsm->core, &missing))
		return;
	rsm->birth_told_us = now_us;
	for (uint32_t i = 0; i < rsm->nseats; i++)
		if ((missing & 1u << i) != 0)
			buffer_format(&names, "%s%s", names.len == 0 ? "" : ",",
				      rsm->seats[i].name);
	buffer_add_u8(&names, 0);
	log_event(rsm->log, LOG_WARN, "birth_waits",
		  "group=%" PRIu64 " missing=%s meaning=\"a group begins when all its members have "
		  "met: start them, or take those out of "
		  "the configuration that do not exist\"",
		  rsm->options.group, (const char *)names.data);
	buffer_free(&names);
}

/* ---- as the leader ---- */

static uint64_t bound_life(const struct consensus_members *members, uint32_t replica)
{
	for (uint32_t i = 0; i < members->count; i++)
		if (members->list[i].replica == replica)
			return members->list[i].life;
	return 0;
}

void members_heard(struct rsm *rsm, uint32_t seat, uint64_t life)
{
	struct member_watch *w = &rsm->watches[seat];
	if (w->life != life) {
		w->life = life;
		w->steady = 0;
		consensus_peer_is_another(rsm->core, seat);
	}
	w->heard_us = node_now_us(rsm->node);
	if (bound_life(consensus_members(rsm->core), rsm->seats[seat].replica) == life)
		w->bound_heard_us = w->heard_us;
}

/* How often in a row it has had, at a heartbeat, what was chosen at the one before. */
static void watch(struct rsm *rsm, uint32_t seat)
{
	struct member_watch *w = &rsm->watches[seat];
	uint64_t matched, ago_us;
	consensus_peer(rsm->core, seat, node_now_us(rsm->node), &matched, &ago_us);
	w->steady = matched >= w->chosen_before ? w->steady + 1 : 0;
	w->chosen_before = consensus_chosen_slot(rsm->core);
}

static bool bound_is_silent(const struct rsm *rsm, uint32_t seat)
{
	uint64_t silence_us = MEMBERS_SILENCE_MS * 1000ull,
		 timeouts_us = rsm->settings.election_timeout_ms * 4000ull;
	uint64_t heard_us = rsm->watches[seat].bound_heard_us;
	uint64_t since_us = heard_us > rsm->led_since_us ? heard_us : rsm->led_since_us;
	return node_now_us(rsm->node) - since_us >=
	       (silence_us > timeouts_us ? silence_us : timeouts_us);
}

static bool is_here(const struct rsm *rsm, uint32_t seat)
{
	return node_now_us(rsm->node) - rsm->watches[seat].heard_us <
	       rsm->settings.election_timeout_ms * 1000ull;
}

void members_configured(const struct rsm *rsm, struct group_members *members)
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

/* The first list: which life each member has. False: it is not known yet. */
static bool bind_first(struct rsm *rsm, struct group_member *m)
{
	uint32_t seat = rsm_seat(rsm, m->number);
	const struct member_watch *w = &rsm->watches[seat];
	bool self = seat == rsm->self;
	/*
	 * Before its first answer it has not said whether it has lost another disk: its ballots
	 * depend on that.
	 */
	bool answered = self || consensus_peer_has_answered(rsm->core, seat);
	bool learner = !self && consensus_peer_is_learner(rsm->core, seat);
	m->life = self ? rsm->node->env->life : w->life;
	m->binding = learner;
	return m->life != 0 && (self || is_here(rsm, seat)) && answered &&
	       (w->steady >= MEMBERS_STEADY || !learner);
}

/* Another disk takes a voter's place. */
static bool bind_again(struct rsm *rsm, struct group_member *m)
{
	uint32_t seat = rsm_seat(rsm, m->number);
	const struct member_watch *w = &rsm->watches[seat];
	if (m->role != MEMBER_VOTER || seat == rsm->self || w->life == 0 || w->life == m->life ||
	    !is_here(rsm, seat) || w->steady < MEMBERS_STEADY || m->binding >= BALLOT_BINDING_MAX ||
	    !bound_is_silent(rsm, seat))
		return false;
	m->life = w->life;
	m->binding++;
	return true;
}

/* It is found elsewhere than the list says, where nobody else is. */
static bool follow_address(struct rsm *rsm, struct group_members *members, struct group_member *m)
{
	struct env *env = rsm->node->env;
	uint32_t seat = rsm_seat(rsm, m->number);
	if (env->ops->found_at == NULL || seat == UINT32_MAX ||
	    (seat != rsm->self && !is_here(rsm, seat)))
		return false;
	const char *address = env->ops->found_at(env,
						 seat == rsm->self ? 0 : rsm->seats[seat].link);
	if (address == NULL || strlen(address) > ADDRESS_BYTES_MAX ||
	    strcmp(address, m->address) == 0)
		return false;
	for (uint32_t i = 0; i < members->count; i++)
		if (strcmp(members->list[i].address, address) == 0)
			return false;
	snprintf(m->address, sizeof m->address, "%s", address);
	return true;
}

void members_propose_list(struct rsm *rsm, const struct group_members *members,
			  const struct requester *requester)
{
	struct buffer entry = {0}, body = {0};
	members_encode_body(members, &body);
	entry_begin(&entry);
	entry_add(&entry,
		  &(struct entry_command){.kind = ENTRY_MEMBERS, .body = buffer_slice(&body)});
	uint64_t slot = requests_propose_alone(rsm, &entry, ENTRY_FORMAT_MEMBERS, requester);
	log_event(rsm->log, LOG_INFO, "members_proposed", "slot=%" PRIu64 " base=%" PRIu64, slot,
		  members->base);
	buffer_free(&entry);
	buffer_free(&body);
}

/* Of those who were added: a node that has no number yet waits for it. */
static void welcome(struct rsm *rsm, const struct group_member *to)
{
	uint32_t seat = rsm_seat(rsm, to->number);
	if (seat == rsm->self || is_here(rsm, seat))
		return;
	for (uint32_t i = 0; i < rsm->group.members.count; i++)
		if (rsm->group.members.list[i].replica == to->number)
			return;
	struct wire_welcome w = {.generation = rsm->group.bound.generation,
				 .group = rsm->options.group,
				 .group_id = rsm->group.id,
				 .number = to->number,
				 .slot = rsm->group.bound.slot,
				 .next_number = rsm->group.bound.next_number};
	struct wire_members list = {0};
	members_list(rsm, &rsm->group.bound, &list);
	for (uint32_t i = 0; i < list.nmembers; i++)
		w.members[w.nmembers++] = (struct wire_member){
			.number = list.members[i].number,
			.role = list.members[i].role,
			.binding = list.members[i].binding,
			.in_place_of = list.members[i].in_place_of,
			.name = list.members[i].name,
			.address = list.members[i].address,
			.life = list.members[i].life};
	buffer_clear(&rsm->out);
	wire_welcome_encode(&w, &rsm->out);
	struct message m = {.kind = MESSAGE_ONEWAY,
			    .method = METHOD_WELCOME,
			    .payload = buffer_slice(&rsm->out)};
	node_send(rsm->node, rsm->seats[seat].link, &m);
}

static bool propose_first(struct rsm *rsm)
{
	struct group_members members;
	bool known = true;
	members_configured(rsm, &members);
	for (uint32_t i = 0; i < members.count; i++)
		known &= bind_first(rsm, &members.list[i]);
	if (known)
		members_propose_list(rsm, &members, NULL);
	return known;
}

/*
 * Those who would carry the group then must have answered once more (members_change.c); they are
 * asked when there is reason to.
 */
static bool is_to_promote(struct rsm *rsm, const struct group_members *members,
			  const struct group_member *learner, bool *asked)
{
	uint64_t now_us = node_now_us(rsm->node), ballot = consensus_epoch(rsm->core);
	if (members_not_ready(rsm, members, learner, MEMBERS_STEADY, 0) != NULL)
		return false;
	*asked = true;
	if (rsm->promotion_round == 0 || rsm->promotion_ballot != ballot ||
	    now_us - rsm->promotion_at_us > members_patience_us(rsm)) {
		rsm->promotion_round = consensus_ask_all(rsm->core, now_us);
		rsm->promotion_ballot = ballot;
		rsm->promotion_at_us = now_us;
	}
	return members_not_ready(rsm, members, learner, MEMBERS_STEADY, rsm->promotion_round) ==
	       NULL;
}

static void propose_next(struct rsm *rsm)
{
	struct group_members members = rsm->group.bound;
	bool other = false, asked = false;
	for (uint32_t i = 0; i < members.count; i++)
		other |= bind_again(rsm, &members.list[i]) |
			 follow_address(rsm, &members, &members.list[i]);
	for (uint32_t i = 0; i < rsm->group.bound.count; i++) {
		const struct group_member *m = &rsm->group.bound.list[i];
		if (m->role != MEMBER_LEARNER || members_find(&members, m->number) == NULL)
			continue;
		if (!is_to_promote(rsm, &members, m, &asked))
			continue;
		members_promote(rsm, &members, m->number);
		other = true;
	}
	if (other || !asked)
		rsm->promotion_round = 0;
	members.base = members.slot;
	if (other)
		members_propose_list(rsm, &members, NULL);
}

void members_propose(struct rsm *rsm)
{
	uint64_t now_us = node_now_us(rsm->node);
	const struct consensus_members *current = consensus_members(rsm->core);
	if (!rsm->serving || rsm->stopping || rsm->group.id == 0 ||
	    current->slot != rsm->group.bound.slot)
		return;
	/* What was asked has perhaps been answered. */
	if (now_us < rsm->members_at_us) {
		if (current->slot != 0 && consensus_can_propose(rsm->core) && !wal_full(rsm->wal))
			propose_next(rsm);
		return;
	}
	rsm->members_at_us = now_us + rsm->settings.heartbeat_interval_ms * 1000ull;
	for (uint32_t i = 0; i < rsm->nseats; i++)
		if (rsm->seats[i].listed && i != rsm->self)
			watch(rsm, i);
	if (consensus_can_propose(rsm->core) && !wal_full(rsm->wal)) {
		if (current->slot == 0)
			propose_first(rsm);
		else
			propose_next(rsm);
	}
	if (current->slot == 0 || now_us < rsm->welcome_at_us)
		return;
	rsm->welcome_at_us = now_us + MEMBERS_WELCOME_MS * 1000ull;
	for (uint32_t i = 0; i < rsm->group.bound.count; i++)
		welcome(rsm, &rsm->group.bound.list[i]);
}
