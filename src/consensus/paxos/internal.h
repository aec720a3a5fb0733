/*
 * The inside of struct paxos, shared by the files of this directory and by the invariants checker;
 * nobody else.
 *
 *   core.c      creation, recovery, dispatch, time, accessors
 *   judge.c     the door: what other replicas say is judged
 *   members.c   whose words count
 *   acceptor.c  Prepare, Accept, what is durable
 *   election.c  pre-vote, candidate, becoming and ceasing to be leader
 *   leader.c    proposing, progress of peers, reads, transfer
 *   impaired.c  what damage to the log has left unknown
 *   learner.c   what is chosen, fetching what is missing
 *   vouch.c     how old the applied state may be
 *   output.c    building messages from what is due
 *   seam.c      all that behind core/consensus.h
 *
 * Messages are level-triggered: a step only marks what is due to a peer, and paxos_output() builds
 * each message once, from the state of then. So many inputs of one turn cost one message a peer.
 *
 * Where a rule of a paper is carried out, it is named there: `Lamport` is "Paxos Made Simple"
 * (2001), `Ongaro` his thesis, "Consensus: Bridging Theory and Practice" (2014). M1 to M8 are those
 * of members.h.
 */
#ifndef SYNOD_PAXOS_INTERNAL_H
#define SYNOD_PAXOS_INTERNAL_H

#include "base/arena.h"
#include "core/catch_up.h"
#include "core/election_timer.h"
#include "core/lease.h"
#include "core/persists.h"
#include "core/reads.h"
#include "core/ring.h"
#include "core/rounds.h"
#include "core/seats.h"
#include "core/transfer.h"
#include "paxos/impaired.h"
#include "paxos/multipaxos.h"
#include "paxos/synod.h"

/* Members, ourselves, and strangers: who speaks to us and is none. */
#define PEERS_MAX CONSENSUS_PEERS_MAX
/* A candidate whose chosen prefix is this far behind the voter's is refused a pre-vote. */
#define PRE_VOTE_LAG_MAX 256u
/*
 * Entries in one message stop after the one that passes this; with it, the largest entry still fits
 * a frame.
 */
#define MESSAGE_ENTRY_BYTES (1u * MIB)
/*
 * A follower ignores entries this far beyond what it knows to be chosen: it will fetch them in
 * order.
 */
#define FOLLOWER_SPAN_MAX 8192u
#define FOLLOWER_BYTES_MAX (64u * MIB)
/* Of entries that have overtaken others. */
#define EARLY_BYTES_MAX (4u * MIB)
#define RANGES_MAX 64u
/*
 * Who offers a snapshot and then does not answer is believed again after so many election timeouts.
 */
#define SILENT_TIMEOUTS 4u
/* Heartbeat rounds for reads that may be under way at once; later reads share the next one. */
#define READ_ROUNDS_MAX 2u
/*
 * A round of reads is asked of all, if it has not been confirmed after this part of a heartbeat
 * interval.
 */
#define READ_PATIENCE 10u
/*
 * So many of the stamps that were given out are remembered: those of the last several heartbeats.
 */
#define STAMPS 16u

#define FETCH_BLINDLY 2u

