/*
 * The log: segmented, preallocated, group-committed, over struct disk.
 *
 * WHAT IT HOLDS. Records of a replica's acceptor, in the order of appending:
 *
 *   WAL_PROMISE  ballot                  never accept below this ballot again
 *   WAL_ACCEPT   slot, ballot, payload   this entry was accepted
 *   WAL_CHOSEN   slot, ballot, payload   every slot ≤ slot is chosen (a hint that saves
 *                                        asking after a restart; also seals what is before it). The
 *                                        ballot is the one promised by then, the payload the
 *                                        highest slot accepted by then (8 bytes): so what is lost
 *                                        before it is known not to have been more. Ballot 0 and no
 *                                        payload: not said
 *   WAL_SNAPSHOT slot, ballot            a snapshot that covers every slot ≤ slot is in place;
 *                                        accepted records of those slots no longer count
 *   WAL_STARTS   payload                 what is remembered of the other replicas' directories
 *                                        (rsm/starts.h); the newest counts
 *
 * SEGMENT FILE  log-SSSSSSSSSSSSSSSS (id in 16 hex digits, ids are consecutive and never reused)
 *
 *   offset 0   64-byte header:
 *     u64 magic "SYNODLOG"     u32 format version (4)
 *     u32 crc32c of bytes 8 … 11 and 16 … 63 (up to version 2: 16 … 63)
 *     u64 segment id           u64 capacity (file size)   u64 number of the segment's first batch
 *     u64 highest ballot of any WAL_PROMISE or WAL_ACCEPT before this segment (accepting
 *         promises too): the promise outlives older segments
 *     u64 group id             u64 replica (0 in version 1: not known)
 *   then records, each aligned to 8 bytes:
 *     u32 crc32c               over the segment id (4 bytes), a crc32c of group and replica (4
 *                              bytes; up to version 3: zeros), the record's offset in the file (8
 *                              bytes), and bytes 4 … of the record including its payload: a record
 *                              that was misdirected, or left over from the segment that the file
 *                              was recycled from, or that is another replica's, does not verify
 *     u32 payload length
 *     u8 type, u8 flags (1: last record of its batch), u16 0, u32 0
 *     u64 batch                every record of one write + sync carries the same number, one larger
 *                              than the previous batch's, the first of all is 1
 *     u64 slot   u64 ballot
 *     payload, zero padding to 8 bytes
 *   then zeros to the end of the block of 4 KiB, and to the capacity (a recycled file: whatever
 *   was there, which does not verify).
 *
 * A file is filled, gets its header and is synced under the name free-NNNNNNNNNNNNNNNN; then
 * it is renamed and the directory synced; then it is named as the newest segment, in the file
 * segment-range (wal/range.c); then records are written. So whatever bears the name log-… has a
 * header and its full size, or is damaged; and a log whose first or last segment, or all of it, is
 * missing does not look like a shorter one, or a new one.
 *
 * GROUP COMMIT. wal_append() collects; wal_flush() hands everything collected to
 * the disk as one write and one sync if none is under way; while batch k syncs,
 * batch k+1 fills, and it starts by itself when batch k is durable. So whenever a
 * record of batch k+1 is on disk, batch k was durable before. A batch never spans
 * segments: what does not fit goes to the next segment as a batch of its own; a record that is
 * larger than a segment gets one that is large enough, and a long log gets larger ones, so that it
 * does not take a file descriptor for each few records. Sectors of 512 bytes are taken to be
 * written whole or not at all. A write is filled up with zeros to the end of its block of 4 KiB;
 * the next write begins where the records end. The kernel writes whole blocks anyway, and would
 * first read the last one from the disk if it has given up its copy of a recycled file
 * (docs/performance.md).
 *
 * RECOVERY. Segments are read in the order of their ids, batch by batch. A batch counts when
 * all its records verify, up to the one flagged as its last, and its number is the
 * expected one; otherwise none of it counts. Let k be the last batch that counts, x its end.
 *
 *   what follows x                       what it is         what is done
 *   last segment, nothing that           end of log         the log ends at x
 *     verifies
 *   last segment, verifying records of   torn last write    the log ends at x: batch k+1 was not
 *     batches ≤ k+1                                         acknowledged, since its sync never
 *                                                           ended. The remains are zeroed, and
 *                                                           the zeros synced
 *   last segment, a verifying record of  corrupt middle     STATUS_CORRUPT: batch k+1 may have been
 *     a later batch                                         acknowledged. Never cut
 *   a later segment whose first batch    full segment       the log goes on there
 *     is k+1
 *   … is another                         corrupt middle     STATUS_CORRUPT
 *   a segment id missing between two     missing segment    STATUS_CORRUPT
 *     others
 *   header does not verify, or names     corrupt header     STATUS_CORRUPT
 *     another segment, group, replica
 *   file size is not the header's        truncated segment  STATUS_CORRUPT
 *     capacity
 *   header of a later format, or         a newer version    STATUS_NEWER: what it meant by it is
 *     anywhere a verifying record of a     wrote it         not known. Never cut, torn or not
 *     type, or with flags, that are not
 *     known
 *   the oldest or the newest that was    missing segment    STATUS_CORRUPT
 *     named is not there
 *   no segment at all, but one was       missing log        STATUS_CORRUPT
 *     named, or the owner knows that
 *     there was a log
 *   no segment at all                    new log            created
 *
 * DAMAGE. An owner that sets options.lost is told of what was lost, in its order among the replayed
 * records, instead of STATUS_CORRUPT for a corrupt middle, a corrupt header, a truncated segment
 * and a segment that is missing between two others (wal/salvage.c). The header of a segment behind
 * it is replayed as a WAL_PROMISE: it says what had been promised by then. An owner that cannot
 * tell what it had promised says so (wal_forget_promise()), and that stands in the headers of later
 * segments, until a WAL_PROMISE is appended again.
 *
 * Then batch k is written again and synced, and the directory too: what is replayed is
 * durable, also when the process before ended because of a failed sync, which
 * may have left pages that are in memory only and marked clean.
 *
 * (A last batch whose sync had completed and which was damaged afterwards looks like a
 * torn one, if nothing was written after it, to an owner with options.lost too; WAL_CHOSEN records
 * written when idle narrow that window to the time between the sync and the next append.)
 *
 * SPACE. wal_release(position) says that records before position are no longer needed; segments
 * wholly before it are recycled, oldest first, one after another: the next one named as the oldest,
 * renamed to free-…, the directory synced, later renamed to the next id; and only when everything
 * appended before the call is durable, so that a WAL_SNAPSHOT record may be appended and the
 * release follow at once. At most `recycle_max` free files of the usual size are kept, so many that
 * they are `files_max` with the segments, and the rest removed. There is always one in reserve,
 * made ahead of need. When it cannot be made because the disk is full, wal_full() is true and
 * appends of new entries should be refused (STATUS_NO_SPACE); promises and what is under way still
 * have the rest of the current segment. It ends with a release, or with wal_retry_space(). (For
 * want of a descriptor the same is tried again in the same way, but nothing is full: what is
 * appended is taken as long as the present segment lasts.) Should the current segment end before
 * that, what is appended waits.
 *
 * SCRUB. wal_scrub_begin() and then wal_scrub(), again and again, read all that is durable once
 * more and verify it, as slowly as the owner likes. What is damaged is only told: the owner takes a
 * snapshot, calls wal_rotate() if it is the newest segment, and releases what it no longer needs.
 *
 * ERRORS. A failed write or sync while serving calls options.fatal and nothing after it. So does,
 * with STATUS_CORRUPT, a segment that is found shorter than it was made before a write to it: the
 * write would give it its length back, and what was cut off would look like the end of the log.
 *
 * CALLBACKS come from the disk's completions, except that wal_read() may call `done`
 * before it returns. They may call any function of this header but wal_close().
 */
