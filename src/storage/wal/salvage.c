/*
 * A segment that is damaged, of a log whose owner can live with that (options.lost): whatever
 * verifies is replayed in its order, and what is missing between is told.
 *
 * Every record that verifies was written by this log at this place, and nothing is written before
 * what is before it is durable: so a record of batch m shows that all batches before m were on
 * disk. What verifies of a damaged batch is as true as the rest.
 *
 *   between two records                 bytes that do not verify       a hole
 *   behind the last one of an older     it is not the last of its      a hole, to the end of the
 *     segment                             batch, or the next segment     segment
 *                                         begins with a later batch
 *   the last batch of the last segment  all before it is there         torn, as in a whole log:
 *     is not whole                                                       dropped and zeroed
 *                                       a batch before it is missing   what there is of it counts,
 *                                                                        since it is true,
 *                                                                        acknowledged or not; its
 *                                                                        end is torn
 *   header                              does not verify                a hole without records: what
 *                                                                        had been promised
 *   the file is shorter than the        the next one does not go on   a hole at its end
 *     header says, or not as long as
 *     others if the header is gone
 *   the whole file is missing           between two others            a hole
 *
 * A damaged last segment is not written to any more: the log goes on in the next one.
 */
#include "wal/internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"

struct found {
	uint64_t offset;
	struct wal_frame frame;
};

struct salvage {
	struct wal *wal;
	const struct wal_piece *piece;
	struct found *found;
	size_t count, capacity;
	uint64_t batch; /* of the last record, before this segment or in it … */
	bool ended;     /* … which was the last of it */
	uint64_t end;   /* where it ends */
};

static void add_found(struct salvage *s, uint64_t offset, const struct wal_frame *frame)
{
	ALLOC_ROOM(s->found, s->count, s->capacity, 256);
	s->found[s->count++] = (struct found){offset, *frame};
}

/*
 * All that verifies, in order: 0 or STATUS_NEWER. Remains of earlier torn writes are of batches
 * that have been.
 */
static int find_records(struct salvage *s, struct wal_recovery *info)
{
	const struct wal_piece *piece = s->piece;
	uint64_t batch = s->batch;
	bool ended = s->ended;
	for (uint64_t offset = WAL_HEADER_BYTES; offset + WAL_RECORD_BYTES <= piece->size;) {
		struct wal_frame frame;
		bool good = wal_record_verify(piece->data + offset, piece->size - offset,
					      piece->segment->place, offset, &frame);
		if (good && (frame.batch < (ended ? batch + 1 : batch) ||
			     (piece->batch_end != 0 && frame.batch >= piece->batch_end)))
			good = false;
		if (good && frame.newer)
			return wal_newer_record(s->wal, info, piece->segment->id, offset,
						(unsigned)frame.type);
		if (!good) {
			offset += 8;
			continue;
		}
		add_found(s, offset, &frame);
		batch = frame.batch;
		ended = frame.last;
		offset += frame.size;
	}
	return 0;
}

/*
 * Of the last segment: how many of found[] count. Not a last batch that alone is not whole: it was
 * never acknowledged.
 */
static size_t count_kept(const struct salvage *s)
{
	if (s->count == 0)
		return 0;
	size_t first = s->count - 1;
	uint64_t before = s->batch;
	bool ended = s->ended;
	bool whole = s->found[first].frame.last;
	while (first > 0 && s->found[first - 1].frame.batch == s->found[first].frame.batch) {
		first--;
		whole = whole && s->found[first].offset + s->found[first].frame.size ==
					 s->found[first + 1].offset;
	}
	if (first > 0) {
		before = s->found[first - 1].frame.batch;
		ended = s->found[first - 1].frame.last;
	}
	return whole || !ended || s->found[first].frame.batch != before + 1 ? s->count : first;
}

/* Where the segment ends, or did: a file that was cut had the size of the others. */
static uint64_t end_of(const struct salvage *s)
{
	uint64_t end = s->piece->size > s->wal->options.segment_bytes
			       ? s->piece->size
			       : s->wal->options.segment_bytes;
	return end > s->end ? end : s->end + 1;
}

