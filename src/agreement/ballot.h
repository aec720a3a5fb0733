/*
 * Ballots of the agreement service: (round, peer) in one number that orders first by round. Round 0 is the owner's alone, once
 * (agreement.h). A layout of its own: the log keeps them.
 */
#ifndef SYNOD_AGREEMENT_BALLOT_H
#define SYNOD_AGREEMENT_BALLOT_H

#include <stdint.h>

#define AGREEMENT_BALLOT_PEER_BITS 8
#define AGREEMENT_ROUND_MAX ((UINT64_C(1) << 40) - 1)

static inline uint64_t agreement_ballot(uint64_t round, uint32_t peer)
{
	return round << AGREEMENT_BALLOT_PEER_BITS | peer;
}
static inline uint64_t agreement_round(uint64_t ballot)
{
	return ballot >> AGREEMENT_BALLOT_PEER_BITS;
}
static inline uint32_t agreement_ballot_peer(uint64_t ballot)
{
	return (uint32_t)(ballot & ((1u << AGREEMENT_BALLOT_PEER_BITS) - 1));
}

#endif
