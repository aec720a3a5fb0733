/*
 * Log entries: the value of one slot is a batch of commands, encoded once by the leader and shared
 * by log, peers and apply.
 *
 *   an empty value is a no-op; otherwise, little-endian:
 *   u32 format (3)   u32 number of commands, 1 … ENTRY_COMMANDS_MAX
 *   u64 time_us     the leader's wall clock, for people: clocks may be set, so nothing is decided
 *                   by it
 *   u64 origin      the ballot in which it was first proposed
 *   u64 lived_us    how long leaders of the group have lived, all together (below); never less than
 *                   an earlier slot's
 *   then for each command:
 *     u32 length of body   u32 kind   u64 client   u64 sequence   u64 acknowledged   body
 *
 * The origin makes an entry one leader's own: two leaders may be asked for the same (a client id
 * each, say) in the same microsecond, and propose it for the same slot. Only one of them has its
 * entry chosen, and must know which.
 *
 * Lived time is what sessions expire by. A leader begins with that of the newest entry it has
 * applied and adds what passes on its monotonic clock from turn to turn, each step at most an
 * election timeout: so neither a clock that is set, nor a process that stood still, nor a time
 * without any leader makes a session old.
 *
 * Kinds. ENTRY_APP: body goes to the app. ENTRY_REGISTER: hands out a client id; empty body.
 * ENTRY_SETTINGS: the settings by which the entries that follow are applied; body:
 * rsm/group_fields.h, settings. ENTRY_IDENTITY: the id and the members of the group
 * (rsm/group_identity.h); the first that is chosen counts. ENTRY_CLIENTS: another service has
 * handed out client ids up to this one; body: u64. ENTRY_HASH: hashes of the state
 * (rsm/hash_entry.h). An unknown kind or format is a newer program's (STATUS_NEWER), and stops the
 * replica.
 *
 * Format 4 is format 3 with one command, ENTRY_MEMBERS (rsm/members.h), and nothing else has that
 * kind: the consensus core knows such an entry by its first four bytes.
 *
 * Format 2, of the first version: no lived_us (24 bytes of header), kinds ENTRY_APP and
 * ENTRY_REGISTER, and sessions expire by time_us, which never decreases. It is read, and applied by
 * these rules.
 */
#ifndef SYNOD_RSM_ENTRY_H
#define SYNOD_RSM_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

#define ENTRY_FORMAT 3u
#define ENTRY_FORMAT_MEMBERS 4u
#define ENTRY_HEADER_BYTES 32u
#define ENTRY_COMMAND_BYTES 32u
/* No service hands out so many ids. */
#define ENTRY_CLIENT_MAX (UINT64_C(1) << 62)

enum entry_kind {
	ENTRY_APP = 0,
	ENTRY_REGISTER = 1,
	ENTRY_SETTINGS = 2,
	ENTRY_IDENTITY = 3,
	ENTRY_CLIENTS = 4,
	ENTRY_MEMBERS = 5,
	ENTRY_HASH = 6,
};

struct entry_command {
	enum entry_kind kind;
	uint64_t client, sequence, acknowledged;
	struct slice body;
};

/* Building: begin, add …, finish. The buffer holds the entry. */
void entry_begin(struct buffer *b);
void entry_add(struct buffer *b, const struct entry_command *command);
void entry_finish(struct buffer *b, uint32_t count, uint64_t time_us, uint64_t lived_us,
		  uint64_t origin);

/* Reading: 0, STATUS_CORRUPT (which in a chosen entry is a bug) or STATUS_NEWER. */
struct entry_reader {
	struct slice rest;
	uint32_t format, left;
	uint64_t time_us, origin;
	uint64_t lived_us; /* of format 2: its time_us */
};
int entry_read(struct entry_reader *r, struct slice value) MUST_CHECK;
/* 1: *out is the next command; 0: no more; STATUS_CORRUPT or STATUS_NEWER. */
int entry_next(struct entry_reader *r, struct entry_command *out) MUST_CHECK;
/* Whether entry_next() will come to the end of what is left. */
bool entry_is_whole(const struct entry_reader *r);

#endif
