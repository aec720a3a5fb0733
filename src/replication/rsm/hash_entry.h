/*
 * ENTRY_HASH: what the log says of hashes of the state.
 *
 *   mark     u8 1: every replica takes the hash of its state as it is when this is applied, part by
 *            part
 *   verdict  u8 2   what replicas have found at an earlier mark, as they told the leader:
 *            u64 slot of the mark   u32 members of the group then   u32 parts of the state
 *            u8 reports, then for each, replicas ascending
 *              u32 replica   u8 sound   u64 hash of all parts
 *            u32 parts in which reports differ
 *            u32 of these that follow, ascending: the first, as many as there is room for, at most
 *            HASH_LISTED_MAX
 *            then for each   u32 part   u64 hash of each report
 *            u32 0, or parts: u64 hash of each part, as the right reports have it; for who has not
 *            reported yet, or something else before it was started again; if there is room
 *
 * Who is right follows from the verdict alone, so that all replicas decide alike, the leader is one
 * voice among them, and no clock has a say: the hash that more than half of the members have
 * reported. If there is none, but a majority has reported, and all those whose memory agrees with
 * itself (sound) have the same, then that. Otherwise nobody is: the replicas differ, which is said
 * everywhere, and nobody stops.
 *
 * Parts: those of the app (rsm/app.h), then the sessions, then what the group has agreed on about
 * itself.
 */
#ifndef SYNOD_RSM_HASH_ENTRY_H
#define SYNOD_RSM_HASH_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"
#include "rsm/app.h"

#define HASH_PARTS_OWN 2u /* behind those of the app */
#define HASH_PARTS_MAX (APP_PARTS_MAX + HASH_PARTS_OWN)
#define HASH_LISTED_MAX 64u

enum hash_kind { HASH_MARK = 1, HASH_VERDICT = 2 };

struct hash_report {
	uint32_t replica;
	bool sound;
	uint64_t hash; /* of all parts: hash_of_parts() */
};

struct hash_differing {
	uint32_t part;
	uint64_t hashes[REPLICAS_MAX]; /* in the order of the reports */
};

struct hash_verdict {
	uint64_t slot;
	uint32_t members, parts;
	uint32_t nreports;
	struct hash_report reports[REPLICAS_MAX];
	uint32_t differing, nlisted;
	struct hash_differing listed[HASH_LISTED_MAX];
	struct slice right; /* u64 each, little-endian; empty, or of all parts */
};

uint64_t hash_of_parts(const uint64_t *parts, uint32_t count);
/* The same of parts as they stand in a message: u64 each, little-endian. */
uint64_t hash_of_encoded_parts(struct slice parts);

void hash_mark_encode(struct buffer *out);
void hash_verdict_encode(const struct hash_verdict *verdict, struct buffer *out);
/*
 * 0, STATUS_CORRUPT, or STATUS_NEWER of a kind that this program does not know. For a mark *out
 * stays as it was.
 */
int hash_entry_decode(struct slice body, enum hash_kind *kind, struct hash_verdict *out) MUST_CHECK;

/* The report whose hash is the right one; HASH_NOBODY: nobody is right. */
#define HASH_NOBODY UINT32_MAX
uint32_t hash_verdict_right(const struct hash_verdict *verdict);
/* Whether all reports say the same. */
bool hash_verdict_unanimous(const struct hash_verdict *verdict);

#endif
