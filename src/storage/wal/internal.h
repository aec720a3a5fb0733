/*
 * What the files of the wal share. The work is split by what it is about:
 *
 *   format.c     bytes of headers and records
 *   recover.c    reading the segments at start-up: the decision table of wal.h
 *   salvage.c    … one that is damaged
 *   segments.c   the list of segments; what ends everything
 *   wal.c        opening, creating the first segment, closing
 *   range.c      which segments there are
 *   write.c      append, group commit, opening the next segment
 *   space.c      files in reserve, release and recycling
 *   read.c       reading records back
 *   scrub.c      reading all of it once more
 *   aside.c      putting a damaged log aside
 *
 * Three chains of disk requests may be under way at once, each with one struct
 * disk_request of its own, plus one for each reader and one for the scrub: the writer's (LOG lane),
 * the making of a free file and the recycling of a segment (BULK lane).
 */
#ifndef SYNOD_WAL_INTERNAL_H
#define SYNOD_WAL_INTERNAL_H

#include "wal/format.h"
#include "wal/wal.h"

/* Of the file system: writes end with one. */
#define WAL_BLOCK_BYTES 4096u

/* A file that bears, or will soon bear, the name log-… */
struct wal_segment {
	uint64_t id;
	uint64_t capacity;
	uint64_t first_batch;
	uint64_t place;         /* of its records (format.h) */
	struct disk_file *file; /* NULL until it is being opened for writing */
	bool ready;             /* the header and the name are durable */
	bool damaged;           /* its file is not used again */
	/* there is no such file, though there are others before and behind it */
	bool missing;
	uint32_t readers; /* reads under way: not recycled meanwhile */
};

enum wal_end { WAL_NEWEST, WAL_OLDEST };

/* How much is read at once, unless a record is longer. */
#define WAL_SCRUB_BYTES (256u * 1024u)
struct wal_scrubber {
	uint64_t segment, offset; /* where the next piece begins */
	uint64_t batch;           /* the last whole one before */
	size_t wanted;            /* for the next piece, which is one long record */
	/*
	 * all records of the segment have been read: only whether its file is long enough is left
	 */
	bool at_end;
	bool busy;
	uint8_t *data;
	size_t capacity;
	struct disk_request request;
	void (*done)(void *context, const struct wal_scrubbed *scrubbed);
	void *context;
};

/*
 * A segment is never made larger than this for the sake of fewer of them, but by
 * options.segment_bytes.
 */
#define WAL_GROWN_BYTES_MAX (16u * 1024u * 1024u)
/* After so many segments the next ones are twice as large. */
#define WAL_GROWTH_SEGMENTS 32u

/* A file in reserve: of options.segment_bytes, or one that the writer waits for. */
struct wal_free {
	uint64_t number;
	uint64_t capacity;
	struct disk_file *file;
};

/* A payload that stands elsewhere: it belongs before the byte `at` of the buffer. */
struct wal_share {
	size_t at;
	struct bytes *bytes;
};

/* One batch: a range of a buffer, and its shares, written at one place of one segment. */
struct wal_part {
	struct wal_segment *segment;
	uint64_t offset;                /* in the segment */
	size_t begin, end;              /* in the buffer */
	size_t share_begin, share_end;  /* of the buffer's shares */
	uint64_t shared_before, shared; /* bytes: of shares of the parts before, of its own */
	uint64_t batch;
	/* the highest ballot before it: for the segment's header, if it opens one */
	uint64_t promise;
	uint64_t last_sequence;
};

/* What is collected between two flushes: one part, or more when the segment ended in between. */
struct wal_buffer {
	uint8_t *data;
	size_t len, capacity;
	struct wal_part *parts;
	size_t part_count, part_capacity;
	struct wal_share *shares;
	size_t share_count, share_capacity;
	uint64_t shared;      /* bytes of all shares */
	size_t last_record;   /* where the record begins that is not sealed yet, … */
	uint64_t last_offset; /* … and where in its segment */
};

/* In the segment. */
static inline uint64_t wal_part_len(const struct wal_part *part)
{
	return part->end - part->begin + part->shared;
}

struct wal {
	struct wal_options options;
	struct disk *disk;
	/* of file names */
	char log_prefix[WAL_PREFIX_BYTES_MAX + 8], free_prefix[WAL_PREFIX_BYTES_MAX + 8];
	char range_name[WAL_NAME_BYTES], range_new_name[WAL_NAME_BYTES + 4];

	/* Oldest first, consecutive ids; the last one is being appended to. */
	struct wal_segment **segments;
	size_t segment_count, segment_capacity;

	/* Appending. */
	struct wal_buffer buffers[2];
	struct wal_buffer *filling;
	struct wal_buffer *writing; /* NULL: nothing is under way */
	uint64_t tail_offset;       /* where the next record goes in the last segment */
	uint64_t next_batch;
	uint64_t promise;         /* highest ballot promised or accepted so far */
	bool promise_unknown;     /* … as far as is known: what was lost may have been higher */
	uint64_t recovered_batch; /* while the segments are read: the last one before */
	bool recovered_ended;
	uint64_t sequence; /* of the last record appended */
	uint64_t durable;
	uint64_t durable_segment, durable_offset; /* where what is durable ends */
	size_t writing_part;
	bool flush_wanted; /* flushed while a batch was under way */
	bool failed;
	uint64_t operations; /* of the disk, that have ended */
	struct disk_request write_request;
	struct slice *pieces; /* of the write that is under way */
	size_t piece_capacity;
	uint8_t header[WAL_HEADER_BYTES];
	char write_name[WAL_NAME_BYTES], write_new_name[WAL_NAME_BYTES];

