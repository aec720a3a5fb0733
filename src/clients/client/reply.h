/*
 * struct synod_reply: from the wire, and copied for those who keep it.
 *
 * A decoded reply lives in the arena, and in the payload; every string in it is followed by a zero
 * byte.
 */
#ifndef SYNOD_CLIENT_REPLY_H
#define SYNOD_CLIENT_REPLY_H

#include "base/arena.h"
#include "base/status.h"
#include "synod.h"

/* The bytes with a zero behind them, in the arena; STATUS_TOO_LARGE above its ceiling. */
int client_bytes_decode(struct synod_bytes *out, struct slice in, struct arena *arena) MUST_CHECK;

/* 0 (*out is filled, its status too), STATUS_BAD_REQUEST or STATUS_TOO_LARGE. */
/* Of a single operation, and of a transaction. */
int client_reply_decode_command(struct synod_reply *out, struct slice payload,
				struct arena *arena) MUST_CHECK;
int client_reply_decode_txn(struct synod_reply *out, struct slice payload,
			    struct arena *arena) MUST_CHECK;
int client_reply_decode_read(struct synod_reply *out, struct slice payload,
			     struct arena *arena) MUST_CHECK;
int client_reply_decode_master(struct synod_reply *out, struct slice payload,
			       struct arena *arena) MUST_CHECK;
/* version: the slot; modification: the member's number. */
int client_reply_decode_change(struct synod_reply *out, struct slice payload,
			       struct arena *arena) MUST_CHECK;
int client_reply_decode_log_write(struct synod_reply *out, struct slice payload,
				  struct arena *arena) MUST_CHECK;
int client_reply_decode_log_read(struct synod_reply *out, struct slice payload,
				 struct arena *arena) MUST_CHECK;
/*
 * Fills in the message of an encoded Error, or the status's text where there is none. Returns the
 * Error's configuration number.
 */
uint64_t client_reply_decode_error(struct synod_reply *out, int status, struct slice payload,
				   struct arena *arena);

/* A copy in one block, freed with free(); NULL without memory. */
struct synod_reply *client_reply_copy(const struct synod_reply *reply);

#endif
