/*
 * Messages between primary and backup: pb.proto as plain structs. The rules of wire/wire.h hold;
 * byte strings point into the input.
 */
#ifndef SYNOD_WIRE_WIRE_PB_H
#define SYNOD_WIRE_WIRE_PB_H

#include "wire/wire.h"

enum wire_pb_flag {
	WIRE_PB_RESET = 1,    /* the receiver's state becomes empty: a state transfer begins */
	WIRE_PB_TRANSFER = 2, /* a frame of the state transfer; the state is not complete */
	WIRE_PB_COMPLETE = 4, /* after this frame it is */
};
struct wire_pb_forward {
	uint64_t view, frame;
	/* decode refuses unknown ones: a frame must not be taken by who does not understand it */
	uint32_t flags;
	uint32_t value_bytes_max;
	struct slice batch, records, sessions;
	uint64_t counter, time_us, digest, commands;
	/* decode refuses limits that nobody can have */
	uint64_t sessions_max, session_idle_us, registered;
};
int wire_pb_forward_decode(struct slice in, struct arena *arena,
			   struct wire_pb_forward *out) MUST_CHECK;
void wire_pb_forward_encode(const struct wire_pb_forward *in, struct buffer *out);

struct wire_pb_forward_reply {
	uint64_t view, received;
	bool backup;
};
int wire_pb_forward_reply_decode(struct slice in, struct arena *arena,
				 struct wire_pb_forward_reply *out) MUST_CHECK;
void wire_pb_forward_reply_encode(const struct wire_pb_forward_reply *in, struct buffer *out);

#endif
