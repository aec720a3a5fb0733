/*
 * The inside of struct agreement, shared by the files of this directory; nobody else.
 *
 *   core.c      instances, limits, time, what clients ask
 *   log.c       recovery from the log's records, and which of them are still needed
 *   judge.c     the door: what peers say is judged
 *   acceptor.c  requests of peers and their answers
 *   proposer.c  rounds of this peer's proposals, and answers to them
 *   spread.c    decisions and Done values to everybody
 *   members.c   whose votes count
 *   enter.c     a disk that takes the place of another is told what it must know
 *   output.c    records, messages, and what waits for the disk
 */
#ifndef SYNOD_AGREEMENT_INTERNAL_H
#define SYNOD_AGREEMENT_INTERNAL_H

#include "agreement/agreement.h"
#include "base/list.h"
#include "base/map.h"
#include "paxos/synod.h"

/* A message ends after the item that passes this; with it, the largest value still fits a frame. */
#define MESSAGE_VALUE_BYTES (1u * MIB)
#define MESSAGE_ITEMS_MAX 4096u
/* Proposals of this peer under way at a time. */
#define PROPOSING_MAX 4096u
/* Instances told in one message to a peer that enters. */
#define ENTER_ITEMS_MAX 2048u
/* Decisions told to one peer at a time by spread.c. */
#define SPREAD_ITEMS_MAX 1024u
#define SPREAD_DELAY_MAX_US 5000000u
/* What an instance costs besides its value. */
#define INSTANCE_BYTES 512u
_Static_assert(MESSAGE_VALUE_BYTES + COMMAND_BYTES_MAX + MESSAGE_ITEMS_MAX * 64u < FRAME_BYTES_MAX,
	       "a message fits a frame");

/*
 *            start             own promise is durable          quorum
 *   NONE ────────────▶ OWN_PROMISE ─────────────▶ PREPARING ───────────▶ ACCEPTING ─▶ decided
 *     │                     ▲                         │ defeat               │ ▲  │ defeat
 *     │                     └──── BACKING_OFF ◀───────┴──────────────────────┼─┼──┘
 *     └───────────────────▶ OWN_ACCEPT ───────────────────────────────────────┘
 *       lowest ballot                     own acceptance is durable
 */
enum stage {
	STAGE_NONE,
	STAGE_OWN_PROMISE,
	STAGE_PREPARING,
	STAGE_OWN_ACCEPT,
	STAGE_ACCEPTING,
	STAGE_BACKING_OFF
};

struct instance {
	uint64_t seq;
	struct synod_acceptor acceptor;
	uint64_t sequence;  /* of its last record */
	uint64_t position;  /* of its oldest record that is needed; 0: not known yet */
	struct list logged; /* in agreement.logged once position is known, ascending */
	uint64_t bytes;     /* as counted in agreement.bytes */

	/* Proposing, unless stage is STAGE_NONE. */
	enum stage stage;
	struct list active; /* in agreement.active */
	struct synod_proposer proposer;
	struct bytes *wish;
	synod_set rejects; /* in this phase */
	uint64_t highest;  /* ballot that anybody has told of */
	uint32_t attempts; /* of this phase */
	uint32_t defeats;
	uint64_t at_us; /* when to do something about it; UINT64_MAX: waits for the disk */

	/* Decided. */
	struct bytes *decided;   /* NULL: not */
	uint64_t decided_ballot; /* in which whoever accepted has this value; 0: unknown */
	uint64_t decided_sequence;
	bool won;           /* by this peer's own proposal */
	bool value_missing; /* restored without its value, which must be in a later record */
	synod_set known;    /* members that know */
	struct list spreading[REPLICAS_MAX]; /* in the list of each peer that may not */
	uint64_t spread_after_us;
};

struct item {
	enum wire_agreement_kind kind;
	uint64_t seq, ballot, other;
	struct bytes *value; /* a reference, or NULL */
};
struct items {
	struct item *items;
	uint32_t count, capacity;
};

struct peer {
	uint64_t seen[REPLICAS_MAX]; /* its done vector in its last message */
	struct items outbox;
	struct list spreading;  /* decided instances that it may not know */
	uint64_t spread_due_us; /* one of them may be due then; UINT64_MAX: none will be */
	uint64_t spread_at_us;  /* not before this */
	bool due_gossip;
	uint64_t gossip_at_us;
	/* before the next attempt, doubled with each; small again when it is heard of */
	uint64_t delay_us;