	/* What the file of the range says: by the writer the newest, by the release the oldest. */
	struct disk_file *range_file;
	uint64_t range[2]; /* 0: not known */
	uint8_t range_data[2][WAL_RANGE_HALF_BYTES];

	/* Reserve. */
	struct wal_free *free_files;
	size_t free_count, free_capacity;
	uint64_t next_free_number;
	bool full;
	bool starved; /* there was no descriptor for a free file */
	bool creating;
	/* the writer needs a free file of this size to go on; 0: it does not */
	uint64_t opening_waits;
	struct wal_free created;
	struct disk_request create_request;
	char create_name[WAL_NAME_BYTES];

	/* Release. */
	uint64_t release_before;   /* segment id */
	uint64_t release_sequence; /* to be durable before that */
	struct wal_segment *releasing;
	bool release_keeps; /* renamed to a free file, not removed */
	uint64_t release_number;
	struct disk_request release_request;
	char release_name[WAL_NAME_BYTES], release_new_name[WAL_NAME_BYTES];

	struct wal_reader *readers; /* all */
	struct wal_reader *idle_readers;
	struct wal_scrubber scrubber;
	struct wal_counters counters;
};

/*
 * Every completion asks this first. True if the request succeeded. If it failed: options.fatal, and
 * after that false for every completion, whatever its status.
 */
bool wal_went_well(struct wal *wal, int status, const char *why) MUST_CHECK;
/* Appends a segment with the next id to wal->segments. */
struct wal_segment *wal_add_segment(struct wal *wal, uint64_t id, uint64_t capacity);
static inline struct wal_segment *wal_tail(const struct wal *wal)
{
	return wal->segments[wal->segment_count - 1];
}

/* recover.c, salvage.c */
struct wal_replay {
	void (*record)(void *context, const struct wal_record *record);
};
/* A segment that has been read. */
struct wal_piece {
	struct wal_segment *segment;
	uint8_t *data;
	uint64_t size;
	uint64_t batch_end; /* the first batch of the next segment; 0: not known */
	bool is_last, has_header;
	bool is_cut; /* not so long as its header says */
};
void wal_replay_frame(struct wal *wal, const struct wal_replay *replay, uint64_t segment,
		      uint64_t offset, const struct wal_frame *frame, struct wal_recovery *info);
/* STATUS_NEWER */
int wal_newer_record(const struct wal *wal, struct wal_recovery *info, uint64_t segment,
		     uint64_t offset, unsigned type);
/* To the owner. */
void wal_tell_hole(struct wal *wal, struct wal_recovery *info, const struct wal_hole *hole);
int wal_salvage(struct wal *wal, const struct wal_piece *piece, const struct wal_replay *replay,
		struct wal_recovery *info) MUST_CHECK;
/* recover.c: reads and repairs the segments in wal->segments, whose files are open. */
int wal_recover(struct wal *wal, void (*replay)(void *context, const struct wal_record *record),
		struct wal_recovery *info) MUST_CHECK;

/* STATUS_CORRUPT, with the problem in info and the log, and what must not be done about it. */
int wal_problem(const struct wal *wal, struct wal_recovery *info, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* STATUS_NEWER likewise. */
int wal_newer(const struct wal *wal, struct wal_recovery *info, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* range.c */
/*
 * What is there, against what is said to be there. wal->segments are open; nothing has been created
 * yet.
 */
int wal_range_check(struct wal *wal, bool exists, struct wal_recovery *info) MUST_CHECK;
/* Blocking: names what is there. */
int wal_range_write(struct wal *wal) MUST_CHECK;
/* Fills in what a write needs that names the segment; its data is the wal's. */
void wal_range_request(struct wal *wal, enum wal_end which, uint64_t segment,
		       struct disk_request *request);

/* space.c */
void wal_free_add(struct wal *wal, struct wal_free file);
/* False if there is none of that size. */
bool wal_free_take(struct wal *wal, uint64_t capacity, struct wal_free *out) MUST_CHECK;
/* How large the next segment is to be, which begins with a record of `size` bytes. */
uint64_t wal_next_capacity(const struct wal *wal, size_t size) MUST_CHECK;
/* Starts making a file for the reserve if there is none and none is being made. */
void wal_space_prepare(struct wal *wal);
/* Starts recycling the oldest segment if it has been released and nothing needs it. */
void wal_release_step(struct wal *wal);

/* write.c: a free file has arrived. */
void wal_write_continue(struct wal *wal);
/* The record that stands there in one of the buffers; false if none does. */
bool wal_buffered(const struct wal *wal, uint64_t segment, uint64_t offset, struct wal_frame *out);
/* Drops the shares of what has been written, or never will be. */
void wal_shares_release(struct wal_buffer *buffer);

/* read.c */
void wal_readers_free(struct wal *wal);

#endif
