/*
 * Multi-Paxos: a replicated log of slots 1, 2, 3, …, one Paxos instance a slot, with a stable
 * leader (Lamport 2001, "Paxos Made Simple", section 3; Mazières 2007, "Paxos Made Practical"; van
 * Renesse and Altinbuken 2015, "Paxos Made Moderately Complex").
 *
 * One of the cores behind core/consensus.h, which says how a core is driven, what comes out of it,
 * and which roles a replica goes through. Here stands what is Paxos in it.
 *
 * ORDER OF DURABILITY
 *   A Promise leaves after the promised ballot is durable; a Prepare after the candidate's own
 *   promise is (a ballot is never used twice, even across a crash). An Accepted names only slots
 *   whose entries are durable. Accepts leave before the leader's own entry is durable: the leader
 *   counts itself when it is.
 *
 * ROLES
 *   Pre-vote (Ongaro 2014, section 9.6): a replica asks before it disturbs; it is refused by those
 *   who heard from a leader within the election timeout, so a replica that cannot hear the leader
 *   cannot depose it. A candidate that is far behind is refused too, and so is everybody while a
 *   promise is being written down or has just been given to somebody else: an election may take
 *   several syncs of a slow disk, and another one would only begin it anew. A leader that was
 *   promised "chosen" for slots that it misses, and cannot get hold of them, lets go: the next
 *   election's quorum proposes them anew.
 *
 * MESSAGES (wire/peer.h; the RPC method is the kind)
 *   PRE_VOTE        ballot: would be used; chosen
 *   PRE_VOTE_REPLY  ballot: sender's promise; sequence: ballot asked about; flags: PEER_GRANTED
 *   PREPARE         ballot; slot: report accepted entries from here on; flags: PEER_LEASE_OVER:
 *                   the leader of ballot `sequence` has given up its lease
 *   PROMISE         impaired, known: paxos/impaired.h; ballot; slot: echo; chosen: every slot ≤ it
 *                   is chosen (and not reported); entries accepted in slots ≥ max(slot, chosen +
 *                   1); flags: PEER_MORE: ask again (PREPARE) for slots after the last entry
 *   ACCEPT          ballot, chosen, entries, sequence: heartbeat round to be echoed, lease_us: read
 *                   lease that is asked for with it; flags: PEER_FIRST: nothing before the first
 *                   entry is of this ballot. Without entries: a heartbeat. With a round, to those
 *                   that are unfit, slot: no earlier ballot can have chosen anything after it.
 *                   vouched: a stamp of the receiver's (FRESHNESS)
 *   ACCEPTED        ballot, chosen, ranges: durable in this ballot; slot: everything ≤ it has been
 *                   received; sequence: echo; flags: PEER_LEASED: with the lease; PEER_UNFIT: not
 *                   to be handed over to: it would not stand, or could take no writes; PEER_FULL:
 *                   its disk is full (comes with PEER_UNFIT); PEER_LEARNER: it has no vote, and
 *                   counts for nothing (LEARNERS); stamp: FRESHNESS
 *   REJECT          ballot: a higher one that the sender has promised. flags: PEER_REMOVED: the
 *                   receiver is no member any more, by the list of slot `members` (paxos/members.h,
 *                   M8)
 *   FETCH           slot: please send chosen entries from here on
 *   CHOSEN          chosen, entries (with the ballots in which they were accepted). flags
 *                   PEER_SNAPSHOT: slots ≤ slot are only to be had as a snapshot (methods
 *                   SNAPSHOT_…, handled by rsm/)
 *   PRE_VOTE, PRE_VOTE_REPLY, PREPARE, PROMISE and REJECT also bear the slot of the members that
 *   the sender goes by (paxos/members.h).
 *   TAKE_OVER       ballot, chosen: the leader asks this replica, which has all its entries, to
 *                   start an election at once
 *
 * READS. A read is confirmed by a round of heartbeats that begins after it was received and that a
 * quorum echoes (read index: Ongaro 2014, section 6.4): whoever echoes has promised nothing to a
 * later ballot, so nothing newer is chosen. No clock is involved.
 *
 * A reader may ask the quorum itself, at the same time as the leader (call/confirm.h):
 * paxos_read_slot() and paxos_epoch() are what it is told.
 *
 * With leases (lease_us; Gray and Cheriton 1989; Ongaro 2014, section 6.4.1) a round also asks its
 * receivers to promise nothing to another ballot for lease_us. When a quorum has granted that for a
 * round, the leader knows of no other leader's being elected before the round's beginning +
 * lease_us, and confirms reads by a look at its clock. What makes that true:
 *   - the receiver counts from its receiving the round, which is after its beginning; the leader
 *     relies on 7/8 of the time. So a follower's clock may run up to 12 % faster than the leader's;
 *     what either shows is of no importance;
 *   - clocks are looked at when they count, not at the beginning of a turn (options.clock_us): the
 *     receiver's after the round has arrived, the leader's after the reads have. A process may stop
 *     at any moment, for any time;
 *   - a receiver also keeps its own promise, to itself, back until then; and, having forgotten
 *     after a crash, promises nothing before an election timeout (which no lease exceeds) is over.
 *     So that timeout may be lowered only when all replicas have been restarted without leases;
 *   - a leader that hands over gives up its lease for the rest of its ballot, before it says so;
 *     the successor's Prepare says that.
 *
 * FRESHNESS. A follower knows how old its applied state may be without anybody else's clock. Now
 * and then an Accepted that it sends bears a stamp, a number that stands for that moment of its own
 * clock. The leader gives the stamp back, as vouched for, in a later Accept, when a quorum has
 * confirmed a round that it sent after the stamp had come. Whoever led at the stamp's moment, what
 * had been acknowledged by then is chosen in the slots ≤ that Accept's `chosen`: the confirmed
 * round began later, so nothing newer than this ballot's was chosen before it; what this ballot
 * chose the leader knows; and what earlier ones did is at or below its barrier, which it has passed
 * before it vouches. So when the follower has applied these slots, its state holds everything that
 * was acknowledged before the stamp's moment. A message may be late, lost or repeated: the age then
 * grows, as the follower's clock goes on. A process that has been started again has given out no
 * stamps, and knows those of its earlier life for nothing of its own (options.process). The leader
 * itself counts from the beginning of its newest confirmed round.
 *
 * LEARNERS. A replica that has lost what it promised and accepted must never be counted again: what
 * a quorum with it has chosen may hang on its word. So, like one that has crashed, it takes part in
 * no decision: it promises and grants nothing, does not stand, and grants no lease. But it accepts,
 * writes down and learns like the others, so that its state is theirs, and says PEER_LEARNER in
 * each Accepted. Of that the leader takes what it must send it, and nothing else: such an Accepted
 * is counted for no slot, no round, no lease, not by check-quorum, and nothing is handed over to
 * its sender. The size of a quorum stays what it was: the list of members says how many voters
 * there are. The same holds for those that the list itself calls learners (paxos/members.h).
 *
 * LEARNING. A follower knows that slot s is chosen when the leader of ballot b says chosen ≥ s and
 * the follower accepted s in b. Otherwise (it missed the entry, or has an older ballot's) it
 * fetches.
 *
 * DAMAGE to the log that leaves unknown what was accepted in some slots: paxos/impaired.h.
 *
 * INVARIANTS: paxos/invariants.h.
 */
