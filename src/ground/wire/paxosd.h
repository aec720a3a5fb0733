/*
 * The messages of paxosd: paxosd.proto as plain structs. The rules of wire/wire.h hold.
 */
#ifndef SYNOD_WIRE_PAXOSD_H
#define SYNOD_WIRE_PAXOSD_H

#include "wire/paxosd.gen.h"

#define WIRE_LOG_VALUES_MAX 1024u /* of one command, and of one page of entries */

#endif
