/*
 * Which disk counts as which member of the group: the entries that say so (paxos/members.h), and when a leader proposes one.
 *
 *   ENTRY_MEMBERS, alone in an entry of format ENTRY_FORMAT_MEMBERS:   u64 base   bindings
 *   bindings        for each member, ascending   u32 number   u32 binding   u64 life
 *   group field 32  u64 slot of the newest entry that counted   bindings; left out before the first
 *   WAL_SNAPSHOT    after its position, the same as the field: of the prefix that the snapshot covers; u64 0: not known, for that
 *                   snapshot was damaged before it was noted
 *
 * The core goes by the chosen prefix; struct group_fields by the applied one, for snapshots. Both follow the same rule: an entry
 * whose base is not the slot of the newest that counted counts for nothing.
 *
 * THE FIRST is proposed by a leader that has heard the lives of all members. Who has lost its directory before
 * (node/identity.h, `lost`) is bound as what it is now when it has caught up, and votes again.
 *
 * A NEW LIFE is bound when it has had everything that was chosen a heartbeat before, MEMBERS_STEADY times in a row, and the one
 * that is bound has not been heard for MEMBERS_SILENCE_MS and four election time-outs: two machines that both believe to be the
 * member must not take turns.
 */
#ifndef SYNOD_RSM_MEMBERS_H
#define SYNOD_RSM_MEMBERS_H

#include "base/bytes.h"
#include "base/status.h"
#include "paxos/members.h"

#define MEMBERS_STEADY 10u
#define MEMBERS_SILENCE_MS 1000u
/* So often a group that waits for members to begin says so. */
#define MEMBERS_BIRTH_PATIENCE_MS 5000u

/* Bindings, without slot and base. */
void members_encode(const struct paxos_members *members, struct buffer *out);
int members_decode(struct paxos_members *members, struct slice in) MUST_CHECK;
/* With the base in front. */
void members_encode_body(const struct paxos_members *members, struct buffer *out);
int members_decode_body(struct paxos_members *members, struct slice in) MUST_CHECK;
/* With the slot in front. Nothing if there are none. */
void members_encode_field(const struct paxos_members *members, struct buffer *out);
int members_decode_field(struct paxos_members *members, struct slice in) MUST_CHECK;
/* For paxos_options.members_of. */
bool members_of_value(struct slice value, struct paxos_members *out);

#endif
