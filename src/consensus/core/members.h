/*
 * Who belongs to the group, and which disk counts as whom, as a consensus core is told it: a part
 * of the log itself. How a list comes into force, and why that is safe, each core says for itself
 * (paxos/members.h).
 *
 * A member has a number, which no other one ever gets, and a role: a VOTER counts in every quorum,
 * a LEARNER is sent everything and counts nowhere. Each data directory has a life, 64 random bits;
 * one that replaces another has another. A message counts only if it comes from the life that is
 * bound to its sender's number, and that is a voter's. Before the first entry of members all whom
 * the configuration names are voters, and any life counts.
 */
#ifndef SYNOD_CORE_MEMBERS_H
#define SYNOD_CORE_MEMBERS_H

#include <stdint.h>

#include "base/limits.h"

enum member_role { MEMBER_VOTER = 1, MEMBER_LEARNER = 2 };

struct consensus_binding {
	uint32_t replica;
	/* how often another life was bound to this number before; at most BALLOT_BINDING_MAX */
	uint32_t binding;
	uint64_t life; /* of a voter never 0; of a learner 0: it has not been met yet */
	enum member_role role;
};

struct consensus_members {
	uint64_t slot; /* of the entry; 0: none yet */
	uint64_t base;
	uint32_t generation; /* how often the group has been forced (rsm/force.h) */
	/* every number below it has been given to a member, which has it for ever */
	uint32_t next_number;
	uint32_t count; /* the group's members, ascending by number; 0 with slot 0 */
	struct consensus_binding list[MEMBERS_MAX];
};

#endif
