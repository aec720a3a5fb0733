/* What is the same for every consensus core, whichever it is: names. */
#include "core/consensus.h"

const char *consensus_role_text(enum consensus_role role)
{
	static const char *const texts[] = {"follower", "pre-candidate", "candidate", "leader"};
	return texts[role];
}
