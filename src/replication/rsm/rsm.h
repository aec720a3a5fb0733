/*
 * rsm: a replicated state machine = consensus core + log + snapshots + sessions + linearizable
 * reads, under an app.
 *
 * A service node (shardmaster, shardkv, …) owns one struct rsm and passes its own inputs on:
 * messages that it does not handle itself, link_down, turn_end. The rsm answers the RPC methods
 * COMMAND, QUERY, REGISTER, TRANSFER, MEMBERS, CHANGE_MEMBERS and everything from PRE_VOTE upwards,
 * and fills in the replicated part of STATUS.
 *
 * Exactly once. A command carries (client, sequence, acknowledged). Client ids come from REGISTER
 * and only grow; a session appears in the state with its first command. Its replies are kept until
 * acknowledged; a sequence below the acknowledged watermark is refused with SEQUENCE_REUSED, as is
 * a kept sequence with another payload. The ids of sessions that have been evicted (rsm/sessions.h
 * says which) are remembered, and an unknown client among them is refused with SESSION_EXPIRED, so
 * no late duplicate can be taken for a first request. All of this is part of the state and of every
 * snapshot.
 *
 * Client ids are of the group that registered them, or (`unregistered`) of another service: a
 * shardkv group accepts ids issued by the shard masters. An id that nobody is known to have been
 * given is refused before anything is logged; so are sequences and acknowledgements that cannot be.
 *
 * Settings that decide what apply does belong to the group (rsm/group_fields.h). Every replica
 * applies an entry by what the log said before it, whatever its own cluster.conf says; the group
 * follows the settings of its leader.
 *
 * Reads are linearizable without a log write: the leader notes its chosen slot, confirms with one
 * heartbeat round that it still leads, waits until that slot is applied, and answers from the app.
 * No clock is trusted.
 *
 * Answers to a client. OK and the app's own statuses come from apply. NOT_LEADER, BUSY, DEADLINE,
 * NO_SPACE mean that the command was not logged and never will be because of this request. When
 * leadership is lost with a command in flight, the answer waits until its slot is chosen: with our
 * entry, the true reply; with another, NOT_LEADER. If that takes longer than the request's timeout,
 * the client's own deadline makes it UNKNOWN.
 */
#ifndef SYNOD_RSM_RSM_H
#define SYNOD_RSM_RSM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "core/consensus.h"
#include "node/node.h"
#include "rsm/app.h"
#include "rsm/group_fields.h"
#include "wire/wire.h"

struct rsm;

struct rsm_member {
	uint32_t replica;    /* 1 … MEMBER_NUMBER_MAX, never reused for another machine */
	const char *name;    /* for people and hints */
	const char *address; /* where other replicas dial it */
	/* the address given to clients in hints (differs from `address` under --route) */
	const char *client_address;
};

struct rsm_settings {
	uint32_t election_timeout_ms;   /* lower bound; the upper is twice this. Default 150 */
	uint32_t heartbeat_interval_ms; /* default 30 */
	/* at most election_timeout_ms; 0 (the default): none (paxos/multipaxos.h, READS) */
	uint32_t read_lease_ms;
	uint64_t wal_segment_bytes; /* default 16 MiB */
	/*
	 * a batch is closed when it passes this. Default and most ENTRY_BYTES_SOFT_MAX; an entry
	 * must fit a segment: this and the longest command together are less than one
	 */
	uint64_t entry_bytes;
	/*
	 * a snapshot is taken when the log since the last one passes this and the size of the last
	 * snapshot. Default 64 MiB
	 */
	uint64_t snapshot_log_bytes;
	/*
	 * replicas take turns at snapshots whose last one had as much: smaller ones are over before
	 * a turn could be had. Default 1 MiB
	 */
	uint64_t snapshot_turn_bytes;
	/* of entries, in one message between replicas; 0 (the default), or more: 1 MiB */
	uint64_t message_bytes;
	/* applied, and answered to reads, in one turn. Default 1 MiB */
	uint64_t turn_bytes;
	/* how often states are compared (rsm/state_hash.h); 0 (the default): never */
	uint64_t state_hash_interval_ms;
	/*
	 * log and snapshot are read once more this often, to find damage; 0: never. Default a day …
	 */
	uint64_t scrub_interval_ms;
	uint64_t scrub_bytes_per_s; /* … and no faster than this. Default 8 MiB */
	/* chosen entries kept in memory for lagging peers. Default 4 MiB */
	uint64_t log_cache_bytes;
	struct group_settings group; /* what this replica would have the group apply entries by */
};
void rsm_settings_default(struct rsm_settings *settings);

