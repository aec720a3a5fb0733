/*
 * The scrub: once in an interval, and slowly, all of the log and the newest snapshot are read from
 * the medium and verified, so that damage is found while it does no harm. What the files stand for
 * is in memory and at the other replicas, so:
 *
 *   a damaged snapshot      a new one is taken at once, of the same slot if nothing has been
 *                           applied since
 *   a damaged log segment   what it holds is put behind a new snapshot, and it is released; if it
 *                           is the newest one, the log goes on in another. What is accepted and not
 *                           applied keeps it: tried again, ever more rarely, and by then that is
 *                           written once more, for it may never be chosen
 *
 * A start reads and verifies everything as well: the first pass comes an interval later, at the
 * replicas of a group not at the same time.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "rsm/internal.h"

#define SECOND_US UINT64_C(1000000)
#define HEAL_PAUSE_US (10 * SECOND_US)
#define HEAL_PAUSE_MAX_US (600 * SECOND_US)

static void next_piece(void *data);

static void piece_done(struct rsm *rsm, uint64_t bytes)
{
	struct scrub *s = &rsm->scrub;
	s->bytes += bytes;
	/* No faster than allowed; and the loop has other things to do in between. */
	node_timer_after(rsm->node, &s->timer,
			 bytes * SECOND_US / rsm->settings.scrub_bytes_per_s + 1);
}

static void pass_ended(struct rsm *rsm)
{
	struct scrub *s = &rsm->scrub;
	s->step = SCRUB_IDLE;
	s->passes++;
	snapshot_parser_free(&s->parser);
	free(s->buffer);
	s->buffer = NULL;
	log_event(rsm->log, LOG_INFO, "scrub_ended",
		  "bytes=%" PRIu64 " damaged=%" PRIu64 " ms=%" PRIu64, s->bytes - s->bytes_before,
		  s->damaged - s->damaged_before, (node_now_us(rsm->node) - s->began_us) / 1000);
	uint64_t next_us = s->began_us + rsm->settings.scrub_interval_ms * 1000,
		 now_us = node_now_us(rsm->node);
	node_timer_at(rsm->node, &s->timer, next_us > now_us ? next_us : now_us + 1);
}

/* ---- the log ---- */

void scrub_heal_segment(struct rsm *rsm, uint64_t segment)
{
	struct scrub *s = &rsm->scrub;
	if (segment <= s->damaged_segment)
		return;
	s->damaged_segment = segment;
	s->heal_at_us = 0;
	s->heal_pause_us = HEAL_PAUSE_US;
}

void scrub_log_damaged(struct rsm *rsm, wal_position position, const char *why)
{
	struct scrub *s = &rsm->scrub;
	char name[WAL_FILE_NAME_BYTES];
	uint64_t segment = wal_position_segment(position);
	if (segment == s->told_segment)
		return;
	s->told_segment = segment;
	log_event(rsm->log, LOG_ERROR, "log_damaged",
		  "file=%s offset=%" PRIu64 " why=\"%s\" action=\"a new snapshot makes it "
		  "superfluous\" hint=\"look after the disk\"",
		  wal_file_name(rsm->wal, position, name), wal_position_offset(position), why);
	s->damaged++;
	scrub_heal_segment(rsm, segment);
}

static void log_again(struct rsm *rsm)
{
	const struct log_index *index = &rsm->index;
	for (uint64_t slot = consensus_chosen_slot(rsm->core) + 1;
	     slot < index->first + index->count; slot++)
		if (wal_position_segment(log_index_get(index, slot)) <= rsm->scrub.damaged_segment)
			consensus_log_again(rsm->core, slot);
}

/* Every turn while there is a damaged segment. */
void scrub_heal(struct rsm *rsm)
{
	struct scrub *s = &rsm->scrub;
	uint64_t now_us = node_now_us(rsm->node);
	if (wal_oldest_segment(rsm->wal) > s->damaged_segment) {
		log_event(rsm->log, LOG_INFO, "log_damage_gone", "segment=%" PRIu64,
			  s->damaged_segment);
		s->damaged_segment = 0;
		return;
	}
	/* Of impaired slots all of the log tells (damage.h). */
	if (rsm->damage.first != 0)
		return;
	if (now_us < s->heal_at_us || rsm->snapshot_renew || rsm->applied == 0)
		return;
	if (wal_newest_segment(rsm->wal) == s->damaged_segment && !wal_rotate(rsm->wal))
		return;
	if (s->heal_pause_us > HEAL_PAUSE_US)
		log_again(rsm);
	rsm->snapshot_renew = true;
	s->heal_at_us = now_us + s->heal_pause_us;
	s->heal_pause_us = s->heal_pause_us * 2 > HEAL_PAUSE_MAX_US ? HEAL_PAUSE_MAX_US
								    : s->heal_pause_us * 2;
}

