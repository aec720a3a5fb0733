/*
 * The list of members as the world wants it (node/identity.h): to know whom to connect to, and what
 * to start with.
 */
#include "node/identity.h"
#include "rsm/internal.h"

void members_tell_world(struct rsm *rsm)
{
	struct env *env = rsm->node->env;
	const struct group_members *from = &rsm->group.bound;
	struct identity_members members = {.slot = from->slot, .generation = from->generation};
	if (env->ops->members == NULL || from->slot == 0)
		return;
	for (uint32_t i = 0; i < from->count; i++) {
		const struct group_member *m = &from->list[i];
		identity_add_member(&members, m->number, m->name, m->address);
		members.list[i].learner = m->role == MEMBER_LEARNER;
		members.list[i].life = m->life;
	}
	env->ops->members(env, &members);
}
