/* The moves of a pbserver: the tables of pb/states.h. */
#include <inttypes.h>

#include "pb/internal.h"

const struct state_table PB_STANDINGS = {
	"pbserver",
	{
		[STANDING_IDLE] = {"idle", NEXT(STANDING_IDLE) | NEXT(STANDING_FILLING) |
						   NEXT(STANDING_PRIMARY)},
		[STANDING_FILLING] = {"filling", NEXT(STANDING_IDLE) | NEXT(STANDING_FILLING) |
							 NEXT(STANDING_FILLED)},
		[STANDING_FILLED] = {"filled", NEXT(STANDING_IDLE) | NEXT(STANDING_FILLING) |
						       NEXT(STANDING_PRIMARY)},
		[STANDING_PRIMARY] = {"primary", NEXT(STANDING_IDLE) | NEXT(STANDING_FILLING) |
							 NEXT(STANDING_PRIMARY)},
	}};

const struct state_table PB_TRANSFERS = {
	"state transfer",
	{
		[TRANSFER_NONE] = {"none", NEXT(TRANSFER_NONE) | NEXT(TRANSFER_RECORDS)},
		[TRANSFER_RECORDS] = {"records", NEXT(TRANSFER_NONE) | NEXT(TRANSFER_RECORDS) |
							 NEXT(TRANSFER_DONE)},
		[TRANSFER_DONE] = {"done", NEXT(TRANSFER_NONE) | NEXT(TRANSFER_RECORDS)},
	}};

void pb_become(struct pb_node *n, enum pb_standing standing)
{
	log_event(n->server.node.log, LOG_DEBUG, "standing", "view=%" PRIu64 " from=%s to=%s",
		  n->view, state_name(&PB_STANDINGS, n->standing),
		  state_name(&PB_STANDINGS, standing));
	n->standing = state_move(&PB_STANDINGS, n->standing, standing);
	ASSERT(standing != STANDING_IDLE || pb_state_keys(&n->state) == 0);
	ASSERT(standing == STANDING_PRIMARY || n->stream.link == 0);
}

void pb_transfer_becomes(struct pb_node *n, enum transfer transfer)
{
	struct stream *s = &n->stream;
	s->transfer = state_move(&PB_TRANSFERS, s->transfer, transfer);
	ASSERT((transfer == TRANSFER_NONE) == (s->link == 0));
	ASSERT((transfer == TRANSFER_DONE) == (s->complete_frame != 0));
}
