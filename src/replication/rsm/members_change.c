/*
 * Changing who belongs to the group: what is asked of its leader, what it refuses, and what it
 * tells.
 *
 * Every change is one entry (rsm/members.h). It is refused if the voters of the new list could not
 * carry the group at once: more than half of them must be there, and have caught up; so the group
 * never waits for somebody who has just been given a vote, or for those who stay when others go.
 * That they were there a moment ago is not enough: they are asked, by a heartbeat that begins when
 * the change is asked for, and the change waits for their answers (members_patience_us). One change
 * after the other: while one is under way the next is told to ask again.
 */
#include <inttypes.h>

#include "base/clusterconf.h"
#include "rsm/internal.h"

/* ---- what is told ---- */

void members_answer(struct rsm *rsm, link_id from, const struct message *request)
{
	struct group_members members = rsm->group.bound;
	struct wire_members reply = {
		.group = rsm->options.group,
		.group_id = rsm->group.id,
		.replica = rsm->options.replica,
		.leads = rsm->serving,
		.leader = consensus_leader(rsm->core),
		.slot = rsm->group.bound.slot,
		.chosen = consensus_chosen_slot(rsm->core),
		.generation = rsm->group.bound.generation,
	};
	if (members.slot == 0)
		members_configured(rsm, &members);
	reply.next_number = members.next_number;
	members_list(rsm, &members, &reply);
	struct buffer body = {0}, waits[MEMBERS_MAX] = {{0}};
	for (uint32_t i = 0; i < reply.nmembers && rsm->serving; i++) {
		const struct group_member *m = &members.list[i];
		const char *missing = m->role == MEMBER_LEARNER
					      ? members_not_ready(rsm, &members, m, MEMBERS_STEADY,
								  0)
					      : NULL;
		if (missing == NULL)
			continue;
		buffer_format(&waits[i], "%.*s", (int)MEMBER_WAITS_BYTES_MAX, missing);
		reply.members[i].waits_for = buffer_slice(&waits[i]);
	}
	wire_members_encode(&reply, &body);
	node_reply(rsm->node, from, request, 0, buffer_slice(&body));
	for (uint32_t i = 0; i < MEMBERS_MAX; i++)
		buffer_free(&waits[i]);
	buffer_free(&body);
}

/* ---- what is asked ---- */

struct refusal {
	int status;      /* 0: none */
	bool missing;    /* because of who is not there: that may change */
	char text[1000]; /* it may name many */
};

__attribute__((format(printf, 3, 4))) static bool refuse(struct refusal *r, int status,
							 const char *format, ...)
{
	va_list arguments;
	r->status = status;
	va_start(arguments, format);
	vsnprintf(r->text, sizeof r->text, format, arguments);
	va_end(arguments);
	return false;
}

static const struct group_member *find_address(const struct group_members *members,
					       struct slice address)
{
	for (uint32_t i = 0; i < members->count; i++)
		if (slice_equal(slice_string(members->list[i].address), address))
			return &members->list[i];
	return NULL;
}

/* Whom the request is about; NULL: there is none, *gone: there was. */
static const struct group_member *find_asked(const struct group_members *members,
					     const struct wire_change_members *c, bool *gone)
{
	*gone = c->number != 0 && c->number < members->next_number;
	return c->number != 0 ? members_find(members, c->number)
			      : members_find_name(members, c->name);
}

static uint32_t future_voters(const struct group_members *members)
{
	uint32_t voters = 0;
	for (uint32_t i = 0; i < members->count; i++)
		voters += members->list[i].role == MEMBER_VOTER ||
			  members->list[i].in_place_of == 0;
	return voters;
}

/*
 * The name is a member's already: at the address that was given, or elsewhere. `old`: whom it was
 * to replace, if any.
 */