struct paxos_peer {
	uint32_t replica; /* 0: the seat is free */
	uint64_t life;    /* that is bound, by the list that is known here */
	/* Leader: progress. */
	uint64_t next;       /* first slot not yet sent */
	uint64_t matched;    /* every slot ≤ it is durable there */
	uint64_t received;   /* every slot ≤ it has arrived there */
	uint64_t sent_bytes; /* sent beyond `received`; an upper bound */
	/* when this round is echoed, `probe_slot` must have been received */
	uint64_t probe_round;
	uint64_t probe_slot;
	uint64_t heard_us;    /* any message */
	uint64_t acked_us;    /* an Accepted in our ballot: what check-quorum counts */
	uint64_t says_chosen; /* the highest slot that it has said to know as chosen */
	/* it offered a snapshot and did not hand it out: it is not asked for one until then */
	uint64_t silent_until_us;
	bool answered;    /* such a one has come */
	bool unfit, full; /* the last one said so */
	bool learner;     /* likewise: it has no vote */
	/* of its last Accepted that bore one; 0: it has been taken over: */
	uint64_t stamp_heard;
	/* it is vouched for when this round, sent after it had come, is confirmed; 0: none */
	uint64_t stamp_held;
	uint64_t stamp_round;
	/* Candidate: collecting its promise. */
	uint64_t promise_next; /* PREPARE.slot still to be answered */
	bool promise_done;
	bool promise_begun;       /* its first part has come … */
	struct impaired impaired; /* … and with it, what its sender cannot answer for */
	/* What is due to it. */
	bool due_pre_vote;
	bool due_pre_vote_reply, pre_vote_granted;
	uint64_t pre_vote_ballot; /* asked about */
	bool due_prepare;
	bool due_promise;
	uint64_t promise_slot, promise_ballot;
	bool due_heartbeat;
	bool due_accepted;
	uint64_t accepted_round; /* to echo */
	uint64_t lease_round;    /* the highest one for which we have granted it a lease */
	bool due_reject;
	/* 1; FETCH_BLINDLY: though nobody has said that there is anything */
	uint8_t due_fetch;
	bool due_chosen;
	uint64_t chosen_from;
	bool due_take_over;
};

/* A moment of ours that an Accepted has named. */
struct stamp {
	uint64_t number; /* 0: none */
	uint64_t at_us;
};
/* Everything that was acknowledged before since_us is in the slots ≤ slot. */
struct freshness {
	uint64_t since_us;
	uint64_t slot;
};

struct paxos {
	struct consensus seam; /* what is seen from outside; first */
	struct consensus_options options;
	uint32_t self;   /* index into peers */
	uint32_t npeers; /* no seat from here on is taken */
	struct paxos_peer peers[PEERS_MAX];
	synod_set voters; /* who counts, if it speaks with the bound life … */
	uint32_t nvoters;
	synod_set others; /* every seat that is taken, but ours */
	synod_set listed; /* … and who is sent everything: these and learners … */
	/* … and, to the end of our ballot, those whom the newest list has removed */
	synod_set former;
	bool electable, willing;
	bool lost;    /* paxos_stop_voting() */
	bool learner; /* has no vote: lost its directory, or another life is bound */
	bool held;    /* paxos_hold_vote() */
	struct consensus_members members; /* by the chosen prefix */
	bool removed; /* a member of a later list has said that we are none any more */
	/* … of which this replica does not have all: it has no vote before it knows them */
	bool members_unknown;

	/* Acceptor. */
	uint64_t promised;
	/* highest that recovery found, or of the last CONSENSUS_PERSIST_PROMISE record … */
	uint64_t promise_ballot;
	uint64_t promise_persist; /* … and its sequence number */
	uint64_t promise_members; /* … and the members' slot in it */
	/* … and the life whose ballot it is, as far as this process knows; 0: it does not */
	uint64_t promise_life;
	uint64_t promise_sent_us; /* when a Promise last left */
	struct ring ring;
	/* entries of early_ballot that came before one in front of them */
	struct ring early;
	uint64_t early_ballot;
	bool accepted_since_ack;
	struct lease lease;
	struct impaired impaired; /* slots > chosen in which anything may have been accepted … */
	/* what it had promised is lost, and it has no other life: no vote, bound or not */
	bool voteless;
	uint64_t impaired_below; /* … in ballots below this one */

	/* Learner. */
	uint64_t chosen;    /* every slot ≤ it is chosen, and known here */
	uint64_t delivered; /* handed out by paxos_next_chosen() */
	uint64_t applied;
	uint64_t chosen_hint;          /* last CONSENSUS_PERSIST_CHOSEN */
	uint64_t leader_chosen_ballot; /* the leader of this ballot … */
	uint64_t leader_chosen;        /* … said that so many are chosen */
	struct catch_up catch_up;
	uint64_t stamp;        /* the last one that was given out */
	uint64_t stamp_due_us; /* none before then */
	struct stamp stamps[STAMPS];
	struct freshness fresh; /* the newest whose slot has been applied; since_us 0: none */
	struct freshness fresh_next, fresh_newest; /* those that wait for that; slot 0: none */
	bool hint_due; /* write down what is chosen though nothing else is written */

