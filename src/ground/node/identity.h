/*
 * Whose data directory is this? The file "identity", over struct disk, so that daemons and the
 * simulator judge by the same code.
 *
 *   synod-identity 4                       5, if one of the lines superseded, generation is there
 *   cluster = demo
 *   node = g1a
 *   role = shardkv
 *   group = 1
 *   replica = 1
 *   shards = 256
 *   cluster_id = 0c5d1e2f3a4b5968          of the cluster: the id of the shard masters' group; 0…0:
 *                                          not known yet
 *   group_id = 91b2c3d4e5f60718            of the group that this replica belongs to; 0…0: not
 *                                          known yet
 *   life = 4be1f07d9c32a685                random, of this directory: another one in its place has
 *                                          another
 *   log = yes                              the node has been started, so there must be a log
 *   lost = yes                             only if so: the directory replaces one that was lost …
 *   added = yes                            … or is that of a node that was added to a group that
 *                                          lived: it has no vote until its group has bound its life
 *                                          (paxos/members.h)
 *   removed = yes                          only if so: the group has removed this node, which does
 *                                          not run any more
 *   superseded = 1                         only if so: the group has been made to go on without
 *                                          this node, which does not run any more, as this
 *                                          generation (rsm/force.h)
 *   generation = 1                         of the list of members; left out while it is 0
 *   slot = 1042                            of the entry by which the group says who its members
 *                                          are; 0: it has not said it yet, and they are those that
 *                                          the configuration named when it began
 *   member = 1 g1a 127.0.0.1:7011 voter 4be1f07d9c32a685
 *   member = 2 g1b 127.0.0.1:7012 voter 0000000000000000 seen
 *                                          all members of the group, with the lives that count
 *                                          (0…0: not known); seen: was heard to know the group's id
 *   checksum = 9ae0daaf                    crc32c of everything before this line
 *
 * Written before anything else, as identity-new, synced, renamed, directory synced. Version 1 has
 * the lines up to `shards` and no checksum, version 2 no line `life`, version 3 neither `slot` nor
 * what stands behind an address but `seen`. They are read, and rewritten as version 4: the first
 * with the members that the configuration names, the first two with a life that is drawn then. An
 * older program refuses the version.
 *
 * WHO THE MEMBERS ARE. A configuration says so once: until there is a log. From then on the list in
 * this file rules, which follows what the group says (rsm/members.h), and the configuration is
 * compared with it:
 *
 *   a member that the configuration does not have at all, gives another role or group, or (`replica
 *        = N`) another number: refused, by name. What it does not have may have been removed
 *        meanwhile: whoever can ask the group does so first (`ask_first`)
 *   a node of the configuration that is no member: none of this file's business (host/members.c
 *   warns) addresses: none of it either; the list's are those where members were found last
 *   (host/peers.c)
 *
 * A replica that starts with another's directory, or with an empty directory in place of its own,
 * would deny promises that it has made. So whatever differs is refused, by name; an empty directory
 * is not judged here (daemon/lobby.h).
 *
 * Ids are random and never 0 (base/id.h).
 */
#ifndef SYNOD_NODE_IDENTITY_H
#define SYNOD_NODE_IDENTITY_H

#include <stddef.h>

#include "base/limits.h"
#include "node/disk.h"

#define IDENTITY_FILE "identity"
#define IDENTITY_FILE_NEW "identity-new"
#define IDENTITY_BYTES_MAX 8192u
#define IDENTITY_ROLE_BYTES_MAX 15u
#define IDENTITY_MEMBERS_TEXT_BYTES 1100u /* of a list as text */

struct identity_member {
	uint32_t replica;
	bool learner;
	bool seen;     /* it was heard to know the group's id: it has taken part */
	uint64_t life; /* of the directory that counts; 0: not known */
	char name[NAME_BYTES_MAX + 1];
	char address[ADDRESS_BYTES_MAX + 1];
};

/* In ascending order of the replicas' numbers. Empty for a node that is no replica. */
struct identity_members {
	uint64_t slot; /* of the entry that says so; 0: the configuration, when the group began */
	/* of the group (rsm/force.h): a list of a later one is newer, whatever its slot */
	uint32_t generation;
	uint32_t count;
	struct identity_member list[MEMBERS_MAX];
};