static bool refuse_name(const struct group_member *named, const struct group_member *there,
			const struct group_member *old, struct refusal *r)
{
	const char *is = named->role == MEMBER_LEARNER ? "a learner" : "a voter";
	if (named == old)
		return refuse(r, STATUS_EXISTS,
			      "%s cannot take its own place: if its disk was lost, start it with "
			      "an empty directory; if it has moved, "
			      "start it there; that is all. Another node needs another name",
			      named->name);
	if (old == NULL)
		return refuse(r, STATUS_EXISTS,
			      "member %u is already called %s, at %s: take another name; or, if it "
			      "has moved, start it there, and nothing else",
			      named->number, named->name, named->address);
	if (named != there)
		return refuse(r, STATUS_EXISTS,
			      "member %u is already called %s, at %s: take another name for the "
			      "one that is to take the place of %s",
			      named->number, named->name, named->address, old->name);
	return refuse(r, STATUS_EXISTS,
		      "%s is member %u already, %s: to have it in the place of %s, remove %s%s",
		      named->name, named->number, is, old->name, old->name,
		      named->role == MEMBER_LEARNER ? " when it has become a voter" : "");
}

/* What no cluster.conf could have, or nobody could reach. */
static bool may_be_found(const struct wire_change_members *c, struct refusal *r)
{
	char name[NAME_BYTES_MAX + 1], address[ADDRESS_BYTES_MAX + 1];
	snprintf(name, sizeof name, "%.*s", (int)c->name.len, (const char *)c->name.data);
	snprintf(address, sizeof address, "%.*s", (int)c->address.len,
		 (const char *)c->address.data);
	if (!name_valid(name))
		return refuse(r, STATUS_BAD_REQUEST,
			      "'%s' is no name of a node: 1 to %u letters, digits and . _ -, "
			      "beginning with a letter or a digit",
			      name, NAME_BYTES_MAX);
	if (!address_valid(address))
		return refuse(r, STATUS_BAD_REQUEST,
			      "a new member needs an address HOST:PORT, and '%s' is none", address);
	if (address_is_any(address))
		return refuse(r, STATUS_BAD_REQUEST,
			      "%s stands for all addresses of a machine: give the one at which "
			      "others reach the node",
			      address);
	return true;
}

/*
 * A learner that gets the next number. True: *members is to be proposed, or, with *done, is so
 * already.
 */
static bool add(struct group_members *members, const struct wire_change_members *c,
		uint32_t *number, bool *done, struct refusal *r)
{
	const struct group_member *named = members_find_name(members, c->name),
				  *there = find_address(members, c->address);
	const struct group_member *old = members_find(members, c->number);
	uint32_t in_place_of = c->op == WIRE_CHANGE_REPLACE ? c->number : 0;
	if (!may_be_found(c, r))
		return false;
	if (named != NULL && named == there &&
	    (in_place_of == 0 || named->in_place_of == in_place_of || old == NULL)) {
		*number = named->number;
		*done = true;
		return true;
	}
	if (in_place_of != 0 && old == NULL)
		return refuse(r, STATUS_DENIED, "the group has no member with number %u",
			      in_place_of);
	if (named != NULL)
		return refuse_name(named, there, old, r);
	if (there != NULL)
		return refuse(r, STATUS_EXISTS, "member %u, %s, is already at %s: %s",
			      there->number, there->name, there->address,
			      there == old ? "the new one needs an address of its own, for both "
					     "run until it has taken the place"
					   : "give another address, or remove that member first");
	for (uint32_t i = 0; i < members->count && in_place_of != 0; i++)
		if (members->list[i].in_place_of == in_place_of)
			return refuse(r, STATUS_EXISTS,
				      "%s is to take the place of %s already: remove it first",
				      members->list[i].name, old->name);
	if (members->count == MEMBERS_MAX)
		return refuse(
			r, STATUS_DENIED,
			"a group has at most %u members, voters and learners: remove one first",
			MEMBERS_MAX);
	if (in_place_of == 0 && future_voters(members) >= REPLICAS_MAX)
		return refuse(r, STATUS_DENIED,
			      "a group has at most %u voters: remove one first, or replace it",
			      REPLICAS_MAX);
	if (members->next_number > MEMBER_NUMBER_MAX)
		return refuse(r, STATUS_DENIED,
			      "the group has had %u members in its life, and can have no more: "
			      "numbers are not used again",
			      MEMBER_NUMBER_MAX);
	struct group_member *m = &members->list[members->count++];
	*m = (struct group_member){.number = members->next_number++,
				   .role = MEMBER_LEARNER,
				   .in_place_of = in_place_of};
	snprintf(m->name, sizeof m->name, "%.*s", (int)c->name.len, (const char *)c->name.data);
	snprintf(m->address, sizeof m->address, "%.*s", (int)c->address.len,
		 (const char *)c->address.data);
	*number = m->number;
	return true;
}

