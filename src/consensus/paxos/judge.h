/*
 * The door of the core: every field of a message of another replica is judged before anything is
 * done with it.
 *
 * What is refused is what no replica that keeps to the protocol can have sent, whatever the network
 * has lost, repeated or delayed: numbers beyond the possible, a ballot that is not the sender's to
 * use, entries out of order, a second value where there can be only one. Refused means: the whole
 * message is dropped, and nothing has changed.
 *
 * What is trusted: a replica that lies within the possible. To say "chosen" of what is not, or
 * "durable" of what is lost, is to break the promises of the group; against that Paxos, which is
 * about crashes, does not protect. docs/protocol.md says which.
 *
 * A new field of a message, or a new method, gets its rule in the table here and in
 * judge.c.
 *
 *   all             group, from, to (rsm/judge.c); chosen ≤ SLOT_MAX. Any member's ballot: that of
 *                   any number, for members come and go
 *   PRE_VOTE        ballot: the sender's own
 *   PRE_VOTE_REPLY  ballot: any member's, or 0; sequence: a ballot of ours; flags: GRANTED
 *   PREPARE         ballot: the sender's own; slot: 1 … ; flags: LEASE_OVER, then sequence is an
 *                   older ballot
 *   PROMISE         ballot: ours; slot: 1 … ; flags: MORE, then there are entries. Entries: at most
 *                   a window of them, ascending, above `chosen` and not below `slot`, not further
 *                   ahead than PROMISE_SPAN_MAX, each in a ballot that is not above the message's
 *                   (below it, while we are the candidate: nobody can have accepted anything in it
 *                   yet)
 *   ACCEPT          ballot: the sender's own; sequence, lease_us, vouched: possible. Entries: at
 *                   most a window of them, consecutive, without ballots of their own. None has
 *                   another value than what is here in the same ballot, or is chosen
 *   ACCEPTED        ballot: ours; flags: LEASED; stamp: possible; at most RANGES_MAX ranges,
 *                   ascending, apart, above `chosen`. In the ballot that we lead: no slot and no
 *                   heartbeat round that we have not sent
 *   REJECT          ballot: any member's; flags: REMOVED, then there is a list, and ballot may be 0
 *   FETCH           ballot: 0; slot: the one after `chosen`
 *   CHOSEN          ballot: 0; flags: SNAPSHOT, then slot is 1 … chosen. Otherwise entries from
 *                   `slot` on, consecutive, at most `chosen`, each in a member's ballot. None has
 *                   another value than what is here in the same or a later ballot; none is, in a
 *                   ballot up to the one that we lead, of a slot in which we have proposed nothing
 *   TAKE_OVER       ballot: the sender's own
 *
 * Entries' values are judged by rsm/judge.c, which can read them; so are the messages of snapshots.
 * Fields that a method does not use are not looked at.
 *
 * ROUNDS grow by one with a candidacy: in a thousand years of nothing but elections, ten a second,
 * they reach 2^39 (BALLOT_ROUND_FREE). So far every round is believed; beyond, only in steps of
 * BALLOT_ROUND_STEP above what is known here, so that no single number can use up what is left.
 * Whoever knows of BALLOT_ROUND_MAX does not stand any more (paxos_rounds_are_used_up).
 */
#ifndef SYNOD_PAXOS_JUDGE_H
#define SYNOD_PAXOS_JUDGE_H

#include "paxos/multipaxos.h"

/* No replica asks for a longer lease, whatever its settings: an hour. */
#define LEASE_POSSIBLE_US (UINT64_C(3600) * 1000000)
/*
 * What a promise reports lies at most so far beyond what its sender, or we, know to be chosen.
 * Followers accept FOLLOWER_SPAN_MAX ahead; a new leader may lag behind what it proposes, for as
 * long as a disk stands still.
 */
#define PROMISE_SPAN_MAX (UINT64_C(1) << 20)

#endif
