/* Does the disk answer? */
#include "wal/disk_watch.h"

#define HUNG_PATIENCES 10u
#define HUNG_TIMES_SLOWEST 3u
/* What has taken longer than so many patiences was a hang, and is no measure of slowness. */
#define SLOW_PATIENCES_MAX 20u
/* Of what the slowest took, this part is forgotten with each operation that is quicker. */
#define SLOWEST_FORGETS 16u

static uint64_t limit_us(const struct disk_watch *w, uint64_t patience_us)
{
	uint64_t slow_us = HUNG_TIMES_SLOWEST * w->slowest_us,
		 least_us = HUNG_PATIENCES * patience_us;
	return slow_us > least_us ? slow_us : least_us;
}

static void note_length(struct disk_watch *w, uint64_t length_us, uint64_t patience_us)
{
	uint64_t most_us = SLOW_PATIENCES_MAX * patience_us;
	w->slowest_us -= w->slowest_us / SLOWEST_FORGETS;
	if (length_us > w->slowest_us)
		w->slowest_us = length_us < most_us ? length_us : most_us;
}

static enum disk_watch_news set_hung(struct disk_watch *w, bool hung)
{
	if (w->hung == hung)
		return DISK_WATCH_NOTHING;
	w->hung = hung;
	w->hangs += hung;
	return hung ? DISK_WATCH_HUNG : DISK_WATCH_BACK;
}

enum disk_watch_news disk_watch_look(struct disk_watch *w, const struct wal *wal, uint64_t now_us,
				     uint64_t patience_us, uint64_t *length_us)
{
	enum disk_watch_news news = DISK_WATCH_NOTHING;
	bool ended = w->operations != wal_operations(wal), busy = wal_busy(wal);
	*length_us = w->since_us == 0 ? 0 : now_us - w->since_us;
	w->operations = wal_operations(wal);
	/*
	 * While this process did not run either, the disk may have answered: that is heard in the
	 * next turn.
	 */
	bool slept = now_us - w->looked_us > HUNG_PATIENCES / 2 * patience_us;
	w->looked_us = now_us;
	if (w->since_us != 0 && ended) {
		if (!w->hung && *length_us >= limit_us(w, patience_us)) {
			w->hangs++;
			news = DISK_WATCH_WAS_HUNG;
		}
		note_length(w, *length_us, patience_us);
	}
	if ((ended || !busy) && w->hung)
		news = set_hung(w, false);
	if (!busy)
		w->since_us = 0;
	else if (w->since_us == 0 || ended || (slept && !w->hung))
		w->since_us = now_us;
	else if (*length_us >= limit_us(w, patience_us))
		news = set_hung(w, true);
	return news;
}