static bool no_such_member(const struct wire_change_members *c, struct refusal *r)
{
	if (c->number != 0)
		return refuse(r, STATUS_DENIED, "the group has no member with number %u",
			      c->number);
	return refuse(r, STATUS_DENIED, "the group has no member called '%.*s'", (int)c->name.len,
		      (const char *)c->name.data);
}

static bool take_away(struct rsm *rsm, struct group_members *members,
		      const struct wire_change_members *c, uint64_t round, uint32_t *number,
		      bool *done, struct refusal *r)
{
	bool gone;
	const struct group_member *m = find_asked(members, c, &gone);
	if (m == NULL && !gone)
		return no_such_member(c, r);
	*number = m == NULL ? c->number : m->number;
	*done = m == NULL;
	if (*done || m->role == MEMBER_LEARNER) {
		members_take_out(members, *number);
		return true;
	}
	if (members_voters(members) == 1)
		return refuse(r, STATUS_DENIED,
			      "%s is the only voter: without it the group is lost", m->name);
	char name[NAME_BYTES_MAX + 1];
	snprintf(name, sizeof name, "%s", m->name);
	members_take_out(members, *number);
	const char *missing = members_cannot_carry(rsm, members, round);
	r->missing = missing != NULL;
	return missing == NULL || refuse(r, STATUS_DENIED, "without %s: %s", name, missing);
}

static bool promote(struct rsm *rsm, struct group_members *members,
		    const struct wire_change_members *c, uint64_t round, uint32_t *number,
		    bool *done, struct refusal *r)
{
	bool gone;
	const struct group_member *m = find_asked(members, c, &gone);
	if (m == NULL)
		return no_such_member(c, r);
	*number = m->number;
	*done = m->role == MEMBER_VOTER;
	if (*done)
		return true;
	const char *missing = members_not_ready(rsm, members, m, 1, round);
	r->missing = missing != NULL;
	if (missing != NULL)
		return refuse(r, STATUS_DENIED, "%s cannot become a voter yet: %s", m->name,
			      missing);
	members_promote(rsm, members, *number);
	return true;
}

static bool change(struct rsm *rsm, struct group_members *members,
		   const struct wire_change_members *c, uint64_t round, uint32_t *number,
		   bool *done, struct refusal *r)
{
	switch (c->op) {
	case WIRE_CHANGE_ADD:
	case WIRE_CHANGE_REPLACE: return add(members, c, number, done, r);
	case WIRE_CHANGE_REMOVE: return take_away(rsm, members, c, round, number, done, r);
	case WIRE_CHANGE_PROMOTE: return promote(rsm, members, c, round, number, done, r);
	default: return refuse(r, STATUS_BAD_REQUEST, "no such change");
	}
}

/* Why no list can be proposed at this moment. */
static const char *busy(struct rsm *rsm)
{
	if (rsm->group.bound.slot == 0)
		return "the group has no list of members yet: not all of them have met";
	if (consensus_members(rsm->core)->slot != rsm->group.bound.slot ||
	    !consensus_can_propose(rsm->core))
		return "another change is under way; try again";
	return wal_full(rsm->wal) ? "the leader's disk is full" : NULL;
}

