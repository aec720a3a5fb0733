/*
 * Messages between primary and backup: pb.proto as plain structs. The rules of wire/wire.h hold.
 */
#ifndef SYNOD_WIRE_WIRE_PB_H
#define SYNOD_WIRE_WIRE_PB_H

#include "wire/pb.gen.h"
#include "wire/wire.h"

enum wire_pb_flag {
	WIRE_PB_RESET = 1,    /* the receiver's state becomes empty: a state transfer begins */
	WIRE_PB_TRANSFER = 2, /* a frame of the state transfer; the state is not complete */
	WIRE_PB_COMPLETE = 4, /* after this frame it is */
};
#define WIRE_PB_FLAGS 7u /* all */

#endif
