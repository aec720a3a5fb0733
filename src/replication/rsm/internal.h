/*
 * The inside of struct rsm, shared by the files of this directory; nobody else.
 *
 *   rsm.c               creation, the turn, status, orderly stop
 *   recover.c           from disk to a running core
 *   damage.c            … although the log was damaged
 *   dispatch.c          what is asked, and who sees to it; TRANSFER
 *   requests.c          COMMAND, QUERY, REGISTER at the leader; batches
 *   answer.c            answers, refusals
 *   told.c              what a replica tells of itself, and of who leads
 *   read_index.c        reads at any replica: what it must see, and how old it may be
 *   apply.c             chosen entries → sessions → app
 *   settle.c            what a group has settled: settings, client ids, lived time
 *   settle_propose.c    … and how its leader sees to it
 *   members.c           who belongs to the group, and which disk counts as whom
 *   members_list.c      … as a value, and its encoding
 *   members_entry.c     … in an entry of the log
 *   members_ready.c     … who is there, and has what is chosen
 *   members_change.c    … and how that is changed
 *   stale.c             … and which of two copies of a disk
 *   force.c             a majority is lost: the group goes on from one replica
 *   force_recover.c     … whose log becomes the group's
 *   known.c             how to reach them
 *   kept_reply.c        what is kept of a reply, and what a repeated command is answered
 *   identity.c          which group this is; its encoding: group_identity.c
 *   send.c              messages to other replicas
 *   peers.c             … and from them; old entries for lagging peers
 *   judge.c             … which are judged before they are used
 *   relieve.c           a disk that does not answer: who leads hands over
 *   state_hash.c        comparing the state with that of the others, and giving it up
 *   traced.c            which entries and reads of the moment belong to traced requests
 *   snapshot_states.c   the states of snapshots, and which may follow which
 *   snapshot_take.c     writing our own snapshot while serving
 *   snapshot_turn.c     whose turn it is to do so
 *   snapshot_send.c     serving pieces of it
 *   snapshot_receive.c  getting a peer's, verifying and installing it
 *   scrub.c             reading log and snapshot once more, to find damage
 */
#ifndef SYNOD_RSM_INTERNAL_H
#define SYNOD_RSM_INTERNAL_H

#include "base/arena.h"
#include "base/list.h"
#include "base/refusals.h"
#include "core/consensus.h"
#include "rsm/damage.h"
#include "rsm/entry.h"
#include "rsm/force.h"
#include "rsm/group_fields.h"
#include "rsm/judge.h"
#include "rsm/log_index.h"
#include "rsm/members.h"
#include "rsm/read_backlog.h"
#include "rsm/read_index.h"
#include "rsm/rsm.h"
#include "rsm/sessions.h"
#include "rsm/snapshot_states.h"
#include "rsm/snapshot_turn.h"
#include "rsm/stale.h"
#include "rsm/state_hash.h"
#include "snapshot/snapshot_file.h"
#include "wal/disk_watch.h"

/*
 * How much is done in one turn before the loop gets its turn; the rest follows in the next. Each is
 * a few milliseconds at most: of proposals their bytes, of entries theirs and those of the answers,
 * of reads those of the answers; and the work besides (app.h).
 */
#define PROPOSE_BYTES_PER_TURN (4u * MIB)
#define SNAPSHOT_TURN_BYTES MIB /* default of rsm_settings.snapshot_turn_bytes */
#define TURN_BYTES (1u * MIB)   /* default of rsm_settings.turn_bytes: of entries, and of reads */
#define APPLY_COMMANDS_PER_TURN 4096u
#define READ_BYTES_EACH 100u /* at least */
/*
 * A batch is closed when its commands will probably take so much: an entry is applied as a whole.
 */
#define BATCH_WORK_MAX (1u * MIB)
/*
 * While commands wait that will take so much beyond what their own bytes cost, no more of that kind
 * are taken: entries are applied in order, so whoever comes behind them waits for all of it. Beside
 * it there is always room for those that take little.
 */
#define QUEUED_EXTRA_MAX (32u * MIB)
#define EXTRA_LITTLE (64u * KIB)
/* Reads of a connection that has so much unsent wait until it has taken some. */
#define READER_OUTPUT_MAX (2u * MIB)
#define READER_WAIT_US 5000u
/* Batches that wait for the window to open. */
#define READY_BATCHES_MAX 64u
#define FREE_BATCH_BYTES_MAX (1u * MIB) /* kept for reuse */
/* Of all reads that wait. */
#define QUERY_BYTES_MAX (64u * MIB)
/*
 * Nothing is proposed while so much is proposed and not applied here, though it may be chosen; and
 * neither proposed nor accepted while so much waits for this replica's own disk, though a quorum
 * may do without it: else memory would pay for a slow app or disk.
 */