/* Until those who would carry the group then have answered. */
static void hold(struct rsm *rsm, const struct requester *from, struct slice request)
{
	struct pending_change *p = &rsm->change;
	p->waits = true;
	p->requester = *from;
	buffer_clear(&p->request);
	buffer_add_slice(&p->request, request);
	p->round = consensus_ask_all(rsm->core, node_now_us(rsm->node));
	p->ballot = consensus_epoch(rsm->core);
	p->until_us = node_now_us(rsm->node) + members_patience_us(rsm);
}

static bool is_held(const struct rsm *rsm)
{
	return rsm->change.waits && node_now_us(rsm->node) < rsm->change.until_us;
}

static void answer_done(struct rsm *rsm, const struct requester *from, uint32_t number)
{
	buffer_clear(&rsm->out);
	wire_change_members_reply_encode(
		&(struct wire_change_members_reply){.slot = rsm->group.bound.slot,
						    .number = number},
		&rsm->out);
	answer(rsm, from, 0, buffer_slice(&rsm->out));
}

/* Answers, proposes, or keeps the request; that which waits already, when it is its turn again. */
static void change_members(struct rsm *rsm, const struct requester *from,
			   const struct wire_change_members *c, struct slice request)
{
	struct group_members members = rsm->group.bound;
	struct refusal r = {0};
	bool done = false, waits = rsm->change.waits,
	     asks = c->op == WIRE_CHANGE_REMOVE || c->op == WIRE_CHANGE_PROMOTE;
	uint32_t number = 0;
	const char *why = busy(rsm);
	if (why != NULL) {
		if (is_held(rsm))
			return;
		rsm->change.waits = false;
		answer_error(rsm, from, STATUS_BUSY, "%s", why);
		return;
	}
	bool fits = change(rsm, &members, c, waits ? rsm->change.round : 0, &number, &done, &r);
	if (fits && !done && c->base != 0 && c->base != rsm->group.bound.slot)
		fits = refuse(&r, STATUS_DENIED,
			      "the list of members is that of slot %" PRIu64
			      ", not of slot %" PRIu64 ": it has been changed meanwhile",
			      rsm->group.bound.slot, c->base);
	if (!fits && r.missing && is_held(rsm))
		return;
	rsm->change.waits = false;
	if (!fits) {
		answer_error(rsm, from, r.status, "%s", r.text);
	} else if (done) {
		answer_done(rsm, from, number);
	} else if (asks && !waits) {
		hold(rsm, from, request);
	} else {
		members.base = members.slot;
		rsm->change_number = number;
		members_propose_list(rsm, &members, from);
	}
}

void members_change_go_on(struct rsm *rsm)
{
	struct wire_change_members c;
	struct requester from = rsm->change.requester;
	/* Leadership may have been lost and won within one turn. */
	if (rsm->change.ballot != consensus_epoch(rsm->core)) {
		members_change_lost(rsm);
		return;
	}
	arena_reset(&rsm->arena);
	int status = wire_change_members_decode(buffer_slice(&rsm->change.request), &rsm->arena,
						&c);
	ASSERT(status == 0);
	change_members(rsm, &from, &c, buffer_slice(&rsm->change.request));
}

void members_change_lost(struct rsm *rsm)
{
	if (!rsm->change.waits)
		return;
	rsm->change.waits = false;
	answer_error(rsm, &rsm->change.requester, STATUS_NOT_LEADER,
		     "leadership was lost before the change was proposed: not applied");
}

void members_change(struct rsm *rsm, const struct requester *from, const struct message *request)
{
	struct wire_change_members c;
	arena_reset(&rsm->arena);
	int status = wire_change_members_decode(request->payload, &rsm->arena, &c);
	if (status != 0)
		answer_error(rsm, from, status, "malformed CHANGE_MEMBERS");
	else if (!rsm->serving)
		answer_error(rsm, from, STATUS_BUSY,
			     "the leader has only just been elected; try again");
	else if (rsm->change.waits)
		answer_error(rsm, from, STATUS_BUSY, "another change is under way; try again");
	else
		change_members(rsm, from, &c, request->payload);
}