	/* Election. */
	uint32_t leader; /* replica id, 0 unknown */
	struct election_timer timer;
	uint64_t round_seen; /* highest ballot round in any message */
	synod_set votes;     /* pre-candidate: grants; candidate: complete promises */
	uint64_t ballot;     /* pre-candidate: would use; candidate, leader: uses */
	bool prepare_sent;
	uint64_t prepared_us;     /* when the candidate made its own promise */
	uint64_t prepare_members; /* candidate: the members whose promises are collected */
	uint64_t prepare_chosen;  /* candidate: highest chosen among promises … */
	uint32_t prepare_chosen_from;
	/*
	 * who said, since our last election, that slots are chosen, or other members count, and
	 * could not tell us …
	 */
	synod_set unhelpful;
	synod_set disregarded; /* … and whose promises do not count at this one */
	struct ring recovered; /* candidate: best accepted value of each open slot */
	/* the last election that had a quorum could not decide this one … */
	uint64_t undecided_slot;
	synod_set undecided_votes; /* … with these promises */
	uint64_t retry_at_us;      /* candidate: send what is unanswered again */
	/* candidate: the leader of this ballot has given up its lease, and asked us to take over */
	uint64_t lease_over;

	/* Leader. */
	uint64_t next_slot;
	uint64_t own_first; /* first slot proposed in this ballot */
	uint64_t barrier;
	uint64_t found_last; /* no promise reported anything after it */
	/* slot of an entry of members that is proposed, and behind which nothing is yet; 0: none */
	uint64_t wall;
	/* … it is chosen, and removes us: all that is left to do is to hand over … */
	bool leaving;
	uint32_t left_to;    /* … to this peer, by index, or the next one */
	uint64_t self_acked; /* own slots ≤ it have been counted as durable here */
	uint64_t open_bytes;
	struct rounds rounds;     /* of heartbeats */
	bool lease_given_up;      /* for the rest of this ballot */
	uint64_t heartbeat_at_us; /* of all peers */
	uint64_t learn_chosen;    /* `chosen` when the missing prefix last became shorter … */
	uint64_t learn_until_us;  /* … which it must do again until then */
	struct reads waiting;
	struct transfer transfer;

	/* Output of the current step. */
	struct persists persists;
	struct vector sends, reads, old;
	struct arena arena;
	struct consensus_output output;
};

static inline void become(struct paxos *p, enum consensus_role role)
{
	consensus_become(&p->seam, &p->options, role);
}

/* By the list that this replica knows. A learner is listed, and counts nowhere. */
static inline bool is_voter(const struct paxos *p, uint32_t index)
{
	return (p->voters & member_bit(index)) != 0;
}
static inline bool is_listed(const struct paxos *p, uint32_t index)
{
	return (p->listed & member_bit(index)) != 0;
}
/*
 * Quorums are a function of the slot: those that are known here hold up to the wall, behind which
 * nothing is proposed (M4).
 */
static inline bool is_quorum(const struct paxos *p, uint64_t slot, synod_set votes)
{
	(void)slot;
	return synod_is_quorum(votes & p->voters, p->nvoters);
}

/*
 * Memory for entries is limited. What does not fit is not accepted now, and fetched when it has
 * been chosen.
 */
static inline bool ring_is_full(const struct paxos *p)
{
	return p->ring.bytes > FOLLOWER_BYTES_MAX + p->options.cache_bytes;
}
/* … and then only if it is not chosen entries that fill it: those go when they are applied. */
static inline bool apply_stalls(const struct paxos *p)
{
	return p->chosen > p->delivered && ring_is_full(p);
}

/*
 * What holds between any two inputs, as far as a look at it costs nothing; all of it stands in
 * invariants.h, where several replicas can be looked at.
 */