	/* While this peer is entering. */
	uint64_t told_below; /* it has told all instances below */
	bool told_all, due_enter;
	uint32_t enter_attempts;
	uint64_t enter_at_us; /* when to ask again */
};

/* Something that must not happen before a record is durable. */
enum wait_kind {
	WAIT_OWN_PROMISE,
	WAIT_OWN_ACCEPT,
	WAIT_DECIDED,
	WAIT_DONE,
	WAIT_MIN,
	WAIT_ENTERED,
	WAIT_ANSWER
};
struct wait {
	enum wait_kind kind;
	uint64_t sequence;
	uint64_t seq, ballot; /* WAIT_DONE, WAIT_MIN, WAIT_ENTERED: seq is the value */
	uint64_t link, id;    /* WAIT_ANSWER */
	uint32_t to;
	uint32_t binding;   /* WAIT_ANSWER: with which it was given */
	struct items items; /* WAIT_ANSWER */
};

struct vector {
	void *items;
	uint32_t count, capacity;
};

struct agreement {
	struct agreement_options options;
	uint32_t self;        /* index into members */
	struct map instances; /* seq → struct instance */
	struct list logged, active;
	uint64_t proposing;
	uint64_t bytes;
	bool disk_full;

	struct agreement_members members; /* the newest that are known */
	bool first;                       /* as agreement_set_first() says */
	/* 1 + the binding with which this peer is INSIDE, durably; 0: it has not entered */
	uint32_t entered;
	uint32_t entered_wanted;   /* will be that when it is durable */
	uint64_t members_position; /* of the last record of them; 0: none */

	uint64_t done[REPLICAS_MAX]; /* 1 + Done */
	uint64_t done_told;          /* own one, durable */
	uint64_t min, next;
	uint64_t min_wanted;     /* will be min when that is durable */
	uint64_t dones_position; /* of the last record of them; 0: none */
	struct peer peers[REPLICAS_MAX];

	uint64_t persist_last; /* sequence numbers */
	uint64_t persisted;
	/* struct wait, ascending sequence; the first `waits_head` are gone */
	struct vector waits;
	uint32_t waits_head;

	/* Output of the current step; the second of each pair is what the caller holds. */
	struct vector persists, persists_out;
	struct vector answers, answers_out; /* struct wait whose time has come */
	struct vector settled, settled_out;
	struct vector sends, items, replies; /* built by agreement_output() */
	struct items held;                   /* values that the output points to */
	struct agreement_output output;
	struct agreement_counters counters;
};

static inline synod_set member_bit(uint32_t i)
{
	return 1u << i;
}
static inline synod_set all_members(const struct agreement *a)
{
	return (1u << a->options.nmembers) - 1;
}
static inline uint32_t owner_of(const struct agreement *a, uint64_t seq)
{
	return (uint32_t)(seq % a->options.nmembers);
}
static inline uint64_t at_least(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}
/* Is this peer's disk bound? Before there are members, the first disk of each number is. */
static inline bool is_bound(const struct agreement *a)
{
	return a->members.slot == 0 ? a->first : a->members.list[a->self].life == a->options.life;
}
/* 0 also if it is not bound. */
static inline uint32_t own_binding(const struct agreement *a)
{
	return is_bound(a) && a->members.slot != 0 ? a->members.list[a->self].binding : 0;
}
static inline bool is_inside(const struct agreement *a)
{
	return is_bound(a) && (own_binding(a) == 0 || a->entered == 1 + own_binding(a));
}

/* core.c */
uint32_t member_index(const struct agreement *a, uint32_t replica);
struct instance *find_instance(const struct agreement *a, uint64_t seq);
/*
 * Has a value of `bytes` and perhaps a new instance room? Peers get a little more than this peer's
 * own clients.
 */
bool agreement_has_room(const struct agreement *a, bool new_instance, size_t bytes, bool for_peer);
struct instance *create_instance(struct agreement *a, uint64_t seq);
void agreement_account(struct agreement *a, struct instance *instance);
/* The least of the Done values that are known: what min will be when that is durable. */
uint64_t least_done(const struct agreement *a);
/* A record that says so is durable. */
void min_durable(struct agreement *a, uint64_t min);
/* A uniform number in [low, high]. */
uint64_t agreement_draw(struct agreement *a, uint64_t low, uint64_t high);
/* What every message tells besides its items. */
void merge_bounds(struct agreement *a, uint64_t now_us, uint32_t from,
		  const struct wire_agreement *m);

/*
 * Takes up what this peer was proposing, as far as it had accepted it; and on a disk that has
 * replaced another, what others have accepted.
 */
