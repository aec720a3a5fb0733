/*
 * A disk that hangs: what a log asked of it neither ends nor fails.
 *
 * A disk counts as hung when one operation takes ten times the patience of the log's owner (its
 * election time-out, say), and three times as long as the slowest that has ended of late: one that
 * is merely slow is none. It is back as soon as an operation ends. A full disk is another matter:
 * it answers.
 *
 * Whoever owns a log looks at the end of every turn in which disk_watch_due(); what follows from a
 * hang is up to it.
 */
#ifndef SYNOD_WAL_DISK_WATCH_H
#define SYNOD_WAL_DISK_WATCH_H

#include "wal/wal.h"

struct disk_watch {
	uint64_t operations; /* wal_operations() when the oldest one that is under way began … */
	uint64_t since_us;   /* … which was then; 0: none is */
	uint64_t slowest_us; /* of late */
	uint64_t looked_us;
	uint64_t hangs; /* so far */
	bool hung;
};

enum disk_watch_news {
	DISK_WATCH_NOTHING,
	DISK_WATCH_HUNG,
	DISK_WATCH_BACK,
	/*
	 * it hung, and is back already: where the loop's own thread writes, nobody could say so
	 * meanwhile
	 */
	DISK_WATCH_WAS_HUNG,
};

static inline bool disk_watch_due(const struct disk_watch *w, const struct wal *wal)
{
	return w->since_us != 0 || wal_busy(wal);
}

/* *length_us: how long it has taken so far, or took. */
enum disk_watch_news disk_watch_look(struct disk_watch *w, const struct wal *wal, uint64_t now_us,
				     uint64_t patience_us, uint64_t *length_us);

#endif
