/*
 * Multi-Paxos: a replicated log of slots 1, 2, 3, …, one Paxos instance a slot, with a stable
 * leader (Lamport 2001, "Paxos Made Simple", section 3; Mazières 2007, "Paxos Made Practical"; van
 * Renesse and Altinbuken 2015, "Paxos Made Moderately Complex").
 *
 * PURE. No I/O, clock or global: events go in, paxos_output() comes out. The caller (rsm/) carries
 * out an output:
 *
 *   1. persist[]  append to the log, in order. Say paxos_persisted(sequence) when durable.
 *   2. sends[]    may leave at once. What must not leave before something is durable is not in the
 *                 output yet: the core keeps it back until paxos_persisted().
 *   3. paxos_next_chosen()  newly chosen entries, in slot order, each exactly once.
 *   4. reads[]    confirmed reads: answer each once the state is applied up to its slot.
 *   5. old[]      a peer asks for chosen entries that are no longer in memory: read them from the
 *                 log and send CHOSEN, or offer the snapshot.
 *   6. snapshot   this replica is so far behind that it needs a peer's snapshot.
 *   7. paxos_deadline_us()  call paxos_tick() then.
 *
 * What an output points to is valid until the next call into the core.
 *
 * ORDER OF DURABILITY
 *   A Promise leaves after the promised ballot is durable; a Prepare after the candidate's own
 *   promise is (a ballot is never used twice, even across a crash). An Accepted names only slots
 *   whose entries are durable. Accepts leave before the leader's own entry is durable: the leader
 *   counts itself when it is.
 *
 * ROLES
 *   follower ──election timeout──▶ pre-candidate ──grants of a quorum──▶ candidate ─┐
 *      ▲                                                                              │ promises
 *      │                                                                              ▼ of a quorum
 *      └──────── a higher ballot, or no contact with a quorum (check-quorum) ────── leader
 *   Pre-vote (Ongaro 2014, section 9.6): a replica asks before it disturbs; it is refused by those
 *   who heard from a leader within the election timeout, so a replica that cannot hear the leader
 *   cannot depose it. A candidate that is far behind is refused too, and so is everybody while a
 *   promise is being written down or has just been given to somebody else: an election may take
 *   several syncs of a slow disk, and another one would only begin it anew. A leader that was
 *   promised "chosen" for slots that it misses, and cannot get hold of them, lets go: the next
 *   election's quorum proposes them anew.
 *
 * MESSAGES (struct wire_paxos; the RPC method is the kind)
 *   PRE_VOTE        ballot: would be used; chosen
 *   PRE_VOTE_REPLY  ballot: sender's promise; sequence: ballot asked about; flags: PAXOS_GRANTED
 *   PREPARE         ballot; slot: report accepted entries from here on; flags: PAXOS_LEASE_OVER:
 *                   the leader of ballot `sequence` has given up its lease
 *   PROMISE         impaired, known: paxos/impaired.h; ballot; slot: echo; chosen: every slot ≤ it
 *                   is chosen (and not reported); entries accepted in slots ≥ max(slot, chosen +
 *                   1); flags: PAXOS_MORE: ask again (PREPARE) for slots after the last entry
 *   ACCEPT          ballot, chosen, entries, sequence: heartbeat round to be echoed, lease_us: read
 *                   lease that is asked for with it; flags: PAXOS_FIRST: nothing before the first
 *                   entry is of this ballot. Without entries: a heartbeat. With a round, to those
 *                   that are unfit, slot: no earlier ballot can have chosen anything after it.
 *                   vouched: a stamp of the receiver's (FRESHNESS)
 *   ACCEPTED        ballot, chosen, ranges: durable in this ballot; slot: everything ≤ it has been
 *                   received; sequence: echo; flags: PAXOS_LEASED: with the lease; PAXOS_UNFIT: not
 *                   to be handed over to: it would not stand, or could take no writes; PAXOS_FULL:
 *                   its disk is full (comes with PAXOS_UNFIT); PAXOS_LEARNER: it has no vote, and
 *                   counts for nothing (LEARNERS); stamp: FRESHNESS
 *   REJECT          ballot: a higher one that the sender has promised. flags: PAXOS_REMOVED: the
 *                   receiver is no member any more, by the list of slot `members` (paxos/members.h,
 *                   M8)
 *   FETCH           slot: please send chosen entries from here on
 *   CHOSEN          chosen, entries (with the ballots in which they were accepted). flags
 *                   PAXOS_SNAPSHOT: slots ≤ slot are only to be had as a snapshot (methods
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
 * paxos_read_slot() and paxos_ballot() are what it is told.
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
 * writes down and learns like the others, so that its state is theirs, and says PAXOS_LEARNER in
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

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "paxos/ballot.h"
#include "paxos/members.h"
#include "wire/method.h"
#include "wire/wire.h"

struct paxos;

enum paxos_role { PAXOS_FOLLOWER, PAXOS_PRE_CANDIDATE, PAXOS_CANDIDATE, PAXOS_LEADER };
enum paxos_flag {
	PAXOS_GRANTED = 1,
	PAXOS_MORE = 2,
	PAXOS_SNAPSHOT = 4,
	PAXOS_LEASED = 8,
	PAXOS_LEASE_OVER = 16,
	PAXOS_UNFIT = 32,
	PAXOS_LEARNER = 64,
	PAXOS_FIRST = 128,
	PAXOS_FULL = 256,
	PAXOS_REMOVED = 512,
	PAXOS_ASKED = 1024
};

struct paxos_options {
	uint64_t group;
	uint32_t self; /* one of members */
	uint32_t nmembers;
	/* replica ids; all have a vote as long as there is no list of members (paxos/members.h) */
	uint32_t members[MEMBERS_MAX];
	/*
	 * … but for us, who have been added to a group that has one: we have none before we know it
	 */
	bool joining;
	uint64_t election_timeout_us; /* each wait is drawn from [this, 2 × this] */
	uint64_t heartbeat_us;
	uint64_t lease_us; /* read lease; at most election_timeout_us; 0: none */
	/* entries of one message stop after the one that passes this; 0, or more: 1 MiB */
	uint64_t message_bytes;
	/* applied entries kept in memory for peers that lag a little */
	uint64_t cache_bytes;
	/* of this replica's disk (paxos/members.h); 0: it has none, and none is bound */
	uint64_t life;
	/*
	 * True: the value is an entry of members; *out is what it says, but for its slot. Asked
	 * only of values that begin with the byte members_byte. NULL: there are none.
	 */
	uint8_t members_byte;
	bool (*members_of)(struct slice value, struct paxos_members *out);
	/*
	 * They count from now on, by the entry of this slot. In the middle of a step: nothing of
	 * the core may be called. May be NULL.
	 */
	void (*adopted)(void *context, uint64_t slot, struct slice value);
	/* unlike those of its processes before it (FRESHNESS); 0: there were none */
	uint64_t process;
	uint64_t (*random)(void *context);
	/*
	 * The clock that now_us is read from, as it is at this moment: not older than what has been
	 * received. NULL: no leases.
	 */
	uint64_t (*clock_us)(void *context);
	void *context;
};

