/*
 * The seam between a replicated state machine and its consensus core, whichever that is: a log of
 * slots 1, 2, 3, …, of which every replica learns the same entries, and which somebody leads.
 * operations.h lists what a core can do; paxos/multipaxos.h is one.
 *
 * PURE. No I/O, clock or global: events go in, consensus_output() comes out. The caller (rsm/)
 * carries out an output:
 *
 *   1. persist[]  append to the log, in order. Say consensus_persisted(sequence) when durable.
 *   2. sends[]    may leave at once. What must not leave before something is durable is not in the
 *                 output yet: the core keeps it back until consensus_persisted().
 *   3. consensus_next_chosen()  newly chosen entries, in slot order, each exactly once.
 *   4. reads[]    confirmed reads: answer each once the state is applied up to its slot.
 *   5. old[]      a peer asks for chosen entries that are no longer in memory: read them from the
 *                 log and send CHOSEN, or offer the snapshot.
 *   6. snapshot   this replica is so far behind that it needs a peer's snapshot.
 *   7. consensus_deadline_us()  call consensus_tick() then.
 *
 * What an output points to is valid until the next call into the core.
 *
 * ORDER OF DURABILITY, which is the core's to keep and not its caller's
 *   Who promises something to a candidate says so after the promise is durable; a candidate asks
 *   for promises after its own is (an epoch is never used twice, even across a crash). Who says
 *   that it has accepted entries names only those that are durable. A leader's entries leave before
 *   they are durable with itself: it counts itself when they are. What is chosen is written down
 *   lazily, beside other records: whoever has lost that learns it again.
 *
 * EPOCHS. The time of one leader: a number that orders first by round, or term, and names the
 * replica that may lead in it, in the form of core/ballot.h. No two replicas, and no two lives of
 * a replica's disk, ever use the same. The log's records, snapshots, messages and status bear it as
 * `ballot`. An entry's ballot is that of the leader who proposed it last.
 *
 * ROLES
 *   follower ──election timeout──▶ pre-candidate ──grants of a quorum──▶ candidate ─┐
 *      ▲                                                                              │ promises
 *      │                                                                              ▼ of a quorum
 *      └──────── a higher epoch, or no contact with a quorum (check-quorum) ──────── leader
 *
 *   Who is handed over to stands at once: follower ──▶ candidate. Whoever stands becomes a follower
 *   again when it is over, however it ends: to stand anew is another move. CONSENSUS_ROLES has all
 *   moves, and consensus_become() makes them.
 *
 * LEARNERS. A replica that has no vote accepts, writes down and learns like the others, so that its
 * state is theirs, and counts for nothing.
 *
 * IMPAIRED slots: damage to the log has left unknown what was accepted in them. The core answers
 * for none of them, and says of which it knows no longer.
 *
 * SEATS. Everybody that this replica speaks with has one, 0 … consensus_peers() - 1: the members,
 * itself, and a few strangers. Who is a member keeps its seat; that of a stranger may be given to
 * another one.
 *
 * MESSAGES are of wire/peer.h, where each kind has a struct of its own. A caller looks at their head,
 * at entries and ranges, and asks for the KIND of a core's own. These are every core's, and mean the
 * same:
 *   PRE_VOTE   its sender would stand; who has been removed is told so
 *   REJECT     the epoch is over, or (PEER_REMOVED) the receiver is no member any more
 *   FETCH      slot: please send chosen entries from here on
 *   CHOSEN     chosen, entries; or, with PEER_SNAPSHOT, that slots ≤ slot are only to be had as a
 *              snapshot
 *   TAKE_OVER  its receiver is to stand at once
 */
#ifndef SYNOD_CORE_CONSENSUS_H
#define SYNOD_CORE_CONSENSUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/states.h"
#include "core/ballot.h"
#include "core/members.h"
#include "wire/method.h"
#include "wire/peer.h"

