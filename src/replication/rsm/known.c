/*
 * Whom this replica speaks with: the seats of the core (core/consensus.h, SEATS), with what is
 * needed to reach who has them.
 *
 * Members are dialled. Of one that the configuration names the address is taken from there, for
 * networks move, until the list, which is the newest that the core goes by, has another one than at
 * first; of all others from the list. A stranger is answered along the connection on which it was
 * heard last.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "rsm/internal.h"

static void replace_text(char **text, const char *by)
{
	if (*text != NULL && strcmp(*text, by) == 0)
		return;
	free(*text);
	*text = alloc_string(by);
}

/*
 * What the configuration says of it, as long as it is newer than what the list says, if there is
 * one.
 */
static const struct rsm_member *configured(struct rsm *rsm, uint32_t replica,
					   const struct group_member *listed)
{
	for (uint32_t i = 0; i < rsm->options.nmembers; i++) {
		const struct rsm_member *m = &rsm->options.members[i];
		if (m->replica != replica)
			continue;
		if (listed != NULL && strcmp(listed->name, m->name) != 0)
			return NULL;
		if (listed != NULL && rsm->listed_first[i] == NULL)
			replace_text(&rsm->listed_first[i], listed->address);
		return listed == NULL || strcmp(listed->address, rsm->listed_first[i]) == 0 ? m
											    : NULL;
	}
	return NULL;
}

static void empty(struct rsm_seat *seat)
{
	free(seat->name);
	free(seat->address);
	free(seat->client_address);
	*seat = (struct rsm_seat){0};
}

/* A member: by the configuration if that names it, else by the list. */
static void settle(struct rsm *rsm, uint32_t i)
{
	struct rsm_seat *seat = &rsm->seats[i];
	const struct group_member *listed = members_find(&rsm->members, seat->replica);
	const struct rsm_member *hint = configured(rsm, seat->replica, listed);
	const char *name = listed != NULL ? listed->name : hint != NULL ? hint->name : NULL;
	if (name == NULL)
		return;
	const char *address = hint != NULL ? hint->address : listed->address;
	bool moved = seat->address == NULL || strcmp(seat->address, address) != 0;
	replace_text(&seat->name, name);
	replace_text(&seat->address, address);
	replace_text(&seat->client_address, hint != NULL ? hint->client_address : address);
	if (moved && i != rsm->self)
		seat->link = node_dial(rsm->node, seat->address);
}

void known_take(struct rsm *rsm)
{
	rsm->known_stale = false;
	rsm->nseats = consensus_peers(rsm->core);
	buffer_clear(&rsm->voter_lives);
	for (uint32_t i = 0; i < rsm->nseats; i++) {
		struct rsm_seat *seat = &rsm->seats[i];
		uint32_t replica = consensus_peer_number(rsm->core, i);
		if (seat->replica != replica) {
			empty(seat);
			rsm->watches[i] = (struct member_watch){0};
			stale_seat_given(rsm, i);
		}
		seat->replica = replica;
		seat->listed = replica != 0 && consensus_peer_is_listed(rsm->core, i);
		if (seat->listed || i == rsm->self)
			settle(rsm, i);
	}
	for (uint32_t i = 0; i < rsm->members.count; i++)
		if (rsm->members.list[i].role == MEMBER_VOTER)
			buffer_add_u64(&rsm->voter_lives, rsm->members.list[i].life);
}

uint32_t known_stranger(struct rsm *rsm, uint32_t replica, link_id from)
{
	uint32_t i = consensus_stranger(rsm->core, replica);
	if (i >= rsm->nseats || rsm->seats[i].replica != replica)
		known_take(rsm);
	/* Who was a member is still where it was. */
	if (rsm->seats[i].address == NULL)
		rsm->seats[i].link = from;
	return i;
}

void known_adopted(void *context, uint64_t slot, struct slice value)
{
	struct rsm *rsm = context;
	bool read = members_list_of_value(value, &rsm->members);
	ASSERT(read);
	rsm->members.slot = slot;
	rsm->members.begins = false;
	if (rsm->members.generation > rsm->generation)
		rsm->generation = rsm->members.generation;
	rsm->known_stale = true;
}

void known_restored(struct rsm *rsm, const struct group_members *members)
{
	/* Or its log says of later ones. */
	if (members->slot == 0 || consensus_members(rsm->core)->slot != members->slot)
		return;
	rsm->members = *members;
	rsm->known_stale = true;
	if (members->generation > rsm->generation)
		rsm->generation = members->generation;
}

bool known_has_member(const struct rsm *rsm, uint32_t replica)
{
	uint32_t i = rsm_seat(rsm, replica);
	return i != UINT32_MAX && rsm->seats[i].listed;
}

uint32_t known_others(const struct rsm *rsm)
{
	uint32_t others = 0;
	for (uint32_t i = 0; i < rsm->nseats; i++)
		others += rsm->seats[i].listed && i != rsm->self;
	return others;
}

bool known_alone(const struct rsm *rsm)
{
	return rsm->options.nmembers == 1 && rsm->group.bound.count <= 1;
}

void known_free(struct rsm *rsm)
{
	for (uint32_t i = 0; i < CONSENSUS_PEERS_MAX; i++)
		empty(&rsm->seats[i]);
	for (uint32_t i = 0; i < MEMBERS_MAX; i++)
		free(rsm->listed_first[i]);
	buffer_free(&rsm->voter_lives);
	buffer_free(&rsm->why);
}
