/*
 * A disk that hangs: what was asked of it neither ends nor fails. The group does without this replica's part in its quorums;
 * but a leader goes on proposing until its own log is congested, and then refuses everything for as long as it leads, though
 * a majority of the disks is well. So it hands over to somebody whose disk answers, and nobody whose disk does not stands for
 * election or is handed over to.
 *
 * A disk counts as hung when one operation takes ten election timeouts, and three times as long as the slowest that has
 * ended of late: one that is merely slow is none, and if all are slow, leadership does not go round. It is back as soon as an
 * operation ends. A full disk is another matter: it answers.
 */
#include <inttypes.h>

#include "rsm/internal.h"

#define HUNG_TIMEOUTS 10u
#define HUNG_TIMES_SLOWEST 3u
/* What has taken longer than so many election timeouts was a hang, and is no measure of slowness. */
#define SLOW_TIMEOUTS_MAX 20u
/* Of what the slowest took, this part is forgotten with each operation that is quicker. */
#define SLOWEST_FORGETS 16u

void rsm_set_electable(struct rsm *rsm)
{
	paxos_set_electable(rsm->paxos, !rsm->restoring && !rsm->state_lost && !rsm->disk_watch.hung);
}

static uint64_t timeouts_us(const struct rsm *rsm, uint32_t count)
{
	return (uint64_t)count * rsm->settings.election_timeout_ms * 1000;
}

static uint64_t limit_us(const struct rsm *rsm)
{
	uint64_t slow_us = HUNG_TIMES_SLOWEST * rsm->disk_watch.slowest_us, least_us = timeouts_us(rsm, HUNG_TIMEOUTS);
	return slow_us > least_us ? slow_us : least_us;
}

static void note_length(struct rsm *rsm, uint64_t length_us)
{
	struct disk_watch *w = &rsm->disk_watch;
	uint64_t most_us = timeouts_us(rsm, SLOW_TIMEOUTS_MAX);
	w->slowest_us -= w->slowest_us / SLOWEST_FORGETS;
	if (length_us > w->slowest_us)
		w->slowest_us = length_us < most_us ? length_us : most_us;
}

static void set_hung(struct rsm *rsm, bool hung, uint64_t length_us)
{
	struct disk_watch *w = &rsm->disk_watch;
	if (w->hung == hung)
		return;
	w->hung = hung;
	w->hangs += hung;
	w->told = false;
	if (hung)
		log_event(rsm->log, LOG_ERROR, "disk_hung", "since_ms=%" PRIu64 " waiting_bytes=%" PRIu64 " leading=%s",
			  length_us / 1000, wal_pending_bytes(rsm->wal), rsm->leading ? "yes" : "no");
	else
		log_event(rsm->log, LOG_WARN, "disk_back", "after_ms=%" PRIu64, length_us / 1000);
	rsm_set_electable(rsm);
}

/* Since the log began to wait for the operation that is under way. */
static void look(struct rsm *rsm, uint64_t now_us)
{
	struct disk_watch *w = &rsm->disk_watch;
	uint64_t length_us = w->since_us == 0 ? 0 : now_us - w->since_us;
	bool ended = w->operations != wal_operations(rsm->wal);
	w->operations = wal_operations(rsm->wal);
	/* While this process did not run either, the disk may have answered: that is heard in the next turn. */
	bool slept = now_us - w->looked_us > timeouts_us(rsm, HUNG_TIMEOUTS / 2);
	w->looked_us = now_us;
	if (w->since_us != 0 && ended) {
		/* Where the loop's own thread does the writing, nobody was there to say so meanwhile. */
		if (!w->hung && length_us >= limit_us(rsm)) {
			w->hangs++;
			log_event(rsm->log, LOG_ERROR, "disk_was_hung", "ms=%" PRIu64, length_us / 1000);
		}
		note_length(rsm, length_us);
	}
	if (ended || !wal_busy(rsm->wal))
		set_hung(rsm, false, length_us);
	if (!wal_busy(rsm->wal))
		w->since_us = 0;
	else if (w->since_us == 0 || ended || (slept && !w->hung))
		w->since_us = now_us;
	else if (length_us >= limit_us(rsm))
		set_hung(rsm, true, length_us);
}

void disk_watch(struct rsm *rsm)
{
	uint64_t now_us = node_now_us(rsm->node);
	look(rsm, now_us);
	/* Taken up by the core at its next output: as soon as everything is chosen, the successor is asked. */
	if (!rsm->disk_watch.hung || !paxos_relieve(rsm->paxos, now_us) || rsm->disk_watch.told)
		return;
	rsm->disk_watch.told = true;
	log_event(rsm->log, LOG_WARN, "handing_over", "reason=disk_hung");
}