/*
 * An entry every 10 µs for ninety years; so slots, and sums of them, never come near the end of
 * their type.
 */
#define SLOT_MAX (UINT64_C(1) << 48)
/* Heartbeat rounds, stamps, and questions between replicas. */
#define CONSENSUS_SEQUENCE_MAX (UINT64_C(1) << 48)
/* Seats. */
#define CONSENSUS_PEERS_MAX (MEMBERS_MAX + 4u)

enum consensus_role {
	CONSENSUS_FOLLOWER,
	CONSENSUS_PRE_CANDIDATE,
	CONSENSUS_CANDIDATE,
	CONSENSUS_LEADER
};

/* What a message between replicas says besides: `flags`. Each method says which it may bear. */
enum peer_flag {
	PEER_GRANTED = 1,
	PEER_MORE = 2,     /* there is more: ask again */
	PEER_SNAPSHOT = 4, /* it is only to be had as a snapshot */
	PEER_LEASED = 8,
	PEER_LEASE_OVER = 16,
	PEER_UNFIT = 32,   /* not to be handed over to */
	PEER_LEARNER = 64, /* it has no vote */
	PEER_FIRST = 128,  /* nothing before the first entry is of this ballot */
	PEER_FULL = 256,   /* its disk is */
	PEER_REMOVED = 512,
	PEER_ASKED = 1024
};

/* What a message is to those who carry it. */
enum consensus_kind {
	CONSENSUS_KIND_FOREIGN,  /* no message of this core */
	CONSENSUS_KIND_PROMISE,  /* to one who stands: its sender has promised the epoch */
	CONSENSUS_KIND_ENTRIES,  /* of who leads: entries, or a heartbeat */
	CONSENSUS_KIND_ACCEPTED, /* … and the answer: `ranges` are durable with its sender */
	CONSENSUS_KIND_OTHER
};
/* Their methods are METHOD_PRE_VOTE + 0 … */
#define CONSENSUS_METHODS 16u

struct consensus_options {
	uint64_t group;
	uint32_t self; /* one of members */
	uint32_t nmembers;
	/* replica ids; all have a vote as long as there is no list of members (core/members.h) */
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
	/* of this replica's disk (core/members.h); 0: it has none, and none is bound */
	uint64_t life;
	/*
	 * True: the value is an entry of members; *out is what it says, but for its slot. Asked
	 * only of values that begin with the byte members_byte. NULL: there are none.
	 */
	uint8_t members_byte;
	bool (*members_of)(struct slice value, struct consensus_members *out);
	/*
	 * They count from now on, by the entry of this slot. In the middle of a step: nothing of
	 * the core may be called. May be NULL.
	 */
	void (*adopted)(void *context, uint64_t slot, struct slice value);
	/* Its role is another one. Likewise in the middle of a step; may be NULL. */
	void (*became)(void *context, enum consensus_role from, enum consensus_role to);
	/* unlike those of its processes before it; 0: there were none */
	uint64_t process;
	uint64_t (*random)(void *context);
	/*
	 * The clock that now_us is read from, as it is at this moment: not older than what has been
	 * received. NULL: no leases.
	 */
	uint64_t (*clock_us)(void *context);
	void *context;
};

enum consensus_persist_kind {
	CONSENSUS_PERSIST_PROMISE,
	CONSENSUS_PERSIST_ACCEPT,
	CONSENSUS_PERSIST_CHOSEN
};
struct consensus_persist {
	enum consensus_persist_kind kind;
	uint64_t sequence; /* 1, 2, 3, … */
	/* PROMISE: of the members that it was made by: every slot ≤ it is chosen, and here */
	uint64_t slot;
	uint64_t ballot; /* of CONSENSUS_PERSIST_CHOSEN: that is promised … */
	/* … and the highest slot accepted so far; or both 0, while that is not known */
	uint64_t last;
	struct slice value;
	struct bytes *held; /* what value points into; the core's */
};
/*
 * From this length on, values are worth being shared by log and peers instead of being copied: were
 * it 16 KiB, puts of 4 KiB would cost 7 % more instructions; were it 1 KiB, those of 1 KiB 1 %
 * more.
 */
