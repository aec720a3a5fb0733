/*
 * Serving pieces of the newest snapshot file. Stateless: each piece is asked for by its offset,
 * some at once.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "rsm/internal.h"

static void piece_read(struct disk_request *request)
{
	struct snapshot_read *read = LIST_ITEM(request, struct snapshot_read, request);
	struct rsm *rsm = read->rsm;
	ASSERT(request->offset < read->total && read->total - request->offset >= request->len);
	if (request->status == 0) {
		union peer_message m = {.snapshot_chunk = {
						.slot = read->slot,
						.total = read->total,
						.position = request->offset,
						.data = slice(request->data, request->len),
						.chosen = consensus_chosen_slot(rsm->core),
					}};
		peers_send(rsm, read->to, METHOD_SNAPSHOT_CHUNK, &m);
		rsm->counters.snapshot_pieces_sent++;
	} else {
		/*
		 * A file that cannot be read, or has become shorter, helps nobody: a new one takes
		 * its place.
		 */
		scrub_snapshot_damaged(rsm, read->slot, request->offset,
				       status_text(request->status));
	}
	list_remove(&read->link);
	free(request->data);
	free(read);
}

/* The same piece is on its way to that replica, or as many as may be. */
static bool is_enough(const struct rsm *rsm, uint32_t to, uint64_t offset)
{
	uint32_t count = 0;
	LIST_FOR (link, &rsm->snapshot_reads) {
		const struct snapshot_read *read = LIST_ITEM(link, struct snapshot_read, link);
		if (read->to == to &&
		    (read->request.offset == offset || ++count == SNAPSHOT_WINDOW))
			return true;
	}
	return false;
}

void snapshot_send_piece(struct rsm *rsm, const struct wire_snapshot_fetch *m)
{
	rsm->snapshot_fetched_us = node_now_us(rsm->node);
	if (rsm->snapshot_slot == 0 || rsm->snapshot_slot < m->chosen) {
		rsm->snapshot_wanted = rsm->applied >= m->chosen;
		return;
	}
	/* Of another snapshot than ours: offer ours from its beginning. */
	uint64_t offset = m->slot == rsm->snapshot_slot ? m->position : 0;
	if (offset >= rsm->snapshot_bytes || is_enough(rsm, m->from, offset))
		return;
	struct snapshot_read *read = ALLOC(struct snapshot_read);
	uint64_t left = rsm->snapshot_bytes - offset;
	read->rsm = rsm;
	read->to = m->from;
	read->slot = rsm->snapshot_slot;
	read->total = rsm->snapshot_bytes;
	read->request = (struct disk_request){
		.operation = DISK_READ,
		.lane = DISK_LANE_BULK,
		.file = rsm->snapshot_file,
		.offset = offset,
		.len = left < SNAPSHOT_CHUNK_BYTES ? (size_t)left : SNAPSHOT_CHUNK_BYTES,
		.callback = piece_read,
	};
	read->request.data = alloc_bytes(read->request.len);
	list_push_back(&rsm->snapshot_reads, &read->link);
	disk_submit(rsm_disk(rsm), &read->request);
}

void snapshot_send_free(struct rsm *rsm)
{
	LIST_FOR_SAFE (link, after, &rsm->snapshot_reads) {
		struct snapshot_read *read = LIST_ITEM(link, struct snapshot_read, link);
		list_remove(link);
		free(read->request.data);
		free(read);
	}
}