void agreement_resume(struct agreement *a, uint64_t now_us);

/* members.c */
/* Does what this message of member `from` says count, by the members that are known here? */
bool message_counts(const struct agreement *a, uint32_t from, const struct wire_agreement *m);
/* May this peer vote in ballots that come with this message? */
bool may_vote(const struct agreement *a, uint32_t from, const struct wire_agreement *m);
void persist_members(struct agreement *a);
/* This peer was OUTSIDE or ENTERING, and is INSIDE. */
void members_inside(struct agreement *a, uint64_t now_us);

/* enter.c */
/* Everybody is to be asked; member: this one. */
void enter_begin(struct agreement *a, uint64_t now_us);
void enter_forget(struct agreement *a, uint64_t now_us, uint32_t member);
void enter_tick(struct agreement *a, uint64_t now_us);
uint64_t enter_deadline_us(const struct agreement *a);
/* The question; not answered if this peer cannot yet. */
void enter_asked(struct agreement *a, uint64_t link, uint64_t id, uint32_t from,
		 const struct wire_agreement *m);
/* The answer. */
void enter_told(struct agreement *a, uint64_t now_us, uint32_t from,
		const struct wire_agreement *m);
/* That a record says that this peer has entered with 1 + binding is durable. */
void enter_durable(struct agreement *a, uint64_t now_us, uint64_t entered);

/* proposer.c */
/* The members have changed: what is under way begins anew, or waits until this peer is INSIDE. */
void proposer_members_changed(struct agreement *a, uint64_t now_us);
void agreement_propose(struct agreement *a, uint64_t now_us, struct instance *instance,
		       struct bytes *wish);
void stop_proposing(struct agreement *a, struct instance *instance);
void own_promised(struct agreement *a, uint64_t now_us, uint64_t seq, uint64_t ballot);
void own_accepted(struct agreement *a, uint64_t now_us, uint64_t seq, uint64_t ballot);
void proposer_tick(struct agreement *a, uint64_t now_us, struct instance *instance);

/* spread.c */
/*
 * The value is decided: in `ballot` (0: unknown). from: the member that said so; self: this peer's
 * proposal has won; NOBODY: somebody whose word does not count for what its number knows.
 */
#define NOBODY UINT32_MAX
void agreement_decide(struct agreement *a, struct instance *instance, struct bytes *value,
		      uint64_t ballot, uint32_t from);
/* The record that says so is durable: from here on the others are told. */
void decision_durable(struct agreement *a, uint64_t now_us, struct instance *instance);
/* Lets the instance, decided here, be told to everybody who may not know it. */
void agreement_spread(struct agreement *a, struct instance *instance, uint64_t after_us);
void note_known(struct agreement *a, struct instance *instance, uint32_t member);
/* The member has another disk than before, which knows nothing of what the other one knew. */
void spread_to_another(struct agreement *a, uint64_t now_us, uint32_t member);
void spread_tick(struct agreement *a, uint64_t now_us);
uint64_t spread_deadline_us(const struct agreement *a);
void gossip_soon(struct agreement *a, uint64_t now_us);
/* A message from the member has come: it is there. */
void heard_of(struct agreement *a, uint64_t now_us, uint32_t member);

/* output.c */
void *agreement_vector_add(struct vector *v, size_t item_size);
void items_add(struct items *items, enum wire_agreement_kind kind, uint64_t seq, uint64_t ballot,
	       uint64_t other, struct bytes *value);
void items_free(struct items *items);
/* Due to a member, by the end of this turn. */
void agreement_post(struct agreement *a, uint32_t member, enum wire_agreement_kind kind,
		    uint64_t seq, uint64_t ballot, struct bytes *value);
void agreement_post_others(struct agreement *a, synod_set except, enum wire_agreement_kind kind,
			   const struct instance *instance, uint64_t ballot, struct bytes *value);
void persist_instance(struct agreement *a, struct instance *instance,
		      enum agreement_persist_kind kind, uint64_t ballot, struct bytes *value);
void persist_dones(struct agreement *a);
/* Until everything persisted so far is durable. */
struct wait *wait_for_disk(struct agreement *a, enum wait_kind kind, uint64_t seq, uint64_t ballot);
/* Answers when the records with that sequence are durable. Takes the items. */
void agreement_answer_later(struct agreement *a, uint64_t link, uint64_t id, uint32_t to,
			    struct items *items_take, uint64_t sequence);
void output_free(struct agreement *a);

#endif