static void tell_hole(const struct salvage *s, uint64_t begin, uint64_t end,
		      struct wal_recovery *info)
{
	wal_tell_hole(s->wal, info,
		      &(struct wal_hole){.begin = wal_position_make(s->piece->segment->id, begin),
					 .end = wal_position_make(s->piece->segment->id, end),
					 .records = true});
}

static void replay_found(struct salvage *s, size_t count, const struct wal_replay *replay,
			 struct wal_recovery *info)
{
	ASSERT(count == 0 || (s->found != NULL && count <= s->count));
	for (size_t i = 0; i < count; i++) {
		const struct found *f = &s->found[i];
		if (f->offset != s->end)
			tell_hole(s, s->end, f->offset, info);
		wal_replay_frame(s->wal, replay, s->piece->segment->id, f->offset, &f->frame, info);
		s->batch = f->frame.batch;
		s->ended = f->frame.last;
		s->end = f->offset + f->frame.size;
	}
}

/* Zeroes what was torn, and makes what is left durable: it may be in memory only. */
static int settle_tail(const struct salvage *s, size_t kept, struct wal_recovery *info)
{
	struct disk *disk = s->wal->disk;
	struct wal_segment *segment = s->piece->segment;
	uint8_t *data = s->piece->data;
	int status = 0;
	if (kept < s->count) {
		uint64_t begin = s->found[kept].offset,
			 end = s->found[s->count - 1].offset + s->found[s->count - 1].frame.size;
		info->torn_bytes = end - begin;
		memset(data + begin, 0, info->torn_bytes);
		status = disk->ops->write_now(disk, segment->file, begin, data + begin,
					      info->torn_bytes);
	}
	size_t first = kept;
	while (first > 0 && s->found[first - 1].frame.batch == s->found[kept - 1].frame.batch)
		first--;
	/* Of a batch whose end is missing this is the end now. */
	if (kept > 0 && !s->ended)
		wal_record_seal(data + s->found[kept - 1].offset, segment->place,
				s->found[kept - 1].offset, true);
	if (status == 0 && first < kept)
		status = disk->ops->write_now(disk, segment->file, s->found[first].offset,
					      data + s->found[first].offset,
					      s->end - s->found[first].offset);
	return status == 0 ? disk->ops->sync_now(disk, segment->file) : status;
}

int wal_salvage(struct wal *wal, const struct wal_piece *piece, const struct wal_replay *replay,
		struct wal_recovery *info)
{
	struct salvage s = {.wal = wal,
			    .piece = piece,
			    .batch = wal->recovered_batch,
			    .ended = wal->recovered_ended,
			    .end = WAL_HEADER_BYTES};
	uint64_t holes = info->holes;
	piece->segment->damaged = true;
	info->last_damaged = piece->segment->id;
	int status = find_records(&s, info);
	if (status != 0)
		goto out;
	size_t kept = piece->is_last ? count_kept(&s) : s.count;
	replay_found(&s, kept, replay, info);
	/* What the batch behind the last record shows to have been there. */
	uint64_t next = piece->batch_end;
	bool missing = piece->is_cut || (s.count == 0 && !piece->has_header);
	if (!piece->is_last)
		missing = !s.ended || (next != 0 ? next != s.batch + 1 : missing);
	if (missing)
		tell_hole(&s, s.end, end_of(&s), info);
	wal->recovered_batch = next != 0 ? next - 1 : missing ? s.batch + 1 : s.batch;
	wal->recovered_ended = true;
	if (piece->is_last) {
		status = settle_tail(&s, kept, info);
		/* Never again to this file. */
		wal->tail_offset = piece->segment->capacity;
		wal->durable_segment = piece->segment->id;
		wal->durable_offset = s.end;
		wal->next_batch = wal->recovered_batch + 1;
	}
	if (info->holes == holes && wal->options.log != NULL)
		log_event(wal->options.log, LOG_ERROR, "wal_damaged",
			  "segment=%" PRIu64 " offset=0 action=\"nothing is missing but its "
			  "header\" hint=\"look after the disk\"",
			  piece->segment->id);
out:
	free(s.found);
	return status;
}
