/*
 * Log entries: the value of one slot is a batch of commands, encoded once by the leader and shared by log, peers and apply.
 *
 *   an empty value is a no-op; otherwise, little-endian:
 *   u8 format (2)   u8 0   u16 0   u32 number of commands, 1 … ENTRY_COMMANDS_MAX
 *   u64 time_us     the leader's wall clock; never less than an earlier slot's
 *   u64 origin      the ballot in which it was first proposed
 *   then for each command:
 *     u32 length of body   u32 kind   u64 client   u64 sequence   u64 acknowledged   body
 *
 * The origin makes an entry one leader's own: two leaders may be asked for the same (a client id each, say) in the same
 * microsecond, and propose it for the same slot. Only one of them has its entry chosen, and must know which.
 *
 * kind ENTRY_APP: body goes to the app. ENTRY_REGISTER: hands out a client id; empty body.
 * ENTRY_IDENTITY: the id and the members of the group (rsm/group_identity.h); the first that is chosen counts.
 * (Kinds for membership changes will follow; an unknown kind or format stops the replica: it is older than its group.)
 */
#ifndef SYNOD_RSM_ENTRY_H
#define SYNOD_RSM_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

#define ENTRY_FORMAT 2u
#define ENTRY_HEADER_BYTES 24u
#define ENTRY_COMMAND_BYTES 32u

enum entry_kind { ENTRY_APP = 0, ENTRY_REGISTER = 1, ENTRY_IDENTITY = 3, ENTRY_KIND_LAST = ENTRY_IDENTITY };

struct entry_command {
	enum entry_kind kind;
	uint64_t client, sequence, acknowledged;
	struct slice body;
};

/* Building: begin, add …, finish. The buffer holds the entry. */
void entry_begin(struct buffer *b);
void entry_add(struct buffer *b, const struct entry_command *command);
void entry_finish(struct buffer *b, uint32_t count, uint64_t time_us, uint64_t origin);

/* Reading: 0 or STATUS_CORRUPT (which in a chosen entry is a bug or a newer version's format). */
struct entry_reader {
	struct slice rest;
	uint32_t format, left;
	uint64_t time_us, origin;
};
int entry_read(struct entry_reader *r, struct slice value) MUST_CHECK;
/* 1: *out is the next command; 0: no more; STATUS_CORRUPT. */
int entry_next(struct entry_reader *r, struct entry_command *out) MUST_CHECK;
/* Whether entry_next() will come to the end of what is left. */
bool entry_is_whole(const struct entry_reader *r);

#endif
