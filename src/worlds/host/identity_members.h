/*
 * A list of members that another node has told, as the file identity has it.
 */
#ifndef SYNOD_HOST_IDENTITY_MEMBERS_H
#define SYNOD_HOST_IDENTITY_MEMBERS_H

#include "node/identity.h"
#include "wire/wire.h"

void identity_members_of_wire(const struct wire_members *from, struct identity_members *out);

#endif
