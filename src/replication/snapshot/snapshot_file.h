/*
 * Snapshot files: the state after a slot, in checked and compressed chunks.
 *
 *   snapshot-SSSSSSSSSSSSSSSS   SS…: slot in 16 hex digits. Written as snapshot-new (our own) or
 *                               snapshot-incoming (a peer's), synced, verified, renamed, directory
 *                               synced: so a file with the final name is whole.
 *
 *   offset 0, 64 bytes: u64 magic "SYNODSNP"   u32 format (2)
 *                       u32 crc32c of bytes 8 … 11 and 16 … 63
 *                       u64 slot   u64 ballot of that slot   u64 group   u64 log time (µs)
 *                       u64 hash of the app's state   u64 reserved (0)
 *   then chunks:        u32 length of payload
 *                       u32 crc32c over (chunk number as u64, the next 8 bytes, payload)
 *                       u8 kind   u8 0   u16 0
 *                       u32 length when decompressed (0: payload is not compressed)
 *                       payload (zstd)
 *   kinds: 1 sessions (rsm/sessions.h, one chunk), 2 app (struct app chunks, in order), 3 end
 *          (empty; the last), 4 group (rsm/group_fields.h, one chunk, the first)
 *
 * Format 1, of the first version: no group chunk, and the header's checksum covers bytes 16 … 63
 * only. It is read; what is written is format 2.
 *
 * The parser is a push parser: it is fed bytes in any portions and calls back for each verified
 * chunk. A damaged, truncated or foreign file gives STATUS_CORRUPT, one of a format that this
 * program does not know STATUS_NEWER.
 */
#ifndef SYNOD_SNAPSHOT_SNAPSHOT_FILE_H
#define SYNOD_SNAPSHOT_SNAPSHOT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

#define SNAPSHOT_HEADER_BYTES 64u
#define SNAPSHOT_CHUNK_HEADER_BYTES 16u
#define SNAPSHOT_NAME_BYTES 32u

#define SNAPSHOT_FORMAT 2u

enum snapshot_chunk_kind {
	SNAPSHOT_SESSIONS = 1,
	SNAPSHOT_APP = 2,
	SNAPSHOT_END = 3,
	SNAPSHOT_GROUP = 4
};

struct snapshot_header {
	uint64_t slot, ballot, group, time_us, app_hash;
	uint32_t format; /* of a file that is read; 0 in one that is written: SNAPSHOT_FORMAT */
};

/* Both append to `out`; index counts the chunks of the file from 0. */
void snapshot_put_header(struct buffer *out, const struct snapshot_header *header);
void snapshot_put_chunk(struct buffer *out, uint64_t index, enum snapshot_chunk_kind kind,
			struct slice payload);

struct snapshot_parser {
	struct buffer pending;  /* not yet a whole chunk */
	struct buffer unpacked; /* the current chunk, decompressed */
	struct snapshot_header header;
	bool have_header, ended;
	uint64_t chunks;
};
/*
 * Feeds bytes; `chunk` may be NULL (only verify). 0, STATUS_CORRUPT, STATUS_NEWER, or what `chunk`
 * returned if not 0.
 */
int snapshot_parse(struct snapshot_parser *parser, struct slice bytes,
		   int (*chunk)(void *context, enum snapshot_chunk_kind kind, struct slice payload),
		   void *context) MUST_CHECK;
/* After the last byte: 0 if the file was complete. */
int snapshot_parse_end(const struct snapshot_parser *parser) MUST_CHECK;
void snapshot_parser_free(struct snapshot_parser *parser);

const char *snapshot_name(uint64_t slot, char name[SNAPSHOT_NAME_BYTES]);
/* True if name is a snapshot's final name. */
bool snapshot_name_parse(const char *name, uint64_t *slot);

#endif
