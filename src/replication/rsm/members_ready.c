/*
 * Whether members are there and have what is chosen: what a change of members waits for, whoever
 * makes it (members.c: the leader by itself, members_change.c: who is asked to), and how they are
 * told of.
 */
#include <inttypes.h>

#include "rsm/internal.h"

/* NULL: it is there, and has what was chosen a heartbeat ago. */
static const char *missing_of(struct rsm *rsm, const struct group_member *m, uint64_t round,
			      struct buffer *text)
{
	uint32_t seat = rsm_seat(rsm, m->number);
	uint64_t matched, ago_us, chosen = consensus_chosen_slot(rsm->core);
	if (seat == rsm->self)
		return NULL;
	buffer_clear(text);
	const struct member_watch *w = seat == UINT32_MAX ? NULL : &rsm->watches[seat];
	if (w == NULL || w->heard_us == 0) {
		buffer_format(text, "%s has not been heard", m->name);
	} else if (node_now_us(rsm->node) - w->heard_us >=
		   rsm->settings.election_timeout_ms * 1000ull) {
		buffer_format(text, "%s has been silent for %" PRIu64 " ms", m->name,
			      (node_now_us(rsm->node) - w->heard_us) / 1000);
	} else if (m->role == MEMBER_VOTER && w->life != m->life) {
		buffer_format(text, "%s speaks with another disk, which has no vote yet", m->name);
	} else if (round != 0 && !consensus_peer_has_answered_round(rsm->core, seat, round)) {
		buffer_format(text, "%s does not answer, and has been silent for %" PRIu64 " ms",
			      m->name, (node_now_us(rsm->node) - w->heard_us) / 1000);
	} else if (w->steady == 0) {
		consensus_peer(rsm->core, seat, node_now_us(rsm->node), &matched, &ago_us);
		buffer_format(text, "%s is %" PRIu64 " entries behind", m->name,
			      chosen > matched ? chosen - matched : 0);
	} else {
		return NULL;
	}
	buffer_add_u8(text, 0);
	return (const char *)text->data;
}

const char *members_cannot_carry(struct rsm *rsm, const struct group_members *members,
				 uint64_t round)
{
	uint32_t voters = members_voters(members), ready = 0;
	struct buffer text = {0};
	buffer_clear(&rsm->why);
	for (uint32_t i = 0; i < members->count; i++) {
		const struct group_member *m = &members->list[i];
		const char *missing = m->role == MEMBER_VOTER ? missing_of(rsm, m, round, &text)
							      : NULL;
		ready += m->role == MEMBER_VOTER && missing == NULL;
		if (missing != NULL)
			buffer_format(&rsm->why, "%s%s", rsm->why.len == 0 ? "" : ", ", missing);
	}
	buffer_free(&text);
	if (2 * ready > voters)
		return NULL;
	struct buffer missing = rsm->why;
	rsm->why = (struct buffer){0};
	buffer_format(&rsm->why, "%u of %u voters must be there and have caught up: %.*s",
		      voters / 2 + 1, voters, (int)missing.len, (const char *)missing.data);
	buffer_add_u8(&rsm->why, 0);
	buffer_free(&missing);
	return (const char *)rsm->why.data;
}

void members_take_out(struct group_members *members, uint32_t number)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < members->count; i++)
		if (members->list[i].number != number)
			members->list[kept++] = members->list[i];
	members->count = kept;
	/* Nobody takes the place of who has gone. */
	for (uint32_t i = 0; i < kept; i++)
		if (members->list[i].in_place_of == number)
			members->list[i].in_place_of = 0;
}

void members_promote(struct rsm *rsm, struct group_members *members, uint32_t number)
{
	for (uint32_t i = 0; i < members->count; i++) {
		struct group_member *m = &members->list[i];
		if (m->number != number)
			continue;
		uint32_t old = m->in_place_of;
		m->role = MEMBER_VOTER;
		m->in_place_of = 0;
		m->life = rsm->watches[rsm_seat(rsm, number)].life;
		members_take_out(members, old);
		return;
	}
}

static const char *why_of(struct rsm *rsm, const char *text)
{
	buffer_clear(&rsm->why);
	buffer_format(&rsm->why, "%s", text);
	buffer_add_u8(&rsm->why, 0);
	return (const char *)rsm->why.data;
}

const char *members_not_ready(struct rsm *rsm, const struct group_members *members,
			      const struct group_member *learner, uint32_t steady, uint64_t round)
{
	uint32_t seat = rsm_seat(rsm, learner->number);
	struct buffer text = {0};
	const char *missing = missing_of(rsm, learner, round, &text);
	if (missing != NULL)
		missing = why_of(rsm, missing);
	buffer_free(&text);
	if (missing != NULL)
		return missing;
	/* By whose lives would be told apart who had it before? */
	if (seat == UINT32_MAX || rsm->watches[seat].life == 0)
		return why_of(rsm, "its disk has not been heard of");
	if (rsm->watches[seat].steady < steady)
		return why_of(rsm, "it has not kept up for long enough yet");
	struct group_members after = *members;
	members_promote(rsm, &after, learner->number);
	if (members_voters(&after) > REPLICAS_MAX)
		return why_of(rsm, "the group has as many voters as it may have: remove one");
	return members_cannot_carry(rsm, &after, round);
}

void members_list(struct rsm *rsm, const struct group_members *members, struct wire_members *out)
{
	uint64_t now_us = node_now_us(rsm->node);
	for (uint32_t i = 0; i < members->count; i++) {
		const struct group_member *m = &members->list[i];
		struct wire_member *w = &out->members[out->nmembers++];
		uint32_t seat = rsm_seat(rsm, m->number);
		*w = (struct wire_member){.number = m->number,
					  .role = m->role,
					  .binding = m->binding,
					  .in_place_of = m->in_place_of,
					  .name = slice_string(m->name),
					  .address = slice_string(m->address),
					  .life = m->life};
		if (!rsm->leading || seat == UINT32_MAX)
			continue;
		uint64_t ago_us;
		consensus_peer(rsm->core, seat, now_us, &w->matched, &ago_us);
		w->last_heard_ms = ago_us / 1000;
		w->up = ago_us < rsm->settings.election_timeout_ms * 2000ull;
	}
}
