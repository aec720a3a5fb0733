/*
 * What primary and backup keep: keys, sessions, and the counters that go with them. A function of
 * the commands that were applied, in their order: both apply the same ones and compare digests.
 *
 * Commands are KvCommands with exactly one operation (kv/operation.h). A key's version counts its
 * writes since it was created; its modification is the store's write counter, which never repeats.
 *
 * State transfer. The primary sends its records in key order and its changes of what it has already
 * sent, in one stream; so the receiver holds, after every frame, exactly the primary's records up
 * to the cursor. The session table follows at the end. A piece is a sequence of
 *
 *   u8 1 | u32 key length | u32 value length | u64 version | u64 modification | key | value
 *                                    the record is this
 *   u8 2 | u32 key length | key      there is no such record
 */
#ifndef SYNOD_PB_STATE_H
#define SYNOD_PB_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "rsm/entry.h"
#include "rsm/sessions.h"
#include "store/store.h"
#include "wire/wire.h"

struct pb_state {
	struct store *store; /* one space */
	struct sessions sessions;
	uint64_t counter;  /* writes ever: the newest modification */
	uint64_t time_us;  /* of the newest batch: lived time (rsm/entry.h) */
	uint64_t digest;   /* sum of the records' digests */
	uint64_t commands; /* applied; not part of what is compared */
};

#define PB_STATE_SPACE 0u /* of the store */

void pb_state_init(struct pb_state *s, uint32_t sessions_max, uint64_t session_idle_us);
void pb_state_free(struct pb_state *s);
/* Back to empty. */
void pb_state_clear(struct pb_state *s);
uint64_t pb_state_keys(const struct pb_state *s);
uint64_t pb_state_bytes(const struct pb_state *s);

/*
 * Decodes a command's body and judges what can be judged without the state: 0 and its one
 * operation, or a refusal with an encoded Error in `error`.
 */
int pb_command_decode(struct slice body, uint32_t key_bytes_max, uint32_t value_bytes_max,
		      struct arena *arena, struct wire_kv_op *op, struct buffer *error) MUST_CHECK;

/* A batch begins, at this time (never less than an earlier one's). */
void pb_state_batch(struct pb_state *s, uint64_t time_us);

struct pb_applied {
	int status;        /* of the reply */
	bool wrote;        /* the key's record has changed */
	uint64_t repeated; /* 1 if it was a repetition, answered from its session */
};
/*
 * Applies a command of the present batch: sessions first, then the operation. Appends the reply (or
 * an encoded Error) to `reply`.
 */
struct pb_applied pb_state_apply(struct pb_state *s, const struct entry_command *command,
				 const struct wire_kv_op *op, uint32_t value_bytes_max,
				 struct arena *arena, struct buffer *reply);
/* Reads keys; appends a KvQueryReply or an encoded Error. The reply's status. */
int pb_state_query(struct pb_state *s, struct slice query, struct arena *arena,
		   struct buffer *reply);

/* The record of a key, which points into the store; false: there is none. */
static inline bool pb_state_get(const struct pb_state *s, struct slice key,
				struct store_record *out)
{
	return s->store->ops->get(s->store, PB_STATE_SPACE, key, out);
}

/* Appends the record of a key, or that there is none. */
void pb_state_put_record(const struct pb_state *s, struct slice key, struct buffer *out);
/*
 * Appends records behind *cursor (the last key sent; from the beginning unless `begun`) until about
 * `bytes` are full, and moves the cursor. True if there are more.
 */
bool pb_state_put_records(const struct pb_state *s, struct buffer *cursor, bool begun, size_t bytes,
			  struct buffer *out);
/* Takes a piece: 0 or STATUS_CORRUPT. */
/* Without taking them: 0, or STATUS_CORRUPT if no primary can have them. */
int pb_state_check_records(struct slice in) MUST_CHECK;
int pb_state_take_records(struct pb_state *s, struct slice in) MUST_CHECK;

/* Everything that primary and backup must have in common; O(sessions). */
uint64_t pb_state_hash(const struct pb_state *s);

#endif