#define UNAPPLIED_BYTES_MAX (2 * OPEN_BYTES_MAX)
#define UNWRITTEN_BYTES_MAX (2 * OPEN_BYTES_MAX)
#define SNAPSHOT_RETRY_US 500000u
#define SNAPSHOT_RETRIES_MAX 6u
/* What fills the disk, or arrives damaged, is not fetched again and again without a breath. */
#define SNAPSHOT_PAUSE_US 2000000u
/* A peer that fetched a piece so lately is still fetching: no new snapshot yet. */
#define SNAPSHOT_FETCH_ACTIVE_US 5000000u
/* For want of a descriptor: until the next try. */
#define SNAPSHOT_SHORTAGE_US 1000000u
/* The state did not fit itself. */
#define SNAPSHOT_UNSOUND_US 10000000u
#define STOP_WAIT_US 1000000u
/* How often a full disk is tried again. */
#define SPACE_RETRY_US 1000000u

/* Values of one message that are shared; any others are copied. */
#define PARTS_MAX 64u

/* Whom to answer; link 0: nobody. */
struct requester {
	link_id link;
	uint64_t id;
	uint16_t method;
	uint64_t trace; /* of a traced request; 0: it is none */
};

/* Commands that become, or have become, one entry. */
struct batch {
	struct list link;       /* in rsm.ready or rsm.proposed */
	uint64_t slot;          /* proposed: where */
	struct bytes *value;    /* proposed: what */
	struct buffer encoding; /* not yet proposed: what `block` holds */
	struct bytes *block;
	uint32_t count;
	uint32_t capacity;
	uint64_t work;                /* that it will probably take to be applied */
	uint64_t extra;               /* of that, what is beyond the bytes of its commands */
	bool internal;                /* holds a command of the service itself */
	uint64_t trace;               /* of a traced request among them; 0: none */
	struct requester *requesters; /* one a command */
};

/* A TRANSFER that is answered when the hand-over has ended. */
struct pending_transfer {
	bool waits;
	struct requester requester;
	uint32_t replica; /* that is to lead; 0: any other */
};

/*
 * A change of members that is made as soon as those who would carry the group have answered this
 * heartbeat.
 */
struct pending_change {
	bool waits;
	struct requester requester;
	struct buffer request; /* CHANGE_MEMBERS */
	uint64_t round, ballot, until_us;
};

struct pending_query {
	struct requester requester;
	struct bytes *payload;
	uint64_t id;
	/* confirmed, or not to be confirmed here: answer when applied; 0: not confirmed */
	uint64_t slot;
	bool confirm; /* the asker has to have it confirmed by others */
};

/*
 * Each 8 reads are a crowd if they come within 400 µs of the 8 before and from at least 3
 * connections: so many readers get more out of rounds (measured on two cores that client and
 * replicas share). What they are holds until the next 8 have come.
 */
#define CROWD_READS 8u
#define CROWD_LINKS 3u
#define CROWD_US 400u
struct crowd {
	link_id links[CROWD_READS]; /* of the reads since since_us */
	uint32_t reads;
	uint64_t since_us;
	bool crowded;
};

/* Reading chosen entries that are no longer in memory, for one peer. */
#define OLD_READS 16u /* at once */
struct old_fetch {
	struct rsm *rsm;
	bool active;
	uint32_t to;
	uint64_t first;
	uint64_t asked;       /* the next slot to be read */
	uint64_t end;         /* one that could not be; after the last */
	struct buffer values; /* in the order in which they come */
	/* of slot first + i; value.data is an offset into values until sending */
	struct wire_entry *entries;
	uint32_t capacity, come; /* of them */
	struct old_read {
		struct old_fetch *fetch; /* NULL: free */
		uint64_t slot;
	} reads[OLD_READS];
	uint32_t under_way;
	bool asking; /* what is still in the log's buffer comes at once */
};

/* Which wal sequence number makes which core sequence number durable. */
struct durable_mark {
	uint64_t wal_sequence, core_sequence;
	struct trace_detail detail; /* the entries, if somebody wants to know */
};

/* Entries that belong to a traced request, until everybody who is to hear of them has. */
#define TRACED_ENTRIES_MAX 16u
struct traced_entry {
	uint64_t request;
	uint64_t first, last; /* slots */
	/* leader: members, by seat, that have been sent word that they are chosen */
	uint32_t told;
};
struct traced {
	struct traced_entry entries[TRACED_ENTRIES_MAX]; /* oldest first */
	uint32_t count;
	uint64_t read; /* leader: of a traced read that is not confirmed yet */
	uint64_t echo; /* follower: of the newest Accept, until it is answered */
};

