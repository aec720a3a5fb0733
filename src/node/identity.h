/*
 * Whose data directory is this? The file "identity", over struct disk, so that daemons and the simulator judge by
 * the same code.
 *
 *   synod-identity 3
 *   cluster = demo
 *   node = g1a
 *   role = shardkv
 *   group = 1
 *   replica = 1
 *   shards = 256
 *   cluster_id = 0c5d1e2f3a4b5968          of the cluster: the id of the shard masters' group; 0…0: not known yet
 *   group_id = 91b2c3d4e5f60718            of the group that this replica belongs to; 0…0: not known yet
 *   life = 4be1f07d9c32a685                random, of this directory: another one in its place has another
 *   log = yes                              the node has been started, so there must be a log
 *   lost = yes                             only if so: the directory replaces one that was lost; the node has no
 *                                          vote until its group has bound its life (paxos/members.h)
 *   member = 1 g1a 127.0.0.1:7011          all members of the group; the address is a hint (networks move)
 *   member = 2 g1b 127.0.0.1:7012 seen     and was heard to know the group's id
 *   checksum = 9ae0daaf                    crc32c of everything before this line
 *
 * Written before anything else, as identity-new, synced, renamed, directory synced. What it says can only be added
 * to (an id that was not known, a member that was seen, another address). Version 1 has the lines up to `shards`
 * and no checksum, version 2 no line `life`; they are read and rewritten as version 3, the first with the members that
 * the configuration names, both with a life that is drawn then. An older program refuses the version.
 *
 * A replica that starts with another's directory, with another list of members, or with an empty directory in
 * place of its own would deny promises that it has made, or count votes that are none. So whatever differs is
 * refused, by name.
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
#define IDENTITY_BYTES_MAX 4096u
#define IDENTITY_ROLE_BYTES_MAX 15u
#define IDENTITY_MEMBERS_TEXT_BYTES 640u /* of a list as text */

struct identity_member {
	uint32_t replica;
	bool seen; /* it was heard to know the group's id: it has taken part */
	char name[NAME_BYTES_MAX + 1];
	char address[ADDRESS_BYTES_MAX + 1];
};

/* In ascending order of the replicas' numbers. Empty for a node that is no replica. */
struct identity_members {
	uint32_t count;
	struct identity_member list[REPLICAS_MAX];
};

struct identity {
	char cluster[NAME_BYTES_MAX + 1], node[NAME_BYTES_MAX + 1], role[IDENTITY_ROLE_BYTES_MAX + 1];
	uint64_t group;
	uint32_t replica, shards;
	uint64_t cluster_id, group_id;
	uint64_t life; /* before a claim: what a directory without one gets */
	bool log; /* a log has been made here */
	bool lost; /* peers remember another directory: this one has no vote before its life is bound */
	struct identity_members members;
};

/*
 * Puts it in its place. REPLICAS_MAX members fit; the texts have been checked to be no longer than their limits.
 */
void identity_add_member(struct identity_members *members, uint32_t replica, const char *name,
			 const char *address);
/* The same numbers and names; addresses may differ. */
bool identity_members_equal(const struct identity_members *a, const struct identity_members *b);
struct identity_member *identity_find_member(struct identity_members *members, const char *name);
/* "1 g1a, 2 g1b, 3 g1c" */
const char *identity_members_text(const struct identity_members *members, char text[IDENTITY_MEMBERS_TEXT_BYTES]);

/* What a claim is judged by, besides the directory. */
struct identity_claim {
	const char *directory;  /* for messages */
	const char *file;       /* the configuration, for messages */
	uint64_t configured_id; /* of the cluster, as the configuration has it; 0: it says nothing */
};

/*
 * Blocking. Reads the directory's identity and compares it with *own, the node as it is configured; completes *own
 * by what only the directory knows (ids, log, lost, seen). Writes the file if it is new, of version 1, or if addresses
 * have changed. 0; STATUS_IDENTITY, STATUS_CORRUPT, or what the disk says: then `error` is one line that says what
 * differs and what to do. *created: there was none, the directory is new.
 */
int identity_claim(struct disk *disk, const struct identity_claim *claim, struct identity *own, bool *created,
		   char *error, size_t error_size) MUST_CHECK;
/* Blocking. Are all logs there that a node of this role keeps? (A primary/backup server keeps none: false.) */
int identity_has_log(struct disk *disk, const struct identity *identity, bool *has_log) MUST_CHECK;
/* Blocking: for the start. */
int identity_write_now(struct disk *disk, const struct identity *identity) MUST_CHECK;
/* The file's text, for whoever writes it otherwise. */
void identity_format(const struct identity *identity, struct buffer *out);
/* STATUS_CORRUPT: not the text of an identity; *version is 0 then if not even that can be told. */
int identity_parse(const char *text, struct identity *out, uint32_t *version) MUST_CHECK;

#endif
