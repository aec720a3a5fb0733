/*
 * The file `starts`: the chain of this directory's starts (rsm/starts.h).
 *
 * A file of its own, made once and overwritten in place: so that a start needs no space on a full
 * disk. The file `identity` is replaced as a whole each time it changes, which takes space; and a
 * log that has filled its last segment has no room either, and is read only when this must be known
 * already.
 *
 * Two copies of one sector each, at 0 and 512, written and synced one after the other, the older
 * one first: one of them is whole at any moment, and a start that anybody has heard of is in both.
 *
 *   u64 magic "SYNODRUN"   u32 format version (1)   u32 crc32c of bytes 8 … 11 and 16 … 511
 *   u64 life   u64 root   u64 count   u32 listed   u32 0
 *   u64 nonces[56], newest first   zeros to 512 bytes
 *
 *   no such file            never started by a version that makes it, or its space was not there: a
 *                           new chain begins, which no memory of another one is compared with
 *   both do not verify      the same
 *   of another life         the directory has another life since: likewise a new chain
 *   of a later version      STATUS_NEWER
 */
#ifndef SYNOD_RSM_START_FILE_H
#define SYNOD_RSM_START_FILE_H

#include "base/log.h"
#include "node/disk.h"
#include "rsm/starts.h"

#define START_FILE "starts"
#define START_FILE_NEW "starts-new"

/*
 * Blocking, for the start. Notes the start `nonce` of `life`, durably; *chain then ends with it. 0,
 * STATUS_NEWER, or what the disk says (logged); on a disk that has no room for the file the start
 * is in none, chain->root is 0, and that is no error.
 */
int start_file_note(struct disk *disk, struct log *log, uint64_t life, uint64_t nonce,
		    struct start_chain *chain) MUST_CHECK;

#endif
