/*
 * Which group this is: a random id, drawn by the group's first leader, and the members of then. A
 * part of the group's state (rsm/group_fields.h).
 *
 *   ENTRY_IDENTITY   u64 id   members
 *   members          for each, ascending   u32 number   u16 length, name   u16 length, address
 *
 * The first such entry that is chosen counts; later ones (two leaders may have proposed one each)
 * change nothing. It is proposed as the first entry of a new group, or when a leader serves whose
 * group, of an older version, has none. A replica whose configuration names other members stops
 * (STATUS_IDENTITY). Addresses are those of then: a hint.
 */
#ifndef SYNOD_RSM_GROUP_IDENTITY_H
#define SYNOD_RSM_GROUP_IDENTITY_H

#include "base/bytes.h"
#include "base/status.h"
#include "node/identity.h"

void group_members_encode(const struct identity_members *members, struct buffer *out);
/* STATUS_CORRUPT: not what group_members_encode() has written. */
int group_members_decode(struct identity_members *members, struct slice in) MUST_CHECK;
void group_identity_encode(uint64_t id, const struct identity_members *members, struct buffer *out);
int group_identity_decode(uint64_t *id, struct identity_members *members,
			  struct slice in) MUST_CHECK;

#endif