static void log_piece(void *context, const struct wal_scrubbed *scrubbed)
{
	struct rsm *rsm = context;
	struct scrub *s = &rsm->scrub;
	if (scrubbed->damaged != 0)
		scrub_log_damaged(rsm, scrubbed->damaged,
				  scrubbed->status == 0 ? "its checksum does not hold"
							: status_text(scrubbed->status));
	if (scrubbed->ended)
		s->step = SCRUB_SNAPSHOT;
	piece_done(rsm, scrubbed->bytes);
}

/* ---- the snapshot ---- */

void scrub_snapshot_damaged(struct rsm *rsm, uint64_t slot, uint64_t offset, const char *why)
{
	char name[SNAPSHOT_NAME_BYTES];
	if (slot != rsm->snapshot_slot || rsm->snapshot_renew)
		return;
	log_event(rsm->log, LOG_ERROR, "snapshot_damaged",
		  "file=%s offset=%" PRIu64
		  " why=\"%s\" action=\"another one is taken\" hint=\"look after the disk\"",
		  snapshot_name(slot, name), offset, why);
	rsm->scrub.damaged++;
	rsm->snapshot_renew = true;
	rsm->take_after_us = 0;
}

/* Of the file: another one may have the same slot. */
static uint64_t generation(const struct rsm *rsm)
{
	return rsm->counters.snapshots_taken + rsm->counters.snapshots_installed;
}

static void snapshot_piece(struct disk_request *request)
{
	struct rsm *rsm = request->owner;
	struct scrub *s = &rsm->scrub;
	const char *why = request->status == 0 ? "a chunk is damaged"
					       : status_text(request->status);
	int status = request->status;
	/* A newer one has taken its place, and has just been written. */
	bool replaced = s->generation != generation(rsm);
	if (status == 0 && !replaced)
		status = snapshot_parse(&s->parser, slice(request->data, request->len), NULL, NULL);
	s->offset += request->len;
	bool whole = s->offset >= rsm->snapshot_bytes;
	if (status == 0 && !replaced && whole) {
		why = "it is incomplete";
		status = snapshot_parse_end(&s->parser);
	}
	if (status != 0 && !replaced)
		scrub_snapshot_damaged(rsm, s->slot, request->offset, why);
	if (status != 0 || replaced || whole)
		s->step = SCRUB_END;
	piece_done(rsm, request->len);
}

static void read_snapshot(struct rsm *rsm)
{
	struct scrub *s = &rsm->scrub;
	if (s->buffer == NULL) {
		s->generation = generation(rsm);
		s->slot = rsm->snapshot_slot;
		s->offset = 0;
		s->buffer = alloc_bytes(SNAPSHOT_CHUNK_BYTES);
	}
	/* It has been closed, or is about to be. */
	if (rsm->snapshot_file == NULL || s->generation != generation(rsm)) {
		pass_ended(rsm);
		return;
	}
	uint64_t left = rsm->snapshot_bytes - s->offset;
	s->request = (struct disk_request){
		.operation = DISK_READ,
		.lane = DISK_LANE_BULK,
		.file = rsm->snapshot_file,
		.fresh = true,
		.offset = s->offset,
		.data = s->buffer,
		.len = left < SNAPSHOT_CHUNK_BYTES ? (size_t)left : SNAPSHOT_CHUNK_BYTES,
		.callback = snapshot_piece,
		.owner = rsm,
	};
	disk_submit(rsm_disk(rsm), &s->request);
}

/* ---- the pass ---- */

static void next_piece(void *data)
{
	struct rsm *rsm = data;
	struct scrub *s = &rsm->scrub;
	switch (s->step) {
	case SCRUB_IDLE:
		s->began_us = node_now_us(rsm->node);
		s->bytes_before = s->bytes;
		s->damaged_before = s->damaged;
		s->told_segment = 0;
		s->step = SCRUB_LOG;
		wal_scrub_begin(rsm->wal);
		wal_scrub(rsm->wal, log_piece, rsm);
		break;
	case SCRUB_LOG: wal_scrub(rsm->wal, log_piece, rsm); break;
	case SCRUB_SNAPSHOT: read_snapshot(rsm); break;
	case SCRUB_END: pass_ended(rsm); break;
	}
}

void scrub_start(struct rsm *rsm)
{
	uint64_t interval_us = rsm->settings.scrub_interval_ms * 1000;
	if (interval_us == 0)
		return;
	node_timer_after(rsm->node, &rsm->scrub.timer,
			 interval_us - interval_us / (rsm->options.nmembers + 1) * rsm->self);
}

void scrub_init(struct rsm *rsm)
{
	timer_init(&rsm->scrub.timer, next_piece, rsm);
}

void scrub_free(struct rsm *rsm)
{
	struct scrub *s = &rsm->scrub;
	node_timer_cancel(rsm->node, &s->timer);
	snapshot_parser_free(&s->parser);
	free(s->buffer);
}