/* What has been done in one turn, in bytes. */
struct turn_work {
	uint64_t proposed, applied, read;
	uint32_t commands;
};

struct snapshot_take {
	enum take_step step;
	bool complete; /* the end chunk has been made */
	bool aborted;  /* as soon as nothing of it is under way */
	bool unsound;  /* the image has no end */
	bool renews;   /* what is damaged */
	struct app_snapshot *image;
	struct disk_file *file;
	struct disk_request request;
	struct snapshot_header header;
	struct group_members bound;
	struct buffer group, sessions; /* those of the moment, encoded … */
	struct timer timer;            /* … the sessions a piece at a time */
	struct buffer raw;             /* one app chunk */
	struct buffer chunk;           /* the same, as it is written */
	uint64_t chunks, offset;
	uint64_t synced; /* up to there */
	char name[SNAPSHOT_NAME_BYTES];
};

struct snapshot_read {
	struct list link;
	struct rsm *rsm;
	struct disk_request request;
	uint32_t to;
	uint64_t slot, total;
	struct disk_file *file;
};

struct snapshot_receive {
	enum receive_step step;
	uint32_t from; /* replica */
	uint64_t slot_min;
	uint64_t slot, total; /* 0: not known yet */
	uint64_t offset;      /* all pieces up to here are written … */
	uint64_t sync_bytes;  /* whenever so much more has been written */
	bool syncing;
	uint64_t synced; /* … and up to here it has been synced, or is about to be */
	struct disk_file *file;
	struct disk_request request; /* of whatever is no piece */
	/*
	 * That the disk has to write, or to read in one of the passes. Of each window, at most
	 * SNAPSHOT_WINDOW.
	 */
	struct receive_piece {
		struct disk_request request;
		uint8_t *data;          /* SNAPSHOT_CHUNK_BYTES; NULL: not needed yet */
		enum piece_state state; /* while they are fetched */
	} pieces[SNAPSHOT_WINDOW];
	uint32_t under_way; /* pieces that the disk has, and syncs between them */
	/* when it has none any more: nothing else is to be done with them; NULL: that is not so */
	void (*then)(struct rsm *rsm);
	const char *why; /* for it */
	uint64_t pause_us;
	uint32_t retries;
	struct timer timer;
	struct snapshot_parser parser;
	uint64_t read_asked, read_at; /* of the pass: read from the disk up to here, and parsed */
	char name[SNAPSHOT_NAME_BYTES];
};

/* Somebody whom this replica speaks with; its place is that of the core's seat. */
struct rsm_seat {
	uint32_t replica;                      /* 0: it is free */
	bool listed;                           /* a member */
	char *name, *address, *client_address; /* NULL: never was one, as far as is known */
	link_id link;
};

/* The disk that speaks as a member. */
struct member_watch {
	uint64_t life; /* that was heard last; 0: none has told */
	uint64_t heard_us;
	uint64_t bound_heard_us; /* the bound one was */
	uint64_t chosen_before;  /* what was chosen at the last heartbeat */
	uint32_t steady;         /* heartbeats in a row at which it had that */
};

enum scrub_step { SCRUB_IDLE, SCRUB_LOG, SCRUB_SNAPSHOT, SCRUB_END };
struct scrub {
	enum scrub_step step;
	struct timer timer; /* the next piece, or pass */
	struct disk_request request;
	uint64_t generation, slot, offset; /* of the snapshot that is being read */
	uint8_t *buffer;                   /* NULL: none is */
	struct snapshot_parser parser;
	uint64_t began_us;
	uint64_t passes, bytes, damaged;       /* so far */
	uint64_t bytes_before, damaged_before; /* when the pass began */
	uint64_t told_segment;                 /* was told of last in this pass */
	uint64_t damaged_segment;              /* the newest that is; 0: none */
	uint64_t heal_at_us, heal_pause_us;    /* no snapshot is taken because of it before then */
};

/* What the log's records say, gathered while it is replayed. */
struct recovered {
	uint64_t promised, chosen, snapshot;
	wal_position kept_from; /* what lies in older segments has been released */
	/* what no replica can have written: the problem of the first such record; NULL: none */
	const char *impossible;
	uint64_t impossible_slot, impossible_ballot;
	/* the newest record of a snapshot says that it could not be told who counted */
	bool bound_unknown;
	struct group_members bound; /* by the newest record of a snapshot that says them */
	/*
	 * a peer's snapshot carried us over slots ≤ this: what the log holds of them may have lost
	 */
	uint64_t foreign;
};