enum paxos_persist_kind { PAXOS_PERSIST_PROMISE, PAXOS_PERSIST_ACCEPT, PAXOS_PERSIST_CHOSEN };
struct paxos_persist {
	enum paxos_persist_kind kind;
	uint64_t sequence; /* 1, 2, 3, … */
	/* PROMISE: of the members that it was made by: every slot ≤ it is chosen, and here */
	uint64_t slot;
	uint64_t ballot; /* of PAXOS_PERSIST_CHOSEN: that is promised … */
	/* … and the highest slot accepted so far; or both 0, while that is not known */
	uint64_t last;
	struct slice value;
	struct bytes *held; /* what value points into; the core's */
};
struct paxos_send {
	uint32_t to;
	enum method method;
	struct wire_paxos message;
};
struct paxos_read_confirmed {
	uint64_t id;
	uint64_t slot; /* apply up to here, then answer */
};
struct paxos_old_fetch {
	uint32_t to;
	uint64_t first, last; /* chosen slots */
};
struct paxos_output {
	uint32_t npersists, nsends, nreads, nold;
	const struct paxos_persist *persists;
	const struct paxos_send *sends;
	const struct paxos_read_confirmed *reads;
	const struct paxos_old_fetch *old;
	bool need_snapshot;
	uint32_t snapshot_from; /* replica that offered */
	uint64_t snapshot_slot; /* at least this */
	/*
	 * a member of the group as it is now says that we are none: nothing that we hold is needed
	 * any more
	 */
	bool removed;
};
struct paxos_chosen {
	uint64_t slot;
	uint64_t ballot;     /* in which this replica accepted or learnt it */
	struct bytes *value; /* borrowed; NULL: a no-op */
};