static inline void assert_sound(const struct paxos *p)
{
	ASSERT(p->applied <= p->delivered && p->delivered <= p->chosen);
	/* Whoever stands or leads has promised its ballot, and nothing higher. */
	ASSERT(p->seam.role < CONSENSUS_CANDIDATE || p->ballot == p->promised);
	ASSERT(p->seam.role != CONSENSUS_LEADER ||
	       (p->leader == p->options.self && p->own_first <= p->barrier &&
		p->barrier < p->next_slot && p->wall < p->next_slot));
}

/* members.c */
/* UINT32_MAX: it has no seat. */
uint32_t peer_index(const struct paxos *p, uint32_t replica);
/* Before there is a list: those of the options. */
void members_begin(struct paxos *p);
/* Was a member, says the list that is known here, and is none any more. */
bool members_has_removed(const struct paxos *p, uint32_t replica);
/* … and nothing that it holds is needed any more: a quorum of the others has all of it. */
static inline bool members_in_force(const struct paxos *p)
{
	return p->members.slot != 0 && p->chosen > p->members.slot;
}
/* Its sender is a voter, of the bound life, or no list is known and it is a member. */
static inline bool members_count(const struct paxos *p, uint32_t from, const struct wire_peer *m)
{
	return is_voter(p, from) && (p->members.slot == 0 || p->peers[from].life == m->life);
}
/*
 * Of others. False: a message of this kind would count. Otherwise it may have been made one that
 * does not.
 */
bool members_admit(struct paxos *p, uint32_t from, enum method method, union peer_message *m);
bool members_changed_by(const struct paxos *p, const struct bytes *value);
bool members_adopt_entry(struct paxos *p, uint64_t slot, const struct bytes *value);
/* Every entry is looked at, and hardly one is of members. */
static inline bool may_be_members(const struct paxos *p, const struct bytes *value)
{
	return __builtin_expect(
		value != NULL && value->len > 0 && value->data[0] == p->options.members_byte, 0);
}
/*
 * Slot `slot` is chosen, and all before it: if it holds an entry of members, they count from now
 * on. True then.
 */
static inline bool members_chosen(struct paxos *p, uint64_t slot, const struct ring_slot *s)
{
	return may_be_members(p, s->value) && members_adopt_entry(p, slot, s->value);
}
/* Would it, if it were the next one? */
static inline bool members_would_change(const struct paxos *p, const struct bytes *value)
{
	return may_be_members(p, value) && members_changed_by(p, value);
}
void members_learn_from(struct paxos *p, uint64_t slot, const struct consensus_members *members);
/* Have a later entry's members. */
void members_adopt(struct paxos *p, const struct consensus_members *members);
/* Whether this replica has a vote. */
void members_set_learner(struct paxos *p);
/* In which its ballots are made. */
uint32_t members_own_binding(const struct paxos *p);
/* acceptor.c */
void accept_entry(struct paxos *p, uint64_t slot, uint64_t ballot, struct bytes *value_take);
void promise(struct paxos *p, uint64_t ballot);
void receive_prepare(struct paxos *p, uint64_t now_us, uint32_t from, const struct wire_prepare *m);
void receive_accept(struct paxos *p, uint64_t now_us, uint32_t from, const struct wire_accept *m);
bool slot_durable(const struct paxos *p, const struct ring_slot *s);
/* election.c */
void become_follower(struct paxos *p, uint64_t now_us, uint32_t leader);
void follow(struct paxos *p, uint64_t now_us, uint32_t from);
void start_pre_vote(struct paxos *p, uint64_t now_us);
void start_prepare(struct paxos *p, uint64_t now_us);
void candidate_own_promise(struct paxos *p, uint64_t now_us);
void candidate_retry(struct paxos *p, uint64_t now_us);
void draw_election_timeout(struct paxos *p, uint64_t now_us);
void receive_pre_vote(struct paxos *p, uint64_t now_us, uint32_t from,
		      const struct wire_pre_vote *m);
void receive_pre_vote_reply(struct paxos *p, uint64_t now_us, uint32_t from,
			    const struct wire_pre_vote_reply *m);