struct rsm_counters {
	uint64_t commands, batches, queries, unconfirmed, ballots_told, registers, applied_commands,
		repeats, refused;
	uint64_t elections_won, leadership_lost, snapshots_taken, snapshots_installed,
		snapshot_pieces_sent;
	uint64_t old_entries_sent, busy;
};

struct rsm {
	struct rsm_options options;
	struct node *node;
	struct log *log;
	struct app *app;
	struct rsm_settings settings;
	char *texts[MEMBERS_MAX * 3]; /* copies of the configured members' strings */
	/* those that the core goes by: of the chosen prefix, applied or not */
	struct group_members members;
	struct rsm_seat seats[CONSENSUS_PEERS_MAX];
	/*
	 * where the list had the configured members when it was first seen; NULL: it has not been
	 */
	char *listed_first[MEMBERS_MAX];
	uint32_t nseats;
	/* the core has given seats to others, or goes by another list */
	bool known_stale;
	struct buffer voter_lives; /* of the voters, u64 each; empty: none are bound */
	uint32_t self;             /* our seat, and index into options.members */

	struct consensus *core;
	struct wal *wal;
	struct log_index index;
	struct recovered recovered;
	struct damage damage;
	struct stale stale;
	uint32_t generation; /* that this replica goes by (rsm/force.h) */
	struct force force;
	struct timer tick;
	struct arena arena;                   /* decoding */
	struct buffer out;                    /* encoding */
	struct message_part parts[PARTS_MAX]; /* of the message in `out` */
	bool started, stopping, stopped;
	uint64_t started_us;
	uint64_t space_retry_us; /* a full disk is not tried again before this */
	struct timer stop_timer;

	struct durable_mark *marks; /* FIFO */
	uint32_t marks_head, marks_count, marks_capacity;

	/* State. */
	struct group_fields group;
	struct sessions sessions;
	uint64_t applied;
	uint64_t applied_ballot;
	uint64_t time_us; /* of the newest applied entry */
	/* the snapshot that is being restored has told what the group is */
	bool restored_group;
	bool settings_changed;            /* the group's, and nobody has been told yet */
	bool state_lost;                  /* the snapshot on disk is damaged: wait for a peer's */
	uint64_t lost_slot;               /* … that covers at least this slot */
	uint32_t lost_from[REPLICAS_MAX]; /* … and is that of one of these replicas … */
	uint32_t nlost_from;              /* … 0: any */
	bool restoring;                   /* a peer's snapshot is replacing the state */
	struct timer more_timer;          /* there is more to be done than a turn takes */
	struct turn_work turn;            /* of the present one */
	struct buffer reply_body;
	struct buffer kept_reply; /* the form of it that is kept */

	/* Leader. */
	bool leading, serving;  /* leads; and the barrier is applied */
	bool identity_proposed; /* in this leadership */
	uint64_t led_since_us;
	uint64_t birth_told_us; /* who is missing was said then */
	uint64_t members_told;  /* slot of the list that the service has been told */
	/* when they are looked at again; when those who were added are told again */
	uint64_t members_at_us, welcome_at_us;
	/* the member that the list that was proposed last is about */
	uint32_t change_number;
	struct pending_change change;
	/*
	 * The heartbeat that those must answer who would carry the group with another voter; in
	 * which ballot, and since when; 0: none.
	 */
	uint64_t promotion_round, promotion_ballot, promotion_at_us;
	struct buffer why;                                /* why members cannot be changed */
	struct member_watch watches[CONSENSUS_PEERS_MAX]; /* by seat */
	/* lived time (rsm/entry.h), and when it was last looked at */
	uint64_t lived_us, lived_at_us;
	/* in which there is nothing more to tell the group; 0: in none */
	uint64_t told_ballot;
	uint64_t settings_ballot; /* in which our settings have been proposed; 0: in none */
	/* in which ENTRY_CLIENTS has been proposed, and up to which id */
	uint64_t clients_ballot, clients;
	struct batch *current; /* being filled */
	struct list ready;     /* full, waiting for the window */
	uint32_t ready_count;
	struct list proposed;    /* in slot order */
	uint64_t proposed_bytes; /* of their values */
	uint64_t queued_extra;   /* of all batches that are not applied yet */
	struct list free_batches;
	size_t free_batch_bytes; /* of what they hold on to */
	uint32_t pending_requests;
	struct pending_transfer transfer;
	struct pending_query *queries; /* circular, in order of id */
	uint32_t queries_head, queries_count, queries_capacity;
	uint64_t next_query;
	uint64_t queries_bytes; /* of their payloads */
	/* reads that could be answered, and are more than a turn should answer */
	struct read_backlog backlog;
	struct crowd crowd;      /* are there many readers? */
	struct read_index reads; /* those that other replicas than the leader answer, too */