/* An empty log after `base_slot` (0, or the slot that a snapshot covers). */
struct paxos *paxos_create(const struct paxos_options *options, uint64_t base_slot);
/*
 * Recovery: what the log held, in its order; then paxos_start(). Entries at or below the base are
 * ignored.
 */
void paxos_restore_promise(struct paxos *p, uint64_t ballot);
/* Those that the base, or the newest record of a snapshot, says. */
void paxos_restore_members(struct paxos *p, const struct paxos_members *members);
/*
 * What they are at the base is not known, for its snapshot is damaged: the next one that is
 * installed says it.
 */
void paxos_forget_members(struct paxos *p);
void paxos_restore_entry(struct paxos *p, uint64_t slot, uint64_t ballot, struct slice value);
/*
 * Of a log that was damaged, after its entries and before what is chosen: anything may have been
 * accepted in these slots, in ballots below the highest of those given (paxos/impaired.h). And
 * after what is chosen: what the log holds of those that are not impaired is chosen.
 */
void paxos_restore_impaired(struct paxos *p, uint64_t first, uint64_t last);
void paxos_restore_impaired_below(struct paxos *p, uint64_t ballot);
void paxos_restore_chosen(struct paxos *p, uint64_t slot);
/* What was accepted in slots above it, in ballots below that one, is given up (rsm/force.h). */
void paxos_restore_cut(struct paxos *p, uint64_t slot, uint64_t ballot);
void paxos_restore_known(struct paxos *p, uint64_t first, uint64_t last);
/*
 * While it runs: what is accepted in the slot, and not known to be chosen, is written to the log
 * once more. Nothing, if there is nothing.
 */
void paxos_log_again(struct paxos *p, uint64_t slot);
/*
 * After these: what it had promised is lost. It answers for no slot, and has no vote before this
 * other life is bound; 0: none, whatever is bound.
 */
void paxos_forget_promise(struct paxos *p, uint64_t life);
void paxos_start(struct paxos *p, uint64_t now_us);
void paxos_destroy(struct paxos *p);

/*
 * A message of another member to us that paxos_judge() (paxos/judge.h) has let pass: what it
 * refuses may reach assertions here.
 */
void paxos_receive(struct paxos *p, uint64_t now_us, enum method method,
		   const struct wire_paxos *message);
void paxos_tick(struct paxos *p, uint64_t now_us);
uint64_t paxos_deadline_us(const struct paxos *p);
/*
 * The connection to a replica is lost. If it led us and lives, it will be heard again within a
 * heartbeat; otherwise we stand soon after, instead of at the end of the election timeout: of a
 * process that is killed its peers hear at once.
 */
void paxos_peer_lost(struct paxos *p, uint64_t now_us, uint32_t replica);
void paxos_persisted(struct paxos *p, uint64_t now_us, uint64_t sequence);

/* Leader, window not full, no transfer under way. */
bool paxos_can_propose(const struct paxos *p);
/*
 * Proposes in the next slot, which is returned. Takes the reference. Only if paxos_can_propose().
 */
uint64_t paxos_propose(struct paxos *p, struct bytes *value_take);
/*
 * Asks for a linearizable read. False if this replica does not lead. When leadership is lost,
 * unconfirmed reads are forgotten: the caller sees the role change.
 */