struct identity {
	char cluster[NAME_BYTES_MAX + 1], node[NAME_BYTES_MAX + 1],
		role[IDENTITY_ROLE_BYTES_MAX + 1];
	uint64_t group;
	uint32_t replica, shards;
	uint64_t cluster_id, group_id;
	uint64_t life; /* before a claim: what a directory without one gets */
	bool log;      /* a log has been made here */
	/*
	 * peers remember another directory, or have none: this one has no vote before its life is
	 * bound
	 */
	bool lost;
	bool added; /* the same, for a node that was added to its group */
	bool removed;
	/* by that generation of the group, in which this node is no member; 0: it is not */
	uint32_t superseded;
	struct identity_members members;
};

/*
 * Puts it in its place. MEMBERS_MAX members fit; the texts have been checked to be no longer than
 * their limits.
 */
void identity_add_member(struct identity_members *members, uint32_t replica, const char *name,
			 const char *address);
/* The same numbers and names; addresses, lives and roles may differ. */
bool identity_members_equal(const struct identity_members *a, const struct identity_members *b);
struct identity_member *identity_find_member(struct identity_members *members, const char *name);
/* "1 g1a, 2 g1b, 3 g1c" */
const char *identity_members_text(const struct identity_members *members,
				  char text[IDENTITY_MEMBERS_TEXT_BYTES]);
/* Of two lists of one group. */
static inline bool identity_members_newer(const struct identity_members *a, uint32_t generation,
					  uint64_t slot)
{
	return a->generation != generation ? a->generation > generation : a->slot > slot;
}
/* It must not vote before its life is bound. */
static inline bool identity_lacks_vote(const struct identity *identity)
{
	return identity->lost || identity->added;
}
/* "masters", "1": what kvctl calls the group. */
#define IDENTITY_GROUP_TEXT_BYTES 24u
const char *identity_group_text(const char *role, uint64_t group,
				char text[IDENTITY_GROUP_TEXT_BYTES]);
/*
 * The group says that these are its members: what is known of them besides (seen) is kept. True:
 * the file must be written. An older list than the present one (by generation, then by slot)
 * changes nothing. A list without this node means that it has been removed: that is whoever asks
 * for this to find out (identity_find_member).
 */
bool identity_follow(struct identity *identity, const struct identity_members *members);

/* A node of the configuration, as far as it matters here. */
struct identity_listed {
	const char *name, *role;
	uint64_t group;
	uint32_t replica; /* if it is written down; 0: the position counts, when the group begins */
	const char *address;
};

/* What a claim is judged by, besides the directory. */
struct identity_claim {
	const char *directory; /* for messages */
	const char *file;      /* the configuration, for messages */
	/* of the cluster, as the configuration has it; 0: it says nothing */
	uint64_t configured_id;
	uint32_t nlisted; /* 0: it lists the members of *own, with their numbers */
	const struct identity_listed *listed;
	/*
	 * The node will ask the group whether members that the configuration does not have are
	 * members still: that alone is no reason to refuse. `lacks` says then that it is so, and
	 * `error` what is to be said if they are.
	 */
	bool ask_first;
	bool lacks;
};

/*
 * Blocking. Reads the directory's identity and compares it with *own, the node as it is configured;
 * completes *own by what the directory knows better (ids, life, log, lost, added; also number and
 * members, if it has been a member's). Writes the file if it is new, of an older version, or if
 * what it says of members follows the configuration. 0; STATUS_IDENTITY, STATUS_CORRUPT, or what
 * the disk says: then `error` is one line that says what differs and what to do. *created: there
 * was none, the directory is new.
 */
int identity_claim(struct disk *disk, struct identity_claim *claim, struct identity *own,
		   bool *created, char *error, size_t error_size) MUST_CHECK;
/*
 * Blocking. Are all logs there that a node of this role keeps? (A primary/backup server keeps none:
 * false.)
 */
int identity_has_log(struct disk *disk, const struct identity *identity, bool *has_log) MUST_CHECK;
/* Blocking: for the start. */
int identity_write_now(struct disk *disk, const struct identity *identity) MUST_CHECK;
/* The file's text, for whoever writes it otherwise. */
void identity_format(const struct identity *identity, struct buffer *out);
/* STATUS_CORRUPT: not the text of an identity; *version is 0 then if not even that can be told. */
int identity_parse(const char *text, struct identity *out, uint32_t *version) MUST_CHECK;

#endif
