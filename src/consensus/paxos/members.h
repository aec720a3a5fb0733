/*
 * Who belongs to the group, and which disk counts as whom: a part of the log itself (Lamport,
 * Malkhi and Zhou 2010, "Reconfiguring a State Machine", with a window of one).
 *
 * A member has a number, which no other one ever gets, and a role: a VOTER counts in every quorum,
 * a LEARNER is sent everything and counts nowhere. Each data directory has a life, 64 random bits;
 * one that replaces another has another. A message counts only if it comes from the life that is
 * bound to its sender's number, and that is a voter's. An entry of members, alone in its slot s, is
 * the list from slot s + 1 on; its `base` is the slot of the entry that it changes, and if that is
 * not the newest one any more, it changes nothing. Before the first such entry all whom the
 * configuration names are voters, and any life counts.
 *
 * RULES (the first three: without any of them a chosen value can be lost, as the model in
 * tests/model shows)
 *   M1 no gaps      Slot t is accepted in ballot b only if it is b's first (PEER_FIRST), or t - 1
 *                   is chosen here, or t - 1 is accepted in b: or an entry of members that only its
 *                   leader holds could be chosen later, under a value that the members before have
 *                   chosen behind it.
 *   M2 whole log    A Promise counts for the members of s only if its sender durably holds every
 *                   slot <= s. PREPARE and PROMISE bear s; who does not know s yet fetches, and
 *                   promises then; who knows a later one refuses, and is fetched from.
 *   M3 not forgotten The PROMISE record bears s: recovery knows every slot <= s to be chosen. (The
 *                   records of what is chosen are written lazily.)
 *   M4 a wall       The leader proposes nothing behind an entry of members before it is chosen, and
 *                   then prepares anew, in a new ballot, before anything else. Its lease ends when
 *                   it proposes it; and from when it knows that it is chosen until it has been
 *                   promised something by the new members, it confirms no read and vouches for
 *                   nothing: that they follow it does not mean that they have chosen nothing behind
 *                   the entry before.
 *   M5 by the log   The members that count are those of the chosen prefix that this replica knows,
 *                   applied or not. They stand in snapshots, and in the log's records of them.
 *   M6 ballots      A life's ballots bear the number of its binding (core/ballot.h): it never uses
 *                   one of an earlier life.
 *   M7 birth        While nothing is known to have been accepted, a candidate needs the promises of
 *                   all members: two that have lost their disks must not take each other for a new
 *                   group.
 *   M8 removed      Who has been removed keeps what it has, and hands it out, until a slot behind
 *                   the list's is chosen: then a quorum of those who count holds every slot <= s
 *                   (M2), and it may go. Whoever knows that answers its questions with REJECT and
 *                   PEER_REMOVED. That is true for ever, for numbers are not given again.
 *
 * WITHOUT A VOTE. A replica whose own life is not bound, or is a learner's, is a learner
 * (multipaxos.h, LEARNERS), and so are others' unbound lives and learners to it: what they know to
 * be chosen is learnt, and they are told; they count for nothing. One that hears of no leader asks
 * whomever it knows for what is chosen, one after the other (FETCH): it may have been removed, and
 * nobody need speak to it.
 *
 * A LEADER THAT HAS REMOVED ITSELF can promise nothing. It asks one after the other of those who
 * stay, and who have every slot <= s, to take over (TAKE_OVER), which prepares in its place at
 * once; until somebody does, what others miss can be had of it.
 *
 * STRANGERS. Somebody may speak who is on no list that is known here: it has been removed, and need
 * not know; or it is a member of a later list, and this replica need not even have heard of anybody
 * else of that (all whom it knew may have been replaced while it was down). It is believed what is
 * true whoever says it: that slots are chosen, which are then fetched from it, and are what they
 * are (CHOSEN, a snapshot); that we have been removed, by a list newer than ours. It is told what
 * it asks for (FETCH). Nothing else: it is promised nothing, followed nowhere, and its promises and
 * acceptances are none. The one exception is a TAKE_OVER of the leader in whose ballot we are: it
 * has removed itself, and we have heard of that already.
 */
#ifndef SYNOD_PAXOS_MEMBERS_H
#define SYNOD_PAXOS_MEMBERS_H

#include "core/members.h"

#endif