bool paxos_read(struct paxos *p, uint64_t id);
/* Leader: the slot that a linearizable read which has arrived now must see. */
uint64_t paxos_read_slot(const struct paxos *p);
/*
 * Leader: how many other voters make a quorum with this one, which may be none; UINT32_MAX: nobody
 * can confirm its reads (M4).
 */
uint32_t paxos_quorum_others(const struct paxos *p);
/* Leader: no other can have been elected yet, so that reads need no round. */
bool paxos_lease_holds(const struct paxos *p);
/*
 * True: the state applied so far holds everything that was acknowledged before *since_us, of this
 * replica's clock; the leader's and the followers' answers count alike. False: not known
 * (FRESHNESS).
 */
bool paxos_fresh(const struct paxos *p, uint64_t *since_us);
/*
 * Leader: hand over to `replica` (0: whoever has most). False if there is nobody or one is under
 * way.
 */
bool paxos_transfer(struct paxos *p, uint64_t now_us, uint32_t replica);
/*
 * A hand-over is under way. It ends when this replica leads no longer, or after two election
 * timeouts.
 */
bool paxos_transferring(const struct paxos *p);
/*
 * Leader that had better not be one, because its disk does not answer, or is full: hands over to
 * somebody, if those who say nothing of the kind are a quorum without it; to one after the other,
 * if need be. False if they are none, or a transfer is under way.
 */
bool paxos_relieve(struct paxos *p, uint64_t now_us);
/*
 * A replica that is not electable (restoring a snapshot, or waiting for its disk) votes and accepts
 * but does not stand.
 */
void paxos_set_electable(struct paxos *p, bool electable);
/* Leads no longer, and stands no longer, without a successor: what it would answer is wrong. */
void paxos_resign(struct paxos *p, uint64_t now_us);
/*
 * One that is not willing (its disk is full) stands, since reads need a leader, but asks not to be
 * handed over to, like one that is not electable.
 */
void paxos_set_willing(struct paxos *p, bool willing);
/*
 * Leader: no quorum is in touch of replicas whose disks have space, and some disk that is full is
 * the reason.
 */
bool paxos_lacks_space(const struct paxos *p, uint64_t now_us);
/*
 * From here on this replica is a learner (LEARNERS), until the group binds its life: whatever it
 * was about to promise or to lead is given up. Before paxos_start() or later.
 */
void paxos_stop_voting(struct paxos *p, uint64_t now_us);
bool paxos_votes(const struct paxos *p);
/*
 * While held, a replica that could vote does not stand, nor say that it votes; its caller keeps all
 * messages from it (rsm/starts.h).
 */
void paxos_hold_vote(struct paxos *p, bool held);
bool paxos_is_held(const struct paxos *p);
/* Likewise at any time: its log is not what it was. As paxos_forget_promise(). */
void paxos_lose_vote(struct paxos *p, uint64_t now_us, uint64_t life);
/*
 * What is durable here: the highest promise, if the newest one is; and the highest slot accepted
 * that is still in memory. 0: none.
 */
uint64_t paxos_durable_promise(const struct paxos *p);
uint64_t paxos_durable_slot(const struct paxos *p);
/* No slot after it has been accepted here, or may have been (paxos/impaired.h). */
uint64_t paxos_slots_end(const struct paxos *p);
/* Those of the chosen prefix that is known here. */
const struct paxos_members *paxos_members(const struct paxos *p);
/* How many slots are impaired; UINT64_MAX: all from one on. */
uint64_t paxos_impaired(const struct paxos *p);
const struct wire_range *paxos_impaired_ranges(const struct paxos *p, uint32_t *count);
/*
 * The slot that an election here could not decide, because too many of those who answered cannot
 * answer for it: bits of members, by seat, of those, and of voters who did not answer. 0: there is
 * none, or there is a leader.
 */
uint64_t paxos_undecided(const struct paxos *p, uint32_t *impaired, uint32_t *silent);