struct rsm_options {
	struct node *node; /* the service node: env, log, metrics */
	struct app *app;
	const struct consensus_ops *consensus; /* which core decides (cores/cores.h) */
	uint64_t group;
	uint32_t replica;
	/*
	 * Of a group that begins: its members, at most REPLICAS_MAX. Later the list in its state
	 * counts (rsm/members.h), and these are hints: of a member that is here the address is
	 * taken from here. This replica is among them.
	 */
	uint32_t nmembers;
	struct rsm_member members[MEMBERS_MAX]; /* copied */
	/*
	 * 0: the configuration names these members. Otherwise the group has named them, in the
	 * entry of this slot: its own list may be older or newer, and give a name to another
	 * number.
	 */
	uint64_t members_slot;
	/*
	 * This replica has been added to a group that lives, as WELCOME told: as long as it has
	 * learnt no list it has no vote, whatever its log holds. `members` are those of the
	 * WELCOME.
	 */
	bool joining;
	/*
	 * Generations (rsm/force.h). That of the directory's list of members; and the one that its
	 * log is to begin now; 0: none.
	 */
	uint32_t generation, force;
	/*
	 * The shard masters keep the group's: a start waits for rsm_generation_named(), and FORCE
	 * has them record the next one, which rsm_generation_recorded() ends. NULL: the group
	 * cannot be forced, for the reason that no_force gives.
	 */
	void (*record_generation)(void *context, uint32_t generation);
	const char *no_force;
	struct rsm_settings settings;
	/*
	 * Called after entries were applied (once a turn at most), and when leadership is won
	 * (after the first entry of the own ballot is applied) or lost. May be NULL.
	 */
	void (*applied)(void *context);
	void (*leadership)(void *context, bool leader);
	/*
	 * At the end of a turn: the group's list is known (after the start), or another one; never
	 * before there is one. May be NULL.
	 */
	void (*members_changed)(void *context, const struct group_members *members);
	/*
	 * This replica has been removed from its group, says a member of the group as it is now:
	 * nothing of what it holds is needed any more. Once; the service is to end. May be NULL.
	 */
	void (*removed)(void *context);
	/*
	 * Of who gets its client ids elsewhere: a COMMAND from a client of which this leader does
	 * not know whether its id was ever handed out. It is the service's from here on: to be
	 * answered, or handed to rsm_message() again after rsm_clients(). NULL: the group's own
	 * REGISTER hands them out.
	 */
	void (*unregistered)(void *context, link_id from, const struct message *message,
			     uint64_t client);
	/*
	 * How far the log of a service has come that is kept in the same directory: it only rises.
	 * What is durable, or everything. So an older copy of the directory is recognised that
	 * lacks something of that log alone (rsm/starts.h). Asked from rsm_start() on. NULL: there
	 * is none.
	 */
	uint64_t (*beside)(void *context, bool durable);
	void *context;
};

/* The group's members by what is applied here; slot 0: there is no list yet. */
const struct group_members *rsm_members(const struct rsm *rsm);
/* The group's id; 0: it has none yet. */
uint64_t rsm_group_id(const struct rsm *rsm);

/* The generation that this replica goes by. */
uint32_t rsm_generation(const struct rsm *rsm);
/*
 * The shard masters, asked since this process began, say that this is the group's newest
 * generation, begun from the disk with that life (0: the group was never forced), and whether it
 * has told them its members since. An input: turn_end follows.
 */
void rsm_generation_named(struct rsm *rsm, uint32_t generation, uint64_t life, bool begun);
/* This start has not been named, and counts nowhere before it is: the masters are to be asked. */
bool rsm_awaits_generation(const struct rsm *rsm);
/*
 * The end of record_generation(): 0, or why it has not been recorded, as far as is known. An input:
 * turn_end follows.
 */
void rsm_generation_recorded(struct rsm *rsm, int status, struct slice why);

/* Allocates; registers metrics. */
struct rsm *rsm_create(const struct rsm_options *options);
/* Recovers from the disk (blocking) and starts timers. 0 or why it cannot run (logged). */
int rsm_start(struct rsm *rsm) MUST_CHECK;
/* True if the message was one of the rsm's and has been dealt with. */
bool rsm_message(struct rsm *rsm, link_id from, const struct message *message);
void rsm_link_down(struct rsm *rsm, link_id link);
void rsm_turn_end(struct rsm *rsm);
/*
 * The replica has lost its directory: it follows and catches up, and has no vote any more
 * (core/consensus.h, LEARNERS). Before rsm_start() or later. An input like the others: turn_end
 * follows.
 */