void receive_promise(struct paxos *p, uint64_t now_us, uint32_t from, const struct wire_promise *m);
void receive_take_over(struct paxos *p, uint64_t now_us, uint32_t from,
		       const struct wire_take_over *m);
/* leader.c */
void leader_start(struct paxos *p, uint64_t now_us);
void leader_tick(struct paxos *p, uint64_t now_us);
void leader_heartbeat(struct paxos *p, uint64_t now_us);
void leader_persisted(struct paxos *p);
void leader_skip_to(struct paxos *p, uint64_t now_us, uint64_t slot);
void leader_confirm_reads(struct paxos *p, uint64_t now_us);
void leader_hand_over(struct paxos *p);
/* Who has said to know slots as chosen that we miss. */
synod_set know_more(const struct paxos *p);
/*
 * The members that this leader has proposed are chosen, and it has not been promised anything by
 * them. That they follow it, having accepted their list from it, does not mean that they have
 * chosen nothing behind it before: it confirms nothing any more.
 */
static inline bool is_behind_wall(const struct paxos *p)
{
	return __builtin_expect(p->wall != 0, 0) && p->chosen >= p->wall;
}
/* Others may count from here on, and it must prepare anew (M4). */
static inline bool leader_wall_is_chosen(const struct paxos *p)
{
	return is_behind_wall(p) && p->seam.role == CONSENSUS_LEADER && !p->leaving;
}
void leader_prepare_anew(struct paxos *p, uint64_t now_us);
bool peer_alive(const struct paxos *p, uint32_t peer, uint64_t now_us);
void receive_accepted(struct paxos *p, uint64_t now_us, uint32_t from,
		      const struct wire_accepted *m);
/*
 * The highest round that a quorum, ourselves included, has echoed; `leased`: granting a lease for
 * it.
 */
uint64_t confirmed_round(const struct paxos *p, bool leased);
/* impaired.c */
/* The slot is chosen, and about to count so. */
void impaired_chosen(struct paxos *p, uint64_t slot);
/*
 * An Accept of the leader that we follow: what is behind all that it found can hold nothing that
 * matters.
 */
void impaired_led(struct paxos *p, const struct wire_accept *m);
/*
 * Puts into a Promise what cannot be answered for, and which of its entries are known to be chosen.
 */
void impaired_report(struct paxos *p, struct wire_promise *m);
const char *impaired_judge(const struct wire_promise *m);
/* The Promise says that what it reports of the slot is chosen. */
bool impaired_knows(const struct wire_promise *m, uint64_t slot);
/* A part of the peer's Promise has come. */
void impaired_hear(struct paxos_peer *peer, const struct wire_promise *m);
/* Candidate with a quorum of promises: they do not decide every slot. */
bool impaired_undecided(struct paxos *p);
/* vouch.c */
void vouch_init(struct paxos *p);
/* For an Accepted that leaves now; 0: none. */
uint64_t vouch_stamp(struct paxos *p, uint64_t now_us);
/* An Accept in the promised ballot that gives a stamp back. */
void vouch_received(struct paxos *p, const struct wire_accept *m);
/* More has been applied, and somebody waits for it. */
void vouch_applied(struct paxos *p);
/* The leader is about to be none: what it knows by that stays known. */
void vouch_deposed(struct paxos *p);
/* Leader: forgets what the peer has said; the message begins the newest round for it. */
void vouch_begin(struct paxos_peer *peer);
void vouch_round(struct paxos *p, struct paxos_peer *peer, struct wire_accept *m);
/* learner.c */
void advance_chosen(struct paxos *p);
/* A message of the leader in the promised ballot. */
void leader_says_chosen(struct paxos *p, const struct wire_peer *m);
void note_chosen(struct paxos *p, uint32_t from, uint64_t chosen);
void learner_tick(struct paxos *p, uint64_t now_us);
void receive_fetch(struct paxos *p, uint32_t from, const struct wire_fetch *m);
void receive_chosen(struct paxos *p, uint64_t now_us, uint32_t from, const struct wire_chosen *m);

#endif