#ifndef SYNOD_WAL_WAL_H
#define SYNOD_WAL_WAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/status.h"
#include "node/disk.h"

enum wal_type { WAL_PROMISE = 1, WAL_ACCEPT = 2, WAL_CHOSEN = 3, WAL_SNAPSHOT = 4, WAL_STARTS = 5 };

/* Where a record is: segment id << 32 | offset. Later records have larger positions; none is 0. */
typedef uint64_t wal_position;

static inline uint64_t wal_position_segment(wal_position position)
{
	return position >> 32;
}
static inline uint64_t wal_position_offset(wal_position position)
{
	return position & UINT32_MAX;
}

#define WAL_HEADER_BYTES 64u
#define WAL_RECORD_BYTES 40u /* before the payload */
#define WAL_PAYLOAD_BYTES_MAX (256u << 20)
#define WAL_PREFIX_BYTES_MAX 16
#define WAL_ASIDE_PREFIX "damaged-"

struct wal;

struct wal_record {
	enum wal_type type;
	uint64_t slot;
	uint64_t ballot;
	struct slice payload;
	wal_position position; /* out, at replay and read */
	/*
	 * Appending: the payload is all of it, so that it need not be copied if it is long; the log
	 * keeps a reference until it is written. NULL: it is copied.
	 */
	struct bytes *held;
};

