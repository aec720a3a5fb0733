/*
 * The members of this node's group, as the group says (rsm/members.h), while the process runs.
 *
 * The node tells the host of each list that it applies: the file `identity` gets it, and the host
 * knows other peers from then on (peers.c). A node that has been away for long may know nobody any
 * more who could tell its log the news: so of a peer that is known, and says in its hello that it
 * has a newer list, that list is asked for (MEMBERS, request id 0), and taken over in the same way.
 * A list that a replica of the same group has applied is true for ever; it does not count in the
 * consensus, which follows its own log.
 *
 * SUPERSEDED (rsm/force.h): the same, when it learns that the group goes on as a later generation
 * without it, from its own service or from a member that refuses its hello for it; or from a list
 * of a later generation.
 *
 * REMOVED. When this node learns that it is no member any more, from its own log or from a member
 * that refuses its hello for it, it notes that in `identity` first, so that it will not be started
 * again; then it stops, orderly: it may be the leader who has removed itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "core/members.h"
#include "host/identity_internal.h"
#include "host/identity_members.h"

void host_members_follow(struct host *host, const struct identity_members *members)
{
	struct host_identity *id = host->identity;
	char text[IDENTITY_MEMBERS_TEXT_BYTES];
	if (!identity_follow(&id->own, members))
		return;
	log_event(host->log, LOG_INFO, "members",
		  "generation=%" PRIu32 " slot=%" PRIu64 " members=\"%s\"", members->generation,
		  members->slot, identity_members_text(&id->own.members, text));
	identity_note_change(id);
	host_peers_follow(host);
}

uint64_t host_link_group_id(const struct host *host, link_id id)
{
	const struct link *link = map_get(&host->links, id);
	return link == NULL ? 0 : link->group_id;
}

static bool is_known(const struct peer *peer)
{
	return (peer->member && peer->left_us == 0) ||
	       (peer->configured_speaks & SENDER_REPLICA) != 0;
}

static bool is_newer(const struct link *link, const struct identity *own)
{
	const struct identity_members list = {.generation = link->generation,
					      .slot = link->members_slot};
	return identity_members_newer(&list, own->members.generation, own->members.slot);
}

void host_members_met(struct link *link)
{
	struct host *host = link->host;
	const struct identity *own = &host->identity->own;
	if (link->state == LINK_CUT || !is_newer(link, own) || own->group_id == 0 ||
	    link->group_id != own->group_id || host->identity->waits)
		return;
	if (!is_known(link->peer)) {
		link_complain(link, "unknown_member",
			      "it has a newer list of the group's members than this node, and "
			      "stands neither in this one's nor in the "
			      "configuration: put its section into cluster.conf, and start this "
			      "node again");
		return;
	}
	if (!link->dialled) {
		/* and asked when it is open */
		host_identity_ask(map_get(&host->links, dial_link(host, link->peer->address)), 0);
		return;
	}
	struct message message = {.kind = MESSAGE_REQUEST,
				  .method = METHOD_MEMBERS,
				  .timeout_ms = host->settings.hello_timeout_ms};
	link_append(link, &message);
}

void identity_members_of_wire(const struct wire_members *from, struct identity_members *out)
{
	*out = (struct identity_members){.slot = from->slot, .generation = from->generation};
	for (uint32_t i = 0; i < from->nmembers; i++) {
		const struct wire_member *m = &from->members[i];
		char name[NAME_BYTES_MAX + 1], address[ADDRESS_BYTES_MAX + 1];
		snprintf(name, sizeof name, "%.*s", (int)m->name.len, (const char *)m->name.data);
		snprintf(address, sizeof address, "%.*s", (int)m->address.len,
			 (const char *)m->address.data);
		identity_add_member(out, m->number, name, address);
		struct identity_member *added = identity_find_member(out, name);
		added->learner = m->role == MEMBER_LEARNER;
		added->life = m->life;
	}
}

void host_members_told(struct link *link, const struct message *message)
{
	struct host *host = link->host;
	const struct identity *own = &host->identity->own;
	struct wire_members told;
	struct identity_members members;
	arena_reset(&host->arena);
	if (message->status != 0 ||
	    wire_members_decode(message->payload, &host->arena, &told) != 0 || told.group_id == 0 ||
	    told.group_id != own->group_id || !is_known(link->peer))
		return;
	identity_members_of_wire(&told, &members);
	if (!identity_members_newer(&members, own->members.generation, own->members.slot))
		return;
	bool later = members.generation > own->members.generation;
	const struct identity_member *self = identity_find_member(&members, own->node);
	bool gone = self == NULL || self->replica != own->replica;
	/* Its members are none that this directory has to know. */
	if (later && gone) {
		host_members_superseded(host, members.generation,
					"a member has told of a later generation of the group");
		return;
	}
	host_members_follow(host, &members);
	if (gone)
		host_members_removed(host, "a newer list of the group's members does not have it");
}

void host_members_removed(struct host *host, const char *why)
{
	struct host_identity *id = host->identity;
	char quoted[2600], group[IDENTITY_GROUP_TEXT_BYTES];
	if (id->own.removed)
		return;
	id->own.removed = true;
	if (why != NULL)
		log_event(host->log, LOG_WARN, "removed",
			  "group=%s replica=%" PRIu32
			  " why=%s meaning=\"this node stops, and does not start with this "
			  "directory again: take its section out of "
			  "cluster.conf, or empty the directory and add it anew\"",
			  identity_group_text(id->own.role, id->own.group, group), id->own.replica,
			  log_quote(quoted, sizeof quoted, slice_string(why)));
	identity_note_change(id);
}

void host_members_superseded(struct host *host, uint32_t generation, const char *why)
{
	struct host_identity *id = host->identity;
	char quoted[2600], group[IDENTITY_GROUP_TEXT_BYTES];
	if (id->own.superseded >= generation)
		return;
	id->own.superseded = generation;
	log_event(host->log, LOG_ERROR, "superseded",
		  "group=%s replica=%" PRIu32 " generation=%" PRIu32 " newest=%" PRIu32
		  " why=%s meaning=\"the group has lost its majority, and was made to go on "
		  "from another node (kvctl member force): this node stops, and does not start "
		  "with this directory again; keep a copy if "
		  "what it holds may be of use, then empty it and add the node anew (kvctl member "
		  "add)\"",
		  identity_group_text(id->own.role, id->own.group, group), id->own.replica,
		  id->own.members.generation, generation,
		  log_quote(quoted, sizeof quoted, slice_string(why)));
	identity_note_change(id);
}

void host_members_force(struct host *host, uint32_t generation)
{
	host->identity->force = generation;
	members_leave(host->identity);
}

uint32_t host_starts_anew(const struct host *host)
{
	return host->identity->force;
}
