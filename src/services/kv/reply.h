/*
 * The form in which a reply is kept for a client that repeats its command (rsm/sessions.h).
 *
 * A reply may hold the value of a key, up to a megabyte that the client did not send (APPEND, GET
 * and CAS in a transaction); kept for thousands of commands these would be most of the memory. So
 * values are left out, and their lengths kept with version and modification. When the command is
 * repeated, a value is put back if the key still has the modification that the reply tells;
 * otherwise it stays out (KvResult.omitted): that the command was applied is still known, and
 * nothing is made up.
 */
#ifndef SYNOD_KV_REPLY_H
#define SYNOD_KV_REPLY_H

#include <stdbool.h>

#include "base/arena.h"
#include "store/store.h"

/*
 * Appends the short form of a KvReply to `out`; false, and nothing, if there is no value worth
 * leaving out.
 */
bool kv_reply_shorten(struct slice reply, struct arena *arena, struct buffer *out);
/*
 * Appends the reply to a repeated command to `out`: `kept`, with those values that are still there.
 * `get`: the record of a key, false if there is none. False, and nothing, if `kept` is whole as it
 * is.
 */
bool kv_reply_complete(struct slice kept, struct slice command, struct arena *arena,
		       bool (*get)(void *context, struct slice key, struct store_record *record),
		       void *context, struct buffer *out);

#endif
