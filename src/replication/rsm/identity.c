/* Which group this replica belongs to: proposed, applied, and compared with what it is told. */
#include <inttypes.h>
#include <string.h>

#include "base/id.h"
#include "rsm/group_identity.h"
#include "rsm/internal.h"

static void own_members(const struct rsm *rsm, struct identity_members *members)
{
	members->count = 0;
	for (uint32_t i = 0; i < rsm->options.nmembers && i < REPLICAS_MAX; i++) {
		const struct rsm_member *m = &rsm->options.members[i];
		identity_add_member(members, m->replica, m->name, m->address);
	}
}

/*
 * The configuration calls a member otherwise. Who else belongs to the group, its list says; and
 * whoever has gone may have come again, under another number, which this list need not know yet.
 */
static bool contradicts(const struct rsm *rsm, const struct group_members *list)
{
	for (uint32_t i = 0; i < rsm->options.nmembers; i++) {
		const struct group_member *m = members_find(list, rsm->options.members[i].replica);
		if (m != NULL && strcmp(m->name, rsm->options.members[i].name) != 0)
			return true;
	}
	return false;
}

static void list_as_members(const struct group_members *list, struct identity_members *members)
{
	members->count = 0;
	for (uint32_t i = 0; i < list->count && members->count < REPLICAS_MAX; i++)
		identity_add_member(members, list->list[i].number, list->list[i].name,
				    list->list[i].address);
}

static int refuse_members(struct rsm *rsm, const struct identity_members *theirs)
{
	struct identity_members own;
	char state[IDENTITY_MEMBERS_TEXT_BYTES], configured[IDENTITY_MEMBERS_TEXT_BYTES];
	own_members(rsm, &own);
	node_problem(rsm->node,
		     "the group's members are (%s), the configuration names (%s): a file does not "
		     "change them: restore the list, then "
		     "change it with kvctl member",
		     identity_members_text(theirs, state), identity_members_text(&own, configured));
	log_event(rsm->log, LOG_ERROR, "members_differ", "why=\"%s\"", rsm->node->problem);
	return STATUS_IDENTITY;
}

int identity_check(struct rsm *rsm)
{
	struct env *env = rsm->node->env;
	struct identity_members members;
	if (rsm->group.id == 0)
		return 0;
	own_members(rsm, &members);
	/*
	 * Before there is a list, these are the members; whoever comes later, or again, may have
	 * been configured by a later list.
	 */
	bool differs = rsm->options.members_slot != 0 ? false
		       : rsm->group.bound.slot != 0
			       ? contradicts(rsm, &rsm->group.bound)
			       : !rsm->options.joining && !rsm->lost &&
					 !identity_members_equal(&members, &rsm->group.members);
	if (differs) {
		members = rsm->group.members;
		if (rsm->group.bound.slot != 0)
			list_as_members(&rsm->group.bound, &members);
		return refuse_members(rsm, &members);
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
 * Of a group without entries, before anything else can be proposed; of an older one, when it is
 * certain that it has no id.
 */
void identity_propose(struct rsm *rsm)
{
	if (rsm->group.id != 0 || rsm->identity_proposed ||
	    !(rsm->serving || consensus_last_slot(rsm->core) == 0))
		return;
	struct identity_members members;
	struct buffer body = {0};
	uint64_t id = node_random(rsm->node);
	own_members(rsm, &members);
	group_identity_encode(id == 0 ? 1 : id, &members, &body);
	rsm->identity_proposed = requests_add_own(rsm, ENTRY_IDENTITY, buffer_slice(&body));
	buffer_free(&body);
}