	/* Snapshots. */
	uint64_t snapshot_slot; /* newest one on disk; 0: none */
	uint64_t snapshot_bytes;
	struct disk_file *snapshot_file;
	uint64_t log_bytes;   /* appended since it was taken */
	bool snapshot_wanted; /* a peer needs one newer than ours */
	/* ours, or the log behind it, is damaged: another one, were it of the same slot */
	bool snapshot_renew;
	/* of a file that was found damaged at the start: not before that; 0: there is none */
	uint64_t renew_slot;
	uint64_t take_after_us; /* none is taken before this */
	struct snapshot_take take;
	struct snapshot_turn snapshot_turn;
	struct snapshot_receive receive;
	/* a snapshot that this replica sent, of damaged_slot, did not verify; 0: none */
	uint32_t damaged_from;
	uint64_t damaged_slot;
	struct list snapshot_reads;                /* struct snapshot_read under way */
	struct list discards;                      /* files being closed and removed */
	uint64_t snapshot_fetched_us;              /* a peer last asked for a piece */
	uint64_t receive_after_us;                 /* after a failure to get one: not before then */
	struct old_fetch old[CONSENSUS_PEERS_MAX]; /* by seat */

	struct scrub scrub;
	struct disk_watch disk_watch;
	bool lacks_space; /* consensus_lacks_space() at the end of the last turn */
	/* what the core has been told; that leadership is to be handed over for it */
	bool disk_full, full_told;
	struct state_hash hash;
	bool relieve_told; /* that leadership is to be handed over because the disk hangs */
	bool lost;         /* rsm_stop_voting() */
	bool removed, removed_told; /* from the group, says a member; that has been said */
	struct traced traced;
	struct refusals refusals; /* of what other replicas say */
	bool rounds_used_up;      /* has been said */
	struct rsm_counters counters;
};

static inline struct disk *rsm_disk(struct rsm *rsm)
{
	return rsm->node->env->disk;
}
/* The log takes no more entries for now. */
static inline bool rsm_log_is_congested(const struct rsm *rsm)
{
	return wal_full(rsm->wal) || wal_pending_bytes(rsm->wal) > UNWRITTEN_BYTES_MAX;
}
/* Does anybody want to know of entries and messages? */
static inline bool rsm_traces(const struct rsm *rsm)
{
	const struct traced *t = &rsm->traced;
	return __builtin_expect(
		(t->count | t->read | t->echo) != 0 || rsm->node->tracer.sink != NULL, 0);
}
/* The seat of a replica; UINT32_MAX: it has none. */
static inline uint32_t rsm_seat(const struct rsm *rsm, uint32_t replica)
{
	for (uint32_t i = 0; i < rsm->nseats; i++)
		if (rsm->seats[i].replica == replica)
			return i;
	return UINT32_MAX;
}

/*
 * False: the message counts, and comes from a process whose start has not been compared with what
 * is remembered here, or was found to be a stale copy's (rsm/starts.h). Otherwise it may have been
 * made one that does not.
 */
static inline bool stale_admit(struct rsm *rsm, uint32_t seat, const struct message *message,
			       union peer_message *m)
{
	struct stale *s = &rsm->stale;
	struct start_memory *memory = s->current[seat];
	if (__builtin_expect(memory == NULL || memory->nonce != message->origin ||
				     memory->life != m->head.life,
			     0))
		return stale_admit_other(rsm, seat, message, m);
	enum consensus_kind kind = consensus_kind(rsm->core, message->method);
	struct peer_ranges ranges = {0};
	if (kind == CONSENSUS_KIND_ACCEPTED)
		ranges = peer_ranges((enum method)message->method, m);
	if (ranges.count == 0 && kind != CONSENSUS_KIND_PROMISE)
		return true;
	memory->promised = m->head.ballot > memory->promised ? m->head.ballot : memory->promised;
	if (ranges.count > 0 && ranges.list[ranges.count - 1].last > memory->last)
		memory->last = ranges.list[ranges.count - 1].last;
	s->changed = true;
	return true;
}