void rsm_stop_voting(struct rsm *rsm);
/*
 * This start has not been compared with what the group remembers of it, or is a stale copy's
 * (rsm/starts.h).
 */
bool rsm_is_doubted(const struct rsm *rsm);
/*
 * Orderly: hands leadership over if there is somebody to take it, lets the log finish, then calls
 * env stopped.
 */
void rsm_stop(struct rsm *rsm);
void rsm_destroy(struct rsm *rsm);

bool rsm_is_leader(const struct rsm *rsm); /* leads, and has applied an entry of its own ballot */
bool rsm_ready(const struct rsm *rsm);     /* caught up with a leader that it heard of lately */
uint64_t rsm_applied(const struct rsm *rsm);
/*
 * The log's disk is full: commands are refused with NO_SPACE until there is room again; reads go
 * on.
 */
bool rsm_disk_full(const struct rsm *rsm);
/*
 * Fills every field but name, role, version, config, keys and data_bytes; slices point into the
 * rsm.
 */
void rsm_status(const struct rsm *rsm, struct wire_status *out);
/* The client address of the presumed leader; "" if unknown. */
/*
 * Where clients find a member: by the configuration, or by the list if that has changed since
 * (known.c).
 */
const char *rsm_member_address(const struct rsm *rsm, const struct group_member *member);
const char *rsm_leader_address(const struct rsm *rsm);

/*
 * Proposes a command of the service's own (no session: apply must tolerate repetition). False if
 * this replica is not the leader or its queues or its disk are full. It takes part in the next
 * turn_end.
 */
bool rsm_propose(struct rsm *rsm, struct slice command);

/* Messages of other replicas that were refused as no replica can have sent them (rsm/judge.h). */
uint64_t rsm_refused(const struct rsm *rsm);
/*
 * Client ids up to this one have been handed out, says who does that. The leader tells its group.
 * False: it is not the leader, or its queues are full.
 */
bool rsm_clients(struct rsm *rsm, uint64_t highest);
/*
 * The highest id that this group's own REGISTER has handed out; known to be so if this replica
 * leads.
 */
uint64_t rsm_registered(const struct rsm *rsm);
/* Answers a request with an error. */
void rsm_reply_error(struct rsm *rsm, link_id link, const struct message *request, int status,
		     const char *why);

/*
 * For checkers: the core (NULL before start), and a hash of the whole replicated state after slot
 * rsm_applied().
 */
const struct consensus *rsm_core(const struct rsm *rsm);
uint64_t rsm_state_hash(const struct rsm *rsm);
/*
 * The newest time that this replica's state was found to differ from its group's, which is then
 * fetched anew.
 */
#define RSM_DIVERGED_PARTS 64u
struct rsm_divergence {
	uint64_t count;      /* of all times, in this life of the process */
	uint64_t slot;       /* of the mark at which states were compared */
	uint64_t own, right; /* hashes */
	uint32_t nparts;     /* that differ, as far as is known … */
	/* … the first of them: those of the app, then sessions, then the group */
	uint32_t parts[RSM_DIVERGED_PARTS];
};
/* NULL: it never was. */
const struct rsm_divergence *rsm_diverged(const struct rsm *rsm);
/* The newest slot at which the state was found to be that of the group; 0: none yet. */
uint64_t rsm_compared_slot(const struct rsm *rsm);
/* Comparisons by which replicas differ, and nobody is known to be right. */
uint64_t rsm_undecided(const struct rsm *rsm);
/* False while it is being fetched from a peer. */
bool rsm_has_state(const struct rsm *rsm);
/* It reads its files once more, again and again: what is damaged is replaced. */
bool rsm_scrubs(const struct rsm *rsm);
/* Snapshots of peers that have replaced the state. */
uint64_t rsm_snapshots_installed(const struct rsm *rsm);
uint64_t rsm_lived_us(const struct rsm *rsm); /* by the newest applied entry */
/* by which the next entry is applied */
const struct group_settings *rsm_settings_in_force(const struct rsm *rsm);

/* Answers a request with NOT_LEADER and the hint. */
void rsm_reply_not_leader(struct rsm *rsm, link_id link, const struct message *request);

/* What the directory holds at this moment, at most: for whoever copies it (rsm/starts.h). */
struct rsm_moment {
	uint64_t life, root, count, promised, last, beside;
};
void rsm_moment(const struct rsm *rsm, struct rsm_moment *out);
/*
 * This replica remembers, whatever becomes of its process, that this one has had more than that: a
 * copy from then is recognised.
 */
bool rsm_remembers_more(const struct rsm *rsm, uint32_t replica, const struct rsm_moment *moment);

#endif
