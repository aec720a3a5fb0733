/*
 * Ballots of the agreement service: (round, binding, peer) in one number that orders first by
 * round, so that no two peers, and no two disks of one peer, ever use the same ballot. Round 0 is
 * the owner's alone, once, and of its first disk (agreement.h). A layout of its own: the log keeps
 * them.
 *
 *   round 40 bits   binding 16 bits   peer 8 bits
 *
 * The binding counts the disks that have been bound to the peer before this one (members.h).
 *
 * The first version had no bindings, and its round where both are now. Its ballots read as of round
 * 0 here, below all others, and order among themselves as they did; whoever begins a ballot in an
 * instance that has seen them begins at round 1. (After 65,536 rounds in one instance they would
 * read as of later rounds, and of bindings that are nobody's.)
 */
#ifndef SYNOD_AGREEMENT_BALLOT_H
#define SYNOD_AGREEMENT_BALLOT_H

#include <stdint.h>

#define AGREEMENT_BALLOT_PEER_BITS 8
#define AGREEMENT_BALLOT_BINDING_BITS 16
#define AGREEMENT_BALLOT_ROUND_SHIFT (AGREEMENT_BALLOT_PEER_BITS + AGREEMENT_BALLOT_BINDING_BITS)
#define AGREEMENT_BINDING_MAX ((1u << AGREEMENT_BALLOT_BINDING_BITS) - 1)
/* Half of what there is room for. */
#define AGREEMENT_ROUND_MAX ((UINT64_C(1) << 39) - 1)

static inline uint64_t agreement_ballot_bound(uint64_t round, uint32_t binding, uint32_t peer)
{
	return round << AGREEMENT_BALLOT_ROUND_SHIFT |
	       (uint64_t)binding << AGREEMENT_BALLOT_PEER_BITS | peer;
}
/* Of the peer's first disk. */
static inline uint64_t agreement_ballot(uint64_t round, uint32_t peer)
{
	return agreement_ballot_bound(round, 0, peer);
}
static inline uint64_t agreement_round(uint64_t ballot)
{
	return ballot >> AGREEMENT_BALLOT_ROUND_SHIFT;
}
static inline uint32_t agreement_ballot_binding(uint64_t ballot)
{
	return (uint32_t)(ballot >> AGREEMENT_BALLOT_PEER_BITS) & AGREEMENT_BINDING_MAX;
}
static inline uint32_t agreement_ballot_peer(uint64_t ballot)
{
	return (uint32_t)(ballot & ((1u << AGREEMENT_BALLOT_PEER_BITS) - 1));
}

#endif