#ifndef SYNOD_PAXOS_MULTIPAXOS_H
#define SYNOD_PAXOS_MULTIPAXOS_H

#include "core/consensus.h"
#include "paxos/members.h"

struct paxos;
struct consensus_checker;

/* An empty log after `base_slot` (0, or the slot that a snapshot covers). */
struct paxos *paxos_create(const struct consensus_options *options, uint64_t base_slot);

/* What core/operations.h lists: paxos_start(), paxos_receive(), paxos_propose(), … */
/* clang-format off */
#define PEER_ASKED(...) (const struct paxos *p, ##__VA_ARGS__)
#define PAXOS_TOLD(...) (struct paxos *p, ##__VA_ARGS__)
/* clang-format on */
#define ASK(result, name, parameters, names) result paxos_##name PEER_ASKED parameters;
#define TELL(result, name, parameters, names) result paxos_##name PAXOS_TOLD parameters;
#include "core/operations.h"
#undef ASK
#undef TELL

enum consensus_role paxos_role(const struct paxos *p);

/* As a core behind the seam (core/consensus.h) … */
extern const struct consensus_ops paxos_consensus;
/* … of which this is the inside. It must be one of these. NULL of NULL. */
const struct paxos *paxos_of(const struct consensus *core);
/* The invariants that its replicas keep (paxos/invariants.h). */
struct consensus_checker *paxos_checker_create(void);

#endif
