/*
 * Ballot numbers: (round, binding, number) in one 64-bit number that orders first by round, so that
 * no two replicas, and no two lives of a replica's disk, ever use the same ballot (Lamport 2001,
 * "Paxos Made Simple", section 2.5). 0 is below every ballot.
 *
 *   round 40 bits   binding 16 bits   number 8 bits
 *
 * The number is the replica's; the binding counts how often the group has bound a new disk to that
 * number (paxos/members.h): a disk that replaces another knows nothing of the rounds which that one
 * has used.
 *
 * The first version had no bindings, and its round where both are now. Its ballots read as of round
 * 0 here, below all others, and order among themselves as they did; a group that comes from it uses
 * rounds from 1 on. (Had it gone through 65536 elections, they read as of later rounds and of
 * bindings that are nobody's.)
 */
#ifndef SYNOD_CORE_BALLOT_H
#define SYNOD_CORE_BALLOT_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#define BALLOT_NUMBER_BITS 8
#define BALLOT_BINDING_BITS 16
#define BALLOT_ROUND_SHIFT (BALLOT_NUMBER_BITS + BALLOT_BINDING_BITS)
#define BALLOT_BINDING_MAX ((1u << BALLOT_BINDING_BITS) - 1)
#define BALLOT_TEXT_BYTES 40
/* Half of what there is room for. No group comes near it by itself (paxos/judge.h). */
#define BALLOT_ROUND_MAX ((UINT64_C(1) << 39) - 1)
/* Up to here a round that others name is believed as it stands … */
#define BALLOT_ROUND_FREE (UINT64_C(1) << 38)
/* … and beyond, if it is at most so far above what is known already. */
#define BALLOT_ROUND_STEP (UINT64_C(1) << 31)

static inline uint64_t ballot_make_bound(uint64_t round, uint32_t binding, uint32_t replica)
{
	return round << BALLOT_ROUND_SHIFT | (uint64_t)binding << BALLOT_NUMBER_BITS | replica;
}
static inline uint64_t ballot_make(uint64_t round, uint32_t replica)
{
	return ballot_make_bound(round, 0, replica);
}
static inline uint64_t ballot_round(uint64_t ballot)
{
	return ballot >> BALLOT_ROUND_SHIFT;
}
static inline uint32_t ballot_binding(uint64_t ballot)
{
	return (uint32_t)(ballot >> BALLOT_NUMBER_BITS) & BALLOT_BINDING_MAX;
}
static inline uint32_t ballot_replica(uint64_t ballot)
{
	return (uint32_t)(ballot & ((1u << BALLOT_NUMBER_BITS) - 1));
}
/* "7.2": round 7 of replica 2; "7.2+1": of the second disk that is bound to it. */
static inline const char *ballot_text(uint64_t ballot, char text[BALLOT_TEXT_BYTES])
{
	int used = snprintf(text, BALLOT_TEXT_BYTES, "%" PRIu64 ".%u", ballot_round(ballot),
			    ballot_replica(ballot));
	if (ballot_binding(ballot) != 0)
		snprintf(text + used, BALLOT_TEXT_BYTES - (size_t)used, "+%u",
			 ballot_binding(ballot));
	return text;
}

#endif