#define CONSENSUS_SHARED_BYTES 4096u
struct consensus_send {
	uint32_t to;
	enum method method;
	union peer_message message;
	/*
	 * What the values of the entries point into, one an entry (NULL: a no-op); the core's. NULL
	 * if none of them has CONSENSUS_SHARED_BYTES.
	 */
	struct bytes **held;
};
struct consensus_read_confirmed {
	uint64_t id;
	uint64_t slot; /* apply up to here, then answer */
};
struct consensus_old_fetch {
	uint32_t to;
	uint64_t first, last; /* chosen slots */
};
struct consensus_output {
	uint32_t npersists, nsends, nreads, nold;
	const struct consensus_persist *persists;
	const struct consensus_send *sends;
	const struct consensus_read_confirmed *reads;
	const struct consensus_old_fetch *old;
	bool need_snapshot;
	uint32_t snapshot_from; /* replica that offered */
	uint64_t snapshot_slot; /* at least this */
	/*
	 * a member of the group as it is now says that we are none: nothing that we hold is needed
	 * any more
	 */
	bool removed;
};
struct consensus_chosen {
	uint64_t slot;
	uint64_t ballot;     /* in which this replica accepted or learnt it */
	struct bytes *value; /* borrowed; NULL: a no-op */
};

/* A replica's core. Its owner is who has created it, and consensus_destroy() frees it. */
struct consensus {
	const struct consensus_ops *ops;
	enum consensus_role role; /* consensus_become() sets it; everybody asks all the time */
};

/* clang-format off: (the core, and whatever is in the parentheses) */
#define CONSENSUS_ASKED(...) (const struct consensus *core, ##__VA_ARGS__)
#define CONSENSUS_TOLD(...) (struct consensus * core, ##__VA_ARGS__)
#define CONSENSUS_CALL(...) (core, ##__VA_ARGS__)
/* clang-format on */

struct consensus_ops {
	/* An empty log after `base_slot` (0, or the slot that a snapshot covers). */
	struct consensus *(*create)(const struct consensus_options *options, uint64_t base_slot);
	uint8_t kinds[CONSENSUS_METHODS]; /* enum consensus_kind of METHOD_PRE_VOTE + i */
#define ASK(result, name, parameters, names) result(*name) CONSENSUS_ASKED parameters;
#define TELL(result, name, parameters, names) result(*name) CONSENSUS_TOLD parameters;
#include "core/operations.h"
#undef ASK
#undef TELL
};

#define ASK(result, name, parameters, names) \
	static inline result consensus_##name CONSENSUS_ASKED parameters \
	{ \
		return core->ops->name CONSENSUS_CALL names; \
	}
#define TELL(result, name, parameters, names) \
	static inline result consensus_##name CONSENSUS_TOLD parameters \
	{ \
		return core->ops->name CONSENSUS_CALL names; \
	}
#include "core/operations.h"
#undef ASK
#undef TELL

static inline enum consensus_kind consensus_kind(const struct consensus *core, uint32_t method)
{
	uint32_t i = method - METHOD_PRE_VOTE;
	return i < CONSENSUS_METHODS ? (enum consensus_kind)core->ops->kinds[i]
				     : CONSENSUS_KIND_FOREIGN;
}

static inline enum consensus_role consensus_role(const struct consensus *core)
{
	return core->role;
}

const char *consensus_role_text(enum consensus_role role);

/* Which role may follow which. */
extern const struct state_table CONSENSUS_ROLES;
/* A core's: the only one that changes the role, and tells of it. */
void consensus_become(struct consensus *core, const struct consensus_options *options,
		      enum consensus_role role);

#endif