/* known.c */
/* As the core has given them. */
void known_take(struct rsm *rsm);
static inline void known_look(struct rsm *rsm)
{
	if (__builtin_expect(rsm->known_stale, 0))
		known_take(rsm);
}
/* Somebody without a seat speaks to us, along this link: it gets one. */
uint32_t known_stranger(struct rsm *rsm, uint32_t replica, link_id from);
/* For consensus_options.adopted. */
void known_adopted(void *rsm, uint64_t slot, struct slice value);
/* A snapshot has said these: if the core goes by them, so do we. */
void known_restored(struct rsm *rsm, const struct group_members *members);
bool known_has_member(const struct rsm *rsm, uint32_t replica);
/* Members besides this replica. */
uint32_t known_others(const struct rsm *rsm);
/* As far as is known before the log is read, there are none. */
bool known_alone(const struct rsm *rsm);
void known_free(struct rsm *rsm);
/* recover.c */
int recover(struct rsm *rsm) MUST_CHECK;
/* Replacing the state by a snapshot's: begin, each chunk, end with the file's header. */
void state_restore_begin(struct rsm *rsm);
void state_restore_end(struct rsm *rsm, const struct snapshot_header *header);
int restore_chunk_into(void *rsm, enum snapshot_chunk_kind kind, struct slice payload);
/* The next turn does not wait, or only so long. */
static inline void rsm_go_on(struct rsm *rsm, uint64_t after_us)
{
	uint64_t at_us = node_now_us(rsm->node) + after_us;
	if (!timer_armed(&rsm->more_timer) || rsm->more_timer.at_us > at_us)
		node_timer_at(rsm->node, &rsm->more_timer, at_us);
}
/* told.c. Who leads; NULL: not known, or who it is not known how to reach. */
const struct rsm_seat *told_leader(const struct rsm *rsm);
/* answer.c */
static inline struct requester requester_of(link_id from, const struct message *message)
{
	return (struct requester){.link = from,
				  .id = message->id,
				  .method = message->method,
				  .trace = message->trace};
}
void answer(struct rsm *rsm, const struct requester *to, int status, struct slice body);
void answer_error(struct rsm *rsm, const struct requester *to, int status, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* dispatch.c. False: not a request for a replica. */
bool dispatch_message(struct rsm *rsm, link_id from, const struct message *message);
/* Answers a TRANSFER that has ended. */
void dispatch_end_transfer(struct rsm *rsm);
/* requests.c. At the leader: COMMAND, REGISTER, and QUERY in its forms. */
void requests_command(struct rsm *rsm, const struct requester *from, const struct message *message);
void requests_register(struct rsm *rsm, const struct requester *from);
void requests_query(struct rsm *rsm, const struct requester *from, const struct message *message);
void requests_link_down(struct rsm *rsm, link_id link);
void requests_propose(struct rsm *rsm);
/* There is something to propose, and nothing against it. */
bool requests_can_propose(const struct rsm *rsm);
void requests_serve_reads(struct rsm *rsm);
/* Answers one read from the present state. */
void requests_serve_read(struct rsm *rsm, const struct pending_query *query);
/* Those that wait for their turn, as far as this one's goes. */
void requests_serve_backlog(struct rsm *rsm, struct read_backlog *backlog);
/* Leader: takes the payload's reference over. */
void requests_add_read(struct rsm *rsm, const struct requester *from, struct bytes *payload);
/* No room for another one of this connection. */
bool requests_too_many_reads(struct rsm *rsm, link_id from);
void requests_read_confirmed(struct rsm *rsm, uint64_t id, uint64_t slot);
void requests_leadership_lost(struct rsm *rsm);
void requests_destroy(struct rsm *rsm);
/* The wall clock as it may stand in an entry. */
uint64_t rsm_entry_wall_us(const struct rsm *rsm);
/*
 * Proposes an entry, encoded but for its end, that has one command, for which somebody may wait.
 * consensus_can_propose()
 */
uint64_t requests_propose_alone(struct rsm *rsm, struct buffer *entry, uint32_t format,
				const struct requester *requester);
/* Adds a command of the rsm's own to the batch being filled. False: too much is waiting. */
bool requests_add_own(struct rsm *rsm, enum entry_kind kind, struct slice body);
/* Slots up to here were skipped by a snapshot: what was proposed in them has an unknown outcome. */
void requests_skipped(struct rsm *rsm, uint64_t slot);
void batch_release(struct rsm *rsm, struct batch *batch);
/* members.c */
int members_apply(struct rsm *rsm, struct slice body, uint64_t slot,
		  const struct requester *requester) MUST_CHECK;
/* What is known of them, as it is told. */
void members_list(struct rsm *rsm, const struct group_members *members, struct wire_members *out);
/* A message of the member in this seat has come, from the process whose disk has this life. */
void members_heard(struct rsm *rsm, uint32_t seat, uint64_t life);
/* Tells who is missing for the group to begin. */
void members_await_birth(struct rsm *rsm);
/* As the leader, when there is reason to. */
void members_propose(struct rsm *rsm);
/* members_world.c. The world, which keeps the list beside the log, and connects to its members. */
void members_tell_world(struct rsm *rsm);
/* Why it has no vote, in a word. */
const char *members_voteless_text(const struct rsm *rsm);
/* Tells the service of another list, and that it is removed. */
void members_tell_now(struct rsm *rsm);
static inline void members_tell(struct rsm *rsm)
{
	if (__builtin_expect((rsm->members_told != rsm->group.bound.slot) |
				     (rsm->removed != rsm->removed_told),
			     0))
		members_tell_now(rsm);
}
static inline void force_tell(struct rsm *rsm)
{
	if (__builtin_expect((rsm->force.superseded != 0) | rsm->force.goes_on, 0))
		force_tell_now(rsm);
}
/* MEMBERS and CHANGE_MEMBERS. */
void members_answer(struct rsm *rsm, link_id from, const struct message *request);
void members_change(struct rsm *rsm, const struct requester *from, const struct message *request);
/* Leader, every turn while a change waits for answers; and when this replica leads no longer. */
void members_change_go_on(struct rsm *rsm);
void members_change_lost(struct rsm *rsm);
/* How long such answers are waited for. */
static inline uint64_t members_patience_us(const struct rsm *rsm)
{
	return rsm->settings.election_timeout_ms * 2000ull;
}
/* The list that the configuration names, before the group has one of its own. */
void members_configured(const struct rsm *rsm, struct group_members *members);
/* Proposes the list. NULL: nobody waits for it. */
void members_propose_list(struct rsm *rsm, const struct group_members *members,
			  const struct requester *requester);
/*
 * NULL, or why these voters could not carry the group at once: who of them is not there, or has not
 * caught up. Valid until the next call. `round` (0: none): of consensus_ask_all(), which they must have
 * answered.
 */
const char *members_cannot_carry(struct rsm *rsm, const struct group_members *members,
				 uint64_t round);
/* Out of the list. */
void members_take_out(struct group_members *members, uint32_t number);
/* The learner becomes a voter, of the disk that speaks as it; whom it replaces goes. */
void members_promote(struct rsm *rsm, struct group_members *members, uint32_t number);
/*
 * What is missing until the learner may become a voter of `members`; NULL: nothing. Valid until the
 * next call. `steady`: heartbeats in a row at which it must have had everything.
 */
const char *members_not_ready(struct rsm *rsm, const struct group_members *members,
			      const struct group_member *learner, uint32_t steady, uint64_t round);
/* group_identity.c */
/*
 * The state is that of the configured members, and of this directory: 0 or STATUS_IDENTITY
 * (logged).
 */
int identity_check(struct rsm *rsm) MUST_CHECK;
void identity_apply(struct rsm *rsm, struct slice body, uint64_t slot);
/* As the leader. */
void identity_propose(struct rsm *rsm);
/* apply.c */
void apply_chosen(struct rsm *rsm);
/* settle.c */
/*
 * Time goes on: at every tick of the core, which a leader has at least twice in an election
 * timeout, and before something is proposed.
 */
void settle_lived(struct rsm *rsm);
/* Leader: proposes what the group does not know yet; before anything else of this batch. */
void settle_propose_now(struct rsm *rsm, uint64_t ballot);
static inline void settle_propose(struct rsm *rsm)
{
	uint64_t ballot = consensus_epoch(rsm->core);
	if (rsm->told_ballot != ballot)
		settle_propose_now(rsm, ballot);
}
/* The highest client id that counts as handed out for what is logged next. */
uint64_t settle_known_clients(const struct rsm *rsm);
/* The settings by which the next entry is applied. */
void settle_entry(struct rsm *rsm, const struct entry_reader *reader);
/* The group's settings, as they now stand, hold. */
void settle_limits(struct rsm *rsm);
/* Ends the process if this node divides its keys otherwise than its group. */
void settle_check_shards(struct rsm *rsm);
/* Kinds ENTRY_SETTINGS and ENTRY_CLIENTS: 0 or why they cannot be applied. */
int settle_apply(struct rsm *rsm, const struct entry_command *command) MUST_CHECK;
/* Tells of settings that differ, once they are known to hold. */
void settle_tell_now(struct rsm *rsm);
static inline void settle_tell(struct rsm *rsm)
{
	if (rsm->settings_changed)
		settle_tell_now(rsm);
}
/*
 * Leader: whether a command's session is anything that could be continued or begun. False: it has
 * been answered, or put aside.
 */
bool settle_admit(struct rsm *rsm, const struct requester *from, const struct message *message,
		  const struct wire_command *command);
/* kept_reply.c */
/*
 * Keeps rsm->reply_body, or a shorter form of it, for whoever repeats the command of an entry of
 * that format.
 */
void kept_reply_record(struct rsm *rsm, struct session *session,
		       const struct entry_command *command, uint32_t format, int status);
void kept_reply_answer(struct rsm *rsm, const struct requester *to,
		       const struct session_reply *kept, struct slice command);
/* peers.c */
bool peers_message(struct rsm *rsm, link_id from, const struct message *message);
void peers_send(struct rsm *rsm, uint32_t to, enum method method, union peer_message *message);
/* held: what the values of the entries point into (struct consensus_send), to be shared; or NULL. */
void peers_send_held(struct rsm *rsm, uint32_t to, enum method method, union peer_message *message,
		     struct bytes *const *held);
void peers_old_fetch(struct rsm *rsm, const struct consensus_old_fetch *want);
void peers_free(struct rsm *rsm);
/* relieve.c: at the end of every turn. */
void relieve_if_hung(struct rsm *rsm);
/*
 * True while somebody else, whose disk is not full, is to take over: what has come for the leader
 * waits for that.
 */
bool relieve_if_full(struct rsm *rsm);
/* Why a leader can take no writes for want of space on disks, or NULL. */
const char *no_space(struct rsm *rsm);
/* scrub.c */
void scrub_init(struct rsm *rsm);
void scrub_start(struct rsm *rsm);
void scrub_free(struct rsm *rsm);
/* However it was found. */
void scrub_log_damaged(struct rsm *rsm, wal_position position, const char *why);
void scrub_snapshot_damaged(struct rsm *rsm, uint64_t slot, uint64_t offset, const char *why);
void scrub_heal(struct rsm *rsm);
/* Up to this segment the log is damaged, as was found at the start. */
void scrub_heal_segment(struct rsm *rsm, uint64_t segment);
/* Whether it may stand has changed, or may have. */
void rsm_set_electable(struct rsm *rsm);
/* traced.c: each only if rsm_traces(), or for what is traced itself. */
/* The batch has been given its slot. */
void traced_proposed(struct rsm *rsm, const struct batch *batch);
/* A message that bears a trace id. */
void traced_received(struct rsm *rsm, const struct message *message, enum consensus_kind kind,
		     const union peer_message *m);
/* What the output says to write has been handed to the log. */
void traced_written(struct rsm *rsm, const struct consensus_output *out, struct durable_mark *mark);
void traced_synced(struct rsm *rsm, const struct durable_mark *mark);
/* Fills in trace and detail of a message to member `peer`. */
void traced_sending(struct rsm *rsm, uint32_t peer, enum method method, const union peer_message *m,
		    struct message *message, struct trace_detail *detail);
void traced_applying(struct rsm *rsm, const struct consensus_chosen *chosen);
void traced_applied(struct rsm *rsm);
void traced_reading(struct rsm *rsm, uint64_t request);
void traced_confirmed(struct rsm *rsm, uint64_t request, uint64_t slot);
/* snapshot_take.c */
void snapshot_maybe_take(struct rsm *rsm);
void snapshot_take_abort(struct rsm *rsm);
void snapshot_take_free(struct rsm *rsm);
/* Closes a file and, if name is given, removes it, in the background. */
void discard_file(struct rsm *rsm, struct disk_file *file, const char *name);
/*
 * A snapshot file for `slot` is in place under its final name: adopt it, note it in the log, drop
 * what it covers. Before one of our `own` the log also says that its slots are chosen; a peer's may
 * cover slots of which our log holds values that lost.
 */
void snapshot_adopt(struct rsm *rsm, bool own, uint64_t slot, uint64_t ballot,
		    const struct group_members *bound, struct disk_file *file, uint64_t bytes);
/* snapshot_send.c */
void snapshot_send_piece(struct rsm *rsm, const struct wire_snapshot_fetch *m);
void snapshot_send_free(struct rsm *rsm);
/* snapshot_receive.c */
void snapshot_receive_start(struct rsm *rsm, uint32_t from, uint64_t slot_min);
void snapshot_receive_piece(struct rsm *rsm, const struct wire_snapshot_chunk *m);
void snapshot_receive_free(struct rsm *rsm);

#endif
