/* What is the same for every consensus core, whichever it is: roles. */
#include "core/consensus.h"

const struct state_table CONSENSUS_ROLES = {
	"replica",
	{
		[CONSENSUS_FOLLOWER] = {"follower",
					NEXT(CONSENSUS_PRE_CANDIDATE) | NEXT(CONSENSUS_CANDIDATE)},
		[CONSENSUS_PRE_CANDIDATE] = {"pre-candidate",
					     NEXT(CONSENSUS_FOLLOWER) | NEXT(CONSENSUS_CANDIDATE)},
		[CONSENSUS_CANDIDATE] = {"candidate",
					 NEXT(CONSENSUS_FOLLOWER) | NEXT(CONSENSUS_LEADER)},
		[CONSENSUS_LEADER] = {"leader", NEXT(CONSENSUS_FOLLOWER)},
	}};

void consensus_become(struct consensus *core, const struct consensus_options *options,
		      enum consensus_role role)
{
	enum consensus_role before = core->role;
	core->role = (enum consensus_role)state_move(&CONSENSUS_ROLES, before, role);
	if (options->became != NULL)
		options->became(options->context, before, role);
}

const char *consensus_role_text(enum consensus_role role)
{
	return state_name(&CONSENSUS_ROLES, role);
}