/* What was lost of a log: anything may have stood there. */
struct wal_hole {
	wal_position begin, end;
	bool records; /* false: only what a header said, the promise */
};

/* In the record of a header: it is not known what had been promised. */
#define WAL_PROMISE_UNKNOWN UINT64_MAX

struct wal_options {
	struct disk *disk;
	struct log *log;
	uint64_t group;
	uint64_t replica; /* whose log it is: another's is refused. 0: not said */
	/* something else shows that there must be one: it is not created */
	bool begun;
	uint64_t segment_bytes; /* 0: 64 MiB; below 4 GiB; rounded up to a multiple of 8 */
	uint32_t recycle_max;   /* 0: 2 */
	uint32_t files_max;     /* 0: no limit */
	/*
	 * Before the names of all files, so that two logs can live in one directory
	 * ("agreement-log-…"); NULL: nothing. Copied.
	 */
	const char *prefix;
	/*
	 * A part of the log was lost to damage; between the records before and those behind it.
	 * NULL: damage is STATUS_CORRUPT.
	 */
	void (*lost)(void *context, const struct wal_hole *hole);
	/* Everything appended up to and including sequence number `sequence` is durable. */
	void (*durable)(void *context, uint64_t sequence);
	/*
	 * A write or sync has failed: should not return; if it does, the wal does nothing any more.
	 */
	void (*fatal)(void *context, int status, const char *why);
	void *context;
};

/* After what a newer version has written. */
#define WAL_NEWER_ADVICE \
	"start that version again: this one does not know what it means, and would lose it; " \
	"leave the files as they are"

/* After what is wrong with a log. */
#define WAL_LOST_ADVICE \
	"this replica must not be started without it, nor on an older copy of its directory: it " \
	"may have promised or accepted what the " \
	"others count on. Find it; if it is lost, docs/operations.md says how a replica that has " \
	"lost its disk comes back. The group " \
	"goes on while a majority of its replicas runs"

struct wal_recovery {
	uint64_t segments;
	/* its id; the owner knows from its records how much it has released */
	uint64_t oldest_segment;
	uint64_t records;
	/* dropped at the end as an unfinished write (from x to the end of what verified) */
	uint64_t torn_bytes;
	uint64_t holes;          /* told to options.lost */
	wal_position first_hole; /* where the first one begins; 0: there is none */
	uint64_t last_damaged;   /* the last segment that is not whole; 0: all are */
	/*
	 * it was written down which segments there are: whatever is there is all that was written
	 */
	bool ranged;
	/*
	 * why it cannot be opened, with file and offset if it is corrupt; what to do, and what not
	 */
	char problem[500];
};

/*
 * Opens the log of a directory, creating it if there is none, and calls replay for
 * each record in order (the first WAL_PROMISE may come from a segment header; the payload is
 * borrowed). Blocking. 0, STATUS_CORRUPT, STATUS_NEWER, STATUS_IO, STATUS_NO_SPACE; `info` is
 * filled in every case. With STATUS_CORRUPT or STATUS_NEWER the good segments before the problem
 * may have been replayed: they are true, and incomplete.
 */
int wal_open(struct wal **out, const struct wal_options *options,
	     void (*replay)(void *context, const struct wal_record *record),
	     struct wal_recovery *info) MUST_CHECK;

