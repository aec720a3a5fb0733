/*
 * A disk that hangs (wal/disk_watch.h). The group does without this replica's part in its quorums;
 * but a leader goes on proposing until its own log is congested, and then refuses everything for as
 * long as it leads, though a majority of the disks is well. So it hands over to somebody whose disk
 * answers, and nobody whose disk does not stands for election or is handed over to. If all disks
 * are slow, leadership does not go round.
 *
 * A disk that is full: a leader refuses writes, so it hands over as well if those that have space
 * are a quorum. But it stands for election: if all disks are full somebody must lead, since reads
 * go on.
 */
#include <inttypes.h>

#include "rsm/internal.h"

void rsm_set_electable(struct rsm *rsm)
{
	consensus_set_electable(rsm->core,
				!rsm->restoring && !rsm->state_lost && !rsm->disk_watch.hung);
}

bool relieve_if_full(struct rsm *rsm)
{
	bool full = wal_full(rsm->wal);
	if (full != rsm->disk_full) {
		rsm->disk_full = full;
		rsm->full_told = false;
		consensus_set_willing(rsm->core, !full);
	}
	if (!full)
		return false;
	if (consensus_relieve(rsm->core, node_now_us(rsm->node)) && !rsm->full_told) {
		rsm->full_told = true;
		log_event(rsm->log, LOG_WARN, "handing_over", "reason=disk_full");
	}
	return consensus_transferring(rsm->core);
}

const char *no_space(struct rsm *rsm)
{
	if (wal_full(rsm->wal) && !relieve_if_full(rsm))
		return "the leader's disk is full: free some space; reads go on";
	if (rsm->lacks_space && !consensus_transferring(rsm->core))
		return "disks of too many replicas are full: free some space; reads go on";
	return NULL;
}

static void tell(struct rsm *rsm, enum disk_watch_news news, uint64_t length_us)
{
	switch (news) {
	case DISK_WATCH_NOTHING: return;
	case DISK_WATCH_HUNG:
		log_event(rsm->log, LOG_ERROR, "disk_hung",
			  "since_ms=%" PRIu64 " waiting_bytes=%" PRIu64 " leading=%s",
			  length_us / 1000, wal_pending_bytes(rsm->wal),
			  rsm->leading ? "yes" : "no");
		break;
	case DISK_WATCH_BACK:
		log_event(rsm->log, LOG_WARN, "disk_back", "after_ms=%" PRIu64, length_us / 1000);
		break;
	case DISK_WATCH_WAS_HUNG:
		log_event(rsm->log, LOG_ERROR, "disk_was_hung", "ms=%" PRIu64, length_us / 1000);
		break;
	}
	rsm->relieve_told = false;
	rsm_set_electable(rsm);
}

void relieve_if_hung(struct rsm *rsm)
{
	uint64_t now_us = node_now_us(rsm->node), length_us;
	if (!disk_watch_due(&rsm->disk_watch, rsm->wal))
		return;
	enum disk_watch_news news = disk_watch_look(&rsm->disk_watch, rsm->wal, now_us,
						    rsm->settings.election_timeout_ms * 1000ull,
						    &length_us);
	tell(rsm, news, length_us);
	/*
	 * Taken up by the core at its next output: as soon as everything is chosen, the successor
	 * is asked.
	 */
	if (!rsm->disk_watch.hung || !consensus_relieve(rsm->core, now_us) || rsm->relieve_told)
		return;
	rsm->relieve_told = true;
	log_event(rsm->log, LOG_WARN, "handing_over", "reason=disk_hung");
}