const struct paxos_output *paxos_output(struct paxos *p, uint64_t now_us);
bool paxos_next_chosen(struct paxos *p, struct paxos_chosen *out);
/* Entries up to `slot` are applied: their memory may go when the cache is over its limit. */
void paxos_applied(struct paxos *p, uint64_t slot);
/*
 * A snapshot that covers every slot ≤ slot has replaced the state, with the members that it says.
 * Newer entries are kept.
 */
void paxos_install_snapshot(struct paxos *p, uint64_t now_us, uint64_t slot,
			    const struct paxos_members *members);
/*
 * The snapshot could not be had from the replica that offered it: ask again. `silent` (0: nobody)
 * did not answer: for some time its offers are not believed, so that others, with a log or a
 * snapshot of their own, are heard.
 */
void paxos_abandon_snapshot(struct paxos *p, uint64_t now_us, uint32_t silent);

enum paxos_role paxos_role(const struct paxos *p);
/*
 * A round has been named above which there is none: this replica does not stand for election any
 * more.
 */
bool paxos_rounds_are_used_up(const struct paxos *p);
uint64_t paxos_ballot(const struct paxos *p);       /* highest promised */
uint32_t paxos_leader(const struct paxos *p);       /* replica id; 0: unknown */
uint64_t paxos_chosen_slot(const struct paxos *p);  /* every slot ≤ it is chosen and known here */
uint64_t paxos_known_chosen(const struct paxos *p); /* somebody said that so many are chosen */
uint64_t paxos_last_slot(const struct paxos *p);    /* highest accepted */
/*
 * What this replica has accepted in the slot (NULL: a no-op); false if nothing, or it is no longer
 * in memory.
 */
bool paxos_accepted(const struct paxos *p, uint64_t slot, struct bytes **value);
/* Leader: the slot that must be applied before it may serve (its first own entries). */
uint64_t paxos_barrier(const struct paxos *p);
/* A leader has been heard from, or leads, within the election timeout. */
bool paxos_has_leader(const struct paxos *p, uint64_t now_us);
/*
 * The group has no entries yet, as far as this replica knows, and *missing (bit i: seat i) have not
 * been heard: true if there are any.
 */
bool paxos_awaits_birth(const struct paxos *p, uint32_t *missing);
/*
 * SEATS. Everybody that this replica speaks with has one, 0 … paxos_peers() - 1: the members,
 * itself, and a few strangers. Who is a member keeps its seat; that of a stranger may be given to
 * another one.
 */
#define PAXOS_PEERS_MAX (MEMBERS_MAX + 4u)
uint32_t paxos_peers(const struct paxos *p);
/* Its number; 0: the seat is free. */
uint32_t paxos_peer_number(const struct paxos *p, uint32_t i);
/* Voter or learner, says the list that is known here. */
bool paxos_peer_is_listed(const struct paxos *p, uint32_t i);
bool paxos_peer_is_voter(const struct paxos *p, uint32_t i);
/*
 * The seat of one who is no member by the list that is known here: it has been removed, or is one
 * of a later list. A message of a replica without a seat must not be handed to paxos_receive().
 */
uint32_t paxos_stranger(struct paxos *p, uint32_t replica);
/* Leader: progress of the one in seat i. */
void paxos_peer(const struct paxos *p, uint32_t i, uint64_t now_us, uint64_t *matched,
		uint64_t *heard_ago_us);
/* Leader: it has answered in this ballot; and has said that it is a learner. */
bool paxos_peer_has_answered(const struct paxos *p, uint32_t i);
bool paxos_peer_is_learner(const struct paxos *p, uint32_t i);
/*
 * Leader: asks all members whether they are there; the number of that heartbeat. Whether the one in
 * seat i has answered it, or a later one.
 */
uint64_t paxos_ask_all(struct paxos *p, uint64_t now_us);
bool paxos_peer_has_answered_round(const struct paxos *p, uint32_t i, uint64_t round);
/* Another disk speaks as member i: what its predecessor held is not what this one holds. */
void paxos_peer_is_another(struct paxos *p, uint32_t i);
const char *paxos_role_text(enum paxos_role role);

#endif