/*
 * What there is of the log in `disk` with that prefix (NULL: none) is put aside, under names that
 * begin with WAL_ASIDE_PREFIX, and the next wal_open() creates a new one. For an owner that can do
 * without what the log held, and no longer trusts it. Blocking, durable. If it is interrupted, what
 * is left is refused as before. 0, STATUS_IO, STATUS_NO_SPACE, STATUS_SHORTAGE.
 */
int wal_put_aside(struct disk *disk, const char *prefix) MUST_CHECK;

/*
 * Collects a record. The payload, of at most WAL_PAYLOAD_BYTES_MAX, is copied. Returns its sequence
 * number (1, 2, …; counted from opening) for options.durable, and through `position` where it will
 * stand.
 */
uint64_t wal_append(struct wal *wal, const struct wal_record *record, wal_position *position);
/* What fits a segment of the usual size. */
size_t wal_payload_max(const struct wal *wal);
/* Of what was promised not all is known: see DAMAGE. Before anything is appended. */
void wal_forget_promise(struct wal *wal);
/* Starts writing what is collected, unless a batch is under way (then it follows by itself). */
void wal_flush(struct wal *wal);
/* Everything up to here is durable. */
uint64_t wal_durable(const struct wal *wal);
/* Appended and not yet durable, in bytes: what a full queue is measured by. */
uint64_t wal_pending_bytes(const struct wal *wal);
/*
 * The disk works on a batch, or on a file for it. False if the batch waits for space on a full
 * disk.
 */
bool wal_busy(const struct wal *wal);
/*
 * How many operations of the disk have ended: while the log is busy and this stands still, the disk
 * does not answer.
 */
uint64_t wal_operations(const struct wal *wal);
bool wal_full(const struct wal *wal);
/* What can be appended before another file is needed, in bytes. */
uint64_t wal_room(const struct wal *wal);
/* A segment is needed, and there is no file descriptor for it: what is appended now waits. */
bool wal_starved(const struct wal *wal);
/*
 * Something was missing for a file in reserve: wal_retry_space() is to be called now and then (say
 * every second).
 */
bool wal_wants_space(const struct wal *wal);
void wal_retry_space(struct wal *wal);
void wal_release(struct wal *wal, wal_position before);

/*
 * Reads one record back, asynchronously (a lagging peer wants old entries). `done` gets the record,
 * or a status: STATUS_NOT_FOUND if it was released, STATUS_CORRUPT if it no longer verifies.
 * The record may still be in the write buffer: it is served from there, before the
 * call returns. The record and its payload are valid until `done` returns.
 */
void wal_read(struct wal *wal, wal_position position,
	      void (*done)(void *context, int status, const struct wal_record *record),
	      void *context);

struct wal_scrubbed {
	uint64_t bytes;       /* read */
	bool ended;           /* there was nothing more to be read */
	wal_position damaged; /* 0: nothing is. The rest of this segment has been left out */
	int status;           /* of reading it, if that is why */
};
/* No piece is being read. */
void wal_scrub_begin(struct wal *wal);
/* Reads and verifies one piece; `done` may be called before it returns, if there is none. */
void wal_scrub(struct wal *wal, void (*done)(void *context, const struct wal_scrubbed *scrubbed),
	       void *context);
/*
 * What is appended from now on goes to a new segment, so that the newest one can be released like
 * the others. False: there is no file in reserve for it now.
 */
bool wal_rotate(struct wal *wal);
uint64_t wal_oldest_segment(const struct wal *wal);
uint64_t wal_newest_segment(const struct wal *wal);
/* Of a position, the name of its file. */
#define WAL_FILE_NAME_BYTES (WAL_PREFIX_BYTES_MAX + 24)
const char *wal_file_name(const struct wal *wal, wal_position position,
			  char name[WAL_FILE_NAME_BYTES]);

/* Bytes of all segments, free ones included. */
uint64_t wal_disk_bytes(const struct wal *wal);
/* Of the segments from the one with `position` on, without the newest. */
uint64_t wal_bytes_from(const struct wal *wal, wal_position position);
struct wal_counters {
	uint64_t appends, batches, bytes, segments_created, segments_recycled;
};
const struct wal_counters *wal_counters(const struct wal *wal);
/*
 * The disk must be idle (drained), or the process's world be gone: no request may complete after
 * this.
 */
void wal_close(struct wal *wal);

#endif
