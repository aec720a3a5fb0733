/*
 * Ballot numbers: (round, replica) in one 64-bit number that orders first by round,
 * then by replica, so that no two replicas ever use the same ballot (Lamport 2001, "Paxos Made
 * Simple", section 2.2). 0 is below every ballot.
 */
#ifndef SYNOD_PAXOS_BALLOT_H
#define SYNOD_PAXOS_BALLOT_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#define BALLOT_REPLICA_BITS 8
#define BALLOT_TEXT_BYTES 32
/*
 * Rounds use 40 of their 56 bits; the rest is kept for what later versions may want to put into a ballot. No group comes near the
 * end by itself (paxos/judge.h): a round beyond is refused wherever it comes from.
 */
#define BALLOT_ROUND_MAX ((UINT64_C(1) << 40) - 1)
/* Up to here a round that others name is believed as it stands … */
#define BALLOT_ROUND_FREE (UINT64_C(1) << 39)
/* … and beyond, if it is at most so far above what is known already. */
#define BALLOT_ROUND_STEP (UINT64_C(1) << 32)

static inline uint64_t ballot_make(uint64_t round, uint32_t replica)
{
	return round << BALLOT_REPLICA_BITS | replica;
}
static inline uint64_t ballot_round(uint64_t ballot)
{
	return ballot >> BALLOT_REPLICA_BITS;
}
static inline uint32_t ballot_replica(uint64_t ballot)
{
	return (uint32_t)(ballot & ((1u << BALLOT_REPLICA_BITS) - 1));
}
/* "7.2": round 7 of replica 2. */
static inline const char *ballot_text(uint64_t ballot, char text[BALLOT_TEXT_BYTES])
{
	snprintf(text, BALLOT_TEXT_BYTES, "%" PRIu64 ".%u", ballot_round(ballot), ballot_replica(ballot));
	return text;
}

#endif
