/*
 * Whose votes count in the agreement service: which disk of which peer.
 *
 * Every instance is Paxos, so a peer that loses its disk has lost its promises and what it has
 * accepted: if it voted on as if it had never voted, an instance could be decided twice. The
 * agreement service has no log of members of its own. It follows that of the log service, with
 * which it shares process and data directory (rsm/members.h, paxos/members.h): entries there bind
 * one *life* (64 random bits of a data directory) to each peer's number, and count with its
 * *binding* how many other lives were bound to that number before. A life that is bound again
 * later, after another one, gets another binding. So (number, binding) is an acceptor here: it
 * never had another memory than its own. The members of slot s are those that the newest entry, in
 * slot s of that log, has bound.
 *
 * STATES of a peer
 *
 *            the log binds this life       told all by n - m + 1 others,
 *            as (number, binding > 0)      and that is durable
 *   OUTSIDE ─────────────────────────▶ ENTERING ─────────────────────────▶ INSIDE
 *     ▲  │   as (number, 0): the first disk of all                           ▲ │
 *     │  └───────────────────────────────────────────────────────────────────┘ │
 *     └──────────── the log binds another life, or this one with another binding ┘
 *
 * n members, m = n/2 + 1 are a quorum; n - m + 1 *other* members meet every quorum in another
 * member than this one.
 *
 *   OUTSIDE, ENTERING   neither votes nor proposes. It learns decisions and tells them, knows what
 *                       applications are done with, and answers its own clients from that; to start
 *                       an instance it refuses (UNAVAILABLE)
 *   INSIDE              everything
 *
 * RULES
 *   A1 bound     Only votes of those that are bound by the members of the proposer's ballot count:
 *                every message bears life, binding and the slot of the members that its sender
 *                knows. What others say is learnt from (decisions, what is done with, what is the
 *                highest instance), and counted for nothing; nor are they taken to know what they
 *                have said to know.
 *   A2 one list A ballot is run with one list of members. When the proposer learns of a newer one,
 *                it gives the ballot up.
 *   A3 fence     Who knows the members of slot s votes in no ballot that is run with older ones. It
 *                is durable that it knows them before it says anything to who enters.
 *   A4 entering Who enters takes over, in every instance that is not forgotten, from n - m + 1
 *                others that are INSIDE and know the members that bind it: the highest promise of
 *                any of them, what was accepted in the highest ballot, the decision if one knows
 *                it; and what applications are done with. When all that is durable, and that it has
 *                been told by so many, it is INSIDE.
 *   A5 ballots   A ballot bears the binding of its proposer (ballot.h): no two disks ever use the
 *                same. Round 0 is for binding 0.
 *   A6 done      What the other peers know that the application here is done with stays: who enters
 *                takes its own Done value from them.
 *
 * WHY NOTHING IS EVER DECIDED OTHERWISE
 *   Lemma. Let c be the members with which a ballot B of an instance is run, V a quorum that has
 *   promised (or accepted) B, and p = (i, b) an acceptor that is bound later than c and has
 *   entered. Then p's memory, from its entry on, holds a promise ≥ B (and something accepted in a
 *   ballot ≥ B); or it knows the decision; or all are done with the instance.
 *     p was told all by a set Q of n - m + 1 other members. V without i has at least m - 1 members,
 *     so one number x is in both. The acceptor of x in V voted in B. If the one in Q is the same:
 *     it voted before it spoke to p, by A3, since it knew the members that bind p, which are newer
 *     than c; so it told p. If it is another one, it is bound later than c as well: one that is
 *     bound by newer members than c, under the number that another one has in c. It was INSIDE, so
 *     it had entered before p did, and by induction it held that itself, and told p.
 *   Theorem. If v was accepted by a quorum V in ballot B, then whatever is proposed in a later
 *     ballot B' is v. B' has a quorum P of promises; V and P have a number in common. The same
 *     acceptor in both: the usual argument. In P a later one than in V: by the lemma it reports
 *     something accepted in a ballot ≥ B. In V a later one than in P: by the lemma, for P and B',
 *     it held a promise ≥ B' > B since its entry, and cannot have accepted B. So P reports
 *     something that was accepted in a ballot from B on and below B', which is v, by induction.
 *     (That p reports what it was told, and has not accepted itself, only adds a genuine proposal.)
 *     Round 0 has no promises, but no ballot below it either: it is one ballot, of one disk.
 *   Binding 0 is the first disk: nobody was bound to its number before. Before there are members at
 *   all (slot 0: the group waits for all to have been heard, or comes from a version that had none)
 *   the first disks count, in a group that exists; who has lost his disk then is told so by the
 *   others before they listen to him (host/identity.c), takes no part, and is bound with binding 1.
 *   No members are older than any.
 *
 * Who is INSIDE, on a disk that has replaced another, proposes what is accepted in instances of
 * which it knows no decision: the lost disk may have been the only one that knew it.
 *
 * FORGETTING. p's Done values are at least those of each in Q, so its min is, when it is INSIDE, at
 * least theirs: it does not take for new what they have forgotten. Others' min stays right, for
 * Done values are only ever raised, and say what an application has said.
 *
 * HOW MUCH MAY FAIL. A disk that is lost, until its peer is INSIDE again, is one of the at most n -
 * m that a group can do without. With n - m + 1 or more lost at a time nobody can enter: those
 * numbers stay silent, and so, with fewer than m left, are all. With the disks of all members lost
 * there is nobody to remember that there was a group.
 *
 * Why not a floor (the highest instance that a quorum knows; the new disk votes only above):
 * instances below it would keep fewer and fewer voters, and after the second replaced disk some of
 * them could never be decided.
 *
 * AN OLDER COPY of a directory has the life of the newer one. The log's group recognises it
 * (rsm/starts.h), also if it lacks nothing but records of the agreement's log: each peer tells the
 * group how far its own has come. A process counts as OUTSIDE until its start has been compared
 * there, from its first turn on, and gets another life if it is found to be one. Until then it
 * takes nothing from its peers, and nothing that is done: its log would be as long as the one that
 * it has forgotten, and its next start could not be told from the right one. Messages are believed
 * to be of the process whose connection they come along.
 *
 * WHAT IS DURABLE, in the agreement's log: the members and their slot, and the binding with which
 * this peer is INSIDE; all in one record, written anew with each change
 * (AGREEMENT_PERSIST_MEMBERS):
 *
 *   u64 2^64 - 1 (no Done record begins with that)   u32 format (1)   u64 slot   u32 count
 *   for each peer, ascending: u32 number   u32 binding   u64 life (0: not bound)
 *   u32 1 + the binding with which this peer entered; 0: it has not
 *
 * A program that does not know the record refuses the log.
 *
 * MESSAGES of entering; each may be lost, late, or repeated
 *
 *   ENTER   seq = first instance to be told, ballot = the own binding
 *   TOLD    seq and ballot as they were asked for, other = number of items that follow << 1 | 1 if
 *           there is nothing beyond them; followed by, in ascending order, for each instance from
 *           seq on of which this peer knows anything
 *     STATE   seq, ballot = promised, other = accepted in (0: nothing), value
 *     DECIDED seq, value
 *
 * Both are messages of their own. The next ENTER names the instance behind the last that was told;
 * a TOLD for another seq than is due is of an earlier question. Who does not know yet the members
 * that the question names, or is not INSIDE, does not answer: it is asked again.
 */
#ifndef SYNOD_AGREEMENT_MEMBERS_H
#define SYNOD_AGREEMENT_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"

#define AGREEMENT_MEMBERS_FORMAT 1u

struct agreement_binding {
	uint32_t replica;
	uint32_t binding;
	uint64_t life; /* 0: nobody is bound */
};

/* One for each peer, in the order of the service's members. */
struct agreement_members {
	uint64_t slot; /* 0: none are known yet */
	uint32_t count;
	struct agreement_binding list[REPLICAS_MAX];
};

/* `entered`: 1 + a binding, or 0. */
void agreement_members_encode(const struct agreement_members *members, uint32_t entered,
			      struct buffer *out);
/* Is it such a record at all? */
bool agreement_members_are(struct slice record);
/* STATUS_CORRUPT; STATUS_NEWER: of a later version. */
int agreement_members_decode(struct agreement_members *members, uint32_t *entered,
			     struct slice record) MUST_CHECK;

#endif
