/*
 * Who belongs to the group, and which disk counts as whom: the entries that say so
 * (paxos/members.h), and when a leader proposes one.
 *
 *   ENTRY_MEMBERS, alone in an entry of format ENTRY_FORMAT_MEMBERS:   u64 base   list
 *   list            u32 0   u32 generation, if that is not 0 (highest bit: this entry begins it)
 *                   u32 next number, then for each member, ascending
 *                   u32 number   u32 binding   u64 life (0: not met yet)
 *                   u8 role (1 voter, 2 learner)   u32 in place of (0: nobody)
 *                   u8 length, name   u8 length, address
 *   group field 32  u64 slot of the newest entry that counted   list; left out before the first
 *   WAL_SNAPSHOT    after its position, the same as the field: of the prefix that the snapshot
 *                   covers; u64 0: not known, for that snapshot was damaged before it was noted
 *
 * The core goes by the chosen prefix; struct group_fields by the applied one, for snapshots. Both
 * follow the same rule: an entry whose base is not the slot of the newest that counted counts for
 * nothing.
 *
 * THE FIRST is proposed by a leader that has heard the lives of all members: those that the
 * configuration names. Who has lost its directory before (node/identity.h, `lost`) is bound as what
 * it is now when it has caught up, and votes again.
 *
 * A NEW LIFE of a voter is bound when it has had everything that was chosen a heartbeat before,
 * MEMBERS_STEADY times in a row, and the one that is bound has not been heard for
 * MEMBERS_SILENCE_MS and four election time-outs: two machines that both believe to be the member
 * must not take turns.
 *
 * ADDRESSES are hints. Where the leader has found a member (node.h, found_at) it notes in the list,
 * so that clients, the shard masters and those who come later find it there, whoever was told by
 * hand that it has moved.
 *
 * A NEW MEMBER is a learner, with the next number and no life. To its address the leader sends
 * WELCOME until it is heard. When the life that speaks under its number has been steady as above it
 * is bound and becomes a voter in one entry, in which the member goes whose place it takes, if any.
 * CHANGE_MEMBERS asks for such changes; what is refused stands in members_change.c.
 */
#ifndef SYNOD_RSM_MEMBERS_H
#define SYNOD_RSM_MEMBERS_H

#include "base/bytes.h"
#include "base/status.h"
#include "core/members.h"

struct group_member {
	uint32_t number, binding;
	uint64_t life; /* of a learner 0: it has not been met yet */
	enum member_role role;
	/* of a learner: the member that goes when it becomes a voter; 0: nobody */
	uint32_t in_place_of;
	char name[NAME_BYTES_MAX + 1];
	char address[ADDRESS_BYTES_MAX + 1];
};
struct group_members {
	uint64_t slot;       /* of the entry; 0: none yet */
	uint64_t base;       /* of the entry that it changes */
	uint32_t generation; /* how often the group has been forced (rsm/force.h) … */
	/* … and this entry is the one that has done it; of what is in force: false */
	bool begins;
	uint32_t next_number;
	uint32_t count; /* ascending by number */
	struct group_member list[MEMBERS_MAX];
};

#define MEMBERS_STEADY 10u
#define MEMBERS_SILENCE_MS 1000u
/* So often one who has been added is told that it has, until it is heard. */
#define MEMBERS_WELCOME_MS 200u
/* So often a group that waits for members to begin says so. */
#define MEMBERS_BIRTH_PATIENCE_MS 5000u

/* NULL: there is none. */
const struct group_member *members_find(const struct group_members *members, uint32_t number);
const struct group_member *members_find_name(const struct group_members *members,
					     struct slice name);
uint32_t members_voters(const struct group_members *members);
/* What the core sees of them. */
struct consensus_members members_core(const struct group_members *members);
/* The list, with the base in front. */
void members_encode_body(const struct group_members *members, struct buffer *out);
/* STATUS_CORRUPT: nobody can have written it. */
int members_decode_body(struct group_members *members, struct slice in) MUST_CHECK;
/* With the slot in front. Nothing if there are none. */
void members_encode_field(const struct group_members *members, struct buffer *out);
int members_decode_field(struct group_members *members, struct slice in) MUST_CHECK;
bool members_list_of_value(struct slice value, struct group_members *out);
/* For consensus_options.members_of. */
bool members_of_value(struct slice value, struct consensus_members *out);

#endif
