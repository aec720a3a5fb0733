/* The encoding, and what a replica does with it. */
#include "rsm/group_identity.h"

#include <inttypes.h>
#include <string.h>

#include "base/id.h"
#include "rsm/internal.h"

static void put_text(struct buffer *out, const char *text)
{
	buffer_add_u16(out, (uint16_t)strlen(text));
	buffer_add(out, (const uint8_t *)text, strlen(text));
}

/* Names and addresses are printable and without blanks, as cluster.conf demands. */
static bool take_text(struct slice *in, char *out, size_t max)
{
	uint16_t len;
	struct slice text;
	if (!slice_take_u16(in, &len) || len == 0 || len > max || !slice_take(in, len, &text))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return false;
		out[i] = (char)text.data[i];
	}
	out[len] = '\0';
	return true;
}

void group_members_encode(const struct identity_members *members, struct buffer *out)
{
	for (uint32_t i = 0; i < members->count; i++) {
		buffer_add_u32(out, members->list[i].replica);
		put_text(out, members->list[i].name);
		put_text(out, members->list[i].address);
	}
}

int group_members_decode(struct identity_members *members, struct slice in)
{
	members->count = 0;
	while (in.len > 0) {
		uint32_t before = members->count == 0 ? 0 : members->list[members->count - 1].replica, replica;
		char name[NAME_BYTES_MAX + 1], address[ADDRESS_BYTES_MAX + 1];
		if (members->count == REPLICAS_MAX || !slice_take_u32(&in, &replica) || replica <= before ||
		    !take_text(&in, name, NAME_BYTES_MAX) || !take_text(&in, address, ADDRESS_BYTES_MAX))
			return STATUS_CORRUPT;
		identity_add_member(members, replica, name, address);
	}
	return members->count > 0 ? 0 : STATUS_CORRUPT;
}

void group_identity_encode(uint64_t id, const struct identity_members *members, struct buffer *out)
{
	buffer_add_u64(out, id);
	group_members_encode(members, out);
}

int group_identity_decode(uint64_t *id, struct identity_members *members, struct slice in)
{
	if (!slice_take_u64(&in, id) || *id == 0)
		return STATUS_CORRUPT;
	return group_members_decode(members, in);
}

/* ---- the replica ---- */

static void own_members(const struct rsm *rsm, struct identity_members *members)
{
	members->count = 0;
	for (uint32_t i = 0; i < rsm->options.nmembers; i++) {
		const struct rsm_member *m = &rsm->options.members[i];
		identity_add_member(members, m->replica, m->name, m->address);
	}
}

int identity_check(struct rsm *rsm)
{
	struct identity_members own;
	char state[IDENTITY_MEMBERS_TEXT_BYTES], configured[IDENTITY_MEMBERS_TEXT_BYTES];
	struct env *env = rsm->node->env;
	if (rsm->group.id == 0)
		return 0;
	own_members(rsm, &own);
	if (!identity_members_equal(&own, &rsm->group.members)) {
		node_problem(rsm->node,
			     "the group's members are (%s), the configuration names (%s): this version cannot "
			     "add, remove or rename members: restore the list",
			     identity_members_text(&rsm->group.members, state), identity_members_text(&own, configured));
		log_event(rsm->log, LOG_ERROR, "members_differ", "why=\"%s\"", rsm->node->problem);
		return STATUS_IDENTITY;
	}
	return env->ops->identified == NULL ? 0 : env->ops->identified(env, rsm->group.id);
}

void identity_apply(struct rsm *rsm, struct slice body, uint64_t slot)
{
	char text[ID_TEXT_BYTES];
	uint64_t id;
	struct identity_members members;
	if (group_identity_decode(&id, &members, body) != 0)
		node_fatal(rsm->node, STATUS_CORRUPT,
			   "the identity of the group in slot %" PRIu64 " cannot be read", slot);
	if (rsm->group.id != 0)
		return;
	rsm->group.id = id;
	rsm->group.members = members;
	log_event(rsm->log, LOG_INFO, "group_identified", "group=%" PRIu64 " id=%s slot=%" PRIu64,
		  rsm->options.group, id_text(id, text), slot);
	if (identity_check(rsm) != 0)
		node_fatal(rsm->node, STATUS_IDENTITY,
			   "this replica does not belong to the group whose entries it holds");
}

/*
 * Of a group without entries, before anything else can be proposed; of an older one, when it is certain that it
 * has no id.
 */
void identity_propose(struct rsm *rsm)
{
	if (rsm->group.id != 0 || rsm->identity_proposed || !(rsm->serving || paxos_last_slot(rsm->paxos) == 0))
		return;
	struct identity_members members;
	struct buffer body = {0};
	uint64_t id = node_random(rsm->node);
	own_members(rsm, &members);
	group_identity_encode(id == 0 ? 1 : id, &members, &body);
	rsm->identity_proposed = requests_add_own(rsm, ENTRY_IDENTITY, buffer_slice(&body));
	buffer_free(&body);
}
